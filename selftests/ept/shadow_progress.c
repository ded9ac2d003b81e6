/* SPDX-License-Identifier: GPL-2.0-only */
/* Directed cases where somebody could wait for ever, or be told that there is no memory where others were only faster. */
#include <linux/mm.h>
#include "shadow_bits.h"
#include "shadow_world.h"

/* Other CPUs take what is ready for new tables, whenever that is complete. */
static void others_take_all(void)
{
	struct shadow *s = w.s;

	if (s->nr_reserve < SHADOW_RESERVE)
		return;
	while (s->nr_reserve) {
		struct shadow_page *page = s->reserve[--s->nr_reserve];

		pgtable_free_pages(page->table);
		shadow_page_free(page);
	}
}

/* No root can be made as long as others are faster: that is no lack of memory, and no reason to go on with the old one. */
void case_others_are_faster(void)
{
	struct cpu *cpu = &w.cpu[0];
	gpa_t old;
	int ret;

	world_start(1, 1);
	guest_start(cpu, SHADOW_LONG4);
	old = cpu->v.regs.cr3;
	cpu->v.regs.cr3 = root_of(SHADOW_LONG4, 1);
	WORLD_CHECK("case", cpu->v.regs.cr3 != old, "one root");
	w.meanwhile = others_take_all;
	w.watched = cpu;
	ret = shadow_load(&cpu->v, w.s, &cpu->sv);
	w.watched = NULL;
	WORLD_CHECK("case", ret == -EAGAIN, "shadow_load() returned %d, wanted %d", ret, -EAGAIN);
	WORLD_CHECK("case", !shadow_root_is_good(&cpu->v, &cpu->sv), "a root out of nothing");
	w.meanwhile = NULL;
	cpu_load(cpu);
	audit();
	world_end();
}

#define NR_MANY	3u	/* tables full of entries that lead to one place */
#define MANY	200u	/* and their first frame */

static void fill_table(unsigned int frame, u64 entry)
{
	unsigned int i;

	for (i = 0; i < 512; i++)
		memcpy(w.ram + AT(frame) + i * 8, &entry, 8);
}

static void reach_many(u64 gva, u64 step, gpa_t wanted)
{
	unsigned int i;
	gpa_t gpa = 0;

	for (i = 0; i < NR_MANY * 512; i++, gva += step)
		WORLD_CHECK("case", cpu_access(&w.cpu[0], gva, WALK_USER | WALK_WRITE, &gpa) == ACCESS_DONE && gpa == wanted, "0x%llx is at 0x%llx",
			    (unsigned long long)gva, (unsigned long long)gpa);
}

/*
 * A guest maps one page, or has entries lead to one of its tables, so often that a look at all of them would take long: that is bounded, and
 * the guest finds what it should.
 */
void case_long_chains(void)
{
	const u64 all = P | RW | US, area = 3ull << 39, window = guest_window(SHADOW_LONG4);
	struct cpu *cpu = &w.cpu[0];
	const unsigned int pdpt = MANY + NR_MANY, pd = pdpt + 1, pt = pd + NR_MANY;
	unsigned int i, round;
	u64 entry;

	world_start(1, 1);
	guest_start(cpu, SHADOW_LONG4);
	entry = AT(pdpt) | all;
	memcpy(w.ram + cpu->v.regs.cr3 + 3 * 8, &entry, 8);
	fill_table(pdpt, 0);
	fill_table(pt, AT(DATA) | all);
	for (i = 0; i < NR_MANY; i++) {
		entry = AT(pd + i) | all;
		memcpy(w.ram + AT(pdpt) + i * 8, &entry, 8);
		fill_table(pd + i, AT(pt) | all);
		fill_table(MANY + i, AT(DATA) | all);
	}
	for (round = 0; round < 2; round++) {
		/* links to a table */
		cpu_load(cpu);
		reach_many(area, 1ull << 21, AT(DATA));
		audit();
	}
	for (i = 0; i < NR_MANY; i++) {
		entry = AT(MANY + i) | all;
		WORLD_CHECK("case", cpu_store(cpu, window + AT(pd) + i * 8, 8, entry), "no store");
	}
	for (round = 0; round < 2; round++) {
		/* leaves of a frame */
		cpu_load(cpu);
		reach_many(area, PAGE_SIZE, AT(DATA));
		audit();
	}
	world_take(DATA, 1);
	audit();
	reach_many(area, PAGE_SIZE, AT(DATA));
	audit();
	world_end();
}

#define NR_ALIKE	4096u

/* A guest may know frames that some number puts into one bucket; its VM has another one. */
void case_buckets(void)
{
	static gfn_t alike[NR_ALIKE];
	static unsigned int n_in[SHADOW_BUCKETS];
	struct shadow known = { .hash = USUAL_RANDOM };
	unsigned int n = 0, vm, i, longest;
	gfn_t gfn;

	for (gfn = 0; n < NR_ALIKE; gfn++)
		if (!shadow_bucket(&known, gfn, SHADOW_BUCKETS))
			alike[n++] = gfn;
	for (vm = 1; vm <= 8; vm++) {
		shim_random = 0x5851f42d4c957f2dull * vm;
		world_start(1, 1);
		memset(n_in, 0, sizeof(n_in));
		for (longest = i = 0; i < NR_ALIKE; i++)
			if (++n_in[shadow_bucket(w.s, alike[i], SHADOW_BUCKETS)] > longest)
				longest++;
		world_end();
		shim_random = USUAL_RANDOM;
		WORLD_CHECK("case", longest <= 64, "VM %u: %u of %u frames are in one of %u buckets", vm, longest, NR_ALIKE, SHADOW_BUCKETS);
	}
}

