#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: KVM of Linux 6.1.192 (Debian 12), AMD SVM.
# Packages: qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3 linux-image-6.1.0-56-amd64=6.1.192-2
# Behaviour: a guest that writes the task priority of its local APIC reads back fewer bits than it wrote. KVM keeps the value in
#	the field V_TPR of the VMCB, which holds the priority class alone, bits 7:4; the manuals have eight bits. A launcher that
#	writes and reads the register by ioctls, without a run in between, keeps them all.
# Seen: written 0x35, read 0x30.

. "$(dirname "$0")/lib/lib.sh"

on_linux kvm <<'END'
#include "kvm.h"

/* a flat FS from the launcher reaches the APIC's page */
GUEST("mov $0x35, %eax; addr32 mov %eax, %fs:0x80; mov $0x10, %dx; out %al, %dx;"
      "addr32 mov %fs:0x80, %eax; out %al, %dx; hlt");

int main(void)
{
	struct kvm_lapic_state lapic;
	struct kvm_sregs sregs;

	vm_start(1, guest, guest_end);
	TRY(ioctl(vcpu, KVM_GET_LAPIC, &lapic));
	lapic.regs[0x80] = 0x35;
	TRY(ioctl(vcpu, KVM_SET_LAPIC, &lapic));
	memset(&lapic, 0, sizeof(lapic));
	TRY(ioctl(vcpu, KVM_GET_LAPIC, &lapic));
	printf("ioctl=%#x\n", lapic.regs[0x80]);
	TRY(ioctl(vcpu, KVM_GET_SREGS, &sregs));
	sregs.fs.base = 0xfee00000;
	TRY(ioctl(vcpu, KVM_SET_SREGS, &sregs));
	printf("written=%#x\n", next_out());
	printf("read=%#x\n", next_out());
	return 0;
}
END
expect "the launcher writes 0x35 and reads" 0x35 "$(seen ioctl)"
expect "the guest writes" 0x35 "$(seen written)"
expect "the guest reads" 0x30 "$(seen read)"
finish
