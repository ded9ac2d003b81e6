// SPDX-License-Identifier: GPL-2.0-only
/*
 * A machine's answer on standard output and standard error: what it says is what a stranger said.
 */
#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include "ctl_tell.h"
#include "options.h"
#include "status.h"

#define ERROR_MAX	1024	/* bytes of a machine's words that are shown */

int ctl_tell_nobody(const char *target, int error)
{
	switch (error) {
	case ENOENT:
	case ECONNREFUSED:
	case ENOTSOCK:
	case ENOTDIR:
		return status_fail(STATUS_NOBODY, "%s: no machine is there; 'keel list' shows those that have a name", target);
	case EACCES:
	case EPERM:
		return status_fail(STATUS_NOBODY, "%s: not yours: its owner alone may", target);
	case EAGAIN:
		return status_fail(STATUS_HOST, "%s: no answer in time; the machine may be stopped (SIGCONT)", target);
	case EPROTO:
		return status_fail(STATUS_HOST, "%s: whoever listens there is no machine of Keel's", target);
	default:
		return status_fail(STATUS_HOST, "%s: %s", target, strerror(error));
	}
}

/* What a terminal would take for an order is not shown to it. @before: the byte that stands before @c. */
static char plain(char before, char c)
{
	unsigned char byte = (unsigned char)c;
	bool is_c1 = before == '\xc2' && byte >= 0x80 && byte < 0xa0;	/* in UTF-8 */

	return byte < 0x20 || byte == 0x7f || is_c1 ? '?' : c;
}

void ctl_plain(char *to, size_t size, const char *text)
{
	size_t used = 0;

	for (; text[used] && used < size - 1; used++)
		to[used] = plain(used ? text[used - 1] : 0, text[used]);
	to[used] = 0;
}

static void print_text(const char *text)
{
	for (size_t i = 0; text[i]; i++)
		putchar(plain(i ? text[i - 1] : 0, text[i]));
}

static void print_members(struct json_object *object, unsigned int depth);

/* "NAME: VALUE", or "NAME 3: VALUE" of an array's; an object's members are further in. */
static void print_value(const char *name, const char *number, struct json_object *value, unsigned int depth)
{
	printf("%*s", (int)(2 * depth), "");
	print_text(name);
	printf("%s:", number);
	if (json_object_is_type(value, json_type_object)) {
		putchar('\n');
		print_members(value, depth + 1);
		return;
	}
	putchar(' ');
	print_text(value ? json_object_get_string(value) : "-");
	putchar('\n');
}

/* An array that begins with an object. What follows may be something else: a stranger has said it. */
static void print_array(const char *name, struct json_object *array, unsigned int depth)
{
	char number[32];

	for (size_t i = 0; i < json_object_array_length(array); i++) {
		snprintf(number, sizeof(number), " %zu", i);
		print_value(name, number, json_object_array_get_idx(array, i), depth);
	}
}

/* Members a line each, objects and arrays of objects further in; numbers that are 0 are left out of statistics. */
static void print_members(struct json_object *object, unsigned int depth)
{
	json_object_object_foreach(object, name, value) {
		if (!depth && !strcmp(name, "ok"))
			continue;
		if (depth > 1 && json_object_is_type(value, json_type_int) && !json_object_get_int64(value))
			continue;
		size_t count = json_object_is_type(value, json_type_array) ? json_object_array_length(value) : 0;

		if (count && json_object_is_type(json_object_array_get_idx(value, 0), json_type_object))
			print_array(name, value, depth);
		else
			print_value(name, "", value, depth);
	}
}

void ctl_print(struct json_object *object, bool is_json)
{
	if (is_json)
		puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		print_members(object, 0);
}

static int tell_refusal(const char *request, const char *why)
{
	char text[ERROR_MAX];

	ctl_plain(text, sizeof(text), why);
	return status_fail(STATUS_REFUSED, "%s: %s", request, text);
}

int ctl_tell_answer(const struct options *options, struct json_object *answer)
{
	struct json_object *error = NULL;
	int status = STATUS_OK;

	if (options->json)
		ctl_print(answer, true);
	if (!json_object_get_boolean(json_object_object_get(answer, "ok"))) {
		json_object_object_get_ex(answer, "error", &error);
		status = tell_refusal(options->request, error ? json_object_get_string(error) : "refused, without a reason");
	} else if (!options->json) {
		ctl_print(answer, false);
	}
	return status;
}

int ctl_tell(const struct options *options, struct json_object *answer)
{
	int status = answer ? ctl_tell_answer(options, answer) : ctl_tell_nobody(options->target, errno);

	json_object_put(answer);
	return status;
}
