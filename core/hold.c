// SPDX-License-Identifier: GPL-2.0-only
/*
 * All vCPUs of a VM held outside of the guest, by a thread that is none of theirs.
 *
 * A vCPU's state is complete in memory whenever its mutex is free, and a thread in KVM_RUN has that for as long as it likes. So
 * each vCPU is asked to give it up (REQ_HOLD): KVM_RUN comes back as for a signal, and goes in again when vm->held is clear. A thread
 * that comes to KVM_RUN meanwhile waits for the mutex, or finds the request.
 *
 * vm->held is a lock, the outermost; waiting for it and for the mutexes, vm->lock included, a thread can be killed.
 */
#include <linux/mutex.h>
#include <linux/wait_bit.h>
#include <keel/request.h>
#include <keel/vcpu.h>
#include <keel/vm.h>
#include <keel/vm_life.h>

static void let_go(struct vm *vm, unsigned int n)
{
	while (n)
		mutex_unlock(&keel_vm_vcpu(vm, --n)->mutex);
	smp_store_release(&vm->held, false);
	/* pairs with the barrier of who is about to wait */
	smp_mb();
	wake_up_var(&vm->held);
}

static int hold_vcpu(struct vcpu *vcpu)
{
	vcpu_request(vcpu, REQ_HOLD);
	keel_vcpu_kick(vcpu);
	if (mutex_lock_killable_nested(&vcpu->mutex, vcpu->index))
		return -EINTR;
	clear_bit(REQ_HOLD, &vcpu->requests);
	return 0;
}

int keel_vm_hold(struct vm *vm)
{
	unsigned int i, n;
	int ret;

	ret = wait_var_event_killable(&vm->held, !xchg(&vm->held, true));
	if (ret)
		return -EINTR;
	n = smp_load_acquire(&vm->nr_vcpus);
	ret = n > KEEL_HOLD_MAX ? -E2BIG : 0;
	for (i = 0; i < n && !ret; i++)
		ret = hold_vcpu(keel_vm_vcpu(vm, i));
	if (ret) {
		/* the last one was not had, or none was tried */
		let_go(vm, i ? i - 1 : 0);
		return ret;
	}
	if (mutex_lock_killable(&vm->lock)) {
		let_go(vm, n);
		return -EINTR;
	}
	if (vm->nr_vcpus == n)
		return 0;
	mutex_unlock(&vm->lock);
	let_go(vm, n);
	return -EAGAIN;
}

void keel_vm_release(struct vm *vm)
{
	/* with the lock goes the promise that none is made */
	unsigned int n = vm->nr_vcpus;

	mutex_unlock(&vm->lock);
	let_go(vm, n);
}

int keel_vm_wait_released(struct vm *vm)
{
	return wait_var_event_killable(&vm->held, !smp_load_acquire(&vm->held)) ? -EINTR : 0;
}
