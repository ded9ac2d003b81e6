// SPDX-License-Identifier: GPL-2.0-only
/*
 * How vCPUs are reached from elsewhere: looked up, asked for something, pushed out of guest mode,
 * given the CPU.
 */
#include <linux/cpumask.h>
#include <linux/nospec.h>
#include <linux/percpu.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <trace/events/ipi.h>	/* smp_send_reschedule() is a macro around a tracepoint on newer kernels */
#include <keel/request.h>
#include <keel/vcpu.h>
#include <keel/vcpu_life.h>
#include <keel/vm.h>
#include "life.h"

/* CPUs to wait for, one mask for each CPU that may ask; used with preemption off. */
static cpumask_t __percpu *request_mask;

int keel_request_init(void)
{
	request_mask = alloc_percpu(cpumask_t);
	return request_mask ? 0 : -ENOMEM;
}

void keel_request_exit(void)
{
	free_percpu(request_mask);
}

struct vcpu *keel_vm_vcpu(struct vm *vm, unsigned int index)
{
	/* pairs with the release in keel_vcpu_create() */
	unsigned int n = smp_load_acquire(&vm->nr_vcpus);

	if (index >= n)
		return NULL;
	return xa_load(&vm->vcpus, array_index_nospec(index, n));
}

struct vcpu *keel_vm_vcpu_by_id(struct vm *vm, u32 vcpu_id)
{
	struct vcpu *vcpu = keel_vm_vcpu(vm, vcpu_id);
	unsigned int i;

	if (vcpu && vcpu->id == vcpu_id)
		return vcpu;
	vm_for_each_vcpu(vm, i, vcpu)
		if (vcpu->id == vcpu_id)
			return vcpu;
	return NULL;
}

bool keel_vcpu_is_current(const struct vcpu *vcpu)
{
	return vcpu->thread.task == current && !READ_ONCE(vcpu->blocked);
}

bool keel_vcpu_yield_to(struct vcpu *target)
{
	struct task_struct *task = NULL;
	struct pid *pid;
	int ret;

	rcu_read_lock();
	pid = rcu_dereference(target->thread.pid);
	if (pid)
		task = get_pid_task(pid, PIDTYPE_PID);
	rcu_read_unlock();
	if (!task)
		return false;
	ret = yield_to(task, true);
	put_task_struct(task);
	return ret > 0;
}

static void acknowledge(void *unused)
{
}

/* Push @vcpu out of guest mode. Return its CPU if it was there and is not this CPU, else -1. Preemption off. */
static int push_out(struct vcpu *vcpu, int this_cpu)
{
	int cpu;

	/* orders the caller's request before the look at blocked and mode; pairs with core/run.c */
	smp_mb();
	if (READ_ONCE(vcpu->blocked)) {
		rcuwait_wake_up(&vcpu->thread.wait);
		return -1;
	}
	cpu = READ_ONCE(vcpu->cpu);
	if (cpu < 0 || cpu == this_cpu || READ_ONCE(vcpu->mode) == VCPU_OUTSIDE)
		return -1;
	return cpu;
}

void keel_vcpu_kick(struct vcpu *vcpu)
{
	int cpu = push_out(vcpu, get_cpu());

	if (cpu >= 0 && cpu_online(cpu) && cmpxchg(&vcpu->mode, VCPU_IN_GUEST, VCPU_EXITING) == VCPU_IN_GUEST)
		smp_send_reschedule(cpu);
	put_cpu();
}

/*
 * With REQUEST_WAIT the wait is for an acknowledged IPI, not for the mode to change: a CPU takes the IPI only after it has
 * left the guest, and looks at its requests before it enters again.
 */
void keel_vm_request(struct vm *vm, unsigned int req, unsigned int flags)
{
	struct cpumask *mask;
	struct vcpu *vcpu;
	unsigned int i;
	int this_cpu, cpu;

	if (!(flags & REQUEST_WAIT)) {
		vm_for_each_vcpu(vm, i, vcpu) {
			vcpu_request(vcpu, req);
			if (!keel_vcpu_is_current(vcpu))
				keel_vcpu_kick(vcpu);
		}
		return;
	}

	this_cpu = get_cpu();
	mask = this_cpu_ptr(request_mask);
	cpumask_clear(mask);
	vm_for_each_vcpu(vm, i, vcpu) {
		vcpu_request(vcpu, req);
		cpu = push_out(vcpu, this_cpu);
		if (cpu >= 0)
			__cpumask_set_cpu(cpu, mask);
	}
	if (!cpumask_empty(mask))
		smp_call_function_many(mask, acknowledge, NULL, true);
	put_cpu();
}
