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
	unsigned long *dirty;		/* bitmap while KVM_MEM_LOG_DIRTY_PAGES; set_bit from any context */
	bool dirty_moved;		/* a successor owns the bitmap */
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
 * @table: the VM's second-level tables, from the first slot on; the engine allows for more than one root (views, shadow)
 * @notifier: registered with the first slot
 * @apics_usual: vCPUs whose local APIC here is at its usual address; @lock
 * @apics_moved: and elsewhere (vcpu.apic_frame); @lock
 * @apic_blocked: vCPUs that must not find the page of accelerated APIC accesses mapped; changed under @lock
 * @logging: some slot is or was logged: vCPUs empty the CPU's log of writes (vendor_ops.dirty_flush). Set once, read locklessly
 * @manual_protect: KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 flags
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
	bool logging;
	u8 manual_protect;
};

void keel_memory_init(struct vm *vm);		/* cheap: the rest is made with the first slot */
void keel_memory_destroy(struct vm *vm);	/* no vCPU runs any more; accepts a half-built one */

/* ioctls. -EINVAL, -EEXIST, -ENOMEM, -ENOENT, -EFAULT as Documentation/virt/kvm/api.rst says. May sleep. */
int keel_memory_set_region(struct vm *vm, const struct kvm_userspace_memory_region *region);
int keel_memory_get_dirty_log(struct vm *vm, struct kvm_dirty_log *log);	/* copies to log->dirty_bitmap */
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
 * huge. A poisoned page sends SIGBUS (BUS_MCEERR_AR) to the thread, as KVM does. Context: may sleep, interrupts on, no
 * locks.
 * Return: enum fault_result or negative errno.
 */
int keel_memory_fault(struct vcpu *vcpu, gpa_t gpa, u32 access);

/* Is there a slot at @gpa, and one that is not read-only? On the vCPU's own thread. */
bool keel_memory_has_slot(struct vcpu *vcpu, gpa_t gpa);
bool keel_memory_is_writable(struct vcpu *vcpu, gpa_t gpa);
/* Is there none? On the vCPU's own thread with interrupts off; for device accesses, which hit the same hole again and again. */
bool keel_memory_is_hole(struct vcpu *vcpu, gpa_t gpa);

/**
 * keel_memory_apic_claim() - the local APIC of a vCPU is at another address, or at none, from now on
 * @vcpu: on its own thread
 * @page: address of its page, KEEL_INVALID_GPA while there is none
 *
 * No slot's memory is mapped there on return, nor until the APIC is gone again. Context: may sleep, interrupts on, no locks.
 */
void keel_memory_apic_claim(struct vcpu *vcpu, gpa_t page);

/*
 * A page at the local APIC's usual address, by which the CPU recognises accesses to it. It is mapped while nobody blocks it, until
 * somebody does: then it is gone for all vCPUs on return. Mapping returns 0, -EBUSY while it is blocked, -ENOMEM; it may sleep. The
 * others want interrupts on.
 */
int keel_memory_apic_map(struct vm *vm, hpa_t page);
void keel_memory_apic_block(struct vm *vm);
void keel_memory_apic_unblock(struct vm *vm);

/* Width of the guest-physical addresses that second-level tables can map. */
unsigned int keel_memory_gpa_bits(void);

/* Physical address of the root that a vCPU must use now; the backend loads it when RG_ROOT is dirty. */
hpa_t keel_memory_root(struct vcpu *vcpu);
/* Test builds: is the root as deep as this CPU walks it? Preemption off. 0, or -EIO with the reason told. */
#ifdef KEEL_DEBUG
int keel_memory_root_check(struct vcpu *vcpu);
#else
static inline int keel_memory_root_check(struct vcpu *vcpu)
{
	return 0;
}
#endif

/* ---- access by the module ------------------------------------------------------------------------------------------ */

