// SPDX-License-Identifier: GPL-2.0-only
/*
 * Second-level faults.
 *
 * A fault is one pass under memory.lock: slot, the host's own entry (hostpage.c), our entry. What is lacking, the host
 * page or pages for tables, is fetched without the lock and the pass made again. Where we map 4K pages, the pass also
 * maps the neighbours it finds there ready to use, so that touching memory in order faults once for many pages.
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <keel/exit.h>
#include <keel/request.h>
#include "ept.h"

static unsigned int fault_around = 32;
module_param(fault_around, uint, 0644);
MODULE_PARM_DESC(fault_around, "4K pages mapped at one fault where the host has them present (1 to 512, default 32). "
		 "Unless it is 1, 512 of a huge page that guest and host do not have aligned alike");

/* Passes of one fault before the guest is entered again, to fault again, with signals and rescheduling looked at. */
#define FAULT_PASSES	8

enum fault_step {
	STEP_MAPPED,
	STEP_MMIO,
	STEP_MMIO_RO,
	STEP_HOST,	/* fault_req.hva must be made present */
	STEP_TABLES,	/* the reserve is short of pgtable.wanted pages */
	STEP_BUSY,	/* the host is changing this address */
};

/**
 * struct fault_req - one fault
 * @gfn: faulting frame
 * @hva: its address in the launcher, once the slot was found
 * @write: write access
 * @fetch: instruction fetch
 * @around: map the neighbours too. Not after a small host page had to be fetched: these then are not there either
 * @wanted: pages for tables that were lacking
 */
struct fault_req {
	gfn_t gfn;
	hva_t hva;
	bool write;
	bool fetch;
	bool around;
	unsigned int wanted;
};

/* Largest leaf that lies wholly in the slot, with guest and host addresses alike in its low bits and no local APIC in it. */
static unsigned int leaf_level(struct vm *vm, const struct memslot *slot, const struct fault_req *req, unsigned int host_level)
{
	const struct pgtable *pt = vm->mem.table;
	unsigned int level;

	if (host_level == 1 || slot->dirty)
		return 1;
	level = min_t(unsigned int, host_level, pt->format->max_leaf_level);
	for (; level > 1; level--) {
		gfn_t mask = pt_span(level) - 1, base = req->gfn & ~mask;

		if (base >= slot->base && base + mask < slot->base + slot->npages &&
		    !(((req->hva >> PAGE_SHIFT) ^ req->gfn) & mask) && !apic_frames_in(vm, base, base + mask))
			break;
	}
	/* what is split for the guest's code stays so: whole again it could not be executed, and two such places could take turns */
	if (pt->format->split_exec)
		while (level > 1 && pgtable_has_table(pt, req->gfn, level))
			level--;
	return level;
}

/**
 * struct window - the frames that one fault may map
 * @first: lowest frame; above @last for none
 * @last: highest frame
 */
struct window {
	gfn_t first, last;
};

unsigned int memory_fault_around(void)
{
	return rounddown_pow_of_two(clamp(READ_ONCE(fault_around), 1u, PT_ENTRIES));
}

/* What of the table of @gfn is mapped around it: in the slot, and up to the next local APIC on either side. */
static struct window around_window(struct vm *vm, const struct memslot *slot, gfn_t gfn, const struct host_page *page)
{
	gfn_t limit = memory_fault_around();
	gfn_t size = page->entry || limit == 1 ? limit : PT_ENTRIES;
	struct window w = {
		.first	= max(gfn & ~(size - 1), slot->base),
		.last	= min(gfn | (size - 1), slot->base + slot->npages - 1),
	};

	if (unlikely(apic_frames_in(vm, w.first, w.last)))
		apic_clip(vm, gfn, &w.first, &w.last);
	return w;
}

/*
 * Map the neighbours in one table that the host has present. @entry and @page are of the page at @gfn, which need not be mapped. What
 * lies in 2 MB of a large page of the host's comes and goes together and is mapped whole; a large page that is writable was made so
 * (hostpage.c). Neighbours count as not accessed.
 */
