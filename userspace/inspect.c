// SPDX-License-Identifier: GPL-2.0-only
/*
 * Printing a saved machine, section by section, by what it says of itself: a
 * later version's sections and fields are printed like those of this one. No
 * more than one section is ever held.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inspect.h"
#include "options.h"
#include "state.h"
#include "state_fields.h"
#include "status.h"

/* Memory is not printed, it is counted. */
struct memory_count {
	uint64_t blocks, pages, bytes;
};

static bool count_memory(struct memory_count *count, const struct state_section *section, const uint8_t *payload)
{
	struct state_block block;

	if (strcmp(section->name, STATE_MEMORY) || section->length < sizeof(block))
		return false;
	memcpy(&block, payload, sizeof(block));
	count->blocks++;
	count->bytes += section->length;
	for (unsigned int page = 0; page < STATE_BLOCK_PAGES; page++)
		count->pages += state_block_has(&block, page);
	return true;
}

/* ---- for people ---- */

static void print_number(FILE *out, const struct state_field *field, size_t index)
{
	uint64_t value = state_field_number(field, index);

	if (field->head.kind == STATE_INT)
		fprintf(out, " %lld", (long long)value);
	else
		fprintf(out, value < 10 ? " %llu" : " %#llx", (unsigned long long)value);
}

static void print_bytes(FILE *out, const struct state_field *field)
{
	bool is_long = field->head.length > 16;

	for (uint32_t i = 0; i < field->head.length; i++) {
		if (is_long && !(i % 32))
			fprintf(out, "\n    %04x:", i);
		fprintf(out, " %02x", field->value[i]);
	}
}

void inspect_row(FILE *out, const struct state_field *field, unsigned int row)
{
	for (unsigned int c = 0; c < field->columns; c++)
		print_number(out, field, (size_t)row * field->columns + c);
}

void inspect_value(FILE *out, const struct state_field *field)
{
	switch (field->head.kind) {
	case STATE_TEXT:
		fprintf(out, " %.*s", (int)field->head.length, (const char *)field->value);
		break;
	case STATE_BYTES:
		print_bytes(out, field);
		break;
	case STATE_TABLE:
		for (unsigned int i = 0; i < field->count; i++) {
			fputs("\n   ", out);
			inspect_row(out, field, i);
		}
		break;
	default:
		print_number(out, field, 0);
		break;
	}
	fputc('\n', out);
}

static bool print_section(FILE *out, const struct state_section *section, const uint8_t *payload,
			  struct state_error *error)
{
	struct state_cursor cursor = { payload, section->length };
	struct state_field field;

	fprintf(out, "%s %u (version %u%s)\n", section->name, section->instance, section->version,
		section->flags & STATE_NEEDED ? "" : ", optional");
	if (section->flags & STATE_RAW) {
		fprintf(out, "  %llu bytes without fields\n", (unsigned long long)section->length);
		return true;
	}
	while (state_field_next(&cursor, &field, error)) {
		fprintf(out, "  %s%s:", field.name, field.head.flags & STATE_OPTIONAL ? " (optional)" : "");
		inspect_value(out, &field);
	}
	return !error->text[0];
}

/* ---- for programs ---- */

static struct json_object *json_number(const struct state_field *field, size_t index)
{
	uint64_t value = state_field_number(field, index);

	return field->head.kind == STATE_INT ? json_object_new_int64((int64_t)value) : json_object_new_uint64(value);
}

static struct json_object *json_bytes(const struct state_field *field)
{
	static const char digits[] = "0123456789abcdef";
	char *text = malloc(2 * (size_t)field->head.length + 1);
	struct json_object *object;

	if (!text)
		return NULL;
	for (uint32_t i = 0; i < field->head.length; i++) {
		text[2 * i] = digits[field->value[i] >> 4];
		text[2 * i + 1] = digits[field->value[i] & 0xf];
	}
	object = json_object_new_string_len(text, 2 * (int)field->head.length);
	free(text);
	return object;
}

/* Rows of a table as objects, their keys from the name's brackets. */
static struct json_object *json_table(const struct state_field *field)
{
	struct json_object *rows = json_object_new_array();

	for (size_t i = 0; i < field->count; i++) {
		struct json_object *row = json_object_new_object();
		const char *at = strchr(field->name, '(');

		for (unsigned int c = 0; c < field->columns; c++) {
			char column[sizeof(field->name)];
			size_t length = strcspn(++at, ",)");

			snprintf(column, sizeof(column), "%.*s", (int)length, at);
			json_object_object_add(row, column, json_number(field, i * field->columns + c));
			at += length;
		}
		json_object_array_add(rows, row);
	}
	return rows;
}

static struct json_object *json_value(const struct state_field *field)
{
	switch (field->head.kind) {
	case STATE_TEXT:
		return json_object_new_string_len((const char *)field->value, (int)field->head.length);
	case STATE_BYTES:
		return json_bytes(field);
	case STATE_TABLE:
		return json_table(field);
	default:
		return json_number(field, 0);
	}
}

