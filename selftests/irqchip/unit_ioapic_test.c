// SPDX-License-Identifier: GPL-2.0-only
/* The I/O APIC sends edges once and levels until they are served, and any saved state and access is harmless. */
#include "unit_model.h"

#define RTE(pin)	(0x10 + 2 * (pin))
#define LEVEL		0x8000u
#define MASKED		0x10000u
#define REMOTE_IRR	0x4000u

static struct model *m;

static void setup(void)
{
	m = model_create(IRQCHIP_KERNEL, 2);
	memset(model_gsi_acks, 0, sizeof(model_gsi_acks));
}

/* Vector that vCPU 0 takes, -1 for none. */
static int take(void)
{
	return keel_irq_ack(&m->vcpu[0]);
}

static void eoi(void)
{
	lapic_put(&m->vcpu[0], APIC_EOI, 0);
}

/* What vCPU 0's TMR says of @vector. */
static bool is_level(u8 vector)
{
	return lapic_get(&m->vcpu[0], APIC_TMR + vector / 32 * 16) >> vector % 32 & 1;
}

static void set_rte(unsigned int pin, u32 low, u8 dest)
{
	ioapic_out(m, RTE(pin) + 1, (u32)dest << 24);
	ioapic_out(m, RTE(pin), low);
}

static void test_registers(void)
{
	setup();
	CHECK_EQ("version", 0x170011, ioapic_in(m, 1));
	CHECK_EQ("masked after reset", MASKED, ioapic_in(m, RTE(23)));
	ioapic_out(m, 0, 0x0a000000);
	CHECK_EQ("ID", 0x0a000000, ioapic_in(m, 0));
	CHECK_EQ("arbitration ID", 0x0a000000, ioapic_in(m, 2));
	set_rte(4, ~0u, 0xff);
	CHECK_EQ("read-only bits of an entry", 0x1afff, ioapic_in(m, RTE(4)));
	CHECK_EQ("destination", 0xff000000, ioapic_in(m, RTE(4) + 1));
	ioapic_out(m, 0, ~0u);
	CHECK_EQ("reserved bits of the ID", 0x0f000000, ioapic_in(m, 0));
	ioapic_out(m, 1, ~0u);
	CHECK_EQ("version is read-only", 0x170011, ioapic_in(m, 1));
	ioapic_out(m, 2, 0);
	CHECK_EQ("arbitration ID is read-only", 0x0f000000, ioapic_in(m, 2));
	CHECK_EQ("reserved register", 0, ioapic_in(m, 3));
	CHECK_EQ("beyond the table", 0, ioapic_in(m, RTE(24)));
	ioapic_out(m, 0xff, ~0u);
	CHECK_EQ("far beyond", 0, ioapic_in(m, 0xff));
	model_destroy(m);
}

static void test_edge(void)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	setup();
	set_rte(20, 0x50, 0);
	CHECK_EQ("taken by one", 1, keel_irq_line(&m->vm, 20, 1));
	CHECK_EQ("no edge", 0, keel_irq_line(&m->vm, 20, 1));
	CHECK_EQ("delivered", 0x50, take());
	CHECK_EQ("as an edge", 0, is_level(0x50));
	CHECK_EQ("once", -1, take());
	keel_irq_line(&m->vm, 20, 0);
	CHECK_EQ("next edge", 1, keel_irq_line(&m->vm, 20, 1));
	keel_irq_line(&m->vm, 20, 0);
	CHECK_EQ("pending already: counts as taken", 1, keel_irq_line(&m->vm, 20, 1));
	eoi();
	CHECK_EQ("delivered after EOI", 0x50, take());
	eoi();
	keel_irq_line(&m->vm, 20, 0);
	set_rte(20, 0x50 | MASKED, 0);
	CHECK_EQ("masked", IRQ_IGNORED, keel_irq_line(&m->vm, 20, 1));
	set_rte(20, 0x50, 0);
	CHECK_EQ("an edge on a masked pin is lost", -1, take());
	ASSERT_EQ(keel_irqchip_get(&m->vm, &chip), 0);
	CHECK_EQ("and in no saved state", 0, chip.chip.ioapic.irr);
	/* but the clock's pin tells, so that a launcher can make up for lost ticks */
	port_out(m, 0xa1, 0xff);
	set_rte(8, 0x51, 0);
	CHECK_EQ("clock: taken", 1, keel_irq_line(&m->vm, 8, 1));
	keel_irq_line(&m->vm, 8, 0);
	CHECK_EQ("clock: pending already", 0, keel_irq_line(&m->vm, 8, 1));
	keel_irq_line(&m->vm, 8, 0);
	CHECK_EQ("clock", 0x51, take());
	CHECK_EQ("clock: in service, taken", 1, keel_irq_line(&m->vm, 8, 1));
	CHECK_EQ("no such pin", IRQ_IGNORED, ioapic_set_pin(m->vm.irq, 24, IRQ_SOURCE_USER, 1));
	model_destroy(m);
}

