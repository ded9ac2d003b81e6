#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: QEMU 7.2.22 (Debian 12), TCG, any CPU with PAE.
# Packages: qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3
# Behaviour: the four entries of a page-directory-pointer table of PAE paging have no accessed bit: bit 5 is reserved there, and a
#	CPU that finds it set when it loads CR3 refuses. TCG walks them like entries of other levels, and sets it in memory.
# Seen: entry 0 is 0x...001 before paging is turned on, and 0x...021 after.

. "$(dirname "$0")/lib/lib.sh"

on_bare <<'END'
#include "bare.h"

static u64 pdpt[4] __attribute__((aligned(4096))), pd[512] __attribute__((aligned(4096)));

void probe(void)
{
	u32 i, cr;

	for (i = 0; i < 512; i++)
		pd[i] = (u64)i << 21 | 0x83;
	pdpt[0] = (u32)pd | 1;
	tell("before", pdpt[0] & 0xfff);
	asm volatile("mov %%cr4, %0; or $0x30, %0; mov %0, %%cr4; mov %1, %%cr3; mov %%cr0, %0; or $0x80000000, %0; mov %0, %%cr0"
		     : "=&r" (cr) : "r" (pdpt) : "memory");
	tell("after", *(volatile u32 *)&pdpt[0] & 0xfff);
	say("status=0\n");
}
END
expect "low bits of the entry before" 0x1 "$(seen before)"
expect "low bits of the entry after" 0x21 "$(seen after)"
finish
