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

void keel_queue_exception(struct vcpu *vcpu, u8 vector);
void keel_queue_exception_error(struct vcpu *vcpu, u8 vector, u32 error);
void keel_queue_page_fault(struct vcpu *vcpu, u64 cr2, u32 error);
void keel_queue_debug(struct vcpu *vcpu, u64 dr6_bits);
void keel_queue_nmi(struct vcpu *vcpu);			/* any thread */
void keel_apply_payload(struct vcpu *vcpu);
void keel_instruction_done(struct vcpu *vcpu, u64 rflags);
/* The backend found an event interrupted in its delivery (EXITINTINFO, IDT-vectoring information). */
void keel_event_interrupted(struct vcpu *vcpu, const struct event *event);
/* Choose and hand over what goes in at this entry; opens windows for what must wait. Interrupts off. */
void keel_events_prepare(struct vcpu *vcpu);
/* Leave the guest again before its first instruction, whatever goes in. On its own CPU, interrupts off. */
void keel_exit_at_once(struct vcpu *vcpu);
bool keel_irq_allowed(struct vcpu *vcpu);		/* RFLAGS.IF and no shadow */
bool keel_vcpu_has_events(struct vcpu *vcpu);		/* something would wake it from HLT */

#endif
