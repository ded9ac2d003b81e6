/* SPDX-License-Identifier: GPL-2.0-only */
/* Between core/msr.c and core/msr_filter.c. */
#ifndef KEEL_CORE_MSR_FILTER_H
#define KEEL_CORE_MSR_FILTER_H

#include <linux/types.h>

struct vm;

#define MCE_BANKS_MAX	32

/**
 * msr_filter_allows() - does the launcher let the guest access an MSR?
 * @vm: whose filter
 * @msr: number; the x2APIC's are never filtered
 * @access: KVM_MSR_FILTER_READ or KVM_MSR_FILTER_WRITE
 *
 * Interrupts may be off.
 */
bool msr_filter_allows(struct vm *vm, u32 msr, u32 access);

#endif
