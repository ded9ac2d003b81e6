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
#include <asm/nospec-branch.h>
#include <keel/entry_regs.h>

/* enum vmcs_field */
#define HOST_RSP	0x6c14

/* RCU does not watch here, and what the guest left must not be met by a probe: nothing may be traced. */
.section .noinstr.text, "ax"

/* unsigned int vmx_run(struct vcpu_regs *regs, u64 *host_rsp, unsigned long launched, u64 spec) */
SYM_FUNC_START(vmx_run)
	PUSH_HOST_REGS
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
	LOAD_GUEST_REGS
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
	STORE_GUEST_REGS
	pop	RAX(%rax)
	setbe	%bl			/* the instruction failed */

	/* no RET before this: the guest may have filled the return stack buffer */
	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT, X86_FEATURE_RSB_VMEXIT_LITE

	RESTORE_SPEC_CTRL 8(%rsp)
	/* the way past the WRMSR must not be speculated into */
	ALTERNATIVE "", "lfence", X86_FEATURE_RSB_CTXSW
#ifdef X86_FEATURE_CLEAR_BHB_LOOP_ON_VMEXIT
	CLEAR_BRANCH_HISTORY_VMEXIT
#endif
	CLEAR_GUEST_REGS
	movzbl	%bl, %eax
	add	$16, %rsp
	POP_HOST_REGS
	RET

	/* a crash or reboot has turned VMX off meanwhile: as if the instruction had failed */
.Lgone:
	stc
	jmp	vmx_exit_point

	_ASM_EXTABLE(2b, 1b)
	_ASM_EXTABLE(3b, .Lgone)
	_ASM_EXTABLE(5b, .Lgone)
SYM_FUNC_END(vmx_run)