static bool json_section(FILE *out, const struct state_section *section, const uint8_t *payload,
			 struct state_error *error)
{
	struct state_cursor cursor = { payload, section->length };
	struct json_object *object = json_object_new_object(), *fields = json_object_new_object();
	struct state_field field;

	json_object_object_add(object, "name", json_object_new_string(section->name));
	json_object_object_add(object, "instance", json_object_new_uint64(section->instance));
	json_object_object_add(object, "version", json_object_new_int(section->version));
	json_object_object_add(object, "needed", json_object_new_boolean(section->flags & STATE_NEEDED));
	while (!(section->flags & STATE_RAW) && state_field_next(&cursor, &field, error)) {
		struct json_object *value = json_value(&field);

		/* The columns are the rows' keys. */
		if (field.head.kind == STATE_TABLE)
			*strchr(field.name, '(') = 0;
		json_object_object_add(fields, field.name, value);
	}
	json_object_object_add(object, "fields", fields);
	fputs(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN), out);
	json_object_put(object);
	return !error->text[0];
}

/* ---- the whole ---- */

/* What restoring would say, "" if nothing. */
static void ask_restorable(struct state_reader *reader, struct state_error *reason)
{
	struct state_image *image = calloc(1, sizeof(*image));

	state_rewind(reader);
	if (image)
		state_image_read(image, reader, reason);
	if (image)
		state_image_free(image);
	free(image);
}

static bool print_sections(FILE *out, struct state_reader *reader, bool is_json, struct memory_count *memory,
			   struct state_error *error)
{
	struct state_section section;
	const uint8_t *payload;
	bool is_first = true, is_good = true;

	while (is_good && state_next(reader, &section, &payload, error)) {
		if (count_memory(memory, &section, payload))
			continue;
		if (is_json && !is_first)
			fputc(',', out);
		is_first = false;
		is_good = is_json ? json_section(out, &section, payload, error) :
				    print_section(out, &section, payload, error);
	}
	return is_good && !error->text[0];
}

static void print_json(FILE *out, const char *key, const char *text)
{
	struct json_object *string = json_object_new_string(text);

	fprintf(out, "\"%s\":%s", key, json_object_to_json_string_ext(string, JSON_C_TO_STRING_PLAIN));
	json_object_put(string);
}

static bool print_reader(FILE *out, struct state_reader *reader, bool is_json, struct state_error *error)
{
	struct memory_count memory = { 0 };
	struct state_error reason = { "" };
	char program[sizeof(reader->header.program) + 1];

	snprintf(program, sizeof(program), "%.*s", (int)sizeof(reader->header.program), reader->header.program);
	for (char *c = program; *c; c++)
		*c = *c < ' ' || *c > '~' ? '?' : *c;
	if (is_json) {
		fputc('{', out);
		print_json(out, "program", program);
		fprintf(out, ",\"format\":%u,\"bytes\":%llu,\"sections\":[", reader->header.version,
			(unsigned long long)reader->size);
	} else {
		fprintf(out, "saved by %s, format %u, %llu bytes\n", program, reader->header.version,
			(unsigned long long)reader->size);
	}

	bool is_good = print_sections(out, reader, is_json, &memory, error);

	if (is_good)
		ask_restorable(reader, &reason);
	if (is_json) {
		fprintf(out, "],\"memory\":{\"blocks\":%llu,\"pages\":%llu,\"bytes\":%llu},",
			(unsigned long long)memory.blocks, (unsigned long long)memory.pages,
			(unsigned long long)memory.bytes);
		print_json(out, "refused", is_good ? reason.text : error->text);
		fputs("}\n", out);
		return is_good;
	}
	fprintf(out, "memory: %llu pages in %llu blocks, %llu bytes\n", (unsigned long long)memory.pages,
		(unsigned long long)memory.blocks, (unsigned long long)memory.bytes);
	if (reason.text[0])
		fprintf(out, "this program would not restore it: %s\n", reason.text);
	return is_good;
}

bool inspect_print(FILE *out, int fd, bool is_json, struct state_error *error)
{
	struct state_reader reader;
	bool is_good = state_open(&reader, fd, error) && print_reader(out, &reader, is_json, error);

	state_close(&reader);
	return is_good;
}

static int run(const struct options *options, const int fds[2])
{
	struct state_error error = { "" };
	uint64_t differences = 0;
	bool is_good = options->diff ? inspect_diff(stdout, fds, &differences, &error) :
				       inspect_print(stdout, fds[0], options->json, &error);

	if (!is_good)
		return status_fail(STATUS_STATE, "%s: %s", options->diff ? "--diff" : options->files[0], error.text);
	return differences ? STATUS_REFUSED : 0;
}

int inspect_run(const struct options *options)
{
	int fds[2] = { -1, -1 }, ret = 0;

	for (unsigned int i = 0; !ret && i < options->file_count; i++) {
		fds[i] = open(options->files[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (fds[i] < 0)
			ret = status_fail(STATUS_STATE, "%s: cannot open it: %s", options->files[i], strerror(errno));
	}
	if (!ret)
		ret = run(options, fds);
	for (unsigned int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return ret;
}
