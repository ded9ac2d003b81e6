// SPDX-License-Identifier: GPL-2.0-only
/*
 * HLT: leaves to user space when no interrupt controller is in the kernel, and
 * waits in the kernel, interruptible by a signal, when there is one. Where it
 * makes no exit, state that is set ends it all the same.
 */
#include <signal.h>
#include <unistd.h>

#include "guest.h"

static void guest_hlt(void)
{
	hlt();
	GUEST_SYNC(1);
	hlt();
}

static void test_exit(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_hlt);
	u64 rip;

	RUN_TO(vcpu, KVM_EXIT_HLT);
	rip = vcpu_regs(vcpu).rip;
	CHECK_EQ("byte before RIP is HLT", 0xf4, *(u8 *)vm_hva(vm, rip - 1));
	vcpu_run_sync(vcpu, 1);
	RUN_TO(vcpu, KVM_EXIT_HLT);
	vcpu_run_done(vcpu);
}

static void on_signal(int sig)
{
}

/* An alarm of 1 s interrupts the wait; the case's own alarm is set again after it. */
static void test_in_kernel(void)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_hlt);
	struct kvm_mp_state mp;
	int ret;

	sigaction(SIGALRM, &sa, NULL);
	alarm(1);
	ret = __vcpu_run(vcpu);
	CHECK_RET("KVM_RUN of a halted vCPU under a signal", -EINTR, ret);
	CHECK_EQ("exit reason", KVM_EXIT_INTR, vcpu->run->exit_reason);
	vcpu_ioctl(vcpu, KVM_GET_MP_STATE, &mp);
	CHECK_EQ("state", KVM_MP_STATE_HALTED, mp.mp_state);
	signal(SIGALRM, SIG_DFL);
	alarm(TEST_TIMEOUT);
	mp.mp_state = KVM_MP_STATE_RUNNABLE;
	vcpu_ioctl(vcpu, KVM_SET_MP_STATE, &mp);
	vcpu_run_sync(vcpu, 1);
}

static volatile u64 undefined;

static void on_ud(struct guest_regs *regs)
{
	undefined++;
}

/* No interrupt comes; a HLT without an exit may end at one of the host's. */
static void guest_hlt_for_good(void)
{
	guest_handlers[VEC_UD] = on_ud;
	sti();
	while (!undefined)
		hlt();
	GUEST_SYNC(undefined);
}

static void guest_elsewhere(void)
{
	GUEST_SYNC(5);
}

/* A vCPU in a HLT without an exit, and out of KVM_RUN by a signal. @start: its registers before. */
static struct vcpu *halt_by_itself(struct kvm_regs *start)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu;

	REQUIRE(has_cap(KVM_CAP_X86_DISABLE_EXITS) & KVM_X86_DISABLE_EXITS_HLT, "no KVM_X86_DISABLE_EXITS_HLT");
	vm_enable_cap(vm, KVM_CAP_X86_DISABLE_EXITS, KVM_X86_DISABLE_EXITS_HLT);
	vcpu = vcpu_create_guest(vm, 0, guest_hlt_for_good);
	vcpu_let_host_in(vcpu);
	*start = vcpu_regs(vcpu);
	sigaction(SIGALRM, &sa, NULL);
	alarm(1);
	CHECK_RET("KVM_RUN of a halted vCPU under a signal", -EINTR, __vcpu_run(vcpu));
	signal(SIGALRM, SIG_DFL);
	alarm(TEST_TIMEOUT);
	return vcpu;
}

/* Registers that are set, as at a reset, are where it goes on. */
static void test_moved(void)
{
	struct kvm_regs r;
	struct vcpu *vcpu = halt_by_itself(&r);

	r.rip = (u64)guest_elsewhere;
	r.rflags = 2;
	vcpu_set_regs(vcpu, &r);
	vcpu_run_sync(vcpu, 5);
}

/* An exception that is set goes in, though no CPU raises it there. */
static void test_exception(void)
{
	struct kvm_regs unused;
	struct vcpu *vcpu = halt_by_itself(&unused);
	struct kvm_vcpu_events e;

	vcpu_ioctl(vcpu, KVM_GET_VCPU_EVENTS, &e);
	e.exception.injected = 1;
	e.exception.nr = VEC_UD;
	vcpu_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &e);
	vcpu_run_sync(vcpu, 1);
}

static const struct test_case cases[] = {
	{ "exit", test_exit },
	{ "in_kernel", test_in_kernel },
	{ "moved", test_moved },
	{ "exception", test_exception },
};

TEST_MAIN(cases)
