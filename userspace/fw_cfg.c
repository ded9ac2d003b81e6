// SPDX-License-Identifier: GPL-2.0-only
/*
 * fw_cfg as QEMU's documentation has it ("QEMU Firmware Configuration (fw_cfg) Device"): an item is selected by its key
 * and read byte by byte, or by a request in the guest's memory that names where the bytes go. Behind an item's end,
 * and of one that is not there, zeros are read. Nothing can be written.
 *
 * A request is the guest's word: its addresses go through memory_at(), its length has a limit, and what is wrong with
 * it is told by the error bit; a request that does not lie in memory has nowhere to tell that, and is dropped.
 */
#include <endian.h>
#include <errno.h>
#include <linux/qemu_fw_cfg.h>
#include <stdlib.h>
#include <string.h>

#include "fw_cfg.h"
#include "vm.h"

#define SELECT_PORT	0x510
#define DATA_OFFSET	1
#define DMA_PORT	0x514
#define DMA_TRIGGER	4	/* the address register's lower half */
#define VERSIONS	(FW_CFG_VERSION | FW_CFG_VERSION_DMA)

static struct fw_cfg_item *find_item(struct fw_cfg *config, uint16_t key)
{
	for (unsigned int i = 0; i < config->count; i++)
		if (config->items[i].key == key)
			return &config->items[i];
	return NULL;
}

static void select_item(struct fw_cfg *config, uint16_t key)
{
	config->selected = find_item(config, key);
	config->offset = 0;
}

/* Go @count bytes on. Return: how many of them the item has. */
static uint32_t advance(struct fw_cfg *config, uint32_t count)
{
	uint32_t left = config->selected ? config->selected->size - config->offset : 0;

	if (count > left)
		count = left;
	config->offset += count;
	return count;
}

static void read_bytes(struct fw_cfg *config, uint8_t *to, uint32_t count)
{
	uint32_t from = config->offset, there = advance(config, count);

	if (there)
		memcpy(to, config->selected->bytes + from, there);
	memset(to + there, 0, count - there);
}

static bool transfer(struct fw_cfg *config, uint32_t control, uint32_t count, uint64_t address)
{
	if (count > FW_CFG_TRANSFER_MAX)
		return false;
	if (control & FW_CFG_DMA_CTL_READ) {
		uint8_t *to = count ? memory_at(&config->vm->memory, address, count) : NULL;

		if (to)
			read_bytes(config, to, count);
		return to || !count;
	}
	if (control & FW_CFG_DMA_CTL_WRITE)
		return false;
	if (control & FW_CFG_DMA_CTL_SKIP)
		advance(config, count);
	return true;
}

static void serve_request(struct fw_cfg *config, uint64_t address)
{
	struct fw_cfg_dma_access request;
	void *at = memory_at(&config->vm->memory, address, sizeof(request));

	if (!at)
		return;
	memcpy(&request, at, sizeof(request));
	uint32_t control = be32toh(request.control);

	if (control & FW_CFG_DMA_CTL_SELECT)
		select_item(config, (uint16_t)(control >> 16));
	bool is_done = transfer(config, control, be32toh(request.length), be64toh(request.address));

	request.control = htobe32(is_done ? 0 : FW_CFG_DMA_CTL_ERROR);
	memcpy(at, &request.control, sizeof(request.control));
}

static uint64_t read_port(void *owner, uint64_t offset, unsigned int len)
{
	struct fw_cfg *config = owner;
	uint8_t byte;

	if (offset != DATA_OFFSET || len != 1)
		return UINT64_MAX;
	pthread_mutex_lock(&config->lock);
	read_bytes(config, &byte, 1);
	pthread_mutex_unlock(&config->lock);
	return byte;
}

static void write_port(void *owner, uint64_t offset, unsigned int len, uint64_t value)
{
	struct fw_cfg *config = owner;

	if (offset || len != 2)
		return;
	pthread_mutex_lock(&config->lock);
	select_item(config, (uint16_t)value);
	pthread_mutex_unlock(&config->lock);
}

