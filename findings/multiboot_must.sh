#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: QEMU 7.2.22 (Debian 12), v86 0.5.462 (npm), each as a Multiboot loader.
# Packages: qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3 v86=0.5.462
# Behaviour: the lower 16 bits of a Multiboot header's flags are demands; a loader that cannot meet one has to refuse the kernel. Both
#	start a kernel that demands the size of memory (bit 1) and a video mode (bit 2). QEMU has no video mode for it: it says so, on
#	the host, and goes on. v86 has neither, although it has a memory map, and says nothing.
#	Guess: Multiboot Specification 0.6.96, 3.1.2 "The magic fields of Multiboot header": no start, and mem_lower where there is one.
# Seen: the kernel runs. Of memory's size, map and video (bits 0, 6 and 11 or 12 of the information) QEMU gives 0x41, v86 0x40.

. "$(dirname "$0")/lib/lib.sh"

program() {
	cat <<'END'
#define MULTIBOOT_FLAGS "6"
#include "bare.h"

void probe(void)
{
	tell("given", boot_info[0] & 0x1841);
	say("status=0\n");
}
END
}

program | on_bare
expect "QEMU: size, map, video" 0x41 "$(seen given)"
expect "QEMU's words" "qemu-system-x86_64: multiboot knows VBE. we don't" "$(grep -a multiboot "$work/words")"
program | on_v86
expect "v86: size, map, video" 0x40 "$(seen given)"
finish
