// SPDX-License-Identifier: GPL-2.0-only
/*
 * Life of a virtual machine: creation, look-up of its vCPUs, requests to all of them, destruction.
 *
 * Invariants: vm->vcpus only grows until destruction, and an index below nr_vcpus (read with acquire) always finds a
 * vCPU. Destruction begins when the last reference goes, so that no vCPU can run and no ioctl can be under way.
 */
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/nospec.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <trace/events/ipi.h>	/* smp_send_reschedule() is a macro around a tracepoint on newer kernels */
#include <keel/host.h>
#include <keel/irq.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include <keel/vendor.h>
#include <keel/vm.h>
#include "vcpu_alloc.h"

/* CPUs to wait for, one mask for each CPU that may ask; used with preemption off. */
static cpumask_t __percpu *request_mask;
static atomic64_t vm_serial;

/**
 * keel_core_init() - module-wide state of the vCPU life cycle
 *
 * Return: 0 or -ENOMEM.
 */
int keel_core_init(void)
{
	int ret;

	request_mask = alloc_percpu(cpumask_t);
	if (!request_mask)
		return -ENOMEM;
	ret = keel_vcpu_cache_create();
	if (ret)
		free_percpu(request_mask);
	return ret;
}

void keel_core_exit(void)
{
	keel_vcpu_cache_destroy();
	free_percpu(request_mask);
}

static void vm_destroy(struct vm *vm)
{
	struct vcpu *vcpu;
	unsigned int i;

	keel_irqfd_shutdown(vm);
	/* the launcher's address space may live on: its MMU notifier must find vCPUs to flush for as long as it finds the VM */
	keel_memory_destroy(vm);
	keel_clock_vm_destroy(vm);
	vm_for_each_vcpu(vm, i, vcpu)
		keel_vcpu_destroy(vcpu);
	xa_destroy(&vm->vcpus);
	keel_irq_vm_destroy(vm);
	keel_coalesced_destroy(vm);
	keel_bus_destroy(&vm->pio);
	keel_bus_destroy(&vm->mmio);
	keel_msr_vm_destroy(vm);
	keel_host_enable_put();
	mmdrop(vm->mm);
	kfree(vm->error);
	kfree(vm);
}

struct vm *keel_vm_create(void)
{
	struct vm *vm = kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!vm)
		return ERR_PTR(-ENOMEM);
	ret = keel_host_enable_get();
	if (ret) {
		kfree(vm);
		return ERR_PTR(ret);
	}

	refcount_set(&vm->refs, 1);
	mutex_init(&vm->lock);
	keel_bus_init(&vm->pio);
	keel_bus_init(&vm->mmio);
	xa_init_flags(&vm->vcpus, XA_FLAGS_ACCOUNT);
	vm->max_vcpu_id = KEEL_MAX_VCPU_ID;
	snprintf(vm->stats_id, sizeof(vm->stats_id), "kvm-%d-%lld", task_pid_nr(current),
		 atomic64_inc_return(&vm_serial));
	vm->mm = current->mm;
	mmgrab(vm->mm);
	keel_clock_vm_init(vm);
	keel_memory_init(vm);
	return vm;
}

void keel_vm_put(struct vm *vm)
{
	if (refcount_dec_and_test(&vm->refs))
		vm_destroy(vm);
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
		rcuwait_wake_up(&vcpu->wait);
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
