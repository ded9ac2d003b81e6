// SPDX-License-Identifier: GPL-2.0-only
/*
 * What this CPU and its firmware offer of SVM. Found once at load; const afterwards.
 *
 * A refusal is one line that says what is missing and what to do about it.
 */
#define pr_fmt(fmt) "keel: " fmt

#include <linux/bits.h>
#include <linux/cc_platform.h>
#include <linux/kernel.h>
#include <linux/printk.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/svm.h>
#include <asm/tsc.h>
#include <uapi/linux/kvm.h>
#include <keel/host_mode.h>
#include <keel/pgtable.h>
#include <keel/shadow.h>
#include <keel/vendor.h>
#include "caps.h"

#define HWCR_SMMLOCK		BIT_ULL(0)

/* CPUID 8000_000A_EDX, "SVM Revision and Feature Identification" */
#define SVM_NP			BIT(0)
#define SVM_LBRV		BIT(1)
#define SVM_NRIPS		BIT(3)
#define SVM_TSC_RATE		BIT(4)
#define SVM_FLUSH_BY_ASID	BIT(6)
#define SVM_DECODE_ASSISTS	BIT(7)
#define SVM_PAUSE_FILTER	BIT(10)
#define SVM_PAUSE_THRESHOLD	BIT(12)
#define SVM_SPEC_CTRL		BIT(20)

struct svm_caps svm_caps __ro_after_init;

/*
 * svm_supported() - can this machine run SVM guests?
 *
 * Return: 0, or -ENODEV or -EOPNOTSUPP after one line in the log.
 */
int svm_supported(void)
{
	u64 vm_cr;

	if (!boot_cpu_has(X86_FEATURE_SVM)) {
		/* the kernel hides the flag when the firmware has turned SVM off */
		if (cpuid_eax(0x80000000) >= 0x80000001 && (cpuid_ecx(0x80000001) & BIT(2)))
			pr_err("SVM is disabled by the firmware: enable it in the firmware set-up (SVM Mode, Virtualization)\n");
		else
			pr_err("this CPU has no SVM: an AMD CPU with AMD-V, or nested virtualization in the hypervisor below, is needed\n");
		return -ENODEV;
	}
	if (cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT)) {
		pr_err("running as an SEV guest, whose memory a VMCB cannot live in: use a host or a guest without SEV\n");
		return -EOPNOTSUPP;
	}
	if (!rdmsrl_safe(MSR_VM_CR, &vm_cr) && (vm_cr & SVM_VM_CR_SVM_DIS_MASK)) {
		pr_err("SVM is disabled by the firmware%s: enable it in the firmware set-up (SVM Mode, Virtualization)\n",
		       (vm_cr & SVM_VM_CR_SVM_LOCK_MASK) ? " and locked" : "");
		return -EOPNOTSUPP;
	}
	if (cpuid_ebx(SVM_CPUID_FUNC) < 2) {
		pr_err("this CPU offers no address space identifiers (ASIDs): use another machine\n");
		return -EOPNOTSUPP;
	}
	return keel_host_mode_init(HOST_SVM);
}

static bool smi_interceptable(void)
{
	u64 hwcr;

	return rdmsrl_safe(MSR_K7_HWCR, &hwcr) || !(hwcr & HWCR_SMMLOCK);
}

/*
 * QEMU's TCG does not intercept all that shadow paging needs. Nothing but a guest that gets away could tell, so this goes by its name;
 * root_lost() in vcpu.c ends a guest that comes to other tables, whatever the CPU is.
 */
static void check_intercepts(void)
{
	if (keel_paging_is_shadow() && hypervisor_cpuid_base("TCGTCGTCGTCG", 0))
		pr_warn("this CPU is QEMU's TCG, where a guest can escape shadow paging: for tests alone, with guests that are trusted\n");
}

/*
 * svm_caps_setup() - fill svm_caps and keel_caps
 */
int svm_caps_setup(void)
{
	u32 edx = cpuid_edx(SVM_CPUID_FUNC);
	int ret = keel_paging_init(edx & SVM_NP, true);

	if (ret)
		return ret;
	check_intercepts();
	svm_caps = (struct svm_caps){
		.nr_asids	 = cpuid_ebx(SVM_CPUID_FUNC),
		.nrip		 = edx & SVM_NRIPS,
		.decode		 = edx & SVM_DECODE_ASSISTS,
		.flush_asid	 = edx & SVM_FLUSH_BY_ASID,
		.pause_filter	 = edx & SVM_PAUSE_FILTER,
		.pause_threshold = edx & SVM_PAUSE_THRESHOLD,
		.lbr		 = edx & SVM_LBRV,
		.tsc_ratio	 = (edx & SVM_TSC_RATE) && boot_cpu_has(X86_FEATURE_TSCRATEMSR),
		.spec_ctrl	 = edx & SVM_SPEC_CTRL,
		.xsave		 = boot_cpu_has(X86_FEATURE_XSAVE),
		.invpcid	 = boot_cpu_has(X86_FEATURE_INVPCID),
		.rdpru		 = cpuid_ebx(0x80000008) & BIT(4),
		.smi		 = smi_interceptable(),
	};

	keel_caps.ucode_rev = 0x01000065;
	keel_caps.tpr_shadow = false;		/* writes of CR8 are always intercepted */
	keel_caps.rdtscp = true;
	/* on shadow tables INVPCID is intercepted, and has no handler */
	keel_caps.invpcid = !keel_paging_is_shadow();
	keel_caps.xsaves = boot_cpu_has(X86_FEATURE_XSAVES);
	keel_caps.tsc_scaling = svm_caps.tsc_ratio;
	keel_caps.tsc_ratio_frac_bits = 32;
	/* the ratio has eight bits before the point: 256 times as fast is one too many */
	keel_caps.max_tsc_khz = svm_caps.tsc_ratio ? min_t(u64, ((u64)tsc_khz << 8) - 1, U32_MAX) : tsc_khz;
	return 0;
}
