/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * struct vm: one virtual machine. It is forked, marked and held by vm_life.h.
 *
 * Reference counting: the VM's file descriptor, every vCPU and device file descriptor and every irqfd shutdown in flight
 * hold one reference each. keel_vm_put() of the last one destroys it (may sleep).
 */
#ifndef KEEL_VM_H
#define KEEL_VM_H

#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/seqlock.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>
#include <uapi/linux/kvm.h>
#include <keel/bus.h>
#include <keel/memory.h>
#include <keel/stats.h>
#include <keel/types.h>

enum irqchip_mode {
	IRQCHIP_NONE,		/* interrupt controllers in the launcher */
	IRQCHIP_SPLIT,		/* local APICs here, the rest in the launcher */
	IRQCHIP_KERNEL,		/* all here */
};

/**
 * struct vm_clock - kvmclock and TSC bookkeeping of one VM (core/clock.c)
 * @lock: guards all members against each other's writers; interrupts off
 * @seq: readers of the kvmclock, which may have interrupts off, wait for no writer
 * @kvmclock_offset: nanoseconds added to the host's clock (raw monotonic plus time asleep), while not @master
 * @master: the kvmclock is @master_ns at host TSC @master_tsc and advances by the host TSC, for all vCPUs alike
 * @default_tsc_khz: frequency given to vCPUs created from now on, 0 for the host's
 * @tsc_offset: TSC offset shared by the vCPUs in step
 * @last_tsc_write: guest TSC value that began the current generation
 * @last_tsc_ns: host clock at that time
 * @last_tsc_khz: guest frequency of that generation
 * @tsc_set: the launcher, and not the creation of vCPUs alone, has said what the TSC is
 * @tsc_generation: vCPUs with equal vcpu->tsc.generation are in step
 * @nr_in_step: vCPUs of the current generation
 * @link: among all VMs' clocks, for the time after the machine slept
 */
struct vm_clock {
	raw_spinlock_t lock;
	seqcount_t seq;
	s64 kvmclock_offset;
	u64 master_tsc;
	u64 master_ns;
	u64 tsc_offset;
	u64 last_tsc_write;
	u64 last_tsc_ns;
	u64 tsc_generation;
	struct list_head link;
	u32 default_tsc_khz;
	u32 last_tsc_khz;
	unsigned int nr_in_step;
	bool master;
	bool tsc_set;
};

/* A VM's name, in the log and in binary stats: clients of these look for "kvm". */
#define VM_NAME		"kvm-%d-%u"
#define vm_name_args(vm) (vm)->pid, (vm)->serial

/* 512 bytes where locks are not debugged: another member, and the allocator takes twice as many. */
struct vm {
	refcount_t refs;
	int pid;			/* who created it */
	struct mm_struct *mm;		/* the creator's; ioctls from another mm get -EIO */

	struct mutex lock;		/* creation of vCPUs and irqchip, one-time settings below */
	struct xarray vcpus;		/* index (0..nr_vcpus-1) -> struct vcpu; insert-only until destruction */
	unsigned int nr_vcpus;		/* online, published with store-release after the insert */
	unsigned int max_vcpu_id;	/* one above the highest allowed id */
	u32 bsp_id;			/* vcpu_id of the bootstrap processor */
	enum irqchip_mode irq_mode;	/* set once under @lock before the first vCPU; without the lock read by vm_irq_mode() */

	struct memory mem;		/* ept/ */
	struct bus pio;			/* in-kernel ports */
	struct bus mmio;		/* in-kernel MMIO but for the local APICs */
	struct coalesced *coalesced;	/* core/coalesced.c, NULL until a zone is registered */

	struct vm_vfio *vfio;		/* iommu/vfio.c, NULL until the VM has that device; set under @lock, kept until destruction */

	struct irqchip *irq;		/* irqchip/: routing, irqfds; allocated with the VM's first use of it */
	struct vm_clock clock;

