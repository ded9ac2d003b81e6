/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A machine around the emulator for its unit tests: registers, 64 KiB of RAM at
 * linear address 0, a page that faults, and a device that user space answers.
 */
#ifndef EMULATE_MACHINE_H
#define EMULATE_MACHINE_H

#include <keel/emulate.h>

#define RAM_SIZE	0x10000
#define CODE		0x1000		/* where machine_run() puts the instruction */
#define STACK		0x8000
#define FAULT_PAGE	0x20000		/* not present */
#define READ_ONLY_PAGE	0x21000		/* RAM that faults when written */
#define DEVICE		0x30000		/* every access goes to user space */
#define DEVICE_POSTED	0x31000		/* final stores are posted */

#define BAD_CR3		0xbad000	/* the owner refuses it */

#define FLAG_CF		0x001
#define FLAG_PF		0x004
#define FLAG_AF		0x010
#define FLAG_ZF		0x040
#define FLAG_SF		0x080
#define FLAG_TF		0x100
#define FLAG_IF		0x200
#define FLAG_DF		0x400
#define FLAG_OF		0x800
#define FLAG_RF		0x10000
#define FLAG_VIF	0x80000
#define FLAG_VIP	0x100000
#define FLAG_ARITH	0x8d5

struct machine_access {
	u64 la;
	u64 data;
	u16 size;
	bool is_write;
};

/**
 * struct machine - state around a struct emu
 * @asked: accesses that went to user space, in order
 * @lose_races: this many cmpxchg find other memory than expected
 * @supervisor: a page that CPL 3 does not reach, but for what the CPU does by itself; 0 for none
 */
struct machine {
	struct emu emu;
	u64 gpr[16];
	struct segment seg[8];
	struct desc_table table[2];
	u64 cr[18];		/* and EMU_XCR0, EMU_EFER */
	u64 dr[8];
	u64 invlpg;
	u64 xmm[32][2];
	u64 ymm[16][4];
	struct emu_fx fx;
	unsigned int nr_fx_sets;
	u8 ram[RAM_SIZE];
	u8 *host_base;		/* linear addresses from here are host addresses (native test) */
	size_t host_size;
	bool host_only;		/* no RAM but that */
	bool answered;		/* user space has answered: complete the access */
	struct machine_access asked[64];
	unsigned int nr_asked;
	u64 device_value;	/* what device reads give; counts up */
	u8 ports[4096];		/* bytes taken by OUT */
	unsigned int nr_ports;
	u8 port_value;		/* next byte given by IN */
	bool port_asks;		/* ports go to user space */
	unsigned int nr_port_calls;
	unsigned int lose_races;
	u64 supervisor;
};

void machine_init(struct machine *m, enum emu_mode mode);
int machine_decode(struct machine *m, const void *bytes, unsigned int n);

/* Decode and execute at CODE; user space answers until done.  Returns the last result. */
int machine_run(struct machine *m, const void *bytes, unsigned int n);

/* The same with one emu_execute() only. */
int machine_step(struct machine *m, const void *bytes, unsigned int n);

u64 machine_peek(const struct machine *m, u64 la, unsigned int size);
void machine_poke(struct machine *m, u64 la, u64 val, unsigned int size);

/* Put a descriptor into the GDT at 0x9000 or LDT. */
void machine_descriptor(struct machine *m, unsigned int index, u32 base, u32 limit, u16 attr);

/* Which test has come upon an opcode: unit_untested_test asks. */
enum machine_how {
	MACHINE_TABLE = 1,	/* a test that says what is wanted */
	MACHINE_CPU = 2,	/* unit_native_test */
	MACHINE_OTHER_CPU = 4,	/* the same would, on a machine that lets such code run */
};

#define MACHINE_KEY(is_long, is_vex, map, opcode, prefix, modrm) \
	(((((((is_long) * 2u + (is_vex)) * 4 + (map)) * 256 + (opcode)) * 4) + (prefix)) * 256 + (modrm))
#define MACHINE_KEYS	MACHINE_KEY(2, 0, 0, 0, 0, 0)

/* Note the decoded instruction. */
void machine_seen(const struct machine *m, enum machine_how how);

/* A byte for each key, shared by the tests of one build: beside the programs. */
u8 *machine_seen_map(bool create);

#define RUN(m, ...) \
	machine_run(m, (const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }))
#define STEP(m, ...) \
	machine_step(m, (const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }))

#endif
