// SPDX-License-Identifier: GPL-2.0-only
/* The 8259 pair serves, nests, rotates, masks and polls as its data sheet says, and survives any state given to it. */
#include "unit_model.h"

#define OCW2_EOI	0x20
#define OCW2_SEOI	0x60
#define OCW2_ROTATE_EOI	0xa0

static struct model *m;

static void line(u32 gsi, int level)
{
	keel_irq_line(&m->vm, gsi, level);
}

static void pulse(u32 gsi)
{
	line(gsi, 1);
	line(gsi, 0);
}

/* Initialise both chips as a PC does, vectors 0x20 and 0x28; @icw4 of the master. */
static void setup(u8 icw4)
{
	m = model_create(IRQCHIP_KERNEL, 1);
	port_out(m, 0x20, 0x11);
	port_out(m, 0x21, 0x20);
	port_out(m, 0x21, 0x04);
	port_out(m, 0x21, icw4);
	port_out(m, 0xa0, 0x11);
	port_out(m, 0xa1, 0x28);
	port_out(m, 0xa1, 0x02);
	port_out(m, 0xa1, 0x01);
	port_out(m, 0x21, 0);
	port_out(m, 0xa1, 0);
	/* the quirk for guests without firmware left LINT0 as ExtINT, but the software enable masked nothing */
	lapic_put(&m->vcpu[0], APIC_LVT0, 0x700);
}

static int take(void)
{
	int pending = keel_irq_pending(&m->vcpu[0]);
	int got = keel_irq_ack(&m->vcpu[0]);

	CHECK_EQ("pending is what is taken", pending, got);
	return got;
}

/* What KVM_IRQ_LINE_STATUS tells of pin 4 of the 8259 and of the I/O APIC, the latter masked. */
static void test_status(void)
{
	setup(0x01);
	CHECK_EQ("an edge", 1, keel_irq_line(&m->vm, 4, 1));
	CHECK_EQ("no edge", 1, keel_irq_line(&m->vm, 4, 1));
	line(4, 0);
	CHECK_EQ("coalesced", 0, keel_irq_line(&m->vm, 4, 1));
	line(4, 0);
	port_out(m, 0x21, 0x10);
	CHECK_EQ("masked in both", IRQ_IGNORED, keel_irq_line(&m->vm, 4, 1));
	ioapic_out(m, 0x18, 0x51);
	line(4, 0);
	CHECK_EQ("masked in one", 1, keel_irq_line(&m->vm, 4, 1));
	model_destroy(m);
}

/* A launcher goes back to an older state while a line is high, and another source comes and goes there. */
static void test_state_over_high_line(void)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_PIC_MASTER };

	setup(0x01);
	port_out(m, 0x4d0, 0x20);
	ASSERT_EQ(keel_irqchip_get(&m->vm, &chip), 0);
	line(5, 1);
	ASSERT_EQ(keel_irqchip_set(&m->vm, &chip), 0);
	CHECK_EQ("low", -1, take());
	pic_set_pin(m->vm.irq, 0, 5, IRQ_SOURCE_RESAMPLE, 1);
	CHECK_EQ("another's level", 0x25, take());
	pic_set_pin(m->vm.irq, 0, 5, IRQ_SOURCE_RESAMPLE, 0);
	port_out(m, 0x20, OCW2_EOI);
	CHECK_EQ("over", -1, take());
	line(5, 1);
	ASSERT_EQ(keel_irqchip_get(&m->vm, &chip), 0);
	ASSERT_EQ(keel_irqchip_set(&m->vm, &chip), 0);
	CHECK_EQ("high in the state", 0x25, take());
	line(5, 0);
	port_out(m, 0x20, OCW2_EOI);
	CHECK_EQ("over", -1, take());
	model_destroy(m);
}

static void test_priority(void)
{
	setup(0x01);
	CHECK_EQ("nothing", -1, keel_irq_pending(&m->vcpu[0]));
	pulse(5);
	pulse(3);
	pulse(10);
	CHECK_EQ("cascade first", 0x2a, take());
	CHECK_EQ("lower ones wait", -1, keel_irq_pending(&m->vcpu[0]));
	pulse(1);
	CHECK_EQ("a higher one does not", 0x21, take());
	port_out(m, 0x20, 0x0b);
	CHECK_EQ("ISR", 0x06, port_in(m, 0x20));
	port_out(m, 0x20, OCW2_EOI);
	port_out(m, 0xa0, OCW2_EOI);
	port_out(m, 0x20, OCW2_EOI);
	CHECK_EQ("then in order", 0x23, take());
	port_out(m, 0x20, OCW2_SEOI | 3);
	CHECK_EQ("the last", 0x25, take());
	port_out(m, 0x20, OCW2_EOI);
	CHECK_EQ("ISR empty", 0, port_in(m, 0x20));
	port_out(m, 0x20, 0x0a);
	CHECK_EQ("IRR empty", 0, port_in(m, 0x20));
	model_destroy(m);
}

