// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way of every ioctl but KVM_RUN: find the row, copy, lock, call, unlock, copy.
 *
 * Arguments up to STACK_ARG bytes live on the stack, larger ones in a kmalloc'ed buffer; sizes come from the rows, never from
 * user space. User memory is read once and written once.
 */
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <keel/vcpu.h>
#include <keel/vcpu_life.h>
#include <keel/vm.h>
#include "dispatch.h"

#define STACK_ARG	544	/* struct kvm_irqchip fits */

void ioctl_table_init(struct ioctl_table *table)
{
	unsigned int i, nr;

	for (i = 0; i < table->count; i++) {
		nr = _IOC_NR(table->rows[i].cmd);
		if (!table->first[nr])
			table->first[nr] = i + 1;
	}
}

static const struct ioctl_row *table_find(const struct ioctl_table *table, unsigned int cmd)
{
	unsigned int nr = _IOC_NR(cmd);
	unsigned int i = table->first[nr];

	if (!i)
		return NULL;
	for (i--; i < table->count && _IOC_NR(table->rows[i].cmd) == nr; i++)
		if (table->rows[i].cmd == cmd)
			return &table->rows[i];
	return NULL;
}

/* Around the handler of each kind of file: what its rows ask for. */
typedef long (*call_fn)(const struct ioctl_row *row, void *object, void *arg, unsigned long raw);

/* Of the node, which has no @object, and of a device. */
static long call_plain(const struct ioctl_row *row, void *object, void *arg, unsigned long raw)
{
	return row->handler(object, arg, raw);
}

static long call_vm(const struct ioctl_row *row, void *object, void *arg, unsigned long raw)
{
	struct vm *vm = object;
	long ret;

	if ((row->flags & ROW_IRQCHIP) && vm_irq_mode(vm) == IRQCHIP_NONE)
		return -ENXIO;
	if ((row->flags & ROW_KERNEL_CHIP) && vm_irq_mode(vm) != IRQCHIP_KERNEL)
		return -ENXIO;
	if (!(row->flags & ROW_LOCK))
		return row->handler(vm, arg, raw);

	mutex_lock(&vm->lock);
	if ((row->flags & ROW_NO_VCPUS) && vm->nr_vcpus)
		ret = -EBUSY;
	else
		ret = row->handler(vm, arg, raw);
	mutex_unlock(&vm->lock);
	return ret;
}

static long call_vcpu(const struct ioctl_row *row, void *object, void *arg, unsigned long raw)
{
	struct vcpu *vcpu = object;
	long ret;

	if ((row->flags & ROW_LAPIC) && !vcpu->lapic)
		return -EINVAL;
	if (!(row->flags & ROW_LOADED))
		return row->handler(vcpu, arg, raw);

	keel_vcpu_load(vcpu);
	ret = row->handler(vcpu, arg, raw);
	keel_vcpu_put(vcpu);
	return ret;
}

static long copy_and_call(const struct ioctl_row *row, call_fn call, void *object, void *buf, unsigned long raw)
{
	void __user *user = (void __user *)raw;
	size_t size = _IOC_SIZE(row->cmd);
	long ret;

	if (!(row->flags & ROW_IN))
		memset(buf, 0, size);
	else if (copy_from_user(buf, user, size))
		return -EFAULT;
	ret = call(row, object, buf, raw);
	if (ret >= 0 && (row->flags & ROW_OUT) && copy_to_user(user, buf, size))
		return -EFAULT;
	return ret;
}

static noinline long call_with_stack(const struct ioctl_row *row, call_fn call, void *object, unsigned long raw)
{
	u64 buf[STACK_ARG / sizeof(u64)];

	return copy_and_call(row, call, object, buf, raw);
}

static noinline long call_with_heap(const struct ioctl_row *row, call_fn call, void *object, unsigned long raw)
{
	void *buf = kmalloc(_IOC_SIZE(row->cmd), GFP_KERNEL_ACCOUNT);
	long ret;

	if (!buf)
		return -ENOMEM;
	ret = copy_and_call(row, call, object, buf, raw);
	kfree(buf);
	return ret;
}

static long dispatch(const struct ioctl_table *table, call_fn call, void *object, unsigned int cmd, unsigned long raw)
{
	const struct ioctl_row *row = table_find(table, cmd);

	if (!row)
		return table->unknown;
	if (!(row->flags & (ROW_IN | ROW_OUT)))
		return call(row, object, NULL, raw);
	if (_IOC_SIZE(cmd) <= STACK_ARG)
		return call_with_stack(row, call, object, raw);
	return call_with_heap(row, call, object, raw);
}

long dev_dispatch(unsigned int cmd, unsigned long arg)
{
	return dispatch(&dev_ioctls, call_plain, NULL, cmd, arg);
}

long device_dispatch(struct vm *vm, unsigned int cmd, unsigned long arg)
{
	return dispatch(&device_ioctls, call_plain, vm, cmd, arg);
}

long vm_dispatch(struct vm *vm, unsigned int cmd, unsigned long arg)
{
	return dispatch(&vm_ioctls, call_vm, vm, cmd, arg);
}

long vcpu_dispatch(struct vcpu *vcpu, unsigned int cmd, unsigned long arg)
{
	return dispatch(&vcpu_ioctls, call_vcpu, vcpu, cmd, arg);
}
