/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a vCPU is told of work, and reached (core/request.c). The look-up, and the request to all of
 * a VM, are in keel/vm.h.
 */
#ifndef KEEL_REQUEST_H
#define KEEL_REQUEST_H

#include <linux/bitops.h>
#include <linux/atomic.h>
#include <keel/vcpu.h>

/* Requests: bits of vcpu->requests. Set with vcpu_request() from any context, drained in core/run.c. */
enum vcpu_request {
	REQ_EVENT,		/* look at interrupts and NMIs again; the inner loop serves this one itself */
	REQ_KICK,		/* leave guest mode, nothing else */
	REQ_TLB_FLUSH,		/* second-level translations changed */
	REQ_TLB_FLUSH_GUEST,	/* the guest asked (pv TLB flush) */
	REQ_ROOT,		/* the root table changed: load it again */
	REQ_PAGING,		/* shadow paging: the guest changed its paging or asked for a flush: keel_shadow_prepare() */
	REQ_CLOCK,		/* write the pvclock page */
	REQ_STEAL,		/* write the steal time record */
	REQ_TRIPLE_FAULT,	/* KVM_EXIT_SHUTDOWN */
	REQ_INTERCEPTS,		/* debug or disable-exits settings changed, or the EOI-exit set (irqchip) */
	REQ_IOAPIC_EOI_EXIT,	/* split irqchip: KVM_EXIT_IOAPIC_EOI with vcpu->apic.eoi_vector */
	REQ_APIC_BASE,		/* the local APIC's page is elsewhere, or nowhere: keel_memory_apic_claim() */
	REQ_INIT,		/* INIT or SIPI waits in the local APIC */
	REQ_PV_EOI,		/* the guest's PV EOI flag must be read where sleeping is allowed: keel_lapic_sync_pv_eoi() */
	REQ_IPI,		/* keel_ipi_flush(), before anything else of the guest or of the launcher */
	REQ_DIRTY_RING,		/* keel_dirty_ring_check() */
	REQ_DEBUG_EXIT,		/* KVM_EXIT_DEBUG after an emulated or skipped instruction */
	REQ_HOLD,		/* give the vCPU's mutex up for a while: keel_vm_hold() */
	REQ_ENGINE,		/* the emulator is the engine: keel_engine_run(). Stays, but for the entry at which an event goes in */
};

enum vcpu_mode {
	VCPU_OUTSIDE,
	VCPU_IN_GUEST,		/* between the last check of requests and the exit */
	VCPU_EXITING,		/* in guest, and an IPI is already on its way */
};

/**
 * keel_vcpu_kick() - wake a halted vCPU and push a running one out of guest mode
 * @vcpu: the vCPU; a request is made before
 *
 * Context: any.
 */
void keel_vcpu_kick(struct vcpu *vcpu);

static inline bool vcpu_test_request(const struct vcpu *vcpu, unsigned int req)
{
	return READ_ONCE(vcpu->requests) & BIT(req);
}

/* Set a request without a kick. The barrier pairs with the one in core/run.c between mode and requests. */
static inline void vcpu_request(struct vcpu *vcpu, unsigned int req)
{
	smp_mb__before_atomic();
	set_bit(req, &vcpu->requests);
}

/**
 * keel_vcpu_yield_to() - directed yield
 * @target: whose thread is to run
 *
 * Context: may sleep. Return: true if it was boosted.
 */
bool keel_vcpu_yield_to(struct vcpu *target);

/**
 * keel_vcpu_is_current() - is this the thread that runs the vCPU now, so that a kick of itself is needless?
 * @vcpu: the vCPU
 *
 * Context: any. Return: the answer; false while the vCPU sleeps in HLT.
 */
bool keel_vcpu_is_current(const struct vcpu *vcpu);

#endif
