// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of the node itself: version, capabilities, CPUID and MSR lists, new VMs. And the variable-length transfers that
 * the node shares with the vCPUs.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/mce.h>
#include <uapi/linux/keel.h>
#include <uapi/linux/kvm.h>
#include <keel/dma.h>
#include <keel/state.h>
#include "chardev.h"
#include "dispatch.h"

#define MMAP_PAGES	3	/* struct kvm_run, port data, coalesced ring */

HANDLER(dev_get_api_version, raw ? -EINVAL : KVM_API_VERSION)
HANDLER(dev_create_vm, vm_file_create(raw))
HANDLER(dev_check_extension, cap_value(raw))
HANDLER(dev_get_mmap_size, raw ? -EINVAL : MMAP_PAGES * PAGE_SIZE)

/* ---- MSR lists ---- */

typedef int (*msr_list_fn)(u32 *indices, u32 *n);

/* The count goes back also when the list does not fit. */
static long msr_list(struct kvm_msr_list *head, unsigned long raw, msr_list_fn list)
{
	struct kvm_msr_list __user *user = (void __user *)raw;
	u32 room = head->nmsrs, count = 0;
	u32 *indices;
	long ret = 0;

	list(NULL, &count);
	if (put_user(count, &user->nmsrs))
		return -EFAULT;
	if (room < count)
		return -E2BIG;
	indices = kmalloc_array(count, sizeof(*indices), GFP_KERNEL_ACCOUNT);
	if (!indices)
		return -ENOMEM;
	list(indices, &count);
	if (copy_to_user(user->indices, indices, count * sizeof(*indices)))
		ret = -EFAULT;
	kfree(indices);
	return ret;
}

HANDLER(dev_get_msr_index_list, msr_list(arg, raw, keel_msr_list))
HANDLER(dev_get_msr_feature_list, msr_list(arg, raw, keel_msr_feature_list))

/* ---- CPUID lists ---- */

typedef int (*cpuid_list_fn)(struct kvm_cpuid_entry2 *entries, u32 *nent);

static long cpuid_list(struct kvm_cpuid2 *head, unsigned long raw, cpuid_list_fn list)
{
	struct kvm_cpuid2 __user *user = (void __user *)raw;
	struct kvm_cpuid_entry2 *entries;
	u32 nent = min_t(u32, head->nent, MAX_CPUID_ENTRIES);
	long ret;

	if (!nent)
		return -E2BIG;
	entries = kvcalloc(nent, sizeof(*entries), GFP_KERNEL_ACCOUNT);
	if (!entries)
		return -ENOMEM;
	ret = list(entries, &nent);
	if (!ret && copy_to_user(user->entries, entries, nent * sizeof(*entries)))
		ret = -EFAULT;
	if (!ret && put_user(nent, &user->nent))
		ret = -EFAULT;
	kvfree(entries);
	return ret;
}

HANDLER(dev_get_supported_cpuid, cpuid_list(arg, raw, keel_cpuid_supported))
HANDLER(dev_get_emulated_cpuid, cpuid_list(arg, raw, keel_cpuid_emulated))

/* ---- MSR values ---- */

static u32 msrs_walk(struct vcpu *vcpu, struct kvm_msr_entry *entries, u32 n, msr_access_fn access)
{
	u32 i;

	for (i = 0; i < n; i++)
		if (access(vcpu, entries[i].index, &entries[i].data))
			break;
	return i;
}

long msrs_transfer(struct vcpu *vcpu, unsigned long raw, msr_access_fn access, enum msr_direction dir)
{
	struct kvm_msrs __user *user = (void __user *)raw;
	struct kvm_msr_entry *entries;
	struct kvm_msrs head;
	size_t size;
	long ret;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.nmsrs >= MAX_IO_MSRS)
		return -E2BIG;
	size = array_size(head.nmsrs, sizeof(*entries));
	entries = memdup_user(user->entries, size);
	if (IS_ERR(entries))
		return PTR_ERR(entries);
	ret = msrs_walk(vcpu, entries, head.nmsrs, access);
	if (dir == MSRS_READ && copy_to_user(user->entries, entries, size))
		ret = -EFAULT;
	kfree(entries);
	return ret;
}

static int feature_msr(struct vcpu *vcpu, u32 msr, u64 *val)
{
	return keel_msr_feature_get(msr, val);
}

HANDLER(dev_get_msrs, msrs_transfer(NULL, raw, feature_msr, MSRS_READ))

/* ---- machine check and attributes ---- */

static long dev_mce_cap(void *object, void *arg, unsigned long raw)
{
	u64 *cap = arg;

	*cap = MCE_CAP_SUPPORTED;
	return 0;
}

HANDLER(dev_has_attr, system_attr(arg, ATTR_HAS))
HANDLER(dev_get_attr, system_attr(arg, ATTR_GET))

/* ---- which device reaches which memory ---- */

#define MAX_DMA_DEVICES	65536u	/* all functions of a PCI segment; nobody has more room than he can use */

static long dev_get_dma(void *object, void *arg, unsigned long raw)
{
	struct keel_dma_list __user *user = (void __user *)raw;
	struct keel_dma_list *head = arg;
	const u32 room = min(head->nr, MAX_DMA_DEVICES);
	struct keel_dma_device *devices = kvcalloc(max(room, 1u), sizeof(*devices), GFP_KERNEL_ACCOUNT);
	long ret = 0;

	if (!devices)
		return -ENOMEM;
	*head = (struct keel_dma_list){
		.nr = keel_dma_list(devices, room),
		.exclusion_nodes = keel_dma_exclusion_nodes(),
	};
	if (copy_to_user(user->devices, devices, min(head->nr, room) * sizeof(*devices)) ||
	    copy_to_user(user, head, sizeof(*head)))
		ret = -EFAULT;
	else if (head->nr > room)
		ret = -E2BIG;
	kvfree(devices);
	return ret;
}

static const struct ioctl_row dev_rows[] = {
	{ KVM_GET_API_VERSION,			ROW_VALUE,		dev_get_api_version },
	{ KVM_CREATE_VM,			ROW_VALUE,		dev_create_vm },
	{ KEEL_GET_DMA,				ROW_IN | ROW_VAR,	dev_get_dma },
	{ KVM_GET_MSR_INDEX_LIST,		ROW_IN | ROW_VAR,	dev_get_msr_index_list },
	{ KVM_CHECK_EXTENSION,			ROW_VALUE,		dev_check_extension },
	{ KVM_GET_VCPU_MMAP_SIZE,		ROW_VALUE,		dev_get_mmap_size },
	{ KVM_GET_SUPPORTED_CPUID,		ROW_IN | ROW_VAR,	dev_get_supported_cpuid },
	{ KVM_GET_EMULATED_CPUID,		ROW_IN | ROW_VAR,	dev_get_emulated_cpuid },
	{ KVM_GET_MSR_FEATURE_INDEX_LIST,	ROW_IN | ROW_VAR,	dev_get_msr_feature_list },
	{ KVM_GET_MSRS,				ROW_VAR,		dev_get_msrs },
	{ KVM_X86_GET_MCE_CAP_SUPPORTED,	ROW_OUT,		dev_mce_cap },
	{ KVM_GET_DEVICE_ATTR,			ROW_IN,			dev_get_attr },
	{ KVM_HAS_DEVICE_ATTR,			ROW_IN,			dev_has_attr },
};

struct ioctl_table dev_ioctls = {
	.rows = dev_rows,
	.count = ARRAY_SIZE(dev_rows),
	.unknown = -EINVAL,
};
