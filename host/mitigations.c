// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPU vulnerability mitigations around guest entry, as the host has decided them at boot: the
 * kernel's own are patched into the entry code by its feature bits, what is left to a hypervisor is
 * in keel_plan. The CPU is read here and the plan carried out; what the plan is, is decided in
 * bugs.c.
 */
#define pr_fmt(fmt) "keel: " fmt

#include <linux/cc_platform.h>
#include <linux/cpu.h>
#include <linux/jump_label.h>
#include <linux/moduleparam.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/sched/smt.h>
#include <linux/string.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>
#include <asm/perf_event.h>
#include <asm/processor.h>
#include <asm/segment.h>
#include <asm/vmx.h>
#include <keel/host.h>
#include <keel/test_build.h>
#include <keel/vendor.h>
#include "keel_have.h"

static char *nx_huge_pages = "auto";
module_param(nx_huge_pages, charp, 0444);
MODULE_PARM_DESC(nx_huge_pages,
		 "Intel CPUs: huge second-level pages are not executable: auto, where the CPU needs it (default), off, force");

struct host_plan keel_plan __ro_after_init;
bool keel_host_flushes __ro_after_init;
DEFINE_STATIC_KEY_FALSE(keel_host_divides);

u64 keel_host_spec_switch(u64 guest, bool always)
{
	u64 host = this_cpu_read(x86_spec_ctrl_current);

	return boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL) && (always || guest != host) ? host | SPEC_SWITCH : 0;
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

/* ---- before entries ---- */

bool noinstr keel_host_flush(enum host_ran ran)
{
	static const u16 selector = __KERNEL_DS;
	bool l1d = keel_plan.l1d_flush == L1D_ALWAYS ||
		   (keel_plan.l1d_flush == L1D_COND && ran == HOST_RAN_ANYTHING);

	if (l1d)
		native_wrmsrl(MSR_IA32_FLUSH_CMD, L1D_FLUSH);
	if (static_branch_unlikely(&mmio_stale_data_clear))
		asm volatile("verw %0" : : "m" (selector) : "cc");
	return l1d;
}

void keel_host_note_guest_ran(void)
{
#ifdef X86_FEATURE_IBPB_EXIT_TO_USER
	if (cpu_feature_enabled(X86_FEATURE_IBPB_EXIT_TO_USER))
		this_cpu_write(x86_ibpb_exit_to_user, true);
#endif
}

/* ---- Intel PT ---- */

void keel_host_pt_pause(void)
{
#ifdef KEEL_HAVE_INTEL_PT_VMX
	intel_pt_handle_vmx(1);
#endif
}

void keel_host_pt_resume(void)
{
#ifdef KEEL_HAVE_INTEL_PT_VMX
	intel_pt_handle_vmx(0);
#endif
}

/* ---- the CPU ---- */

#define X86_BUG_OF(name, word) [HOST_##name] = X86_BUG_##name,
static const u16 kernel_bugs[HOST_NR_BUGS] = { HOST_BUGS(X86_BUG_OF) };

static u64 read_facts(void)
{
	u64 facts = 0, caps = 0;
	unsigned int i;

	for (i = 0; i < HOST_NR_BUGS; i++)
		if (boot_cpu_has(kernel_bugs[i]))
			facts |= 1ull << i;
	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES))
		rdmsrl(MSR_IA32_ARCH_CAPABILITIES, caps);
	if (caps & ARCH_CAP_SKIP_VMENTRY_L1DFLUSH)
		facts |= HOST_FACT(SKIP_L1D);
	if (boot_cpu_has(X86_FEATURE_FLUSH_L1D))
		facts |= HOST_FACT(FLUSH_L1D);
	if (boot_cpu_has_bug(X86_BUG_MSBDS_ONLY))
		facts |= HOST_FACT(MSBDS_ONLY);
#ifdef X86_FEATURE_SRSO_BP_SPEC_REDUCE
	/* the kernel clears it when it has chosen something else */
	if (boot_cpu_has(X86_FEATURE_SRSO_BP_SPEC_REDUCE))
		facts |= HOST_FACT(SRSO_REDUCE);
#endif
#ifdef KEEL_HAVE_SNP_HOST
	if (cc_platform_has(CC_ATTR_HOST_SEV_SNP))
		facts |= HOST_FACT(SNP_HOST);
#endif
	if (sched_smt_active())
		facts |= HOST_FACT(SMT);
	if (cpu_mitigations_off())
		facts |= HOST_FACT(MITIGATIONS_OFF);
	return facts;
}

