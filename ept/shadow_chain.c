// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reverse map: chains of shadow entries. A leaf is in the chain of the frame it maps, as it was when it was mapped (entry->frame, never
 * computed again); a link in that of the table it leads to. Entries are named by number: table's number times 512 plus index. 0 is none, as
 * tables count from 1.
 *
 * A guest may map a page as often as it likes, and chains are walked under memory.lock: a full one loses its older half before another entry is added.
 */
#include "shadow.h"

static inline struct shadow_entry *entry_of(struct shadow *s, u32 number)
{
	return &shadow_page_of(s, number)->entry[number % PT_ENTRIES];
}

void shadow_chain_add(struct shadow *s, struct shadow_chain *chain, u32 number)
{
	struct shadow_entry *e = entry_of(s, number);

	e->prev = 0;
	e->next = chain->first;
	if (chain->first)
		entry_of(s, chain->first)->prev = number;
	chain->first = number;
	chain->n++;
}

void shadow_chain_remove(struct shadow *s, struct shadow_chain *chain, u32 number)
{
	struct shadow_entry *e = entry_of(s, number);

	if (e->next)
		entry_of(s, e->next)->prev = e->prev;
	if (e->prev)
		entry_of(s, e->prev)->next = e->next;
	else
		chain->first = e->next;
	e->next = 0;
	e->prev = 0;
	chain->n--;
}

u32 shadow_chain_surplus(struct shadow *s, const struct shadow_chain *chain)
{
	u32 number = chain->first, i;

	if (likely(chain->n < SHADOW_MAX_CHAIN))
		return 0;
	for (i = 0; i < SHADOW_MAX_CHAIN / 2; i++)
		number = entry_of(s, number)->next;
	return number;
}

struct shadow_chain *shadow_leaf_chain(struct shadow *s, gfn_t frame)
{
	return &s->leaves[shadow_bucket(s, frame, s->nr_leaf_buckets)];
}

void shadow_leaf_add(struct shadow *s, struct shadow_page *page, unsigned int index, gfn_t frame)
{
	page->entry[index].frame = frame;
	shadow_chain_add(s, shadow_leaf_chain(s, frame), shadow_number(page, index));
}

void shadow_leaf_remove(struct shadow *s, struct shadow_page *page, unsigned int index)
{
	shadow_chain_remove(s, shadow_leaf_chain(s, page->entry[index].frame), shadow_number(page, index));
}
