// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory device: VIRTIO 1.2, "Memory Device".
 *
 * All that can be plugged is the guest's to reach from the start, as one slot, and takes no memory of the host until it is
 * touched. Plugging is bookkeeping: of who has what, which a saved machine needs, and how much of it, which whoever asks wants to know.
 * Unplugging gives the host the memory back. A driver that uses what it has not plugged takes no more than what it could have been
 * asked to plug; a machine's limit is its cgroup's.
 *
 * A request that the specification has an answer for gets that answer. One that is no request, or has no room for an answer, is an
 * end of service until the driver resets the device. What a reset of the device leaves plugged a reset of the machine does not.
 */
#include <linux/virtio_mem.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "util.h"
#include "virtio_mem.h"

#define TURN_MAX	32	/* requests before others have their turn */

typedef struct virtio_mem_config config_t;

static struct virtio_mem *to_mem(struct virtio_device *device)
{
	return (struct virtio_mem *)((char *)device - offsetof(struct virtio_mem, device));
}

static uint64_t get_config(const struct virtio_mem *mem, size_t offset)
{
	uint64_t value;

	memcpy(&value, mem->device.config + offset, sizeof(value));
	return value;
}

static void set_config(struct virtio_mem *mem, size_t offset, uint64_t value)
{
	memcpy(mem->device.config + offset, &value, sizeof(value));
}

static uint64_t plugged_now(const struct virtio_mem *mem)
{
	return get_config(mem, offsetof(config_t, plugged_size));
}

/* ---- blocks ---- */

static const struct memory_region *region_of(const struct memory *memory)
{
	return &memory->regions[memory->count - 1];
}

static bool is_plugged(const struct memory *memory, uint64_t block)
{
	return memory_is_plugged(memory, region_of(memory)->base + block * MEMORY_BLOCK);
}

/* Blocks of the region, @count of them from @first on. */
struct blocks {
	uint64_t first;
	uint64_t count;
};

/* Return: false unless the request names blocks of the region. All three kinds that name some have them at the same place. */
static bool find_blocks(const struct memory *memory, const struct virtio_mem_req *request, struct blocks *blocks)
{
	const struct memory_region *region = region_of(memory);
	uint64_t at = request->u.plug.addr - region->base, all = region->size / MEMORY_BLOCK;

	*blocks = (struct blocks){ at / MEMORY_BLOCK, request->u.plug.nb_blocks };
	return request->u.plug.addr >= region->base && !(at % MEMORY_BLOCK) && blocks->count && blocks->first < all &&
	       blocks->count <= all - blocks->first;
}

static uint64_t count_plugged(const struct memory *memory, const struct blocks *blocks)
{
	uint64_t count = 0;

	for (uint64_t i = 0; i < blocks->count; i++)
		count += is_plugged(memory, blocks->first + i);
	return count;
}

static void note(struct virtio_mem *mem, const struct blocks *blocks, bool is_plugged)
{
	uint64_t size = blocks->count * MEMORY_BLOCK;

	for (uint64_t i = 0; i < blocks->count; i++)
		memory_plug(&mem->device.vm->memory, blocks->first + i, is_plugged);
	set_config(mem, offsetof(config_t, plugged_size), is_plugged ? plugged_now(mem) + size : plugged_now(mem) - size);
}

/* That the host cannot take it back is no fault of the guest's. */
static void unplug_blocks(struct virtio_mem *mem, const struct blocks *blocks)
{
	const struct memory *memory = &mem->device.vm->memory;

	memory_give_back(memory, region_of(memory)->base + blocks->first * MEMORY_BLOCK, blocks->count * MEMORY_BLOCK);
	note(mem, blocks, false);
}

static void unplug_everything(struct virtio_mem *mem)
{
	const struct memory *memory = &mem->device.vm->memory;
	uint64_t all = memory->pluggable / MEMORY_BLOCK;

	for (uint64_t at = 0, end; at < all && plugged_now(mem); at = end) {
		bool has = is_plugged(memory, at);

		for (end = at + 1; end < all && is_plugged(memory, end) == has; end++)
			;
		if (has)
			unplug_blocks(mem, &(struct blocks){ at, end - at });
	}
}

/* ---- requests ---- */

static uint16_t plug(struct virtio_mem *mem, const struct blocks *blocks)
{
	if (count_plugged(&mem->device.vm->memory, blocks))
		return VIRTIO_MEM_RESP_ERROR;
	if (plugged_now(mem) + blocks->count * MEMORY_BLOCK > mem->requested)
		return VIRTIO_MEM_RESP_NACK;
	note(mem, blocks, true);
	return VIRTIO_MEM_RESP_ACK;
}

static uint16_t unplug(struct virtio_mem *mem, const struct blocks *blocks)
{
	if (count_plugged(&mem->device.vm->memory, blocks) != blocks->count)
		return VIRTIO_MEM_RESP_ERROR;
	unplug_blocks(mem, blocks);
	return VIRTIO_MEM_RESP_ACK;
}

