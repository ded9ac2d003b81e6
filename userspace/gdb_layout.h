/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rows behind gdb_regs.h: for gdb_layout.c, which has them, and gdb_regs.c, which reads and writes by them.
 */
#ifndef KEEL_GDB_LAYOUT_H
#define KEEL_GDB_LAYOUT_H

#include <stdint.h>

#define CR0_PE		(1u << 0)
#define EFER_LMA	(1u << 10)
#define FLAGS_VM	(1u << 17)

/* Which kind of register a row is, and with it what row->at means. */
enum kind {
	GENERAL,	/* 64 bits at an offset of kvm_regs */
	PC,
	SELECTOR,	/* of the segment at an offset of kvm_sregs */
	BASE,
	SPECIAL,	/* 64 bits at an offset of kvm_sregs */
	TABLE_BASE,	/* of the table at an offset of kvm_sregs */
	TABLE_LIMIT,
	STACK,		/* x87, by number */
	CONTROL,	/* x87's other registers, by number */
	VECTOR,		/* SSE, by number */
	VECTOR_CONTROL,
};

enum feature { CORE, SSE, SEGMENTS, SYSTEM, FEATURES };

struct row {
	const char *name;
	uint8_t bits;
	uint8_t kind;
	uint16_t at;
	const char *type;	/* gdb's; NULL: a number */
};

struct gdb_layout {
	const struct row *rows;
	unsigned int count;
	unsigned int begins[FEATURES + 1];	/* rows where the features begin */
};

/* x87's, as row->at */
enum control { FCTRL, FSTAT, FTAG, FISEG, FIOFF, FOSEG, FOOFF, FOP };

#endif
