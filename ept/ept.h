/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private to ept/: slot look-up, and what its files ask of each other. Lock order: memory.slots_lock, mmap lock (taken
 * inside fault handling only), memory.lock.
 */
#ifndef EPT_EPT_H
#define EPT_EPT_H

#include <linux/interval_tree.h>
#include <linux/mmu_notifier.h>
#include <linux/nospec.h>
#include <asm/apicdef.h>
#include <keel/memory.h>
#include <keel/vcpu.h>
#include <keel/vm.h>
#include "table.h"

/* Number of the first of @count slots that begins above @gfn. */
static inline unsigned int slots_above(const struct memslots *slots, unsigned int count, gfn_t gfn)
{
	unsigned int low = 0, high = count;

	while (low < high) {
		unsigned int mid = (low + high) / 2;

		if (gfn < slots->slot[mid]->base)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/* The slot of @gfn or NULL. @slots may be NULL. Under RCU, slots_lock or memory.lock. Pairs with slots_append(). */
static inline struct memslot *slots_find(const struct memslots *slots, gfn_t gfn)
{
	unsigned int above = slots_above(slots, slots ? smp_load_acquire(&slots->count) : 0, gfn);
	struct memslot *slot;

	if (!above)
		return NULL;
	slot = slots->slot[above - 1];
	return gfn - slot->base < slot->npages ? slot : NULL;
}

/* The same with the vCPU's last slot tried first; on its own thread. */
static inline struct memslot *vcpu_find_slot(struct vcpu *vcpu, const struct memslots *slots, gfn_t gfn)
{
	struct memslot *slot = vcpu->known.slot;

	/* equal generations: the hint is in this array, hence alive as long as it is */
	if (slots && likely(slots->generation == vcpu->known.slot_generation) && gfn - slot->base < slot->npages)
		return slot;
	slot = slots_find(slots, gfn);
	if (slot) {
		vcpu->known.slot = slot;
		vcpu->known.slot_generation = slots->generation;
	}
	return slot;
}

static inline struct memslots *mem_slots_rcu(struct memory *mem)
{
	return rcu_dereference(mem->slots);
}

/* For holders of memory.lock or slots_lock: both guard the pointer against change. */
static inline struct memslots *mem_slots_locked(struct memory *mem)
{
	return rcu_dereference_protected(mem->slots, lockdep_is_held(&mem->lock) || lockdep_is_held(&mem->slots_lock));
}

/* The guest may have had it guessed wrong that @gfn is in @slot; what is read at a wrong address would steer the next walk. */
static inline hva_t slot_hva(const struct memslot *slot, gfn_t gfn)
{
	return slot->hva + (array_index_nospec(gfn - slot->base, slot->npages) << PAGE_SHIFT);
}

/* With rings: the pages that are dirty and in no ring. Behind the bitmap of those that are dirty. */
static inline unsigned long *slot_left(const struct memslot *slot)
{
	return slot->dirty + BITS_TO_LONGS(slot->npages);
}

void dirty_ring_note(struct vm *vm, struct vcpu *vcpu, const struct memslot *slot, gfn_t gfn);

/* @vcpu: whose thread this may be; NULL where that is not known and must be looked for. */
static inline void slot_mark_dirty(struct vm *vm, struct vcpu *vcpu, const struct memslot *slot, gfn_t gfn)
{
	unsigned long *dirty = slot->dirty;

	if (!dirty)
		return;
	/*
	 * What was written must be seen by whoever clears the bit after this look at it: pairs with the atomic operations of dirty.c and
	 * dirty_ring.c, behind which the launcher reads the page.
	 */
	smp_mb();
	if (test_bit(gfn - slot->base, dirty))
		return;
	if (!test_and_set_bit(gfn - slot->base, dirty) && unlikely(vm->mem.ring_order))
		dirty_ring_note(vm, vcpu, slot, gfn);
}

/* How the guest's ordinary memory is cached; memory.lock held. */
static inline enum pte_memtype ram_type(const struct memory *mem)
{
	return unlikely(mem->guest_types) ? PTE_MEM_GUEST : PTE_MEM_WB;
}

/* Shadow tables of the VM, NULL with nested paging. */
static inline struct shadow *mem_shadow(const struct memory *mem)
{
	return mem->table ? mem->table->shadow : NULL;
}

/* ---- flush.c ---- */

/* Finish a change under memory.lock: flush the TLBs if needed. The dead tables can then be freed, unlocked. */
void memory_flush(struct vm *vm, struct pt_update *up);

/* ---- change.c ---- */

/* Have mem.table, empty. slots_lock held, may sleep. 0 or -ENOMEM. */
int memory_table_create(struct vm *vm);
/* memory.lock, a visitor, flush, unlock, free: in steps, so that the lock is not held for long. May sleep. */
typedef void (*pt_visitor)(struct pgtable *pt, gfn_t gfn, gfn_t end, struct pt_update *up);
typedef void (*shadow_visitor)(struct shadow *s, gfn_t gfn, gfn_t end, struct pt_update *up);
void memory_visit(struct vm *vm, gfn_t gfn, gfn_t end, pt_visitor visit, shadow_visitor shadow_visit);

/* Have the next write to the frames @gfn + n of the set bits n of @mask noticed. memory.lock held; the caller flushes. */
void memory_protect_mask(struct memory *mem, gfn_t gfn, u64 mask, struct pt_update *up);

/* Put @n more pages into the reserve of tables. May sleep. 0 or -ENOMEM. */
int memory_top_up(struct memory *mem, unsigned int n);

/* The empty root that vCPUs use before the first mapping. */
int memory_root_init(const struct pte_format *format);
void memory_root_exit(void);

/* ---- apic.c ---- */

#define APIC_GFN	(APIC_DEFAULT_PHYS_BASE >> PAGE_SHIFT)
#define NO_FRAME	(~(gfn_t)0)

/* Is a local APIC that is not at the usual place in [first, last]? memory.lock held. */
bool apic_moved_in(struct vm *vm, gfn_t first, gfn_t last);
/* Make [*first, *last] end at the next local APIC on either side of @gfn; with one at @gfn, above it. memory.lock held. */
void apic_clip(struct vm *vm, gfn_t gfn, gfn_t *first, gfn_t *last);

/* Is a local APIC in [first, last]? memory.lock held. */
static inline bool apic_frames_in(struct vm *vm, gfn_t first, gfn_t last)
{
	if (APIC_GFN - first <= last - first && vm->mem.apics_usual)
		return true;
	return unlikely(vm->mem.apics_moved) && apic_moved_in(vm, first, last);
}

/* ---- fault.c ---- */

/* How many pages of 4K one fault maps at most: a power of two, 512 at most. */
unsigned int memory_fault_around(void);

/* ---- hostpage.c ---- */

/**
 * struct host_page - what the launcher's page tables say of one address
 * @pfn: frame at the address
 * @level: 1, 2, 3: size of the host's entry
 * @writable: the host permits writes
 * @type: how to map it
 * @entry: at level 1 the host's entry, for a look at its neighbours; else NULL
 */
struct host_page {
	u64 pfn;
	unsigned int level;
	bool writable;
	enum pte_memtype type;
	const pte_t *entry;
};

/*
 * Look @hva up in @mm. Interrupts off; the answer holds while memory.lock is held and no invalidation of @hva is active.
 * False if nothing is there, or it is not for such an access.
 */
bool host_page_lookup(struct mm_struct *mm, hva_t hva, bool write, struct host_page *page);
/* Make the launcher's page present. May sleep. 0, or -EFAULT, -EINTR, -ENOMEM, -EHWPOISON. */
int host_page_fault_in(struct mm_struct *mm, hva_t hva, bool write);

/* ---- notifier.c ---- */

/**
 * struct memory_notifier - one VM's registration with the MMU notifier of its launcher
 * @mn: the kernel's part
 * @vm: the machine, NULL once it is going away
 * @inside: callbacks that may be using @vm
 * @by_hva: the slots by launcher address, where they may overlap; changed with memory.slots; memory.lock
 * @leaving: a logged slot that is being moved, or NULL: writes to its old frames are marked too; set under slots_lock, RCU
 * @active: invalidations under way; nothing is mapped from the range meanwhile; memory.lock
 * @start: lowest launcher address of these
 * @end: and the end of the highest
 */
struct memory_notifier {
	struct mmu_notifier mn;
	struct vm *vm;
	atomic_t inside;
	unsigned int active;
	struct rb_root_cached by_hva;
	const struct memslot *leaving;
	hva_t start, end;
};

/* Is the host changing @hva? Then nothing is mapped from there. memory.lock held. */
static inline bool memory_invalidating(const struct memory *mem, hva_t hva)
{
	const struct memory_notifier *n = mem->notifier;

	return unlikely(n->active) && hva >= n->start && hva < n->end;
}

int memory_notifier_create(struct vm *vm);	/* may sleep; -ENOMEM, -EINTR */
void memory_notifier_destroy(struct vm *vm);
void memory_notifier_exit(void);

/* ---- dirty.c ---- */

/* Bitmap for a slot of @npages, or both of them, all clear, or NULL. */
unsigned long *dirty_bitmap_alloc(const struct memory *mem, u64 npages);
void dirty_log_started(struct vm *vm, struct memslot *slot);
void dirty_log_stopped(struct vm *vm, struct memslot *slot);

#endif
