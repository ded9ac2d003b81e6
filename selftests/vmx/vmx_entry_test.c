// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest entry that the CPU refuses, reported to the end: state that an ioctl lets through and VM entry does not. The run ends with
 * KVM_EXIT_FAIL_ENTRY, at the first entry as at a later one and however often it is tried; Keel names field, value, rule and
 * ioctl; with better state the vCPU goes on.
 */
#include <linux/ioctl.h>
#include <uapi/linux/keel.h>

#include "guest.h"

#define NOT_CANONICAL	BIT(60)
#define INVALID_STATE	0x80000021u

static void guest(void)
{
	GUEST_SYNC(1);
	GUEST_SYNC(2);
}

static void bad_stack(struct vcpu *vcpu)
{
	struct kvm_sregs s = vcpu_sregs(vcpu);

	s.ss.type = 1;
	vcpu_set_sregs(vcpu, &s);
}

static void bad_task(struct vcpu *vcpu)
{
	struct kvm_sregs s = vcpu_sregs(vcpu);

	s.tr.type = 2;
	vcpu_set_sregs(vcpu, &s);
}

static void bad_gs(struct vcpu *vcpu)
{
	struct kvm_sregs2 s;

	REQUIRE_CAP(KVM_CAP_SREGS2);
	vcpu_ioctl(vcpu, KVM_GET_SREGS2, &s);
	s.gs.base = NOT_CANONICAL;
	vcpu_ioctl(vcpu, KVM_SET_SREGS2, &s);
}

static void bad_table(struct vcpu *vcpu)
{
	struct kvm_sregs s = vcpu_sregs(vcpu);

	s.gdt.base = NOT_CANONICAL;
	vcpu_set_sregs(vcpu, &s);
}

static void bad_rip(struct vcpu *vcpu)
{
	struct kvm_regs r = vcpu_regs(vcpu);

	r.rip = NOT_CANONICAL;
	vcpu_set_regs(vcpu, &r);
}

static void make_32bit_code(struct vcpu *vcpu)
{
	struct kvm_sregs s = vcpu_sregs(vcpu);

	s.cs.l = 0;
	s.cs.db = 1;
	vcpu_set_sregs(vcpu, &s);
}

static void high_rip(struct vcpu *vcpu)
{
	struct kvm_regs r = vcpu_regs(vcpu);

	make_32bit_code(vcpu);
	r.rip = BIT(32);
	vcpu_set_regs(vcpu, &r);
}

static void high_rip_by_run(struct vcpu *vcpu)
{
	REQUIRE_CAP(KVM_CAP_SYNC_REGS);
	make_32bit_code(vcpu);
	vcpu->run->s.regs.regs = vcpu_regs(vcpu);
	vcpu->run->s.regs.regs.rip = BIT(32);
	vcpu->run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
}

static const struct {
	const char *name;
	void (*spoil)(struct vcpu *vcpu);
	const char *field;
	const char *by;
	const char *rule;
	const char *section;
} rows[] = {
	{ "read-only stack", bad_stack, "guest SS access rights = ", "KVM_SET_SREGS", "writable data", "Checks on Guest Segment Registers" },
	{ "no TSS", bad_task, "guest TR access rights = ", "KVM_SET_SREGS", "busy TSS", "Checks on Guest Segment Registers" },
	{ "GS base", bad_gs, "guest GS base = 0x1000000000000000", "KVM_SET_SREGS2", "canonical", "Checks on Guest Segment Registers" },
	{ "GDTR base", bad_table, "guest GDTR base = 0x1000000000000000", "KVM_SET_SREGS", "canonical",
	  "Checks on Guest Descriptor-Table Registers" },
	{ "RIP above 4G", high_rip, "guest RIP = 0x100000000", "KVM_SET_REGS", "outside 64-bit mode", "Checks on Guest RIP, RFLAGS, and SSP" },
	{ "RIP through kvm_run", high_rip_by_run, "guest RIP = 0x100000000", "KVM_RUN (kvm_dirty_regs)", "outside 64-bit mode",
	  "Checks on Guest RIP, RFLAGS, and SSP" },
	{ "RIP", bad_rip, "guest RIP = 0x1000000000000000", "KVM_SET_REGS", "must be alike", "Checks on Guest RIP, RFLAGS, and SSP" },
};

