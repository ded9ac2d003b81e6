#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: Bochs 2.7 (Debian 12), model corei7_skylake_x.
# Packages: bochs=2.7+dfsg-4+deb12u1 bochsbios=2.7+dfsg-4+deb12u1
# Behaviour: with PAE paging a CPU keeps the four page-directory-pointer entries in registers. MOV to CR0 loads them from memory if it changes
#	CD, NW or PG (SDM, "PDPTE Registers"). Bochs keeps them too, but loads them at every MOV to CR0 while paging is on, here one
#	that changes TS alone.
#	Guess: an entry changed in memory has no effect until CR3 is written.
# Seen: after the change in memory and INVLPG the old page is read; after CR0.TS is set, the new one.

. "$(dirname "$0")/lib/lib.sh"

# One entry, which leads to one of two directories: 0x200000 is the page at 0x400000, with 0xaaaa, or that at 0x600000, with 0xbbbb
on_bochs corei7_skylake_x <<'END'
	cli; lgdt gdtr; mov $0x1000, %ax; mov %ax, %es
	xor %di, %di; xor %eax, %eax; mov $0xc00, %cx; cld; rep stosl
	movl $0x11001, %es:0; movl $0x83, %es:0x1000; movl $0x400083, %es:0x1008; movl $0x83, %es:0x2000; movl $0x600083, %es:0x2008
	mov %cr4, %eax; or $0x20, %eax; mov %eax, %cr4; mov $0x10000, %eax; mov %eax, %cr3
	mov %cr0, %eax; mov %eax, %ebp; inc %ax; mov %eax, %cr0; jmp 1f
1:	mov $8, %bx; mov %bx, %ds; mov $0x200000, %esi
	movl $0xaaaa, (%esi, %esi); movl $0xbbbb, 0x400000(%esi)
	or $0x80000000, %eax; mov %eax, %cr0; jmp 1f
1:	mov (%esi), %ebx; mov %ebx, 0x600
	mov $0x10000, %edi; movl $0x12001, (%edi); invlpg (%esi); mov (%esi), %ebx; mov %ebx, 0x604
	or $8, %al; mov %eax, %cr0; invlpg (%esi); mov (%esi), %ebx; mov %ebx, 0x608
	and $0x7fffffff, %eax; mov %eax, %cr0; mov %ebp, %cr0; jmp 1f
1:	xor %ax, %ax; mov %ax, %ds; mov %ax, %es
	mov 0x600, %eax; call tell; mov 0x604, %eax; call tell; mov 0x608, %eax; call tell; jmp done
gdtr:	.word 15; .long gdt
gdt:	.quad 0, 0x008f92000000ffff
END
expect "before" 0000aaaa "$(line 1)"
expect "entry changed in memory" 0000aaaa "$(line 2)"
expect "CR0.TS set" 0000bbbb "$(line 3)"
finish
