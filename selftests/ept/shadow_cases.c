/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Directed cases: one for each way in which shadow paging went wrong elsewhere, and for what random guests seldom come to.
 */
#include "shadow_case.h"

static void start(unsigned int nr_cpus)
{
	unsigned int i;

	world_start(nr_cpus, 1);
	for (i = 0; i < nr_cpus; i++)
		window = guest_start(&w.cpu[i], SHADOW_LONG4);
	put_area(cpu->v.regs.cr3, ALL);
	for (i = 0; i < nr_cpus; i++)
		cpu_load(&w.cpu[i]);
}

static bool is_mapped(u64 gva)
{
	unsigned int index;

	return shadow_find_leaf(w.s, &cpu->sv, gva, &index);
}

/* A frame is a page table; behind the tracing it becomes the first of a large page. The table must not be used for that. */
static void cve_2026_53359(void)
{
	start(1);
	memset(w.ram + AT(512), 0, PAGE_SIZE);
	put(512, 0, AT(DATA) | ALL);
	put(PD, 0, AT(512) | ALL);
	cpu_load(cpu);
	reach(cpu, AREA, WALK_WRITE, AT(DATA));
	world_write(AT(PD), 8, AT(512) | PS | ALL, true);
	reach(cpu, AREA + 0x5000, WALK_WRITE, AT(517));
	reach(cpu, AREA + 0x5000, 0, AT(517));
	/* and back */
	world_write(AT(PD), 8, AT(512) | ALL, true);
	put(512, 6, AT(DATA + 6) | ALL);
	reach(cpu, AREA + 0x6000, 0, AT(DATA + 6));
	world_take(517, 1);
	audit();
	world_take(DATA, 8);
	finish();
}

/* A large page goes elsewhere behind the tracing: leaves of the new place must not get into the table of the old one. */
static void cve_2026_46113(void)
{
	unsigned int i;

	start(1);
	put(PD, 0, AT(512) | PS | ALL);
	cpu_load(cpu);
	reach(cpu, AREA + 0x1000, WALK_WRITE, AT(513));
	for (i = 2; i < 5; i++) {
		world_write(AT(PD), 8, AT(i & 1 ? 512 : 1024) | PS | ALL, true);
		reach(cpu, AREA + i * PAGE_SIZE, WALK_WRITE, AT((i & 1 ? 512 : 1024) + i));
	}
	/* all tables go, and then all pages: no leaf is left behind that only the reverse map's user would miss */
	world_take(512, 512);
	world_take(1024, 512);
	finish();
}

/* A mapped page becomes a device behind the tracing. */
static void cve_2026_23401(void)
{
	start(1);
	reach(cpu, AREA, 0, AT(DATA));
	world_write(AT(PT), 8, AT(HOLE) | ALL, true);
	must_end(cpu, AREA, WALK_WRITE, ACCESS_MMIO);
	WORLD_CHECK("case", !is_mapped(AREA), "the page is still mapped under the device");
	/* and back */
	world_write(AT(PT), 8, AT(DATA + 1) | ALL, true);
	reach(cpu, AREA, WALK_WRITE, AT(DATA + 1));
	finish();
}

/* One page table is reached by two ways with different rights, in both orders. */
static void cve_2021_38198(void)
{
	static const u64 less[] = { P | RW, P | US };
	unsigned int i, order;
	gpa_t gpa;

	for (i = 0; i < ARRAY_SIZE(less); i++) {
		for (order = 0; order < 2; order++) {
			start(1);
			put(PD, 1, AT(PT) | less[i]);
			if (!order)
				reach(cpu, AREA, WALK_WRITE, AT(DATA));
			/* by a way that permits less, what is permitted there */
			WORLD_CHECK("case", cpu_access(cpu, AREA + 0x200000, 0, &gpa) == ACCESS_DONE && gpa == AT(DATA), "no access");
			must_end(cpu, AREA + 0x200000, WALK_WRITE, ACCESS_FAULT);
			reach(cpu, AREA, WALK_WRITE, AT(DATA));
			must_end(cpu, AREA + 0x200000, WALK_WRITE, ACCESS_FAULT);
			finish();
		}
	}
}