static unsigned int map_around(struct vm *vm, const struct memslot *slot, gfn_t gfn, u64 *entry, const struct host_page *page)
{
	struct pgtable *pt = vm->mem.table;
	const struct pte_format *f = pt->format;
	bool write = (!slot->dirty || f->dirty) && !(slot->flags & KVM_MEM_READONLY);
	u64 clear = f->accessed | (slot->dirty ? f->dirty : 0);
	enum pte_memtype type = ram_type(&vm->mem);
	u64 ro = f->leaf(1, PTE_READ | PTE_EXEC, type) & ~f->accessed;
	u64 rw = write ? f->leaf(1, PTE_READ | PTE_WRITE | PTE_EXEC, type) & ~clear : ro;
	struct window w = around_window(vm, slot, gfn, page);
	u64 index = page->entry ? offset_in_page(page->entry) / sizeof(pte_t) : page->pfn & (PT_ENTRIES - 1);
	u64 below = min(index, gfn - w.first);
	u64 *end = entry + min(PT_ENTRIES - 1 - index, w.last - gfn);
	u64 pte = (page->pfn - below) << PAGE_SHIFT | (page->writable ? rw : ro);
	/* in a register, not read for each of them */
	const u64 frame = PTE_PFN_MASK;
	const pte_t *host = page->entry;
	bool is_large = !host;
	unsigned int mapped = 0;

	/* not even the page at @gfn */
	if (unlikely(w.first > gfn))
		return 0;
	entry -= below;
	if (is_large) {
		for (; entry <= end; entry++, pte += PAGE_SIZE) {
			if (pte_is_present(f, *entry))
				continue;
			WRITE_ONCE(*entry, pte);
			mapped++;
		}
	} else {
		for (host -= below; entry <= end; entry++, host++) {
			u64 h = native_pte_val(READ_ONCE(*host));

			if (pte_is_present(f, *entry) || !__pte_access_permitted(h, false) || h & _PAGE_SPECIAL)
				continue;
			/* guest writes need no care where the host's entry is dirty already */
			WRITE_ONCE(*entry, (h & frame) | ((h & (_PAGE_RW | _PAGE_DIRTY)) == (_PAGE_RW | _PAGE_DIRTY) ? rw : ro));
			mapped++;
		}
	}
	pt->stats->pages_4k += mapped;
	return mapped;
}

/*
 * Where guest and host do not have it aligned alike, 2 MB of a large page of the host's lie in two tables: map the part that lies in
 * the table next to that of @gfn. False: pages for that table are lacking.
 */
static bool map_beyond(struct vcpu *vcpu, const struct memslot *slot, gfn_t gfn, const struct host_page *page, struct pt_update *up)
{
	struct pgtable *pt = vcpu->vm->mem.table;
	gfn_t offset = gfn & (PT_ENTRIES - 1), index = page->pfn & (PT_ENTRIES - 1);
	gfn_t other = gfn - offset + (offset < index ? -1 : PT_ENTRIES);
	struct host_page there = *page;
	u64 *entry;

	if (offset == index || other - slot->base >= slot->npages || READ_ONCE(fault_around) <= 1)
		return true;
	entry = pgtable_entry(pt, other, 1, up);
	if (!entry)
		return false;
	there.pfn += other - gfn;
	vcpu->stats.pf_around += map_around(vcpu->vm, slot, other, entry, &there);
	return true;
}

/* Write our entry for a host page that was found. */
static enum fault_step map_page(struct vcpu *vcpu, struct fault_req *req, const struct memslot *slot,
				const struct host_page *page, struct pt_update *up)
{
	struct pgtable *pt = vcpu->vm->mem.table;
	const struct pte_format *f = pt->format;
	unsigned int level = leaf_level(vcpu->vm, slot, req, page->level);
	bool new_root = !pt->root, is_new, around;
	u32 prot = PTE_READ | PTE_EXEC;
	u64 *entry, pte;
	u64 pfn = page->pfn & ~(pt_span(level) - 1);

	entry = pgtable_entry(pt, req->gfn, level, up);
	if (!entry) {
		req->wanted = pt->wanted;
		return STEP_TABLES;
	}
	if (new_root)
		keel_vm_request(vcpu->vm, REQ_ROOT, 0);
	if (unlikely(up->flush))
		memory_flush(vcpu->vm, up);
	if (req->write)
		slot_mark_dirty(vcpu->vm, vcpu, slot, req->gfn);
	pte = READ_ONCE(*entry);
	is_new = !pte_is_present(f, pte);
	/* another vCPU was here; a permission given must not be taken back without a flush */
	if (!is_new && (!req->write || pte & f->write))
		return STEP_MAPPED;
	/* one that was there for reading only has had its turn */
	around = level == 1 && (page->entry ? req->around : is_new) && page->type == PTE_MEM_WB &&
		 !vcpu->vm->mem.notifier->active;
	if (around && !page->entry && !map_beyond(vcpu, slot, req->gfn, page, up)) {
		req->wanted = pt->wanted;
		return STEP_TABLES;
	}
	if (page->writable && !(slot->flags & KVM_MEM_READONLY) && (!slot->dirty || req->write || f->dirty))
		prot |= PTE_WRITE;
	pte = pfn << PAGE_SHIFT | f->leaf(level, prot, page->type == PTE_MEM_WB ? ram_type(&vcpu->vm->mem) : page->type);
	/* the CPU logs the first write */
	if (slot->dirty && !req->write)
		pte &= ~f->dirty;
	pgtable_set_leaf(pt, entry, level, pte);
	vcpu->stats.pf_fixed++;
	if (around)
		vcpu->stats.pf_around += map_around(vcpu->vm, slot, req->gfn, entry, page);
	return STEP_MAPPED;
}

