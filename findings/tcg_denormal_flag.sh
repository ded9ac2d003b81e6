#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: QEMU 7.2.22 (Debian 12), TCG, user mode, -cpu max.
# Packages: qemu-user=1:7.2+dfsg-7+deb12u18+b3
# Behaviour: an operand that is denormal sets the flag DE, in the x87 status word as in MXCSR. TCG computes right and sets it in
#	neither. Guess: as the other five flags, which are there.
# Seen: DE 0 after adding a denormal to 1, by FADD and by ADDSS; a CPU has 1. PE is set by all.

. "$(dirname "$0")/lib/lib.sh"

user_probe <<'END'
#include <stdio.h>

int main(void)
{
	float tiny = 1e-40f, one = 1;
	unsigned int mxcsr = 0x1f80;
	unsigned short fsw;

	asm volatile("fninit; flds %1; fstp %%st(0); fnclex; fld1; fadds %1; fnstsw %0; fstp %%st(0)" : "=m" (fsw) : "m" (tiny));
	printf("x87=%u\nx87_inexact=%u\n", fsw >> 1 & 1, fsw >> 5 & 1);
	asm volatile("ldmxcsr %0; addss %2, %1; stmxcsr %0" : "+m" (mxcsr), "+x" (one) : "m" (tiny));
	printf("sse=%u\nsse_inexact=%u\n", mxcsr >> 1 & 1, mxcsr >> 5 & 1);
	return 0;
}
END
expect "TCG: DE of FADD" 0 "$(seen x87)"
expect "TCG: PE of FADD" 1 "$(seen x87_inexact)"
expect "TCG: DE of ADDSS" 0 "$(seen sse)"
expect "TCG: PE of ADDSS" 1 "$(seen sse_inexact)"
on_this_cpu sse || finish
expect "this CPU: DE of FADD" 1 "$(seen x87)"
expect "this CPU: PE of FADD" 1 "$(seen x87_inexact)"
expect "this CPU: DE of ADDSS" 1 "$(seen sse)"
expect "this CPU: PE of ADDSS" 1 "$(seen sse_inexact)"
finish
