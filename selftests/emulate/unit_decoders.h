/* SPDX-License-Identifier: GPL-2.0-only */
/* The decoder beside two libraries: what was found, and which differences are known. */
#ifndef EMULATE_DECODERS_H
#define EMULATE_DECODERS_H

#include "unit_machine.h"

enum decoder {
	DECODER_ZYDIS,
	DECODER_CAPSTONE,
	NR_DECODERS,
};

/* Modes of the comparison, in the order of the bits of difference.modes. */
enum { WIDTH_REAL, WIDTH_16, WIDTH_32, WIDTH_64, NR_WIDTHS };

enum verdict {
	VERDICT_VALID,
	VERDICT_KNOWN,		/* Keel: a length, and not executed */
	VERDICT_INVALID,
	VERDICT_TOO_LONG,	/* more than 15 bytes */
};

struct opinion {
	enum verdict verdict;
	unsigned int length;
};

/* How a library's opinion differs from Keel's. */
enum difference_kind {
	KIND_NONE,
	KIND_REFUSES = 1,	/* the library refuses what Keel executes */
	KIND_ACCEPTS = 2,	/* and the reverse */
	KIND_LENGTH = 4,	/* accepted by both, with two lengths */
	KIND_LIMIT = 8,		/* only one finds more than 15 bytes */
};

#define ANY_MAP		0xff
#define ANY_PREFIX	0
#define ANY_FORM	0
#define FORM_MEMORY	1
#define FORM_REGISTER	2
#define ALL_REGS	0xff

/**
 * struct difference - one that has been judged by the manuals
 * @lib: whose
 * @kinds: of difference_kind, or-ed
 * @widths: bits of WIDTH_*
 * @vendors: 1 AMD's reading, 2 Intel's
 * @map: opcode map, as in struct emu_insn, or ANY_MAP
 * @first: opcode
 * @last: opcode
 * @with: prefixes that must all be there
 * @prefixes: at least one of these must be there too, ANY_PREFIX for none needed
 * @form: FORM_*
 * @regs: bits of ModRM.reg
 * @why: who is right, and the manual's section
 */
struct difference {
	u8 lib, kinds, widths, vendors, map, first, last, with, prefixes, form, regs;
	const char *why;
};

/* The rule that a difference falls under, or -1. */
int difference_find(enum decoder lib, enum difference_kind kind, unsigned int width, const struct emu *e);

extern const struct difference differences[];
extern const unsigned int nr_differences;

#endif
