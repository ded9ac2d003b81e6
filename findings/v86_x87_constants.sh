#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: v86 0.5.462 (npm).
# Packages: v86=0.5.462
# Behaviour: FLDPI and its kin load constants of full 64-bit precision, rounded as the control word says. v86 computes with 80 bits
#	but has these constants from 53-bit numbers: pi is off in its last 11 bits, log2(10), a quotient of two such numbers, has a tail
#	that is neither right nor zero.
#	Guess: Intel's manual, volume 1, 8.3.4 "Load Constant Instructions".
# Seen: 2168c000 at the end of pi, not 2168c235; cd1b92a3 at the end of log2(10), not cd1b8afe. 1/3 has all 64 bits.

. "$(dirname "$0")/lib/lib.sh"

on_v86 <<'END'
#include "bare.h"

/* the lower half of the fraction */
#define TELL(name, code) do { \
	u32 number[3]; \
	asm volatile("fninit; " code "; fstpt %0" : "=m" (number)); \
	tell(name, number[0]); \
} while (0)

void probe(void)
{
	TELL("pi", "fldpi");
	TELL("log2_10", "fldl2t");
	TELL("log2_e", "fldl2e");
	TELL("log10_2", "fldlg2");
	TELL("ln_2", "fldln2");
	TELL("third", "fld1; fld1; fadd %%st, %%st; fld1; faddp; fdivrp");
	say("status=0\n");
}
END
expect "pi, 0x2168c235 by the manual" 0x2168c000 "$(seen pi)"
expect "log2(10), 0xcd1b8afe" 0xcd1b92a3 "$(seen log2_10)"
expect "log2(e), 0x5c17f0bc" 0x5c17f000 "$(seen log2_e)"
expect "log10(2), 0xfbcff799" 0xfbcff20e "$(seen log10_2)"
expect "ln(2), 0xd1cf79ac" 0xd1cf7800 "$(seen ln_2)"
expect "1/3, computed" 0xaaaaaaab "$(seen third)"
finish
