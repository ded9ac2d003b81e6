// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty rings: each vCPU has an array in memory that it shares with the launcher, and puts into it what it has written.
 *
 * The bitmaps of dirty.c stay, with another meaning: a page's bit is set from the write that was told until the launcher has
 * taken that (KVM_RESET_DIRTY_RINGS), and protected or its dirty flag cleared in between as there. Only a vCPU's own thread puts into its
 * ring, in KVM_RUN. What others write, and what finds the ring full, is set in a second bitmap (slot_left()): vCPUs put it into their
 * rings where they may sleep, or, if the launcher has asked for the bitmaps too, it is what KVM_GET_DIRTY_LOG tells. So nothing is lost
 * however small the ring, and however few of its entries the launcher takes.
 *
 * The entries are hostile: of one that comes back its slot and page are read once and looked up, and the ring goes no further than what
 * was put in.
 */
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <keel/dirty_ring.h>
#include <keel/exit.h>
#include <keel/request.h>
#include <keel/vendor.h>
#include "ept.h"

/* Room that is kept for what comes between two looks at REQ_DIRTY_RING: KVM's number, and a log of the CPU's. */
#define RESERVED	64u
#define CPU_LOG		512u
/* Words of a bitmap protected with one flush, and looked at without giving way. */
#define BATCH		64u
#define SCAN_WORDS	512u

/**
 * struct dirty_ring - one vCPU's
 * @entries: shared with the launcher
 * @size: number of entries, a power of two
 * @limit: entries in use at which the launcher is told
 * @dirty: entries put in so far; written by the vCPU's thread
 * @reset: entries freed so far; written under slots_lock
 */
struct dirty_ring {
	struct kvm_dirty_gfn *entries;
	u32 size;
	u32 limit;
	u32 dirty;
	u32 reset;
};

static u32 reserved(void)
{
	return RESERVED + (keel_caps.dirty_log ? CPU_LOG : 0);
}

static u32 ring_used(const struct dirty_ring *ring)
{
	/* pairs with reset_ring(): an entry is free before it is counted so */
	return ring->dirty - smp_load_acquire(&ring->reset);
}

/* On the vCPU's thread. False when there is no room. */
static bool ring_put(struct vcpu *vcpu, u32 slot, u64 offset)
{
	struct dirty_ring *ring = vcpu->dirty_ring;
	u32 used = ring_used(ring);
	struct kvm_dirty_gfn *entry = &ring->entries[ring->dirty & (ring->size - 1)];

	if (used >= ring->limit)
		vcpu_request(vcpu, REQ_DIRTY_RING);
	if (used >= ring->size)
		return false;
	WRITE_ONCE(entry->slot, slot);
	WRITE_ONCE(entry->offset, offset);
	/* the launcher looks at the flags first */
	smp_store_release(&entry->flags, KVM_DIRTY_GFN_F_DIRTY);
	smp_store_release(&ring->dirty, ring->dirty + 1);
	if (used + 1 == ring->limit)
		vcpu_request(vcpu, REQ_DIRTY_RING);
	return true;
}

/* The vCPU that this thread runs, or NULL. @hint: which that would be, if the caller knows. */
static struct vcpu *running_vcpu(struct vm *vm, struct vcpu *hint)
{
	struct vcpu *vcpu;
	unsigned int i;

	if (hint)
		return READ_ONCE(hint->thread.task) == current ? hint : NULL;
	vm_for_each_vcpu(vm, i, vcpu) {
		if (READ_ONCE(vcpu->thread.task) == current)
			return vcpu;
	}
	return NULL;
}

/**
 * dirty_ring_note() - a page is dirty that was not
 * @vm: the machine
 * @hint: the vCPU that may have written it; NULL where that is not known
 * @slot: its slot, logged
 * @gfn: its frame
 *
 * Context: any but interrupts; of a vCPU's thread also the scheduler's, which tells that it is preempted.
 */
void dirty_ring_note(struct vm *vm, struct vcpu *hint, const struct memslot *slot, gfn_t gfn)
{
	struct vcpu *vcpu = running_vcpu(vm, hint);

	if (vcpu && ring_put(vcpu, slot->id, gfn - slot->base))
		return;
	set_bit(gfn - slot->base, slot_left(slot));
	if (vm->mem.ring_bitmap)
		return;
	WRITE_ONCE(vm->mem.ring_left, true);
	/* a vCPU whose ring is full has made the request already, and tells the others when it serves that: here none can be woken up */
	if (!vcpu)
		keel_vm_request(vm, REQ_DIRTY_RING, 0);
}