/* The signature, its first character at the lowest address. */
static uint64_t read_dma(void *owner, uint64_t offset, unsigned int len)
{
	(void)owner;
	(void)len;
	return htobe64(FW_CFG_DMA_SIGNATURE) >> (8 * offset);
}

/* Big-endian halves; the lower one starts the request, and takes the upper one with it. */
static void write_dma(void *owner, uint64_t offset, unsigned int len, uint64_t value)
{
	struct fw_cfg *config = owner;

	if (len != 4 || offset % 4)
		return;
	uint32_t half = be32toh((uint32_t)value);

	pthread_mutex_lock(&config->lock);
	if (offset == DMA_TRIGGER) {
		uint64_t address = config->dma_address | half;

		config->dma_address = 0;
		serve_request(config, address);
	} else {
		config->dma_address = (uint64_t)half << 32;
	}
	pthread_mutex_unlock(&config->lock);
}

static const struct bus_ops port_ops = { read_port, write_port };
static const struct bus_ops dma_ops = { read_dma, write_dma };

int fw_cfg_add(struct fw_cfg *config, uint16_t key, const void *bytes, size_t size)
{
	uint8_t *copy;

	if (config->count == FW_CFG_ITEMS_MAX || size > UINT32_MAX)
		return -ENOSPC;
	copy = malloc(size ? size : 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, bytes, size);
	config->items[config->count++] = (struct fw_cfg_item){ .key = key, .size = (uint32_t)size, .bytes = copy };
	return 0;
}

int fw_cfg_add_number(struct fw_cfg *config, uint16_t key, uint64_t value, unsigned int len)
{
	uint64_t bytes = htole64(value);

	return fw_cfg_add(config, key, &bytes, len);
}

/* The directory begins with the number of files. */
static int add_directory(struct fw_cfg *config)
{
	const uint8_t room[4 + FW_CFG_FILES_MAX * sizeof(struct fw_cfg_file)] = { 0 };
	int ret = fw_cfg_add(config, FW_CFG_FILE_DIR, room, sizeof(room));

	if (!ret)
		find_item(config, FW_CFG_FILE_DIR)->size = 4;
	return ret;
}

int fw_cfg_add_file(struct fw_cfg *config, const char *name, const void *bytes, size_t size)
{
	struct fw_cfg_item *directory = find_item(config, FW_CFG_FILE_DIR);
	uint16_t key = (uint16_t)(FW_CFG_FILE_FIRST + config->file_count);
	struct fw_cfg_file file = { .size = htobe32((uint32_t)size), .select = htobe16(key) };
	size_t length = strlen(name);

	if (length >= sizeof(file.name))
		return -EINVAL;
	if (config->file_count == FW_CFG_FILES_MAX)
		return -ENOSPC;
	int ret = fw_cfg_add(config, key, bytes, size);

	if (ret)
		return ret;
	memcpy(file.name, name, length);
	memcpy(directory->bytes + directory->size, &file, sizeof(file));
	directory->size += (uint32_t)sizeof(file);
	const uint32_t count = htobe32(++config->file_count);

	memcpy(directory->bytes, &count, sizeof(count));
	return 0;
}

void fw_cfg_reset(struct fw_cfg *config)
{
	pthread_mutex_lock(&config->lock);
	config->selected = NULL;
	config->offset = 0;
	config->dma_address = 0;
	pthread_mutex_unlock(&config->lock);
}

int fw_cfg_init(struct fw_cfg *config, struct vm *vm)
{
	*config = (struct fw_cfg){ .vm = vm };
	pthread_mutex_init(&config->lock, NULL);
	int ret = fw_cfg_add(config, FW_CFG_SIGNATURE, "QEMU", 4);

	if (!ret)
		ret = fw_cfg_add_number(config, FW_CFG_ID, VERSIONS, 4);
	if (!ret)
		ret = add_directory(config);
	if (!ret)
		ret = bus_add(&vm->ports, SELECT_PORT, 2, &port_ops, config);
	if (!ret)
		ret = bus_add(&vm->ports, DMA_PORT, 8, &dma_ops, config);
	return ret;
}

void fw_cfg_free(struct fw_cfg *config)
{
	for (unsigned int i = 0; i < config->count; i++)
		free(config->items[i].bytes);
	config->count = 0;
}
