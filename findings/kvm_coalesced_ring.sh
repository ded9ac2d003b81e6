#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: KVM of Linux 6.1.192 (Debian 12).
# Packages: qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3 linux-image-6.1.0-56-amd64=6.1.192-2
# Behaviour: the ring of coalesced MMIO has room for 169 entries, by its size of one page. Half of it is used: the space left is
#	computed as an unsigned remainder of a number that is no power of two. Since Linux 6.12 or earlier all of it is used.
# Seen: 85 writes fit, the 86th leaves to the launcher; KVM_COALESCED_MMIO_MAX is 170.

. "$(dirname "$0")/lib/lib.sh"

on_linux kvm <<'END'
#include "kvm.h"

/* 200 stores behind the end of memory */
GUEST("mov $200, %cx; 1: addr32 mov %cl, %fs:0; loop 1b; hlt");

int main(void)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = 0x100000, .size = 4096 };
	struct kvm_coalesced_mmio_ring *ring;
	struct kvm_sregs sregs;
	int page;

	vm_start(0, guest, guest_end);
	page = TRY(ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_MMIO));
	ring = (void *)((char *)run + page * 4096);
	TRY(ioctl(vm, KVM_REGISTER_COALESCED_MMIO, &zone));
	TRY(ioctl(vcpu, KVM_GET_SREGS, &sregs));
	sregs.fs.base = zone.addr;
	TRY(ioctl(vcpu, KVM_SET_SREGS, &sregs));
	printf("exit=%d\n", vcpu_run());
	printf("used=%u\n", ring->last - ring->first);
	printf("max=%d\n", (int)((4096 - sizeof(*ring)) / sizeof(ring->coalesced_mmio[0])));
	return 0;
}
END
expect "exit reason, KVM_EXIT_MMIO" 6 "$(seen exit)"
expect "entries in the ring by then" 85 "$(seen used)"
expect "entries that a page has room for" 170 "$(seen max)"
finish
