/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is done with interrupts off, and what is mapped beside a page that faults: where such a shortcut would be wrong.
 */
#include "shadow_case.h"

#define PT2	43u

/* @bits: of the entries of eight pages at AREA. Two roots with the same tables below. */
static void start(unsigned int nr_cpus, u64 bits)
{
	unsigned int i, n;

	world_start(nr_cpus, 1);
	for (i = 0; i < nr_cpus; i++)
		window = guest_start(&w.cpu[i], SHADOW_LONG4);
	for (n = 0; n < 2; n++)
		put_area(root_of(SHADOW_LONG4, n), bits);
	put(PD, 1, AT(PT2) | ALL);
	put(PT2, 0, AT(DATA) | ALL);
	for (i = 0; i < nr_cpus; i++)
		cpu_load(&w.cpu[i]);
	w.around = 1;
}

/* MOV to CR3 must take the way that is @wanted. */
static void load(struct cpu *c, u64 cr3, enum shadow_quick wanted)
{
	enum shadow_quick got = shadow_quick_load(&c->v, w.s, &c->sv, cr3);

	WORLD_CHECK("case", got == wanted, "MOV to CR3 of 0x%llx: %d, wanted %d", (unsigned long long)cr3, got, wanted);
	c->v.regs.cr3 = cr3;
	if (got == SHADOW_SLOW) {
		cpu_load(c);
		return;
	}
	if (got == SHADOW_OTHER)
		c->cr3 = shadow_cr3(w.s, &c->sv);
	if (got != SHADOW_SAME)
		cpu_flush(c);
	c->flushed = ++w.time;
	audit();
}

static bool is_mapped(u64 gva, bool *write)
{
	unsigned int index;
	struct shadow_page *page = shadow_find_leaf(w.s, &cpu->sv, gva, &index);

	*write = page && page->table[index] & RW;
	return page;
}

/* A root that the vCPU has, after stores to a page table that the guest may write freely: they are seen. Of the same root and of another. */
void case_cr3_after_stores(void)
{
	u64 first, other;
	unsigned int n;

	start(1, ALL);
	first = cpu->v.regs.cr3;
	other = first ^ root_of(SHADOW_LONG4, 0) ^ root_of(SHADOW_LONG4, 1);
	load(cpu, other, SHADOW_SLOW);
	load(cpu, first, SHADOW_OTHER);
	load(cpu, first | 0xfff, SHADOW_SAME);
	for (n = 0; n < 2; n++) {
		reach(cpu, AREA, WALK_WRITE, AT(DATA + 2 * n));
		store(cpu, AT(PT), AT(DATA + 1 + 2 * n) | ALL);
		WORLD_CHECK("case", w.s->nr_unsync == 1, "%u tables are out of sync", w.s->nr_unsync);
		load(cpu, n ? other : first, n ? SHADOW_OTHER : SHADOW_FLUSH);
		WORLD_CHECK("case", !w.s->nr_unsync && !w.s->owed, "something is left to be done");
		reach(cpu, AREA, WALK_WRITE, AT(DATA + 1 + 2 * n));
		store(cpu, AT(PT), AT(DATA + 2 + 2 * n) | ALL);
		load(cpu, cpu->v.regs.cr3, SHADOW_FLUSH);
	}
	finish();
}

/* Another vCPU may be writing the table, with a translation of its own: that is not waited for with interrupts off. */
void case_cr3_not_alone(void)
{
	start(2, ALL);
	reach(&w.cpu[0], AREA, WALK_WRITE, AT(DATA));
	store(&w.cpu[1], AT(PT), AT(DATA + 1) | ALL);
	load(&w.cpu[0], cpu->v.regs.cr3, SHADOW_SLOW);
	reach(&w.cpu[0], AREA, WALK_WRITE, AT(DATA + 1));
	store(&w.cpu[1], AT(PT), AT(DATA + 2) | ALL);
	load(&w.cpu[0], cpu->v.regs.cr3, SHADOW_SLOW);
	reach(&w.cpu[0], AREA, WALK_WRITE, AT(DATA + 2));
	finish();
}

