/* SPDX-License-Identifier: GPL-2.0-only */
/* Registers of a guest in vendor-neutral form; keel/access.h says how they are read and written. */
#ifndef KEEL_REGS_H
#define KEEL_REGS_H

#include <linux/bits.h>
#include <linux/types.h>
#include <asm/debugreg.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <keel/groups.h>

/* General registers in the order of their encoding in instructions. */
enum gpr {
	GPR_RAX, GPR_RCX, GPR_RDX, GPR_RBX, GPR_RSP, GPR_RBP, GPR_RSI, GPR_RDI,
	GPR_R8, GPR_R9, GPR_R10, GPR_R11, GPR_R12, GPR_R13, GPR_R14, GPR_R15,
	NR_GPRS,
};

/* Segment registers in the order of their encoding in instructions, then the two system segments. */
enum seg {
	SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR,
	NR_SEGS,
};

/**
 * struct segment - a segment register with its hidden part
 * @base: linear address
 * @limit: in bytes, already scaled by the granularity bit
 * @ar: access rights as in bits 40-55 of a descriptor: type 3:0, S 4, DPL 6:5, P 7, AVL 12, L 13, D/B 14, G 15; and
 *      SEG_UNUSABLE (the layout of the SDM's "Guest Register State")
 * @selector: visible part
 */
struct segment {
	u64 base;
	u32 limit;
	u32 ar;
	u16 selector;
};

#define SEG_TYPE	0x000fu
#define SEG_S		BIT(4)
#define SEG_DPL_SHIFT	5
#define SEG_P		BIT(7)
#define SEG_AVL		BIT(12)
#define SEG_L		BIT(13)
#define SEG_DB		BIT(14)
#define SEG_G		BIT(15)
#define SEG_UNUSABLE	BIT(16)
#define seg_dpl(s)	(((s)->ar >> SEG_DPL_SHIFT) & 3)

struct desc_table {
	u64 base;
	u16 limit;
};

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
