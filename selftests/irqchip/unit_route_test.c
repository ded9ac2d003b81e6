// SPDX-License-Identifier: GPL-2.0-only
/* The routing table takes what KVM_SET_GSI_ROUTING allows, refuses the rest whole, and sends where it says. */
#include "unit_model.h"

static struct model *m;

static struct kvm_irq_routing_entry pin_entry(u32 gsi, u32 chip, u32 pin)
{
	return (struct kvm_irq_routing_entry) {
		.gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = { chip, pin },
	};
}

static struct kvm_irq_routing_entry msi_entry(u32 gsi, u32 lo, u32 hi, u32 data)
{
	return (struct kvm_irq_routing_entry) {
		.gsi = gsi, .type = KVM_IRQ_ROUTING_MSI,
			.u.msi = { .address_lo = lo, .address_hi = hi, .data = data },
	};
}

static int set(const struct kvm_irq_routing_entry *e, unsigned int n)
{
	return keel_irq_set_routing(&m->vm, e, n, 0);
}

static void test_refusals(void)
{
	struct kvm_irq_routing_entry good = pin_entry(3, KVM_IRQCHIP_IOAPIC, 3);
	const struct {
		const char *name;
		struct kvm_irq_routing_entry a, b;
		int wanted;
	} rows[] = {
		{ "good", good, pin_entry(4, KVM_IRQCHIP_IOAPIC, 4), 0 },
		{ "two chips on a GSI", good, pin_entry(3, KVM_IRQCHIP_PIC_MASTER, 3), 0 },
		{ "one chip twice on a GSI", good, pin_entry(3, KVM_IRQCHIP_IOAPIC, 5), -EINVAL },
		{ "pin and MSI on a GSI", good, msi_entry(3, 0xfee00000, 0, 0x40), -EINVAL },
		{ "two MSIs on a GSI", msi_entry(3, 0xfee00000, 0, 0x40),
		 msi_entry(3, 0xfee00000, 0, 0x41), -EINVAL },
		{ "GSI 4095", good, pin_entry(4095, KVM_IRQCHIP_IOAPIC, 4), 0 },
		{ "GSI 4096", good, pin_entry(4096, KVM_IRQCHIP_IOAPIC, 4), -EINVAL },
		{ "GSI ~0", good, pin_entry(~0u, KVM_IRQCHIP_IOAPIC, 4), -EINVAL },
		{ "I/O APIC pin 23", good, pin_entry(4, KVM_IRQCHIP_IOAPIC, 23), 0 },
		{ "I/O APIC pin 24", good, pin_entry(4, KVM_IRQCHIP_IOAPIC, 24), -EINVAL },
		{ "8259 pin 8", good, pin_entry(4, KVM_IRQCHIP_PIC_SLAVE, 8), -EINVAL },
		{ "chip 3", good, pin_entry(4, 3, 0), -EINVAL },
		{ "type 0", good, { .gsi = 4 }, -EINVAL },
		{ "type Xen", good, { .gsi = 4, .type = 5 }, -EINVAL },
		{ "flags", good, { .gsi = 4, .type = KVM_IRQ_ROUTING_MSI, .flags = 1 }, -EINVAL },
	};
	unsigned int i;

	m = model_create(IRQCHIP_KERNEL, 1);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kvm_irq_routing_entry e[2] = { rows[i].a, rows[i].b };

		CHECK_RET(rows[i].name, rows[i].wanted, set(e, 2));
	}
	CHECK_RET("flags of the call", -EINVAL, keel_irq_set_routing(&m->vm, &good, 1, 1));
	CHECK_RET("empty table", 0, set(NULL, 0));
	CHECK_RET("then no GSI", -EINVAL, keel_irq_line(&m->vm, 3, 1));
	model_destroy(m);
}

