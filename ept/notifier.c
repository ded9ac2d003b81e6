// SPDX-License-Identifier: GPL-2.0-only
/*
 * The MMU notifier: second-level tables follow the launcher's address space. What the host is about to change is removed
 * from the tables, TLBs flushed, before it changes; nothing is mapped from the range until the change is over.
 *
 * The notifier outlives its VM by an SRCU grace period of the kernel's that nobody has to wait for: callbacks reach the VM
 * only through memory_notifier.vm, which is cleared, and callbacks inside waited for, when the VM goes.
 */
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>
#include "shadow.h"

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

/* Walk the slots that [start, end) backs a part of, in the order of their launcher addresses; memory.lock held. */
#define for_each_slot_at(mem, node, start, end)							\
	for ((node) = interval_tree_iter_first(&(mem)->notifier->by_hva, start, (end) - 1); node;		\
	     (node) = interval_tree_iter_next(node, start, (end) - 1))

/* The frames of the slot of @node that [start, end) backs. */
static gfn_t clip(const struct interval_tree_node *node, hva_t start, hva_t end, gfn_t *gfn_end)
{
	const struct memslot *slot = container_of(node, struct memslot, by_hva);

	start = max(start, slot->hva);
	end = min(end, node->last + 1);
	*gfn_end = slot->base + ((end - slot->hva + PAGE_SIZE - 1) >> PAGE_SHIFT);
	return slot->base + ((start - slot->hva) >> PAGE_SHIFT);
}

static void invalidation_begin(struct memory_notifier *n, hva_t start, hva_t end)
{
	if (!n->active++) {
		n->start = start;
		n->end = end;
		return;
	}
	n->start = min(n->start, start);
	n->end = max(n->end, end);
}

/* Bytes of slots handled under one hold of memory.lock, and launcher addresses at least. */
#define INVALIDATE_STEP	((u64)SZ_1G)
#define INVALIDATE_MIN	((u64)SZ_2M)

/*
 * How far from @start on to go at once, at most to @end. Any number of slots may have the same address, and each has tables of its own: then
 * it is as much less of them.
 */
static hva_t step_end(struct memory *mem, hva_t start, hva_t end)
{
	u64 len = min_t(u64, end - start, INVALIDATE_STEP), bytes = 0;
	struct interval_tree_node *node;

	for_each_slot_at(mem, node, start, start + len)
		bytes += min_t(u64, start + len, node->last + 1) - max_t(u64, start, node->start);
	if (unlikely(bytes > INVALIDATE_STEP))
		len = min(len, max(ALIGN_DOWN(INVALIDATE_STEP / (bytes / INVALIDATE_STEP + 1), INVALIDATE_MIN), INVALIDATE_MIN));
	return start + len;
}

/* Unmap what [start, end) backs, up to one step, and flush. Return where to go on, @end when that was all. memory.lock held. */
static hva_t unmap_step(struct vm *vm, hva_t start, hva_t end, struct pt_update *up)
{
	struct memory *mem = &vm->mem;
	struct interval_tree_node *node = interval_tree_iter_first(&mem->notifier->by_hva, start, end - 1);
	gfn_t gfn, gfn_end;
	hva_t next;

	if (!node || (!mem->table->root && !mem->table->shadow))
		return end;
	start = max(start, (hva_t)node->start);
	next = step_end(mem, start, end);
	for_each_slot_at(mem, node, start, next) {
		gfn = clip(node, start, next, &gfn_end);
		pgtable_unmap(mem->table, gfn, gfn_end, up);
		if (unlikely(mem->table->shadow))
			shadow_unmap(mem->table->shadow, gfn, gfn_end, up);
	}
	vm->stats.mmu_invalidations += up->flush;
	memory_flush(vm, up);
	return next;
}

static int invalidate_range_start(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct vm *vm = notifier_enter(mn);
	struct pt_update up = {};
	hva_t start = range->start;

	if (!vm)
		goto out;
	spin_lock(&vm->mem.lock);
	invalidation_begin(vm->mem.notifier, range->start, range->end);
	/* every step is flushed before the lock is dropped: other invalidations rely on it */
	while ((start = unmap_step(vm, start, range->end, &up)) != range->end) {
		if (mmu_notifier_range_blockable(range))
			cond_resched_lock(&vm->mem.lock);
	}
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
		if (vm->mem.notifier->active)
			vm->mem.notifier->active--;
		spin_unlock(&vm->mem.lock);
	}
	notifier_leave(mn);
}

static bool age_slots(struct vm *vm, hva_t start, hva_t end, enum pt_age age, struct pt_update *up)
{
	struct interval_tree_node *node;
	gfn_t gfn, gfn_end;
	bool young = false;

	if (!vm->mem.table->root && !vm->mem.table->shadow)
		return false;
	for_each_slot_at(&vm->mem, node, start, end) {
		gfn = clip(node, start, end, &gfn_end);
		young |= pgtable_age(vm->mem.table, gfn, gfn_end, age, up);
		if (unlikely(vm->mem.table->shadow))
			young |= shadow_age(vm->mem.table->shadow, gfn, gfn_end, age, up);
	}
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
		young = age_slots(vm, start, end, age, &up);
		memory_flush(vm, &up);
		spin_unlock(&vm->mem.lock);
	}
	notifier_leave(mn);
	return young;
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
		memory_visit(vm, 0, slots_end(&vm->mem), pgtable_unmap, shadow_unmap);
	notifier_leave(mn);
}

static void free_notifier(struct mmu_notifier *mn)
{
	kfree(container_of(mn, struct memory_notifier, mn));
}

static const struct mmu_notifier_ops notifier_ops = {
	.invalidate_range_start	= invalidate_range_start,
	.invalidate_range_end	= invalidate_range_end,
	.clear_flush_young	= clear_young,
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
	/* before the first callback, which is one of the registration's own time already */
	vm->mem.notifier = n;
	ret = mmu_notifier_register(&n->mn, vm->mm);
	if (ret) {
		vm->mem.notifier = NULL;
		kfree(n);
	}
	return ret;
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
