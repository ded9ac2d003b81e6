// SPDX-License-Identifier: GPL-2.0-only
/*
 * The protocol of sd_notify(3) is a datagram of lines to the socket that
 * NOTIFY_SOCKET names, where a leading '@' stands for the zero byte of an
 * abstract address.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ready.h"
#include "status.h"

static int waiting_parent = -1;		/* a pipe */
static int manager = -1;		/* a datagram socket */
static int null_file = -1;

/* Return: how the new process ended, if it did so before it was ready. */
static int wait_for(pid_t pid, int pipe)
{
	char byte;
	int status;
	ssize_t got;

	do
		got = read(pipe, &byte, 1);
	while (got < 0 && errno == EINTR);
	if (got == 1)
		return STATUS_OK;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return status_fail(STATUS_HOST, "--daemon: %s", strerror(errno));
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	return status_fail(STATUS_HOST, "--daemon: the launcher died of signal %d", WTERMSIG(status));
}

int ready_detach(void)
{
	int ends[2];
	pid_t pid;

	null_file = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null_file < 0 || pipe2(ends, O_CLOEXEC))
		return status_fail(STATUS_HOST, "--daemon: %s", strerror(errno));
	/* Of a child whose end is ignored, which is inherited, nobody learns how it was. */
	signal(SIGCHLD, SIG_DFL);
	pid = fork();
	if (pid < 0)
		return status_fail(STATUS_HOST, "--daemon: %s", strerror(errno));
	if (pid) {
		close(ends[1]);
		return wait_for(pid, ends[0]);
	}
	close(ends[0]);
	waiting_parent = ends[1];
	setsid();
	dup2(null_file, STDIN_FILENO);
	return -1;
}

void ready_open(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = path ? strlen(path) : 0;

	if (manager >= 0 || !length || (*path != '/' && *path != '@'))
		return;
	if (length >= sizeof(address.sun_path)) {
		status_warn("NOTIFY_SOCKET is too long a path");
		return;
	}
	memcpy(address.sun_path, path, length);
	if (*path == '@')
		address.sun_path[0] = 0;
	/* A manager with more to read than it reads is not waited for. */
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (manager >= 0 && !connect(manager, (struct sockaddr *)&address,
				     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)))
		return;
	status_warn("NOTIFY_SOCKET %s: %s; nobody is told that the guest runs", path, strerror(errno));
	if (manager >= 0)
		close(manager);
	manager = -1;
}

bool ready_is_wanted(void)
{
	struct pollfd wait = { .fd = waiting_parent };

	return poll(&wait, 1, 0) != 1;
}

static void notify(const char *text)
{
	if (manager >= 0 && write(manager, text, strlen(text)) < 0)
		status_warn("NOTIFY_SOCKET: %s", strerror(errno));
}

int ready_null(void)
{
	return null_file;
}

void ready_tell(void)
{
	char text[64];

	snprintf(text, sizeof(text), "READY=1\nMAINPID=%d\nSTATUS=running", getpid());
	notify(text);
	if (waiting_parent < 0)
		return;
	for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
		if (isatty(fd))
			dup3(null_file, fd, 0);
	while (write(waiting_parent, "", 1) < 0 && errno == EINTR)
		;
	close(waiting_parent);
	waiting_parent = -1;
}

void ready_through(int fd)
{
	manager = fd;
}

void ready_let_go(void)
{
	if (waiting_parent >= 0)
		close(waiting_parent);
	waiting_parent = -1;
	null_file = -1;
}

void ready_leave(void)
{
	if (manager >= 0)
		close(manager);
	manager = -1;
}

void ready_end(void)
{
	notify("STOPPING=1");
}
