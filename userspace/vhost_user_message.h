/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Messages of the vhost-user protocol, front end's side: "Vhost-user Protocol" of QEMU's documentation.
 */
#ifndef KEEL_VHOST_USER_MESSAGE_H
#define KEEL_VHOST_USER_MESSAGE_H

#include <linux/vhost_types.h>
#include <stdint.h>

#include "memory.h"

enum vhost_user_request {
	VHOST_USER_GET_FEATURES = 1,
	VHOST_USER_SET_FEATURES = 2,
	VHOST_USER_SET_OWNER = 3,
	VHOST_USER_SET_MEM_TABLE = 5,
	VHOST_USER_SET_VRING_NUM = 8,
	VHOST_USER_SET_VRING_ADDR = 9,
	VHOST_USER_SET_VRING_BASE = 10,
	VHOST_USER_GET_VRING_BASE = 11,
	VHOST_USER_SET_VRING_KICK = 12,
	VHOST_USER_SET_VRING_CALL = 13,
	VHOST_USER_GET_PROTOCOL_FEATURES = 15,
	VHOST_USER_SET_PROTOCOL_FEATURES = 16,
	VHOST_USER_GET_QUEUE_NUM = 17,
	VHOST_USER_SET_VRING_ENABLE = 18,
};

#define VHOST_USER_F_PROTOCOL_FEATURES	30
#define VHOST_USER_PROTOCOL_F_MQ	0
#define VHOST_USER_PROTOCOL_F_REPLY_ACK	3

#define VHOST_USER_VERSION	1u
#define VHOST_USER_REPLY	4u	/* flags */
#define VHOST_USER_NEED_REPLY	8u

struct vhost_user_region {
	uint64_t guest_address, size, user_address, offset;
};

struct vhost_user_message {
	uint32_t request;
	uint32_t flags;
	uint32_t size;		/* of what follows */
	union {
		uint64_t number;
		struct vhost_vring_state state;
		struct vhost_vring_addr address;
		struct {
			uint32_t count, padding;
			struct vhost_user_region regions[MEMORY_REGIONS_MAX];
		} memory;
	} body;
} __attribute__((packed));

#define VHOST_USER_HEADER_SIZE	12U
#define VHOST_USER_ANSWER_MS	2000	/* in which all of an answer must have come */

/**
 * vhost_user_send() - send a message, with @count descriptors at @fds
 * Return: 0 or an errno.
 */
int vhost_user_send(int socket, struct vhost_user_message *message, const int *fds, unsigned int count);

/**
 * vhost_user_receive() - wait for the answer to @message, which takes its place
 * @size: that its body must have.
 * Return: 0 or an errno, EPROTO for an answer that makes no sense, ETIMEDOUT for none.
 */
int vhost_user_receive(int socket, struct vhost_user_message *message, uint32_t size);

#endif
