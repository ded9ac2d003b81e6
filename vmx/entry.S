/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way into the guest and back.
 *
 * VMLAUNCH and VMRESUME load RSP, RIP, RFLAGS, segments, descriptor tables and control registers from the VMCS, and an exit loads the
 * host's from it; the general registers are switched here. An exit arrives at vmx_exit_point with RFLAGS clear; a VMLAUNCH or
 * VMRESUME that fails falls through to it with CF or ZF set, RSP unchanged, and the guest's registers as they were. So both
 * take the same way on, and the flags tell them apart.
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
#define RAX	0
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

/* enum vmcs_field */
#define HOST_RSP	0x6c14

.text

/* unsigned int vmx_run(struct vcpu_regs *regs, u64 *host_rsp, unsigned long launched, u64 spec) */
SYM_FUNC_START(vmx_run)
	push	%rbp
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
	push	%rcx			/* 8(%rsp): host SPEC_CTRL, bit 63 set if it must be restored */
	push	%rdi			/*  (%rsp): registers */

	cmp	%rsp, (%rsi)
	je	1f
	mov	%rsp, (%rsi)
	mov	$HOST_RSP, %eax
2:	vmwrite	%rsp, %rax
1:
	test	%rdx, %rdx		/* ZF lives until the entry: only MOVs follow */
	mov	RAX(%rdi), %rax
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
	jz	4f

#ifdef CLEAR_CPU_BUFFERS
	CLEAR_CPU_BUFFERS
#endif
3:	vmresume
	jmp	vmx_exit_point
4:
#ifdef CLEAR_CPU_BUFFERS
	CLEAR_CPU_BUFFERS
#endif
5:	vmlaunch

SYM_INNER_LABEL(vmx_exit_point, SYM_L_GLOBAL)
	ENDBR
	push	%rax
	mov	8(%rsp), %rax
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
	pop	RAX(%rax)
	setbe	%bl			/* the instruction failed */

	/* no RET before this: the guest may have filled the return stack buffer */
	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT, X86_FEATURE_RSB_VMEXIT_LITE

	mov	8(%rsp), %rax
	test	%rax, %rax
	jns	.Lspec_done
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	xor	%edx, %edx
	wrmsr				/* EAX: the low half, all that is defined */
.Lspec_done:
	/* the way past the WRMSR must not be speculated into */
	ALTERNATIVE "", "lfence", X86_FEATURE_RSB_CTXSW
#ifdef X86_FEATURE_CLEAR_BHB_LOOP_ON_VMEXIT
	CLEAR_BRANCH_HISTORY_VMEXIT
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
	movzbl	%bl, %eax
	add	$16, %rsp
	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rbp
	RET

	/* a crash or reboot has turned VMX off meanwhile: as if the instruction had failed */
.Lgone:
	stc
	jmp	vmx_exit_point

	_ASM_EXTABLE(2b, 1b)
	_ASM_EXTABLE(3b, .Lgone)
	_ASM_EXTABLE(5b, .Lgone)
SYM_FUNC_END(vmx_run)
