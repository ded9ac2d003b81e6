// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guests on shadow tables: what hardware's control registers hold for those of the guest, and which states are the CPU's to run. The states
 * are those that a guest comes through on its way from reset to 64-bit code and back, and some that an ioctl alone can make.
 */
#include <stdbool.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include "test.h"
#include "check.h"
#include "native.h"

#define CR0_REAL	(X86_CR0_ET | X86_CR0_NW | X86_CR0_CD)
#define CR0_PROT	(X86_CR0_ET | X86_CR0_PE)
#define CR0_PAGED	(CR0_PROT | X86_CR0_PG)
#define EFER_LONG	(EFER_LME | EFER_LMA)

/* ---- control registers ---- */

static const struct {
	const char *name;
	struct vmx_control_regs guest, wanted;
} controls[] = {
	{ "reset", { CR0_REAL, 0, 0 }, { CR0_PAGED | X86_CR0_WP, X86_CR4_PAE, EFER_NX } },
	{ "protected mode", { CR0_PROT, X86_CR4_PSE, 0 }, { CR0_PAGED | X86_CR0_WP, X86_CR4_PSE | X86_CR4_PAE, EFER_NX } },
	{ "paging off with SMEP, SMAP, PKE", { CR0_PROT, X86_CR4_SMEP | X86_CR4_SMAP | X86_CR4_PKE, 0 },
	  { CR0_PAGED | X86_CR0_WP, X86_CR4_PAE, EFER_NX } },
	{ "and on", { CR0_PAGED, X86_CR4_SMEP | X86_CR4_SMAP | X86_CR4_PKE, 0 },
	  { CR0_PAGED | X86_CR0_WP, X86_CR4_PAE | X86_CR4_SMEP | X86_CR4_SMAP | X86_CR4_PKE, EFER_NX } },
	{ "LME without paging", { CR0_PROT, X86_CR4_PAE, EFER_LME | EFER_SCE }, { CR0_PAGED | X86_CR0_WP, X86_CR4_PAE, EFER_SCE | EFER_NX } },
	{ "long mode, global pages, PCIDs", { CR0_PAGED | X86_CR0_TS, X86_CR4_PAE | X86_CR4_PGE | X86_CR4_PCIDE | X86_CR4_LA57, EFER_LONG },
	  { CR0_PAGED | X86_CR0_WP | X86_CR0_TS, X86_CR4_PAE | X86_CR4_LA57, EFER_LONG | EFER_NX } },
};

static void test_control(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(controls); i++) {
		struct vmx_control_regs hw = vmx_shadow_control(&controls[i].guest);

		test_note("%s", controls[i].name);
		CHECK_EQ("CR0", controls[i].wanted.cr0, hw.cr0);
		CHECK_EQ("CR4", controls[i].wanted.cr4, hw.cr4);
		CHECK_EQ("EFER", controls[i].wanted.efer, hw.efer);
	}
}

/* ---- states ---- */

#define REAL_DATA(sel)	{ .selector = (sel), .base = (sel) << 4, .limit = 0xffff, .ar = 0x93 }
#define REAL_CODE(sel)	{ .selector = (sel), .base = (sel) << 4, .limit = 0xffff, .ar = 0x9b }
#define FLAT_DATA	{ .selector = 0x10, .limit = ~0u, .ar = 0xc093 }
#define FLAT_CODE	{ .selector = 8, .limit = ~0u, .ar = 0xc09b }
#define LONG_CODE	{ .selector = 8, .limit = ~0u, .ar = 0xa09b }
#define USER_DATA	{ .selector = 0x2b, .limit = ~0u, .ar = 0xc0f3 }
#define USER_CODE	{ .selector = 0x33, .limit = ~0u, .ar = 0xa0fb }
#define VM86(sel)	{ .selector = (sel), .base = (sel) << 4, .limit = 0xffff, .ar = 0xf3 }
#define NONE		{ .ar = SEG_UNUSABLE }
#define NO_LDT		{ .limit = 0xffff, .ar = 0x82 }
#define RESET_TR	{ .limit = 0xffff, .ar = 0x8b }

