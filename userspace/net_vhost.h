/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Queues that somebody else serves, the kernel (vhost-net) or a process (vhost-user): the eventfds
 * by which the guest and the server wake each other, and the life of a queue between them.
 */
#ifndef KEEL_NET_VHOST_H
#define KEEL_NET_VHOST_H

#include <poll.h>
#include <stdbool.h>

#include "net.h"
#include "route.h"
#include "virtio.h"

#define NET_VHOST_QUEUES_MAX	(2 * NET_PAIRS_MAX)

struct net_vhost;

/**
 * struct net_vhost_ops - how the server is told
 * @set_features: what the driver agreed on, of vhost->features; before a pair's queues start.
 * @start: serve queue @index, as device->queues has it.
 * @stop: serve it no longer; when this returns the server touches nothing of the guest.
 *
 * The first two return 0 or an errno. All are called with the device's lock held.
 */
struct net_vhost_ops {
	int (*set_features)(struct net_vhost *vhost, unsigned int pair, uint64_t features);
	int (*start)(struct net_vhost *vhost, unsigned int index);
	void (*stop)(struct net_vhost *vhost, unsigned int index);
};

struct net_vhost_queue {
	int kick;		/* eventfds: the guest rings, */
	int call;		/* the server has something for it */
	bool is_attached;	/* and that reaches the guest without us */
	bool is_running;
};

/* All but what net_vhost_init() and the server's open set is guarded by the device's lock. */
struct net_vhost {
	const struct net_vhost_ops *ops;
	struct virtio_device *device;
	struct route_table *routes;
	unsigned int first_route;		/* a message a queue from there on */
	unsigned int pairs;			/* those with eventfds */
	uint64_t features;			/* that the server must be told of, of all that it knows */
	int hangup;				/* a descriptor that hangs up when the server goes; -1: it stays */
	struct net_vhost_queue queues[NET_VHOST_QUEUES_MAX];
	bool has_complained;
};

struct net_vhost_place {
	struct route_table *routes;
	unsigned int first_route;
};

/**
 * net_vhost_init() - make the eventfds, and give @device doorbells of its own; virtio_add() follows
 * @vhost: zeroed.
 * Return: 0 or an errno; net_vhost_free() in both cases.
 */
int net_vhost_init(struct net_vhost *vhost, struct virtio_device *device, const struct net_vhost_place *place,
		   unsigned int pairs);

/** net_vhost_free() - close them; harmless on a zeroed structure */
void net_vhost_free(struct net_vhost *vhost);

/* The following need device->lock. */

/** net_vhost_start() - have the queues served that the driver has set up, of the first @pairs pairs */
void net_vhost_start(struct net_vhost *vhost, unsigned int pairs);

/** net_vhost_stop() - take them back; the server touches nothing of the guest any more */
void net_vhost_stop(struct net_vhost *vhost);

/** net_vhost_update() - let interrupts follow the queues' messages */
void net_vhost_update(struct net_vhost *vhost);

/**
 * net_vhost_waits() - the interrupts that this process must deliver, and doorbells that are for it
 * @waits: gets an entry for each, NET_VHOST_QUEUES_MAX at most
 * Return: how many.
 */
unsigned int net_vhost_waits(struct net_vhost *vhost, struct pollfd *waits);

/** net_vhost_signal() - deliver and take what has come of them */
void net_vhost_signal(struct net_vhost *vhost);

#endif
