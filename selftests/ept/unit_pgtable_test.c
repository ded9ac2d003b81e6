/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The paging engine keeps its tree, its counters and its flush decisions right: random operations against a model that
 * knows every frame.
 */
#include "shim.h"
#include <linux/mm.h>
#include <keel/host_mode.h>
#include <asm/vmx.h>
#include "table.h"
#include "test.h"

long shim_pages;
struct host_mode keel_host_mode = { .efer = HOST_MODE_NXE };

static long counted;

void keel_host_count_table(void *page, int n)
{
	ASSERT(page && !offset_in_page(page), "no page");
	counted += n;
}

unsigned int keel_host_paging_levels(void)
{
	return host_mode_levels(&keel_host_mode);
}

#define FRAMES		(8 * 512u)		/* of the model: eight 2M blocks, at MODEL_BASE */
#define MODEL_BASE	((1ull << 27) - 4 * 512)	/* so that they straddle a 512G boundary of the tree */
#define RO		(PTE_READ | PTE_EXEC)
#define RW		(RO | PTE_WRITE)

struct frame {
	u64 pfn;
	u8 level;	/* 0 not mapped */
	bool writable, young;
};

static struct vm_stats stats;
static struct pgtable pt = { .stats = &stats };
static struct frame model[FRAMES];

static void start(void)
{
	keel_pte_npt.setup(&keel_pte_npt);
	pt.format = &keel_pte_npt;
}

static void finish(struct pt_update *up)
{
	pgtable_free_pages(up->dead);
	*up = (struct pt_update){};
}

/* The leaf that maps @gfn and its level; 0 if there is none. */
static u64 leaf_of(gfn_t gfn, unsigned int *level)
{
	const struct pte_format *f = pt.format;
	const u64 *table = gfn < pt_frames(f) ? pt.root : NULL;
	unsigned int l;

	for (l = f->levels; table; l--) {
		u64 pte = table[pt_index(gfn, l)];

		if (!pte_is_present(f, pte))
			break;
		if (pte_is_leaf(f, pte, l)) {
			*level = l;
			return pte;
		}
		table = phys_to_virt(pte & f->address);
	}
	return 0;
}

/* The entry of @gfn, the reserve filled as asked; checks that no more was asked for than the depth needs. */
static u64 *entry_of(gfn_t gfn, unsigned int level, struct pt_update *up)
{
	u64 *entry = pgtable_entry(&pt, gfn, level, up);

	if (!entry) {
		ASSERT_LE(pt.wanted, pt.format->levels);
		ASSERT_GE(pt.wanted, 1);
		pgtable_fill(&pt, pgtable_alloc_pages(pt.wanted), pt.wanted);
		entry = pgtable_entry(&pt, gfn, level, up);
		ASSERT(entry, "no entry after the reserve was filled");
	}
	return entry;
}

static void map(gfn_t gfn, unsigned int level, u64 pfn, u32 prot)
{
	struct pt_update up = {};
	u64 *entry = entry_of(gfn, level, &up);

	pgtable_set_leaf(&pt, entry, level, pfn << PAGE_SHIFT | pt.format->leaf(level, prot, PTE_MEM_WB));
	finish(&up);
}

static u64 random64(void)
{
	static u64 x = 88172645463325252ull;

	return xorshift(&x);
}

/* ---- model ---- */

static unsigned int block(unsigned int frame, unsigned int level)
{
	return frame & ~(unsigned int)(pt_span(level) - 1);
}

static void model_map(unsigned int frame, unsigned int level, u64 pfn, bool writable)
{
	unsigned int first = block(frame, level), i, j;

	if (level == 1 && model[frame].level == 2)
		for (j = block(frame, 2); j < block(frame, 2) + 512; j++)
			model[j].level = 1;
	for (i = 0; i < pt_span(level); i++)
		model[first + i] = (struct frame){ pfn + i, level, writable, true };
}

static bool model_unmap(unsigned int first, unsigned int end)
{
	bool any = false;
	unsigned int i, j;

	for (i = first; i < end; i++) {
		unsigned int level = model[i].level;

		if (!level)
			continue;
		any = true;
		for (j = block(i, level); j < block(i, level) + pt_span(level); j++)
			model[j].level = 0;
	}
	return any;
}

