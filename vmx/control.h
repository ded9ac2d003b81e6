/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * struct vmx_vcpu, the VMCS, and what the backend's files ask of each other.
 *
 * The VMCS is read and written by the accessors of insn.h alone, and only while it is current: between vcpu_load and vcpu_put.
 * Controls are kept in struct vmx_controls; who changes one marks RARE_CONTROLS, and the next entry writes those that differ from
 * what the VMCS holds.
 */
#ifndef KEEL_VMX_CONTROL_H
#define KEEL_VMX_CONTROL_H

#include <linux/bits.h>
#include <linux/list.h>
#include <asm/processor-flags.h>
#include <asm/vmx.h>
#include <keel/exit.h>
#include <keel/types.h>
#include <keel/vcpu.h>
#include <keel/vendor.h>

/* What <asm/vmx.h> lacks, or names differently from kernel to kernel. */
#define VMX_EXIT_REASON_GETSEC	11
#define VMX_CPU2_XSAVES		BIT(20)		/* enable XSAVES/XRSTORS */

/* EPT violation, exit qualification ("Exit Qualification for EPT Violations") */
#define EPTQ_WRITE		BIT(1)
#define EPTQ_FETCH		BIT(2)
#define EPTQ_ENTRY_RWX		GENMASK(5, 3)
#define EPTQ_LINEAR		BIT(7)
#define EPTQ_FINAL		BIT(8)

/* In exit reasons, interruption information and EPT qualifications alike. */
#define NMI_UNBLOCKED_BY_IRET	BIT(12)

/* Task switches, exit qualification: selector of the TSS 15:0, enum emu_task_source 31:30 */
#define TASKQ_SOURCE_SHIFT	30

/* I/O instructions, exit qualification */
#define IOQ_SIZE		GENMASK(2, 0)
#define IOQ_IN			BIT(3)
#define IOQ_STRING		BIT(4)
#define IOQ_PORT_SHIFT		16

/* Exit reason that no CPU has: the entry was not tried, since the guest's PDPTEs must be read where that may sleep. */
#define EXIT_NO_PDPTES		0xfffe
/* The instruction VMLAUNCH or VMRESUME itself failed. */
#define EXIT_VMFAIL		0xffff
/* More than the guest's last exit has happened: only what comes before an entry sees it. */
#define EXIT_FORGOTTEN		0xfffd

/* CR0 bits that the guest changes without an exit. */
#define CR0_GUEST_OWNED		(X86_CR0_TS | X86_CR0_MP | X86_CR0_EM | X86_CR0_AM | X86_CR0_WP)

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
};

/* After an exit: */
#define RARE_AFTER	(RARE_DR | RARE_DEBUGCTL | RARE_NMI | RARE_STEP)

/* An entry of an MSR-load area ("VM-Entry Controls for MSRs"). */
struct vmx_msr {
	u32 index;
	u32 reserved;
	u64 value;
};

/* perf has two without a guest's own PMU: IA32_PERF_GLOBAL_CTRL and IA32_PEBS_ENABLE. */
#define VMX_PERF_MSRS	4

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
 * @fs, @gs, @ds, @es, @ldt: selectors to be put back; nonzero ones only
 * @thread_fs_base, @kernel_gs_base: the thread's FS base and its user GS base
 * @nr_perf: MSRs in @perf_entry and @perf_exit
 * @perf_entry, @perf_exit: MSR-load areas: what perf wants while the guest runs, and after
 * @rsp: HOST_RSP as in the VMCS
 * @saved: the guest's KERNEL_GS_BASE is in the CPU, the thread's is here
 */
