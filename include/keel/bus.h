/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * In-kernel devices on the port and MMIO address spaces of a VM (core/bus.c).
 *
 * Look-ups run under RCU with interrupts possibly off, so device callbacks never sleep; they take their own locks
 * with interrupts off. Registration copies the sorted array and publishes the new one.
 */
#ifndef KEEL_BUS_H
#define KEEL_BUS_H

#include <linux/mutex.h>
#include <linux/types.h>
#include <keel/types.h>

struct bus_device;

/**
 * struct bus_ops - callbacks of one device
 * @read: put @len bytes for @addr (absolute) to @data. Return 0, or -EOPNOTSUPP if this device does not answer.
 * @write: take them. Same return. An ioeventfd whose datamatch differs returns -EOPNOTSUPP and the search goes on.
 *
 * @vcpu may be NULL (an access by another device). No sleeping; interrupts may be off.
 */
struct bus_ops {
	int (*read)(struct vcpu *vcpu, struct bus_device *dev, gpa_t addr, unsigned int len, void *data);
	int (*write)(struct vcpu *vcpu, struct bus_device *dev, gpa_t addr, unsigned int len, const void *data);
};

/**
 * struct bus_device - embedded in a device that answers a range
 * @ops: callbacks
 * @base: first address
 * @len: size of the range; 0 matches an access of any length that begins at @base (ioeventfd without length)
 * @any_data: writes of any value and any length are taken, so that the caller may give NULL for the data (doorbells)
 */
struct bus_device {
	const struct bus_ops *ops;
	gpa_t base;
	u32 len;
	bool any_data;
};

struct bus_range;

struct bus {
	struct mutex lock;		/* serialises changes */
	struct bus_range __rcu *ranges;	/* sorted by base; NULL when empty */
	u64 generation;			/* one more than there were changes */
};

#define BUS_KNOWN	8

/**
 * struct bus_known - what a vCPU's last look-ups found, by the low bits of the address
 * @generation: of the bus when all of them were true; 0 for none
 * @addr: addresses
 * @dev: the device that is asked first there, or NULL for none
 */
struct bus_known {
	u64 generation;
	gpa_t addr[BUS_KNOWN];
	struct bus_device *dev[BUS_KNOWN];
};

/* Is @addr looked up, and nothing changed since? The answer may be used as long as interrupts are off. */
static __always_inline bool bus_is_known(const struct bus *bus, const struct bus_known *known, gpa_t addr)
{
	return known->addr[addr % BUS_KNOWN] == addr && known->generation == READ_ONCE(bus->generation);
}

/* An access must lie inside the device's range; a device without length decides by its base. @addr is in the range. */
static __always_inline bool bus_device_covers(const struct bus_device *dev, gpa_t addr, unsigned int len)
{
	return dev->len ? dev->len - (addr - dev->base) >= len : dev->base == addr;
}

/* Fill in the row of @addr. Interrupts off. */
void keel_bus_look_up(struct bus *bus, struct bus_known *known, gpa_t addr);

void keel_bus_init(struct bus *bus);
int keel_bus_register(struct bus *bus, struct bus_device *dev);		/* -ENOMEM, -ENOSPC; may sleep */
/* Returns when no look-up can still see @dev; may sleep. */
void keel_bus_unregister(struct bus *bus, struct bus_device *dev);
/* Does not wait: the caller keeps @dev for an RCU grace period. May sleep. */
void keel_bus_remove(struct bus *bus, struct bus_device *dev);
void keel_bus_destroy(struct bus *bus);
/*
 * The device that is asked first about a write to @addr, if its any_data is set and it begins there, else NULL. The answer holds as
 * long as bus.generation is what was put into @generation. Preemption off.
 */
struct bus_device *keel_bus_doorbell(struct bus *bus, gpa_t addr, u64 *generation);

/* Is any device at @addr, whatever it takes? Any context. */
bool keel_bus_has(struct bus *bus, gpa_t addr);
int keel_bus_read(struct vcpu *vcpu, struct bus *bus, gpa_t addr, unsigned int len, void *data);
int keel_bus_write(struct vcpu *vcpu, struct bus *bus, gpa_t addr, unsigned int len, const void *data);

/* core/coalesced.c: KVM_(UN)REGISTER_COALESCED_MMIO; zones are bus devices that append to the VM's ring page. */
struct kvm_coalesced_mmio_zone;
int keel_coalesced_register(struct vm *vm, struct kvm_coalesced_mmio_zone *zone);
int keel_coalesced_unregister(struct vm *vm, struct kvm_coalesced_mmio_zone *zone);
void keel_coalesced_destroy(struct vm *vm);
struct page *keel_coalesced_page(struct vm *vm);	/* ring page, for mmap at KVM_COALESCED_MMIO_PAGE_OFFSET */

#endif