/* Many tables out of sync are too much work for that. */
void case_cr3_many_stores(void)
{
	unsigned int i;

	start(1, ALL);
	for (i = 0; i < SHADOW_QUICK_SYNC + 1; i++) {
		put(PD, 2 + i, AT(PT + 2 + i) | ALL);
		put(PT + 2 + i, 0, AT(DATA) | ALL);
		reach(cpu, AREA + (2 + i) * 0x200000, 0, AT(DATA));
		store(cpu, AT(PT + 2 + i), AT(DATA + 1) | ALL);
	}
	load(cpu, cpu->v.regs.cr3, SHADOW_SLOW);
	for (i = 0; i < SHADOW_QUICK_SYNC + 1; i++)
		reach(cpu, AREA + (2 + i) * 0x200000, 0, AT(DATA + 1));
	finish();
}

/* The entry of a page directory has changed, by a store that was emulated. What was below it is in the TLB until that is flushed. */
void case_cr3_owed(void)
{
	start(1, ALL);
	reach(cpu, AREA, 0, AT(DATA));
	store(cpu, AT(PD), AT(PT2) | ALL);
	WORLD_CHECK("case", w.s->owed, "nothing is owed");
	put(PT2, 0, AT(DATA + 4) | ALL);
	load(cpu, cpu->v.regs.cr3, SHADOW_FLUSH);
	reach(cpu, AREA, 0, AT(DATA + 4));
	finish();
}

/* A root is gone: it is not taken because its address is the same. */
void case_cr3_dead_root(void)
{
	u64 first, other;
	struct pt_update up = {};

	start(1, ALL);
	first = cpu->v.regs.cr3;
	other = first ^ root_of(SHADOW_LONG4, 0) ^ root_of(SHADOW_LONG4, 1);
	load(cpu, other, SHADOW_SLOW);
	shadow_untrace(w.s, first, &up);
	shadow_untrace(w.s, other, &up);
	world_finish(&up);
	load(cpu, other, SHADOW_SLOW);
	load(cpu, first, SHADOW_SLOW);
	reach(cpu, AREA, 0, AT(DATA));
	finish();
}

/* A protection key, taken back from another vCPU's TLB by nothing but its INVLPG: the entry is as the guest's is, and yet the TLB is not. */
void case_invlpg_key(void)
{
	unsigned int i;

	start(2, ALL);
	for (i = 0; i < 2; i++) {
		w.cpu[i].v.regs.cr4 |= X86_CR4_PKE;
		cpu_load(&w.cpu[i]);
	}
	reach(&w.cpu[1], AREA, 0, AT(DATA));
	store(&w.cpu[0], AT(PT), AT(DATA) | ALL | 3ull << 59);
	/* the first vCPU's store has the entry made anew, with the key */
	w.cpu[0].v.xstate.pkru = 0;
	reach(&w.cpu[0], AREA, WALK_WRITE, AT(DATA));
	for (i = 0; i < 2; i++)
		w.cpu[i].v.xstate.pkru = 1u << 6;
	cpu_quick_invlpg(&w.cpu[1], AREA);
	must_end(&w.cpu[1], AREA, 0, ACCESS_FAULT);
	cpu_quick_invlpg(&w.cpu[0], AREA);
	must_end(&w.cpu[0], AREA, WALK_WRITE, ACCESS_FAULT);
	finish();
}

/* All of the launcher's pages behind the tables and DATA are there, and dirty. */
static void bring_pages(void)
{
	unsigned int i;

	for (i = 0; i < 512; i++) {
		host_page_fault_in(w.vm.mm, (hva_t)(w.ram + i * PAGE_SIZE), true);
		w.host[i].is_clean = false;
	}
}

