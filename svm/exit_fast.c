// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exits that are served with interrupts off, in the inner loop: from EXITCODE and EXITINFO to the neutral verbs of keel/exit.h. No
 * policy here.
 */
#include <asm/processor.h>
#include <asm/trapnr.h>
#include <keel/debug.h>
#include <keel/emulate.h>
#include <keel/exit.h>
#include <keel/exit_fast.h>
#include <keel/guest_access.h>
#include <keel/host.h>
#include <keel/memory.h>
#include <keel/request.h>
#include <keel/vcpu.h>
#include <keel/vm.h>
#include "caps.h"
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
	return svm_measure_fast(svm, op);
}

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

/* Opcodes, as the bytes lie in memory. 0F 22 /3 with a register, 0F 01 /7 with a register's address; and with REX.B. */
#define MOV_TO_CR3		0xd8220f
#define INVLPG_AT		0x38010f
#define REX_B			0x41
#define MODRM_RM		7u
#define RM_SIB			4u	/* of an address: a byte follows that names registers */
#define RM_RIP			5u	/* of an address: relative to RIP */

/* Is @word an instruction of @opcode, whose ModRM byte names a register alone? Then which, and how long it is. */
static bool has_one_register(u64 word, u32 opcode, unsigned int *reg, unsigned int *len)
{
	bool rex = (u8)word == REX_B;

	word >>= rex ? 8 : 0;
	*reg = word >> 16 & MODRM_RM;
	*len = 3 + rex;
	if (((u32)word & 0xf8ffff) != opcode || (opcode == INVLPG_AT && (*reg == RM_SIB || *reg == RM_RIP)))
		return false;
	*reg |= rex ? 8 : 0;
	return true;
}

/* The first bytes of a supervisor's instruction, 0 if they are not to be had. With another CR3 than last time the walk is made anew. */
static u64 code_word(struct vcpu *vcpu)
{
	u64 word = keel_code_word(vcpu, vcpu->regs.rip, 0);

	if (!word && keel_fetch_linear_atomic(vcpu, vcpu->regs.rip, 0, (u8 *)&word, sizeof(word)) != sizeof(word))
		return 0;
	return word;
}

/*
 * MOV to CR3 and INVLPG by a supervisor in 64-bit code. What the CPU does not say of the operand is read from the instruction, in the forms that
 * kernels use; the emulator has the others.
 */
static int fast_paging(struct svm_vcpu *svm, bool is_mov)
{
	const struct vmcb_save_area *save = &svm->vmcb->save;
	struct vcpu *vcpu = &svm->vcpu;
	unsigned int reg, len;

	svm_need_code(svm);
	svm_need_cr3(svm);
	if (unlikely(save->cpl || !(save->cs.attrib & SVM_SELECTOR_L_MASK)) ||
	    !has_one_register(code_word(vcpu), is_mov ? MOV_TO_CR3 : INVLPG_AT, &reg, &len))
		return RUN_SLOW;
	return is_mov ? keel_fast_mov_to_cr3(vcpu, reg, len) : keel_fast_invlpg(vcpu, vcpu_gpr(vcpu, reg), len);
}

/* What exits on shadow tables alone. */
static noinline int fast_shadow(struct svm_vcpu *svm)
{
	switch (svm->vmcb->control.exit_code) {
	case SVM_EXIT_WRITE_CR3:	return fast_paging(svm, true);
	case SVM_EXIT_INVLPG:		return fast_paging(svm, false);
	default:			return RUN_SLOW;
	}
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
		return vcpu->shadow ? fast_shadow(svm) : RUN_SLOW;
	}
}
