// SPDX-License-Identifier: GPL-2.0-only
/*
 * The paging engine: one walker (struct pt_iter) and its visitors over trees of 512-entry tables, whatever the entry
 * format (struct pte_format). It knows frames and entries, neither slots nor host memory nor TLBs.
 *
 * Invariants:
 *  - Every change is made under memory.lock; the CPU walks the tree at the same time and sets accessed and dirty bits.
 *    Losing an accessed bit costs nothing, so plain 64-bit stores do where the CPU cannot be setting a dirty bit that was clear.
 *  - An entry is stored whole. A new table is complete before an entry points to it (x86 keeps stores in order).
 *  - A table taken out goes to pt_update.dead and is freed after the TLBs were flushed. It is linked through its first
 *    entry, which stays not present for a CPU that still walks it: a page-aligned address has no present bit.
 *  - Nothing here allocates: pages come from the reserve, which the callers fill outside the lock.
 */
#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/compiler.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include "table.h"

/**
 * struct pt_iter - the walker: visits the entries over [gfn, end) from the root downwards
 * @format: entry format of the tree
 * @gfn: first frame of the range under the current entry
 * @end: one behind its last frame
 * @level: of the current entry
 * @path: table at each level down to @level
 */
struct pt_iter {
	const struct pte_format *format;
	gfn_t gfn, end;
	unsigned int level;
	u64 *path[PT_MAX_LEVELS + 1];
};

static inline u64 *pte_table(const struct pte_format *f, u64 pte)
{
	return phys_to_virt(pte & f->address);
}

static inline u64 make_table(const struct pte_format *f, const u64 *table)
{
	return virt_to_phys((void *)table) | f->table;
}

static bool iter_begin(struct pt_iter *it, const struct pgtable *pt, gfn_t gfn, gfn_t end)
{
	const struct pte_format *f = pt->format;

	it->format = f;
	it->gfn = gfn;
	it->end = min(end, pt_frames(f));
	it->level = f->levels;
	it->path[it->level] = pt->root;
	return pt->root && it->gfn < it->end;
}

static inline u64 *iter_entry(const struct pt_iter *it)
{
	return &it->path[it->level][pt_index(it->gfn, it->level)];
}

static inline void iter_down(struct pt_iter *it, u64 pte)
{
	it->level--;
	it->path[it->level] = pte_table(it->format, pte);
}

/* On to the entry behind this one, up as far as needed. False at the end of the range. */
static inline bool iter_next(struct pt_iter *it)
{
	it->gfn = (it->gfn | (pt_span(it->level) - 1)) + 1;
	if (it->gfn >= it->end)
		return false;
	while (!pt_index(it->gfn, it->level))
		it->level++;
	return true;
}

/* Does the range cover all frames of the current entry? */
static inline bool iter_covers(const struct pt_iter *it)
{
	gfn_t span = pt_span(it->level);

	return !(it->gfn & (span - 1)) && it->end - it->gfn >= span;
}

/* Go to the next leaf at or after the current entry. False when there is none. */
static bool iter_to_leaf(struct pt_iter *it)
{
	for (;;) {
		u64 pte = READ_ONCE(*iter_entry(it));

		if (!pte_is_present(it->format, pte)) {
			if (!iter_next(it))
				return false;
		} else if (pte_is_leaf(it->format, pte, it->level)) {
			return true;
		} else {
			iter_down(it, pte);
		}
	}
}

static inline void count_leaf(struct pgtable *pt, unsigned int level, s64 n)
{
	switch (level) {
	case 1:
		pt->stats->pages_4k += n;
		break;
	case 2:
		pt->stats->pages_2m += n;
		break;
	default:
		pt->stats->pages_1g += n;
		break;
	}
}

/* Put @table and all below it on the dead list. Depth is bounded by the format's levels. */
static void collect(struct pgtable *pt, u64 *table, unsigned int level, struct pt_update *up)
{
	const struct pte_format *f = pt->format;
	unsigned int i, leaves = 0;

	for (i = 0; i < PT_ENTRIES; i++) {
		u64 pte = READ_ONCE(table[i]);

		if (!pte_is_present(f, pte))
			continue;
		if (pte_is_leaf(f, pte, level))
			leaves++;
		else
			collect(pt, pte_table(f, pte), level - 1, up);
	}
	if (leaves) {
		count_leaf(pt, level, -(s64)leaves);
		up->flush = true;
	}
	WRITE_ONCE(table[0], (unsigned long)up->dead);
	up->dead = table;
	pt->leaves = NULL;
	pt->stats->table_pages--;
}

