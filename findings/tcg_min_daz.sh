#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: QEMU 7.2.22 (Debian 12), TCG, user mode, -cpu max.
# Packages: qemu-user=1:7.2+dfsg-7+deb12u18+b3
# Behaviour: with MXCSR.DAZ a denormal operand is taken for a zero. MINSS and MAXSS then return that zero. TCG compares with it, and returns the
#	denormal as it was. Guess: both, the comparison and the result, see a zero.
# Seen: MAXSS of 0 and a denormal with DAZ: the denormal on TCG, 0 on a CPU.

. "$(dirname "$0")/lib/lib.sh"

user_probe <<'END'
#include <stdio.h>

int main(void)
{
	unsigned int tiny = 0x123, zero = 0, mxcsr = 0x1fc0, result;

	asm volatile("ldmxcsr %1; movss %3, %%xmm0; maxss %2, %%xmm0; movd %%xmm0, %0"
		     : "=r" (result) : "m" (mxcsr), "m" (tiny), "m" (zero) : "xmm0");
	printf("max=%x\n", result);
	return 0;
}
END
expect "TCG: MAXSS" 123 "$(seen max)"
on_this_cpu sse || finish
expect "this CPU: MAXSS" 0 "$(seen max)"
finish
