// SPDX-License-Identifier: GPL-2.0-only
/* Sections of a saved machine: every field of each goes out and comes back, and what does not fit is refused by name. */
#include "fake_state.h"

/* Each section without its own check, which random numbers would not pass. */
static struct state_layout plain(const struct state_part *part)
{
	struct state_layout layout = *part->layout;

	layout.check = NULL;
	return layout;
}

static struct state_section head(const struct state_layout *layout, const struct state_buffer *buffer)
{
	struct state_section section;

	state_section_make(&section, layout->name, 0, layout->version, STATE_NEEDED, buffer->bytes, buffer->used);
	return section;
}

/* The field @index of a payload. */
static void find_field(const struct state_buffer *buffer, unsigned int index, struct state_field *field)
{
	struct state_cursor cursor = { buffer->bytes, buffer->used };
	struct state_error error = { "" };

	for (unsigned int i = 0; i <= index; i++)
		ASSERT(state_field_next(&cursor, field, &error), "%s", error.text);
}

static unsigned int columns_of(const char *name)
{
	unsigned int count = 1;

	for (; *name; name++)
		count += *name == ',';
	return count;
}

/* The machine's second brought the balloon, its third the virtio console, then whether there is a generation ID, and the ID, its sixth what can be plugged. */
static unsigned int version_of(const char *name)
{
	if (!strcmp(name, "machine"))
		return 6;
	/* the event that tells of another generation */
	return strcmp(name, "power") ? 1 : 2;
}

static void test_tables(void)
{
	for (size_t p = 0; p < STATE_PARTS; p++) {
		const struct state_layout *layout = state_parts[p].layout;

		CHECK_EQ(layout->name, version_of(layout->name), layout->version);
		ASSERT(strlen(layout->name) < STATE_NAME_MAX, "%s", layout->name);
		for (unsigned int i = 0; i < layout->row_count; i++) {
			const struct state_row *row = &layout->rows[i];
			size_t size = row->kind == STATE_TABLE ? (size_t)row->size * row->max :
				      row->kind == STATE_UINT || row->kind == STATE_INT ? row->size : row->max;

			ASSERT(row->offset + size <= layout->size, "%s: outside of its structure", row->name);
			ASSERT(row->since >= 1 && row->since <= layout->version, "%s: since %u", row->name, row->since);
			ASSERT(row->kind != STATE_TABLE || row->column_count == columns_of(row->name), "%s: has %u",
			       row->name, row->column_count);
			for (unsigned int j = 0; j < i; j++)
				ASSERT(strcmp(row->name, layout->rows[j].name), "%s: twice", row->name);
		}
		for (size_t q = 0; q < p; q++)
			ASSERT(strcmp(layout->name, state_parts[q].layout->name), "%s: twice", layout->name);
		CHECK_EQ(layout->name, 1, layout->row_count > 0 && layout->row_count <= STATE_ROWS_MAX);
	}
}

/* Random numbers out and in again: the same bytes come out of what came in. */
static void test_round_trip(void)
{
	u64 random = 1;

	for (size_t p = 0; p < STATE_PARTS; p++) {
		struct state_layout layout = plain(&state_parts[p]);
		u8 *from = calloc(1, layout.size), *to = calloc(1, layout.size), *copy = calloc(1, layout.size);
		struct state_buffer a = { 0 }, b = { 0 }, c = { 0 };
		struct state_error error = { "" };

		for (unsigned int i = 0; i < layout.row_count; i++)
			fake_fill_row(&layout.rows[i], from, &random);
		state_fields_put(&a, &layout, from);

		struct state_section section = head(&layout, &a);

		if (!state_fields_get(&layout, to, &section, a.bytes, &error))
			FAIL("%s", error.text);
		state_fields_put(&b, &layout, to);
		state_fields_copy(&layout, copy, from);
		state_fields_put(&c, &layout, copy);
		CHECK_EQ(layout.name, 1, a.used == b.used && !memcmp(a.bytes, b.bytes, a.used));
		CHECK_EQ(layout.name, 1, a.used == c.used && !memcmp(a.bytes, c.bytes, a.used));
		state_buffer_free(&a);
		state_buffer_free(&b);
		state_buffer_free(&c);
		free(from);
		free(to);
		free(copy);
	}
}

/* A row alone is changed: its field is the one that changes, and comes back as it is. */
static void test_field_by_field(void)
{
	u64 random = 2;

	for (size_t p = 0; p < STATE_PARTS; p++) {
		struct state_layout layout = plain(&state_parts[p]);

		for (unsigned int i = 0; i < layout.row_count; i++) {
			u8 *object = calloc(1, layout.size), *back = calloc(1, layout.size);
			struct state_buffer empty = { 0 }, one = { 0 };
			struct state_error error = { "" };

			state_fields_put(&empty, &layout, object);
			fake_fill_row(&layout.rows[i], object, &random);
			if (layout.rows[i].kind <= STATE_INT)
				object[layout.rows[i].offset] = 1;
			state_fields_put(&one, &layout, object);

			struct state_section section = head(&layout, &one);

			if (!state_fields_get(&layout, back, &section, one.bytes, &error))
				FAIL("%s", error.text);
			ASSERT(!memcmp(object, back, layout.size), "%s %s: comes back as another", layout.name,
			       layout.rows[i].name);
			for (unsigned int j = 0; j < layout.row_count; j++) {
				struct state_field before, after;

				find_field(&empty, j, &before);
				find_field(&one, j, &after);
				bool is_same = before.head.length == after.head.length &&
					       !memcmp(before.value, after.value, before.head.length);

				ASSERT(is_same == (i != j), "%s: %s changed: %d", layout.rows[i].name,
				       layout.rows[j].name, !is_same);
			}
			state_buffer_free(&empty);
			state_buffer_free(&one);
			free(object);
			free(back);
		}
		test_note("%s: %u fields", layout.name, layout.row_count);
	}
}

