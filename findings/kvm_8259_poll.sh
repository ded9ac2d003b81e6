#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: KVM of Linux 6.1.192 (Debian 12).
# Packages: qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3 linux-image-6.1.0-56-amd64=6.1.192-2
# Behaviour: the poll command of an 8259 asks whether an interrupt is pending: bit 7 of the answer says yes, bits 2:0 are its
#	number. KVM answers with the number of a pending interrupt alone, bit 7 clear. (6.12 sets it.)
# Seen: 0x3 with input 3 pending, where the data sheet wants 0x83.

. "$(dirname "$0")/lib/lib.sh"

on_linux kvm <<'END'
#include "kvm.h"

/* initialize with vectors from 0x20, let input 3 through; the poll command and its answer */
GUEST("mov $0x11, %al; out %al, $0x20; mov $0x20, %al; out %al, $0x21; mov $4, %al; out %al, $0x21; mov $1, %al; out %al, $0x21;"
      "mov $0xf7, %al; out %al, $0x21; out %al, $0x10; mov $0x0c, %al; out %al, $0x20; in $0x20, %al; out %al, $0x10; hlt");

int main(void)
{
	struct kvm_irq_level level = { .irq = 3, .level = 1 };

	vm_start(1, guest, guest_end);
	next_out();
	TRY(ioctl(vm, KVM_IRQ_LINE, &level));
	printf("poll=%#x\n", next_out());
	return 0;
}
END
expect "answer to the poll command, input 3 pending" 0x3 "$(seen poll)"
finish
