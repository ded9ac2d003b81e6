#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: QEMU 7.2.22 (Debian 12), TCG, user mode, -cpu max.
# Packages: qemu-user=1:7.2+dfsg-7+deb12u18+b3
# Behaviour: a ninth number on the x87 stack, or an operand from an empty register, is a stack fault: IE and SF are set, C1 tells
#	which of the two it was, and the result is the default NaN. TCG has no stack faults. The ninth number takes the place of the
#	first one, and an empty register still has its last number.
#	Guess: Intel's manual, volume 1, 8.5.1.1 "Stack Overflow or Underflow Exception (#IS)".
# Seen: the ninth number is there and the status has no flag; FADD with an empty register gives a number.

. "$(dirname "$0")/lib/lib.sh"

user_probe <<'END'
#include <stdio.h>
#include <string.h>

struct number {
	unsigned long fraction;
	unsigned short exponent;
} __attribute__((packed));

static void tell(const char *name, unsigned short status, const struct number *n)
{
	printf("%s=%x:%lx, status %#x\n", name, n->exponent, n->fraction, status);
}

int main(void)
{
	unsigned short status;
	struct number top;

	asm volatile("fninit; fld1; fld1; fld1; fld1; fld1; fld1; fld1; fld1; fldz; fnstsw %0; fstpt %1; fninit"
		     : "=m" (status), "=m" (top));
	tell("ninth", status, &top);
	asm volatile("fninit; fld1; fstp %%st(0); fld1; fld1; fld1; faddp; ffree %%st(1); fadd %%st(1), %%st; fnstsw %0; fstpt %1; fninit"
		     : "=m" (status), "=m" (top));
	tell("empty", status, &top);
	return 0;
}
END
expect "TCG: the ninth number" "0:0, status 0x3800" "$(seen ninth)"
expect "TCG: 2 and an empty register that had 1" "4000:c000000000000000, status 0x3000" "$(seen empty)"
on_this_cpu fpu || finish
expect "this CPU: the ninth number" "ffff:c000000000000000, status 0x3a41" "$(seen ninth)"
expect "this CPU: 2 and an empty register that had 1" "ffff:c000000000000000, status 0x3041" "$(seen empty)"
finish
