// SPDX-License-Identifier: GPL-2.0-only
/*
 * The whole switch of exits, every arm one call: from EXITCODE and EXITINFO to the neutral verbs of keel/exit.h. No policy here;
 * what needs no sleeping is served before, in exit_fast.c. An instruction that cannot be measured goes through the emulator.
 */
#include <asm/processor.h>
#include <asm/trapnr.h>
#include <keel/debug.h>
#include <keel/emulate.h>
#include <keel/exit.h>
#include <keel/guest_access.h>
#include <keel/memory.h>
#include <keel/vcpu.h>
#include <keel/vcpu_life.h>
#include <keel/vm.h>
#include "caps.h"
#include "control.h"
#include "cpu.h"
#include "exit.h"
#include "intr.h"
#include "regs.h"
#include "svm.h"

/* EXITINFO1 of a MOV to or from CR with decode assists */
#define CR_VALID		BIT_ULL(63)

static unsigned int length_slow(struct svm_vcpu *svm, enum emu_op op)
{
	if (svm_caps.nrip)
		return svm->vmcb->control.next_rip - svm->vcpu.regs.rip;
	return svm_measure_slow(svm, op);
}

/* Through the emulator when it cannot be measured. */
static int slow_insn(struct svm_vcpu *svm, enum emu_op op)
{
	unsigned int len = length_slow(svm, op);

	return len ? keel_do_insn(&svm->vcpu, op, len) : keel_do_emulate(&svm->vcpu, NULL, 0);
}

/* MOV to CR with the operand named by the CPU; all else (CLTS, LMSW, reads, older CPUs) is emulated. */
static int slow_cr_write(struct svm_vcpu *svm, unsigned int cr)
{
	const struct vmcb_control_area *control = &svm->vmcb->control;
	struct vcpu *vcpu = &svm->vcpu;

	if (!svm_caps.decode || !svm_caps.nrip || !(control->exit_info_1 & CR_VALID))
		return keel_do_emulate(vcpu, NULL, 0);
	return keel_do_mov_to_cr(vcpu, cr, control->exit_info_1 & SVM_EXITINFO_REG_MASK, control->next_rip - vcpu->regs.rip);
}

/* Page-fault error code, EXITINFO1 */
#define PF_WRITE		BIT_ULL(1)
#define PF_USER			BIT_ULL(2)
#define PF_FETCH		BIT_ULL(4)

static noinline int slow_page_fault(struct svm_vcpu *svm)
{
	const struct vmcb_control_area *control = &svm->vmcb->control;
	struct page_fault_exit fault = {
		.gva = control->exit_info_2,
		.is_delivery = control->exit_int_info & SVM_EXITINTINFO_VALID,
	};
	u64 error = control->exit_info_1;
	int ret;

	if (error & PF_WRITE)
		fault.access = WALK_WRITE;
	else if (error & PF_FETCH)
		fault.access = WALK_FETCH;
	if (error & PF_USER)
		fault.access |= WALK_USER;
	else if (svm->vmcb->save.cpl == 3)
		fault.access |= WALK_IMPLICIT;
	if (svm_caps.decode && control->insn_len && control->insn_len <= sizeof(control->insn_bytes)) {
		fault.insn = control->insn_bytes;
		fault.insn_len = control->insn_len;
	}
	ret = keel_do_page_fault(&svm->vcpu, &fault);
	if (unlikely(svm->rare & RARE_IRET) && !fault.is_delivery)
		svm_iret_faulted(svm);
	return ret;
}

/* VMCALL into VMMCALL, which differs in its last byte, where the guest itself could write it. */
static void patch_vmcall(struct svm_vcpu *svm, unsigned int len)
{
	const u8 last = 0xd9;
	struct walk walk;
	gva_t where;

	keel_write_virt(&svm->vcpu, svm_linear_rip(svm) + len - 1, &last, 1, svm->vmcb->save.cpl == 3 ? WALK_USER : 0, &walk, &where);
}

/* A guest that was made for Intel, or came from there, calls with VMCALL; all else that is undefined stays so. */
static int slow_ud(struct svm_vcpu *svm)
{
	struct vcpu *vcpu = &svm->vcpu;
	unsigned int len = 0;

	if (!(vcpu->vm->disabled_quirks & KVM_X86_QUIRK_FIX_HYPERCALL_INSN))
		len = svm_measure_slow(svm, EMU_OP_VMCALL);
	if (!len)
		return keel_do_undefined(vcpu);
	patch_vmcall(svm, len);
	return keel_do_insn(vcpu, EMU_OP_VMCALL, len);
}

/*
 * What a shutdown leaves in the VMCB is undefined (APM, "Shutdown Intercept"); only what VMSAVE stored afterwards is not. So the launcher
 * finds a vCPU after an INIT, with which many boards answer a shutdown; it can look at that or run it.
 */
static int slow_shutdown(struct svm_vcpu *svm)
{
	struct vcpu *vcpu = &svm->vcpu;

	memset(&svm->vmcb->control, 0, sizeof(svm->vmcb->control));
	svm_vmcb_init(svm);
	preempt_disable();
	svm_asid_drop(svm);
	preempt_enable();
	/* CD and NW outlive an INIT: as they were known last */
	vcpu->regs.valid |= RG_CR0;
	keel_vcpu_reset(vcpu, VCPU_INIT);
	return keel_do_triple_fault(vcpu);
}

static int slow_invalid(struct svm_vcpu *svm)
{
	svm_explain_entry(svm);
	svm->vmcb->control.event_inj = 0;
	return keel_do_failed_entry(&svm->vcpu, (u32)SVM_EXIT_ERR);
}

