#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: KVM of Linux 6.1.192 (Debian 12), QEMU 7.2.22's own 8254 (Debian 12).
# Packages: qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3 linux-image-6.1.0-56-amd64=6.1.192-2
# Behaviour: modes 6 and 7 of an 8254 are modes 2 and 3 with a bit that does not matter. Read back after the same control
#	word, KVM's in-kernel timer calls mode 6 by its other name, 2; QEMU's shows the mode as it was written.
# Seen: mode bits 0x34 on KVM, 0x3c on QEMU, for the control word 0x3c.

. "$(dirname "$0")/lib/lib.sh"

on_linux kvm <<'END'
#include "kvm.h"

/* counter 0: both bytes, mode 6, count 0x1000; then the status by the read-back command */
GUEST("mov $0x3c, %al; out %al, $0x43; mov $0, %al; out %al, $0x40; mov $0x10, %al; out %al, $0x40;"
      "mov $0xe2, %al; out %al, $0x43; in $0x40, %al; out %al, $0x10; hlt");

int main(void)
{
	struct kvm_pit_config pit = { 0 };

	vm_create(1);
	TRY(ioctl(vm, KVM_CREATE_PIT2, &pit));
	vcpu_create(guest, guest_end);
	printf("mode=%#x\n", next_out() & 0x3f);
	return 0;
}
END
expect "KVM: status after control word 0x3c" 0x34 "$(seen mode)"

on_bare <<'END'
#include "bare.h"

void probe(void)
{
	outb(0x43, 0x3c);
	outb(0x40, 0);
	outb(0x40, 0x10);
	outb(0x43, 0xe2);
	tell("mode", inb(0x40) & 0x3f);
	say("status=0\n");
}
END
expect "QEMU: status after control word 0x3c" 0x3c "$(seen mode)"
finish
