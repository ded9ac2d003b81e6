/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shadow paging as the other rooms see it (ept/shadow*.c; Documentation/design.rst, "Shadow paging"): guests on CPUs without second-level tables,
 * or with paging=shadow.
 *
 * The backend sets CR0.PG and WP, CR4.PAE and EFER.NXE whatever the guest has, loads keel_shadow_cr3() when RG_ROOT is dirty, intercepts
 * all accesses to CR0, CR3 and CR4, INVLPG and page faults, and keeps CR0 and CR3 valid in vcpu->regs.
 */
#ifndef KEEL_SHADOW_H
#define KEEL_SHADOW_H

#include <keel/guest_access.h>
#include <keel/types.h>

/**
 * keel_paging_init() - how guests of this module will be paged
 * @has_nested: CPU and backend have second-level tables
 * @has_shadow: the backend can run guests without
 *
 * Context: the vendor's setup. Return: 0; -EINVAL for a module parameter "paging" that is none; -EOPNOTSUPP, with a line in the log, for one
 * that cannot be had.
 */
int keel_paging_init(bool has_nested, bool has_shadow);
/**
 * keel_paging_is_shadow() - are guests paged by shadow tables?
 *
 * Context: any, after keel_paging_init(). Return: the answer, the same for all VMs.
 */
bool keel_paging_is_shadow(void);

/**
 * keel_shadow_vcpu_create() - a vCPU's part, and with the first vCPU the VM's
 * @vcpu: half built
 *
 * Context: vm->lock, may sleep. Return: 0 or -ENOMEM.
 */
int keel_shadow_vcpu_create(struct vcpu *vcpu);
/**
 * keel_shadow_vcpu_destroy() - undo it
 * @vcpu: one that is half built is accepted
 *
 * Context: may sleep, no locks.
 */
void keel_shadow_vcpu_destroy(struct vcpu *vcpu);

/**
 * keel_shadow_prepare() - have the root for the registers (REQ_PAGING)
 * @vcpu: on its own thread, loaded
 *
 * At changes of control registers that paging depends on, other flushes that the guest asks for, and when the root has gone. Where there is no
 * root afterwards, also after -ENOMEM, it makes REQ_PAGING again, so that nothing is entered without one.
 * Context: may sleep, no locks. Return: 0 or -ENOMEM.
 */
int keel_shadow_prepare(struct vcpu *vcpu);
/**
 * keel_shadow_invlpg() - INVLPG
 * @vcpu: on its own thread, loaded
 * @gva: linear address
 *
 * The caller flushes the vCPU's own TLB. Context: interrupts on, no locks.
 */
void keel_shadow_invlpg(struct vcpu *vcpu, gva_t gva);
/**
 * keel_shadow_quick_load() - MOV to CR3 in long mode, where the vCPU has the root and nobody has to be waited for
 * @vcpu: on its own thread, loaded, right behind an exit
 * @cr3: what CR3 becomes; the caller writes it to vcpu->regs, without RG_CR3
 *
 * Context: interrupts may be off, no locks. Return: was it done? If not, nothing was.
 */
bool keel_shadow_quick_load(struct vcpu *vcpu, u64 cr3);
/**
 * keel_shadow_quick_invlpg() - INVLPG, where nobody has to be waited for
 * @vcpu: on its own thread, loaded, right behind an exit
 * @gva: linear address
 *
 * The vCPU's own TLB is seen to. Context: interrupts may be off, no locks. Return: was it done? If not, nothing was.
 */
bool keel_shadow_quick_invlpg(struct vcpu *vcpu, gva_t gva);
/**
 * keel_shadow_stored() - an instruction that was emulated has stored to guest memory
 * @vcpu: whose it was, on its own thread
 * @gpa: where
 * @len: bytes, in one page; they are in memory
 *
 * Context: interrupts on, no locks.
 */
void keel_shadow_stored(struct vcpu *vcpu, gpa_t gpa, unsigned int len);
/**
 * keel_shadow_cr3() - what the CPU's CR3 must be
 * @vcpu: on its own thread, after keel_shadow_prepare()
 *
 * Context: any. Return: physical address of the root.
 */
hpa_t keel_shadow_cr3(struct vcpu *vcpu);

enum shadow_result {
	SHADOW_MAPPED,		/* enter the guest again */
	SHADOW_TRUE_FAULT,	/* the guest's: inject #PF with walk.error */
	SHADOW_MMIO,		/* no slot at walk.gpa: emulate */
	SHADOW_MMIO_RO,		/* a write to a read-only slot: emulate */
	SHADOW_EMULATE,		/* a store to a guest table: emulate, then keel_shadow_stored(), or let it go by keel_shadow_untrace() */
	SHADOW_EMULATE_ONLY,	/* the same where letting it go is of no use */
	SHADOW_RELOAD,		/* the root has gone: keel_shadow_prepare(), then enter again */
	SHADOW_NO_TABLE,	/* one of the guest's tables is in no memory */
	/* negative errno: as of keel_memory_fault() */
};

/**
 * keel_shadow_fault() - a page fault of the guest
 * @vcpu: on its own thread, loaded
 * @gva: faulting address
 * @access: WALK_*
 * @walk: error code, or the address to emulate at
 *
 * Context: may sleep, no locks. Return: enum shadow_result or negative errno.
 */
int keel_shadow_fault(struct vcpu *vcpu, gva_t gva, u32 access, struct walk *walk);
/**
 * keel_shadow_untrace() - let a store through that cannot be emulated: what was a page table is none any more
 * @vm: the machine
 * @gpa: where
 *
 * Context: interrupts on, no locks.
 */
void keel_shadow_untrace(struct vm *vm, gpa_t gpa);

#endif
