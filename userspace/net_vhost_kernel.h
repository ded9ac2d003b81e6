/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vhost-net: the kernel serves the queues of a TAP interface itself.
 */
#ifndef KEEL_NET_VHOST_KERNEL_H
#define KEEL_NET_VHOST_KERNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "net.h"
#include "vhost.h"

struct net_vhost_kernel {
	struct vhost vhost;
	unsigned int opened;		/* of fds, one a pair */
	int fds[NET_PAIRS_MAX];
	const int *taps;
};

/**
 * net_vhost_kernel_open() - ask the kernel to serve the queues of @tap
 * @kernel: zeroed.
 * @device: gets doorbells of its own; virtio_add() follows. Guest memory is there.
 * @why: gets what is missing, with the remedy, if it cannot be had.
 *
 * Return: false if it cannot be had; net_vhost_kernel_close() in both cases.
 */
bool net_vhost_kernel_open(struct net_vhost_kernel *kernel, struct virtio_device *device, const struct vm *vm,
			   const struct vhost_place *place, const struct net_backend *tap, char *why, size_t size);

/** net_vhost_kernel_close() - let go of all; harmless if never opened */
void net_vhost_kernel_close(struct net_vhost_kernel *kernel);

#endif
