// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a memory device has beyond other virtio devices: which blocks the guest has plugged. What is not plugged is not in the stream.
 */
#include <linux/virtio_mem.h>
#include <stddef.h>
#include <string.h>

#include "state_devices.h"
#include "state_format.h"

typedef struct virtio_mem_config config_t;

static uint64_t block_at(const struct memory *memory, uint64_t block)
{
	return memory->regions[memory->count - 1].base + block * MEMORY_BLOCK;
}

void state_mem_take(struct virtio_mem *mem, struct pci *pci, struct state_mem *state)
{
	const struct memory *memory = &mem->device.vm->memory;
	uint64_t count = memory->pluggable / MEMORY_BLOCK;

	memset(state->plugged, 0, sizeof(state->plugged));
	state_virtio_take(&mem->device, pci, &state->virtio);
	pthread_mutex_lock(&mem->device.lock);
	state->requested = mem->requested;
	mem->is_settled = true;
	memcpy(&state->asked, mem->device.config + offsetof(config_t, requested_size), sizeof(state->asked));
	state->plugged_bytes = (uint32_t)((count + 7) / 8);
	for (uint64_t i = 0; i < count; i++)
		if (memory_is_plugged(memory, block_at(memory, i)))
			state->plugged[i / 8] |= (uint8_t)(1u << i % 8);
	pthread_mutex_unlock(&mem->device.lock);
}

static bool check(const struct memory *memory, const struct state_mem *state, struct state_error *error)
{
	uint64_t count = memory->pluggable / MEMORY_BLOCK;

	if (state->requested > memory->pluggable || state->asked > memory->pluggable)
		return state_refuse(error, "the saved memory device asks for more than can be plugged");
	if (state->plugged_bytes != (count + 7) / 8 || (count % 8 && state->plugged[count / 8] >> count % 8))
		return state_refuse(error, "the saved memory device has other blocks than its machine");
	return true;
}

/*
 * Of memory that came while the guest ran, or from a file that another one stands on, there can be what the guest has unplugged since. Where it comes as
 * it is touched it is left: a guest knows nothing of what it plugs. A machine that goes back to a mark has had blocks of its own.
 */
static void put_block(const struct virtio_mem *mem, uint64_t block, bool is_plugged)
{
	const struct memory *memory = &mem->device.vm->memory;
	bool was_plugged = memory_is_plugged(memory, block_at(memory, block));

	memory_plug(memory, block, is_plugged);
	if (!is_plugged && !memory->require && (was_plugged || !mem->is_settled))
		memory_give_back(memory, block_at(memory, block), MEMORY_BLOCK);
}

bool state_mem_give(struct virtio_mem *mem, struct pci *pci, const struct state_mem *state, struct state_error *error)
{
	const struct memory *memory = &mem->device.vm->memory;

	if (!check(memory, state, error))
		return false;
	pthread_mutex_lock(&mem->device.lock);
	mem->requested = state->requested;
	memcpy(mem->device.config + offsetof(config_t, requested_size), &state->asked, sizeof(state->asked));
	for (uint64_t i = 0; i < memory->pluggable / MEMORY_BLOCK; i++)
		put_block(mem, i, state->plugged[i / 8] >> i % 8 & 1);
	mem->is_settled = true;
	virtio_mem_count(mem);
	pthread_mutex_unlock(&mem->device.lock);
	return state_virtio_give(&mem->device, pci, &state->virtio, error);
}
