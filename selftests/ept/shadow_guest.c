/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest's tables. All lie in the first 2M: one or two roots for each paging mode, and a pool that all modes use at every level. A window maps
 * these 2M at the same place in each root, by 4K or by one large page, and is never edited.
 */
#include "shadow_bits.h"
#include "shadow_world.h"

#define G	BIT(8)

static const struct { u8 first, n; } pool[5] = { { 42, 6 }, { 42, 6 }, { 38, 4 }, { 34, 4 }, { 32, 2 } };
const u16 pool_index[POOL_INDEXES] = { 0, 1, 2, 5, 257 };

enum shadow_guest mode[NR_CPUS];
bool has_4k_window;

gpa_t root_of(enum shadow_guest guest, unsigned int n)
{
	return AT(16 + 2 * guest + n);
}

u64 guest_window(enum shadow_guest guest)
{
	static const u64 at[] = { 0, 0xc0000000, 0xc0000000, 1ull << 39, 1ull << 48 };

	return at[guest];
}

/* ---- values ---- */

u64 table_at(unsigned int level)
{
	return AT(pool[level].first + below(pool[level].n));
}

gfn_t any_frame(void)
{
	switch (below(12)) {
	case 0:		return POOL + below(16);
	case 1:		return SKEW_BASE + below(4);
	case 2:		return ROM_BASE + below(4);
	case 3:		return HIGH_BASE + below(4);
	case 4:		return HOLE + below(2);
	case 5:		return 512 + below(4);
	default:	return DATA + below(NR_DATA);
	}
}

static u64 large_base(void)
{
	static const gfn_t base[] = { 0, 512, 512, 1024, 1024, SKEW_BASE, ROM_BASE, HIGH_BASE, 4096 };

	return AT(base[below(ARRAY_SIZE(base))]);
}

/* An entry for a table that is used at @level: mostly good, sometimes anything. */
u64 random_entry(unsigned int level)
{
	u64 entry = 0;

	if (chance(12))
		return chance(2) ? 0 : world_random();
	if (level > 1 && !chance(5))
		entry = table_at(level - 1);
	else if (level > 1 && !chance(4))
		entry = large_base() | PS;
	else
		entry = AT(any_frame());
	entry |= P;
	entry |= chance(4) ? 0 : RW;
	entry |= chance(4) ? 0 : US;
	entry |= chance(2) ? A : 0;
	entry |= chance(2) ? D : 0;
	entry |= chance(6) ? G : 0;
	entry |= chance(8) ? XD : 0;
	entry |= chance(6) ? below(16) << 59 : 0;
	entry |= chance(40) ? BIT(50) : 0;
	return chance(20) ? entry & ~(u64)P : entry;
}

u64 random_gva(enum shadow_guest guest)
{
	u64 gva = below(PAGE_SIZE) & ~7ull;

	if (chance(6))
		return guest_window(guest) + AT(chance(2) ? POOL + below(16) : DATA + below(NR_DATA)) + gva;
	switch (guest) {
	case SHADOW_FLAT:
		return (u32)AT(any_frame()) + gva;
	case SHADOW_NARROW:
		return (u64[]){ 0, 2, 258 }[below(3)] << 22 | (u64[]){ 0, 2, 10, 514 }[below(4)] << 12 | gva;
	case SHADOW_PAE:
		return below(2) << 30 | below(3) << 21 | (u64[]){ 0, 1, 5 }[below(3)] << 12 | gva;
	case SHADOW_LONG4:
		return below(2) << 40 | below(2) << 30 | below(2) << 21 | (u64[]){ 0, 1, 5 }[below(3)] << 12 | gva;
	default:
		return below(2) << 49 | below(2) << 39 | below(2) << 30 | below(2) << 21 | (u64[]){ 0, 5 }[below(2)] << 12 | gva;
	}
}