	/* KVM_ENABLE_CAP, KVM_CAP_DISABLE_EXITS ...: set before the first vCPU, then const */
	u32 disabled_quirks;		/* KVM_X86_QUIRK_* */
	u16 hypercall_exits;		/* KVM_CAP_EXIT_HYPERCALL: BIT(KVM_HC_MAP_GPA_RANGE) */
	u8 disabled_exits;		/* KVM_X86_DISABLE_EXITS_*; more may be added later */
	u8 user_space_msr_mask;		/* KVM_CAP_X86_USER_SPACE_MSR: KVM_MSR_EXIT_REASON_* */
	bool x2apic_32bit_ids;		/* KVM_X2APIC_API_USE_32BIT_IDS */
	bool x2apic_no_bcast_quirk;	/* KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK */
	bool exception_payload;		/* KVM_CAP_EXCEPTION_PAYLOAD */
	bool triple_fault_event;	/* KVM_CAP_X86_TRIPLE_FAULT_EVENT */
	bool exit_on_emulation_error;	/* KVM_CAP_EXIT_ON_EMULATION_FAILURE */
	bool hide_platform_info;	/* KVM_CAP_MSR_PLATFORM_INFO off: the guest's RDMSR is #GP */
	bool held;			/* keel_vm_hold(); waited for as a variable */
	bool bare_cpu_told;		/* the log says that a vCPU met a CPU without virtualization */
	u32 serial;			/* counts the VMs made since the module was loaded */
	u32 nr_mmu_pages;		/* KVM_SET_NR_MMU_PAGES: kept and reported, no limit of the nested tables */

	struct msr_filter __rcu *msr_filter;	/* KVM_X86_SET_MSR_FILTER, NULL for none; changed under @lock */

	struct vm_stats stats;
	struct vm_error *error;		/* core/explain.c: latest failure in words, NULL before the first */
};

/**
 * keel_vm_create() - make an empty VM for current->mm
 *
 * Turns virtualization on for the first VM (host/enable.c). Context: may sleep.
 * Return: the VM with one reference, or ERR_PTR(-EBUSY/-ENOMEM/...).
 */
struct vm *keel_vm_create(void);
/**
 * keel_vm_put() - drop a reference; the last one destroys the VM
 * @vm: the machine
 *
 * Context: may sleep, no locks.
 */
void keel_vm_put(struct vm *vm);

static inline void keel_vm_get(struct vm *vm)
{
	refcount_inc(&vm->refs);
}

/*
 * The VM's kind of interrupt controllers, for calls that neither hold vm->lock nor come from a vCPU. Pairs with the release in
 * irqchip/irqchip.c: what is not IRQCHIP_NONE is complete.
 */
static inline enum irqchip_mode vm_irq_mode(const struct vm *vm)
{
	return smp_load_acquire(&vm->irq_mode);
}

/**
 * keel_explain() - log why something of this VM failed, and keep the text for KEEL_GET_LAST_ERROR
 * @vm: the VM
 * @vcpu_id: of the vCPU concerned, or -1
 * @fmt: one line without a newline, up to 239 characters
 *
 * Context: any but NMI.
 */
__printf(3, 4) void keel_explain(struct vm *vm, int vcpu_id, const char *fmt, ...);
struct keel_last_error;
/**
 * keel_last_error() - KEEL_GET_LAST_ERROR
 * @vm: the machine
 * @out: the latest failure; all zero before the first
 *
 * Context: any but NMI.
 */
void keel_last_error(struct vm *vm, struct keel_last_error *out);

/**
 * keel_vm_vcpu() - vCPU by index
 * @vm: the machine
 * @index: in order of creation, from 0
 *
 * Context: any; lockless. Return: the vCPU, which stays as long as the VM, or NULL.
 */
struct vcpu *keel_vm_vcpu(struct vm *vm, unsigned int index);
/**
 * keel_vm_vcpu_by_id() - vCPU by vcpu_id
 * @vm: the machine
 * @vcpu_id: the APIC ID at reset
 *
 * Context: any; lockless. Return: as keel_vm_vcpu().
 */
struct vcpu *keel_vm_vcpu_by_id(struct vm *vm, u32 vcpu_id);

#define vm_for_each_vcpu(vm, i, vcpu) \
	for ((i) = 0; (i) < smp_load_acquire(&(vm)->nr_vcpus) && ((vcpu) = xa_load(&(vm)->vcpus, (i))); (i)++)

/**
 * keel_core_init() - module-wide state of core/
 *
 * Context: module init, before any VM, after the vendor's setup; may sleep. Return: 0 or -ENOMEM.
 */
int keel_core_init(void);
/**
 * keel_core_exit() - undo it
 *
 * Context: module exit, after the last VM; may sleep.
 */
void keel_core_exit(void);

#define REQUEST_WAIT	BIT(0)
/**
 * keel_vm_request() - make a request of every vCPU, and kick those in guest mode
 * @vm: the machine
 * @req: REQ_*
 * @flags: REQUEST_WAIT: return after each has left the guest
 *
 * Context: any; interrupts on with REQUEST_WAIT.
 */
void keel_vm_request(struct vm *vm, unsigned int req, unsigned int flags);

#endif
