// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine sleeps and wakes while VMs run, wait in user space, and are made: they go on with all their state, and neither
 * their TSC nor their clock goes back. How it is put to sleep, and woken, $KEEL_SUSPEND says (a command for the shell): no test
 * does that unasked.
 */
#include <stdlib.h>

#include "pvclock.h"
#include "thread.h"

#define CLOCK	VM_SCRATCH

static void sleep_and_wake(void)
{
	const char *command = getenv("KEEL_SUSPEND");
	int ret = system(command);

	ASSERT(!ret, "%s: status %d", command, ret);
}

static void require_suspend(void)
{
	REQUIRE(getenv("KEEL_SUSPEND"), "KEEL_SUSPEND does not say how");
}

/* What a vCPU carries along: registers, a stack, a bit of CR4, system-call MSRs, both clocks. */
static void guest_steps(u64 sum)
{
	volatile struct pvclock *c = (void *)CLOCK;
	u64 n, tsc, ns, last_tsc = 0, last_ns = 0;

	write_cr4(read_cr4() | BIT(7));
	wrmsr(0xc0000082, 0xffffffff81234567);
	wrmsr(MSR_KVM_SYSTEM_TIME_NEW, CLOCK | 1);
	for (n = 1; ; n++) {
		sum = sum * 31 + n;
		tsc = rdtsc();
		ns = pv_read(c);
		GUEST_ROW("the TSC goes on", 1, tsc > last_tsc && tsc - last_tsc < BIT(40));
		GUEST_ROW("the clock goes on", 1, ns > last_ns && ns - last_ns < 100000000000);
		GUEST_ROW("CR4.PGE", BIT(7), read_cr4() & BIT(7));
		GUEST_ROW("LSTAR", 0xffffffff81234567, rdmsr(0xc0000082));
		last_tsc = tsc;
		last_ns = ns;
		GUEST_CALL(UCALL_SYNC, NULL, n, sum, tsc, ns);
	}
}

static u64 expect_step(struct vcpu *vcpu, u64 n, u64 sum)
{
	struct ucall uc;

	ASSERT_EQ(vcpu_run_ucall(vcpu, &uc), UCALL_SYNC);
	sum = sum * 31 + n;
	CHECK_EQ("step", n, uc.args[0]);
	CHECK_EQ("sum", sum, uc.args[1]);
	test_note("step %llu: TSC %llu, clock %llu ns", (unsigned long long)n, (unsigned long long)uc.args[2],
		  (unsigned long long)uc.args[3]);
	return sum;
}

/* A vCPU that waits in user space meanwhile; its clock stays near the VM's. */
static void test_waiting(void)
{
	struct vcpu *vcpu;
	u64 sum, before;

	require_suspend();
	vcpu = vcpu_create_guest(vm_create(VM_GUEST | VM_IRQCHIP), 0, guest_steps);
	sum = expect_step(vcpu, 1, 0);
	sum = expect_step(vcpu, 2, sum);
	before = vm_clock(vcpu->vm);
	sleep_and_wake();
	CHECK_EQ("KVM_GET_CLOCK goes on", 1, vm_clock(vcpu->vm) > before && vm_clock(vcpu->vm) - before < 100000000000);
	sum = expect_step(vcpu, 3, sum);
	before = vm_clock(vcpu->vm);
	host_sleep_ms(20);
	CHECK_EQ("KVM_GET_CLOCK moves", 1, vm_clock(vcpu->vm) - before >= 20000000);
	expect_step(vcpu, 4, sum);
}

static volatile u64 count, stop_guest, jumps[2];

static void guest_count(void)
{
	volatile struct pvclock *c = (void *)CLOCK;
	u64 tsc, ns, last_tsc = 0, last_ns = 0;

	wrmsr(MSR_KVM_SYSTEM_TIME_NEW, CLOCK | 1);
	while (!stop_guest) {
		tsc = rdtsc();
		ns = pv_read(c);
		if (last_ns) {
			jumps[0] += tsc - last_tsc >= BIT(40);
			jumps[1] += ns - last_ns >= 100000000000;
		}
		last_tsc = tsc;
		last_ns = ns;
		count++;
		if (count % 64 == 0)
			cpuid(0, 0, (u32[4]){ 0 });
	}
}

/* The freezer takes the thread out of KVM_RUN as a signal does. */
static void *run_on(void *arg)
{
	struct vcpu *vcpu = arg;
	struct ucall uc;
	int ret;

	do
		ret = __vcpu_run(vcpu);
	while (ret == -EINTR);
	ASSERT_EQ(ret, 0);
	ASSERT_EQ(vcpu_get_ucall(vcpu, &uc), UCALL_DONE);
	return NULL;
}

static void test_running(void)
{
	struct vcpu *vcpu[2];
	pthread_t t[2];
	int i, round;

	require_suspend();
	for (i = 0; i < 2; i++) {
		vcpu[i] = vcpu_create_guest(vm_create(VM_GUEST | VM_IRQCHIP), 0, guest_count);
		vcpu_let_host_in(vcpu[i]);
		t[i] = host_thread(run_on, vcpu[i]);
	}
	for (round = 0; round < 2; round++) {
		for (i = 0; i < 2; i++)
			expect_progress("before", GUEST_VAR(vcpu[i]->vm, count), 256);
		sleep_and_wake();
		for (i = 0; i < 2; i++)
			expect_progress("after", GUEST_VAR(vcpu[i]->vm, count), 256);
	}
	for (i = 0; i < 2; i++) {
		*GUEST_VAR(vcpu[i]->vm, stop_guest) = 1;
		host_join(t[i]);
		CHECK_EQ("jumps of the TSC", 0, (*GUEST_VAR(vcpu[i]->vm, jumps))[0]);
		CHECK_EQ("jumps of the clock", 0, (*GUEST_VAR(vcpu[i]->vm, jumps))[1]);
	}
}

/* No VM over the sleep: the first one after it finds virtualization as it was before. */
static void test_none(void)
{
	struct vcpu *vcpu;
	struct vm *vm;
	int i;

	require_suspend();
	for (i = 0; i < 2; i++) {
		vm = vm_create(VM_GUEST);
		vcpu = vcpu_create_guest(vm, 0, guest_steps);
		expect_step(vcpu, 1, 0);
		vcpu_destroy(vcpu);
		vm_destroy(vm);
		if (!i)
			sleep_and_wake();
	}
}

static const struct test_case cases[] = {
	{ "none", test_none, 120 },
	{ "waiting", test_waiting, 120 },
	{ "running", test_running, 240 },
};

TEST_MAIN(cases)
