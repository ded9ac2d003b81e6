// SPDX-License-Identifier: GPL-2.0-only
/*
 * What goes into the guest at the next entry: exceptions, NMIs, interrupts.
 *
 * Queueing only records and sets REQ_EVENT. keel_events_prepare() runs in the inner loop when that bit is set, chooses
 * one event by the priority of the SDM ("Priority Among Simultaneous Exceptions and Interrupts"), hands it to the backend
 * and asks for a window for what must wait. An event whose delivery an exit interrupted comes back through
 * keel_event_interrupted() and goes in again.
 *
 * An exception that comes up while such an event waits goes first. With another exception it makes a double fault, a triple fault,
 * or takes its place: a fault happens again. An interrupt has been acknowledged and would be lost: it is held back until the guest
 * takes interrupts again, since the exception's handler must not find one before its first instruction. NMIs go back to the
 * pending ones; a software interrupt executes again.
 */
#include <linux/smp.h>
#include <trace/events/ipi.h>	/* smp_send_reschedule() is a macro around a tracepoint on newer kernels */
#include <asm/trapnr.h>
#include <keel/access.h>
#include <keel/debug.h>
#include <keel/exit.h>
#include <keel/irq.h>
#include <keel/request.h>
#include <keel/vcpu.h>
#include <keel/vendor.h>

/* SDM, "Conditions for Generating a Double Fault" */
enum exception_class { BENIGN, CONTRIBUTORY, PAGE_FAULT };

static enum exception_class classify(u8 vector)
{
	switch (vector) {
	case X86_TRAP_DE:
	case X86_TRAP_TS:
	case X86_TRAP_NP:
	case X86_TRAP_SS:
	case X86_TRAP_GP:
	case X86_TRAP_CP:
		return CONTRIBUTORY;
	case X86_TRAP_PF:
		return PAGE_FAULT;
	default:
		return BENIGN;
	}
}

static bool makes_double_fault(u8 first, u8 second)
{
	enum exception_class a = classify(first), b = classify(second);

	return (a == CONTRIBUTORY && b == CONTRIBUTORY) || (a == PAGE_FAULT && b != BENIGN);
}

/* The exception that the new one collides with: still queued, or interrupted in its delivery. */
static struct event *earlier_exception(struct vcpu_events *ev)
{
	if (ev->exception.valid)
		return &ev->exception;
	if (ev->injected.valid && ev->injected.type == EVENT_EXCEPTION)
		return &ev->injected;
	return NULL;
}

static void queue(struct vcpu *vcpu, u8 vector, bool has_error, u32 error)
{
	struct vcpu_events *ev = &vcpu->events;
	struct event *earlier = earlier_exception(ev);

	vcpu_request(vcpu, REQ_EVENT);
	ev->has_payload = false;
	if (earlier) {
		u8 first = earlier->vector;

		earlier->valid = false;
		if (first == X86_TRAP_DF) {
			ev->exception.valid = false;
			vcpu_request(vcpu, REQ_TRIPLE_FAULT);
			return;
		}
		if (makes_double_fault(first, vector)) {
			vector = X86_TRAP_DF;
			has_error = true;
			error = 0;
		}
	}
	ev->exception = (struct event){
		.valid = true, .type = EVENT_EXCEPTION, .vector = vector, .has_error = has_error, .error = error,
	};
}

void keel_queue_exception(struct vcpu *vcpu, u8 vector)
{
	queue(vcpu, vector, false, 0);
}

void keel_queue_exception_error(struct vcpu *vcpu, u8 vector, u32 error)
{
	queue(vcpu, vector, true, error);
}

int keel_do_undefined(struct vcpu *vcpu)
{
	keel_queue_exception(vcpu, X86_TRAP_UD);
	return RUN_RESUME;
}

int keel_do_gp(struct vcpu *vcpu)
{
	keel_queue_exception_error(vcpu, X86_TRAP_GP, 0);
	return RUN_RESUME;
}

static void set_payload(struct vcpu *vcpu, u8 vector, u64 payload)
{
	struct vcpu_events *ev = &vcpu->events;

	/* not if it became a double fault */
	if (ev->exception.valid && ev->exception.vector == vector) {
		ev->has_payload = true;
		ev->payload = payload;
	}
}

void keel_queue_page_fault(struct vcpu *vcpu, u64 cr2, u32 error)
{
	queue(vcpu, X86_TRAP_PF, true, error);
	set_payload(vcpu, X86_TRAP_PF, cr2);
}