static bool model_protect(unsigned int first, unsigned int end)
{
	bool any = false;
	unsigned int i, j;

	for (i = first; i < end; i++) {
		if (!model[i].level || !model[i].writable)
			continue;
		any = true;
		for (j = block(i, model[i].level); j < block(i, model[i].level) + pt_span(model[i].level); j++)
			model[j].writable = false;
	}
	return any;
}

static bool model_age(unsigned int first, unsigned int end, bool clear)
{
	bool young = false;
	unsigned int i, j;

	for (i = first; i < end; i++) {
		if (!model[i].level || !model[i].young)
			continue;
		young = true;
		for (j = block(i, model[i].level); clear && j < block(i, model[i].level) + pt_span(model[i].level); j++)
			model[j].young = false;
	}
	return young;
}

static void check_model(void)
{
	u64 small = 0, large = 0;
	unsigned int i;

	for (i = 0; i < FRAMES; i++) {
		unsigned int level = 0;
		u64 pte = leaf_of(MODEL_BASE + i, &level);
		u64 pfn = (pte & pt.format->address) >> PAGE_SHIFT;

		ASSERT_EQ(level, model[i].level);
		if (!level)
			continue;
		small += level == 1;
		large += level == 2 && i == block(i, 2);
		ASSERT_EQ(pfn + (i & (pt_span(level) - 1)), model[i].pfn);
		ASSERT_EQ(!!(pte & pt.format->write), model[i].writable);
		ASSERT_EQ(!!(pte & pt.format->accessed), model[i].young);
		ASSERT_EQ(!!(pte & pt.format->large), level > 1);
	}
	ASSERT_EQ(stats.pages_4k, small);
	ASSERT_EQ(stats.pages_2m, large);
	ASSERT_EQ(stats.pages_1g, 0);
	/* every page allocated is a table, in the tree or in the reserve */
	ASSERT_EQ(stats.table_pages + pt.nr_reserve, shim_pages);
	ASSERT_EQ(counted, shim_pages);
}

static void random_range(unsigned int *first, unsigned int *end)
{
	unsigned int max = random64() & 1 ? 40 : FRAMES;

	*first = random64() % FRAMES;
	*end = *first + 1 + random64() % max;
	if (*end > FRAMES)
		*end = FRAMES;
	if (!(random64() & 7)) {
		*first &= ~511u;
		*end = (*end + 511) & ~511u;
	}
}

static void random_step(void)
{
	struct pt_update up = {};
	unsigned int first, end, level;
	bool flush = true, wanted = true;
	u64 pfn;

	random_range(&first, &end);
	switch (random64() % 8) {
	case 0:
		pgtable_unmap(&pt, MODEL_BASE + first, MODEL_BASE + end, &up);
		wanted = model_unmap(first, end);
		/* taking out an empty table flushes too */
		flush = up.flush || !wanted;
		break;
	case 1:
		pgtable_protect(&pt, MODEL_BASE + first, MODEL_BASE + end, &up);
		wanted = model_protect(first, end);
		flush = up.flush == wanted;
		break;
	case 2:
		wanted = model_age(first, end, true);
		flush = pgtable_age(&pt, MODEL_BASE + first, MODEL_BASE + end, PT_AGE_CLEAR, &up) == wanted && !up.flush;
		break;
	case 3:
		wanted = model_age(first, end, false);
		flush = pgtable_age(&pt, MODEL_BASE + first, MODEL_BASE + end, PT_AGE_TEST, &up) == wanted && !up.flush;
		break;
	default:
		level = random64() % 4 ? 1 : 2;
		pfn = (random64() & 0xffffff) & ~(pt_span(level) - 1);
		wanted = random64() & 1;
		map(MODEL_BASE + first, level, pfn, wanted ? RW : RO);
		model_map(first, level, pfn, wanted);
		break;
	}
	ASSERT(flush, "flush decision or result differs from the model, frames %u to %u", first, end);
	finish(&up);
}

