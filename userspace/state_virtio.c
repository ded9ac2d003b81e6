// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sections "virtio-blk", "virtio-rng", "virtio-balloon", "virtio-mem" and "virtio-console": what the driver has set, the
 * queues, the messages. A request that the device has taken is finished before
 * its lock is had, so that none is ever half done.
 */
#include <linux/virtio_config.h>
#include <string.h>

#include "state_devices.h"
#include "state_fields.h"

#define U(label, member)	STATE_ROW_UINT(label, struct state_virtio, member)

static const struct state_column queue_columns[] = {
	STATE_COLUMN(struct virtq, size), STATE_COLUMN(struct virtq, vector), STATE_COLUMN(struct virtq, is_enabled),
	STATE_COLUMN(struct virtq, is_broken), STATE_COLUMN(struct virtq, descriptors),
	STATE_COLUMN(struct virtq, available), STATE_COLUMN(struct virtq, used),
	STATE_COLUMN(struct virtq, next_available), STATE_COLUMN(struct virtq, next_used),
	STATE_COLUMN(struct virtq, signalled),
};

static const struct state_column message_columns[] = {
	STATE_COLUMN(struct msix_entry, address), STATE_COLUMN(struct msix_entry, data),
	STATE_COLUMN(struct msix_entry, control),
};

#define VIRTIO_ROWS										\
	U("slot", slot), U("status", device.status), U("isr", device.isr),			\
	U("features", device.features), U("accepted", device.accepted),				\
	U("feature_select", device.feature_select), U("accepted_select", device.accepted_select),	\
	U("queue_select", device.queue_select), U("config_vector", device.config_vector),	\
	U("msix_pending", device.msix.pending),							\
	STATE_ROW_TABLE("queues(size,vector,is_enabled,is_broken,descriptors,available,used,"	\
			"next_available,next_used,signalled)", struct state_virtio, device.queues, queue_columns, \
			offsetof(struct state_virtio, queue_count)),				\
	STATE_ROW_TABLE("messages(address,data,control)", struct state_virtio, device.msix.entries, \
			message_columns, offsetof(struct state_virtio, device.msix.count)),	\
	STATE_ROW_BYTES("pci_config", struct state_virtio, device.pci.config)

static const struct state_row rng_rows[] = { VIRTIO_ROWS };

static const struct state_row disk_rows[] = {
	VIRTIO_ROWS, U("disk_bytes", size), U("disk_is_readonly", is_readonly),
};

static const struct state_row balloon_rows[] = {
	VIRTIO_ROWS, U("target_bytes", target), U("asked_pages", asked), U("actual_pages", actual), U("poison", poison),
};

static const struct state_row console_rows[] = {
	VIRTIO_ROWS, U("columns", told.columns), U("rows", told.rows), U("sent_bytes", sent),
	STATE_ROW_SOME_BYTES("input", struct state_virtio, input, input_count),
};

/* The rows that all have fit, as what they are about comes first. */
_Static_assert(!offsetof(struct state_mem, virtio), "see mem_rows");

static const struct state_row mem_rows[] = {
	VIRTIO_ROWS, STATE_ROW_UINT("requested_bytes", struct state_mem, requested), STATE_ROW_UINT("asked_bytes", struct state_mem, asked),
	STATE_ROW_SOME_BYTES("plugged", struct state_mem, plugged, plugged_bytes),
};

static bool check(const void *object, struct state_error *error)
{
	const struct state_virtio *state = object;

	if (state->device.accepted & ~state->device.features)
		return state_refuse(error, "has a driver that accepted features nobody offered");
	for (unsigned int i = 0; i < state->device.msix.count; i++)
		if (state->device.msix.entries[i].address & 3 || state->device.msix.entries[i].control > 1)
			return state_refuse(error, "has a message no table can hold");
	return true;
}

const struct state_layout state_rng_layout = {
	.name = "virtio-rng", .version = 1, .rows = rng_rows, .row_count = ARRAY_SIZE(rng_rows),
	.size = sizeof(struct state_virtio), .check = check,
};

