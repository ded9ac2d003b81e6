// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pausing, with the launcher's own vCPU threads and a kernel made up here: who is told to stay out of the guest is out,
 * stays there, tells the kernel, and goes on; ends find a paused machine; an NMI goes where the guest lets it in; and a forked machine
 * begins with vCPUs of its own.
 */
#include <linux/kvm.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <uapi/linux/keel.h>

#include "test.h"
#include "userspace/pause.h"
#include "userspace/sandbox.h"
#include "userspace/status.h"
#include "userspace/thread.h"
#include "userspace/vcpu.h"
#include "userspace/vm.h"

#define VCPUS	4
#define FD	1000	/* of the first vCPU */

static struct vm vm;
static struct vcpu vcpus[VCPUS];
static struct kvm_run runs[VCPUS];

/* ---- the kernel ---- */

static atomic_uint entries[VCPUS], inside, clocks[VCPUS], nmis[VCPUS];
static u32 lint1[VCPUS];
static atomic_bool is_exiting;		/* the next entry of the last vCPU leaves by a port */
static bool refuses_nmi;
static atomic_bool is_half_done;	/* what that exit was for has not been completed */

static int enter(unsigned int i)
{
	const struct timespec nap = { .tv_nsec = 5000000 };

	atomic_fetch_add(&entries[i], 1);
	if (i == VCPUS - 1)
		atomic_store(&is_half_done, false);
	if (runs[i].immediate_exit) {
		errno = EINTR;
		return -1;
	}
	if (i == VCPUS - 1 && atomic_load(&is_exiting)) {
		atomic_store(&is_half_done, true);
		atomic_store(&is_exiting, false);
		runs[i].exit_reason = KVM_EXIT_IO;
		runs[i].io.port = 0x80;
		runs[i].io.size = 1;
		runs[i].io.count = 1;
		runs[i].io.direction = KVM_EXIT_IO_OUT;
		runs[i].io.data_offset = offsetof(struct kvm_run, s);
		return 0;
	}
	atomic_fetch_add(&inside, 1);
	int ret = nanosleep(&nap, NULL);
	int error = errno;

	atomic_fetch_sub(&inside, 1);
	errno = error;
	runs[i].exit_reason = KVM_EXIT_INTR;
	return ret;
}

/* A process that has been forked: which VM it has, and what the kernel says. */
#define OLD_VM	900
static int fork_error;		/* 0: another VM */
static unsigned int forks, made;

static int fork_vm(const struct keel_fork_vm *how)
{
	forks++;
	CHECK_EQ("no flags", 0, how->flags);
	errno = fork_error;
	return fork_error ? -1 : memfd_create("vm", 0);
}

/* A file that can be mapped, as a vCPU's can. */
static int make_vcpu(void)
{
	int fd = memfd_create("vcpu", 0);

	made++;
	ASSERT_EQ(ftruncate(fd, 4096), 0);
	return fd;
}

int __wrap_ioctl(int fd, unsigned long command, ...);
int __wrap_ioctl(int fd, unsigned long command, ...)
{
	unsigned int i = (unsigned int)fd - FD;
	va_list args;

	va_start(args, command);
	void *argument = va_arg(args, void *);

	va_end(args);
	if (command == KEEL_FORK_VM)
		return fork_vm(argument);
	if (command == KVM_CREATE_VCPU)
		return make_vcpu();
	ASSERT(i < VCPUS, "ioctl %#lx on %d", command, fd);
	switch (command) {
	case KVM_RUN:
		return enter(i);
	case KVM_KVMCLOCK_CTRL:
		atomic_fetch_add(&clocks[i], 1);
		errno = EINVAL;
		return i ? 0 : -1;	/* a guest CPU without that clock */
	case KVM_GET_LAPIC:
		memcpy(((struct kvm_lapic_state *)argument)->regs + 0x360, &lint1[i], 4);
		return 0;
	case KVM_NMI:
		atomic_fetch_add(&nmis[i], 1);
		errno = EIO;
		return refuses_nmi ? -1 : 0;
	default:
		FAIL("ioctl %#lx", command);
	}
}

