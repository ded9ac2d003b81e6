#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: QEMU 7.2.22 (Debian 12), TCG, user mode, -cpu max.
# Packages: qemu-user=1:7.2+dfsg-7+deb12u18+b3
# Behaviour: of two NaNs an SSE instruction returns the first operand, made quiet, whichever of them was signalling. TCG returns the quiet one
#	of a signalling and a quiet NaN, as x87 does. Guess: one rule, since the manual has one table for both.
# Seen: ADDSS of the signalling 7fa00001 and the quiet 7fc00002: 7fc00002 on TCG, 7fe00001 on a CPU; IE is set by both.

. "$(dirname "$0")/lib/lib.sh"

user_probe <<'END'
#include <stdio.h>
#include <string.h>

int main(void)
{
	unsigned int bits[] = { 0x7fa00001, 0x7fc00002 }, mxcsr = 0x1f80, sum;

	asm volatile("ldmxcsr %1; movss %2, %%xmm0; addss %3, %%xmm0; movd %%xmm0, %0; stmxcsr %1"
		     : "=r" (sum), "+m" (mxcsr) : "m" (bits[0]), "m" (bits[1]) : "xmm0");
	printf("sum=%x\ninvalid=%u\n", sum, mxcsr & 1);
	return 0;
}
END
expect "TCG: ADDSS" 7fc00002 "$(seen sum)"
expect "TCG: IE of it" 1 "$(seen invalid)"
on_this_cpu sse || finish
expect "this CPU: ADDSS" 7fe00001 "$(seen sum)"
expect "this CPU: IE of it" 1 "$(seen invalid)"
finish
