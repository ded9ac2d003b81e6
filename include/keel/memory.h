/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest memory: slots, the paging engine behind them, access by the module, dirty logging (ept/).
 *
 * A slot maps guest frames to the launcher's address space. Slots are immutable objects in a sorted array published by RCU:
 * readers (also with interrupts off) look up under RCU; writers replace the array under memory.slots_lock. A fault
 * takes memory.lock, looks up the slot and the host's own page-table entry, and maps what that says. It needs no page
 * reference: whoever changes the host's entry must first get through the MMU notifier, which takes memory.lock too.
 *
 * memory.lock is only ever taken with interrupts on: its holder may wait for other CPUs to leave guest mode.
 */
#ifndef KEEL_MEMORY_H
#define KEEL_MEMORY_H

#include <linux/interval_tree.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>
#include <uapi/linux/kvm.h>
#include <keel/types.h>

struct memslot {
	gfn_t base;
	u64 npages;
	hva_t hva;
	u32 id;
	u32 flags;			/* KVM_MEM_* */
	unsigned long *dirty;		/* bitmap while KVM_MEM_LOG_DIRTY_PAGES; set_bit from any context. With rings two of them */
	bool dirty_moved;		/* a successor owns the bitmaps */
	struct interval_tree_node by_hva;	/* in memory_notifier.by_hva while published */
	struct rcu_head rcu;
};

struct memslots {
	u64 generation;			/* another after every change, never 0 */
	unsigned int count;		/* grows in place when a slot is added behind all others: read it with acquire */
	unsigned int capacity;
	struct rcu_head rcu;
	struct memslot *slot[];		/* sorted by base, no overlaps */
};

struct pgtable;
struct memory_notifier;

/**
 * struct memory - guest memory of one VM
 * @slots: current slots; RCU; published under @slots_lock and @lock. NULL until the first slot.
 * @slots_lock: serialises slot changes and dirty-log reads; outside @lock
 * @ids: slot number -> slot; @slots_lock
 * @users: held for reading by accesses that sleep with a slot's address in hand; removing a slot waits for them
 * @lock: second-level tables, dirty protection, what the MMU notifier changes
 * @table: the VM's second-level tables, from the first slot on, with shadow paging from the first vCPU on; the engine allows for more than one root (views, shadow)
 * @notifier: registered with the first slot
 * @apics_usual: vCPUs whose local APIC here is at its usual address; @lock
 * @apics_moved: and elsewhere (vcpu.apic.frame); @lock
 * @apic_blocked: vCPUs that must not find the page of accelerated APIC accesses mapped; changed under @lock
 * @guest_types: the guest's own memory types count; changed under @lock
 * @logging: some slot is or was logged: vCPUs empty the CPU's log of writes (vendor_ops.dirty_flush). Set once, read locklessly
 * @manual_protect: KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 flags
 * @ring_order: log2 of the entries of each vCPU's dirty ring, 0: none (keel/dirty_ring.h); changed under @slots_lock before there are vCPUs
 * @ring_bitmap: what is in no ring is for KVM_GET_DIRTY_LOG; the same
 * @ring_left: some page is to come into a ring yet; read locklessly
 */
struct memory {
	struct memslots __rcu *slots;
	struct mutex slots_lock;
	struct xarray ids;
	struct rw_semaphore users;
	struct pgtable *table;
	struct memory_notifier *notifier;
	spinlock_t lock;
	u16 apics_usual, apics_moved;
	u16 apic_blocked;
	bool guest_types;
	bool logging;
	u8 manual_protect;
	u8 ring_order;
	bool ring_bitmap;
	bool ring_left;
};

/**
 * keel_memory_init() - guest memory of a new VM, without a slot
 * @vm: the machine
 *
 * Cheap: the rest is made with the first slot. Context: any.
 */
void keel_memory_init(struct vm *vm);
/**
 * keel_memory_destroy() - free slots and second-level tables
 * @vm: the machine; no vCPU runs any more. One that is half built is accepted
 *
 * Context: may sleep, no locks.
 */
void keel_memory_destroy(struct vm *vm);

/**
 * keel_memory_set_region() - KVM_SET_USER_MEMORY_REGION: create, move, change or delete a slot
 * @vm: the machine
 * @region: kernel copy of the launcher's argument
 *
 * When a deletion or a move returns nothing uses the old address any more.
 * Context: the creator's thread group, may sleep; takes slots_lock.
 * Return: 0; -EINVAL (alignment, range, flags, an unknown slot, a change that is none of these), -EEXIST (overlap), -ENOMEM, -EINTR.
 */
int keel_memory_set_region(struct vm *vm, const struct kvm_userspace_memory_region *region);
/**
 * keel_memory_copy_slots() - the slots of another VM, at the same user addresses of current->mm; nothing is mapped, no page dirty
 * @to: the machine, new
 * @from: the other
 *
 * Context: may sleep; takes slots_lock of one after the other. Return: 0; -ENOMEM, -EINTR.
 */
