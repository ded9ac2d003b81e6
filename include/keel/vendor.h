/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The contract between the shared rooms and a backend (vmx/, svm/). One table, const, chosen once at load.
 *
 * "Loaded" means: preemption is off or the preempt notifier is armed, and keel_vcpu_load() has made this CPU the vCPU's.
 */
#ifndef KEEL_VENDOR_H
#define KEEL_VENDOR_H

#include <linux/static_call.h>
#include <keel/exit.h>
#include <keel/pgtable.h>
#include <keel/types.h>
#include <keel/vcpu_life.h>

struct event;

#define WINDOW_IRQ	BIT(0)	/* exit as soon as an interrupt can be taken */
#define WINDOW_NMI	BIT(1)	/* exit as soon as an NMI can be taken */
/* Bits 7:4: exit as soon as the task priority falls below this class (vendor_caps.tpr_shadow); 0: never. */
#define WINDOW_TPR_SHIFT	4

enum tlb_scope {
	TLB_VM,			/* all translations of this VM on this CPU */
	TLB_GUEST,		/* guest-made translations of this vCPU; with shadow paging also makes REQ_PAGING */
};

/* What vendor_ops.msr() is to do. */
enum vendor_msr {
	VENDOR_MSR_READ,
	VENDOR_MSR_WRITE,	/* as the guest's WRMSR */
	VENDOR_MSR_RESTORE,	/* by an ioctl: read-only ones as well */
};

/**
 * struct vendor_caps - what the CPU offers, filled by vendor_ops.setup(), const afterwards
 * @tsc_scaling: the guest TSC can run at another frequency
 * @tsc_ratio_frac_bits: fixed-point position of vcpu_tsc.ratio
 * @max_tsc_khz: highest guest frequency that scaling reaches
 * @tpr_shadow: the guest lowers its task priority without an exit unless WINDOW_TPR_SHIFT asks for one
 * @apic_page: the backend gives the CPU local APICs' register pages (keel_lapic_page())
 * @apic_accel: with @apic_page: the CPU may work on the local APIC's register page by itself (irqchip/lapic_accel.c)
 * @deadline_timer: while the guest runs the backend itself watches tsc.host_deadline (RG_DEADLINE), and calls
 *	keel_lapic_deadline_reached() not long after
 * @rdtscp, @invpcid, @xsaves: guests can be given these instructions
 * @dirty_log: the CPU logs writes to pages whose dirty flag is clear (pte_format.dirty)
 * @ucode_rev: microcode revision that guests see until the launcher sets another
 */
struct vendor_caps {
	bool tsc_scaling;
	u8 tsc_ratio_frac_bits;
	u32 max_tsc_khz;
	u64 ucode_rev;
	bool tpr_shadow;
	bool apic_page;
	bool apic_accel;
	bool deadline_timer;
	bool dirty_log;
	bool rdtscp;
	bool invpcid;
	bool xsaves;
};

extern struct vendor_caps keel_caps;

