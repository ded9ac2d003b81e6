// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shadow paging by guest frame: what the MMU notifier, the dirty log, slots and the tracing of guest tables change. Leaves are found by the
 * chains of their frames. A leaf of 2M is in the chain of its first frame.
 *
 * Each of these relies on what it removes being gone, so what is owed is flushed with it.
 */
#include <linux/bitops.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include "shadow.h"

enum visit {
	VISIT_UNMAP,
	VISIT_PROTECT,	/* no write without a fault */
	VISIT_TRACE,	/* the same for a guest table's frame, in which no leaf of 2M can be */
	VISIT_TEST,	/* accessed? */
	VISIT_CLEAR,	/* the same, from now on not */
};

/* Return: was it accessed? */
static bool visit_leaf(struct shadow *s, struct shadow_page *page, unsigned int index, enum visit how, struct pt_update *up)
{
	u64 *entry = &page->table[index], pte = READ_ONCE(*entry);

	if (how == VISIT_CLEAR)
		WRITE_ONCE(*entry, pte & ~s->format->accessed);
	if (how == VISIT_UNMAP || (how == VISIT_TRACE && page->role.level > 1)) {
		shadow_drop(s, page, index);
		up->flush = true;
	} else if ((how == VISIT_PROTECT || how == VISIT_TRACE) && pte & s->format->write) {
		WRITE_ONCE(*entry, pte & ~s->format->write);
		up->flush = true;
	}
	return pte & s->format->accessed;
}

/* The leaves in one chain that map any of [gfn, end). */
static bool visit_chain(struct shadow *s, u32 number, gfn_t gfn, gfn_t end, enum visit how, struct pt_update *up)
{
	bool young = false;
	u32 next;

	for (; number; number = next) {
		struct shadow_page *page = shadow_page_of(s, number);
		struct shadow_entry *e = &page->entry[number % PT_ENTRIES];

		next = e->next;
		if (e->frame < end && e->frame + pt_span(page->role.level) > gfn)
			young |= visit_leaf(s, page, number % PT_ENTRIES, how, up);
	}
	return young;
}

static bool visit(struct shadow *s, gfn_t gfn, gfn_t end, enum visit how, struct pt_update *up)
{
	gfn_t block = gfn & ~(gfn_t)(PT_ENTRIES - 1), f;
	bool young = false;
	u32 i;

	if (end - gfn >= s->nr_leaf_buckets) {
		for (i = 0; i < s->nr_leaf_buckets; i++)
			young |= visit_chain(s, s->leaves[i].first, gfn, end, how, up);
		return young;
	}
	if (block != gfn)
		young = visit_chain(s, shadow_leaf_chain(s, block)->first, gfn, end, how, up);
	for (f = gfn; f < end; f++)
		young |= visit_chain(s, shadow_leaf_chain(s, f)->first, gfn, end, how, up);
	return young;
}

u32 shadow_frame_chains(struct shadow *s, gfn_t gfn)
{
	return shadow_leaf_chain(s, gfn)->n + shadow_leaf_chain(s, gfn & ~(gfn_t)(PT_ENTRIES - 1))->n;
}

void shadow_unmap(struct shadow *s, gfn_t gfn, gfn_t end, struct pt_update *up)
{
	visit(s, gfn, end, VISIT_UNMAP, up);
	shadow_settle(s, up);
}

void shadow_protect(struct shadow *s, gfn_t gfn, gfn_t end, struct pt_update *up)
{
	visit(s, gfn, end, VISIT_PROTECT, up);
	shadow_settle(s, up);
}

void shadow_protect_mask(struct shadow *s, gfn_t gfn, u64 mask, struct pt_update *up)
{
	for (; mask; mask &= mask - 1)
		shadow_protect(s, gfn + __ffs(mask), gfn + __ffs(mask) + 1, up);
}

bool shadow_age(struct shadow *s, gfn_t gfn, gfn_t end, enum pt_age age, struct pt_update *up)
{
	return visit(s, gfn, end, age == PT_AGE_CLEAR ? VISIT_CLEAR : VISIT_TEST, up);
}

void shadow_protect_frame(struct shadow *s, gfn_t gfn, struct pt_update *up)
{
	visit(s, gfn, gfn + 1, VISIT_TRACE, up);
	shadow_settle(s, up);
}

void shadow_forget(struct shadow *s, gfn_t gfn, gfn_t end, struct pt_update *up)
{
	u32 id;

	shadow_unmap(s, gfn, end, up);
	for (id = 1; id <= s->max; id++) {
		struct shadow_page *page = s->page[id];

		if (page && !page->role.is_direct && page->gfn - gfn < end - gfn)
			shadow_zap(s, page, up);
	}
}
