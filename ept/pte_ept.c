// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entries of Intel's extended page tables (SDM volume 3, "The Extended Page Table Mechanism (EPT)"). Ordinary memory is
 * write-back whatever the guest's PAT says (IPAT), since guest and launcher share it through different mappings, unless
 * a device of the VM's does not snoop caches (PTE_MEM_GUEST); pages of devices are uncacheable. The VMX backend clears
 * .accessed where the CPU keeps no accessed and dirty flags.
 */
#include <linux/mm.h>
#include <keel/pgtable.h>
#include <asm/vmx.h>

static void ept_setup(struct pte_format *f)
{
	f->table = VMX_EPT_RWX_MASK;
}

static u64 ept_leaf(unsigned int level, u32 prot, enum pte_memtype type)
{
	u64 pte = VMX_EPT_READABLE_MASK | VMX_EPT_ACCESS_BIT;

	if (prot & PTE_WRITE)
		pte |= VMX_EPT_WRITABLE_MASK | VMX_EPT_DIRTY_BIT;
	if (prot & PTE_EXEC)
		pte |= VMX_EPT_EXECUTABLE_MASK;
	if (level > 1)
		pte = (pte | BIT_ULL(7)) & ~keel_pte_ept.split_exec;
	if (type == PTE_MEM_UC)
		return pte | VMX_EPTP_MT_UC << VMX_EPT_MT_EPTE_SHIFT;
	pte |= VMX_EPTP_MT_WB << VMX_EPT_MT_EPTE_SHIFT;
	return type == PTE_MEM_GUEST ? pte : pte | VMX_EPT_IPAT_BIT;
}

struct pte_format keel_pte_ept = {
	.name		= "ept",
	.levels		= 4,
	.max_leaf_level	= 3,
	.present	= VMX_EPT_RWX_MASK,
	.large		= BIT_ULL(7),
	.write		= VMX_EPT_WRITABLE_MASK,
	.accessed	= VMX_EPT_ACCESS_BIT,
	.address	= GENMASK_ULL(51, 12),
	.setup		= ept_setup,
	.leaf		= ept_leaf,
};
