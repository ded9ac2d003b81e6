/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CPUs that walk the shadow tables, by the manual: with a TLB for last-level translations and one for upper entries, which keep
 * what they hold until they are told otherwise. Every access is checked against what the guest's own tables permit.
 */
#include "shadow_world.h"

#define HW_P	BIT(0)
#define HW_W	BIT(1)
#define HW_U	BIT(2)
#define HW_A	BIT(5)
#define HW_D	BIT(6)
#define HW_PS	BIT(7)
#define HW_NX	BIT(63)
#define HW_ADDR	GENMASK_ULL(51, 12)

/* Faults of one access before the guest counts as stuck. */
#define MAX_FAULTS	12

struct tally tally;

/* The engine has it flushed: that is not the guest's asking. */
static void drop_translations(struct cpu *cpu)
{
	memset(cpu->tlb, 0, sizeof(cpu->tlb));
	memset(cpu->upper, 0, sizeof(cpu->upper));
}

void cpu_flush(struct cpu *cpu)
{
	drop_translations(cpu);
	cpu->flushed = ++w.time;
}

/* What the backend does before it enters with a new root. */
static void load_root(struct cpu *cpu)
{
	int ret = shadow_load(&cpu->v, w.s, &cpu->sv);

	WORLD_CHECK("root", !ret, "shadow_load() returned %d", ret);
	cpu->cr3 = shadow_cr3(w.s, &cpu->sv);
	memcpy(cpu->pdpte, cpu->sv.pae, sizeof(cpu->pdpte));
	cpu_flush(cpu);
}

void cpu_load(struct cpu *cpu)
{
	struct vcpu_regs *r = &cpu->v.regs;
	unsigned int i;

	if ((r->cr0 & X86_CR0_PG) && (r->cr4 & X86_CR4_PAE) && !(r->efer & EFER_LMA)) {
		for (i = 0; i < 4; i++) {
			u64 pdpte = world_read((r->cr3 & 0xffffffe0) + i * 8, 8);

			/* a load with a reserved bit set is refused */
			cpu->sv.pdpte[i] = pdpte & (GENMASK_ULL(63, 46) | 0x1e6) ? 0 : pdpte;
		}
	}
	load_root(cpu);
}

/* What the engine asks for, and no more. */
static bool quick(struct cpu *cpu, enum shadow_quick how)
{
	if (how == SHADOW_SLOW)
		return false;
	tally.quick++;
	if (how == SHADOW_OTHER)
		cpu->cr3 = shadow_cr3(w.s, &cpu->sv);
	if (how != SHADOW_SAME)
		drop_translations(cpu);
	return true;
}

void cpu_mov_cr3(struct cpu *cpu, u64 cr3)
{
	cpu->v.regs.cr3 = cr3;
	if (quick(cpu, shadow_quick_load(&cpu->v, w.s, &cpu->sv, cr3)))
		cpu->flushed = ++w.time;
	else
		cpu_load(cpu);
}

static void note_invlpg(struct cpu *cpu, u64 gva)
{
	cpu->inv[cpu->next_inv].page = gva & PAGE_MASK;
	cpu->inv[cpu->next_inv].time = ++w.time;
	cpu->next_inv = (cpu->next_inv + 1) % ARRAY_SIZE(cpu->inv);
}

void cpu_quick_invlpg(struct cpu *cpu, u64 gva)
{
	WORLD_CHECK("INVLPG", quick(cpu, shadow_quick_invlpg(&cpu->v, w.s, &cpu->sv, gva)), "nobody has the lock");
	note_invlpg(cpu, gva);
}

void cpu_invlpg(struct cpu *cpu, u64 gva)
{
	unsigned int i;

	if (chance(2)) {
		cpu_quick_invlpg(cpu, gva);
		return;
	}
	shadow_invlpg(&cpu->v, w.s, &cpu->sv, gva);
	for (i = 0; i < TLB_SIZE; i++)
		if (cpu->tlb[i].page == (gva & PAGE_MASK))
			cpu->tlb[i].valid = false;
	memset(cpu->upper, 0, sizeof(cpu->upper));
	note_invlpg(cpu, gva);
}

/* Since when can translations of @gva be that the CPU still has? */
static u64 oldest(const struct cpu *cpu, u64 gva)
{
	u64 time = cpu->flushed;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cpu->inv); i++)
		if (cpu->inv[i].page == (gva & PAGE_MASK) && cpu->inv[i].time > time)
			time = cpu->inv[i].time;
	return time;
}

/* ---- hardware ---- */

static bool is_paging(const struct cpu *cpu)
{
	return cpu->v.regs.cr0 & X86_CR0_PG;
}

