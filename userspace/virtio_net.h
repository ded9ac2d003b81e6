/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtio network device, in front of something of the host's that carries its frames.
 */
#ifndef KEEL_VIRTIO_NET_H
#define KEEL_VIRTIO_NET_H

#include <stdatomic.h>

#include "net.h"
#include "net_control.h"
#include "net_deliver.h"
#include "vhost.h"
#include "virtio.h"

/* As the guest sees it. */
enum net_way {
	NET_RECEIVE,
	NET_SEND,
	NET_WAYS,
};

/* The thread's, with device.lock held while it works on queues. */
struct net_pair {
	struct net_packet packet;	/* taken from the back end, */
	bool has_packet;		/* and the guest has had no buffers for it yet */
	bool is_blocked;		/* the back end takes no more until its descriptor is writable */
};

struct virtio_net {
	struct virtio_device device;
	struct virtio_class class;	/* device.class: queues as the back end has them */
	struct net_backend *backend;
	struct vhost *vhost;	/* NULL: this process moves the frames */
	struct net_control control;
	uint8_t mac[NET_MAC_SIZE];	/* constant, once there are threads */
	uint16_t mtu;			/* 0: not told */
	unsigned int pairs;		/* that the driver can see: all or, without VIRTIO_NET_F_MQ, one */
	atomic_bool is_gone;		/* the back end; written with device.lock held */
	bool has_more;			/* a budget ran out */
	struct rate_limit limits[NET_WAYS];
	bool is_limited[NET_WAYS];	/* the thread's: frames wait until device.wake_at */
	struct net_pair state[NET_PAIRS_MAX];
	struct net_deliver_room room;
	struct iovec parts[1 + VIRTQ_SEGMENTS_MAX];
};

struct virtio_net_place {
	uint8_t mac[NET_MAC_SIZE];
	uint16_t mtu;			/* 0: not told */
};

/**
 * virtio_net_init() - describe the device
 * @net: zeroed; virtio_add() of net->device follows.
 * @backend, @vhost: stay as long as @net; @vhost may be NULL.
 */
void virtio_net_init(struct virtio_net *net, struct net_backend *backend, struct vhost *vhost,
		     const struct virtio_net_place *place);

/**
 * virtio_net_limit() - move no more than that, each way; before the device starts, and not with vhost
 */
void virtio_net_limit(struct virtio_net *net, const struct rate_options *options);

/**
 * virtio_net_renew() - virtio_renew() of a network device: another card, whose address a driver learns when it begins anew
 * @is_connected: net->backend leads somewhere; if not, the guest's link is down
 *
 * Return: 0 or a negative errno.
 */
int virtio_net_renew(struct virtio_net *net, bool is_connected);

/**
 * virtio_net_random_mac() - one of the addresses that anybody may use: no group's, administered locally
 * Return: 0 or a negative errno.
 */
int virtio_net_random_mac(uint8_t mac[NET_MAC_SIZE]);

/**
 * virtio_net_turn() - move what can be moved now, by budgets and limits; the thread's, with the lock held
 */
void virtio_net_turn(struct virtio_net *net);

#endif
