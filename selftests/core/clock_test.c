// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paravirtual clocks: the system clock page is consistent, grows with the TSC
 * and agrees with KVM_GET_CLOCK; KVM_SET_CLOCK moves it; the wall clock is
 * today; KVMCLOCK_CTRL sets its flag, and again for as long as others may
 * still be away; steal time counts; a vCPU is reported
 * preempted between instructions only, and a TLB flush asked of it then is not
 * forgotten; bad addresses are refused.
 */
#include <sys/mman.h>
#include <sys/utsname.h>
#include <time.h>

#include "apic.h"
#include "pvclock.h"
#include "thread.h"
#include <uapi/linux/keel.h>

struct wall {
	u32 version, sec, nsec;
} __attribute__((packed));

struct steal {
	u64 steal;
	u32 version, flags;
	u8 preempted, pad0[3];
	u32 pad[11];
};

#define CLOCK	VM_SCRATCH
#define WALL	(VM_SCRATCH + 0x100)
#define STEAL	(VM_SCRATCH + 0x1000)

static void guest_clock(void)
{
	volatile struct pvclock *c = (void *)CLOCK;
	u64 last, now, i;

	wrmsr(MSR_KVM_SYSTEM_TIME_NEW, CLOCK | 1);
	GUEST_EQ(rdmsr(MSR_KVM_SYSTEM_TIME_NEW), CLOCK | 1);
	GUEST_ASSERT(c->version && !(c->version & 1) && c->mul);
	last = pv_read(c);
	for (i = 0; i < 200; i++) {
		now = pv_read(c);
		GUEST_ASSERT(now >= last);
		last = now;
	}
	GUEST_SYNC2(1, pv_read(c));
	GUEST_SYNC2(2, pv_read(c));
	GUEST_SYNC2(3, pv_read(c));
	GUEST_SYNC2(4, c->flags & 2);
	wrmsr(MSR_KVM_WALL_CLOCK_NEW, WALL);
	GUEST_SYNC2(5, ((volatile struct wall *)WALL)->sec + pv_read(c) / 1000000000);
	wrmsr(MSR_KVM_SYSTEM_TIME_NEW, 0);
}

static u64 sync_value(struct vcpu *vcpu, u64 stage)
{
	struct ucall uc;

	ASSERT_EQ(vcpu_run_ucall(vcpu, &uc), UCALL_SYNC);
	ASSERT_EQ(uc.args[0], stage);
	return uc.args[1];
}

static void check_near(const char *name, u64 a, u64 b, u64 within)
{
	u64 d = a > b ? a - b : b - a;

	if (d > within)
		test_note("%s: %llu and %llu", name, (unsigned long long)a, (unsigned long long)b);
	CHECK_EQ(name, 1, d <= within);
}

static void test_system_time(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_clock);
	struct kvm_clock_data d = { .clock = 1000000000000000 };
	u64 a, b;

	a = sync_value(vcpu, 1);
	check_near("guest and KVM_GET_CLOCK, within 1 s", a, vm_clock(vm), 1000000000);
	host_sleep_ms(100);
	b = sync_value(vcpu, 2);
	ASSERT_GE(b - a, 100000000);
	vm_ioctl(vm, KVM_SET_CLOCK, &d);
	check_near("after KVM_SET_CLOCK, within 1 s", sync_value(vcpu, 3), d.clock, 1000000000);
	vcpu_ioctl(vcpu, KVM_KVMCLOCK_CTRL, NULL);
	CHECK_EQ("flag of KVM_KVMCLOCK_CTRL", 2, sync_value(vcpu, 4));
	check_near("wall clock, within 5 s", sync_value(vcpu, 5), time(NULL), 5);
	vcpu_run_done(vcpu);
}

#define V	0x71

/* Two interrupts of the timer, after @ticks each if these are not 0, with the flag cleared before: is it there again? */
static u64 held_again(volatile struct pvclock *c, u64 ticks)
{
	u64 held = 0;
	int i;

	for (i = 0; i < 2; i++) {
		c->flags &= ~2;
		if (ticks)
			wrmsr(MSR_TSC_DEADLINE, rdtsc() + ticks);
		irq_wait(V, irq_count[V] + 1);
		held |= c->flags & 2;
	}
	return held;
}

static void guest_held(u64 mode, u64 ticks)
{
	volatile struct pvclock *c = (void *)CLOCK;
	u64 end;

	apic_enable(mode);
	guest_handlers[V] = irq_count_handler;
	wrmsr(MSR_KVM_SYSTEM_TIME_NEW, CLOCK | 1);
	apic_write(APIC_TDCR, 0xb);
	apic_write(APIC_LVTT, V | (ticks ? APIC_LVT_TIMER_TSCDEADLINE : APIC_LVT_TIMER_PERIODIC));
	apic_write(APIC_TMICT, 5000000);
	GUEST_ROW("nobody was held", 0, held_again(c, ticks));
	GUEST_SYNC(1);
	GUEST_ROW("held", 2, c->flags & 2);
	GUEST_ROW("each timer interrupt says it again", 2, held_again(c, ticks));
	end = pv_read(c) + 3000000000ULL;
	while (pv_read(c) < end)
		held_again(c, ticks);
	GUEST_ROW("not for ever", 0, held_again(c, ticks));
}

