// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host page behind a launcher address: read from the launcher's own page tables, no reference taken.
 *
 * Why that is sound: whoever takes a page away from the launcher, moves it or write-protects it, calls the MMU notifier
 * before it touches the entry, and the notifier takes memory.lock. So while memory.lock is held and no invalidation of
 * the address is active, a present entry and the table it lies in stay as they are. Reaching that table needs
 * interrupts off, as in the kernel's own lockless walks: tables are freed only after every CPU had them on.
 *
 * Frames without struct page (VM_PFNMAP, VM_IO) need no path of their own: their entries are in the same tables, and the
 * notifier tells when they go.
 */
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/sched/signal.h>
#include <asm/mmu_context.h>
#include "ept.h"

/* A large entry, or a special one, may map a device; then it is to be uncached. */
static enum pte_memtype pfn_memtype(u64 pfn)
{
	return keel_host_pfn_is_ram(pfn) ? PTE_MEM_WB : PTE_MEM_UC;
}

/*
 * A page the guest may write is dirty from now on: the host cleans it only after removing it from the guest. With a dirty
 * host entry the page becomes dirty by itself when that entry goes.
 */
static void mark_page_dirty(u64 pfn)
{
	if (pfn_valid(pfn) && !PageReserved(pfn_to_page(pfn)))
		SetPageDirty(pfn_to_page(pfn));
}

static bool lookup_large(u64 pfn, unsigned int level, bool writable, bool dirty, struct host_page *page)
{
	page->pfn = pfn;
	page->level = level;
	page->writable = writable;
	page->type = pfn_memtype(pfn);
	page->entry = NULL;
	if (writable && !dirty && page->type == PTE_MEM_WB)
		mark_page_dirty(pfn);
	return true;
}

static bool lookup_small(const pte_t *entry, bool write, struct host_page *page)
{
	u64 pte = native_pte_val(READ_ONCE(*entry));

	page->writable = __pte_access_permitted(pte, true);
	if (!page->writable && (write || !__pte_access_permitted(pte, false)))
		return false;
	page->pfn = (pte & PTE_PFN_MASK) >> PAGE_SHIFT;
	page->level = 1;
	page->type = unlikely(pte & _PAGE_SPECIAL) ? pfn_memtype(page->pfn) : PTE_MEM_WB;
	page->entry = entry;
	if (page->writable && !(pte & _PAGE_DIRTY) && page->type == PTE_MEM_WB)
		mark_page_dirty(page->pfn);
	return true;
}

static noinline bool lookup_pud(pud_t pud, hva_t hva, bool write, struct host_page *page)
{
	return pud_access_permitted(pud, write) &&
	       lookup_large(pud_pfn(pud) + ((hva & ~PUD_MASK) >> PAGE_SHIFT), 3, pud_access_permitted(pud, true),
			    pud_flags(pud) & _PAGE_DIRTY, page);
}

static noinline bool lookup_pmd(pmd_t pmd, hva_t hva, bool write, struct host_page *page)
{
	return pmd_access_permitted(pmd, write) &&
	       lookup_large(pmd_pfn(pmd) + ((hva & ~PMD_MASK) >> PAGE_SHIFT), 2, pmd_access_permitted(pmd, true),
			    pmd_flags(pmd) & _PAGE_DIRTY, page);
}

/* The top entry where the host has five levels; none reads as none. */
static noinline u64 read_p4d(pgd_t pgd, hva_t hva)
{
	return pgd_none(pgd) ? 0 : native_p4d_val(READ_ONCE(*p4d_offset(&pgd, hva)));
}

/* @val: of an entry that points to a table */
static __always_inline void *table_at(u64 val)
{
	return __va(val & PTE_PFN_MASK);
}

/*
 * Entries are read once and go on by value, as the CPU reads them: the kernel's own accessors (pud_val()) ask a paravirtual host first, which
 * has none of the hardware that this module is for.
 */
bool host_page_lookup(struct mm_struct *mm, hva_t hva, bool write, struct host_page *page)
{
	pgd_t pgd = READ_ONCE(*pgd_offset(mm, hva));
	u64 val = pgtable_l5_enabled() ? read_p4d(pgd, hva) : native_pgd_val(pgd);
	pud_t pud;
	pmd_t pmd;

	if (!(val & _PAGE_PRESENT))
		return false;
	pud = READ_ONCE(((pud_t *)table_at(val))[pud_index(hva)]);
	val = native_pud_val(pud);
	if (!(val & _PAGE_PRESENT))
		return false;
	if (unlikely(val & _PAGE_PSE))
		return lookup_pud(pud, hva, write, page);
	pmd = READ_ONCE(((pmd_t *)table_at(val))[pmd_index(hva)]);
	val = native_pmd_val(pmd);
	if (!(val & _PAGE_PRESENT))
		return false;
	if (val & _PAGE_PSE)
		return lookup_pmd(pmd, hva, write, page);
	return lookup_small((pte_t *)table_at(val) + pte_index(hva), write, page);
}

/* One attempt; @flags carries FAULT_FLAG_TRIED to the next. -EAGAIN: try again. The mmap lock is not held afterwards. */
static int fault_in_once(struct mm_struct *mm, hva_t hva, unsigned int *flags)
{
	bool write = *flags & FAULT_FLAG_WRITE;
	struct vm_area_struct *vma;
	vm_fault_t fault;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	vma = vma_lookup(mm, hva);
	if (!vma || !(vma->vm_flags & (write ? VM_WRITE : VM_READ)) ||
	    !arch_vma_access_permitted(vma, write, false, false)) {
		mmap_read_unlock(mm);
		return -EFAULT;
	}
	fault = handle_mm_fault(vma, hva, *flags, NULL);
	if (fault & VM_FAULT_COMPLETED)
		return 0;
	if (fault & VM_FAULT_RETRY) {
		*flags |= FAULT_FLAG_TRIED;
		return signal_pending(current) ? -EINTR : -EAGAIN;
	}
	mmap_read_unlock(mm);
	return fault & VM_FAULT_ERROR ? vm_fault_to_errno(fault, FOLL_HWPOISON) : 0;
}

int host_page_fault_in(struct mm_struct *mm, hva_t hva, bool write)
{
	unsigned int flags = FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE | FAULT_FLAG_INTERRUPTIBLE;
	int ret;

	if (write)
		flags |= FAULT_FLAG_WRITE;
	do {
		ret = fault_in_once(mm, hva, &flags);
	} while (ret == -EAGAIN);
	return ret;
}