/* The guest wants to execute in what map_page() has mapped: 4K leaves in place of a large one that is not executable. */
static enum fault_step split_for_fetch(struct vcpu *vcpu, struct fault_req *req, struct pt_update *up)
{
	struct pgtable *pt = vcpu->vm->mem.table;

	if (!pgtable_entry(pt, req->gfn, 1, up)) {
		req->wanted = pt->wanted;
		return STEP_TABLES;
	}
	memory_flush(vcpu->vm, up);
	return STEP_MAPPED;
}

/* One pass; memory.lock held. */
static enum fault_step fault_pass(struct vcpu *vcpu, struct fault_req *req, struct pt_update *up)
{
	struct memory *mem = &vcpu->vm->mem;
	struct memslot *slot = vcpu_find_slot(vcpu, mem_slots_locked(mem), req->gfn);
	enum fault_step step;
	struct host_page page __uninitialized;	/* the lookup writes all of it */
	bool found;

	/* the local APIC of some vCPU is there: who has another one, or none, is given the memory by the emulator */
	if (!slot || unlikely(apic_frames_in(vcpu->vm, req->gfn, req->gfn)))
		return STEP_MMIO;
	if (req->write && slot->flags & KVM_MEM_READONLY)
		return STEP_MMIO_RO;
	req->hva = slot_hva(slot, req->gfn);
	if (memory_invalidating(mem, req->hva))
		return STEP_BUSY;
	local_irq_disable();
	found = host_page_lookup(vcpu->vm->mm, req->hva, req->write, &page);
	local_irq_enable();
	if (!found)
		return STEP_HOST;
	step = map_page(vcpu, req, slot, &page, up);
	if (step == STEP_MAPPED && req->fetch && mem->table->format->split_exec)
		step = split_for_fetch(vcpu, req, up);
	return step;
}

int keel_memory_fault(struct vcpu *vcpu, gpa_t gpa, u32 access)
{
	struct fault_req req = {
		.gfn	= gpa_to_gfn(gpa),
		.write	= access & FAULT_WRITE,
		.fetch	= access & FAULT_FETCH,
		.around	= true,
	};
	struct memory *mem = &vcpu->vm->mem;
	struct pt_update up = {};
	unsigned int pass;
	int ret;

	/* our own entries never have reserved bits set */
	if (unlikely(access & FAULT_RESERVED))
		return -EIO;
	for (pass = 0; pass < FAULT_PASSES; pass++) {
		spin_lock(&mem->lock);
		ret = fault_pass(vcpu, &req, &up);
		spin_unlock(&mem->lock);
		if (unlikely(up.dead)) {
			pgtable_free_pages(up.dead);
			up.dead = NULL;
		}
		switch (ret) {
		case STEP_MAPPED:
			return FAULT_MAPPED;
		case STEP_MMIO:
			return FAULT_MMIO;
		case STEP_MMIO_RO:
			return FAULT_MMIO_RO;
		case STEP_BUSY:
			cond_resched();
			return FAULT_MAPPED;
		case STEP_HOST:
			ret = host_page_fault_in(vcpu->vm->mm, req.hva, req.write);
			req.around = false;
			if (ret == -EHWPOISON) {
				/* the launcher learns the address by the signal, which also ends KVM_RUN */
				send_sig_mceerr(BUS_MCEERR_AR, (void __user *)req.hva, PAGE_SHIFT, current);
				return FAULT_MAPPED;
			}
			break;
		default:
			ret = memory_top_up(mem, req.wanted);
			break;
		}
		if (ret)
			return ret;
	}
	return FAULT_MAPPED;
}