/*
 * Of a guest's CPUs one comes back first. Its watchdogs look once, at a clock that another CPU has not moved yet, and clear the flag; when
 * that one moves the clock they would see a CPU that stood for all that time.
 */
static void test_held(void)
{
	int is_deadline;

	REQUIRE(has_cap(KEEL_CAP_LAST_ERROR) > 0, "stock KVM says it once");
	for (is_deadline = 0; is_deadline < 2; is_deadline++) {
		struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
		struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_held);

		vcpu_args(vcpu, is_deadline ? APIC_X2 : APIC_X1, is_deadline ? 5 * vcpu_ioctl(vcpu, KVM_GET_TSC_KHZ, NULL) : 0, 0);
		vcpu_run_sync(vcpu, 1);
		vcpu_ioctl(vcpu, KVM_KVMCLOCK_CTRL, NULL);
		vcpu_run_done(vcpu);
		vcpu_destroy(vcpu);
		vm_destroy(vm);
	}
}

static void guest_steal(void)
{
	volatile struct steal *s = (void *)STEAL;
	u64 v;

	GUEST_ROW("reserved bits", VEC_GP, wrmsr_safe(MSR_KVM_STEAL_TIME, STEAL | 3));
	GUEST_ROW("beyond memory", NO_FAULT, wrmsr_safe(MSR_KVM_STEAL_TIME, BIT(40) | 1));
	GUEST_SYNC(0);
	wrmsr(MSR_KVM_STEAL_TIME, STEAL | 1);
	GUEST_SYNC(1);
	GUEST_ASSERT(!(s->version & 1) && s->version);
	v = s->steal;
	GUEST_SYNC2(2, v);
	GUEST_ASSERT(s->steal >= v);
	GUEST_SYNC2(3, s->steal);
	GUEST_ROW("async page faults, bad bits", VEC_GP, wrmsr_safe(MSR_KVM_ASYNC_PF_EN, 0x31));
	GUEST_ROW("clock beyond memory", 0, wrmsr_safe(MSR_KVM_SYSTEM_TIME_NEW, BIT(45) | 1) > VEC_GP);
	GUEST_SYNC(4);
}

static void *burn(void *stop)
{
	while (!*(volatile int *)stop)
		;
	return NULL;
}

static void test_steal(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_steal);
	struct kvm_cpuid_entry2 *f = cpuid_row(supported_cpuid(), 0x40000001, 0);
	int stop = 0;
	pthread_t t;

	REQUIRE(f && f->eax & BIT(KVM_FEATURE_STEAL_TIME), "no steal time");
	vcpu_run_sync(vcpu, 0);
	vcpu_run_sync(vcpu, 1);
	t = host_thread(burn, &stop);
	test_note("stolen at first: %llu ns", (unsigned long long)sync_value(vcpu, 2));
	host_sleep_ms(20);
	test_note("stolen then: %llu ns", (unsigned long long)sync_value(vcpu, 3));
	stop = 1;
	host_join(t);
	vcpu_run_sync(vcpu, 4);
	vcpu_run_done(vcpu);
}

static void guest_steal_value(void)
{
	GUEST_SYNC2(1, ((volatile struct steal *)STEAL)->steal);
}

/* How long this thread has waited for a CPU, in ns. */
static u64 run_delay(void)
{
	unsigned long long ran, waited;
	FILE *f = fopen("/proc/thread-self/schedstat", "r");

	REQUIRE(f && fscanf(f, "%llu %llu", &ran, &waited) == 2, "no schedstat");
	fclose(f);
	return waited;
}

static void *steal_on_thread(void *vcpu)
{
	u64 stolen = sync_value(vcpu, 1);

	test_note("stolen: %lld ns", (long long)stolen);
	CHECK_EQ("not from before time", 1, stolen < 1ull << 62);
	return NULL;
}

/* A launcher restores the MSR from a thread that has waited longer than the vCPU's own: the difference is no time stolen. */
static void test_steal_restored(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_steal_value);
	struct kvm_cpuid_entry2 *f = cpuid_row(supported_cpuid(), 0x40000001, 0);
	u64 before = run_delay();
	int stop = 0;
	pthread_t t;

	REQUIRE(f && f->eax & BIT(KVM_FEATURE_STEAL_TIME), "no steal time");
	ASSERT_EQ(host_pin(0, host_cpu(0)), 0);
	t = host_thread(burn, &stop);
	while (run_delay() - before < 200000000)
		;
	vcpu_set_msr(vcpu, MSR_KVM_STEAL_TIME, STEAL | 1);
	stop = 1;
	host_join(t);
	host_join(host_thread(steal_on_thread, vcpu));
}

static void guest_steal_late(void)
{
	GUEST_SYNC(0);
	GUEST_SYNC2(1, ((volatile struct steal *)STEAL)->steal);
}

