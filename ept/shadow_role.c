// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shadow paging: what follows from roles and entries alone (SDM volume 3, "Paging"; AMD64 Architecture Programmer's Manual volume 2,
 * "Page Translation and Protection"). Pure functions.
 *
 * A 32-bit table has 1024 entries, a shadow table 512: @quadrant says which half of a last-level table, or quarter of a page directory, it
 * is made from. An entry of such a directory maps 4M, so two entries of ours stand for it.
 */
#include <linux/bits.h>
#include <asm/processor-flags.h>
#include "shadow.h"

#define SPTE_WRITE	BIT_ULL(1)
#define SPTE_USER	BIT_ULL(2)
#define SPTE_NX		BIT_ULL(63)
#define KEY_MASK	15u
#define KEY_BITS	((u64)KEY_MASK << GPTE_KEY_SHIFT)

/* Bits that a last-level entry of PAE paging must not have. */
#define PAE_RESERVED	GENMASK_ULL(62, 52)

static enum shadow_wp0 mode_wp0(const struct vcpu_regs *r)
{
	if (r->cr0 & X86_CR0_WP)
		return SHADOW_WP;
	if (r->cr4 & (X86_CR4_SMAP | X86_CR4_PKE))
		return SHADOW_WP0_EMULATE;
	return r->cr4 & X86_CR4_SMEP ? SHADOW_WP0_SMEP : SHADOW_WP0;
}

union shadow_role shadow_mode(const struct vcpu_regs *r)
{
	union shadow_role role = { .level = 2, .access = SHADOW_ALL };

	if (!(r->cr0 & X86_CR0_PG)) {
		role.is_direct = 1;
		role.is_dirty = 1;
		return role;
	}
	role.wp0 = mode_wp0(r);
	if (!(r->cr4 & X86_CR4_PAE)) {
		role.guest = SHADOW_NARROW;
		role.pse = !!(r->cr4 & X86_CR4_PSE);
		return role;
	}
	role.nx = !!(r->efer & EFER_NX);
	role.guest = SHADOW_PAE;
	if (r->efer & EFER_LMA) {
		role.level = r->cr4 & X86_CR4_LA57 ? 5 : 4;
		role.guest = role.level == 5 ? SHADOW_LONG5 : SHADOW_LONG4;
	}
	return role;
}

bool shadow_is(const struct shadow_page *page, gfn_t gfn, union shadow_role role)
{
	return page->gfn == gfn && page->role.word == role.word;
}

u32 shadow_rights(union shadow_role role, u64 gpte)
{
	u32 rights = role.access;

	if (!(gpte & GPTE_W))
		rights &= ~(u32)SHADOW_WRITE;
	if (!(gpte & GPTE_U))
		rights &= ~(u32)SHADOW_USER;
	if (role.nx && gpte & GPTE_NX)
		rights &= ~(u32)SHADOW_EXEC;
	return rights;
}

u32 shadow_key(union shadow_role role, u64 gpte)
{
	return role.guest >= SHADOW_LONG4 ? gpte >> GPTE_KEY_SHIFT & KEY_MASK : 0;
}

gfn_t shadow_child(union shadow_role role, unsigned int index, u64 gpte, union shadow_role *child)
{
	*child = role;
	child->level = role.level - 1;
	child->access = shadow_rights(role, gpte);
	child->quadrant = role.guest == SHADOW_NARROW ? index & 1 : 0;
	return gpa_to_gfn(gpte & GPTE_ADDRESS);
}

gfn_t shadow_direct_child(union shadow_role role, gfn_t gfn, u64 gpte, union shadow_role *child)
{
	if (role.is_direct) {
		*child = role;
	} else {
		*child = (union shadow_role){ .is_direct = 1 };
		child->access = shadow_rights(role, gpte);
		child->wp0 = role.wp0;
		child->key = shadow_key(role, gpte);
		child->is_dirty = !!(gpte & GPTE_D);
	}
	child->level = role.level - 1;
	return gfn & ~(pt_span(role.level) - 1);
}

unsigned int shadow_covered(union shadow_role role, unsigned int from, unsigned int len, unsigned int *end)
{
	unsigned int size = shadow_gpte_size(role), first = from / size, last = (from + len - 1) / size + 1;
	unsigned int skip = role.guest == SHADOW_NARROW ? role.quadrant * PT_ENTRIES : 0;

	if (role.guest == SHADOW_NARROW && role.level == 2) {
		first *= 2;
		last *= 2;
	}
	*end = clamp(last, skip, skip + PT_ENTRIES) - skip;
	return clamp(first, skip, skip + PT_ENTRIES) - skip;
}

/* With CR0.WP clear a supervisor may write what only it may reach. A user page it may too, but then shadow_needs_flip(). */
bool shadow_may_write(union shadow_role role, u32 rights, bool is_dirty)
{
	return is_dirty && (rights & SHADOW_WRITE || (role.wp0 != SHADOW_WP && !(rights & SHADOW_USER)));
}

bool shadow_needs_flip(union shadow_role role, u32 rights, u32 access)
{
	return role.wp0 != SHADOW_WP && (access & (WALK_WRITE | WALK_USER)) == WALK_WRITE &&
	       (rights & (SHADOW_USER | SHADOW_WRITE)) == SHADOW_USER;
}

bool shadow_leaf_fits(union shadow_role role, gfn_t frame, u64 pte, u64 gpte)
{
	u32 rights = shadow_rights(role, gpte);

	if ((gpte & (GPTE_P | GPTE_A)) != (GPTE_P | GPTE_A) || gpa_to_gfn(gpte & GPTE_ADDRESS) != frame)
		return false;
	if ((gpte & GPTE_NX && !role.nx) || (role.guest == SHADOW_PAE && gpte & PAE_RESERVED))
		return false;
	if (role.guest >= SHADOW_LONG4 && (pte ^ gpte) & KEY_BITS)
		return false;
	/* one that was turned into a supervisor's does not fit, for simplicity */
	if (!(pte & SPTE_USER) != !(rights & SHADOW_USER))
		return false;
	if (pte & SPTE_WRITE && !shadow_may_write(role, rights, gpte & GPTE_D))
		return false;
	return pte & SPTE_NX || rights & SHADOW_EXEC;
}

bool shadow_is_ready(union shadow_role role, u64 gpte, u64 reserved)
{
	if ((gpte & (GPTE_P | GPTE_A)) != (GPTE_P | GPTE_A))
		return false;
	/* of 32-bit entries all bits are in use */
	if (role.guest == SHADOW_NARROW)
		return true;
	return !(gpte & ((reserved & GPTE_ADDRESS) | (role.guest == SHADOW_PAE ? PAE_RESERVED : 0) | (role.nx ? 0 : GPTE_NX)));
}

u64 shadow_leaf(const struct pte_format *f, unsigned int level, u32 rights, u32 key, enum pte_memtype type)
{
	u32 prot = PTE_READ | (rights & SHADOW_WRITE ? PTE_WRITE : 0) | (rights & SHADOW_EXEC ? PTE_EXEC : 0);
	u64 pte = f->leaf(level, prot, type) | (u64)key << GPTE_KEY_SHIFT;

	return rights & SHADOW_USER ? pte : pte & ~SPTE_USER;
}
