// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guests made of random bytes, in every mode, with and without in-kernel
 * interrupt controllers: whatever they do, KVM_RUN returns with an exit or
 * -EINTR within its time, the vCPU's state can be read, and a healthy VM runs
 * afterwards. Each seed has a VM of its own and is reproducible:
 *
 *   KEEL_SEED=first KEEL_SEEDS=number random_bytes_test long
 */
#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

#define CODE		0x8000ULL
#define CODE_SIZE	0x4000ULL
#define DEFAULT_SEEDS	60
#define RUN_MS		10
#define MAX_EXITS	2000

static u64 state;

static u64 next_random(void)
{
	return xorshift(&state);
}

static volatile int expired;
static struct kvm_run *volatile current_run;

static void on_timer(int sig)
{
	expired = 1;
	if (current_run)
		current_run->immediate_exit = 1;
}

static void start_timer(timer_t timer, long ms)
{
	struct itimerspec its = {
		.it_value = { .tv_nsec = ms * 1000000 },
		.it_interval = { .tv_nsec = ms * 1000000 },	/* again, should one come too early */
	};

	expired = 0;
	timer_settime(timer, 0, &its, NULL);
}

/* QEMU 7.2 ended in this test: what did it is, among much else, spoilt in what the guest is given. */
static void spare_tcg(u8 *p, size_t n)
{
	static const u8 prefixes[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3 };
	size_t i;

	for (i = 1; i + 1 < n; i++)
		if (p[i] == 0x0f && (p[i + 1] & 0xf0) == 0x20 && ((p[i - 1] & 0xf0) == 0x40 || memchr(prefixes, p[i - 1], sizeof(prefixes))))
			p[i + 1] = 0x1f;
}

static void fill(u8 *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i += 8) {
		u64 v = next_random();

		memcpy(p + i, &v, 8);
	}
	if (host_is_tcg())
		spare_tcg(p, n);
}

/*
 * Every vector leads to a place of its own in the random code, so that a guest
 * goes on behind its faults.
 */
#define HANDLER(v)	(CODE + 0x2000 + (v) * 32ULL)

static void put_gates32(struct vm *vm, u64 selector, u64 type)
{
	u64 *idt = vm_hva(vm, VM_IDT), v;

	for (v = 0; v < 256; v++)
		idt[v] = HANDLER(v) | selector << 16 | type << 40;
}

static void start_real(struct vcpu *vcpu, u64 gpa)
{
	u32 *ivt = vm_hva(vcpu->vm, 0), v;

	for (v = 0; v < 256; v++)
		ivt[v] = HANDLER(v);
	vcpu_start_real(vcpu, gpa >> 4, 0);
}

static void start_prot16(struct vcpu *vcpu, u64 gpa)
{
	put_gates32(vcpu->vm, SEL_CODE16, 0x86);
	vcpu_start_prot16(vcpu, gpa);
}

static void start_prot32(struct vcpu *vcpu, u64 gpa)
{
	put_gates32(vcpu->vm, SEL_CODE32, 0x8e);
	vcpu_start_prot32(vcpu, gpa);
}

static void start_paged32(struct vcpu *vcpu, u64 gpa)
{
	put_gates32(vcpu->vm, SEL_CODE32, 0x8e);
	vcpu_start_paged32(vcpu, gpa);
}

static void start_pae(struct vcpu *vcpu, u64 gpa)
{
	put_gates32(vcpu->vm, SEL_CODE32, 0x8e);
	vcpu_start_pae(vcpu, gpa);
}

static void start_long(struct vcpu *vcpu, u64 gpa)
{
	u64 *idt = vm_hva(vcpu->vm, VM_IDT), v;

	for (v = 0; v < 256; v++) {
		idt[2 * v] = HANDLER(v) | (u64)SEL_CODE64 << 16 | 0x8eULL << 40;
		idt[2 * v + 1] = 0;
	}
	vcpu_start64(vcpu, (void *)gpa);
}

static void randomize_regs(struct vcpu *vcpu)
{
	struct kvm_regs r = vcpu_regs(vcpu);
	u64 *g = (u64 *)&r;
	int i;

	for (i = 0; i < 16; i++)
		if (i != 6 && i != 7)	/* RSP and RBP stay usable */
			g[i] = next_random() >> (next_random() & 63);
	r.rflags |= next_random() & 0x200;
	vcpu_set_regs(vcpu, &r);
}

/* Any of these is a fair end or stop of a guest. */
static int is_fair(u32 reason)
{
	switch (reason) {
	case KVM_EXIT_IO:
	case KVM_EXIT_MMIO:
	case KVM_EXIT_HLT:
	case KVM_EXIT_SHUTDOWN:
	case KVM_EXIT_INTERNAL_ERROR:
	case KVM_EXIT_FAIL_ENTRY:
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
	case KVM_EXIT_SET_TPR:
	case KVM_EXIT_SYSTEM_EVENT:
		return 1;
	}
	return 0;
}