void keel_queue_debug(struct vcpu *vcpu, u64 dr6_bits)
{
	struct vcpu_events *ev = &vcpu->events;

	/* one exception tells all that has happened at this boundary */
	if (ev->exception.valid && ev->exception.vector == X86_TRAP_DB && ev->has_payload) {
		ev->payload |= dr6_bits;
		return;
	}
	queue(vcpu, X86_TRAP_DB, false, 0);
	set_payload(vcpu, X86_TRAP_DB, dr6_bits);
}

void keel_queue_nmi(struct vcpu *vcpu)
{
	/* one in service and one more held back: what the hardware latch can tell apart */
	const struct event *injected = &vcpu->events.injected;
	bool in_service = READ_ONCE(vcpu->events.nmi_masked) ||
			  (READ_ONCE(injected->valid) && READ_ONCE(injected->type) == EVENT_NMI);
	int limit = in_service ? 1 : 2;

	atomic_add_unless(&vcpu->events.nmi_pending, 1, limit);
	vcpu_request(vcpu, REQ_EVENT);
}

void keel_nmi_mask(struct vcpu *vcpu)
{
	vcpu->events.nmi_masked = true;
	keel_vendor->nmi_masked_changed(vcpu);
}

void keel_nmi_unblock(struct vcpu *vcpu)
{
	vcpu->events.nmi_masked = false;
	keel_vendor->nmi_masked_changed(vcpu);
	vcpu_request(vcpu, REQ_EVENT);
}

void keel_event_interrupted(struct vcpu *vcpu, const struct event *event)
{
	vcpu->events.injected = *event;
	if (event->type == EVENT_NMI && vcpu->events.nmi_masked)
		keel_nmi_unblock(vcpu);
	vcpu_request(vcpu, REQ_EVENT);
}

bool keel_irq_allowed(struct vcpu *vcpu)
{
	if (!(vcpu_rflags(vcpu) & X86_EFLAGS_IF))
		return false;
	vcpu_need(vcpu, RG_SHADOW);
	return !vcpu->events.shadow;
}

/* Faults push RFLAGS with RF set, so that an instruction breakpoint does not fire again; traps do not. */
static bool is_fault(u8 vector)
{
	return vector != X86_TRAP_DB && vector != X86_TRAP_BP && vector != X86_TRAP_OF && vector != X86_TRAP_DF &&
	       vector != X86_TRAP_MC;
}

/* What a payload may bring to DR6. A launcher can give more, and a MOV to DR6 with one of bits 63:32 is #GP, also for the host. */
#define DR6_PAYLOAD	(DR_TRAP_BITS | DR6_BD | DR_STEP | DR_SWITCH | DR6_RTM)

/**
 * keel_apply_payload() - move CR2 or DR6 bits of the queued exception to the registers
 * @vcpu: loaded, on its own thread
 *
 * Done at delivery, or earlier when the launcher reads the events without KVM_CAP_EXCEPTION_PAYLOAD.
 */
void keel_apply_payload(struct vcpu *vcpu)
{
	struct vcpu_events *ev = &vcpu->events;
	u64 bits;

	if (!ev->exception.valid || !ev->has_payload)
		return;
	ev->has_payload = false;
	if (ev->exception.vector == X86_TRAP_PF) {
		vcpu->regs.cr2 = ev->payload;
		vcpu_dirty(vcpu, RG_CR2);
	} else if (ev->exception.vector == X86_TRAP_DB) {
		vcpu_need(vcpu, RG_DR);
		/* SDM, "Debug Status Register (DR6)": B0-B3 are set anew, BD BS BT accumulate; RTM is active low */
		bits = ev->payload & DR6_PAYLOAD;
		vcpu->regs.dr6 = ((vcpu->regs.dr6 & ~(u64)DR_TRAP_BITS) | DR6_RTM | bits) & ~(bits & DR6_RTM);
		vcpu->regs.dr7 &= ~(u64)DR7_GD;
		vcpu_dirty(vcpu, RG_DR);
	}
}

static void inject_exception(struct vcpu *vcpu)
{
	struct vcpu_events *ev = &vcpu->events;

	keel_apply_payload(vcpu);
	if (is_fault(ev->exception.vector) && !(vcpu_rflags(vcpu) & X86_EFLAGS_RF)) {
		vcpu->regs.rflags |= X86_EFLAGS_RF;
		vcpu_dirty(vcpu, RG_RFLAGS);
	}
	/* real mode pushes no error code */
	if (!vcpu_is_protected(vcpu))
		ev->exception.has_error = false;
	ev->exception.valid = false;
	vcpu->stats.exception_injections++;
	keel_vendor->inject(vcpu, &ev->exception);
}