static void drop_table(struct pgtable *pt, u64 *entry, unsigned int level, struct pt_update *up)
{
	u64 *table = pte_table(pt->format, *entry);

	WRITE_ONCE(*entry, 0);
	collect(pt, table, level - 1, up);
	/* the CPU may cache the entry even if no leaf was below it */
	up->flush = true;
}

static void drop_leaf(struct pgtable *pt, u64 *entry, unsigned int level, struct pt_update *up)
{
	WRITE_ONCE(*entry, 0);
	count_leaf(pt, level, -1);
	up->flush = true;
}

void pgtable_unmap(struct pgtable *pt, gfn_t gfn, gfn_t end, struct pt_update *up)
{
	struct pt_iter it;

	if (!iter_begin(&it, pt, gfn, end))
		return;
	do {
		u64 *entry = iter_entry(&it);
		u64 pte = READ_ONCE(*entry);

		while (pte_is_present(it.format, pte) && !pte_is_leaf(it.format, pte, it.level) && !iter_covers(&it)) {
			iter_down(&it, pte);
			entry = iter_entry(&it);
			pte = READ_ONCE(*entry);
		}
		if (!pte_is_present(it.format, pte))
			continue;
		if (pte_is_leaf(it.format, pte, it.level))
			drop_leaf(pt, entry, it.level, up);
		else
			drop_table(pt, entry, it.level, up);
	} while (iter_next(&it));
}

void pgtable_clear(struct pgtable *pt, struct pt_update *up)
{
	if (!pt->root)
		return;
	collect(pt, pt->root, pt->format->levels, up);
	pt->root = NULL;
	up->flush = true;
}

void pgtable_protect(struct pgtable *pt, gfn_t gfn, gfn_t end, struct pt_update *up)
{
	struct pt_iter it;

	if (!iter_begin(&it, pt, gfn, end))
		return;
	while (iter_to_leaf(&it)) {
		u64 *entry = iter_entry(&it);
		u64 pte = READ_ONCE(*entry);
		u64 flag = it.level == 1 && it.format->dirty ? it.format->dirty : it.format->write;

		/* what is stored has no flag that the CPU could set meanwhile, but the accessed one */
		if ((pte & it.format->write) && (pte & flag)) {
			WRITE_ONCE(*entry, pte & ~flag);
			up->flush = true;
		}
		if (!iter_next(&it))
			break;
	}
}

void pgtable_protect_mask(struct pgtable *pt, gfn_t gfn, u64 mask, struct pt_update *up)
{
	while (mask) {
		unsigned int first = __ffs(mask);
		u64 rest = mask >> first;
		unsigned int n = ~rest ? __ffs(~rest) : 64;

		pgtable_protect(pt, gfn + first, gfn + first + n, up);
		if (first + n >= 64)
			break;
		mask &= ~0ull << (first + n);
	}
}

/*
 * A dirty bit that the CPU sets at this moment stays: were it lost here, TLBs would have it still, so that the CPU logged no further write,
 * and pgtable_protect() would find nothing to flush.
 */
static void clear_accessed(u64 *entry, u64 accessed)
{
	atomic_long_andnot(accessed, (atomic_long_t *)entry);
}

bool pgtable_age(struct pgtable *pt, gfn_t gfn, gfn_t end, enum pt_age age, struct pt_update *up)
{
	struct pt_iter it;
	bool young = false;

	if (!iter_begin(&it, pt, gfn, end))
		return false;
	while (iter_to_leaf(&it)) {
		u64 *entry = iter_entry(&it);
		u64 pte = READ_ONCE(*entry);
		u64 accessed = it.format->accessed;

		if (!accessed || (pte & accessed)) {
			young = true;
			if (age == PT_AGE_TEST)
				break;
			if (accessed)
				clear_accessed(entry, accessed);
			else
				drop_leaf(pt, entry, it.level, up);
		}
		if (!iter_next(&it))
			break;
	}
	return young;
}

static u64 *take_page(struct pgtable *pt)
{
	u64 *page = pt->reserve;

	pt->reserve = (u64 *)(unsigned long)page[0];
	pt->nr_reserve--;
	page[0] = 0;
	pt->stats->table_pages++;
	return page;
}

/* Replace a large leaf by a table of smaller ones that maps the same. */
static void split(struct pgtable *pt, u64 *entry, unsigned int level, struct pt_update *up)
{
	const struct pte_format *f = pt->format;
	u64 step = pt_span(level - 1) << PAGE_SHIFT;
	u64 pte = READ_ONCE(*entry);
	u64 *table = take_page(pt);
	unsigned int i;

	if (level == 2)
		pte = (pte & ~f->large) | f->split_exec;
	for (i = 0; i < PT_ENTRIES; i++)
		table[i] = pte + i * step;
	WRITE_ONCE(*entry, make_table(f, table));
	count_leaf(pt, level, -1);
	count_leaf(pt, level - 1, PT_ENTRIES);
	up->flush = true;
}

