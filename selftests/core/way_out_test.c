// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a thread has stays the thread's, and what a guest has the guest's, across exits to user space, whatever the thread does between
 * two of them: x87 and SSE state, MSRs that only user mode uses, FS and GS, the limit of the GDT.
 */
#include <asm/prctl.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "thread.h"

#define PORT		0x1000
#define TURNS		6
#define MSR_STAR	0xc0000081
#define MSR_LSTAR	0xc0000082
#define MSR_SFMASK	0xc0000084
#define MSR_FS		0xc0000100
#define MSR_GS		0xc0000101
#define MSR_KERNEL_GS	0xc0000102
#define MSR_AUX		0xc0000103
#define FRESH		0x40000000ULL	/* one page for each turn, that no one has touched */

/* --- guest --------------------------------------------------------------------- */

static const u32 msrs[] = { MSR_STAR, MSR_LSTAR, MSR_SFMASK, MSR_FS, MSR_GS, MSR_KERNEL_GS };

/* Canonical, and below 2^32 for MSRs that are flags. */
static u64 msr_value(u64 seed, u64 i)
{
	return (seed << 20) + 0x1000 * (i + 1);
}

/*
 * @seed tells guests apart. With @touch each turn has an exit before the one to user space that may sleep.
 */
static void guest_turns(u64 seed, u64 touch, u64 has_aux)
{
	u32 mxcsr = 0x1f80 | (seed & 7) << 13, mxcsr_now;
	u16 fcw = 0x37f & ~((seed & 3) << 4), fcw_now;
	u64 turn, i, v;

	/* EFER.SCE: only then has a guest use for the MSRs of SYSCALL */
	wrmsr(0xc0000080, rdmsr(0xc0000080) | 1);
	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		wrmsr(msrs[i], msr_value(seed, i));
	if (has_aux)
		wrmsr(MSR_AUX, seed);
	asm volatile("fldcw %0; ldmxcsr %1; fld1" : : "m" (fcw), "m" (mxcsr));
	for (turn = 0; turn < TURNS; turn++) {
		asm volatile("movq %0, %%xmm2; movq %0, %%xmm14" : : "r" (seed + turn));
		if (touch)
			*(volatile u8 *)(FRESH + turn * PAGE_SIZE) = 1;
		outb(PORT, turn);
		if (touch)
			*(volatile u8 *)(FRESH + (TURNS + turn) * PAGE_SIZE) = 1;
		asm volatile("movq %%xmm2, %0" : "=r" (v));
		GUEST_EQ(v, seed + turn);
		asm volatile("movq %%xmm14, %0" : "=r" (v));
		GUEST_EQ(v, seed + turn);
		asm volatile("fnstcw %0; stmxcsr %1" : "=m" (fcw_now), "=m" (mxcsr_now));
		GUEST_EQ(fcw_now, fcw);
		GUEST_EQ(mxcsr_now, mxcsr);
		for (i = 0; i < ARRAY_SIZE(msrs); i++)
			GUEST_EQ(rdmsr(msrs[i]), msr_value(seed, i));
		/* by the instruction that uses it: twice leaves it as it was */
		asm volatile("swapgs");
		GUEST_EQ(rdmsr(MSR_GS), msr_value(seed, 5));
		asm volatile("swapgs");
		if (has_aux) {
			asm volatile("rdtscp" : "=c" (v) : : "rax", "rdx");
			GUEST_EQ((u32)v, (u32)seed);
		}
	}
}

/* --- the thread ------------------------------------------------------------------ */

struct table {
	u16 limit;
	u64 base;
} __attribute__((packed));

static struct vm *vm;
static struct vcpu *first, *second;
static volatile int signals;
static int new_threads;		/* each run is another thread's */

