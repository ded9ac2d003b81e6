#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: QEMU 7.2.22 (Debian 12), TCG, an AMD CPU with SVM; seen through KVM of Linux 6.1.192.
# Packages: qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3 linux-image-6.1.0-56-amd64=6.1.192-2
# Behaviour: the exception intercept of vector 3 does not see INT3. A debugger that has set KVM_GUESTDBG_USE_SW_BP never hears of
#	the breakpoint: the guest's own handler gets it.
# Seen: the guest's handler runs (OUT of 0x33) where KVM_EXIT_DEBUG (4) was to come.

. "$(dirname "$0")/lib/lib.sh"

on_linux kvm <<'END'
#include "kvm.h"

/* vector 3 in the real-mode table leads to an OUT */
GUEST("xor %ax, %ax; mov %ax, %ds; mov %ax, %ss; mov $0x8000, %sp; movw $handler - guest + 0x1000, 12; movw %ax, 14; int3; hlt;"
      "handler: mov $0x33, %al; out %al, $0x10; hlt");

int main(void)
{
	struct kvm_guest_debug debug = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP };

	vm_start(0, guest, guest_end);
	TRY(ioctl(vcpu, KVM_SET_GUEST_DEBUG, &debug));
	printf("exit=%d\n", vcpu_run());
	if (run->exit_reason == KVM_EXIT_IO)
		printf("out=%#x\n", *((unsigned char *)run + run->io.data_offset));
	return 0;
}
END
expect "exit reason after INT3, KVM_EXIT_IO" 2 "$(seen exit)"
expect "what the guest's own handler wrote" 0x33 "$(seen out)"
finish