/* CR0.WP and EFER.NXE are set, PGE and PCIDE are not; SMEP, SMAP and PKE are the guest's, with paging. */
static bool hw_permits(const struct cpu *cpu, const struct xlat *x, u32 access)
{
	u64 cr4 = is_paging(cpu) ? cpu->v.regs.cr4 : 0;
	u32 key = cpu->v.xstate.pkru >> (2 * x->key);

	if (access & WALK_FETCH && !x->exec)
		return false;
	if (access & WALK_WRITE && !x->write)
		return false;
	if (access & WALK_USER && !x->user)
		return false;
	if (!(access & WALK_USER) && x->user) {
		if (access & WALK_FETCH && cr4 & X86_CR4_SMEP)
			return false;
		if (!(access & WALK_FETCH) && cr4 & X86_CR4_SMAP && !(cpu->v.regs.rflags & X86_EFLAGS_AC))
			return false;
	}
	if (cr4 & X86_CR4_PKE && cpu->v.regs.efer & EFER_LMA && x->user && !(access & WALK_FETCH))
		return !(key & 1) && !(access & WALK_WRITE && key & 2);
	return true;
}

static struct xlat *slot_for(struct xlat *set, unsigned int n)
{
	return &set[below(n)];
}

/* The table to begin at, and its level: by CR3, or by an upper entry that is still known. */
static u64 *begin(struct cpu *cpu, u64 gva, unsigned int *level)
{
	bool is_long = cpu->v.regs.efer & EFER_LMA;
	struct xlat *u = slot_for(cpu->upper, UPPER_SIZE);
	u64 pdpte;

	if (u->valid && !((u->page ^ gva) >> (12 + 9 * u->level))) {
		*level = u->level;
		return phys_to_virt(u->pfn << PAGE_SHIFT);
	}
	if (is_long) {
		*level = cpu->v.regs.cr4 & X86_CR4_LA57 ? 5 : 4;
		return phys_to_virt(cpu->cr3 & HW_ADDR);
	}
	pdpte = cpu->pdpte[gva >> 30 & 3];
	*level = 2;
	WORLD_CHECK("pdpte", !(pdpte & HW_P) || !(pdpte & 0x1e6), "reserved bits in 0x%llx", (unsigned long long)pdpte);
	return pdpte & HW_P ? phys_to_virt(pdpte & HW_ADDR) : NULL;
}

bool cpu_walk(struct cpu *cpu, u64 gva, u32 access, struct xlat *x)
{
	unsigned int level;
	u64 *table = begin(cpu, gva, &level), *entry;

	if (!table)
		return false;
	*x = (struct xlat){ .page = gva & PAGE_MASK, .write = true, .user = true, .exec = true, .valid = true };
	for (;; level--) {
		entry = &table[gva >> (3 + 9 * level) & 511];
		if (!(*entry & HW_P))
			return false;
		x->write &= !!(*entry & HW_W);
		x->user &= !!(*entry & HW_U);
		x->exec &= !(*entry & HW_NX);
		*entry |= HW_A;
		if (level == 1 || *entry & HW_PS)
			break;
		table = phys_to_virt(*entry & HW_ADDR);
		*slot_for(cpu->upper, UPPER_SIZE) =
			(struct xlat){ .page = gva, .pfn = *entry >> PAGE_SHIFT & GENMASK_ULL(39, 0), .valid = true, .level = level - 1 };
	}
	WORLD_CHECK("reserved", level < 3 && !(level == 2 && *entry & GENMASK_ULL(20, 13)), "entry 0x%llx at level %u",
		    (unsigned long long)*entry, level);
	x->key = *entry >> 59 & 15;
	x->pfn = ((*entry & HW_ADDR) >> PAGE_SHIFT) + (level == 2 ? gva >> PAGE_SHIFT & 511 : 0);
	if (!hw_permits(cpu, x, access))
		return false;
	if (access & WALK_WRITE)
		*entry |= HW_D;
	return true;
}

/* TLB or walk. A translation that does not permit the access is walked for again. */
static bool translate(struct cpu *cpu, u64 gva, u32 access, u64 *pfn)
{
	unsigned int i;
	struct xlat x;

	for (i = 0; i < TLB_SIZE; i++) {
		struct xlat *t = &cpu->tlb[i];

		if (!t->valid || t->page != (gva & PAGE_MASK))
			continue;
		if (hw_permits(cpu, t, access) && !chance(8)) {
			*pfn = t->pfn;
			return true;
		}
		t->valid = false;
	}
	if (!cpu_walk(cpu, gva, access, &x)) {
		/* a fault takes with it what is known of its address */
		memset(cpu->upper, 0, sizeof(cpu->upper));
		return false;
	}
	*slot_for(cpu->tlb, TLB_SIZE) = x;
	*pfn = x.pfn;
	return true;
}

/* ---- the guest's accesses ---- */

static bool was_seen(int ret, gpa_t gpa, u32 error)
{
	unsigned int i;

	/* in the course of another access nobody takes notes for this one */
	if (w.depth)
		return true;
	for (i = 0; i < w.nr_seen; i++)
		if (w.seen_ret[i] == ret && (ret ? w.seen[i].error == error : w.seen[i].gpa == gpa))
			return true;
	return w.nr_seen == MAX_SEEN;
}

