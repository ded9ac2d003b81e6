#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: SeaBIOS 1.16.2 on QEMU 7.2.22, the firmware of Bochs 2.7 (both Debian 12).
# Packages: qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3 seabios=1.16.2-1 bochs=2.7+dfsg-4+deb12u1
#	bochsbios=2.7+dfsg-4+deb12u1
# Behaviour: a disk's size can be had from INT 13h in three ways: the last cylinder (AH=08), the sectors (AH=15), and both again (AH=48).
#	Both keep the last cylinder back, as an AT did for diagnostics, but not in the same answers: SeaBIOS in the first two, Bochs in
#	the second alone, which so contradicts its first. AH=02 reads the cylinder that was kept back all the same.
#	Guess: one size. IBM PS/2 and PC BIOS Interface Technical Reference, "Interrupt 13H", "(AH)=08H Read Drive Parameters", which tells
#	of the largest usable cylinder, and "(AH)=15H Read DASD Type".
# Seen: of 20 cylinders, 16 heads, 63 sectors: 19, 19 and 20 cylinders on SeaBIOS; 20, 19 and 20 on Bochs.

. "$(dirname "$0")/lib/lib.sh"

program() {
	cat <<'END'
	mov $8, %ah; mov $0x80, %dl; int $0x13; movzbl %ch, %eax; inc %eax; call tell
	mov $0x15, %ah; mov $0x80, %dl; int $0x13; mov %cx, %ax; shl $16, %eax; mov %dx, %ax; call tell
	movw $26, 0x600; mov $0x48, %ah; mov $0x80, %dl; mov $0x600, %si; int $0x13; mov 0x604, %eax; call tell; mov 0x610, %eax; call tell
	xor %ax, %ax; mov %ax, %es; mov $0x600, %bx; mov $0x1301, %cx; mov $0x80, %dx; mov $0x0201, %ax; int $0x13
	movzwl %ax, %eax; call tell; jmp done
END
}

# answers - cylinders by AH=08, by the sectors of AH=15, by AH=48, by its sectors; what came of reading cylinder 19
answers() {
	local n cylinders=() size=(1 1008 1 1008)
	for n in 0 1 2 3; do cylinders+=($((16#$(line $((n + 1))) / size[n]))); done
	printf '%s; AH=02 %s' "${cylinders[*]}" "$(line 5)"
}

program | on_seabios
expect "SeaBIOS: cylinders by AH=08, AH=15, AH=48 and its sectors" "19 19 20 20; AH=02 00000001" "$(answers)"
program | on_bochs corei7_skylake_x
expect "Bochs: cylinders by AH=08, AH=15, AH=48 and its sectors" "20 19 20 20; AH=02 00000001" "$(answers)"
finish
