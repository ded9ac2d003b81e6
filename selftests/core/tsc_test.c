// SPDX-License-Identifier: GPL-2.0-only
/*
 * Time-stamp counter: grows, is the same for guest, KVM_GET_MSRS and host up to
 * the offset, can be set from both sides, TSC_ADJUST and the MSR move together,
 * TSC_AUX reaches RDTSCP, the frequency is told, and two vCPUs agree, also those that
 * come after an offset was set. Where the CPU can scale it, the guest's runs at the frequency that was set, its deadline timer too.
 */
#include <sys/utsname.h>
#include <uapi/linux/keel.h>

#include "apic.h"
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

static u64 tsc_offset(struct vcpu *vcpu)
{
	u64 offset = 0;
	struct kvm_device_attr attr = { .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET, .addr = (uintptr_t)&offset };

	vcpu_ioctl(vcpu, KVM_GET_DEVICE_ATTR, &attr);
	return offset;
}

static void set_tsc_offset(struct vcpu *vcpu, u64 offset)
{
	struct kvm_device_attr attr = { .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET, .addr = (uintptr_t)&offset };

	vcpu_ioctl(vcpu, KVM_SET_DEVICE_ATTR, &attr);
}

/* Are both TSCs within two seconds? */
static void check_near(const char *name, struct vcpu *a, struct vcpu *b)
{
	u64 second = vcpu_ioctl(a, KVM_GET_TSC_KHZ, NULL) * 1000ull;
	s64 behind = vcpu_msr(a, MSR_TSC) - vcpu_msr(b, MSR_TSC);

	test_note("%s: behind by %lld", name, (long long)behind);
	CHECK_EQ(name, 1, behind < 2 * (s64)second && -behind < 2 * (s64)second);
}

/* And where the host's CPUs agree, are they the same? Where they do not, stock KVM does not look at what the first has. */
static void check_in_step(const char *name, struct vcpu *a, struct vcpu *b)
{
	if (host_tsc_is_stable() || has_cap(KEEL_CAP_LAST_ERROR) > 0)
		check_near(name, a, b);
	if (host_tsc_is_stable())
		CHECK_EQ("offset", tsc_offset(a), tsc_offset(b));
}

/* Written to what the first has now, long after that was set: still in step. */
static void test_written_late(void)
{
	struct vm *vm = vm_create(VM_BARE);
	struct vcpu *a = vcpu_create(vm, 0), *b = vcpu_create(vm, 1);

	vcpu_set_msr(a, MSR_TSC, BIT(50));
	host_sleep_ms(4000);
	vcpu_set_msr(b, MSR_TSC, vcpu_msr(a, MSR_TSC));
	check_in_step("written late", a, b);
}

/*
 * The first value that a launcher gives a young VM is what the TSC is: a guest that has run for less than a
 * second elsewhere. The next within a second of it is in step.
 */
static void test_young(void)
{
	struct vm *vm = vm_create(VM_BARE);
	struct vcpu *a = vcpu_create(vm, 0), *b = vcpu_create(vm, 1);
	u64 second = vcpu_ioctl(a, KVM_GET_TSC_KHZ, NULL) * 1000ull, begun = rdtsc(), got, took;
	struct utsname host;

	ASSERT(!uname(&host), "uname");
	REQUIRE(!dev_is_kvm() || strncmp(host.release, "6.1.", 4), "KVM 6.1 takes it for the creation's 0");
	vcpu_set_msr(a, MSR_TSC, second / 2);
	got = vcpu_msr(a, MSR_TSC);
	took = rdtsc() - begun;
	test_note("set to %llu, %llu after at most %llu", (unsigned long long)(second / 2),
		  (unsigned long long)got, (unsigned long long)took);
	REQUIRE(took < second / 4, "the host is too slow to tell");
	CHECK_EQ("not before", 1, got >= second / 2);
	CHECK_EQ("not after", 1, got <= second / 2 + took);
	vcpu_set_msr(b, MSR_TSC, second / 2);
	check_in_step("the next", a, b);
}