static int is_end(u32 reason)
{
	return reason == KVM_EXIT_SHUTDOWN || reason == KVM_EXIT_INTERNAL_ERROR ||
	       reason == KVM_EXIT_FAIL_ENTRY;
}

static void run_one(struct vcpu *vcpu, timer_t timer, u64 seed, u32 *exits)
{
	struct kvm_run *run = vcpu->run;
	struct timespec a, b;
	u32 i;

	clock_gettime(CLOCK_MONOTONIC, &a);
	current_run = run;
	start_timer(timer, RUN_MS);
	for (i = 0; i < MAX_EXITS && !expired; i++) {
		int ret = __vcpu_run(vcpu);

		if (ret == -EINTR || ret == -EAGAIN)
			continue;
		ASSERT(!ret, "seed %llu: KVM_RUN returned %d", (unsigned long long)seed, ret);
		ASSERT(is_fair(run->exit_reason), "seed %llu: exit reason %u",
		       (unsigned long long)seed, run->exit_reason);
		exits[run->exit_reason < 32 ? run->exit_reason : 31]++;
		if (is_end(run->exit_reason))
			break;
		if (run->exit_reason == KVM_EXIT_IO && !run->io.direction)
			fill((u8 *)run + run->io.data_offset, run->io.size * run->io.count);
		if (run->exit_reason == KVM_EXIT_MMIO && !run->mmio.is_write)
			fill(run->mmio.data, 8);
	}
	current_run = NULL;
	start_timer(timer, 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	ASSERT(b.tv_sec - a.tv_sec < 20, "seed %llu took too long", (unsigned long long)seed);
	vcpu_regs(vcpu);
	vcpu_sregs(vcpu);
}

static u64 env_number(const char *name, u64 fallback)
{
	const char *s = getenv(name);

	return s && *s ? strtoull(s, NULL, 0) : fallback;
}

static void one_seed(void (*start)(struct vcpu *vcpu, u64 gpa), u64 seed, timer_t timer, u8 *mem,
		     u32 *exits)
{
	struct vm *vm = vm_create(seed & 1 ? VM_PIT : VM_BARE);
	struct vcpu *vcpu;

	state = seed * 0x9e3779b97f4a7c15 + 1;
	vm->mem = mem;
	madvise(mem, VM_MEM_SIZE, MADV_DONTNEED);
	guest_tables_init(vm);
	fill(mem + CODE, CODE_SIZE);
	vm_set_slot(vm, 0, 0, 0, VM_MEM_SIZE, mem);
	vcpu = vcpu_create(vm, 0);
	vcpu_set_supported_cpuid(vcpu);
	start(vcpu, CODE);
	randomize_regs(vcpu);
	run_one(vcpu, timer, seed, exits);
	vcpu_destroy(vcpu);
	vm->mem = NULL;
	vm_destroy(vm);
}

static void guest_healthy(void)
{
	GUEST_SYNC(1);
}

/* The host did not go on in this test on Bochs (see vcpu_let_host_in()): who names the seeds sees to it. */
static void require_interruptible(void)
{
	REQUIRE(!host_is_bochs() || getenv("KEEL_SEED") || getenv("KEEL_SEEDS"),
		"Bochs does not let the host in while some of these guests run");
}

static void run_mode(void (*start)(struct vcpu *vcpu, u64 gpa))
{
	u64 first = env_number("KEEL_SEED", 1), n = env_number("KEEL_SEEDS", DEFAULT_SEEDS), i;
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct sigaction sa = { .sa_handler = on_timer };
	u8 *mem = host_pages(VM_MEM_SIZE);
	u32 exits[32] = { 0 };
	struct vcpu *healthy;
	timer_t timer;

	require_interruptible();
	sigaction(SIGUSR1, &sa, NULL);
	ASSERT_EQ(timer_create(CLOCK_MONOTONIC, &ev, &timer), 0);
	for (i = first; i < first + n; i++)
		one_seed(start, i, timer, mem, exits);
	for (i = 0; i < 32; i++)
		if (exits[i])
			test_note("%u exits %s", exits[i], exit_name(i));
	healthy = vcpu_create_guest(vm_create(VM_GUEST), 0, guest_healthy);
	vcpu_run_sync(healthy, 1);
	vcpu_run_done(healthy);
}

static void test_real(void) { run_mode(start_real); }
static void test_prot16(void) { run_mode(start_prot16); }
static void test_prot32(void) { run_mode(start_prot32); }
static void test_paged32(void) { run_mode(start_paged32); }
static void test_pae(void) { run_mode(start_pae); }
static void test_long(void) { run_mode(start_long); }

static const struct test_case cases[] = {
	{ "real", test_real, 300 },
	{ "protected_16", test_prot16, 300 },
	{ "protected_32", test_prot32, 300 },
	{ "paged_32", test_paged32, 300 },
	{ "pae", test_pae, 300 },
	{ "long", test_long, 300 },
};

TEST_MAIN(cases)
