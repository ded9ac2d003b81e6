// SPDX-License-Identifier: GPL-2.0-only
/*
 * Local APIC: registers, priorities, acceptance, end of interrupt.
 *
 * Senders on any CPU set IRR and TMR bits atomically, then REQ_EVENT, then kick. Everything else
 * belongs to the vCPU's own thread. A sender spares request and kick while an interrupt of the
 * same or a higher class is in service, because the EOI looks at IRR again; the locked operation
 * on IRR in lapic_accept() and the barrier in lapic_eoi() pair up so that one of the two sees the
 * other. The task priority is not used for that: the guest may lower it without an exit.
 */
#include <linux/bitops.h>
#include <linux/kvm_para.h>
#include <keel/guest_access.h>
#include <keel/request.h>
#include "lapic.h"

/* ---- acceptance ---- */

static inline void lapic_wake(struct lapic *apic)
{
	struct vcpu *vcpu = apic->vcpu;

	vcpu_request(vcpu, REQ_EVENT);
	if (!keel_vcpu_is_current(vcpu))
		keel_vcpu_kick(vcpu);
}

/**
 * lapic_accept() - take a fixed interrupt
 * @apic: receiver
 * @vector: 16..255; lower ones are counted as an error
 * @level: level triggered
 *
 * Context: any. Return: 1 accepted, 0 already pending or the APIC is off.
 */
int lapic_accept(struct lapic *apic, u8 vector, bool level)
{
	if (unlikely(!READ_ONCE(apic->accepting)))
		return 0;
	if (unlikely(vector < 16)) {
		lapic_error(apic, LAPIC_ESR_RECV_VECTOR);
		return 0;
	}
	if (page_test(apic, APIC_TMR, vector) != level) {
		if (level)
			set_bit(vector & 31, page_word(apic, APIC_TMR, vector));
		else
			clear_bit(vector & 31, page_word(apic, APIC_TMR, vector));
	}
	/* a full barrier: pairs with lapic_eoi() and pv_eoi_arm() */
	if (test_and_set_bit(vector, apic->irr))
		return 0;
	if ((READ_ONCE(apic->isr_top) >> 4) >= (vector >> 4) && !READ_ONCE(apic->pv_eoi_set))
		return 1;
	lapic_wake(apic);
	return 1;
}

static void lapic_signal_init(struct lapic *apic)
{
	/* an INIT makes an earlier SIPI void */
	WRITE_ONCE(apic->events, BIT(LAPIC_EVENT_INIT));
	vcpu_request(apic->vcpu, REQ_INIT);
	keel_vcpu_kick(apic->vcpu);
}

static void lapic_signal_sipi(struct lapic *apic, u8 vector)
{
	WRITE_ONCE(apic->sipi_vector, vector);
	/* pairs with keel_lapic_accept_init_sipi() */
	smp_mb__before_atomic();
	set_bit(LAPIC_EVENT_SIPI, &apic->events);
	vcpu_request(apic->vcpu, REQ_INIT);
	keel_vcpu_kick(apic->vcpu);
}

/**
 * lapic_deliver() - take a message of any delivery mode
 * @apic: receiver, already matched
 * @msg: message
 *
 * Context: any. Return: 1 accepted or pending already, 0 ignored. SMIs are ignored: no system management mode is
 * offered.
 */
int lapic_deliver(struct lapic *apic, const struct irq_msg *msg)
{
	switch (msg->mode) {
	case DELIVER_FIXED:
	case DELIVER_LOWEST:
		if (lapic_accept(apic, msg->vector, msg->level))
			return 1;
		/* pending already, which counts as taken, as on KVM */
		return READ_ONCE(apic->accepting) && msg->vector >= 16 && !msg->count_new;
	case DELIVER_NMI:
		keel_queue_nmi(apic->vcpu);
		keel_vcpu_kick(apic->vcpu);
		return 1;
	case DELIVER_INIT:
		if (!msg->assert && msg->level)
			return 1;	/* level de-assert only loads arbitration IDs */
		lapic_signal_init(apic);
		return 1;
	case DELIVER_SIPI:
		lapic_signal_sipi(apic, msg->vector);
		return 1;
	case DELIVER_EXTINT:
		/* the 8259 drives LINT0 directly, see lapic_lint0() */
		return 1;
	default:
		return 0;
	}
}

/**
 * lapic_deliver_local() - an interrupt source of the APIC itself
 * @apic: APIC
 * @lvt: offset of the local vector table entry
 *
 * Context: any. Return: 1 accepted or pending already, 0 masked.
 */
int lapic_deliver_local(struct lapic *apic, u32 lvt)
{
	u32 entry = lapic_reg(apic, lvt);
	struct irq_msg msg = {
		.vector = entry,
		.mode = lvt == APIC_LVTT || lvt == APIC_LVTERR ? DELIVER_FIXED : (entry >> 8) & 7,
		.level = (lvt == APIC_LVT0 || lvt == APIC_LVT1) && (entry & APIC_LVT_LEVEL_TRIGGER),
		.assert = true,
	};

	if (!apic->enabled || (entry & APIC_LVT_MASKED))
		return 0;
	return lapic_deliver(apic, &msg);
}

