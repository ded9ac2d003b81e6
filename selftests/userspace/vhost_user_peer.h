/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The back end's side of vhost-user, for tests: it maps the guest's memory by what it is sent, and
 * keeps two queues. "Vhost-user Protocol" of QEMU's documentation.
 */
#ifndef SELFTESTS_VHOST_USER_PEER_H
#define SELFTESTS_VHOST_USER_PEER_H

#include <stdbool.h>

#include "test.h"
#include "userspace/memory.h"
#include "userspace/virtq.h"

/* What it does wrong. */
enum peer_fault {
	PEER_GOOD,
	PEER_WRONG_REQUEST,	/* in the answer to GET_FEATURES */
	PEER_WRONG_SIZE,
	PEER_WRONG_FLAGS,
	PEER_HANGS_UP,
	PEER_NO_ANSWER,
	PEER_REFUSES_MEMORY,	/* by its acknowledgement */
	PEER_REFUSES_PLACE,
	PEER_REFUSES_ENABLE,
	PEER_DRIBBLES,		/* its answer to GET_FEATURES, a byte at a time */
	PEER_FALLS_SILENT,	/* when the driver starts */
	PEER_STANDS,		/* answers nothing at all */
};

struct vhost_user_peer {
	int socket;
	enum peer_fault fault;
	u64 features, protocol, pairs;	/* that it has */
	u64 set_features, set_protocol;	/* that it was told */
	struct memory memory;
	u64 user_address[MEMORY_REGIONS_MAX];
	struct virtq queues[2];
	int kick[2], call[2];
	u32 enabled, started, stopped;	/* queues, how often */
};

/* A back end that nobody is connected to yet. Return: a socket that listens at @path. */
int vhost_user_peer_init(struct vhost_user_peer *peer, enum peer_fault fault, u64 features, u64 pairs, const char *path);

/* Do what the next message says, and answer it. Return: false if the front end has hung up. */
bool vhost_user_peer_serve(struct vhost_user_peer *peer);

#endif