/**
 * struct vendor_ops - what a backend does
 * @name: "svm" or "vmx"
 * @vcpu_size: size of the struct that embeds struct vcpu as its first member
 *
 * Module life, process context:
 * @supported: does this CPU (and firmware) offer it? 0, or -EOPNOTSUPP / -ENODEV after one pr_err line that says why
 *	and what to do.
 * @setup: fill keel_caps, allocate what all CPUs need, keel_pgtable_init().
 * @teardown: undo it.
 *
 * CPU life, on that CPU with interrupts off (host/enable.c; hotplug, suspend, reboot, crash):
 * @cpu_busy: is virtualization already on here (another owner)? Reads hardware, not shadows.
 * @cpu_enable: turn it on. 0 or -errno.
 * @cpu_disable: turn it off. Also from NMI context at a crash: no locks.
 *
 * vCPU life, may sleep. A VM has nothing of the backend's own: maps are shared, second-level tables are the engine's.
 * @vcpu_create, @vcpu_destroy: the backend's own parts. Destroy accepts half-built objects.
 * @vcpu_first_use: what a vCPU needs to run, but not to be created, reset and given state. Not loaded. 0 or -ENOMEM, and it may be called
 *	again. NULL for nothing.
 * @vcpu_reset: after core has written the reset state to vcpu->regs and marked all groups dirty.
 *
 * Scheduling, preemption off:
 * @vcpu_load: this CPU is the vCPU's from now on (host state saved, vCPU moved: flush what must be).
 * @vcpu_put: it is not any more.
 *
 * Registers, loaded:
 * @regs_fetch: copy the given RG_* groups from hardware to vcpu->regs (and events.shadow for RG_SHADOW).
 *	Dirty groups are written by @enter.
 *
 * The inner loop, interrupts off:
 * @enter: write dirty groups, enter the guest, come back at its exit with host state restored. regs.valid then
 *	holds just the groups the backend copied. Reports interrupted events with keel_event_interrupted().
 * @exit_fast: look at the exit; serve it by a fast verb and return its result, or RUN_SLOW.
 * @inject: hand @event to hardware for the coming entry; NULL: nothing goes in.
 * @windows: set the WINDOW_* wanted from the next entry on, clear the others. When one opens, the exit handler makes
 *	REQ_EVENT; core then chooses again.
 * @dirty_flush: with vendor_caps.dirty_log, when guest mode is left: keel_vcpu_mark_dirty() what the CPU has logged.
 * @nmi_masked_changed: events.nmi_masked was written, by keel_nmi_mask() or keel_nmi_unblock() alone. Also outside the inner loop, loaded.
 *
 * Interrupts on, preemptible, loaded:
 * @exit_slow: the exit switch. Return rule of exit.h.
 *
 * Settings:
 * @intercepts_changed: vcpu.debug, disabled exits, CPUID (MSR permission maps), CR0/CR4 policy, the local APIC's mode, the set
 *	of vectors whose EOI exits: compute again. Interrupts on.
 * @tlb_flush: before the next entry on this CPU. Interrupts may be off.
 * @msr: read or write an MSR that only this backend knows. 0; 1 for #GP; -ENOENT if not its own.
 *
 * Interrupts may be off, loaded:
 * @pdpte: without shadow paging, read PAE's entry @n (0 to 3) that the CPU has loaded; with @put have it go on with this one, whatever was
 *	written to CR0, CR3 and CR4 before, and then with the three others, which follow. False: as it is in memory. NULL where the CPU
 *	reads them from memory at each walk (APM, "Legacy PAE Mode" under nested paging).
 */
struct vendor_ops {
	const char *name;
	u32 vcpu_size;

	int (*supported)(void);
	int (*setup)(void);
	void (*teardown)(void);

	bool (*cpu_busy)(void);
	int (*cpu_enable)(void);
	void (*cpu_disable)(void);

	int (*vcpu_create)(struct vcpu *vcpu);
	void (*vcpu_destroy)(struct vcpu *vcpu);
	int (*vcpu_first_use)(struct vcpu *vcpu);
	void (*vcpu_reset)(struct vcpu *vcpu);

	void (*vcpu_load)(struct vcpu *vcpu);
	void (*vcpu_put)(struct vcpu *vcpu);
	void (*regs_fetch)(struct vcpu *vcpu, u32 groups);

	void (*enter)(struct vcpu *vcpu);
	int (*exit_fast)(struct vcpu *vcpu);
	int (*exit_slow)(struct vcpu *vcpu);
	void (*inject)(struct vcpu *vcpu, const struct event *event);
	void (*windows)(struct vcpu *vcpu, u32 windows);
	void (*dirty_flush)(struct vcpu *vcpu);
	void (*nmi_masked_changed)(struct vcpu *vcpu);

	void (*intercepts_changed)(struct vcpu *vcpu);
	void (*tlb_flush)(struct vcpu *vcpu, enum tlb_scope scope);
	int (*msr)(struct vcpu *vcpu, u32 msr, u64 *val, enum vendor_msr how);
	bool (*pdpte)(struct vcpu *vcpu, unsigned int n, u64 *pdpte, bool put);
};

/* Chosen at load from CPUID (chardev/main.c). */
extern const struct vendor_ops *keel_vendor;

/* What every KVM_RUN or exit calls, called directly: with retpolines an indirect call costs more than it does. Set with keel_vendor. */
DECLARE_STATIC_CALL(keel_vendor_vcpu_load, *((struct vendor_ops *)NULL)->vcpu_load);
DECLARE_STATIC_CALL(keel_vendor_vcpu_put, *((struct vendor_ops *)NULL)->vcpu_put);
DECLARE_STATIC_CALL(keel_vendor_enter, *((struct vendor_ops *)NULL)->enter);
DECLARE_STATIC_CALL(keel_vendor_exit_fast, *((struct vendor_ops *)NULL)->exit_fast);
DECLARE_STATIC_CALL(keel_vendor_exit_slow, *((struct vendor_ops *)NULL)->exit_slow);

extern const struct vendor_ops keel_svm_ops;
extern const struct vendor_ops keel_vmx_ops;

#endif
