// SPDX-License-Identifier: GPL-2.0-only
/*
 * Comparing two saved machines: their fields in pairs, their memory page by
 * page. Both are read as if to be restored, so that what is compared is right.
 */
#include <stdlib.h>
#include <string.h>

#include "inspect.h"
#include "state.h"
#include "state_fields.h"

#define RANGES_MAX	64	/* of pages, printed */

struct side {
	const char *name;
	struct state_reader reader;
	struct state_image image;
	struct state_buffer buffer;

	/* The block that memory is at. */
	struct state_unpacker *unpacker;
	struct state_block block;	/* address UINT64_MAX: there is no more */
	const uint8_t *pages;
};

struct differences {
	FILE *out;
	uint64_t fields;
	uint64_t pages;
	uint64_t ranges;
	uint64_t first, end;		/* of the range that is growing */
};

static bool refuse(const struct side *side, const struct state_error *what, struct state_error *error)
{
	return state_refuse(error, "%s: %s", side->name, what->text);
}

/* ---- fields ---- */

static bool is_equal(const struct state_field *a, const struct state_field *b)
{
	return a->head.length == b->head.length && !memcmp(a->value, b->value, a->head.length);
}

/* Of a table, the rows that differ. */
static void print_rows(FILE *out, const struct state_field *from, const struct state_field *to)
{
	size_t size = from->columns * sizeof(uint64_t);

	for (unsigned int i = 0; i < from->count || i < to->count; i++) {
		if (i < from->count && i < to->count && !memcmp(from->value + i * size, to->value + i * size, size))
			continue;
		if (i < from->count) {
			fprintf(out, "- %u:", i);
			inspect_row(out, from, i);
			fputc('\n', out);
		}
		if (i < to->count) {
			fprintf(out, "+ %u:", i);
			inspect_row(out, to, i);
			fputc('\n', out);
		}
	}
}

static void print_difference(struct differences *found, const struct state_field *from, const struct state_field *to)
{
	found->fields++;
	if (from->head.kind == STATE_TABLE) {
		print_rows(found->out, from, to);
		return;
	}
	fputc('-', found->out);
	inspect_value(found->out, from);
	fputc('+', found->out);
	inspect_value(found->out, to);
}

/* Both payloads come from the same rows, so the fields pair up. */
static void compare_fields(struct differences *found, struct side sides[2], const char *name, unsigned int instance)
{
	struct state_cursor a = { sides[0].buffer.bytes, sides[0].buffer.used };
	struct state_cursor b = { sides[1].buffer.bytes, sides[1].buffer.used };
	struct state_field from, to;
	struct state_error error = { "" };

	while (state_field_next(&a, &from, &error) && state_field_next(&b, &to, &error)) {
		if (is_equal(&from, &to))
			continue;
		fprintf(found->out, "%s %u %s:\n", name, instance, from.name);
		print_difference(found, &from, &to);
	}
}

static bool compare_parts(struct differences *found, struct side sides[2], struct state_error *error)
{
	for (size_t p = 0; p < STATE_PARTS; p++) {
		const struct state_part *part = &state_parts[p];
		unsigned int a = part->count(&sides[0].image.machine), b = part->count(&sides[1].image.machine);

		for (unsigned int i = 0; i < a && i < b; i++) {
			for (unsigned int s = 0; s < 2; s++) {
				sides[s].buffer.used = 0;
				state_fields_put(&sides[s].buffer, part->layout, state_part_at(part, &sides[s].image, i));
				if (sides[s].buffer.is_short)
					return state_refuse(error, "out of memory");
			}
			compare_fields(found, sides, part->layout->name, i);
		}
		for (unsigned int i = a < b ? a : b; i < a || i < b; i++) {
			found->fields++;
			fprintf(found->out, "%s %u: only in the %s\n", part->layout->name, i, i < a ? "first" : "second");
		}
	}
	return true;
}

/* ---- memory ---- */