static void test_mask(void)
{
	setup(0x01);
	port_out(m, 0x21, 0x08);
	CHECK_EQ("IMR reads back", 0x08, port_in(m, 0x21));
	pulse(3);
	CHECK_EQ("masked", -1, keel_irq_pending(&m->vcpu[0]));
	port_out(m, 0x21, 0);
	CHECK_EQ("kept", 0x23, take());
	port_out(m, 0x20, OCW2_EOI);
	pulse(12);
	port_out(m, 0xa1, 0x10);
	CHECK_EQ("masked in the slave", -1, keel_irq_pending(&m->vcpu[0]));
	port_out(m, 0x20, 0x0a);
	CHECK_EQ("which asks the master no more", 0, port_in(m, 0x20) & 0x04);
	pulse(8);
	CHECK_EQ("its first pin", 0x28, take());
	port_out(m, 0xa0, OCW2_EOI);
	port_out(m, 0x20, OCW2_EOI);
	port_out(m, 0xa1, 0);
	CHECK_EQ("kept there too", 0x2c, take());
	port_out(m, 0xa0, OCW2_EOI);
	port_out(m, 0x20, OCW2_EOI);
	pulse(3);
	CHECK_EQ("again", 0x23, take());
	/* special mask mode: a masked interrupt in service does not hold lower ones back */
	pulse(6);
	CHECK_EQ("held", -1, keel_irq_pending(&m->vcpu[0]));
	port_out(m, 0x21, 0x08);
	port_out(m, 0x20, 0x68);
	CHECK_EQ("special mask", 0x26, take());
	port_out(m, 0x20, 0x0b);
	CHECK_EQ("both in service", 0x48, port_in(m, 0x20));
	port_out(m, 0x20, OCW2_EOI);
	CHECK_EQ("non-specific EOI leaves the masked one", 0x08, port_in(m, 0x20));
	port_out(m, 0x20, OCW2_EOI);
	CHECK_EQ("and finds no other", 0x08, port_in(m, 0x20));
	port_out(m, 0x20, OCW2_ROTATE_EOI);
	CHECK_EQ("nor does a rotating one", 0x08, port_in(m, 0x20));
	port_out(m, 0x20, 0x28);
	pulse(6);
	CHECK_EQ("SMM without ESMM changes nothing", 0x26, take());
	port_out(m, 0x20, OCW2_SEOI | 6);
	port_out(m, 0x20, 0x48);
	pulse(6);
	CHECK_EQ("left: held again", -1, keel_irq_pending(&m->vcpu[0]));
	port_out(m, 0x20, OCW2_EOI);
	CHECK_EQ("left: a non-specific EOI ends it", 0, port_in(m, 0x20));
	model_destroy(m);
}

static void test_level(void)
{
	setup(0x01);
	port_out(m, 0x4d1, 0xff);
	CHECK_EQ("clock, FPU stay edges", 0xde, port_in(m, 0x4d1));
	line(11, 1);
	CHECK_EQ("level", 0x2b, take());
	port_out(m, 0xa0, OCW2_EOI);
	port_out(m, 0x20, OCW2_EOI);
	CHECK_EQ("still high: again", 0x2b, take());
	line(11, 0);
	port_out(m, 0xa0, OCW2_EOI);
	port_out(m, 0x20, OCW2_EOI);
	CHECK_EQ("low: over", -1, keel_irq_pending(&m->vcpu[0]));
	CHECK_EQ("acknowledgements told", 2, model_gsi_acks[11]);
	line(3, 1);
	CHECK_EQ("edge", 0x23, take());
	port_out(m, 0x20, OCW2_EOI);
	CHECK_EQ("an edge comes once", -1, keel_irq_pending(&m->vcpu[0]));
	model_destroy(m);
}

