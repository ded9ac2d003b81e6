// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several threads on one VM: of equal creations one succeeds, a vCPU belongs to
 * one KVM_RUN at a time, its state is read by another thread only when it has
 * left the guest, and slots, routes and eventfds change while vCPUs come and go.
 */
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "thread.h"

#define THREADS 4

static struct vm *shared_vm;
static struct vcpu *shared_vcpu;
static atomic_int ready, successes, busy;

/* All threads leave at once. */
static void line_up(void)
{
	atomic_fetch_add(&ready, 1);
	while (atomic_load(&ready) < THREADS)
		;
}

static void *create_same(void *arg)
{
	int ret;

	line_up();
	ret = __vm_ioctl(shared_vm, KVM_CREATE_VCPU, (void *)3);
	if (ret >= 0)
		atomic_fetch_add(&successes, 1);
	else
		ASSERT_EQ(ret, -EEXIST);
	return NULL;
}

static void *create_chip(void *arg)
{
	int ret;

	line_up();
	ret = __vm_ioctl(shared_vm, KVM_CREATE_IRQCHIP, NULL);
	if (!ret)
		atomic_fetch_add(&successes, 1);
	else
		ASSERT_EQ(ret, -EEXIST);
	return NULL;
}

static void run_threads(void *(*fn)(void *))
{
	pthread_t t[THREADS];
	u64 i;

	atomic_store(&ready, 0);
	for (i = 0; i < THREADS; i++)
		t[i] = host_thread(fn, (void *)i);
	for (i = 0; i < THREADS; i++)
		host_join(t[i]);
}

static void test_create(void)
{
	int i;

	for (i = 0; i < 20; i++) {
		shared_vm = vm_create(VM_BARE);
		atomic_store(&successes, 0);
		run_threads(create_chip);
		ASSERT_EQ(atomic_load(&successes), 1);
		atomic_store(&successes, 0);
		run_threads(create_same);
		ASSERT_EQ(atomic_load(&successes), 1);
		vm_destroy(shared_vm);
	}
}

/* Controllers that a thread without a vCPU can find are complete: they have their default routes, and all three chips answer. */
static void *look_for_chip(void *arg)
{
	struct kvm_irq_level line = { .irq = 5 };
	struct kvm_irqchip chip = { 0 };

	line_up();
	for (;;) {
		line.level = !line.level;
		if (!__vm_ioctl(shared_vm, KVM_IRQ_LINE_STATUS, &line))
			break;
	}
	if ((int)line.status < 0)
		atomic_fetch_add(&successes, 1);
	for (chip.chip_id = 0; chip.chip_id < 3; chip.chip_id++)
		vm_ioctl(shared_vm, KVM_GET_IRQCHIP, &chip);
	return NULL;
}

static void *chip_or_look(void *arg)
{
	if (arg)
		return look_for_chip(arg);
	line_up();
	vm_ioctl(shared_vm, KVM_CREATE_IRQCHIP, NULL);
	return NULL;
}

static void test_chip_complete(void)
{
	int i;

	atomic_store(&successes, 0);
	for (i = 0; i < 200; i++) {
		shared_vm = vm_create(VM_BARE);
		run_threads(chip_or_look);
		vm_destroy(shared_vm);
	}
	CHECK_EQ("lines of a new chip that lead nowhere", 0, atomic_load(&successes));
}

/* An irqchip and the first vCPU at once: whichever comes second finds the other. */
static void *chip_or_vcpu(void *arg)
{
	int ret;

	line_up();
	if ((u64)arg & 1) {
		ret = __vm_ioctl(shared_vm, KVM_CREATE_IRQCHIP, NULL);
		ASSERT(!ret || ret == -EINVAL || ret == -EEXIST, "%d", ret);
	} else {
		ret = __vm_ioctl(shared_vm, KVM_CREATE_VCPU, arg);
		ASSERT(ret >= 0, "%d", ret);
		atomic_store(&successes, ret);
	}
	return NULL;
}

static void test_chip_or_vcpu(void)
{
	struct kvm_lapic_state lapic;
	struct kvm_irqchip chip = { .chip_id = 2 };
	int i, has_chip;

	for (i = 0; i < 40; i++) {
		shared_vm = vm_create(VM_BARE);
		run_threads(chip_or_vcpu);
		has_chip = !__vm_ioctl(shared_vm, KVM_GET_IRQCHIP, &chip);
		CHECK_RET("the vCPU has an APIC if the VM has one", has_chip ? 0 : -EINVAL,
			  __fd_ioctl(atomic_load(&successes), KVM_GET_LAPIC, &lapic));
		vm_destroy(shared_vm);
	}
}