static void test_default(void)
{
	m = model_create(IRQCHIP_KERNEL, 1);
	CHECK_EQ("GSI 4 drives", 4, route_chip_to_gsi(m->vm.irq, KVM_IRQCHIP_PIC_MASTER, 4));
	CHECK_EQ("GSI 12 drives the slave", 12,
		 route_chip_to_gsi(m->vm.irq, KVM_IRQCHIP_PIC_SLAVE, 4));
	CHECK_EQ("GSI 23", 23, route_chip_to_gsi(m->vm.irq, KVM_IRQCHIP_IOAPIC, 23));
	CHECK_EQ("pin out of range", -1, route_chip_to_gsi(m->vm.irq, KVM_IRQCHIP_IOAPIC, 24));
	CHECK_RET("GSI 24 is none", -EINVAL, keel_irq_line(&m->vm, 24, 1));
	CHECK_RET("GSI ~0 is none", -EINVAL, keel_irq_line(&m->vm, ~0u, 1));
	model_destroy(m);
}

/* All VMs begin with the same table, and forks have their parent's: who sets routes of his own, forks or goes leaves it to the others. */
static void test_tables_are_shared(void)
{
	struct model *other = model_create(IRQCHIP_KERNEL, 0), *child;
	struct kvm_irq_routing_entry own = pin_entry(9, KVM_IRQCHIP_IOAPIC, 4);

	m = model_create(IRQCHIP_KERNEL, 0);
	child = model_create(IRQCHIP_KERNEL, 0);
	ASSERT_EQ(set(&own, 1), 0);
	CHECK_EQ("its own", 9, route_chip_to_gsi(m->vm.irq, KVM_IRQCHIP_IOAPIC, 4));
	CHECK_EQ("the other's", 4, route_chip_to_gsi(other->vm.irq, KVM_IRQCHIP_IOAPIC, 4));
	route_share(child->vm.irq, other->vm.irq);
	CHECK_EQ("a fork of the default's", 4, route_chip_to_gsi(child->vm.irq, KVM_IRQCHIP_IOAPIC, 4));
	route_share(child->vm.irq, m->vm.irq);
	CHECK_EQ("a fork of its own's", 9, route_chip_to_gsi(child->vm.irq, KVM_IRQCHIP_IOAPIC, 4));
	CHECK_EQ("is no copy", 1, child->vm.irq->routes == m->vm.irq->routes);
	own.gsi = 10;
	ASSERT_EQ(set(&own, 1), 0);
	CHECK_EQ("its next own", 10, route_chip_to_gsi(m->vm.irq, KVM_IRQCHIP_IOAPIC, 4));
	CHECK_EQ("is not the child's", 9, route_chip_to_gsi(child->vm.irq, KVM_IRQCHIP_IOAPIC, 4));
	model_destroy(m);
	CHECK_EQ("nor is its end", 9, route_chip_to_gsi(child->vm.irq, KVM_IRQCHIP_IOAPIC, 4));
	model_destroy(child);
	CHECK_EQ("the last one's", 4, route_chip_to_gsi(other->vm.irq, KVM_IRQCHIP_IOAPIC, 4));
	CHECK_RET("GSI 4 drives both", 2, keel_irq_line(&other->vm, 4, 0));
	model_destroy(other);
	m = model_create(IRQCHIP_KERNEL, 0);
	CHECK_EQ("the next one's", 4, route_chip_to_gsi(m->vm.irq, KVM_IRQCHIP_IOAPIC, 4));
	model_destroy(m);
}

static int msi(u32 lo, u32 hi, u32 data)
{
	struct kvm_msi args = { .address_lo = lo, .address_hi = hi, .data = data };

	return keel_signal_msi(&m->vm, &args);
}