u32 random_access(void)
{
	static const u32 how[] = { 0, WALK_WRITE, WALK_WRITE, WALK_FETCH };

	return how[below(4)] | (chance(2) ? WALK_USER : 0);
}

/* ---- the guest's tables ---- */

static void put(gpa_t table, unsigned int index, u64 entry)
{
	memcpy(w.ram + table + index * 8, &entry, 8);
}

void make_window(void)
{
	const u64 rights = P | RW | US;
	unsigned int i, n, m;
	u64 block = has_4k_window ? AT(6) | rights : rights | PS;

	for (i = 0; i < 512; i++) {
		u32 narrow = AT(i) | rights;

		memcpy(w.ram + AT(1) + i * 4, &narrow, 4);
		put(AT(6), i, AT(i) | rights);
	}
	put(AT(2), 0, block);
	put(AT(3), 0, AT(4) | rights);
	put(AT(4), 0, block);
	put(AT(5), 0, AT(3) | rights);
	for (n = 0; n < 2; n++) {
		put(root_of(SHADOW_NARROW, n), 0x180, AT(1) | rights);
		put(root_of(SHADOW_PAE, n), 3, AT(2) | P);
		put(root_of(SHADOW_LONG4, n), 1, AT(3) | rights);
		put(root_of(SHADOW_LONG5, n), 1, AT(5) | rights);
		for (i = 0; i < 3; i++) {
			put(root_of(SHADOW_NARROW, n), (u16[]){ 0, 1, 129 }[i], random_entry(2));
			put(root_of(SHADOW_LONG4, n), 2 * i, random_entry(4));
			put(root_of(SHADOW_LONG5, n), 2 * i, table_at(4) | rights);
			put(root_of(SHADOW_PAE, n), i, table_at(2) | P);
		}
	}
	for (m = 1; m < 5; m++)
		for (n = pool[m].first; n < pool[m].first + pool[m].n; n++)
			for (i = 0; i < ARRAY_SIZE(pool_index); i++)
				put(AT(n), pool_index[i], random_entry(m));
}

void set_mode(struct cpu *cpu, enum shadow_guest guest)
{
	struct vcpu_regs *r = &cpu->v.regs;
	u64 more = (chance(3) ? X86_CR4_SMEP : 0) | (chance(4) ? X86_CR4_SMAP : 0);

	mode[cpu - w.cpu] = guest;
	memset(cpu->recent, 0, sizeof(cpu->recent));
	r->cr3 = root_of(guest, below(2));
	r->cr0 = X86_CR0_PE | X86_CR0_PG | (chance(3) ? 0 : X86_CR0_WP);
	r->efer = chance(4) ? 0 : EFER_NX;
	r->cr4 = more | X86_CR4_PAE;
	switch (guest) {
	case SHADOW_FLAT:
		r->cr0 = 0;
		break;
	case SHADOW_NARROW:
		r->cr4 = more | (chance(2) ? X86_CR4_PSE : 0);
		break;
	case SHADOW_PAE:
		break;
	case SHADOW_LONG5:
		r->cr4 |= X86_CR4_LA57;
		__attribute__((fallthrough));
	case SHADOW_LONG4:
		r->efer |= EFER_LMA;
		r->cr4 |= chance(3) ? X86_CR4_PKE : 0;
		break;
	}
	cpu_load(cpu);
}

u64 guest_start(struct cpu *cpu, enum shadow_guest guest)
{
	struct vcpu_regs *r = &cpu->v.regs;

	has_4k_window = true;
	make_window();
	set_mode(cpu, guest);
	r->cr4 &= ~(u64)(X86_CR4_SMEP | X86_CR4_SMAP | X86_CR4_PKE);
	r->cr0 |= guest == SHADOW_FLAT ? 0 : X86_CR0_WP;
	r->efer |= EFER_NX;
	r->cr3 = root_of(guest, 0);
	cpu_load(cpu);
	cpu->cpl3 = true;
	return guest_window(guest);
}
