// SPDX-License-Identifier: GPL-2.0-only
/*
 * One request, one answer. A machine that does not answer in time is told as
 * such; what it answers is looked at as something that a stranger said.
 */
#include <dirent.h>
#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control.h"
#include "ctl.h"
#include "options.h"
#include "runtime.h"
#include "status.h"
#include "thread.h"
#include "whole.h"

#define ANSWER_S	15	/* for a pause under load */
#define LIST_S		2
#define SAVE_S		3600
#define LISTED_MAX	1024
#define ERROR_MAX	1024	/* bytes of a machine's words that are shown */

static bool send_all(int fd, const char *text, size_t count)
{
	while (count) {
		ssize_t done = send(fd, text, count, MSG_NOSIGNAL);

		if (done < 0)
			return false;
		text += done;
		count -= (size_t)done;
	}
	return true;
}

/* Waits until @until, whatever has come by then. Return: as recv(). */
static ssize_t receive(int fd, char *to, size_t room, const struct timespec *until)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	long long left = (until->tv_sec - now.tv_sec) * 1000LL + (until->tv_nsec - now.tv_nsec) / 1000000;
	int ready = poll(&wait, 1, left > 0 ? (int)left : 0);

	if (ready > 0)
		return recv(fd, to, room, MSG_DONTWAIT);
	if (!ready)
		errno = EAGAIN;
	return -1;
}

/* Return: a line, newline and all, to be freed; NULL with errno. */
static char *receive_line(int fd, unsigned int seconds)
{
	const struct timespec until = thread_time_in(seconds * 1000);
	size_t size = 0, used = 0;
	char *line = NULL;

	while (used <= CONTROL_ANSWER_MAX) {
		if (size - used < 2) {
			char *more = realloc(line, size = 2 * size + 4096);

			if (!more)
				break;
			line = more;
		}
		ssize_t got = receive(fd, line + used, size - used - 1, &until);

		if (got <= 0) {
			errno = got ? errno : ECONNRESET;
			break;
		}
		used += (size_t)got;
		line[used] = 0;
		if (line[used - 1] == '\n')
			return line;
	}
	if (used > CONTROL_ANSWER_MAX)
		errno = EMSGSIZE;
	int error = errno;

	free(line);
	errno = error;
	return NULL;
}

/* The first byte of a request takes a file along. */
static bool send_file(int fd, int file, char first)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .head = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct iovec text = { &first, 1 };
	struct msghdr message = {
		.msg_iov = &text, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control),
	};

	memcpy(CMSG_DATA(&control.head), &file, sizeof(file));
	return sendmsg(fd, &message, MSG_NOSIGNAL) == 1;
}

/* What is asked. */
struct words {
	const char *command;
	bool has_size;
	uint64_t size;
};

/*
 * @file: what the command is about; -1 for none.
 * Return: what the machine at @path answers to @words, an object with a member "ok"; NULL with errno.
 */
static struct json_object *ask(const char *path, const struct words *words, int file, int seconds)
{
	struct json_object *request = json_object_new_object(), *answer = NULL, *unused;
	char text[CONTROL_LINE_MAX];
	int fd = control_connect(path, seconds);
	char *line = NULL;

	json_object_object_add(request, "command", json_object_new_string(words->command));
	if (words->has_size)
		json_object_object_add(request, "size", json_object_new_uint64(words->size));
	if (fd >= 0) {
		/* A word that is too long is cut, and no command then either. */
		snprintf(text, sizeof(text), "%.4000s\n", json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN));

		size_t sent = file >= 0 && send_file(fd, file, text[0]);

		if ((file < 0 || sent) && send_all(fd, text + sent, strlen(text) - sent))
			line = receive_line(fd, (unsigned int)seconds);
		int error = errno;

		close(fd);
		errno = error;
	}
	if (line) {
		answer = json_tokener_parse(line);
		if (!json_object_object_get_ex(answer, "ok", &unused)) {
			json_object_put(answer);
			answer = NULL;
			errno = EPROTO;
		}
	}
	int error = errno;

	free(line);
	json_object_put(request);
	errno = error;
	return answer;
}

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

	saving->answer = ask(saving->path, &(struct words){ .command = saving->options->request }, fd, SAVE_S);
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

	const struct words words = { options->request, !strcmp(options->request, "balloon"), options->size };
	struct json_object *answer = ask(path, &words, -1, ANSWER_S);

	if (!answer)
		return tell_nobody(options->target, errno);

	int status = tell_answer(options, answer);

	json_object_put(answer);
	return status;
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
	struct json_object *answer = ask(path, &(struct words){ .command = "status" }, -1, LIST_S);

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
