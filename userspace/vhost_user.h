/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vhost-user: a process at the other end of a socket serves a device's queues, in memory that it shares.
 */
#ifndef KEEL_VHOST_USER_H
#define KEEL_VHOST_USER_H

#include "children.h"
#include "vhost.h"

struct vhost_user {
	struct vhost vhost;
	bool is_open;
	int socket;
	uint64_t features;		/* that the process has, of all */
	bool has_protocol;		/* VHOST_USER_F_PROTOCOL_FEATURES */
	bool has_acks;			/* it answers what changes something */
	unsigned int enabled;		/* so many queues are in use from their start on */
	bool has_memory;		/* it was given the guest's */
	struct children children;	/* the process, if it is ours */
};

/**
 * struct vhost_user_wants - what a device needs of the process
 * @features: device features that the process must be told of if the driver takes them; those of the rings are besides.
 * @queues: as processes count them for this kind of device.
 * @queues_of_old: those of a process that does not tell how many it has.
 * @first_ms: what its first answer may take beyond VHOST_USER_ANSWER_MS: a process that has just been started is slow.
 */
struct vhost_user_wants {
	uint64_t features;
	unsigned int queues;
	unsigned int queues_of_old;
	int first_ms;
};

/**
 * vhost_user_connect() - connect to who listens at @path
 * @user: zeroed, but for what vhost_init() wants, and enabled.
 * Return: 0 or an errno; vhost_user_close() in both cases.
 */
int vhost_user_connect(struct vhost_user *user, const char *path);

/**
 * vhost_user_remedy() - what may be done about an errno of vhost_user_connect()
 * Return: words that go behind it; "" for none.
 */
const char *vhost_user_remedy(int error);

/** vhost_user_attach() - vhost_user_connect() where @socket is connected already; vhost_user_close() closes it */
void vhost_user_attach(struct vhost_user *user, int socket);

/**
 * vhost_user_open() - make the device's eventfds; virtio_add() follows
 * @user: is connected.
 * Return: 0 or an errno.
 */
int vhost_user_open(struct vhost_user *user, struct virtio_device *device, const struct vhost_place *place);

/**
 * vhost_user_agree() - agree on features, and share the guest's memory
 * @memory: can be shared (memory_back()).
 *
 * Return: 0 or an errno: ERANGE for more queues than the process has, EPROTONOSUPPORT for one that knows old devices only.
 */
int vhost_user_agree(struct vhost_user *user, const struct memory *memory, const struct vhost_user_wants *wants);

/** vhost_user_enable() - have queue @index, if it is running, be in use or not; with the device's lock held */
void vhost_user_enable(struct vhost_user *user, unsigned int index, unsigned int value);

/** vhost_user_close() - hang up; harmless if never opened */
void vhost_user_close(struct vhost_user *user);

#endif
