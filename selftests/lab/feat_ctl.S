/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A master boot record that does what a firmware may do: writes FEAT_CTL into MSR
 * IA32_FEAT_CTL (bit 0 locks it, bit 2 allows VMX), then starts the next sector's
 * boot record. Assembled by run_bochs --feat-ctl.
 */
	.code16
	.globl	_start
_start:
	cli
	xorw	%ax, %ax
	movw	%ax, %ss
	movw	$0x7c00, %sp
	movw	%ax, %ds
	movw	%ax, %es
	/* Out of the way: the next record has to be at 0000:7c00. */
	movw	$0x7c00, %si
	movw	$0x0600, %di
	movw	$256, %cx
	cld
	rep movsw
	ljmp	$0, $(0x0600 + moved - _start)
moved:
	sti
	pushw	%dx
	movl	$0x3a, %ecx
	movl	$FEAT_CTL, %eax
	xorl	%edx, %edx
	wrmsr
	/* The BIOS left the drive in DL. The second sector: cylinder 0, head 0, sector 2. */
	popw	%dx
	movw	$0x0201, %ax
	movw	$0x7c00, %bx
	movw	$0x0002, %cx
	movb	$0, %dh
	int	$0x13
	jc	stop
	ljmp	$0, $0x7c00
stop:
	hlt
	jmp	stop
