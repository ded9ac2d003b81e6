/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * passt as what carries a network device's frames: no privilege, no interface of the host.
 */
#ifndef KEEL_NET_USER_H
#define KEEL_NET_USER_H

#include <sys/types.h>

#include "net.h"
#include "net_options.h"

#define NET_USER_LENGTH	4U	/* bytes before each frame: its length, the highest first */
#define NET_USER_INPUT	(1U << 17)

struct net_user {
	struct net_backend backend;
	bool is_open;
	uint8_t *input;			/* allocated, NET_USER_INPUT bytes */
	uint32_t start, end;		/* what of it was read and not yet taken */
	uint8_t *output;		/* allocated: the rest of a frame that the socket did not take */
	uint32_t output_at, output_end;
};

/**
 * net_user_open() - start passt, connected to us and to be gone when we are
 * @user: zeroed.
 *
 * Return: 0, or STATUS_NET after a line on stderr; net_user_close() in both cases.
 */
int net_user_open(struct net_user *user, const struct net_options *options);

/**
 * net_user_attach() - be the other end of a stream socket that speaks passt's protocol
 * @fd: O_NONBLOCK; closed by net_user_close()
 *
 * Return: 0, or STATUS_HOST after a line on stderr.
 */
int net_user_attach(struct net_user *user, int fd);

/**
 * net_user_start() - start passt, to be gone when nobody has @fd any more
 * @fd: gets the socket to speak with it; who reads and writes it is not made to wait
 *
 * Return: 0, or a status after a line on stderr.
 */
int net_user_start(const struct net_options *options, int *fd);

/**
 * net_user_renew() - in a process that fork() has made: speak with another passt, by the same number as before
 * @fd: of net_user_start(), which stays the caller's; -1: there is none, and the connection is left
 *
 * What was on its way to or from the other one is dropped. Return: 0 or a negative errno.
 */
int net_user_renew(struct net_user *user, int fd);

/** net_user_close() - close the connection, which ends passt; harmless if never opened */
void net_user_close(struct net_user *user);

#endif
