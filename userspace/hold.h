/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A machine that stands as a whole: vCPUs outside the guest, virtio devices between two requests.
 */
#ifndef KEEL_HOLD_H
#define KEEL_HOLD_H

#include <stdbool.h>
#include <stddef.h>

struct machine;
struct state_error;
struct state_memory_watch;
struct virtio_device;

/* What devices may take for the requests that they are at, all of them together. The guest runs meanwhile. */
#define HOLD_MS		30000	/* for what is worth it: a saved machine, one that moves */
#define HOLD_MARK_MS	10000	/* less than another client waits for an answer */
#define HOLD_FORK_MS	2000	/* by the main thread, which has other things to see to */
#define HOLD_NAME	160	/* bytes of a device's name, in words */
#define HOLD_SLICE_MS	20	/* between two looks whether it is still wanted */

/**
 * hold_machine() - have vCPUs stand at the gate for @why (VM_HOLD_*), and virtio devices between two requests
 * @ms: what devices may take until then.
 * @watch: asked while one is waited for whether to wait on; NULL, or without progress: nobody.
 *
 * No debugger may change it then. Return: false with @error; all of it goes on then, and the guest has not stood for a device.
 */
bool hold_machine(struct machine *machine, unsigned int why, unsigned int ms, const struct state_memory_watch *watch,
		  struct state_error *error);

/**
 * hold_virtio() - the virtio devices alone
 */
bool hold_virtio(struct machine *machine, unsigned int ms, const struct state_memory_watch *watch, struct state_error *error);

/**
 * hold_end() - the end of hold_machine()
 */
void hold_end(struct machine *machine, unsigned int why);

/**
 * hold_end_virtio() - let the virtio devices go on, and no vCPU
 */
void hold_end_virtio(struct machine *machine);

/**
 * hold_name() - what a virtio device of @machine is to whoever started it, as "--disk PATH"
 */
void hold_name(struct machine *machine, const struct virtio_device *device, char *name, size_t size);

#endif
