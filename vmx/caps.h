/* SPDX-License-Identifier: GPL-2.0-only */
/* What this CPU offers (caps.c). */
#ifndef KEEL_VMX_CAPS_H
#define KEEL_VMX_CAPS_H

#include <linux/bits.h>
#include <linux/types.h>
#include <asm/vmx.h>
#include "vmx.h"

/* What <asm/vmx.h> names differently from kernel to kernel. */
#define VMX_CPU2_XSAVES		BIT(20)		/* enable XSAVES/XRSTORS */

/**
 * struct vmx_caps - what the CPU offers, const after setup
 * @revision: of the VMCS format
 * @base: controls that every vCPU has: the required ones and those that must be 1
 * @pin, @cpu, @cpu2, @exit, @entry: optional controls that are there
 * @cr0_fixed: bits of CR0 that must be 1 in guests (PE and PG are free)
 * @cr4_fixed: bits of CR4 that must be 1
 * @timer_shift: the preemption timer counts once every 1 << timer_shift cycles
 * @ept_ad: EPT has accessed and dirty flags
 * @invept_single, @invvpid_single: narrow invalidation
 * @linear_bits: width of linear addresses
 * @load_efer: entry and exit switch EFER; if not, the MSR-load areas do
 * @zero_length: a software event may be injected with instruction length 0
 */
struct vmx_caps {
	u32 revision;
	struct vmx_controls base;
	u32 pin;
	u32 cpu;
	u32 cpu2;
	u32 exit;
	u32 entry;
	u8 timer_shift;
	u8 linear_bits;
	u64 cr0_fixed;
	u64 cr4_fixed;
	bool ept_ad;
	bool invept_single;
	bool invvpid_single;
	bool load_efer;
	bool zero_length;
};

extern struct vmx_caps vmx_caps;

int vmx_supported(void);
int vmx_caps_setup(void);

#endif
