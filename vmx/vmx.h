/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * struct vmx_vcpu, which all files of the backend share.
 *
 * The VMCS is read and written by the accessors of insn.h alone, and only while it is current: between vcpu_load and vcpu_put.
 * Controls are kept in struct vmx_controls; who changes one marks RARE_CONTROLS, and the next entry writes those that differ from
 * what the VMCS holds.
 */
#ifndef KEEL_VMX_VMX_H
#define KEEL_VMX_VMX_H

#include <linux/bits.h>
#include <linux/list.h>
#include <asm/desc_defs.h>
#include <keel/exit.h>
#include <keel/types.h>
#include <keel/vcpu.h>

/**
 * enum vmx_rare - why an entry or exit leaves the straight path
 * @RARE_CONTROLS: controls differ from what the VMCS holds
 * @RARE_HOST: the host's FS, GS, LDT and MSRs are still in place: switch to the guest's
 * @RARE_FLUSH_EPT: second-level translations must go before the entry
 * @RARE_FLUSH_VPID: and the guest's own
 * @RARE_DR: guest values belong in DR0-3 and DR6
 * @RARE_DEBUGCTL: the host uses DEBUGCTL, which an exit clears (vcpu.host_debugctl)
 * @RARE_PEBS: perf samples by PEBS, which must be quiet before the entry
 * @RARE_NMI: an NMI goes in at this entry
 * @RARE_STEP: the launcher single-steps, and RFLAGS.TF does it
 * @RARE_TIMER: the preemption timer watches tsc.host_deadline
 * @RARE_FLUSH_HOST: this CPU leaks what the host left in it; for good
 * @RARE_PDPTES: the PDPTEs in the VMCS must be loaded from guest memory
 * @RARE_SHADOW: shadow paging: CR0 and CR3 in the VMCS are not the guest's; for good
 * @RARE_SOFTWARE: and the CPU cannot be entered with the guest's mode and segments
 */
enum vmx_rare {
	RARE_CONTROLS	= BIT(0),
	RARE_HOST	= BIT(1),
	RARE_FLUSH_EPT	= BIT(2),
	RARE_FLUSH_VPID	= BIT(3),
	RARE_DR		= BIT(4),
	RARE_DEBUGCTL	= BIT(5),
	RARE_NMI	= BIT(6),
	RARE_PDPTES	= BIT(7),
	RARE_STEP	= BIT(8),
	RARE_TIMER	= BIT(9),
	RARE_FLUSH_HOST	= BIT(10),
	RARE_PEBS	= BIT(11),
	RARE_SHADOW	= BIT(12),
	RARE_SOFTWARE	= BIT(13),
};

/* After an exit: */
#define RARE_AFTER	(RARE_DR | RARE_DEBUGCTL | RARE_NMI | RARE_STEP | RARE_SHADOW)

/* An entry of an MSR-load area ("VM-Entry Controls for MSRs"). */
struct vmx_msr {
	u32 index;
	u32 reserved;
	u64 value;
};

/* perf has two without a guest's own PMU: IA32_PERF_GLOBAL_CTRL and IA32_PEBS_ENABLE. */
#define VMX_PERF_MSRS	4
/* Before them EFER, where it has no controls. */
#define VMX_LOAD_MSRS	(1 + VMX_PERF_MSRS)

struct vmx_controls {
	u32 pin;
	u32 cpu;
	u32 cpu2;
	u32 exit;
	u32 entry;
	u32 exceptions;
	u64 msr_bitmap;
};

/**
 * struct vmx_host - the host's state around the guest, as the VMCS or this vCPU's thread has it
 * @cr3, @cr4, @fs_base, @fs_sel, @gs_sel, @ds_sel, @es_sel: as in the VMCS
 * @fs, @gs, @ds, @es, @ldt: selectors to be put back; nonzero ones only. @selectors: the first four at once
 * @gdt: the CPU's GDT, as LGDT takes it
 * @thread_fs_base, @kernel_gs_base: the thread's FS base and its user GS base
 * @nr_own: MSRs at the head of @msr_entry and @msr_exit that are always switched: EFER, or none
 * @nr_perf: those behind them, of perf
 * @msr_entry, @msr_exit: MSR-load areas: what is wanted while the guest runs, and after
 * @rsp: HOST_RSP as in the VMCS
 * @saved: the guest's KERNEL_GS_BASE is in the CPU, the thread's is here
 */
struct vmx_host {
	u64 rsp;			/* first: entry.S is given its address */
	unsigned long cr3, cr4;
	unsigned long fs_base;
	unsigned long thread_fs_base, kernel_gs_base;
	u32 nr_own, nr_perf;
	struct vmx_msr msr_entry[VMX_LOAD_MSRS] __aligned(16);
	struct vmx_msr msr_exit[VMX_LOAD_MSRS] __aligned(16);
	union {
		struct {
			u16 fs, gs, ds, es;
		};
		u64 selectors;
	};
	u16 ldt;
	u16 fs_sel, gs_sel;
	bool saved;
	struct desc_ptr gdt;
};

