// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two cascaded 8259A interrupt controllers at ports 0x20 and 0xa0, with the edge/level registers
 * of the EISA bus at 0x4d0.
 *
 * Each chip's state is kept in the form of the saved state (struct kvm_pic_state). The lock
 * guards all of it and is dropped before vCPUs are kicked (the output rose) and before others
 * hear of acknowledgements. Plain register reads take no lock: each is one byte.
 *
 * The chip takes an edge's request back when its line falls before the acknowledge. Here it stays,
 * as on KVM: launchers and eventfds drive edges as pulses, which no acknowledge could catch. What
 * LINT0 sees is the chip's: an edge that finds its request waiting makes the output rise again.
 */
#include <linux/bitops.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "irqchip.h"

#define MASTER	0
#define SLAVE	1
#define CASCADE	2	/* the slave's pin on the master */

#define OCW3_POLL		BIT(2)
#define OCW3_READ_SET		BIT(1)
#define OCW3_MASK_SET		BIT(6)
#define ICW1_INIT		BIT(4)
#define ICW1_NEED_ICW4		BIT(0)
#define ICW1_SINGLE		BIT(1)
#define ICW4_AUTO_EOI		BIT(1)
#define ICW4_SFNM		BIT(4)

/* init_state: which initialization word comes next. */
enum { INIT_DONE, INIT_ICW2, INIT_ICW3, INIT_ICW4 };

/*
 * struct pic - the pair
 * @chip: master, slave
 * @lines: who holds each pin, by enum irq_source
 * @single: ICW1 said that no ICW3 follows
 * @acked: pins that were acknowledged since the lock was taken, slave in 15:8
 * @unmasked: pins that were unmasked since, same form
 */
struct pic {
	raw_spinlock_t lock;
	struct irqchip *irq;
	struct kvm_pic_state chip[2];
	u8 lines[2][NR_PIC_PINS];
	bool single[2];
	u16 acked;
	u16 unmasked;
	struct bus_device dev_master, dev_slave, dev_elcr;
};

static void pic_kick(struct irqchip *irq)
{
	struct vcpu *vcpu;
	unsigned long i;

	vm_for_each_vcpu(irq->vm, i, vcpu) {
		if (vcpu->lapic)
			lapic_lint0(vcpu->lapic);
	}
}

/* The output rose. Nothing is lost where it waits: @extint is set, and every vCPU on its way sees it. */
static void pic_rose(struct irqchip *irq)
{
	if (irq->vm->nr_vcpus > IPI_MAX_AT_ONCE && irqs_disabled()) {
		WRITE_ONCE(irq->lint0_waits, true);
		irq_deliver_later(irq);
		return;
	}
	pic_kick(irq);
}

void pic_deliver_wide(struct irqchip *irq)
{
	if (READ_ONCE(irq->lint0_waits)) {
		WRITE_ONCE(irq->lint0_waits, false);
		pic_kick(irq);
	}
}

/* ---- priorities ---- */

/* Position of the highest set bit of @mask in the rotated order, 8 for none. */
static unsigned int highest_priority(const struct kvm_pic_state *s, u8 mask)
{
	u8 top = s->priority_add & 7;

	if (!mask)
		return 8;
	return __ffs((u8)(mask >> top | mask << (8 - top)) & 0xff);
}

/*
 * Bits of ISR that count: in special mask mode masked ones neither hold others back nor are ended
 * by a non-specific EOI.
 */
static u8 in_service(const struct kvm_pic_state *s)
{
	return s->special_mask ? s->isr & ~s->imr : s->isr;
}

/* Pin to be served next, -1 for none. */
static int chip_pending(const struct pic *pic, const struct kvm_pic_state *s)
{
	unsigned int request = highest_priority(s, s->irr & ~s->imr);
	unsigned int serving = highest_priority(s, in_service(s));
	unsigned int pin = (request + s->priority_add) & 7;

	if (request == 8 || request > serving)
		return -1;
	/* special fully nested mode: the slave in service may ask for more, lower pins wait */
	if (request == serving && !(s->special_fully_nested_mode && pin == CASCADE &&
				    s == &pic->chip[MASTER]))
		return -1;
	return pin;
}

