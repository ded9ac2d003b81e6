// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests, one after the other on one connection: the answer to each is waited for, and is to that one or to none.
 *
 * A server that answers something else, too late or not at all is not asked again: what comes from it later could be taken for
 * the answer to another request. An error that it tells of is that request's alone.
 */
#include <endian.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nbd_wire.h"
#include "thread.h"

/* What is left of a request's parts. */
struct cursor {
	const struct iovec *parts;
	unsigned int number;
	size_t skip;			/* of the first of them */
};

/* The next bytes, as many as a request may have, behind nbd->parts[0]. Return: how many; @count: parts. */
static uint32_t take(struct nbd *nbd, struct cursor *cursor, unsigned int *count)
{
	uint32_t bytes = 0;

	*count = 1;
	while (cursor->number && bytes < nbd->most) {
		size_t left = cursor->parts->iov_len - cursor->skip, part = nbd->most - bytes;

		if (part > left)
			part = left;
		if (part)
			nbd->parts[(*count)++] = (struct iovec){ (char *)cursor->parts->iov_base + cursor->skip, part };
		bytes += (uint32_t)part;
		cursor->skip += part;
		if (part < left)
			break;
		cursor->parts++;
		cursor->number--;
		cursor->skip = 0;
	}
	return bytes;
}

static const char *check_reply(const struct nbd *nbd, const struct nbd_wire_reply *reply)
{
	if (be32toh(reply->magic) != NBD_WIRE_REPLY)
		return "the server's answer makes no sense";
	return be64toh(reply->handle) == nbd->handle ? NULL : "the server's answer is to something else";
}

/* nbd->parts[1] and on are what is written or read; @count with the first. @error: gets the server's. */
static const char *exchange(struct nbd *nbd, struct nbd_wire_request *request, unsigned int count, uint32_t *error)
{
	const struct timespec until = thread_time_in(nbd->answer_ms);
	bool is_read = be16toh(request->type) == NBD_WIRE_READ;
	struct nbd_wire_reply reply;
	struct nbd_transfer out = { nbd->parts, is_read ? 1 : count, 0 }, in = { nbd->parts, is_read ? count : 1, 0 };

	request->magic = htobe32(NBD_WIRE_REQUEST);
	request->handle = htobe64(++nbd->handle);
	nbd->parts[0] = (struct iovec){ request, sizeof(*request) };
	const char *wrong = nbd_send(nbd, &out, &until);

	if (wrong)
		return wrong;
	nbd->parts[0] = (struct iovec){ &reply, sizeof(reply) };
	wrong = nbd_receive(nbd, &in, sizeof(reply), &until);
	if (!wrong)
		wrong = check_reply(nbd, &reply);
	if (wrong)
		return wrong;
	*error = be32toh(reply.error);
	if (!*error)
		return is_read ? nbd_receive(nbd, &in, sizeof(reply) + be32toh(request->length), &until) : NULL;
	/* With an error no data comes. */
	return in.done > sizeof(reply) ? "the server's answer makes no sense" : NULL;
}

static const char *ask(struct nbd *nbd, uint32_t type, uint32_t flags, uint64_t at, uint32_t length, unsigned int count)
{
	struct nbd_wire_request request = {
		.flags = htobe16((uint16_t)flags), .type = htobe16((uint16_t)type), .offset = htobe64(at), .length = htobe32(length),
	};
	uint32_t error = 0;

	if (nbd->is_lost)
		return "the connection to the server is lost";
	const char *wrong = exchange(nbd, &request, count, &error);

	if (wrong) {
		nbd->is_lost = true;
		shutdown(nbd->socket, SHUT_RDWR);
		return wrong;
	}
	/* The protocol's numbers are Linux's. */
	return error ? strerror((int)error) : NULL;
}

static bool is_whole(const struct nbd *nbd, uint64_t at, uint64_t count)
{
	return !((at | count) & (nbd->block - 1)) && at <= nbd->size && count <= nbd->size - at;
}

static const char odd_request[] = "not of whole blocks of the server's, within its disk";

static uint64_t bytes_of(const struct iovec *parts, unsigned int number)
{
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < number; i++)
		bytes += parts[i].iov_len;
	return bytes;
}

