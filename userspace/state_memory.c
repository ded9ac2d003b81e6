// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks are compressed one by one with zstd, so that each can be read alone
 * and damage stays where it is. A block never unpacks to more than the pages
 * its map has, whatever the frame says of itself.
 */
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "dirty.h"
#include "memory.h"
#include "state_format.h"
#include "state_image.h"
#include "state_index.h"
#include "state_memory.h"
#include "state_stream.h"

#define LEVEL	1	/* of zstd's, fast */

_Static_assert(sizeof(struct state_block) == 48, "as documented");

static unsigned int count_pages(const struct state_block *block)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < sizeof(block->map); i++)
		count += (unsigned int)__builtin_popcount(block->map[i]);
	return count;
}

/* ---- checking ---- */

static bool is_in_memory(const struct state_machine *machine, uint64_t address)
{
	for (unsigned int i = 0; i < machine->slot_count; i++)
		if (address >= machine->slots[i].base && address - machine->slots[i].base < machine->slots[i].size)
			return true;
	return false;
}

/* The head of a block, if the payload is one. */
static bool read_block(struct state_block *block, const struct state_section *section, const uint8_t *payload,
		       struct state_error *error)
{
	if (section->version != STATE_MEMORY_VERSION)
		return state_refuse(error, "section 'memory' %u is of version %u, and this program knows %u",
				    section->instance, section->version, STATE_MEMORY_VERSION);
	if (!(section->flags & STATE_RAW) || section->length < sizeof(*block))
		return state_refuse(error, "section 'memory' %u is no block", section->instance);
	memcpy(block, payload, sizeof(*block));
	if (section->length - sizeof(*block) != state_pad(block->length))
		return state_refuse(error, "section 'memory' %u is not as long as its block", section->instance);
	if (block->encoding > STATE_ZSTD)
		return state_refuse(error, "section 'memory' %u has encoding %u, which this program does not know",
				    section->instance, block->encoding);
	if (!count_pages(block) || (block->encoding == STATE_PLAIN && block->length != count_pages(block) * STATE_PAGE))
		return state_refuse(error, "section 'memory' %u does not have the pages that its map has",
				    section->instance);
	return true;
}

bool state_memory_check(struct state_memory_check *check, const struct state_machine *machine,
			const struct state_section *section, const uint8_t *payload, struct state_error *error)
{
	struct state_block block;

	if (!read_block(&block, section, payload, error))
		return false;
	if (section->instance != check->blocks)
		return state_refuse(error, "section 'memory' %u is not the block that should follow, number %u",
				    section->instance, check->blocks);
	check->blocks++;
	if (block.address % STATE_BLOCK || block.address < check->next || block.address >= 1ULL << 52)
		return state_refuse(error, "section 'memory' %u is for %#llx, where no block can follow",
				    section->instance, (unsigned long long)block.address);
	check->next = block.address + STATE_BLOCK;
	for (unsigned int page = 0; page < STATE_BLOCK_PAGES; page++)
		if (state_block_has(&block, page) && !is_in_memory(machine, block.address + page * STATE_PAGE))
			return state_refuse(error, "section 'memory' %u has a page at %#llx, where there is no memory",
					    section->instance,
					    (unsigned long long)block.address + page * STATE_PAGE);
	return true;
}

/* ---- saving ---- */

struct packer {
	ZSTD_CCtx *context;
	uint8_t *pages;		/* STATE_BLOCK */
	uint8_t *payload;	/* a block's head, and room for what it can be packed to */
	size_t room;
	uint32_t blocks;
};

static void packer_free(struct packer *packer)
{
	ZSTD_freeCCtx(packer->context);
	free(packer->pages);
	free(packer->payload);
}

static bool packer_make(struct packer *packer)
{
	size_t bound = ZSTD_compressBound(STATE_BLOCK);

	*packer = (struct packer){
		.context = ZSTD_createCCtx(),
		.pages = malloc(STATE_BLOCK),
		.room = bound > STATE_BLOCK ? bound : STATE_BLOCK,
	};
	packer->payload = malloc(sizeof(struct state_block) + state_pad(packer->room));
	return packer->context && packer->pages && packer->payload;
}

static bool is_among(const struct memory *memory, const uint64_t *pages, const uint8_t *page)
{
	uint64_t number = (uint64_t)(page - memory->regions[0].host) / STATE_PAGE;

	return pages[number / DIRTY_WORD_BITS] >> number % DIRTY_WORD_BITS & 1;
}

/* Gather what is asked for, without @pages all that is not zero. Return: bytes of it. */
static size_t gather(const struct memory *memory, const uint64_t *pages, struct packer *packer, struct state_block *block)
{
	size_t used = 0;

	for (unsigned int page = 0; page < STATE_BLOCK_PAGES; page++) {
		const uint8_t *from = memory_at(memory, block->address + page * STATE_PAGE, STATE_PAGE);

		if (!from || (pages ? !is_among(memory, pages, from) : memory_is_zero(from, STATE_PAGE)))
			continue;
		block->map[page / 8] |= (uint8_t)(1u << page % 8);
		memcpy(packer->pages + used, from, STATE_PAGE);
		used += STATE_PAGE;
	}
	return used;
}

