// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_X86_SET_MSR_FILTER: a denied MSR raises #GP or leaves to user space, one
 * outside all ranges follows the default, reads and writes are separate, user
 * space's own access is not filtered, and bad filters are refused.
 */
#include "guest.h"

#define SYSENTER_CS	0x174
#define SYSENTER_ESP	0x175
#define PAT		0x277

static void guest_denied(void)
{
	u64 v;

	GUEST_ROW("read, allowed", NO_FAULT, rdmsr_safe(SYSENTER_CS, &v));
	GUEST_ROW("write, denied", VEC_GP, wrmsr_safe(SYSENTER_CS, 8));
	GUEST_ROW("the next one, allowed", NO_FAULT, wrmsr_safe(SYSENTER_ESP, 8));
	GUEST_ROW("outside the range, default allow", NO_FAULT, rdmsr_safe(PAT, &v));
	GUEST_SYNC(1);
	GUEST_ROW("filter gone", NO_FAULT, wrmsr_safe(SYSENTER_CS, 8));
	GUEST_SYNC(2);
	GUEST_ROW("default deny", VEC_GP, rdmsr_safe(PAT, &v));
	GUEST_ROW("default deny, range allows", NO_FAULT, rdmsr_safe(SYSENTER_CS, &v));
}

static int set_filter(struct vm *vm, u32 flags, u32 rw, u32 base, u32 n, void *bitmap)
{
	struct kvm_msr_filter f = {
		.flags = flags,
		.ranges[0] = { .flags = rw, .nmsrs = n, .base = base, .bitmap = bitmap },
	};

	return __vm_ioctl(vm, KVM_X86_SET_MSR_FILTER, &f);
}

static void test_denied(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu;
	u8 bits[8] = { 0xfe }, allow[8] = { 0xff };

	REQUIRE_CAP(KVM_CAP_X86_MSR_FILTER);
	ASSERT_EQ(set_filter(vm, 0, KVM_MSR_FILTER_WRITE, SYSENTER_CS, 8, bits), 0);
	vcpu = vcpu_create_guest(vm, 0, guest_denied);
	vcpu_set_msr(vcpu, SYSENTER_CS, 0x33);
	vcpu_run_sync(vcpu, 1);
	ASSERT_EQ(set_filter(vm, 0, 0, 0, 0, NULL), 0);
	vcpu_run_sync(vcpu, 2);
	ASSERT_EQ(set_filter(vm, KVM_MSR_FILTER_DEFAULT_DENY,
			     KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, SYSENTER_CS, 8, allow), 0);
	vcpu_run_done(vcpu);
}

static void guest_exit(void)
{
	u64 v = 0;

	GUEST_EQ(wrmsr_safe(SYSENTER_CS, 0x1234), NO_FAULT);
	GUEST_EQ(rdmsr_safe(SYSENTER_CS, &v), NO_FAULT);
	GUEST_EQ(v, 0x5678);
}

static void test_exit(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu;
	u8 bits[8] = { 0 };

	REQUIRE_CAP(KVM_CAP_X86_MSR_FILTER);
	REQUIRE_CAP(KVM_CAP_X86_USER_SPACE_MSR);
	vm_enable_cap(vm, KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_FILTER);
	ASSERT_EQ(set_filter(vm, 0, KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, SYSENTER_CS, 8, bits), 0);
	vcpu = vcpu_create_guest(vm, 0, guest_exit);
	RUN_TO(vcpu, KVM_EXIT_X86_WRMSR);
	CHECK_EQ("reason", KVM_MSR_EXIT_REASON_FILTER, vcpu->run->msr.reason);
	CHECK_EQ("index", SYSENTER_CS, vcpu->run->msr.index);
	CHECK_EQ("data", 0x1234, vcpu->run->msr.data);
	vcpu->run->msr.error = 0;
	RUN_TO(vcpu, KVM_EXIT_X86_RDMSR);
	vcpu->run->msr.data = 0x5678;
	vcpu->run->msr.error = 0;
	vcpu_run_done(vcpu);
	CHECK_EQ("the MSR itself is untouched", 0, vcpu_msr(vcpu, SYSENTER_CS));
}

static void test_refusals(void)
{
	struct vm *vm = vm_create(VM_BARE);
	u8 bits[8] = { 0 };

	REQUIRE_CAP(KVM_CAP_X86_MSR_FILTER);
	CHECK_RET("unknown flag", -EINVAL, set_filter(vm, 2, 0, 0, 0, NULL));
	CHECK_RET("unknown flag of a range", -EINVAL, set_filter(vm, 0, 4, 0x174, 8, bits));
	CHECK_RET("range without a direction", -EINVAL, set_filter(vm, 0, 0, 0x174, 8, bits));
	CHECK_RET("huge range", -EINVAL, set_filter(vm, 0, 1, 0, 0xffffffff, bits));
	CHECK_RET("no ranges, default deny", -EINVAL, set_filter(vm, 1, 0, 0, 0, NULL));
	CHECK_RET("x2APIC range (cannot be filtered, is accepted)", 0, set_filter(vm, 0, 1, 0x800, 8, bits));
}

static const struct test_case cases[] = {
	{ "denied", test_denied },
	{ "to_user_space", test_exit },
	{ "refusals", test_refusals },
};

TEST_MAIN(cases)