static uint16_t tell_state(const struct memory *memory, const struct blocks *blocks)
{
	uint64_t count = count_plugged(memory, blocks);

	if (count == blocks->count)
		return VIRTIO_MEM_STATE_PLUGGED;
	return count ? VIRTIO_MEM_STATE_MIXED : VIRTIO_MEM_STATE_UNPLUGGED;
}

/* Return: false if it is no request. */
static bool answer(struct virtio_mem *mem, const struct virtio_mem_req *request, struct virtio_mem_resp *response)
{
	const struct memory *memory = &mem->device.vm->memory;
	struct blocks blocks;

	if (request->type == VIRTIO_MEM_REQ_UNPLUG_ALL) {
		unplug_everything(mem);
		return true;
	}
	if (request->type > VIRTIO_MEM_REQ_STATE)
		return false;
	if (!find_blocks(memory, request, &blocks))
		response->type = VIRTIO_MEM_RESP_ERROR;
	else if (request->type == VIRTIO_MEM_REQ_PLUG)
		response->type = plug(mem, &blocks);
	else if (request->type == VIRTIO_MEM_REQ_UNPLUG)
		response->type = unplug(mem, &blocks);
	else
		response->u.state.state = tell_state(memory, &blocks);
	return true;
}

static uint32_t serve(struct virtio_device *device, struct virtq_chain *chain)
{
	struct virtio_mem_resp response = { .type = VIRTIO_MEM_RESP_ACK };
	struct virtio_mem_req request;

	if (chain->write_bytes < sizeof(response) || !virtio_copy_from(chain, &request, sizeof(request)) ||
	    !answer(to_mem(device), &request, &response)) {
		device->queues[0].is_broken = true;
		return 0;
	}
	return virtio_copy_to(chain, &response, sizeof(response));
}

/* ---- the thread ---- */

static bool is_served(const struct virtio_device *device)
{
	return (device->status & (VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET)) == VIRTIO_CONFIG_S_DRIVER_OK;
}

/* Return: true if there may be more. */
static bool take_turn(struct virtio_mem *mem)
{
	struct virtio_device *device = &mem->device;
	bool is_done = true;

	virtio_begin_turn(device);
	if (get_config(mem, offsetof(config_t, requested_size)) != mem->requested) {
		set_config(mem, offsetof(config_t, requested_size), mem->requested);
		virtio_signal_config(device);
	}
	if (is_served(device))
		is_done = virtio_serve_queue(device, &device->queues[0], TURN_MAX);
	virtio_end_turn(device);
	return !is_done;
}

static void run(struct virtio_device *device)
{
	uint64_t count;

	while (!vm_is_stopping(device->vm)) {
		/* Sleeps here; virtio_stop() rings too. */
		if (read(device->doorbell, &count, sizeof(count)) < 0)
			continue;
		while (!vm_is_stopping(device->vm) && take_turn(to_mem(device)))
			;
	}
}

static const struct virtio_class mem_class = {
	.id = 24,
	.class_code = 0x00ff00,		/* fits no other class */
	.queue_count = 1,
	.thread = SANDBOX_BALLOON,
	.serve = serve,
	.run = run,
};

void virtio_mem_init(struct virtio_mem *mem, const struct memory *memory)
{
	struct virtio_device *device = &mem->device;

	_Static_assert(sizeof(config_t) <= VIRTIO_CONFIG_MAX, "has room");
	device->class = &mem_class;
	device->features = 1ULL << VIRTIO_MEM_F_UNPLUGGED_INACCESSIBLE;
	device->config_size = sizeof(config_t);
	set_config(mem, offsetof(config_t, block_size), MEMORY_BLOCK);
	set_config(mem, offsetof(config_t, addr), region_of(memory)->base);
	set_config(mem, offsetof(config_t, region_size), memory->pluggable);
	set_config(mem, offsetof(config_t, usable_region_size), memory->pluggable);
}

void virtio_mem_ask(struct virtio_mem *mem, uint64_t size)
{
	virtio_lock(&mem->device);
	mem->requested = size;
	virtio_unlock(&mem->device);
	virtio_ring(&mem->device);
}

void virtio_mem_look(struct virtio_mem *mem, struct virtio_mem_view *view)
{
	virtio_lock(&mem->device);
	*view = (struct virtio_mem_view){
		.max = mem->device.vm->memory.pluggable, .requested = mem->requested, .plugged = plugged_now(mem),
	};
	virtio_unlock(&mem->device);
}

void virtio_mem_unplug_all(struct virtio_mem *mem)
{
	pthread_mutex_lock(&mem->device.lock);
	unplug_everything(mem);
	pthread_mutex_unlock(&mem->device.lock);
}

void virtio_mem_count(struct virtio_mem *mem)
{
	const struct memory *memory = &mem->device.vm->memory;
	const struct blocks all = { 0, memory->pluggable / MEMORY_BLOCK };

	set_config(mem, offsetof(config_t, plugged_size), count_plugged(memory, &all) * MEMORY_BLOCK);
}
