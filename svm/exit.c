// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exits: from EXITCODE and EXITINFO to the neutral verbs of exit.h. No policy here.
 *
 * svm_exit_fast() serves in the inner loop what needs no sleeping; svm_exit_slow() is the whole switch, every arm one call. Where
 * the CPU does not say how long the intercepted instruction is (no NRIP save), its bytes are fetched and measured; if
 * they cannot be had, the instruction goes through the emulator.
 */
#include <linux/mm.h>
#include <asm/processor.h>
#include <asm/trapnr.h>
#include <keel/access.h>
#include <keel/debug.h>
#include <keel/emulate.h>
#include <keel/exit.h>
#include <keel/guest_access.h>
#include <keel/host.h>
#include <keel/memory.h>
#include <keel/request.h>
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

/* NPF error code, EXITINFO1 ("Nested versus Guest Page Faults, Fault Ordering") */
#define NPF_PRESENT		BIT_ULL(0)
#define NPF_WRITE		BIT_ULL(1)
#define NPF_RESERVED		BIT_ULL(3)
#define NPF_FETCH		BIT_ULL(4)
#define NPF_TABLE		BIT_ULL(33)

/* EXITINFO1 of a MOV to or from CR with decode assists */
#define CR_VALID		BIT_ULL(63)

/* ---- length of the intercepted instruction ---- */

static enum emu_mode decode_mode(const struct vmcb_save_area *save)
{
	bool big = save->cs.attrib & SVM_SELECTOR_DB_MASK;

	if (save->efer & EFER_LMA) {
		if (save->cs.attrib & SVM_SELECTOR_L_MASK)
			return EMU_MODE_LONG;
		return big ? EMU_MODE_COMPAT32 : EMU_MODE_COMPAT16;
	}
	if (!(save->cr0 & X86_CR0_PE))
		return EMU_MODE_REAL;
	if (save->rflags & X86_EFLAGS_VM)
		return EMU_MODE_VM86;
	return big ? EMU_MODE_PROT32 : EMU_MODE_PROT16;
}

/* Linear address of the instruction. */
static gva_t linear_rip(const struct svm_vcpu *svm)
{
	const struct vmcb_save_area *save = &svm->vmcb->save;

	if (likely((save->efer & EFER_LMA) && (save->cs.attrib & SVM_SELECTOR_L_MASK)))
		return svm->vcpu.regs.rip;
	return (u32)(save->cs.base + svm->vcpu.regs.rip);
}

/* Look at all its bytes: a page of code that is met for the first time, prefixes, not 64-bit code. */
static noinline unsigned int measure_fast(struct svm_vcpu *svm, enum emu_op op)
{
	const struct vmcb *vmcb = svm->vmcb;
	u8 bytes[EMU_MAX_INSN];
	unsigned int n;

	n = keel_fetch_linear_atomic(&svm->vcpu, linear_rip(svm), vmcb->save.cpl == 3 ? WALK_USER : 0, bytes,
				     EMU_MAX_INSN);
	return n ? emu_skip_length(decode_mode(&vmcb->save), bytes, n, op) : 0;
}

/* Length of the instruction that was intercepted as @op, with interrupts off. 0 if it cannot be told. */
static __always_inline unsigned int length_fast(struct svm_vcpu *svm, enum emu_op op)
{
	const struct vmcb_save_area *save = &svm->vmcb->save;
	const struct emu_plain *want = &emu_plain[op];

	if (svm_caps.nrip)
		return svm->vmcb->control.next_rip - svm->vcpu.regs.rip;
	svm_need_cr3(svm);
	if (likely(save->cs.attrib & SVM_SELECTOR_L_MASK) &&
	    likely(((u32)keel_code_word(&svm->vcpu, svm->vcpu.regs.rip, save->cpl) & want->mask) == want->code))
		return want->length;
	return measure_fast(svm, op);
}

