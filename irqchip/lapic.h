/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the files of the local APIC: priorities, and what register accesses set off. */
#ifndef KEEL_IRQCHIP_LAPIC_H
#define KEEL_IRQCHIP_LAPIC_H

#include <linux/bitops.h>
#include <keel/request.h>
#include "irqchip.h"

void lapic_end_irq(struct lapic *apic);
void lapic_ended(struct lapic *apic, u8 vector);
u32 lapic_irr_word(const struct lapic *apic, unsigned int n);
void lapic_set_tpr(struct lapic *apic, u8 tpr);

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

/* Highest vector below or in the word of @limit of a 256-bit register of the page, -1 for none. */
static inline int page_highest(const struct lapic *apic, u32 offset, u8 limit)
{
	int word;

	for (word = limit >> 5; word >= 0; word--) {
		u32 bits = lapic_reg(apic, offset + word * 16);

		if (bits)
			return word * 32 + __fls(bits);
	}
	return -1;
}

/* The bit of @vector in a 256-bit register of the page, for bit operations: word and number. */
static inline unsigned long *page_word(const struct lapic *apic, u32 offset, u8 vector)
{
	return (unsigned long *)(apic->page + offset + (vector >> 5) * 16);
}

static inline bool page_test(const struct lapic *apic, u32 offset, u8 vector)
{
	return lapic_reg(apic, offset + (vector >> 5) * 16) >> (vector & 31) & 1;
}

/* Highest vector in service, -1 for none. On the APIC's own thread. */
static inline int lapic_isr_top(const struct lapic *apic)
{
	return unlikely(apic->accelerated) ? page_highest(apic, APIC_ISR, 255) : apic->isr_top;
}

/* Processor priority: follows the task priority and what is in service. */
static inline u32 lapic_ppr(const struct lapic *apic)
{
	u32 tpr = lapic_reg(apic, APIC_TASKPRI);
	int top = lapic_isr_top(apic);
	u32 in_service = top < 0 ? 0 : top & 0xf0;

	return (tpr & 0xf0) >= in_service ? tpr : in_service;
}

/* An interrupt may have become deliverable by something the vCPU's own thread did. */
static inline void lapic_recheck_irr(struct lapic *apic)
{
	if (highest_vector(apic->irr) >= 0 || unlikely(apic->accelerated))
		vcpu_request(apic->vcpu, REQ_EVENT);
}

static inline void lapic_update_enabled(struct lapic *apic)
{
	u64 base = apic->vcpu->apic.base;

	apic->enabled = base & MSR_IA32_APICBASE_ENABLE;
	apic->x2apic = (base & APIC_BASE_MODE) == APIC_BASE_MODE;
	WRITE_ONCE(apic->accepting, apic->enabled &&
		   (lapic_reg(apic, APIC_SPIV) & LAPIC_SPIV_ENABLED));
}

#endif
