// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shared run area and what steers KVM_RUN from outside: immediate_exit,
 * signals with and without a mask, the interrupt window request, the sync
 * register area, and mappings of the descriptor beyond the area.
 */
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "thread.h"

static volatile u64 turns;

static void guest_spin(void)
{
	for (;;)
		turns++;
}

static void guest_io(void)
{
	inb(0x80);
}

static void test_immediate(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_spin);

	REQUIRE_CAP(KVM_CAP_IMMEDIATE_EXIT);
	vcpu->run->immediate_exit = 1;
	CHECK_RET("KVM_RUN", -EINTR, __vcpu_run(vcpu));
	CHECK_RET("KVM_RUN again", -EINTR, __vcpu_run(vcpu));
	CHECK_EQ("the guest has not run", 0, *GUEST_VAR(vm, turns));
	vcpu = vcpu_create_guest(vm, 1, guest_io);
	RUN_TO(vcpu, KVM_EXIT_IO);
	*((u8 *)vcpu->run + vcpu->run->io.data_offset) = 0x5a;
	vcpu_complete(vcpu);
	CHECK_EQ("an IN is completed all the same", 0x5a, vcpu_regs(vcpu).rax & 0xff);
}

static volatile int signals;

static void on_signal(int sig)
{
	signals++;
}

static void *kick_later(void *arg)
{
	host_sleep_ms(100);
	host_kick(*(pthread_t *)arg);
	return NULL;
}

static void test_signal(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_spin);
	struct sigaction sa = { .sa_handler = on_signal };
	pthread_t self = pthread_self(), t;

	sigaction(SIGUSR1, &sa, NULL);
	vcpu_let_host_in(vcpu);
	t = host_thread(kick_later, &self);
	CHECK_RET("KVM_RUN under a signal", -EINTR, __vcpu_run(vcpu));
	CHECK_EQ("exit reason", KVM_EXIT_INTR, vcpu->run->exit_reason);
	CHECK_EQ("the handler ran", 1, signals);
	host_join(t);
	CHECK_EQ("the guest has run", 1, *GUEST_VAR(vm, turns) > 0);
}

/* A signal blocked outside and open inside KVM_RUN ends it and stays pending. */
static void test_mask(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_spin);
	struct sigaction sa = { .sa_handler = on_signal };
	struct {
		struct kvm_signal_mask head;
		u8 set[8];
	} none = { .head.len = 8 };
	sigset_t set, pending;

	sigaction(SIGUSR1, &sa, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	vcpu_ioctl(vcpu, KVM_SET_SIGNAL_MASK, &none);
	pthread_kill(pthread_self(), SIGUSR1);
	CHECK_RET("KVM_RUN", -EINTR, __vcpu_run(vcpu));
	CHECK_EQ("the handler did not run", 0, signals);
	sigpending(&pending);
	CHECK_EQ("still pending", 1, sigismember(&pending, SIGUSR1));
	CHECK_RET("KVM_RUN again", -EINTR, __vcpu_run(vcpu));
}

/* Nor does it end the process where it has no handler, nor get lost where it is ignored: the thread has blocked it. */
static void mask_without_handler(void (*handler)(int), const char *name)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_spin);
	struct {
		struct kvm_signal_mask head;
		u8 set[8];
	} none = { .head.len = 8 };
	pthread_t self = pthread_self(), t;
	sigset_t set, pending;

	test_note("%s", name);
	signal(SIGUSR1, handler);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	vcpu_ioctl(vcpu, KVM_SET_SIGNAL_MASK, &none);
	vcpu_let_host_in(vcpu);
	t = host_thread(kick_later, &self);
	CHECK_RET("KVM_RUN", -EINTR, __vcpu_run(vcpu));
	host_join(t);
	sigpending(&pending);
	CHECK_EQ("still pending", 1, sigismember(&pending, SIGUSR1));
	ASSERT_EQ(sigtimedwait(&set, NULL, &(struct timespec){ 0 }), SIGUSR1);
	vcpu_destroy(vcpu);
	vm_destroy(vm);
}

static void test_mask_alone(void)
{
	mask_without_handler(SIG_DFL, "no handler");
	mask_without_handler(SIG_IGN, "ignored");
}

static void guest_window(void)
{
	cli();
	GUEST_SYNC(1);
	sti_nop();
	for (;;)
		turns++;
}

static void test_window(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_window);

	vcpu_run_sync(vcpu, 1);
	CHECK_EQ("if_flag with interrupts off", 0, vcpu->run->if_flag);
	CHECK_EQ("not ready for an interrupt", 0, vcpu->run->ready_for_interrupt_injection);
	vcpu->run->request_interrupt_window = 1;
	RUN_TO(vcpu, KVM_EXIT_IRQ_WINDOW_OPEN);
	CHECK_EQ("if_flag", 1, vcpu->run->if_flag);
	CHECK_EQ("ready for an interrupt", 1, vcpu->run->ready_for_interrupt_injection);
}

/* Pages beyond the area: SIGBUS, as for any file. */
static void test_beyond(void)
{
	struct vm *vm = vm_create(VM_BARE);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct sigaction sa = { .sa_handler = SIG_DFL };
	void *p = mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, vcpu->fd, 64 * PAGE_SIZE);
	pid_t pid;

	if (p == MAP_FAILED) {
		test_note("refused at mmap");
		return;
	}
	sigaction(SIGBUS, &sa, NULL);
	pid = fork();
	if (!pid) {
		_exit(*(volatile u8 *)p & 0);
	}
	CHECK_EQ("killed by SIGBUS", SIGBUS, child_signal(pid));
}

static void guest_sync_regs(void)
{
	u64 rbx = 1;

	asm volatile("outb %%al, $0x80" : "+b" (rbx) : "a" (0));
	GUEST_EQ(rbx, 0x77);
}

static void test_sync_regs(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_sync_regs);
	int valid = has_cap(KVM_CAP_SYNC_REGS);

	REQUIRE(valid > 0, "no KVM_CAP_SYNC_REGS");
	CHECK_EQ("regs, sregs, events", 7, valid & 7);
	vcpu->run->kvm_valid_regs = 1 << 20;
	CHECK_RET("unknown field wanted", -EINVAL, __vcpu_run(vcpu));
	vcpu->run->kvm_valid_regs = 0;
	vcpu->run->kvm_dirty_regs = 1 << 20;
	CHECK_RET("unknown field dirty", -EINVAL, __vcpu_run(vcpu));
	vcpu->run->kvm_dirty_regs = 0;
	vcpu->run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
	RUN_TO(vcpu, KVM_EXIT_IO);
	CHECK_EQ("RBX", 1, vcpu->run->s.regs.regs.rbx);
	CHECK_EQ("CR3", VM_PML4, vcpu->run->s.regs.sregs.cr3);
	vcpu->run->s.regs.regs.rbx = 0x77;
	vcpu->run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	vcpu_run_done(vcpu);
}

static const struct test_case cases[] = {
	{ "immediate_exit", test_immediate },
	{ "signal", test_signal },
	{ "signal_mask", test_mask },
	{ "signal_mask_alone", test_mask_alone },
	{ "interrupt_window", test_window },
	{ "beyond_the_area", test_beyond },
	{ "sync_regs", test_sync_regs },
};

TEST_MAIN(cases)
