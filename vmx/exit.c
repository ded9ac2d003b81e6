// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exits: from exit reason and qualification to the neutral verbs of exit.h. No policy here.
 *
 * vmx_exit_fast() serves in the inner loop what needs no sleeping; vmx_exit_slow() is the whole switch, every arm one call.
 */
#include <linux/string.h>
#include <asm/apicdef.h>
#include <asm/processor.h>
#include <asm/trapnr.h>
#include <uapi/asm/vmx.h>
#include <keel/access.h>
#include <keel/debug.h>
#include <keel/exit.h>
#include <keel/guest_access.h>
#include <keel/host.h>
#include <keel/irq.h>
#include <keel/memory.h>
#include <keel/vcpu.h>
#include <keel/vm.h>
#include "apic.h"
#include "control.h"
#include "cpu.h"
#include "exit.h"
#include "insn.h"
#include "intr.h"
#include "paging.h"
#include "regs.h"
#include "vmx.h"

/* EPT violation, exit qualification ("Exit Qualification for EPT Violations") */
#define EPTQ_WRITE		BIT(1)
#define EPTQ_FETCH		BIT(2)
#define EPTQ_ENTRY_RWX		GENMASK(5, 3)
#define EPTQ_LINEAR		BIT(7)
#define EPTQ_FINAL		BIT(8)

/* In interruption information and EPT qualifications alike; undefined where the exit was in the delivery of an event. */
#define NMI_UNBLOCKED_BY_IRET	BIT(12)

/* Task switches, exit qualification: selector of the TSS 15:0, enum emu_task_source 31:30 */
#define TASKQ_SOURCE_SHIFT	30

/* I/O instructions, exit qualification */
#define IOQ_SIZE		GENMASK(2, 0)
#define IOQ_IN			BIT(3)
#define IOQ_STRING		BIT(4)
#define IOQ_PORT_SHIFT		16

static __always_inline unsigned int insn_length(void)
{
	return vmcs_read32(VM_EXIT_INSTRUCTION_LEN);
}

/*
 * RIP and RFLAGS, which every instruction that is served in the inner loop needs, without a way through vmx_regs_fetch(). Behind an
 * exit both are valid or none.
 */
static __always_inline void fetch_insn(struct vcpu *vcpu)
{
	struct vcpu_regs *r = &vcpu->regs;

	if (unlikely(r->valid & (RG_RIP | RG_RFLAGS)))
		return;
	r->rip = vmcs_readl(GUEST_RIP);
	r->rflags = vmcs_readl(GUEST_RFLAGS);
	r->valid |= RG_RIP | RG_RFLAGS;
}

/* The same, and the length of the intercepted instruction. */
static __always_inline unsigned int insn_begin(struct vcpu *vcpu)
{
	fetch_insn(vcpu);
	return insn_length();
}

/* And where its mode and privilege matter, CS and CPL. */
static __always_inline void fetch_code(struct vcpu *vcpu)
{
	if (!(vcpu->regs.valid & (RG_SEG | RG_CODE))) {
		vmx_code_fetch(&vcpu->regs);
		vcpu->regs.valid |= RG_CODE;
	}
}

/* ---- decoding into neutral structs ---- */

static __always_inline void decode_fault(struct fault_exit *fault, u32 qual)
{
	fault->gpa = vmcs_read64(GUEST_PHYSICAL_ADDRESS);
	if (qual & EPTQ_WRITE)
		fault->access = FAULT_WRITE;
	else
		fault->access = qual & EPTQ_FETCH ? FAULT_FETCH : FAULT_READ;
	if (qual & EPTQ_ENTRY_RWX)
		fault->access |= FAULT_PRESENT;
	if ((qual & (EPTQ_LINEAR | EPTQ_FINAL)) == EPTQ_LINEAR)
		fault->access |= FAULT_TABLE;
}

/*
 * Look whether the exit cut the delivery of an event short. After an exit of a kind that can (SDM, "Information for VM Exits That Occur
 * During Event Delivery"). If so, the CPU does not say whether it was that of an IRET.
 */
static __always_inline bool event_interrupted(struct vmx_vcpu *vmx)
{
	u32 info = vmcs_read32(IDT_VECTORING_INFO_FIELD);

	if (likely(!(info & VECTORING_INFO_VALID_MASK)))
		return false;
	vmx_event_give_back(vmx, info);
	return true;
}

