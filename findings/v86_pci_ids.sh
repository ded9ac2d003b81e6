#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: v86 0.5.462 (npm).
# Packages: v86=0.5.462
# Behaviour: the vendor and device ID of a PCI function are read-only; so are its class code and revision. Those of v86's host bridge
#	can be written: the guest gives the bridge any name, and that is what a later scan of the bus finds.
#	Guess: PCI Local Bus Specification 3.0, 6.2.1 "Device Identification", where all of them are read-only.
# Seen: 0x12378086 at first, 0x11111111 after that was written; the class code likewise.

. "$(dirname "$0")/lib/lib.sh"

on_v86 <<'END'
#include "bare.h"

static inline void outl(unsigned short port, u32 v) { asm volatile("outl %0, %1" : : "a" (v), "Nd" (port)); }

static inline u32 inl(unsigned short port)
{
	u32 v;

	asm volatile("inl %1, %0" : "=a" (v) : "Nd" (port));
	return v;
}

static u32 config(u32 at)
{
	outl(0xcf8, 0x80000000 + at);
	return inl(0xcfc);
}

static void config_write(u32 at, u32 v)
{
	outl(0xcf8, 0x80000000 + at);
	outl(0xcfc, v);
}

void probe(void)
{
	tell("id", config(0));
	config_write(0, 0x11111111);
	tell("renamed", config(0));
	tell("class", config(8));
	config_write(8, 0x02000001);
	tell("other", config(8));
	say("status=0\n");
}
END
expect "ID" 0x12378086 "$(seen id)"
expect "ID after a write of 0x11111111" 0x11111111 "$(seen renamed)"
expect "class and revision" 0x6000002 "$(seen class)"
expect "class and revision after a write of 0x02000001" 0x2000001 "$(seen other)"
finish
