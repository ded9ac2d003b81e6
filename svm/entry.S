/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way into the guest and back.
 *
 * VMRUN switches RAX, RSP, RIP, RFLAGS, CS, SS, the descriptor tables and the control registers. VMLOAD and VMSAVE switch FS, GS,
 * TR, LDTR and the system-call MSRs; the general registers are switched here. Until VMLOAD has brought the host's
 * GS base and TR back, nothing may touch per-CPU data, fault, or take an NMI: GIF is clear for all of that stretch.
 * VMRUN is entered with RFLAGS.IF set, so that a physical interrupt ends the guest (V_INTR_MASKING keeps the
 * guest's own IF apart); it is taken later, by the C code that turns interrupts on.
 *
 * Mitigations follow the host's own decisions, patched in by its feature bits: with mitigations=off each of them is a no-op.
 */
#include <linux/linkage.h>
#include <asm/alternative.h>
#include <asm/asm.h>
#include <asm/cpufeatures.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>

/* Offset of register n in struct vcpu_regs: the order of their encoding. */
#define RCX	8
#define RDX	16
#define RBX	24
#define RBP	40
#define RSI	48
#define RDI	56
#define R8	64
#define R9	72
#define R10	80
#define R11	88
#define R12	96
#define R13	104
#define R14	112
#define R15	120

.text

/* void svm_run(struct vcpu_regs *regs, u64 vmcb_pa, u64 host_pa, u64 spec) */
SYM_FUNC_START(svm_run)
	push	%rbp
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
	push	%rcx			/* 16(%rsp): host SPEC_CTRL, bit 63 set if it must be restored */
	push	%rdx			/*  8(%rsp): host area */
	push	%rdi			/*   (%rsp): registers */

	mov	%rsi, %rax
	mov	RCX(%rdi), %rcx
	mov	RDX(%rdi), %rdx
	mov	RBX(%rdi), %rbx
	mov	RBP(%rdi), %rbp
	mov	RSI(%rdi), %rsi
	mov	R8(%rdi), %r8
	mov	R9(%rdi), %r9
	mov	R10(%rdi), %r10
	mov	R11(%rdi), %r11
	mov	R12(%rdi), %r12
	mov	R13(%rdi), %r13
	mov	R14(%rdi), %r14
	mov	R15(%rdi), %r15
	mov	RDI(%rdi), %rdi

1:	clgi
	sti
	vmload	%rax
#ifdef VM_CLEAR_CPU_BUFFERS
	VM_CLEAR_CPU_BUFFERS
#endif
	vmrun	%rax
	vmsave	%rax

	mov	(%rsp), %rax
	mov	%rcx, RCX(%rax)
	mov	%rdx, RDX(%rax)
	mov	%rbx, RBX(%rax)
	mov	%rbp, RBP(%rax)
	mov	%rsi, RSI(%rax)
	mov	%rdi, RDI(%rax)
	mov	%r8, R8(%rax)
	mov	%r9, R9(%rax)
	mov	%r10, R10(%rax)
	mov	%r11, R11(%rax)
	mov	%r12, R12(%rax)
	mov	%r13, R13(%rax)
	mov	%r14, R14(%rax)
	mov	%r15, R15(%rax)

	mov	8(%rsp), %rax
	vmload	%rax			/* GS and TR are the host's again */

	/* no RET before this: the guest may have filled the return stack buffer */
	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT, X86_FEATURE_RSB_VMEXIT_LITE

	mov	16(%rsp), %rax
	test	%rax, %rax
	jns	.Lspec_done
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	xor	%edx, %edx
	wrmsr				/* EAX: the low half, all that is defined */
.Lspec_done:
	/* RET predictions trained by the guest; what the host does for this on its own entries from user space */
#ifdef UNTRAIN_RET_VM
	UNTRAIN_RET_VM
#else
	UNTRAIN_RET
#ifdef X86_FEATURE_IBPB_ON_VMEXIT
	ALTERNATIVE "", "call entry_ibpb", X86_FEATURE_IBPB_ON_VMEXIT
#endif
#endif
	/* values of the guest are no material for speculation in the host; the others are popped below */
	ALTERNATIVE "jmp .Lkept", "", X86_FEATURE_RSB_CTXSW
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%esi, %esi
	xor	%edi, %edi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
.Lkept:
	cli
	stgi
2:	add	$24, %rsp
	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rbp
	RET

	/* a crash or reboot has turned SVM off meanwhile: back out, nothing is switched yet */
	_ASM_EXTABLE(1b, 2b)
SYM_FUNC_END(svm_run)
