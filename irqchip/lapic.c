// SPDX-License-Identifier: GPL-2.0-only
/*
 * Local APIC: registers, priorities, acceptance, end of interrupt.
 *
 * Senders on any CPU set IRR and TMR bits atomically, then REQ_EVENT, then kick. Everything else belongs to the vCPU's
 * own thread. A sender spares request and kick while an interrupt of the same or a higher class is in service, because
 * the EOI looks at IRR again; the locked operation on IRR in lapic_accept() and the barrier in lapic_eoi() pair up so
 * that one of the two sees the other. The task priority is not used for that: the guest may lower it without an exit.
 */
#include <linux/bitops.h>
#include <linux/slab.h>
#include <keel/state.h>
#include "irqchip.h"

/* ---- 256-bit vectors ------------------------------------------------------------------------------------------------ */

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

static inline void update_ppr(struct lapic *apic)
{
	u32 tpr = lapic_reg(apic, APIC_TASKPRI);
	u32 in_service = apic->isr_top < 0 ? 0 : apic->isr_top & 0xf0;

	apic->ppr = (tpr & 0xf0) >= in_service ? tpr : in_service;
}

/* An interrupt may have become deliverable by something the vCPU's own thread did. */
static inline void recheck_irr(struct lapic *apic)
{
	if (highest_vector(apic->irr) >= 0)
		vcpu_request(apic->vcpu, REQ_EVENT);
}

static void update_enabled(struct lapic *apic)
{
	u64 base = apic->vcpu->apic_base;

	apic->enabled = base & MSR_IA32_APICBASE_ENABLE;
	apic->x2apic = (base & APIC_BASE_MODE) == APIC_BASE_MODE;
	WRITE_ONCE(apic->accepting, apic->enabled && (lapic_reg(apic, APIC_SPIV) & LAPIC_SPIV_ENABLED));
}

