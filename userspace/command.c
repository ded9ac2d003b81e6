// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests to the control socket, and answers. A request is an object with
 * "command" and, if the client likes, "id", which comes back in the answer.
 * Whoever may connect may do all of them.
 */
#include <json-c/json.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "command_rows.h"
#include "control.h"
#include "migrate.h"
#include "runtime.h"
#include "utf8.h"
#include "vm.h"

#define DEPTH_MAX	8	/* of a request's objects and arrays */
#define SHOWN_MAX	40	/* bytes of a client's word in an answer */

static const struct member_row {
	const char *name;
	unsigned int member;
} member_rows[] = {
	{ "size", COMMAND_SIZE },
	{ "name", COMMAND_NAME },
	{ "paused", COMMAND_PAUSED },
	{ "to_mark", COMMAND_TO_MARK },
	{ "report", COMMAND_REPORT },
	{ "nets", COMMAND_NETS },
	{ "same", COMMAND_SAME },
	{ "track", COMMAND_TRACK },
	{ "base", COMMAND_BASE },
	{ "base_name", COMMAND_BASE },
};

/* ---- requests and answers ---- */

/* Return: the request, NULL after command_fail(). */
static struct json_object *parse(struct request *request, const char *line, size_t length)
{
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
	struct json_object *object;

	if (!tokener) {
		command_fail(request, "out of memory");
		return NULL;
	}
	while (length && memchr(" \t\r", line[length - 1], 3))
		length--;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	object = json_tokener_parse_ex(tokener, line, (int)length);

	enum json_tokener_error error = json_tokener_get_error(tokener);
	size_t end = json_tokener_get_parse_end(tokener);

	json_tokener_free(tokener);
	if (error == json_tokener_success && end == length && json_object_is_type(object, json_type_object))
		return object;
	json_object_put(object);
	if (error == json_tokener_continue)
		command_fail(request, "not JSON: the line ends too early; a request is one line, as {\"command\": \"status\"}");
	else if (error != json_tokener_success)
		command_fail(request, "not JSON: %s at byte %zu", json_tokener_error_desc(error), end + 1);
	else
		command_fail(request, "a request is one object a line, as {\"command\": \"status\"}");
	return NULL;
}

/* How many bytes of @word an answer shows: no half of a character. */
static int shown(const char *word)
{
	size_t length = strnlen(word, SHOWN_MAX + 1);

	if (length > SHOWN_MAX)
		for (length = SHOWN_MAX; length && ((unsigned char)word[length] & 0xc0) == 0x80;)
			length--;
	return (int)length;
}

/* The library takes and prints NaN and Infinity, which are no JSON. */
static bool is_finite(struct json_object *value)
{
	if (json_object_is_type(value, json_type_double))
		return isfinite(json_object_get_double(value));
	if (json_object_is_type(value, json_type_object)) {
		json_object_object_foreach(value, name, member) {
			(void)name;
			if (!is_finite(member))
				return false;
		}
	}
	if (json_object_is_type(value, json_type_array))
		for (size_t i = 0; i < json_object_array_length(value); i++)
			if (!is_finite(json_object_array_get_idx(value, i)))
				return false;
	return true;
}

static void list_commands(struct request *request, const char *name)
{
	size_t used = (size_t)snprintf(request->error, COMMAND_ERROR_MAX, "unknown command '%.*s'; there are", shown(name), name);

	for (size_t i = 0; command_rows[i].name && used < COMMAND_ERROR_MAX; i++)
		used += (size_t)snprintf(request->error + used, COMMAND_ERROR_MAX - used, "%s %s", i ? "," : "", command_rows[i].name);
}

/* It may have a zero byte in it. */
static const struct command_row *find_row(struct json_object *command)
{
	const char *word = json_object_get_string(command);

	for (size_t i = 0; command_rows[i].name && strlen(word) == (size_t)json_object_get_string_len(command); i++)
		if (!strcmp(command_rows[i].name, word))
			return &command_rows[i];
	return NULL;
}

static bool is_member(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(member_rows); i++)
		if (!strcmp(member_rows[i].name, name))
			return true;
	return false;
}

/* It may have a zero byte in it. */
static bool is_name(struct json_object *value)
{
	const char *word = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";

	return runtime_is_name(word) && strlen(word) == (size_t)json_object_get_string_len(value);
}

static bool take_flag(struct request *request, struct json_object *object, const char *name)
{
	struct json_object *flag = NULL;

	if (!json_object_object_get_ex(object, name, &flag))
		return false;
	if (!json_object_is_type(flag, json_type_boolean))
		command_fail(request, "\"%s\" must be true or false", name);
	return json_object_get_boolean(flag);
}

/* It may have a zero byte in it. Return: "" if there is none. */
static const char *take_text(struct request *request, struct json_object *object, const char *name)
{
	struct json_object *text = NULL;

	if (!json_object_object_get_ex(object, name, &text))
		return "";
	if (json_object_is_type(text, json_type_string) && strlen(json_object_get_string(text)) == (size_t)json_object_get_string_len(text))
		return json_object_get_string(text);
	command_fail(request, "\"%s\" must be a string", name);
	return "";
}

static unsigned int take_count(struct request *request, struct json_object *object, const char *name, unsigned int most)
{
	struct json_object *count = NULL;

	if (!json_object_object_get_ex(object, name, &count))
		return 0;
	if (!json_object_is_type(count, json_type_int) || json_object_get_int64(count) < 0 || json_object_get_int64(count) > most) {
		command_fail(request, "\"%s\" must be a number from 0 to %u", name, most);
		return 0;
	}
	return (unsigned int)json_object_get_int64(count);
}

