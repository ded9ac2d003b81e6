// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control socket's thread.
 *
 * Each client has room for one line and one answer. While an answer is not
 * taken nothing more is read of that client, and once it has taken nothing for
 * CONTROL_PATIENCE_S seconds it is sent away: neither the machine nor another
 * client ever waits for it, and what it can make this process keep is bounded.
 * One exception: the last descriptor of a file that it passed is closed here,
 * asked for or not, by the kernel at the latest, and that of a TCP socket that
 * lingers takes as long as the client likes. Other clients wait then, and the
 * machine's end does as long as for any thread. Who can connect is its owner,
 * who may end it by a word.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "command.h"
#include "control.h"
#include "passed_files.h"
#include "sandbox.h"
#include "thread.h"
#include "vm.h"

#define TICK_MS	1000	/* between two looks at clients that take nothing */

static void drop(struct control_client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	command_drop_files(client);
	free(client->answer);
	*client = (struct control_client){ .fd = -1 };
}

/* As much of the answer as the client takes now. */
static void send_answer(struct control_client *client)
{
	ssize_t done = write(client->fd, client->answer + client->sent, client->size - client->sent);

	if (done < 0 && errno != EAGAIN && errno != EINTR) {
		drop(client);
		return;
	}
	if (done > 0) {
		client->sent += (size_t)done;
		clock_gettime(CLOCK_MONOTONIC, &client->moved);
	}
	if (client->sent == client->size) {
		free(client->answer);
		client->answer = NULL;
	}
}

/* @text: allocated; NULL if there was no memory, and whom nothing can be told is sent away. */
static void answer(struct control_client *client, char *text, size_t size)
{
	if (text && size > CONTROL_ANSWER_MAX) {
		free(text);
		text = command_refuse("the answer is too long", &size);
	}
	if (!text) {
		drop(client);
		return;
	}
	client->answer = text;
	client->size = size;
	client->sent = 0;
	clock_gettime(CLOCK_MONOTONIC, &client->moved);
	send_answer(client);
}

/* Take the first @count bytes out of what was received. */
static void consume(struct control_client *client, size_t count)
{
	client->used -= count;
	memmove(client->line, client->line + count, client->used);
}

/* Has a line come whole, or all that there is room for, and is the answer before it taken? */
static bool has_line(const struct control_client *client)
{
	return client->fd >= 0 && !client->answer && !client->is_busy &&
	       (client->used == CONTROL_LINE_MAX || memchr(client->line, '\n', client->used));
}

/* Answer one line: then it is another client's turn. */
static void serve(struct control *control, struct control_client *client)
{
	char *end = memchr(client->line, '\n', client->used);
	size_t count = end ? (size_t)(end - client->line) + 1 : client->used;
	size_t size = 0;
	char *text;

	if (client->is_skipping) {
		client->is_skipping = !end;
	} else if (!end) {
		client->is_skipping = true;
		text = command_refuse("a request of more than 4095 bytes", &size);
		answer(client, text, size);
	} else if (count > 1) {
		text = command_do(control, client, count - 1, &size);
		answer(client, text, size);
	}
	if (client->fd >= 0)
		consume(client, count);
}

/* Keep the files that were passed last, as many as a request may have, and close all others. */
static void take_file(void *argument, int file)
{
	struct control_client *client = argument;

	if (client->file_count == CONTROL_FILES)
		command_drop_files(client);
	client->files[client->file_count++] = file;
}

static void receive(struct control_client *client)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(CONTROL_FILES * sizeof(int))];
	} control;
	struct iovec text = { client->line + client->used, CONTROL_LINE_MAX - client->used };
	struct msghdr message = {
		.msg_iov = &text, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control),
	};
	ssize_t got = recvmsg(client->fd, &message, MSG_CMSG_CLOEXEC);

	if (got > 0)
		passed_files_take(&message, take_file, client);
	if (got > 0)
		client->used += (size_t)got;
	else if (!got)
		client->is_ended = true;
	else if (errno != EAGAIN && errno != EINTR)
		drop(client);
}