static void test_level(void)
{
	setup();
	set_rte(20, 0x61 | LEVEL, 0);
	keel_irq_line(&m->vm, 20, 1);
	CHECK_EQ("remote IRR", REMOTE_IRR, ioapic_in(m, RTE(20)) & REMOTE_IRR);
	CHECK_EQ("delivered", 0x61, take());
	CHECK_EQ("as a level", 1, is_level(0x61));
	CHECK_EQ("held back by remote IRR", IRQ_IGNORED, keel_irq_line(&m->vm, 20, 1));
	eoi();
	CHECK_EQ("still high: sent again", 0x61, take());
	keel_irq_line(&m->vm, 20, 0);
	CHECK_EQ("remote IRR stays until EOI", REMOTE_IRR, ioapic_in(m, RTE(20)) & REMOTE_IRR);
	eoi();
	CHECK_EQ("then goes", 0, ioapic_in(m, RTE(20)) & REMOTE_IRR);
	CHECK_EQ("low: over", -1, take());
	set_rte(20, 0x61 | LEVEL | MASKED, 0);
	keel_irq_line(&m->vm, 20, 1);
	CHECK_EQ("masked", -1, take());
	set_rte(20, 0x61 | LEVEL, 0);
	CHECK_EQ("a level waits for the mask", 0x61, take());
	/* what Linux does with a stuck remote IRR */
	set_rte(20, 0x61 | MASKED, 0);
	CHECK_EQ("edge mode clears remote IRR", 0, ioapic_in(m, RTE(20)) & REMOTE_IRR);
	eoi();
	keel_irq_line(&m->vm, 20, 0);
	set_rte(20, 0x61, 0);
	keel_irq_line(&m->vm, 20, 1);
	CHECK_EQ("an edge of the same vector", 0x61, take());
	CHECK_EQ("as an edge", 0, is_level(0x61));
	eoi();
	set_rte(20, 0x61 | LEVEL, 0);
	CHECK_EQ("its line is high when it becomes a level", 0x61, take());
	set_rte(22, 0x171 | LEVEL, 0);
	keel_irq_line(&m->vm, 22, 1);
	CHECK_EQ("lowest priority", 0x71, take());
	CHECK_EQ("is a level as well", REMOTE_IRR, ioapic_in(m, RTE(22)) & REMOTE_IRR);
	model_destroy(m);
}

/* An edge comes and goes while another pin's level waits for its EOI. */
static void test_other_pin(void)
{
	setup();
	set_rte(20, 0x61 | LEVEL, 0);
	set_rte(21, 0x71, 0);
	keel_irq_line(&m->vm, 20, 1);
	CHECK_EQ("level", 0x61, take());
	keel_irq_line(&m->vm, 21, 1);
	keel_irq_line(&m->vm, 21, 0);
	CHECK_EQ("edge", 0x71, take());
	eoi();
	CHECK_EQ("over", -1, take());
	eoi();
	CHECK_EQ("the level is still high", 0x61, take());
	model_destroy(m);
}

