// SPDX-License-Identifier: GPL-2.0-only
/*
 * Life of a VM's interrupt state, and the ioctls that create and save the controllers.
 *
 * A VM starts with none of it: struct irqchip comes with the first use (an irqchip, or an
 * ioeventfd without one), the controllers with KVM_CREATE_IRQCHIP, the 8254 with KVM_CREATE_PIT2.
 * What has been published stays until the VM ends.
 */
#include <linux/nospec.h>
#include <linux/slab.h>
#include "irqchip.h"

static void deliver_wide(struct work_struct *work)
{
	struct irqchip *irq = container_of(work, struct irqchip, wide_work);

	route_deliver_wide(irq);
	ioapic_deliver_wide(irq);
	pic_deliver_wide(irq);
}

void irq_deliver_later(struct irqchip *irq)
{
	queue_work(system_unbound_wq, &irq->wide_work);
}

/**
 * irqchip_get() - the VM's interrupt state, made if it is not there yet
 * @vm: VM
 *
 * Context: may sleep. Return: the state, or NULL without memory.
 */
struct irqchip *irqchip_get(struct vm *vm)
{
	struct irqchip *irq = READ_ONCE(vm->irq);

	if (irq)
		return irq;
	irq = kzalloc(sizeof(*irq), GFP_KERNEL_ACCOUNT);
	if (!irq)
		return NULL;
	irq->vm = vm;
	irq->logical_mode = LOGICAL_FLAT;
	spin_lock_init(&irq->map_lock);
	INIT_WORK(&irq->wide_work, deliver_wide);
	mutex_init(&irq->lock);
	spin_lock_init(&irq->irqfd_lock);
	INIT_LIST_HEAD(&irq->irqfds);
	INIT_LIST_HEAD(&irq->irqfds_ended);
	INIT_WORK(&irq->irqfd_work, irqfd_release_ended);
	INIT_LIST_HEAD(&irq->resamplers);
	INIT_LIST_HEAD(&irq->ioeventfds);
	if (cmpxchg(&vm->irq, NULL, irq)) {
		kfree(irq);
		return vm->irq;
	}
	return irq;
}

void keel_irq_vm_destroy(struct vm *vm)
{
	struct irqchip *irq = vm->irq;

	if (!irq)
		return;
	pit_destroy(irq);
	cancel_work_sync(&irq->wide_work);
	ioeventfd_destroy(irq);
	ioapic_destroy(irq);
	pic_destroy(irq);
	route_destroy(irq);
	kvfree(rcu_dereference_protected(irq->ids, true));
	kfree(irq->wide_gsis);
	mutex_destroy(&irq->lock);
	kfree(irq);
	vm->irq = NULL;
}

/* vm->lock held; no vCPU yet. */
static int may_create(struct vm *vm)
{
	if (vm->irq_mode != IRQCHIP_NONE)
		return -EEXIST;
	return vm->nr_vcpus ? -EINVAL : 0;
}

int keel_irqchip_create(struct vm *vm)
{
	struct irqchip *irq;
	int ret;

	ret = may_create(vm);
	if (ret)
		return ret;
	irq = irqchip_get(vm);
	if (!irq)
		return -ENOMEM;
	ret = pic_create(irq);
	if (ret)
		return ret;
	ret = ioapic_create(irq);
	if (ret)
		goto err_pic;
	ret = pic_register(irq);
	if (ret)
		goto err_ioapic;
	ret = ioapic_register(irq);
	if (ret)
		goto err_ports;
	route_set_default(irq);
	/* all is there and nothing can fail any more: pairs with vm_irq_mode() in calls that hold no lock */
	smp_store_release(&vm->irq_mode, IRQCHIP_KERNEL);
	return 0;

err_ports:
	pic_unregister(irq);
err_ioapic:
	ioapic_destroy(irq);
err_pic:
	pic_destroy(irq);
	return ret;
}

int keel_irqchip_split(struct vm *vm, u32 nr_pins)
{
	struct irqchip *irq;
	int ret;

	if (nr_pins > 4096)
		return -EINVAL;
	if (vm->nr_vcpus)
		return -EEXIST;
	ret = may_create(vm);
	if (ret)
		return ret;
	irq = irqchip_get(vm);
	if (!irq)
		return -ENOMEM;
	irq->nr_split_pins = nr_pins;
	/* pairs with vm_irq_mode() */
	smp_store_release(&vm->irq_mode, IRQCHIP_SPLIT);
	return 0;
}

int keel_irqchip_set_bus(struct vm *vm, u64 ns)
{
	/* as api.rst says: no product of a count, the largest divisor and this is above 64 bits */
	if (!ns || ns > U64_MAX / 128 / U32_MAX)
		return -EINVAL;
	if (vm->irq_mode == IRQCHIP_NONE)
		return -ENXIO;
	if (vm->nr_vcpus)
		return -EINVAL;
	vm->irq->apic_bus_ns = ns;
	return 0;
}

static int chip_missing(const struct vm *vm, u32 id)
{
	if (vm_irq_mode(vm) != IRQCHIP_KERNEL)
		return -ENXIO;
	return id <= KVM_IRQCHIP_IOAPIC ? 0 : -EINVAL;
}

int keel_irqchip_get(struct vm *vm, struct kvm_irqchip *chip)
{
	int ret = chip_missing(vm, chip->chip_id);

	if (!ret && chip->chip_id == KVM_IRQCHIP_IOAPIC)
		ioapic_get(vm->irq, &chip->chip.ioapic);
	else if (!ret)
		pic_get(vm->irq, array_index_nospec(chip->chip_id, KVM_IRQCHIP_IOAPIC), &chip->chip.pic);
	return ret;
}

int keel_irqchip_set(struct vm *vm, const struct kvm_irqchip *chip)
{
	int ret = chip_missing(vm, chip->chip_id);

	if (!ret && chip->chip_id == KVM_IRQCHIP_IOAPIC)
		ioapic_set(vm->irq, &chip->chip.ioapic);
	else if (!ret)
		pic_set(vm->irq, array_index_nospec(chip->chip_id, KVM_IRQCHIP_IOAPIC), &chip->chip.pic);
	return ret;
}