/* Accessed and dirty bits go where the guest's entries are, and nothing else is written, also when the launcher's pages move. */
static void cve_2022_1158(void)
{
	static u8 before[512 * 4096];
	unsigned int round, i;

	start(1);
	memcpy(before, w.ram, sizeof(before));
	for (round = 0; round < 3; round++) {
		reach(cpu, AREA + round * PAGE_SIZE, round ? WALK_WRITE : 0, AT(DATA + round));
		/* pages of the tables themselves */
		world_take(PT, 1);
		world_take(PD, 1);
	}
	((u64 *)(before + cpu->v.regs.cr3))[2] |= A;
	((u64 *)(before + AT(PDPT)))[0] |= A;
	((u64 *)(before + AT(PD)))[0] |= A;
	for (i = 0; i < 3; i++)
		((u64 *)(before + AT(PT)))[i] |= i ? A | D : A;
	for (i = 0; i < sizeof(before); i++)
		WORLD_CHECK("case", before[i] == w.ram[i], "byte 0x%x is 0x%x, not 0x%x", i, w.ram[i], before[i]);
	finish();
}

static void drop_root(void)
{
	gfn_t root = cpu->v.regs.cr3 >> PAGE_SHIFT;
	struct pt_update up = {};

	shadow_forget(w.s, root, root + 1, &up);
	shadow_shrink(w.s, MAX_TABLES, &up);
	world_finish(&up);
}

/* The root and all tables go while a fault is being served; and so many tables are wanted that others must go for them. */
static void cve_2022_45869(void)
{
	unsigned int i, n;
	u64 reloads;

	start(1);
	w.meanwhile = drop_root;
	reloads = tally.reloads;
	for (i = 0; i < 3; i++) {
		gpa_t gpa;

		/* whatever becomes of it, as the root goes each time */
		if (i == 2)
			w.meanwhile = NULL;
		cpu_load(cpu);
		w.watched = cpu;
		w.depth = 0;
		if (i < 2) {
			struct walk walk;
			int ret = shadow_fault(&cpu->v, w.s, &cpu->sv, AREA, WALK_USER, &walk);

			WORLD_CHECK("case", ret == SHADOW_RELOAD, "a fault on a root that goes: result %d", ret);
		}
		w.watched = NULL;
		audit();
		if (i == 2)
			WORLD_CHECK("case", cpu_access(cpu, AREA, WALK_USER, &gpa) == ACCESS_DONE, "no access to 0x%llx", AREA);
	}
	WORLD_CHECK("case", tally.reloads == reloads, "a root went by itself");
	for (n = 0; n < 2; n++) {
		for (i = 0; i < 2 * MAX_TABLES; i++) {
			put(PD, 1, AT(PT) | ALL);
			/* a table each, direct ones below large pages of different keys and rights */
			world_write(AT(PD) + 8, 8, AT(i & 1 ? 512 : 1024) | PS | ALL | (u64)(i % 16) << 59 | (i & 32 ? D : 0), false);
			cpu_load(cpu);
			reach(cpu, AREA + 0x200000 + (i % 8) * PAGE_SIZE, i & 64 ? 0 : WALK_WRITE, AT((i & 1 ? 512 : 1024) + i % 8));
		}
	}
	finish();
}

/* The launcher cannot have a page for writing; then it goes altogether. */
static void cve_2021_22543(void)
{
	start(1);
	world_take(DATA, 2);
	w.host[DATA].is_fixed = true;
	reach(cpu, AREA, 0, AT(DATA));
	must_end(cpu, AREA, WALK_WRITE, ACCESS_ERROR);
	reach(cpu, AREA, 0, AT(DATA));
	world_take(DATA, 1);
	WORLD_CHECK("case", !is_mapped(AREA), "a page that is gone is still mapped");
	finish();
}

/* A large leaf is dropped by one CPU's store while another still has it; then its memory goes. */
static void flush_owed(void)
{
	start(2);
	put(PD, 1, AT(512) | PS | ALL);
	world_resize(1, true);
	cpu_load(cpu);
	reach(&w.cpu[0], AREA + 0x201000, WALK_WRITE, AT(513));
	reach(&w.cpu[1], AREA + 0x201000, WALK_WRITE, AT(513));
	store(&w.cpu[0], AT(PD) + 8, 0);
	WORLD_CHECK("case", w.s->owed, "nothing is owed");
	world_take(512, 1);
	finish();
}

