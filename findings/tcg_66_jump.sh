#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: QEMU 7.2.22 (Debian 12), TCG, user mode; all CPU models.
# Packages: qemu-user=1:7.2+dfsg-7+deb12u18+b3
# Behaviour: a near jump with operand-size prefix in 64-bit code, 66 E9, has a 32-bit offset on CPUs of Intel, which ignore the
#	prefix, and a 16-bit offset on those of AMD, which also cut RIP to 16 bits. TCG does neither: it takes a 16-bit offset and
#	keeps all of RIP, on models of both vendors.
# Seen: 4 bytes to the next instruction, at a 64-bit address, on EPYC and Skylake-Client; 6 bytes on an Intel CPU.

. "$(dirname "$0")/lib/lib.sh"

need gcc
cat >"$work/probe.c" <<'END'
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

static unsigned char *code;

/* The instruction that the jump led to faults. */
static void on_fault(int signal, siginfo_t *info, void *context)
{
	unsigned long rip = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];

	if (rip - (unsigned long)code < 4096)
		printf("length=%lu\n", rip - (unsigned long)code);
	else
		printf("length=RIP %s\n", rip < 0x10000 ? "cut to 16 bits" : "elsewhere");
	fflush(stdout);
	_Exit(0);
}

int main(void)
{
	/* behind the jump: ADD to address 0 (EAX is 0), then HLT, which a program may not */
	static const unsigned char jump[] = { 0x66, 0xe9, 0, 0, 0, 0, 0xf4 };
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &action, NULL);
	code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(code, jump, sizeof(jump));
	asm volatile("jmp *%0" : : "r" (code), "a" (0) : "memory");
	return 1;
}
END
gcc -O1 -static -Wall -Werror -o "$work/probe" "$work/probe.c" || broken "the program does not compile"
fetch qemu-user=1:7.2+dfsg-7+deb12u18+b3
for model in EPYC Skylake-Client; do
	"$root/usr/bin/qemu-x86_64" -cpu $model "$work/probe" >"$work/out" 2>/dev/null || broken "the program did not end well"
	expect "TCG, $model: the jump's length" 4 "$(seen length)"
done
case $(grep -m 1 -o 'GenuineIntel\|AuthenticAMD' /proc/cpuinfo) in
GenuineIntel) told=6 ;;
AuthenticAMD) told="RIP cut to 16 bits" ;;
*) finish ;;
esac
"$work/probe" >"$work/out"
expect "this machine's CPU: the jump's length" "$told" "$(seen length)"
finish
