// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entries of AMD's nested page tables: the CPU's own long-mode format (AMD64 Architecture Programmer's Manual volume 2,
 * "Nested Paging"). Every guest access counts as a user access there, so U/S is always set. Where the host encrypts its
 * memory, the encryption bit belongs into every entry that points to ordinary memory.
 */
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <keel/host_mode.h>
#include <keel/pgtable.h>

/*
 * VMRUN walks these tables in the paging mode of the host: as deep, and with bit 63 reserved where the host has no NX (APM volume 2,
 * "Nested Paging").
 */
static void npt_setup(struct pte_format *f)
{
	u64 encryption = keel_host_mode.encryption;

	f->levels = host_mode_levels(&keel_host_mode);
	f->address = GENMASK_ULL(51, PAGE_SHIFT) & ~encryption;
	f->table = _PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_ACCESSED | encryption;
}

static u64 npt_leaf(unsigned int level, u32 prot, enum pte_memtype type)
{
	u64 pte = _PAGE_PRESENT | _PAGE_USER | _PAGE_ACCESSED;

	if (prot & PTE_WRITE)
		pte |= _PAGE_RW | _PAGE_DIRTY;
	if (!(prot & PTE_EXEC) && (keel_host_mode.efer & HOST_MODE_NXE))
		pte |= _PAGE_NX;
	if (level > 1)
		pte |= _PAGE_PSE;
	/* the host's PAT counts, whatever the guest's own says: index HOST_PAT_UC here, HOST_PAT_WB without both bits */
	if (type == PTE_MEM_UC)
		return pte | _PAGE_PCD | _PAGE_PWT;
	return pte | keel_host_mode.encryption;
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
	.walked		= keel_host_paging_levels,
	.setup		= npt_setup,
	.leaf		= npt_leaf,
};
