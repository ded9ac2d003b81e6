/* SPDX-License-Identifier: GPL-2.0-only */
/* What goes into a guest by itself: exceptions, NMIs, interrupts (core/inject.c). */
#ifndef KEEL_EVENTS_H
#define KEEL_EVENTS_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/types.h>
#include <keel/emulate_types.h>
#include <keel/types.h>

/* Event types; the values are those of EVENTINJ and of the VM-entry interruption information. */
enum event_type {
	EVENT_INTR	= 0,
	EVENT_NMI	= 2,
	EVENT_EXCEPTION	= 3,
	EVENT_SOFT_INTR	= 4,
};

struct event {
	bool valid;
	u8 type;		/* enum event_type */
	u8 vector;
	bool has_error;
	u8 length;		/* soft events: length of the INT instruction, 0 if unknown */
	u32 error;
};

/**
 * struct vcpu_events - what waits to be delivered
 * @injected: interrupted in delivery, or restored by the launcher as such; goes in again first
 * @held: an acknowledged interrupt that was @injected and that an exception has overtaken; the next interrupt to go in
 * @exception: queued by an intercept or by the launcher, not yet in hardware
 * @payload: CR2 or DR6 bits that @exception brings along, applied at delivery
 * @nmi_pending: NMIs waiting (0..2); atomic, other threads add
 * @nmi_masked: between delivery of an NMI and its IRET
 * @shadow: SHADOW_*, the one-instruction block after STI and MOV SS
 * @user_irq: vector given by KVM_INTERRUPT (no in-kernel irqchip), -1 for none
 * @windows: WINDOW_* last given to the backend
 * @levels: of the local APIC while it is accelerated (RG_LEVELS)
 */
struct vcpu_events {
	struct event injected;
	struct event held;
	struct event exception;
	bool has_payload;
	u64 payload;
	atomic_t nmi_pending;
	bool nmi_masked;
	u8 shadow;
	u8 windows;
	struct lapic_levels levels;
	int user_irq;
};

/**
 * keel_queue_exception() - have an exception without error code delivered at the next entry
 * @vcpu: the vCPU
 * @vector: 0 to 31
 *
 * Context: the vCPU's own thread, loaded.
 */
void keel_queue_exception(struct vcpu *vcpu, u8 vector);
/**
 * keel_queue_exception_error() - the same with an error code
 * @vcpu: the vCPU
 * @vector: 0 to 31
 * @error: error code
 *
 * Context: the vCPU's own thread, loaded.
 */
void keel_queue_exception_error(struct vcpu *vcpu, u8 vector, u32 error);
/**
 * keel_queue_page_fault() - the same for #PF; CR2 changes at delivery
 * @vcpu: the vCPU
 * @cr2: linear address
 * @error: error code
 *
 * Context: the vCPU's own thread, loaded.
 */
void keel_queue_page_fault(struct vcpu *vcpu, u64 cr2, u32 error);
/**
 * keel_queue_debug() - the same for #DB; DR6 changes at delivery
 * @vcpu: the vCPU
 * @dr6_bits: what it brings to DR6
 *
 * Context: the vCPU's own thread, loaded.
 */
void keel_queue_debug(struct vcpu *vcpu, u64 dr6_bits);
/**
 * keel_queue_nmi() - one NMI more
 * @vcpu: the vCPU
 *
 * One in service and one more are held, as the hardware's latch can tell apart.
 * Context: any.
 */
void keel_queue_nmi(struct vcpu *vcpu);
/**
 * keel_apply_payload() - move CR2 or DR6 bits of the queued exception to the registers
 * @vcpu: the vCPU
 *
 * Done at delivery, or earlier when the launcher reads the events without KVM_CAP_EXCEPTION_PAYLOAD.
 * Context: the vCPU's own thread, loaded.
 */
void keel_apply_payload(struct vcpu *vcpu);
/**
 * keel_instruction_done() - single step, and the breakpoints met, after an instruction completed in software
 * @vcpu: the vCPU
 * @rflags: RFLAGS before the instruction
 *
 * Context: the vCPU's own thread, loaded.
 */
void keel_instruction_done(struct vcpu *vcpu, u64 rflags);
/**
 * keel_nmi_mask() - an NMI is delivered, or has been: the next one waits for an IRET
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off.
 */
void keel_nmi_mask(struct vcpu *vcpu);
/**
 * keel_nmi_unblock() - that IRET has come, or the delivery is undone: the next NMI may go in
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off.
 */
void keel_nmi_unblock(struct vcpu *vcpu);
/**
 * keel_event_interrupted() - the backend found an event interrupted in its delivery (EXITINTINFO, IDT-vectoring information)
 * @vcpu: the vCPU
 * @event: the event; goes in again first
 *
 * Context: the vCPU's own thread, interrupts off.
 */
void keel_event_interrupted(struct vcpu *vcpu, const struct event *event);
/**
 * keel_events_prepare() - choose and hand over what goes in at this entry; open windows for what must wait
 * @vcpu: the vCPU
 *
 * Context: the inner loop, interrupts off.
 */
void keel_events_prepare(struct vcpu *vcpu);
/**
 * keel_exit_at_once() - leave the guest again before its first instruction, whatever goes in
 * @vcpu: the vCPU
 *
 * Context: on the vCPU's own CPU, interrupts off.
 */
void keel_exit_at_once(struct vcpu *vcpu);
/**
 * keel_irq_allowed() - can an interrupt be taken now, by RFLAGS.IF and the interrupt shadow?
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded. Return: the answer.
 */
bool keel_irq_allowed(struct vcpu *vcpu);
/**
 * keel_event_goes_in() - would keel_events_prepare() hand over an event now?
 * @vcpu: the vCPU
 *
 * Not asked: what a CPU delivers by itself (vcpu_apic.accelerated).
 * Context: the vCPU's own thread, loaded. Return: the answer.
 */
bool keel_event_goes_in(struct vcpu *vcpu);
/**
 * keel_vcpu_has_events() - is there something that would wake it from HLT?
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded. Return: the answer.
 */
bool keel_vcpu_has_events(struct vcpu *vcpu);

#endif