int sandbox_start_thread(pthread_t *thread, enum sandbox_kind kind, void *(*main)(void *argument), void *argument)
{
	CHECK_EQ("kind", SANDBOX_VCPU, kind);
	return pthread_create(thread, NULL, main, argument);
}

/* ---- a machine ---- */

static pthread_mutex_t port_lock = PTHREAD_MUTEX_INITIALIZER;

static void port_write(void *owner, uint64_t offset, unsigned int len, uint64_t value)
{
	pthread_mutex_lock(&port_lock);
	pthread_mutex_unlock(&port_lock);
}

static const struct bus_ops port_ops = { NULL, port_write };

static void set_up(void)
{
	pthread_mutex_init(&vm.stop_lock, NULL);
	pthread_mutex_init(&vm.gate_lock, NULL);
	pthread_cond_init(&vm.gate, NULL);
	atomic_store(&vm.holds, VM_HOLD_SETUP);
	vm.stop_event = eventfd(0, EFD_NONBLOCK);
	ASSERT_EQ(bus_add(&vm.ports, 0x80, 1, &port_ops, NULL), 0);
	for (unsigned int i = 0; i < VCPUS; i++) {
		vcpus[i] = (struct vcpu){ .vm = &vm, .index = i, .fd = FD + (int)i, .run = &runs[i] };
		ASSERT_EQ(vcpu_start(&vcpus[i]), 0);
	}
	usleep(20000);
	for (unsigned int i = 0; i < VCPUS; i++)
		CHECK_EQ("not before all is set up", 0, atomic_load(&entries[i]));
	vm_release(&vm, VM_HOLD_SETUP);
}

static void finish(void)
{
	vm_stop(&vm, STATUS_OK, "the end of the test");
	vm.end_by = (struct timespec){ 0 };
	for (unsigned int i = 0; i < VCPUS; i++)
		CHECK_EQ("a vCPU ends", 1, vcpu_join(&vcpus[i]));
}

static unsigned int all_entries(void)
{
	unsigned int sum = 0;

	for (unsigned int i = 0; i < VCPUS; i++)
		sum += atomic_load(&entries[i]);
	return sum;
}

/* Do all of them enter the guest again? */
static bool all_go_on(void)
{
	unsigned int before[VCPUS], left = VCPUS;

	for (unsigned int i = 0; i < VCPUS; i++)
		before[i] = atomic_load(&entries[i]);
	for (int round = 0; left && round < 1000; round++) {
		usleep(5000);
		left = 0;
		for (unsigned int i = 0; i < VCPUS; i++)
			left += atomic_load(&entries[i]) == before[i];
	}
	return !left;
}

static bool pause_all(unsigned int why)
{
	return pause_vcpus(&vm, vcpus, VCPUS, why);
}

/* ---- the cases ---- */

static void test_pause(void)
{
	set_up();
	for (unsigned int round = 0; round < 50; round++) {
		ASSERT(all_go_on(), "round %u: one does not run", round);
		unsigned int told[VCPUS];

		for (unsigned int i = 0; i < VCPUS; i++)
			told[i] = atomic_load(&clocks[i]);
		ASSERT(pause_all(VM_HOLD_PAUSE), "round %u: not paused", round);
		unsigned int before = all_entries();

		CHECK_EQ("nobody is in the guest", 0, atomic_load(&inside));
		usleep(20000);
		CHECK_EQ("nobody enters it", before, all_entries());
		CHECK_EQ("nobody is told too early", told[1], atomic_load(&clocks[1]));
		vm_release(&vm, VM_HOLD_PAUSE);
		ASSERT(all_go_on(), "round %u: one does not go on", round);
		for (unsigned int i = 0; i < VCPUS; i++)
			CHECK_EQ("the kernel is told once", told[i] + 1, atomic_load(&clocks[i]));
	}
	finish();
}

