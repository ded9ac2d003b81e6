// SPDX-License-Identifier: GPL-2.0-only
/*
 * One request, one answer. A machine that does not answer in time is told as
 * such; what it answers is looked at as something that a stranger said.
 */
#include <dirent.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "ctl.h"
#include "ctl_ask.h"
#include "ctl_fork.h"
#include "ctl_options.h"
#include "ctl_save.h"
#include "ctl_tell.h"
#include "options.h"
#include "runtime.h"
#include "status.h"

#define LIST_S		2
#define LISTED_MAX	1024
#define CELL_MAX	32	/* bytes of a machine's words in the table, and a zero */

/* A path has a slash; else it is a machine's name, if there is such a machine. */
static const char *find_socket(const char *target, char path[PATH_MAX])
{
	if (!strchr(target, '/') && runtime_is_name(target) && runtime_socket(target, path) && !access(path, F_OK))
		return path;
	return target;
}

int ctl_run(const struct options *options)
{
	char room[PATH_MAX];
	const char *path = find_socket(options->target, room);

	if (!strcmp(options->request, "migrate"))
		return ctl_migrate(options, path);
	if (options->file_count)
		return ctl_save(options, path);

	const struct ctl_words words = {
		.command = options->request, .has_size = ctl_options_has_size(options), .size = options->size, .to_mark = options->to_mark, .is_same = options->is_same,
	};

	if (!strcmp(options->request, "fork"))
		return ctl_fork(options, path);
	/* To a mark and back: the machine waits for all of its memory, and copies it. */
	bool is_long = options->to_mark || !strcmp(options->request, "mark");

	return ctl_tell(options, ctl_ask(path, &words, is_long ? CTL_SAVE_S : CTL_ANSWER_S));
}

/* ---- keel list ---- */

static const char *text_of(struct json_object *answer, const char *name)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(answer, name, &value);
	return value ? json_object_get_string(value) : "-";
}

static void print_row(const char *name, struct json_object *answer)
{
	static const char *const members[] = { "state", "pid", "cpus", "uptime" };
	char cells[ARRAY_SIZE(members)][CELL_MAX];
	struct json_object *memory = NULL;

	if (!answer) {
		printf("%-20s no answer\n", name);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		ctl_plain(cells[i], CELL_MAX, text_of(answer, members[i]));
	json_object_object_get_ex(answer, "memory", &memory);
	printf("%-20s %-9s %8s %4s %7lluM %8s s\n", name, cells[0], cells[1], cells[2],
	       (unsigned long long)json_object_get_uint64(memory) >> 20, cells[3]);
}

/* Adds the machine of socket @file to @list, if somebody is there. */
static void look_at(const char *directory, const char *file, struct json_object *list)
{
	char path[PATH_MAX + 256], name[RUNTIME_NAME_MAX + 1];
	size_t length = strlen(file);

	if (length <= strlen(RUNTIME_SUFFIX) || strcmp(file + length - strlen(RUNTIME_SUFFIX), RUNTIME_SUFFIX))
		return;
	length -= strlen(RUNTIME_SUFFIX);
	if (length > RUNTIME_NAME_MAX)
		return;
	memcpy(name, file, length);
	name[length] = 0;
	if (!runtime_is_name(name))
		return;
	snprintf(path, sizeof(path), "%s/%s", directory, file);
	struct json_object *answer = ctl_ask(path, &(struct ctl_words){ .command = "status" }, LIST_S);

	/* A socket that was left behind is nobody's. */
	if (!answer && (errno == ECONNREFUSED || errno == ENOENT))
		return;
	struct json_object *machine = json_object_new_object();

	json_object_object_add(machine, "name", json_object_new_string(name));
	json_object_object_add(machine, "socket", json_object_new_string(path));
	json_object_object_add(machine, "status", answer);
	json_object_array_add(list, machine);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(text_of(*(struct json_object **)a, "name"), text_of(*(struct json_object **)b, "name"));
}

static void print_list(struct json_object *list, bool json)
{
	size_t count = json_object_array_length(list);

	json_object_array_sort(list, by_name);
	if (json) {
		puts(json_object_to_json_string_ext(list, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
		return;
	}
	if (count)
		printf("%-20s %-9s %8s %4s %8s %8s\n", "NAME", "STATE", "PID", "CPUS", "MEMORY", "UPTIME");
	for (size_t i = 0; i < count; i++) {
		struct json_object *machine = json_object_array_get_idx(list, i);

		print_row(text_of(machine, "name"), json_object_object_get(machine, "status"));
	}
}

int ctl_list(const struct options *options)
{
	char directory[PATH_MAX];
	DIR *entries = runtime_directory(directory) ? opendir(directory) : NULL;
	struct json_object *list = json_object_new_array();
	struct dirent *entry;

	if (!entries && errno != ENOENT) {
		json_object_put(list);
		return status_fail(STATUS_HOST, "%s: %s", directory, strerror(errno));
	}
	while (entries && json_object_array_length(list) < LISTED_MAX && (entry = readdir(entries)))
		look_at(directory, entry->d_name, list);
	if (entries)
		closedir(entries);
	print_list(list, options->json);
	json_object_put(list);
	return STATUS_OK;
}
