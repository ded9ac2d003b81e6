#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: KVM of Linux 6.1.192 (Debian 12), AMD SVM.
# Packages: qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3 linux-image-6.1.0-56-amd64=6.1.192-2
# Behaviour: when a triple fault leaves to the launcher as KVM_EXIT_SHUTDOWN the registers are those of a CPU after reset
#	already, not those of the fault: the launcher cannot see any more where it was. (On Intel VMX they are those of the fault.)
# Seen: RIP 0xfff0 and CS 0xf000, the guest having been at 0x10xx with CS 0.

. "$(dirname "$0")/lib/lib.sh"

on_linux kvm <<'END'
#include "kvm.h"

GUEST("lidtw no_idt - guest + 0x1000; ud2; no_idt: .word 0; .long 0");

int main(void)
{
	struct kvm_sregs sregs;

	vm_start(0, guest, guest_end);
	printf("exit=%d\n", vcpu_run());
	printf("rip=%#llx\n", vcpu_regs().rip);
	TRY(ioctl(vcpu, KVM_GET_SREGS, &sregs));
	printf("cs=%#x\n", sregs.cs.selector);
	return 0;
}
END
expect "exit reason, KVM_EXIT_SHUTDOWN" 8 "$(seen exit)"
expect "RIP" 0xfff0 "$(seen rip)"
expect "CS" 0xf000 "$(seen cs)"
finish