static void test_spurious(void)
{
	setup(0x01);
	port_out(m, 0x4d0, 0xf8);
	line(5, 1);
	CHECK_EQ("there", 0x25, keel_irq_pending(&m->vcpu[0]));
	line(5, 0);
	CHECK_EQ("gone again", -1, keel_irq_pending(&m->vcpu[0]));
	CHECK_EQ("an acknowledge finds IRQ 7", 0x27, pic_ack(m->vm.irq));
	port_out(m, 0x20, 0x0b);
	CHECK_EQ("that is not in service", 0, port_in(m, 0x20));
	model_destroy(m);
}

static void test_rotation(void)
{
	setup(0x01);
	pulse(3);
	CHECK_EQ("first", 0x23, take());
	port_out(m, 0x20, OCW2_ROTATE_EOI);
	pulse(3);
	pulse(4);
	CHECK_EQ("the one served is now the lowest", 0x24, take());
	port_out(m, 0x20, OCW2_EOI);
	CHECK_EQ("then it", 0x23, take());
	port_out(m, 0x20, OCW2_EOI);
	port_out(m, 0x20, 0xc0 | 7);
	pulse(0);
	pulse(7);
	CHECK_EQ("priority set by command", 0x20, take());
	port_out(m, 0x20, OCW2_EOI);
	CHECK_EQ("then the lowest", 0x27, take());
	port_out(m, 0x20, OCW2_EOI);
	port_out(m, 0x20, 0xc0 | 2);
	pulse(5);
	pulse(1);
	CHECK_EQ("3 is the highest", 0x25, take());
	port_out(m, 0x20, OCW2_EOI);
	CHECK_EQ("a non-specific EOI finds the one in service", 0x21, take());
	port_out(m, 0x20, OCW2_EOI);
	port_out(m, 0x20, 0x0b);
	CHECK_EQ("and the next", 0, port_in(m, 0x20));
	CHECK_EQ("no such pin", IRQ_IGNORED, pic_set_pin(m->vm.irq, 1, 8, IRQ_SOURCE_USER, 1));
	CHECK_EQ("no such chip", IRQ_IGNORED, pic_set_pin(m->vm.irq, 2, 0, IRQ_SOURCE_USER, 1));
	model_destroy(m);
}

static void test_auto_eoi(void)
{
	setup(0x03);
	pulse(4);
	CHECK_EQ("taken", 0x24, take());
	port_out(m, 0x20, 0x0b);
	CHECK_EQ("nothing in service", 0, port_in(m, 0x20));
	pulse(6);
	CHECK_EQ("lower at once", 0x26, take());
	model_destroy(m);
}

static void test_poll(void)
{
	setup(0x01);
	pulse(4);
	port_out(m, 0x20, 0x0c);
	CHECK_EQ("poll: pin and flag", 0x84, port_in(m, 0x20));
	port_out(m, 0x20, 0x0b);
	CHECK_EQ("in service", 0x10, port_in(m, 0x20));
	port_out(m, 0x20, 0x0c);
	CHECK_EQ("nothing to poll", 0, port_in(m, 0x20) & 0x80);
	model_destroy(m);
}

static void test_init_clears(void)
{
	setup(0x01);
	model_pit_listens = true;
	m->vm.irq->pit = (struct pit *)8;	/* only its presence counts */
	pulse(0);
	port_out(m, 0x20, 0x11);
	CHECK_EQ("a request dropped by ICW1 is told", 1, model_pit_acks);
	port_out(m, 0x21, 0x20);
	port_out(m, 0x21, 0x04);
	port_out(m, 0x21, 0x01);
	CHECK_EQ("and not delivered", -1, keel_irq_pending(&m->vcpu[0]));
	port_out(m, 0x21, 0x01);
	port_out(m, 0x21, 0x00);
	CHECK_EQ("unmasking is told", 1, model_pit_forgets);
	pulse(3);
	CHECK_EQ("once", 1, model_pit_forgets);
	m->vm.irq->pit = NULL;
	model_destroy(m);
}

