// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fields to bytes and back. Nothing of a payload is believed: each length is
 * held against what is left, each number against the room it goes to.
 */
#include <string.h>

#include "state_fields.h"

/* ---- out of a structure ---- */

static uint32_t bytes_of(uint32_t size)
{
	return size == STATE_BOOL ? sizeof(bool) : size;
}

static uint64_t load_number(const void *from, uint32_t size)
{
	uint64_t value = 0;

	memcpy(&value, from, bytes_of(size));
	return value;
}

static uint64_t load_signed(const void *from, uint32_t size)
{
	unsigned int shift = 64 - 8 * size;

	return (uint64_t)((int64_t)(load_number(from, size) << shift) >> shift);
}

static uint32_t count_of(const struct state_row *row, const uint8_t *object)
{
	uint32_t count;

	if (row->kind == STATE_TEXT)
		return (uint32_t)strnlen((const char *)object + row->offset, row->max);
	if (row->count_at == STATE_FIXED)
		return row->max;
	memcpy(&count, object + row->count_at, sizeof(count));
	return count < row->max ? count : row->max;
}

static void put_head(struct state_buffer *buffer, const struct state_row *row, size_t length)
{
	struct state_field_head head = {
		.kind = row->kind,
		.name_length = (uint8_t)strlen(row->name),
		.flags = row->is_optional ? STATE_OPTIONAL : 0,
		.length = (uint32_t)length,
	};

	state_buffer_add(buffer, &head, sizeof(head));
	state_buffer_add(buffer, row->name, head.name_length);
}

static void put_table(struct state_buffer *buffer, const struct state_row *row, const uint8_t *object)
{
	uint32_t count = count_of(row, object);

	put_head(buffer, row, (size_t)count * row->column_count * sizeof(uint64_t));
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *element = object + row->offset + (size_t)i * row->size;

		for (unsigned int c = 0; c < row->column_count; c++) {
			uint64_t value = load_number(element + row->columns[c].offset, row->columns[c].size);

			state_buffer_add(buffer, &value, sizeof(value));
		}
	}
}

static void put_row(struct state_buffer *buffer, const struct state_row *row, const uint8_t *object)
{
	const uint8_t *from = object + row->offset;
	uint64_t value;

	switch (row->kind) {
	case STATE_UINT:
	case STATE_INT:
		value = row->kind == STATE_INT ? load_signed(from, row->size) : load_number(from, row->size);
		put_head(buffer, row, sizeof(value));
		state_buffer_add(buffer, &value, sizeof(value));
		break;
	case STATE_TABLE:
		put_table(buffer, row, object);
		break;
	default:
		put_head(buffer, row, count_of(row, object));
		state_buffer_add(buffer, from, count_of(row, object));
		break;
	}
}

void state_fields_put(struct state_buffer *buffer, const struct state_layout *layout, const void *object)
{
	for (unsigned int i = 0; i < layout->row_count; i++)
		put_row(buffer, &layout->rows[i], object);
}

/* ---- what a payload holds ---- */

/* How many columns a table's name says; 0 if it says so in no proper way. */
static unsigned int count_columns(const char *name)
{
	const char *at = strchr(name, '(');
	unsigned int columns = 1;

	if (!at || name[strlen(name) - 1] != ')')
		return 0;
	while (*++at)
		columns += *at == ',';
	return columns;
}

static bool is_shape_right(struct state_field *field)
{
	size_t row;

	switch (field->head.kind) {
	case STATE_UINT:
	case STATE_INT:
		return field->head.length == sizeof(uint64_t);
	case STATE_TABLE:
		field->columns = count_columns(field->name);
		row = field->columns * sizeof(uint64_t);
		if (!row || field->head.length % row)
			return false;
		field->count = (unsigned int)(field->head.length / row);
		return true;
	case STATE_TEXT:
		for (uint32_t i = 0; i < field->head.length; i++)
			if (field->value[i] < ' ' || field->value[i] > '~')
				return false;
		return true;
	default:
		return field->head.kind == STATE_BYTES;
	}
}

static const uint8_t *take(struct state_cursor *cursor, size_t count)
{
	const uint8_t *at = cursor->at;
	size_t padded = state_pad(count);

	if (padded > cursor->left)
		return NULL;
	cursor->at += padded;
	cursor->left -= padded;
	return at;
}