static volatile u64 spin;

static void guest_spin(void)
{
	for (;;)
		spin++;
}

static void *run_it(void *arg)
{
	int ret;

	atomic_fetch_add(&busy, 1);
	ret = __vcpu_run(shared_vcpu);
	ASSERT_EQ(ret, -EINTR);
	atomic_fetch_sub(&busy, 1);
	return NULL;
}

static void *read_regs(void *arg)
{
	struct kvm_regs regs;

	vcpu_ioctl(shared_vcpu, KVM_GET_REGS, &regs);
	ASSERT(regs.rip >= (u64)guest_spin && regs.rip < (u64)guest_spin + 64, "RIP 0x%llx",
	       (unsigned long long)regs.rip);
	atomic_store(&successes, 1);
	return NULL;
}

static void test_one_runner(void)
{
	pthread_t a, b;

	ignore_kick();
	shared_vm = vm_create(VM_GUEST);
	shared_vcpu = vcpu_create_guest(shared_vm, 0, guest_spin);
	vcpu_let_host_in(shared_vcpu);
	a = host_thread(run_it, NULL);
	while (!*(volatile u64 *)GUEST_VAR(shared_vm, spin))
		host_sleep_ms(1);
	b = host_thread(read_regs, NULL);
	host_sleep_ms(50);
	CHECK_EQ("the reader waits", 0, atomic_load(&successes));
	host_kick(a);
	host_join(b);
	host_join(a);
	CHECK_EQ("it has read", 1, atomic_load(&successes));
}

static volatile int stop;

static void *change_slots(void *arg)
{
	u8 *mem = host_pages(1 << 20);
	u32 slot = 1 + (u64)arg;
	u64 gpa = 0x40000000 + ((u64)arg << 24);

	while (!stop) {
		vm_set_slot(shared_vm, slot, KVM_MEM_LOG_DIRTY_PAGES, gpa, 1 << 20, mem);
		vm_set_slot(shared_vm, slot, 0, gpa + (1 << 20), 1 << 20, mem);
		vm_set_slot(shared_vm, slot, 0, 0, 0, NULL);
	}
	return NULL;
}

static void *change_events(void *arg)
{
	struct kvm_irqfd irqfd = { .fd = eventfd(0, EFD_NONBLOCK), .gsi = 5 };
	struct kvm_ioeventfd io = { .fd = irqfd.fd, .addr = VM_MMIO, .len = 4 };
	struct kvm_irq_routing none = { 0 };
	u64 one = 1;

	while (!stop) {
		irqfd.flags = io.flags = 0;
		vm_ioctl(shared_vm, KVM_IRQFD, &irqfd);
		vm_ioctl(shared_vm, KVM_IOEVENTFD, &io);
		ASSERT_EQ(write(irqfd.fd, &one, 8), 8);
		vm_ioctl(shared_vm, KVM_SET_GSI_ROUTING, &none);
		irqfd.flags = KVM_IRQFD_FLAG_DEASSIGN;
		io.flags = KVM_IOEVENTFD_FLAG_DEASSIGN;
		vm_ioctl(shared_vm, KVM_IRQFD, &irqfd);
		vm_ioctl(shared_vm, KVM_IOEVENTFD, &io);
	}
	return NULL;
}

static void guest_work(void)
{
	u32 i;

	for (i = 0; i < 100; i++)
		mmio_write32(VM_SCRATCH2 + i * 4096, i);
}

/* vCPUs are made, run and closed while everything else changes. */
static void test_coming_and_going(void)
{
	pthread_t t[3];
	u32 i;

	stop = 0;
	shared_vm = vm_create(VM_GUEST | VM_IRQCHIP);
	t[0] = host_thread(change_slots, (void *)0);
	t[1] = host_thread(change_slots, (void *)1);
	t[2] = host_thread(change_events, NULL);
	for (i = 0; i < 30; i++) {
		struct vcpu *vcpu = vcpu_create_guest(shared_vm, i, guest_work);

		vcpu_run_done(vcpu);
		vcpu_destroy(vcpu);
	}
	stop = 1;
	for (i = 0; i < ARRAY_SIZE(t); i++)
		host_join(t[i]);
}

static const struct test_case cases[] = {
	{ "create", test_create },
	{ "irqchip_complete", test_chip_complete },
	{ "irqchip_or_vcpu", test_chip_or_vcpu },
	{ "one_runner", test_one_runner },
	{ "coming_and_going", test_coming_and_going },
};

TEST_MAIN(cases)
