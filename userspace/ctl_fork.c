// SPDX-License-Identifier: GPL-2.0-only
/*
 * Another machine out of one that runs. The machine can open nothing, so all that the child needs goes along with the request: what its
 * serial port prints to, a socket to listen at, where it tells how it has ended, and its networks.
 *
 * All of that is gone again if there is no child, also if a signal ends this process before it knows. A machine that has not answered makes
 * none any more once its client is gone (fork.c); whether it had made one before shows in the socket, at which a child alone still listens.
 *
 * Who waits for a child has the other end of a pipe, which the child alone holds: it ends when the child does, however that is.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "ctl_ask.h"
#include "ctl_fork.h"
#include "ctl_save.h"
#include "ctl_tell.h"
#include "disk_lock.h"
#include "net_user.h"
#include "options.h"
#include "put_off.h"
#include "runtime.h"
#include "socket_file.h"
#include "status.h"
#include "whole.h"

#define SETTLE_TRIES	40	/* looks whether a child has come of a request without an answer, */
#define SETTLE_MS	50	/* so long from one to the next */
#define REPORT_MAX	CONTROL_ANSWER_MAX	/* bytes of what a machine says at its end */

/* A request on its way. */
struct forking_words {
	struct ctl_words words;
	const char *socket;		/* the child's; NULL: none */
	char room[PATH_MAX];
	bool has_socket;		/* it is there, and was not before; as are these: */
	const char *made[2];
	unsigned int made_count;
	int end;			/* of the pipe that is read; -1: nobody waits */
};

/* A file that is there or not yet. Return: a descriptor, or -1 with errno. */
static int open_or_make(struct forking_words *forking, const char *path, int flags)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | flags, 0666);

	if (fd >= 0)
		forking->made[forking->made_count++] = path;
	else if (errno == EEXIST)
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | flags, 0666);
	return fd;
}

/*
 * What a serial port prints to: a terminal is read as well, a file is appended to. Nobody is waited for.
 * Return: a descriptor, or -1 after a line on stderr.
 */
static int open_serial(struct forking_words *forking, const char *path)
{
	int fd = path ? open_or_make(forking, path, O_APPEND) : open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && isatty(fd)) {
		close(fd);
		fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	}
	if (fd < 0)
		status_fail(STATUS_USAGE, "--serial %s: %s", path ? path : "/dev/null", strerror(errno));
	return fd;
}

static int add_file(struct ctl_words *words, int fd)
{
	words->files[words->file_count++] = fd;
	return fd < 0 ? STATUS_USAGE : 0;
}

static int add_socket(struct forking_words *forking, const struct options *options)
{
	int status = options->name ? runtime_make_socket(options->name, forking->room) : 0;

	forking->socket = options->name ? forking->room : options->control;
	if (status || !forking->socket)
		return status;
	status = add_file(&forking->words, control_open(forking->socket));
	forking->has_socket = !status;
	return status;
}

/* What is there from before is of no child of now. */
static int open_report(struct forking_words *forking, const char *path)
{
	if (disk_is_used(path)) {
		status_fail(STATUS_USAGE, "--status-json %s: is a disk of a machine, which would be lost", path);
		return -1;
	}
	int fd = open_or_make(forking, path, O_TRUNC | O_APPEND);

	if (fd < 0)
		status_fail(STATUS_USAGE, "--status-json %s: cannot write there: %s", path, strerror(errno));
	return fd;
}

/* Where the child tells of its end: who waits writes the file himself. */
static int add_report(struct forking_words *forking, const struct options *options)
{
	int ends[2];

	forking->words.has_report = options->waits || options->status_json;
	if (!forking->words.has_report)
		return 0;
	if (!options->waits)
		return add_file(&forking->words, open_report(forking, options->status_json));
	if (pipe2(ends, O_CLOEXEC))
		return status_fail(STATUS_HOST, "no pipe to wait with: %s", strerror(errno));
	forking->end = ends[0];
	return add_file(&forking->words, ends[1]);
}

/* A passt for each network, which this process starts, and which ends with the child. */
static int add_nets(struct forking_words *forking, const struct options *options)
{
	int status = 0, fd;

	for (unsigned int i = 0; !status && !put_off_is_due() && i < options->net_count; i++) {
		status = net_user_start(&options->nets[i], &fd);
		if (!status)
			status = add_file(&forking->words, fd);
	}
	forking->words.net_count = options->net_count;
	return status;
}

static void close_files(struct ctl_words *words)
{
	for (; words->file_count; words->file_count--)
		if (words->files[words->file_count - 1] >= 0)
			close(words->files[words->file_count - 1]);
}