static_assert((int)L1TF_MITIGATION_OFF == (int)HOST_L1TF_OFF);
static_assert((int)L1TF_MITIGATION_FLUSH_NOWARN == (int)HOST_L1TF_FLUSH_NOWARN);
static_assert((int)L1TF_MITIGATION_FLUSH == (int)HOST_L1TF_FLUSH);
static_assert((int)L1TF_MITIGATION_FLUSH_NOSMT == (int)HOST_L1TF_FLUSH_NOSMT);
static_assert((int)L1TF_MITIGATION_FULL == (int)HOST_L1TF_FULL);
static_assert((int)L1TF_MITIGATION_FULL_FORCE == (int)HOST_L1TF_FULL_FORCE);

static int __init read_cpu(struct host_cpu *cpu, const struct vendor_ops *ops)
{
	static const char * const nx_words[] = {
		[NX_HUGE_AUTO] = "auto", [NX_HUGE_OFF] = "off", [NX_HUGE_FORCE] = "force",
	};
	int nx = match_string(nx_words, ARRAY_SIZE(nx_words), nx_huge_pages);

	if (nx < 0) {
		pr_err("nx_huge_pages=%s: auto, off and force are known\n", nx_huge_pages);
		return -EINVAL;
	}
	*cpu = (struct host_cpu){
		.vendor		= ops == &keel_svm_ops ? HOST_AMD : HOST_INTEL,
		.family		= boot_cpu_data.x86,
		.model		= boot_cpu_data.x86_model,
		.stepping	= boot_cpu_data.x86_stepping,
		.facts		= read_facts(),
		.l1tf		= (enum host_l1tf)l1tf_mitigation,
		.nx_huge	= nx,
	};
	return 0;
}

/* ---- what vulnerabilities/l1tf and itlb_multihit in sysfs say of VMs ---- */

#ifdef KEEL_HAVE_L1TF_VMX
static enum vmx_l1d_flush_state l1tf_told;	/* VMENTER_L1D_FLUSH_AUTO: nothing */

static void l1tf_tell(const struct host_cpu *cpu)
{
	static const enum vmx_l1d_flush_state states[] = {
		[L1D_NOT_NEEDED] = VMENTER_L1D_FLUSH_NOT_REQUIRED,
		[L1D_NEVER]	 = VMENTER_L1D_FLUSH_NEVER,
		[L1D_COND]	 = VMENTER_L1D_FLUSH_COND,
		[L1D_ALWAYS]	 = VMENTER_L1D_FLUSH_ALWAYS,
	};

	/* KVM is loaded too, and has told its own */
	if (cpu->vendor != HOST_INTEL || l1tf_vmx_mitigation != VMENTER_L1D_FLUSH_AUTO)
		return;
	l1tf_told = states[keel_plan.l1d_flush];
	l1tf_vmx_mitigation = l1tf_told;
}

static void l1tf_untell(void)
{
	if (l1tf_vmx_mitigation == l1tf_told)
		l1tf_vmx_mitigation = VMENTER_L1D_FLUSH_AUTO;
}
#else
static void l1tf_tell(const struct host_cpu *cpu) { }
static void l1tf_untell(void) { }
#endif

#ifdef KEEL_HAVE_ITLB_MULTIHIT_FLAG
extern bool itlb_multihit_kvm_mitigation;	/* not every kernel has it in a header */
static bool itlb_told;

static void itlb_tell(void)
{
	itlb_told = keel_plan.nx_huge_pages && !itlb_multihit_kvm_mitigation;
	if (itlb_told)
		itlb_multihit_kvm_mitigation = true;
}

static void itlb_untell(void)
{
	if (itlb_told)
		itlb_multihit_kvm_mitigation = false;
}
#else
static void itlb_tell(void) { }
static void itlb_untell(void) { }
#endif

/* ---- load and unload ---- */

static void __init say(const struct host_cpu *cpu)
{
	char words[640];

	host_plan_words(&keel_plan, cpu, words, sizeof(words));
	/* whoever asked for it need not be warned */
	if ((keel_plan.open | keel_plan.open_smt) && !(cpu->facts & HOST_FACT(MITIGATIONS_OFF)) &&
	    cpu->l1tf != HOST_L1TF_FLUSH_NOWARN)
		pr_warn("%s\n", words);
	else
		pr_info("%s\n", words);
}

int __init keel_host_bugs_init(const struct vendor_ops *ops)
{
	struct host_cpu cpu;
	int ret = read_cpu(&cpu, ops);

	if (ret)
		return ret;
	ret = keel_bugs_force(&cpu.facts);
	if (ret)
		return ret;
	host_plan_make(&keel_plan, &cpu);
	keel_host_flushes = keel_plan.l1d_flush == L1D_COND || keel_plan.l1d_flush == L1D_ALWAYS ||
			    static_key_enabled(&mmio_stale_data_clear);
	if (keel_plan.clear_divider)
		static_branch_enable(&keel_host_divides);
	l1tf_tell(&cpu);
	itlb_tell();
	say(&cpu);
	return 0;
}

void keel_host_bugs_exit(void)
{
	itlb_untell();
	l1tf_untell();
}
