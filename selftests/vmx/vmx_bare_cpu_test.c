// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU that was created on a CPU without VMX has the same controls as any other, once it runs
 * where VMX is. How the second CPU comes to be without VMX $KEEL_BARE_CPU says (a command for the
 * shell): no test does that unasked.
 */
#include <stdlib.h>

#include "thread.h"

static const u32 msrs[] = {
	0x17, 0x3a, 0x8b, 0xce, 0xfe, 0x179, 0x17a, 0x1a0, 0x277, 0x2ff, 0x345, 0x480, 0x485, 0x48d, 0x490,
};

static volatile struct {
	u32 fault;
	u64 value;
} seen[ARRAY_SIZE(msrs)];

static void guest_reads(void)
{
	unsigned int i;
	u64 value;

	for (i = 0; i < ARRAY_SIZE(msrs); i++) {
		value = 0;
		seen[i].fault = rdmsr_safe(msrs[i], &value);
		seen[i].value = value;
	}
}

static void test_created_there(void)
{
	struct vm *vm = vm_create(VM_GUEST), *bare_vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_reads), *bare;
	char name[32];
	unsigned int i;

	REQUIRE(getenv("KEEL_BARE_CPU"), "KEEL_BARE_CPU does not say how");
	REQUIRE(host_cpu(1) >= 0, "no second CPU");
	ASSERT_EQ(system(getenv("KEEL_BARE_CPU")), 0);
	ASSERT_EQ(host_pin(0, host_cpu(1)), 0);
	bare = vcpu_create_guest(bare_vm, 0, guest_reads);
	for (i = 0; i < 3; i++)
		CHECK_EQ("KVM_RUN there", -EIO, __vcpu_run(bare));

	ASSERT_EQ(host_pin(0, host_cpu(0)), 0);
	vcpu_run_done(vcpu);
	vcpu_run_done(bare);
	for (i = 0; i < ARRAY_SIZE(msrs); i++) {
		snprintf(name, sizeof(name), "RDMSR 0x%x: vector", msrs[i]);
		CHECK_EQ(name, (*GUEST_VAR(vm, seen))[i].fault, (*GUEST_VAR(bare_vm, seen))[i].fault);
		snprintf(name, sizeof(name), "RDMSR 0x%x: value", msrs[i]);
		CHECK_EQ(name, (*GUEST_VAR(vm, seen))[i].value, (*GUEST_VAR(bare_vm, seen))[i].value);
	}
}

static const struct test_case cases[] = {
	{ "created_there", test_created_there, 60 },
};

TEST_MAIN(cases)
