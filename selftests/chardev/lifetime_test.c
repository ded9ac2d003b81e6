// SPDX-License-Identifier: GPL-2.0-only
/*
 * Descriptors closed in every order, used after their VM's is closed, inherited
 * by a child, duplicated and mapped: objects live as long as anything refers to
 * them, and another process cannot run a vCPU.
 */
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "thread.h"

static void guest_twice(void)
{
	GUEST_SYNC(1);
	GUEST_SYNC(2);
}

static void test_order(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_twice), *other = vcpu_create(vm, 1);
	int fd;

	vcpu_run_sync(vcpu, 1);
	close(vm->fd);
	vcpu_run_sync(vcpu, 2);
	CHECK_RET("state of a vCPU whose VM descriptor is closed", 0,
		  __vcpu_ioctl(other, KVM_GET_REGS, &(struct kvm_regs){ 0 }));
	fd = dup(vcpu->fd);
	close(vcpu->fd);
	vcpu->fd = fd;
	vcpu_run_done(vcpu);
	close(vcpu->fd);
	CHECK_EQ("the run area lives while it is mapped", KVM_EXIT_IO, vcpu->run->exit_reason);
	munmap(vcpu->run, vcpu->run_size);
	CHECK_RET("another vCPU still there", 0,
		  __vcpu_ioctl(other, KVM_GET_REGS, &(struct kvm_regs){ 0 }));
	vcpu_destroy(other);
}

static void test_device_closed(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_twice);

	close(dev_fd());
	vcpu_run_sync(vcpu, 1);
	vcpu_run_sync(vcpu, 2);
	vcpu_run_done(vcpu);
}

/* A child that inherits the descriptors has another address space: -EIO. */
static void test_child(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_twice);
	pid_t pid = fork();
	int status;

	if (!pid) {
		CHECK_RET("KVM_RUN in a child", -EIO, __vcpu_run(vcpu));
		CHECK_RET("KVM_GET_REGS in a child", -EIO,
			  __vcpu_ioctl(vcpu, KVM_GET_REGS, &(struct kvm_regs){ 0 }));
		CHECK_RET("KVM_CREATE_VCPU in a child", -EIO, __vm_ioctl(vm, KVM_CREATE_VCPU, (void *)5));
		CHECK_RET("a slot in a child", -EIO, __vm_set_slot(vm, 5, 0, 1 << 30, PAGE_SIZE, vm->mem));
		_exit(test_has_failed());
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ("the child's verdict", 0, status);
	vcpu_run_sync(vcpu, 1);
}

/* The parent goes, the child keeps the descriptors open: they are closed much later. */
static void test_orphan(void)
{
	int fds[2], status;
	char c;
	pid_t pid;

	ASSERT_EQ(pipe(fds), 0);
	pid = fork();
	if (!pid) {
		struct vm *vm = vm_create(VM_GUEST | VM_PIT);
		struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_twice);

		vcpu_run_sync(vcpu, 1);
		if (!fork()) {
			/* The VM's address space has gone with the parent by then. */
			host_sleep_ms(200);
			if (__vcpu_run(vcpu) == -EIO)
				ASSERT_EQ(write(fds[1], "x", 1), 1);
			_exit(0);
		}
		_exit(0);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_EQ(status, 0);
	close(fds[1]);
	CHECK_EQ("refused in the orphan", 1, read(fds[0], &c, 1));
}

static volatile u64 spin;

static void guest_spin(void)
{
	for (;;)
		spin++;
}

static void *run_until_kick(void *arg)
{
	CHECK_RET("KVM_RUN until the kick", -EINTR, __vcpu_run(arg));
	return NULL;
}

/* The descriptors of a running vCPU are closed by another thread. */
static void test_closed_while_running(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_spin);
	pthread_t t;

	ignore_kick();
	vcpu_let_host_in(vcpu);
	t = host_thread(run_until_kick, vcpu);
	while (!*(volatile u64 *)GUEST_VAR(vm, spin))
		host_sleep_ms(1);
	close(vcpu->fd);
	close(vm->fd);
	host_sleep_ms(20);
	host_kick(t);
	host_join(t);
}

static void test_eventfds(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	int fd = eventfd(0, EFD_NONBLOCK), back = eventfd(0, EFD_NONBLOCK);
	struct kvm_irqfd irqfd = { .fd = fd, .gsi = 5, .flags = KVM_IRQFD_FLAG_RESAMPLE,
				   .resamplefd = back };
	struct kvm_ioeventfd io = { .fd = back, .addr = VM_MMIO, .len = 4 };
	u64 one = 1;

	vm_ioctl(vm, KVM_IRQFD, &irqfd);
	vm_ioctl(vm, KVM_IOEVENTFD, &io);
	ASSERT_EQ(write(fd, &one, 8), 8);
	vm_destroy(vm);
	CHECK_EQ("the eventfd outlives the VM", 8, write(fd, &one, 8));
	vm = vm_create(VM_GUEST | VM_IRQCHIP);
	irqfd.flags = 0;
	vm_ioctl(vm, KVM_IRQFD, &irqfd);
	close(fd);
	close(back);
	vm_destroy(vm);
}

static const struct test_case cases[] = {
	{ "order", test_order },
	{ "device_closed", test_device_closed },
	{ "child", test_child },
	{ "orphan", test_orphan },
	{ "closed_while_running", test_closed_while_running },
	{ "eventfds", test_eventfds },
};

TEST_MAIN(cases)
