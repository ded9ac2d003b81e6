// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's own mode: the one place where Keel reads it. Everything else takes it from keel_host_mode. Each CPU that virtualization is
 * turned on for must run in the same mode (host/enable.c asks).
 */
#define pr_fmt(fmt) "keel: " fmt

#include <linux/build_bug.h>
#include <linux/errno.h>
#include <linux/mem_encrypt.h>
#include <linux/printk.h>
#include <linux/smp.h>
#include <asm/cpufeature.h>
#include <asm/fpu/types.h>
#include <asm/fpu/xcr.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/processor-flags.h>
#include <asm/special_insns.h>
#include <keel/host_mode.h>

struct host_mode keel_host_mode __ro_after_init;

static_assert(HOST_MODE_CR4 == (X86_CR4_PAE | X86_CR4_LA57));
static_assert(HOST_MODE_EFER == (EFER_LMA | EFER_NX));

unsigned int keel_host_paging_levels(void)
{
	return __read_cr4() & X86_CR4_LA57 ? 5 : 4;
}

static void mode_read(struct host_mode *mode)
{
	*mode = (struct host_mode){
		.cr4		= __read_cr4() & HOST_MODE_CR4,
		.encryption	= sme_me_mask,
		.phys_bits	= boot_cpu_data.x86_phys_bits,
		.xcr0		= XFEATURE_MASK_FP,
#ifdef X86_FEATURE_FRED
		.fred		= cpu_feature_enabled(X86_FEATURE_FRED),
#endif
	};
	rdmsrl(MSR_EFER, mode->efer);
	mode->efer &= HOST_MODE_EFER;
	rdmsrl(MSR_IA32_CR_PAT, mode->pat);
	if (boot_cpu_has(X86_FEATURE_OSXSAVE))
		mode->xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK);
	if (boot_cpu_has(X86_FEATURE_XSAVES))
		rdmsrl(MSR_IA32_XSS, mode->xss);
}

int keel_host_mode_init(enum host_virt virt)
{
	const char *refusal;

	mode_read(&keel_host_mode);
	refusal = host_mode_refusal(&keel_host_mode, virt);
	if (!refusal)
		return 0;
	pr_err("%s\n", refusal);
	return -EOPNOTSUPP;
}

int keel_host_mode_check_cpu(bool comes)
{
	struct host_mode mode;
	const char *what;

	mode_read(&mode);
	if (comes)
		mode.pat = keel_host_mode.pat;
	what = host_mode_differs(&keel_host_mode, &mode);
	if (!what)
		return 0;
	pr_err_ratelimited("CPU %d runs with other %s than the first: no virtual machine can run on it\n", smp_processor_id(), what);
	return -EIO;
}
