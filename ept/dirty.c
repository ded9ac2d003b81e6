// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty logging by write protection, or by the CPU's own log of the pages whose dirty flag it sets.
 *
 * Invariant while a slot is logged: a page that the guest can write without a fault has its bit set, or its dirty flag clear so
 * that the CPU logs the write, or is in a CPU's log. Each vCPU empties its log into the bitmaps whenever it leaves guest mode;
 * before bits are taken, those that are inside are made to leave. Bits are taken from the bitmap first, then the pages are
 * protected (with a log: their dirty flags cleared) and TLBs flushed, and only then is the launcher told: a write that slips in
 * between is one the launcher will see when it reads the page. Logged slots are mapped by 4K; larger leaves are write-protected as
 * a whole, with a log too, and split at the first write.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <keel/guest_access.h>
#include <keel/request.h>
#include "shadow.h"

/* Bitmap words handled at once: 32768 pages, 4K of bitmap. */
#define LOG_WORDS	512u

unsigned long *dirty_bitmap_alloc(const struct memory *mem, u64 npages)
{
	return kvcalloc(BITS_TO_LONGS(npages) * (mem->ring_order ? 2 : 1), sizeof(long), GFP_KERNEL_ACCOUNT);
}

void dirty_log_started(struct vm *vm, struct memslot *slot)
{
	WRITE_ONCE(vm->mem.logging, true);
	if (vm->mem.manual_protect & KVM_DIRTY_LOG_INITIALLY_SET && !vm->mem.ring_order)
		bitmap_set(slot->dirty, 0, slot->npages);
	else
		memory_visit(vm, slot->base, slot->base + slot->npages, pgtable_protect, shadow_protect);
}

/* Logging left small pages where the host may have large ones: remove these, so that they come back large. */
static void collapse(struct pgtable *pt, gfn_t gfn, gfn_t end, struct pt_update *up)
{
	for (gfn = ALIGN(gfn, PT_ENTRIES); gfn + PT_ENTRIES <= end; gfn += PT_ENTRIES)
		if (pgtable_has_table(pt, gfn, 2))
			pgtable_unmap(pt, gfn, gfn + PT_ENTRIES, up);
}

void dirty_log_stopped(struct vm *vm, struct memslot *slot)
{
	if (vm->mem.table->format->max_leaf_level > 1)
		memory_visit(vm, slot->base, slot->base + slot->npages, collapse, shadow_unmap);
}

/*
 * What was written while its slot was moved away, and is told only now: from a CPU's log, or by who slept in between. The slot has the same
 * bitmap where it is now.
 */
static void mark_leaving(struct vm *vm, struct vcpu *vcpu, gfn_t gfn)
{
	const struct memory_notifier *n = READ_ONCE(vm->mem.notifier);
	const struct memslot *slot = n ? READ_ONCE(n->leaving) : NULL;

	if (unlikely(slot) && gfn - slot->base < slot->npages)
		slot_mark_dirty(vm, vcpu, slot, gfn);
}

static void mark_dirty(struct vm *vm, struct vcpu *vcpu, gfn_t gfn)
{
	struct memslot *slot;

	rcu_read_lock();
	slot = slots_find(mem_slots_rcu(&vm->mem), gfn);
	if (slot)
		slot_mark_dirty(vm, vcpu, slot, gfn);
	mark_leaving(vm, vcpu, gfn);
	rcu_read_unlock();
}

void keel_mark_dirty(struct vm *vm, gfn_t gfn)
{
	mark_dirty(vm, NULL, gfn);
}

void keel_vcpu_mark_dirty(struct vcpu *vcpu, gfn_t gfn)
{
	mark_dirty(vcpu->vm, vcpu, gfn);
}

static int logged_slot(struct memory *mem, u32 id, struct memslot **slot)
{
	if (mem->ring_order && !mem->ring_bitmap)
		return -ENXIO;
	if (id >= KEEL_MAX_SLOTS)
		return -EINVAL;
	*slot = xa_load(&mem->ids, id);
	return *slot && (*slot)->dirty ? 0 : -ENOENT;
}

/* What the launcher is told by KVM_GET_DIRTY_LOG: with rings what is in none of them. */
static unsigned long *told_bitmap(const struct vm *vm, const struct memslot *slot)
{
	return vm->mem.ring_order ? slot_left(slot) : slot->dirty;
}

/* The pages of @slot from word @first whose bits are set in @words are clean: protect them. */
static void protect_words(struct vm *vm, const struct memslot *slot, u64 first, const unsigned long *words, unsigned int n)
{
	struct pt_update up = {};
	unsigned int i;

	for (i = 0; vm->mem.ring_order && i < n; i++)
		atomic_long_andnot(words[i], (atomic_long_t *)&slot->dirty[first + i]);
	spin_lock(&vm->mem.lock);
	for (i = 0; i < n; i++)
		if (words[i])
			memory_protect_mask(&vm->mem, slot->base + (first + i) * BITS_PER_LONG, words[i], &up);
	memory_flush(vm, &up);
	spin_unlock(&vm->mem.lock);
}

