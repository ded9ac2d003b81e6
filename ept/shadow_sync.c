// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shadow tables and the guest tables that they are made from: stores, and tables out of sync.
 *
 * Invariants:
 *  - While a frame has a table made from it that is in sync, no leaf maps it writable: a store to it faults, is emulated, and shadow_store() drops
 *    what it covers and does not fit any more.
 *  - Only a frame whose tables are all of the last level may be written freely, and then all of them are out of sync. Each of their entries is
 *    one that a TLB could still hold: the guest's entry had this value since it last asked for a flush.
 *  - To bring tables up to date their frame is protected and that flushed first, else a store could come after the comparison.
 */
#include <linux/mm.h>
#include <linux/spinlock.h>
#include "shadow.h"

/* Does a leaf of the last level, made from a guest table, say no more than the guest's entry says now? */
static __always_inline bool entry_fits(struct vcpu *vcpu, struct shadow_page *page, unsigned int index)
{
	u64 gpte;

	if (walk_read_entry(vcpu, shadow_gpte_at(page, index), shadow_gpte_size(page->role), &gpte))
		return false;
	return shadow_leaf_fits(page->role, page->entry[index].frame, READ_ONCE(page->table[index]), gpte);
}

/* Entries that are read together: what is looked up to read one is the same for its neighbours. */
#define ROW	32u

/* The entries of @mask, from @first on. */
static void compare_row(struct vcpu *vcpu, struct shadow *s, struct shadow_page *page, unsigned int first, u32 mask)
{
	u64 gpte[ROW];
	bool are_there = !walk_read_entries(vcpu, shadow_gpte_at(page, first), shadow_gpte_size(page->role), ROW, gpte);

	for (; mask; mask &= mask - 1) {
		unsigned int i = first + __ffs(mask);

		if (!are_there || !shadow_leaf_fits(page->role, page->entry[i].frame, READ_ONCE(page->table[i]), gpte[i - first]))
			shadow_drop(s, page, i);
	}
}

static void compare(struct vcpu *vcpu, struct shadow *s, struct shadow_page *page)
{
	unsigned int first;

	for (first = 0; first < PT_ENTRIES; first += ROW) {
		u32 mask = page->present[first / BITS_PER_LONG] >> first % BITS_PER_LONG;

		if (mask)
			compare_row(vcpu, s, page, first, mask);
	}
	shadow_mark_synced(s, page);
}

void shadow_sync_frame(struct vcpu *vcpu, struct shadow *s, gfn_t gfn, struct pt_update *up)
{
	struct shadow_page *page = NULL;

	shadow_protect_frame(s, gfn, up);
	shadow_finish(s, up);
	while ((page = shadow_next_table(s, gfn, page)))
		if (page->is_unsync)
			compare(vcpu, s, page);
}

static void protect_all(struct shadow *s, struct pt_update *up)
{
	u32 i;

	for (i = 0; i < s->nr_unsync; i++)
		shadow_protect_frame(s, s->page[s->unsync[i]]->gfn, up);
}

static void compare_all(struct vcpu *vcpu, struct shadow *s)
{
	while (s->nr_unsync)
		compare(vcpu, s, s->page[s->unsync[s->nr_unsync - 1]]);
}

void shadow_sync_all(struct vcpu *vcpu, struct shadow *s, struct pt_update *up)
{
	if (!s->nr_unsync)
		return;
	protect_all(s, up);
	shadow_finish(s, up);
	compare_all(vcpu, s);
}

bool shadow_take_owed(struct shadow *s)
{
	bool owed = s->owed;

	if (READ_ONCE(s->vm->nr_vcpus) == 1)
		s->owed = false;
	return owed;
}

/* Can all that is out of sync be brought up to date in a moment? */
static bool is_little(struct shadow *s)
{
	u32 i;

	if (s->nr_unsync > SHADOW_QUICK_SYNC)
		return false;
	for (i = 0; i < s->nr_unsync; i++)
		if (shadow_frame_chains(s, s->page[s->unsync[i]]->gfn) > SHADOW_QUICK_CHAIN)
			return false;
	return true;
}

bool shadow_sync_alone(struct vcpu *vcpu, struct shadow *s)
{
	struct pt_update up = {};

	/* another vCPU that is just being made has no root before it gets the lock */
	if (READ_ONCE(s->vm->nr_vcpus) > 1 || !is_little(s))
		return false;
	protect_all(s, &up);
	compare_all(vcpu, s);
	s->owed = true;
	return true;
}