/* Two pins with one vector: the second must not be lost when the first is ended. */
static void test_shared_vector(void)
{
	setup();
	set_rte(20, 0x61 | LEVEL, 0);
	set_rte(21, 0x61 | LEVEL, 0);
	keel_irq_line(&m->vm, 20, 1);
	keel_irq_line(&m->vm, 21, 1);
	CHECK_EQ("first", 0x61, take());
	keel_irq_line(&m->vm, 20, 0);
	eoi();
	CHECK_EQ("second", 0x61, take());
	keel_irq_line(&m->vm, 21, 0);
	eoi();
	CHECK_EQ("over", -1, take());
	model_destroy(m);
}

/*
 * A large VM: with interrupts off nothing for many vCPUs is delivered at once, and nothing is lost.
 */
static void test_wide(void)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct vcpu *far;

	setup();
	far = model_add_vcpu(m, 100);
	shim_irqs_off = 1;
	set_rte(20, 0x61 | LEVEL, 0xff);
	set_rte(21, 0x62, 0xff);
	set_rte(22, 0x63, 0);
	CHECK_EQ("one vCPU", 1, keel_irq_line(&m->vm, 22, 1));
	CHECK_EQ("at once", 0x63, take());
	eoi();
	CHECK_EQ("all, an edge", 1, keel_irq_line(&m->vm, 21, 1));
	CHECK_EQ("all, a level", 1, keel_irq_line(&m->vm, 20, 1));
	CHECK_EQ("not yet", -1, take());
	CHECK_EQ("remote IRR", REMOTE_IRR, ioapic_in(m, RTE(20)) & REMOTE_IRR);
	set_rte(21, 0x72, 0xff);
	shim_irqs_off = 0;
	flush_work(&m->vm.irq->wide_work);
	CHECK_EQ("the edge, as it was sent", 0x62, take());
	eoi();
	CHECK_EQ("the level", 0x61, take());
	CHECK_EQ("the other vCPU too", 0x62, keel_irq_ack(far));
	keel_irq_line(&m->vm, 20, 0);
	eoi();
	CHECK_EQ("over", -1, take());
	/* what was sent before a state is loaded is not sent in that state */
	ASSERT_EQ(keel_irqchip_get(&m->vm, &chip), 0);
	shim_irqs_off = 1;
	keel_irq_line(&m->vm, 21, 0);
	keel_irq_line(&m->vm, 21, 1);
	shim_irqs_off = 0;
	ASSERT_EQ(keel_irqchip_set(&m->vm, &chip), 0);
	flush_work(&m->vm.irq->wide_work);
	CHECK_EQ("of another life", -1, take());
	/* nobody takes it: it may be sent again */
	lapic_put(&m->vcpu[0], APIC_SPIV, 0xff);
	lapic_put(&m->vcpu[1], APIC_SPIV, 0xff);
	lapic_put(far, APIC_SPIV, 0xff);
	shim_irqs_off = 1;
	keel_irq_line(&m->vm, 20, 1);
	shim_irqs_off = 0;
	flush_work(&m->vm.irq->wide_work);
	CHECK_EQ("remote IRR when nobody took it", 0, ioapic_in(m, RTE(20)) & REMOTE_IRR);
	model_destroy(m);
}

/* One EOI is that of many pins: with interrupts off one of them alone is sent to all vCPUs at once, and none behind who hears of the EOI. */
static void test_wide_eoi(void)
{
	static const struct {
		const char *name;
		unsigned int pins[3];
		u8 dest;
		int waits;
	} rows[] = {
		{ "one pin to all", { 20 }, 0xff, 0 },
		{ "two pins to all", { 20, 21 }, 0xff, 1 },
		{ "two pins to one", { 20, 21 }, 0, 0 },
		{ "a pin that somebody hears of, to all", { 11 }, 0xff, 1 },
		{ "a pin that somebody hears of, to one", { 11 }, 0, 0 },
	};
	unsigned int i, n;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		setup();
		mutex_lock(&m->vm.irq->lock);
		ioapic_update_notify(m->vm.irq);
		mutex_unlock(&m->vm.irq->lock);
		for (n = 0; rows[i].pins[n]; n++) {
			set_rte(rows[i].pins[n], 0x61 | LEVEL, rows[i].dest);
			keel_irq_line(&m->vm, rows[i].pins[n], 1);
		}
		ASSERT_EQ(take(), 0x61);
		CHECK_EQ(rows[i].name, 0, m->vm.irq->wide_work.queued);
		eoi();
		CHECK_EQ(rows[i].name, rows[i].waits, m->vm.irq->wide_work.queued);
		flush_work(&m->vm.irq->wide_work);
		for (n = 0; rows[i].pins[n]; n++)
			CHECK_EQ(rows[i].name, REMOTE_IRR, ioapic_in(m, RTE(rows[i].pins[n])) & REMOTE_IRR);
		CHECK_EQ(rows[i].name, 0x61, take());
		CHECK_EQ(rows[i].name, rows[i].dest ? 0x61 : -1, keel_irq_ack(&m->vcpu[1]));
		model_destroy(m);
	}
}

