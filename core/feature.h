/* SPDX-License-Identifier: GPL-2.0-only */
/* Private to core/: the table of what CPUID features bring. Also built in user space. */
#ifndef CORE_FEATURE_H
#define CORE_FEATURE_H

#include <keel/feature.h>
#include "cpuid.h"

/**
 * feature_cpuid_fn() - a register of a CPUID leaf, 0 where there is none
 * @vcpu: handed through from the caller of feature_bits()
 */
typedef u32 (feature_cpuid_fn)(struct vcpu *vcpu, u32 function, u32 index, enum reg reg);

/**
 * feature_bits() - what the features that @cpuid tells of bring to a register
 * @set: which register
 * @cpuid: where CPUID is read
 * @vcpu: argument of @cpuid
 *
 * Return: bits that may be set.
 */
u64 feature_bits(enum feature_set set, feature_cpuid_fn *cpuid, struct vcpu *vcpu);

/**
 * feature_offers() - of a CPUID register, what this table lets guests be offered
 */
u32 feature_offers(u32 function, u32 index, enum reg reg);

/**
 * feature_arch_capabilities() - IA32_ARCH_CAPABILITIES for guests
 * @host: the CPU's own value, 0 without one
 * @has_bug: does the kernel find this X86_BUG_* in the CPU?
 */
u64 feature_arch_capabilities(u64 host, bool (*has_bug)(unsigned int bug));

#endif
