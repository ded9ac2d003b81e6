/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The SVM instructions that C code issues. Those that can fault because somebody else (a crash, a reboot) has turned SVM
 * off under us go on after the fault: the machine is going down then.
 */
#ifndef KEEL_SVM_INSN_H
#define KEEL_SVM_INSN_H

#include <linux/types.h>
#include <asm/asm.h>

/* Store FS, GS, TR, LDTR and the system-call MSRs to the save area at physical address @pa. */
static inline void svm_vmsave(u64 pa)
{
	asm volatile("1: vmsave %%rax\n\t"
		     "2:\n\t"
		     _ASM_EXTABLE(1b, 2b)
		     : : "a" (pa) : "memory");
}

/* Set the global interrupt flag: needs EFER.SVME or an SKINIT environment. */
static __always_inline void svm_stgi(void)
{
	asm volatile("1: stgi\n\t"
		     "2:\n\t"
		     _ASM_EXTABLE(1b, 2b)
		     : : : "memory");
}

#endif
