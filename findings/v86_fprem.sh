#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: v86 0.5.462 (npm).
# Packages: v86=0.5.462
# Behaviour: FPREM is exact. It takes at most 63 bits off the exponent at a time and says by C2 whether the remainder is still too
#	large; a number divided by infinity remains as it is. On v86 a large positive number gives a negative remainder, still far larger
#	than the divisor, with C2 clear, so that the usual loop ends there; 1 by infinity is a NaN; and a remainder is not always exact.
#	Guess: Intel's manual, volume 2, "FPREM - Partial Remainder", and its table of zeros and infinities.
# Seen: of about 2^12289 by 3, exponent and sign 0xefc1 and C2 clear (a CPU: 0x6fc1 and C2 set); of 1 by infinity, 0xffff.

. "$(dirname "$0")/lib/lib.sh"

on_v86 <<'END'
#include "bare.h"

struct number {
	u64 fraction;
	unsigned short exponent;
} __attribute__((packed));

static const struct number three = { 3ull << 62, 0x4000 }, large = { (3ull << 62) + 1, 0x7000 }, one = { 1ull << 63, 0x3fff },
	seven = { 7ull << 61, 0x4001 }, infinite = { 1ull << 63, 0x7fff }, odd = { 0xfedcba9876543211, 0x5000 }, near = { (1ull << 63) + 3, 0x4fff };

static void remainder(const char *name, const struct number *of, const struct number *by)
{
	unsigned short status;
	struct number n;

	asm volatile("fninit; fldt %3; fldt %2; fprem; fnstsw %1; fstpt %0" : "=m" (n), "=m" (status) : "m" (*of), "m" (*by));
	say(name);
	tell("_exponent", n.exponent);
	say(name);
	tell("_low", n.fraction);
	say(name);
	tell("_c2", status >> 10 & 1);
}

void probe(void)
{
	remainder("seven", &seven, &three);
	remainder("large", &large, &three);
	remainder("one", &one, &infinite);
	remainder("odd", &odd, &near);
	say("status=0\n");
}
END
expect "7 by 3: sign and exponent" 0x3fff "$(seen seven_exponent)"
expect "1.5 * 2^12289 by 3: sign and exponent" 0xefc1 "$(seen large_exponent)"
expect "1.5 * 2^12289 by 3: C2" 0x0 "$(seen large_c2)"
expect "1 by infinity: sign and exponent" 0xffff "$(seen one_exponent)"
expect "2 * 0xfedcba9876543211 by 0x8000000000000003, lower half: 0xd950c832 is exact" 0xd950c834 "$(seen odd_low)"
finish
