// SPDX-License-Identifier: GPL-2.0-only
/*
 * Options of a VM that change what its vCPUs do: which vCPU boots, the TSC
 * frequency, exits that are turned off, 32-bit APIC IDs in the saved state.
 */
#include <linux/kvm_para.h>

#include "apic.h"
#include "thread.h"

static u32 mp_state(struct vcpu *vcpu)
{
	struct kvm_mp_state mp;

	vcpu_ioctl(vcpu, KVM_GET_MP_STATE, &mp);
	return mp.mp_state;
}

static void test_boot_cpu(void)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *a, *b;

	vm_ioctl(vm, KVM_SET_BOOT_CPU_ID, (void *)1);
	a = vcpu_create(vm, 0);
	b = vcpu_create(vm, 1);
	CHECK_EQ("vCPU 0 waits", KVM_MP_STATE_UNINITIALIZED, mp_state(a));
	CHECK_EQ("vCPU 1 runs", KVM_MP_STATE_RUNNABLE, mp_state(b));
	CHECK_EQ("vCPU 0 is no BSP", 0, vcpu_msr(a, MSR_APIC_BASE) & BIT(8));
	CHECK_EQ("vCPU 1 is the BSP", BIT(8), vcpu_msr(b, MSR_APIC_BASE) & BIT(8));
}

static void test_tsc_khz(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	int khz = vcpu_ioctl(vcpu, KVM_GET_TSC_KHZ, NULL), half, ret;

	CHECK_RET("set to what it is", 0, __vcpu_ioctl(vcpu, KVM_SET_TSC_KHZ, (void *)(long)khz));
	CHECK_RET("it is that", khz, __vcpu_ioctl(vcpu, KVM_GET_TSC_KHZ, NULL));
	REQUIRE_CAP(KVM_CAP_VM_TSC_CONTROL);
	half = khz / 2;
	vm = vm_create(VM_GUEST);
	CHECK_RET("of the VM", 0, __vm_ioctl(vm, KVM_SET_TSC_KHZ, (void *)(long)half));
	CHECK_RET("the VM has it", half, __vm_ioctl(vm, KVM_GET_TSC_KHZ, NULL));
	vcpu = vcpu_create(vm, 0);
	CHECK_RET("of its vCPUs", half, __vcpu_ioctl(vcpu, KVM_GET_TSC_KHZ, NULL));
	/* Kernels differ in whether that is refused; it is for vCPUs to come. */
	ret = __vm_ioctl(vm, KVM_SET_TSC_KHZ, (void *)(long)khz);
	if (ret)
		CHECK_RET("of the VM, vCPUs exist", -EINVAL, ret);
	else
		CHECK_RET("of the next vCPU", khz, __vcpu_ioctl(vcpu_create(vm, 1), KVM_GET_TSC_KHZ, NULL));
	CHECK_RET("of the first, still", half, __vcpu_ioctl(vcpu, KVM_GET_TSC_KHZ, NULL));
}

#define V 0x71

static void guest_hlt(void)
{
	apic_enable(APIC_X1);
	guest_handlers[V] = irq_count_handler;
	apic_write(APIC_LVTT, V);
	apic_write(APIC_TMICT, 5000000);
	/* A HLT without an exit may end at a host interrupt. */
	while (!irq_count[V]) {
		sti_hlt();
		cli();
	}
	pause_insn();
}

static void test_disable_exits(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	int can = has_cap(KVM_CAP_X86_DISABLE_EXITS);

	REQUIRE(can & KVM_X86_DISABLE_EXITS_HLT, "no KVM_X86_DISABLE_EXITS_HLT");
	vm_enable_cap(vm, KVM_CAP_X86_DISABLE_EXITS, can & (KVM_X86_DISABLE_EXITS_HLT |
							    KVM_X86_DISABLE_EXITS_PAUSE));
	vcpu_run_done(vcpu_create_guest(vm, 0, guest_hlt));
}

/* Also after a vCPU exists; its next CPUID then has no PV_UNHALT: nobody is told of its HLT. */
static void test_disable_late(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct kvm_cpuid2 *c = supported_cpuid(), *got = supported_cpuid();
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_hlt);

	REQUIRE(has_cap(KVM_CAP_X86_DISABLE_EXITS) & KVM_X86_DISABLE_EXITS_HLT,
		"no KVM_X86_DISABLE_EXITS_HLT");
	vcpu_ioctl(vcpu, KVM_SET_CPUID2, c);
	vcpu_ioctl(vcpu, KVM_GET_CPUID2, got);
	CHECK_EQ("PV_UNHALT", BIT(KVM_FEATURE_PV_UNHALT),
		 cpuid_row(got, KVM_CPUID_FEATURES, 0)->eax & BIT(KVM_FEATURE_PV_UNHALT));
	vm_enable_cap(vm, KVM_CAP_X86_DISABLE_EXITS, KVM_X86_DISABLE_EXITS_HLT);
	vcpu_ioctl(vcpu, KVM_SET_CPUID2, c);
	vcpu_ioctl(vcpu, KVM_GET_CPUID2, got);
	CHECK_EQ("no PV_UNHALT", 0,
		 cpuid_row(got, KVM_CPUID_FEATURES, 0)->eax & BIT(KVM_FEATURE_PV_UNHALT));
	vcpu_run_done(vcpu);
	free(c);
	free(got);
}

static void guest_x2apic(void)
{
	apic_enable(APIC_X2);
	GUEST_SYNC(1);
}

static void test_x2apic_ids(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP), *wide = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu;
	struct kvm_lapic_state l;

	REQUIRE_CAP(KVM_CAP_X2APIC_API);
	vm_enable_cap(wide, KVM_CAP_X2APIC_API, KVM_X2APIC_API_USE_32BIT_IDS);
	vcpu = vcpu_create_guest(vm, 5, guest_x2apic);
	vcpu_run_sync(vcpu, 1);
	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &l);
	CHECK_EQ("ID in the old format", 5 << 24, *(u32 *)(l.regs + APIC_ID));
	*(u32 *)(l.regs + APIC_ID) = 7 << 24;
	CHECK_RET("another ID", 0, __vcpu_ioctl(vcpu, KVM_SET_LAPIC, &l));
	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &l);
	if (!dev_is_kvm())	/* 6.1's takes it */
		CHECK_EQ("is ignored", 5 << 24, *(u32 *)(l.regs + APIC_ID));
	vcpu = vcpu_create_guest(wide, 5, guest_x2apic);
	vcpu_run_sync(vcpu, 1);
	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &l);
	CHECK_EQ("ID of 32 bits", 5, *(u32 *)(l.regs + APIC_ID));
	*(u32 *)(l.regs + APIC_ID) = 7;
	CHECK_RET("another ID of 32 bits", -EINVAL, __vcpu_ioctl(vcpu, KVM_SET_LAPIC, &l));
	CHECK_EQ("LDR follows the ID", 1 << 5, *(u32 *)(l.regs + APIC_LDR));
}

static const struct test_case cases[] = {
	{ "boot_cpu", test_boot_cpu },
	{ "tsc_khz", test_tsc_khz },
	{ "disable_exits", test_disable_exits },
	{ "disable_exits_late", test_disable_late },
	{ "x2apic_ids", test_x2apic_ids },
};

TEST_MAIN(cases)
