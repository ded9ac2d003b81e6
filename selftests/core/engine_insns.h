/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random single instructions in each mode, and the machine that they run in: for comparing who executes them (core/engine_test).
 *
 * All memory is HLT but tables, data and stack. Handlers are HLTs, one for each vector at 16 bytes.
 */
#ifndef SELFTESTS_ENGINE_INSNS_H
#define SELFTESTS_ENGINE_INSNS_H

#include <stdbool.h>

#include "vm.h"

#define ENGINE_MEMORY	0x40000ULL
#define ENGINE_GDT	0x1000ULL
#define ENGINE_HANDLERS	0x10000ULL
#define ENGINE_DATA	0x20000ULL	/* two pages of data, one of stack */
#define ENGINE_STACK	0x22000ULL
#define ENGINE_DATA_END	0x23000ULL
#define ENGINE_CODE	0x30000ULL

enum engine_mode {
	ENGINE_REAL, ENGINE_PROTECTED16, ENGINE_PROTECTED32, ENGINE_PAE, ENGINE_PAE_USER, ENGINE_VM86, ENGINE_COMPATIBILITY, ENGINE_LONG,
	ENGINE_LONG_USER, NR_ENGINE_MODES
};

/**
 * struct engine_mode_row - a mode
 * @name: of it
 * @bits: of operands by default
 * @cpl: privilege level of the instruction
 * @has_paging: pages of 4 KB, of which some are not for everybody
 */
struct engine_mode_row {
	const char *name;
	u8 bits;
	u8 cpl;
	bool has_paging;
};

extern const struct engine_mode_row engine_modes[NR_ENGINE_MODES];

/**
 * struct engine_insn - one instruction
 * @at: its place in memory
 * @length: bytes
 * @prefixes: how many of them are prefixes
 * @rex: the last of them, if it is REX
 * @two: behind 0f
 * @opcode: the opcode's last byte
 * @modrm: its ModRM byte, if it has one
 */
struct engine_insn {
	u64 at;
	u8 bytes[16];
	u8 length;
	u8 prefixes;
	u8 rex;
	bool two;
	u8 opcode;
	u8 modrm;
};

/* The test's random numbers. */
u64 engine_random(void);
/* Memory as it is at the start. */
void engine_memory(u8 *mem, enum engine_mode mode);
/* Segments, tables and control registers for it, in @s as of a new vCPU. */
void engine_sregs(enum engine_mode mode, struct kvm_sregs *s);
/* An instruction, and the registers before it. */
void engine_choose(enum engine_mode mode, struct engine_insn *insn, struct kvm_regs *regs);
/* The flags that the manual leaves undefined behind it, or behind its fault. */
u32 engine_undefined(const struct engine_insn *insn, bool has_faulted);
/* What it stores is left open, or what is left of it behind a fault. */
bool engine_stores_are_open(enum engine_mode mode, const struct engine_insn *insn, bool has_faulted);
/* Which part of its operand a page fault is told of is left open. */
bool engine_cr2_is_open(const struct engine_insn *insn);
/* Results that the manual leaves undefined. */
bool engine_is_left_out(enum engine_mode mode, const struct engine_insn *insn);

#endif
