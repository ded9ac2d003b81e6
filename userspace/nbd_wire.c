// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bytes through the socket, which blocks for NBD_SLICE_MS: then it is seen whether the time is up, or the machine ends. A server
 * that sends a byte now and then has no longer than one that sends none.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "iovec.h"
#include "nbd_wire.h"
#include "thread.h"
#include "vm.h"

static void advance(struct nbd_transfer *transfer, size_t count)
{
	transfer->done += count;
	iovec_skip(&transfer->parts, &transfer->count, count);
}

/* Return: NULL: try again. */
static const char *look(const struct nbd *nbd, ssize_t result, int error, const struct timespec *until)
{
	if (!result)
		return "the server has closed the connection";
	if (result < 0 && error != EAGAIN && error != EINTR)
		return error == ECONNRESET || error == EPIPE ? "the server has closed the connection" : strerror(error);
	if (nbd->vm && vm_is_stopping(nbd->vm))
		return "the machine ends";
	return thread_is_past(until) ? "the server takes too long" : NULL;
}

const char *nbd_send(const struct nbd *nbd, struct nbd_transfer *transfer, const struct timespec *until)
{
	const char *wrong = NULL;

	while (transfer->count && !wrong) {
		const struct msghdr message = { .msg_iov = transfer->parts, .msg_iovlen = transfer->count };
		ssize_t sent = sendmsg(nbd->socket, &message, MSG_NOSIGNAL);
		int error = errno;

		if (sent > 0)
			advance(transfer, (size_t)sent);
		if (transfer->count)
			wrong = look(nbd, sent, error, until);
	}
	return wrong;
}

const char *nbd_receive(const struct nbd *nbd, struct nbd_transfer *transfer, uint64_t least, const struct timespec *until)
{
	const char *wrong = NULL;

	while (transfer->done < least && !wrong) {
		struct msghdr message = { .msg_iov = transfer->parts, .msg_iovlen = transfer->count };
		ssize_t got = recvmsg(nbd->socket, &message, 0);
		int error = errno;

		if (got > 0)
			advance(transfer, (size_t)got);
		if (transfer->done < least)
			wrong = look(nbd, got, error, until);
	}
	return wrong;
}