bool state_field_next(struct state_cursor *cursor, struct state_field *field, struct state_error *error)
{
	if (!cursor->left)
		return false;

	const uint8_t *head = take(cursor, sizeof(field->head));

	if (!head)
		return state_refuse(error, "has a field that is cut off");
	memcpy(&field->head, head, sizeof(field->head));

	const uint8_t *name = take(cursor, field->head.name_length);

	field->value = name ? take(cursor, field->head.length) : NULL;
	if (!field->value)
		return state_refuse(error, "has a field that is cut off");
	memcpy(field->name, name, field->head.name_length);
	field->name[field->head.name_length] = 0;
	for (unsigned int i = 0; i < field->head.name_length; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return state_refuse(error, "has a field without a proper name");
	if (!field->head.name_length)
		return state_refuse(error, "has a field without a proper name");
	if (!is_shape_right(field))
		return state_refuse(error, "has a field '%s' whose kind and length do not fit", field->name);
	return true;
}

uint64_t state_field_number(const struct state_field *field, size_t index)
{
	return load_number(field->value + index * sizeof(uint64_t), sizeof(uint64_t));
}

/* ---- into a structure ---- */

static bool fits(uint64_t value, uint32_t size, bool is_signed)
{
	if (size == STATE_BOOL)
		return value <= 1;
	if (is_signed)
		return load_signed(&value, size) == value;
	return load_number(&value, size) == value;
}

static bool get_number(const struct state_row *row, uint8_t *to, const struct state_field *field)
{
	uint64_t value = state_field_number(field, 0);

	if (!fits(value, row->size, row->kind == STATE_INT))
		return false;
	memcpy(to, &value, bytes_of(row->size));
	return true;
}

static bool get_table(const struct state_row *row, uint8_t *to, const struct state_field *field)
{
	for (size_t i = 0; i < field->count; i++, to += row->size) {
		for (unsigned int c = 0; c < row->column_count; c++) {
			uint64_t value = state_field_number(field, i * row->column_count + c);

			if (!fits(value, row->columns[c].size, false))
				return false;
			memcpy(to + row->columns[c].offset, &value, bytes_of(row->columns[c].size));
		}
	}
	return true;
}

/* Of what there may be many. */
static bool get_many(const struct state_row *row, uint8_t *object, const struct state_field *field)
{
	uint32_t count = row->kind == STATE_TABLE ? field->count : field->head.length;
	uint8_t *to = object + row->offset;

	if (count > row->max)
		return false;
	if (row->kind != STATE_TEXT && row->count_at == STATE_FIXED && count != row->max)
		return false;
	if (row->kind == STATE_TABLE && !get_table(row, to, field))
		return false;
	if (row->kind != STATE_TABLE)
		memcpy(to, field->value, count);
	if (row->kind == STATE_TEXT)
		to[count] = 0;
	else if (row->count_at != STATE_FIXED)
		memcpy(object + row->count_at, &count, sizeof(count));
	return true;
}

static const struct state_row *find_row(const struct state_layout *layout, const char *name)
{
	for (unsigned int i = 0; i < layout->row_count; i++)
		if (!strcmp(layout->rows[i].name, name))
			return &layout->rows[i];
	return NULL;
}

static bool get_field(const struct state_layout *layout, void *object, const struct state_field *field,
		      bool seen[STATE_ROWS_MAX], struct state_error *error)
{
	const struct state_row *row = find_row(layout, field->name);

	if (!row && field->head.flags == STATE_OPTIONAL)
		return true;
	if (!row || (field->head.flags && !(row->is_optional && field->head.flags == STATE_OPTIONAL)))
		return state_refuse(error, "has a field '%s' that this program does not know", field->name);
	if (seen[row - layout->rows])
		return state_refuse(error, "has the field '%s' twice", field->name);
	seen[row - layout->rows] = true;

	bool is_number = row->kind == STATE_UINT || row->kind == STATE_INT;

	if (row->kind != field->head.kind || !(is_number ? get_number(row, (uint8_t *)object + row->offset, field) :
						get_many(row, object, field)))
		return state_refuse(error, "has a field '%s' whose value is out of range", field->name);
	return true;
}

/* All fields of a section; what is said does not name it yet. */
static bool get_all(const struct state_layout *layout, void *object, const struct state_section *section,
		    const uint8_t *payload, struct state_error *error)
{
	struct state_cursor cursor = { payload, section->length };
	bool seen[STATE_ROWS_MAX] = { false };
	struct state_field field;

	if (!section->version || section->version > layout->version)
		return state_refuse(error, "is of version %u, and this program knows %u", section->version,
				    layout->version);
	if (section->flags & STATE_RAW)
		return state_refuse(error, "has no fields");
	while (state_field_next(&cursor, &field, error))
		if (!get_field(layout, object, &field, seen, error))
			return false;
	if (error->text[0])
		return false;
	for (unsigned int i = 0; i < layout->row_count; i++)
		if (!seen[i] && !layout->rows[i].is_optional && layout->rows[i].since <= section->version)
			return state_refuse(error, "lacks the field '%s'", layout->rows[i].name);
	return !layout->check || layout->check(object, error);
}

bool state_fields_get(const struct state_layout *layout, void *object, const struct state_section *section,
		      const uint8_t *payload, struct state_error *error)
{
	struct state_error inner = { "" };

	if (get_all(layout, object, section, payload, &inner))
		return true;
	return state_refuse(error, "section '%s' %u %s", section->name, section->instance, inner.text);
}

static void copy_table(const struct state_row *row, uint8_t *to, const uint8_t *from, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++, to += row->size, from += row->size)
		for (unsigned int c = 0; c < row->column_count; c++)
			memcpy(to + row->columns[c].offset, from + row->columns[c].offset,
			       bytes_of(row->columns[c].size));
}

static void copy_many(const struct state_row *row, uint8_t *to, const uint8_t *from)
{
	uint32_t count = count_of(row, from);

	if (row->kind == STATE_TABLE)
		copy_table(row, to + row->offset, from + row->offset, count);
	else
		memcpy(to + row->offset, from + row->offset, count);
	if (row->kind == STATE_TEXT)
		to[row->offset + count] = 0;
	else if (row->count_at != STATE_FIXED)
		memcpy(to + row->count_at, &count, sizeof(count));
}

void state_fields_copy(const struct state_layout *layout, void *to, const void *from)
{
	for (unsigned int i = 0; i < layout->row_count; i++) {
		const struct state_row *row = &layout->rows[i];

		if (row->kind == STATE_UINT || row->kind == STATE_INT)
			memcpy((uint8_t *)to + row->offset, (const uint8_t *)from + row->offset, bytes_of(row->size));
		else
			copy_many(row, to, from);
	}
}
