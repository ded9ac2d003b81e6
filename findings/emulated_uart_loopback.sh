#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: QEMU 7.2.22, Bochs 2.7 (both Debian 12).
# Packages: qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3 bochs=2.7+dfsg-4+deb12u1
# Behaviour: in loopback the four outputs of a 16550's modem control register stand for the inputs of its modem status register,
#	changes of them included, so that a program can test modem interrupts without a modem. Bochs does so. On QEMU the levels follow
#	but no change is ever noticed: the lower half of the status is 0 and there is no interrupt.
#	Guess: National's PC16550D data sheet, "Modem Control Register", bit 4.
# Seen: status 0xfb, then 0xf on Bochs; 0xf0, then 0 on QEMU. The interrupt's identification is 0 on Bochs, 1 (none) on QEMU.

. "$(dirname "$0")/lib/lib.sh"

on_bare -serial null <<'END'
#include "bare.h"

void probe(void)
{
	outb(0x3f9, 8);
	outb(0x3fc, 0x10);
	inb(0x3fe);
	outb(0x3fc, 0x1f);
	tell("id", inb(0x3fa) & 15);
	tell("up", inb(0x3fe));
	outb(0x3fc, 0x10);
	tell("down", inb(0x3fe));
	say("status=0\n");
}
END
expect "QEMU: interrupt" 0x1 "$(seen id)"
expect "QEMU: status after all four rose" 0xf0 "$(seen up)"
expect "QEMU: status after all four fell" 0x0 "$(seen down)"

on_bochs corei7_skylake_x <<'END'
	cli; mov $0x3f9, %dx; mov $8, %al; out %al, %dx; mov $0x10, %al; call control; call status
	mov $0x1f, %al; call control; mov $0x3fa, %dx; in %dx, %al; and $15, %eax; call tell
	call status; call tell; mov $0x10, %al; call control; call status; call tell; jmp done
control: mov $0x3fc, %dx; out %al, %dx; ret
status:	mov $0x3fe, %dx; in %dx, %al; movzbl %al, %eax; ret
END
expect "Bochs: interrupt" 00000000 "$(line 1)"
expect "Bochs: status after all four rose" 000000fb "$(line 2)"
expect "Bochs: status after all four fell" 0000000f "$(line 3)"
finish