static void test_acks(void)
{
	u64 vectors[4];

	setup();
	set_rte(11, 0x74, 0);
	keel_lapic_eoi_vectors(&m->vcpu[0], vectors);
	CHECK_EQ("nobody listens to an edge", 0, vectors[1]);
	/* as irqfd.c does when somebody begins to listen */
	mutex_lock(&m->vm.irq->lock);
	ioapic_update_notify(m->vm.irq);
	mutex_unlock(&m->vm.irq->lock);
	keel_lapic_eoi_vectors(&m->vcpu[0], vectors);
	CHECK_EQ("somebody does", BIT(0x74 - 64), vectors[1]);
	set_rte(11, 0x71 | LEVEL, 0);
	set_rte(12, 0x72, 0);
	keel_irq_line(&m->vm, 11, 1);
	CHECK_EQ("level", 0x71, take());
	CHECK_EQ("not before the EOI", 0, model_gsi_acks[11]);
	eoi();
	CHECK_EQ("told at the EOI", 1, model_gsi_acks[11]);
	keel_irq_line(&m->vm, 11, 0);
	take();
	eoi();
	keel_irq_line(&m->vm, 12, 1);
	CHECK_EQ("edge", 0x72, take());
	eoi();
	CHECK_EQ("nobody asked", 0, model_gsi_acks[12]);
	/* an edge pin that somebody listens to (the 8254's) is told as well */
	keel_irq_line(&m->vm, 11, 0);
	set_rte(11, 0x73, 0);
	keel_irq_line(&m->vm, 11, 1);
	CHECK_EQ("edge with listener", 0x73, take());
	eoi();
	CHECK_EQ("told", 3, model_gsi_acks[11]);
	model_destroy(m);
}

static void test_modes(void)
{
	setup();
	set_rte(5, 0x400, 1);
	keel_irq_line(&m->vm, 5, 1);
	CHECK_EQ("NMI", 1, m->vcpu[1].nmis);
	CHECK_EQ("to the destination only", 0, m->vcpu[0].nmis);
	keel_irq_line(&m->vm, 5, 0);
	set_rte(5, 0x400 | LEVEL, 1);
	keel_irq_line(&m->vm, 5, 1);
	keel_irq_line(&m->vm, 5, 0);
	CHECK_EQ("NMI by a level: an edge all the same", 2, m->vcpu[1].nmis);
	keel_irq_line(&m->vm, 5, 1);
	CHECK_EQ("and the next one", 3, m->vcpu[1].nmis);
	CHECK_EQ("no remote IRR", LEVEL | 0x400, ioapic_in(m, RTE(5)));
	set_rte(6, 0x500, 1);
	keel_irq_line(&m->vm, 6, 1);
	CHECK_EQ("INIT", BIT(LAPIC_EVENT_INIT), m->vcpu[1].lapic->events);
	set_rte(17, 0x55, 9);
	CHECK_EQ("nobody there", 0, keel_irq_line(&m->vm, 17, 1));
	set_rte(18, 0x08, 0);
	CHECK_EQ("vector below 16", 0, keel_irq_line(&m->vm, 18, 1));
	lapic_put(&m->vcpu[0], APIC_ESR, 0);
	CHECK_EQ("is an error", BIT(6), lapic_get(&m->vcpu[0], APIC_ESR));
	model_destroy(m);
}