/* Look at the bytes where it may sleep: length of the instruction if it is an @op, else 0. */
static unsigned int measure_slow(struct svm_vcpu *svm, enum emu_op op)
{
	const struct vmcb *vmcb = svm->vmcb;
	gva_t la = linear_rip(svm), where;
	unsigned int n = min_t(unsigned int, EMU_MAX_INSN, PAGE_SIZE - offset_in_page(la));
	u32 access = WALK_FETCH | (vmcb->save.cpl == 3 ? WALK_USER : 0);
	u8 bytes[EMU_MAX_INSN];
	struct walk walk;

	if (keel_read_virt(&svm->vcpu, la, bytes, n, access, &walk, &where))
		return 0;
	return emu_skip_length(decode_mode(&vmcb->save), bytes, n, op);
}

static unsigned int length_slow(struct svm_vcpu *svm, enum emu_op op)
{
	if (svm_caps.nrip)
		return svm->vmcb->control.next_rip - svm->vcpu.regs.rip;
	return measure_slow(svm, op);
}

/* ---- decoding into neutral structs ---- */

static void decode_fault(struct svm_vcpu *svm)
{
	const struct vmcb_control_area *control = &svm->vmcb->control;
	struct fault_exit *fault = &svm->fault;
	u64 info = control->exit_info_1;

	fault->gpa = control->exit_info_2;
	if (info & NPF_WRITE)
		fault->access = FAULT_WRITE;
	else
		fault->access = info & NPF_FETCH ? FAULT_FETCH : FAULT_READ;
	if (info & NPF_PRESENT)
		fault->access |= FAULT_PRESENT;
	if (info & NPF_TABLE)
		fault->access |= FAULT_TABLE;
	if (info & NPF_RESERVED)
		fault->access |= FAULT_RESERVED;
	fault->insn = NULL;
	fault->insn_len = 0;
	if (svm_caps.decode && control->insn_len && control->insn_len <= sizeof(control->insn_bytes)) {
		fault->insn = control->insn_bytes;
		fault->insn_len = control->insn_len;
	}
}

/* ---- fast ---- */

/* One function an instruction: the switch and the exits that need no length so have no frame. */
#define FAST_INSN(name, op, verb)							\
static noinline int fast_##name(struct svm_vcpu *svm)					\
{											\
	unsigned int len = length_fast(svm, op);					\
											\
	return likely(len) ? verb(&svm->vcpu, len) : RUN_SLOW;				\
}

FAST_INSN(cpuid, EMU_OP_CPUID, keel_do_cpuid)
FAST_INSN(rdmsr, EMU_OP_RDMSR, keel_fast_rdmsr)
FAST_INSN(wrmsr, EMU_OP_WRMSR, keel_fast_wrmsr)
FAST_INSN(hlt, EMU_OP_HLT, keel_do_hlt)
FAST_INSN(vmmcall, EMU_OP_VMMCALL, keel_fast_hypercall)

static int fast_msr(struct svm_vcpu *svm)
{
	return svm->vmcb->control.exit_info_1 ? fast_wrmsr(svm) : fast_rdmsr(svm);
}

static int fast_hypercall(struct svm_vcpu *svm)
{
	svm_need_code(svm);
	return fast_vmmcall(svm);
}

static int fast_io(struct svm_vcpu *svm)
{
	u32 info = svm->vmcb->control.exit_info_1;

	if (unlikely(info & SVM_IOIO_STR_MASK))
		return RUN_SLOW;
	/* EXITINFO2 is the next RIP, with or without NRIP save */
	return keel_fast_io(&svm->vcpu, info >> 16, (info & SVM_IOIO_SIZE_MASK) >> SVM_IOIO_SIZE_SHIFT,
			    svm->vmcb->control.exit_info_2 - svm->vcpu.regs.rip,
			    info & SVM_IOIO_TYPE_MASK ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT);
}

static noinline int fast_fault(struct svm_vcpu *svm)
{
	decode_fault(svm);
	return keel_fast_fault(&svm->vcpu, &svm->fault);
}

/*
 * A window that user space asked for stays open until user space has it: go there, since a virtual interrupt could keep the
 * host's from ever ending the loop.
 */
