#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: QEMU 7.2.22 (Debian 12).
# Packages: qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3
# Behaviour: Resend (FE) makes a PS/2 keyboard send its last byte again; a command that a keyboard or mouse does not know is answered by
#	FE. On QEMU the keyboard's answer to Resend is FE, that is, it asks for the same in turn. The mouse has no answer at all to
#	a command that it does not know, and one of these is Reset Wrap Mode (EC) outside of wrap mode.
#	Guess: IBM PS/2 Hardware Interface Technical Reference, the keyboard's command Resend (FE) and the mouse's Reset Wrap Mode (EC).
# Seen: after a reset's last byte AA, FE gets FE. The mouse answers E8 with FA, then EC and E4 with nothing, then E6 with FA.

. "$(dirname "$0")/lib/lib.sh"

on_bare <<'END'
#include "bare.h"

/* the next byte, or 0x100 after a while without one */
static u32 answer(void)
{
	int n;

	for (n = 0; n < 200000; n++)
		if (inb(0x64) & 1)
			return inb(0x60);
	return 0x100;
}

static void send(unsigned short port, unsigned char v)
{
	while (inb(0x64) & 2)
		;
	outb(port, v);
}

static u32 ask_mouse(unsigned char v)
{
	send(0x64, 0xd4);
	send(0x60, v);
	return answer();
}

void probe(void)
{
	while (inb(0x64) & 1)
		inb(0x60);
	send(0x64, 0xa8);
	send(0x60, 0xff);
	tell("reset", answer());
	tell("tested", answer());
	send(0x60, 0xfe);
	tell("again", answer());
	send(0x60, 0xe3);
	tell("no_command", answer());
	tell("resolution", ask_mouse(0xe8));
	tell("value", ask_mouse(2));
	tell("wrap", ask_mouse(0xec));
	tell("no_mouse_command", ask_mouse(0xe4));
	tell("scaling", ask_mouse(0xe6));
	say("status=0\n");
}
END
expect "keyboard: FF, reset" 0xfa "$(seen reset)"
expect "keyboard: the test's result" 0xaa "$(seen tested)"
expect "keyboard: FE, send that again" 0xfe "$(seen again)"
expect "keyboard: E3, no command" 0xfe "$(seen no_command)"
expect "mouse: E8, resolution" 0xfa "$(seen resolution)"
expect "mouse: 02, its value" 0xfa "$(seen value)"
expect "mouse: EC, end wrap mode (0x100 is no answer)" 0x100 "$(seen wrap)"
expect "mouse: E4, no command" 0x100 "$(seen no_mouse_command)"
expect "mouse: E6, scaling" 0xfa "$(seen scaling)"
finish
