// SPDX-License-Identifier: GPL-2.0-only
/*
 * I/O APIC: registers, edge and level delivery of KVM_IRQ_LINE, masking, remote
 * IRR and its end by EOI, logical destination, and a level line that stays high
 * comes again.
 */
#include "apic.h"
#include "thread.h"

#define PIN	5
#define V	0x55

static void guest_registers(void)
{
	GUEST_ROW("version and 24 pins", 0x170011, ioapic_read(1));
	GUEST_ROW("ID", 0, ioapic_read(0));
	ioapic_write(0, 0x0f000000);
	GUEST_ROW("ID written", 0x0f000000, ioapic_read(0));
	GUEST_ROW("pins are masked at reset", IOAPIC_MASKED, ioapic_entry(PIN));
	ioapic_route(PIN, IOAPIC_MASKED | IOAPIC_LEVEL | V | 3ULL << 56);
	GUEST_ROW("entry", IOAPIC_MASKED | IOAPIC_LEVEL | V | 3ULL << 56, ioapic_entry(PIN));
	ioapic_route(PIN, IOAPIC_MASKED | IOAPIC_REMOTE_IRR | BIT(12) | V);
	GUEST_ROW("remote IRR and delivery status are read-only", IOAPIC_MASKED | V,
		  ioapic_entry(PIN));
}

static void test_registers(void)
{
	run_guest(VM_IRQCHIP, guest_registers);
}

/* The line is an input of the 8259 as well, whose mask is open at reset. */
static void setup(void)
{
	pic_mask(0xffff);
	apic_enable(APIC_X1);
}

static void guest_edge(void)
{
	setup();
	guest_handlers[V] = irq_count_handler;
	ioapic_route(PIN, V);
	GUEST_SYNC(1);		/* line goes up */
	irq_wait(V, 1);
	GUEST_SYNC(2);		/* still up: no new edge */
	irq_window();
	GUEST_ROW("one edge, one interrupt", 1, irq_count[V]);
	GUEST_ROW("no remote IRR on an edge pin", V, ioapic_entry(PIN));
	ioapic_route(PIN, V | IOAPIC_MASKED);
	GUEST_SYNC(3);		/* down, up, down while masked */
	irq_window();
	GUEST_ROW("masked", 1, irq_count[V]);
	ioapic_route(PIN, V);
	GUEST_SYNC(4);		/* up */
	irq_wait(V, 2);
}

static void test_edge(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_edge);

	vcpu_run_sync(vcpu, 1);
	vm_irq_line(vm, PIN, 1);
	vcpu_run_sync(vcpu, 2);
	vm_irq_line(vm, PIN, 1);
	vcpu_run_sync(vcpu, 3);
	vm_irq_line(vm, PIN, 0);
	vm_irq_line(vm, PIN, 1);
	vm_irq_line(vm, PIN, 0);
	vcpu_run_sync(vcpu, 4);
	vm_irq_line(vm, PIN, 1);
	vcpu_run_done(vcpu);
}

static void guest_level(void)
{
	setup();
	guest_handlers[V] = irq_count_only;
	ioapic_route(PIN, V | IOAPIC_LEVEL);
	GUEST_SYNC(1);		/* line goes up and stays */
	irq_window();
	GUEST_ROW("taken", 1, irq_count[V]);
	GUEST_ROW("remote IRR", IOAPIC_REMOTE_IRR, ioapic_entry(PIN) & IOAPIC_REMOTE_IRR);
	GUEST_ROW("TMR, level", 1, apic_bit(APIC_TMR, V));
	irq_window();
	GUEST_ROW("not again before EOI", 1, irq_count[V]);
	apic_eoi();
	irq_wait(V, 2);
	GUEST_SYNC(2);		/* down */
	apic_eoi();
	irq_window();
	GUEST_ROW("line is down: no more", 2, irq_count[V]);
	GUEST_ROW("remote IRR cleared", 0, ioapic_entry(PIN) & IOAPIC_REMOTE_IRR);
	GUEST_SYNC(3);		/* up, then down before it is taken */
	irq_window();
	GUEST_ROW("latched in IRR", 3, irq_count[V]);
	apic_eoi();
	ioapic_route(PIN, V | IOAPIC_LEVEL | IOAPIC_MASKED);
	GUEST_SYNC(4);		/* up while masked */
	irq_window();
	GUEST_ROW("masked", 3, irq_count[V]);
	ioapic_route(PIN, V | IOAPIC_LEVEL);
	irq_wait(V, 4);
}

static void test_level(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_level);

	vcpu_run_sync(vcpu, 1);
	vm_irq_line(vm, PIN, 1);
	vcpu_run_sync(vcpu, 2);
	vm_irq_line(vm, PIN, 0);
	vcpu_run_sync(vcpu, 3);
	vm_irq_line(vm, PIN, 1);
	vm_irq_line(vm, PIN, 0);
	vcpu_run_sync(vcpu, 4);
	vm_irq_line(vm, PIN, 1);
	vcpu_run_done(vcpu);
}

