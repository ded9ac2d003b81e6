/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A TAP interface of the host as what carries a network device's frames.
 */
#ifndef KEEL_NET_TAP_H
#define KEEL_NET_TAP_H

#include "net.h"

struct net_tap {
	struct net_backend backend;
	unsigned int opened;			/* of backend.fds */
	uint8_t *frames[NET_PAIRS_MAX];		/* allocated, NET_FRAME_MAX bytes each */
};

/**
 * net_tap_open() - take hold of the interface, which must be there
 * @tap: zeroed.
 * @name: stays valid as long as @tap.
 * @queues: pairs.
 *
 * Return: 0, or STATUS_NET after a line on stderr; net_tap_close() in both cases.
 */
int net_tap_open(struct net_tap *tap, const char *name, unsigned int queues);

/** net_tap_close() - let it go; harmless if never opened */
void net_tap_close(struct net_tap *tap);

#endif
