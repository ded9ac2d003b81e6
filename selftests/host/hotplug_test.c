// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUs go offline and come back while VMs run, wait, are made and end: what ran on
 * such a CPU goes on elsewhere with all its state, and the CPU serves again.
 */
#include <fcntl.h>
#include <unistd.h>

#include "thread.h"

#define ROUNDS	4

/* The one that goes, and its file. */
static int hot_cpu;
static char online[64];

static void try_switch(const char *value)
{
	int fd = open(online, O_WRONLY | O_CLOEXEC);
	ssize_t ret = fd < 0 ? -1 : write(fd, value, 1);

	close(fd);
	ASSERT(ret == 1 || errno == EINVAL, "CPU %d: online = %s: %s", hot_cpu, value, strerror(errno));
}

static int is_online(void)
{
	int fd = open(online, O_RDONLY | O_CLOEXEC);
	char c = '?';

	ASSERT_EQ(read(fd, &c, 1), 1);
	close(fd);
	return c == '1';
}

static void switch_cpu(int on)
{
	try_switch(on ? "1" : "0");
	ASSERT_EQ(is_online(), on);
}

/* Skips unless the CPU can go and come; it is online afterwards. */
static void require_hotplug(void)
{
	hot_cpu = host_cpu(1);
	snprintf(online, sizeof(online), "/sys/devices/system/cpu/cpu%d/online", hot_cpu);
	REQUIRE(hot_cpu >= 0 && !access(online, W_OK), "no second CPU, or it cannot go offline");
	if (!is_online())
		switch_cpu(1);
}

static void pin(pid_t tid, int cpu)
{
	ASSERT_EQ(host_pin(tid, cpu), 0);
}

/* The kernel has moved what was pinned to that CPU, to any other: be content with those that the test was given. */
static void switch_off_below(void)
{
	switch_cpu(0);
	pin(0, -1);
}

static volatile u64 count, stop_guest;

static void guest_count(void)
{
	while (!stop_guest) {
		count++;
		if (count % 1024 == 0)
			cpuid(0, 0, (u32[4]){ 0 });
	}
}

static volatile pid_t runner;

static void *run_there(void *arg)
{
	pin(0, hot_cpu);
	runner = gettid();
	vcpu_run_done(arg);
	return NULL;
}

/* Two VMs, one of them on the CPU that goes. */
static void test_running(void)
{
	struct vcpu *vcpu[2];
	pthread_t t[2];
	int i;

	require_hotplug();
	for (i = 0; i < 2; i++) {
		vcpu[i] = vcpu_create_guest(vm_create(VM_GUEST), 0, guest_count);
		vcpu_let_host_in(vcpu[i]);
	}
	t[0] = host_thread(run_there, vcpu[0]);
	t[1] = vcpu_thread(vcpu[1]);
	while (!runner)
		host_sleep_ms(1);
	for (i = 0; i < ROUNDS; i++) {
		pin(runner, hot_cpu);
		expect_progress("on the CPU", GUEST_VAR(vcpu[0]->vm, count), 2048);
		/* it has no reason to leave, and may when it must */
		pin(runner, -1);
		switch_cpu(0);
		expect_progress("the CPU is gone", GUEST_VAR(vcpu[0]->vm, count), 2048);
		expect_progress("the neighbour", GUEST_VAR(vcpu[1]->vm, count), 2048);
		switch_cpu(1);
		expect_progress("the CPU is back", GUEST_VAR(vcpu[0]->vm, count), 2048);
		expect_progress("the neighbour", GUEST_VAR(vcpu[1]->vm, count), 2048);
	}
	for (i = 0; i < 2; i++) {
		*GUEST_VAR(vcpu[i]->vm, stop_guest) = 1;
		host_join(t[i]);
	}
}

/* What a vCPU carries along: registers, a stack, and a bit of CR4 that is not the hardware's alone. */
static void guest_steps(u64 sum)
{
	u64 n;

	write_cr4(read_cr4() | BIT(7));
	for (n = 1; ; n++) {
		sum = sum * 31 + n;
		GUEST_CALL(UCALL_SYNC, NULL, n, sum, read_cr4(), 0);
	}
}

static u64 expect_step(struct vcpu *vcpu, u64 n, u64 sum)
{
	struct ucall uc;

	ASSERT_EQ(vcpu_run_ucall(vcpu, &uc), UCALL_SYNC);
	sum = sum * 31 + n;
	CHECK_EQ("step", n, uc.args[0]);
	CHECK_EQ("sum", sum, uc.args[1]);
	CHECK_EQ("CR4.PGE", BIT(7), uc.args[2] & BIT(7));
	return sum;
}

/* A vCPU that ran there last and waits in user space meanwhile. */
static void test_waiting(void)
{
	struct vcpu *vcpu;
	u64 n, sum = 5;

	require_hotplug();
	vcpu = vcpu_create_guest(vm_create(VM_GUEST), 0, guest_steps);
	vcpu_args(vcpu, sum, 0, 0);
	for (n = 0; n < 2 * ROUNDS; n += 2) {
		pin(0, hot_cpu);
		sum = expect_step(vcpu, n + 1, sum);
		switch_off_below();
		/* the first time elsewhere while it is gone, then only when it is back */
		if (n)
			switch_cpu(1);
		sum = expect_step(vcpu, n + 2, sum);
		if (!n)
			switch_cpu(1);
	}
}

/* Made and ended while the CPU is away; used after it is back. */
static void test_made_meanwhile(void)
{
	struct vcpu *before, *vcpu;
	struct vm *vm;
	int i;

	require_hotplug();
	for (i = 0; i < ROUNDS; i++) {
		vm = vm_create(VM_GUEST);
		before = vcpu_create_guest(vm, 0, guest_steps);
		pin(0, hot_cpu);
		expect_step(before, 1, 0);
		switch_off_below();
		vcpu = vcpu_create_guest(vm_create(VM_GUEST), 0, guest_steps);
		expect_step(vcpu, 1, 0);
		vcpu_destroy(before);
		vm_destroy(vm);
		switch_cpu(1);
		pin(0, hot_cpu);
		expect_step(vcpu, 2, 1);
		vm = vcpu->vm;
		vcpu_destroy(vcpu);
		vm_destroy(vm);
	}
}

/* The first VM of all comes while the CPU is away: nothing is enabled there until it is back. */
static void test_first_meanwhile(void)
{
	struct vcpu *vcpu;

	require_hotplug();
	switch_cpu(0);
	vcpu = vcpu_create_guest(vm_create(VM_GUEST), 0, guest_steps);
	expect_step(vcpu, 1, 0);
	switch_cpu(1);
	pin(0, hot_cpu);
	expect_step(vcpu, 2, 1);
}

static const struct test_case cases[] = {
	{ "running", test_running },
	{ "waiting", test_waiting },
	{ "made_meanwhile", test_made_meanwhile },
	{ "first_meanwhile", test_first_meanwhile },
};

TEST_MAIN(cases)
