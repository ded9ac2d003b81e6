// SPDX-License-Identifier: GPL-2.0-only
/*
 * A host that does not answer would keep connect() for minutes: the socket does not block, and is waited for. One of a file
 * says that there is no more room among those who wait to be taken, and of more room it does not tell.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include "socket_connect.h"
#include "thread.h"

#define FULL_SLICE_MS	20

/* Return: 0, or -1 with errno. */
static int finish_connecting(int fd, int seconds)
{
	struct pollfd wait = { .fd = fd, .events = POLLOUT };
	int error = 0, ready;
	socklen_t size = sizeof(error);

	do
		ready = poll(&wait, 1, seconds * 1000);
	while (ready < 0 && errno == EINTR);
	if (ready < 0)
		return -1;
	if (!ready)
		error = ETIMEDOUT;
	else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size))
		return -1;
	errno = error;
	return error ? -1 : 0;
}

static bool is_full(const struct sockaddr_storage *address, int error)
{
	return address->ss_family == AF_UNIX && error == EAGAIN;
}

/* Return: 0, or -1 with errno. */
static int connect_within(int fd, const struct sockaddr_storage *address, socklen_t length, int seconds)
{
	const struct timespec until = thread_time_in((unsigned int)seconds * 1000);

	while (connect(fd, (const struct sockaddr *)address, length)) {
		if (errno == EINPROGRESS)
			return finish_connecting(fd, seconds);
		if (!is_full(address, errno))
			return -1;
		if (thread_is_past(&until)) {
			errno = ETIMEDOUT;
			return -1;
		}
		poll(NULL, 0, FULL_SLICE_MS);
	}
	return 0;
}

int socket_connect(const struct sockaddr_storage *address, socklen_t length, int seconds)
{
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0)
		return -1;
	if (address->ss_family != AF_UNIX) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	}
	if (!connect_within(fd, address, length, seconds))
		return fd;

	int error = errno;

	close(fd);
	errno = error;
	return -1;
}
