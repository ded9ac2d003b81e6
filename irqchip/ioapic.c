// SPDX-License-Identifier: GPL-2.0-only
/*
 * I/O APIC with 24 pins (82093AA data sheet), at its usual place; version 0x11, without an EOI
 * register.
 *
 * Lines are given as asserted or not, so the polarity bit of an entry is stored and has no
 * effect. Edges on a masked pin are lost, levels are not. The lock guards all state; messages are
 * sent under it, acknowledgements are told to others after it is dropped.
 */
#include <linux/bitops.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "irqchip.h"

#define IOAPIC_BASE	0xfec00000ull
#define IOAPIC_SIZE	0x100
#define IOAPIC_VERSION	(0x11 | (NR_IOAPIC_PINS - 1) << 16)

#define RTC_PIN		8

#define IOREGSEL	0x00
#define IOWIN		0x10

/* Redirection table entry. */
#define RTE_VECTOR	0xffull
#define RTE_MODE_SHIFT	8
#define RTE_LOGICAL	BIT_ULL(11)
#define RTE_REMOTE_IRR	BIT_ULL(14)
#define RTE_LEVEL	BIT_ULL(15)
#define RTE_MASKED	BIT_ULL(16)
#define RTE_DEST_SHIFT	56
#define RTE_WRITABLE	(0xff0000000001ffffull & ~(BIT_ULL(12) | RTE_REMOTE_IRR))

/*
 * struct ioapic - the I/O APIC of one VM
 * @rte: redirection table; delivery status (bit 12) always reads idle
 * @lines: who holds each pin, by enum irq_source
 * @irr: pins that are asserted, or had an edge not yet sent
 * @wide: pins whose message, @wide_msg, was sent and is yet to be delivered: irqchip.wide_work
 * @notify: pins whose end of interrupt someone wants to know, also when edge triggered
 * @base: as in the saved state; the device itself stays at IOAPIC_BASE
 */
struct ioapic {
	raw_spinlock_t lock;
	struct irqchip *irq;
	u64 rte[NR_IOAPIC_PINS];
	u8 lines[NR_IOAPIC_PINS];
	u32 irr;
	u32 wide;
	u32 notify;
	u32 id;
	u64 base;
	u8 select;
	struct irq_msg wide_msg[NR_IOAPIC_PINS];
	struct bus_device dev;
};

static unsigned int rte_mode(u64 rte)
{
	return (rte >> RTE_MODE_SHIFT) & 7;
}

/*
 * NMI, INIT and ExtINT are edges whatever the trigger mode says, and SMI must be one (SDM, "Message Data Register Format"): nobody would
 * ever end them.
 */
static bool rte_is_level(u64 rte)
{
	return (rte & RTE_LEVEL) && rte_mode(rte) <= DELIVER_LOWEST;
}

/*
 * @rte without what it cannot have. Remote IRR means nothing for edges; Linux clears a stuck one by switching to edge and back.
 */
static u64 rte_allowed(u64 rte)
{
	return rte & (RTE_WRITABLE | (rte_is_level(rte) ? RTE_REMOTE_IRR : 0));
}

/* Which vectors' EOIs are of interest. Under the lock; readers look at single bits. */
static void ioapic_update_eoi(struct ioapic *ioapic)
{
	unsigned long vectors[4] = { 0 };
	unsigned int pin;

	for (pin = 0; pin < NR_IOAPIC_PINS; pin++) {
		u64 rte = ioapic->rte[pin];

		if (rte_is_level(rte) || (ioapic->notify & BIT(pin)))
			__set_bit(rte & RTE_VECTOR, vectors);
	}
	irq_set_eoi_vectors(ioapic->irq, vectors);
}

static void rte_to_msg(u64 rte, struct irq_msg *msg)
{
	*msg = (struct irq_msg) {
		.dest = rte >> RTE_DEST_SHIFT,
		.vector = rte & RTE_VECTOR,
		.mode = rte_mode(rte),
		.shorthand = TO_DEST,
		.logical = rte & RTE_LOGICAL,
		.level = rte_is_level(rte),
		.assert = true,
		.lowest = rte_mode(rte) == DELIVER_LOWEST,
	};
}

/* How much may be done with the lock held, and so with interrupts off. */
enum pin_work {
	PIN_ALL,
	PIN_NOT_WIDE,	/* others have been told already: what every vCPU is asked for waits */
};

