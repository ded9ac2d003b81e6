// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPU vulnerability mitigations around guest entry, as the host has decided them at boot. Keel takes no decision of its own.
 */
#define pr_fmt(fmt) "keel: " fmt

#include <linux/jump_label.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>
#include <asm/processor.h>
#include <asm/segment.h>
#include <keel/host.h>

u64 keel_host_spec_ctrl(void)
{
	return this_cpu_read(x86_spec_ctrl_current);
}

void keel_host_ibpb(void)
{
	indirect_branch_prediction_barrier();
}

void keel_host_pred_cmd(u64 cmd)
{
	wrmsrl(MSR_IA32_PRED_CMD, cmd);
}

bool keel_host_wants_ibpb_on_switch(void)
{
	return cpu_feature_enabled(X86_FEATURE_USE_IBPB);
}

/*
 * Intel's: data of the host in the first-level cache (L1TF) and in fill buffers (MMIO stale data; the other buffer leaks are
 * dealt with by entry.S, right before the guest). Keys, so that a CPU without the fault pays nothing.
 */
static DEFINE_STATIC_KEY_FALSE(flush_l1d);

void keel_host_mitigations_init(void)
{
	u64 caps = 0;

	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES))
		rdmsrl(MSR_IA32_ARCH_CAPABILITIES, caps);
	if (!boot_cpu_has_bug(X86_BUG_L1TF) || l1tf_mitigation == L1TF_MITIGATION_OFF ||
	    (caps & ARCH_CAP_SKIP_VMENTRY_L1DFLUSH))
		return;
	if (boot_cpu_has(X86_FEATURE_FLUSH_L1D))
		static_branch_enable(&flush_l1d);
	else
		pr_warn("this CPU leaks cached data to guests (L1TF) and its microcode cannot flush them: update it, or trust all guests\n");
}

void keel_host_before_guest(void)
{
	static const u16 selector = __KERNEL_DS;

	if (static_branch_unlikely(&flush_l1d))
		wrmsrl(MSR_IA32_FLUSH_CMD, L1D_FLUSH);
	if (static_branch_unlikely(&mmio_stale_data_clear))
		asm volatile("verw %0" : : "m" (selector) : "cc");
}

void keel_host_note_guest_ran(void)
{
#ifdef X86_FEATURE_IBPB_EXIT_TO_USER
	if (cpu_feature_enabled(X86_FEATURE_IBPB_EXIT_TO_USER))
		this_cpu_write(x86_ibpb_exit_to_user, true);
#endif
}
