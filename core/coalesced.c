// SPDX-License-Identifier: GPL-2.0-only
/*
 * Coalesced I/O: writes to registered MMIO and port zones are appended to a ring that user space
 * maps and empties at its next exit, in place of an exit each.
 *
 * User space may write anything anywhere in the page, also a ring->last of its own, which is where
 * the next entry goes then: each index is read once. A ring->last beyond the ring is a full ring, a
 * ring->first is cut to its size. Everything is allocated with the first zone or the first mapping.
 */
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <uapi/linux/kvm.h>
#include <keel/bus.h>
#include <keel/vm.h>

#define RING_ENTRIES KVM_COALESCED_MMIO_MAX
/* Zones a VM may have; QEMU registers a few dozen. */
#define MAX_ZONES 1024

/*
 * struct coalesced - a VM's ring and zones
 * @lock: the ring's producer side
 * @mutex: @zones
 */
struct coalesced {
	raw_spinlock_t lock;
	struct kvm_coalesced_mmio_ring *ring;
	struct page *page;
	struct mutex mutex;
	unsigned int nr_zones;
	struct list_head zones;
};

struct coalesced_zone {
	struct bus_device dev;
	struct coalesced *owner;
	struct list_head link;
	struct rcu_head rcu;
	bool pio;
};

static int zone_write(struct vcpu *vcpu, struct bus_device *dev, gpa_t addr, unsigned int len,
		      const void *data)
{
	struct coalesced_zone *zone = container_of(dev, struct coalesced_zone, dev);
	struct coalesced *c = zone->owner;
	struct kvm_coalesced_mmio *entry;
	unsigned long flags;
	u32 first, last;

	if (len > sizeof(entry->data))
		return -EOPNOTSUPP;
	raw_spin_lock_irqsave(&c->lock, flags);
	first = READ_ONCE(c->ring->first) % RING_ENTRIES;
	last = READ_ONCE(c->ring->last);
	if (last >= RING_ENTRIES || (last + 1) % RING_ENTRIES == first) {
		/* full: an exit lets user space empty it */
		raw_spin_unlock_irqrestore(&c->lock, flags);
		return -EOPNOTSUPP;
	}
	last = array_index_nospec(last, RING_ENTRIES);
	entry = &c->ring->coalesced_mmio[last];
	entry->phys_addr = addr;
	entry->len = len;
	memcpy(entry->data, data, len);
	entry->pio = zone->pio;
	/* the entry before the index; pairs with user space reading them the other way round */
	smp_store_release(&c->ring->last, (last + 1) % RING_ENTRIES);
	raw_spin_unlock_irqrestore(&c->lock, flags);
	return 0;
}

static const struct bus_ops zone_ops = { .write = zone_write };

static struct coalesced *coalesced_get(struct vm *vm)
{
	struct coalesced *c = smp_load_acquire(&vm->coalesced);

	BUILD_BUG_ON(sizeof(struct kvm_coalesced_mmio_ring) > PAGE_SIZE);
	if (c)
		return c;
	c = kzalloc(sizeof(*c), GFP_KERNEL_ACCOUNT);
	if (!c)
		return NULL;
	c->page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!c->page) {
		kfree(c);
		return NULL;
	}
	c->ring = page_address(c->page);
	raw_spin_lock_init(&c->lock);
	mutex_init(&c->mutex);
	INIT_LIST_HEAD(&c->zones);
	if (cmpxchg(&vm->coalesced, NULL, c)) {
		__free_page(c->page);
		kfree(c);
	}
	return vm->coalesced;
}

static struct bus *zone_bus(struct vm *vm, bool pio)
{
	return pio ? &vm->pio : &vm->mmio;
}

/**
 * keel_coalesced_register() - KVM_REGISTER_COALESCED_MMIO
 * @vm: VM
 * @zone: address, size, and whether it is ports
 *
 * Context: may sleep. Return: 0, -EINVAL (@pio beyond 1, empty or wrapping zone), -ENOMEM, -ENOSPC.
 */
int keel_coalesced_register(struct vm *vm, struct kvm_coalesced_mmio_zone *zone)
{
	struct coalesced *c;
	struct coalesced_zone *z;
	int ret;

	if (zone->pio > 1 || !zone->size)
		return -EINVAL;
	c = coalesced_get(vm);
	if (!c)
		return -ENOMEM;
	z = kzalloc(sizeof(*z), GFP_KERNEL_ACCOUNT);
	if (!z)
		return -ENOMEM;
	z->owner = c;
	z->pio = zone->pio;
	z->dev = (struct bus_device) { .ops = &zone_ops, .base = zone->addr, .len = zone->size };

	mutex_lock(&c->mutex);
	ret = c->nr_zones < MAX_ZONES ? keel_bus_register(zone_bus(vm, z->pio), &z->dev) : -ENOSPC;
	if (!ret) {
		list_add_tail(&z->link, &c->zones);
		c->nr_zones++;
	}
	mutex_unlock(&c->mutex);
	if (ret)
		kfree(z);
	return ret;
}

/**
 * keel_coalesced_unregister() - KVM_UNREGISTER_COALESCED_MMIO
 * @vm: VM
 * @zone: every registered zone that contains this range goes
 *
 * Context: may sleep. Return: 0, also when there was none; -EINVAL (@pio beyond 1).
 */
int keel_coalesced_unregister(struct vm *vm, struct kvm_coalesced_mmio_zone *zone)
{
	struct coalesced *c = smp_load_acquire(&vm->coalesced);
	struct coalesced_zone *z, *next;

	if (zone->pio > 1)
		return -EINVAL;
	if (!c)
		return 0;
	mutex_lock(&c->mutex);
	list_for_each_entry_safe(z, next, &c->zones, link) {
		if (z->pio != zone->pio || zone->addr < z->dev.base || zone->size > z->dev.len ||
		    zone->addr - z->dev.base > z->dev.len - zone->size)
			continue;
		list_del(&z->link);
		c->nr_zones--;
		keel_bus_remove(zone_bus(vm, z->pio), &z->dev);
		kfree_rcu(z, rcu);
	}
	mutex_unlock(&c->mutex);
	return 0;
}

/*
 * The VM ends: nothing looks at its buses any more. Mappings of the ring hold their own reference
 * to its page.
 */
void keel_coalesced_destroy(struct vm *vm)
{
	struct coalesced *c = vm->coalesced;
	struct coalesced_zone *z, *next;

	if (!c)
		return;
	list_for_each_entry_safe(z, next, &c->zones, link)
		kfree(z);
	__free_page(c->page);
	mutex_destroy(&c->mutex);
	kfree(c);
	vm->coalesced = NULL;
}

struct page *keel_coalesced_page(struct vm *vm)
{
	struct coalesced *c = coalesced_get(vm);

	return c ? c->page : NULL;
}
