// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entries of AMD's nested page tables: the CPU's own long-mode format (AMD64 Architecture Programmer's Manual volume 2,
 * "Nested Paging"). Every guest access counts as a user access there, so U/S is always set. Where the host encrypts its
 * memory, the encryption bit belongs into every entry that points to ordinary memory.
 */
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <keel/pgtable.h>

static void npt_setup(struct pte_format *f)
{
	f->address = GENMASK_ULL(51, PAGE_SHIFT) & ~(u64)sme_me_mask;
	f->table = _PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_ACCESSED | sme_me_mask;
}

static u64 npt_leaf(unsigned int level, u32 prot, enum pte_memtype type)
{
	u64 pte = _PAGE_PRESENT | _PAGE_USER | _PAGE_ACCESSED;

	if (prot & PTE_WRITE)
		pte |= _PAGE_RW | _PAGE_DIRTY;
	if (!(prot & PTE_EXEC))
		pte |= _PAGE_NX;
	if (level > 1)
		pte |= _PAGE_PSE;
	/* PWT and PCD as in the host's default PAT: both set is uncacheable, whatever the guest's own PAT says */
	if (type == PTE_MEM_UC)
		return pte | _PAGE_PCD | _PAGE_PWT;
	return pte | sme_me_mask;
}

struct pte_format keel_pte_npt = {
	.name		= "npt",
	.levels		= 4,
	.max_leaf_level	= 3,
	.present	= _PAGE_PRESENT,
	.large		= _PAGE_PSE,
	.write		= _PAGE_RW,
	.accessed	= _PAGE_ACCESSED,
	.address	= GENMASK_ULL(51, 12),
	.setup		= npt_setup,
	.leaf		= npt_leaf,
};