static void check_done(struct cpu *cpu, u64 gva, u32 access, u64 pfn, gpa_t *gpa)
{
	const struct memslot *slot;
	struct walk now;

	WORLD_CHECK("translation", ref_permits(cpu, gva, access, oldest(cpu, gva), pfn, gpa),
		    "CPU %d, address 0x%llx, access 0x%x: frame 0x%llx, which the guest's tables do not give", (int)(cpu - w.cpu),
		    (unsigned long long)gva, access, (unsigned long long)pfn);
	if (ref_walk(cpu, gva, access, &now) || now.gpa != *gpa)
		tally.stale++;
	slot = world_slot(gpa_to_gfn(*gpa));
	WORLD_CHECK("dirty log", !(access & WALK_WRITE) || !slot->dirty || test_bit(gpa_to_gfn(*gpa) - slot->base, slot->dirty),
		    "store to frame 0x%llx is not logged", (unsigned long long)gpa_to_gfn(*gpa));
}

static enum outcome check_refused(struct cpu *cpu, u64 gva, int ret, const struct walk *walk, gpa_t *gpa)
{
	const struct memslot *slot = world_slot(gpa_to_gfn(walk->gpa));

	*gpa = walk->gpa;
	switch (ret) {
	case SHADOW_TRUE_FAULT:
		WORLD_CHECK("true fault", was_seen(WALK_FAULT, 0, walk->error), "address 0x%llx: error code 0x%x, not the guest's",
			    (unsigned long long)gva, walk->error);
		return ACCESS_FAULT;
	case SHADOW_MMIO:
	case SHADOW_MMIO_RO:
	case SHADOW_EMULATE:
	case SHADOW_EMULATE_ONLY:
		WORLD_CHECK("address", was_seen(0, walk->gpa, 0), "0x%llx is at 0x%llx?", (unsigned long long)gva,
			    (unsigned long long)walk->gpa);
		WORLD_CHECK("emulation", ret != SHADOW_EMULATE || !(cpu->v.regs.cr0 & X86_CR0_WP) ||
			    shadow_next_table(w.s, gpa_to_gfn(walk->gpa), NULL), "0x%llx is no table", (unsigned long long)walk->gpa);
		WORLD_CHECK("device", (ret == SHADOW_MMIO) == !slot, "0x%llx: result %d", (unsigned long long)walk->gpa, ret);
		if (ret == SHADOW_EMULATE || ret == SHADOW_EMULATE_ONLY)
			return ACCESS_EMULATE;
		return ret == SHADOW_MMIO ? ACCESS_MMIO : ACCESS_MMIO_RO;
	case SHADOW_NO_TABLE:
		WORLD_CHECK("no table", was_seen(-EFAULT, 0, 0), "address 0x%llx: all tables are there", (unsigned long long)gva);
		return ACCESS_ERROR;
	default:
		/* the launcher has no page */
		WORLD_CHECK("error", ret == -EFAULT, "address 0x%llx: %d", (unsigned long long)gva, ret);
		return ACCESS_ERROR;
	}
}

static enum outcome access_loop(struct cpu *cpu, u64 gva, u32 access, gpa_t *gpa)
{
	struct walk walk = {};
	unsigned int faults;
	u64 pfn;
	int ret;

	for (faults = 0; faults < MAX_FAULTS; faults++) {
		if (translate(cpu, gva, access, &pfn)) {
			check_done(cpu, gva, access, pfn, gpa);
			return ACCESS_DONE;
		}
		ret = shadow_fault(&cpu->v, w.s, &cpu->sv, gva, access, &walk);
		tally.hidden += ret == SHADOW_MAPPED;
		tally.reloads += ret == SHADOW_RELOAD;
		if (ret == SHADOW_RELOAD)
			load_root(cpu);
		else if (ret != SHADOW_MAPPED)
			return check_refused(cpu, gva, ret, &walk, gpa);
	}
	world_fail("progress", "CPU %d, address 0x%llx, access 0x%x: faults for ever", (int)(cpu - w.cpu), (unsigned long long)gva, access);
}

enum outcome cpu_access(struct cpu *cpu, u64 gva, u32 access, gpa_t *gpa)
{
	enum outcome outcome;

	if (w.depth) {
		tally.meanwhile++;
		return access_loop(cpu, gva, access, gpa);
	}
	w.nr_seen = 0;
	w.watched = cpu;
	w.watched_gva = gva;
	w.watched_access = access;
	ref_note();
	outcome = access_loop(cpu, gva, access, gpa);
	w.watched = NULL;
	tally.outcome[outcome][shadow_mode(&cpu->v.regs).guest]++;
	return outcome;
}

bool cpu_store(struct cpu *cpu, u64 gva, unsigned int size, u64 val)
{
	struct pt_update up = {};
	gpa_t gpa;

	switch (cpu_access(cpu, gva, WALK_WRITE | (cpu->cpl3 ? WALK_USER : 0), &gpa)) {
	case ACCESS_DONE:
		world_write(gpa, size, val, false);
		return true;
	case ACCESS_EMULATE:
		world_write(gpa, size, val, false);
		shadow_store(&cpu->v, w.s, gpa, size, &up);
		world_finish(&up);
		return true;
	default:
		return false;
	}
}