/*
 * What is left of a slot comes into the ring. False once that is full, or when the thread is killed: were it to stop for other signals,
 * and begin anew, a launcher that sends many would see its guest no more.
 */
static bool put_left(struct vcpu *vcpu, const struct memslot *slot)
{
	unsigned long *left = slot_left(slot), bit = 0, end;

	while (bit < slot->npages) {
		end = min_t(u64, slot->npages, bit + SCAN_WORDS * BITS_PER_LONG);
		for (bit = find_next_bit(left, end, bit); bit < end; bit = find_next_bit(left, end, bit + 1)) {
			if (ring_used(vcpu->dirty_ring) >= vcpu->dirty_ring->limit)
				return false;
			if (test_and_clear_bit(bit, left) && !ring_put(vcpu, slot->id, bit))
				set_bit(bit, left);
		}
		bit = end;
		cond_resched();
		if (fatal_signal_pending(current))
			return false;
	}
	return true;
}

static void put_all_left(struct vcpu *vcpu)
{
	struct memory *mem = &vcpu->vm->mem;
	const struct memslots *slots;
	bool done = true;
	unsigned int i;

	/* its holder may wait for the launcher, which copies a log to where it likes */
	if (mutex_lock_interruptible(&mem->slots_lock))
		return;
	WRITE_ONCE(mem->ring_left, false);
	/* what is noted from now on sets it again */
	smp_mb();
	slots = mem_slots_locked(mem);
	for (i = 0; slots && i < slots->count && done; i++) {
		if (slots->slot[i]->dirty)
			done = put_left(vcpu, slots->slot[i]);
	}
	if (!done)
		WRITE_ONCE(mem->ring_left, true);
	mutex_unlock(&mem->slots_lock);
}

int keel_dirty_ring_check(struct vcpu *vcpu)
{
	struct dirty_ring *ring = vcpu->dirty_ring;

	if (READ_ONCE(vcpu->vm->mem.ring_left) && ring_used(ring) < ring->limit)
		put_all_left(vcpu);
	/* the others had this request too and found somebody at it, but the launcher need not run this vCPU again */
	if (READ_ONCE(vcpu->vm->mem.ring_left))
		keel_vm_request(vcpu->vm, REQ_DIRTY_RING, 0);
	if (ring_used(ring) < ring->limit)
		return RUN_RESUME;
	/* and again at the next KVM_RUN, until there is room */
	vcpu_request(vcpu, REQ_DIRTY_RING);
	vcpu->run->exit_reason = KVM_EXIT_DIRTY_RING_FULL;
	return RUN_USER;
}

/* ---- what the launcher has taken ---- */

/* Words of bitmaps whose pages are to be protected. */
struct batch {
	unsigned int count;
	struct batch_word {
		const struct memslot *slot;
		u64 word;
		unsigned long mask;
	} words[BATCH];
};

static void batch_protect(struct vm *vm, struct batch *b)
{
	struct pt_update up = {};
	unsigned int i;

	if (!b->count)
		return;
	spin_lock(&vm->mem.lock);
	for (i = 0; i < b->count; i++)
		memory_protect_mask(&vm->mem, b->words[i].slot->base + b->words[i].word * BITS_PER_LONG, b->words[i].mask, &up);
	memory_flush(vm, &up);
	spin_unlock(&vm->mem.lock);
	b->count = 0;
	cond_resched();
}

/* One page is clean, if it is one and was dirty. */
static void batch_add(struct vm *vm, struct batch *b, u32 id, u64 offset)
{
	struct memslot *slot = id < KEEL_MAX_SLOTS ? xa_load(&vm->mem.ids, id) : NULL;
	struct batch_word *last = b->count ? &b->words[b->count - 1] : NULL;

	if (!slot || !slot->dirty || offset >= slot->npages)
		return;
	offset = array_index_nospec(offset, slot->npages);
	if (!test_and_clear_bit(offset, slot->dirty))
		return;
	if (!last || last->slot != slot || last->word != BIT_WORD(offset)) {
		if (b->count == BATCH)
			batch_protect(vm, b);
		last = &b->words[b->count++];
		*last = (struct batch_word){ .slot = slot, .word = BIT_WORD(offset) };
	}
	last->mask |= BIT_MASK(offset);
}