struct vmx_host {
	u64 rsp;			/* first: entry.S is given its address */
	unsigned long cr3, cr4;
	unsigned long fs_base;
	unsigned long thread_fs_base, kernel_gs_base;
	u32 nr_perf;
	struct vmx_msr perf_entry[VMX_PERF_MSRS] __aligned(16);
	struct vmx_msr perf_exit[VMX_PERF_MSRS] __aligned(16);
	u16 fs, gs, ds, es, ldt;
	u16 fs_sel, gs_sel;
	bool saved;
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
 * @exit_reason: of the last exit, or EXIT_NO_PDPTES, EXIT_VMFAIL
 * @seen: stats.guest_mode when the host's state was last compared: it cannot change within one inner loop
 * @wanted: controls for the next entry
 * @written: controls as in the VMCS
 * @eptp: EPT pointer as in the VMCS
 * @kernel_gs_base: guest's, while it is not in the CPU
 * @serial: tells vCPUs apart for the branch predictor barrier; never reused
 * @last_cpu: CPU of the last load, -1 for none
 * @vpid: 0 for none
 * @dr_open: the guest has used its debug registers since the last load
 * @apic_mode: mode of the local APIC in which the CPU works on its page, LAPIC_OFF: it does not
 * @tpr_threshold, @eoi_exits: as in the VMCS
 * @pml: page-modification log, NULL without
 * @soft_len: length of the INT3 or INTO that #BP or #OF goes in for
 * @step_tf: the guest's own TF, while RARE_STEP
 * @nmi_known: events.nmi_masked is what hardware has
 * @fault, @io: the last exit of that kind, decoded; here and not on the stack, where each exit would pay for its guard.
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
	bool dr_open;
	bool nmi_known;
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
	u64 serial;
	u64 eoi_exits[4];
	u64 *pml;
	int last_cpu;
	int loaded_cpu;
	struct list_head on_cpu;
	struct fault_exit fault;
	struct io_exit io;
};

#define SPEC_SWITCH	BIT_ULL(63)

/* Register groups that the guest cannot change without an exit; RG_CR2 is copied at every exit. */
#define VMX_KEPT	(RG_CR2 | RG_CR4 | RG_EFER | RG_PAT | RG_ROOT | RG_TSC | RG_TPR | RG_DEADLINE)

static inline struct vmx_vcpu *to_vmx(struct vcpu *vcpu)
{
	return container_of(vcpu, struct vmx_vcpu, vcpu);
}

/* Controls change through these alone. @bit must be one that caps.c found. */
static inline void vmx_control_set(struct vmx_vcpu *vmx, u32 *control, u32 bit)
{
	*control |= bit;
	vmx->rare |= RARE_CONTROLS;
}

static inline void vmx_control_clear(struct vmx_vcpu *vmx, u32 *control, u32 bit)
{
	*control &= ~bit;
	vmx->rare |= RARE_CONTROLS;
}

/**
 * struct vmx_caps - what the CPU offers, const after setup
 * @revision: of the VMCS format
 * @base: controls that every vCPU has: the required ones and those that must be 1
 * @pin, @cpu, @cpu2, @exit, @entry: optional controls that are there
 * @cr0_fixed: bits of CR0 that must be 1 in guests (PE and PG are free)
 * @cr4_fixed: bits of CR4 that must be 1
 * @timer_shift: the preemption timer counts once every 1 << timer_shift cycles
 * @ept_ad: EPT has accessed and dirty flags
 * @invept_single, @invvpid_single: narrow invalidation
 * @zero_length: a software event may be injected with instruction length 0
 */
struct vmx_caps {
	u32 revision;
	struct vmx_controls base;
	u32 pin;
	u32 cpu;
	u32 cpu2;
	u32 exit;
	u32 entry;
	u8 timer_shift;
	u64 cr0_fixed;
	u64 cr4_fixed;
	bool ept_ad;
	bool invept_single;
	bool invvpid_single;
	bool zero_length;
};

extern struct vmx_caps vmx_caps;

/* caps.c */
int vmx_supported(void);
int vmx_caps_setup(void);
void vmx_cpuid_mask(struct kvm_cpuid_entry2 *entry);

/* control.c */
int vmx_maps_create(void);
void vmx_maps_destroy(void);
void vmx_controls_init(struct vmx_vcpu *vmx);
void vmx_vmcs_init(struct vmx_vcpu *vmx);
void vmx_host_tables_write(void);
void vmx_controls_write(struct vmx_vcpu *vmx);
void vmx_intercepts_changed(struct vcpu *vcpu);

