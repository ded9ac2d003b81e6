#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: KVM of Linux 6.1.192 (Debian 12), AMD.
# Packages: qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3 linux-image-6.1.0-56-amd64=6.1.192-2
# Behaviour: KVM's documentation names KVM_CAP_DEVICE_CTRL as the capability of KVM_CREATE_DEVICE. On x86 the call is there and makes the VFIO
#	device, while the capability reads 0, asked of the node and of a VM alike: who asks first, as the documentation wants, does
#	without.
#	Guess: Linux, Documentation/virt/kvm/api.rst, "KVM_CREATE_DEVICE": 1.
# Seen: the capability is 0 and 0; KVM_CREATE_DEVICE of type VFIO succeeds, asked and done.

. "$(dirname "$0")/lib/lib.sh"

on_linux kvm <<'END'
#include "kvm.h"

int main(void)
{
	struct kvm_create_device device = { .type = KVM_DEV_TYPE_VFIO, .flags = KVM_CREATE_DEVICE_TEST };

	vm_create(0);
	printf("node=%d\n", ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_DEVICE_CTRL));
	printf("vm=%d\n", ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_DEVICE_CTRL));
	printf("asked=%d\n", ioctl(vm, KVM_CREATE_DEVICE, &device));
	device.flags = 0;
	printf("made=%d\n", ioctl(vm, KVM_CREATE_DEVICE, &device));
	return 0;
}
END
expect "KVM_CAP_DEVICE_CTRL of the node" 0 "$(seen node)"
expect "KVM_CAP_DEVICE_CTRL of a VM" 0 "$(seen vm)"
expect "KVM_CREATE_DEVICE, whether there is one" 0 "$(seen asked)"
expect "KVM_CREATE_DEVICE" 0 "$(seen made)"
finish
