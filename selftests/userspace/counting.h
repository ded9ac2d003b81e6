/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest that tells two machines apart that go on from the same moment: it counts in its memory.
 */
#ifndef SELFTESTS_COUNTING_H
#define SELFTESTS_COUNTING_H

#include "launch.h"

#define FIRST	'0'
#define STEPS	64

/* Says R, then counts in memory, and says where it is: a character, of 64 one after the other. The same bytes in 32-bit mode. */
static const u8 counting[] = {
	OUT_SERIAL('R'),
	0xb9, 0x00, 0x20, 0x00, 0x00,			/* ecx = 8192 */
	0xe2, 0xfe,					/* loop here */
	0xfe, 0x04, 0x25, 0x00, 0x00, 0x80, 0x01,	/* inc byte [0x1800000] */
	0x8a, 0x04, 0x25, 0x00, 0x00, 0x80, 0x01,	/* al = it */
	0x24, STEPS - 1, 0x04, FIRST,
	0xee,
	0xeb, 0xe4,
};

#endif
