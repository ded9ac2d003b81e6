/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the NBD protocol (doc/proto.md of the NBD project) has on the wire, and how it gets there, for nbd.c and nbd_agree.c.
 * Numbers have their highest byte first.
 */
#ifndef KEEL_NBD_WIRE_H
#define KEEL_NBD_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include <time.h>

#include "nbd.h"

/* The handshake. */
#define NBD_WIRE_MAGIC		0x4e42444d41474943ULL	/* "NBDMAGIC" */
#define NBD_WIRE_HAVE_OPTION	0x49484156454f5054ULL	/* "IHAVEOPT" */
#define NBD_WIRE_OLD_STYLE	0x0000420281861253ULL	/* in its place: a server of before 2012 */
#define NBD_WIRE_OPTION_REPLY	0x0003e889045565a9ULL

#define NBD_WIRE_FIXED_NEWSTYLE	(1u << 0)	/* of the server's flags and of the client's */
#define NBD_WIRE_NO_ZEROES	(1u << 1)

#define NBD_WIRE_OPT_GO		7u

#define NBD_WIRE_REP_ACK	1u
#define NBD_WIRE_REP_INFO	3u
#define NBD_WIRE_REP_ERROR	(1u << 31)
#define NBD_WIRE_REP_UNSUPPORTED	(NBD_WIRE_REP_ERROR + 1)
#define NBD_WIRE_REP_POLICY	(NBD_WIRE_REP_ERROR + 2)
#define NBD_WIRE_REP_TLS	(NBD_WIRE_REP_ERROR + 5)
#define NBD_WIRE_REP_UNKNOWN	(NBD_WIRE_REP_ERROR + 6)

#define NBD_WIRE_INFO_EXPORT	0u
#define NBD_WIRE_INFO_BLOCK_SIZE	3u

struct nbd_wire_greeting {
	uint64_t magic;
	uint64_t have_option;
	uint16_t flags;
} __attribute__((packed));

struct nbd_wire_option {
	uint64_t have_option;
	uint32_t option;
	uint32_t length;		/* of what is behind it */
} __attribute__((packed));

struct nbd_wire_option_reply {
	uint64_t magic;
	uint32_t option;
	uint32_t type;
	uint32_t length;		/* of what is behind it */
} __attribute__((packed));

struct nbd_wire_export {
	uint16_t info;
	uint64_t size;
	uint16_t flags;
} __attribute__((packed));

struct nbd_wire_block_size {
	uint16_t info;
	uint32_t least;
	uint32_t preferred;
	uint32_t most;
} __attribute__((packed));

/* Requests. */
#define NBD_WIRE_REQUEST	0x25609513u
#define NBD_WIRE_REPLY		0x67446698u

#define NBD_WIRE_READ		0u
#define NBD_WIRE_WRITE		1u
#define NBD_WIRE_DISCONNECT	2u
#define NBD_WIRE_FLUSH		3u
#define NBD_WIRE_TRIM		4u
#define NBD_WIRE_WRITE_ZEROES	6u

#define NBD_WIRE_FUA		(1u << 0)	/* of a request's flags */
#define NBD_WIRE_NO_HOLE	(1u << 1)

struct nbd_wire_request {
	uint32_t magic;
	uint16_t flags;
	uint16_t type;
	uint64_t handle;
	uint64_t offset;
	uint32_t length;
} __attribute__((packed));

struct nbd_wire_reply {
	uint32_t magic;
	uint32_t error;
	uint64_t handle;
} __attribute__((packed));

/* Something on its way. What is done is taken off the front of @parts. */
struct nbd_transfer {
	struct iovec *parts;
	unsigned int count;
	uint64_t done;			/* bytes */
};

/**
 * nbd_send() - send all of @transfer, until @until of CLOCK_MONOTONIC
 * Return: NULL, or what went wrong.
 */
const char *nbd_send(const struct nbd *nbd, struct nbd_transfer *transfer, const struct timespec *until);

/**
 * nbd_receive() - receive into @transfer until @least bytes of it are there in all; it may be more
 * Return: NULL, or what went wrong.
 */
const char *nbd_receive(const struct nbd *nbd, struct nbd_transfer *transfer, uint64_t least, const struct timespec *until);

#endif
