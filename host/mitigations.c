// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPU vulnerability mitigations around guest entry, as the host has decided them at boot. Keel takes no decision of its own.
 */
#include <linux/percpu.h>
#include <asm/cpufeature.h>
#include <asm/hardirq.h>
#include <asm/nospec-branch.h>
#include <keel/host.h>

u64 keel_host_spec_ctrl(void)
{
	return this_cpu_read(x86_spec_ctrl_current);
}

void keel_host_ibpb(void)
{
	indirect_branch_prediction_barrier();
}

bool keel_host_wants_ibpb_on_switch(void)
{
	return cpu_feature_enabled(X86_FEATURE_USE_IBPB);
}

void keel_host_note_guest_ran(void)
{
#ifdef X86_FEATURE_IBPB_EXIT_TO_USER
	if (cpu_feature_enabled(X86_FEATURE_IBPB_EXIT_TO_USER))
		this_cpu_write(x86_ibpb_exit_to_user, true);
#endif
}
