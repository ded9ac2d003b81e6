#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: QEMU 7.2.22 (Debian 12), TCG, an AMD CPU with SVM; seen through KVM of Linux 6.1.192.
# Packages: qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3 linux-image-6.1.0-56-amd64=6.1.192-2
# Behaviour: an instruction breakpoint in the debug registers that VMRUN loads does not go off.
# Seen: a guest runs past the breakpoint that KVM_SET_GUEST_DEBUG has set, to its HLT: exit 5, where 4, KVM_EXIT_DEBUG, was to come.

. "$(dirname "$0")/lib/lib.sh"

on_linux kvm <<'END'
#include "kvm.h"

GUEST("nop; nop; nop; hlt");

int main(void)
{
	struct kvm_guest_debug debug = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP };

	vm_start(0, guest, guest_end);
	debug.arch.debugreg[0] = 0x1002;
	debug.arch.debugreg[7] = 0x402;
	TRY(ioctl(vcpu, KVM_SET_GUEST_DEBUG, &debug));
	printf("exit=%d\n", vcpu_run());
	printf("rip=%#llx\n", vcpu_regs().rip);
	return 0;
}
END
expect "exit reason, KVM_EXIT_HLT" 5 "$(seen exit)"
expect "RIP, behind the breakpoint at 0x1002" 0x1004 "$(seen rip)"
finish