/* ---- refusals ---- */

struct thing {
	u16 number;
	bool flag;
	s64 below;
	u8 bytes[4];
	u32 count;
	struct { u8 a; u32 b; } table[2];
	u64 later;
	char text[8];
};

static const struct state_column thing_columns[] = {
	{ 0, 1 }, { offsetof(struct thing, table[0].b) - offsetof(struct thing, table[0]), 4 },
};

static const struct state_row thing_rows[] = {
	STATE_ROW_UINT("number", struct thing, number),
	STATE_ROW_UINT("flag", struct thing, flag),
	STATE_ROW_INT("below", struct thing, below),
	STATE_ROW_BYTES("bytes", struct thing, bytes),
	STATE_ROW_TABLE("table(a,b)", struct thing, table, thing_columns, offsetof(struct thing, count)),
	STATE_ROW_TEXT("text", struct thing, text),
	{ .name = "later", .kind = STATE_UINT, .since = 2, .offset = offsetof(struct thing, later), .size = 8 },
};

static const struct state_layout thing_layout = {
	.name = "thing", .version = 2, .rows = thing_rows, .row_count = ARRAY_SIZE(thing_rows),
	.size = sizeof(struct thing),
};

struct written {
	u8 kind;
	u16 flags;
	const char *name;
	u32 length;
	u64 value[4];
};

static void put(struct state_buffer *buffer, const struct written *field)
{
	struct state_field_head field_head = {
		field->kind, (u8)strlen(field->name), field->flags, field->length,
	};

	state_buffer_add(buffer, &field_head, sizeof(field_head));
	state_buffer_add(buffer, field->name, field_head.name_length);
	state_buffer_add(buffer, field->value, field->length);
}

#define GOOD_NUMBER	{ STATE_UINT, 0, "number", 8, { 0xffff } }
#define GOOD_FLAG	{ STATE_UINT, 0, "flag", 8, { 1 } }
#define GOOD_BELOW	{ STATE_INT, 0, "below", 8, { -5ULL } }
#define GOOD_BYTES	{ STATE_BYTES, 0, "bytes", 4, { 0x04030201 } }
#define GOOD_TABLE	{ STATE_TABLE, 0, "table(a,b)", 16, { 255, 0xffffffff } }
#define GOOD_TEXT	{ STATE_TEXT, 0, "text", 2, { 0x6968 } }
#define GOOD_LATER	{ STATE_UINT, 0, "later", 8, { 9 } }
#define ALL		GOOD_NUMBER, GOOD_FLAG, GOOD_BELOW, GOOD_BYTES, GOOD_TABLE, GOOD_TEXT, GOOD_LATER