/* The members that some commands have, and the others have not. */
static void take_members(struct request *request, const struct command_row *row, struct json_object *object)
{
	struct json_object *size = NULL, *name = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(member_rows); i++) {
		if (!(row->members & member_rows[i].member) && json_object_object_get_ex(object, member_rows[i].name, NULL)) {
			command_fail(request, "'%s' has no \"%s\"", row->name, member_rows[i].name);
			return;
		}
	}
	request->name = "";
	json_object_object_get_ex(object, "size", &size);
	if (row->members & COMMAND_SIZE && (!json_object_is_type(size, json_type_int) || json_object_get_int64(size) < 0))
		command_fail(request, "'%s' needs \"size\", a number of bytes", row->name);
	else if (size)
		request->size = json_object_get_uint64(size);
	if (json_object_object_get_ex(object, "name", &name)) {
		if (!is_name(name))
			command_fail(request, "\"name\" must be 1 to %d letters, digits, '-', '_' or '.', the first no '-' or '.'", RUNTIME_NAME_MAX);
		else
			request->name = json_object_get_string(name);
	}
	request->is_paused = take_flag(request, object, "paused");
	request->to_mark = take_flag(request, object, "to_mark");
	request->is_same = take_flag(request, object, "same");
	request->is_tracked = take_flag(request, object, "track");
	request->base = take_text(request, object, "base");
	request->base_name = take_text(request, object, "base_name");
	request->has_report = take_flag(request, object, "report");
	request->net_count = take_count(request, object, "nets", CONTROL_NETS);
}

/* May it be done now? */
static void check_time(struct request *request, const struct command_row *row)
{
	const struct control *control = request->control;
	enum migrate_state state = control->migration ? control->migration->state : MIGRATE_IDLE;

	if (row->members & (COMMAND_ALONE | COMMAND_STAYS) && state == MIGRATE_UNSURE)
		command_fail(request, "whose the machine is has to be told first: keel ctl NAME migrate --take-back, or quit");
	else if (row->members & COMMAND_ALONE && migrate_is_under_way(state))
		command_fail(request, "the machine is on its way to another launcher: keel ctl NAME migrate --cancel, or wait");
	else if (row->members & COMMAND_STAYS && atomic_load(&control->vm->holds) & VM_HOLD_MIGRATE)
		command_fail(request, "the machine is about to be another launcher's: ask that one");
}

static void run(struct request *request, struct json_object *object)
{
	struct json_object *command = NULL;

	json_object_object_foreach(object, name, value) {
		if (!strcmp(name, "command"))
			command = value;
		else if (is_member(name))
			continue;
		else if (strcmp(name, "id"))
			command_fail(request, "unknown member '%.*s'; a request has \"command\", and \"id\" if you like", shown(name), name);
		else if (!is_finite(value))
			command_fail(request, "in \"id\" is a number that JSON has not, or a larger one than are kept");
		else
			json_object_object_add(request->answer, "id", json_object_get(value));
	}
	if (*request->error)
		return;
	if (!json_object_is_type(command, json_type_string)) {
		command_fail(request, "no \"command\" that is a string");
		return;
	}
	const struct command_row *row = find_row(command);

	if (!row) {
		list_commands(request, json_object_get_string(command));
		return;
	}
	take_members(request, row, object);
	if (!*request->error)
		check_time(request, row);
	if (!*request->error)
		row->run(request);
}

/* What went wrong may have a file's name in it, of any bytes, and may have been cut: in JSON is UTF-8 alone. */
static void make_utf8(char *text)
{
	while (*text) {
		size_t length = utf8_character(text);

		if (!length)
			*text = '?';
		text += length ? length : 1;
	}
}

/* Return: the line; releases @answer. */
static char *write_line(struct json_object *answer, size_t *size)
{
	size_t length = 0;
	const char *text = json_object_to_json_string_length(answer, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &length);
	char *line = text ? malloc(length + 2) : NULL;

	if (line) {
		memcpy(line, text, length);
		line[length] = 0;
		make_utf8(line);
		line[length] = '\n';
		*size = length + 1;
	}
	json_object_put(answer);
	return line;
}

char *command_refuse(const char *error, size_t *size)
{
	struct json_object *answer = json_object_new_object();

	if (!answer)
		return NULL;
	json_object_object_add(answer, "ok", json_object_new_boolean(false));
	json_object_object_add(answer, "error", json_object_new_string(error));
	return write_line(answer, size);
}

void command_drop_files(struct control_client *client)
{
	while (client->file_count)
		close(client->files[--client->file_count]);
}

char *command_do(struct control *control, struct control_client *client, size_t length, size_t *size)
{
	struct request request = { .control = control, .client = client, .answer = json_object_new_object() };
	struct json_object *object;

	if (!request.answer)
		return NULL;
	json_object_object_add(request.answer, "ok", json_object_new_boolean(true));
	object = parse(&request, client->line, length);
	if (object)
		run(&request, object);
	json_object_put(object);
	/* They were for this request, wanted or not. */
	command_drop_files(client);
	if (*request.error) {
		json_object_object_add(request.answer, "ok", json_object_new_boolean(false));
		json_object_object_add(request.answer, "error", json_object_new_string(request.error));
	}
	return write_line(request.answer, size);
}

void command_warm_up(void)
{
	struct json_object *object = json_tokener_parse("{\"id\": 1.5}");	/* its hash wants a random number */

	json_object_put(object);
}