static void guest_logical(void)
{
	setup();
	guest_handlers[V] = irq_count_handler;
	apic_write(APIC_LDR, 4 << 24);
	ioapic_route(PIN, V | IOAPIC_LOGICAL | 3ULL << 56);
	GUEST_SYNC(1);
	irq_window();
	GUEST_ROW("logical 3 is not us", 0, irq_count[V]);
	ioapic_route(PIN, V | IOAPIC_LOGICAL | 6ULL << 56);
	GUEST_SYNC(2);
	irq_window();
	GUEST_ROW("logical 6 has us", 1, irq_count[V]);
	ioapic_route(PIN, V | 0xffULL << 56);
	GUEST_SYNC(3);
	irq_window();
	GUEST_ROW("physical broadcast", 2, irq_count[V]);
	guest_handlers[VEC_NMI] = irq_count_only;
	ioapic_route(PIN, 0x400);
	GUEST_SYNC(4);
	GUEST_ROW("NMI delivery mode", 1, irq_count[VEC_NMI]);
}

static void test_logical(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_logical);
	u32 i;

	for (i = 1; i <= 4; i++) {
		vcpu_run_sync(vcpu, i);
		vm_irq_line(vm, PIN, 1);
		vm_irq_line(vm, PIN, 0);
	}
	vcpu_run_done(vcpu);
}

static void guest_state(void)
{
	ioapic_route(PIN, V | IOAPIC_LEVEL | IOAPIC_LOGICAL | 1ULL << 56);
	GUEST_SYNC(1);
}

static void test_state(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_state);
	struct kvm_irqchip a = { .chip_id = KVM_IRQCHIP_IOAPIC }, b = a;

	vcpu_run_sync(vcpu, 1);
	vm_ioctl(vm, KVM_GET_IRQCHIP, &a);
	CHECK_EQ("base address", IOAPIC_MMIO, a.chip.ioapic.base_address);
	CHECK_EQ("entry", V | IOAPIC_LEVEL | IOAPIC_LOGICAL | 1ULL << 56,
		 a.chip.ioapic.redirtbl[PIN].bits);
	a.chip.ioapic.redirtbl[PIN].bits ^= 1;
	vm_ioctl(vm, KVM_SET_IRQCHIP, &a);
	vm_ioctl(vm, KVM_GET_IRQCHIP, &b);
	CHECK_EQ("state reads back", 0, memcmp(&a, &b, sizeof(a)));
}

static int line_status(struct vm *vm, u32 gsi, int level)
{
	struct kvm_irq_level line = { .irq = gsi, .level = level };

	vm_ioctl(vm, KVM_IRQ_LINE_STATUS, &line);
	return line.status;
}

/* Who counts lost ticks must not count those of a masked pin: they are ignored, not coalesced. */
static void test_line_status(void)
{
	static const struct {
		const char *name;
		u64 entry;
		u32 gsi;
		int wanted, kvm;	/* stock KVM counts no NMI of a local APIC that is off in software */
	} rows[] = {
		{ "masked", IOAPIC_MASKED | V, 20, -1, -1 }, { "a local APIC that is off in software", V, 20, 0, 0 },
		{ "NMI", 0x400, 20, 1, 0 }, { "level, NMI, masked", IOAPIC_MASKED | IOAPIC_LEVEL | 0x400, 20, -1, -1 },
		{ "no such GSI", 0x400, 24, -1, -1 },
	};
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	u32 i;

	vcpu_create(vm, 0);
	vm_ioctl(vm, KVM_GET_IRQCHIP, &chip);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		chip.chip.ioapic.redirtbl[20].bits = rows[i].entry;
		vm_ioctl(vm, KVM_SET_IRQCHIP, &chip);
		CHECK_EQ(rows[i].name, dev_is_kvm() ? rows[i].kvm : rows[i].wanted, line_status(vm, rows[i].gsi, 1));
		CHECK_EQ("and down again", rows[i].gsi < 24 ? 1 : -1, line_status(vm, rows[i].gsi, 0));
	}
	if (dev_is_kvm())
		return;
	chip.chip.ioapic.redirtbl[20].bits = 0x400;
	vm_ioctl(vm, KVM_SET_IRQCHIP, &chip);
	CHECK_EQ("an edge", 1, line_status(vm, 20, 1));
	CHECK_EQ("none", 0, line_status(vm, 20, 1));
	vm_ioctl(vm, KVM_SET_IRQCHIP, &chip);
	CHECK_EQ("one, in a state in which the line was low", 1, line_status(vm, 20, 1));
}

static const struct test_case cases[] = {
	{ "registers", test_registers },
	{ "edge", test_edge },
	{ "level", test_level },
	{ "destination", test_logical },
	{ "state", test_state },
	{ "line_status", test_line_status },
};

TEST_MAIN(cases)
