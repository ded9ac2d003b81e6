// SPDX-License-Identifier: GPL-2.0-only
/*
 * The index is read with all that is small, and kept. It has the checksum of each block's head, and the head that of what follows: whatever
 * happens to the file meanwhile, a block is what was saved or it is refused. The file is read, never mapped: one that is cut short is
 * an error like any other.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "state_image.h"
#include "state_index.h"
#include "state_lazy.h"
#include "state_memory.h"
#include "state_stream.h"

#define READ_MAX	(sizeof(struct state_section) + STATE_PAYLOAD_MAX)

struct lazy_block {
	uint64_t offset;	/* of the section */
	struct state_index_row row;
};

struct state_lazy {
	int fd;
	struct state_machine machine;	/* for which the pages must be */
	struct lazy_block *blocks;
	uint32_t count;
	struct state_unpacker *unpacker;
	uint8_t bytes[READ_MAX];
};

void state_lazy_free(struct state_lazy *lazy)
{
	if (!lazy)
		return;
	if (lazy->fd >= 0)
		close(lazy->fd);
	state_unpacker_free(lazy->unpacker);
	free(lazy->blocks);
	free(lazy);
}

uint32_t state_lazy_count(const struct state_lazy *lazy)
{
	return lazy->count;
}

uint64_t state_lazy_address(const struct state_lazy *lazy, uint32_t n)
{
	return lazy->blocks[n].row.address;
}