/* ---- acceptance ------------------------------------------------------------------------------------------------------ */

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
	if (test_bit(vector, apic->tmr) != level) {
		if (level)
			set_bit(vector, apic->tmr);
		else
			clear_bit(vector, apic->tmr);
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
 * Context: any. Return: 1 accepted, 0 ignored. SMIs are ignored: no system management mode is offered.
 */
int lapic_deliver(struct lapic *apic, const struct irq_msg *msg)
{
	switch (msg->mode) {
	case DELIVER_FIXED:
	case DELIVER_LOWEST:
		return lapic_accept(apic, msg->vector, msg->level);
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
 * Context: any. Return: 1 accepted, 0 masked or already pending.
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

/* Note errors; the first one since the ESR was last written raises LVTERR. Any context. */
void lapic_error(struct lapic *apic, u32 bits)
{
	if ((READ_ONCE(apic->esr_pending) & bits) == bits)
		return;
	WRITE_ONCE(apic->esr_pending, apic->esr_pending | bits);
	/* a bad vector in LVTERR itself must not start again */
	if ((lapic_reg(apic, APIC_LVTERR) & APIC_VECTOR_MASK) >= 16)
		lapic_deliver_local(apic, APIC_LVTERR);
}

/* ---- paravirtual EOI --------------------------------------------------------------------------------------------------- */

#define PV_EOI_PENDING BIT(0)

/* Write the guest's flag byte. */
static bool pv_eoi_write(struct lapic *apic, u8 val)
{
	struct vcpu *vcpu = apic->vcpu;

	return !keel_write_guest_atomic(vcpu->vm, vcpu->pv.eoi & ~(u64)KVM_MSR_ENABLED, &val, sizeof(val));
}

/*
 * @vector went into service. Let the guest end it by clearing its flag without an exit, if nothing waits for the EOI:
 * no lower interrupt pending, none in service below, no controller that must hear of it.
 */
static void pv_eoi_arm(struct lapic *apic, u8 vector, bool nested)
{
	WRITE_ONCE(apic->pv_eoi_set, true);
	/* pairs with lapic_accept(): it either sees pv_eoi_set, or its IRR bit is seen here */
	smp_mb();
	if (nested || highest_vector(apic->irr) >= 0 || test_bit(vector, apic->tmr) ||
	    irq_wants_eoi(apic->irq, vector) || !pv_eoi_write(apic, PV_EOI_PENDING))
		WRITE_ONCE(apic->pv_eoi_set, false);
}

/**
 * lapic_sync_pv_eoi() - find out whether the guest ended its interrupt through the flag, and take the flag away
 * @apic: on its own thread
 *
 * Context: interrupts may be off. Return: false when the guest's page cannot be read now.
 */
bool lapic_sync_pv_eoi(struct lapic *apic)
{
	struct vcpu *vcpu = apic->vcpu;
	u8 flag;

	if (likely(!apic->pv_eoi_set))
		return true;
	if (keel_read_guest_atomic(vcpu->vm, vcpu->pv.eoi & ~(u64)KVM_MSR_ENABLED, &flag, sizeof(flag)))
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
	if (apic && apic->pv_eoi_set && !lapic_sync_pv_eoi(apic))
		WRITE_ONCE(apic->pv_eoi_set, false);
	vcpu->pv.eoi = val;
	return 0;
}

/* ---- delivery to the CPU --------------------------------------------------------------------------------------------------- */

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
	if (vector >= 0 && apic->enabled) {
		if (unlikely(apic->pv_eoi_set) && !lapic_sync_pv_eoi(apic))
			vcpu_request(vcpu, REQ_PV_EOI);
		if ((vector >> 4) > (apic->ppr >> 4))
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
	vector = apic->enabled ? highest_vector(apic->irr) : -1;
	if (vector < 0 || (vector >> 4) <= (apic->ppr >> 4))
		return extint_pending(apic) ? pic_ack(apic->irq) : -1;

	nested = apic->isr_top >= 0;
	clear_bit(vector, apic->irr);
	__set_bit(vector, apic->isr);
	WRITE_ONCE(apic->isr_top, vector);
	update_ppr(apic);
	if (vcpu->pv.eoi & KVM_MSR_ENABLED)
		pv_eoi_arm(apic, vector, nested);
	return vector;
}

int keel_irq_blocked_by_tpr(struct vcpu *vcpu)
{
	struct lapic *apic = vcpu->lapic;
	int vector;

	if (!apic || !apic->enabled)
		return -1;
	vector = highest_vector(apic->irr);
	if (vector < 0 || (vector >> 4) > (lapic_reg(apic, APIC_TASKPRI) >> 4))
		return -1;
	return (vector >> 4) > (apic->isr_top >> 4) ? vector : -1;
}

/* A controller or user space must hear of the end of @vector. */
static noinline void eoi_broadcast(struct lapic *apic, u8 vector)
{
	struct vcpu *vcpu = apic->vcpu;

	if (apic->irq->ioapic) {
		ioapic_eoi(apic->irq, vector);
	} else if (irq_wants_eoi(apic->irq, vector)) {
		vcpu->eoi_vector = vector;
		vcpu_request(vcpu, REQ_IOAPIC_EOI_EXIT);
	}
}

/**
 * lapic_eoi() - end the highest interrupt in service
 * @apic: on its own thread
 *
 * Context: interrupts may be off.
 */
void lapic_eoi(struct lapic *apic)
{
	int vector = apic->isr_top;

	if (unlikely(vector < 0))
		return;
	__clear_bit(vector, apic->isr);
	WRITE_ONCE(apic->isr_top, highest_vector(apic->isr));
	update_ppr(apic);
	if (unlikely(test_bit(vector, apic->tmr) || irq_wants_eoi(apic->irq, vector)))
		eoi_broadcast(apic, vector);
	/* pairs with the locked operation in lapic_accept() */
	smp_mb();
	recheck_irr(apic);
}

/* The guest wrote the EOI register: an armed flag is of no use any more. */
static inline void eoi_write(struct lapic *apic)
{
	if (unlikely(apic->pv_eoi_set)) {
		pv_eoi_write(apic, 0);
		WRITE_ONCE(apic->pv_eoi_set, false);
	}
	lapic_eoi(apic);
}

bool keel_irq_eoi_exits(struct vcpu *vcpu, u8 vector)
{
	struct lapic *apic = vcpu->lapic;

	return apic && !apic->irq->ioapic && irq_wants_eoi(apic->irq, vector);
}

/* ---- task priority ----------------------------------------------------------------------------------------------------------- */

static void set_tpr(struct lapic *apic, u8 tpr)
{
	u8 old = apic->ppr;

	lapic_set_reg(apic, APIC_TASKPRI, tpr);
	update_ppr(apic);
	if (apic->ppr < old)
		recheck_irr(apic);
}

void keel_lapic_set_tpr(struct vcpu *vcpu, u8 cr8)
{
	if (vcpu->lapic)
		set_tpr(vcpu->lapic, (cr8 & 0xf) << 4);
}

u8 keel_lapic_get_tpr(struct vcpu *vcpu)
{
	return vcpu->lapic ? lapic_reg(vcpu->lapic, APIC_TASKPRI) >> 4 & 0xf : 0;
}

/* ---- registers ------------------------------------------------------------------------------------------------------------------ */

#define REG_BIT(offset) BIT_ULL(LAPIC_REG(offset))
#define REG_RANGE8(offset) (0xffull << LAPIC_REG(offset))

/* Registers a read finds; EOI and self-IPI are write-only, gaps are errors (SDM "Local APIC Register Address Map"). */
static const u64 readable =
	REG_BIT(APIC_ID) | REG_BIT(APIC_LVR) | REG_BIT(APIC_TASKPRI) | REG_BIT(APIC_ARBPRI) | REG_BIT(APIC_PROCPRI) |
	REG_BIT(APIC_LDR) | REG_BIT(APIC_DFR) | REG_BIT(APIC_SPIV) | REG_RANGE8(APIC_ISR) | REG_RANGE8(APIC_TMR) |
	REG_RANGE8(APIC_IRR) | REG_BIT(APIC_ESR) | REG_BIT(APIC_ICR) | REG_BIT(APIC_ICR2) | REG_BIT(APIC_LVTT) |
	REG_BIT(APIC_LVTTHMR) | REG_BIT(APIC_LVTPC) | REG_BIT(APIC_LVT0) | REG_BIT(APIC_LVT1) | REG_BIT(APIC_LVTERR) |
	REG_BIT(APIC_TMICT) | REG_BIT(APIC_TMCCT) | REG_BIT(APIC_TDCR);

/* Registers whose value is computed. */
static const u64 computed = REG_BIT(APIC_PROCPRI) | REG_BIT(APIC_TMCCT) | REG_RANGE8(APIC_ISR);

static noinline u32 read_computed(struct lapic *apic, u32 offset)
{
	switch (offset & 0xff0) {
	case APIC_TMCCT:
		return lapic_timer_current(apic);
	case APIC_PROCPRI:
		lapic_sync_pv_eoi(apic);
		return apic->ppr;
	default:	/* ISR: the guest may have ended one through its flag */
		lapic_sync_pv_eoi(apic);
		return lapic_reg(apic, offset);
	}
}

/**
 * lapic_read_reg() - value of a register as the guest sees it
 * @apic: on its own thread
 * @offset: 0..0x3ff
 *
 * Return: the value; 0 and an ESR error for what does not exist.
 */
u32 lapic_read_reg(struct lapic *apic, u32 offset)
{
	u64 bit = REG_BIT(offset);

	if (unlikely(!(readable & bit))) {
		lapic_error(apic, LAPIC_ESR_ADDRESS);
		return 0;
	}
	if (unlikely(computed & bit))
		return read_computed(apic, offset);
	return lapic_reg(apic, offset);
}

int keel_lapic_mmio_read(struct vcpu *vcpu, u32 offset, unsigned int len, void *data)
{
	struct lapic *apic = vcpu->lapic;
	u32 byte = offset & 0xf;
	u32 val;

	if (unlikely(!apic))
		return -EOPNOTSUPP;
	/* only the first four bytes of each sixteen are a register; the rest, and all beyond 0x3ff, reads as zero */
	if (unlikely(offset >= 0x400 || byte + len > 4)) {
		memset(data, 0, len);
		return 0;
	}
	val = lapic_read_reg(apic, offset);
	if (likely(len == 4))
		memcpy(data, &val, 4);
	else
		memcpy(data, (u8 *)&val + byte, len);
	return 0;
}

static void write_spiv(struct lapic *apic, u32 val)
{
	static const u16 lvts[LAPIC_LVT_ENTRIES] = {
		APIC_LVTT, APIC_LVTTHMR, APIC_LVTPC, APIC_LVT0, APIC_LVT1, APIC_LVTERR,
	};
	unsigned int i;

	lapic_set_reg(apic, APIC_SPIV, val & 0x3ff);
	update_enabled(apic);
	if (val & LAPIC_SPIV_ENABLED) {
		recheck_irr(apic);
		return;
	}
	for (i = 0; i < LAPIC_LVT_ENTRIES; i++)
		lapic_set_reg(apic, lvts[i], lapic_reg(apic, lvts[i]) | APIC_LVT_MASKED);
}

/* Writable bits of each LVT entry (SDM "Local Vector Table"). */
static u32 lvt_mask(u32 offset)
{
	switch (offset) {
	case APIC_LVTT:
		return APIC_VECTOR_MASK | APIC_LVT_MASKED | LAPIC_TIMER_MODE;
	case APIC_LVTERR:
		return APIC_VECTOR_MASK | APIC_LVT_MASKED;
	case APIC_LVT0:
	case APIC_LVT1:
		return APIC_VECTOR_MASK | APIC_MODE_MASK | APIC_INPUT_POLARITY | APIC_LVT_LEVEL_TRIGGER |
		       APIC_LVT_MASKED;
	default:
		return APIC_VECTOR_MASK | APIC_MODE_MASK | APIC_LVT_MASKED;
	}
}

static void write_lvt(struct lapic *apic, u32 offset, u32 val)
{
	u32 old = lapic_reg(apic, offset);

	val &= lvt_mask(offset);
	if (!(lapic_reg(apic, APIC_SPIV) & LAPIC_SPIV_ENABLED))
		val |= APIC_LVT_MASKED;
	if (offset == APIC_LVTT && !(apic->vcpu->cpuid.flags & GUEST_HAS_TSC_DEADLINE))
		val &= ~APIC_LVT_TIMER_TSCDEADLINE;
	lapic_set_reg(apic, offset, val);
	if (offset == APIC_LVTT)
		lapic_timer_mode_changed(apic, old);
	/* an ExtINT that waited behind the mask */
	if (offset == APIC_LVT0 && extint_pending(apic))
		vcpu_request(apic->vcpu, REQ_EVENT);
}

static void write_icr(struct lapic *apic, u32 val)
{
	u32 dest = lapic_reg(apic, APIC_ICR2);

	/* the delivery status always reads idle */
	val &= ~APIC_ICR_BUSY;
	lapic_set_reg(apic, APIC_ICR, val);
	ipi_send(apic, val, apic->x2apic ? dest : dest >> 24);
}

/* Registers that only exist in xAPIC mode or that change who is found by logical destinations. */
static void write_address_reg(struct lapic *apic, u32 offset, u32 val)
{
	if (apic->x2apic)
		return;
	if (offset == APIC_DFR)
		val |= 0x0fffffff;
	else
		val &= 0xff000000;
	lapic_set_reg(apic, offset, val);
	ipi_map_update(apic->irq);
}

/**
 * lapic_write_reg() - the guest wrote a register
 * @apic: on its own thread
 * @offset: aligned, 0..0x3f0
 * @val: value
 *
 * Context: interrupts may be off.
 */
void lapic_write_reg(struct lapic *apic, u32 offset, u32 val)
{
	/* no jump tables here: the order is that of frequency */
	if (likely(offset == APIC_EOI))
		return eoi_write(apic);
	if (likely(offset == APIC_ICR))
		return write_icr(apic, val);

	switch (offset) {
	case APIC_ICR2:
		return lapic_set_reg(apic, APIC_ICR2, apic->x2apic ? val : val & 0xff000000);
	case APIC_TMICT:
		return lapic_timer_set_count(apic, val);
	case APIC_TASKPRI:
		vcpu_dirty(apic->vcpu, RG_TPR);
		return set_tpr(apic, val);
	case APIC_LVTT:
	case APIC_LVTTHMR:
	case APIC_LVTPC:
	case APIC_LVT0:
	case APIC_LVT1:
	case APIC_LVTERR:
		return write_lvt(apic, offset, val);
	case APIC_SPIV:
		return write_spiv(apic, val);
	case APIC_ESR:
		lapic_set_reg(apic, APIC_ESR, xchg(&apic->esr_pending, 0));
		return;
	case APIC_TDCR:
		lapic_set_reg(apic, APIC_TDCR, val & 0xb);
		return;
	case APIC_ID:
	case APIC_LDR:
	case APIC_DFR:
		return write_address_reg(apic, offset, val);
	default:
		if (!(readable & REG_BIT(offset)))
			lapic_error(apic, LAPIC_ESR_ADDRESS);
	}
}

int keel_lapic_mmio_write(struct vcpu *vcpu, u32 offset, unsigned int len, const void *data)
{
	struct lapic *apic = vcpu->lapic;
	u32 val;

	if (unlikely(!apic))
		return -EOPNOTSUPP;
	/* anything but a whole aligned register is undefined: ignored */
	if (unlikely(len != 4 || (offset & 0xf) || offset >= 0x400))
		return 0;
	memcpy(&val, data, 4);
	lapic_write_reg(apic, offset, val);
	return 0;
}

bool keel_lapic_claims(const struct vcpu *vcpu, gpa_t gpa)
{
	return ((gpa ^ vcpu->apic_base) & PAGE_MASK) == 0 && vcpu->lapic &&
	       (vcpu->apic_base & APIC_BASE_MODE) == MSR_IA32_APICBASE_ENABLE;
}

/* ---- life, modes ------------------------------------------------------------------------------------------------------------------ */

static void set_id(struct lapic *apic)
{
	u32 id = apic->vcpu->id;

	if (apic->x2apic) {
		lapic_set_reg(apic, APIC_ID, id);
		lapic_set_reg(apic, APIC_LDR, lapic_x2apic_ldr(id));
	} else {
		lapic_set_reg(apic, APIC_ID, id << 24);
		lapic_set_reg(apic, APIC_LDR, 0);
	}
}

static bool base_is_valid(struct vcpu *vcpu, u64 val, bool host)
{
	u64 reserved = vcpu->cpuid.reserved_gpa | 0x2ff;
	u64 new = val & APIC_BASE_MODE;
	u64 old = vcpu->apic_base & APIC_BASE_MODE;

	if (!(vcpu->cpuid.flags & GUEST_HAS_X2APIC))
		reserved |= X2APIC_ENABLE;
	if ((val & reserved) || new == X2APIC_ENABLE)
		return false;
	if (host)
		return true;
	/* SDM "x2APIC State Transitions": only xAPIC leads to x2APIC, and x2APIC only to disabled */
	if (old == APIC_BASE_MODE && new == MSR_IA32_APICBASE_ENABLE)
		return false;
	return old || new != APIC_BASE_MODE;
}

int keel_apic_base_set(struct vcpu *vcpu, u64 val, bool host)
{
	struct lapic *apic = vcpu->lapic;
	u64 old = vcpu->apic_base;

	if (!base_is_valid(vcpu, val, host))
		return 1;
	vcpu->apic_base = val;
	if (!apic) {
		if ((old ^ val) & MSR_IA32_APICBASE_ENABLE)
			keel_cpuid_update_runtime(vcpu);
		return 0;
	}
	if (!((old ^ val) & APIC_BASE_MODE))
		return 0;

	update_enabled(apic);
	if (apic->enabled)
		set_id(apic);
	else
		lapic_timer_stop(apic);
	ipi_map_update(apic->irq);
	if ((old ^ val) & MSR_IA32_APICBASE_ENABLE)
		keel_cpuid_update_runtime(vcpu);
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}

int keel_lapic_create(struct vcpu *vcpu)
{
	struct irqchip *irq = vcpu->vm->irq;
	struct lapic *apic;
	int ret;

	if (!irq)
		return -EINVAL;
	ret = ipi_ids_reserve(irq, vcpu->id);
	if (ret)
		return ret;
	apic = kzalloc(sizeof(*apic), GFP_KERNEL_ACCOUNT);
	if (!apic)
		return -ENOMEM;
	apic->vcpu = vcpu;
	apic->irq = irq;
	apic->isr_top = -1;
	lapic_timer_init(apic);
	vcpu->lapic = apic;
	return 0;
}

void keel_lapic_publish(struct vcpu *vcpu)
{
	if (vcpu->lapic)
		ipi_publish(vcpu->lapic);
}

void keel_lapic_destroy(struct vcpu *vcpu)
{
	struct lapic *apic = vcpu->lapic;

	if (!apic)
		return;
	lapic_timer_stop(apic);
	if (apic->published)
		ipi_unpublish(apic);
	vcpu->lapic = NULL;
	kfree(apic);
}

/* Everything but identity and mode goes to the state after power-up (SDM "Local APIC State After Power-Up or Reset"). */
static void reset_registers(struct lapic *apic)
{
	u32 id = lapic_reg(apic, APIC_ID);
	u32 lvt;

	memset(apic->regs, 0, sizeof(apic->regs));
	lapic_set_reg(apic, APIC_ID, id);
	lapic_set_reg(apic, APIC_LVR, LAPIC_VERSION);
	lapic_set_reg(apic, APIC_DFR, 0xffffffff);
	lapic_set_reg(apic, APIC_SPIV, 0xff);
	for (lvt = APIC_LVTT; lvt <= APIC_LVTERR; lvt += 0x10)
		lapic_set_reg(apic, lvt, APIC_LVT_MASKED);
	WRITE_ONCE(apic->isr_top, -1);
	apic->pv_eoi_set = false;
	apic->esr_pending = 0;
	apic->timer.period = 0;
	update_ppr(apic);
}

void keel_lapic_reset(struct vcpu *vcpu, bool init)
{
	bool is_bsp = vcpu->id == vcpu->vm->bsp_id;
	struct lapic *apic = vcpu->lapic;

	if (!init)
		vcpu->apic_base = APIC_DEFAULT_PHYS_BASE | MSR_IA32_APICBASE_ENABLE |
				  (is_bsp ? MSR_IA32_APICBASE_BSP : 0);
	if (!apic)
		return;
	lapic_timer_stop(apic);
	vcpu->tsc.deadline = 0;
	reset_registers(apic);
	update_enabled(apic);
	if (!init)
		set_id(apic);
	else if (apic->x2apic)
		lapic_set_reg(apic, APIC_LDR, lapic_x2apic_ldr(vcpu->id));
	/* as firmware leaves it, for guests that start without one */
	if (!init && is_bsp && !(vcpu->vm->disabled_quirks & KVM_X86_QUIRK_LINT0_REENABLED))
		lapic_set_reg(apic, APIC_LVT0, APIC_MODE_EXTINT << 8);
	vcpu_dirty(vcpu, RG_TPR);
	ipi_map_update(apic->irq);
}

/* ---- INIT and start-up ----------------------------------------------------------------------------------------------------------- */

bool keel_lapic_has_init_sipi(const struct vcpu *vcpu)
{
	return vcpu->lapic && READ_ONCE(vcpu->lapic->events);
}

static void start_at(struct vcpu *vcpu, u8 page)
{
	struct segment *cs = vcpu_seg(vcpu, SEG_CS);

	cs->selector = page << 8;
	cs->base = page << 12;
	vcpu->regs.rip = 0;
	vcpu_dirty(vcpu, RG_SEG | RG_RIP);
	vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
}

int keel_lapic_accept_init_sipi(struct vcpu *vcpu)
{
	struct lapic *apic = vcpu->lapic;

	if (!apic)
		return 0;
	if (test_and_clear_bit(LAPIC_EVENT_INIT, &apic->events)) {
		keel_vcpu_reset(vcpu, VCPU_INIT);
		vcpu->mp_state = vcpu->id == vcpu->vm->bsp_id ? KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_INIT_RECEIVED;
	}
	/* pairs with lapic_signal_sipi() */
	if (test_and_clear_bit(LAPIC_EVENT_SIPI, &apic->events) && vcpu->mp_state == KVM_MP_STATE_INIT_RECEIVED)
		start_at(vcpu, READ_ONCE(apic->sipi_vector));
	return 0;
}

/* ---- saved state -------------------------------------------------------------------------------------------------------------------- */

/* Bits of a saved register that may be kept; the rest is not there in hardware. */
static u32 saved_mask(u32 offset)
{
	switch (offset) {
	case APIC_TASKPRI:
		return 0xff;
	case APIC_SPIV:
		return 0x3ff;
	case APIC_ICR:
		return ~(u32)APIC_ICR_BUSY;
	case APIC_TDCR:
		return 0xb;
	case APIC_LVTT:
	case APIC_LVTTHMR:
	case APIC_LVTPC:
	case APIC_LVT0:
	case APIC_LVT1:
	case APIC_LVTERR:
		return lvt_mask(offset);
	default:
		return readable & REG_BIT(offset) ? ~0u : 0;
	}
}

/**
 * lapic_load_state() - load registers saved by keel_lapic_get_state()
 * @apic: on its own thread, vCPU loaded
 * @state: from user space; every register is cut to what hardware could hold
 *
 * Return: 0.
 */
int lapic_load_state(struct lapic *apic, const struct kvm_lapic_state *state)
{
	struct vcpu *vcpu = apic->vcpu;
	u32 id = lapic_reg(apic, APIC_ID);
	u32 val, count;
	unsigned int i;

	lapic_timer_stop(apic);
	apic->pv_eoi_set = false;
	for (i = 0; i < LAPIC_NR_REGS; i++) {
		memcpy(&val, state->regs + i * 16, sizeof(val));
		lapic_set_reg(apic, i << 4, val & saved_mask(i << 4));
	}
	count = lapic_reg(apic, APIC_TMCCT);
	/* vectors below 16 may be there; no priority lets them through */
	WRITE_ONCE(apic->isr_top, highest_vector(apic->isr));
	lapic_set_reg(apic, APIC_LVR, LAPIC_VERSION);
	if (apic->x2apic) {
		lapic_set_reg(apic, APIC_ID, id);
		lapic_set_reg(apic, APIC_LDR, lapic_x2apic_ldr(id));
	} else {
		lapic_set_reg(apic, APIC_ID, lapic_reg(apic, APIC_ID) & 0xff000000);
		lapic_set_reg(apic, APIC_LDR, lapic_reg(apic, APIC_LDR) & 0xff000000);
		lapic_set_reg(apic, APIC_DFR, lapic_reg(apic, APIC_DFR) | 0x0fffffff);
	}
	update_enabled(apic);
	update_ppr(apic);
	lapic_timer_restore(apic, count);
	ipi_map_update(apic->irq);
	vcpu_dirty(vcpu, RG_TPR);
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}

void keel_lapic_sync_pv_eoi(struct vcpu *vcpu)
{
	struct lapic *apic = vcpu->lapic;
	u8 flag;

	if (!apic || !apic->pv_eoi_set)
		return;
	/* bring the page in; if it is gone for good the guest ends its interrupts by the register */
	keel_read_guest(vcpu->vm, vcpu->pv.eoi & ~(u64)KVM_MSR_ENABLED, &flag, sizeof(flag));
	if (!lapic_sync_pv_eoi(apic))
		WRITE_ONCE(apic->pv_eoi_set, false);
	vcpu_request(vcpu, REQ_EVENT);
}
