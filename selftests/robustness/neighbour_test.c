// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VM's end is its own: while one VM works, others triple-fault, are killed with
 * SIGKILL at random moments (100 times), or lose their memory. The healthy one
 * goes on counting, and the host's memory is back where it was.
 */
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apic.h"
#include "hostmem.h"
#include "thread.h"

#define KILLS		100
#define GPA		0x40000000ULL
#define SIZE		(8ULL << 20)
#define LEAK_LIMIT	(2 << 20)

static volatile u64 stop_guest, count;

static void guest_count(void)
{
	while (!stop_guest) {
		count++;
		if (count % 64 == 0)
			cpuid(0, 0, (u32[4]){ 0 });
	}
}

static struct vcpu *healthy;
static pthread_t healthy_thread;

static void start_healthy(void)
{
	healthy = vcpu_create_guest(vm_create(VM_GUEST), 0, guest_count);
	vcpu_let_host_in(healthy);
	healthy_thread = vcpu_thread(healthy);
}

static void expect_healthy(void)
{
	expect_progress("the healthy one goes on", GUEST_VAR(healthy->vm, count), 1);
}

static void stop_healthy(void)
{
	*GUEST_VAR(healthy->vm, stop_guest) = 1;
	host_join(healthy_thread);
}

static void guest_triple(void)
{
	struct { u16 limit; u64 base; } __attribute__((packed)) idt = { 0, 0 };

	asm volatile("lidt %0; ud2" : : "m" (idt));
}

static void test_triple(void)
{
	int i;

	REQUIRE_SHUTDOWN();
	start_healthy();
	for (i = 0; i < 20; i++) {
		struct vm *vm = vm_create(VM_GUEST | (i & 1 ? VM_IRQCHIP : 0));
		struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_triple);

		RUN_TO(vcpu, KVM_EXIT_SHUTDOWN);
		expect_healthy();
		vcpu_destroy(vcpu);
		vm_destroy(vm);
	}
	stop_healthy();
}

/* Busy in every way: faults, exits, timers, interrupts to the other vCPU. */
static void guest_busy(u64 me)
{
	u64 i;

	apic_enable(APIC_X1);
	guest_handlers[0x61] = irq_count_handler;
	sti();
	for (i = 0; ; i++) {
		mmio_write64(GPA + (i * 4096 + me * 8) % SIZE, i);
		if (i % 16 == 0)
			apic_icr(!me, APIC_DM_FIXED | 0x61);
		if (i % 64 == 0)
			mmio_write32(VM_MMIO, i);
		if (i % 100 == 0)
			outb(0x99, i);
	}
}

static void *run_busy(void *arg)
{
	struct vcpu *vcpu = arg;
	u32 reason;

	do {
		reason = vcpu_run(vcpu);
	} while (reason == KVM_EXIT_IO || reason == KVM_EXIT_MMIO);
	return NULL;
}

static void victim(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_PIT);
	u8 *mem = host_pages(SIZE);
	struct kvm_irqfd irqfd = { .fd = eventfd(0, 0), .gsi = 5 };
	struct kvm_ioeventfd io = { .fd = irqfd.fd, .addr = VM_MMIO, .len = 4 };
	struct vcpu *vcpu[2];
	u64 i;

	vm_set_slot(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, GPA, SIZE, mem);
	vm_ioctl(vm, KVM_IRQFD, &irqfd);
	vm_ioctl(vm, KVM_IOEVENTFD, &io);
	for (i = 0; i < 2; i++) {
		vcpu[i] = vcpu_create_guest(vm, i, guest_busy);
		vcpu_args(vcpu[i], i, 0, 0);
		host_thread(run_busy, vcpu[i]);
	}
	for (;;) {
		vm_set_slot(vm, 2, 0, 0x80000000, SIZE, mem);
		madvise(mem, SIZE / 2, MADV_DONTNEED);
		vm_set_slot(vm, 2, 0, 0x80000000, 0, NULL);
	}
}

static void kill_one(unsigned int ms)
{
	pid_t pid = fork();

	ASSERT_GE(pid, 0);
	if (!pid) {
		alarm(TEST_TIMEOUT);
		/* huge pages for this one, whatever host_free_memory() has said */
		prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
		victim();
		_exit(0);
	}
	host_sleep_ms(ms);
	kill(pid, SIGKILL);
	CHECK_EQ("ended by", SIGKILL, child_signal(pid));
}

static void test_killed(void)
{
	u64 before, after, random = 12345;
	int i;

	start_healthy();
	for (i = 0; i < 10; i++)
		kill_one(5 + i * 5);
	expect_healthy();
	before = host_free_memory();
	for (i = 0; i < KILLS; i++) {
		random = random * 6364136223846793005ULL + 1442695040888963407ULL;
		kill_one(1 + (random >> 33) % 60);
		expect_healthy();
	}
	after = host_free_memory();
	stop_healthy();
	test_note("free memory: %llu KB before, %llu KB after", (unsigned long long)before >> 10,
		  (unsigned long long)after >> 10);
	ASSERT(after + LEAK_LIMIT >= before, "%lld KB are gone", (long long)(before - after) >> 10);
}

/* Made and destroyed many times: nothing is left behind. */
static void test_many(void)
{
	u64 before = 0, after;
	int i, round;

	REQUIRE_SHUTDOWN();
	for (round = 0; round < 2; round++) {
		before = host_free_memory();
		for (i = 0; i < 100; i++) {
			struct vm *vm = vm_create(VM_GUEST | VM_PIT);
			struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_triple);

			RUN_TO(vcpu, KVM_EXIT_SHUTDOWN);
			vcpu_destroy(vcpu);
			vm_destroy(vm);
		}
	}
	after = host_free_memory();
	test_note("free memory: %llu KB before, %llu KB after", (unsigned long long)before >> 10,
		  (unsigned long long)after >> 10);
	ASSERT(after + LEAK_LIMIT >= before, "%lld KB are gone", (long long)(before - after) >> 10);
}

static const struct test_case cases[] = {
	{ "triple_faults", test_triple, 120 },
	{ "killed", test_killed, 600 },
	{ "made_and_destroyed", test_many, 120 },
};

TEST_MAIN(cases)
