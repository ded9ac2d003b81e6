/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What one --net adds: the device that the guest sees, and what carries its frames.
 */
#ifndef KEEL_NET_DEVICE_H
#define KEEL_NET_DEVICE_H

#include "net_options.h"
#include "net_tap.h"
#include "net_user.h"
#include "net_vhost_kernel.h"
#include "net_vhost_user.h"
#include "virtio_net.h"

struct net_device {
	struct virtio_net net;
	struct net_tap tap;
	struct net_user user;
	struct net_vhost_kernel kernel;
	struct net_vhost_user process;
	unsigned int sandbox;		/* what it needs then: SANDBOX_* of sandbox.h */
};

/**
 * net_device_routes() - how many messages of the VM's table (route.h) it may want
 */
unsigned int net_device_routes(const struct net_options *options);

/**
 * net_device_open() - take hold of what carries the frames, and describe the device
 * @device: zeroed; virtio_add() of device->net.device follows. Guest memory is there.
 * @options: stay as long as @device.
 *
 * Return: 0 or a status after a line on stderr; net_device_close() in both cases.
 */
int net_device_open(struct net_device *device, const struct net_options *options, const struct vm *vm,
		    const struct vhost_place *place);

/**
 * net_device_close() - let go of it; harmless if never opened
 */
void net_device_close(struct net_device *device);

#endif
