// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shadow tables: found by frame and role, linked to each other.
 *
 * Invariants:
 *  - An entry that is present is in exactly one chain (shadow_chain.c). All changes of entries from and to "not present" are in this file.
 *  - What is dropped is owed a flush (shadow.owed); a page of entries is freed after one.
 */
#include <linux/mm.h>
#include <linux/io.h>
#include <linux/pgtable.h>
#include <linux/slab.h>
#include "shadow.h"

static void count_leaf(struct shadow *s, const struct shadow_page *page, s64 n)
{
	if (page->role.level == 1)
		s->vm->stats.pages_4k += n;
	else
		s->vm->stats.pages_2m += n;
}

/* ---- entries ---- */

void shadow_drop(struct shadow *s, struct shadow_page *page, unsigned int index)
{
	u64 pte = READ_ONCE(page->table[index]);

	if (!pte_is_present(s->format, pte))
		return;
	WRITE_ONCE(page->table[index], 0);
	__clear_bit(index, page->present);
	s->owed = true;
	if (shadow_is_leaf(s, page, pte)) {
		shadow_leaf_remove(s, page, index);
		count_leaf(s, page, -1);
	} else {
		shadow_chain_remove(s, &s->page[page->entry[index].frame]->parents, shadow_number(page, index));
	}
}

struct shadow_page *shadow_linked(const struct shadow *s, const struct shadow_page *page, unsigned int index)
{
	u64 pte = READ_ONCE(page->table[index]);

	return pte_is_present(s->format, pte) && !shadow_is_leaf(s, page, pte) ? s->page[page->entry[index].frame] : NULL;
}

/* Room in a chain for one more. What goes comes back by a fault. */
static void make_room(struct shadow *s, const struct shadow_chain *chain)
{
	u32 number = shadow_chain_surplus(s, chain), next;

	for (; unlikely(number); number = next) {
		struct shadow_page *page = shadow_page_of(s, number);

		next = page->entry[number % PT_ENTRIES].next;
		shadow_drop(s, page, number % PT_ENTRIES);
	}
}

void shadow_link(struct shadow *s, struct shadow_page *page, unsigned int index, struct shadow_page *child)
{
	if (shadow_linked(s, page, index) == child)
		return;
	shadow_drop(s, page, index);
	make_room(s, &child->parents);
	page->entry[index].frame = child->id;
	shadow_chain_add(s, &child->parents, shadow_number(page, index));
	__set_bit(index, page->present);
	WRITE_ONCE(page->table[index], virt_to_phys(child->table) | s->format->table);
}

/*
 * Is there an access that @old permits and @new does not? A user page has rules that a supervisor's has not (SMEP, SMAP), and what a key permits
 * is for the guest to say.
 */
static bool leaf_restricts(u64 old, u64 new)
{
	u64 free = _PAGE_RW | _PAGE_NX | _PAGE_ACCESSED | _PAGE_DIRTY;

	return ((old ^ new) & ~free) || (old & ~new & _PAGE_RW) || (new & ~old & _PAGE_NX);
}

void shadow_set_leaf(struct shadow *s, struct shadow_page *page, unsigned int index, gfn_t frame, u64 pte)
{
	u64 old = READ_ONCE(page->table[index]);

	if (pte_is_present(s->format, old) && (!shadow_is_leaf(s, page, old) || page->entry[index].frame != frame ||
					       (old ^ pte) & s->format->address)) {
		shadow_drop(s, page, index);
		old = 0;
	}
	if (!old) {
		make_room(s, shadow_leaf_chain(s, frame));
		shadow_leaf_add(s, page, index, frame);
		__set_bit(index, page->present);
		count_leaf(s, page, 1);
	} else if (leaf_restricts(old, pte)) {
		s->owed = true;
	}
	WRITE_ONCE(page->table[index], pte);
}

/* ---- tables ---- */

struct shadow_page *shadow_find(struct shadow *s, gfn_t gfn, union shadow_role role)
{
	u32 id;

	for (id = s->by_gfn[shadow_bucket(s, gfn, SHADOW_BUCKETS)]; id; id = s->page[id]->next_gfn)
		if (shadow_is(s->page[id], gfn, role))
			return s->page[id];
	return NULL;
}

struct shadow_page *shadow_next_table(struct shadow *s, gfn_t gfn, const struct shadow_page *page)
{
	u32 id = page ? page->next_gfn : s->by_gfn[shadow_bucket(s, gfn, SHADOW_BUCKETS)];

