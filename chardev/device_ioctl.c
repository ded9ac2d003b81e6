// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_CREATE_DEVICE, the commands of the one device that there is (KVM_DEV_TYPE_VFIO), and the device attributes of the node and
 * of vCPUs.
 */
#include <linux/uaccess.h>
#include <uapi/linux/kvm.h>
#include <keel/host.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include <keel/vfio.h>
#include <keel/vm.h>
#include "chardev.h"
#include "dispatch.h"

int vm_device_create(struct vm *vm, struct kvm_create_device *dev)
{
	int ret;

	if (dev->type != KVM_DEV_TYPE_VFIO)
		return -ENODEV;
	if (dev->flags & KVM_CREATE_DEVICE_TEST)
		return 0;
	ret = keel_vfio_create(vm);
	if (ret)
		return ret;
	ret = device_file_create(vm);
	if (ret < 0) {
		keel_vfio_release(vm);
		return ret;
	}
	dev->fd = ret;
	return 0;
}

/* Has the VM's device this attribute? */
static long device_has_attr(const struct kvm_device_attr *attr)
{
	if (attr->group != KVM_DEV_VFIO_GROUP)
		return -ENXIO;
	return attr->attr == KVM_DEV_VFIO_GROUP_ADD || attr->attr == KVM_DEV_VFIO_GROUP_DEL ? 0 : -ENXIO;
}

static long device_set_attr(struct vm *vm, const struct kvm_device_attr *attr)
{
	s32 __user *user = (s32 __user *)(unsigned long)attr->addr;
	long ret = device_has_attr(attr);
	s32 fd;

	if (ret)
		return ret;
	if ((u64)(unsigned long)user != attr->addr || get_user(fd, user))
		return -EFAULT;
	return keel_vfio_set_file(vm, attr->attr, fd);
}

HANDLER(do_device_set_attr, device_set_attr(object, arg))
HANDLER(do_device_get_attr, -EPERM)
HANDLER(do_device_has_attr, device_has_attr(arg))

static const struct ioctl_row device_rows[] = {
	{ KVM_SET_DEVICE_ATTR,		ROW_IN,		do_device_set_attr },
	{ KVM_GET_DEVICE_ATTR,		ROW_IN,		do_device_get_attr },
	{ KVM_HAS_DEVICE_ATTR,		ROW_IN,		do_device_has_attr },
};

struct ioctl_table device_ioctls = {
	.rows = device_rows,
	.count = ARRAY_SIZE(device_rows),
	.unknown = -ENOTTY,
};

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