static const struct refusal {
	const char *name;
	u16 version;
	struct written fields[9];
	const char *wanted;		/* NULL: taken */
	size_t cut;			/* bytes that are missing at the end */
} refusals[] = {
	{ "as it should be", 2, { ALL }, NULL, 0 },
	{ "another order", 2, { GOOD_LATER, GOOD_TEXT, GOOD_TABLE, GOOD_BYTES, GOOD_BELOW, GOOD_FLAG, GOOD_NUMBER }, NULL, 0 },
	{ "an older version", 1, { GOOD_NUMBER, GOOD_FLAG, GOOD_BELOW, GOOD_BYTES, GOOD_TABLE, GOOD_TEXT }, NULL, 0 },
	{ "that lacks the new field", 2, { GOOD_NUMBER, GOOD_FLAG, GOOD_BELOW, GOOD_BYTES, GOOD_TABLE, GOOD_TEXT },
	  "lacks the field 'later'", 0 },
	{ "that lacks an old field", 1, { GOOD_NUMBER, GOOD_FLAG, GOOD_BELOW, GOOD_BYTES, GOOD_TEXT },
	  "lacks the field 'table(a,b)'", 0 },
	{ "a newer version", 3, { ALL }, "is of version 3, and this program knows 2", 0 },
	{ "no version", 0, { ALL }, "is of version 0", 0 },
	{ "unknown", 2, { ALL, { STATE_UINT, 0, "new", 8, { 0 } } }, "has a field 'new' that", 0 },
	{ "unknown and optional", 2, { ALL, { STATE_UINT, STATE_OPTIONAL, "new", 8, { 0 } } }, NULL, 0 },
	{ "unknown flags", 2, { ALL, { STATE_UINT, 2, "new", 8, { 0 } } }, "has a field 'new' that", 0 },
	{ "twice", 2, { ALL, GOOD_NUMBER }, "has the field 'number' twice", 0 },
	{ "too large", 2, { { STATE_UINT, 0, "number", 8, { 0x10000 } } }, "'number' whose value is out of range", 0 },
	{ "no bool", 2, { { STATE_UINT, 0, "flag", 8, { 2 } } }, "'flag' whose value", 0 },
	{ "another kind", 2, { { STATE_INT, 0, "number", 8, { 1 } } }, "'number' whose value", 0 },
	{ "a short number", 2, { { STATE_UINT, 0, "number", 4, { 1 } } }, "'number' whose kind and length", 0 },
	{ "an unknown kind", 2, { { 6, 0, "number", 8, { 1 } } }, "'number' whose kind and length", 0 },
	{ "kind 0", 2, { { 0, 0, "number", 8, { 1 } } }, "'number' whose kind and length", 0 },
	{ "too few bytes", 2, { { STATE_BYTES, 0, "bytes", 3, { 1 } } }, "'bytes' whose value", 0 },
	{ "too many bytes", 2, { { STATE_BYTES, 0, "bytes", 5, { 1 } } }, "'bytes' whose value", 0 },
	{ "half a row", 2, { { STATE_TABLE, 0, "table(a,b)", 24, { 1 } } }, "'table(a,b)' whose kind", 0 },
	{ "too many rows", 2, { { STATE_TABLE, 0, "table(a,b)", 48, { 1 } } }, "'table(a,b)' whose kind", 1 },
	{ "a large number in a row", 2, { { STATE_TABLE, 0, "table(a,b)", 16, { 256, 0 } } }, "'table(a,b)' whose value", 0 },
	{ "other columns", 2, { { STATE_TABLE, 0, "table(a)", 8, { 1 } } }, "a field 'table(a)' that", 0 },
	{ "a table without columns", 2, { { STATE_TABLE, 0, "table", 8, { 1 } } }, "'table' whose kind", 0 },
	{ "a bracket left open", 2, { { STATE_TABLE, 0, "table(a", 8, { 1 } } }, "'table(a' whose kind", 0 },
	{ "a long text", 2, { { STATE_TEXT, 0, "text", 8, { 0x6161616161616161 } } }, "'text' whose value", 0 },
	{ "a zero in a text", 2, { { STATE_TEXT, 0, "text", 2, { 0x61 } } }, "'text' whose kind", 0 },
	{ "no name", 2, { { STATE_UINT, 0, "", 8, { 1 } } }, "a field without a proper name", 0 },
	{ "a name that cannot be printed", 2, { { STATE_UINT, 0, "a\nb", 8, { 1 } } }, "without a proper name", 0 },
	{ "cut off in the value", 2, { ALL }, "a field that is cut off", 8 },
	{ "cut off in the name", 2, { ALL }, "a field that is cut off", 16 },
	{ "cut off in the head", 2, { GOOD_LATER }, "lacks the field", 24 },
	{ "nothing", 2, { { 0 } }, "lacks the field 'number'", 0 },
};

static void test_refusals(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		const struct refusal *row = &refusals[i];
		struct state_buffer buffer = { 0 };
		struct state_error error = { "" };
		struct thing thing = { 0 };

		for (size_t f = 0; f < ARRAY_SIZE(row->fields) && row->fields[f].name; f++)
			if (!(row->cut == 1))
				put(&buffer, &row->fields[f]);
		if (row->cut == 1) {	/* its value is not there at all */
			put(&buffer, &row->fields[0]);
			buffer.used -= 8;
		} else {
			buffer.used -= row->cut;
		}
		struct state_section section = head(&thing_layout, &buffer);

		section.version = row->version;
		bool is_taken = state_fields_get(&thing_layout, &thing, &section, buffer.bytes, &error);

		CHECK_EQ(row->name, !row->wanted, is_taken);
		if (row->wanted && !strstr(error.text, row->wanted) && row->cut != 1)
			FAIL("%s: wanted '%s', got '%s'", row->name, row->wanted, error.text);
		if (row->wanted && strncmp(error.text, "section 'thing' 0 ", 18))
			FAIL("%s: does not name the section: '%s'", row->name, error.text);
		if (is_taken && row->version == 2) {
			CHECK_EQ(row->name, 0xffff, thing.number);
			CHECK_EQ(row->name, -5, thing.below);
			CHECK_EQ(row->name, 1, thing.count);
			CHECK_EQ(row->name, 0xffffffff, thing.table[0].b);
			CHECK_EQ(row->name, 9, thing.later);
			CHECK_EQ(row->name, 0, strcmp(thing.text, "hi"));
		}
		state_buffer_free(&buffer);
	}
}

static const struct test_case cases[] = {
	{ "tables", test_tables },
	{ "round_trip", test_round_trip },
	{ "field_by_field", test_field_by_field },
	{ "refusals", test_refusals },
};

TEST_MAIN(cases)