static void test_msi(void)
{
	m = model_create(IRQCHIP_SPLIT, 4);
	CHECK_RET("physical 2", 1, msi(0xfee02000, 0, 0x41));
	CHECK_EQ("arrived", 0x41, keel_irq_ack(&m->vcpu[2]));
	CHECK_RET("nobody", 0, msi(0xfee09000, 0, 0x41));
	CHECK_RET("broadcast", 4, msi(0xfeeff000, 0, 0x51));
	CHECK_RET("pending everywhere counts", 4, msi(0xfeeff000, 0, 0x51));
	CHECK_RET("NMI", 1, msi(0xfee01000, 0, 0x400));
	CHECK_EQ("arrived", 1, m->vcpu[1].nmis);
	lapic_put(&m->vcpu[0], APIC_LDR, 0x01000000);
	lapic_put(&m->vcpu[3], APIC_LDR, 0x08000000);
	CHECK_RET("logical 0x09", 2, msi(0xfee09004, 0, 0x61));
	CHECK_RET("redirection hint: one of them", 1, msi(0xfee0900c, 0, 0x62));
	CHECK_RET("lowest priority: one of them", 1, msi(0xfee09004, 0, 0x163));
	CHECK_RET("flags", -EINVAL, keel_signal_msi(&m->vm, &(struct kvm_msi){ .flags = 1 }));
	model_destroy(m);
}

/* A large VM: the MSI of a line for many vCPUs waits while interrupts are off. */
static void test_msi_wide(void)
{
	struct kvm_irq_routing_entry e = msi_entry(40, 0xfeeff000, 0, 0x51);

	m = model_create(IRQCHIP_SPLIT, 2);
	model_add_vcpu(m, 100);
	ASSERT_EQ(set(&e, 1), 0);
	shim_irqs_off = 1;
	CHECK_EQ("counts as taken", 1, keel_irq_line(&m->vm, 40, 1));
	CHECK_EQ("an MSI has no other edge", IRQ_IGNORED, keel_irq_line(&m->vm, 40, 0));
	shim_irqs_off = 0;
	CHECK_EQ("not yet", -1, keel_irq_ack(&m->vcpu[1]));
	flush_work(&m->vm.irq->wide_work);
	CHECK_EQ("then", 0x51, keel_irq_ack(&m->vcpu[1]));
	CHECK_EQ("to all", 0x51, keel_irq_ack(&m->vcpu[2]));
	lapic_put(&m->vcpu[1], APIC_EOI, 0);
	m->vm.irq->wide_work.queued = 1;
	flush_work(&m->vm.irq->wide_work);
	CHECK_EQ("once", -1, keel_irq_ack(&m->vcpu[1]));
	model_destroy(m);
}

static void test_msi_32bit(void)
{
	m = model_create(IRQCHIP_SPLIT, 2);
	CHECK_RET("high bits ignored without the capability", 1, msi(0xfee01000, 0x100, 0x41));
	m->vm.x2apic_32bit_ids = true;
	CHECK_RET("ID 0x101 is nobody", 0, msi(0xfee01000, 0x100, 0x42));
	CHECK_RET("low byte of the high half is reserved", -EINVAL, msi(0xfee01000, 1, 0x42));
	model_add_vcpu(m, 0x101);
	CHECK_RET("now somebody", 1, msi(0xfee01000, 0x100, 0x43));
	CHECK_EQ("arrived", 0x43, keel_irq_ack(&m->vcpu[2]));
	model_destroy(m);
}

/* Split mode: levels on the pins of user space's I/O APIC end in an exit, others do not. */
static void test_split_eoi(void)
{
	struct kvm_irq_routing_entry e[] = {
		msi_entry(5, 0xfee00000, 0, 0x8045),
		msi_entry(6, 0xfee00000, 0, 0x0046),
		msi_entry(30, 0xfee00000, 0, 0x8047),
	};
	struct vcpu *vcpu;
	unsigned int i;

	m = model_create(IRQCHIP_SPLIT, 1);
	vcpu = &m->vcpu[0];
	ASSERT_EQ(set(e, 3), 0);
	CHECK_RET("pins are refused", -EINVAL,
		  set((struct kvm_irq_routing_entry[]){ pin_entry(1, 2, 1) }, 1));
	for (i = 0; i < 3; i++) {
		vcpu->requests = 0;
		CHECK_EQ("sent", 1, keel_irq_line(&m->vm, e[i].gsi, 1));
		CHECK_EQ("taken", 0x45 + i, keel_irq_ack(vcpu));
		lapic_put(vcpu, APIC_EOI, 0);
		CHECK_EQ("exit for a level on pins 0..23 only", i == 0,
			 !!(vcpu->requests & BIT(REQ_IOAPIC_EOI_EXIT)));
	}
	CHECK_EQ("vector", 0x45, vcpu->apic.eoi_vector);
	model_destroy(m);
}