static bool nmi_allowed(struct vcpu *vcpu)
{
	vcpu_need(vcpu, RG_SHADOW);
	return !vcpu->events.nmi_masked && !vcpu->events.shadow;
}

static void inject_nmi(struct vcpu *vcpu)
{
	static const struct event nmi = { .valid = true, .type = EVENT_NMI, .vector = X86_TRAP_NMI };

	keel_nmi_mask(vcpu);
	vcpu->stats.nmi_injections++;
	keel_vendor->inject(vcpu, &nmi);
}

/* Does an interrupt of the launcher's 8259 reach the CPU? With a local APIC here it comes in at LINT0. */
static bool takes_user_irq(struct vcpu *vcpu)
{
	return !vcpu->lapic || keel_lapic_takes_extint(vcpu);
}

/* The vector to deliver, -1 for none; but for those that the CPU delivers by itself. */
static int irq_waiting(struct vcpu *vcpu)
{
	if (unlikely(vcpu->events.held.valid))
		return vcpu->events.held.vector;
	if (unlikely(vcpu->events.user_irq >= 0) && takes_user_irq(vcpu))
		return vcpu->events.user_irq;
	return vcpu->lapic ? keel_irq_pending(vcpu) : -1;
}

static int irq_take(struct vcpu *vcpu)
{
	int vector = vcpu->events.user_irq;

	if (unlikely(vcpu->events.held.valid)) {
		vcpu->events.held.valid = false;
		return vcpu->events.held.vector;
	}
	if (unlikely(vector >= 0) && takes_user_irq(vcpu)) {
		vcpu->events.user_irq = -1;
		return vector;
	}
	return keel_irq_ack(vcpu);
}

static void inject_irq(struct vcpu *vcpu)
{
	int vector = irq_take(vcpu);
	struct event irq = { .valid = true, .type = EVENT_INTR, .vector = vector };

	if (vector < 0)
		return;
	vcpu->stats.irq_injections++;
	keel_vendor->inject(vcpu, &irq);
}

/* An IPI to this CPU, taken by the guest before its first instruction; what was injected is delivered. Interrupts off. */
void keel_exit_at_once(struct vcpu *vcpu)
{
	smp_send_reschedule(vcpu->cpu);
}

/* Class of the interrupt that waits for a lower task priority, where the guest can lower it without an exit. */
static u32 tpr_window(struct vcpu *vcpu)
{
	int vector;

	if (!keel_caps.tpr_shadow || !vcpu->lapic || vcpu->apic.accelerated)
		return 0;
	vector = keel_irq_blocked_by_tpr(vcpu);
	return vector < 0 ? 0 : (vector >> 4) << WINDOW_TPR_SHIFT;
}

static void set_windows(struct vcpu *vcpu, u32 windows)
{
	if (windows == vcpu->events.windows)
		return;
	vcpu->events.windows = windows;
	keel_vendor->windows(vcpu, windows);
}

/* What was interrupted in its delivery is overtaken by an exception; or it is an interrupt, and the launcher has cleared IF since. */
static void injected_waits(struct vcpu_events *ev)
{
	if (ev->injected.type == EVENT_NMI)
		atomic_add_unless(&ev->nmi_pending, 1, 2);
	else if (ev->injected.type == EVENT_INTR)
		ev->held = ev->injected;
	ev->injected.valid = false;
}

/* It goes in again, but for an interrupt that the guest does not take now. */
static bool given_back_goes_in(struct vcpu *vcpu)
{
	const struct event *event = &vcpu->events.injected;

	return event->valid && (event->type != EVENT_INTR || vcpu_rflags(vcpu) & X86_EFLAGS_IF);
}

