#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: Bochs 2.7, corei7_skylake_x; QEMU 7.2.22 in user mode (both Debian 12).
# Packages: bochs=2.7+dfsg-4+deb12u1 qemu-user=1:7.2+dfsg-7+deb12u18+b3
# Behaviour: a pseudo-denormal is a tiny number with the integer bit set, which no CPU makes and every one takes. FRNDINT of the
#	smallest normal number, written in that way, is 0 and inexact. Bochs returns the number itself
#	as if it were whole, without a flag; of its neighbour it makes 0.
#	Guess: Intel's manual, volume 1, 8.2.2 "Unsupported Double Extended-Precision Floating-Point Encodings and
#	Pseudo-Denormals".
# Seen: 8000000000000000 and status 0x3800 on Bochs, 0 and PE on QEMU and a CPU.

. "$(dirname "$0")/lib/lib.sh"

on_bochs corei7_skylake_x <<'END'
	movl $0, 0x600; movl $0x80000000, 0x604; movw $0, 0x608; call round
	incb 0x600; movb $0x80, 0x607; call round; jmp done
round:	fninit; fldt 0x600; frndint; fnstsw 0x60c; fstpt 0x610; mov 0x614, %eax; call tell; movzwl 0x60c, %eax; call tell; ret
END
expect "Bochs: upper half of the fraction" 80000000 "$(line 1)"
expect "Bochs: status" 00003800 "$(line 2)"
expect "Bochs: upper half of the neighbour's" 00000000 "$(line 3)"
expect "Bochs: its status" 00003822 "$(line 4)"

user_probe <<'END'
#include <stdio.h>

struct number {
	unsigned long fraction;
	unsigned short exponent;
} __attribute__((packed));

static const struct number least = { 1ul << 63, 0 };

int main(void)
{
	unsigned short status;
	struct number whole;

	asm volatile("fninit; fldt %2; frndint; fnstsw %1; fstpt %0; fninit" : "=m" (whole), "=m" (status) : "m" (least));
	printf("fraction=%lx\ninexact=%d\n", whole.fraction, status >> 5 & 1);
	return 0;
}
END
expect "QEMU: fraction, PE" "0 1" "$(seen fraction) $(seen inexact)"
on_this_cpu fpu || finish
expect "this CPU: fraction, PE" "0 1" "$(seen fraction) $(seen inexact)"
finish