static const struct {
	const char *name;
	bool wanted;
	struct vmx_control_regs guest;
	u64 rflags;
	struct segment seg[NR_SEGS];
} states[] = {
	{ "reset", false, { CR0_REAL }, 2,
	  { REAL_DATA(0), { .selector = 0xf000, .base = 0xffff0000, .limit = 0xffff, .ar = 0x9b }, REAL_DATA(0), REAL_DATA(0), REAL_DATA(0), REAL_DATA(0),
	    NO_LDT, RESET_TR } },
	{ "real mode with flat segments", false, { CR0_REAL }, 2,
	  { FLAT_DATA, FLAT_CODE, FLAT_DATA, FLAT_DATA, FLAT_DATA, FLAT_DATA, NO_LDT, RESET_TR } },
	{ "behind MOV CR0: the stack's RPL is not that of CS", false, { CR0_PROT }, 2,
	  { REAL_DATA(0), REAL_CODE(0x1000), REAL_DATA(0x2003), REAL_DATA(0), REAL_DATA(0), REAL_DATA(0), NO_LDT, RESET_TR } },
	{ "RPLs that are alike, but no DPLs", false, { CR0_PROT }, 2,
	  { REAL_DATA(0), REAL_CODE(0x1003), REAL_DATA(0x2003), REAL_DATA(0), REAL_DATA(0), REAL_DATA(0), NO_LDT, RESET_TR } },
	{ "a data segment's RPL is above its DPL", false, { CR0_PROT }, 2,
	  { REAL_DATA(0), FLAT_CODE, FLAT_DATA, REAL_DATA(0x1001), REAL_DATA(0), REAL_DATA(0), NO_LDT, RESET_TR } },
	{ "no RPLs: only bases are odd", true, { CR0_PROT }, 2,
	  { REAL_DATA(0x100), REAL_CODE(0x1000), REAL_DATA(0x2000), REAL_DATA(0x100), REAL_DATA(0), REAL_DATA(0), NO_LDT, RESET_TR } },
	{ "CS is writable data, as real mode may leave it", false, { CR0_PROT }, 2,
	  { FLAT_DATA, REAL_DATA(0x1000), FLAT_DATA, FLAT_DATA, FLAT_DATA, FLAT_DATA, NO_LDT, RESET_TR } },
	{ "protected mode", true, { CR0_PROT }, 2, { FLAT_DATA, FLAT_CODE, FLAT_DATA, FLAT_DATA, NONE, NONE, NONE, RESET_TR } },
	{ "its task not busy, its segments not accessed", true, { CR0_PROT }, 2,
	  { { .selector = 0x10, .limit = ~0u, .ar = 0xc092 }, { .selector = 8, .limit = ~0u, .ar = 0xc09a }, FLAT_DATA, FLAT_DATA, NONE, NONE, NONE,
	    { .selector = 0x18, .limit = 0x67, .ar = 0x89 } } },
	{ "virtual-8086 mode", true, { CR0_PAGED }, X86_EFLAGS_VM | 2,
	  { VM86(0x10), VM86(0x1003), VM86(0x2001), VM86(0), VM86(0), VM86(0), NO_LDT, RESET_TR } },
	{ "64-bit kernel", true, { CR0_PAGED, X86_CR4_PAE, EFER_LONG }, 2, { NONE, LONG_CODE, FLAT_DATA, NONE, NONE, NONE, NO_LDT, RESET_TR } },
	{ "64-bit user", true, { CR0_PAGED, X86_CR4_PAE, EFER_LONG }, 2, { NONE, USER_CODE, USER_DATA, NONE, NONE, NONE, NO_LDT, RESET_TR } },
	{ "64-bit, SS null", true, { CR0_PAGED, X86_CR4_PAE, EFER_LONG }, 2, { NONE, LONG_CODE, NONE, NONE, NONE, NONE, NO_LDT, RESET_TR } },
	/* nothing runs these: the CPU refuses and Keel says why */
	{ "a read-only stack", true, { CR0_PROT }, 2,
	  { FLAT_DATA, FLAT_CODE, { .selector = 0x10, .limit = ~0u, .ar = 0xc091 }, FLAT_DATA, FLAT_DATA, FLAT_DATA, NO_LDT, RESET_TR } },
	{ "GS base that is not canonical", true, { CR0_PAGED, X86_CR4_PAE, EFER_LONG }, 2,
	  { NONE, LONG_CODE, FLAT_DATA, NONE, NONE, { .base = 1ull << 60, .ar = SEG_UNUSABLE }, NO_LDT, RESET_TR } },
	{ "virtual-8086 mode with a base of its own", true, { CR0_PAGED }, X86_EFLAGS_VM | 2,
	  { VM86(0x10), VM86(0x1000), VM86(0x2000), { .base = 0x5000, .limit = 0xffff, .ar = 0xf3 }, VM86(0), VM86(0), NO_LDT, RESET_TR } },
};

static void test_native(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(states); i++)
		CHECK_EQ(states[i].name, states[i].wanted, vmx_is_native(&states[i].guest, states[i].rflags, states[i].seg, 48));
}

static const struct test_case cases[] = {
	{ "control", test_control },
	{ "native", test_native },
};

TEST_MAIN(cases)
