/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random guests: they edit their tables while they run on them, in all paging modes and on several CPUs, which share the tables; slots move,
 * logging goes on and off, the launcher writes tables and the host takes pages away, also while a fault is being served.
 */
#include "shadow_bits.h"
#include "shadow_world.h"


unsigned int fuzz_audit_every = 8;

static bool has_launcher_writes, is_one_mode;

/* ---- operations ---- */

static struct cpu *any_cpu(void)
{
	return &w.cpu[below(w.nr_cpus)];
}

static void op_access(struct cpu *cpu)
{
	u64 gva = random_gva(mode[cpu - w.cpu]);
	u32 access = random_access();
	unsigned int i = below(ARRAY_SIZE(cpu->recent));
	const struct cpu *other = any_cpu();
	gpa_t gpa;

	/* again, or after another CPU, so that something is in the TLB */
	if (chance(4) && mode[other - w.cpu] == mode[cpu - w.cpu])
		cpu->recent[i] = other->recent[i];
	if (chance(2) && cpu->recent[i].gva) {
		gva = cpu->recent[i].gva;
		access = chance(4) ? access : cpu->recent[i].access;
	}
	if (cpu_access(cpu, gva, access, &gpa) != ACCESS_DONE)
		return;
	cpu->recent[i].gva = gva;
	cpu->recent[i].access = access;
	cpu->recent[i].gpa = gpa;
}

/* Where a table is edited, and with what. */
static gpa_t random_place(u64 *entry)
{
	unsigned int level = 1 + below(4), i = below(8);
	enum shadow_guest guest = 1 + below(4);

	if (i) {
		*entry = random_entry(level);
		return table_at(level) + pool_index[below(ARRAY_SIZE(pool_index))] * 8;
	}
	*entry = guest == SHADOW_PAE ? table_at(2) | P : random_entry(guest == SHADOW_NARROW ? 2 : guest == SHADOW_LONG4 ? 4 : 5);
	if (guest == SHADOW_LONG5)
		*entry = table_at(4) | P | (chance(4) ? 0 : RW) | (chance(4) ? 0 : US);
	return root_of(guest, below(2)) + (guest == SHADOW_PAE ? below(2) : guest == SHADOW_NARROW ? below(2) : 2 * below(2)) * 8;
}

/* An entry on the way to @gva, mostly the last, and a new value: the same with a bit changed, or another. Not of the window. */
static bool place_on_path(const struct cpu *cpu, u64 gva, gpa_t *place, unsigned int *size, u64 *entry)
{
	static const u64 bits[] = { P, RW, US, A, D, XD, A | D, RW | US, 1ull << PAGE_SHIFT };
	gpa_t path[5];
	unsigned int n = ref_path(cpu, gva, path), k;

	if (!n || gva - guest_window(mode[cpu - w.cpu]) < AT(512))
		return false;
	k = chance(3) ? below(n) : n - 1;
	*place = path[k];
	if (*place >= AT(512) || *place < AT(16))
		return false;
	*size = mode[cpu - w.cpu] == SHADOW_NARROW ? 4 : 8;
	*entry = chance(3) ? random_entry(n - k) : world_read(*place, *size) ^ bits[below(ARRAY_SIZE(bits))];
	return true;
}

/* One that a CPU has used lately. */
static bool used_place(gpa_t *place, unsigned int *size, u64 *entry)
{
	const struct cpu *cpu = any_cpu();
	unsigned int i = below(ARRAY_SIZE(cpu->recent));

	return cpu->recent[i].gva && place_on_path(cpu, cpu->recent[i].gva, place, size, entry);
}

static void op_edit(struct cpu *cpu)
{
	enum shadow_guest guest = mode[cpu - w.cpu];
	unsigned int size = chance(6) ? 4 : chance(12) ? 1 : 8;
	gpa_t place;
	u64 entry;

	if (chance(3) || !used_place(&place, &size, &entry))
		place = random_place(&entry);
	cpu->cpl3 = true;
	cpu_store(cpu, guest_window(guest) + place, size, entry);
}

/* Through whatever mapping there is. */
static void op_store(struct cpu *cpu)
{
	u64 gva = random_gva(mode[cpu - w.cpu]) & PAGE_MASK;

	cpu->cpl3 = chance(2);
	/* not to the window's own tables, or the roots' */
	if (gva - guest_window(mode[cpu - w.cpu]) < AT(512) || mode[cpu - w.cpu] == SHADOW_FLAT)
		return;
	cpu_store(cpu, gva + pool_index[below(ARRAY_SIZE(pool_index))] * 8, 8, random_entry(1 + below(4)));
}

static void op_invlpg(struct cpu *cpu)
{
	u64 gva = cpu->recent[below(ARRAY_SIZE(cpu->recent))].gva;

	cpu_invlpg(cpu, gva && chance(2) ? gva : random_gva(mode[cpu - w.cpu]));
}

/* Many stores to one table, as when it is no table any more. */
static void op_flood(struct cpu *cpu)
{
	enum shadow_guest guest = mode[cpu - w.cpu];
	gpa_t table = chance(2) && guest ? root_of(guest, below(2)) : table_at(1 + below(4));
	unsigned int i;

	cpu->cpl3 = true;
	for (i = 0; i < 10; i++)
		cpu_store(cpu, guest_window(guest) + table + 300 * 8, 8, world_random());
}

static void op_cr3(struct cpu *cpu)
{
	cpu_mov_cr3(cpu, root_of(mode[cpu - w.cpu], below(2)));
}

static void op_mode(struct cpu *cpu)
{
	struct vcpu_regs r;
	unsigned int i;

	set_mode(cpu, below(5));
	r = cpu->v.regs;
	for (i = 0; is_one_mode && i < w.nr_cpus; i++) {
		set_mode(&w.cpu[i], mode[cpu - w.cpu]);
		w.cpu[i].v.regs = r;
		cpu_load(&w.cpu[i]);
	}
}

