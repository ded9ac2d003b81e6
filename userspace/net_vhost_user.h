/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vhost-user as what carries a network device's frames: a process serves the queues.
 */
#ifndef KEEL_NET_VHOST_USER_H
#define KEEL_NET_VHOST_USER_H

#include "net.h"
#include "net_options.h"
#include "vhost_user.h"

struct net_vhost_user {
	struct vhost_user user;
	struct net_backend backend;	/* features and pairs of the process; it moves the frames itself */
};

/**
 * net_vhost_user_open() - connect, agree on features, and share the guest's memory
 * @net: zeroed.
 * @device: gets doorbells of its own; virtio_add() follows.
 * @vm: has memory that can be shared (memory_back()).
 *
 * Return: 0, or a status after a line on stderr; net_vhost_user_close() in both cases.
 */
int net_vhost_user_open(struct net_vhost_user *net, struct virtio_device *device, const struct vm *vm,
			const struct vhost_place *place, const struct net_options *options);

/** net_vhost_user_close() - hang up; harmless if never opened */
void net_vhost_user_close(struct net_vhost_user *net);

#endif