static bool next_block(struct side *side, struct state_error *error)
{
	struct state_error inner = { "" };
	struct state_section section;
	const uint8_t *payload;

	while (state_next(&side->reader, &section, &payload, &inner)) {
		if (!strcmp(section.name, STATE_ROUND))
			return state_refuse(error, "%s: is told in rounds, which cannot be compared", side->name);
		if (strcmp(section.name, STATE_MEMORY))
			continue;
		memcpy(&side->block, payload, sizeof(side->block));
		side->pages = state_unpack(side->unpacker, &section, payload, &inner);
		return side->pages || refuse(side, &inner, error);
	}
	side->block.address = UINT64_MAX;
	return !inner.text[0] || refuse(side, &inner, error);
}

static void end_range(struct differences *found)
{
	if (found->end > found->first && found->ranges++ < RANGES_MAX)
		fprintf(found->out, "memory %#llx to %#llx\n", (unsigned long long)found->first,
			(unsigned long long)found->end - 1);
	found->first = found->end = 0;
}

static void add_page(struct differences *found, uint64_t address)
{
	found->pages++;
	if (address != found->end || !found->end) {
		end_range(found);
		found->first = address;
	}
	found->end = address + STATE_PAGE;
}

/* The block's page, or zeros. */
static const uint8_t *take_page(struct side *side, uint64_t address, unsigned int page)
{
	static const uint8_t zeros[STATE_PAGE];

	if (side->block.address != address || !state_block_has(&side->block, page))
		return zeros;
	side->pages += STATE_PAGE;
	return side->pages - STATE_PAGE;
}

static bool compare_memory(struct differences *found, struct side sides[2], struct state_error *error)
{
	for (unsigned int s = 0; s < 2; s++) {
		state_rewind(&sides[s].reader);
		sides[s].unpacker = state_unpacker_new();
		if (!sides[s].unpacker)
			return state_refuse(error, "out of memory");
		if (!next_block(&sides[s], error))
			return false;
	}
	for (;;) {
		uint64_t a = sides[0].block.address, b = sides[1].block.address, address = a < b ? a : b;

		if (address == UINT64_MAX)
			break;
		for (unsigned int page = 0; page < STATE_BLOCK_PAGES; page++)
			if (memcmp(take_page(&sides[0], address, page), take_page(&sides[1], address, page), STATE_PAGE))
				add_page(found, address + page * STATE_PAGE);
		if ((a == address && !next_block(&sides[0], error)) || (b == address && !next_block(&sides[1], error)))
			return false;
	}
	end_range(found);
	if (found->ranges > RANGES_MAX)
		fprintf(found->out, "memory: %llu more ranges\n", (unsigned long long)found->ranges - RANGES_MAX);
	return true;
}

static bool is_whole(const struct side *side, struct state_error *error)
{
	return !side->image.kin.has_base ||
	       state_refuse(error, "has only what was written since its base %.100s", side->image.kin.base.name);
}

static bool open_side(struct side *side, int fd, const char *name, struct state_error *error)
{
	struct state_error inner = { "" };

	side->name = name;
	return (state_open(&side->reader, fd, &inner) && state_image_read(&side->image, &side->reader, &inner) && is_whole(side, &inner)) ||
	       refuse(side, &inner, error);
}

bool inspect_diff(FILE *out, const int fds[2], uint64_t *differences, struct state_error *error)
{
	struct side *sides = calloc(2, sizeof(*sides));
	struct differences found = { .out = out };
	bool is_good = sides || state_refuse(error, "out of memory");

	for (unsigned int s = 0; is_good && s < 2; s++)
		is_good = open_side(&sides[s], fds[s], s ? "the second file" : "the first file", error);
	is_good = is_good && compare_parts(&found, sides, error) && compare_memory(&found, sides, error);
	if (is_good && found.pages)
		fprintf(out, "memory: %llu pages differ\n", (unsigned long long)found.pages);
	*differences = found.fields + found.pages;
	for (unsigned int s = 0; sides && s < 2; s++) {
		state_unpacker_free(sides[s].unpacker);
		state_image_free(&sides[s].image);
		state_buffer_free(&sides[s].buffer);
		state_close(&sides[s].reader);
	}
	free(sides);
	return is_good;
}
