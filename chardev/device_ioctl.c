// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_CREATE_DEVICE and the device attributes of the node and of vCPUs.
 *
 * No device type of KVM's numbering is made through KVM_CREATE_DEVICE by this build, so it answers as KVM does for a type
 * it has no driver for.
 */
#include <linux/uaccess.h>
#include <uapi/linux/kvm.h>
#include <keel/host.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include "chardev.h"

int vm_device_create(struct vm *vm, struct kvm_create_device *dev)
{
	return -ENODEV;
}

static int put_attr(const struct kvm_device_attr *attr, u64 val)
{
	u64 __user *user = (u64 __user *)(unsigned long)attr->addr;

	if ((u64)(unsigned long)user != attr->addr)
		return -EFAULT;
	return put_user(val, user);
}

/* Of the node: which extended state components a guest may be given. */
int system_attr(const struct kvm_device_attr *attr, enum attr_op op)
{
	if (attr->group || attr->attr != KVM_X86_XCOMP_GUEST_SUPP)
		return -ENXIO;
	return op == ATTR_HAS ? 0 : put_attr(attr, keel_host_fpu_supported_xcr0());
}

static int set_tsc_offset(struct vcpu *vcpu, const struct kvm_device_attr *attr)
{
	u64 __user *user = (u64 __user *)(unsigned long)attr->addr;
	u64 offset;

	if ((u64)(unsigned long)user != attr->addr || get_user(offset, user))
		return -EFAULT;
	keel_tsc_set_offset(vcpu, offset);
	return 0;
}

/* Of a vCPU: the TSC offset. */
int vcpu_attr(struct vcpu *vcpu, const struct kvm_device_attr *attr, enum attr_op op)
{
	if (attr->group != KVM_VCPU_TSC_CTRL || attr->attr != KVM_VCPU_TSC_OFFSET)
		return -ENXIO;
	switch (op) {
	case ATTR_HAS:
		return 0;
	case ATTR_GET:
		return put_attr(attr, vcpu->tsc.offset);
	case ATTR_SET:
		return set_tsc_offset(vcpu, attr);
	}
	return -EINVAL;
}
