/* SPDX-License-Identifier: GPL-2.0-only */
/* One instruction on the CPU itself: in this process, stepped by the trap flag, in 64-, 32- or 16-bit code. */
#ifndef EMULATE_NATIVE_H
#define EMULATE_NATIVE_H

#include "unit_machine.h"

#define CODE_OFFSET	0x400		/* of the instruction in its page */
#define WINDOW_SIZE	1024		/* memory that instructions may use; behind it a page that faults */
#define VECTOR_STEP	1		/* executed, and nothing raised */

enum native_width { NATIVE_64, NATIVE_32, NATIVE_16, NR_NATIVE_WIDTHS };

struct native_state {
	u64 gpr[16];
	u64 rip;		/* an offset into the page for NATIVE_16 */
	u64 flags;
	unsigned int vector;
	u64 error, address;	/* of a page fault */
	struct emu_fx fx;
};

/* One encoding to be tried. */
struct native_key {
	enum native_width width;
	bool vex;
	u8 map, opcode, prefix, reg;
	bool is_memory;
};

/* unit_native_compose.c */
void native_seed(u64 nr);
void native_next_key(struct native_key *k, u64 *counter);
void native_compose(const struct native_key *k, u8 *insn);
void native_rnd_state(enum native_width width, struct native_state *s);
void native_match_memory(const struct machine *m, struct native_state *s);

/* unit_native_rules.c; @rcx: the register before the instruction */
u32 native_undefined(const struct emu_insn *in, u64 rcx);
bool native_is_left_out(const struct emu_insn *in, u64 rcx);
bool native_is_split(const struct machine *m);
bool native_is_missing(const struct emu_insn *in);

/* Pages below 4 GB, segments, signal handlers.  Skips the case where no code can be stepped. */
void native_init(void);
/* Does the kernel let code of that width run? */
bool native_has(enum native_width width);

/* The window's bytes, and the page of code. */
u8 *native_window(void);
u8 *native_code(void);

/* Selectors and bases of the CPU for code of @width, as the machine's. */
void native_segments(struct machine *m, enum native_width width);

/* Registers of x87 and SSE to begin with. */
const struct emu_fx *native_fx(void);

/* Execute one instruction (one iteration of REP) at s->rip. */
void native_step(enum native_width width, struct native_state *s);

#endif
