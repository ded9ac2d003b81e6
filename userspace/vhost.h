/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Queues that somebody else serves, the kernel (vhost-net) or a process (vhost-user): the eventfds
 * by which the guest and the server wake each other, and the life of a queue between them.
 */
#ifndef KEEL_VHOST_H
#define KEEL_VHOST_H

#include <poll.h>
#include <stdbool.h>

#include "route.h"
#include "virtio.h"

#define VHOST_QUEUES_MAX	8

struct vhost;

/**
 * struct vhost_ops - how the server is told
 * @set_features: what the driver agreed on, of vhost->features; before the queues of a group start.
 * @start: serve queue @index, as device->queues has it.
 * @stop: serve it no longer; when this returns the server touches nothing of the guest.
 *
 * The first two return 0 or an errno. All are called with the device's lock held.
 */
struct vhost_ops {
	int (*set_features)(struct vhost *vhost, unsigned int group, uint64_t features);
	int (*start)(struct vhost *vhost, unsigned int index);
	void (*stop)(struct vhost *vhost, unsigned int index);
};

struct vhost_queue {
	int kick;		/* eventfds: the guest rings, */
	int call;		/* the server has something for it */
	bool is_attached;	/* and that reaches the guest without us */
	bool is_running;
};

/* All but what vhost_init() and the server's open set is guarded by the device's lock. */
struct vhost {
	const struct vhost_ops *ops;
	const char *name;			/* for messages, as "--net" */
	struct virtio_device *device;
	struct route_table *routes;
	unsigned int first_route;		/* a message a queue from there on */
	unsigned int count;			/* those with eventfds */
	unsigned int group;			/* so many beside each other start together, or not at all */
	uint64_t features;			/* that the server must be told of, of all that it knows */
	int hangup;				/* a descriptor that hangs up when the server goes; -1: it stays */
	struct vhost_queue queues[VHOST_QUEUES_MAX];
	bool has_complained;
	bool is_lost;				/* it answers nothing any more, and is not asked; hangup tells the thread */
};

struct vhost_place {
	struct route_table *routes;
	unsigned int first_route;
};

/**
 * vhost_init() - make the eventfds, and give @device doorbells of its own; virtio_add() follows
 * @vhost: zeroed, but for name, count and group.
 * Return: 0 or an errno; vhost_free() in both cases.
 */
int vhost_init(struct vhost *vhost, struct virtio_device *device, const struct vhost_place *place);

/** vhost_free() - close them; harmless on a zeroed structure */
void vhost_free(struct vhost *vhost);

/* The following need device->lock. */

/** vhost_start() - have the groups of queues served that the driver has set up, of the first @count queues */
void vhost_start(struct vhost *vhost, unsigned int count);

/** vhost_stop() - take them back; the server touches nothing of the guest any more */
void vhost_stop(struct vhost *vhost);

/** vhost_update() - let interrupts follow the queues' messages */
void vhost_update(struct vhost *vhost);

/**
 * vhost_waits() - the interrupts that this process must deliver, and doorbells that are for it
 * @waits: gets an entry for each, VHOST_QUEUES_MAX at most
 * Return: how many.
 */
unsigned int vhost_waits(struct vhost *vhost, struct pollfd *waits);

/** vhost_signal() - deliver and take what has come of them */
void vhost_signal(struct vhost *vhost);

#endif