/* Send what waits at @pin, if it may go. Under the lock. Return as keel_irq_line(). */
static int ioapic_service(struct ioapic *ioapic, unsigned int pin, enum pin_work work)
{
	u64 rte = ioapic->rte[pin];
	struct irq_msg msg;
	int ret;

	if (!(ioapic->irr & BIT(pin)) || (rte & RTE_MASKED))
		return IRQ_IGNORED;
	if (rte_is_level(rte) && (rte & RTE_REMOTE_IRR))
		return IRQ_IGNORED;
	rte_to_msg(rte, &msg);
	/* launchers repeat ticks of the clock that were lost in one that waits */
	msg.count_new = pin == RTC_PIN;
	ret = unlikely(work == PIN_NOT_WIDE) && ipi_is_wide(ioapic->irq, &msg) ? IPI_WAITS : ipi_deliver(ioapic->irq, NULL, &msg);
	if (unlikely(ret == IPI_WAITS)) {
		ioapic->wide |= BIT(pin);
		ioapic->wide_msg[pin] = msg;
		irq_deliver_later(ioapic->irq);
		ret = 1;
	}
	if (!rte_is_level(rte))
		ioapic->irr &= ~BIT(pin);
	else if (ret > 0)
		ioapic->rte[pin] |= RTE_REMOTE_IRR;
	return max(ret, 0);
}

/**
 * ioapic_set_pin() - a source drives a pin
 * @irq: interrupt state of the VM
 * @pin: 0..23
 * @source: who
 * @level: 0 or 1
 *
 * Context: any. Return: vCPUs that took an interrupt or had it pending (but for the clock's pin); 0
 * if none did, or no edge; IRQ_IGNORED: masked, or waits for an EOI. Dropping a line counts as 1.
 */
int ioapic_set_pin(struct irqchip *irq, unsigned int pin, enum irq_source source, int level)
{
	struct ioapic *ioapic = irq->ioapic;
	unsigned long flags;
	bool was, now;
	int ret = 1;

	if (!ioapic || pin >= NR_IOAPIC_PINS)
		return IRQ_IGNORED;
	raw_spin_lock_irqsave(&ioapic->lock, flags);
	was = ioapic->lines[pin];
	ioapic->lines[pin] &= ~BIT(IRQ_SOURCE_RESTORED);
	if (level)
		ioapic->lines[pin] |= BIT(source);
	else
		ioapic->lines[pin] &= ~BIT(source);
	now = ioapic->lines[pin];

	if (!now) {
		ioapic->irr &= ~BIT(pin);
	} else if (rte_is_level(ioapic->rte[pin])) {
		ioapic->irr |= BIT(pin);
		ret = ioapic_service(ioapic, pin, PIN_ALL);
	} else if (was) {
		ret = 0;
	} else {
		ioapic->irr |= BIT(pin);
		ret = ioapic_service(ioapic, pin, PIN_ALL);
		ioapic->irr &= ~BIT(pin);
	}
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
	return ret;
}

/*
 * As ioapic_service(), but what it has to say of a level comes afterwards: nobody took it, so it
 * may be sent again.
 */
void ioapic_deliver_wide(struct irqchip *irq)
{
	struct ioapic *ioapic = irq->ioapic;
	struct irq_msg msg;
	unsigned int pin;
	int ret;

	if (!ioapic)
		return;
	raw_spin_lock_irq(&ioapic->lock);
	while (ioapic->wide) {
		pin = __ffs(ioapic->wide);
		ioapic->wide &= ~BIT(pin);
		msg = ioapic->wide_msg[pin];
		raw_spin_unlock_irq(&ioapic->lock);
		ret = ipi_deliver(irq, NULL, &msg);
		raw_spin_lock_irq(&ioapic->lock);
		if (ret <= 0)
			ioapic->rte[pin] &= ~RTE_REMOTE_IRR;
	}
	raw_spin_unlock_irq(&ioapic->lock);
}

/**
 * ioapic_eoi() - a vCPU ended @vector
 * @irq: interrupt state of the VM
 * @vector: vector
 *
 * Level pins with this vector may be sent again at once, but of those that every vCPU is asked for one alone, and none if somebody
 * wants acknowledgements, who hears of it without the lock.
 */
void ioapic_eoi(struct irqchip *irq, u8 vector)
{
	struct ioapic *ioapic = irq->ioapic;
	unsigned long acked = 0, again = 0, flags;
	enum pin_work work;
	unsigned int pin;

	raw_spin_lock_irqsave(&ioapic->lock, flags);
	for (pin = 0; pin < NR_IOAPIC_PINS; pin++) {
		u64 rte = ioapic->rte[pin];

		if ((rte & RTE_VECTOR) != vector)
			continue;
		if (ioapic->notify & BIT(pin))
			acked |= BIT(pin);
		/* also pins that found the vector pending for another pin */
		if (rte_is_level(rte)) {
			ioapic->rte[pin] = rte & ~RTE_REMOTE_IRR;
			again |= BIT(pin);
		}
	}
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);

	/* a resampler lowers its line here, so it must come before the line is looked at again */
	for_each_set_bit(pin, &acked, NR_IOAPIC_PINS)
		irq_acked(irq, KVM_IRQCHIP_IOAPIC, pin);
	if (!again)
		return;
	/* the caller may have interrupts off, so that it is no use to let go of the lock in between */
	work = acked ? PIN_NOT_WIDE : PIN_ALL;
	raw_spin_lock_irqsave(&ioapic->lock, flags);
	for_each_set_bit(pin, &again, NR_IOAPIC_PINS) {
		if (rte_is_level(ioapic->rte[pin]) && ioapic_service(ioapic, pin, work) != IRQ_IGNORED)
			work = PIN_NOT_WIDE;
	}
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
}

