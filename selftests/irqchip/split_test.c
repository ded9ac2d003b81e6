// SPDX-License-Identifier: GPL-2.0-only
/*
 * Split irqchip: local APICs in the kernel, I/O APIC and PIC in user space.
 * Level routes announced by KVM_SET_GSI_ROUTING give KVM_EXIT_IOAPIC_EOI at
 * their EOI; KVM_INTERRUPT serves as the PIC; KVM_IRQ_LINE has no chip.
 */
#include "apic.h"
#include "thread.h"

#define V	0x65
#define W	0x66
#define X	0x33
#define PIN	4

static void guest_eoi(void)
{
	apic_enable(APIC_X1);
	guest_handlers[V] = irq_count_handler;
	guest_handlers[W] = irq_count_handler;
	GUEST_SYNC(1);
	irq_window();		/* level V: EOI exits */
	GUEST_EQ(irq_count[V], 1);
	GUEST_SYNC(2);
	irq_window();		/* edge W: EOI does not */
	GUEST_EQ(irq_count[W], 1);
}

static void test_eoi(void)
{
	struct vm *vm;
	struct vcpu *vcpu;

	REQUIRE_CAP(KVM_CAP_SPLIT_IRQCHIP);
	vm = vm_create(VM_GUEST | VM_SPLIT);
	vcpu = vcpu_create_guest(vm, 0, guest_eoi);
	vm_route_msi(vm, PIN, APIC_MMIO, V | BIT(14) | BIT(15));
	vcpu_run_sync(vcpu, 1);
	ASSERT_EQ(vm_signal_msi(vm, APIC_MMIO, V | BIT(14) | BIT(15)), 1);
	RUN_TO(vcpu, KVM_EXIT_IOAPIC_EOI);
	CHECK_EQ("vector", V, vcpu->run->eoi.vector);
	vcpu_run_sync(vcpu, 2);
	ASSERT_EQ(vm_signal_msi(vm, APIC_MMIO, W), 1);
	vcpu_run_done(vcpu);
}

static void guest_extint(void)
{
	apic_enable(APIC_X1);
	apic_write(APIC_LVT0, 0x700);
	guest_handlers[X] = irq_count_only;
	GUEST_SYNC(1);
	sti_nop();
	cli();
	GUEST_EQ(irq_count[X], 1);
}

static void test_extint(void)
{
	struct kvm_interrupt irq = { .irq = X };
	struct vm *vm;
	struct vcpu *vcpu;

	REQUIRE_CAP(KVM_CAP_SPLIT_IRQCHIP);
	vm = vm_create(VM_GUEST | VM_SPLIT);
	vcpu = vcpu_create_guest(vm, 0, guest_extint);
	vcpu_run_sync(vcpu, 1);
	vcpu_complete(vcpu);
	vcpu->run->request_interrupt_window = 1;
	RUN_TO(vcpu, KVM_EXIT_IRQ_WINDOW_OPEN);
	CHECK_EQ("ready", 1, vcpu->run->ready_for_interrupt_injection);
	vcpu->run->request_interrupt_window = 0;
	vcpu_ioctl(vcpu, KVM_INTERRUPT, &irq);
	vcpu_run_done(vcpu);
}

/* LINT0 masked: nobody takes the PIC's interrupt, and the guest goes on. Unmasked: the window opens. */
static void guest_masked(void)
{
	unsigned int i;

	apic_enable(APIC_X1);
	apic_write(APIC_LVT0, 0x10700);
	guest_handlers[X] = irq_count_only;
	sti_nop();
	GUEST_SYNC(1);
	for (i = 0; i < 1000; i++)
		pause_insn();
	GUEST_SYNC(2);
	apic_write(APIC_LVT0, 0x700);
	for (i = 0; i < 1000; i++)
		pause_insn();
	cli();
	GUEST_EQ(irq_count[X], 1);
}

static void test_masked(void)
{
	struct kvm_interrupt irq = { .irq = X };
	struct vm *vm;
	struct vcpu *vcpu;

	REQUIRE_CAP(KVM_CAP_SPLIT_IRQCHIP);
	vm = vm_create(VM_GUEST | VM_SPLIT);
	vcpu = vcpu_create_guest(vm, 0, guest_masked);
	vcpu_run_sync(vcpu, 1);
	vcpu->run->request_interrupt_window = 1;
	vcpu_run_sync(vcpu, 2);
	CHECK_EQ("ready", 0, vcpu->run->ready_for_interrupt_injection);
	RUN_TO(vcpu, KVM_EXIT_IRQ_WINDOW_OPEN);
	CHECK_EQ("ready", 1, vcpu->run->ready_for_interrupt_injection);
	vcpu->run->request_interrupt_window = 0;
	vcpu_ioctl(vcpu, KVM_INTERRUPT, &irq);
	vcpu_run_done(vcpu);
}

static void test_no_chip(void)
{
	struct kvm_irq_level line = { .irq = PIN, .level = 1 };
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct vm *vm;

	REQUIRE_CAP(KVM_CAP_SPLIT_IRQCHIP);
	vm = vm_create(VM_BARE | VM_SPLIT);
	CHECK_RET("CREATE_IRQCHIP after it", -EEXIST, __vm_ioctl(vm, KVM_CREATE_IRQCHIP, NULL));
	CHECK_RET("GET_IRQCHIP", -ENXIO, __vm_ioctl(vm, KVM_GET_IRQCHIP, &chip));
	vm_route_msi(vm, PIN, APIC_MMIO, V);
	CHECK_RET("IRQ_LINE on a routed GSI", 0, __vm_ioctl(vm, KVM_IRQ_LINE, &line));
}

static const struct test_case cases[] = {
	{ "ioapic_eoi", test_eoi },
	{ "external_interrupt", test_extint },
	{ "external_interrupt_masked", test_masked },
	{ "no_chip", test_no_chip },
};

TEST_MAIN(cases)