uint32_t state_lazy_find(const struct state_lazy *lazy, uint64_t address)
{
	uint32_t low = 0, high = lazy->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (lazy->blocks[middle].row.address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < lazy->count && lazy->blocks[low].row.address == address ? low : lazy->count;
}

/* ---- opening ---- */

/* What stands before memory: all of the machine but that. */
static bool read_head(struct state_image *image, struct state_seen *seen, struct state_reader *reader, const struct state_places *places,
		      struct state_error *error)
{
	struct state_section section;
	const uint8_t *payload;

	state_rewind(reader);
	while (reader->at < places->memory_at) {
		if (!state_next(reader, &section, &payload, error))
			return state_refuse(error, "the file ends before the memory that its index tells of");
		if (reader->memory_at || reader->index_at)
			return state_refuse(error, "there is memory before that of the index");
		if (!state_image_section(image, seen, &section, payload, error))
			return false;
	}
	if (reader->at != places->memory_at)
		return state_refuse(error, "the index tells of memory within section '%s' %u", section.name, section.instance);
	return state_image_complete(image, seen, error);
}

static bool add_rows(struct state_lazy *lazy, const uint8_t *payload, uint64_t length, uint64_t *at, struct state_error *error)
{
	uint64_t count = length / sizeof(struct state_index_row);
	struct lazy_block *blocks = realloc(lazy->blocks, (lazy->count + count) * sizeof(*blocks));

	if (!blocks)
		return state_refuse(error, "out of memory");
	lazy->blocks = blocks;
	for (uint64_t i = 0; i < count; i++) {
		struct lazy_block *block = &blocks[lazy->count];

		block->offset = *at;
		memcpy(&block->row, payload + i * sizeof(block->row), sizeof(block->row));
		if (block->row.length % STATE_ALIGN || block->row.length > STATE_PAYLOAD_MAX ||
		    block->row.length < sizeof(struct state_block))
			return state_refuse(error, "the index has a block of %u bytes", block->row.length);
		if (block->row.address % STATE_BLOCK || block->row.address >= lazy->machine.memory + MAP_GAP_END ||
		    (lazy->count && block->row.address <= block[-1].row.address))
			return state_refuse(error, "the index has a block for %#llx, where none can follow",
					    (unsigned long long)block->row.address);
		*at += sizeof(struct state_section) + block->row.length;
		lazy->count++;
	}
	return true;
}

/* Blocks up to the index, it up to the end, and nothing else there: what is not read now could be anything. */
static bool read_index(struct state_lazy *lazy, struct state_reader *reader, const struct state_places *places, struct state_error *error)
{
	struct state_index_check check = { 0 };
	uint32_t before = reader->sections;
	uint64_t at = places->memory_at;
	struct state_section section;
	const uint8_t *payload;

	reader->at = places->index_at;
	while (reader->at < places->end_at) {
		if (!state_next(reader, &section, &payload, error))
			return state_refuse(error, "the file ends within its index");
		if (strcmp(section.name, STATE_INDEX))
			return state_refuse(error, "section '%s' %u stands behind the index", section.name, section.instance);
		if (!state_index_section(&check, &section, payload, error) || !add_rows(lazy, payload, section.length, &at, error))
			return false;
	}
	if (reader->at != places->end_at || at != places->index_at || places->sections != before + lazy->count + check.sections)
		return state_refuse(error, "the index is not that of the blocks of memory");
	return true;
}

static struct state_lazy *make(const struct state_reader *reader, struct state_error *error)
{
	struct state_lazy *lazy = calloc(1, sizeof(*lazy));

	if (!lazy) {
		state_refuse(error, "out of memory");
		return NULL;
	}
	lazy->fd = fcntl(reader->fd, F_DUPFD_CLOEXEC, 0);
	lazy->unpacker = state_unpacker_new();
	if (lazy->fd >= 0 && lazy->unpacker)
		return lazy;
	state_refuse(error, lazy->unpacker ? "cannot keep the file open: %s" : "out of memory", strerror(errno));
	state_lazy_free(lazy);
	return NULL;
}

struct state_lazy *state_lazy_open(struct state_reader *reader, struct state_image *image, struct state_error *error)
{
	struct state_places places;
	struct state_seen *seen;
	struct state_lazy *lazy;
	bool is_good;

	if (!state_find_places(reader, &places, error))
		return NULL;
	lazy = make(reader, error);
	seen = state_seen_new();
	is_good = lazy && (seen || state_refuse(error, "out of memory")) && read_head(image, seen, reader, &places, error);
	free(seen);
	if (is_good) {
		lazy->machine = image->machine;
		is_good = read_index(lazy, reader, &places, error);
	}
	if (is_good)
		return lazy;
	state_lazy_free(lazy);
	return NULL;
}

/* ---- loading ---- */

static bool read_bytes(struct state_lazy *lazy, uint64_t at, size_t count, struct state_error *error)
{
	size_t used = 0;

	while (used < count) {
		ssize_t got = pread(lazy->fd, lazy->bytes + used, count - used, (off_t)(at + used));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return state_refuse(error, "cannot read: %s", got ? strerror(errno) : "the file has become shorter");
		used += (size_t)got;
	}
	return true;
}

static bool check_block(struct state_lazy *lazy, uint32_t n, const struct state_section *section, struct state_error *error)
{
	const struct state_index_row *row = &lazy->blocks[n].row;
	const uint8_t *payload = lazy->bytes + sizeof(*section);
	struct state_memory_check check = { .next = row->address, .blocks = n };
	struct state_error other = { "" };

	if (section->checksum != row->checksum || !state_section_check(section, row->length, &other) ||
	    strcmp(section->name, STATE_MEMORY) || section->length != row->length)
		return state_refuse(error, "block %u of memory is not what it was: the file is damaged, or another by now", n);
	if (section->payload_checksum != state_checksum(payload, section->length))
		return state_refuse(error, "the checksum of section 'memory' %u is wrong: the file is damaged", n);
	return state_memory_check(&check, &lazy->machine, section, payload, error) &&
	       (check.next == row->address + STATE_BLOCK ||
		state_refuse(error, "section 'memory' %u is for another place than the index has it", n));
}

const uint8_t *state_lazy_load(struct state_lazy *lazy, uint32_t n, struct state_block *block, struct state_error *error)
{
	const struct lazy_block *place = &lazy->blocks[n];
	const uint8_t *payload = lazy->bytes + sizeof(struct state_section);
	struct state_section section;

	if (!read_bytes(lazy, place->offset, sizeof(section) + place->row.length, error))
		return NULL;
	memcpy(&section, lazy->bytes, sizeof(section));
	if (!check_block(lazy, n, &section, error))
		return NULL;
	memcpy(block, payload, sizeof(*block));
	return state_unpack(lazy->unpacker, &section, payload, error);
}
