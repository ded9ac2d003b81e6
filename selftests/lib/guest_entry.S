/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest exception entry: 256 stubs of 16 bytes each that bring vector and
 * error code into one shape, save the general registers (the code it calls has
 * no others) and call guest_exception(). The layout of the frame is struct guest_regs.
 */
	.section .text
	.globl guest_stubs
	.balign 16
guest_stubs:
	vector = 0
	.rept 256
	.balign 16
	.if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21)
	pushq	$0
	.endif
	pushq	$vector
	jmp	guest_common
	vector = vector + 1
	.endr

	.balign 16
guest_common:
	push	%rax
	push	%rcx
	push	%rdx
	push	%rbx
	push	%rbp
	push	%rsi
	push	%rdi
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	cld
	mov	%rsp, %rdi
	mov	%rsp, %rbx
	and	$-16, %rsp
	call	guest_exception
	mov	%rbx, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rdi
	pop	%rsi
	pop	%rbp
	pop	%rbx
	pop	%rdx
	pop	%rcx
	pop	%rax
	add	$16, %rsp
	iretq

/* Where a guest function returns to. */
	.globl guest_return
guest_return:
	call	guest_done
1:	hlt
	jmp	1b

	.section guest_fixups, "a"
	.section .note.GNU-stack, "", @progbits