void keel_events_prepare(struct vcpu *vcpu)
{
	struct vcpu_events *ev = &vcpu->events;
	u32 windows = 0;
	bool busy = true;	/* something goes in at this entry */

	/* not one instruction is executed behind what goes in: the request ends the guest at once */
	if (unlikely(vcpu->emulates))
		vcpu_request(vcpu, REQ_ENGINE);
	if (vcpu->apic.accelerated) {
		keel_lapic_accel_sync(vcpu, &ev->levels);
		vcpu_dirty(vcpu, RG_LEVELS);
	}
	if (ev->exception.valid) {
		if (unlikely(ev->injected.valid))
			injected_waits(ev);
		inject_exception(vcpu);
	} else if (unlikely(ev->injected.valid && !given_back_goes_in(vcpu))) {
		injected_waits(ev);
		busy = false;
	} else if (ev->injected.valid) {
		struct event event = ev->injected;

		ev->injected.valid = false;
		if (event.type == EVENT_NMI)
			keel_nmi_mask(vcpu);
		keel_vendor->inject(vcpu, &event);
	} else {
		busy = false;
	}
	/* a debugger steps through the program, not through its interrupts: they wait, without a window */
	if (unlikely(vcpu->debug.control & KVM_GUESTDBG_BLOCKIRQ)) {
		set_windows(vcpu, 0);
		return;
	}

	if (atomic_read(&ev->nmi_pending)) {
		if (!busy && nmi_allowed(vcpu)) {
			atomic_dec(&ev->nmi_pending);
			inject_nmi(vcpu);
			busy = true;
		}
		if (atomic_read(&ev->nmi_pending))
			windows |= WINDOW_NMI;
	}

	if (irq_waiting(vcpu) >= 0) {
		if (!busy && keel_irq_allowed(vcpu)) {
			inject_irq(vcpu);
			busy = true;
		}
		if (irq_waiting(vcpu) >= 0)
			windows |= WINDOW_IRQ;
	}
	/* a window of which nobody is told would open again at once, for good: none while LINT0 is masked */
	if (READ_ONCE(vcpu->run->request_interrupt_window) && vcpu->vm->irq_mode != IRQCHIP_KERNEL && takes_user_irq(vcpu))
		windows |= WINDOW_IRQ;

	set_windows(vcpu, windows | tpr_window(vcpu));
}

static bool interrupt_goes_in(struct vcpu *vcpu)
{
	if (atomic_read(&vcpu->events.nmi_pending) && nmi_allowed(vcpu))
		return true;
	return irq_waiting(vcpu) >= 0 && keel_irq_allowed(vcpu);
}

bool keel_event_goes_in(struct vcpu *vcpu)
{
	if (vcpu->events.exception.valid || given_back_goes_in(vcpu))
		return true;
	return !(vcpu->debug.control & KVM_GUESTDBG_BLOCKIRQ) && interrupt_goes_in(vcpu);
}

bool keel_vcpu_has_events(struct vcpu *vcpu)
{
	struct vcpu_events *ev = &vcpu->events;

	if (ev->exception.valid || ev->injected.valid || vcpu->pv.unhalt || interrupt_goes_in(vcpu))
		return true;
	return vcpu->apic.accelerated && keel_lapic_accel_deliverable(vcpu) && keel_irq_allowed(vcpu);
}

int keel_advance_slow(struct vcpu *vcpu, unsigned int len)
{
	struct vcpu_regs *r = &vcpu->regs;
	u64 rip;

	vcpu_need(vcpu, RG_RIP | RG_RFLAGS);
	/* its exit may even have set it (SDM, "Saving RIP, RSP, RFLAGS, and SSP": EPT violations) */
	if (r->rflags & X86_EFLAGS_RF) {
		r->rflags &= ~(u64)X86_EFLAGS_RF;
		vcpu_dirty(vcpu, RG_RFLAGS);
		return vcpu_advance_valid(vcpu, len);
	}
	vcpu_need(vcpu, RG_SHADOW);
	rip = r->rip + len;
	if (!vcpu_is_64bit_code(vcpu))
		rip = (u32)rip;
	r->rip = rip;
	vcpu_dirty(vcpu, RG_RIP);
	if (vcpu->events.shadow) {
		vcpu->events.shadow = 0;
		vcpu_dirty(vcpu, RG_SHADOW);
	}
	keel_instruction_done(vcpu, r->rflags);
	return RUN_RESUME;
}

/**
 * keel_instruction_done() - single step, and the breakpoints met, after an instruction completed in software
 * @vcpu: loaded, on its own thread
 * @rflags: RFLAGS before the instruction
 */
void keel_instruction_done(struct vcpu *vcpu, u64 rflags)
{
	u64 bits = vcpu->io.watch_hits;

	/* as in hardware, what stops the launcher is not seen by the guest */
	if ((vcpu->debug.control & KVM_GUESTDBG_SINGLESTEP) || (bits && vcpu_launcher_breakpoints(vcpu))) {
		vcpu_request(vcpu, REQ_DEBUG_EXIT);
		return;
	}
	vcpu->io.watch_hits = 0;
	if (rflags & X86_EFLAGS_TF)
		bits |= DR_STEP;
	if (bits)
		keel_queue_debug(vcpu, bits);
}
