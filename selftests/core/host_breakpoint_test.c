// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's own hardware breakpoints outlive a guest entry: every exit of the
 * CPU's disables them, and they must be back before the launcher goes on.
 */
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest.h"

static volatile u64 watched __attribute__((aligned(8)));

static int watch(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_BREAKPOINT,
		.size = sizeof(attr),
		.bp_type = HW_BREAKPOINT_W,
		.bp_addr = (unsigned long)&watched,
		.bp_len = HW_BREAKPOINT_LEN_8,
		.sample_period = 1,
	};

	return syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static u64 hits(int fd)
{
	u64 n = 0;

	ASSERT_EQ(read(fd, &n, sizeof(n)), sizeof(n));
	return n;
}

/* With a value of its own in DR0, and without a breakpoint enabled. */
static void guest(void)
{
	asm volatile("mov %0, %%db0" : : "r" (0x1234UL));
	for (;;)
		GUEST_SYNC(1);
}

static void test_kept(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest);
	int fd = watch(), i;

	REQUIRE(fd >= 0, "no hardware breakpoints");
	vcpu_run_sync(vcpu, 1);
	for (i = 0; i < 100; i++) {
		watched = i;
		vcpu_run_sync(vcpu, 1);
	}
	CHECK_EQ("writes seen", 100, hits(fd));
	close(fd);
}

static const struct test_case cases[] = {
	{ "kept", test_kept },
};

TEST_MAIN(cases)
