/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the two sides of a migration say to each other beside the stream.
 */
#ifndef KEEL_MIGRATE_WORD_H
#define KEEL_MIGRATE_WORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "migrate_turn.h"

#define MIGRATE_WORD_MAGIC	"KEELWORD"
#define MIGRATE_WORD_VERSION	1u
#define MIGRATE_WORD_TEXT	224

enum migrate_kind {
	MIGRATE_WORD_READY = 1,	/* target: it can be made here; over a unix socket a pidfd of the target's process comes along */
	MIGRATE_WORD_ALL,	/* target: all is there; with how many sections there were, and their sum */
	MIGRATE_WORD_YOURS,	/* source: from here on the guest is the target's; with is_paused */
	MIGRATE_WORD_MINE,	/* target: it is, and runs now */
	MIGRATE_WORD_NO,	/* either: it will not; with the reason */
};

/* As it goes over the connection, little-endian. */
struct migrate_word {
	uint8_t magic[8];		/* MIGRATE_WORD_MAGIC */
	uint32_t version;		/* MIGRATE_WORD_VERSION */
	uint32_t kind;
	uint32_t sections;
	uint32_t sum;
	uint32_t is_paused;		/* the guest waits for keel ctl resume */
	char text[MIGRATE_WORD_TEXT];	/* ends with a zero */
	uint32_t checksum;		/* of all before */
};

/* The other side, and what has come of its next word. */
struct migrate_peer {
	int fd;				/* a stream socket; -1: none */
	int process;			/* a pidfd of the other side's process; -1: not known */
	size_t used;
	struct migrate_word word;	/* the last one, once it was heard */
	char wrong[128];		/* with MIGRATE_IS_LOST: why */
};

/**
 * migrate_peer_init() - nothing was said yet over @fd
 */
void migrate_peer_init(struct migrate_peer *peer, int fd);

/**
 * migrate_peer_close() - close it; harmless if it is
 */
void migrate_peer_close(struct migrate_peer *peer);

/**
 * migrate_say() - send a word, whose magic, version and checksum need not be filled in, within @ms
 * @process: a descriptor to go along, -1: none. Over a unix socket alone.
 *
 * Return: false with errno if it cannot be sent: whether any of it arrives is not known.
 */
bool migrate_say(const struct migrate_peer *peer, struct migrate_word *word, int process, int ms);

/**
 * migrate_say_no() - say that this side will not, and why; nobody may be there any more
 */
void migrate_say_no(const struct migrate_peer *peer, const char *why);

/**
 * migrate_hear() - wait @ms for a word, or for what makes that none will come
 * @event: gets what happened: MIGRATE_HEARD_..., MIGRATE_IS_LOST or MIGRATE_IS_DEAD
 *
 * Return: false if nothing has happened.
 */
bool migrate_hear(struct migrate_peer *peer, int ms, enum migrate_event *event);

#endif
