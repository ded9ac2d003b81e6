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

#define NONE	UINT32_MAX

/* A block of a chain: which one it is of the file itself, and of the others. */
struct lazy_place {
	uint64_t address;
	uint32_t own;		/* NONE: it is in the others alone */
	uint32_t below;		/* NONE: it is in this one alone */
};

/* What the file has stands on, NULL without. */
struct lazy_base {
	struct state_lazy *lazy;
	char *name;
	struct lazy_place *places;
	uint32_t count;
	uint8_t pages[STATE_BLOCK];	/* of both */
};

struct state_lazy {
	int fd;
	struct lazy_base *base;
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
	if (lazy->base) {
		state_lazy_free(lazy->base->lazy);
		free(lazy->base->name);
		free(lazy->base->places);
		free(lazy->base);
	}
	if (lazy->fd >= 0)
		close(lazy->fd);
	state_unpacker_free(lazy->unpacker);
	free(lazy->blocks);
	free(lazy);
}

uint32_t state_lazy_count(const struct state_lazy *lazy)
{
	return lazy->base ? lazy->base->count : lazy->count;
}

uint64_t state_lazy_address(const struct state_lazy *lazy, uint32_t n)
{
	return lazy->base ? lazy->base->places[n].address : lazy->blocks[n].row.address;
}

uint32_t state_lazy_find(const struct state_lazy *lazy, uint64_t address)
{
	uint32_t count = state_lazy_count(lazy), low = 0, high = count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (state_lazy_address(lazy, middle) < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && state_lazy_address(lazy, low) == address ? low : count;
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
		if (block->row.address % STATE_BLOCK || block->row.address >= state_machine_end(&lazy->machine) ||
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
		image->kin.own.sum = reader->small_sum;
	}
	if (is_good)
		return lazy;
	state_lazy_free(lazy);
	return NULL;
}

/* ---- chains ---- */

/* Both are in the order of their addresses. */
static void join_places(struct state_lazy *lazy)
{
	struct lazy_base *base = lazy->base;
	uint32_t own = 0, below = 0, below_count = state_lazy_count(base->lazy);

	while (own < lazy->count || below < below_count) {
		uint64_t above_at = own < lazy->count ? lazy->blocks[own].row.address : UINT64_MAX;
		uint64_t below_at = below < below_count ? state_lazy_address(base->lazy, below) : UINT64_MAX;

		base->places[base->count++] = (struct lazy_place){
			above_at < below_at ? above_at : below_at, above_at <= below_at ? own++ : NONE, below_at <= above_at ? below++ : NONE,
		};
	}
}

bool state_lazy_stack(struct state_lazy *lazy, struct state_lazy *base, const char *name, struct state_error *error)
{
	lazy->base = calloc(1, sizeof(*lazy->base));
	if (!lazy->base) {
		state_lazy_free(base);
		return state_refuse(error, "out of memory");
	}
	lazy->base->lazy = base;
	lazy->base->name = strdup(name);
	lazy->base->places = calloc((size_t)lazy->count + state_lazy_count(base) + 1, sizeof(struct lazy_place));
	if (!lazy->base->name || !lazy->base->places)
		return state_refuse(error, "out of memory");
	join_places(lazy);
	return true;
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

static const uint8_t *load_own(struct state_lazy *lazy, uint32_t n, struct state_block *block, struct state_error *error)
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

static const uint8_t *load_below(const struct lazy_base *base, uint32_t n, struct state_block *block, struct state_error *error)
{
	struct state_error inner = { "" };
	const uint8_t *pages = state_lazy_load(base->lazy, n, block, &inner);

	if (!pages)
		state_refuse_base(error, base->name, &inner);
	return pages;
}

/* The pages of the file itself in the place of those of its base. */
static void join_pages(uint8_t *to, struct state_block *block, const uint8_t *from, const struct state_block *above, const uint8_t *own)
{
	for (unsigned int page = 0; page < STATE_BLOCK_PAGES; page++) {
		bool is_above = state_block_has(above, page), is_below = state_block_has(block, page);

		if (is_above || is_below) {
			memcpy(to, is_above ? own : from, STATE_PAGE);
			to += STATE_PAGE;
		}
		own += is_above ? STATE_PAGE : 0;
		from += is_below ? STATE_PAGE : 0;
	}
	for (unsigned int i = 0; i < sizeof(block->map); i++)
		block->map[i] |= above->map[i];
}

const uint8_t *state_lazy_load(struct state_lazy *lazy, uint32_t n, struct state_block *block, struct state_error *error)
{
	struct lazy_base *base = lazy->base;
	const uint8_t *below, *own;
	struct state_block above;

	if (!base)
		return load_own(lazy, n, block, error);

	const struct lazy_place *place = &base->places[n];

	if (place->below == NONE)
		return load_own(lazy, place->own, block, error);
	below = load_below(base, place->below, block, error);
	if (!below || place->own == NONE)
		return below;
	own = load_own(lazy, place->own, &above, error);
	if (!own)
		return NULL;
	join_pages(base->pages, block, below, &above, own);
	return base->pages;
}
