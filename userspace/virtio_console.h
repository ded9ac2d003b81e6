/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtio console with one port: Linux calls it hvc0.
 */
#ifndef KEEL_VIRTIO_CONSOLE_H
#define KEEL_VIRTIO_CONSOLE_H

#include "console.h"
#include "virtio.h"

#define VIRTIO_CONSOLE_INPUT	1024	/* bytes that the guest has given no buffer for yet */

struct virtio_console {
	struct virtio_device device;
	struct console *console;	/* where output goes */
	int room_event;			/* eventfd: input is taken that was not before */

	/* Guarded by device.lock. */
	bool is_sender_waiting;		/* some was not taken */
	struct console_size size;	/* the terminal's; the thread puts it into the configuration */
	bool has_told_printing;		/* the driver, which has printed, of that size */
	bool has_told_reading;		/* or has read */
	uint64_t sent;			/* bytes of the next request that the console has already */
	bool is_blocked;		/* and it has no room for the rest */
	bool has_printed;		/* since the thread last looked out for more */
	uint32_t used;			/* of input[] */
	uint8_t input[VIRTIO_CONSOLE_INPUT];
};

/**
 * virtio_console_init() - describe the device; virtio_add() follows
 * @vc: zeroed.
 *
 * Return: 0 or a negative errno.
 */
int virtio_console_init(struct virtio_console *vc, struct console *console, struct console_size size);

/**
 * virtio_console_renew() - virtio_renew(), and an event that is this process's own
 * Return: 0 or a negative errno.
 */
int virtio_console_renew(struct virtio_console *vc);

/**
 * virtio_console_close() - after virtio_stop(); harmless if never initialised
 */
void virtio_console_close(struct virtio_console *vc);

/**
 * virtio_console_is_open() - is there a driver that takes input?
 */
bool virtio_console_is_open(struct virtio_console *vc);

/**
 * virtio_console_receive() - a byte for the guest; from any thread but the device's
 *
 * Never blocks. Return: false if there is no driver or no room for it; vc->room_event tells when to try again.
 */
bool virtio_console_receive(struct virtio_console *vc, uint8_t byte);

/**
 * virtio_console_resize() - the terminal has another size now; from any thread
 */
void virtio_console_resize(struct virtio_console *vc, struct console_size size);

#endif
