#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: QEMU 7.2.22 (Debian 12), TCG, user mode, -cpu max.
# Packages: qemu-user=1:7.2+dfsg-7+deb12u18+b3
# Behaviour: BLSI sets CF when its source is not zero. TCG sets it when the source is zero, and clears it otherwise.
#	Guess: right, as BLSR and BLSMSK beside it are.
# Seen: CF 1 for 0 and 0 for 8; a CPU has 0 and 1.

. "$(dirname "$0")/lib/lib.sh"

user_probe <<'END'
#include <stdio.h>

static unsigned long carry(unsigned long source)
{
	unsigned long flags, result;

	asm volatile("blsi %2, %0; pushf; pop %1" : "=r" (result), "=r" (flags) : "r" (source) : "cc");
	return flags & 1;
}

int main(void)
{
	printf("zero=%lu\neight=%lu\n", carry(0), carry(8));
	return 0;
}
END
expect "TCG: CF of BLSI of 0" 1 "$(seen zero)"
expect "TCG: CF of BLSI of 8" 0 "$(seen eight)"
on_this_cpu bmi1 || finish
expect "this CPU: CF of BLSI of 0" 0 "$(seen zero)"
expect "this CPU: CF of BLSI of 8" 1 "$(seen eight)"
finish