bool shadow_let_write(struct vcpu *vcpu, struct shadow *s, gfn_t gfn, struct pt_update *up)
{
	struct shadow_page *page = NULL;
	u32 n = 0;

	while ((page = shadow_next_table(s, gfn, page))) {
		if (page->role.level > 1)
			return false;
		n++;
	}
	if (n > SHADOW_MAX_UNSYNC)
		return false;
	if (s->nr_unsync + n > SHADOW_MAX_UNSYNC)
		shadow_sync_all(vcpu, s, up);
	while ((page = shadow_next_table(s, gfn, page))) {
		page->is_unsync = true;
		s->unsync[s->nr_unsync++] = page->id;
	}
	return true;
}

/* Does the guest's entry, as it is now, lead where ours does? */
static bool link_fits(struct vcpu *vcpu, struct shadow *s, struct shadow_page *page, unsigned int index)
{
	const struct shadow_page *child = shadow_linked(s, page, index);
	union shadow_role role;
	u64 gpte;
	gfn_t gfn;

	if (!child || child->role.is_direct || walk_read_entry(vcpu, shadow_gpte_at(page, index), shadow_gpte_size(page->role), &gpte))
		return false;
	if (gpte & GPTE_PS || !shadow_is_ready(page->role, gpte, vcpu->cpuid.reserved_gpa))
		return false;
	gfn = shadow_child(page->role, index, gpte, &role);
	return shadow_is(child, gfn, role);
}

/* The guest's entry was written: drop ours, unless it says the same still. True if it does. */
static bool entry_stored(struct vcpu *vcpu, struct shadow *s, struct shadow_page *page, unsigned int index)
{
	if (test_bit(index, page->present) &&
	    (page->role.level == 1 ? entry_fits(vcpu, page, index) : link_fits(vcpu, s, page, index)))
		return true;
	shadow_drop(s, page, index);
	return false;
}

/*
 * Of vCPUs that store to one entry each comes here after its store, so the last of them finds what is there in the end. What a guest
 * changes in an entry that is in use, accessed and dirty bits and bits of its own, leaves most of them as they are.
 */
void shadow_store(struct vcpu *vcpu, struct shadow *s, gpa_t gpa, unsigned int len, struct pt_update *up)
{
	struct shadow_page *page = shadow_next_table(s, gpa_to_gfn(gpa), NULL), *next;
	unsigned int i, end;

	for (; page; page = next) {
		bool is_table = false;

		next = shadow_next_table(s, gpa_to_gfn(gpa), page);
		for (i = shadow_covered(page->role, offset_in_page(gpa), len, &end); i < end; i++)
			is_table |= entry_stored(vcpu, s, page, i);
		if (!is_table && ++page->stores > SHADOW_MAX_STORES)
			shadow_zap(s, page, up);
	}
}

void shadow_untrace(struct shadow *s, gpa_t gpa, struct pt_update *up)
{
	struct shadow_page *page;

	while ((page = shadow_next_table(s, gpa_to_gfn(gpa), NULL)))
		shadow_zap(s, page, up);
}

struct shadow_page *shadow_find_leaf(struct shadow *s, struct shadow_vcpu *sv, gva_t gva, unsigned int *index)
{
	struct shadow_page *page = shadow_top(sv, gva);
	unsigned int level = page ? page->role.level : 0;
	u64 pte;

	for (; level; level--) {
		*index = shadow_index(gva, level);
		pte = READ_ONCE(page->table[*index]);
		if (!pte_is_present(s->format, pte))
			break;
		if (pte_is_leaf(s->format, pte, level))
			return page;
		page = s->page[page->entry[*index].frame];
	}
	return NULL;
}

static __always_inline void sync_entry(struct vcpu *vcpu, struct shadow *s, struct shadow_vcpu *sv, gva_t gva)
{
	unsigned int index;
	struct shadow_page *page = shadow_find_leaf(s, sv, gva, &index);

	/* one that was written behind the tracing is found here as well */
	if (page && page->role.level == 1 && !page->role.is_direct && !entry_fits(vcpu, page, index))
		shadow_drop(s, page, index);
}

void shadow_invlpg(struct vcpu *vcpu, struct shadow *s, struct shadow_vcpu *sv, gva_t gva)
{
	spin_lock(&s->vm->mem.lock);
	sync_entry(vcpu, s, sv, gva);
	spin_unlock(&s->vm->mem.lock);
}

/* What TLBs have is in the tables, but for what is owed: an entry that is as the guest's is now needs no flush. */
enum shadow_quick shadow_quick_invlpg(struct vcpu *vcpu, struct shadow *s, struct shadow_vcpu *sv, gva_t gva)
{
	bool owed;

	if (!spin_trylock(&s->vm->mem.lock))
		return SHADOW_SLOW;
	sync_entry(vcpu, s, sv, gva);
	owed = shadow_take_owed(s);
	spin_unlock(&s->vm->mem.lock);
	return owed ? SHADOW_FLUSH : SHADOW_SAME;
}