/* Compute the slave's pin and the output. Under the lock. */
static void pic_update(struct pic *pic)
{
	struct kvm_pic_state *m = &pic->chip[MASTER];

	if (chip_pending(pic, &pic->chip[SLAVE]) >= 0)
		m->irr |= BIT(CASCADE);
	else
		m->irr &= ~BIT(CASCADE);
	WRITE_ONCE(pic->irq->extint, chip_pending(pic, m) >= 0);
}

static void chip_clear_isr(struct pic *pic, struct kvm_pic_state *s, unsigned int pin)
{
	s->isr &= ~BIT(pin);
	pic->acked |= s == &pic->chip[SLAVE] ? BIT(pin + 8) : BIT(pin);
}

/* Update the output, unlock, and do what must not be done under the lock. */
static void pic_unlock(struct pic *pic, unsigned long flags) __releases(&pic->lock)
{
	struct irqchip *irq = pic->irq;
	unsigned long acked = pic->acked, unmasked = pic->unmasked;
	bool was = irq->extint;
	unsigned int pin;
	bool rose;

	pic->acked = 0;
	pic->unmasked = 0;
	pic_update(pic);
	rose = irq->extint && !was;
	raw_spin_unlock_irqrestore(&pic->lock, flags);

	if (rose)
		pic_rose(irq);
	for_each_set_bit(pin, &acked, 16)
		irq_acked(irq, pin >> 3, pin & 7);
	for_each_set_bit(pin, &unmasked, 16)
		irq_unmasked(irq, pin >> 3, pin & 7);
}

/* ---- lines and acknowledge ---- */

/* Return: 1, 0 when the request was already there, or IRQ_IGNORED when it is masked. */
static int chip_set_pin(struct pic *pic, struct kvm_pic_state *s, unsigned int pin, bool level)
{
	u8 mask = BIT(pin);
	int ret = 1;

	if (level) {
		/* a level, or an edge */
		if (!(s->last_irr & ~s->elcr & mask)) {
			ret = !(s->irr & mask);
			/* the output fell with the line, and rises again */
			if (!ret && !(s->elcr & mask)) {
				s->irr &= ~mask;
				pic_update(pic);
			}
			s->irr |= mask;
		}
		s->last_irr |= mask;
	} else {
		s->irr &= ~(s->elcr & mask);
		s->last_irr &= ~mask;
	}
	return s->imr & mask ? IRQ_IGNORED : ret;
}

int pic_set_pin(struct irqchip *irq, unsigned int chip, unsigned int pin, enum irq_source source,
		int level)
{
	struct pic *pic = irq->pic;
	unsigned long flags;
	int ret;

	if (!pic || chip > SLAVE || pin >= NR_PIC_PINS)
		return IRQ_IGNORED;
	raw_spin_lock_irqsave(&pic->lock, flags);
	pic->lines[chip][pin] &= ~BIT(IRQ_SOURCE_RESTORED);
	if (level)
		pic->lines[chip][pin] |= BIT(source);
	else
		pic->lines[chip][pin] &= ~BIT(source);
	ret = chip_set_pin(pic, &pic->chip[chip], pin, pic->lines[chip][pin]);
	pic_unlock(pic, flags);
	return ret;
}

/**
 * pic_repeat_edge() - an edge comes that nobody counts: its request may be waiting already
 * @irq: interrupt state of the VM
 * @pin: of the master
 *
 * If it is, LINT0 sees the output rise again, and no more happens. Context: any.
 */
void pic_repeat_edge(struct irqchip *irq, unsigned int pin)
{
	struct pic *pic = irq->pic;
	struct kvm_pic_state *s = &pic->chip[MASTER];
	unsigned long flags;

	raw_spin_lock_irqsave(&pic->lock, flags);
	if ((s->irr & ~s->elcr & ~s->last_irr) & BIT(pin)) {
		chip_set_pin(pic, s, pin, true);
		chip_set_pin(pic, s, pin, false);
	}
	pic_unlock(pic, flags);
}

/*
 * The CPU's interrupt acknowledge cycle for one chip. Return the pin; 7, not in service, when the
 * request is gone.
 */
static unsigned int chip_ack(struct pic *pic, struct kvm_pic_state *s)
{
	int pin = chip_pending(pic, s);

	if (pin < 0)
		return 7;
	if (!(s->elcr & BIT(pin)))
		s->irr &= ~BIT(pin);
	s->isr |= BIT(pin);
	if (s->auto_eoi) {
		if (s->rotate_on_auto_eoi)
			s->priority_add = (pin + 1) & 7;
		chip_clear_isr(pic, s, pin);
	}
	return pin;
}

