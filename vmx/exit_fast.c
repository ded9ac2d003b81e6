// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exits that are served with interrupts off, in the inner loop: from exit reason and qualification to the neutral verbs of
 * keel/exit.h. No policy here.
 */
#include <asm/apicdef.h>
#include <asm/processor.h>
#include <asm/trapnr.h>
#include <uapi/asm/vmx.h>
#include <keel/access.h>
#include <keel/debug.h>
#include <keel/exit.h>
#include <keel/exit_fast.h>
#include <keel/host.h>
#include <keel/irq.h>
#include <keel/memory.h>
#include <keel/vcpu.h>
#include "apic.h"
#include "control.h"
#include "exit.h"
#include "insn.h"
#include "intr.h"
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

/* I/O instructions, exit qualification */
#define IOQ_SIZE		GENMASK(2, 0)
#define IOQ_IN			BIT(3)
#define IOQ_STRING		BIT(4)
#define IOQ_PORT_SHIFT		16

/* Accesses to control registers, exit qualification: 3:0, where the kernel's header has but three of them */
#define CR_NUMBER		GENMASK(3, 0)

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
	return vmx_insn_length();
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

/* SDM, "Exit Qualification for Control-Register Accesses" */
static int fast_cr(struct vcpu *vcpu)
{
	u32 qual = vmcs_readl(EXIT_QUALIFICATION);

	/* MOV to CR3 */
	if ((qual & (CONTROL_REG_ACCESS_TYPE | CR_NUMBER)) != 3)
		return RUN_SLOW;
	fetch_code(vcpu);
	return keel_fast_mov_to_cr3(vcpu, (qual & CONTROL_REG_ACCESS_REG) >> 8, insn_begin(vcpu));
}

/* What exits on shadow tables alone. */
static noinline int fast_shadow(struct vmx_vcpu *vmx)
{
	struct vcpu *vcpu = &vmx->vcpu;

	switch (vmx->exit_reason) {
	case EXIT_REASON_CR_ACCESS:	return fast_cr(vcpu);
	case EXIT_REASON_INVLPG:	return keel_fast_invlpg(vcpu, vmcs_readl(EXIT_QUALIFICATION), insn_begin(vcpu));
	default:			return RUN_SLOW;
	}
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
	default:			return vcpu->shadow ? fast_shadow(vmx) : RUN_SLOW;
	}
}
