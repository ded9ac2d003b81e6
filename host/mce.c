// SPDX-License-Identifier: GPL-2.0-only
/*
 * A machine check that hit while a guest ran, handed to the kernel's handler.
 *
 * To that handler the guest was user mode with interrupts on: the task that ran it can be killed, and the host goes on.
 */
#include <linux/ptrace.h>
#include <asm/mce.h>
#include <asm/processor-flags.h>
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
