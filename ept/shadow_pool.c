// SPDX-License-Identifier: GPL-2.0-only
/*
 * How many shadow tables there are: a VM's tables as a whole, the reserve that faults take from, and which tables go when there are
 * too many. Room is made before a fault looks at anything, so that nothing it has found goes while it works.
 */
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include "shadow.h"

/* Tables dropped beyond what is needed, as a part of all: a flush for each would be dear. */
#define SHADOW_DROP_PART	32

unsigned int shadow_shrink(struct shadow *s, unsigned int n, struct pt_update *up)
{
	unsigned int done = 0, looked;
	struct shadow_page *page;

	/* twice round: the first time a table that was used is let off */
	for (looked = 0; looked < 2 * s->max && done < n; looked++) {
		s->clock = s->clock % s->max + 1;
		page = s->page[s->clock];
		if (!page || page->roots)
			continue;
		if (page->was_used) {
			page->was_used = false;
			continue;
		}
		shadow_zap(s, page, up);
		done++;
	}
	return done;
}

static struct shadow_page *page_alloc(void)
{
	struct shadow_page *page = kzalloc(sizeof(*page), GFP_KERNEL_ACCOUNT);

	if (!page)
		return NULL;
	page->entry = kcalloc(PT_ENTRIES, sizeof(*page->entry), GFP_KERNEL_ACCOUNT);
	page->table = page->entry ? pgtable_alloc_pages(1) : NULL;
	if (page->table)
		return page;
	shadow_page_free(page);
	return NULL;
}

static bool is_full(const struct shadow *s)
{
	return READ_ONCE(s->live) + SHADOW_RESERVE > s->max;
}

/* Room for a reserve that is all used. */
static bool make_room(struct shadow *s)
{
	struct pt_update up = {};
	bool done;

	spin_lock(&s->vm->mem.lock);
	if (is_full(s))
		shadow_shrink(s, s->live + SHADOW_RESERVE - s->max + s->max / SHADOW_DROP_PART, &up);
	done = !is_full(s);
	shadow_finish(s, &up);
	spin_unlock(&s->vm->mem.lock);
	pgtable_free_pages(up.dead);
	return done;
}

int shadow_top_up(struct shadow *s)
{
	struct shadow_page *page;

	if (is_full(s) && !make_room(s))
		return -ENOMEM;
	while (READ_ONCE(s->nr_reserve) < SHADOW_RESERVE) {
		page = page_alloc();
		if (!page)
			return -ENOMEM;
		spin_lock(&s->vm->mem.lock);
		if (s->nr_reserve < SHADOW_RESERVE) {
			s->reserve[s->nr_reserve++] = page;
			page = NULL;
		}
		spin_unlock(&s->vm->mem.lock);
		if (page) {
			pgtable_free_pages(page->table);
			shadow_page_free(page);
		}
	}
	return 0;
}

static void shadow_free(struct shadow *s)
{
	while (s->nr_reserve) {
		struct shadow_page *page = s->reserve[--s->nr_reserve];

		pgtable_free_pages(page->table);
		shadow_page_free(page);
	}
	kvfree(s->leaves);
	kvfree(s->free);
	kvfree(s->page);
	kvfree(s);
}

struct shadow *shadow_create(struct vm *vm, const struct pte_format *format, u32 max)
{
	struct shadow *s = kvzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);
	u32 i;

	if (!s)
		return NULL;
	s->vm = vm;
	s->format = format;
	s->hash = get_random_u64() | 1;
	s->max = clamp(max, SHADOW_MIN_TABLES, SHADOW_MAX_TABLES);
	s->nr_leaf_buckets = roundup_pow_of_two(s->max) * SHADOW_BUCKETS_PER_TABLE;
	s->page = kvcalloc(s->max + 1, sizeof(*s->page), GFP_KERNEL_ACCOUNT);
	s->free = kvcalloc(s->max, sizeof(*s->free), GFP_KERNEL_ACCOUNT);
	s->leaves = kvcalloc(s->nr_leaf_buckets, sizeof(*s->leaves), GFP_KERNEL_ACCOUNT);
	if (!s->page || !s->free || !s->leaves) {
		shadow_free(s);
		return NULL;
	}
	for (i = 0; i < s->max; i++)
		s->free[i] = s->max - i;
	return s;
}

void shadow_destroy(struct shadow *s)
{
	struct pt_update up = {};
	u32 id;

	if (!s)
		return;
	/* nobody runs on these tables any more: nothing to flush */
	for (id = 1; id <= s->max; id++)
		if (s->page[id])
			shadow_zap(s, s->page[id], &up);
	pgtable_free_pages(up.dead);
	shadow_free(s);
}