/* Would an ExtINT of the 8259 be taken? Without a local APIC INTR goes straight to the CPU. */
static bool takes_extint(const struct lapic *apic)
{
	u32 lvt0 = lapic_reg(apic, APIC_LVT0);

	if (!apic->enabled)
		return true;
	return !(lvt0 & APIC_LVT_MASKED) && ((lvt0 >> 8) & 7) == DELIVER_EXTINT;
}

bool keel_lapic_takes_extint(const struct vcpu *vcpu)
{
	return takes_extint(vcpu->lapic);
}

/* The 8259's output rose: it is wired to LINT0 of every local APIC. Any context. */
void lapic_lint0(struct lapic *apic)
{
	if (takes_extint(apic))
		lapic_wake(apic);
	else
		lapic_deliver_local(apic, APIC_LVT0);
}

/* Note an error, a bit of the ESR; the first one since that was last written raises LVTERR. Any context. */
void lapic_error(struct lapic *apic, u32 error)
{
	/* other senders do so, too, and the vCPU takes away what is there */
	if (test_and_set_bit(__ffs(error), &apic->esr_pending))
		return;
	/* a bad vector in LVTERR itself must not start again */
	if ((lapic_reg(apic, APIC_LVTERR) & APIC_VECTOR_MASK) >= 16)
		lapic_deliver_local(apic, APIC_LVTERR);
}

/* ---- paravirtual EOI ---- */

#define PV_EOI_PENDING BIT(0)

static void lapic_eoi(struct lapic *apic);

/* Write the guest's flag byte. */
static bool pv_eoi_write(struct lapic *apic, u8 val)
{
	return !keel_write_guest_atomic(apic->vcpu->vm, apic->pv_eoi_at, &val, sizeof(val));
}

/*
 * @vector went into service. Let the guest end it by clearing its flag without an exit, if
 *   nothing waits for the EOI: no lower interrupt pending, none in service below, no controller
 *   that must hear of it.
 */
static void pv_eoi_arm(struct lapic *apic, u8 vector, bool nested)
{
	apic->pv_eoi_at = apic->vcpu->pv.eoi & ~(u64)KVM_MSR_ENABLED;
	WRITE_ONCE(apic->pv_eoi_set, true);
	/* pairs with lapic_accept(): it either sees pv_eoi_set, or its IRR bit is seen here */
	smp_mb();
	if (nested || highest_vector(apic->irr) >= 0 || page_test(apic, APIC_TMR, vector) ||
	    irq_wants_eoi(apic->irq, vector) || !pv_eoi_write(apic, PV_EOI_PENDING))
		WRITE_ONCE(apic->pv_eoi_set, false);
}

/**
 * lapic_sync_pv_eoi() - find out whether the guest ended its interrupt through the flag, and take
 * the flag away
 * @apic: on its own thread
 *
 * Context: interrupts may be off. Return: false when the guest's page cannot be read or written now.
 */
bool lapic_sync_pv_eoi(struct lapic *apic)
{
	u8 flag;

	if (likely(!apic->pv_eoi_set))
		return true;
	if (keel_read_guest_atomic(apic->vcpu->vm, apic->pv_eoi_at, &flag, sizeof(flag)))
		return false;
	if ((flag & PV_EOI_PENDING) && !pv_eoi_write(apic, flag & ~PV_EOI_PENDING))
		return false;
	WRITE_ONCE(apic->pv_eoi_set, false);
	if (!(flag & PV_EOI_PENDING))
		lapic_eoi(apic);
	return true;
}

int keel_lapic_set_pv_eoi(struct vcpu *vcpu, u64 val)
{
	struct lapic *apic = vcpu->lapic;

	/* a four-byte-aligned byte; bit 1 is reserved */
	if (val & 2)
		return 1;
	if (apic && !lapic_sync_pv_eoi(apic))
		vcpu_request(vcpu, REQ_PV_EOI);
	vcpu->pv.eoi = val;
	return 0;
}

void keel_lapic_sync_pv_eoi(struct vcpu *vcpu)
{
	struct lapic *apic = vcpu->lapic;
	u8 flag;

	if (!apic || !apic->pv_eoi_set)
		return;
	vcpu_request(vcpu, REQ_EVENT);
	if (keel_read_guest(vcpu->vm, apic->pv_eoi_at, &flag, sizeof(flag)))
		flag = PV_EOI_PENDING;	/* gone for good: the guest ends its interrupts by the register */
	WRITE_ONCE(apic->pv_eoi_set, false);
	if (!(flag & PV_EOI_PENDING)) {
		lapic_eoi(apic);
		return;
	}
	/* also in a page that is read-only until the first write: a flag left there would be an EOI that nobody sees */
	flag &= ~PV_EOI_PENDING;
	keel_write_guest(vcpu->vm, apic->pv_eoi_at, &flag, sizeof(flag));
}