static void welcome(struct control *control)
{
	int fd = accept4(control->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct control_client last = { .fd = fd };
	size_t size = 0;
	char *text;

	if (fd < 0) {
		/* No more files: the client waits for its turn, and this thread must not spin. */
		control->is_deaf = errno != EAGAIN && errno != EINTR && errno != ECONNABORTED;
		return;
	}
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++) {
		if (control->clients[i].fd < 0) {
			control->clients[i] = (struct control_client){ .fd = fd };
			return;
		}
	}
	text = command_refuse("16 clients are connected, and that is all; try again", &size);
	answer(&last, text, size);
	drop(&last);
}

static bool has_lost_patience(const struct control_client *client)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - client->moved.tv_sec > CONTROL_PATIENCE_S;
}

static void look_after(struct control *control, struct control_client *client, short events)
{
	if (client->answer && events)
		send_answer(client);
	else if (client->answer && has_lost_patience(client))
		drop(client);
	else if (!client->answer && events && !has_line(client))
		receive(client);
	if (has_line(client))
		serve(control, client);
	if (client->fd >= 0 && client->is_ended && !client->answer && !has_line(client))
		drop(client);
}

/* What to wait for. Return: milliseconds, -1 for ever. */
static int prepare(const struct control *control, struct pollfd *waits)
{
	int timeout = control->is_deaf ? TICK_MS : -1;

	waits[0] = (struct pollfd){ .fd = control->vm->stop_event, .events = POLLIN };
	waits[1] = (struct pollfd){ .fd = control->is_deaf ? -1 : control->listener, .events = POLLIN };
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++) {
		const struct control_client *client = &control->clients[i];

		waits[2 + i] = (struct pollfd){ .fd = client->is_busy ? -1 : client->fd, .events = client->answer ? POLLOUT : POLLIN };
		if (has_line(client))
			timeout = 0;
		else if (client->answer && timeout)
			timeout = TICK_MS;
	}
	return timeout;
}

/* Wait for the clients, and serve them once. Return: false if there is nothing to wait for any more. */
static bool take_turn(struct control *control, bool is_waiting)
{
	struct pollfd waits[2 + CONTROL_CLIENTS];
	int timeout = prepare(control, waits);

	if (poll(waits, 2 + CONTROL_CLIENTS, is_waiting ? timeout : 0) < 0 && errno != EINTR)
		return false;
	control->is_deaf = false;
	for (unsigned int i = 0; i < CONTROL_CLIENTS && !control->is_quitting && !control->is_moved; i++)
		if (waits[2 + i].fd >= 0)
			look_after(control, &control->clients[i], waits[2 + i].revents);
	if (!control->is_quitting && !control->is_moved && waits[1].revents)
		welcome(control);
	return true;
}

static void turn(struct control *control)
{
	take_turn(control, false);
}

static void *control_main(void *argument)
{
	struct control *control = argument;

	while (!vm_is_stopping(control->vm) && take_turn(control, true)) {
		if (control->is_moved)
			vm_stop(control->vm, STATUS_MOVED, "another launcher runs the guest now");
		else if (control->is_quitting)
			vm_stop(control->vm, STATUS_QUIT, "ended by a client of the control socket");
	}
	if (control->leave)
		control->leave(control->machine);
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++)
		drop(&control->clients[i]);
	return NULL;
}

int control_start(struct control *control)
{
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++)
		control->clients[i].fd = -1;
	control->turn = turn;
	clock_gettime(CLOCK_MONOTONIC, &control->started);
	command_warm_up();

	int ret = sandbox_start_thread(&control->thread, SANDBOX_CONTROL, control_main, control);

	control->has_thread = !ret;
	return ret;
}

void control_renew(struct control *control, int listener)
{
	/* By the same number: the filter knows that. */
	if (listener >= 0) {
		dup3(listener, control->listener, O_CLOEXEC);
	} else {
		close(control->listener);
		control->listener = -1;
	}
	/* One of them has brought @listener. */
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++)
		drop(&control->clients[i]);
	control->has_thread = false;
	control->is_quitting = false;
	control->is_moved = false;
	control->is_deaf = false;
}

bool control_stop(struct control *control)
{
	if (control->has_thread && thread_join(control->thread, &control->vm->end_by, 0))
		control->has_thread = false;
	return !control->has_thread;
}
