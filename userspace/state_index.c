// SPDX-License-Identifier: GPL-2.0-only
/*
 * An index is written behind what it tells of, as a pipe is not written twice. Whoever reads a whole stream needs none, and holds it against the blocks: one
 * that told of others would have two readers restore two machines.
 */
#include <string.h>

#include "state_index.h"
#include "state_memory.h"
#include "state_stream.h"

_Static_assert(sizeof(struct state_index_row) == 16, "as documented");

static struct state_index_row row_of(const struct state_section *section, uint64_t address)
{
	return (struct state_index_row){ address, (uint32_t)section->length, section->checksum };
}

bool state_index_add(struct state_writer *writer, const struct state_block *block, uint64_t at, struct state_error *error)
{
	struct state_index *index = writer->index;
	struct state_index_row row = row_of(&writer->last, block->address);

	if (!index)
		return true;
	if (!index->memory_at)
		index->memory_at = at;
	state_buffer_add(&index->rows, &row, sizeof(row));
	return !index->rows.is_short || state_refuse(error, "out of memory");
}

bool state_index_write(struct state_writer *writer, struct state_error *error)
{
	struct state_index *index = writer->index;
	bool is_written = true;
	uint32_t instance = 0;

	index->index_at = writer->written;
	if (!index->memory_at)
		index->memory_at = index->index_at;
	for (size_t at = 0; is_written && at < index->rows.used; at += STATE_PAYLOAD_MAX) {
		size_t left = index->rows.used - at;

		is_written = state_put(writer, STATE_INDEX, instance++, STATE_INDEX_VERSION, STATE_RAW, index->rows.bytes + at,
				       left < STATE_PAYLOAD_MAX ? left : STATE_PAYLOAD_MAX, error);
	}
	return is_written;
}

void state_index_free(struct state_index *index)
{
	state_buffer_free(&index->rows);
	*index = (struct state_index){ 0 };
}

/* ---- checking ---- */

void state_index_block(struct state_index_check *check, const struct state_section *section, const uint8_t *payload)
{
	struct state_index_row row;
	struct state_block block;

	memcpy(&block, payload, sizeof(block));
	row = row_of(section, block.address);
	check->block_sum = state_checksum_on(check->block_sum, &row, sizeof(row));
	check->blocks++;
}

bool state_index_section(struct state_index_check *check, const struct state_section *section, const uint8_t *payload,
			 struct state_error *error)
{
	if (section->version != STATE_INDEX_VERSION)
		return state_refuse(error, "section 'index' %u is of version %u, and this program knows %u", section->instance,
				    section->version, STATE_INDEX_VERSION);
	if (!(section->flags & STATE_RAW) || !section->length || section->length % sizeof(struct state_index_row))
		return state_refuse(error, "section 'index' %u is no index", section->instance);
	if (section->instance != check->sections || check->rows != check->sections * STATE_INDEX_ROWS)
		return state_refuse(error, "section 'index' %u is not the one that should follow, number %u", section->instance,
				    check->sections);
	check->sections++;
	check->rows += (uint32_t)(section->length / sizeof(struct state_index_row));
	check->row_sum = state_checksum_on(check->row_sum, payload, section->length);
	return true;
}

bool state_index_agrees(const struct state_index_check *check, struct state_error *error)
{
	if (!check->sections || (check->blocks == check->rows && check->block_sum == check->row_sum))
		return true;
	return state_refuse(error, "the index is not that of the blocks of memory");
}
