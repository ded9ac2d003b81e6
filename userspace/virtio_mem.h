/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtio memory device: the guest plugs and unplugs blocks of memory as it is asked to.
 */
#ifndef KEEL_VIRTIO_MEM_H
#define KEEL_VIRTIO_MEM_H

#include <stdbool.h>

#include "memory.h"
#include "options.h"
#include "virtio.h"

#define VIRTIO_MEM_BLOCKS_MAX	(OPTIONS_MEMORY_MAX / MEMORY_BLOCK)

/* What can be told of it outside. Bytes, beyond those that the machine has from the start. */
struct virtio_mem_view {
	uint64_t max;			/* that can be plugged */
	uint64_t requested;		/* what the guest is asked to have plugged */
	uint64_t plugged;
};

struct virtio_mem {
	struct virtio_device device;

	/* Guarded by device.lock. */
	uint64_t requested;		/* bytes; the thread puts it into the configuration */
	bool is_settled;		/* nothing that came with a saved machine is in blocks that are not plugged */
};

/**
 * virtio_mem_init() - describe the device; virtio_add() follows
 * @mem: zeroed.
 * @memory: has what can be plugged.
 */
void virtio_mem_init(struct virtio_mem *mem, const struct memory *memory);

/**
 * virtio_mem_ask() - ask the guest to have @size bytes plugged in all, a multiple of MEMORY_BLOCK up to all there are; from any thread
 *
 * It plugs and unplugs when and as far as its driver can.
 */
void virtio_mem_ask(struct virtio_mem *mem, uint64_t size);

/**
 * virtio_mem_look() - see how it stands; from any thread but the device's
 */
void virtio_mem_look(struct virtio_mem *mem, struct virtio_mem_view *view);

/**
 * virtio_mem_unplug_all() - the reset of a machine: the guest has none of it any more
 */
void virtio_mem_unplug_all(struct virtio_mem *mem);

/**
 * virtio_mem_count() - count what memory says is plugged into the configuration, with device->lock
 */
void virtio_mem_count(struct virtio_mem *mem);

#endif
