// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU thread moved from CPU to CPU every few milliseconds loses nothing of its guest: general registers, FS and GS, the task
 * register, TSC_AUX, the system-call MSRs, and a computation with exits of all speeds in between.
 *
 * $MIGRATE_SECONDS makes each case last longer than the usual two seconds. CPUs may come and go meanwhile.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "thread.h"

#define MSR_STAR	0xc0000081
#define MSR_LSTAR	0xc0000082
#define MSR_CSTAR	0xc0000083
#define MSR_FMASK	0xc0000084
#define MSR_KERNEL_GS	0xc0000102
#define MSR_TSC_AUX	0xc0000103

#define FS_BASE		0x123456789000ULL
#define GS_BASE		0xffff923456789000ULL
#define LSTAR		0xffffffff81234567ULL
#define CALLS		8	/* rounds of the guest between two visits to user space */

static volatile u64 guest_x[2];		/* the computation, one a vCPU */
static volatile u64 rounds[2];

static inline u64 step(u64 x)
{
	return x * 6364136223846793005ULL + 1442695040888963407ULL;
}

/* RBX, RBP and R8 to R15 keep their values over an instruction that exits. */
#define KEPT_OVER(insn, in_a, in_c, in_d)						\
	do {										\
		u64 bad_, a_ = (in_a), c_ = (in_c), d_ = (in_d);			\
											\
		asm volatile("push %%rbx; push %%rbp\n\t"				\
			     "mov %%r8, %%r9; lea 2(%%r8), %%r10; lea 3(%%r8), %%r11\n\t" \
			     "lea 4(%%r8), %%r12; lea 5(%%r8), %%r13; lea 6(%%r8), %%r14\n\t" \
			     "lea 7(%%r8), %%r15; lea 8(%%r8), %%rbp; lea 9(%%r8), %%rsi\n\t" \
			     insn "\n\t"						\
			     "xor %%edi, %%edi\n\t"					\
			     "sub %%r8, %%r9; or %%r9, %%rdi\n\t"			\
			     "sub %%r8, %%r10; sub $2, %%r10; or %%r10, %%rdi\n\t"	\
			     "sub %%r8, %%r11; sub $3, %%r11; or %%r11, %%rdi\n\t"	\
			     "sub %%r8, %%r12; sub $4, %%r12; or %%r12, %%rdi\n\t"	\
			     "sub %%r8, %%r13; sub $5, %%r13; or %%r13, %%rdi\n\t"	\
			     "sub %%r8, %%r14; sub $6, %%r14; or %%r14, %%rdi\n\t"	\
			     "sub %%r8, %%r15; sub $7, %%r15; or %%r15, %%rdi\n\t"	\
			     "sub %%r8, %%rbp; sub $8, %%rbp; or %%rbp, %%rdi\n\t"	\
			     "sub %%r8, %%rsi; sub $9, %%rsi; or %%rsi, %%rdi\n\t"	\
			     "pop %%rbp; pop %%rbx"					\
			     : "=&D" (bad_), "+a" (a_), "+c" (c_), "+d" (d_), "+r" (r8_) \
			     : : "rsi", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc"); \
		GUEST_EQ(bad_, 0);							\
	} while (0)

static u16 task_register(void)
{
	u16 sel;

	asm volatile("str %0" : "=r" (sel));
	return sel;
}

static u32 tsc_aux(void)
{
	u32 lo, hi, aux;

	asm volatile("rdtscp" : "=a" (lo), "=d" (hi), "=c" (aux));
	return aux;
}

static void check_state(u64 id, u16 tr, u64 has_rdtscp)
{
	if (has_rdtscp)
		GUEST_EQ(tsc_aux(), 0x1000 + id);
	GUEST_EQ(rdmsr(MSR_STAR), 0x0023001000000000ULL + id);
	GUEST_EQ(rdmsr(MSR_LSTAR), LSTAR + id);
	GUEST_EQ(rdmsr(MSR_CSTAR), LSTAR + 16 + id);
	GUEST_EQ(rdmsr(MSR_FMASK), 0x700 + id);
	GUEST_EQ(rdmsr(MSR_KERNEL_GS), GS_BASE + 4096 + id);
	GUEST_EQ(rdmsr(0xc0000100), FS_BASE + id);
	GUEST_EQ(rdmsr(0xc0000101), GS_BASE + id);
	GUEST_EQ(task_register(), tr);
}

static void guest(u64 id, u64 has_rdtscp)
{
	register u64 r8_ asm("r8");
	u64 x = id, i, spin, turns;
	u16 tr = task_register();

	wrmsr(MSR_STAR, 0x0023001000000000ULL + id);
	wrmsr(MSR_LSTAR, LSTAR + id);
	wrmsr(MSR_CSTAR, LSTAR + 16 + id);
	wrmsr(MSR_FMASK, 0x700 + id);
	wrmsr(MSR_KERNEL_GS, GS_BASE + 4096 + id);
	wrmsr(0xc0000100, FS_BASE + id);
	wrmsr(0xc0000101, GS_BASE + id);
	if (has_rdtscp)
		wrmsr(MSR_TSC_AUX, 0x1000 + id);
	for (i = 0;; i++) {
		r8_ = x;
		switch (x >> 62) {
		case 0:
			KEPT_OVER("cpuid", 0x40000000, 0, 0);
			break;
		case 1:
			KEPT_OVER("out %%al, %%dx", 1, 0, 0x80);
			break;
		case 2:
			KEPT_OVER("rdmsr", 0, 0x1b, 0);
			break;
		case 3:
			KEPT_OVER("mov (%%rdx), %%eax", 0, 0, VM_MMIO);
			break;
		}
		/* some time without an exit, for an interrupt of the host to find */
		turns = x >> 52;
		for (spin = 0; spin <= turns; spin++)
			x = step(x);
		if (i % CALLS == 0)
			check_state(id, tr, has_rdtscp);
		guest_x[id] = x;
		rounds[id] = i + 1;
	}
}

/* The same, without exits. */
static u64 expected(u64 id, u64 n)
{
	u64 x = id, i, spin, turns;

	for (i = 0; i < n; i++) {
		turns = x >> 52;
		for (spin = 0; spin <= turns; spin++)
			x = step(x);
	}
	return x;
}

static struct vm *vm;
static atomic_int stop;
static atomic_ulong exits[2];
static pid_t tids[2];

static void *run_one(void *arg)
{
	struct vcpu *vcpu = arg;
	u64 value;

	tids[vcpu->id] = gettid();
	while (!atomic_load(&stop)) {
		u32 reason = vcpu_run(vcpu);

		atomic_fetch_add(&exits[vcpu->id], 1);
		if (reason == KVM_EXIT_MMIO) {
			value = 0x12345678;
			memcpy(vcpu->run->mmio.data, &value, 8);
			continue;
		}
		ASSERT_EXIT(vcpu, KVM_EXIT_IO);
		if (vcpu->run->io.port != 0x80)
			vcpu_finish(vcpu);
	}
	vcpu_complete(vcpu);
	return NULL;
}

static void move(pid_t tid, int cpu)
{
	int ret = host_pin(tid, cpu);

	/* -EINVAL: that CPU has gone */
	if (ret)
		ASSERT_EQ(ret, -EINVAL);
}

static void run_vcpus(unsigned int n)
{
	const char *longer = getenv("MIGRATE_SECONDS");
	u64 end = host_now_us() + (longer ? strtoul(longer, NULL, 0) : 2) * 1000000;
	struct kvm_cpuid2 *cpuid = supported_cpuid();
	struct kvm_cpuid_entry2 *features = cpuid_row(cpuid, 0x80000001, 0);
	unsigned int i, moves = 0, rnd = 1;
	struct vcpu *vcpu[2];
	pthread_t t[2];

	REQUIRE(host_cpu(1) >= 0, "one CPU");
	atomic_store(&stop, 0);
	vm = vm_create(VM_GUEST | VM_IRQCHIP);
	for (i = 0; i < n; i++) {
		vcpu[i] = vcpu_create_guest(vm, i, guest);
		vcpu_args(vcpu[i], i, features && features->edx & BIT(27), 0);
		vcpu_ioctl(vcpu[i], KVM_SET_MP_STATE, &(struct kvm_mp_state){ KVM_MP_STATE_RUNNABLE });
		t[i] = host_thread(run_one, vcpu[i]);
		while (!*(volatile pid_t *)&tids[i])
			host_sleep_ms(1);
	}
	for (; host_now_us() < end; moves++) {
		rnd = rnd * 1103515245 + 12345;
		move(tids[moves % n], host_cpu((rnd >> 16) & 1));
		usleep((rnd >> 20) & 2047);
	}
	atomic_store(&stop, 1);
	for (i = 0; i < n; i++)
		host_join(t[i]);
	for (i = 0; i < n; i++) {
		u64 done = *GUEST_VAR(vm, rounds[i]);

		printf("# vCPU %u: %u moves, %lu exits to user space, %llu rounds\n", i, moves / n, atomic_load(&exits[i]),
		       (unsigned long long)done);
		ASSERT(done, "the guest made no round");
		CHECK_EQ("the guest's computation", expected(i, done), *GUEST_VAR(vm, guest_x[i]));
	}
}

static void test_one(void)
{
	run_vcpus(1);
}

/* Two on two CPUs: often both on one, with each other's ASID, save area and segment registers. */
static void test_two(void)
{
	run_vcpus(2);
}

static const struct test_case cases[] = {
	{ "one_vcpu", test_one },
	{ "two_vcpus", test_two },
};

TEST_MAIN(cases)
