// SPDX-License-Identifier: GPL-2.0-only
/* The second-level tables on behalf of the other files: a VM's are made, visits in steps, the root. */
#include <linux/io.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include "shadow.h"

/* Frames handled under one hold of memory.lock. */
#define VISIT_STEP	(1ull << 18)

static const struct pte_format *table_format;
static u64 *empty_root;

int memory_root_init(const struct pte_format *format)
{
	table_format = format;
	empty_root = pgtable_alloc_pages(1);
	return empty_root ? 0 : -ENOMEM;
}

void memory_root_exit(void)
{
	pgtable_free_pages(empty_root);
	empty_root = NULL;
}

int memory_table_create(struct vm *vm)
{
	struct pgtable *pt;

	if (vm->mem.table)
		return 0;
	pt = kzalloc(sizeof(*pt), GFP_KERNEL_ACCOUNT);
	if (!pt)
		return -ENOMEM;
	pt->format = table_format;
	pt->stats = &vm->stats;
	/* vCPUs may be there, and look under the lock or without: they see it complete */
	smp_store_release(&vm->mem.table, pt);
	return 0;
}

/**
 * keel_memory_root() - the second-level root a vCPU must use now
 * @vcpu: on its own thread
 *
 * Before the first mapping that is an empty table shared by all VMs. Changes are told by REQ_ROOT.
 * Context: any. Return: physical address.
 */
hpa_t keel_memory_root(struct vcpu *vcpu)
{
	struct pgtable *pt = READ_ONCE(vcpu->vm->mem.table);
	u64 *root = pt ? READ_ONCE(pt->root) : NULL;

	return virt_to_phys(root ?: empty_root);
}

void memory_visit(struct vm *vm, gfn_t gfn, gfn_t end, pt_visitor visit, shadow_visitor shadow_visit)
{
	struct memory *mem = &vm->mem;
	struct pt_update up = {};
	gfn_t next;

	for (; gfn < end; gfn = next) {
		next = min(end, (gfn | (VISIT_STEP - 1)) + 1);
		spin_lock(&mem->lock);
		visit(mem->table, gfn, next, &up);
		if (unlikely(mem->table->shadow))
			shadow_visit(mem->table->shadow, gfn, next, &up);
		memory_flush(vm, &up);
		spin_unlock(&mem->lock);
		pgtable_free_pages(up.dead);
		up.dead = NULL;
		cond_resched();
	}
}

void memory_protect_mask(struct memory *mem, gfn_t gfn, u64 mask, struct pt_update *up)
{
	pgtable_protect_mask(mem->table, gfn, mask, up);
	if (unlikely(mem->table->shadow))
		shadow_protect_mask(mem->table->shadow, gfn, mask, up);
}

void keel_memory_guest_types(struct vm *vm, bool on)
{
	struct memory *mem = &vm->mem;
	struct memslots *slots;
	unsigned int i;

	mutex_lock(&mem->slots_lock);
	spin_lock(&mem->lock);
	mem->guest_types = on;
	spin_unlock(&mem->lock);
	slots = mem_slots_locked(mem);
	/* what is mapped has the other type */
	for (i = 0; slots && i < slots->count; i++)
		memory_visit(vm, slots->slot[i]->base, slots->slot[i]->base + slots->slot[i]->npages, pgtable_unmap,
			     shadow_unmap);
	mutex_unlock(&mem->slots_lock);
}

int memory_top_up(struct memory *mem, unsigned int n)
{
	u64 *list = pgtable_alloc_pages(n);

	if (!list)
		return -ENOMEM;
	spin_lock(&mem->lock);
	pgtable_fill(mem->table, list, n);
	spin_unlock(&mem->lock);
	return 0;
}
