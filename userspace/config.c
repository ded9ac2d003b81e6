// SPDX-License-Identifier: GPL-2.0-only
/*
 * json-c reads the file; where each name stands in it, which the library does
 * not tell, is found by a walk over text that it has found to be right.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "option_row.h"
#include "options.h"
#include "status.h"

#define FILE_MAX	65536	/* bytes */
#define DEPTH_MAX	4
#define NAME_MAX_BYTES	64

/* ---- the file ---- */

/* Its text and where a walk over it stands. */
struct walk {
	const char *path;
	char *text;
	const char *at;
	unsigned int line;
};

static int read_file(const char *path, char **text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	size_t used = 0;
	ssize_t got = 0;

	*text = fd < 0 ? NULL : malloc(FILE_MAX + 2);
	while (*text && used <= FILE_MAX && (got = read(fd, *text + used, FILE_MAX + 1 - used)) > 0)
		used += (size_t)got;

	int error = fd < 0 || got < 0 || !*text ? errno : 0;

	if (fd >= 0)
		close(fd);
	if (error)
		return status_fail(STATUS_USAGE, "--config %s: cannot read it: %s", path, strerror(error));
	(*text)[used] = 0;
	if (used > FILE_MAX)
		return status_fail(STATUS_USAGE, "--config %s: more than %d bytes", path, FILE_MAX);
	if (strlen(*text) != used)
		return status_fail(STATUS_USAGE, "--config %s: a zero byte in it", path);
	return 0;
}

static unsigned int line_of(const char *text, size_t offset)
{
	unsigned int line = 1;

	for (size_t i = 0; i < offset && text[i]; i++)
		line += text[i] == '\n';
	return line;
}

/* Return: the file's one object, NULL after a line. */
static struct json_object *parse(const char *path, const char *text)
{
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
	struct json_object *object;
	size_t length = strlen(text);

	if (!tokener) {
		status_fail(STATUS_USAGE, "--config %s: out of memory", path);
		return NULL;
	}
	while (length && strchr(" \t\r\n", text[length - 1]))
		length--;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	object = json_tokener_parse_ex(tokener, text, (int)length);

	enum json_tokener_error error = json_tokener_get_error(tokener);
	unsigned int line = line_of(text, json_tokener_get_parse_end(tokener));

	json_tokener_free(tokener);
	if (error == json_tokener_success && json_object_is_type(object, json_type_object))
		return object;
	json_object_put(object);
	if (error == json_tokener_success)
		status_fail(STATUS_USAGE, "--config %s: not one object, as {\"cpus\": 2, \"memory\": \"1G\"}", path);
	else
		status_fail(STATUS_USAGE, "--config %s line %u: not JSON: %s", path, line,
			    error == json_tokener_continue ? "it ends too early" : json_tokener_error_desc(error));
	return NULL;
}

/* ---- its options ---- */

static int set_text(struct options *options, const struct option_row *row, struct json_object *value)
{
	if (!json_object_is_type(value, json_type_string) && !json_object_is_type(value, json_type_int))
		return status_fail(STATUS_USAGE, "--%s: its value must be a string or a whole number", row->name);

	const char *text = json_object_get_string(value);

	if (json_object_is_type(value, json_type_string) && strlen(text) != (size_t)json_object_get_string_len(value))
		return status_fail(STATUS_USAGE, "--%s: a zero byte in it", row->name);
	return row->set(options, text);
}

static int set_option(struct options *options, const struct option_row *row, struct json_object *value)
{
	int ret = 0;

	if (!row->has_value) {
		if (!json_object_is_type(value, json_type_boolean))
			return status_fail(STATUS_USAGE, "--%s: its value must be true or false", row->name);
		return json_object_get_boolean(value) ? row->set(options, NULL) : 0;
	}
	if (!row->is_repeatable || !json_object_is_type(value, json_type_array))
		return set_text(options, row, value);
	for (size_t i = 0; !ret && i < json_object_array_length(value); i++)
		ret = set_text(options, row, json_object_array_get_idx(value, i));
	return ret;
}

/* The next name of the outermost object, in text that is right. Return: false at the end. */
static bool next_name(struct walk *walk, char name[NAME_MAX_BYTES + 1])
{
	unsigned int depth = *walk->at == '{' ? 0 : 1;
	bool is_value = walk->at[0] == ':';

	for (; *walk->at; walk->at++) {
		char c = *walk->at;

		if (c == '\n')
			walk->line++;
		else if (c == '{' || c == '[')
			depth++;
		else if ((c == '}' || c == ']') && !--depth)
			return false;
		else if (c == ',' && depth == 1)
			is_value = false;
		if (c != '"')
			continue;

		const char *start = ++walk->at;

		while (*walk->at && *walk->at != '"')
			walk->at += *walk->at == '\\' && walk->at[1] ? 2 : 1;
		if (depth == 1 && !is_value) {
			size_t length = (size_t)(walk->at - start);

			snprintf(name, NAME_MAX_BYTES + 1, "%.*s", (int)(length > NAME_MAX_BYTES ? NAME_MAX_BYTES : length), start);
			/* to the colon, so that the next call begins with a value */
			while (*walk->at && *walk->at != ':') {
				walk->line += *walk->at == '\n';
				walk->at++;
			}
			return true;
		}
	}
	return false;
}

static int refuse_name(const struct walk *walk, const struct config *config, const char *name)
{
	const char *nearest = option_nearest(config->tables, config->commands, name);

	if (nearest)
		return status_fail(STATUS_USAGE, "--config %s line %u: unknown name '%s'; '%s' is like it", walk->path, walk->line,
				   name, nearest);
	return status_fail(STATUS_USAGE, "--config %s line %u: unknown name '%s'; 'keel run --help' lists the options", walk->path,
			   walk->line, name);
}

static int apply(struct options *options, struct json_object *object, struct walk *walk, const struct config *config)
{
	char name[NAME_MAX_BYTES + 1];
	uint64_t here = 0;

	while (next_name(walk, name)) {
		unsigned int i;
		const struct option_row *row = option_find(config->tables, config->commands, name, strlen(name), &i);
		struct json_object *value = NULL;

		if (!row || !strcmp(name, "config"))
			return refuse_name(walk, config, name);
		if (here & 1ULL << i)
			return status_fail(STATUS_USAGE, "--config %s line %u: '%s' a second time", walk->path, walk->line, name);
		here |= 1ULL << i;
		if (config->seen & 1ULL << i)
			continue;
		json_object_object_get_ex(object, name, &value);
		if (set_option(options, row, value))
			return status_fail(STATUS_USAGE, "that is line %u of --config %s", walk->line, walk->path);
	}
	return 0;
}

int config_apply(struct options *options, const char *path, const struct config *config)
{
	struct walk walk = { .path = path, .line = 1 };
	int ret = read_file(path, &walk.text);
	struct json_object *object = ret ? NULL : parse(path, walk.text);

	options->config_text = object;
	if (object) {
		walk.at = walk.text + strspn(walk.text, " \t\r\n");
		walk.line = line_of(walk.text, (size_t)(walk.at - walk.text));
		ret = apply(options, object, &walk, config);
	}
	free(walk.text);
	return object || ret ? ret : STATUS_USAGE;
}

void config_free(void *text)
{
	json_object_put(text);
}
