// SPDX-License-Identifier: GPL-2.0-only
/*
 * The frames of local APICs in the second-level tables.
 *
 * An access to the page that a vCPU's IA32_APIC_BASE names reaches its local APIC, whatever the launcher has put there (SDM, "Relocating
 * the Local APIC Registers"). All vCPUs of a VM run on the same tables, so such a frame is never mapped from a slot: a fault
 * there is emulated, by the APIC for its own vCPU and with the slot's memory for others (core/emulator_access.c). The fault path asks
 * apic_frames_in() before it maps; a vCPU whose APIC comes to a frame, or is turned on there, removes what was mapped before its guest's
 * next instruction (REQ_APIC_BASE).
 *
 * The one thing that may be mapped there is the page by which a CPU recognises accesses to an APIC that it works on by itself.
 */
#include <keel/request.h>
#include "shadow.h"

bool apic_moved_in(struct vm *vm, gfn_t first, gfn_t last)
{
	struct vcpu *vcpu;
	unsigned long i;

	vm_for_each_vcpu(vm, i, vcpu) {
		if (vcpu->apic.frame - first <= last - first)
			return true;
	}
	return false;
}

static void clip(gfn_t frame, gfn_t gfn, gfn_t *first, gfn_t *last)
{
	if (frame <= gfn)
		*first = max(*first, frame + 1);
	else
		*last = min(*last, frame - 1);
}

/* One pass, however many APICs a guest has put side by side. */
void apic_clip(struct vm *vm, gfn_t gfn, gfn_t *first, gfn_t *last)
{
	struct vcpu *vcpu;
	unsigned long i;

	if (vm->mem.apics_usual)
		clip(APIC_GFN, gfn, first, last);
	if (likely(!vm->mem.apics_moved))
		return;
	vm_for_each_vcpu(vm, i, vcpu) {
		if (vcpu->apic.frame != NO_FRAME)
			clip(vcpu->apic.frame, gfn, first, last);
	}
}

/* @n more vCPUs have their APIC at @frame. memory.lock held. */
static void apic_count(struct memory *mem, gfn_t frame, int n)
{
	if (frame == APIC_GFN)
		mem->apics_usual += n;
	else if (frame != NO_FRAME)
		mem->apics_moved += n;
}

void keel_memory_apic_claim(struct vcpu *vcpu, gpa_t page)
{
	gfn_t frame = page == KEEL_INVALID_GPA ? NO_FRAME : gpa_to_gfn(page);
	struct memory *mem = &vcpu->vm->mem;
	struct pt_update up = {};

	if (frame == vcpu->apic.frame)
		return;
	spin_lock(&mem->lock);
	apic_count(mem, vcpu->apic.frame, -1);
	vcpu->apic.frame = NO_FRAME;
	/* where another one is nothing can be mapped but the page that the CPU recognises */
	if (frame != NO_FRAME && mem->table && !apic_frames_in(vcpu->vm, frame, frame)) {
		pgtable_unmap(mem->table, frame, frame + 1, &up);
		if (unlikely(mem->table->shadow))
			shadow_unmap(mem->table->shadow, frame, frame + 1, &up);
		memory_flush(vcpu->vm, &up);
	}
	vcpu->apic.frame = frame;
	apic_count(mem, frame, 1);
	spin_unlock(&mem->lock);
	pgtable_free_pages(up.dead);
}

/* ---- the page that a CPU recognises ---- */

/* One try; memory.lock held. -EAGAIN: pages for tables are lacking. */
static int map_apic(struct vm *vm, hpa_t page, struct pt_update *up)
{
	struct pgtable *pt = vm->mem.table;
	bool new_root;
	u64 *entry, pte;

	if (!pt || vm->mem.apic_blocked)
		return -EBUSY;
	new_root = !pt->root;
	entry = pgtable_entry(pt, APIC_GFN, 1, up);
	if (!entry)
		return -EAGAIN;
	if (new_root)
		keel_vm_request(vm, REQ_ROOT, 0);
	pte = page | pt->format->leaf(1, PTE_READ | PTE_WRITE, PTE_MEM_WB);
	/* a slot may lie there as well, its page mapped while no APIC was there */
	if (READ_ONCE(*entry) != pte)
		pgtable_unmap(pt, APIC_GFN, APIC_GFN + 1, up);
	pgtable_set_leaf(pt, entry, 1, pte);
	memory_flush(vm, up);
	return 0;
}

int keel_memory_apic_map(struct vm *vm, hpa_t page)
{
	struct memory *mem = &vm->mem;
	struct pt_update up = {};
	unsigned int wanted;
	int ret;

	do {
		spin_lock(&mem->lock);
		ret = map_apic(vm, page, &up);
		wanted = ret == -EAGAIN ? mem->table->wanted : 0;
		spin_unlock(&mem->lock);
		if (up.dead)
			pgtable_free_pages(up.dead);
		up.dead = NULL;
	} while (wanted && !(ret = memory_top_up(mem, wanted)));
	return ret;
}

void keel_memory_apic_block(struct vm *vm)
{
	struct memory *mem = &vm->mem;
	struct pt_update up = {};

	spin_lock(&mem->lock);
	WRITE_ONCE(mem->apic_blocked, mem->apic_blocked + 1);
	if (mem->apic_blocked == 1 && mem->table) {
		pgtable_unmap(mem->table, APIC_GFN, APIC_GFN + 1, &up);
		memory_flush(vm, &up);
	}
	spin_unlock(&mem->lock);
	pgtable_free_pages(up.dead);
}

void keel_memory_apic_unblock(struct vm *vm)
{
	struct memory *mem = &vm->mem;

	spin_lock(&mem->lock);
	WRITE_ONCE(mem->apic_blocked, mem->apic_blocked - 1);
	spin_unlock(&mem->lock);
}
