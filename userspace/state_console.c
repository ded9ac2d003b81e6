// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a virtio console has beyond other virtio devices: input that the guest has not taken yet, and how much of the request
 * that waits for the terminal is out. What the terminal has on its way is not in the stream.
 */
#include <linux/virtio_console.h>
#include <stddef.h>
#include <string.h>

#include "state_devices.h"
#include "state_format.h"

typedef struct virtio_console_config config_t;

void state_console_take(struct virtio_console *vc, struct pci *pci, struct state_virtio *state)
{
	const uint8_t *config = vc->device.config;

	state_virtio_take(&vc->device, pci, state);
	pthread_mutex_lock(&vc->device.lock);
	memcpy(&state->told.columns, config + offsetof(config_t, cols), sizeof(state->told.columns));
	memcpy(&state->told.rows, config + offsetof(config_t, rows), sizeof(state->told.rows));
	state->sent = vc->sent;
	state->input_count = vc->used;
	memcpy(state->input, vc->input, vc->used);
	pthread_mutex_unlock(&vc->device.lock);
}

/* The thread sees that the terminal's size and the configuration differ, if they do, and tells the guest. */
bool state_console_give(struct virtio_console *vc, struct pci *pci, const struct state_virtio *state,
			struct state_error *error)
{
	uint8_t *config = vc->device.config;

	if (state->device.features & ~vc->device.features)
		return state_refuse(error, "the saved virtio console offers features %#llx, and this program knows %#llx",
				    (unsigned long long)state->device.features, (unsigned long long)vc->device.features);
	pthread_mutex_lock(&vc->device.lock);
	vc->device.features = state->device.features;
	memcpy(config + offsetof(config_t, cols), &state->told.columns, sizeof(state->told.columns));
	memcpy(config + offsetof(config_t, rows), &state->told.rows, sizeof(state->told.rows));
	vc->sent = state->sent;
	vc->used = state->input_count;
	/* the guest may be back before it had learned the size */
	vc->has_told_printing = false;
	vc->has_told_reading = false;
	memcpy(vc->input, state->input, state->input_count);
	pthread_mutex_unlock(&vc->device.lock);
	return state_virtio_give(&vc->device, pci, state, error);
}