/* Have a table below @entry at @l, on the way to @level. False: pt->wanted pages are lacking. */
static noinline bool make_way(struct pgtable *pt, u64 *entry, unsigned int l, unsigned int level, struct pt_update *up)
{
	if (pt->nr_reserve < l - level) {
		pt->wanted = l - level - pt->nr_reserve;
		return false;
	}
	if (pte_is_present(pt->format, *entry))
		split(pt, entry, l, up);
	else
		WRITE_ONCE(*entry, make_table(pt->format, take_page(pt)));
	return true;
}

static noinline u64 *walk_and_make(struct pgtable *pt, gfn_t gfn, unsigned int level, struct pt_update *up)
{
	const struct pte_format *f = pt->format;
	unsigned int l = f->levels;
	u64 *table = pt->root, *entry;
	u64 pte;

	if (unlikely(!table)) {
		if (pt->nr_reserve < l - level + 1) {
			pt->wanted = l - level + 1 - pt->nr_reserve;
			return NULL;
		}
		table = take_page(pt);
		pt->root = table;
	}
	for (; l > level; l--) {
		entry = &table[pt_index(gfn, l)];
		pte = READ_ONCE(*entry);
		if (unlikely(!pte_is_present(f, pte)) || unlikely(pte & f->large)) {
			if (!make_way(pt, entry, l, level, up))
				return NULL;
			pte = *entry;
		}
		table = pte_table(f, pte);
	}
	entry = &table[pt_index(gfn, level)];
	if (level > 1) {
		pte = READ_ONCE(*entry);
		if (pte_is_present(f, pte) && !pte_is_leaf(f, pte, level))
			drop_table(pt, entry, level, up);
	} else {
		pt->leaves = table;
		pt->leaves_index = gfn / PT_ENTRIES;
	}
	return entry;
}

u64 *pgtable_entry(struct pgtable *pt, gfn_t gfn, unsigned int level, struct pt_update *up)
{
	if (level == 1 && pt->leaves && gfn / PT_ENTRIES == pt->leaves_index)
		return &pt->leaves[gfn % PT_ENTRIES];
	return walk_and_make(pt, gfn, level, up);
}

void pgtable_set_leaf(struct pgtable *pt, u64 *entry, unsigned int level, u64 pte)
{
	if (!pte_is_present(pt->format, *entry))
		count_leaf(pt, level, 1);
	WRITE_ONCE(*entry, pte);
}

/* The entry of @gfn at @level, or the one above it at which the walk ends; @level is where then, above the root if there is none. */
static u64 walk_to(const struct pgtable *pt, gfn_t gfn, unsigned int *level)
{
	const struct pte_format *f = pt->format;
	unsigned int lowest = *level;
	const u64 *table = pt->root;
	u64 pte;

	*level = f->levels + 1;
	if (!table || gfn >= pt_frames(f))
		return 0;
	for (;;) {
		pte = READ_ONCE(table[pt_index(gfn, --*level)]);
		if (!pte_is_present(f, pte) || pte_is_leaf(f, pte, *level) || *level == lowest)
			return pte;
		table = pte_table(f, pte);
	}
}

bool pgtable_has_table(const struct pgtable *pt, gfn_t gfn, unsigned int level)
{
	unsigned int at = level;
	u64 pte = walk_to(pt, gfn, &at);

	return at == level && pte_is_present(pt->format, pte) && !pte_is_leaf(pt->format, pte, level);
}

gfn_t pgtable_leaf_rest(const struct pgtable *pt, gfn_t gfn)
{
	unsigned int level = 1;
	u64 pte = walk_to(pt, gfn, &level);

	return pte_is_present(pt->format, pte) ? pt_span(level) - (gfn & (pt_span(level) - 1)) : 0;
}

void pgtable_free_pages(u64 *list)
{
	while (list) {
		u64 *next = (u64 *)(unsigned long)list[0];

		keel_host_count_table(list, -1);
		free_page((unsigned long)list);
		list = next;
	}
}

u64 *pgtable_alloc_pages(unsigned int n)
{
	u64 *list = NULL;

	while (n--) {
		u64 *page = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);

		if (!page) {
			pgtable_free_pages(list);
			return NULL;
		}
		keel_host_count_table(page, 1);
		page[0] = (unsigned long)list;
		list = page;
	}
	return list;
}

void pgtable_fill(struct pgtable *pt, u64 *list, unsigned int n)
{
	u64 *last = list;

	while (last[0])
		last = (u64 *)(unsigned long)last[0];
	last[0] = (unsigned long)pt->reserve;
	pt->reserve = list;
	pt->nr_reserve += n;
}
