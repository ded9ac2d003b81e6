/* SPDX-License-Identifier: GPL-2.0-only */
/* Groups of a vCPU's registers (struct vcpu_regs). Plain numbers: also built in user space. */
#ifndef KEEL_GROUPS_H
#define KEEL_GROUPS_H

/* For regs.valid and regs.dirty. GPRs other than RSP are always valid. */
#define RG_RSP		(1u << 0)
#define RG_RIP		(1u << 1)
#define RG_RFLAGS	(1u << 2)
#define RG_CR0		(1u << 3)
#define RG_CR2		(1u << 4)
#define RG_CR3		(1u << 5)
#define RG_CR4		(1u << 6)
#define RG_EFER		(1u << 7)
#define RG_SEG		(1u << 8)	/* all eight, and CPL (= SS.DPL) */
#define RG_DT		(1u << 9)	/* GDTR, IDTR */
#define RG_DR		(1u << 10)	/* DR0-3, DR6, DR7 */
#define RG_SYSCALL	(1u << 11)	/* STAR, LSTAR, CSTAR, SFMASK, KERNEL_GS_BASE, SYSENTER_* */
#define RG_PAT		(1u << 12)
#define RG_ROOT		(1u << 13)	/* root of the second-level (or shadow) tables; dirty only */
#define RG_TSC		(1u << 14)	/* tsc.offset, tsc.ratio; dirty only */
#define RG_TPR		(1u << 15)	/* task priority as CR8; see keel_get_cr8() */
#define RG_SHADOW	(1u << 16)	/* events.shadow */
#define RG_DEADLINE	(1u << 17)	/* tsc.host_deadline; dirty only */
#define RG_ALL		((1u << 18) - 1)
/*
 * Of RG_SEG only the rights of CS, its base (outside 64-bit code) and the CPL: what hot paths ask for. Valid whenever RG_SEG is, so
 * look through vcpu_cs() and vcpu_cpl().
 * Never dirty: who changes a segment fetches and dirties RG_SEG.
 */
#define RG_CODE		(1u << 18)

/* events.levels of an accelerated local APIC; dirty only. Not of RG_ALL: without acceleration there are none. */
#define RG_LEVELS	(1u << 21)

/* Neither valid nor dirty: only to say which ioctl wrote it (struct vcpu_origin). */
#define RG_EVENT	(1u << 19)	/* the event that goes in at the next entry */
#define RG_BACKEND_MSR	(1u << 20)	/* MSRs that only the backend keeps */

#endif
