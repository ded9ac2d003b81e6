// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a balloon has beyond other virtio devices. Which pages are in it only the guest knows; they are zeros, and so are not
 * in the stream. Counters and statistics begin anew.
 */
#include <linux/virtio_balloon.h>
#include <stddef.h>
#include <string.h>

#include "memory_options.h"
#include "state_devices.h"
#include "state_format.h"

typedef struct virtio_balloon_config config_t;

void state_balloon_take(struct virtio_balloon *balloon, struct pci *pci, struct state_virtio *state)
{
	const uint8_t *config = balloon->device.config;

	state_virtio_take(&balloon->device, pci, state);
	pthread_mutex_lock(&balloon->device.lock);
	state->target = balloon->target;
	memcpy(&state->asked, config + offsetof(config_t, num_pages), sizeof(state->asked));
	memcpy(&state->actual, config + offsetof(config_t, actual), sizeof(state->actual));
	memcpy(&state->poison, config + offsetof(config_t, poison_val), sizeof(state->poison));
	pthread_mutex_unlock(&balloon->device.lock);
}

/* What the guest has not been told yet it is told when the thread sees that target and configuration differ. */
bool state_balloon_give(struct virtio_balloon *balloon, struct pci *pci, const struct state_virtio *state,
			struct state_error *error)
{
	const char *wrong = memory_options_check_balloon(balloon->device.vm->memory.size, state->target);
	uint8_t *config = balloon->device.config;

	if (wrong)
		return state_refuse(error, "the saved balloon asks for %llu bytes: %s", (unsigned long long)state->target, wrong);
	if (state->device.features & ~balloon->device.features)
		return state_refuse(error, "the saved balloon offers features %#llx, and this program knows %#llx",
				    (unsigned long long)state->device.features, (unsigned long long)balloon->device.features);
	pthread_mutex_lock(&balloon->device.lock);
	balloon->device.features = state->device.features;
	balloon->target = state->target;
	balloon->wants_stats = false;
	balloon->waits_for_stats = false;
	balloon->stats.has = 0;
	memcpy(config + offsetof(config_t, num_pages), &state->asked, sizeof(state->asked));
	memcpy(config + offsetof(config_t, actual), &state->actual, sizeof(state->actual));
	memcpy(config + offsetof(config_t, poison_val), &state->poison, sizeof(state->poison));
	pthread_mutex_unlock(&balloon->device.lock);
	return state_virtio_give(&balloon->device, pci, state, error);
}
