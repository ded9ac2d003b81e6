// SPDX-License-Identifier: GPL-2.0-only
/*
 * No raw number is ever the whole message: failed entries of both vendors, failed KVM_RUNs, internal errors and unknown exits
 * end the run with a line that says in words what they mean, with the module's explanation where there is one.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>

#include "fake_vm.h"
#include "test.h"
#include "userspace/exit.h"
#include "userspace/reason.h"
#include "userspace/vcpu.h"

static struct vm vm;
static struct kvm_run run;
static struct vcpu vcpu;
static const char *explanation;

/* In place of vm.c's. */
void vm_explain(const struct vm *of, char *text, size_t size)
{
	snprintf(text, size, "%s%s", explanation ? ": " : "", explanation ?: "");
}

static void set_up(const char *explained)
{
	fake_vm_init(&vm, 0);
	memset(&run, 0, sizeof(run));
	explanation = explained;
	vcpu = (struct vcpu){ .vm = &vm, .index = 3, .fd = -1, .run = &run };
}

static void check_said(const char *name, enum status status, const char *words)
{
	CHECK_EQ(name, 1, vm_is_stopping(&vm));
	CHECK_EQ(name, status, vm.status);
	test_note("%s", vm.reason);
	CHECK_EQ(words, 1, !!strstr(vm.reason, words));
}

static const struct {
	const char *name;
	u64 reason;
	const char *words;
} entries[] = {
	{ "invalid guest state", 0x80000021, "VM-entry failure due to invalid guest state" },
	{ "MSR loading", 0x80000022, "VM-entry failure due to MSR loading" },
	{ "machine check", 0x80000029, "VM-entry failure due to machine-check event" },
	{ "another exit", 0x8000ffff, "VM-entry failure of a kind" },
	{ "no VMCS", 0, "there is no current VMCS" },
	{ "not clear", 4, "VMLAUNCH with non-clear VMCS" },
	{ "not launched", 5, "VMRESUME with non-launched VMCS" },
	{ "control fields", 7, "VM entry with invalid control field(s)" },
	{ "host state", 8, "VM entry with invalid host-state field(s)" },
	{ "MOV SS", 26, "VM entry with events blocked by MOV SS" },
	{ "the last", 28, "invalid operand to INVEPT/INVVPID" },
	{ "a gap", 14, "a VM-instruction error that the manual does not list" },
	{ "beyond", 29, "a VM-instruction error that the manual does not list" },
	{ "VMEXIT_INVALID", 0xffffffff, "VMRUN found invalid guest state or controls" },
	{ "VMEXIT_INVALID, 64 bits", ~0ull, "VMRUN found invalid guest state or controls" },
	{ "64 bits", BIT(40), "a reason that no manual lists" },
};

static void test_entries(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(entries); i++) {
		set_up(i % 2 ? "guest RIP = 0x1234: must not be" : NULL);
		CHECK_EQ(entries[i].name, 0, strncmp(entries[i].words, reason_of_entry(entries[i].reason), strlen(entries[i].words)));
		run.exit_reason = KVM_EXIT_FAIL_ENTRY;
		run.fail_entry.hardware_entry_failure_reason = entries[i].reason;
		run.fail_entry.cpu = 1;
		exit_handle(&vcpu);
		check_said(entries[i].name, STATUS_ENTRY, entries[i].words);
		CHECK_EQ("the module's words", i % 2, !!strstr(vm.reason, "guest RIP = 0x1234: must not be"));
		CHECK_EQ("the vCPU", 1, !!strstr(vm.reason, "vCPU 3"));
	}
}

/* Whatever the number, there are words for it. */
static void test_any(void)
{
	u64 seed = 1;
	int i;

	for (i = 0; i < 100000; i++) {
		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		ASSERT(*reason_of_entry(seed >> (i % 64)), "no words for %#llx", (unsigned long long)seed >> (i % 64));
		ASSERT(*reason_of_exit(seed >> (32 + i % 32)), "no words");
		ASSERT(*reason_of_internal(seed >> (32 + i % 32)), "no words");
	}
}

static void test_failed_run(void)
{
	set_up(NULL);
	run.exit_reason = KVM_EXIT_MMIO;
	exit_run_failed(&vcpu, EIO);
	check_said("EIO", STATUS_HOST, "Input/output error (exit reason 6, KVM_EXIT_MMIO)");
	set_up("the VM is dead");
	exit_run_failed(&vcpu, EFAULT);
	check_said("EFAULT", STATUS_HOST, ": the VM is dead: ");
}

static const struct {
	u32 suberror;
	const char *words;
} internal[] = {
	{ KVM_INTERNAL_ERROR_EMULATION, "an instruction could not be emulated" },
	{ KVM_INTERNAL_ERROR_SIMUL_EX, "exceptions met while one was delivered" },
	{ KVM_INTERNAL_ERROR_DELIVERY_EV, "an exit during event delivery" },
	{ KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON, "an exit the module does not know, data 0x33" },
	{ 77, "unknown kind" },
};

static void test_internal(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(internal); i++) {
		set_up(NULL);
		run.exit_reason = KVM_EXIT_INTERNAL_ERROR;
		run.internal.suberror = internal[i].suberror;
		run.internal.ndata = internal[i].suberror == KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON;
		run.internal.data[0] = 0x33;
		exit_handle(&vcpu);
		check_said("internal error", STATUS_INTERNAL, internal[i].words);
	}
}

static void test_unknown(void)
{
	set_up(NULL);
	run.exit_reason = KVM_EXIT_HYPERV;
	exit_handle(&vcpu);
	check_said("never asked for", STATUS_HOST, "(KVM_EXIT_HYPERV)");
	set_up(NULL);
	run.exit_reason = 9999;
	exit_handle(&vcpu);
	check_said("no such exit", STATUS_HOST, "(an exit unknown to this launcher)");
}

static const struct test_case cases[] = {
	{ "failed_entries", test_entries },
	{ "any_number", test_any },
	{ "failed_run", test_failed_run },
	{ "internal_errors", test_internal },
	{ "unknown_exits", test_unknown },
};

TEST_MAIN(cases)
