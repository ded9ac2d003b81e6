/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An address space of devices: one bus for I/O ports, one for guest-physical
 * addresses. Filled before the first vCPU runs and immutable afterwards, so
 * that lookups take no lock.
 */
#ifndef KEEL_BUS_H
#define KEEL_BUS_H

#include <stdint.h>

#define BUS_RANGES_MAX	32

/**
 * struct bus_ops - how a device answers accesses
 * @read: value of @len (1, 2, 4 or 8) bytes at @offset into the range.
 * @write: take @value of @len bytes at @offset. NULL: writes are dropped.
 *
 * An access belongs to the range that holds its first byte; it may reach past
 * the range's end. Called by several vCPU threads at once; may block.
 */
struct bus_ops {
	uint64_t (*read)(void *owner, uint64_t offset, unsigned int len);
	void (*write)(void *owner, uint64_t offset, unsigned int len, uint64_t value);
};

struct bus_range {
	uint64_t base;
	uint64_t size;
	const struct bus_ops *ops;
	void *owner;
};

struct bus {
	struct bus_range ranges[BUS_RANGES_MAX];	/* sorted by base */
	unsigned int count;
};

/**
 * bus_add() - claim @size addresses from @base for a device
 * Return: 0; -EINVAL for an empty or wrapping range, -EEXIST on overlap,
 * -ENOSPC when the bus is full.
 */
int bus_add(struct bus *bus, uint64_t base, uint64_t size, const struct bus_ops *ops, void *owner);

/**
 * bus_read() - read @len bytes at @addr
 * Return: the value; all ones where no device answers, as on a real bus.
 */
uint64_t bus_read(const struct bus *bus, uint64_t addr, unsigned int len);

/**
 * bus_write() - write @len bytes at @addr; dropped where no device answers
 */
void bus_write(const struct bus *bus, uint64_t addr, unsigned int len, uint64_t value);

/**
 * bus_mask() - all ones in the low @len (1 to 8) bytes
 */
static inline uint64_t bus_mask(unsigned int len)
{
	return len >= 8 ? UINT64_MAX : (1ULL << (8 * len)) - 1;
}

#endif