/* Which neighbours of a page that is read are mapped, and how. */
void case_around(void)
{
	static const struct {
		const char *name;
		u64 entry;
		bool mapped, write;
	} t[8] = {
		{ "the page itself", AT(DATA) | ALL | A, true, false },
		{ "accessed", AT(DATA + 1) | ALL | A, true, false },
		{ "accessed and dirty", AT(DATA + 2) | ALL | A | D, true, true },
		{ "not accessed", AT(DATA + 3) | ALL | D, false, false },
		{ "not present", (AT(DATA + 4) | ALL | A | D) & ~P, false, false },
		{ "read-only", AT(DATA + 5) | P | US | A | D, true, false },
		{ "a reserved bit", AT(DATA + 6) | ALL | A | D | BIT(50), false, false },
		{ "a page table", AT(PT) | ALL | A | D, true, false },
	};
	unsigned int i, n;
	bool write, mapped;

	for (n = 1; n <= 64; n *= 8) {
		start(1, ALL);
		bring_pages();
		for (i = 0; i < 8; i++)
			put(PT, i, t[i].entry);
		w.around = n;
		reach(cpu, AREA, 0, AT(DATA));
		for (i = 0; i < 8; i++) {
			mapped = is_mapped(AREA + i * PAGE_SIZE, &write);
			WORLD_CHECK("case", mapped == (t[i].mapped && (n > 1 || !i)) && (!mapped || write == t[i].write),
				    "%s, %u pages at once: %s%s", t[i].name, n, mapped ? "mapped" : "not mapped", write ? " for writing" : "");
		}
		/* a store of the guest's sets the bit, as without neighbours */
		reach(cpu, AREA + 0x1000, WALK_WRITE, AT(DATA + 1));
		WORLD_CHECK("case", world_read(AT(PT) + 8, 8) & D, "a store, and the guest's entry is clean");
		must_end(cpu, AREA + 0x4000, 0, ACCESS_FAULT);
		must_end(cpu, AREA + 0x6000, 0, ACCESS_FAULT);
		reach(cpu, AREA + 0x3000, 0, AT(DATA + 3));
		WORLD_CHECK("case", world_read(AT(PT) + 24, 8) & A, "an access, and the guest's entry has no accessed bit");
		finish();
	}
}

/* Around a page of a slot that is logged nothing becomes writable. */
void case_around_log(void)
{
	bool write;
	unsigned int i;

	start(1, ALL | A | D);
	bring_pages();
	world_set_logging(0, true);
	world_get_log(0);
	w.around = 8;
	reach(cpu, AREA, WALK_WRITE, AT(DATA));
	for (i = 1; i < 8; i++)
		WORLD_CHECK("case", !is_mapped(AREA + i * PAGE_SIZE, &write) || !write, "page %u can be written unlogged", i);
	finish();
}

/* Nor where the launcher's page is read-only, or clean; and nothing is mapped that it has not. */
void case_around_host(void)
{
	bool write;

	start(1, ALL | A | D);
	bring_pages();
	w.host[DATA + 1].is_clean = true;
	w.host[DATA + 2].writable = false;
	world_take(DATA + 3, 1);
	w.around = 8;
	reach(cpu, AREA, WALK_WRITE, AT(DATA));
	WORLD_CHECK("case", is_mapped(AREA + 0x1000, &write) && !write, "a clean page can be written");
	WORLD_CHECK("case", is_mapped(AREA + 0x2000, &write) && !write, "a read-only page can be written");
	WORLD_CHECK("case", !is_mapped(AREA + 0x3000, &write), "a page that is not there is mapped");
	WORLD_CHECK("case", is_mapped(AREA + 0x4000, &write) && write, "a page that is there is not mapped");
	finish();
}

/* INVLPG compares the entry, and flushes what an emulated store left. */
void case_quick_invlpg(void)
{
	start(1, ALL);
	reach(cpu, AREA, 0, AT(DATA));
	store(cpu, AT(PT), AT(DATA + 1) | ALL);
	cpu_quick_invlpg(cpu, AREA);
	reach(cpu, AREA, 0, AT(DATA + 1));
	store(cpu, AT(PD), AT(PT2) | ALL);
	cpu_quick_invlpg(cpu, AREA);
	reach(cpu, AREA, 0, AT(DATA));
	finish();
}
