// SPDX-License-Identifier: GPL-2.0-only
/*
 * KEEL_MARK_VM and KEEL_RESET_VM: back to an earlier state, with the same descriptors.
 *
 * What is remembered is another VM: one that never runs, has no memory and whose timers stand still. It is copied from as it was copied to
 * (fork.c). It hangs on the first vCPU. Memory is the launcher's, which puts back what the dirty log names.
 */
#include <linux/err.h>
#include <linux/minmax.h>
#include <keel/irq.h>
#include <keel/shadow.h>
#include <keel/vcpu.h>
#include <keel/vm.h>
#include <keel/vm_life.h>
#include "copy.h"

/* @vm is held, and nobody else knows @mark. */
static int mark_into(struct vm *mark, struct vm *vm)
{
	int ret;

	if (!vm->nr_vcpus)
		return -EINVAL;
	if (READ_ONCE(vm->vfio))
		return -EBUSY;
	mutex_lock_nested(&mark->lock, SINGLE_DEPTH_NESTING);
	ret = vm_make_like(mark, vm);
	if (!ret) {
		vm_pause(vm);
		vm_copy(mark, vm);
		vm_resume(vm);
	}
	mutex_unlock(&mark->lock);
	return ret;
}

/* As in a fork, a VM comes and goes without locks. */
int keel_vm_mark(struct vm *vm)
{
	struct vm *mark;
	int ret;

	/* guest tables that come back behind its back would be shadowed as they were */
	if (keel_paging_is_shadow())
		return -EOPNOTSUPP;
	mark = keel_vm_create();
	if (IS_ERR(mark))
		return PTR_ERR(mark);
	ret = keel_vm_hold(vm);
	if (!ret) {
		ret = mark_into(mark, vm);
		/* what is left over goes: the last mark, or this one */
		if (!ret)
			swap(keel_vm_vcpu(vm, 0)->life.mark, mark);
		keel_vm_release(vm);
	}
	if (mark)
		keel_vm_put(mark);
	return ret;
}

/* @vm is held. */
static int go_back(struct vm *vm)
{
	struct vcpu *first = keel_vm_vcpu(vm, 0);
	struct vm *mark = first ? first->life.mark : NULL;
	int ret = 0;

	if (!mark)
		return -ENOENT;
	if (READ_ONCE(vm->vfio))
		return -EBUSY;
	mutex_lock_nested(&mark->lock, SINGLE_DEPTH_NESTING);
	if (vm->nr_vcpus == mark->nr_vcpus && keel_irq_is_like(vm, mark)) {
		vm_pause(vm);
		vm_copy_back(vm, mark);
		vm_resume(vm);
	} else {
		ret = -EINVAL;
	}
	mutex_unlock(&mark->lock);
	return ret;
}

int keel_vm_reset(struct vm *vm)
{
	int ret = keel_vm_hold(vm);

	if (ret)
		return ret;
	ret = go_back(vm);
	keel_vm_release(vm);
	return ret;
}