int keel_memory_copy_slots(struct vm *to, struct vm *from);
/**
 * keel_memory_guest_types() - cache the guest's memory as the guest says, or write-back throughout
 * @vm: the machine
 * @on: as the guest says: its PAT
 *
 * On SVM the guest's PAT counts always (APM volume 2, "Combining Memory Types, MTRRs"). Context: may sleep; takes slots_lock.
 */
void keel_memory_guest_types(struct vm *vm, bool on);
/**
 * keel_memory_get_dirty_log() - KVM_GET_DIRTY_LOG
 * @vm: the machine
 * @log: kernel copy of the launcher's argument; the bitmap goes to @log->dirty_bitmap
 *
 * Context: may sleep; takes slots_lock. Return: 0; -EINVAL, -ENOENT (no such slot, or it is not logged), -ENXIO (rings without bitmaps), -EFAULT, -ENOMEM.
 */
int keel_memory_get_dirty_log(struct vm *vm, struct kvm_dirty_log *log);
/**
 * keel_memory_clear_dirty_log() - KVM_CLEAR_DIRTY_LOG
 * @vm: the machine
 * @log: kernel copy of the launcher's argument; the bitmap is at @log->dirty_bitmap
 *
 * Context: may sleep; takes slots_lock. Return: 0; -EINVAL, -ENOENT (no such slot, or it is not logged), -ENXIO (rings without bitmaps), -EFAULT, -ENOMEM.
 */
int keel_memory_clear_dirty_log(struct vm *vm, struct kvm_clear_dirty_log *log);

/* ---- faults --------------------------------------------------------------------------------------------------- */

enum fault_result {
	FAULT_MAPPED,		/* enter the guest again */
	FAULT_MMIO,		/* no slot, or a local APIC's page: emulate */
	FAULT_MMIO_RO,		/* write to a read-only slot: emulate, the write goes to user space */
	/* negative errno: -EFAULT host page not to be had, -EINTR signal, -ENOMEM */
};

/**
 * keel_memory_fault() - resolve a second-level fault
 * @vcpu: faulting vCPU
 * @gpa: faulting address
 * @access: FAULT_* of exit.h
 *
 * Maps the page and, where the host has neighbours mapped, these too; uses 2M and 1G entries where host memory is
 * huge. A poisoned page sends SIGBUS (BUS_MCEERR_AR) to the thread, as KVM does.
 * Context: the vCPU's own thread, may sleep, interrupts on, no locks.
 * Return: enum fault_result or negative errno.
 */
int keel_memory_fault(struct vcpu *vcpu, gpa_t gpa, u32 access);

/**
 * keel_memory_has_slot() - is there a slot at an address?
 * @vcpu: on its own thread
 * @gpa: guest physical address
 *
 * Context: any. Return: the answer; a slot may come or go at any time.
 */
bool keel_memory_has_slot(struct vcpu *vcpu, gpa_t gpa);
/**
 * keel_memory_is_writable() - is there one that is not read-only?
 * @vcpu: on its own thread
 * @gpa: guest physical address
 *
 * Context: any. Return: the answer.
 */
bool keel_memory_is_writable(struct vcpu *vcpu, gpa_t gpa);
/**
 * keel_memory_is_hole() - is there none? For device accesses, which hit the same hole again and again
 * @vcpu: on its own thread
 * @gpa: guest physical address
 *
 * Context: interrupts off. Return: the answer.
 */
bool keel_memory_is_hole(struct vcpu *vcpu, gpa_t gpa);

/**
 * keel_memory_apic_claim() - the local APIC of a vCPU is at another address, or at none, from now on
 * @vcpu: on its own thread
 * @page: address of its page, KEEL_INVALID_GPA while there is none
 *
 * No slot's memory is mapped there on return, nor until the APIC is gone again. Context: may sleep, interrupts on, no locks.
 */
void keel_memory_apic_claim(struct vcpu *vcpu, gpa_t page);

/**
 * keel_memory_apic_map() - map the page by which a CPU recognises accesses to a local APIC at its usual address
 * @vm: the machine
 * @page: physical address of the page
 *
 * It stays mapped until somebody blocks it. Context: may sleep, no locks. Return: 0; -EBUSY while it is blocked, -ENOMEM.
 */
int keel_memory_apic_map(struct vm *vm, hpa_t page);
/**
 * keel_memory_apic_block() - have that page mapped no more, for one vCPU more
 * @vm: the machine
 *
 * It is gone for all vCPUs on return. Context: may sleep, interrupts on, no locks.
 */
void keel_memory_apic_block(struct vm *vm);
/**
 * keel_memory_apic_unblock() - undo one keel_memory_apic_block()
 * @vm: the machine
 *
 * Context: interrupts on, no locks.
 */
void keel_memory_apic_unblock(struct vm *vm);

/**
 * keel_memory_gpa_bits() - how wide guest physical addresses are that second-level tables can map
 *
 * Context: any, after keel_pgtable_init(). Return: bits, 48 or 57.
 */
unsigned int keel_memory_gpa_bits(void);

/**
 * keel_memory_root() - the second-level root that a vCPU must use now
 * @vcpu: on its own thread
 *
 * The backend loads it when RG_ROOT is dirty. Context: any. Return: physical address.
 */
hpa_t keel_memory_root(struct vcpu *vcpu);

#endif
