#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: Bochs 2.7 (Debian 12), model corei7_skylake_x.
# Packages: bochs=2.7+dfsg-4+deb12u1
# Behaviour: CPUID leaf 0xd, sub-leaf 1, EBX is the size of the compacted XSAVE area for what XCR0 has on. Here it is that of the
#	standard format, which has a gap where components are missing. SDM, "Compacted Format of an XSAVE Area": the components
#	follow one another, as far as the other sub-leaves do not want them aligned.
# Seen: 0xa80, the components being 0x980 together, with XCR0 0xe7. Linux then does without XSAVE.

. "$(dirname "$0")/lib/lib.sh"

on_bochs corei7_skylake_x <<'END'
	mov %cr4, %eax; or $0x40000, %eax; mov %eax, %cr4
	mov $13, %eax; xor %ecx, %ecx; cpuid; mov %eax, %esi; call tell	# what XCR0 can have
	xor %ecx, %ecx; xor %edx, %edx; xsetbv
	mov $13, %eax; mov $1, %ecx; cpuid; mov %ebx, %eax; call tell
	mov $576, %edi; mov $2, %ebp
1:	bt %ebp, %esi; jnc 2f
	mov $13, %eax; mov %ebp, %ecx; cpuid
	test $2, %cl; jz 3f; add $63, %edi; and $-64, %edi		# to be aligned
3:	add %eax, %edi
2:	inc %ebp; cmp $32, %ebp; jb 1b
	mov %edi, %eax; call tell; jmp done
END
expect "XCR0" 000000e7 "$(line 1)"
expect "size by CPUID" 00000a80 "$(line 2)"
expect "size by the components" 00000980 "$(line 3)"
finish