/* A tick of the 8254 waits for the end of its interrupt, which nobody connects with it where GSI 0 has left that pin. */
static void test_timer_moves(void)
{
	struct kvm_irq_routing_entry on[] = { pin_entry(0, KVM_IRQCHIP_IOAPIC, 2), pin_entry(0, KVM_IRQCHIP_PIC_MASTER, 0) };
	const struct {
		const char *name;
		struct kvm_irq_routing_entry e[3];
		unsigned int forgets;
	} rows[] = {
		{ "as it is", { on[0], on[1] }, 0 },
		{ "another GSI comes", { on[0], on[1], msi_entry(40, 0xfee00000, 0, 0x40) }, 0 },
		{ "in another order", { on[1], on[0] }, 0 },
		{ "another pin", { pin_entry(0, KVM_IRQCHIP_IOAPIC, 0), on[1] }, 1 },
		{ "back", { on[0], on[1] }, 1 },
		{ "one pin less", { on[1] }, 1 },
		{ "an MSI", { msi_entry(0, 0xfee00000, 0, 0x40) }, 1 },
	};
	unsigned int i, n;

	m = model_create(IRQCHIP_KERNEL, 1);
	ASSERT_EQ(set(on, 2), 0);
	m->vm.irq->pit = (struct pit *)8;	/* only its presence counts */
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		model_pit_forgets = 0;
		for (n = 0; n < 3 && rows[i].e[n].type; n++)
			;
		ASSERT_EQ(set(rows[i].e, n), 0);
		CHECK_EQ(rows[i].name, rows[i].forgets, model_pit_forgets);
	}
	m->vm.irq->pit = NULL;
	model_destroy(m);
}

static unsigned int published, told;

/* Another thread finds the new table at once: its interrupt is taken and ended. */
static void send_by_new_table(void)
{
	struct vcpu *vcpu = &m->vcpu[0];

	published++;
	vcpu->requests = 0;
	ASSERT_EQ(keel_irq_line(&m->vm, 5, 1), 1);
	ASSERT_EQ(keel_irq_ack(vcpu), 0x48);
	lapic_put(vcpu, APIC_EOI, 0);
	told += !!(vcpu->requests & BIT(REQ_IOAPIC_EOI_EXIT));
}

static void test_split_eoi_at_once(void)
{
	struct kvm_irq_routing_entry e = msi_entry(5, 0xfee00000, 0, 0x8045), other = msi_entry(5, 0xfee00000, 0, 0x8048);

	m = model_create(IRQCHIP_SPLIT, 1);
	ASSERT_EQ(set(&e, 1), 0);
	shim_published = send_by_new_table;
	ASSERT_EQ(set(&other, 1), 0);
	shim_published = NULL;
	CHECK_EQ("published", 1, published);
	CHECK_EQ("the end of an interrupt sent at once is told", 1, told);
	model_destroy(m);
}

static const struct test_case cases[] = {
	{ "refusals", test_refusals },
	{ "default", test_default },
	{ "tables_are_shared", test_tables_are_shared },
	{ "msi", test_msi },
	{ "msi_wide", test_msi_wide },
	{ "msi_32bit", test_msi_32bit },
	{ "split_eoi", test_split_eoi },
	{ "split_eoi_at_once", test_split_eoi_at_once },
	{ "timer_moves", test_timer_moves },
};

TEST_MAIN(cases)
