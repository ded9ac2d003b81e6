/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The paging engine, private to ept/ (pgtable.c). Depends on nothing but basic types, a page allocator and the
 * physical address of a page, so that it is also built and tested in user space.
 */
#ifndef EPT_TABLE_H
#define EPT_TABLE_H

#include <keel/pgtable.h>
#include <keel/stats.h>

struct shadow;

#define PT_MAX_LEVELS	5
#define PT_ENTRIES	512u

/**
 * struct pgtable - one tree of tables
 * @format: entry format
 * @stats: the VM's counters of leaves and tables, kept exact
 * @root: top table; NULL until the first mapping
 * @reserve: zeroed pages at hand, linked through their first entry
 * @nr_reserve: how many
 * @wanted: pages the last failed pgtable_entry() lacked
 * @leaves: the table of level 1 that pgtable_entry() came to last: faults go through memory in order mostly. NULL once any table was taken out
 * @leaves_index: its first frame / 512
 * @shadow: shadow paging: tables made from the guest's, in place of this tree, which then stays empty; else NULL. Set once
 *
 * All under memory.lock.
 */
struct pgtable {
	const struct pte_format *format;
	struct vm_stats *stats;
	u64 *root;
	u64 *reserve;
	unsigned int nr_reserve;
	unsigned int wanted;
	u64 *leaves;
	gfn_t leaves_index;
	struct shadow *shadow;
};

/**
 * struct pt_update - what a change of the tree leaves to be done
 * @dead: tables taken out, linked through their first entry; to be freed after the TLB flush
 * @flush: translations were removed or restricted
 */
struct pt_update {
	u64 *dead;
	bool flush;
};

static inline bool pte_is_present(const struct pte_format *f, u64 pte)
{
	return pte & f->present;
}

static inline bool pte_is_leaf(const struct pte_format *f, u64 pte, unsigned int level)
{
	return level == 1 || (pte & f->large);
}

/* Frames mapped by one entry at @level. */
static inline gfn_t pt_span(unsigned int level)
{
	return 1ull << (9 * (level - 1));
}

static inline unsigned int pt_index(gfn_t gfn, unsigned int level)
{
	return (gfn >> (9 * (level - 1))) & (PT_ENTRIES - 1);
}

static inline gfn_t pt_frames(const struct pte_format *f)
{
	return 1ull << (9 * f->levels);
}

/* Visitors. The range is [gfn, end); whatever lies beyond the root's reach is ignored. */

/* Remove what is mapped; a large leaf that the range touches goes as a whole. */
void pgtable_unmap(struct pgtable *pt, gfn_t gfn, gfn_t end, struct pt_update *up);
/* Have the next write noticed: take the write permission away or, from 4K leaves whose writes the CPU logs, the dirty flag. */
void pgtable_protect(struct pgtable *pt, gfn_t gfn, gfn_t end, struct pt_update *up);
/* The same for the frames @gfn + n of the set bits n of @mask. */
void pgtable_protect_mask(struct pgtable *pt, gfn_t gfn, u64 mask, struct pt_update *up);

enum pt_age { PT_AGE_TEST, PT_AGE_CLEAR };
/* Was anything accessed since the last PT_AGE_CLEAR? Without accessed bits that clears by removing, hence @up. */
bool pgtable_age(struct pgtable *pt, gfn_t gfn, gfn_t end, enum pt_age age, struct pt_update *up);

/**
 * pgtable_entry() - the entry that maps @gfn at @level, with all tables above it made
 *
 * Splits a large leaf on the way; removes a table that stands where a leaf above level 1 is wanted (the caller flushes
 * before it writes the entry). Return: NULL if the reserve is short, @pt->wanted pages are needed then.
 */
u64 *pgtable_entry(struct pgtable *pt, gfn_t gfn, unsigned int level, struct pt_update *up);
/* Write a leaf to an entry got from pgtable_entry(), counting it. */
void pgtable_set_leaf(struct pgtable *pt, u64 *entry, unsigned int level, u64 pte);
/* Does the entry of @gfn at @level point to a table? */
bool pgtable_has_table(const struct pgtable *pt, gfn_t gfn, unsigned int level);
/* How many frames from @gfn on the leaf there maps; 0 for none. */
gfn_t pgtable_leaf_rest(const struct pgtable *pt, gfn_t gfn);
/* Take the whole tree out. */
void pgtable_clear(struct pgtable *pt, struct pt_update *up);

/* Pages. Without locks; may sleep. A list is linked through the first entries, NULL on failure. */
u64 *pgtable_alloc_pages(unsigned int n);
void pgtable_free_pages(u64 *list);
/* Put a list of @n pages into the reserve; under the lock. */
void pgtable_fill(struct pgtable *pt, u64 *list, unsigned int n);

#endif