static void drop_all(void)
{
	struct pt_update up = {};

	pgtable_clear(&pt, &up);
	finish(&up);
	ASSERT_EQ(stats.pages_4k | stats.pages_2m | stats.pages_1g | stats.table_pages, 0);
	pgtable_free_pages(pt.reserve);
	ASSERT_EQ(shim_pages, 0);
	ASSERT_EQ(counted, 0);
}

static void test_random(void)
{
	unsigned int i;

	start();
	for (i = 0; i < 4000; i++) {
		random_step();
		check_model();
	}
	drop_all();
}

static void test_protect_mask(void)
{
	static const u64 masks[] = { 0, 1, 1ull << 63, ~0ull, 0x8000000000000001ull, 0x00ff00ff0f0f3355ull, 0xaaaaaaaaaaaaaaaaull };
	unsigned int i, n, level;

	start();
	for (i = 0; i < ARRAY_SIZE(masks); i++) {
		struct pt_update up = {};

		/* unaligned, across a table's end */
		for (n = 0; n < 64; n++)
			map(512 - 13 + n, 1, 1000 + n, RW);
		pgtable_protect_mask(&pt, 512 - 13, masks[i], &up);
		ASSERT_EQ(up.flush, masks[i] != 0);
		for (n = 0; n < 64; n++)
			ASSERT_EQ(!(leaf_of(512 - 13 + n, &level) & pt.format->write), masks[i] >> n & 1);
	}
	drop_all();
}

static void test_split(void)
{
	struct pt_update up = {};
	unsigned int level;
	u64 pte;

	start();
	map(0, 3, 0, RW);
	ASSERT_EQ(stats.pages_1g, 1);
	*entry_of(12345, 1, &up) |= 0;
	ASSERT_EQ(up.flush, true);
	ASSERT_EQ(stats.pages_1g, 0);
	ASSERT_EQ(stats.pages_2m, 511);
	ASSERT_EQ(stats.pages_4k, 512);
	pte = leaf_of(12345, &level);
	ASSERT_EQ(level, 1);
	ASSERT_EQ((pte & pt.format->address) >> PAGE_SHIFT, 12345);
	ASSERT_EQ(pte & pt.format->large, 0);
	pte = leaf_of(1, &level);
	ASSERT_EQ(level, 2);
	ASSERT_EQ(pgtable_has_table(&pt, 12345, 2), true);
	ASSERT_EQ(pgtable_has_table(&pt, 1, 2), false);
	drop_all();
}

/* Leaves at each level below @table that are executable; at level 1 also those that are not. */
static void count_exec(const u64 *table, unsigned int level, unsigned int exec[4], unsigned int *small_data)
{
	unsigned int i;

	for (i = 0; i < PT_ENTRIES; i++) {
		u64 pte = table[i];

		if (!pte_is_present(pt.format, pte))
			continue;
		if (!pte_is_leaf(pt.format, pte, level))
			count_exec(phys_to_virt(pte & pt.format->address), level - 1, exec, small_data);
		else if (pte & VMX_EPT_EXECUTABLE_MASK)
			exec[level]++;
		else if (level == 1)
			++*small_data;
	}
}

