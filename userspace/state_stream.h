/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sections one after the other, to a file and out of one, or through a connection.
 */
#ifndef KEEL_STATE_STREAM_H
#define KEEL_STATE_STREAM_H

#include "state_format.h"

struct state_index;
struct state_memory_watch;

/* What is written goes out in one piece or not at all, as far as write() can tell. */
struct state_writer {
	int fd;
	const struct state_memory_watch *watch;	/* NULL: none */
	bool is_file;		/* which makes nobody wait but for the disk */
	bool is_socket;
	uint64_t written;	/* bytes */
	uint64_t pages;		/* of memory */
	uint32_t sections;	/* without "end" */
	uint32_t sum;		/* of their heads, as a reader's */
	uint32_t small_sum;	/* the same without memory */
	struct state_section last;	/* the head of the one put last */
	struct state_index *index;	/* NULL: none is kept of memory's blocks */
};

/**
 * state_begin() - write the header to @fd, a file, pipe or socket
 * @watch: asked while @fd takes nothing, as it is again by the following, with 0 of 0 bytes; NULL: nobody is.
 */
bool state_begin(struct state_writer *writer, int fd, const struct state_memory_watch *watch, struct state_error *error);

/**
 * state_put() - write a section
 */
bool state_put(struct state_writer *writer, const char *name, uint32_t instance, uint16_t version, uint16_t flags,
	       const void *payload, size_t length, struct state_error *error);

/**
 * state_end() - write the section "end", without which a stream is cut off
 */
bool state_end(struct state_writer *writer, struct state_error *error);

#define STATE_STALL_MS	60000	/* for a section's head, and for its payload, to come through a connection */

struct state_reader {
	int fd;
	bool is_connection;	/* read once, from its beginning to its end */
	uint64_t size;		/* of the file */
	uint64_t at;
	uint32_t sections;	/* read so far */
	uint32_t sum;		/* of their heads, and so of their payloads' checksums */
	uint32_t small_sum;	/* the same without memory */
	uint32_t whole_sum;	/* of all; 0: they have not been gone through yet */
	uint64_t memory_at;	/* where the first block of memory is, and the first section of the index; 0: not come to yet */
	uint64_t index_at;
	struct state_header header;
	uint8_t *payload;	/* allocated: STATE_PAYLOAD_MAX */
};

/**
 * state_open() - read the header of the file @fd
 *
 * To be closed by state_close() in any case; @fd stays open.
 */
bool state_open(struct state_reader *reader, int fd, struct state_error *error);

/**
 * state_open_connection() - the same of a socket that does not block, which gives each section once
 *
 * Whoever is at its other end has STATE_STALL_MS for each piece.
 */
bool state_open_connection(struct state_reader *reader, int fd, struct state_error *error);

/**
 * state_rewind() - begin again with the first section
 *
 * Once it has been gone through to its end, a file that is no longer the same is refused at that end.
 */
void state_rewind(struct state_reader *reader);

/* Where what belongs together is in a file: blocks of memory, without anything between them, up to the index, and that up to the end. */
struct state_places {
	uint64_t memory_at;
	uint64_t index_at;
	uint64_t end_at;
	uint32_t sections;	/* in all, without "end" */
};

/**
 * state_find_places() - ask a file's last section where its index is, without reading what is before
 *
 * What it says is to be held against what is there. Return: false without one, and with @error if it cannot be read.
 */
bool state_find_places(struct state_reader *reader, struct state_places *places, struct state_error *error);

/**
 * state_next() - read the next section, its checksums looked at
 * @payload: its bytes, until the next call
 *
 * Return: false after the last one, and with @error where something is wrong. "end" is not given out.
 */
bool state_next(struct state_reader *reader, struct state_section *section, const uint8_t **payload,
		struct state_error *error);

/**
 * state_close() - release what state_open() allocated
 */
void state_close(struct state_reader *reader);

#endif
