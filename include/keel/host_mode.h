/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host's own mode, as far as guests run under it or exits come back to it. Plain types, so that the judgement on it is
 * also built and tested in user space.
 */
#ifndef KEEL_HOST_MODE_H
#define KEEL_HOST_MODE_H

#include <keel/types.h>

/**
 * struct host_mode - what the host's kernel runs with
 * @cr4: of this kind only the bits in HOST_MODE_CR4, which no CPU changes once it is up
 * @efer: likewise, HOST_MODE_EFER
 * @pat: memory types by PAT index, one a byte (MSR IA32_PAT)
 * @xcr0: extended states that the kernel switches; 1, the reset value, without XSAVE
 * @xss: the same for supervisor states
 * @encryption: address bit that marks encrypted memory (AMD SME), or 0
 * @phys_bits: width of physical addresses that memory can have, without @encryption
 * @fred: events are delivered by FRED, not through the IDT
 */
struct host_mode {
	u64 cr4;
	u64 efer;
	u64 pat;
	u64 xcr0;
	u64 xss;
	u64 encryption;
	u8 phys_bits;
	bool fred;
};

#define HOST_MODE_CR4	(BIT_ULL(5) | BIT_ULL(12))	/* PAE, LA57 */
#define HOST_MODE_LA57	BIT_ULL(12)
#define HOST_MODE_EFER	(BIT_ULL(10) | BIT_ULL(11))	/* LMA, NXE */
#define HOST_MODE_NXE	BIT_ULL(11)

/* The PAT indexes that nested entries use: nothing set, PCD and PWT set. */
#define HOST_PAT_WB	0u
#define HOST_PAT_UC	3u

/* As Keel found it at load; const afterwards. */
extern struct host_mode keel_host_mode;

/**
 * host_mode_levels() - how deep this host's CPUs walk page tables in the host's format
 *
 * That is also how deep VMRUN walks nested tables: in the paging mode of the host (APM volume 2, "Nested Paging").
 */
static inline unsigned int host_mode_levels(const struct host_mode *mode)
{
	return mode->cr4 & HOST_MODE_LA57 ? 5 : 4;
}

enum host_virt { HOST_SVM, HOST_VMX };

/**
 * host_mode_refusal() - is guests' second level, and the way back from a guest, known to work under @mode?
 * @mode: how the host runs
 * @virt: which backend
 *
 * Pure. Context: any. Return: NULL, or one line that says what is in the way and the remedy.
 */
const char *host_mode_refusal(const struct host_mode *mode, enum host_virt virt);

/**
 * host_mode_differs() - what of @mode, which every CPU must share, is otherwise in @other
 * @mode: of one CPU
 * @other: of another
 *
 * Pure. Context: any. Return: NULL, or its name.
 */
const char *host_mode_differs(const struct host_mode *mode, const struct host_mode *other);

/**
 * keel_host_mode_init() - read keel_host_mode, and judge it
 * @virt: which backend
 *
 * Context: module init. Return: 0; -EOPNOTSUPP after a line in the log.
 */
int keel_host_mode_init(enum host_virt virt);

/**
 * keel_host_mode_check_cpu() - does this CPU run as keel_host_mode says?
 * @comes: it is just coming online. Its memory types are not asked then: after a sleep of the machine the kernel writes IA32_PAT
 *	when all CPUs are there, before it lets a process run.
 *
 * Context: on the CPU, interrupts off. Return: 0, or -EIO after a line in the log.
 */
int keel_host_mode_check_cpu(bool comes);

/**
 * keel_host_paging_levels() - how deep this very CPU walks tables in the host's format, now
 *
 * Context: preemption off, or on any CPU where all are alike. Return: 4 or 5.
 */
unsigned int keel_host_paging_levels(void);

#endif
