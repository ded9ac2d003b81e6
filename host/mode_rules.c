// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which modes of a host Keel's guests are known to work under. Pure functions: no CPU is asked here (mode.c does), so that every
 * rule is tested in user space with modes that no emulator has.
 */
#include <keel/host_mode.h>

#define PAT_UC	0
#define PAT_WB	6

static unsigned int pat_type(const struct host_mode *mode, unsigned int index)
{
	return mode->pat >> (8 * index) & 7;
}

const char *host_mode_refusal(const struct host_mode *mode, enum host_virt virt)
{
	if ((mode->efer & HOST_MODE_EFER & ~HOST_MODE_NXE) == 0 || (mode->cr4 & HOST_MODE_CR4 & ~HOST_MODE_LA57) == 0)
		return "the kernel does not run in long mode with PAE paging: use a 64-bit kernel";
	if (mode->phys_bits < 32 || mode->phys_bits > 52)
		return "the CPU's physical address width is none that page tables have (32 to 52 bits): use another machine";
	if (mode->encryption & (mode->encryption - 1))
		return "memory encryption takes more than one address bit, which is unknown here: boot with mem_encrypt=off";
	if (virt == HOST_SVM && (pat_type(mode, HOST_PAT_WB) != PAT_WB || pat_type(mode, HOST_PAT_UC) != PAT_UC))
		return "the page attribute table (PAT) has not write-back at index 0 and uncacheable at index 3, as nested page tables need: boot a kernel that sets it so, without nopat";
	if (virt == HOST_VMX && mode->fred)
		return "the kernel uses FRED, under which an NMI that ends a guest cannot be handed on: boot with fred=off";
	return NULL;
}

const char *host_mode_differs(const struct host_mode *mode, const struct host_mode *other)
{
	if ((mode->cr4 ^ other->cr4) & HOST_MODE_LA57)
		return "paging depth (CR4.LA57)";
	if ((mode->efer ^ other->efer) & HOST_MODE_NXE)
		return "no-execute (EFER.NXE)";
	if (mode->pat != other->pat)
		return "memory types (IA32_PAT)";
	if (mode->xcr0 != other->xcr0)
		return "extended states (XCR0)";
	if (mode->xss != other->xss)
		return "supervisor states (IA32_XSS)";
	return NULL;
}