/* May sleep. Cross pages and slots. -EFAULT where no slot or the host page is not to be had. Writes mark dirty. */
int keel_read_guest(struct vm *vm, gpa_t gpa, void *data, unsigned long len);
int keel_write_guest(struct vm *vm, gpa_t gpa, const void *data, unsigned long len);
/* As above without sleeping; -EFAULT also when the host page is not present. Interrupts may be off. */
int keel_read_guest_atomic(struct vm *vm, gpa_t gpa, void *data, unsigned long len);
int keel_write_guest_atomic(struct vm *vm, gpa_t gpa, const void *data, unsigned long len);
/**
 * keel_cmpxchg_guest() - atomic compare and exchange in guest memory
 * @size: 1, 2, 4 or 8 bytes, naturally aligned
 * @old: expected value in, found value out
 * Return: 0 exchanged, 1 compare failed, -EFAULT. May sleep.
 */
int keel_cmpxchg_guest(struct vm *vm, gpa_t gpa, unsigned int size, u64 *old, u64 new);
/* As above without sleeping; -EFAULT also when the host page is not present. Interrupts may be off. */
int keel_cmpxchg_guest_atomic(struct vm *vm, gpa_t gpa, unsigned int size, u64 *old, u64 new);
void keel_mark_dirty(struct vm *vm, gfn_t gfn);		/* any context */

/* ---- guest page tables (ept/walk.c) ------------------------------------------------------------------------------ */

#define WALK_WRITE	BIT(0)
#define WALK_FETCH	BIT(1)
#define WALK_USER	BIT(2)	/* CPL 3 */
#define WALK_IMPLICIT	BIT(3)	/* implicit supervisor access (descriptor tables): SMAP ignores AC */
#define WALK_ATOMIC	BIT(4)	/* do not sleep; -EFAULT instead */
#define WALK_NO_AD	BIT(5)	/* leave accessed and dirty bits alone */

/**
 * struct walk - result of a guest page-table walk
 * @gpa: translated address
 * @error: page-fault error code when the walk failed
 */
struct walk {
	gpa_t gpa;
	u32 error;
};

/**
 * keel_walk() - translate a linear address by the vCPU's current paging mode
 * @vcpu: on its own thread, loaded
 * @gva: linear address
 * @access: WALK_*
 * @walk: result
 *
 * Handles no paging, 32-bit, PAE, 4- and 5-level paging with NX, WP, SMEP, SMAP, PKU and reserved bits.
 * Return: 0; 1 for a guest page fault (@walk->error); -EFAULT when a table cannot be read.
 */
int keel_walk(struct vcpu *vcpu, gva_t gva, u32 access, struct walk *walk);
/* Linear address accessors with page crossing. Return as keel_walk(); *fault_gva names the byte that faulted. */
int keel_read_virt(struct vcpu *vcpu, gva_t gva, void *data, unsigned int len, u32 access, struct walk *walk, gva_t *fault_gva);
int keel_write_virt(struct vcpu *vcpu, gva_t gva, const void *data, unsigned int len, u32 access, struct walk *walk,
		    gva_t *fault_gva);
/**
 * keel_fetch_atomic() - instruction bytes at CS:RIP, for the inner loop
 * @buf: up to @max bytes (15); stops at a page end if the next page is not at hand
 * Return: number of bytes, 0 when not to be had without sleeping. Interrupts off.
 */
unsigned int keel_fetch_atomic(struct vcpu *vcpu, u8 *buf, unsigned int max);
/*
 * The 15 bytes at RIP of 64-bit code to vcpu->code.low and .high, where a page of code that was fetched from before translates as it
 * did then. False: use keel_fetch_atomic(). Interrupts off.
 */
bool keel_fetch_again(struct vcpu *vcpu);
/* keel_fetch_atomic() for a backend that knows the linear address and the privilege by itself. @access: WALK_USER or 0. */
unsigned int keel_fetch_linear_atomic(struct vcpu *vcpu, gva_t gva, u32 access, u8 *buf, unsigned int max);

#endif
