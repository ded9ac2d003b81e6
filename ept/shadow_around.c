// SPDX-License-Identifier: GPL-2.0-only
/*
 * Neighbours of a page that a fault on shadow tables has mapped, so that touching pages in order faults once for many. One is mapped if the CPU
 * could have its translation without an access of the guest's: the guest's entry has its accessed bit, and is writable only if it has its dirty
 * bit; the launcher's tables have the page present, next to that of the fault; and as for all leaves, slot, log and tracing permit it.
 */
#include <linux/bitops.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include "shadow.h"

#define AROUND_MAX	32u

/* The launcher's page of another frame of the same slot: false if it is not in the same table, or same large page, or not ready to be used. */
static bool near_page(const struct shadow_spot *at, gfn_t gfn, u64 *pfn, bool *write)
{
	const struct host_page *host = at->host;
	u64 delta = gfn - at->gfn, index = offset_in_page(host->entry) / sizeof(pte_t) + delta, pte;

	if (!host->entry) {
		*pfn = host->pfn + delta;
		*write = host->writable;
		return !((*pfn ^ host->pfn) / PT_ENTRIES);
	}
	if (index >= PT_ENTRIES)
		return false;
	/* the guest may have had it guessed wrong that it is in this table */
	pte = native_pte_val(READ_ONCE(((const pte_t *)((unsigned long)host->entry & PAGE_MASK))[array_index_nospec(index, PT_ENTRIES)]));
	*pfn = (pte & PTE_PFN_MASK) >> PAGE_SHIFT;
	/* a clean page would have to be marked */
	*write = (pte & (_PAGE_RW | _PAGE_DIRTY)) == (_PAGE_RW | _PAGE_DIRTY);
	return __pte_access_permitted(pte, false) && !(pte & _PAGE_SPECIAL);
}

static bool map_near(struct vcpu *vcpu, struct shadow *s, const struct shadow_spot *at, unsigned int index, u64 gpte)
{
	union shadow_role role = at->page->role;
	gfn_t gfn = role.is_direct ? at->page->gfn + index : gpa_to_gfn(gpte & GPTE_ADDRESS);
	u32 rights = role.is_direct ? role.access : shadow_rights(role, gpte);
	u32 key = role.is_direct ? role.key : shadow_key(role, gpte);
	bool write, is_dirty = role.is_direct ? role.is_dirty : gpte & GPTE_D;
	u64 pfn;

	if (gfn - at->slot->base >= at->slot->npages || apic_frames_in(vcpu->vm, gfn, gfn) || !near_page(at, gfn, &pfn, &write))
		return false;
	write = write && shadow_may_write(role, rights, is_dirty) && !at->slot->dirty && !(at->slot->flags & KVM_MEM_READONLY) &&
		!shadow_is_traced(s, gfn);
	rights = write ? rights | SHADOW_WRITE : rights & ~(u32)SHADOW_WRITE;
	shadow_set_leaf(s, at->page, index, gfn,
			pfn << PAGE_SHIFT | (shadow_leaf(s->format, 1, rights, key, PTE_MEM_WB) & ~s->format->accessed));
	return true;
}

unsigned int shadow_map_around(struct vcpu *vcpu, struct shadow *s, const struct shadow_spot *at)
{
	unsigned int n = min(memory_fault_around(), AROUND_MAX), first = at->index & ~(n - 1), mapped = 0, i;
	union shadow_role role = at->page->role;
	u64 gpte[AROUND_MAX];

	if (n == 1 || at->host->type != PTE_MEM_WB || vcpu->vm->mem.notifier->active)
		return 0;
	if (!role.is_direct && walk_read_entries(vcpu, shadow_gpte_at(at->page, first), shadow_gpte_size(role), n, gpte))
		return 0;
	for (i = 0; i < n; i++) {
		if (test_bit(first + i, at->page->present))
			continue;
		if (role.is_direct)
			gpte[i] = 0;
		else if (!shadow_is_ready(role, gpte[i], vcpu->cpuid.reserved_gpa))
			continue;
		mapped += map_near(vcpu, s, at, first + i, gpte[i]);
	}
	return mapped;
}
