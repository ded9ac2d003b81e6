// SPDX-License-Identifier: GPL-2.0-only
/*
 * A sorted array of address ranges. What moves at run time (PCI BARs) lives
 * inside one wide range of the PCI bridge, which finds its device itself; so
 * this table never changes under a running guest.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "bus.h"

int bus_add(struct bus *bus, uint64_t base, uint64_t size, const struct bus_ops *ops, void *owner)
{
	unsigned int at = 0;

	if (!size || base + (size - 1) < base)
		return -EINVAL;
	if (bus->count == BUS_RANGES_MAX)
		return -ENOSPC;
	while (at < bus->count && bus->ranges[at].base < base)
		at++;
	if (at && base - bus->ranges[at - 1].base < bus->ranges[at - 1].size)
		return -EEXIST;
	if (at < bus->count && bus->ranges[at].base - base < size)
		return -EEXIST;
	memmove(&bus->ranges[at + 1], &bus->ranges[at],
		(bus->count - at) * sizeof(bus->ranges[0]));
	bus->ranges[at] = (struct bus_range){ base, size, ops, owner };
	bus->count++;
	return 0;
}

static const struct bus_range *bus_find(const struct bus *bus, uint64_t addr)
{
	unsigned int low = 0, high = bus->count;

	while (low < high) {
		unsigned int middle = (low + high) / 2;
		const struct bus_range *range = &bus->ranges[middle];

		if (addr < range->base)
			high = middle;
		else if (addr - range->base >= range->size)
			low = middle + 1;
		else
			return range;
	}
	return NULL;
}

uint64_t bus_read(const struct bus *bus, uint64_t addr, unsigned int len)
{
	const struct bus_range *range = bus_find(bus, addr);

	if (!range || !range->ops->read)
		return bus_mask(len);
	return range->ops->read(range->owner, addr - range->base, len) & bus_mask(len);
}

void bus_write(const struct bus *bus, uint64_t addr, unsigned int len, uint64_t value)
{
	const struct bus_range *range = bus_find(bus, addr);

	if (range && range->ops->write)
		range->ops->write(range->owner, addr - range->base, len, value & bus_mask(len));
}
