// SPDX-License-Identifier: GPL-2.0-only
/*
 * Printing a saved machine, section by section, by what it says of itself: a
 * later version's sections and fields are printed like those of this one. No
 * more than one section is ever held.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inspect.h"
#include "options.h"
#include "state.h"
#include "state_fields.h"
#include "status.h"

/* Memory is not printed, it is counted; and unpacked, which nobody else does but who restores it. */
struct memory_count {
	uint64_t blocks, pages, bytes;
	struct state_unpacker *unpacker;
	struct state_error error;	/* of the first block that cannot be unpacked */
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
	state_unpack(count->unpacker, section, payload, &count->error);
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

/* Written as it is read: as objects of json-c a table would take a hundred times the room. */
static void json_string(FILE *out, const char *text, size_t length)
{
	struct json_object *string = json_object_new_string_len(text, (int)length);

	fputs(json_object_to_json_string_ext(string, JSON_C_TO_STRING_PLAIN), out);
	json_object_put(string);
}

static void json_member(FILE *out, const char *key, const char *text)
{
	json_string(out, key, strlen(key));
	fputc(':', out);
	json_string(out, text, strlen(text));
}

static void json_number(FILE *out, const struct state_field *field, size_t index)
{
	uint64_t value = state_field_number(field, index);

	fprintf(out, field->head.kind == STATE_INT ? "%" PRId64 : "%" PRIu64, value);
}

static void json_bytes(FILE *out, const struct state_field *field)
{
	fputc('"', out);
	for (uint32_t i = 0; i < field->head.length; i++)
		fprintf(out, "%02x", field->value[i]);
	fputc('"', out);
}

/* Rows of a table as objects, their keys from the name's brackets. */
static void json_table(FILE *out, const struct state_field *field)
{
	fputc('[', out);
	for (size_t i = 0; i < field->count; i++) {
		const char *at = strchr(field->name, '(');

		fputs(i ? ",{" : "{", out);
		for (unsigned int c = 0; c < field->columns; c++) {
			size_t length = strcspn(++at, ",)");

			if (c)
				fputc(',', out);
			json_string(out, at, length);
			fputc(':', out);
			json_number(out, field, i * field->columns + c);
			at += length;
		}
		fputc('}', out);
	}
	fputc(']', out);
}

static void json_value(FILE *out, const struct state_field *field)
{
	switch (field->head.kind) {
	case STATE_TEXT:
		json_string(out, (const char *)field->value, field->head.length);
		break;
	case STATE_BYTES:
		json_bytes(out, field);
		break;
	case STATE_TABLE:
		json_table(out, field);
		break;
	default:
		json_number(out, field, 0);
		break;
	}
}

/* A key that comes twice means one thing to one program and another to the next. */
static bool is_new(struct json_object *keys, const char *key, size_t length)
{
	char text[sizeof(((struct state_field *)0)->name)];

	snprintf(text, sizeof(text), "%.*s", (int)length, key);
	if (json_object_object_get_ex(keys, text, NULL))
		return false;
	json_object_object_add(keys, text, NULL);
	return true;
}

/* All fields of a section are together in @keys, the columns of a table by themselves. */
static bool check_keys(const struct state_field *field, struct json_object *keys, struct state_error *error)
{
	bool is_table = field->head.kind == STATE_TABLE;
	const char *at = field->name + (is_table ? strcspn(field->name, "(") : strlen(field->name));
	struct json_object *columns = json_object_new_object();
	bool is_good = is_new(keys, field->name, (size_t)(at - field->name)) ||
		       state_refuse(error, "has the field '%s' twice", field->name);

	for (unsigned int c = 0; is_good && is_table && c < field->columns; c++) {
		size_t length = strcspn(++at, ",)");

		is_good = is_new(columns, at, length) ||
			  state_refuse(error, "has the table '%s', in which a column is there twice", field->name);
		at += length;
	}
	json_object_put(columns);
	return is_good;
}

static bool json_section(FILE *out, const struct state_section *section, const uint8_t *payload,
			 struct state_error *error)
{
	struct state_cursor cursor = { payload, section->length };
	struct json_object *keys = json_object_new_object();
	struct state_field field;
	const char *comma = "";

	fputc('{', out);
	json_member(out, "name", section->name);
	fprintf(out, ",\"instance\":%u,\"version\":%u,\"needed\":%s,\"fields\":{", section->instance, section->version,
		section->flags & STATE_NEEDED ? "true" : "false");
	while (!(section->flags & STATE_RAW) && state_field_next(&cursor, &field, error) &&
	       check_keys(&field, keys, error)) {
		fputs(comma, out);
		comma = ",";
		/* The columns are the rows' keys. */
		json_string(out, field.name, field.head.kind == STATE_TABLE ? strcspn(field.name, "(") : strlen(field.name));
		fputc(':', out);
		json_value(out, &field);
	}
	fputs("}}", out);
	json_object_put(keys);
	return !error->text[0];
}

/* ---- the whole ---- */

/* What restoring would say, "" if nothing. */
static void ask_restorable(struct state_reader *reader, const struct memory_count *memory, struct state_error *reason)
{
	struct state_image *image = calloc(1, sizeof(*image));

	if (!image)
		state_refuse(reason, "out of memory");
	state_rewind(reader);
	if (image && state_image_read(image, reader, reason))
		*reason = memory->error;
	if (image)
		state_image_free(image);
	free(image);
}

static bool print_sections(FILE *out, struct state_reader *reader, bool is_json, struct memory_count *memory,
			   struct state_error *error)
{
	struct state_error inner = { "" };
	struct state_section section;
	const uint8_t *payload;
	bool is_first = true, is_good = true;

	while (is_good && state_next(reader, &section, &payload, error)) {
		if (count_memory(memory, &section, payload))
			continue;
		if (is_json && !is_first)
			fputc(',', out);
		is_first = false;
		is_good = is_json ? json_section(out, &section, payload, &inner) :
				    print_section(out, &section, payload, &inner);
		if (!is_good)
			state_refuse(error, "section '%s' %u %s", section.name, section.instance, inner.text);
	}
	return is_good && !error->text[0];
}

static bool print_reader(FILE *out, struct state_reader *reader, bool is_json, struct state_error *error)
{
	struct memory_count memory = { .unpacker = state_unpacker_new() };
	struct state_error reason = { "" };
	char program[sizeof(reader->header.program) + 1];

	snprintf(program, sizeof(program), "%.*s", (int)sizeof(reader->header.program), reader->header.program);
	for (char *c = program; *c; c++)
		*c = *c < ' ' || *c > '~' ? '?' : *c;
	if (is_json) {
		fputc('{', out);
		json_member(out, "program", program);
		fprintf(out, ",\"format\":%u,\"bytes\":%llu,\"sections\":[", reader->header.version,
			(unsigned long long)reader->size);
	} else {
		fprintf(out, "saved by %s, format %u, %llu bytes\n", program, reader->header.version,
			(unsigned long long)reader->size);
	}

	bool is_good = memory.unpacker ? print_sections(out, reader, is_json, &memory, error) :
					 state_refuse(error, "out of memory");

	if (is_good)
		ask_restorable(reader, &memory, &reason);
	state_unpacker_free(memory.unpacker);
	if (is_json) {
		fprintf(out, "],\"memory\":{\"blocks\":%llu,\"pages\":%llu,\"bytes\":%llu},",
			(unsigned long long)memory.blocks, (unsigned long long)memory.pages,
			(unsigned long long)memory.bytes);
		json_member(out, "refused", is_good ? reason.text : error->text);
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
