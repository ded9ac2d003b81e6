// SPDX-License-Identifier: GPL-2.0-only
/*
 * A machine check that hit while a guest ran, handed to the kernel's handler.
 *
 * To that handler the guest was user mode with interrupts on: the task that ran it can be killed, and the host goes on.
 */
#include <linux/ptrace.h>
#include <asm/mce.h>
#include <asm/msr.h>
#include <asm/processor-flags.h>
#include <asm/tlbflush.h>
#include <keel/host.h>

void keel_host_machine_check(void)
{
#ifdef CONFIG_X86_MCE
	struct pt_regs regs = {
		.cs = 3,
		.flags = X86_EFLAGS_IF,
	};

	do_machine_check(&regs);
#endif
}

/* AMD, "Revision Guide for AMD Family 10h Processors", erratum 383, suggested workaround. */
bool keel_host_erratum_383(void)
{
	u64 status, cap;
	unsigned int bank;

	if (rdmsrl_safe(MSR_IA32_MCx_STATUS(0), &status) || !host_is_erratum_383(status))
		return false;
	if (rdmsrl_safe(MSR_IA32_MCG_CAP, &cap))
		cap = 0;
	for (bank = 0; bank < (cap & MCG_BANKCNT_MASK); bank++)
		wrmsrl_safe(MSR_IA32_MCx_STATUS(bank), 0);
	if (!rdmsrl_safe(MSR_IA32_MCG_STATUS, &status))
		wrmsrl_safe(MSR_IA32_MCG_STATUS, status & ~MCG_STATUS_MCIP);
	__flush_tlb_all();
	return true;
}