/* One who holds them does not let go whom another holds. */
static void test_two_holds(void)
{
	set_up();
	ASSERT(pause_all(VM_HOLD_PAUSE), "paused");
	ASSERT(pause_all(VM_HOLD_NMI), "and once more");
	unsigned int before = all_entries();

	vm_release(&vm, VM_HOLD_NMI);
	usleep(50000);
	CHECK_EQ("still paused", before, all_entries());
	vm_release(&vm, VM_HOLD_PAUSE);
	CHECK_EQ("all go on", 1, all_go_on());
	finish();
}

static void test_end(void)
{
	set_up();
	ASSERT(pause_all(VM_HOLD_PAUSE), "paused");
	unsigned int before = all_entries();

	finish();
	CHECK_EQ("the guest sees nothing of it", before, all_entries());
	/* asked in the end, it does not wait for those who have gone */
	pause_all(VM_HOLD_PAUSE);
}

/* A vCPU that waits for a device comes later, or it is told. */
static void test_stuck(void)
{
	struct timespec from, to;

	set_up();
	ASSERT(all_go_on(), "all run");
	pthread_mutex_lock(&port_lock);
	atomic_store(&is_exiting, true);
	while (atomic_load(&is_exiting))
		usleep(1000);
	clock_gettime(CLOCK_MONOTONIC, &from);
	CHECK_EQ("refused", 0, pause_all(VM_HOLD_PAUSE));
	clock_gettime(CLOCK_MONOTONIC, &to);
	CHECK_EQ("not at once", 1, to.tv_sec - from.tv_sec >= 1);
	CHECK_EQ("and nobody is held", 0, vm_is_held(&vm));
	unsigned int before = atomic_load(&entries[0]);

	usleep(100000);
	CHECK_EQ("the others run", 1, atomic_load(&entries[0]) > before);
	pthread_mutex_unlock(&port_lock);
	CHECK_EQ("now it can", 1, pause_all(VM_HOLD_PAUSE));
	finish();
}

/* Whoever holds a vCPU finds no instruction half done: its registers may be read and written. */
static void test_completed(void)
{
	set_up();
	for (unsigned int round = 0; round < 20; round++) {
		ASSERT(all_go_on(), "round %u: one does not run", round);
		pthread_mutex_lock(&port_lock);
		atomic_store(&is_exiting, true);
		while (atomic_load(&is_exiting))
			usleep(1000);
		CHECK_EQ("served meanwhile", true, atomic_load(&is_half_done));
		vm_hold(&vm, VM_HOLD_NMI);
		pthread_mutex_unlock(&port_lock);
		ASSERT(pause_all(VM_HOLD_PAUSE), "round %u: not paused", round);
		CHECK_EQ("half done", false, atomic_load(&is_half_done));
		vm_release(&vm, VM_HOLD_PAUSE);
		unsigned int before = all_entries();

		usleep(20000);
		CHECK_EQ("still held", before, all_entries());
		vm_release(&vm, VM_HOLD_NMI);
	}
	finish();
}

static void test_nmi(void)
{
	static const struct {
		const char *name;
		u32 lint1[VCPUS];
		unsigned int sent;	/* vCPUs, by bits */
		bool refuses_nmi;
		enum pause_nmi result;
	} rows[] = {
		{ "after reset", { 0x10000, 0x10000, 0x10000, 0x10000 }, 0, false, PAUSE_NMI_MASKED },
		{ "as Linux has it", { 0x400, 0x10400, 0x10400, 0x10400 }, 1, false, PAUSE_NMI_SENT },
		{ "the last one alone", { 0x10400, 0x10400, 0x10400, 0x400 }, 8, false, PAUSE_NMI_SENT },
		{ "all, level or edge", { 0x400, 0x8400, 0x2400, 0x400 }, 15, false, PAUSE_NMI_SENT },
		{ "fixed, SMI, INIT, ExtINT", { 0x20, 0x200, 0x500, 0x700 }, 0, false, PAUSE_NMI_MASKED },
		{ "the kernel does not want", { 0x10000, 0x400, 0x400, 0x10000 }, 2, true, PAUSE_NMI_FAILED },
	};

	set_up();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned int sent = 0;

		memcpy(lint1, rows[i].lint1, sizeof(lint1));
		refuses_nmi = rows[i].refuses_nmi;
		errno = 0;
		CHECK_EQ(rows[i].name, rows[i].result, pause_nmi(&vm, vcpus, VCPUS));
		if (rows[i].result == PAUSE_NMI_FAILED)
			CHECK_EQ("errno", EIO, errno);
		for (unsigned int j = 0; j < VCPUS; j++)
			sent |= (atomic_exchange(&nmis[j], 0) == 1) << j;
		CHECK_EQ(rows[i].name, rows[i].sent, sent);
		CHECK_EQ("and on", 1, all_go_on());
	}
	finish();
}