/* apic.c */
int vmx_apic_setup(void);
void vmx_apic_teardown(void);
void vmx_apic_create(struct vmx_vcpu *vmx);
void vmx_apic_destroy(struct vmx_vcpu *vmx);
bool vmx_has_tpr_shadow(struct vmx_vcpu *vmx);
void vmx_apic_init(struct vmx_vcpu *vmx);
void vmx_apic_changed(struct vmx_vcpu *vmx);
void vmx_apic_sync(struct vcpu *vcpu, const struct lapic_levels *levels);
void vmx_tpr_threshold(struct vmx_vcpu *vmx, u8 class);
int vmx_exit_apic_write(struct vmx_vcpu *vmx);
int vmx_exit_eoi(struct vmx_vcpu *vmx);
int vmx_exit_tpr(struct vmx_vcpu *vmx);
void vmx_decode_apic_access(struct fault_exit *fault);
bool vmx_apic_page_wanted(const struct vmx_vcpu *vmx, gpa_t gpa);
bool vmx_apic_page_map(struct vmx_vcpu *vmx);

/* cpu.c: per-CPU state */
int vmx_cpus_create(void);
void vmx_cpus_destroy(void);
bool vmx_cpu_busy(void);
int vmx_cpu_enable(void);
void vmx_cpu_disable(void);
void vmx_cpu_load(struct vmx_vcpu *vmx);
void vmx_vmcs_release(struct vmx_vcpu *vmx);
void vmx_vmcs_clear(struct vmx_vcpu *vmx);
u16 vmx_vpid_get(void);
void vmx_vpid_put(u16 vpid);
void vmx_tlb_flush(struct vcpu *vcpu, enum tlb_scope scope);
void vmx_flush_now(struct vmx_vcpu *vmx);

/* vcpu.c */
int vmx_vcpu_create(struct vcpu *vcpu);
void vmx_vcpu_destroy(struct vcpu *vcpu);
void vmx_vcpu_reset(struct vcpu *vcpu);
void vmx_vcpu_load(struct vcpu *vcpu);
void vmx_vcpu_put(struct vcpu *vcpu);
void vmx_pml_init(struct vmx_vcpu *vmx);
void vmx_dirty_flush(struct vcpu *vcpu);
void vmx_enter(struct vcpu *vcpu);
void vmx_syscall_load(struct vmx_vcpu *vmx);
void vmx_timer_changed(struct vmx_vcpu *vmx);
int vmx_msr_get(struct vcpu *vcpu, u32 msr, u64 *val);
int vmx_msr_set(struct vcpu *vcpu, u32 msr, u64 val, bool host);

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

/* regs.c */
void vmx_regs_fetch(struct vcpu *vcpu, u32 groups);
void vmx_code_fetch(struct vcpu_regs *r);
void vmx_regs_write(struct vmx_vcpu *vmx, u32 groups);
int vmx_pdptes_load(struct vmx_vcpu *vmx, bool atomic);
void vmx_dr_save(struct vmx_vcpu *vmx);

/* intr.c */
void vmx_inject(struct vcpu *vcpu, const struct event *event);
void vmx_windows(struct vcpu *vcpu, u32 windows);
void vmx_nmi_masked_changed(struct vcpu *vcpu);
void vmx_shadow_fetch(struct vmx_vcpu *vmx);
void vmx_shadow_write(struct vmx_vcpu *vmx);
void vmx_step_begin(struct vmx_vcpu *vmx);
void vmx_step_end(struct vmx_vcpu *vmx);
void vmx_event_give_back(struct vmx_vcpu *vmx, u32 info);
void vmx_inject_cancel(struct vmx_vcpu *vmx);
void vmx_nmi_reblock(struct vmx_vcpu *vmx);
void vmx_exit_irq_window(struct vmx_vcpu *vmx);
void vmx_exit_nmi_window(struct vmx_vcpu *vmx);
int vmx_exit_task_gate(struct vmx_vcpu *vmx, u16 tss, u32 info);
int vmx_exit_db(struct vmx_vcpu *vmx, u32 info);
int vmx_exit_step(struct vmx_vcpu *vmx);

/* explain.c */
void vmx_explain_entry(struct vmx_vcpu *vmx, u32 error);

/* exit.c */
int vmx_exit_fast(struct vcpu *vcpu);
int vmx_exit_slow(struct vcpu *vcpu);
const char *vmx_describe_exit(u64 reason);
void vmx_dump(struct vcpu *vcpu);

#endif
