/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A client of the NBD protocol: a disk at the other end of a socket.
 */
#ifndef KEEL_NBD_H
#define KEEL_NBD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "virtq.h"

#define NBD_AGREE_MS	10000	/* what the handshake may take */
#define NBD_ANSWER_MS	20000	/* what a request may take, of NBD_REQUEST_MAX bytes at most */
#define NBD_FLUSH_MS	120000	/* what a flush may take: a host has gigabytes in memory, and disks that take minutes for them */
#define NBD_END_MS	5000	/* what the last flush may take */
#define NBD_SLICE_MS	100	/* between two looks whether the machine ends */
#define NBD_REQUEST_MAX	(1u << 20)
#define NBD_CLEAR_MAX	(32u << 20)	/* what any server takes that does not say */
#define NBD_SECTOR	512u
#define NBD_BLOCK_MAX	4096u	/* larger ones no guest's driver takes */

/* What a server can do: bits of nbd.flags, the protocol's. */
#define NBD_HAS_FLAGS		(1u << 0)
#define NBD_READ_ONLY		(1u << 1)
#define NBD_CAN_FLUSH		(1u << 2)
#define NBD_CAN_FUA		(1u << 3)
#define NBD_CAN_TRIM		(1u << 5)
#define NBD_CAN_WRITE_ZEROES	(1u << 6)
#define NBD_CAN_MULTI_CONN	(1u << 8)	/* what is flushed on one connection is seen on the others */

struct vm;

/* One request is under way at a time. */
struct nbd {
	int socket;			/* -1: none */
	const struct vm *vm;		/* whose end ends every wait; NULL: nobody's */
	bool is_lost;			/* the connection; no request comes back any more */
	uint16_t flags;			/* NBD_CAN_... */
	uint64_t size;			/* bytes, whole blocks */
	uint32_t hidden;		/* bytes behind them, which are there too */
	uint32_t block;			/* of what requests to the server are made: a power of two, a sector at least */
	uint32_t most;			/* bytes of a request, whole blocks, */
	uint32_t most_cleared;		/* and of one without data: nbd_trim(), nbd_write_zeroes() */
	uint64_t handle;		/* of the last request */
	unsigned int agree_ms;		/* NBD_AGREE_MS, and no more than answer_ms */
	unsigned int answer_ms;		/* NBD_ANSWER_MS */
	unsigned int flush_ms;		/* NBD_FLUSH_MS */
	struct iovec parts[VIRTQ_SEGMENTS_MAX + 1];	/* a request's */
	uint8_t edge[NBD_BLOCK_MAX];	/* a block of which not all is wanted */
};

/**
 * nbd_agree() - agree with the server at the other end of @socket on the export called @export
 * @nbd: zeroed, but for agree_ms, answer_ms and flush_ms if those are to be others; has the socket from then on, which nbd_close() closes.
 * @why: gets what went wrong, @size bytes at most.
 *
 * The server is not trusted.
 *
 * Return: false if it cannot be had.
 */
bool nbd_agree(struct nbd *nbd, int socket, const char *export, char *why, size_t size);

/**
 * nbd_read() - read into @parts what is at @at, of whole sectors within the disk
 * @moved: gets the bytes that were read added, also in case of an error.
 *
 * Return: NULL, or what went wrong. A connection that was lost stays so (nbd->is_lost).
 */
const char *nbd_read(struct nbd *nbd, const struct iovec *parts, unsigned int number, uint64_t at, uint64_t *moved);

/**
 * nbd_write() - write @parts at @at, of whole sectors within the disk
 * @is_through: it is on the server's disk when this returns, if the server can do that in some way.
 *
 * Of blocks of the server's that are not written whole the rest is read first, and written too.
 *
 * Return: NULL, or what went wrong.
 */
const char *nbd_write(struct nbd *nbd, const struct iovec *parts, unsigned int number, uint64_t at, bool is_through);

/**
 * nbd_flush() - have what was written on the server's disk; nothing, if it cannot
 * Return: NULL, or what went wrong.
 */
const char *nbd_flush(struct nbd *nbd);

/**
 * nbd_trim() - nobody needs @count bytes at @at any more, of whole sectors within the disk; in blocks of the server's that are not all
 *	of that, nothing happens
 * Return: NULL, or what went wrong.
 */
const char *nbd_trim(struct nbd *nbd, uint64_t at, uint64_t count);

/**
 * nbd_write_zeroes() - have zeros there, of whole sectors within the disk, with room for other things unless @may_unmap
 * @is_through: as nbd_write()'s.
 *
 * Return: NULL, or what went wrong.
 */
const char *nbd_write_zeroes(struct nbd *nbd, uint64_t at, uint64_t count, bool may_unmap, bool is_through);

/**
 * nbd_close() - take leave of the server, and close the socket; harmless if there is none
 * @flushes: have what was written on its disk before; waits NBD_END_MS at most.
 *
 * Return: NULL, or why that failed.
 */
const char *nbd_close(struct nbd *nbd, bool flushes);

#endif
