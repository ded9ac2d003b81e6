/* SPDX-License-Identifier: GPL-2.0-only */
/* Private to core/: what the files of CPUID share. */
#ifndef CORE_CPUID_H
#define CORE_CPUID_H

#include <linux/bits.h>
#include <linux/kvm_para.h>
#include <asm/cpufeatures.h>
#include <keel/feature.h>
#include <keel/types.h>

struct vcpu_cpuid;

enum reg { EAX, EBX, ECX, EDX, NR_REGS };

#define F(name)		BIT(X86_FEATURE_##name & 31)

/* ---- cpuid_offer.c: const after module init ---- */

/* Paravirtual features that core/kvmclock.c, core/pv.c and irqchip/ serve. */
#define CPUID_PV_FEATURES	(BIT(KVM_FEATURE_CLOCKSOURCE) | BIT(KVM_FEATURE_NOP_IO_DELAY) | \
				 BIT(KVM_FEATURE_CLOCKSOURCE2) | BIT(KVM_FEATURE_STEAL_TIME) | BIT(KVM_FEATURE_PV_EOI) | \
				 BIT(KVM_FEATURE_PV_UNHALT) | BIT(KVM_FEATURE_PV_TLB_FLUSH) | \
				 BIT(KVM_FEATURE_PV_SEND_IPI) | BIT(KVM_FEATURE_PV_SCHED_YIELD) | \
				 BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT))

#define CPUID_XSAVE_FEATURES	20		/* none that guests are offered has a higher number */

extern u64 cpuid_host_xcr0;	/* features of XCR0 that guests may be offered */
extern u64 cpuid_cpu_spec_ctrl;	/* bits of SPEC_CTRL that the CPU takes and feature.c knows */
extern u64 cpuid_offered_bits[NR_SETS];	/* bits that some guest may set */

/* The host's own leaf; zeros if it has none of that number. */
void cpuid_host(u32 function, u32 index, u32 r[NR_REGS]);
/* What may be offered of a register of features. */
u32 cpuid_offer(u32 function, u32 index, enum reg reg);
/* Size of the XSAVE area that holds @features, in the standard and in the compacted format. */
u32 cpuid_xsave_size(u64 features);
u32 cpuid_xsave_size_compacted(u64 features);

/* ---- cpuid.c ---- */

/* Make keel_cpuid_find() quick, after a change of the entries. */
void cpuid_index_entries(struct vcpu_cpuid *cpuid);

#endif