	while (id && (s->page[id]->gfn != gfn || s->page[id]->role.is_direct))
		id = s->page[id]->next_gfn;
	return id ? s->page[id] : NULL;
}

static inline gfn_t block_of(gfn_t gfn)
{
	return gfn / PT_ENTRIES;
}

bool shadow_block_has_tables(struct shadow *s, gfn_t gfn)
{
	u32 id = s->by_block[shadow_bucket(s, block_of(gfn), SHADOW_BUCKETS)];

	while (id && block_of(s->page[id]->gfn) != block_of(gfn))
		id = s->page[id]->next_block;
	return id;
}

bool shadow_is_traced(struct shadow *s, gfn_t gfn)
{
	struct shadow_page *page = shadow_next_table(s, gfn, NULL);

	/* all tables of a frame are in sync, or none is */
	return page && !page->is_unsync;
}

struct shadow_page *shadow_make(struct shadow *s, gfn_t gfn, union shadow_role role)
{
	struct shadow_page *page;
	u32 *head;

	if (!s->nr_reserve || s->live == s->max)
		return NULL;
	page = s->reserve[--s->nr_reserve];
	page->id = s->free[s->max - ++s->live];
	page->gfn = gfn;
	page->role = role;
	page->was_used = true;
	s->page[page->id] = page;
	head = &s->by_gfn[shadow_bucket(s, gfn, SHADOW_BUCKETS)];
	page->next_gfn = *head;
	*head = page->id;
	if (!role.is_direct) {
		head = &s->by_block[shadow_bucket(s, block_of(gfn), SHADOW_BUCKETS)];
		page->next_block = *head;
		*head = page->id;
	}
	s->vm->stats.table_pages++;
	return page;
}

void shadow_page_free(struct shadow_page *page)
{
	kfree(page->entry);
	kfree(page);
}

/* Nothing leads to it any more: its entries are freed after the flush. */
static void release(struct shadow *s, struct shadow_page *page, struct pt_update *up)
{
	s->page[page->id] = NULL;
	s->free[s->max - s->live--] = page->id;
	WRITE_ONCE(page->table[0], (unsigned long)up->dead);
	up->dead = page->table;
	up->flush = true;
	s->vm->stats.table_pages--;
	shadow_page_free(page);
}

void shadow_mark_synced(struct shadow *s, struct shadow_page *page)
{
	u32 i;

	if (!page->is_unsync)
		return;
	page->is_unsync = false;
	for (i = 0; i < s->nr_unsync; i++)
		if (s->unsync[i] == page->id)
			s->unsync[i--] = s->unsync[--s->nr_unsync];
}

static void forget_key(struct shadow *s, struct shadow_page *page)
{
	u32 *at = &s->by_gfn[shadow_bucket(s, page->gfn, SHADOW_BUCKETS)];

	while (*at != page->id)
		at = &s->page[*at]->next_gfn;
	*at = page->next_gfn;
	if (page->role.is_direct)
		return;
	at = &s->by_block[shadow_bucket(s, block_of(page->gfn), SHADOW_BUCKETS)];
	while (*at != page->id)
		at = &s->page[*at]->next_block;
	*at = page->next_block;
}

void shadow_zap(struct shadow *s, struct shadow_page *page, struct pt_update *up)
{
	unsigned int i;

	if (page->is_dead)
		return;
	for_each_set_bit(i, page->present, PT_ENTRIES)
		shadow_drop(s, page, i);
	while (page->parents.first)
		shadow_drop(s, shadow_page_of(s, page->parents.first), page->parents.first % PT_ENTRIES);
	shadow_mark_synced(s, page);
	forget_key(s, page);
	page->is_dead = true;
	if (!page->roots)
		release(s, page, up);
}

void shadow_root_get(struct shadow_page *page)
{
	page->roots++;
}

void shadow_root_put(struct shadow *s, struct shadow_page *page, struct pt_update *up)
{
	if (!--page->roots && page->is_dead)
		release(s, page, up);
}

void shadow_settle(struct shadow *s, struct pt_update *up)
{
	up->flush |= s->owed;
}

void shadow_finish(struct shadow *s, struct pt_update *up)
{
	if (!up->flush)
		return;
	memory_flush(s->vm, up);
	s->owed = false;
}
