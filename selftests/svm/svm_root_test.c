// SPDX-License-Identifier: GPL-2.0-only
/*
 * On shadow tables no CR3 of the guest's own comes into the CPU, whatever loads it. Where it does, the vCPU is at its
 * end with the next exit, and Keel says why; elsewhere software loads it, and finds no tables there.
 */
#include <linux/ioctl.h>
#include <uapi/linux/keel.h>

#include "tasks.h"

/* No memory of the guest's, and none of an emulated host's: what it reads there is no table. */
#define NOWHERE	0xd0000000u

static void test_task_switch(void)
{
	struct keel_last_error error = {};
	struct vcpu *vcpu;

	REQUIRE(host_pages_by_shadow(), "no shadow paging");
	REQUIRE(guest_is_amd(), "no AMD host");
	vcpu = tasks_prepare(TASKS_PAGING);
	tasks_put_jump(0xea);
	tasks_poke(TSS_B + T_CR3, NOWHERE, 4);
	vcpu_run(vcpu);
	ASSERT_EXIT(vcpu, host_is_tcg() ? KVM_EXIT_SHUTDOWN : KVM_EXIT_INTERNAL_ERROR);
	vcpu_ioctl(vcpu, KEEL_GET_LAST_ERROR, &error);
	test_note("%s", error.text);
	CHECK_EQ("says where it went", 1, !!strstr(error.text, host_is_tcg() ? "CR3 is 0xd0000000 and not" : "CR3 = 0xd0000000"));
}

static const struct test_case cases[] = {
	{ "task_switch", test_task_switch },
};

TEST_MAIN(cases)
