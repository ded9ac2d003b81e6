/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control queue of a network device: one command, out of the driver's words.
 */
#ifndef KEEL_NET_CONTROL_H
#define KEEL_NET_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#include "net_filter.h"

#define NET_CONTROL_MAX	4096	/* bytes of a command, a table of addresses among them */

/* What commands change. The two numbers are acted upon by who asked for the command. */
struct net_control {
	struct net_filter filter;
	uint64_t features;		/* agreed on */
	uint64_t offloads;		/* VIRTIO_NET_F_GUEST_* bits in force */
	unsigned int pairs;		/* in use */
	unsigned int pairs_max;
};

/** net_control_reset() - as after FEATURES_OK, before any command; keeps pairs_max */
void net_control_reset(struct net_control *control, uint64_t features, const uint8_t *mac);

/**
 * net_control_do() - do one command
 * @bytes: class, command and data, a copy that the driver cannot change.
 *
 * Return: VIRTIO_NET_OK or VIRTIO_NET_ERR, for the driver.
 */
uint8_t net_control_do(struct net_control *control, const uint8_t *bytes, size_t size);

#endif