/**
 * struct vmx_vcpu - a vCPU on VMX
 * @vmcs: its VMCS, one page
 * @vmcs_pa: physical address
 * @on_cpu: link in the list of VMCSs that the CPU @loaded_cpu may hold in its caches
 * @loaded_cpu: that CPU, -1 for none
 * @ready: vmx_vmcs_init() is done
 * @launched: VMRESUME, not VMLAUNCH
 * @spec: host's SPEC_CTRL with SPEC_SWITCH when it must be restored after each exit, else 0
 * @rare: RARE_*
 * @exit_reason: of the last exit, or EXIT_NO_PDPTES, EXIT_SOFTWARE, EXIT_VMFAIL
 * @seen: stats.guest_mode when the host's state was last compared: it cannot change within one inner loop
 * @wanted: controls for the next entry
 * @written: controls as in the VMCS
 * @eptp: EPT pointer as in the VMCS
 * @kernel_gs_base: guest's, while it is not in the CPU
 * @last_cpu: CPU of the last load, -1 for none
 * @vpid: 0 for none
 * @apic_mode: mode of the local APIC in which the CPU works on its page, LAPIC_OFF: it does not
 * @tpr_threshold, @eoi_exits: as in the VMCS
 * @pml: page-modification log, NULL without, and before the first use
 * @soft_len: length of the INT3 or INTO that #BP or #OF goes in for
 * @step_tf: the guest's own TF, while RARE_STEP
 * @nmi_known: events.nmi_masked is what hardware has
 * @iret_faulted: the last exit by an exception was an IRET's own, which had unblocked NMIs
 * @fault: the last exit of that kind, decoded; here and not on the stack, where each exit would pay for its guard.
 *	@fault.insn stays NULL
 */
struct vmx_vcpu {
	struct vcpu vcpu;		/* first: entry.S and the core rely on it */
	void *vmcs;
	u64 vmcs_pa;
	u64 spec;
	u32 rare;
	u32 exit_reason;
	u64 seen;
	bool ready;
	bool launched;
	bool nmi_known;
	bool iret_faulted;
	bool step_tf;
	u8 soft_len;
	u8 apic_mode;
	u8 tpr_threshold;
	u16 vpid;
	struct vmx_host host;
	struct vmx_controls wanted;
	struct vmx_controls written;
	u64 eptp;
	u64 kernel_gs_base;
	u64 eoi_exits[4];
	u64 *pml;
	int last_cpu;
	int loaded_cpu;
	struct list_head on_cpu;
	struct fault_exit fault;
};

/* Register groups that the guest cannot change without an exit; RG_CR2 is copied at every exit. */
#define VMX_KEPT	(RG_CR2 | RG_CR4 | RG_EFER | RG_PAT | RG_ROOT | RG_TSC | RG_TPR | RG_DEADLINE)

static inline struct vmx_vcpu *to_vmx(struct vcpu *vcpu)
{
	return container_of(vcpu, struct vmx_vcpu, vcpu);
}

/*
 * vmx->rare changes through these alone, which are one instruction each: the preempt notifier sets bits of it as well (vmx_vcpu_load()), between any
 * two instructions of its thread. One that got lost could leave translations in the TLB of the CPU that the thread has come to, or the host's
 * values in the guest's place.
 */
static __always_inline void vmx_rare_set(struct vmx_vcpu *vmx, u32 bits)
{
	asm volatile("orl %1, %0" : "+m" (vmx->rare) : "er" (bits) : "cc");
}

static __always_inline void vmx_rare_clear(struct vmx_vcpu *vmx, u32 bits)
{
	asm volatile("andl %1, %0" : "+m" (vmx->rare) : "er" (~bits) : "cc");
}

/* Controls change through these alone. @bit must be one that caps.c found. */
static inline void vmx_control_set(struct vmx_vcpu *vmx, u32 *control, u32 bit)
{
	*control |= bit;
	vmx_rare_set(vmx, RARE_CONTROLS);
}

static inline void vmx_control_clear(struct vmx_vcpu *vmx, u32 *control, u32 bit)
{
	*control &= ~bit;
	vmx_rare_set(vmx, RARE_CONTROLS);
}

static inline void vmx_control_put(struct vmx_vcpu *vmx, u32 *control, u32 bit, bool is_set)
{
	if (is_set)
		vmx_control_set(vmx, control, bit);
	else
		vmx_control_clear(vmx, control, bit);
}

/* Exit reason that no CPU has: the entry was not tried, since the guest's PDPTEs must be read where that may sleep. */
#define EXIT_NO_PDPTES		0xfffe
/* Nor was it with a state that this CPU cannot be entered with (software.c). */
#define EXIT_SOFTWARE		0xfffc
/* The instruction VMLAUNCH or VMRESUME itself failed. */
#define EXIT_VMFAIL		0xffff
/* More than the guest's last exit has happened: only what comes before an entry sees it. */
#define EXIT_FORGOTTEN		0xfffd

/* The guest's system-call MSRs, if SYSCALL can reach them. */
static inline void vmx_syscall_load(struct vmx_vcpu *vmx)
{
	const struct vcpu_regs *r = &vmx->vcpu.regs;

	if (!(r->efer & EFER_SCE))
		return;
	keel_host_uret_syscall(r->star, r->lstar, r->sfmask);
}

/**
 * vmx_run() - entry.S: VMLAUNCH or VMRESUME, and the host's state again
 * @regs: general registers but RSP, in and out
 * @host_rsp: HOST_RSP as the VMCS has it; written when it differs
 * @launched: VMRESUME
 * @spec: struct vmx_vcpu.spec
 *
 * Context: interrupts off, VMCS current, RCU need not watch. Return: 0 after an exit, 1 when the instruction failed.
 */
unsigned int vmx_run(struct vcpu_regs *regs, u64 *host_rsp, unsigned long launched, u64 spec);
/* HOST_RIP */
extern void vmx_exit_point(void);

#endif