/* Hand out @n words from @first, clearing them unless the launcher does that itself. */
static int get_words(struct vm *vm, struct memslot *slot, u64 first, unsigned int n, unsigned long *buf,
		     unsigned long __user *to)
{
	bool clear = !(vm->mem.manual_protect & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE);
	unsigned long *told = told_bitmap(vm, slot), any = 0;
	unsigned int i;

	for (i = 0; i < n; i++) {
		unsigned long *word = &told[first + i];

		buf[i] = READ_ONCE(*word);
		if (clear && buf[i])
			buf[i] = xchg(word, 0);
		any |= buf[i];
	}
	if (clear && any)
		protect_words(vm, slot, first, buf, n);
	if (!copy_to_user(to + first, buf, n * sizeof(long)))
		return 0;
	/* the launcher did not get them: they are dirty still */
	for (i = 0; clear && i < n; i++)
		if (buf[i])
			atomic_long_or(buf[i], (atomic_long_t *)&told[first + i]);
	return -EFAULT;
}

/* Bring to the bitmaps what the CPUs have logged so far: a vCPU empties its log before it takes the interrupt that is waited for. */
static void collect_logs(struct vm *vm)
{
	if (vm->mem.table && vm->mem.table->format->dirty)
		keel_vm_request(vm, REQ_KICK, REQUEST_WAIT);
}

/**
 * keel_memory_get_dirty_log() - KVM_GET_DIRTY_LOG
 * @vm: the machine
 * @log: kernel copy of the argument; the bitmap goes to its user pointer
 *
 * Context: may sleep; takes slots_lock. Return: 0, -EINVAL (no such slot number), -ENOENT (not logged), -ENXIO (rings without bitmaps), -EFAULT, -ENOMEM.
 */
int keel_memory_get_dirty_log(struct vm *vm, struct kvm_dirty_log *log)
{
	struct memory *mem = &vm->mem;
	struct memslot *slot;
	unsigned long *buf;
	u64 first, words;
	int ret;

	buf = kmalloc_array(LOG_WORDS, sizeof(long), GFP_KERNEL_ACCOUNT);
	if (!buf)
		return -ENOMEM;
	mutex_lock(&mem->slots_lock);
	ret = logged_slot(mem, log->slot, &slot);
	words = ret ? 0 : BITS_TO_LONGS(slot->npages);
	if (words)
		collect_logs(vm);
	for (first = 0; first < words && !ret; first += LOG_WORDS) {
		ret = get_words(vm, slot, first, min_t(u64, LOG_WORDS, words - first), buf, log->dirty_bitmap);
		cond_resched();
	}
	mutex_unlock(&mem->slots_lock);
	kfree(buf);
	return ret;
}

/* Clear in the log what is set in @buf; only what was dirty needs protection. */
static void clear_words(struct vm *vm, struct memslot *slot, u64 first, unsigned int n, unsigned long *buf)
{
	unsigned long *told = told_bitmap(vm, slot), any = 0;
	u64 words = BITS_TO_LONGS(slot->npages);
	unsigned int i;

	for (i = 0; i < n; i++) {
		/* bits behind the slot's last page name nothing */
		if (first + i == words - 1)
			buf[i] &= BITMAP_LAST_WORD_MASK(slot->npages);
		if (buf[i])
			buf[i] &= atomic_long_fetch_andnot(buf[i], (atomic_long_t *)&told[first + i]);
		any |= buf[i];
	}
	if (any)
		protect_words(vm, slot, first, buf, n);
}

static int clear_log(struct vm *vm, const struct kvm_clear_dirty_log *log, unsigned long *buf)
{
	u64 first = log->first_page / BITS_PER_LONG, left;
	unsigned long __user *from = log->dirty_bitmap;
	struct memslot *slot;
	unsigned int n;
	int ret;

	if (log->first_page % BITS_PER_LONG)
		return -EINVAL;
	ret = logged_slot(&vm->mem, log->slot, &slot);
	if (ret)
		return ret;
	if (log->first_page > slot->npages || log->num_pages > slot->npages - log->first_page)
		return -EINVAL;
	if (log->num_pages < slot->npages - log->first_page && log->num_pages % BITS_PER_LONG)
		return -EINVAL;
	for (left = BITS_TO_LONGS(log->num_pages); left; left -= n, first += n, from += n) {
		n = min_t(u64, LOG_WORDS, left);
		if (copy_from_user(buf, from, n * sizeof(long)))
			return -EFAULT;
		clear_words(vm, slot, first, n, buf);
		cond_resched();
	}
	return 0;
}

/**
 * keel_memory_clear_dirty_log() - KVM_CLEAR_DIRTY_LOG
 * @vm: the machine
 * @log: kernel copy of the argument; the bitmap of pages to clear is read from its user pointer
 *
 * Context: may sleep; takes slots_lock. Return: 0, -EINVAL (slot number, range), -ENOENT (not logged), -ENXIO (rings without bitmaps), -EFAULT, -ENOMEM.
 */
int keel_memory_clear_dirty_log(struct vm *vm, struct kvm_clear_dirty_log *log)
{
	unsigned long *buf = kmalloc_array(LOG_WORDS, sizeof(long), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!buf)
		return -ENOMEM;
	mutex_lock(&vm->mem.slots_lock);
	ret = clear_log(vm, log, buf);
	mutex_unlock(&vm->mem.slots_lock);
	kfree(buf);
	return ret;
}
