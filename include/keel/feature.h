/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What CPUID features bring to a guest beyond instructions: bits that it may set in a register,
 * and flags that Keel's own code asks for. Plain numbers: also built in user space.
 */
#ifndef KEEL_FEATURE_H
#define KEEL_FEATURE_H

#include <linux/bits.h>

/* Registers whose bits depend on CPUID (core/feature.c). */
enum feature_set {
	SET_CR4,
	SET_EFER,
	SET_SPEC_CTRL,
	SET_PRED_CMD,
	NR_SETS,
	SET_FLAGS = NR_SETS,	/* no register but GUEST_HAS_* */
	SET_NONE,		/* the CPUID bit says it all */
};

/* Features of a guest that other rooms and hot code ask for (core/cpuid_set.c). */
#define GUEST_HAS_X2APIC	BIT(0)
#define GUEST_HAS_TSC_DEADLINE	BIT(1)
#define GUEST_HAS_RDTSCP	BIT(2)	/* or RDPID: TSC_AUX */
#define GUEST_HAS_SPEC_CTRL	BIT(3)	/* at least one bit of the MSR */
#define GUEST_HAS_PRED_CMD	BIT(4)	/* at least one bit of the MSR */
#define GUEST_HAS_XSAVE		BIT(5)
#define GUEST_IS_AMD		BIT(6)	/* vendor string AMD or Hygon */
#define GUEST_HAS_XSAVES	BIT(7)
#define GUEST_HAS_ARCH_CAPS	BIT(8)
#define GUEST_HAS_GBPAGES	BIT(9)
#define GUEST_HAS_MTRR		BIT(10)
#define GUEST_HAS_TSC_ADJUST	BIT(11)
#define GUEST_HAS_INVPCID	BIT(12)
#define GUEST_OWNS_SPEC_CTRL	BIT(13)	/* all of SPEC_CTRL that the CPU has: no intercept */

#endif
