// SPDX-License-Identifier: GPL-2.0-only
/*
 * Why VMRUN was refused, in words: the rules of check.c for the VMCB that was refused and the CPU that refused it.
 */
#include <asm/cpufeature.h>
#include <asm/msr-index.h>
#include <asm/processor.h>
#include <asm/processor-flags.h>
#include <keel/vcpu.h>
#include <keel/vm.h>
#include "caps.h"
#include "check.h"
#include "exit.h"
#include "svm.h"

/* CR4 bits by the leaves that announce them, whatever the kernel makes of them. */
static u64 cpu_cr4(void)
{
	u32 f1c = cpuid_ecx(1), f7b = 0, f7c = 0;
	u64 cr4 = GENMASK_ULL(10, 0);

	if (cpuid_eax(0) >= 7) {
		f7b = cpuid_ebx(7);
		f7c = cpuid_ecx(7);
	}
	cr4 |= f7c & BIT(2) ? X86_CR4_UMIP : 0;
	cr4 |= f7c & BIT(16) ? X86_CR4_LA57 : 0;
	cr4 |= f7b & BIT(0) ? X86_CR4_FSGSBASE : 0;
	cr4 |= f1c & BIT(17) ? X86_CR4_PCIDE : 0;
	cr4 |= f1c & BIT(26) ? X86_CR4_OSXSAVE : 0;
	cr4 |= f7b & BIT(7) ? X86_CR4_SMEP : 0;
	cr4 |= f7b & BIT(20) ? X86_CR4_SMAP : 0;
	cr4 |= f7c & BIT(3) ? X86_CR4_PKE : 0;
	cr4 |= f7c & BIT(7) ? BIT_ULL(23) : 0;			/* CET */
	return cr4;
}

/* The same for EFER ("Extended Feature Enable Register"). */
static u64 cpu_efer(void)
{
	u32 x1c = cpuid_ecx(0x80000001), x1d = cpuid_edx(0x80000001), x8b = 0, x21 = 0;
	u64 efer = EFER_SCE | EFER_SVME;

	if (cpuid_eax(0x80000000) >= 0x80000008)
		x8b = cpuid_ebx(0x80000008);
	if (cpuid_eax(0x80000000) >= 0x80000021)
		x21 = cpuid_eax(0x80000021);
	efer |= x1d & BIT(29) ? EFER_LME | EFER_LMA : 0;
	efer |= x1d & BIT(20) ? EFER_NX : 0;
	efer |= x8b & BIT(20) ? 0 : EFER_LMSLE;			/* the flag says that it is gone */
	efer |= x1d & BIT(25) ? EFER_FFXSR : 0;
	efer |= x1c & BIT(17) ? BIT_ULL(15) : 0;		/* TCE */
	efer |= x8b & BIT(8) ? BIT_ULL(17) : 0;			/* MCOMMIT */
	efer |= x8b & BIT(13) ? BIT_ULL(18) : 0;		/* interruptible WBINVD */
	efer |= x21 & BIT(7) ? BIT_ULL(20) : 0;			/* upper address ignore */
	efer |= x21 & BIT(8) ? BIT_ULL(21) : 0;			/* automatic IBRS */
	return efer;
}

/*
 * svm_check_this_cpu() - what svm_check() has to know of this CPU
 */
void svm_check_this_cpu(struct svm_check_env *env)
{
	*env = (struct svm_check_env){
		.maxphyaddr	= cpuid_eax(0x80000000) >= 0x80000008 ? cpuid_eax(0x80000008) & 0xff : 36,
		.nr_asids	= svm_caps.nr_asids,
		.long_mode	= cpuid_edx(0x80000001) & BIT(29),
		.cr4		= cpu_cr4(),
		.efer		= cpu_efer(),
	};
}

/*
 * svm_explain_entry() - say which rule made VMRUN refuse, and which ioctl set what breaks it
 *
 * Context: loaded, may sleep.
 */
void svm_explain_entry(struct svm_vcpu *svm)
{
	struct vcpu *vcpu = &svm->vcpu;
	struct svm_check_env env;
	struct violation v;

	svm_check_this_cpu(&env);
	if (svm_check(svm->vmcb, &env, &v))
		keel_explain_rule(vcpu, "VMRUN", &v);
	else
		keel_explain(vcpu->vm, vcpu->id, "VMRUN refused, and no rule known to Keel is broken");
}