static void check_words(struct vcpu *vcpu, size_t i, unsigned int count)
{
	struct keel_last_error error;
	char by[64];

	if (has_cap(KEEL_CAP_LAST_ERROR) <= 0)
		return;
	vcpu_ioctl(vcpu, KEEL_GET_LAST_ERROR, &error);
	test_note("%s", error.text);
	CHECK_EQ("count", count, error.count);
	CHECK_EQ("vCPU", 5, error.vcpu);
	CHECK_EQ("says that the entry was refused", 1, !!strstr(error.text, "VM entry refused"));
	CHECK_EQ(rows[i].field, 1, !!strstr(error.text, rows[i].field));
	CHECK_EQ(rows[i].rule, 1, !!strstr(error.text, rows[i].rule));
	CHECK_EQ(rows[i].section, 1, !!strstr(error.text, rows[i].section));
	snprintf(by, sizeof(by), "set by %s: ", rows[i].by);
	CHECK_EQ(by, 1, !!strstr(error.text, by));
}

/* Registers and events of a vCPU that could go on. */
struct kept {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_vcpu_events events;
};

static void keep(struct vcpu *vcpu, struct kept *kept)
{
	kept->regs = vcpu_regs(vcpu);
	kept->sregs = vcpu_sregs(vcpu);
	vcpu_ioctl(vcpu, KVM_GET_VCPU_EVENTS, &kept->events);
}

static void mend(struct vcpu *vcpu, struct kept *kept)
{
	vcpu_set_sregs(vcpu, &kept->sregs);
	vcpu_set_regs(vcpu, &kept->regs);
	vcpu_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &kept->events);
}

static void refuse(struct vcpu *vcpu, size_t i, unsigned int count)
{
	RUN_TO(vcpu, KVM_EXIT_FAIL_ENTRY);
	CHECK_EQ("reason", INVALID_STATE, vcpu->run->fail_entry.hardware_entry_failure_reason);
	check_words(vcpu, i, count);
}

static void spoil_later(size_t i)
{
	struct vcpu *vcpu = vcpu_create_guest(vm_create(VM_GUEST), 5, guest);
	struct kept kept;

	test_note("%s, at a later entry", rows[i].name);
	vcpu_run_sync(vcpu, 1);
	vcpu_complete(vcpu);
	keep(vcpu, &kept);
	rows[i].spoil(vcpu);
	refuse(vcpu, i, 1);
	/* nothing was mended: the same again */
	refuse(vcpu, i, 2);
	mend(vcpu, &kept);
	vcpu_run_sync(vcpu, 2);
}

/* VMLAUNCH, where a later entry is VMRESUME. */
static void spoil_first(size_t i)
{
	struct vcpu *vcpu = vcpu_create_guest(vm_create(VM_GUEST), 5, guest);
	struct kept kept;

	test_note("%s, at the first entry", rows[i].name);
	keep(vcpu, &kept);
	rows[i].spoil(vcpu);
	RUN_TO(vcpu, KVM_EXIT_FAIL_ENTRY);
	CHECK_EQ("reason", INVALID_STATE, vcpu->run->fail_entry.hardware_entry_failure_reason);
	RUN_TO(vcpu, KVM_EXIT_FAIL_ENTRY);
	CHECK_EQ("reason", INVALID_STATE, vcpu->run->fail_entry.hardware_entry_failure_reason);
	mend(vcpu, &kept);
	vcpu_run_sync(vcpu, 1);
	vcpu_run_sync(vcpu, 2);
}

static void for_all(void (*spoil)(size_t i))
{
	size_t i;

	REQUIRE(cpuid_row(supported_cpuid(), 0, 0)->ebx == 0x756e6547, "no Intel host");
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].spoil == bad_rip && host_is_bochs())
			test_note("Bochs enters with any RIP, and faults at the fetch");
		else
			spoil(i);
	}
}

static void test_first(void)
{
	for_all(spoil_first);
}

static void test_later(void)
{
	for_all(spoil_later);
}

static const struct test_case cases[] = {
	{ "first_entry", test_first },
	{ "later_entry", test_later },
};

TEST_MAIN(cases)
