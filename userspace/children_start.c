// SPDX-License-Identifier: GPL-2.0-only
/*
 * Such a program may say something at each end, an ordinary one too, so what it says goes to a pipe; whoever tells of its end looks
 * there. If nobody reads and the pipe is full, the rest is lost: neither end ever waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "children_start.h"

#define WORDS_READS	256	/* of 256 bytes: as much as a pipe holds */
#define PATH_DEFAULT	"/usr/local/bin:/usr/bin:/bin"

void child_die(const char *what, const char *remedy)
{
	dprintf(STDERR_FILENO, "%s: %s%s\n", what, strerror(errno), remedy);
	_exit(1);
}

static void __attribute__((noreturn)) become(const struct child_request *request, int words)
{
	int null_file = open("/dev/null", O_RDONLY);
	sigset_t none;

	dup2(words, STDOUT_FILENO);
	dup2(words, STDERR_FILENO);
	dup2(null_file, STDIN_FILENO);
	/* Nothing of the machine's but this is its own. */
	if (close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) || fcntl(request->listener, F_SETFD, 0))
		child_die("cannot close files", "");
	setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (request->prepare)
		request->prepare(request->listener, request->argument);
	execv(request->program, request->arguments);
	child_die(request->program, "");
}

/* Return: 0, or -1 with errno. */
static int connect_to(int ours, int listener)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t size = sizeof(address);

	if (bind(listener, (struct sockaddr *)&address, sizeof(address.sun_family)) || listen(listener, 0) ||
	    getsockname(listener, (struct sockaddr *)&address, &size) || connect(ours, (struct sockaddr *)&address, size))
		return -1;
	return fcntl(ours, F_SETFL, 0);
}

int child_sockets(int *ours, int *listener)
{
	int error;

	*listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	*ours = *listener < 0 ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*ours >= 0 && !connect_to(*ours, *listener))
		return 0;
	error = errno;
	if (*ours >= 0)
		close(*ours);
	if (*listener >= 0)
		close(*listener);
	return error;
}

int child_start(struct child *child, const struct child_request *request, int ours)
{
	int pipes[2] = { -1, -1 }, error = 0;
	pid_t pid = -1;

	if (!pipe2(pipes, O_CLOEXEC | O_NONBLOCK)) {
		pid = fork();
		if (!pid)
			become(request, pipes[1]);
	}
	error = pid < 0 ? errno : 0;
	close(request->listener);
	if (pipes[1] >= 0)
		close(pipes[1]);
	if (error) {
		if (pipes[0] >= 0)
			close(pipes[0]);
		close(ours);
		return error;
	}
	*child = (struct child){ ours, pipes[0], pid };
	return 0;
}

static bool is_program(const char *path)
{
	struct stat stat_buffer;

	return !stat(path, &stat_buffer) && S_ISREG(stat_buffer.st_mode) && !access(path, X_OK);
}

bool child_find(const char *name, char *path, size_t size)
{
	const char *all = getenv("PATH");

	for (const char *at = all ? all : PATH_DEFAULT; at; at = strchr(at, ':') ? strchr(at, ':') + 1 : NULL) {
		int length = (int)strcspn(at, ":");

		/* An empty one is the directory that we are in, where nobody expects to find programs. */
		if (length && snprintf(path, size, "%.*s/%s", length, at, name) < (int)size && is_program(path))
			return true;
	}
	return false;
}

void child_words(int words, char *line, size_t size)
{
	char piece[256];
	size_t length = 0;
	bool is_over = true;	/* the line, so that the next byte begins another one */
	ssize_t got;

	for (unsigned int i = 0; i < WORDS_READS && (got = read(words, piece, sizeof(piece))) > 0; i++) {
		for (ssize_t j = 0; j < got; j++) {
			if (piece[j] == '\n' || piece[j] == '\r') {
				is_over = true;
				continue;
			}
			if (is_over)
				length = 0;
			is_over = false;
			if (length + 1 < size)
				line[length++] = piece[j] < ' ' || piece[j] > '~' ? '?' : piece[j];
		}
	}
	line[length] = 0;
}
