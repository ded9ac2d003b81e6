/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vhost-user: a process at the other end of a socket serves the queues, in memory that it shares.
 */
#ifndef KEEL_NET_VHOST_USER_H
#define KEEL_NET_VHOST_USER_H

#include "net_options.h"
#include "net_vhost.h"

struct net_vhost_user {
	struct net_vhost vhost;
	struct net_backend backend;	/* features and pairs of the process; it moves the frames itself */
	bool is_open;
	int socket;
	bool has_protocol;		/* VHOST_USER_F_PROTOCOL_FEATURES */
	bool has_acks;			/* it answers what changes something */
};

/**
 * net_vhost_user_open() - connect, agree on features, and share the guest's memory
 * @user: zeroed.
 * @device: gets doorbells of its own; virtio_add() follows.
 * @vm: has memory that can be shared (memory_back()).
 *
 * Return: 0, or a status after a line on stderr; net_vhost_user_close() in both cases.
 */
int net_vhost_user_open(struct net_vhost_user *user, struct virtio_device *device, const struct vm *vm,
			const struct net_vhost_place *place, const struct net_options *options);

/** net_vhost_user_close() - hang up; harmless if never opened */
void net_vhost_user_close(struct net_vhost_user *user);

#endif
