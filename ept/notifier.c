// SPDX-License-Identifier: GPL-2.0-only
/*
 * The MMU notifier: second-level tables follow the launcher's address space. What the host is about to change is removed
 * from the tables, TLBs flushed, before it changes; nothing is mapped from the range until the change is over.
 *
 * The notifier outlives its VM by an SRCU grace period of the kernel's that nobody has to wait for: callbacks reach the VM
 * only through memory_notifier.vm, which is cleared, and callbacks inside waited for, when the VM goes.
 */
#include <linux/mmu_notifier.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>
#include "ept.h"

/**
 * struct memory_notifier - one VM's registration
 * @mn: the kernel's part
 * @vm: the machine, NULL once it is going away
 * @inside: callbacks that may be using @vm
 */
struct memory_notifier {
	struct mmu_notifier mn;
	struct vm *vm;
	atomic_t inside;
};

/* The atomic increment orders against the store to @vm in memory_notifier_destroy(). */
static struct vm *notifier_enter(struct mmu_notifier *mn)
{
	struct memory_notifier *n = container_of(mn, struct memory_notifier, mn);

	atomic_inc(&n->inside);
	smp_mb__after_atomic();
	return READ_ONCE(n->vm);
}

static void notifier_leave(struct mmu_notifier *mn)
{
	struct memory_notifier *n = container_of(mn, struct memory_notifier, mn);

	if (atomic_dec_and_test(&n->inside) && unlikely(!READ_ONCE(n->vm)))
		wake_up_var(&n->inside);
}

/* The frames of @slot that [start, end) backs. False if none. */
static bool slot_clip(const struct memslot *slot, hva_t start, hva_t end, gfn_t *gfn, gfn_t *gfn_end)
{
	hva_t slot_end = slot->hva + (slot->npages << PAGE_SHIFT);

	if (start >= slot_end || end <= slot->hva)
		return false;
	start = max(start, slot->hva);
	end = min(end, slot_end);
	*gfn = slot->base + ((start - slot->hva) >> PAGE_SHIFT);
	*gfn_end = slot->base + ((end - slot->hva + PAGE_SIZE - 1) >> PAGE_SHIFT);
	return true;
}

/* Run @visit over all frames that [start, end) backs; memory.lock held. */
static void visit_hva(struct vm *vm, hva_t start, hva_t end, pt_visitor visit, struct pt_update *up)
{
	struct memslots *slots = mem_slots_locked(&vm->mem);
	gfn_t gfn, gfn_end;
	unsigned int i;

	if (!vm->mem.table->root)
		return;
	for (i = 0; slots && i < slots->count; i++)
		if (slot_clip(slots->slot[i], start, end, &gfn, &gfn_end))
			visit(vm->mem.table, gfn, gfn_end, up);
}

static void invalidation_begin(struct memory *mem, hva_t start, hva_t end)
{
	if (!mem->invalidate_active++) {
		mem->invalidate_start = start;
		mem->invalidate_end = end;
		return;
	}
	mem->invalidate_start = min(mem->invalidate_start, start);
	mem->invalidate_end = max(mem->invalidate_end, end);
}

/* Launcher addresses handled under one hold of memory.lock. */
#define INVALIDATE_STEP	SZ_1G

static int invalidate_range_start(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct vm *vm = notifier_enter(mn);
	struct pt_update up = {};
	hva_t start = range->start, next;
	bool removed = false;

	if (!vm)
		goto out;
	spin_lock(&vm->mem.lock);
	invalidation_begin(&vm->mem, range->start, range->end);
	for (;;) {
		/* every step is flushed before the lock is dropped: other invalidations rely on it */
		next = range->end - start > INVALIDATE_STEP ? start + INVALIDATE_STEP : range->end;
		visit_hva(vm, start, next, pgtable_unmap, &up);
		removed |= up.flush;
		memory_flush(vm, &up);
		if (next == range->end)
			break;
		start = next;
		if (mmu_notifier_range_blockable(range))
			cond_resched_lock(&vm->mem.lock);
	}
	vm->stats.mmu_invalidations += removed;
	spin_unlock(&vm->mem.lock);
	pgtable_free_pages(up.dead);
out:
	notifier_leave(mn);
	return 0;
}

