// SPDX-License-Identifier: GPL-2.0-only
/*
 * In-kernel devices on a VM's port and MMIO spaces.
 *
 * A bus is an immutable array sorted by base address, published by RCU; a change copies it. Every
 * entry also holds the highest last address up to and including itself, so that a look-up finds
 * the last entry that begins at or below the address by bisection and walks down only while an
 * earlier range can still reach the address. Devices may overlap: the one registered last is
 * asked first, and one that answers -EOPNOTSUPP passes the access on.
 *
 * Every change gives the bus another generation, behind the change itself: who compares it with that of
 * an earlier look-up, as keel_bus_doorbell() returns it, knows that what was found then was there at
 * the begin of this RCU read side, and so may be used in it.
 *
 * Look-ups keep preemption off in place of rcu_read_lock(): that is an RCU read side too, costs
 * two instructions, and works with interrupts off.
 */
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <keel/bus.h>

/* Bounds one VM's memory and the cost of a copy. */
#define BUS_MAX_DEVICES 16384
/*
 * Bounds a look-up, which may have interrupts off (Documentation/locking.rst): entries that one may
 * have to ask.
 */
#define BUS_MAX_WALK 1024

struct bus_entry {
	gpa_t base;
	gpa_t last;
	gpa_t max_last;
	struct bus_device *dev;
};

struct bus_range {
	struct rcu_head rcu;
	unsigned int count;
	struct bus_entry entry[];
};

void keel_bus_init(struct bus *bus)
{
	mutex_init(&bus->lock);
	bus->generation = 1;
}

static struct bus_range *bus_alloc(unsigned int count)
{
	struct bus_range *ranges = kvmalloc(struct_size(ranges, entry, count), GFP_KERNEL_ACCOUNT);

	if (ranges)
		ranges->count = count;
	return ranges;
}

/* After the change; bus->lock held. Pairs with keel_bus_doorbell(). */
static void bus_changed(struct bus *bus)
{
	smp_store_release(&bus->generation, bus->generation + 1);
}

/*
 * Fill in max_last. Return: entries that the longest look-up asks. One at @addr begins with the
 * last entry whose base is not above it and ends below the first whose max_last reaches it, so it
 * is longest where @addr is that base. Both move upwards only.
 */
static unsigned int bus_set_max(struct bus_range *ranges)
{
	unsigned int i, first = 0, longest = 0;
	gpa_t max = 0;

	for (i = 0; i < ranges->count; i++) {
		max = max(max, ranges->entry[i].last);
		ranges->entry[i].max_last = max;
		while (ranges->entry[first].max_last < ranges->entry[i].base)
			first++;
		longest = max(longest, i - first + 1);
	}
	return longest;
}