static void op_bits(struct cpu *cpu)
{
	struct vcpu_regs *r = &cpu->v.regs;

	cpu->v.xstate.pkru = world_random() & ~3u;
	r->rflags ^= chance(2) ? X86_EFLAGS_AC : 0;
	if (mode[cpu - w.cpu] != SHADOW_FLAT)
		r->cr0 ^= X86_CR0_WP;
	r->cr4 ^= chance(2) ? X86_CR4_SMEP : chance(2) ? X86_CR4_SMAP : 0;
	r->efer ^= chance(3) ? EFER_NX : 0;
	cpu_load(cpu);
}

static void op_take(struct cpu *cpu)
{
	gfn_t gfn = chance(2) ? gpa_to_gfn(cpu->recent[below(ARRAY_SIZE(cpu->recent))].gpa) : any_frame();

	if (world_slot(gfn))
		world_take(world_host(gfn), 1 + (chance(4) ? below(8) : 0));
}

static void op_protect(struct cpu *cpu)
{
	gfn_t gfn = any_frame();
	unsigned int host, i, n = 1;

	if (!world_slot(gfn))
		return;
	host = world_host(gfn);
	if (w.is_large[host / 512]) {
		host &= ~511u;
		n = 512;
	}
	/* as for KSM or fork: the notifier, then the page is read-only until it is copied */
	world_take(host, n);
	host_page_fault_in(w.vm.mm, (hva_t)(w.ram + host * PAGE_SIZE), false);
	for (i = host; i < host + n; i++)
		w.host[i].writable = false;
}

static void op_resize(struct cpu *cpu)
{
	world_resize(below(HOST_PAGES / 512), chance(2));
}

static void op_slot(struct cpu *cpu)
{
	unsigned int i = below(NR_SLOTS), n;
	bool had = w.has_slot[i];
	gpa_t place;
	u64 entry;

	if (had)
		world_remove_slot(i);
	/* without the first there is no guest */
	if (!had || !i)
		world_add_slot(i);
	/* the launcher has put other memory there meanwhile */
	for (n = 0; !i && n < 20; n++) {
		place = random_place(&entry);
		world_write(place, 8, entry, false);
	}
	for (n = 0; !i && n < w.nr_cpus; n++)
		w.cpu[n].flushed = ++w.time;
}

static void op_logging(struct cpu *cpu)
{
	world_set_logging(below(NR_SLOTS), chance(2));
}

static void op_get_log(struct cpu *cpu)
{
	world_get_log(below(NR_SLOTS));
}

static void op_shrink(struct cpu *cpu)
{
	struct pt_update up = {};

	shadow_shrink(w.s, 1 + below(chance(8) ? MAX_TABLES : 4), &up);
	world_finish(&up);
}

static void op_age(struct cpu *cpu)
{
	gfn_t gfn = any_frame();
	struct pt_update up = {};

	shadow_age(w.s, gfn, gfn + 1 + below(600), chance(2) ? PT_AGE_CLEAR : PT_AGE_TEST, &up);
	world_finish(&up);
}

static void op_launcher(struct cpu *cpu)
{
	unsigned int size = 8;
	gpa_t place;
	u64 entry;

	if (!has_launcher_writes)
		return;
	if (chance(2) || !used_place(&place, &size, &entry))
		place = random_place(&entry);
	world_write(place, size, entry, true);
}

static const struct {
	void (*run)(struct cpu *cpu);
	unsigned int weight;
} ops[] = {
	{ op_access, 380 }, { op_edit, 200 }, { op_store, 40 }, { op_invlpg, 80 }, { op_flood, 6 }, { op_cr3, 60 }, { op_mode, 25 }, { op_bits, 20 },
	{ op_take, 40 }, { op_protect, 10 }, { op_resize, 8 }, { op_slot, 10 }, { op_logging, 12 }, { op_get_log, 15 }, { op_shrink, 10 },
	{ op_age, 10 }, { op_launcher, 20 },
};

static void one_op(void)
{
	struct cpu *cpu = any_cpu();
	unsigned int total = 0, i;
	u64 n;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		total += ops[i].weight;
	n = below(total);
	for (i = 0; n >= ops[i].weight; i++)
		n -= ops[i].weight;
	ops[i].run(cpu);
}

/* On another CPU, while one is in the middle of a fault. */
static void meanwhile(void)
{
	struct cpu *cpu = any_cpu();
	unsigned int size;
	gpa_t place;
	u64 entry;

	if (!chance(6))
		return;
	cpu->cpl3 = true;
	if (cpu == w.watched)
		op_take(cpu);
	else if (chance(2) && place_on_path(w.watched, w.watched_gva, &place, &size, &entry))
		cpu_store(cpu, guest_window(mode[cpu - w.cpu]) + place, size, entry);
	else
		(chance(2) ? op_edit : chance(2) ? op_access : op_shrink)(cpu);
}

void fuzz_episode(u64 seed, unsigned int n)
{
	unsigned int i;

	world_start(1 + seed % NR_CPUS, seed);
	has_launcher_writes = chance(3);
	has_4k_window = chance(2);
	for (i = 0; i < HOST_PAGES / 512; i++)
		world_resize(i, chance(2));
	make_window();
	is_one_mode = chance(2);
	for (i = 0; i < w.nr_cpus; i++)
		op_mode(&w.cpu[i]);
	if (chance(2))
		w.meanwhile = meanwhile;
	for (i = 0; i < n; i++) {
		one_op();
		if (!(i % fuzz_audit_every))
			audit();
	}
	audit();
	world_end();
}
