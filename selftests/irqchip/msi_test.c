// SPDX-License-Identifier: GPL-2.0-only
/*
 * Message-signalled interrupts: KVM_SIGNAL_MSI and routed through a GSI, by
 * physical and logical destination, NMI, lowest priority, and a routing table
 * that is replaced while the VM lives.
 */
#include "apic.h"
#include "thread.h"

#define V	0x62
#define W	0x63
#define GSI	30

static void guest_take(u64 n)
{
	u64 i;

	apic_enable(APIC_X1);
	apic_write(APIC_LDR, 8 << 24);
	guest_handlers[V] = irq_count_handler;
	guest_handlers[W] = irq_count_handler;
	guest_handlers[VEC_NMI] = irq_count_only;
	for (i = 0; i < n; i++) {
		GUEST_SYNC(1);
		irq_window();
		GUEST_SYNC2(irq_count[V] | irq_count[W] << 8, irq_count[VEC_NMI]);
	}
}

static void expect_counts(struct vcpu *vcpu, const char *name, u64 counts, u64 nmis)
{
	struct ucall uc;

	ASSERT_EQ(vcpu_run_ucall(vcpu, &uc), UCALL_SYNC);
	test_note("%s", name);
	CHECK_EQ("interrupts", counts, uc.args[0]);
	CHECK_EQ("NMIs", nmis, uc.args[1]);
	if (vcpu_run_ucall(vcpu, &uc) == UCALL_SYNC)
		ASSERT_EQ(uc.args[0], 1);
}

static void test_signal(void)
{
	static const struct {
		const char *name;
		u64 addr;
		u32 data;
		int ret;
		u32 counts, nmis;
	} rows[] = {
		{ "physical", APIC_MMIO, V, 1, 1, 0 },
		{ "physical, nobody", APIC_MMIO | 9 << 12, V, 0, 1, 0 },
		{ "logical", APIC_MMIO | 8 << 12 | BIT(2) | BIT(3), V, 1, 2, 0 },
		{ "logical, nobody", APIC_MMIO | 4 << 12 | BIT(2) | BIT(3), V, 0, 2, 0 },
		{ "broadcast", APIC_MMIO | 0xff << 12, W, 1, 0x102, 0 },
		{ "lowest priority", APIC_MMIO | 8 << 12 | BIT(2) | BIT(3), W | 0x100, 1, 0x202, 0 },
		{ "NMI", APIC_MMIO, 0x400, 1, 0x202, 1 },
	};
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_take);
	u32 i;

	vcpu_args(vcpu, ARRAY_SIZE(rows), 0, 0);
	vcpu_run_sync(vcpu, 1);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		CHECK_RET(rows[i].name, rows[i].ret, vm_signal_msi(vm, rows[i].addr, rows[i].data));
		expect_counts(vcpu, rows[i].name, rows[i].counts, rows[i].nmis);
	}
}

/* A vector that is pending already counts as taken. */
static void test_pending(void)
{
	static const struct { const char *name; u32 spiv, data; int ret; } rows[] = {
		{ "software-disabled", 0xff, V, 0 }, { "enabled", 0x1ff, V, 1 },
		{ "pending", 0x1ff, V, 1 }, { "another", 0x1ff, W, 1 },
	};
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_take);
	struct kvm_lapic_state state;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		vcpu_ioctl(vcpu, KVM_GET_LAPIC, &state);
		memcpy(state.regs + APIC_SPIV, &rows[i].spiv, sizeof(u32));
		vcpu_ioctl(vcpu, KVM_SET_LAPIC, &state);
		CHECK_RET(rows[i].name, rows[i].ret, vm_signal_msi(vm, APIC_MMIO, rows[i].data));
	}
}

static void pulse(struct vm *vm)
{
	vm_irq_line(vm, GSI, 1);
	vm_irq_line(vm, GSI, 0);
}

static void test_route(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_take);
	struct kvm_irq_routing none = { 0 };

	vcpu_args(vcpu, 4, 0, 0);
	vcpu_run_sync(vcpu, 1);
	vm_route_msi(vm, GSI, APIC_MMIO, V);
	pulse(vm);
	expect_counts(vcpu, "routed", 1, 0);
	vm_route_msi(vm, GSI, APIC_MMIO, W);
	pulse(vm);
	expect_counts(vcpu, "routed elsewhere", 0x101, 0);
	vm_ioctl(vm, KVM_SET_GSI_ROUTING, &none);
	pulse(vm);
	expect_counts(vcpu, "no routes", 0x101, 0);
	vm_route_msi(vm, GSI, APIC_MMIO, V);
	pulse(vm);
	expect_counts(vcpu, "routed again", 0x102, 0);
}

static const struct test_case cases[] = {
	{ "signal", test_signal },
	{ "pending", test_pending },
	{ "route", test_route },
};

TEST_MAIN(cases)