/* A table is out of sync when another entry comes to point to it: no TLB can know what was there before through that one. */
static void link_unsync(void)
{
	start(1);
	reach(cpu, AREA, 0, AT(DATA));
	store(cpu, AT(PT), AT(DATA + 5) | ALL);
	WORLD_CHECK("case", w.s->nr_unsync, "nothing is out of sync");
	store(cpu, AT(PD) + 8, AT(PT) | ALL);
	reach(cpu, AREA + 0x200000, 0, AT(DATA + 5));
	/* and the old place is told */
	cpu_invlpg(cpu, AREA);
	reach(cpu, AREA, 0, AT(DATA + 5));
	finish();
}

/* A store to an entry of a page directory that is in use: our link stays where the entry says the same, and only there. */
static void stores_that_keep(void)
{
	static const struct {
		const char *name;
		u64 entry;
		bool is_kept;
	} rows[] = {
		{ "the same again", AT(PT) | ALL | A, true },
		{ "bits that the CPU ignores", AT(PT) | ALL | A | D | BIT(8) | BIT(11) | BIT(52), true },
		{ "memory type", AT(PT) | ALL | A | BIT(3) | BIT(4), true },
		{ "not accessed", AT(PT) | ALL, false },
		{ "not present", (AT(PT) | ALL | A) & ~P, false },
		{ "read-only", (AT(PT) | ALL | A) & ~RW, false },
		{ "supervisor's", (AT(PT) | ALL | A) & ~US, false },
		{ "another table", AT(39) | ALL | A, false },
		{ "a large page", AT(512) | ALL | A | PS, false },
		{ "not to be executed", AT(PT) | ALL | A | XD, false },
		{ "a reserved bit", AT(PT) | ALL | A | BIT(51), false },
	};
	unsigned int i, n;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		start(1);
		memset(w.ram + AT(39), 0, PAGE_SIZE);
		reach(cpu, AREA, WALK_WRITE, AT(DATA));
		store(cpu, AT(PD), rows[i].entry);
		WORLD_CHECK("case", is_mapped(AREA) == rows[i].is_kept, "%s: the link %s", rows[i].name,
			    rows[i].is_kept ? "has gone" : "is still there");
		/* what keeps it does not count as another use of the frame */
		for (n = 0; rows[i].is_kept && n < 3 * SHADOW_MAX_STORES; n++)
			store(cpu, AT(PD), rows[i].entry);
		WORLD_CHECK("case", is_mapped(AREA) == rows[i].is_kept, "%s: the link has gone later", rows[i].name);
		finish();
	}
}

/* Two entries of ours stand for one of a 32-bit page directory; one store drops both. */
static void two_for_one(void)
{
	gpa_t root;

	world_start(1, 1);
	window = guest_start(cpu, SHADOW_NARROW);
	root = cpu->v.regs.cr3;
	memset(w.ram + root, 0, 4);
	memcpy(w.ram + root, &(u32){ AT(PT) | ALL }, 4);
	memcpy(w.ram + AT(PT), &(u32){ AT(DATA) | ALL }, 4);
	memcpy(w.ram + AT(PT) + 513 * 4, &(u32){ AT(DATA + 1) | ALL }, 4);
	cpu_load(cpu);
	reach(cpu, 0, WALK_WRITE, AT(DATA));
	reach(cpu, 513 << 12, WALK_WRITE, AT(DATA + 1));
	WORLD_CHECK("case", cpu_store(cpu, window + root, 4, 0), "no store to the root");
	audit();
	cpu_invlpg(cpu, 513 << 12);
	must_end(cpu, 513 << 12, 0, ACCESS_FAULT);
	finish();
}

/* A frame that a CPU writes through a large leaf becomes a page table. */
static void table_in_large(void)
{
	start(2);
	put(PD, 1, AT(512) | PS | ALL);
	world_resize(1, true);
	memset(w.ram + AT(520), 0, PAGE_SIZE);
	put(520, 0, AT(DATA) | ALL);
	cpu_load(cpu);
	reach(&w.cpu[1], AREA + 0x208000, WALK_WRITE, AT(520));
	store(&w.cpu[0], AT(PD) + 16, AT(520) | ALL);
	reach(&w.cpu[0], AREA + 0x400000, 0, AT(DATA));
	/* the other CPU's store is not missed */
	WORLD_CHECK("case", cpu_store(&w.cpu[1], AREA + 0x208000, 8, AT(DATA + 1) | ALL), "no store");
	cpu_invlpg(&w.cpu[0], AREA + 0x400000);
	reach(&w.cpu[0], AREA + 0x400000, 0, AT(DATA + 1));
	finish();
}

