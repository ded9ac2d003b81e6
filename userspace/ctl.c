// SPDX-License-Identifier: GPL-2.0-only
/*
 * One request, one answer. A machine that does not answer in time is told as
 * such; what it answers is looked at as something that a stranger said.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "ctl.h"
#include "ctl_ask.h"
#include "options.h"
#include "runtime.h"
#include "status.h"
#include "whole.h"

#define ANSWER_S	15	/* for a pause under load */
#define LIST_S		2
#define SAVE_S		3600
#define FORK_S		60
#define LISTED_MAX	1024
#define ERROR_MAX	1024	/* bytes of a machine's words that are shown */

static int tell_nobody(const char *target, int error)
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
		return status_fail(STATUS_HOST, "%s: no answer within %d seconds; the machine may be stopped (SIGCONT)",
				   target, ANSWER_S);
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

static void print_text(const char *text)
{
	for (size_t i = 0; text[i]; i++)
		putchar(plain(i ? text[i - 1] : 0, text[i]));
}

/* Members a line each, objects and arrays of objects further in; numbers that are 0 are left out of statistics. */
static void print_members(struct json_object *object, unsigned int depth)
{
	json_object_object_foreach(object, name, value) {
		if (!depth && !strcmp(name, "ok"))
			continue;
		if (depth > 1 && json_object_is_type(value, json_type_int) && !json_object_get_int64(value))
			continue;
		if (json_object_is_type(value, json_type_object)) {
			printf("%*s", (int)(2 * depth), "");
			print_text(name);
			puts(":");
			print_members(value, depth + 1);
			continue;
		}
		size_t count = json_object_is_type(value, json_type_array) ? json_object_array_length(value) : 0;

		if (count && json_object_is_type(json_object_array_get_idx(value, 0), json_type_object)) {
			for (size_t i = 0; i < count; i++) {
				printf("%*s", (int)(2 * depth), "");
				print_text(name);
				printf(" %zu:\n", i);
				print_members(json_object_array_get_idx(value, i), depth + 1);
			}
			continue;
		}
		printf("%*s", (int)(2 * depth), "");
		print_text(name);
		printf(": ");
		print_text(value ? json_object_get_string(value) : "-");
		putchar('\n');
	}
}

/* A path has a slash; else it is a machine's name, if there is such a machine. */
static const char *find_socket(const char *target, char path[PATH_MAX])
{
	if (!strchr(target, '/') && runtime_is_name(target) && runtime_socket(target, path) && !access(path, F_OK))
		return path;
	return target;
}

static int tell_refusal(const char *request, const char *why)
{
	char text[ERROR_MAX];
	size_t used = 0;

	for (; why[used] && used < sizeof(text) - 1; used++)
		text[used] = plain(used ? why[used - 1] : 0, why[used]);
	text[used] = 0;
	return status_fail(STATUS_REFUSED, "%s: %s", request, text);
}

static int tell_answer(const struct options *options, struct json_object *answer)
{
	struct json_object *error = NULL;
	int status = STATUS_OK;

	if (options->json)
		puts(json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	if (!json_object_get_boolean(json_object_object_get(answer, "ok"))) {
		json_object_object_get_ex(answer, "error", &error);
		status = tell_refusal(options->request, error ? json_object_get_string(error) : "refused, without a reason");
	} else if (!options->json) {
		print_members(answer, 0);
	}
	return status;
}

/* Takes @answer; NULL with errno. */
static int tell(const struct options *options, struct json_object *answer)
{
	int status = answer ? tell_answer(options, answer) : tell_nobody(options->target, errno);

	json_object_put(answer);
	return status;
}

/* ---- keel ctl fork ---- */

/*
 * What a serial port prints to: a terminal is read as well, a file is appended to. Nobody is waited for.
 * Return: a descriptor, or -1 after a line on stderr.
 */
static int open_serial(const char *path)
{
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666) : open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && isatty(fd)) {
		close(fd);
		fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	}
	if (fd < 0)
		status_fail(STATUS_USAGE, "--serial %s: %s", path ? path : "/dev/null", strerror(errno));
	return fd;
}

/* The machine can open nothing, so all that the child needs goes along. */
static int ctl_fork(const struct options *options, const char *path)
{
	struct ctl_words words = {
		.command = "fork", .name = options->name, .is_paused = options->is_paused, .files = { open_serial(options->serial), -1 }, .file_count = 1,
	};
	const char *child = options->control;
	struct json_object *answer = NULL;
	int status = words.files[0] < 0 ? STATUS_USAGE : 0;
	char room[PATH_MAX];

	if (!status && options->name) {
		status = runtime_make_socket(options->name, room);
		child = room;
	}
	if (!status && child) {
		words.files[words.file_count++] = control_open(child);
		status = words.files[1] < 0 ? STATUS_USAGE : 0;
	}
	if (!status) {
		answer = ctl_ask(path, &words, FORK_S);
		/* Nobody listens there then. */
		if (child && !json_object_get_boolean(json_object_object_get(answer, "ok"))) {
			int error = errno;

			unlink(child);
			errno = error;
		}
		status = tell(options, answer);
	}
	for (unsigned int i = 0; i < words.file_count; i++)
		if (words.files[i] >= 0)
			close(words.files[i]);
	return status;
}

/* A request that a file goes with. */
struct saving {
	const struct options *options;
	const char *path;		/* of the socket */
	struct json_object *answer;
	int error;			/* without an answer */
};

static bool fill(void *argument, int fd, struct state_error *error)
{
	struct saving *saving = argument;

	saving->answer = ctl_ask(saving->path, &(struct ctl_words){ .command = saving->options->request, .files = { fd }, .file_count = 1 }, SAVE_S);
	saving->error = errno;
	if (json_object_get_boolean(json_object_object_get(saving->answer, "ok")))
		return true;
	return state_refuse(error, "the machine did not save itself");
}

/* The file is this process's, which may open it: the machine gets a descriptor. */
static int save(const struct options *options, const char *path)
{
	struct saving saving = { options, path, NULL, 0 };
	struct state_error error = { "" };
	bool is_saved = whole_write(options->files[0], fill, &saving, &error);
	bool is_refused = !json_object_get_boolean(json_object_object_get(saving.answer, "ok"));
	int status;

	if (saving.answer && (is_saved || is_refused))
		status = tell_answer(options, saving.answer);
	else if (saving.error && !saving.answer)
		status = tell_nobody(options->target, saving.error);
	else
		status = status_fail(STATUS_HOST, "save: %s", error.text);
	json_object_put(saving.answer);
	return status;
}

int ctl_run(const struct options *options)
{
	char room[PATH_MAX];
	const char *path = find_socket(options->target, room);

	if (options->file_count)
		return save(options, path);

	const struct ctl_words words = {
		.command = options->request, .has_size = !strcmp(options->request, "balloon"), .size = options->size, .to_mark = options->to_mark,
	};

	if (!strcmp(options->request, "fork"))
		return ctl_fork(options, path);
	return tell(options, ctl_ask(path, &words, strcmp(options->request, "mark") ? ANSWER_S : SAVE_S));
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
	struct json_object *memory = NULL;

	if (!answer) {
		printf("%-20s no answer\n", name);
		return;
	}
	json_object_object_get_ex(answer, "memory", &memory);
	printf("%-20s %-9s %8s %4s %7lluM %8s s\n", name, text_of(answer, "state"), text_of(answer, "pid"),
	       text_of(answer, "cpus"), (unsigned long long)json_object_get_uint64(memory) >> 20, text_of(answer, "uptime"));
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