/* "Initialization Command Words 1 and 2": the edge sense circuit is reset, an input must go from low to high after it. */
static void test_init_lines(void)
{
	setup(0x01);
	port_out(m, 0x4d0, 0x80);
	pulse(3);
	take();
	line(6, 1);
	line(7, 1);
	port_out(m, 0x20, 0x11);
	port_out(m, 0x21, 0x40);
	port_out(m, 0x21, 0x04);
	port_out(m, 0x21, 0x01);
	CHECK_EQ("a level asks on", 0x80, port_in(m, 0x20));
	line(6, 1);
	CHECK_EQ("a line that stays high is no edge", 0x80, port_in(m, 0x20));
	CHECK_EQ("what was in service is so no more", 0x47, take());
	line(7, 0);
	line(6, 0);
	line(6, 1);
	CHECK_EQ("an edge", 0x46, take());
	port_out(m, 0x20, OCW2_EOI);
	port_out(m, 0x20, OCW2_EOI);
	port_out(m, 0x20, 0x11);
	port_out(m, 0x21, 0x40);
	port_out(m, 0x21, 0x04);
	port_out(m, 0x21, 0x01);
	port_out(m, 0x4d0, 0x40);
	CHECK_EQ("the line that is high becomes a level", 0x46, take());
	model_destroy(m);
}

static void test_extint_gate(void)
{
	setup(0x01);
	lapic_put(&m->vcpu[0], APIC_LVT0, 0x10700);
	pulse(1);
	CHECK_EQ("LINT0 masked", -1, keel_irq_pending(&m->vcpu[0]));
	lapic_put(&m->vcpu[0], APIC_LVT0, 0x700);
	CHECK_EQ("unmasked", 0x21, keel_irq_pending(&m->vcpu[0]));
	ASSERT_EQ(keel_apic_base_set(&m->vcpu[0], 0xfee00100, true), 0);
	CHECK_EQ("no local APIC: INTR reaches the CPU", 0x21, take());
	model_destroy(m);
}

/* LINT0 as NMI: the watchdog of old; LINT0 as a fixed vector: virtual wire through the local APIC. */
static void test_lint0_modes(void)
{
	setup(0x01);
	lapic_put(&m->vcpu[0], APIC_LVT0, 0x400);
	pulse(0);
	CHECK_EQ("NMI", 1, m->vcpu[0].nmis);
	pulse(0);
	CHECK_EQ("each edge makes the output rise, acknowledged or not", 2, m->vcpu[0].nmis);
	pic_repeat_edge(m->vm.irq, 0);
	CHECK_EQ("an edge that is not counted too", 3, m->vcpu[0].nmis);
	pic_repeat_edge(m->vm.irq, 1);
	CHECK_EQ("where a request waits", 3, m->vcpu[0].nmis);
	line(0, 1);
	line(0, 1);
	CHECK_EQ("a line that stays high is one edge", 4, m->vcpu[0].nmis);
	line(0, 0);
	pulse(1);
	CHECK_EQ("the output is high: a second request is none", 4, m->vcpu[0].nmis);
	port_out(m, 0x21, 0x03);
	pulse(0);
	CHECK_EQ("masked", 4, m->vcpu[0].nmis);
	lapic_put(&m->vcpu[0], APIC_LVT0, 0x10400);
	port_out(m, 0x21, 0);
	pulse(0);
	CHECK_EQ("masked in the local APIC", 4, m->vcpu[0].nmis);
	port_out(m, 0x20, 0x11);
	port_out(m, 0x21, 0x20);
	port_out(m, 0x21, 0x04);
	port_out(m, 0x21, 0x01);
	lapic_put(&m->vcpu[0], APIC_LVT0, 0x55);
	pulse(0);
	CHECK_EQ("fixed", 0x55, take());
	model_destroy(m);
}

/* A level that is told again is no edge of the output. */
static void test_lint0_level(void)
{
	setup(0x01);
	lapic_put(&m->vcpu[0], APIC_LVT0, 0x400);
	port_out(m, 0x4d0, 0x20);
	line(5, 1);
	CHECK_EQ("the output rises", 1, m->vcpu[0].nmis);
	line(5, 1);
	CHECK_EQ("and stays", 1, m->vcpu[0].nmis);
	line(5, 0);
	line(5, 1);
	CHECK_EQ("and rises", 2, m->vcpu[0].nmis);
	model_destroy(m);
}

/* More vCPUs than are asked with interrupts off: they are afterwards, once. */
static void test_lint0_wide(void)
{
	struct vcpu *last;

	setup(0x01);
	do
		last = model_add_vcpu(m, m->nr);
	while (m->nr < 64);
	lapic_put(last, APIC_LVT0, 0x400);
	shim_irqs_off = 1;
	pulse(0);
	CHECK_EQ("64: at once", 1, last->nmis);
	last = model_add_vcpu(m, m->nr);
	lapic_put(last, APIC_LVT0, 0x400);
	pulse(0);
	CHECK_EQ("65: not yet", 0, last->nmis);
	shim_irqs_off = 0;
	flush_work(&m->vm.irq->wide_work);
	CHECK_EQ("then", 1, last->nmis);
	m->vm.irq->wide_work.queued = 1;
	flush_work(&m->vm.irq->wide_work);
	CHECK_EQ("once", 1, last->nmis);
	pulse(0);
	CHECK_EQ("interrupts on: at once", 2, last->nmis);
	model_destroy(m);
}

