/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The firmware's source of facts about the machine: QEMU's fw_cfg device, ports 0x510 and 0x511, with its DMA
 * interface at 0x514. All items are read-only.
 */
#ifndef KEEL_FW_CFG_H
#define KEEL_FW_CFG_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct fw_cfg_file;
struct vm;

#define FW_CFG_ITEMS_MAX	32
#define FW_CFG_FILES_MAX	16
#define FW_CFG_TRANSFER_MAX	(16u << 20)	/* bytes of one DMA request */

struct fw_cfg_item {
	uint16_t key;
	uint32_t size;
	uint8_t *bytes;			/* allocated */
};

struct fw_cfg {
	struct vm *vm;
	struct fw_cfg_item items[FW_CFG_ITEMS_MAX];	/* constant once the guest runs */
	unsigned int count;
	unsigned int file_count;

	pthread_mutex_t lock;		/* guards what follows */
	const struct fw_cfg_item *selected;	/* NULL: one that is not there, and reads as zeros */
	uint32_t offset;		/* of the next byte; not past the item's end */
	uint64_t dma_address;		/* of the request; its upper half waits here for the lower */
};

/**
 * fw_cfg_init() - put the device, with its signature and an empty directory, on the VM's port bus
 * Return: 0 or a negative errno.
 */
int fw_cfg_init(struct fw_cfg *config, struct vm *vm);

/**
 * fw_cfg_add() - copy @size bytes into a new item @key; before the first vCPU runs
 * Return: 0, -ENOSPC or -ENOMEM.
 */
int fw_cfg_add(struct fw_cfg *config, uint16_t key, const void *bytes, size_t size);

/**
 * fw_cfg_add_number() - add an item of @len bytes, little-endian
 * Return: as fw_cfg_add().
 */
int fw_cfg_add_number(struct fw_cfg *config, uint16_t key, uint64_t value, unsigned int len);

/**
 * fw_cfg_add_file() - add an item that the directory lists as @name, of at most 55 characters
 * Return: as fw_cfg_add(); -EINVAL for a name that is too long.
 */
int fw_cfg_add_file(struct fw_cfg *config, const char *name, const void *bytes, size_t size);

/**
 * fw_cfg_reset() - select no item, as at power-on
 */
void fw_cfg_reset(struct fw_cfg *config);

/**
 * fw_cfg_free() - release the items; harmless on a zeroed structure
 */
void fw_cfg_free(struct fw_cfg *config);

#endif
