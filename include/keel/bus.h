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

/**
 * keel_bus_look_up() - fill in the row of an address
 * @bus: address space
 * @known: a vCPU's notes
 * @addr: address
 *
 * Context: the vCPU's own thread, interrupts off.
 */
void keel_bus_look_up(struct bus *bus, struct bus_known *known, gpa_t addr);

/**
 * keel_bus_init() - an address space without a device
 * @bus: address space
 *
 * Context: any, before anybody else knows @bus.
 */
void keel_bus_init(struct bus *bus);
/**
 * keel_bus_register() - add a device; it is asked before those that are there
 * @bus: address space
 * @dev: device with @ops, @base and @len filled; stays valid until it is unregistered
 *
 * Context: may sleep; takes bus.lock.
 * Return: 0; -ENOMEM; -ENOSPC (too many devices, or too many around one address); -EINVAL (the range wraps).
 */
int keel_bus_register(struct bus *bus, struct bus_device *dev);
/**
 * keel_bus_register_all() - add devices at once: all, or none
 * @bus: address space
 * @devs: they, each as for keel_bus_register(); a later one is asked before an earlier one
 * @n: how many
 *
 * Context: may sleep; takes bus.lock.
 * Return: as keel_bus_register().
 */
int keel_bus_register_all(struct bus *bus, struct bus_device *const *devs, unsigned int n);
/**
 * keel_bus_unregister() - take a device off and wait until no look-up can still see it
 * @bus: address space
 * @dev: device
 *
 * Context: may sleep; takes bus.lock.
 */
void keel_bus_unregister(struct bus *bus, struct bus_device *dev);
/**
 * keel_bus_remove() - take a device off without waiting
 * @bus: address space
 * @dev: device, which the caller keeps for an RCU grace period; unknown ones are ignored
 *
 * Context: may sleep; takes bus.lock.
 */
void keel_bus_remove(struct bus *bus, struct bus_device *dev);
/**
 * keel_bus_destroy() - free what is left when the VM ends
 * @bus: address space
 *
 * Context: nobody looks up any more.
 */
void keel_bus_destroy(struct bus *bus);
/**
 * keel_bus_doorbell() - the device that is asked first about a write, if it takes any
 * @bus: address space
 * @addr: address of the write
 * @generation: set to that of the bus for which the answer is true
 *
 * Context: preemption off. Return: a device with any_data set that begins at @addr, else NULL.
 */
struct bus_device *keel_bus_doorbell(struct bus *bus, gpa_t addr, u64 *generation);

/**
 * keel_bus_has() - is any device at an address, whatever it takes?
 * @bus: address space
 * @addr: address
 *
 * Context: any. Return: the answer.
 */
bool keel_bus_has(struct bus *bus, gpa_t addr);
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
int keel_bus_read(struct vcpu *vcpu, struct bus *bus, gpa_t addr, unsigned int len, void *data);
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
int keel_bus_write(struct vcpu *vcpu, struct bus *bus, gpa_t addr, unsigned int len, const void *data);

/* core/coalesced.c: zones are bus devices that append to the VM's ring page. */
struct kvm_coalesced_mmio_zone;
/**
 * keel_coalesced_register() - KVM_REGISTER_COALESCED_MMIO
 * @vm: the machine
 * @zone: address, size, and whether it is ports
 *
 * Context: may sleep. Return: 0; -EINVAL (@pio beyond 1, an empty or wrapping zone), -ENOMEM, -ENOSPC.
 */
int keel_coalesced_register(struct vm *vm, struct kvm_coalesced_mmio_zone *zone);
/**
 * keel_coalesced_unregister() - KVM_UNREGISTER_COALESCED_MMIO
 * @vm: the machine
 * @zone: every registered zone that contains this range goes
 *
 * Context: may sleep. Return: 0, also when there was none; -EINVAL (@pio beyond 1).
 */
int keel_coalesced_unregister(struct vm *vm, struct kvm_coalesced_mmio_zone *zone);
/**
 * keel_coalesced_destroy() - free all of it when the VM ends
 * @vm: the machine
 *
 * Context: may sleep.
 */
void keel_coalesced_destroy(struct vm *vm);
/**
 * keel_coalesced_page() - the ring page, for the mapping at KVM_COALESCED_MMIO_PAGE_OFFSET
 * @vm: the machine
 *
 * Context: any. Return: the page, NULL before the first zone.
 */
struct page *keel_coalesced_page(struct vm *vm);

#endif
