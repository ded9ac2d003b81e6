// SPDX-License-Identifier: GPL-2.0-only
/*
 * A local APIC that the CPU works on by itself while its guest runs.
 *
 * The registers are always in one page, laid out as the architecture has it (struct lapic), so there is nothing to copy: a
 * backend whose CPU can do so is given the page, and software and CPU take turns at it. While the guest runs the page is the
 * CPU's: it reads registers, delivers and ends interrupts, and evaluates priorities. Between an exit and the next entry it is
 * the vCPU's thread's, as without acceleration, and every access of the guest that still exits is served by the same code.
 *
 * Requests are the exception. Senders are on any CPU at any time, and nobody but the CPU may touch IRR in the page while the
 * guest runs. They set bits in lapic.irr, then REQ_EVENT, then kick, accelerated or not; before the next entry the vCPU's thread
 * moves these bits to the page (keel_lapic_accel_sync()). What is pending is therefore the union of both, in KVM_GET_LAPIC too.
 * Because an EOI need not exit, isr_top stays -1 for as long as this lasts: no sender may spare its kick.
 *
 * Besides the page the CPU wants to know the highest vector requested and the highest in service. Both follow from the page, so
 * they are not kept: whoever changes IRR or ISR makes REQ_EVENT, and core hands them over again (RG_LEVELS). That makes
 * the state of an APIC complete at every exit, and acceleration can begin and end between any two entries: when the APIC changes
 * its mode, or when a debugger holds interrupts back.
 *
 * What the CPU does not do exits: a register written by the CPU whose effect is ours (keel_lapic_written()), and the end of an
 * interrupt that a controller or user space must hear of (keel_lapic_ended()). For the latter the CPU is given the set of vectors;
 * when it changes, REQ_INTERCEPTS goes to all vCPUs before an interrupt can be sent by the new set.
 */
#include <keel/request.h>
#include <keel/vendor.h>
#include "lapic.h"

void *keel_lapic_page(struct vcpu *vcpu)
{
	return vcpu->lapic && keel_caps.apic_page ? vcpu->lapic->page : NULL;
}

enum lapic_mode keel_lapic_mode(const struct vcpu *vcpu)
{
	const struct lapic *apic = vcpu->lapic;

	if (!apic || !apic->enabled)
		return LAPIC_OFF;
	if (apic->x2apic)
		return LAPIC_MSRS;
	return (vcpu->apic.base & PAGE_MASK) == APIC_DEFAULT_PHYS_BASE ? LAPIC_MMIO : LAPIC_MOVED;
}

void keel_lapic_accel_begin(struct vcpu *vcpu)
{
	struct lapic *apic = vcpu->lapic;

	if (apic->accelerated)
		return;
	/* what the guest would have ended by its flag it ends by the register from now on */
	keel_lapic_sync_pv_eoi(vcpu);
	apic->accelerated = true;
	vcpu->apic.accelerated = true;
	WRITE_ONCE(apic->isr_top, -1);
	/* pairs with lapic_accept(): a sender that spared its kick has its bit seen by the coming sync */
	smp_mb();
	vcpu_request(vcpu, REQ_EVENT);
}

void keel_lapic_accel_end(struct vcpu *vcpu)
{
	struct lapic *apic = vcpu->lapic;
	unsigned int vector;

	if (!apic || !apic->accelerated)
		return;
	apic->accelerated = false;
	vcpu->apic.accelerated = false;
	for (vector = 0; vector < 256; vector++) {
		if (!page_test(apic, APIC_IRR, vector))
			continue;
		set_bit(vector, apic->irr);
		__clear_bit(vector & 31, page_word(apic, APIC_IRR, vector));
	}
	WRITE_ONCE(apic->isr_top, page_highest(apic, APIC_ISR, 255));
	vcpu_request(vcpu, REQ_EVENT);
}

void keel_lapic_accel_sync(struct vcpu *vcpu, struct lapic_levels *levels)
{
	struct lapic *apic = vcpu->lapic;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(apic->irr); i++) {
		u32 offset = APIC_IRR + i * 32;
		unsigned long bits;

		if (!READ_ONCE(apic->irr[i]))
			continue;
		bits = xchg(&apic->irr[i], 0);
		lapic_set_reg(apic, offset, lapic_reg(apic, offset) | (u32)bits);
		lapic_set_reg(apic, offset + 16, lapic_reg(apic, offset + 16) | (u32)(bits >> 32));
	}
	levels->requested = max(page_highest(apic, APIC_IRR, 255), 0);
	levels->in_service = max(page_highest(apic, APIC_ISR, 255), 0);
}

bool keel_lapic_accel_deliverable(struct vcpu *vcpu)
{
	const struct lapic *apic = vcpu->lapic;
	int vector = max(highest_vector(apic->irr), page_highest(apic, APIC_IRR, 255));

	return vector >= 0 && (vector >> 4) > (lapic_ppr(apic) >> 4);
}

void keel_lapic_written(struct vcpu *vcpu, u32 offset)
{
	struct lapic *apic = vcpu->lapic;
	u32 val = lapic_reg(apic, offset & 0xff0);

	if (offset == APIC_SELF_IPI && apic->x2apic)
		ipi_send(apic, APIC_DEST_SELF | (val & APIC_VECTOR_MASK), 0);
	else
		lapic_write_reg(apic, offset & 0xff0, val);
}

void keel_lapic_ended(struct vcpu *vcpu, u8 vector)
{
	lapic_ended(vcpu->lapic, vector);
}

void keel_lapic_eoi_vectors(const struct vcpu *vcpu, u64 vectors[4])
{
	const struct irqchip *irq = vcpu->lapic->irq;
	unsigned int i;

	for (i = 0; i < 4; i++)
		vectors[i] = READ_ONCE(irq->eoi_vectors[i]);
	/* entries never programmed name vector 0, and so does an EOI with nothing in service; none below 16 is ever accepted */
	vectors[0] &= ~0xffffull;
}

/**
 * irq_set_eoi_vectors() - set whose EOIs are of interest outside the local APIC
 * @irq: interrupt state of the VM
 * @vectors: the whole set
 *
 * Context: any; under the lock of the controller it comes from.
 */
void irq_set_eoi_vectors(struct irqchip *irq, const unsigned long vectors[4])
{
	bool changed = false;
	struct vcpu *vcpu;
	unsigned long i;

	for (i = 0; i < ARRAY_SIZE(irq->eoi_vectors); i++) {
		if (irq->eoi_vectors[i] == vectors[i])
			continue;
		WRITE_ONCE(irq->eoi_vectors[i], vectors[i]);
		changed = true;
	}
	if (!changed || !keel_caps.apic_accel)
		return;
	/*
	 * no kick: it matters for interrupts to come, and each of those kicks; interrupts may be
	 * off, and the vCPUs many
	 */
	vm_for_each_vcpu(irq->vm, i, vcpu)
		vcpu_request(vcpu, REQ_INTERCEPTS);
}