/* What a forked machine begins with: a VM and vCPUs of its own, nobody at the gate, and no end in sight. */
static void test_renew(void)
{
	struct vcpu *vcpu = &vcpus[1];
	uint64_t one = 1;

	pthread_mutex_init(&vm.stop_lock, NULL);
	pthread_mutex_init(&vm.gate_lock, NULL);
	pthread_cond_init(&vm.gate, NULL);
	vm.fd = memfd_create("parent", 0);
	vm.run_size = 4096;
	vm.stop_event = eventfd(0, EFD_NONBLOCK);
	vm.reset_event = eventfd(0, EFD_NONBLOCK);
	vm_hold(&vm, VM_HOLD_FORK | VM_HOLD_PAUSE);
	vm.waiting = VCPUS;
	vm.is_attached = true;
	vm_stop(&vm, STATUS_SIGNAL, "the parent's");
	pthread_mutex_lock(&vm.gate_lock);		/* by a thread of the parent's */

	int parents = dup(vm.stop_event), before = vm.fd;

	fork_error = EPERM;
	CHECK_EQ("refused", STATUS_CREATE, vm_renew(&vm));
	CHECK_EQ("in words", 1, !!strstr(status_last(), "does not fork the machine: Operation not permitted"));
	CHECK_EQ("the other VM is still there", before, vm.fd);
	fork_error = 0;
	CHECK_EQ("renewed", 0, vm_renew(&vm));
	CHECK_EQ("asked", 2, forks);
	CHECK_EQ("held until it is whole, and by nobody else", VM_HOLD_SETUP, atomic_load(&vm.holds));
	CHECK_EQ("nobody waits", 0, vm.waiting);
	CHECK_EQ("no debugger", 0, vm.is_attached);
	CHECK_EQ("no end", 0, vm_is_stopping(&vm));
	CHECK_EQ("nor a reason", 0, *vm.reason);
	CHECK_EQ("no event", -1, read(vm.stop_event, &one, sizeof(one)));
	CHECK_EQ("but the parent's", 8, read(parents, &one, sizeof(one)));
	vm_release(&vm, 0);				/* the lock is free */

	*vcpu = (struct vcpu){ .vm = &vm, .index = 1, .fd = make_vcpu(), .has_thread = true, .place = { true, true, true } };
	vcpu->run = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	ASSERT(vcpu->run != MAP_FAILED, "a page");
	vcpu->run->exit_reason = 77;
	CHECK_EQ("a vCPU", 0, vcpu_renew(vcpu));
	CHECK_EQ("of its own", 2, made);
	CHECK_EQ("with its page", 0, vcpu->run->exit_reason);
	CHECK_EQ("without a thread", 0, vcpu->has_thread);
	CHECK_EQ("kept by nobody", 0, vcpu->place.is_kept | vcpu->place.is_waiting);
	CHECK_EQ("the guest is told that it stood", 1, vcpu->has_stood);
	vcpu_destroy(vcpu);
	close(parents);
}

static const struct test_case cases[] = {
	{ "pause", test_pause },
	{ "two_holds", test_two_holds },
	{ "end", test_end },
	{ "stuck", test_stuck },
	{ "completed", test_completed },
	{ "nmi", test_nmi },
	{ "renew", test_renew },
};

TEST_MAIN(cases)
