// SPDX-License-Identifier: GPL-2.0-only
/*
 * The whole switch of exits, every arm one call: from exit reason and qualification to the neutral verbs of keel/exit.h. No policy
 * here; what needs no sleeping is served before, in exit_fast.c.
 */
#include <linux/string.h>
#include <asm/apicdef.h>
#include <asm/processor.h>
#include <asm/trapnr.h>
#include <uapi/asm/vmx.h>
#include <keel/access.h>
#include <keel/debug.h>
#include <keel/exit.h>
#include <keel/exit_fast.h>
#include <keel/guest_access.h>
#include <keel/host.h>
#include <keel/memory.h>
#include <keel/vcpu.h>
#include <keel/vm.h>
#include "apic.h"
#include "cpu.h"
#include "exit.h"
#include "insn.h"
#include "intr.h"
#include "paging.h"
#include "regs.h"
#include "vmx.h"

/* Task switches, exit qualification: selector of the TSS 15:0, enum emu_task_source 31:30 */
#define TASKQ_SOURCE_SHIFT	30

static int unknown(struct vmx_vcpu *vmx)
{
	return keel_do_unknown_exit(&vmx->vcpu, vmx->exit_reason, vmx_exit_name(vmx->exit_reason));
}

static int slow_fault(struct vmx_vcpu *vmx)
{
	if (unlikely(vmx->fault.gpa - APIC_DEFAULT_PHYS_BASE < PAGE_SIZE) && vmx_apic_page_wanted(vmx, vmx->fault.gpa) &&
	    vmx_apic_page_map(vmx))
		return RUN_RESUME;
	return keel_do_fault(&vmx->vcpu, &vmx->fault);
}

/* What the accesses to control registers have in common: #GP, or the instruction is complete. */
static int cr_done(struct vcpu *vcpu, int ret)
{
	if (ret)
		return keel_do_gp(vcpu);
	vcpu_advance(vcpu, vmx_insn_length());
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
		return keel_do_mov_to_cr(vcpu, n, reg, vmx_insn_length());
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
		vmx->soft_len = vmx_insn_length();
	return keel_do_breakpoint(&vmx->vcpu);
}

/*
 * The other vendor's hypercall instruction is served as ours, unless the launcher turned that quirk off. Not inline: for its bytes the compiler
 * guards the stack, which other exits need not pay for.
 */
static noinline int slow_ud(struct vcpu *vcpu)
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
	case EXIT_REASON_MSR_READ:	return keel_do_insn(vcpu, EMU_OP_RDMSR, vmx_insn_length());
	case EXIT_REASON_MSR_WRITE:	return keel_do_insn(vcpu, EMU_OP_WRMSR, vmx_insn_length());
	case EXIT_REASON_HLT:		return keel_do_hlt(vcpu, vmx_insn_length());
	case EXIT_REASON_CPUID:		return keel_do_insn(vcpu, EMU_OP_CPUID, vmx_insn_length());
	case EXIT_REASON_VMCALL:	return keel_do_insn(vcpu, EMU_OP_VMCALL, vmx_insn_length());
	case EXIT_REASON_CR_ACCESS:	return slow_cr(vcpu);
	case EXIT_REASON_IO_INSTRUCTION: /* INS and OUTS */
	case EXIT_REASON_DR_ACCESS:	return keel_do_emulate(vcpu, NULL, 0);
	case EXIT_REASON_PAUSE_INSTRUCTION: return keel_do_insn(vcpu, EMU_OP_PAUSE, vmx_insn_length());
	case EXIT_REASON_XSETBV:	return keel_do_insn(vcpu, EMU_OP_XSETBV, vmx_insn_length());
	case EXIT_REASON_WBINVD:
	case EXIT_REASON_INVD:		return keel_do_insn(vcpu, EMU_OP_INVD, vmx_insn_length());
	case EXIT_REASON_MONITOR_INSTRUCTION:
	case EXIT_REASON_MWAIT_INSTRUCTION: return keel_do_insn(vcpu, EMU_OP_MWAIT, vmx_insn_length());
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
