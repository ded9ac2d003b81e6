// SPDX-License-Identifier: GPL-2.0-only
/*
 * One request to a control socket, and its answer, within a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl_ask.h"
#include "passed_files.h"
#include "put_off.h"
#include "thread.h"

#define NAP_MS	50	/* between two tries to connect */

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
	int ready = put_off_poll(&wait, 1, until);

	if (ready > 0)
		return recv(fd, to, room, MSG_DONTWAIT);
	if (!ready)
		errno = EAGAIN;
	return -1;
}

/* Whoever listens may have stopped taking clients. Return: a descriptor that blocks for no longer, or -1 with errno. */
static int connect_until(const char *path, int seconds)
{
	const struct timespec until = thread_time_in((unsigned int)seconds * 1000);
	const struct timeval patience = { .tv_sec = seconds };
	int fd;

	while ((fd = control_connect(path, 0)) < 0 && errno == EAGAIN && !thread_is_past(&until)) {
		const struct timespec nap = thread_time_in(NAP_MS);

		if (put_off_poll(NULL, 0, &nap) < 0)
			return -1;
		errno = EAGAIN;
	}
	if (fd >= 0) {
		fcntl(fd, F_SETFL, 0);
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	}
	return fd;
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

/* The first byte of a request takes files along. */
static bool send_files(int fd, const struct ctl_words *words, char first)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(CONTROL_FILES * sizeof(int))];
	} control = { .room = "" };
	struct iovec text = { &first, 1 };
	struct msghdr message = { .msg_iov = &text, .msg_iovlen = 1 };

	passed_files_put(&message, &control, words->files, words->file_count);
	return sendmsg(fd, &message, MSG_NOSIGNAL) == 1;
}

struct json_object *ctl_ask(const char *path, const struct ctl_words *words, int seconds)
{
	struct json_object *request = json_object_new_object(), *answer = NULL, *unused;
	char text[CONTROL_LINE_MAX];
	int fd = connect_until(path, seconds);
	char *line = NULL;

	json_object_object_add(request, "command", json_object_new_string(words->command));
	if (words->has_size)
		json_object_object_add(request, "size", json_object_new_uint64(words->size));
	if (words->name)
		json_object_object_add(request, "name", json_object_new_string(words->name));
	if (words->is_paused)
		json_object_object_add(request, "paused", json_object_new_boolean(true));
	if (words->has_report)
		json_object_object_add(request, "report", json_object_new_boolean(true));
	if (words->net_count)
		json_object_object_add(request, "nets", json_object_new_int((int)words->net_count));
	if (words->to_mark)
		json_object_object_add(request, "to_mark", json_object_new_boolean(true));
	if (words->is_tracked)
		json_object_object_add(request, "track", json_object_new_boolean(true));
	if (words->base) {
		json_object_object_add(request, "base", json_object_new_string(words->base));
		json_object_object_add(request, "base_name", json_object_new_string(words->base_name));
	}
	if (words->is_same)
		json_object_object_add(request, "same", json_object_new_boolean(true));
	if (fd >= 0) {
		/* A word that is too long is cut, and no command then either. */
		snprintf(text, sizeof(text), "%.4000s\n", json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN));

		size_t sent = words->file_count && send_files(fd, words, text[0]);

		for (unsigned int i = 0; words->gives_files && i < words->file_count; i++)
			close(words->files[i]);
		if ((!words->file_count || sent) && send_all(fd, text + sent, strlen(text) - sent))
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
