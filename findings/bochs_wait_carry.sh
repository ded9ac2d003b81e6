#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: the firmware of Bochs 2.7, SeaBIOS 1.16.2 on QEMU 7.2.22 (both Debian 12).
# Packages: bochs=2.7+dfsg-4+deb12u1 bochsbios=2.7+dfsg-4+deb12u1 qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3 seabios=1.16.2-1
# Behaviour: INT 15h, AH=86h waits for a number of microseconds and then returns with CF clear; CF set means that it did not wait.
#	Bochs's waits and returns with CF set, and with the 86h in AH that also stands for a function that is not there. SeaBIOS
#	waits and clears CF.
#	Guess: IBM PS/2 and PC BIOS Interface Technical Reference, "Interrupt 15H", "(AH)=86H Wait".
# Seen: after a second's wait, CF is 1 on Bochs, 0 on SeaBIOS.

. "$(dirname "$0")/lib/lib.sh"

# CF and AH after the wait, then the ticks that it took
program() {
	cat <<'END'
	sti; mov 0x46c, %edi; mov $0x8600, %ax; mov $0xf, %cx; mov $0x4240, %dx; clc; int $0x15
	setc %al; movzwl %ax, %eax; call tell; mov 0x46c, %eax; sub %edi, %eax; call tell; jmp done
END
}

# waited - whether it took a second, of 18.2 ticks, or more: a busy host makes it longer
waited() { [ $((16#$(line 2))) -ge 17 ] && echo yes; }

program | on_bochs corei7_skylake_x
expect "Bochs: AH and CF" 00008601 "$(line 1)"
expect "Bochs: a second went by" yes "$(waited)"
program | on_seabios
expect "SeaBIOS: CF" 0 "$((16#$(line 1) & 1))"
expect "SeaBIOS: a second went by" yes "$(waited)"
finish
