#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: QEMU 7.2.22 (Debian 12), TCG, user mode, -cpu max.
# Packages: qemu-user=1:7.2+dfsg-7+deb12u18+b3
# Behaviour: the precision control of x87 rounds the results of FADD, FSUB, FMUL, FDIV and FSQRT, and of no other instruction. TCG
#	rounds those of FPREM, FPREM1 and FRNDINT too, so that a remainder is not exact any more and the largest number becomes infinite.
#	Guess: the manual.
# Seen: with 53 bits, FPREM of 0x7fffffffffffffff by 2^63 is 2^63 on TCG; FRNDINT of the largest number is infinite.

. "$(dirname "$0")/lib/lib.sh"

user_probe <<'END'
#include <stdio.h>

struct number {
	unsigned long fraction;
	unsigned short exponent;
} __attribute__((packed));

static const struct number large = { ~0ul, 0x7ffe }, odd = { 0xfffffffffffffffe, 0x403d }, power = { 1ul << 63, 0x403e };
static const unsigned short control = 0x27f;

int main(void)
{
	struct number rest, whole;

	asm volatile("fninit; fldcw %2; fldt %3; fldt %4; fprem; fstpt %0; fstp %%st(0); fldt %5; frndint; fstpt %1; fninit"
		     : "=m" (rest), "=m" (whole) : "m" (control), "m" (power), "m" (odd), "m" (large));
	printf("rest=%x:%lx\nwhole=%x:%lx\n", rest.exponent, rest.fraction, whole.exponent, whole.fraction);
	return 0;
}
END
expect "TCG: FPREM" 403e:8000000000000000 "$(seen rest)"
expect "TCG: FRNDINT" 7fff:8000000000000000 "$(seen whole)"
on_this_cpu fpu || finish
expect "this CPU: FPREM" 403d:fffffffffffffffe "$(seen rest)"
expect "this CPU: FRNDINT" 7ffe:ffffffffffffffff "$(seen whole)"
finish