/* A launcher goes back to an older state while a line is high: that state's line is low, and the next edge is one. */
static void test_state_over_high_line(void)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	setup();
	set_rte(20, 0x52, 0);
	set_rte(21, 0x61 | LEVEL, 0);
	ASSERT_EQ(keel_irqchip_get(&m->vm, &chip), 0);
	keel_irq_line(&m->vm, 20, 1);
	keel_irq_line(&m->vm, 21, 1);
	ASSERT_EQ(take(), 0x61);
	eoi();
	ASSERT_EQ(take(), 0x61);
	ASSERT_EQ(keel_irqchip_set(&m->vm, &chip), 0);
	eoi();
	CHECK_EQ("the level is low", 0x52, take());
	eoi();
	CHECK_EQ("an edge", 1, keel_irq_line(&m->vm, 20, 1));
	CHECK_EQ("delivered", 0x52, take());
	eoi();
	CHECK_EQ("a level", 1, keel_irq_line(&m->vm, 21, 1));
	CHECK_EQ("delivered", 0x61, take());
	model_destroy(m);
}

/* A line that is high before the guest has set its pin up is a level when it does, in the saved machine as well. */
static void test_state_of_masked_line(void)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	setup();
	keel_irq_line(&m->vm, 20, 1);
	ASSERT_EQ(keel_irqchip_get(&m->vm, &chip), 0);
	model_destroy(m);
	setup();
	ASSERT_EQ(keel_irqchip_set(&m->vm, &chip), 0);
	CHECK_EQ("masked", -1, take());
	CHECK_EQ("high already: no edge", 0, keel_irq_line(&m->vm, 20, 1));
	set_rte(20, 0x61 | LEVEL, 0);
	CHECK_EQ("the level", 0x61, take());
	keel_irq_line(&m->vm, 20, 0);
	eoi();
	CHECK_EQ("low: over", -1, take());
	ASSERT_EQ(keel_irqchip_set(&m->vm, &chip), 0);
	set_rte(20, 0x61 | LEVEL, 0);
	CHECK_EQ("nobody speaks: high", 0x61, take());
	eoi();
	CHECK_EQ("still", 0x61, take());
	keel_irq_line(&m->vm, 20, 0);
	eoi();
	CHECK_EQ("low: over", -1, take());
	model_destroy(m);
}

/* A new machine that gets the state of one whose guest is at work: the line is high, and no entry is written again. */
static void test_state_of_high_level(void)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	u64 vectors[4];

	setup();
	set_rte(20, 0x61 | LEVEL, 0);
	lapic_put(&m->vcpu[0], APIC_SPIV, 0xff);
	keel_irq_line(&m->vm, 20, 1);
	ASSERT_EQ(keel_irqchip_get(&m->vm, &chip), 0);
	model_destroy(m);
	setup();
	ASSERT_EQ(keel_irqchip_set(&m->vm, &chip), 0);
	CHECK_EQ("sent", 0x61, take());
	keel_lapic_eoi_vectors(&m->vcpu[0], vectors);
	CHECK_EQ("its EOI is watched where the CPU works on the APIC", BIT(0x61 - 64), vectors[1]);
	eoi();
	CHECK_EQ("again at its EOI", 0x61, take());
	keel_irq_line(&m->vm, 20, 0);
	eoi();
	CHECK_EQ("low: over", -1, take());
	model_destroy(m);
}

/* An edge that waits in a state that is loaded, as KVM's may: it is sent, and is over. */
static void test_state_of_edge(void)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	setup();
	set_rte(20, 0x52, 0);
	ASSERT_EQ(keel_irqchip_get(&m->vm, &chip), 0);
	chip.chip.ioapic.irr = BIT(20);
	chip.chip.ioapic.redirtbl[20].bits |= REMOTE_IRR;
	ASSERT_EQ(keel_irqchip_set(&m->vm, &chip), 0);
	CHECK_EQ("sent", 0x52, take());
	ASSERT_EQ(keel_irqchip_get(&m->vm, &chip), 0);
	CHECK_EQ("not in the next state", 0, chip.chip.ioapic.irr);
	CHECK_EQ("nor is a remote IRR, which edges have not", 0x52, chip.chip.ioapic.redirtbl[20].bits);
	model_destroy(m);
}