/* ---- fast: what calls others and comes back is out of line, so that the switch has no frame ---- */

static noinline int fast_exception(struct vmx_vcpu *vmx)
{
	u32 info = vmcs_read32(VM_EXIT_INTR_INFO);

	/* served in vmx_enter() */
	if ((info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_NMI_INTR)
		return RUN_RESUME;
	vmx->iret_faulted = !event_interrupted(vmx) && (info & NMI_UNBLOCKED_BY_IRET);
	if ((info & INTR_INFO_VECTOR_MASK) == X86_TRAP_MC) {
		keel_host_machine_check();
		return RUN_RESUME;
	}
	if (vmx->iret_faulted)
		vmx_nmi_reblock(vmx);
	return RUN_SLOW;
}

static int fast_io(struct vcpu *vcpu)
{
	u32 qual = vmcs_readl(EXIT_QUALIFICATION);

	if (unlikely(qual & IOQ_STRING))
		return RUN_SLOW;
	return keel_fast_io(vcpu, qual >> IOQ_PORT_SHIFT, (qual & IOQ_SIZE) + 1, insn_begin(vcpu),
			    qual & IOQ_IN ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT);
}

/*
 * It came in the delivery of an event, of an IRET that had ended the block of NMIs, or at the local APIC's page, which may have to be
 * mapped.
 */
static noinline int fast_fault_rare(struct vmx_vcpu *vmx, u32 vectoring, u32 qual)
{
	struct vcpu *vcpu = &vmx->vcpu;

	if (vectoring & VECTORING_INFO_VALID_MASK)
		vmx_event_give_back(vmx, vectoring);
	else if (qual & NMI_UNBLOCKED_BY_IRET)
		vmx_nmi_reblock(vmx);
	if (vmx_apic_page_wanted(vmx, vmx->fault.gpa))
		return RUN_SLOW;
	return keel_fast_fault(vcpu, &vmx->fault);
}

static noinline int fast_fault(struct vmx_vcpu *vmx)
{
	u32 vectoring = vmcs_read32(IDT_VECTORING_INFO_FIELD);
	u32 qual = vmcs_readl(EXIT_QUALIFICATION);

	decode_fault(&vmx->fault, qual);
	if (unlikely(vectoring & VECTORING_INFO_VALID_MASK) || unlikely(qual & NMI_UNBLOCKED_BY_IRET) ||
	    unlikely(vmx->fault.gpa - APIC_DEFAULT_PHYS_BASE < PAGE_SIZE))
		return fast_fault_rare(vmx, vectoring, qual);
	return keel_fast_fault(&vmx->vcpu, &vmx->fault);
}

/* The log is full: the access that found it so executes again. */
static noinline int fast_pml(struct vmx_vcpu *vmx)
{
	if (!event_interrupted(vmx) && unlikely(vmcs_readl(EXIT_QUALIFICATION) & NMI_UNBLOCKED_BY_IRET))
		vmx_nmi_reblock(vmx);
	vmx_dirty_flush(&vmx->vcpu);
	return RUN_RESUME;
}

static noinline int fast_timer(struct vcpu *vcpu)
{
	keel_lapic_deadline_reached(vcpu);
	return RUN_RESUME;
}

/* An access to the local APIC's page that the CPU leaves to us. */
static noinline int fast_apic_access(struct vmx_vcpu *vmx)
{
	event_interrupted(vmx);
	vmx_decode_apic_access(&vmx->fault);
	return keel_fast_fault(&vmx->vcpu, &vmx->fault);
}

/* Whether an event wakes the guest depends on the shadow of an STI, which ends with the HLT. */
static noinline int fast_hlt(struct vmx_vcpu *vmx)
{
	vcpu_need(&vmx->vcpu, RG_SHADOW);
	return keel_do_hlt(&vmx->vcpu, insn_begin(&vmx->vcpu));
}

static noinline int fast_hypercall(struct vcpu *vcpu)
{
	fetch_code(vcpu);
	return keel_fast_hypercall(vcpu, insn_begin(vcpu));
}

/*
 * This exit goes before an interrupt of the host: where nothing goes in, as for a launcher that asked for the window, entering again
 * would come back here for good.
 */
static noinline int fast_irq_window(struct vmx_vcpu *vmx)
{
	vmx_exit_irq_window(vmx);
	return READ_ONCE(vmx->vcpu.run->request_interrupt_window) ? RUN_LEAVE : RUN_RESUME;
}

static noinline int fast_nmi_window(struct vmx_vcpu *vmx)
{
	vmx_exit_nmi_window(vmx);
	return RUN_RESUME;
}

/* The exit comes before the check of DR7.GD. */
static int fast_dr(struct vcpu *vcpu)
{
	return vmcs_readl(GUEST_DR7) & DR7_GD ? RUN_SLOW : keel_fast_dr(vcpu);
}

/* RUN_SLOW, after which interrupts are on: that is all an interrupt of the host needs, as exits do not acknowledge it. */
static int fast_intr(struct vmx_vcpu *vmx)
{
	vmx->vcpu.stats.irq_exits++;
	return RUN_SLOW;
}

/*
 * vmx_exit_fast() - serve the exit with interrupts off, if that can be done
 */
int vmx_exit_fast(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	/* without jump tables the switch is a tree of compares: devices, memory, timer and IPIs of x2APIC guests first */
	if (vmx->exit_reason == EXIT_REASON_EPT_VIOLATION)
		return fast_fault(vmx);
	if (vmx->exit_reason == EXIT_REASON_MSR_WRITE)
		return keel_fast_wrmsr(vcpu, insn_begin(vcpu));
	switch (vmx->exit_reason) {
	case EXIT_REASON_CPUID:		return keel_do_cpuid(vcpu, insn_begin(vcpu));
	case EXIT_REASON_MSR_READ:	return keel_fast_rdmsr(vcpu, insn_begin(vcpu));
	case EXIT_REASON_IO_INSTRUCTION: return fast_io(vcpu);
	case EXIT_REASON_HLT:		return fast_hlt(vmx);
	case EXIT_REASON_VMCALL:	return fast_hypercall(vcpu);
	case EXIT_REASON_EXTERNAL_INTERRUPT: return fast_intr(vmx);
	case EXIT_REASON_INTERRUPT_WINDOW: return fast_irq_window(vmx);
	case EXIT_REASON_NMI_WINDOW:	return fast_nmi_window(vmx);
	case EXIT_REASON_EXCEPTION_NMI:	return fast_exception(vmx);
	case EXIT_REASON_DR_ACCESS:	return fast_dr(vcpu);
	case EXIT_REASON_PREEMPTION_TIMER: return fast_timer(vcpu);
	case EXIT_REASON_PML_FULL:	return fast_pml(vmx);
	case EXIT_REASON_APIC_WRITE:	return vmx_exit_apic_write(vmx);
	case EXIT_REASON_EOI_INDUCED:	return vmx_exit_eoi(vmx);
	case EXIT_REASON_APIC_ACCESS:	return fast_apic_access(vmx);
	case EXIT_REASON_TPR_BELOW_THRESHOLD: return vmx_exit_tpr(vmx);
	default:			return RUN_SLOW;
	}
}

/* ---- slow ---- */

static int unknown(struct vmx_vcpu *vmx)
{
	return keel_do_unknown_exit(&vmx->vcpu, vmx->exit_reason, vmx_exit_name(vmx->exit_reason));
}

static int slow_fault(struct vmx_vcpu *vmx)
{
	if (vmx_apic_page_wanted(vmx, vmx->fault.gpa) && vmx_apic_page_map(vmx))
		return RUN_RESUME;
	return keel_do_fault(&vmx->vcpu, &vmx->fault);
}

/* What the accesses to control registers have in common: #GP, or the instruction is complete. */
static int cr_done(struct vcpu *vcpu, int ret)
{
	if (ret)
		return keel_do_gp(vcpu);
	vcpu_advance(vcpu, insn_length());
	return RUN_RESUME;
}

/* SDM, "Exit Qualification for Control-Register Accesses" */
static int slow_cr(struct vcpu *vcpu)
{
	u32 qual = vmcs_readl(EXIT_QUALIFICATION);
	unsigned int n = qual & 0xf, reg = (qual & CONTROL_REG_ACCESS_REG) >> 8;
	u64 cr0;

	switch ((qual & CONTROL_REG_ACCESS_TYPE) >> 4) {
	case 0:
		return keel_do_mov_to_cr(vcpu, n, reg, insn_length());
	case 1:
		vcpu_set_gpr(vcpu, reg, keel_get_cr(vcpu, n));
		return cr_done(vcpu, 0);
	case 2:	/* CLTS */
		return cr_done(vcpu, keel_set_cr(vcpu, 0, vcpu_cr0(vcpu) & ~(u64)X86_CR0_TS));
	default: /* LMSW: PE can be set but not cleared */
		cr0 = vcpu_cr0(vcpu) & ~(u64)(X86_CR0_MP | X86_CR0_EM | X86_CR0_TS);
		return cr_done(vcpu, keel_set_cr(vcpu, 0, cr0 | ((qual >> LMSW_SOURCE_DATA_SHIFT) & 0xf)));
	}
}

static int slow_bp(struct vmx_vcpu *vmx)
{
	if (!(vmx->vcpu.debug.control & KVM_GUESTDBG_USE_SW_BP))
		vmx->soft_len = insn_length();
	return keel_do_breakpoint(&vmx->vcpu);
}

/* The other vendor's hypercall instruction is served as ours, unless the launcher turned that quirk off. */
static int slow_ud(struct vcpu *vcpu)
{
	static const u8 vmmcall[] = { 0x0f, 0x01, 0xd9 };
	u32 access = WALK_FETCH | (vcpu_cpl(vcpu) == 3 ? WALK_USER : 0);
	u8 bytes[sizeof(vmmcall)];
	struct walk walk;
	gva_t where;

	if (!(vcpu->vm->disabled_quirks & KVM_X86_QUIRK_FIX_HYPERCALL_INSN) &&
	    !keel_read_virt(vcpu, vcpu_linear_rip(vcpu), bytes, sizeof(bytes), access, &walk, &where) &&
	    !memcmp(bytes, vmmcall, sizeof(bytes)))
		return keel_do_insn(vcpu, EMU_OP_VMMCALL, sizeof(bytes));
	return keel_do_undefined(vcpu);
}

static int answer_exception(struct vmx_vcpu *vmx)
{
	u32 info = vmcs_read32(VM_EXIT_INTR_INFO);

	switch (info & INTR_INFO_VECTOR_MASK) {
	case X86_TRAP_DB:
		return vmx_exit_db(vmx, info);
	case X86_TRAP_BP:
		return slow_bp(vmx);
	case X86_TRAP_UD:
		return slow_ud(&vmx->vcpu);
	case X86_TRAP_PF:
		return vmx_exit_page_fault(vmx);
	case X86_TRAP_AC:
		return keel_do_alignment_check(&vmx->vcpu);
	default:
		return unknown(vmx);
	}
}

/* What an IRET raised itself, and is the guest's, finds NMIs unblocked (SDM, "Handling Multiple NMIs"). */
static int slow_exception(struct vmx_vcpu *vmx)
{
	int ret = answer_exception(vmx);

	if (unlikely(vmx->iret_faulted) && vmx->vcpu.events.exception.valid)
		vmx_nmi_unblock(vmx);
	return ret;
}

/* SDM, "Exit Qualification for Task Switches": CALL, IRET and JMP execute in software. */
static int slow_task_switch(struct vmx_vcpu *vmx)
{
	u32 qual = vmcs_readl(EXIT_QUALIFICATION), info = vmcs_read32(IDT_VECTORING_INFO_FIELD);

	if (qual >> TASKQ_SOURCE_SHIFT != EMU_TASK_EVENT)
		return keel_do_emulate(&vmx->vcpu, NULL, 0);
	if (!(info & VECTORING_INFO_VALID_MASK))
		return unknown(vmx);
	return vmx_exit_task_gate(vmx, (u16)qual, info);
}

static int slow_pdptes(struct vmx_vcpu *vmx)
{
	vmx->vcpu.origin.refused++;
	return vmx_pdptes_load(vmx, false) ? -EFAULT : RUN_RESUME;
}

static int slow_invalid(struct vmx_vcpu *vmx)
{
	vmx_explain_entry(vmx, 0);
	if ((u16)vmx->exit_reason == EXIT_REASON_MCE_DURING_VMENTRY)
		keel_host_machine_check();
	vmx_inject_cancel(vmx);
	/* a VMLAUNCH that fails this way does not count as one */
	vmx_vmcs_clear(vmx);
	return keel_do_failed_entry(&vmx->vcpu, vmx->exit_reason);
}

static int slow_vmfail(struct vmx_vcpu *vmx)
{
	u32 error = vmcs_read32(VM_INSTRUCTION_ERROR);

	vmx_explain_entry(vmx, error);
	vmx_inject_cancel(vmx);
	return keel_do_failed_entry(&vmx->vcpu, error);
}

/*
 * vmx_exit_slow() - the exit switch
 *
 * Context: loaded, interrupts on, may sleep. Return rule of exit.h.
 */
int vmx_exit_slow(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u32 code = vmx->exit_reason;

	if (unlikely(code & VMX_EXIT_REASONS_FAILED_VMENTRY))
		return slow_invalid(vmx);
	switch (code) {
	case EXIT_REASON_EXTERNAL_INTERRUPT:
	case EXIT_REASON_INIT_SIGNAL:
	case EXIT_REASON_SIPI_SIGNAL:	return RUN_RESUME;
	case EXIT_REASON_EPT_VIOLATION:	return slow_fault(vmx);
	case EXIT_REASON_MSR_READ:	return keel_do_insn(vcpu, EMU_OP_RDMSR, insn_length());
	case EXIT_REASON_MSR_WRITE:	return keel_do_insn(vcpu, EMU_OP_WRMSR, insn_length());
	case EXIT_REASON_HLT:		return keel_do_hlt(vcpu, insn_length());
	case EXIT_REASON_CPUID:		return keel_do_insn(vcpu, EMU_OP_CPUID, insn_length());
	case EXIT_REASON_VMCALL:	return keel_do_insn(vcpu, EMU_OP_VMCALL, insn_length());
	case EXIT_REASON_CR_ACCESS:	return slow_cr(vcpu);
	case EXIT_REASON_IO_INSTRUCTION: /* INS and OUTS */
	case EXIT_REASON_DR_ACCESS:	return keel_do_emulate(vcpu, NULL, 0);
	case EXIT_REASON_PAUSE_INSTRUCTION: return keel_do_insn(vcpu, EMU_OP_PAUSE, insn_length());
	case EXIT_REASON_XSETBV:	return keel_do_insn(vcpu, EMU_OP_XSETBV, insn_length());
	case EXIT_REASON_WBINVD:
	case EXIT_REASON_INVD:		return keel_do_insn(vcpu, EMU_OP_INVD, insn_length());
	case EXIT_REASON_MONITOR_INSTRUCTION:
	case EXIT_REASON_MWAIT_INSTRUCTION: return keel_do_insn(vcpu, EMU_OP_MWAIT, insn_length());
	case EXIT_REASON_RDPMC:		return keel_do_gp(vcpu);
	case EXIT_REASON_EXCEPTION_NMI:	return slow_exception(vmx);
	case EXIT_REASON_MONITOR_TRAP_FLAG: return vmx_exit_step(vmx);
	case EXIT_REASON_APIC_ACCESS:	return keel_do_fault(vcpu, &vmx->fault);
	case EXIT_REASON_TASK_SWITCH:	return slow_task_switch(vmx);
	case EXIT_REASON_TRIPLE_FAULT:	return keel_do_triple_fault(vcpu);
	case EXIT_NO_PDPTES:		return slow_pdptes(vmx);
	case EXIT_REASON_INVLPG:	return vmx_exit_invlpg(vmx);
	case EXIT_SOFTWARE:		return vmx_exit_software(vmx);
	case EXIT_VMFAIL:		return slow_vmfail(vmx);
	case VMX_EXIT_REASON_GETSEC:
	case EXIT_REASON_VMCLEAR:
	case EXIT_REASON_VMLAUNCH:
	case EXIT_REASON_VMPTRLD:
	case EXIT_REASON_VMPTRST:
	case EXIT_REASON_VMREAD:
	case EXIT_REASON_VMRESUME:
	case EXIT_REASON_VMWRITE:
	case EXIT_REASON_VMOFF:
	case EXIT_REASON_VMON:
	case EXIT_REASON_INVEPT:
	case EXIT_REASON_INVVPID:
	case EXIT_REASON_VMFUNC:
	case EXIT_REASON_ENCLS:
	case EXIT_REASON_XSAVES:
	case EXIT_REASON_XRSTORS:	return keel_do_undefined(vcpu);
	default:			return unknown(vmx);
	}
}
