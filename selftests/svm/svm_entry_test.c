// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest entry that the CPU refuses, reported to the end: a guest whose CPUID promises wider physical
 * addresses than the host has may hold a CR3 that VMRUN does not take. The run ends with
 * KVM_EXIT_FAIL_ENTRY, Keel names field, value, rule and the ioctl that set it, and with a better CR3 the vCPU goes on.
 * On shadow tables the CPU never sees that CR3: software finds no tables there, and says that.
 */
#include <cpuid.h>
#include <linux/ioctl.h>
#include <uapi/linux/keel.h>

#include "guest.h"

#define WIDE_CR3	(VM_PML4 | BIT(51))

static void guest(void)
{
	GUEST_SYNC(1);
}

static unsigned int host_width(void)
{
	unsigned int a, b, c, d;

	return __get_cpuid(0x80000008, &a, &b, &c, &d) ? a & 0xff : 36;
}

static struct vcpu *wide_vcpu(struct vm *vm)
{
	struct vcpu *vcpu = vcpu_create_guest(vm, 5, guest);
	struct kvm_cpuid2 *c = supported_cpuid();
	struct kvm_cpuid_entry2 *e = cpuid_row(c, 0x80000008, 0);

	e->eax = (e->eax & ~0xffu) | 52;
	vcpu_ioctl(vcpu, KVM_SET_CPUID2, c);
	free(c);
	return vcpu;
}

static void check_words(struct vcpu *vcpu, const char *by)
{
	struct keel_last_error of_vm = {}, of_vcpu = {};
	char value[32];

	if (has_cap(KEEL_CAP_LAST_ERROR) <= 0)
		return;
	snprintf(value, sizeof(value), "CR3 = %#llx", (unsigned long long)WIDE_CR3);
	vm_ioctl(vcpu->vm, KEEL_GET_LAST_ERROR, &of_vm);
	vcpu_ioctl(vcpu, KEEL_GET_LAST_ERROR, &of_vcpu);
	test_note("%s", of_vm.text);
	CHECK_EQ("count", 1, of_vm.count);
	CHECK_EQ("vCPU", 5, of_vm.vcpu);
	CHECK_EQ("says that VMRUN refused", 1, !!strstr(of_vm.text, "VMRUN refused"));
	CHECK_EQ("names field and value", 1, !!strstr(of_vm.text, value));
	CHECK_EQ("names the rule", 1, !!strstr(of_vm.text, "physical address width"));
	CHECK_EQ("names the section", 1, !!strstr(of_vm.text, "(Canonicalization and Consistency Checks)"));
	snprintf(value, sizeof(value), "set by %s: ", by);
	CHECK_EQ(value, 1, !!strstr(of_vm.text, value));
	CHECK_EQ("the vCPU says the same", 0, memcmp(&of_vm, &of_vcpu, sizeof(of_vm)));
}

static void by_sregs(struct vcpu *vcpu, const struct kvm_sregs *sregs)
{
	vcpu_set_sregs(vcpu, sregs);
}

static void by_sregs2(struct vcpu *vcpu, const struct kvm_sregs *sregs)
{
	struct kvm_sregs2 two;

	REQUIRE_CAP(KVM_CAP_SREGS2);
	vcpu_ioctl(vcpu, KVM_GET_SREGS2, &two);
	two.cr3 = sregs->cr3;
	vcpu_ioctl(vcpu, KVM_SET_SREGS2, &two);
}

static void by_run(struct vcpu *vcpu, const struct kvm_sregs *sregs)
{
	REQUIRE_CAP(KVM_CAP_SYNC_REGS);
	vcpu->run->s.regs.sregs = *sregs;
	vcpu->run->kvm_dirty_regs = KVM_SYNC_X86_SREGS;
}

/* Refused by software. */
static void check_no_tables(struct vcpu *vcpu)
{
	struct keel_last_error error = {};
	char value[32];

	RUN_TO(vcpu, KVM_EXIT_INTERNAL_ERROR);
	CHECK_EQ("suberror", KVM_INTERNAL_ERROR_EMULATION, vcpu->run->internal.suberror);
	snprintf(value, sizeof(value), "CR3 = %#llx", (unsigned long long)WIDE_CR3);
	vcpu_ioctl(vcpu, KEEL_GET_LAST_ERROR, &error);
	test_note("%s", error.text);
	CHECK_EQ("count", 1, error.count);
	CHECK_EQ("names the value", 1, !!strstr(error.text, value));
	CHECK_EQ("says what is wrong", 1, !!strstr(error.text, "a page table is in no memory"));
}

static void check_refused(struct vcpu *vcpu, const char *by)
{
	RUN_TO(vcpu, KVM_EXIT_FAIL_ENTRY);
	CHECK_EQ("reason", 0xffffffff, (u32)vcpu->run->fail_entry.hardware_entry_failure_reason);
	check_words(vcpu, by);
}

static void refused(void (*set)(struct vcpu *vcpu, const struct kvm_sregs *sregs), const char *by)
{
	struct kvm_sregs sregs;
	struct vcpu *vcpu;

	REQUIRE(cpuid_row(supported_cpuid(), 0, 0)->ebx == 0x68747541, "no AMD host");
	REQUIRE(host_width() < 52, "this host's addresses are 52 bits wide");
	vcpu = wide_vcpu(vm_create(VM_GUEST));
	sregs = vcpu_sregs(vcpu);
	ASSERT_EQ(sregs.cr3, VM_PML4);
	sregs.cr3 = WIDE_CR3;
	set(vcpu, &sregs);
	if (host_pages_by_shadow())
		check_no_tables(vcpu);
	else
		check_refused(vcpu, by);
	if (host_is_tcg() && has_cap(KEEL_CAP_LAST_ERROR) <= 0) {
		test_note("TCG saves the host's registers as the guest's when it refuses; stock KVM takes them");
		return;
	}
	sregs = vcpu_sregs(vcpu);
	CHECK_EQ("CR3 is still there", WIDE_CR3, sregs.cr3);
	sregs.cr3 = VM_PML4;
	vcpu_set_sregs(vcpu, &sregs);
	vcpu_run_sync(vcpu, 1);
}

static void test_sregs(void)
{
	refused(by_sregs, "KVM_SET_SREGS");
}

static void test_sregs2(void)
{
	refused(by_sregs2, "KVM_SET_SREGS2");
}

static void test_run(void)
{
	refused(by_run, "KVM_RUN (kvm_dirty_regs)");
}

static const struct test_case cases[] = {
	{ "sregs", test_sregs },
	{ "sregs2", test_sregs2 },
	{ "dirty_regs", test_run },
};

TEST_MAIN(cases)
