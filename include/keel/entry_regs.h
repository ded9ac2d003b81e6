/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The general registers in svm/entry.S and vmx/entry.S: the host's to the stack, the guest's in and out of struct vcpu_regs, and what
 * must happen before C code runs again. %rdi points to struct vcpu_regs before the guest, %rax after it.
 */
#ifndef KEEL_ENTRY_REGS_H
#define KEEL_ENTRY_REGS_H

#ifdef __ASSEMBLER__

#include <asm/alternative.h>
#include <asm/cpufeatures.h>
#include <asm/msr-index.h>

/* Offset of a register in struct vcpu_regs: 8 times its number in enum gpr. */
#define RAX	0
#define RCX	8
#define RDX	16
#define RBX	24
#define RBP	40
#define RSI	48
#define RDI	56

/* What a C function must leave as it was. */
.macro PUSH_HOST_REGS
	push	%rbp
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
.endm

.macro POP_HOST_REGS
	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rbp
.endm

/* All but RAX and RSP. Only MOVs: flags live on. */
.macro LOAD_GUEST_REGS
	mov	RCX(%rdi), %rcx
	mov	RDX(%rdi), %rdx
	mov	RBX(%rdi), %rbx
	mov	RBP(%rdi), %rbp
	mov	RSI(%rdi), %rsi
	.irp	n, 8, 9, 10, 11, 12, 13, 14, 15
	mov	8 * \n(%rdi), %r\n
	.endr
	mov	RDI(%rdi), %rdi
.endm

.macro STORE_GUEST_REGS
	mov	%rcx, RCX(%rax)
	mov	%rdx, RDX(%rax)
	mov	%rbx, RBX(%rax)
	mov	%rbp, RBP(%rax)
	mov	%rsi, RSI(%rax)
	mov	%rdi, RDI(%rax)
	.irp	n, 8, 9, 10, 11, 12, 13, 14, 15
	mov	%r\n, 8 * \n(%rax)
	.endr
.endm

/* @slot: on the stack, the host's SPEC_CTRL, bit 63 set if it must be restored. Clobbers RAX, RCX, RDX. */
.macro RESTORE_SPEC_CTRL slot:req
	mov	\slot, %rax
	test	%rax, %rax
	jns	.Lspec_done\@
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	xor	%edx, %edx
	wrmsr				/* EAX: the low half, all that is defined */
.Lspec_done\@:
.endm

/* Values of the guest are no material for speculation in the host; the others are popped by POP_HOST_REGS, or RAX. */
.macro CLEAR_GUEST_REGS
	ALTERNATIVE "jmp .Lkept\@", "", X86_FEATURE_RSB_CTXSW
	.irp	r, ecx, edx, esi, edi, r8d, r9d, r10d, r11d
	xor	%\r, %\r
	.endr
.Lkept\@:
.endm

#endif
#endif