const char *nbd_read(struct nbd *nbd, const struct iovec *parts, unsigned int number, uint64_t at, uint64_t *moved)
{
	struct cursor cursor = { parts, number, 0 };
	const char *wrong = is_whole(nbd, at, bytes_of(parts, number)) ? NULL : odd_request;
	unsigned int count;
	uint32_t bytes;

	while (!wrong && (bytes = take(nbd, &cursor, &count))) {
		wrong = ask(nbd, NBD_WIRE_READ, 0, at, bytes, count);
		if (!wrong)
			*moved += bytes;
		at += bytes;
	}
	return wrong;
}

const char *nbd_write(struct nbd *nbd, const struct iovec *parts, unsigned int number, uint64_t at, bool is_through)
{
	bool has_fua = nbd->flags & NBD_CAN_FUA;
	struct cursor cursor = { parts, number, 0 };
	const char *wrong = is_whole(nbd, at, bytes_of(parts, number)) ? NULL : odd_request;
	unsigned int count;
	uint32_t bytes;

	while (!wrong && (bytes = take(nbd, &cursor, &count))) {
		wrong = ask(nbd, NBD_WIRE_WRITE, is_through && has_fua ? NBD_WIRE_FUA : 0, at, bytes, count);
		at += bytes;
	}
	return wrong || !is_through || has_fua ? wrong : nbd_flush(nbd);
}

const char *nbd_flush(struct nbd *nbd)
{
	return nbd->flags & NBD_CAN_FLUSH ? ask(nbd, NBD_WIRE_FLUSH, 0, 0, 0, 1) : nbd->is_lost ? "the connection to the server is lost" : NULL;
}

/* A request without data for each piece that a request may have. */
static const char *ask_along(struct nbd *nbd, uint32_t type, uint32_t flags, uint64_t at, uint64_t count)
{
	const char *wrong = is_whole(nbd, at, count) ? NULL : odd_request;

	while (!wrong && count) {
		uint32_t bytes = count < nbd->most_cleared ? (uint32_t)count : nbd->most_cleared;

		wrong = ask(nbd, type, flags, at, bytes, 1);
		at += bytes;
		count -= bytes;
	}
	return wrong;
}

const char *nbd_trim(struct nbd *nbd, uint64_t at, uint64_t count)
{
	return nbd->flags & NBD_CAN_TRIM ? ask_along(nbd, NBD_WIRE_TRIM, 0, at, count) : "the server cannot do that";
}

const char *nbd_write_zeroes(struct nbd *nbd, uint64_t at, uint64_t count, bool may_unmap, bool is_through)
{
	bool has_fua = nbd->flags & NBD_CAN_FUA;
	uint32_t flags = (may_unmap ? 0 : NBD_WIRE_NO_HOLE) | (is_through && has_fua ? NBD_WIRE_FUA : 0);
	const char *wrong = nbd->flags & NBD_CAN_WRITE_ZEROES ? ask_along(nbd, NBD_WIRE_WRITE_ZEROES, flags, at, count) : "the server cannot do that";

	return wrong || !is_through || has_fua ? wrong : nbd_flush(nbd);
}

/* No answer comes to it. */
static void take_leave(struct nbd *nbd)
{
	const struct timespec until = thread_time_in(0);
	struct nbd_wire_request request = {
		.magic = htobe32(NBD_WIRE_REQUEST), .type = htobe16(NBD_WIRE_DISCONNECT), .handle = htobe64(++nbd->handle),
	};
	struct iovec part = { &request, sizeof(request) };

	nbd_send(nbd, &(struct nbd_transfer){ &part, 1, 0 }, &until);
}

const char *nbd_close(struct nbd *nbd, bool flushes)
{
	const char *wrong = NULL;

	if (nbd->socket < 0)
		return NULL;
	/* It ends: that is no reason to end this. */
	nbd->vm = NULL;
	nbd->answer_ms = NBD_END_MS < nbd->answer_ms ? NBD_END_MS : nbd->answer_ms;
	if (flushes)
		wrong = nbd_flush(nbd);
	if (!nbd->is_lost)
		take_leave(nbd);
	close(nbd->socket);
	nbd->socket = -1;
	return wrong;
}
