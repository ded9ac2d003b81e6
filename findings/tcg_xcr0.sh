#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: QEMU 7.2.22 (Debian 12), TCG, an AMD CPU with SVM; seen through KVM of Linux 6.1.192.
# Packages: qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3 linux-image-6.1.0-56-amd64=6.1.192-2
# Behaviour: what a guest writes to XCR0 is gone after its next exit. Within the same run it reads its own value.
# Seen: XGETBV gives 0x7 right after XSETBV of 7, and 0x1 after one exit.

. "$(dirname "$0")/lib/lib.sh"

on_linux kvm <<'END'
#include "kvm.h"

/* CR4.OSXSAVE; XCR0 = 7; read it at once and after an exit */
GUEST("mov %cr4, %eax; or $0x40200, %eax; mov %eax, %cr4; xor %ecx, %ecx; xor %edx, %edx; mov $7, %eax; xsetbv;"
      "xgetbv; out %al, $0x10; xor %ecx, %ecx; xgetbv; out %al, $0x10; hlt");

int main(void)
{
	vm_start(0, guest, guest_end);
	printf("at_once=%#x\n", next_out());
	printf("after=%#x\n", next_out());
	return 0;
}
END
expect "XCR0 right after it was set to 7" 0x7 "$(seen at_once)"
expect "XCR0 after an exit" 0x1 "$(seen after)"
finish