static bool write_block(const struct memory *memory, const uint64_t *pages, struct packer *packer, uint64_t address,
			struct state_writer *writer, struct state_error *error)
{
	struct state_block block = { .address = address, .encoding = STATE_ZSTD };
	size_t used = memory_is_plugged(memory, address) ? gather(memory, pages, packer, &block) : 0;
	const uint64_t at = writer->written;
	uint8_t *data = packer->payload + sizeof(block);

	if (!used)
		return true;
	writer->pages += used / STATE_PAGE;

	size_t length = ZSTD_compressCCtx(packer->context, data, packer->room, packer->pages, used, LEVEL);

	if (ZSTD_isError(length) || length >= used) {
		block.encoding = STATE_PLAIN;
		length = used;
		memcpy(data, packer->pages, used);
	}
	block.length = (uint32_t)length;
	memcpy(packer->payload, &block, sizeof(block));
	memset(data + length, 0, state_pad(length) - length);
	return state_put(writer, STATE_MEMORY, packer->blocks++, STATE_MEMORY_VERSION, STATE_NEEDED | STATE_RAW,
			 packer->payload, sizeof(block) + state_pad(length), error) && state_index_add(writer, &block, at, error);
}

/* Skip what is between two regions at once: it can be large. */
static uint64_t next_block(const struct memory *memory, uint64_t address)
{
	address += STATE_BLOCK;
	for (unsigned int i = 0; i < memory->count; i++) {
		const struct memory_region *region = &memory->regions[i];

		if (address < region->base + region->size)
			return address + STATE_BLOCK > region->base ? address : region->base / STATE_BLOCK * STATE_BLOCK;
	}
	return address;
}

bool state_memory_write(const struct memory *memory, struct state_writer *writer,
			const struct state_memory_watch *watch, struct state_error *error)
{
	return state_memory_write_some(memory, NULL, writer, watch, error);
}

bool state_memory_write_some(const struct memory *memory, const uint64_t *pages, struct state_writer *writer,
			     const struct state_memory_watch *watch, struct state_error *error)
{
	struct packer packer;
	uint64_t done = 0;
	bool is_written = packer_make(&packer) || state_refuse(error, "out of memory");

	for (uint64_t at = 0; is_written && at < memory_end(memory); at = next_block(memory, at)) {
		is_written = write_block(memory, pages, &packer, at, writer, error);
		done += STATE_BLOCK;
		if (is_written && watch && watch->progress &&
		    !watch->progress(watch->argument, done < memory->size ? done : memory->size, memory->size))
			is_written = state_refuse(error, "given up");
	}
	packer_free(&packer);
	return is_written;
}

/* ---- loading ---- */

struct state_unpacker {
	ZSTD_DCtx *context;
	uint8_t pages[STATE_BLOCK];
};

struct state_unpacker *state_unpacker_new(void)
{
	struct state_unpacker *unpacker = malloc(sizeof(*unpacker));

	if (!unpacker)
		return NULL;
	unpacker->context = ZSTD_createDCtx();
	if (unpacker->context)
		return unpacker;
	free(unpacker);
	return NULL;
}

void state_unpacker_free(struct state_unpacker *unpacker)
{
	if (unpacker)
		ZSTD_freeDCtx(unpacker->context);
	free(unpacker);
}

const uint8_t *state_unpack(struct state_unpacker *unpacker, const struct state_section *section,
			    const uint8_t *payload, struct state_error *error)
{
	struct state_block block;

	if (!read_block(&block, section, payload, error))
		return NULL;

	size_t wanted = (size_t)count_pages(&block) * STATE_PAGE;
	const uint8_t *data = payload + sizeof(block);

	if (block.encoding == STATE_PLAIN)
		return data;
	if (ZSTD_findFrameCompressedSize(data, block.length) == block.length &&
	    ZSTD_decompressDCtx(unpacker->context, unpacker->pages, wanted, data, block.length) == wanted)
		return unpacker->pages;
	state_refuse(error, "section 'memory' %u does not unpack to the pages that its map has", section->instance);
	return NULL;
}

bool state_memory_load(const struct memory *memory, struct state_unpacker *unpacker,
		       const struct state_section *section, const uint8_t *payload, struct state_error *error)
{
	const uint8_t *pages = state_unpack(unpacker, section, payload, error);
	struct state_block block;

	if (!pages)
		return false;
	memcpy(&block, payload, sizeof(block));
	for (unsigned int page = 0; page < STATE_BLOCK_PAGES; page++) {
		if (!state_block_has(&block, page))
			continue;

		uint8_t *to = memory_at(memory, block.address + page * STATE_PAGE, STATE_PAGE);

		if (!to)
			return state_refuse(error, "section 'memory' %u has a page where there is no memory",
					    section->instance);
		memcpy(to, pages, STATE_PAGE);
		pages += STATE_PAGE;
	}
	return true;
}