/* A handler that uses the FPU, as any may. */
static void on_signal(int sig)
{
	u64 junk = 0x5a5a5a5a5a5a5a5a;
	u32 mxcsr = 0x1f80 | 1 << 15;

	asm volatile("movq %0, %%xmm2; movq %0, %%xmm9; ldmxcsr %1; fldz" : : "r" (junk), "m" (mxcsr));
	signals++;
}

static void nothing(u64 turn)
{
}

static void other_ioctls(u64 turn)
{
	struct kvm_fpu fpu;
	u64 i;

	vcpu_ioctl(first, KVM_GET_FPU, &fpu);
	CHECK_EQ("XMM2 by KVM_GET_FPU", 0x111 + turn, *(u64 *)fpu.xmm[2]);
	vcpu_ioctl(first, KVM_SET_FPU, &fpu);
	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		CHECK_EQ("MSR", msr_value(0x111, i), vcpu_msr(first, msrs[i]));
	CHECK_EQ("base of GS", msr_value(0x111, 4), vcpu_sregs(first).gs.base);
	vcpu_set_msr(first, MSR_KERNEL_GS, msr_value(0x111, 5));
}

static void other_vcpu(u64 turn)
{
	RUN_TO(second, KVM_EXIT_IO);
	CHECK_EQ("the other's turn", turn, *((u8 *)second->run + second->run->io.data_offset));
}

static void other_cpu(u64 turn)
{
	ASSERT_EQ(host_pin(0, host_cpu((turn + 1) & 1)), 0);
}

/* Another thread has the CPU, and its registers. */
static void *use_registers(void *unused)
{
	on_signal(0);
	return NULL;
}

static void other_thread(u64 turn)
{
	host_join(host_thread(use_registers, NULL));
	sched_yield();
}

static void signalled(u64 turn)
{
	int seen = signals;

	raise(SIGUSR2);
	CHECK_EQ("signals", seen + 1, signals);
}

static void child(u64 turn)
{
	pid_t pid = fork();

	if (!pid) {
		on_signal(0);
		_exit(0);
	}
	CHECK_EQ("signal that ended the child", 0, child_signal(pid));
}

/* Nothing of KVM_RUN but the immediate exit, which completes the instruction. */
static void completed(u64 turn)
{
	vcpu_complete(first);
}

/* --- both -------------------------------------------------------------------------- */

static int has_rdtscp(void)
{
	u32 r[4];

	cpuid(0x80000001, 0, r);
	return !!(r[3] & BIT(27));
}

static u64 base_of_gs(void)
{
	u64 base;

	ASSERT_EQ(syscall(SYS_arch_prctl, ARCH_GET_GS, &base), 0);
	return base;
}