/*
 * Routes, resamplers or the PIT changed: find out anew which pins want acknowledgements. irqchip.lock is held: of two that find
 * out at a time the one that knows less could be the last to say.
 */
void ioapic_update_notify(struct irqchip *irq)
{
	struct ioapic *ioapic = irq->ioapic;
	unsigned long flags;
	unsigned int pin;
	u32 notify = 0;

	lockdep_assert_held(&irq->lock);
	if (!ioapic)
		return;
	for (pin = 0; pin < NR_IOAPIC_PINS; pin++) {
		if (irq_wants_ack(irq, KVM_IRQCHIP_IOAPIC, pin))
			notify |= BIT(pin);
	}
	raw_spin_lock_irqsave(&ioapic->lock, flags);
	ioapic->notify = notify;
	ioapic_update_eoi(ioapic);
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
}

/* ---- registers ---- */

/* Return: the pin was unmasked. */
static bool ioapic_write_rte(struct ioapic *ioapic, unsigned int pin, bool high, u32 val)
{
	u64 old = ioapic->rte[pin];
	u64 new;

	if (high)
		new = (old & 0xffffffff) | (u64)val << 32;
	else
		new = (old & ~0xffffffffull) | val;
	new = rte_allowed((new & ~RTE_REMOTE_IRR) | (old & RTE_REMOTE_IRR));
	ioapic->rte[pin] = new;
	if (rte_is_level(new) && ioapic->lines[pin])
		ioapic->irr |= BIT(pin);
	ioapic_update_eoi(ioapic);
	if (rte_is_level(new))
		ioapic_service(ioapic, pin, PIN_ALL);
	return (old & ~new) & RTE_MASKED;
}

static u32 ioapic_read_reg(const struct ioapic *ioapic)
{
	unsigned int pin = (ioapic->select - 0x10) >> 1;
	u64 rte;

	switch (ioapic->select) {
	case 0:		/* ID */
	case 2:		/* arbitration ID */
		return (ioapic->id & 0xf) << 24;
	case 1:
		return IOAPIC_VERSION;
	}
	if (ioapic->select < 0x10 || pin >= NR_IOAPIC_PINS)
		return 0;
	rte = ioapic->rte[array_index_nospec(pin, NR_IOAPIC_PINS)];
	return ioapic->select & 1 ? rte >> 32 : rte;
}

/* Return: pin that was unmasked, -1 for none. */
static int ioapic_write_reg(struct ioapic *ioapic, u32 val)
{
	unsigned int pin = (ioapic->select - 0x10) >> 1;

	if (ioapic->select == 0)
		ioapic->id = (val >> 24) & 0xf;
	else if (ioapic->select >= 0x10 && pin < NR_IOAPIC_PINS &&
		 ioapic_write_rte(ioapic, array_index_nospec(pin, NR_IOAPIC_PINS), ioapic->select & 1, val))
		return pin;
	return -1;
}

static int ioapic_mmio_read(struct vcpu *vcpu, struct bus_device *dev, gpa_t addr, unsigned int len,
			    void *data)
{
	struct ioapic *ioapic = container_of(dev, struct ioapic, dev);
	unsigned int offset = addr & (IOAPIC_SIZE - 1);
	unsigned long flags;
	u32 val = 0;

	raw_spin_lock_irqsave(&ioapic->lock, flags);
	if (offset == IOREGSEL)
		val = ioapic->select;
	else if (offset == IOWIN)
		val = ioapic_read_reg(ioapic);
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
	memset(data, 0, len);
	memcpy(data, &val, min_t(unsigned int, len, sizeof(val)));
	return 0;
}

static int ioapic_mmio_write(struct vcpu *vcpu, struct bus_device *dev, gpa_t addr,
			     unsigned int len, const void *data)
{
	struct ioapic *ioapic = container_of(dev, struct ioapic, dev);
	unsigned int offset = addr & (IOAPIC_SIZE - 1);
	unsigned long flags;
	int unmasked = -1;
	u32 val = 0;

	memcpy(&val, data, min_t(unsigned int, len, sizeof(val)));
	raw_spin_lock_irqsave(&ioapic->lock, flags);
	if (offset == IOREGSEL)
		ioapic->select = val;
	else if (offset == IOWIN)
		unmasked = ioapic_write_reg(ioapic, val);
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
	if (unmasked >= 0)
		irq_unmasked(ioapic->irq, KVM_IRQCHIP_IOAPIC, unmasked);
	return 0;
}