static void *set_steal(void *vcpu)
{
	vcpu_set_msr(vcpu, MSR_KVM_STEAL_TIME, STEAL | 1);
	return NULL;
}

/* Nor is what the vCPU's thread has waited before another one sets the MSR. */
static void test_steal_late(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_steal_late);
	u64 before = run_delay(), stolen;
	int stop = 0;
	pthread_t t;

	REQUIRE(has_cap(KEEL_CAP_LAST_ERROR) > 0, "not looked at on stock KVM");
	vcpu_run_sync(vcpu, 0);
	ASSERT_EQ(host_pin(0, host_cpu(0)), 0);
	t = host_thread(burn, &stop);
	while (run_delay() - before < 500000000)
		;
	stop = 1;
	host_join(t);
	host_join(host_thread(set_steal, vcpu));
	stolen = sync_value(vcpu, 1);
	test_note("stolen: %llu ns", (unsigned long long)stolen);
	CHECK_EQ("not what was before", 1, stolen < 400000000);
}

static volatile u8 go;

static void guest_preempted(void)
{
	volatile struct steal *s = (void *)STEAL;

	wrmsr(MSR_KVM_STEAL_TIME, STEAL | 1);
	GUEST_SYNC(1);
	GUEST_ROW("while it runs", 0, s->preempted);
	while (!go)
		;
	GUEST_SYNC(2);
}

/* The rival of a vCPU for its CPU. Once it may speak it lets the guest go on, when it finds that reported preempted. */
struct rival {
	u8 *preempted;
	volatile u8 *go;
	volatile int may_speak, stop;
};

static void *rival(void *arg)
{
	struct rival *r = arg;

	ASSERT_EQ(host_pin(0, host_cpu(0)), 0);
	while (!r->stop)
		if (r->may_speak && *(volatile u8 *)r->preempted == KVM_VCPU_PREEMPTED)
			*r->go = 1;
	return NULL;
}

/*
 * Calls that have the vCPU on a CPU for long, and are preempted there: many MSRs are read, and the page for them has to be
 * fetched afterwards. MSR 0 is one that reads as 0, so a page of zeros asks for it.
 */
static void read_msrs(struct vcpu *vcpu, u8 *pages)
{
	struct kvm_msrs *msrs = (void *)(pages + PAGE_SIZE - sizeof(*msrs));

	msrs->nmsrs = 250;
	ASSERT_EQ(madvise(pages + PAGE_SIZE, PAGE_SIZE, MADV_DONTNEED), 0);
	ASSERT_EQ(vcpu_ioctl(vcpu, KVM_GET_MSRS, msrs), 250);
}

/* For so long. Return: what the guest's memory then says. */
static u8 read_msrs_for(struct vcpu *vcpu, const u8 *preempted, u64 ms)
{
	u64 until = host_now_us() + ms * 1000;
	u8 *pages = host_pages(2 * PAGE_SIZE);

	while (host_now_us() < until)
		read_msrs(vcpu, pages);
	return *(volatile u8 *)preempted;
}

/*
 * A guest that finds another vCPU preempted asks for its TLB flush by a flag beside "preempted", and takes that for done. So the
 * vCPU must not be in the midst of anything; and it may be preempted again before it comes to look at the flag.
 */
static void test_preempted(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_preempted);
	struct kvm_cpuid_entry2 *f = cpuid_row(supported_cpuid(), 0x40000001, 0);
	u8 *preempted = &((struct steal *)vm_hva(vm, STEAL))->preempted;
	struct rival r = { .preempted = preempted, .go = GUEST_VAR(vm, go) };
	struct utsname uts;
	pthread_t t;

	REQUIRE(f && f->eax & BIT(KVM_FEATURE_STEAL_TIME), "no steal time");
	uname(&uts);
	REQUIRE(!strstr(uts.version, " PREEMPT "), "the kernel preempts vCPUs elsewhere, and then reports none");
	vcpu_let_host_in(vcpu);
	ASSERT_EQ(host_pin(0, host_cpu(0)), 0);
	t = host_thread(rival, &r);
	vcpu_run_sync(vcpu, 1);
	CHECK_EQ("preempted in calls", 0, read_msrs_for(vcpu, preempted, 3000));
	*preempted = KVM_VCPU_PREEMPTED | KVM_VCPU_FLUSH_TLB;
	CHECK_EQ("preempted in calls, with a flush to do", KVM_VCPU_PREEMPTED | KVM_VCPU_FLUSH_TLB,
		 read_msrs_for(vcpu, preempted, 3000));
	r.may_speak = 1;
	vcpu_run_sync(vcpu, 2);
	r.stop = 1;
	host_join(t);
	vcpu_run_done(vcpu);
}

static const struct test_case cases[] = {
	{ "system_time", test_system_time },
	{ "held", test_held },
	{ "steal_time", test_steal },
	{ "steal_restored", test_steal_restored },
	{ "steal_late", test_steal_late },
	{ "preempted", test_preempted },
};

TEST_MAIN(cases)