/**
 * pic_ack() - acknowledge the pending interrupt
 * @irq: interrupt state of the VM
 *
 * Context: any. Return: its vector.
 */
int pic_ack(struct irqchip *irq)
{
	struct pic *pic = irq->pic;
	unsigned long flags;
	unsigned int pin;
	int vector;

	raw_spin_lock_irqsave(&pic->lock, flags);
	pin = chip_ack(pic, &pic->chip[MASTER]);
	vector = pic->chip[MASTER].irq_base + pin;
	if (pin == CASCADE) {
		pin = chip_ack(pic, &pic->chip[SLAVE]);
		vector = pic->chip[SLAVE].irq_base + pin;
	}
	pic_unlock(pic, flags);
	return vector;
}

/* The vector pic_ack() would return, without side effects. */
int pic_peek(struct irqchip *irq)
{
	struct pic *pic = irq->pic;
	unsigned long flags;
	int pin, vector;

	raw_spin_lock_irqsave(&pic->lock, flags);
	pin = chip_pending(pic, &pic->chip[MASTER]);
	vector = pic->chip[MASTER].irq_base + (pin < 0 ? 7 : pin);
	if (pin == CASCADE) {
		pin = chip_pending(pic, &pic->chip[SLAVE]);
		vector = pic->chip[SLAVE].irq_base + (pin < 0 ? 7 : pin);
	}
	raw_spin_unlock_irqrestore(&pic->lock, flags);
	return vector;
}

/* ---- ports ---- */

static void chip_icw1(struct pic *pic, struct kvm_pic_state *s, u8 val)
{
	unsigned int shift = s == &pic->chip[SLAVE] ? 8 : 0;

	/* requests that are dropped here will never be acknowledged otherwise */
	pic->acked |= ((s->irr & ~s->elcr) | s->isr) << shift;
	s->imr = 0;
	s->isr = 0;
	s->irr &= s->elcr;	/* the edge detectors start anew: a line that is high must fall first */
	s->priority_add = 0;
	s->read_reg_select = 0;
	s->poll = 0;
	s->special_mask = 0;
	s->auto_eoi = 0;
	s->rotate_on_auto_eoi = 0;
	s->special_fully_nested_mode = 0;
	s->init4 = val & ICW1_NEED_ICW4;
	pic->single[shift != 0] = val & ICW1_SINGLE;
	s->init_state = INIT_ICW2;
}

static void chip_ocw3(struct kvm_pic_state *s, u8 val)
{
	if (val & OCW3_POLL)
		s->poll = 1;
	if (val & OCW3_READ_SET)
		s->read_reg_select = val & 1;
	if (val & OCW3_MASK_SET)
		s->special_mask = (val >> 5) & 1;
}

/* OCW2: end of interrupt and rotation, by bits 7:5. */
static void chip_ocw2(struct pic *pic, struct kvm_pic_state *s, u8 val)
{
	unsigned int pin = val & 7, priority;

	switch (val >> 5) {
	case 0:		/* rotate in automatic EOI mode: clear, set */
	case 4:
		s->rotate_on_auto_eoi = val >> 7;
		break;
	case 1:		/* non-specific EOI; 5: with rotation */
	case 5:
		priority = highest_priority(s, in_service(s));
		if (priority == 8)
			break;
		pin = (priority + s->priority_add) & 7;
		if (val >> 7)
			s->priority_add = (pin + 1) & 7;
		chip_clear_isr(pic, s, pin);
		break;
	case 3:		/* specific EOI; 7: with rotation */
	case 7:
		if (val >> 7)
			s->priority_add = (pin + 1) & 7;
		chip_clear_isr(pic, s, pin);
		break;
	case 6:		/* set priority: this pin becomes the lowest */
		s->priority_add = (pin + 1) & 7;
		break;
	}
}

