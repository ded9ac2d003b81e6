/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registers of the local APIC (SDM "Advanced Programmable Interrupt Controller"): offsets in the page of xAPIC mode, the first MSR of
 * x2APIC mode, and bits. Named as in the kernel's asm/apicdef.h, for which they also stand in unit tests.
 */
#ifndef SELFTESTS_APIC_REGS_H
#define SELFTESTS_APIC_REGS_H

#define APIC_BASE_MSR	0x800
#define APIC_ID		0x20
#define APIC_LVR	0x30
#define APIC_TASKPRI	0x80
#define APIC_ARBPRI	0x90
#define APIC_PROCPRI	0xa0
#define APIC_EOI	0xb0
#define APIC_LDR	0xd0
#define APIC_DFR	0xe0
#define APIC_SPIV	0xf0
#define APIC_ISR	0x100
#define APIC_TMR	0x180
#define APIC_IRR	0x200
#define APIC_ESR	0x280
#define APIC_ICR	0x300
#define APIC_ICR2	0x310
#define APIC_LVTT	0x320
#define APIC_LVTTHMR	0x330
#define APIC_LVTPC	0x340
#define APIC_LVT0	0x350
#define APIC_LVT1	0x360
#define APIC_LVTERR	0x370
#define APIC_TMICT	0x380
#define APIC_TMCCT	0x390
#define APIC_TDCR	0x3e0
#define APIC_SELF_IPI	0x3f0

/* ICR */
#define APIC_DM_FIXED			0x000
#define APIC_DM_LOWEST			0x100
#define APIC_DM_NMI			0x400
#define APIC_DM_INIT			0x500
#define APIC_DM_STARTUP			0x600
#define APIC_DEST_LOGICAL		0x800
#define APIC_INT_ASSERT			0x4000
#define APIC_INT_LEVELTRIG		0x8000
#define APIC_DEST_SELF			0x40000
#define APIC_DEST_ALLINC		0x80000
#define APIC_DEST_ALLBUT		0xc0000
/* LVT */
#define APIC_LVT_MASKED			0x10000
#define APIC_LVT_TIMER_PERIODIC		0x20000
#define APIC_LVT_TIMER_TSCDEADLINE	0x40000

#endif