static noinline int fast_vintr(struct svm_vcpu *svm)
{
	svm_exit_vintr(svm);
	return svm->vcpu.vm->irq_mode == IRQCHIP_KERNEL ? RUN_RESUME : RUN_LEAVE;
}

/*
 * The IRET of a nested task would save our TF, if it is stepped over, in the TSS of the task that it
 * leaves: it executes in software.
 */
static bool switches_tasks(const struct vmcb_save_area *save)
{
	return (save->rflags & X86_EFLAGS_NT) && (save->cr0 & X86_CR0_PE) &&
	       !(save->rflags & X86_EFLAGS_VM) && !(save->efer & EFER_LMA);
}

static noinline int fast_iret(struct svm_vcpu *svm)
{
	if (unlikely(switches_tasks(&svm->vmcb->save)))
		return RUN_SLOW;
	svm_exit_iret(svm);
	return RUN_RESUME;
}

/* The request ends the inner loop, and the guest. */
static noinline int fast_mc(struct svm_vcpu *svm)
{
	if (keel_plan.erratum_383 && keel_host_erratum_383())
		vcpu_request(&svm->vcpu, REQ_TRIPLE_FAULT);
	else
		keel_host_machine_check();
	return RUN_RESUME;
}

/* RUN_SLOW, after which interrupts are on: that is all an interrupt of the host needs. */
static int fast_intr(struct svm_vcpu *svm)
{
	svm->vcpu.stats.irq_exits++;
	return RUN_SLOW;
}

/* A refused VMRUN need not have flushed what it was asked to. */
static noinline int fast_refused(struct svm_vcpu *svm)
{
	svm_asid_drop(svm);
	return RUN_SLOW;
}

/*
 * svm_exit_fast() - serve the exit with interrupts off, if that can be done
 */
int svm_exit_fast(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	switch (svm->vmcb->control.exit_code) {
	case SVM_EXIT_CPUID:	return fast_cpuid(svm);
	case SVM_EXIT_MSR:	return fast_msr(svm);
	case SVM_EXIT_IOIO:	return fast_io(svm);
	case SVM_EXIT_NPF:	return fast_fault(svm);
	case SVM_EXIT_HLT:	return fast_hlt(svm);
	case SVM_EXIT_VMMCALL:	return fast_hypercall(svm);
	case SVM_EXIT_INTR:	return fast_intr(svm);
	case SVM_EXIT_VINTR:	return fast_vintr(svm);
	case SVM_EXIT_IRET:	return fast_iret(svm);
	case SVM_EXIT_READ_DR0 ... SVM_EXIT_READ_DR7:
	case SVM_EXIT_WRITE_DR0 ... SVM_EXIT_WRITE_DR7:
		return keel_fast_dr(vcpu);
	case SVM_EXIT_EXCP_BASE + X86_TRAP_MC: return fast_mc(svm);
	case (u32)SVM_EXIT_ERR:	return fast_refused(svm);
	/* taken by the host when GIF was set again */
	case SVM_EXIT_NMI:
	case SVM_EXIT_SMI:
	case SVM_EXIT_INIT:
		return RUN_RESUME;
	default:
		return RUN_SLOW;
	}
}

/* ---- slow ---- */

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

	keel_write_virt(&svm->vcpu, linear_rip(svm) + len - 1, &last, 1, svm->vmcb->save.cpl == 3 ? WALK_USER : 0, &walk, &where);
}

/* A guest that was made for Intel, or came from there, calls with VMCALL; all else that is undefined stays so. */
static int slow_ud(struct svm_vcpu *svm)
{
	struct vcpu *vcpu = &svm->vcpu;
	unsigned int len = 0;

	if (!(vcpu->vm->disabled_quirks & KVM_X86_QUIRK_FIX_HYPERCALL_INSN))
		len = measure_slow(svm, EMU_OP_VMCALL);
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
		len = measure_slow(svm, svm_interrupted_op(svm));
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
