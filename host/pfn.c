// SPDX-License-Identifier: GPL-2.0-only
/*
 * How the host maps the launcher's memory: frames without struct page, RAM or device, and the size of the mapping.
 * And the one signal that changed its arguments.
 */
#include <linux/eventfd.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <keel/host.h>
#include "keel_have.h"

void keel_host_eventfd_signal(struct eventfd_ctx *ctx)
{
#ifdef KEEL_HAVE_EVENTFD_SIGNAL_COUNT
	eventfd_signal(ctx, 1);
#else
	eventfd_signal(ctx);
#endif
}

/* -EINVAL: nothing is mapped there yet. */
static int lookup_pfn(struct vm_area_struct *vma, hva_t hva, u64 *pfn, bool *writable)
{
#ifdef KEEL_HAVE_FOLLOW_PFNMAP
	struct follow_pfnmap_args args = { .vma = vma, .address = hva };

	if (follow_pfnmap_start(&args))
		return -EINVAL;
	*pfn = args.pfn;
	*writable = args.writable;
	follow_pfnmap_end(&args);
#else
	spinlock_t *lock;
	pte_t *pte;

	if (follow_pte(vma->vm_mm, hva, &pte, &lock))
		return -EINVAL;
	*pfn = pte_pfn(*pte);
	*writable = pte_write(*pte);
	__acquire(lock);	/* for sparse: follow_pte() took it */
	pte_unmap_unlock(pte, lock);
#endif
	return 0;
}

int keel_host_follow_pfn(hva_t hva, bool want_write, u64 *pfn, bool *writable)
{
	struct vm_area_struct *vma = vma_lookup(current->mm, hva);
	bool unlocked = false;
	int ret;

	if (!vma || !(vma->vm_flags & (VM_PFNMAP | VM_IO)))
		return -EFAULT;
	if (want_write && !(vma->vm_flags & VM_WRITE))
		return -EFAULT;
	ret = lookup_pfn(vma, hva, pfn, writable);
	if (!ret && (*writable || !want_write))
		return 0;

	ret = fixup_user_fault(current->mm, hva, want_write ? FAULT_FLAG_WRITE : 0, &unlocked);
	if (unlocked)
		return -EAGAIN;		/* the mmap lock was given up: the VMA may be another */
	if (ret)
		return -EFAULT;
	ret = lookup_pfn(vma, hva, pfn, writable);
	if (ret || (want_write && !*writable))
		return -EFAULT;
	return 0;
}

bool keel_host_pfn_is_ram(u64 pfn)
{
	struct page *page = pfn_to_online_page(pfn);

	if (page)
		return !PageReserved(page) || is_zero_pfn(pfn);
	return page_is_ram(pfn);
}

int keel_host_mapping_level(struct mm_struct *mm, hva_t hva)
{
	unsigned long flags;
	int level = 1;
	pgd_t pgd;
	p4d_t p4d;
	pud_t pud;
	pmd_t pmd;

	/* With interrupts off no table can be freed under the walk: freeing them sends an IPI or waits for RCU. */
	local_irq_save(flags);
	pgd = READ_ONCE(*pgd_offset(mm, hva));
	if (pgd_none(pgd))
		goto out;
	p4d = READ_ONCE(*p4d_offset(&pgd, hva));
	if (p4d_none(p4d) || !p4d_present(p4d))
		goto out;
	pud = READ_ONCE(*pud_offset(&p4d, hva));
	if (pud_none(pud) || !pud_present(pud))
		goto out;
	if (pud_leaf(pud)) {
		level = 3;
		goto out;
	}
	pmd = READ_ONCE(*pmd_offset(&pud, hva));
	if (!pmd_none(pmd) && pmd_present(pmd) && pmd_leaf(pmd))
		level = 2;
out:
	local_irq_restore(flags);
	return level;
}
