/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way into the guest and back.
 *
 * VMRUN switches RAX, RSP, RIP, RFLAGS, CS, SS, the descriptor tables and the control registers. VMLOAD and VMSAVE switch FS, GS,
 * TR, LDTR and the system-call MSRs; the general registers are switched here. Until VMLOAD has brought the host's
 * GS base and TR back, nothing may touch per-CPU data, fault, or take an NMI: GIF is clear for all of that stretch.
 * VMRUN is entered with RFLAGS.IF set, so that a physical interrupt ends the guest (V_INTR_MASKING keeps the
 * guest's own IF apart); it is taken later, by the C code that turns interrupts on. GIF too is set by the caller.
 *
 * Mitigations follow the host's own decisions, patched in by its feature bits: with mitigations=off each of them is a no-op.
 */
#include <linux/linkage.h>
#include <asm/alternative.h>
#include <asm/asm.h>
#include <asm/cpufeatures.h>
#include <asm/nospec-branch.h>
#include <keel/entry_regs.h>

/* RCU does not watch here, and what the guest left must not be met by a probe: nothing may be traced. */
.section .noinstr.text, "ax"

/* void svm_run(struct vcpu_regs *regs, u64 vmcb_pa, u64 host_pa, u64 spec) */
SYM_FUNC_START(svm_run)
	PUSH_HOST_REGS
	push	%rcx			/* 16(%rsp): host SPEC_CTRL, bit 63 set if it must be restored */
	push	%rdx			/*  8(%rsp): host area */
	push	%rdi			/*   (%rsp): registers */

	mov	%rsi, %rax
	LOAD_GUEST_REGS

1:	clgi
	sti
	vmload	%rax
#ifdef VM_CLEAR_CPU_BUFFERS
	VM_CLEAR_CPU_BUFFERS
#endif
	vmrun	%rax
	vmsave	%rax

	mov	(%rsp), %rax
	STORE_GUEST_REGS

	mov	8(%rsp), %rax
	vmload	%rax			/* GS and TR are the host's again */

	/* no RET before this: the guest may have filled the return stack buffer */
	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT, X86_FEATURE_RSB_VMEXIT_LITE

	RESTORE_SPEC_CTRL 16(%rsp)
	/* RET predictions trained by the guest; what the host does for this on its own entries from user space */
#ifdef UNTRAIN_RET_VM
	UNTRAIN_RET_VM
#else
	UNTRAIN_RET
#ifdef X86_FEATURE_IBPB_ON_VMEXIT
	ALTERNATIVE "", "call entry_ibpb", X86_FEATURE_IBPB_ON_VMEXIT
#endif
#endif
	CLEAR_GUEST_REGS
	cli
2:	add	$24, %rsp
	POP_HOST_REGS
	RET

	/* a crash or reboot has turned SVM off meanwhile: back out, nothing is switched yet */
	_ASM_EXTABLE(1b, 2b)
SYM_FUNC_END(svm_run)
