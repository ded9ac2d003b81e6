#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: QEMU 7.2.22, Bochs 2.7 (both Debian 12).
# Packages: qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3 bochs=2.7+dfsg-4+deb12u1
# Behaviour: the flags in register C of an MC146818 clock are set whether their interrupts are enabled or not, so that a program can
#	poll them. On Bochs a flag waits for its interrupt to be enabled. QEMU has the flag of the update as the data sheet wants, but
#	not that of the period.
#	Guess: Motorola's MC146818 data sheet, "Register C": PF and UF do not depend on PIE and UIE.
# Seen: after a second at 1024 Hz, PF and UF are 0x10 on QEMU, 0 on Bochs; with PIE set they and IRQF are 0xd0 and 0xc0.

. "$(dirname "$0")/lib/lib.sh"

on_bare <<'END'
#include "bare.h"

static unsigned char clock_read(unsigned char at)
{
	outb(0x70, at);
	return inb(0x71);
}

static void clock_write(unsigned char at, unsigned char v)
{
	outb(0x70, at);
	outb(0x71, v);
}

/* register C after two updates */
static u32 flags(void)
{
	unsigned char second;
	int n;

	clock_read(12);
	for (n = 0; n < 2; n++) {
		second = clock_read(0);
		while (clock_read(0) == second)
			;
	}
	while (clock_read(10) & 0x80)
		;
	return clock_read(12) & 0xd0;
}

void probe(void)
{
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	clock_write(10, 0x26);
	clock_write(11, 0x02);
	tell("off", flags());
	clock_write(11, 0x42);
	tell("on", flags());
	say("status=0\n");
}
END
expect "QEMU: PF and UF, interrupts off" 0x10 "$(seen off)"
expect "QEMU: PF and UF, periodic interrupt on" 0xd0 "$(seen on)"

on_bochs corei7_skylake_x <<'END'
	cli; mov $0xff, %al; out %al, $0x21; out %al, $0xa1
	mov $0x260a, %ax; call put; mov $0x020b, %ax; call put; call flags; call tell
	mov $0x420b, %ax; call put; call flags; call tell; jmp done
put:	out %al, $0x70; mov %ah, %al; out %al, $0x71; ret
get:	out %al, $0x70; in $0x71, %al; ret
flags:	mov $12, %al; call get; mov $2, %cx
1:	mov $0, %al; call get; mov %al, %bl
2:	mov $0, %al; call get; cmp %al, %bl; je 2b; loop 1b
	mov $12, %al; call get; movzbl %al, %eax; and $0xd0, %al; ret
END
expect "Bochs: PF and UF, interrupts off" 00000000 "$(line 1)"
expect "Bochs: PF and UF, periodic interrupt on" 000000c0 "$(line 2)"
finish
