#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: KVM of Linux 6.1.192 (Debian 12).
# Packages: qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3 linux-image-6.1.0-56-amd64=6.1.192-2
# Behaviour: KVM_GET_CPUID2 with room for more entries than there are fills in those there are and says nothing of their number:
#	nent stays what the launcher wrote. KVM_GET_SUPPORTED_CPUID corrects it, and since Linux 6.12 or earlier so does this one.
# Seen: 2 entries set, nent 100 before and after KVM_GET_CPUID2.

. "$(dirname "$0")/lib/lib.sh"

on_linux kvm <<'END'
#include "kvm.h"

GUEST("hlt");

int main(void)
{
	struct { struct kvm_cpuid2 head; struct kvm_cpuid_entry2 entries[100]; } cpuid = { .head.nent = 100 };

	vm_start(0, guest, guest_end);
	TRY(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid));
	printf("corrected=%d\n", cpuid.head.nent < 100);
	cpuid.head.nent = 2;
	TRY(ioctl(vcpu, KVM_SET_CPUID2, &cpuid));
	memset(&cpuid, 0, sizeof(cpuid));
	cpuid.head.nent = 100;
	TRY(ioctl(vcpu, KVM_GET_CPUID2, &cpuid));
	printf("nent=%u\n", cpuid.head.nent);
	return 0;
}
END
expect "KVM_GET_SUPPORTED_CPUID corrects nent" 1 "$(seen corrected)"
expect "nent after KVM_GET_CPUID2 of 2 entries" 100 "$(seen nent)"
finish
