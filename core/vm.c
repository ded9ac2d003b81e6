// SPDX-License-Identifier: GPL-2.0-only
/*
 * Life of a virtual machine: creation and destruction.
 *
 * Invariants: vm->vcpus only grows until destruction, and an index below nr_vcpus (read with acquire) always finds a
 * vCPU. Destruction begins when the last reference goes, so that no vCPU can run and no ioctl can be under way.
 */
#include <linux/build_bug.h>
#include <linux/err.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <keel/host.h>
#include <keel/irq.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include <keel/vcpu_life.h>
#include <keel/vendor.h>
#include <keel/vfio.h>
#include <keel/vm.h>
#include "life.h"

/* What a VM costs before it has anything is one object of this size, where locks are of their usual size. */
static_assert(IS_ENABLED(CONFIG_DEBUG_SPINLOCK) || IS_ENABLED(CONFIG_DEBUG_MUTEXES) || IS_ENABLED(CONFIG_DEBUG_RWSEMS) ||
	      IS_ENABLED(CONFIG_PREEMPT_RT) || sizeof(struct vm) <= 512);

static atomic_t vm_serial;

/**
 * keel_core_init() - module-wide state of the vCPU life cycle
 *
 * Return: 0 or -ENOMEM.
 */
int keel_core_init(void)
{
	int ret;

	ret = keel_request_init();
	if (ret)
		return ret;
	ret = keel_vcpu_cache_create();
	if (ret)
		keel_request_exit();
	return ret;
}

void keel_core_exit(void)
{
	keel_vcpu_cache_destroy();
	keel_request_exit();
}

/* What it was marked as is a VM that has no mark (reset.c). */
static void drop_mark(struct vm *vm)
{
	struct vcpu *first = keel_vm_vcpu(vm, 0);

	if (first && first->life.mark)
		keel_vm_put(first->life.mark);
}

static void vm_destroy(struct vm *vm)
{
	struct vcpu *vcpu;
	unsigned int i;

	keel_irqfd_shutdown(vm);
	/* the launcher's address space may live on: its MMU notifier must find vCPUs to flush for as long as it finds the VM */
	keel_memory_destroy(vm);
	keel_clock_vm_destroy(vm);
	drop_mark(vm);
	vm_for_each_vcpu(vm, i, vcpu)
		keel_vcpu_destroy(vcpu);
	xa_destroy(&vm->vcpus);
	keel_irq_vm_destroy(vm);
	keel_vfio_destroy(vm);
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
	vm->pid = task_pid_nr(current);
	vm->serial = atomic_inc_return(&vm_serial);
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