static bool check_balloon(const void *object, struct state_error *error)
{
	const struct state_virtio *state = object;

	if (state->target % BALLOON_PAGE || state->target / BALLOON_PAGE > UINT32_MAX)
		return state_refuse(error, "asks for %llu bytes, which no balloon does", (unsigned long long)state->target);
	return check(object, error);
}

const struct state_layout state_balloon_layout = {
	.name = "virtio-balloon", .version = 1, .rows = balloon_rows, .row_count = ARRAY_SIZE(balloon_rows),
	.size = sizeof(struct state_virtio), .check = check_balloon,
};

static bool check_mem(const void *object, struct state_error *error)
{
	const struct state_mem *state = object;

	if (state->requested % MEMORY_BLOCK || state->asked % MEMORY_BLOCK)
		return state_refuse(error, "asks for half a block");
	return check(&state->virtio, error);
}

const struct state_layout state_mem_layout = {
	.name = "virtio-mem", .version = 1, .rows = mem_rows, .row_count = ARRAY_SIZE(mem_rows),
	.size = sizeof(struct state_mem), .check = check_mem,
};

const struct state_layout state_console_layout = {
	.name = "virtio-console", .version = 1, .rows = console_rows, .row_count = ARRAY_SIZE(console_rows),
	.size = sizeof(struct state_virtio), .check = check,
};

const struct state_layout state_disk_layout = {
	.name = "virtio-blk", .version = 1, .rows = disk_rows, .row_count = ARRAY_SIZE(disk_rows),
	.size = sizeof(struct state_virtio), .check = check,
};

void state_virtio_take(struct virtio_device *device, struct pci *pci, struct state_virtio *state)
{
	memset(state, 0, sizeof(*state));
	pthread_mutex_lock(&pci->lock);
	memcpy(state->device.pci.config, device->pci.config, sizeof(device->pci.config));
	state->slot = device->pci.slot;
	pthread_mutex_lock(&device->lock);
	state->device.status = device->status;
	state->device.isr = device->isr;
	state->device.features = device->features;
	state->device.accepted = device->accepted;
	state->device.feature_select = device->feature_select;
	state->device.accepted_select = device->accepted_select;
	state->device.queue_select = device->queue_select;
	state->device.config_vector = device->config_vector;
	state->device.msix = device->msix;
	memcpy(state->device.queues, device->queues, sizeof(device->queues));
	state->queue_count = device->class->queue_count;
	pthread_mutex_unlock(&device->lock);
	pthread_mutex_unlock(&pci->lock);
}

static bool is_same_kind(const struct virtio_device *device, const struct state_virtio *state)
{
	return state->slot == device->pci.slot && state->queue_count == device->class->queue_count &&
	       state->device.msix.count == device->msix.count && !(state->device.accepted & ~device->features);
}

bool state_virtio_give(struct virtio_device *device, struct pci *pci, const struct state_virtio *state,
		       struct state_error *error)
{
	bool is_given;

	if (!is_same_kind(device, state) || !pci_restore(pci, &device->pci, state->device.pci.config))
		return state_refuse(error, "the saved virtio device in slot %u is another than this program's",
				    state->slot);
	pthread_mutex_lock(&device->lock);
	device->status = state->device.status;
	device->isr = state->device.isr;
	device->accepted = state->device.accepted;
	device->feature_select = state->device.feature_select;
	device->accepted_select = state->device.accepted_select;
	device->queue_select = state->device.queue_select;
	device->config_vector = state->device.config_vector;
	device->msix.pending = state->device.msix.pending;
	memcpy(device->msix.entries, state->device.msix.entries, sizeof(device->msix.entries));
	is_given = virtio_restore_queues(device, state->device.queues);
	pthread_mutex_unlock(&device->lock);
	return is_given || state_refuse(error, "a queue of the virtio device in slot %u lies outside of memory",
					state->slot);
}