/* PAE's four entries count as they were when CR3 was loaded. */
static void pae_registers(void)
{
	gpa_t root;

	world_start(1, 1);
	window = guest_start(cpu, SHADOW_PAE);
	root = cpu->v.regs.cr3;
	put(root >> PAGE_SHIFT, 0, AT(PD) | P);
	memset(w.ram + AT(PD), 0, PAGE_SIZE);
	put(PD, 0, AT(PT) | ALL);
	put(PT, 0, AT(DATA) | ALL);
	cpu_load(cpu);
	reach(cpu, 0, WALK_WRITE, AT(DATA));
	store(cpu, root, 0);
	cpu_flush(cpu);
	reach(cpu, 0, WALK_WRITE, AT(DATA));
	cpu_load(cpu);
	must_end(cpu, 0, 0, ACCESS_FAULT);
	finish();
}

static u64 emulated_stores(void)
{
	return tally.outcome[ACCESS_EMULATE][SHADOW_LONG4];
}

/* The guest writes every entry of a table with nothing between: fewer faults than entries, and the table is let go. */
static void forks(void)
{
	unsigned int i;
	u64 before;

	start(1);
	reach(cpu, AREA, WALK_WRITE, AT(DATA));
	before = emulated_stores();
	for (i = 0; i < 512; i++)
		cpu_store(cpu, window + AT(PD) + i * 8, 8, i ? AT(DATA) : AT(PT) | ALL);
	WORLD_CHECK("case", emulated_stores() - before <= SHADOW_MAX_STORES + 1, "%llu of 512 stores to a page directory were emulated",
		    (unsigned long long)(emulated_stores() - before));
	before = emulated_stores();
	for (i = 0; i < 512; i++)
		cpu_store(cpu, window + AT(PT) + i * 8, 8, AT(DATA + i % 8) | ALL);
	WORLD_CHECK("case", emulated_stores() - before <= SHADOW_MAX_STORES + 1, "%llu of 512 stores to a page table were emulated",
		    (unsigned long long)(emulated_stores() - before));
	cpu_load(cpu);
	reach(cpu, AREA + 0x1000, WALK_WRITE, AT(DATA + 1));
	finish();
}

const struct scenario scenarios[] = {
	{ "cve_2026_53359", cve_2026_53359 },
	{ "cve_2026_46113", cve_2026_46113 },
	{ "cve_2026_23401", cve_2026_23401 },
	{ "cve_2021_38198", cve_2021_38198 },
	{ "cve_2022_1158", cve_2022_1158 },
	{ "cve_2022_45869", cve_2022_45869 },
	{ "cve_2021_22543", cve_2021_22543 },
	{ "flush_owed", flush_owed },
	{ "link_unsync", link_unsync },
	{ "stores_that_keep", stores_that_keep },
	{ "two_for_one", two_for_one },
	{ "table_in_large", table_in_large },
	{ "pae_registers", pae_registers },
	{ "forks", forks },
	{ "others_are_faster", case_others_are_faster },
	{ "store_to_own_table", case_store_to_own_table },
	{ "long_chains", case_long_chains },
	{ "many_roots", case_many_roots },
	{ "buckets", case_buckets },
	{ "cr3_after_stores", case_cr3_after_stores },
	{ "cr3_not_alone", case_cr3_not_alone },
	{ "cr3_many_stores", case_cr3_many_stores },
	{ "cr3_owed", case_cr3_owed },
	{ "cr3_dead_root", case_cr3_dead_root },
	{ "quick_invlpg", case_quick_invlpg },
	{ "invlpg_key", case_invlpg_key },
	{ "around", case_around },
	{ "around_log", case_around_log },
	{ "around_host", case_around_host },
};

const unsigned int nr_scenarios = ARRAY_SIZE(scenarios);
