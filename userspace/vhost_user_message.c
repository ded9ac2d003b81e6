// SPDX-License-Identifier: GPL-2.0-only
/*
 * A message is a header of three words and a body; descriptors travel with its first byte. The other
 * end is another program, perhaps of another user: its answers are looked at like a guest's words,
 * and one that does not come in time is an error.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "passed_files.h"
#include "vhost_user_message.h"

#define FDS_MAX	MEMORY_REGIONS_MAX

int vhost_user_send(int socket, struct vhost_user_message *message, const int *fds, unsigned int count)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec part = { message, VHOST_USER_HEADER_SIZE + message->size };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t done;

	if (count)
		passed_files_put(&header, control.bytes, fds, count);
	do
		done = sendmsg(socket, &header, MSG_NOSIGNAL);
	while (done < 0 && errno == EINTR);
	if (done < 0)
		return errno == EAGAIN ? ETIMEDOUT : errno;
	/* A message is far smaller than any socket's buffer. */
	return (size_t)done == part.iov_len ? 0 : EPROTO;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* All of @size bytes, or an errno; that some have come gives the others no more time. */
static int receive_all(int socket, void *to, size_t size, int64_t deadline)
{
	struct iovec part = { to, size };

	while (part.iov_len) {
		struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
		struct pollfd wait = { .fd = socket, .events = POLLIN };
		int64_t left = deadline - now_ms();

		if (left <= 0)
			return ETIMEDOUT;
		if (poll(&wait, 1, (int)left) <= 0)
			continue;
		ssize_t done = recvmsg(socket, &header, MSG_DONTWAIT);

		if (done < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (done < 0)
			return errno;
		if (!done)
			return ECONNRESET;
		part.iov_base = (char *)part.iov_base + done;
		part.iov_len -= (size_t)done;
	}
	return 0;
}

int vhost_user_receive(int socket, struct vhost_user_message *message, uint32_t size)
{
	uint32_t request = message->request;
	int64_t deadline = now_ms() + VHOST_USER_ANSWER_MS;
	int error = receive_all(socket, message, VHOST_USER_HEADER_SIZE, deadline);

	if (error)
		return error;
	if (message->request != request || message->size != size || size > sizeof(message->body) ||
	    message->flags != (VHOST_USER_VERSION | VHOST_USER_REPLY))
		return EPROTO;
	return receive_all(socket, &message->body, size, deadline);
}
