/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VMCB for svm/check.c in user space: what it and its test need of the kernel's <asm/svm.h>, under
 * the same names. Offsets are those of the APM's "Layout of VMCB", asserted below.
 */
#ifndef SVM_SHIM_SVM_H
#define SVM_SHIM_SVM_H

#include <assert.h>
#include <linux/types.h>

enum { INTERCEPT_CR, INTERCEPT_DR, INTERCEPT_EXCEPTION, INTERCEPT_WORD3, INTERCEPT_WORD4,
	INTERCEPT_WORD5, MAX_INTERCEPT };
#define INTERCEPT_VMRUN			128

struct __attribute__((packed)) vmcb_control_area {
	u32 intercepts[MAX_INTERCEPT];
	u8 reserved_1[0x40 - 4 * MAX_INTERCEPT];
	u64 iopm_base_pa;
	u64 msrpm_base_pa;
	u64 tsc_offset;
	u32 asid;
	u8 tlb_ctl;
	u8 reserved_2[3];
	u32 int_ctl;
	u32 int_vector;
	u32 int_state;
	u8 reserved_3[0x90 - 0x6c];
	u64 nested_ctl;
	u8 reserved_4[0xa8 - 0x98];
	u32 event_inj;
	u32 event_inj_err;
	u64 nested_cr3;
	u8 reserved_5[0x400 - 0xb8];
};

struct vmcb_seg {
	u16 selector;
	u16 attrib;
	u32 limit;
	u64 base;
};

struct __attribute__((packed)) vmcb_save_area {
	struct vmcb_seg es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
	u8 reserved_1[0xcb - 0xa0];
	u8 cpl;
	u8 reserved_2[4];
	u64 efer;
	u8 reserved_3[0x148 - 0xd8];
	u64 cr4;
	u64 cr3;
	u64 cr0;
	u64 dr7;
	u64 dr6;
	u64 rflags;
	u64 rip;
	u8 reserved_4[0x1d8 - 0x180];
	u64 rsp;
	u64 s_cet;
	u64 ssp;
	u64 isst_addr;
	u64 rax;
	u8 reserved_5[0x268 - 0x200];
	u64 g_pat;
};

struct __attribute__((packed)) vmcb {
	struct vmcb_control_area control;
	struct vmcb_save_area save;
};

#define CONTROL_AT(field, at)	static_assert(offsetof(struct vmcb, control.field) == (at), #field)
#define SAVE_AT(field, at)	static_assert(offsetof(struct vmcb, save.field) == 0x400 + (at), #field)

CONTROL_AT(intercepts[INTERCEPT_WORD4], 0x10);
CONTROL_AT(iopm_base_pa, 0x40);
CONTROL_AT(msrpm_base_pa, 0x48);
CONTROL_AT(asid, 0x58);
CONTROL_AT(tlb_ctl, 0x5c);
CONTROL_AT(nested_ctl, 0x90);
CONTROL_AT(event_inj, 0xa8);
CONTROL_AT(nested_cr3, 0xb0);
SAVE_AT(es, 0);
SAVE_AT(cs.attrib, 0x12);
SAVE_AT(cpl, 0xcb);
SAVE_AT(efer, 0xd0);
SAVE_AT(cr4, 0x148);
SAVE_AT(cr3, 0x150);
SAVE_AT(cr0, 0x158);
SAVE_AT(dr7, 0x160);
SAVE_AT(dr6, 0x168);
SAVE_AT(rflags, 0x170);
SAVE_AT(s_cet, 0x1e0);
SAVE_AT(rax, 0x1f8);
SAVE_AT(g_pat, 0x268);

#define SVM_NESTED_CTL_NP_ENABLE	1
#define SVM_SELECTOR_L_MASK		(1 << 9)
#define SVM_SELECTOR_DB_MASK		(1 << 10)

#define SVM_EVTINJ_VEC_MASK		0xff
#define SVM_EVTINJ_TYPE_MASK		(7 << 8)
#define SVM_EVTINJ_TYPE_INTR		(0 << 8)
#define SVM_EVTINJ_TYPE_NMI		(2 << 8)
#define SVM_EVTINJ_TYPE_EXEPT		(3 << 8)
#define SVM_EVTINJ_TYPE_SOFT		(4 << 8)
#define SVM_EVTINJ_VALID_ERR		(1 << 11)
#define SVM_EVTINJ_VALID		(1u << 31)

#endif
