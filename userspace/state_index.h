/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The index of a file's blocks of memory, at its end: who has it can read any block, and none of the others.
 */
#ifndef KEEL_STATE_INDEX_H
#define KEEL_STATE_INDEX_H

#include "state_format.h"

struct state_block;
struct state_writer;

#define STATE_INDEX		"index"		/* the sections' name */
#define STATE_INDEX_VERSION	1

/* A block. Its section begins where that of the one before ends. */
struct state_index_row {
	uint64_t address;	/* guest-physical */
	uint32_t length;	/* of the section's payload */
	uint32_t checksum;	/* of the section's head, which has the checksum of its payload */
};

#define STATE_INDEX_ROWS	(STATE_PAYLOAD_MAX / sizeof(struct state_index_row))	/* in a section */

/* On its way into a file. */
struct state_index {
	uint64_t memory_at;		/* where the first block is; 0: none yet */
	uint64_t index_at;
	struct state_buffer rows;
};

/**
 * state_index_add() - note that the writer has put a block last, at @at
 */
bool state_index_add(struct state_writer *writer, const struct state_block *block, uint64_t at, struct state_error *error);

/**
 * state_index_write() - put the writer's index into its stream, behind the last block
 */
bool state_index_write(struct state_writer *writer, struct state_error *error);

/**
 * state_index_free() - release what is in it; harmless on a zeroed one
 */
void state_index_free(struct state_index *index);

/* What there was, and what the index says of it. */
struct state_index_check {
	uint32_t blocks, block_sum;	/* sums: checksums of all rows */
	uint32_t rows, row_sum;
	uint32_t sections;
};

/**
 * state_index_block() - a block has come
 */
void state_index_block(struct state_index_check *check, const struct state_section *section, const uint8_t *payload);

/**
 * state_index_section() - a section of the index has come
 * Return: false with @error if it cannot be one.
 */
bool state_index_section(struct state_index_check *check, const struct state_section *section, const uint8_t *payload,
			 struct state_error *error);

/**
 * state_index_agrees() - at the end: is the index, if there is one, of the blocks that have come?
 */
bool state_index_agrees(const struct state_index_check *check, struct state_error *error);

#endif
