// SPDX-License-Identifier: GPL-2.0-only
/*
 * KEEL_GET_LAST_ERROR: nothing before a failure; afterwards the count, the vCPU
 * and a text that names the instruction, on VM and vCPU descriptors alike; other
 * commands of that type are unknown.
 */
#include <linux/ioctl.h>
#include <uapi/linux/keel.h>

#include "guest.h"

/* x87 state to a device: no emulator of ours, nor KVM's, executes this. */
static void guest_fault(void)
{
	asm volatile("fnstenv (%0)" : : "r" (VM_MMIO) : "memory");
}

static void test_none(void)
{
	struct vm *vm = vm_create(VM_BARE);
	struct keel_last_error error;

	REQUIRE_CAP(KEEL_CAP_LAST_ERROR);
	memset(&error, 0x55, sizeof(error));
	CHECK_RET("KEEL_GET_LAST_ERROR", 0, __vm_ioctl(vm, KEEL_GET_LAST_ERROR, &error));
	CHECK_EQ("count", 0, error.count);
	CHECK_EQ("text", 0, error.text[0]);
	CHECK_RET("nowhere to put it", -EFAULT, __vm_ioctl(vm, KEEL_GET_LAST_ERROR, NULL));
	CHECK_RET("another command", -ENOTTY, __vm_ioctl(vm, _IO(KEELIO, 0x7f), NULL));
}

static void test_emulation(void)
{
	struct keel_last_error of_vm = {}, of_vcpu = {};
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu;

	REQUIRE_CAP(KEEL_CAP_LAST_ERROR);
	vcpu = vcpu_create_guest(vm, 3, guest_fault);
	RUN_TO(vcpu, KVM_EXIT_INTERNAL_ERROR);
	vm_ioctl(vm, KEEL_GET_LAST_ERROR, &of_vm);
	vcpu_ioctl(vcpu, KEEL_GET_LAST_ERROR, &of_vcpu);
	test_note("%s", of_vm.text);
	CHECK_EQ("count", 1, of_vm.count);
	CHECK_EQ("vCPU", 3, of_vm.vcpu);
	CHECK_EQ("the text ends", 1, !!memchr(of_vm.text, 0, sizeof(of_vm.text)));
	CHECK_EQ("it speaks of emulation", 1, !!strstr(of_vm.text, "emulate"));
	CHECK_EQ("the vCPU says the same", 0, memcmp(&of_vm, &of_vcpu, sizeof(of_vm)));
	CHECK_RET("another command", -EINVAL, __vcpu_ioctl(vcpu, _IO(KEELIO, 0x7f), NULL));
	vcpu_run(vcpu);
	vm_ioctl(vm, KEEL_GET_LAST_ERROR, &of_vm);
	CHECK_EQ("count after the second", 2, of_vm.count);
}

static const struct test_case cases[] = {
	{ "none", test_none },
	{ "emulation", test_emulation },
};

TEST_MAIN(cases)