static void chip_write_data(struct pic *pic, struct kvm_pic_state *s, u8 val)
{
	switch (s->init_state) {
	case INIT_DONE:
		pic->unmasked |= (s->imr & ~val & 0xff) << (s == &pic->chip[SLAVE] ? 8 : 0);
		s->imr = val;
		break;
	case INIT_ICW2:
		s->irq_base = val & 0xf8;
		if (!pic->single[s == &pic->chip[SLAVE]]) {
			s->init_state = INIT_ICW3;
			break;
		}
		fallthrough;
	case INIT_ICW3:		/* the cascade is wired */
		s->init_state = s->init4 ? INIT_ICW4 : INIT_DONE;
		break;
	case INIT_ICW4:
		s->special_fully_nested_mode = !!(val & ICW4_SFNM);
		s->auto_eoi = !!(val & ICW4_AUTO_EOI);
		s->init_state = INIT_DONE;
		break;
	}
}

static void chip_write(struct pic *pic, struct kvm_pic_state *s, bool data, u8 val)
{
	if (data)
		chip_write_data(pic, s, val);
	else if (val & ICW1_INIT)
		chip_icw1(pic, s, val);
	else if (val & BIT(3))
		chip_ocw3(s, val);
	else
		chip_ocw2(pic, s, val);
}

/* A read in poll mode acknowledges: bit 7 and the pin, or 7 when nothing waits. */
static u8 pic_poll(struct pic *pic, struct kvm_pic_state *s)
{
	unsigned long flags;
	u8 val = 0;

	raw_spin_lock_irqsave(&pic->lock, flags);
	s->poll = 0;
	if (chip_pending(pic, s) >= 0)
		val = 0x80 | chip_ack(pic, s);
	pic_unlock(pic, flags);
	return val;
}

static u8 chip_read(struct pic *pic, struct kvm_pic_state *s, bool data)
{
	if (unlikely(READ_ONCE(s->poll)))
		return pic_poll(pic, s);
	if (data)
		return READ_ONCE(s->imr);
	return READ_ONCE(s->read_reg_select) ? READ_ONCE(s->isr) : READ_ONCE(s->irr);
}

static int pic_read(struct vcpu *vcpu, struct bus_device *dev, gpa_t addr, unsigned int len,
		    void *data)
{
	bool slave = dev->base == 0xa0;
	struct pic *pic = slave ? container_of(dev, struct pic, dev_slave) :
				  container_of(dev, struct pic, dev_master);

	memset(data, 0, len);
	*(u8 *)data = chip_read(pic, &pic->chip[slave], addr & 1);
	return 0;
}

static int pic_write(struct vcpu *vcpu, struct bus_device *dev, gpa_t addr, unsigned int len,
		     const void *data)
{
	bool slave = dev->base == 0xa0;
	struct pic *pic = slave ? container_of(dev, struct pic, dev_slave) :
				  container_of(dev, struct pic, dev_master);
	unsigned long flags;

	raw_spin_lock_irqsave(&pic->lock, flags);
	chip_write(pic, &pic->chip[slave], addr & 1, *(const u8 *)data);
	pic_unlock(pic, flags);
	return 0;
}

static int elcr_read(struct vcpu *vcpu, struct bus_device *dev, gpa_t addr, unsigned int len,
		     void *data)
{
	struct pic *pic = container_of(dev, struct pic, dev_elcr);
	u8 *bytes = data;
	unsigned int i;

	memset(data, 0, len);
	for (i = 0; i < len && (addr & 1) + i < 2; i++)
		bytes[i] = READ_ONCE(pic->chip[(addr & 1) + i].elcr);
	return 0;
}

static int elcr_write(struct vcpu *vcpu, struct bus_device *dev, gpa_t addr, unsigned int len,
		      const void *data)
{
	struct pic *pic = container_of(dev, struct pic, dev_elcr);
	const u8 *bytes = data;
	unsigned long flags;
	unsigned int i;

	raw_spin_lock_irqsave(&pic->lock, flags);
	for (i = 0; i < len && (addr & 1) + i < 2; i++) {
		struct kvm_pic_state *s = &pic->chip[(addr & 1) + i];
		u8 old = s->elcr, levels;

		s->elcr = bytes[i] & s->elcr_mask;
		/* a level is its line, not what an edge left */
		levels = s->elcr & ~old;
		s->irr = (s->irr & ~levels) | (s->last_irr & levels);
	}
	pic_unlock(pic, flags);
	return 0;
}