/* Who sets the offset of one vCPU means those to be in step with it that come later, or whose TSC is written to the same. */
static void test_offset(void)
{
	struct vm *vm = vm_create(VM_BARE);
	struct vcpu *a = vcpu_create(vm, 0), *b = vcpu_create(vm, 1), *c;
	struct kvm_device_attr attr = { .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET };

	REQUIRE(!__vcpu_ioctl(a, KVM_HAS_DEVICE_ATTR, &attr), "no KVM_VCPU_TSC_OFFSET");
	check_in_step("made together", a, b);
	set_tsc_offset(a, tsc_offset(a) + BIT(50));
	CHECK_EQ("ahead of the other", 1, vcpu_msr(a, MSR_TSC) - vcpu_msr(b, MSR_TSC) > BIT(49));
	c = vcpu_create(vm, 2);
	check_in_step("made later", a, c);
	vcpu_set_msr(b, MSR_TSC, vcpu_msr(a, MSR_TSC));
	check_near("written", a, b);	/* KVM takes the vCPU that came meanwhile for one that was written to 0 */
	set_tsc_offset(a, tsc_offset(a) - BIT(49));
	set_tsc_offset(b, tsc_offset(a));
	check_in_step("set", a, b);
	vcpu_set_msr(c, MSR_TSC, 0);
	check_in_step("written with zero", a, c);
}

/* --- another frequency than the host's --- */

#define SCALED_MS	100	/* what is measured takes so long */
#define VEC_TIMER	0x71

static const struct {
	const char *name;
	unsigned int num, den;
} ratios[] = {
	{ "half", 1, 2 },
	{ "the host's", 1, 1 },
	{ "one and a half", 3, 2 },
	{ "a third", 1, 3 },
	{ "triple", 3, 1 },
};

static struct vcpu *scaled_vcpu(unsigned int flags, void *fn, size_t i, int host_khz)
{
	struct vcpu *vcpu = vcpu_create_guest(vm_create(flags), 0, fn);
	long khz = (long)host_khz * ratios[i].num / ratios[i].den;

	vcpu_ioctl(vcpu, KVM_SET_TSC_KHZ, (void *)khz);
	CHECK_EQ(ratios[i].name, khz, vcpu_ioctl(vcpu, KVM_GET_TSC_KHZ, NULL));
	return vcpu;
}

static int host_tsc_khz(void)
{
	REQUIRE_CAP(KVM_CAP_TSC_CONTROL);
	return vcpu_ioctl(vcpu_create(vm_create(VM_BARE), 0), KVM_GET_TSC_KHZ, NULL);
}

/* One reading of the guest's, and the host's before and after. */
struct stamp {
	u64 before, guest, after;
};

static struct stamp stamp(struct vcpu *vcpu)
{
	struct stamp s = { .before = rdtsc() };

	s.guest = guest_tsc(vcpu);
	s.after = rdtsc();
	return s;
}

/* @got lies between what the host counted at least and at most, give or take a thousandth. */
static void check_scaled(const char *name, u64 got, u64 least, u64 most, size_t i)
{
	least = least * ratios[i].num / ratios[i].den;
	most = most * ratios[i].num / ratios[i].den;
	test_note("%s, %s: %llu, wanted %llu to %llu", ratios[i].name, name, (unsigned long long)got,
		  (unsigned long long)least, (unsigned long long)most);
	CHECK_EQ("not too slow", 1, got >= least - least / 1000);
	CHECK_EQ("not too fast", 1, got <= most + most / 1000);
}