static const struct bus_ops ioapic_ops = {
	.read = ioapic_mmio_read,
	.write = ioapic_mmio_write,
};

/* ---- life, saved state ---- */

int ioapic_create(struct irqchip *irq)
{
	struct ioapic *ioapic = kzalloc(sizeof(*ioapic), GFP_KERNEL_ACCOUNT);
	unsigned int pin;

	if (!ioapic)
		return -ENOMEM;
	raw_spin_lock_init(&ioapic->lock);
	ioapic->irq = irq;
	ioapic->base = IOAPIC_BASE;
	for (pin = 0; pin < NR_IOAPIC_PINS; pin++)
		ioapic->rte[pin] = RTE_MASKED;
	ioapic->dev = (struct bus_device) {
		.ops = &ioapic_ops, .base = IOAPIC_BASE, .len = IOAPIC_SIZE,
	};
	irq->ioapic = ioapic;
	return 0;
}

int ioapic_register(struct irqchip *irq)
{
	return keel_bus_register(&irq->vm->mmio, &irq->ioapic->dev);
}

void ioapic_destroy(struct irqchip *irq)
{
	kfree(irq->ioapic);
	irq->ioapic = NULL;
}

void ioapic_get(struct irqchip *irq, struct kvm_ioapic_state *state)
{
	struct ioapic *ioapic = irq->ioapic;
	unsigned long flags;
	unsigned int pin;

	irq_deliver_now(irq);
	memset(state, 0, sizeof(*state));
	raw_spin_lock_irqsave(&ioapic->lock, flags);
	state->base_address = ioapic->base;
	state->ioregsel = ioapic->select;
	state->id = ioapic->id;
	state->irr = ioapic->irr;
	for (pin = 0; pin < NR_IOAPIC_PINS; pin++) {
		state->redirtbl[pin].bits = ioapic->rte[pin];
		/* it is a level as soon as the guest says so; an edge that was sent is over */
		if (ioapic->lines[pin] && (ioapic->rte[pin] & RTE_MASKED))
			state->irr |= BIT(pin);
	}
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
}

void ioapic_set(struct irqchip *irq, const struct kvm_ioapic_state *state)
{
	struct ioapic *ioapic = irq->ioapic;
	unsigned int pin;

	raw_spin_lock_irq(&ioapic->lock);
	ioapic->base = state->base_address;
	ioapic->select = state->ioregsel;
	ioapic->id = state->id & 0xf;
	ioapic->wide = 0;
	/* who holds a line high now does so in another life: there it is low, and its next edge must not look like none */
	ioapic->irr = state->irr & (BIT(NR_IOAPIC_PINS) - 1);
	for (pin = 0; pin < NR_IOAPIC_PINS; pin++) {
		ioapic->rte[pin] = rte_allowed(state->redirtbl[pin].bits);
		ioapic->lines[pin] = ioapic->irr & BIT(pin) ? BIT(IRQ_SOURCE_RESTORED) : 0;
	}
	ioapic_update_eoi(ioapic);
	raw_spin_unlock_irq(&ioapic->lock);
	/* one at a time: each may be for 64 vCPUs, and interrupts are off meanwhile */
	for (pin = 0; pin < NR_IOAPIC_PINS; pin++) {
		raw_spin_lock_irq(&ioapic->lock);
		ioapic_service(ioapic, pin, PIN_ALL);
		raw_spin_unlock_irq(&ioapic->lock);
	}
}

/* What waits for irqchip.wide_work does so in both. */
void ioapic_copy(struct irqchip *to, struct irqchip *from)
{
	struct ioapic *src = from->ioapic, *dst = to->ioapic;
	unsigned long flags;

	raw_spin_lock_irqsave(&src->lock, flags);
	raw_spin_lock_nested(&dst->lock, SINGLE_DEPTH_NESTING);
	memcpy(dst->rte, src->rte, sizeof(dst->rte));
	lines_copy(dst->lines, src->lines, NR_IOAPIC_PINS);
	dst->irr = src->irr;
	dst->wide = src->wide;
	memcpy(dst->wide_msg, src->wide_msg, sizeof(dst->wide_msg));
	dst->id = src->id;
	dst->base = src->base;
	dst->select = src->select;
	raw_spin_unlock(&dst->lock);
	raw_spin_unlock_irqrestore(&src->lock, flags);
}