/* One run, with values of its own in all the thread's registers around it, so that nothing between is the compiler's. */
static void run_and_compare(u64 turn)
{
	u64 host = 0x123456789abc0000 + turn, low, high;
	u32 mxcsr = 0x1f80 | 2 << 13, mxcsr_now, cpu, aux;
	u16 fcw = 0x27f, fcw_now, fcw_usual;
	struct table before, after;
	u32 mxcsr_usual;
	int ret;

	ASSERT_EQ(syscall(SYS_arch_prctl, ARCH_SET_GS, host >> 16), 0);
	asm volatile("sgdt %0" : "=m" (before));
	asm volatile("fnstcw %0; stmxcsr %1" : "=m" (fcw_usual), "=m" (mxcsr_usual));
	asm volatile("mov %[run], %%esi; xor %%edx, %%edx; fldcw %[fcw]; ldmxcsr %[mxcsr];"
		     "movq %[host], %%xmm2; movq %[host], %%xmm14; syscall;"
		     "movq %%xmm2, %[low]; movq %%xmm14, %[high]; fnstcw %[fcw_now]; stmxcsr %[mxcsr_now];"
		     "fldcw %[usual]; ldmxcsr %[mxusual]"
		     : "=a" (ret), [low] "=&r" (low), [high] "=&r" (high), [fcw_now] "=m" (fcw_now), [mxcsr_now] "=m" (mxcsr_now)
		     : "a" (SYS_ioctl), "D" (first->fd), [run] "i" (KVM_RUN), [host] "r" (host), [fcw] "m" (fcw), [mxcsr] "m" (mxcsr),
		       [usual] "m" (fcw_usual), [mxusual] "m" (mxcsr_usual)
		     : "rsi", "rdx", "rcx", "r11", "memory");
	asm volatile("sgdt %0" : "=m" (after));
	CHECK_EQ("KVM_RUN", 0, ret);
	CHECK_EQ("XMM2 of the thread", host, low);
	CHECK_EQ("XMM14 of the thread", host, high);
	CHECK_EQ("FCW of the thread", fcw, fcw_now);
	CHECK_EQ("MXCSR of the thread", mxcsr, mxcsr_now);
	CHECK_EQ("limit of the GDT", before.limit, after.limit);
	CHECK_EQ("base of GS", host >> 16, base_of_gs());
	if (!has_rdtscp())
		return;
	/* the kernel keeps the CPU's number there */
	do {
		cpu = sched_getcpu();
		asm volatile("rdtscp" : "=c" (aux) : : "rax", "rdx");
	} while (cpu != (u32)sched_getcpu());
	CHECK_EQ("TSC_AUX of the thread", cpu, aux & 0xfff);
}

static void *run_in_thread(void *turn)
{
	run_and_compare((uintptr_t)turn);
	return NULL;
}

static void turns(void (*between)(u64 turn), u64 touch)
{
	u64 turn, aux, size = 2 * TURNS * PAGE_SIZE;

	signal(SIGUSR2, on_signal);
	vm = vm_create(VM_GUEST);
	vm_set_slot(vm, 1, 0, FRESH, size, host_pages_aligned(size, PAGE_SIZE));
	first = vcpu_create_guest(vm, 0, guest_turns);
	second = vcpu_create_guest(vm, 1, guest_turns);
	aux = !!(cpuid_row(supported_cpuid(), 0x80000001, 0)->edx & BIT(27));
	vcpu_args(first, 0x111, touch, aux);
	vcpu_args(second, 0x222, touch, aux);
	for (turn = 0; turn < TURNS; turn++) {
		if (new_threads)
			host_join(host_thread(run_in_thread, (void *)(uintptr_t)turn));
		else
			run_and_compare(turn);
		ASSERT_EXIT(first, KVM_EXIT_IO);
		ASSERT_EQ(first->run->io.port, PORT);
		between(turn);
	}
	vcpu_run_done(first);
}

/* Each way to spend the time, with exits of one inner loop each and with more. */
#define CASE(name)							\
	static void test_##name(void) { turns(name, 0); }		\
	static void test_##name##_sleeping(void) { turns(name, 1); }

CASE(nothing)
CASE(other_ioctls)
CASE(other_vcpu)
CASE(other_thread)
CASE(signalled)
CASE(child)
CASE(completed)

/* KVM_RUN sleeps before it enters: the thread's registers are in memory, and the CPU's another's. */
static void test_new_threads(void)
{
	new_threads = 1;
	turns(nothing, 0);
	turns(other_thread, 0);
	turns(nothing, 1);
}

static void test_other_cpu(void)
{
	REQUIRE(host_cpu(1) >= 0, "one CPU");
	turns(other_cpu, 0);
	turns(other_cpu, 1);
}

#define BOTH(name)	{ #name, test_##name }, { #name "_sleeping", test_##name##_sleeping }

static const struct test_case cases[] = {
	BOTH(nothing),
	BOTH(other_ioctls),
	BOTH(other_vcpu),
	BOTH(other_thread),
	BOTH(signalled),
	BOTH(child),
	BOTH(completed),
	{ "new_threads", test_new_threads },
	{ "other_cpu", test_other_cpu },
};

TEST_MAIN(cases)
