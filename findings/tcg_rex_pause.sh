#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: QEMU 7.2.22 (Debian 12), TCG, user mode; all CPU models.
# Packages: qemu-user=1:7.2+dfsg-7+deb12u18+b3
# Behaviour: F3 41 90 is PAUSE to the CPUs of Intel and AMD: REX.B before 90 makes it XCHG with R8, but F3 90 is PAUSE whatever
#	REX says. TCG exchanges the registers.
# Seen: EAX and R8D change places under TCG on models of both vendors, and keep them on the CPU of the machine at hand.

. "$(dirname "$0")/lib/lib.sh"

need gcc
cat >"$work/probe.c" <<'END'
#include <stdio.h>

int main(void)
{
	unsigned long a = 1, r8;

	asm volatile("mov $5, %%r8d; .byte 0xf3, 0x41, 0x90; mov %%r8, %1" : "+a" (a), "=r" (r8) : : "r8");
	printf("rax=%lu\nr8=%lu\n", a, r8);
	return 0;
}
END
gcc -O1 -static -Wall -Werror -o "$work/probe" "$work/probe.c" || broken "the program does not compile"
fetch qemu-user=1:7.2+dfsg-7+deb12u18+b3
for model in EPYC Skylake-Client; do
	"$root/usr/bin/qemu-x86_64" -cpu $model "$work/probe" >"$work/out" 2>/dev/null || broken "the program did not end well"
	expect "TCG, $model: RAX 1 and R8 5 become" "5 1" "$(seen rax) $(seen r8)"
done
"$work/probe" >"$work/out"
expect "this machine's CPU: they stay" "1 5" "$(seen rax) $(seen r8)"
finish
