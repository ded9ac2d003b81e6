/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtio driver: rings in guest memory, and a device set up through its registers.
 */
#ifndef SELFTESTS_FAKE_DRIVER_H
#define SELFTESTS_FAKE_DRIVER_H

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "fake_config.h"
#include "fake_vm.h"
#include "test.h"
#include "userspace/virtio.h"

#define FAKE_RING_SIZE	16
#define FAKE_RINGS_AT	0x200000ULL	/* a page for each part of each queue */

struct fake_ring {
	struct vring_desc *table;
	struct vring_avail *avail;
	struct vring_used *used;
	u16 next;		/* descriptor */
	u16 seen;		/* of used->idx */
};

/* One queue's ring in the VM's memory, empty. */
static inline void fake_ring_init(struct fake_ring *ring, struct vm *vm, u32 index)
{
	u64 at = FAKE_RINGS_AT + index * 0x3000ULL;

	memset(ring, 0, sizeof(*ring));
	ring->table = memory_at(&vm->memory, at, 0x1000);
	ring->avail = memory_at(&vm->memory, at + 0x1000, 0x1000);
	ring->used = memory_at(&vm->memory, at + 0x2000, 0x1000);
	memset(ring->table, 0, 0x3000);
}

static inline void fake_device_put(struct vm *vm, struct virtio_device *device, u32 at, u32 len, u64 value)
{
	bus_write(&vm->mmio, device->pci.bars[0].base + at, len, value);
}

static inline u64 fake_device_get(struct vm *vm, struct virtio_device *device, u32 at, u32 len)
{
	return bus_read(&vm->mmio, device->pci.bars[0].base + at, len);
}

/* Bars on, reset, features agreed on. Return: did the device take them? */
static inline bool fake_negotiate(struct vm *vm, struct virtio_device *device, u64 features)
{
	fake_config_put(vm, device->pci.slot, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	fake_device_put(vm, device, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	for (u32 i = 0; i < 2; i++) {
		fake_device_put(vm, device, VIRTIO_PCI_COMMON_GFSELECT, 4, i);
		fake_device_put(vm, device, VIRTIO_PCI_COMMON_GF, 4, (u32)(features >> 32 * i));
	}
	fake_device_put(vm, device, VIRTIO_PCI_COMMON_STATUS, 1, VIRTIO_CONFIG_S_FEATURES_OK);
	return fake_device_get(vm, device, VIRTIO_PCI_COMMON_STATUS, 1) & VIRTIO_CONFIG_S_FEATURES_OK;
}

static inline void fake_enable_queue_of(struct vm *vm, struct virtio_device *device, u32 index, u16 size)
{
	u64 at = FAKE_RINGS_AT + index * 0x3000ULL;

	fake_device_put(vm, device, VIRTIO_PCI_COMMON_Q_SELECT, 2, index);
	fake_device_put(vm, device, VIRTIO_PCI_COMMON_Q_SIZE, 2, size);
	fake_device_put(vm, device, VIRTIO_PCI_COMMON_Q_DESCLO, 4, at);
	fake_device_put(vm, device, VIRTIO_PCI_COMMON_Q_AVAILLO, 4, at + 0x1000);
	fake_device_put(vm, device, VIRTIO_PCI_COMMON_Q_USEDLO, 4, at + 0x2000);
	fake_device_put(vm, device, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
}

static inline void fake_enable_queue(struct vm *vm, struct virtio_device *device, u32 index)
{
	fake_enable_queue_of(vm, device, index, FAKE_RING_SIZE);
}

static inline void fake_driver_ok(struct vm *vm, struct virtio_device *device)
{
	fake_device_put(vm, device, VIRTIO_PCI_COMMON_STATUS, 1, VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
}

/* A buffer's descriptor at the end of the chain being made; the chain begins with the first. */
static inline void fake_add(struct fake_ring *ring, u64 gpa, u32 len, bool is_write, bool is_last)
{
	struct vring_desc *at = &ring->table[ring->next % FAKE_RING_SIZE];

	*at = (struct vring_desc){ gpa, len, (u16)((is_write ? VRING_DESC_F_WRITE : 0) | (is_last ? 0 : VRING_DESC_F_NEXT)),
				   (u16)((ring->next + 1) % FAKE_RING_SIZE) };
	ring->next++;
}

/* Offer the chain that begins at descriptor @head. */
static inline void fake_offer(struct fake_ring *ring, u16 head)
{
	ring->avail->ring[ring->avail->idx % FAKE_RING_SIZE] = (u16)(head % FAKE_RING_SIZE);
	ring->avail->idx++;
}

/* One buffer as a request of its own. */
static inline void fake_offer_one(struct fake_ring *ring, u64 gpa, u32 len, bool is_write)
{
	u16 head = ring->next;

	fake_add(ring, gpa, len, is_write, true);
	fake_offer(ring, head);
}

#endif
