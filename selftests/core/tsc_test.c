// SPDX-License-Identifier: GPL-2.0-only
/*
 * Time-stamp counter: grows, is the same for guest, KVM_GET_MSRS and host up to
 * the offset, can be set from both sides, TSC_ADJUST and the MSR move together,
 * TSC_AUX reaches RDTSCP, the frequency is told, and two vCPUs agree.
 */
#include "thread.h"

#define MSR_TSC		0x10
#define MSR_ADJUST	0x3b
#define MSR_TSC_AUX	0xc0000103

static void guest_grows(void)
{
	u64 a = rdtsc(), b, i;

	for (i = 0; i < 1000; i++) {
		b = rdtsc();
		GUEST_ASSERT(b >= a);
		a = b;
		GUEST_ASSERT(rdmsr(MSR_TSC) >= a);
	}
	wrmsr(MSR_TSC, 1ULL << 50);
	a = rdtsc();
	GUEST_ASSERT(a >= 1ULL << 50 && a < (1ULL << 50) + (1ULL << 40));
	GUEST_ROW("the write is in TSC_ADJUST", 1, rdmsr(MSR_ADJUST) != 0);
	wrmsr(MSR_ADJUST, rdmsr(MSR_ADJUST) + (1ULL << 51));
	b = rdtsc();
	GUEST_ASSERT(b - a >= 1ULL << 51 && b - a < (1ULL << 51) + (1ULL << 40));
}

static void test_grows(void)
{
	run_guest(VM_GUEST, guest_grows);
}

static void guest_report(void)
{
	for (;;)
		GUEST_SYNC2(1, rdtsc());
}

static u64 guest_tsc(struct vcpu *vcpu)
{
	struct ucall uc;

	ASSERT_EQ(vcpu_run_ucall(vcpu, &uc), UCALL_SYNC);
	return uc.args[1];
}

static void test_msr(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_report);
	u64 g1, h, g2;
	int khz = vcpu_ioctl(vcpu, KVM_GET_TSC_KHZ, NULL);

	test_note("%d kHz", khz);
	ASSERT_GE(khz, 1000);
	g1 = guest_tsc(vcpu);
	h = vcpu_msr(vcpu, MSR_TSC);
	g2 = guest_tsc(vcpu);
	ASSERT(g1 <= h && h <= g2, "guest %llu, MSR %llu, guest %llu", (unsigned long long)g1,
	       (unsigned long long)h, (unsigned long long)g2);
	vcpu_set_msr(vcpu, MSR_TSC, 1ULL << 52);
	g1 = guest_tsc(vcpu);
	ASSERT(g1 >= 1ULL << 52 && g1 < (1ULL << 52) + (1ULL << 40), "after setting: 0x%llx",
	       (unsigned long long)g1);
	host_sleep_ms(50);
	g2 = guest_tsc(vcpu);
	ASSERT_GE(g2 - g1, 50ULL * khz);
}

static void guest_aux(void)
{
	u32 lo, hi, aux;

	wrmsr(MSR_TSC_AUX, 0x1234567);
	asm volatile("rdtscp" : "=a" (lo), "=d" (hi), "=c" (aux));
	GUEST_ROW("TSC_AUX", 0x1234567, aux);
	write_cr4(read_cr4() | BIT(2));
	GUEST_ROW("CR4.TSD in ring 0", NO_FAULT, GUEST_TRY("rdtsc", "a" (0), "d" (0)));
}

static void test_aux(void)
{
	REQUIRE(cpuid_row(supported_cpuid(), 0x80000001, 0)->edx & BIT(27), "no RDTSCP");
	run_guest(VM_GUEST, guest_aux);
}

static volatile u64 shared;

/* Each side waits for the other's stamp and must not see it in its future. */
static void guest_agree(u64 me)
{
	u64 i, theirs, mine;

	for (i = 0; i < 200; i++) {
		while (shared % 2 != me)
			pause_insn();
		theirs = shared;
		mine = rdtsc();
		GUEST_ASSERT(theirs == me || mine + 2 >= theirs);
		shared = (mine & ~1ULL) | !me;
	}
}

/* The host's own clock tells whether its CPUs agree. */
static int host_tsc_is_stable(void)
{
	FILE *f = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "r");
	char name[16] = "";

	if (f) {
		if (!fgets(name, sizeof(name), f))
			name[0] = 0;
		fclose(f);
	}
	return !strncmp(name, "tsc", 3);
}

static void test_agree(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *a = vcpu_create_guest(vm, 0, guest_agree), *b = vcpu_create_guest(vm, 1, guest_agree);
	pthread_t t;

	REQUIRE(host_tsc_is_stable(), "the host's CPUs do not agree on the TSC");
	vcpu_args(a, 0, 0, 0);
	vcpu_args(b, 1, 0, 0);
	vcpu_let_host_in(a);
	vcpu_let_host_in(b);
	t = vcpu_thread(b);
	vcpu_run_done(a);
	host_join(t);
}

static volatile int stop_writing;

static void *write_tsc(void *arg)
{
	u64 n = 0;

	while (!stop_writing)
		vcpu_set_msr(arg, MSR_TSC, n++ << 50);
	return NULL;
}

/* Writes of one VM's vCPUs at once: none may come to see a time before the other's. */
static void test_written_together(void)
{
	struct vm *vm = vm_create(VM_BARE);
	struct vcpu *a = vcpu_create(vm, 0), *b = vcpu_create(vm, 1);
	pthread_t t[2] = { host_thread(write_tsc, a), host_thread(write_tsc, b) };

	host_sleep_ms(3000);
	stop_writing = 1;
	host_join(t[0]);
	host_join(t[1]);
	vcpu_set_msr(a, MSR_TSC, 1ULL << 52);
	ASSERT_GE(vcpu_msr(a, MSR_TSC), 1ULL << 52);
}

static const struct test_case cases[] = {
	{ "grows", test_grows },
	{ "msr", test_msr },
	{ "aux", test_aux },
	{ "two_vcpus_agree", test_agree },
	{ "written_together", test_written_together },
};

TEST_MAIN(cases)
