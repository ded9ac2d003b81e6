#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: QEMU 7.2.22 (Debian 12), TCG, user mode, -cpu max.
# Packages: qemu-user=1:7.2+dfsg-7+deb12u18+b3
# Behaviour: VCVTPH2PS and VCVTPS2PH take no notice of MXCSR.DAZ and FTZ for the half-precision side: a denormal there is converted as it is.
#	TCG flushes both to zero. Guess: the manual, as compilers and libraries rely on it with DAZ and FTZ on.
# Seen: with DAZ and FTZ the half 0x0001 becomes 0 on TCG and 2^-24 on a CPU, and 2^-24 becomes 0 and 0x0001.

. "$(dirname "$0")/lib/lib.sh"

user_probe <<'END'
#include <stdio.h>

int main(void)
{
	unsigned int mxcsr = 0x9fc0, half = 1, single = 0x33800000, wide, narrow;

	asm volatile("ldmxcsr %2; vmovd %3, %%xmm0; vcvtph2ps %%xmm0, %%xmm0; vmovd %%xmm0, %0; "
		     "vmovd %4, %%xmm0; vcvtps2ph $0, %%xmm0, %%xmm0; vmovd %%xmm0, %1"
		     : "=r" (wide), "=r" (narrow) : "m" (mxcsr), "m" (half), "m" (single) : "xmm0");
	printf("wide=%x\nnarrow=%x\n", wide, narrow & 0xffff);
	return 0;
}
END
expect "TCG: VCVTPH2PS" 0 "$(seen wide)"
expect "TCG: VCVTPS2PH" 0 "$(seen narrow)"
on_this_cpu f16c || finish
expect "this CPU: VCVTPH2PS" 33800000 "$(seen wide)"
expect "this CPU: VCVTPS2PH" 1 "$(seen narrow)"
finish