static const struct bus_ops pic_ops = { .read = pic_read, .write = pic_write };
static const struct bus_ops elcr_ops = { .read = elcr_read, .write = elcr_write };

/* ---- life, saved state ---- */

int pic_create(struct irqchip *irq)
{
	struct pic *pic = kzalloc(sizeof(*pic), GFP_KERNEL_ACCOUNT);

	if (!pic)
		return -ENOMEM;
	raw_spin_lock_init(&pic->lock);
	pic->irq = irq;
	/* timer, keyboard, cascade, clock and FPU lines are always edges */
	pic->chip[MASTER].elcr_mask = 0xf8;
	pic->chip[SLAVE].elcr_mask = 0xde;
	pic->dev_master = (struct bus_device) { .ops = &pic_ops, .base = 0x20, .len = 2 };
	pic->dev_slave = (struct bus_device) { .ops = &pic_ops, .base = 0xa0, .len = 2 };
	pic->dev_elcr = (struct bus_device) { .ops = &elcr_ops, .base = 0x4d0, .len = 2 };
	irq->pic = pic;
	return 0;
}

void pic_unregister(struct irqchip *irq)
{
	struct bus *bus = &irq->vm->pio;

	keel_bus_remove(bus, &irq->pic->dev_master);
	keel_bus_remove(bus, &irq->pic->dev_slave);
	keel_bus_unregister(bus, &irq->pic->dev_elcr);
}

int pic_register(struct irqchip *irq)
{
	struct pic *pic = irq->pic;
	struct bus_device *const devs[] = { &pic->dev_master, &pic->dev_slave, &pic->dev_elcr };

	return keel_bus_register_all(&irq->vm->pio, devs, ARRAY_SIZE(devs));
}

void pic_destroy(struct irqchip *irq)
{
	kfree(irq->pic);
	irq->pic = NULL;
}

void pic_get(struct irqchip *irq, unsigned int chip, struct kvm_pic_state *state)
{
	struct pic *pic = irq->pic;
	unsigned long flags;

	raw_spin_lock_irqsave(&pic->lock, flags);
	*state = pic->chip[chip];
	raw_spin_unlock_irqrestore(&pic->lock, flags);
}

void pic_set(struct irqchip *irq, unsigned int chip, const struct kvm_pic_state *state)
{
	struct pic *pic = irq->pic;
	struct kvm_pic_state *s = &pic->chip[chip];
	u8 elcr_mask = s->elcr_mask;
	unsigned long flags;
	unsigned int pin;

	raw_spin_lock_irqsave(&pic->lock, flags);
	*s = *state;
	for (pin = 0; pin < NR_PIC_PINS; pin++)
		pic->lines[chip][pin] = s->last_irr & BIT(pin) ? BIT(IRQ_SOURCE_RESTORED) : 0;
	pic->single[chip] = false;
	s->elcr_mask = elcr_mask;
	s->elcr &= elcr_mask;
	s->priority_add &= 7;
	s->irq_base &= 0xf8;
	s->init_state &= 3;
	s->init4 &= 1;
	s->read_reg_select = !!s->read_reg_select;
	s->poll = !!s->poll;
	s->special_mask = !!s->special_mask;
	s->auto_eoi = !!s->auto_eoi;
	s->rotate_on_auto_eoi = !!s->rotate_on_auto_eoi;
	s->special_fully_nested_mode = !!s->special_fully_nested_mode;
	/* a vCPU must look again even if the output was high before */
	WRITE_ONCE(irq->extint, false);
	pic_unlock(pic, flags);
}

void pic_copy(struct irqchip *to, struct irqchip *from)
{
	struct pic *src = from->pic, *dst = to->pic;
	unsigned long flags;

	raw_spin_lock_irqsave(&src->lock, flags);
	raw_spin_lock_nested(&dst->lock, SINGLE_DEPTH_NESTING);
	memcpy(dst->chip, src->chip, sizeof(dst->chip));
	lines_copy(dst->lines[MASTER], src->lines[MASTER], NR_PIC_PINS);
	lines_copy(dst->lines[SLAVE], src->lines[SLAVE], NR_PIC_PINS);
	memcpy(dst->single, src->single, sizeof(dst->single));
	WRITE_ONCE(to->extint, from->extint);
	raw_spin_unlock(&dst->lock);
	raw_spin_unlock_irqrestore(&src->lock, flags);
}