static void check_rate(size_t i, int host_khz)
{
	struct vcpu *vcpu = scaled_vcpu(VM_GUEST, guest_report, i, host_khz);
	struct stamp a, b;
	u64 msr;

	guest_tsc(vcpu);
	a = stamp(vcpu);
	while (rdtsc() - a.after < (u64)SCALED_MS * host_khz)
		;
	b = stamp(vcpu);
	check_scaled("RDTSC", b.guest - a.guest, b.before - a.after, b.after - a.before, i);
	msr = vcpu_msr(vcpu, MSR_TSC);
	a = stamp(vcpu);
	CHECK_EQ("the MSR lies between two of the guest's", 1, b.guest <= msr && msr <= a.guest);
	a.before = rdtsc();
	vcpu_set_msr(vcpu, MSR_TSC, 1ULL << 52);
	b = stamp(vcpu);
	CHECK_EQ("set, it goes on from there", 1, b.guest >= 1ULL << 52);
	check_scaled("since it was set", b.guest - (1ULL << 52), 0, b.after - a.before, i);
}

static void test_scaled(void)
{
	int host_khz = host_tsc_khz();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ratios); i++)
		check_rate(i, host_khz);
}

static void guest_wait_deadline(u64 ticks, u64 halt)
{
	u64 start, deadline;

	apic_enable(APIC_X2);
	guest_handlers[VEC_TIMER] = irq_count_handler;
	apic_write(APIC_LVTT, VEC_TIMER | APIC_LVT_TIMER_TSCDEADLINE);
	GUEST_SYNC(1);
	start = rdtsc();
	deadline = start + ticks;
	wrmsr(MSR_TSC_DEADLINE, deadline);
	while (!irq_count[VEC_TIMER]) {
		if (halt)
			sti_hlt();
		else
			sti_nop();
		cli();
	}
	GUEST_SYNC2(2, rdtsc() - deadline);
}

/* How late, in the guest's ticks. */
static s64 deadline_late_by(size_t i, int host_khz, int halt, u64 ticks)
{
	struct vcpu *vcpu = scaled_vcpu(VM_GUEST | VM_IRQCHIP, guest_wait_deadline, i, host_khz);
	struct ucall uc;

	vcpu_args(vcpu, ticks, halt, 0);
	vcpu_run_sync(vcpu, 1);
	ASSERT_EQ(vcpu_run_ucall(vcpu, &uc), UCALL_SYNC);
	test_note("%s, %s: of %llu ticks late by %lld", ratios[i].name, halt ? "halted" : "running", (unsigned long long)ticks,
		  (long long)uc.args[1]);
	return uc.args[1];
}

/*
 * In the guest's time, which is measured against the host's above: a conversion by the wrong ratio is late, or early, by half,
 * each time. A busy host is late now and then.
 */
static void check_deadline(size_t i, int host_khz, int halt)
{
	u64 ticks = (u64)SCALED_MS * host_khz * ratios[i].num / ratios[i].den;
	s64 late = ticks;
	int tries;

	for (tries = 0; tries < 10 && late >= (s64)ticks / 4; tries++) {
		late = deadline_late_by(i, host_khz, halt, ticks);
		CHECK_EQ("not early", 1, late >= 0);
	}
	CHECK_EQ("not late", 1, late < (s64)ticks / 4);
}

static void test_scaled_deadline(void)
{
	int host_khz = host_tsc_khz();
	size_t i;

	REQUIRE_CAP(KVM_CAP_TSC_DEADLINE_TIMER);
	for (i = 0; i < ARRAY_SIZE(ratios); i++) {
		check_deadline(i, host_khz, 0);
		check_deadline(i, host_khz, 1);
	}
}

static const struct test_case cases[] = {
	{ "grows", test_grows },
	{ "msr", test_msr },
	{ "aux", test_aux },
	{ "two_vcpus_agree", test_agree },
	{ "written_together", test_written_together },
	{ "written_late", test_written_late },
	{ "young", test_young },
	{ "offset", test_offset },
	{ "scaled", test_scaled },
	{ "scaled_deadline", test_scaled_deadline },
};

TEST_MAIN(cases)