/* ---- delivery to the CPU ---- */

static bool extint_pending(const struct lapic *apic)
{
	return unlikely(READ_ONCE(apic->irq->extint)) && takes_extint(apic);
}

int keel_irq_pending(struct vcpu *vcpu)
{
	struct lapic *apic = vcpu->lapic;
	int vector;

	if (unlikely(!apic))
		return -1;
	vector = highest_vector(apic->irr);
	if (vector >= 0 && apic->enabled && likely(!apic->accelerated)) {
		/* where that fails even a higher one waits: the flag of the lower one would be taken for its own */
		if (unlikely(apic->pv_eoi_set) && !lapic_sync_pv_eoi(apic))
			vcpu_request(vcpu, REQ_PV_EOI);
		else if ((vector >> 4) > (lapic_ppr(apic) >> 4))
			return vector;
	}
	return extint_pending(apic) ? pic_peek(apic->irq) : -1;
}

int keel_irq_ack(struct vcpu *vcpu)
{
	struct lapic *apic = vcpu->lapic;
	int vector;
	bool nested;

	if (unlikely(!apic))
		return -1;
	/* one that came behind the look at the 8259's waits if there is a flag to be taken away first */
	vector = apic->enabled && likely(!apic->accelerated && !apic->pv_eoi_set) ? highest_vector(apic->irr) : -1;
	if (vector < 0 || (vector >> 4) <= (lapic_ppr(apic) >> 4))
		return extint_pending(apic) ? pic_ack(apic->irq) : -1;

	nested = apic->isr_top >= 0;
	clear_bit(vector, apic->irr);
	__set_bit(vector & 31, page_word(apic, APIC_ISR, vector));
	WRITE_ONCE(apic->isr_top, vector);
	if (vcpu->pv.eoi & KVM_MSR_ENABLED)
		pv_eoi_arm(apic, vector, nested);
	return vector;
}

int keel_irq_blocked_by_tpr(struct vcpu *vcpu)
{
	struct lapic *apic = vcpu->lapic;
	int vector;

	if (!apic || !apic->enabled || apic->accelerated)
		return -1;
	vector = highest_vector(apic->irr);
	if (vector < 0 || (vector >> 4) > (lapic_reg(apic, APIC_TASKPRI) >> 4))
		return -1;
	return (vector >> 4) > (apic->isr_top >> 4) ? vector : -1;
}

/* A controller or user space must hear of the end of @vector. */
noinline void lapic_ended(struct lapic *apic, u8 vector)
{
	struct vcpu *vcpu = apic->vcpu;

	if (apic->irq->ioapic) {
		ioapic_eoi(apic->irq, vector);
	} else if (irq_wants_eoi(apic->irq, vector)) {
		vcpu->apic.eoi_vector = vector;
		vcpu_request(vcpu, REQ_IOAPIC_EOI_EXIT);
	}
}

/**
 * lapic_eoi() - end the highest interrupt in service
 * @apic: on its own thread
 *
 * Context: interrupts may be off.
 */
static void lapic_eoi(struct lapic *apic)
{
	int vector = lapic_isr_top(apic);

	if (unlikely(vector < 0))
		return;
	__clear_bit(vector & 31, page_word(apic, APIC_ISR, vector));
	if (likely(!apic->accelerated))
		WRITE_ONCE(apic->isr_top, page_highest(apic, APIC_ISR, vector));
	if (unlikely(page_test(apic, APIC_TMR, vector) || irq_wants_eoi(apic->irq, vector)))
		lapic_ended(apic, vector);
	/* pairs with the locked operation in lapic_accept() */
	smp_mb();
	lapic_recheck_irr(apic);
}

/* The guest wrote the EOI register: an armed flag is of no use any more. */
void lapic_end_irq(struct lapic *apic)
{
	if (unlikely(apic->pv_eoi_set)) {
		/* if it stays it is taken away before the guest goes on, with nothing in service that it could end */
		if (pv_eoi_write(apic, 0))
			WRITE_ONCE(apic->pv_eoi_set, false);
		else
			vcpu_request(apic->vcpu, REQ_PV_EOI);
	}
	lapic_eoi(apic);
}

/* ---- task priority ---- */

void lapic_set_tpr(struct lapic *apic, u8 tpr)
{
	u32 old = lapic_reg(apic, APIC_TASKPRI);

	lapic_set_reg(apic, APIC_TASKPRI, tpr);
	if (tpr < old)
		lapic_recheck_irr(apic);
}

void keel_lapic_set_tpr(struct vcpu *vcpu, u8 cr8)
{
	if (vcpu->lapic)
		lapic_set_tpr(vcpu->lapic, (cr8 & 0xf) << 4);
}

u8 keel_lapic_get_tpr(struct vcpu *vcpu)
{
	return vcpu->lapic ? lapic_reg(vcpu->lapic, APIC_TASKPRI) >> 4 & 0xf : 0;
}
