// SPDX-License-Identifier: GPL-2.0-only
/*
 * HLT: leaves to user space when no interrupt controller is in the kernel, and
 * waits in the kernel, interruptible by a signal, when there is one.
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

static const struct test_case cases[] = {
	{ "exit", test_exit },
	{ "in_kernel", test_in_kernel },
};

TEST_MAIN(cases)
