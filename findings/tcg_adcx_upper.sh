#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: QEMU 7.2.22 (Debian 12), TCG, user mode, -cpu max.
# Packages: qemu-user=1:7.2+dfsg-7+deb12u18+b3
# Behaviour: ADCX and ADOX with 32-bit operands take no notice of the upper halves of their registers. TCG adds those in too, and the sum of them
#	becomes CF: a flag that was clear comes out set, without a carry. Guess: only the lower halves count, as with ADC.
# Seen: 2 + 3 with bits in the upper halves: CF 1 on TCG, 0 on a CPU.

. "$(dirname "$0")/lib/lib.sh"

user_probe <<'END'
#include <stdio.h>

int main(void)
{
	unsigned long a = 0x100000002, flags;

	asm volatile("test %0, %0; adcx %k2, %k0; pushf; pop %1" : "+r" (a), "=&r" (flags) : "r" (0x200000003UL) : "cc");
	printf("sum=%lu\ncarry=%lu\n", a, flags & 1);
	return 0;
}
END
expect "TCG: 2 + 3" 5 "$(seen sum)"
expect "TCG: CF of it" 1 "$(seen carry)"
on_this_cpu adx || finish
expect "this CPU: 2 + 3" 5 "$(seen sum)"
expect "this CPU: CF of it" 0 "$(seen carry)"
finish
