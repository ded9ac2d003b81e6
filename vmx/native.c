// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest on shadow tables, on a CPU without unrestricted guests or as if on one: CR0.PE and PG are set in hardware whatever the guest has,
 * so real mode and segments left over from it cannot be entered. Pure; also builds in user space.
 */
#include <linux/bits.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/vmx.h>
#include "check.h"
#include "native.h"

#define AR_DEFINED	0x1f0ffu

/*
 * vmx_entry_rights() - access rights of segment @n as VM entry wants them
 *
 * Accessed, busy, and granularity that fits the limit, which no guest can tell.
 */
u32 vmx_entry_rights(const struct segment *s, unsigned int n)
{
	u32 ar = s->ar & AR_DEFINED;

	if (n == SEG_TR && !(ar & SEG_P))
		ar = SEG_P | 11;
	if (!(ar & SEG_P) || (ar & SEG_UNUSABLE))
		return SEG_UNUSABLE | (ar & (3u << SEG_DPL_SHIFT));
	if (n <= SEG_GS)
		ar |= 1;
	if (n == SEG_TR)
		ar |= 2;
	if (s->limit >> 20)
		ar |= SEG_G;
	else if ((s->limit & 0xfff) != 0xfff)
		ar &= ~SEG_G;
	return ar;
}

/* With the guest's paging off hardware pages with none of these. */
#define CR4_OF_PAGING	(X86_CR4_SMEP | X86_CR4_SMAP | X86_CR4_PKE)

/*
 * vmx_shadow_control() - what hardware holds while shadow tables are walked
 *
 * Paging, write protection and no-execute are on, global pages and PCIDs off, tables are of the PAE or long format. VM entry wants EFER.LME as LMA,
 * so long mode begins once the guest has turned paging on. The caller adds what VMX wants fixed.
 */
struct vmx_control_regs vmx_shadow_control(const struct vmx_control_regs *guest)
{
	struct vmx_control_regs hw = *guest;

	hw.cr0 = (hw.cr0 & ~(u64)CR0_UNCACHED) | X86_CR0_PE | X86_CR0_PG | X86_CR0_WP;
	hw.cr4 = (hw.cr4 & ~(u64)(X86_CR4_PGE | X86_CR4_PCIDE)) | X86_CR4_PAE;
	if (!(guest->cr0 & X86_CR0_PG))
		hw.cr4 &= ~(u64)CR4_OF_PAGING;
	hw.efer = (hw.efer & ~(u64)EFER_LME) | EFER_NX;
	if (hw.efer & EFER_LMA)
		hw.efer |= EFER_LME;
	return hw;
}

/*
 * vmx_is_native() - is the guest's state the CPU's to run, or to refuse?
 *
 * False: VM entry refuses it, but would not with unrestricted guests. What it refuses either way no guest comes to by itself.
 */
bool vmx_is_native(const struct vmx_control_regs *guest, u64 rflags, const struct segment *seg, u8 linear_bits)
{
	struct vmx_snapshot s = {
		.cr0 = guest->cr0 | X86_CR0_PG,
		.entry = guest->efer & EFER_LMA ? VM_ENTRY_IA32E_MODE : 0,
		.rflags = rflags,
	};
	unsigned int n;

	if (!(guest->cr0 & X86_CR0_PE))
		return false;
	for (n = 0; n < NR_SEGS; n++) {
		s.seg[n] = seg[n];
		s.seg[n].ar = vmx_entry_rights(&seg[n], n);
	}
	if (!vmx_check_segments(&s, linear_bits))
		return true;
	s.cpu = CPU_BASED_ACTIVATE_SECONDARY_CONTROLS;
	s.cpu2 = SECONDARY_EXEC_UNRESTRICTED_GUEST;
	return vmx_check_segments(&s, linear_bits);
}