/* "Initialization Command Words 1 and 2 (ICW1, ICW2)": which words follow, and what they leave. */
static void test_init_words(void)
{
	static const struct { const char *name; u8 n, words[4]; } rows[] = {
		{ "cascade, ICW4", 4, { 0x11, 0x40, 0x04, 0x01 } },
		{ "cascade, no ICW4", 3, { 0x10, 0x40, 0x04 } },
		{ "single, ICW4", 3, { 0x13, 0x40, 0x01 } },
		{ "single, no ICW4", 2, { 0x12, 0x40 } },
		{ "level triggered and interval bits", 4, { 0x1d, 0x47, 0x04, 0x01 } },
	};
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		setup(0x13);
		port_out(m, 0x20, 0x68);	/* special mask mode; ISR to be read */
		port_out(m, 0x20, 0x0b);
		port_out(m, 0x21, 0xff);
		test_note("%s", rows[i].name);
		port_out(m, 0x20, rows[i].words[0]);
		CHECK_EQ("ICW1 clears the mask", 0, port_in(m, 0x21));
		for (j = 1; j < rows[i].n; j++)
			port_out(m, 0x21, rows[i].words[j]);
		port_out(m, 0x21, 0x5a);
		CHECK_EQ("then the mask", 0x5a, port_in(m, 0x21));
		pulse(3);
		CHECK_EQ("IRR is read", 0x08, port_in(m, 0x20));
		port_out(m, 0x21, 0);
		CHECK_EQ("vector", 0x43, take());
		port_out(m, 0x20, 0x0b);
		CHECK_EQ("no automatic EOI", 0x08, port_in(m, 0x20));
		model_destroy(m);
	}
}

/* "Special Fully Nested Mode": the slave in service may interrupt itself, lower pins may not. */
static void test_special_nested(void)
{
	setup(0x11);
	pulse(12);
	CHECK_EQ("slave", 0x2c, take());
	pulse(4);
	CHECK_EQ("lower pin of the master waits", -1, keel_irq_pending(&m->vcpu[0]));
	pulse(9);
	CHECK_EQ("higher pin of the slave does not", 0x29, take());
	pulse(13);
	CHECK_EQ("lower pin of the slave waits", -1, keel_irq_pending(&m->vcpu[0]));
	pulse(1);
	CHECK_EQ("higher pin of the master does not", 0x21, take());
	model_destroy(m);
	setup(0x01);
	pulse(12);
	CHECK_EQ("plain nesting: slave", 0x2c, take());
	pulse(9);
	CHECK_EQ("all of it waits", -1, keel_irq_pending(&m->vcpu[0]));
	model_destroy(m);
}

