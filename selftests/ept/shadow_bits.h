/* SPDX-License-Identifier: GPL-2.0-only */
/* Bits of paging entries, by the manual's names (SDM volume 3, "Paging"). Not the engine's own: what checks it is written apart from it. */
#ifndef SHADOW_BITS_H
#define SHADOW_BITS_H

#include <linux/bits.h>

#define P	BIT(0)
#define RW	BIT(1)
#define US	BIT(2)
#define A	BIT(5)
#define D	BIT(6)
#define PS	BIT(7)
#define XD	BIT(63)

#endif
