/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest memory in a saved VM: blocks of up to 1 MB, pages of zeros left out.
 */
#ifndef KEEL_STATE_MEMORY_H
#define KEEL_STATE_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

struct memory;
struct state_error;
struct state_machine;
struct state_section;
struct state_writer;

#define STATE_MEMORY		"memory"	/* the sections' name */
#define STATE_MEMORY_VERSION	1
#define STATE_PAGE		4096u
#define STATE_BLOCK_PAGES	256u
#define STATE_BLOCK		(STATE_BLOCK_PAGES * STATE_PAGE)

#define STATE_PLAIN		0u
#define STATE_ZSTD		1u

/* What a section's payload begins with; the pages that @map has follow, in one piece, lowest first. */
struct state_block {
	uint64_t address;	/* guest-physical, a multiple of STATE_BLOCK */
	uint32_t encoding;	/* STATE_PLAIN, or STATE_ZSTD: one frame */
	uint32_t length;	/* bytes behind, without the zeros that fill up to a multiple of 8 */
	uint8_t map[STATE_BLOCK_PAGES / 8];	/* bit P % 8 of byte P / 8: page P is here; else it is all zeros */
};

/* What has been there. */
struct state_memory_check {
	uint64_t next;		/* a block may begin here or higher */
	uint32_t blocks;
};

/* How far saving is, in bytes of guest memory; 0 of 0: it waits for somebody to read. May be NULL. Return: false to give it up. */
typedef bool (*state_progress)(void *argument, uint64_t done, uint64_t all);

struct state_memory_watch {
	state_progress progress;
	void *argument;
};

/**
 * state_memory_check() - may this block be loaded into such a machine? Nothing is unpacked.
 */
bool state_memory_check(struct state_memory_check *check, const struct state_machine *machine,
			const struct state_section *section, const uint8_t *payload, struct state_error *error);

/**
 * state_memory_write() - put all of memory into a stream
 *
 * Nobody writes to it meanwhile, or what is written is put again.
 */
bool state_memory_write(const struct memory *memory, struct state_writer *writer,
			const struct state_memory_watch *watch, struct state_error *error);

/**
 * state_memory_write_some() - put the pages into a stream that @pages has a bit for, dirty_words() words, zeros too
 *
 * They take the place of what is there; a round of a migration.
 */
bool state_memory_write_some(const struct memory *memory, const uint64_t *pages, struct state_writer *writer,
			     const struct state_memory_watch *watch, struct state_error *error);

/* Unpacks blocks. */
struct state_unpacker;

/**
 * state_unpacker_new() - room to unpack a block
 * Return: NULL without memory.
 */
struct state_unpacker *state_unpacker_new(void);

/**
 * state_unpacker_free() - release it; may be NULL
 */
void state_unpacker_free(struct state_unpacker *unpacker);

/**
 * state_unpack() - the pages of a block, one after the other
 * Return: them, until the next call; NULL with @error if they are not what the block says.
 */
const uint8_t *state_unpack(struct state_unpacker *unpacker, const struct state_section *section,
			    const uint8_t *payload, struct state_error *error);

/**
 * state_memory_load() - put a block's pages into memory, where all that no block has is zeros
 */
bool state_memory_load(const struct memory *memory, struct state_unpacker *unpacker,
		       const struct state_section *section, const uint8_t *payload, struct state_error *error);

/** state_block_has() - is page @page in the block? */
static inline bool state_block_has(const struct state_block *block, unsigned int page)
{
	return block->map[page / 8] & 1u << page % 8;
}

#endif