#define NR_VCPUS	(MAX_TABLES / SHADOW_MAX_TOPS - 4)	/* whose current roots there is room for, and little more */

/* Many vCPUs in a 32-bit mode, each of which changes between as many address spaces as it remembers. */
void case_many_roots(void)
{
	static struct vcpu vcpus[NR_VCPUS];
	static struct shadow_vcpu parts[NR_VCPUS];
	unsigned int i, space, round;

	world_start(1, 1);
	w.vm.vcpu = vcpus;
	w.vm.nr_vcpus = NR_VCPUS;
	for (i = 0; i < NR_VCPUS; i++) {
		vcpus[i] = w.cpu[0].v;
		vcpus[i].shadow = &parts[i];
		vcpus[i].regs.cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_WP;
		vcpus[i].regs.cr4 = vcpus[i].regs.efer = 0;
	}
	for (round = 0; round < 2; round++) {
		for (space = 0; space < SHADOW_ROOTS; space++) {
			for (i = 0; i < NR_VCPUS; i++) {
				int ret;

				vcpus[i].regs.cr3 = AT(MANY + i * SHADOW_ROOTS + space);
				ret = shadow_load(&vcpus[i], w.s, &parts[i]);
				WORLD_CHECK("case", !ret, "vCPU %u, address space %u: shadow_load() returned %d", i, space, ret);
			}
			for (i = 0; i < NR_VCPUS; i++)
				WORLD_CHECK("case", shadow_root_is_good(&vcpus[i], &parts[i]), "vCPU %u has lost its root", i);
		}
	}
	for (i = 0; i < NR_VCPUS; i++)
		shadow_unload(w.s, &parts[i]);
	w.vm.nr_vcpus = 0;
	audit();
	world_end();
}

/* What the rest of the module does with a store of user mode's, or of an event's delivery: the table is let go, and the CPU tries again. */
static int store_untraced(struct cpu *cpu, u64 gva)
{
	struct pt_update up = {};
	unsigned int tries;
	struct walk walk;
	struct xlat x;
	int ret;

	for (tries = 0; tries < 16; tries++) {
		memset(cpu->upper, 0, sizeof(cpu->upper));
		if (cpu_walk(cpu, gva, WALK_WRITE | WALK_USER, &x))
			return SHADOW_MAPPED;
		ret = shadow_fault(&cpu->v, w.s, &cpu->sv, gva, WALK_WRITE | WALK_USER, &walk);
		if (ret == SHADOW_RELOAD) {
			cpu_load(cpu);
		} else if (ret == SHADOW_EMULATE) {
			shadow_untrace(w.s, walk.gpa, &up);
			world_finish(&up);
		} else if (ret != SHADOW_MAPPED) {
			return ret;
		}
	}
	world_fail("progress", "address 0x%llx: the table comes again with each try", (unsigned long long)gva);
}

#define PD	38u
#define PT	42u
#define AREA	(2ull << 39)

/*
 * Some of a guest's tables are mapped for user mode: one that the translation of its own address goes by can only be written by the
 * emulator, another one is let go.
 */
void case_store_to_own_table(void)
{
	static const struct {
		unsigned int frame;
		int wanted;
	} t[] = {
		{ PD, SHADOW_EMULATE_ONLY },	/* on the way */
		{ PT, SHADOW_MAPPED },		/* the last level goes out of sync */
		{ 39, SHADOW_MAPPED },		/* a directory beside it */
	};
	const u64 all = P | RW | US;
	struct cpu *cpu = &w.cpu[0];
	unsigned int i;
	gpa_t gpa;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		u64 *ram;
		int ret;

		world_start(1, 1);
		guest_start(cpu, SHADOW_LONG4);
		ram = (u64 *)(w.ram + cpu->v.regs.cr3);
		ram[2] = AT(34) | all;
		ram = (u64 *)(w.ram + AT(34));
		ram[0] = AT(PD) | all;
		ram[1] = AT(39) | all;
		memset(w.ram + AT(39), 0, PAGE_SIZE);
		((u64 *)(w.ram + AT(PD)))[0] = AT(PT) | all;
		((u64 *)(w.ram + AT(39)))[0] = AT(PT) | all;
		((u64 *)(w.ram + AT(PT)))[0] = AT(t[i].frame) | all;
		((u64 *)(w.ram + AT(PT)))[1] = AT(DATA) | all;
		cpu_load(cpu);
		WORLD_CHECK("case", cpu_access(cpu, AREA + (1 << 30) + PAGE_SIZE, WALK_USER, &gpa) == ACCESS_DONE, "no access");
		ret = store_untraced(cpu, AREA);
		WORLD_CHECK("case", ret == t[i].wanted, "store to frame %u: result %d, wanted %d", t[i].frame, ret, t[i].wanted);
		audit();
		world_end();
	}
}