static int reset_ring(struct vm *vm, struct dirty_ring *ring, struct batch *b)
{
	struct kvm_dirty_gfn *entry;
	int count = 0;

	while (ring->reset != smp_load_acquire(&ring->dirty)) {
		entry = &ring->entries[ring->reset & (ring->size - 1)];
		if (!(smp_load_acquire(&entry->flags) & KVM_DIRTY_GFN_F_RESET))
			break;
		batch_add(vm, b, READ_ONCE(entry->slot), READ_ONCE(entry->offset));
		WRITE_ONCE(entry->flags, 0);
		smp_store_release(&ring->reset, ring->reset + 1);
		/* a vCPU that puts into it meanwhile does not keep us here */
		if (++count == ring->size)
			break;
	}
	return count;
}

int keel_dirty_ring_reset(struct vm *vm)
{
	struct vcpu *vcpu;
	struct batch *b;
	unsigned int i;
	int count = 0;

	if (!vm->mem.ring_order)
		return -EINVAL;
	b = kmalloc(sizeof(*b), GFP_KERNEL_ACCOUNT);
	if (!b)
		return -ENOMEM;
	b->count = 0;
	mutex_lock(&vm->mem.slots_lock);
	vm_for_each_vcpu(vm, i, vcpu) {
		count += reset_ring(vm, vcpu->dirty_ring, b);
		/* entries that name no page make no batch */
		cond_resched();
	}
	batch_protect(vm, b);
	mutex_unlock(&vm->mem.slots_lock);
	kfree(b);
	return count;
}

/* ---- life ---- */

int keel_dirty_ring_enable(struct vm *vm, u64 size)
{
	struct memory *mem = &vm->mem;
	int ret = 0;

	if (!is_power_of_2(size) || size < PAGE_SIZE || size < reserved() * sizeof(struct kvm_dirty_gfn))
		return -EINVAL;
	if (size > KEEL_DIRTY_RING_MAX)
		return -E2BIG;
	mutex_lock(&mem->slots_lock);
	if (mem->ring_order || vm->nr_vcpus || mem->logging)
		ret = -EINVAL;
	else
		mem->ring_order = ilog2(size / sizeof(struct kvm_dirty_gfn));
	mutex_unlock(&mem->slots_lock);
	return ret;
}

int keel_dirty_ring_with_bitmap(struct vm *vm)
{
	struct memory *mem = &vm->mem;
	int ret = 0;

	mutex_lock(&mem->slots_lock);
	if (!mem->ring_order || (mem_slots_locked(mem) && mem_slots_locked(mem)->count))
		ret = -EINVAL;
	else
		mem->ring_bitmap = true;
	mutex_unlock(&mem->slots_lock);
	return ret;
}

int keel_dirty_ring_create(struct vcpu *vcpu)
{
	u32 size = 1u << vcpu->vm->mem.ring_order;
	struct dirty_ring *ring;

	if (!vcpu->vm->mem.ring_order)
		return 0;
	ring = kzalloc(sizeof(*ring), GFP_KERNEL_ACCOUNT);
	if (!ring)
		return -ENOMEM;
	ring->entries = __vmalloc(array_size(size, sizeof(*ring->entries)), GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!ring->entries) {
		kfree(ring);
		return -ENOMEM;
	}
	ring->size = size;
	ring->limit = size - reserved();
	vcpu->dirty_ring = ring;
	/* something may be left already, and who was asked may not run */
	vcpu_request(vcpu, REQ_DIRTY_RING);
	return 0;
}

void keel_dirty_ring_destroy(struct vcpu *vcpu)
{
	if (!vcpu->dirty_ring)
		return;
	vfree(vcpu->dirty_ring->entries);
	kfree(vcpu->dirty_ring);
	vcpu->dirty_ring = NULL;
}

struct page *keel_dirty_ring_page(struct vcpu *vcpu, unsigned long index)
{
	struct dirty_ring *ring = vcpu->dirty_ring;

	if (!ring || index >= ring->size * sizeof(*ring->entries) >> PAGE_SHIFT)
		return NULL;
	return vmalloc_to_page((void *)ring->entries + (index << PAGE_SHIFT));
}