static int unknown(struct vcpu *vcpu, u32 code)
{
	static const struct exit_name names[] = { SVM_EXIT_REASONS };

	return keel_do_unknown_exit(vcpu, code, keel_exit_name(names, ARRAY_SIZE(names), code));
}

/* CALL, JMP and IRET execute in software, as the emulator does them. */
static int slow_task_switch(struct svm_vcpu *svm)
{
	struct vcpu *vcpu = &svm->vcpu;
	unsigned int len = 0;

	if (!(svm->vmcb->control.exit_int_info & SVM_EXITINTINFO_VALID))
		return keel_do_emulate(vcpu, NULL, 0);
	/* svm_event_interrupted() has left it to execute again */
	if (!vcpu->events.injected.valid) {
		len = svm_measure_slow(svm, svm_interrupted_op(svm));
		if (!len)
			return unknown(vcpu, svm->vmcb->control.exit_code);
	}
	return svm_exit_task_gate(svm, len);
}

/*
 * svm_exit_slow() - the exit switch
 *
 * Context: loaded, interrupts on, may sleep. Return rule of exit.h.
 */
int svm_exit_slow(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	u32 code = svm->vmcb->control.exit_code;

	/* without jump tables the switch is a tree of compares: memory first, which fast_fault() has decoded */
	if (code == SVM_EXIT_NPF)
		return keel_do_fault(vcpu, &svm->fault);
	switch (code) {
	case SVM_EXIT_INTR:		return RUN_RESUME;
	case SVM_EXIT_MSR:
		return slow_insn(svm, svm->vmcb->control.exit_info_1 ? EMU_OP_WRMSR : EMU_OP_RDMSR);
	case SVM_EXIT_HLT:		return slow_insn(svm, EMU_OP_HLT);
	case SVM_EXIT_CPUID:		return slow_insn(svm, EMU_OP_CPUID);
	case SVM_EXIT_VMMCALL:		return slow_insn(svm, EMU_OP_VMMCALL);
	case SVM_EXIT_WRITE_CR0:
	case SVM_EXIT_CR0_SEL_WRITE:	return slow_cr_write(svm, 0);
	case SVM_EXIT_WRITE_CR3:	return slow_cr_write(svm, 3);
	case SVM_EXIT_WRITE_CR4:	return slow_cr_write(svm, 4);
	case SVM_EXIT_WRITE_CR8:	return slow_cr_write(svm, 8);
	case SVM_EXIT_IOIO:		/* INS and OUTS */
	case SVM_EXIT_IRET:		/* of a nested task */
	case SVM_EXIT_READ_CR0:
	case SVM_EXIT_READ_CR3:
	case SVM_EXIT_READ_CR4:
	case SVM_EXIT_INVLPG:
	case SVM_EXIT_READ_CR8:
	case SVM_EXIT_READ_DR0 ... SVM_EXIT_READ_DR7:
	case SVM_EXIT_WRITE_DR0 ... SVM_EXIT_WRITE_DR7:
		return keel_do_emulate(vcpu, NULL, 0);
	case SVM_EXIT_PAUSE:		return keel_do_pause(vcpu);
	case SVM_EXIT_XSETBV:		return slow_insn(svm, EMU_OP_XSETBV);
	case SVM_EXIT_WBINVD:		return slow_insn(svm, EMU_OP_WBINVD);
	case SVM_EXIT_INVD:		return slow_insn(svm, EMU_OP_INVD);
	case SVM_EXIT_MONITOR:		return slow_insn(svm, EMU_OP_MONITOR);
	case SVM_EXIT_MWAIT:
	case SVM_EXIT_MWAIT_COND:	return slow_insn(svm, EMU_OP_MWAIT);
	case SVM_EXIT_RDPMC:		return keel_do_gp(vcpu);
	case SVM_EXIT_EXCP_BASE + X86_TRAP_DB: return svm_exit_db(svm);
	case SVM_EXIT_EXCP_BASE + X86_TRAP_BP: return keel_do_breakpoint(vcpu);
	case SVM_EXIT_EXCP_BASE + X86_TRAP_UD: return slow_ud(svm);
	case SVM_EXIT_EXCP_BASE + X86_TRAP_AC: return keel_do_alignment_check(vcpu);
	case SVM_EXIT_EXCP_BASE + X86_TRAP_PF:
		return vcpu->shadow ? slow_page_fault(svm) : svm_exit_iret_fault(svm, X86_TRAP_PF);
	case SVM_EXIT_EXCP_BASE + X86_TRAP_TS:
	case SVM_EXIT_EXCP_BASE + X86_TRAP_NP:
	case SVM_EXIT_EXCP_BASE + X86_TRAP_SS:
	case SVM_EXIT_EXCP_BASE + X86_TRAP_GP:
		return svm_exit_iret_fault(svm, code - SVM_EXIT_EXCP_BASE);
	case SVM_EXIT_TASK_SWITCH:	return slow_task_switch(svm);
	case SVM_EXIT_SHUTDOWN:		return slow_shutdown(svm);
	case SVM_EXIT_VMRUN:
	case SVM_EXIT_VMLOAD:
	case SVM_EXIT_VMSAVE:
	case SVM_EXIT_STGI:
	case SVM_EXIT_CLGI:
	case SVM_EXIT_SKINIT:
	case SVM_EXIT_INVLPGA:
	case SVM_EXIT_RSM:
	case SVM_EXIT_RDTSCP:
	case SVM_EXIT_RDPRU:
	case SVM_EXIT_INVPCID:		return keel_do_undefined(vcpu);
	case (u32)SVM_EXIT_ERR:		return slow_invalid(svm);
	default:			return unknown(vcpu, code);
	}
}