/* EPT where large leaves must not be executable, and where they may be: after each of these steps, how many leaves are. */
static void test_split_exec(void)
{
	static const struct {
		const char *name;
		gfn_t gfn;
		unsigned int level;	/* mapped there, or 0: split down to 4K */
		unsigned int nx[4], x[4];
	} steps[] = {
		{ "1G", 0, 3, { 0, 0, 0, 0 }, { 0, 0, 0, 1 } },
		{ "2M", 1 << 18, 2, { 0, 0, 0, 0 }, { 0, 0, 1, 1 } },
		{ "4K", (1 << 18) + 512, 1, { 0, 1, 0, 0 }, { 0, 1, 1, 1 } },
		{ "2M split", (1 << 18) + 5, 0, { 0, 513, 0, 0 }, { 0, 513, 0, 1 } },
		{ "1G split", 12345, 0, { 0, 1025, 0, 0 }, { 0, 1025, 511, 0 } },
		{ "1G split in a second place", 77777, 0, { 0, 1537, 0, 0 }, { 0, 1537, 510, 0 } },
	};
	unsigned int nx, i, level;

	for (nx = 0; nx < 2; nx++) {
		start();
		pt.format = &keel_pte_ept;
		keel_pte_ept.setup(&keel_pte_ept);
		keel_pte_ept.split_exec = nx ? VMX_EPT_EXECUTABLE_MASK : 0;
		for (i = 0; i < ARRAY_SIZE(steps); i++) {
			unsigned int exec[4] = { 0 }, small_data = 0;
			struct pt_update up = {};
			char what[64];

			if (steps[i].level)
				map(steps[i].gfn, steps[i].level, steps[i].gfn, RW);
			else
				entry_of(steps[i].gfn, 1, &up);
			ASSERT_EQ(up.flush, !steps[i].level);
			finish(&up);
			count_exec(pt.root, pt.format->levels, exec, &small_data);
			for (level = 1; level <= 3; level++) {
				snprintf(what, sizeof(what), "%s, %s: executable at level %u", steps[i].name, nx ? "NX" : "X", level);
				CHECK_EQ(what, (nx ? steps[i].nx : steps[i].x)[level], exec[level]);
			}
			CHECK_EQ("4K leaves that are not executable", 0, small_data);
		}
		drop_all();
	}
	keel_pte_ept.split_exec = 0;
}

/* Tables taken out stay harmless to a CPU that still walks them. */
static void test_dead_tables(void)
{
	struct pt_update up = {};
	u64 *page;

	start();
	map(0, 1, 1, RW);
	map(512, 1, 2, RW);
	pgtable_unmap(&pt, 0, pt_frames(pt.format), &up);
	ASSERT_EQ(up.flush, true);
	ASSERT(up.dead, "no dead tables");
	for (page = up.dead; page; page = (u64 *)(unsigned long)page[0])
		ASSERT_EQ(page[0] & pt.format->present, 0);
	finish(&up);
	drop_all();
}

static void test_out_of_reach(void)
{
	struct pt_update up = {};
	unsigned int level;

	start();
	map(5, 1, 5, RW);
	pgtable_unmap(&pt, pt_frames(pt.format), ~0ull, &up);
	pgtable_protect(&pt, pt_frames(pt.format) - 1, ~0ull, &up);
	ASSERT_EQ(up.flush, false);
	ASSERT_EQ(leaf_of(pt_frames(pt.format) + 5, &level), 0);
	ASSERT_NE(leaf_of(5, &level), 0);
	drop_all();
}

/* Where the CPU walks five levels, all of the above again. */
static void five_levels(void (*test)(void))
{
	keel_host_mode.cr4 = HOST_MODE_LA57;
	start();
	ASSERT_EQ(pt.format->levels, 5);
	ASSERT_EQ(pt_frames(pt.format), 1ull << 45);
	test();
}

static void test_random5(void) { five_levels(test_random); }
static void test_protect_mask5(void) { five_levels(test_protect_mask); }
static void test_split5(void) { five_levels(test_split); }
static void test_dead_tables5(void) { five_levels(test_dead_tables); }
static void test_out_of_reach5(void) { five_levels(test_out_of_reach); }

/* What the CPU does between the engine's look at an entry and its store: set the flag of a write, once. */
static u64 *cpu_writes;

void shim_before_store(void *p)
{
	if (p != cpu_writes)
		return;
	*cpu_writes |= VMX_EPT_DIRTY_BIT;
	cpu_writes = NULL;
}

