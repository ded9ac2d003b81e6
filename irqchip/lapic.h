/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the files of the local APIC: priorities, and what register accesses set off. */
#ifndef KEEL_IRQCHIP_LAPIC_H
#define KEEL_IRQCHIP_LAPIC_H

#include <linux/bitops.h>
#include "irqchip.h"

void lapic_end_irq(struct lapic *apic);
void lapic_set_tpr(struct lapic *apic, u8 tpr);
bool lapic_extint_pending(const struct lapic *apic);

/* Highest vector of a 256-bit set, -1 for none. */
static inline int highest_vector(const unsigned long *bits)
{
	unsigned long word;

	word = READ_ONCE(bits[3]);
	if (word)
		return 192 + __fls(word);
	word = READ_ONCE(bits[2]);
	if (word)
		return 128 + __fls(word);
	word = READ_ONCE(bits[1]);
	if (word)
		return 64 + __fls(word);
	word = READ_ONCE(bits[0]);
	return word ? __fls(word) : -1;
}

static inline void lapic_update_ppr(struct lapic *apic)
{
	u32 tpr = lapic_reg(apic, APIC_TASKPRI);
	u32 in_service = apic->isr_top < 0 ? 0 : apic->isr_top & 0xf0;

	apic->ppr = (tpr & 0xf0) >= in_service ? tpr : in_service;
}

/* An interrupt may have become deliverable by something the vCPU's own thread did. */
static inline void lapic_recheck_irr(struct lapic *apic)
{
	if (highest_vector(apic->irr) >= 0)
		vcpu_request(apic->vcpu, REQ_EVENT);
}

static inline void lapic_update_enabled(struct lapic *apic)
{
	u64 base = apic->vcpu->apic_base;

	apic->enabled = base & MSR_IA32_APICBASE_ENABLE;
	apic->x2apic = (base & APIC_BASE_MODE) == APIC_BASE_MODE;
	WRITE_ONCE(apic->accepting, apic->enabled &&
		   (lapic_reg(apic, APIC_SPIV) & LAPIC_SPIV_ENABLED));
}

#endif
