/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tasks of a 32-bit guest, for the tests of hardware task switches.
 *
 * Every task halts at once and the host looks. Task A starts; B is what it switches to; faults go
 * through task gates to a task per vector, so that TR says which vector it was and the back link
 * which task it belongs to.
 */
#ifndef SELFTESTS_TASKS_H
#define SELFTESTS_TASKS_H

#include <stdbool.h>

#include "guest.h"

#define GDT		0x300000
#define IDT		0x301000
#define LDT		0x302000
#define TSS_A		0x303000
#define TSS_B		0x304000
#define TSS_FAULT	0x305000	/* + 0x100 for each vector */
#define CODE_A		0x8000		/* within the reach of 16 bits */
#define CODE_B		0x8800
#define CODE_FAULT	0x8c00
#define STACK_A		0x7000
#define STACK_B		0x7800
#define STACK_FAULT	0x7c00
#define PAGE_DIR	0x310000
#define BIG_PAGE	0x800000	/* the third of 4 MB: its own entry of PAGE_DIR */

#define S_CODE		0x08
#define S_DATA		0x10
#define S_CODE3		0x1b
#define S_DATA3		0x23
#define S_ABSENT	0x28
#define S_READ_ONLY	0x30
#define S_EXEC_ONLY	0x38
#define S_A		0x40
#define S_B		0x48
#define S_LDT		0x50
#define S_GATE		0x58
#define S_CODE_ABSENT	0x60
#define S_LDT_ABSENT	0x68
#define S_SHORT		0x70
#define S_SMALL		0x78
#define S_CODE16	0x80
#define S_FAULT(v)	(0x100 + 8 * (v))
#define S_BEYOND	0x300
#define DESC(sel)	(GDT + ((sel) & ~7))
#define ACCESS(sel)	(DESC(sel) + 5)

#define FL_CF		0x1
#define FL_TF		0x100
#define FL_IF		0x200
#define FL_IOPL		0x3000
#define FL_NT		0x4000
#define FL_RF		0x10000
#define FL_VM		0x20000

/* 32-bit TSS */
enum {
	T_LINK = 0, T_CR3 = 0x1c, T_EIP = 0x20, T_EFLAGS = 0x24, T_EAX = 0x28, T_ESP = 0x38,
	T_ES = 0x48, T_CS = 0x4c, T_SS = 0x50, T_DS = 0x54, T_FS = 0x58, T_GS = 0x5c,
	T_LDT = 0x60, T_TRAP = 0x64,
};

/* Whose context a fault comes in, and whether on VMX software has to find it. */
enum context { IN_OLD, IN_OLD_SOFT, IN_NEW };

enum tasks_flags {
	TASKS_A_16	= 1 << 0,	/* task A has a 16-bit TSS */
	TASKS_B_16	= 1 << 1,
	TASKS_PAGING	= 1 << 2,	/* on in task A: one to one, by PAGE_DIR, with CR0.WP */
};

/* Everything as at the start, with one VM for all of a case. Made by the first call. */
struct vcpu *tasks_prepare(unsigned int flags);
void tasks_set_rflags(struct vcpu *vcpu, u64 rflags);
u64 tasks_peek(u64 at, unsigned int size);
void tasks_poke(u64 at, u64 val, unsigned int size);
void tasks_put_descriptor(u16 sel, u32 base, u32 limit, u16 attr);
void tasks_put_task_gate(u8 vector, u16 tss, u8 access);
void tasks_put_tss32(u32 at, u32 eip, u32 esp);
/* @n bytes of code and a HLT. */
void tasks_put_code(u64 at, const u8 *code, unsigned int n);
/* A far jump (EA) or call (9A) to B in task A. */
void tasks_put_jump(u8 opcode);
void tasks_halt(struct vcpu *vcpu, const char *where);
/* In the task of the vector: which task the fault belongs to, and what of it was saved but EIP. */
void tasks_check_fault(struct vcpu *vcpu, u8 vector, u32 error, enum context context);

#endif