/* A fork has no irqfds: a line that one held high in the parent is its launcher's to lower. */
static void test_copied_lines(void)
{
	struct model *parent;

	setup();
	parent = m;
	port_out(m, 0x21, 0xff);
	port_out(m, 0x4d0, 0x20);
	set_rte(20, 0x61 | LEVEL, 0);
	ioapic_set_pin(parent->vm.irq, 20, IRQ_SOURCE_RESAMPLE, 1);
	ioapic_set_pin(parent->vm.irq, 21, IRQ_SOURCE_USER, 1);
	pic_set_pin(parent->vm.irq, 0, 5, IRQ_SOURCE_RESAMPLE, 1);
	setup();
	ioapic_copy(m->vm.irq, parent->vm.irq);
	pic_copy(m->vm.irq, parent->vm.irq);
	CHECK_EQ("high", 0, keel_irq_line(&m->vm, 21, 1));
	keel_irq_line(&m->vm, 20, 0);
	set_rte(20, 0x62 | LEVEL, 0);
	lapic_accept(m->vcpu[0].lapic, 0x62, true);
	ASSERT_EQ(take(), 0x62);
	eoi();
	CHECK_EQ("lowered", -1, take());
	keel_irq_line(&m->vm, 5, 0);
	port_out(m, 0x20, 0x0a);
	CHECK_EQ("the 8259's, too", 0, port_in(m, 0x20) & 0x20);
	model_destroy(m);
	model_destroy(parent);
}

static void test_hostile(void)
{
	struct kvm_irqchip chip, back, again;
	unsigned int i, n;

	setup();
	for (n = 0; n < 2000; n++) {
		u8 *bytes = (u8 *)&chip.chip.ioapic;

		memset(&chip, 0, sizeof(chip));
		memset(&back, 0, sizeof(back));
		memset(&again, 0, sizeof(again));
		for (i = 0; i < sizeof(chip.chip.ioapic); i++)
			bytes[i] = model_random();
		chip.chip_id = back.chip_id = again.chip_id = KVM_IRQCHIP_IOAPIC;
		ASSERT_EQ(keel_irqchip_set(&m->vm, &chip), 0);
		ASSERT_EQ(keel_irqchip_get(&m->vm, &back), 0);
		ASSERT_EQ(back.chip.ioapic.id, chip.chip.ioapic.id & 0xf);
		for (i = 0; i < 60; i++) {
			u64 r = model_random();
			struct vcpu *vcpu = &m->vcpu[r & 1];

			keel_irq_line(&m->vm, (r >> 8) % 24, (r >> 1) & 1);
			if (r & 4)
				ioapic_out(m, r >> 16, r >> 24);
			else
				ioapic_in(m, r >> 16);
			if (keel_irq_ack(vcpu) >= 0 && (r & 8))
				lapic_put(vcpu, APIC_EOI, 0);
		}
	}
	/* lowered lines, drained vCPUs: the saved state must then survive a round trip */
	for (i = 0; i < 24; i++) {
		set_rte(i, MASKED, 0);
		keel_irq_line(&m->vm, i, 0);
	}
	ASSERT_EQ(keel_irqchip_get(&m->vm, &back), 0);
	ASSERT_EQ(keel_irqchip_set(&m->vm, &back), 0);
	ASSERT_EQ(keel_irqchip_get(&m->vm, &again), 0);
	ASSERT(!memcmp(&back, &again, sizeof(back)), "state changed in a round trip");
	model_destroy(m);
}

static const struct test_case cases[] = {
	{ "registers", test_registers },
	{ "edge", test_edge },
	{ "level", test_level },
	{ "other_pin", test_other_pin },
	{ "shared_vector", test_shared_vector },
	{ "wide", test_wide },
	{ "wide_eoi", test_wide_eoi },
	{ "acks", test_acks },
	{ "modes", test_modes },
	{ "state_over_high_line", test_state_over_high_line },
	{ "state_of_masked_line", test_state_of_masked_line },
	{ "state_of_high_level", test_state_of_high_level },
	{ "state_of_edge", test_state_of_edge },
	{ "copied_lines", test_copied_lines },
	{ "hostile", test_hostile },
};

TEST_MAIN(cases)