/* "Operation Control Word 2": each command on ISR 0x48, lowest priority 7. */
static void test_ocw2(void)
{
	static const struct { const char *name; u8 val, isr; int next; } rows[] = {
		{ "non-specific EOI", 0x20, 0x40, 0x20 }, { "specific EOI", 0x66, 0x08, 0x20 },
		{ "specific EOI of one that is not", 0x61, 0x48, 0x20 },
		{ "rotate on non-specific EOI", 0xa0, 0x40, 0x24 },
		{ "rotate on specific EOI", 0xe6, 0x08, 0x27 },
		{ "set priority", 0xc1, 0x48, 0x22 }, { "no operation", 0x40, 0x48, 0x20 },
		{ "rotate in automatic EOI mode", 0x80, 0x48, 0x20 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		setup(0x01);
		port_out(m, 0x21, 0xb7);
		pulse(6);
		take();
		pulse(3);
		take();
		test_note("%s", rows[i].name);
		port_out(m, 0x20, rows[i].val);
		port_out(m, 0x20, 0x0b);
		CHECK_EQ("ISR", rows[i].isr, port_in(m, 0x20));
		/* who is first among all, with nothing in service */
		port_out(m, 0x20, OCW2_SEOI | 3);
		port_out(m, 0x20, OCW2_SEOI | 6);
		port_out(m, 0x21, 0);
		for (unsigned int pin = 0; pin < 8; pin++)
			if (pin != 2)
				pulse(pin);
		pulse(9);
		port_out(m, 0x20, 0x0c);
		CHECK_EQ("first", (rows[i].next & 7) | 0x80, port_in(m, 0x20));
		model_destroy(m);
	}
	setup(0x03);
	port_out(m, 0x20, 0x80);
	pulse(4);
	CHECK_EQ("automatic EOI with rotation", 0x24, take());
	pulse(4);
	pulse(5);
	CHECK_EQ("4 is the lowest now", 0x25, take());
	port_out(m, 0x20, 0x00);
	CHECK_EQ("the last without rotation", 0x24, take());
	pulse(4);
	pulse(6);
	CHECK_EQ("6 is still the highest", 0x26, take());
	model_destroy(m);
}

/* ELCR: a pin that becomes level triggered asks as its line does; the fixed ones stay edges. */
static void test_elcr(void)
{
	setup(0x01);
	pulse(5);
	line(6, 1);
	CHECK_EQ("6 and 5", 0x25, take());
	port_out(m, 0x20, OCW2_EOI);
	port_out(m, 0x21, 0xff);
	pulse(5);
	port_out(m, 0x4d0, 0xff);
	CHECK_EQ("fixed bits", 0xf8, port_in(m, 0x4d0));
	CHECK_EQ("the line, not the edge", 0x40, port_in(m, 0x20));
	line(6, 0);
	CHECK_EQ("follows", 0, port_in(m, 0x20));
	line(6, 1);
	port_out(m, 0x4d0, 0);
	CHECK_EQ("edges again: the request stays", 0x40, port_in(m, 0x20));
	model_destroy(m);
}

static void random_state(struct kvm_irqchip *chip)
{
	u8 *bytes = (u8 *)&chip->chip.pic;
	unsigned int i;

	for (i = 0; i < sizeof(chip->chip.pic); i++)
		bytes[i] = model_random();
}

/* Any state, then any accesses: nothing but the sanitizers and the locks watch, and the round trip must be stable. */
static void test_hostile(void)
{
	static const u16 ports[] = { 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1 };
	struct kvm_irqchip chip, back, again;
	unsigned int i, n;

	setup(0x01);
	for (n = 0; n < 2000; n++) {
		memset(&chip, 0, sizeof(chip));
		memset(&back, 0, sizeof(back));
		memset(&again, 0, sizeof(again));
		chip.chip_id = back.chip_id = again.chip_id = n & 1;
		random_state(&chip);
		ASSERT_EQ(keel_irqchip_set(&m->vm, &chip), 0);
		ASSERT_EQ(keel_irqchip_get(&m->vm, &back), 0);
		ASSERT_EQ(keel_irqchip_set(&m->vm, &back), 0);
		ASSERT_EQ(keel_irqchip_get(&m->vm, &again), 0);
		ASSERT(!memcmp(&back, &again, sizeof(back)), "state changed in a round trip");
		for (i = 0; i < 50; i++) {
			u64 r = model_random();
			u16 port = ports[r % 6];

			if (r & BIT(8))
				port_out(m, port, r >> 16);
			else
				port_in(m, port);
			line((r >> 24) & 15, (r >> 32) & 1);
			if (keel_irq_pending(&m->vcpu[0]) >= 0) {
				int vector = keel_irq_ack(&m->vcpu[0]);

				ASSERT(vector >= 0 && vector < 256, "vector %d", vector);
			}
		}
	}
	model_destroy(m);
}

static const struct test_case cases[] = {
	{ "status", test_status },
	{ "state_over_high_line", test_state_over_high_line },
	{ "priority", test_priority },
	{ "mask", test_mask },
	{ "level", test_level },
	{ "spurious", test_spurious },
	{ "rotation", test_rotation },
	{ "auto_eoi", test_auto_eoi },
	{ "poll", test_poll },
	{ "init_clears", test_init_clears },
	{ "init_lines", test_init_lines },
	{ "init_words", test_init_words },
	{ "special_nested", test_special_nested },
	{ "ocw2", test_ocw2 },
	{ "elcr", test_elcr },
	{ "extint_gate", test_extint_gate },
	{ "lint0_modes", test_lint0_modes },
	{ "lint0_level", test_lint0_level },
	{ "lint0_wide", test_lint0_wide },
	{ "hostile", test_hostile },
};

TEST_MAIN(cases)
