#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: v86 0.5.462 (npm).
# Packages: v86=0.5.462
# Behaviour: FXTRACT takes a number apart into exponent and significand. Of an infinity both are infinite; of a denormal it gives the
#	true exponent and a significand from 1 to 2. v86 takes the fields as they stand: infinity is 1 * 2^16384, and the smallest denormal
#	gets exponent -16383 and a significand that is an unnormal, which CPUs since the 387 refuse as invalid.
#	Guess: Intel's manual, volume 2, "FXTRACT - Extract Exponent and Significand".
# Seen: 0x3fff:8000000000000000 and 16384; 0x3fff:0000000000000001 and -16383, where -16445 is due.

. "$(dirname "$0")/lib/lib.sh"

on_v86 <<'END'
#include "bare.h"

struct number {
	u64 fraction;
	unsigned short exponent;
} __attribute__((packed));

static const struct number infinite = { 1ull << 63, 0x7fff }, smallest = { 1, 0 };

static void take_apart(const char *name, const struct number *n)
{
	struct number significand;
	short exponent;

	asm volatile("fninit; fldt %2; fxtract; fstpt %0; fistps %1" : "=m" (significand), "=m" (exponent) : "m" (*n));
	say(name);
	tell("_sign", significand.exponent);
	say(name);
	tell("_high", significand.fraction >> 32);
	say(name);
	tell("_low", significand.fraction);
	say(name);
	tell("_exponent", exponent);
}

void probe(void)
{
	take_apart("infinite", &infinite);
	take_apart("smallest", &smallest);
	say("status=0\n");
}
END
number() { printf '%s:%08x%08x' "$(seen "$1_sign")" "$(seen "$1_high")" "$(seen "$1_low")"; }
expect "infinity: significand" 0x3fff:8000000000000000 "$(number infinite)"
expect "infinity: exponent" 16384 $(($(seen infinite_exponent)))
expect "the smallest denormal: significand" 0x3fff:0000000000000001 "$(number smallest)"
expect "the smallest denormal: exponent" -16383 $(($(seen smallest_exponent) - (1 << 32)))
finish
