// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_X86_SET_MSR_FILTER: which MSRs the launcher lets its guest read and write.
 *
 * A filter is an immutable object, published by RCU and replaced as a whole under vm->lock. All it holds is copied from user space when it
 * is set; its size is bounded by the number of ranges and the size of a bitmap.
 */
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <asm/apicdef.h>
#include <keel/compat.h>
#include <keel/request.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include <keel/vm.h>
#include "msr.h"

struct filter_range {
	u32 flags;
	u32 base;
	u32 count;
	unsigned long *bitmap;
};

struct msr_filter {
	struct rcu_head rcu;
	bool default_allow;
	unsigned int count;
	struct filter_range range[KVM_MSR_FILTER_MAX_RANGES];
};

static void filter_free(struct msr_filter *filter)
{
	unsigned int i;

	if (!filter)
		return;
	for (i = 0; i < filter->count; i++)
		kvfree(filter->range[i].bitmap);
	kfree(filter);
}

static bool filter_decides(const struct msr_filter *filter, u32 msr, u32 access)
{
	unsigned int i;

	for (i = 0; i < filter->count; i++) {
		const struct filter_range *r = &filter->range[i];

		if ((r->flags & access) && msr - r->base < r->count)
			return test_bit(array_index_nospec(msr - r->base, r->count), r->bitmap);
	}
	return filter->default_allow;
}

bool msr_filter_allows(struct vm *vm, u32 msr, u32 access)
{
	const struct msr_filter *filter;
	bool allowed = true;

	if (likely(!rcu_access_pointer(vm->msr_filter)) || msr - APIC_BASE_MSR <= 0xff)
		return true;
	rcu_read_lock();
	filter = rcu_dereference(vm->msr_filter);
	if (filter)
		allowed = filter_decides(filter, msr, access);
	rcu_read_unlock();
	return allowed;
}

static int filter_add(struct msr_filter *filter, const struct kvm_msr_filter_range *user)
{
	struct filter_range *r = &filter->range[filter->count];
	void *bitmap;

	if (!user->nmsrs)
		return 0;
	if (!user->flags || user->flags & ~(KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE))
		return -EINVAL;
	if (user->nmsrs > KVM_MSR_FILTER_MAX_BITMAP_SIZE * BITS_PER_BYTE)
		return -EINVAL;
	bitmap = keel_vmemdup_user_account((const void __user *)user->bitmap, BITS_TO_LONGS(user->nmsrs), sizeof(long));
	if (IS_ERR(bitmap))
		return PTR_ERR(bitmap);
	*r = (struct filter_range){ .flags = user->flags, .base = user->base, .count = user->nmsrs, .bitmap = bitmap };
	filter->count++;
	return 0;
}

/**
 * keel_msr_filter_set() - replace a VM's MSR filter
 * @vm: the VM
 * @user: kernel copy of the argument; its bitmaps are still in user space
 *
 * Context: may sleep. Return: 0, -EINVAL, -EFAULT, -ENOMEM.
 */
int keel_msr_filter_set(struct vm *vm, const struct kvm_msr_filter *user)
{
	struct msr_filter *filter, *old;
	unsigned int i;
	int ret;

	if (user->flags & ~KVM_MSR_FILTER_DEFAULT_DENY)
		return -EINVAL;
	filter = kzalloc(sizeof(*filter), GFP_KERNEL_ACCOUNT);
	if (!filter)
		return -ENOMEM;
	filter->default_allow = !(user->flags & KVM_MSR_FILTER_DEFAULT_DENY);
	for (i = 0; i < ARRAY_SIZE(user->ranges); i++) {
		ret = filter_add(filter, &user->ranges[i]);
		if (ret)
			goto err_free;
	}
	/* nothing allowed at all is surely a mistake; nothing denied is no filter */
	ret = -EINVAL;
	if (!filter->count && !filter->default_allow)
		goto err_free;
	if (!filter->count) {
		filter_free(filter);
		filter = NULL;
	}

	mutex_lock(&vm->lock);
	old = rcu_replace_pointer(vm->msr_filter, filter, lockdep_is_held(&vm->lock));
	mutex_unlock(&vm->lock);
	/* MSRs without an exit get one, or lose it */
	keel_vm_request(vm, REQ_INTERCEPTS, 0);
	synchronize_rcu();
	filter_free(old);
	return 0;

err_free:
	filter_free(filter);
	return ret;
}

int keel_msr_filter_copy(struct vm *to, struct vm *from)
{
	const struct msr_filter *old = rcu_dereference_protected(from->msr_filter, lockdep_is_held(&from->lock));
	struct msr_filter *filter;
	unsigned int i;

	if (!old)
		return 0;
	filter = kzalloc(sizeof(*filter), GFP_KERNEL_ACCOUNT);
	if (!filter)
		return -ENOMEM;
	filter->default_allow = old->default_allow;
	for (i = 0; i < old->count; i++) {
		struct filter_range *r = &filter->range[i];
		size_t size = BITS_TO_LONGS(old->range[i].count) * sizeof(long);

		*r = old->range[i];
		r->bitmap = kvmalloc(size, GFP_KERNEL_ACCOUNT);
		if (!r->bitmap) {
			filter_free(filter);
			return -ENOMEM;
		}
		memcpy(r->bitmap, old->range[i].bitmap, size);
		filter->count++;
	}
	rcu_assign_pointer(to->msr_filter, filter);
	return 0;
}

void keel_msr_vm_destroy(struct vm *vm)
{
	filter_free(rcu_dereference_protected(vm->msr_filter, true));
	RCU_INIT_POINTER(vm->msr_filter, NULL);
}
