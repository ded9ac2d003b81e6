// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_PRE_FAULT_MEMORY: faults that a launcher makes in a guest's place, so that the guest has none there.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <keel/pre_fault.h>
#include <keel/shadow.h>
#include "ept.h"

/* How many frames from @gfn on are mapped by one entry; 0 for none. */
static gfn_t mapped_frames(struct memory *mem, gfn_t gfn)
{
	gfn_t frames;

	spin_lock(&mem->lock);
	frames = pgtable_leaf_rest(mem->table, gfn);
	spin_unlock(&mem->lock);
	return frames;
}

/*
 * Map what is at @gfn. How many frames from there on now are, 0 to look again: the host was changing it, or the page is poisoned, with a signal
 * on its way. A local APIC's page, which no entry maps, counts as mapped.
 */
static long pre_fault(struct vcpu *vcpu, gfn_t gfn)
{
	struct memory *mem = &vcpu->vm->mem;
	long ret;

	/* with the first slot came the table */
	if (!keel_memory_has_slot(vcpu, gfn << PAGE_SHIFT))
		return -ENOENT;
	ret = mapped_frames(mem, gfn);
	if (ret)
		return ret;
	ret = keel_memory_fault(vcpu, gfn << PAGE_SHIFT, 0);
	if (ret < 0)
		return ret;
	return ret == FAULT_MAPPED ? mapped_frames(mem, gfn) : 1;
}

int keel_memory_pre_fault(struct vcpu *vcpu, struct kvm_pre_fault_memory *range)
{
	u64 size = range->size;
	long ret = 0;

	if (range->flags || !size || !PAGE_ALIGNED(range->gpa) || !PAGE_ALIGNED(size) || range->gpa + size <= range->gpa)
		return -EINVAL;
	if (keel_paging_is_shadow())
		return -EOPNOTSUPP;
	while (range->size) {
		u64 done;

		if (signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		ret = pre_fault(vcpu, gpa_to_gfn(range->gpa));
		if (ret < 0)
			break;
		done = min((u64)ret << PAGE_SHIFT, range->size);
		range->gpa += done;
		range->size -= done;
		cond_resched();
	}
	return range->size != size ? 0 : ret;
}
