/* SPDX-License-Identifier: GPL-2.0-only */
/* A local APIC that the CPU works on by itself (irqchip/lapic_accel.c says how); for backends and core/inject.c. */
#ifndef KEEL_LAPIC_ACCEL_H
#define KEEL_LAPIC_ACCEL_H

#include <linux/types.h>
#include <keel/types.h>

enum lapic_mode {
	LAPIC_OFF,		/* disabled, or none here */
	LAPIC_MMIO,		/* xAPIC at its usual address */
	LAPIC_MOVED,		/* xAPIC elsewhere */
	LAPIC_MSRS,		/* x2APIC */
};

/**
 * keel_lapic_page() - the registers, a page laid out as the architecture has it
 * @vcpu: the vCPU
 *
 * Context: any. Return: the page, for the vCPU's life; NULL without a local APIC here, or vendor_caps.apic_page.
 */
void *keel_lapic_page(struct vcpu *vcpu);
/**
 * keel_lapic_mode() - how the guest reaches it
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off. Return: the mode.
 */
enum lapic_mode keel_lapic_mode(const struct vcpu *vcpu);
/**
 * keel_lapic_accel_begin() - from the next entry on the CPU delivers interrupts from the page by itself
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off.
 */
void keel_lapic_accel_begin(struct vcpu *vcpu);
/**
 * keel_lapic_accel_end() - and no more
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off.
 */
void keel_lapic_accel_end(struct vcpu *vcpu);
/**
 * keel_lapic_accel_sync() - move what was requested since to the page
 * @vcpu: accelerated
 * @levels: set
 *
 * Context: before an entry, interrupts off.
 */
void keel_lapic_accel_sync(struct vcpu *vcpu, struct lapic_levels *levels);
/**
 * keel_lapic_accel_deliverable() - is there an interrupt that the priorities let through?
 * @vcpu: accelerated
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off. Return: the answer.
 */
bool keel_lapic_accel_deliverable(struct vcpu *vcpu);
/**
 * keel_lapic_written() - the CPU has written a register for the guest: do what that sets off
 * @vcpu: accelerated
 * @offset: of the register in the page
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off.
 */
void keel_lapic_written(struct vcpu *vcpu, u32 offset);
/**
 * keel_lapic_ended() - the CPU has ended an interrupt
 * @vcpu: accelerated
 * @vector: one of keel_lapic_eoi_vectors()
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off.
 */
void keel_lapic_ended(struct vcpu *vcpu, u8 vector);
/**
 * keel_lapic_eoi_vectors() - whose end must exit; REQ_INTERCEPTS tells of changes
 * @vcpu: one with a local APIC here
 * @vectors: set, a bit a vector
 *
 * Context: any.
 */
void keel_lapic_eoi_vectors(const struct vcpu *vcpu, u64 vectors[4]);

#endif