static void invalidate_range_end(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct vm *vm = notifier_enter(mn);

	if (vm) {
		spin_lock(&vm->mem.lock);
		/* a range that began before this notifier was registered cannot end here: registration waits for all */
		if (vm->mem.invalidate_active)
			vm->mem.invalidate_active--;
		spin_unlock(&vm->mem.lock);
	}
	notifier_leave(mn);
}

static bool age_slot(struct vm *vm, hva_t start, hva_t end, enum pt_age age, struct pt_update *up)
{
	struct memslots *slots = mem_slots_locked(&vm->mem);
	gfn_t gfn, gfn_end;
	bool young = false;
	unsigned int i;

	if (!vm->mem.table->root)
		return false;
	for (i = 0; slots && i < slots->count; i++)
		if (slot_clip(slots->slot[i], start, end, &gfn, &gfn_end))
			young |= pgtable_age(vm->mem.table, gfn, gfn_end, age, up);
	return young;
}

/*
 * Accessed bits are cleared without a flush, as the kernel does with its own: a page in use may look idle until its
 * translation is loaded again, which costs a refault at worst.
 */
static int age_range(struct mmu_notifier *mn, hva_t start, hva_t end, enum pt_age age)
{
	struct vm *vm = notifier_enter(mn);
	struct pt_update up = {};
	bool young = false;

	if (vm) {
		spin_lock(&vm->mem.lock);
		young = age_slot(vm, start, end, age, &up);
		memory_flush(vm, &up);
		spin_unlock(&vm->mem.lock);
	}
	notifier_leave(mn);
	return young;
}

static int clear_flush_young(struct mmu_notifier *mn, struct mm_struct *mm, unsigned long start, unsigned long end)
{
	return age_range(mn, start, end, PT_AGE_CLEAR);
}

static int clear_young(struct mmu_notifier *mn, struct mm_struct *mm, unsigned long start, unsigned long end)
{
	return age_range(mn, start, end, PT_AGE_CLEAR);
}

static int test_young(struct mmu_notifier *mn, struct mm_struct *mm, unsigned long address)
{
	return age_range(mn, address, address + 1, PT_AGE_TEST);
}

/* One behind the last frame of any slot: what is mapped above is of a slot that is being removed, by a thread that unmaps it. */
static gfn_t slots_end(struct memory *mem)
{
	struct memslots *slots;
	gfn_t end = 0;

	spin_lock(&mem->lock);
	slots = mem_slots_locked(mem);
	if (slots && slots->count)
		end = slots->slot[slots->count - 1]->base + slots->slot[slots->count - 1]->npages;
	spin_unlock(&mem->lock);
	return end;
}

/* The address space ends: nothing may stay mapped. No vCPU can run any more, its thread has another mm. */
static void release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct vm *vm = notifier_enter(mn);

	if (vm)
		memory_visit(vm, 0, slots_end(&vm->mem), pgtable_unmap);
	notifier_leave(mn);
}

static void free_notifier(struct mmu_notifier *mn)
{
	kfree(container_of(mn, struct memory_notifier, mn));
}

static const struct mmu_notifier_ops notifier_ops = {
	.invalidate_range_start	= invalidate_range_start,
	.invalidate_range_end	= invalidate_range_end,
	.clear_flush_young	= clear_flush_young,
	.clear_young		= clear_young,
	.test_young		= test_young,
	.release		= release,
	.free_notifier		= free_notifier,
};

int memory_notifier_create(struct vm *vm)
{
	struct memory_notifier *n = kzalloc(sizeof(*n), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!n)
		return -ENOMEM;
	n->vm = vm;
	n->mn.ops = &notifier_ops;
	ret = mmu_notifier_register(&n->mn, vm->mm);
	if (ret) {
		kfree(n);
		return ret;
	}
	vm->mem.notifier = n;
	return 0;
}

void memory_notifier_destroy(struct vm *vm)
{
	struct memory_notifier *n = vm->mem.notifier;

	if (!n)
		return;
	WRITE_ONCE(n->vm, NULL);
	/* pairs with the increment in notifier_enter(): a callback sees NULL here, or is seen */
	smp_mb();
	wait_var_event(&n->inside, !atomic_read(&n->inside));
	vm->mem.notifier = NULL;
	mmu_notifier_put(&n->mn);
}

void memory_notifier_exit(void)
{
	mmu_notifier_synchronize();
}
