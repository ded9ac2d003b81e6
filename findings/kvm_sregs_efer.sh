#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: KVM of Linux 6.1.192 (Debian 12), AMD SVM.
# Behaviour: KVM_SET_SREGS refuses some invalid values, but takes a reserved bit of EFER and gives it back by KVM_GET_SREGS. Only
#	the next KVM_RUN fails, and its exit does not say why.
# Seen: KVM_SET_SREGS 0, EFER reads back with the bit, KVM_RUN ends in KVM_EXIT_FAIL_ENTRY (9).

. "$(dirname "$0")/lib.sh"

on_linux kvm <<'END'
#include "kvm.h"

GUEST("hlt");

int main(void)
{
	struct kvm_sregs sregs;

	vm_start(0, guest, guest_end);
	TRY(ioctl(vcpu, KVM_GET_SREGS, &sregs));
	sregs.efer |= 1 << 9;
	printf("set=%d\n", ioctl(vcpu, KVM_SET_SREGS, &sregs));
	TRY(ioctl(vcpu, KVM_GET_SREGS, &sregs));
	printf("efer=%#llx\n", sregs.efer & ~(1ULL << 12));
	printf("exit=%d\n", vcpu_run());
	return 0;
}
END
expect "KVM_SET_SREGS with EFER bit 9" 0 "$(seen set)"
expect "EFER by KVM_GET_SREGS, but for SVME" 0x200 "$(seen efer)"
expect "exit reason of KVM_RUN" 9 "$(seen exit)"
finish
