// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_IOEVENTFD: guest writes to a port or an MMIO address signal an eventfd in place of an exit
 * to user space.
 *
 * Each is a device on a bus; several may share an address if no write can match two of them. One
 * without length and datamatch takes writes without their being decoded (bus_device.any_data).
 * Objects are freed after an RCU grace period, without waiting for it.
 */
#include <linux/err.h>
#include <linux/eventfd.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <keel/host.h>
#include "irqchip.h"

/*
 * struct ioeventfd - one of them
 * @dev: on vm->pio or vm->mmio
 * @link: in irqchip.ioeventfds
 * @datamatch: value to write, when @wildcard is not set
 */
struct ioeventfd {
	struct bus_device dev;
	struct list_head link;
	struct eventfd_ctx *eventfd;
	struct bus *bus;
	u64 datamatch;
	u8 length;
	bool wildcard;
	struct rcu_head rcu;
};

static void ioeventfd_free(struct ioeventfd *p)
{
	eventfd_ctx_put(p->eventfd);
	kfree(p);
}

static void ioeventfd_free_rcu(struct rcu_head *rcu)
{
	ioeventfd_free(container_of(rcu, struct ioeventfd, rcu));
}

/* @len is 1, 2, 4 or 8. A @datamatch wider than that never matches. Out of line: most ask for none. */
static noinline bool data_matches(const struct ioeventfd *p, unsigned int len, const void *data)
{
	u64 val = 0;

	memcpy(&val, data, len);
	return val == p->datamatch;
}

static int ioeventfd_write(struct vcpu *vcpu, struct bus_device *dev, gpa_t addr, unsigned int len,
			   const void *data)
{
	struct ioeventfd *p = container_of(dev, struct ioeventfd, dev);

	if (addr != dev->base)
		return -EOPNOTSUPP;
	if (len != p->length || !(p->wildcard || data_matches(p, len, data)))
		return -EOPNOTSUPP;
	keel_host_eventfd_signal(p->eventfd);
	return 0;
}

/* One without length and datamatch: the bus has compared the address, which is all there is. */
static int ioeventfd_ring(struct vcpu *vcpu, struct bus_device *dev, gpa_t addr, unsigned int len,
			  const void *data)
{
	keel_host_eventfd_signal(container_of(dev, struct ioeventfd, dev)->eventfd);
	return 0;
}

static const struct bus_ops ioeventfd_ops = { .write = ioeventfd_write };
static const struct bus_ops doorbell_ops = { .write = ioeventfd_ring };

/* Would one write match both? irq->lock held. */
static bool ioeventfd_collides(struct irqchip *irq, const struct ioeventfd *p)
{
	const struct ioeventfd *q;

	list_for_each_entry(q, &irq->ioeventfds, link) {
		if (q->bus == p->bus && q->dev.base == p->dev.base &&
		    (!q->length || !p->length ||
		     (q->length == p->length && (q->wildcard || p->wildcard ||
						 q->datamatch == p->datamatch))))
			return true;
	}
	return false;
}

/* -EINVAL for what the documentation of KVM_IOEVENTFD rules out. */
static int ioeventfd_check(const struct kvm_ioeventfd *args)
{
	u32 valid = KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO |
		KVM_IOEVENTFD_FLAG_DEASSIGN;

	/* 0, 1, 2, 4, 8 */
	if (args->len > 8 || (args->len & (args->len - 1)))
		return -EINVAL;
	if (args->addr + args->len < args->addr || (args->flags & ~valid))
		return -EINVAL;
	/* nothing to compare */
	if (!args->len && (args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH))
		return -EINVAL;
	return 0;
}

static struct bus *ioeventfd_bus(struct vm *vm, const struct kvm_ioeventfd *args)
{
	return args->flags & KVM_IOEVENTFD_FLAG_PIO ? &vm->pio : &vm->mmio;
}

static int ioeventfd_assign(struct vm *vm, struct irqchip *irq, const struct kvm_ioeventfd *args)
{
	struct eventfd_ctx *eventfd = eventfd_ctx_fdget(args->fd);
	struct ioeventfd *p;
	int ret;

	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);
	p = kzalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);
	if (!p) {
		eventfd_ctx_put(eventfd);
		return -ENOMEM;
	}
	p->eventfd = eventfd;
	p->bus = ioeventfd_bus(vm, args);
	p->length = args->len;
	p->wildcard = !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH);
	p->datamatch = p->wildcard ? 0 : args->datamatch;
	p->dev = (struct bus_device) {
		.ops = args->len ? &ioeventfd_ops : &doorbell_ops,
		.base = args->addr,
		.len = args->len,
		.any_data = !args->len,
	};

	mutex_lock(&irq->lock);
	ret = ioeventfd_collides(irq, p) ? -EEXIST : keel_bus_register(p->bus, &p->dev);
	if (!ret)
		list_add_tail(&p->link, &irq->ioeventfds);
	mutex_unlock(&irq->lock);
	if (ret)
		ioeventfd_free(p);
	return ret;
}

static int ioeventfd_deassign(struct vm *vm, struct irqchip *irq, const struct kvm_ioeventfd *args)
{
	struct eventfd_ctx *eventfd = eventfd_ctx_fdget(args->fd);
	bool wildcard = !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH);
	struct bus *bus = ioeventfd_bus(vm, args);
	struct ioeventfd *p, *next;
	int ret = -ENOENT;

	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);
	mutex_lock(&irq->lock);
	list_for_each_entry_safe(p, next, &irq->ioeventfds, link) {
		if (p->bus != bus || p->eventfd != eventfd || p->dev.base != args->addr ||
		    p->length != args->len ||
		    p->wildcard != wildcard || (!wildcard && p->datamatch != args->datamatch))
			continue;
		list_del(&p->link);
		keel_bus_remove(bus, &p->dev);
		call_rcu(&p->rcu, ioeventfd_free_rcu);
		ret = 0;
		break;
	}
	mutex_unlock(&irq->lock);
	eventfd_ctx_put(eventfd);
	return ret;
}

int keel_ioeventfd(struct vm *vm, const struct kvm_ioeventfd *args)
{
	struct irqchip *irq;
	int ret;

	ret = ioeventfd_check(args);
	if (ret)
		return ret;
	irq = irqchip_get(vm);
	if (!irq)
		return -ENOMEM;
	if (args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN)
		return ioeventfd_deassign(vm, irq, args);
	return ioeventfd_assign(vm, irq, args);
}

/* The VM ends: nothing looks at its buses any more. */
void ioeventfd_destroy(struct irqchip *irq)
{
	struct ioeventfd *p, *next;

	list_for_each_entry_safe(p, next, &irq->ioeventfds, link)
		ioeventfd_free(p);
	INIT_LIST_HEAD(&irq->ioeventfds);
}