/* A page that is looked at for use while its guest writes: that the CPU has logged it must be seen when its log is taken. */
static void test_age_and_write(void)
{
	struct pt_update up = {};
	u64 *entry;

	start();
	pt.format = &keel_pte_ept;
	keel_pte_ept.setup(&keel_pte_ept);
	keel_pte_ept.dirty = VMX_EPT_DIRTY_BIT;
	map(5, 1, 5, RW);
	entry = entry_of(5, 1, &up);
	*entry &= ~VMX_EPT_DIRTY_BIT;

	cpu_writes = entry;
	CHECK_EQ("in use", true, pgtable_age(&pt, 5, 6, PT_AGE_CLEAR, &up));
	CHECK_EQ("the CPU has written", NULL, cpu_writes);
	CHECK_EQ("accessed", 0, *entry & VMX_EPT_ACCESS_BIT);
	CHECK_EQ("dirty", VMX_EPT_DIRTY_BIT, *entry & VMX_EPT_DIRTY_BIT);
	CHECK_EQ("flush by the look", false, up.flush);
	pgtable_protect(&pt, 5, 6, &up);
	CHECK_EQ("dirty, its log taken", 0, *entry & VMX_EPT_DIRTY_BIT);
	CHECK_EQ("flush by that", true, up.flush);
	finish(&up);
	drop_all();
	keel_pte_ept.dirty = 0;
}

/* Who says how memory is cached: the host alone (IPAT), or the guest's PAT too. */
static void test_types(void)
{
	const u64 ept_mask = VMX_EPT_MT_MASK | VMX_EPT_IPAT_BIT;
	u64 wb = VMX_EPTP_MT_WB << VMX_EPT_MT_EPTE_SHIFT;

	for (unsigned int level = 1; level <= 3; level++) {
		CHECK_EQ("EPT, write-back", wb | VMX_EPT_IPAT_BIT, keel_pte_ept.leaf(level, PTE_READ, PTE_MEM_WB) & ept_mask);
		CHECK_EQ("EPT, the guest's", wb, keel_pte_ept.leaf(level, PTE_READ, PTE_MEM_GUEST) & ept_mask);
		CHECK_EQ("EPT, a device's", 0, keel_pte_ept.leaf(level, PTE_READ, PTE_MEM_UC) & ept_mask);
		CHECK_EQ("NPT, the guest's", keel_pte_npt.leaf(level, PTE_READ, PTE_MEM_WB),
			 keel_pte_npt.leaf(level, PTE_READ, PTE_MEM_GUEST));
	}
}

/* What the host's mode makes of an entry: a bit that the CPU takes for a reserved one there is never set, encrypted memory is marked. */
static void test_host_mode(void)
{
	const u64 c_bit = 1ull << 47;

	start();
	CHECK_EQ("levels", 4, pt.format->levels);
	CHECK_EQ("no execution", _PAGE_NX, pt.format->leaf(1, PTE_READ, PTE_MEM_WB) & _PAGE_NX);
	CHECK_EQ("encryption bit", 0, (pt.format->leaf(1, PTE_READ, PTE_MEM_WB) | pt.format->table) & c_bit);

	keel_host_mode = (struct host_mode){ .encryption = c_bit };
	start();
	CHECK_EQ("no execution, host without NX", 0, pt.format->leaf(1, PTE_READ, PTE_MEM_WB) & _PAGE_NX);
	CHECK_EQ("encrypted leaf", c_bit, pt.format->leaf(1, PTE_READ, PTE_MEM_WB) & c_bit);
	CHECK_EQ("a device's is not", 0, pt.format->leaf(1, PTE_READ, PTE_MEM_UC) & c_bit);
	CHECK_EQ("encrypted table", c_bit, pt.format->table & c_bit);
	CHECK_EQ("not an address", 0, pt.format->address & c_bit);
}

static const struct test_case cases[] = {
	{ "random", test_random },
	{ "protect_mask", test_protect_mask },
	{ "split", test_split },
	{ "split_exec", test_split_exec },
	{ "dead_tables", test_dead_tables },
	{ "out_of_reach", test_out_of_reach },
	{ "random5", test_random5 },
	{ "protect_mask5", test_protect_mask5 },
	{ "split5", test_split5 },
	{ "dead_tables5", test_dead_tables5 },
	{ "out_of_reach5", test_out_of_reach5 },
	{ "age_and_write", test_age_and_write },
	{ "memory_types", test_types },
	{ "host_mode", test_host_mode },
};

TEST_MAIN(cases)
