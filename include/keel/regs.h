/* SPDX-License-Identifier: GPL-2.0-only */
/* Registers of a guest in vendor-neutral form; keel/access.h says how they are read and written. */
#ifndef KEEL_REGS_H
#define KEEL_REGS_H

#include <linux/bits.h>
#include <linux/percpu.h>
#include <linux/types.h>
#include <asm/debugreg.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <keel/emulate_types.h>
#include <keel/groups.h>

/* Of CR0's lower half: other bits are ignored when it is written. SDM, "Control Registers". */
#define CR0_DEFINED	(X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_ET | X86_CR0_NE | X86_CR0_WP | \
			 X86_CR0_AM | X86_CR0_NW | X86_CR0_CD | X86_CR0_PG)

struct vcpu_regs {
	u64 gpr[NR_GPRS];		/* first: the entry code addresses them by index */
	u64 rip;
	u64 rflags;
	u64 cr0, cr2, cr3, cr4, efer;
	u64 dr[4], dr6, dr7;
	struct segment seg[NR_SEGS];
	struct desc_table gdt, idt;
	u64 star, lstar, cstar, sfmask, kernel_gs_base;
	u64 sysenter_cs, sysenter_esp, sysenter_eip;
	u64 pat;
	u32 valid;
	u32 dirty;
};

/* Debug registers: what <asm/debugreg.h> does not name. SDM, "Debug Registers". */
#define DR6_BD		BIT(13)
#define DR6_RTM		BIT(16)		/* active low */
#define DR6_FIXED	0xffff0ff0ull	/* reset value; bits that read as 1 */
#define DR7_GD		BIT(13)
#define DR7_FIXED	0x400ull

#endif
