/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An NBD server with a disk in memory, in a thread of its own, that tells the truth or one lie.
 */
#ifndef SELFTESTS_NBD_PEER_H
#define SELFTESTS_NBD_PEER_H

#include <pthread.h>
#include <stdbool.h>

#include "test.h"

#define NBD_PEER_DISK	(4u << 20)
#define NBD_PEER_ALL	0x016d	/* flags: all that the client knows, and several connections; not read-only */
#define NBD_PEER_TYPES	7

enum nbd_lie {
	NBD_TRUE,
	/* In the handshake. */
	NBD_SILENT,			/* nothing at all */
	NBD_GREETS_LATE,		/* after a second; no lie */
	NBD_CLOSES_FIRST,
	NBD_OTHER_PROGRAM,
	NBD_OLD_STYLE,
	NBD_NO_OPTIONS,
	NBD_NOT_FIXED,
	NBD_CUT_GREETING,
	NBD_OTHER_OPTION,		/* the answer is to another one */
	NBD_OTHER_MAGIC,
	NBD_LONG_ANSWER,
	NBD_NO_EXPORT,			/* ACK without INFO */
	NBD_SHORT_INFO,
	NBD_SHORT_EXPORT,
	NBD_LONG_EXPORT,
	NBD_HUGE_EXPORT,		/* a size beyond off_t */
	NBD_NO_FLAGS,			/* not even NBD_FLAG_HAS_FLAGS */
	NBD_SHORT_BLOCKS,
	NBD_ODD_BLOCKS,			/* no power of two */
	NBD_LARGE_BLOCKS,		/* more than 4096 */
	NBD_NO_BLOCKS,			/* of none at most */
	NBD_ENDLESS_INFO,
	NBD_ACK_WITH_DATA,
	NBD_UNKNOWN_EXPORT,
	NBD_WANTS_TLS,
	NBD_NO_GO,
	NBD_MORE_INFO,			/* of a kind nobody knows; no lie */
	/* In answers to requests. */
	NBD_ANSWER_MAGIC,
	NBD_ANSWER_HANDLE,
	NBD_ANSWER_STRUCTURED,		/* which was not agreed on */
	NBD_ANSWER_CUT,			/* half a header, and the end */
	NBD_ANSWER_HALF,		/* half of the data, and the end */
	NBD_ANSWER_NEVER,
	NBD_ANSWER_SLOWLY,		/* a byte now and then */
	NBD_ANSWER_ERROR,		/* EIO; no lie */
	NBD_ANSWER_NO_ROOM,		/* ENOSPC; no lie */
	NBD_ANSWER_ODD_ERROR,		/* a number that is no error */
	NBD_ANSWER_ERROR_AND_DATA,
	NBD_ANSWER_TWICE,
	NBD_FLUSHES_LATE,		/* after a second; no lie */
	NBD_READS_NOTHING,		/* takes nothing from the socket any more */
};

struct nbd_peer {
	enum nbd_lie lie;
	u16 flags;			/* NBD_PEER_ALL; 0: that */
	u64 size;			/* 0: NBD_PEER_DISK */
	u32 least, most;		/* sizes of blocks; 0: 1 and 32 MB */
	bool has_no_blocks;		/* does not tell them */
	u64 mutation;			/* seed of bytes that are changed on their way; 0: none */
	u8 *disk;
	u32 counts[NBD_PEER_TYPES];	/* requests, by type */
	u32 fua, no_hole;		/* those with such a flag */
	u32 longest;			/* bytes of one */
	u32 odd;			/* not of whole blocks; they fail */
	bool has_left;			/* the client took leave */
	char export[64];		/* that it asked for */
	int socket, listener;
	pthread_t thread;
};

/* Return: the client's end. */
int nbd_peer_start(struct nbd_peer *peer);

/* The client connects to a socket of the name @path, once. */
void nbd_peer_listen(struct nbd_peer *peer, const char *path);

/* The client's end is closed by then. */
void nbd_peer_stop(struct nbd_peer *peer);

#endif
