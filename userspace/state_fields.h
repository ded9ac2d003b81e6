/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The inside of a section: fields, each with its kind, its name and its value,
 * so that it can be printed without knowing what it is. A table of rows says
 * where in a structure each of them lives; saving, loading and copying all go
 * by that table.
 */
#ifndef KEEL_STATE_FIELDS_H
#define KEEL_STATE_FIELDS_H

#include <stddef.h>

#include "state_format.h"

enum state_kind {
	STATE_UINT = 1,		/* 8 bytes */
	STATE_INT = 2,		/* 8 bytes, two's complement */
	STATE_BYTES = 3,
	STATE_TEXT = 4,		/* bytes of ASCII, no zero behind */
	STATE_TABLE = 5,	/* rows of 8-byte numbers; the name ends in the columns: "msrs(index,value)" */
};

#define STATE_OPTIONAL	1u	/* who does not know the field may go on */

struct state_field_head {
	uint8_t kind;
	uint8_t name_length;	/* the name follows, then the value, each with zeros up to a multiple of STATE_ALIGN */
	uint16_t flags;
	uint32_t length;	/* of the value */
};

/* A field as it lies in a payload. */
struct state_field {
	struct state_field_head head;
	char name[256];
	const uint8_t *value;
	unsigned int columns;	/* of a table */
	unsigned int count;	/* of its rows */
};

/* Where the fields of a payload are read. */
struct state_cursor {
	const uint8_t *at;
	size_t left;
};

/**
 * state_field_next() - take the next field
 * Return: false at the end, and with @error where there is no proper one.
 */
bool state_field_next(struct state_cursor *cursor, struct state_field *field, struct state_error *error);

/**
 * state_field_number() - number @index of a UINT, an INT or a TABLE
 */
uint64_t state_field_number(const struct state_field *field, size_t index);

#define STATE_BOOL	0u	/* as a number's size: it is a bool, and must be 0 or 1 */

/* A number inside an element of an array. */
struct state_column {
	uint32_t offset;
	uint32_t size;		/* 1, 2, 4, 8 or STATE_BOOL */
};

/**
 * struct state_row - a field and the place it has in memory
 * @name: as in the stream
 * @kind: enum state_kind
 * @since: the section's version that brought it; what is missing in an older one stays as it is
 * @offset: in the structure
 * @size: bytes of a number (1, 2, 4, 8 or STATE_BOOL); of a table's element, from one to the next
 * @max: bytes that BYTES and TEXT have at most, elements of a TABLE
 * @count_at: offset of a 32-bit count of them; STATE_FIXED: always @max. A TEXT ends at its zero.
 * @columns: of a TABLE, @column_count of them
 * @is_optional: it is written as one that who does not know it may pass over, and may be missing
 */
struct state_row {
	const char *name;
	uint8_t kind;
	uint8_t column_count;
	uint16_t since;
	uint32_t offset;
	uint32_t size;
	uint32_t max;
	uint32_t count_at;
	const struct state_column *columns;
	bool is_optional;
};

#define STATE_FIXED	UINT32_MAX
#define STATE_MEMBER(type, member)	sizeof(((type *)0)->member)
#define STATE_NUMBER(type, member)	_Generic(((type *)0)->member, bool: STATE_BOOL, default: STATE_MEMBER(type, member))
#define STATE_COLUMN(type, member)	{ offsetof(type, member), STATE_NUMBER(type, member) }

#define STATE_ROW_UINT(label, type, member) \
	{ .name = label, .kind = STATE_UINT, .since = 1, .offset = offsetof(type, member), \
	  .size = STATE_NUMBER(type, member) }
#define STATE_ROW_OPTIONAL_UINT(label, type, member) \
	{ .name = label, .kind = STATE_UINT, .since = 1, .offset = offsetof(type, member), \
	  .size = STATE_NUMBER(type, member), .is_optional = true }
#define STATE_ROW_INT(label, type, member) \
	{ .name = label, .kind = STATE_INT, .since = 1, .offset = offsetof(type, member), \
	  .size = STATE_NUMBER(type, member) }
#define STATE_ROW_BYTES(label, type, member) \
	{ .name = label, .kind = STATE_BYTES, .since = 1, .offset = offsetof(type, member), \
	  .max = STATE_MEMBER(type, member), .count_at = STATE_FIXED }
#define STATE_ROW_SOME_BYTES(label, type, member, count) \
	{ .name = label, .kind = STATE_BYTES, .since = 1, .offset = offsetof(type, member), \
	  .max = STATE_MEMBER(type, member), .count_at = offsetof(type, count) }
#define STATE_ROW_TEXT(label, type, member) \
	{ .name = label, .kind = STATE_TEXT, .since = 1, .offset = offsetof(type, member), \
	  .max = STATE_MEMBER(type, member) - 1, .count_at = STATE_FIXED }
#define STATE_ROW_TABLE(label, type, member, columns_, count) \
	{ .name = label, .kind = STATE_TABLE, .since = 1, .offset = offsetof(type, member), \
	  .size = STATE_MEMBER(type, member[0]), .max = STATE_MEMBER(type, member) / STATE_MEMBER(type, member[0]), \
	  .count_at = count, .columns = columns_, .column_count = ARRAY_SIZE(columns_) }

#define STATE_ROWS_MAX	192

/**
 * struct state_layout - a kind of section
 * @row_count: up to STATE_ROWS_MAX
 * @check: is what was loaded sane? May be NULL.
 */
struct state_layout {
	const char *name;
	uint16_t version;
	uint16_t row_count;
	const struct state_row *rows;
	size_t size;		/* of the structure */
	bool (*check)(const void *object, struct state_error *error);
};

/**
 * state_fields_put() - append the fields of @object
 */
void state_fields_put(struct state_buffer *buffer, const struct state_layout *layout, const void *object);

/**
 * state_fields_get() - fill @object from a payload of a section of that kind, @version and instance
 *
 * A field that is unknown, missing, there twice or out of its range is refused by name.
 */
bool state_fields_get(const struct state_layout *layout, void *object, const struct state_section *section,
		      const uint8_t *payload, struct state_error *error);

/**
 * state_fields_copy() - copy what the rows name, and nothing else, from one structure to another
 */
void state_fields_copy(const struct state_layout *layout, void *to, const void *from);

#endif