/* Number of entries that begin at or below @addr. */
static unsigned int bus_upper_bound(const struct bus_range *ranges, gpa_t addr)
{
	unsigned int low = 0, high = ranges->count;

	while (low < high) {
		unsigned int mid = (low + high) / 2;

		if (ranges->entry[mid].base <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* @new has room for it. */
static int bus_insert(struct bus_range *new, struct bus_device *dev)
{
	unsigned int at = bus_upper_bound(new, dev->base);
	gpa_t last;

	if (check_add_overflow(dev->base, (gpa_t)(dev->len ? dev->len - 1 : 0), &last))
		return -EINVAL;
	memmove(new->entry + at + 1, new->entry + at, (new->count - at) * sizeof(*new->entry));
	new->entry[at] = (struct bus_entry) { .base = dev->base, .last = last, .dev = dev };
	new->count++;
	return 0;
}

int keel_bus_register_all(struct bus *bus, struct bus_device *const *devs, unsigned int n)
{
	struct bus_range *old, *new;
	unsigned int i, count;
	int ret = 0;

	guard(mutex)(&bus->lock);
	old = rcu_dereference_protected(bus->ranges, lockdep_is_held(&bus->lock));
	count = old ? old->count : 0;
	if (count + n > BUS_MAX_DEVICES)
		return -ENOSPC;
	new = bus_alloc(count + n);
	if (!new)
		return -ENOMEM;
	new->count = count;
	if (old)
		memcpy(new->entry, old->entry, count * sizeof(*new->entry));
	for (i = 0; i < n && !ret; i++)
		ret = bus_insert(new, devs[i]);
	if (!ret && bus_set_max(new) > BUS_MAX_WALK)
		ret = -ENOSPC;
	if (ret) {
		kvfree(new);
		return ret;
	}
	rcu_assign_pointer(bus->ranges, new);
	bus_changed(bus);
	if (old)
		kvfree_rcu(old, rcu);
	return 0;
}

int keel_bus_register(struct bus *bus, struct bus_device *dev)
{
	return keel_bus_register_all(bus, &dev, 1);
}

/* Replace the array by one without entry @at. */
static void bus_remove_at(struct bus *bus, struct bus_range *old, unsigned int at)
{
	struct bus_range *new = NULL;

	if (old->count > 1) {
		new = bus_alloc(old->count - 1);
		if (!new) {
			/* cannot shrink it: keep the entry, but let it match nothing */
			WRITE_ONCE(old->entry[at].dev, NULL);
			bus_changed(bus);
			return;
		}
		memcpy(new->entry, old->entry, at * sizeof(*new->entry));
		memcpy(new->entry + at, old->entry + at + 1,
		       (new->count - at) * sizeof(*new->entry));
		bus_set_max(new);
	}
	rcu_assign_pointer(bus->ranges, new);
	bus_changed(bus);
	kvfree_rcu(old, rcu);
}

/**
 * keel_bus_remove() - take a device off without waiting
 * @bus: address space
 * @dev: device; look-ups under way may still use it until an RCU grace period has passed. Unknown
 *   ones are ignored.
 *
 * Context: may sleep.
 */
void keel_bus_remove(struct bus *bus, struct bus_device *dev)
{
	struct bus_range *old;
	unsigned int i;

	guard(mutex)(&bus->lock);
	old = rcu_dereference_protected(bus->ranges, lockdep_is_held(&bus->lock));
	for (i = 0; old && i < old->count; i++) {
		if (old->entry[i].dev == dev) {
			bus_remove_at(bus, old, i);
			return;
		}
	}
}

/**
 * keel_bus_unregister() - take a device off and wait until no look-up can still see it
 * @bus: address space
 * @dev: device
 *
 * Context: may sleep. At a VM's end use keel_bus_destroy(), which waits for nobody, then free the
 * devices.
 */
void keel_bus_unregister(struct bus *bus, struct bus_device *dev)
{
	keel_bus_remove(bus, dev);
	synchronize_rcu_expedited();
}

/* The VM ends: no vCPU and no device looks up any more, so nothing is waited for. */
void keel_bus_destroy(struct bus *bus)
{
	struct bus_range *ranges = rcu_dereference_protected(bus->ranges, true);

	RCU_INIT_POINTER(bus->ranges, NULL);
	kvfree(ranges);
}

/* Walk the entries that cover @addr, last registered first. Preemption off. */
#define bus_for_each_match(ranges, e, addr) \
	for ((e) = (ranges)->entry + bus_upper_bound(ranges, addr); \
	     (e)-- > (ranges)->entry && (e)->max_last >= (addr);) \
		if ((e)->last < (addr)) { } else

/* The device that is asked first, or NULL; @generation: of the bus for which that is true. Preemption off. */
static struct bus_device *bus_first(struct bus *bus, gpa_t addr, u64 *generation)
{
	const struct bus_range *ranges;
	const struct bus_entry *e;

	/* before the array: pairs with bus_changed() */
	*generation = smp_load_acquire(&bus->generation);
	ranges = rcu_dereference_check(bus->ranges, !preemptible());
	if (!ranges)
		return NULL;
	bus_for_each_match(ranges, e, addr) {
		struct bus_device *dev = READ_ONCE(e->dev);

		if (dev)
			return dev;
	}
	return NULL;
}

struct bus_device *keel_bus_doorbell(struct bus *bus, gpa_t addr, u64 *generation)
{
	struct bus_device *dev = bus_first(bus, addr, generation);

	/* whoever is asked before it may want to know more */
	return dev && dev->any_data && dev->base == addr ? dev : NULL;
}

void keel_bus_look_up(struct bus *bus, struct bus_known *known, gpa_t addr)
{
	u64 generation;
	struct bus_device *dev = bus_first(bus, addr, &generation);

	if (known->generation != generation) {
		memset(known->addr, 0xff, sizeof(known->addr));
		known->generation = generation;
	}
	known->addr[addr % BUS_KNOWN] = addr;
	known->dev[addr % BUS_KNOWN] = dev;
}

bool keel_bus_has(struct bus *bus, gpa_t addr)
{
	struct bus_device *dev;
	u64 generation;

	preempt_disable_notrace();
	dev = bus_first(bus, addr, &generation);
	preempt_enable_notrace();
	return dev;
}

/* Offer an access to the devices at @addr until one takes it: a write of @out, or a read to @in. */
static __always_inline int bus_access(struct vcpu *vcpu, struct bus *bus, gpa_t addr, unsigned int len, const void *out, void *in)
{
	const struct bus_range *ranges;
	const struct bus_entry *e;
	int ret = -EOPNOTSUPP;

	preempt_disable_notrace();
	ranges = rcu_dereference_sched(bus->ranges);
	if (ranges) {
		bus_for_each_match(ranges, e, addr) {
			struct bus_device *dev = READ_ONCE(e->dev);

			if (!dev || !bus_device_covers(dev, addr, len))
				continue;
			if (out && dev->ops->write)
				ret = dev->ops->write(vcpu, dev, addr, len, out);
			else if (in && dev->ops->read)
				ret = dev->ops->read(vcpu, dev, addr, len, in);
			if (!ret)
				break;
		}
	}
	preempt_enable_notrace();
	return ret;
}

/**
 * keel_bus_read() - let a device answer a read
 * @vcpu: who reads, or NULL
 * @bus: address space
 * @addr: first address
 * @len: bytes
 * @data: where they go
 *
 * Context: any. Return: 0, or -EOPNOTSUPP when no device answers.
 */
int keel_bus_read(struct vcpu *vcpu, struct bus *bus, gpa_t addr, unsigned int len, void *data)
{
	return bus_access(vcpu, bus, addr, len, NULL, data);
}

/**
 * keel_bus_write() - let a device take a write
 * @vcpu: who writes, or NULL
 * @bus: address space
 * @addr: first address
 * @len: bytes
 * @data: the bytes
 *
 * Context: any. Return: 0, or -EOPNOTSUPP when no device takes it.
 */
int keel_bus_write(struct vcpu *vcpu, struct bus *bus, gpa_t addr, unsigned int len,
		   const void *data)
{
	return bus_access(vcpu, bus, addr, len, data, NULL);
}
