/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VFIO: devices of the host that a VM is given, and the IOMMU that lets them
 * reach the VM's memory and nothing else. What the guest sees of a device is
 * vfio_pci.c's.
 */
#ifndef KEEL_VFIO_H
#define KEEL_VFIO_H

#include <stdbool.h>
#include <stdint.h>

#include "route.h"

struct vm;

#define VFIO_DEVICES_MAX	8
#define VFIO_ADDRESS_SIZE	16	/* a PCI address as the kernel writes it, "0000:00:02.0" */

struct vfio_group {
	unsigned int number;
	int fd;
};

/**
 * struct vfio - all devices of one VM
 * @container: their address space; -1: no device yet
 * @kvm_device: KVM's VFIO device; -1 where the node has none
 */
struct vfio {
	struct vm *vm;
	int container;
	int kvm_device;
	struct vfio_group groups[VFIO_DEVICES_MAX];
	unsigned int group_count;
};

/* A part of a device: a BAR, or its configuration space. */
struct vfio_region {
	uint64_t offset;	/* in the device's file */
	uint64_t size;		/* 0: there is no such region */
	bool can_read, can_write, can_map;
};

struct vfio_device {
	char address[VFIO_ADDRESS_SIZE];
	int fd;
	bool can_reset;
	struct vfio_region bars[6];
	struct vfio_region config;
	unsigned int irqs[5];	/* vectors of each kind, VFIO_PCI_*_IRQ_INDEX */
};

/**
 * vfio_init() - nothing assigned yet
 */
void vfio_init(struct vfio *vfio, struct vm *vm);

/**
 * vfio_open() - take the device at PCI address @address, once the VM has its memory
 *
 * With the first one, all of the VM's memory is locked and mapped.
 * Return: 0, or STATUS_ASSIGN or STATUS_MEMORY after a line on stderr.
 */
int vfio_open(struct vfio *vfio, const char *address, struct vfio_device *device);

/**
 * vfio_close_device() - give it back, reset; harmless if it was not opened
 */
void vfio_close_device(struct vfio_device *device);

/**
 * vfio_close() - give up the memory and the groups; after all devices
 */
void vfio_close(struct vfio *vfio);

/**
 * vfio_read() - read @len (at most 8) bytes at @offset of a region
 * Return: all ones for what cannot be read.
 */
uint64_t vfio_read(const struct vfio_device *device, const struct vfio_region *region, uint64_t offset,
		   unsigned int len);

/**
 * vfio_write() - write them; what cannot be written is dropped
 */
void vfio_write(const struct vfio_device *device, const struct vfio_region *region, uint64_t offset,
		unsigned int len, uint64_t value);

/**
 * vfio_set_events() - let interrupts 0 to @count - 1 of kind @index signal @events
 * @count: at most VFIO_EVENTS_MAX; 0: turn that kind off.
 *
 * Return: 0; how many the host has left, if these are fewer, and none is on then; or a negative errno.
 */
int vfio_set_events(const struct vfio_device *device, unsigned int index, const int *events,
		    unsigned int count);
#define VFIO_EVENTS_MAX	256

/**
 * vfio_set_unmask_event() - let @event unmask the device's INTx
 * Return: 0 or a negative errno.
 */
int vfio_set_unmask_event(const struct vfio_device *device, int event);

#endif