/* ---- its end ---- */

/* All that comes, to the end. Return: a text, to be freed; NULL if it is none, or too much. */
static char *read_end(int fd)
{
	size_t used = 0, size = 0;
	char *text = NULL;

	for (;;) {
		if (size - used < 2) {
			char *more = size < REPORT_MAX ? realloc(text, size = 2 * size + 4096) : NULL;

			if (!more)
				break;
			text = more;
		}
		ssize_t got = read(fd, text + used, size - used - 1);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			text[used] = 0;
			return text;
		}
		used += (size_t)got;
	}
	free(text);
	return NULL;
}

static bool fill(void *argument, int fd, struct state_error *error)
{
	const char *line = argument;
	size_t done = 0, size = strlen(line);

	while (done < size) {
		ssize_t count = write(fd, line + done, size - done);

		if (count < 0 && errno != EINTR)
			return state_refuse(error, "%s", strerror(errno));
		done += count > 0 ? (size_t)count : 0;
	}
	return true;
}

static int keep_report(const char *path, char *line)
{
	struct state_error error = { "" };

	if (!path || whole_write(path, fill, line, &error))
		return 0;
	return status_fail(STATUS_HOST, "--status-json %s: %s", path, error.text);
}

/* Wait for what the child says last, print it, keep it. Return: its status. */
static int wait_for(const struct options *options, int end, int pid)
{
	char *line = read_end(end);
	struct json_object *report = line ? json_tokener_parse(line) : NULL, *value = NULL;
	int status;

	if (json_object_object_get_ex(report, "status", &value) && json_object_is_type(value, json_type_int)) {
		status = json_object_get_int(value);
		ctl_print(report, options->json);
		if (keep_report(options->status_json, line))
			status = status ? status : STATUS_HOST;
	} else {
		status = status_fail(STATUS_HOST, "fork: process %d has ended and not said why: it was killed, or crashed", pid);
	}
	json_object_put(report);
	free(line);
	return status;
}

/* ---- all of it ---- */

static int prepare(struct forking_words *forking, const struct options *options)
{
	int status = add_file(&forking->words, open_serial(forking, options->serial));

	if (!status)
		status = add_socket(forking, options);
	if (!status)
		status = add_report(forking, options);
	return status ? status : add_nets(forking, options);
}

/* A machine that has not answered may still have a part of a child. Return: false if somebody stays who listens. */
static bool becomes_free(const char *socket)
{
	for (unsigned int i = 0; i < SETTLE_TRIES && !socket_file_is_left(socket); i++) {
		if (errno != EADDRINUSE)
			return true;
		usleep(SETTLE_MS * 1000);
	}
	return socket_file_is_left(socket);
}

/* There is no child. @may_be_one: unless the socket tells otherwise. */
static void take_back(struct forking_words *forking, bool may_be_one)
{
	close_files(&forking->words);
	if (may_be_one && forking->has_socket && !becomes_free(forking->socket)) {
		status_warn("fork: a machine listens at %s, though the one that was asked has not answered", forking->socket);
		return;
	}
	if (forking->has_socket)
		unlink(forking->socket);
	while (forking->made_count)
		unlink(forking->made[--forking->made_count]);
}

/* Return: 0 if there is a child, whose number is @pid. */
static int ask(struct forking_words *forking, const struct options *options, const char *path, int *pid)
{
	struct json_object *answer = ctl_ask(path, &forking->words, CTL_SAVE_S);
	int error = errno;

	if (!json_object_get_boolean(json_object_object_get(answer, "ok")))
		take_back(forking, !answer);
	*pid = json_object_get_int(json_object_object_get(answer, "pid"));
	if (!answer && put_off_is_due())
		return STATUS_HOST;	/* which ends it */
	errno = error;
	return ctl_tell(options, answer);
}

int ctl_fork(const struct options *options, const char *path)
{
	struct forking_words forking = {
		.words = { .command = "fork", .name = options->name, .is_paused = options->is_paused }, .end = -1,
	};
	int status, pid = 0;

	put_off_end();
	status = prepare(&forking, options);
	if (status || put_off_is_due())
		take_back(&forking, false);
	else
		status = ask(&forking, options, path, &pid);
	close_files(&forking.words);
	/* Who has a child is told, whatever comes now. */
	fflush(stdout);
	put_off_no_longer();
	if (!status && forking.end >= 0) {
		status = wait_for(options, forking.end, pid);
	}
	if (forking.end >= 0)
		close(forking.end);
	return status;
}
