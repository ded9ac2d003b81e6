// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests, one after the other on one connection: the answer to each is waited for, and is to that one or to none.
 *
 * A server that answers something else, too late or not at all is not asked again: what comes from it later could be taken for
 * the answer to another request. An error that it tells of is that request's alone.
 *
 * The server is asked for whole blocks of its own. Of one that is not wanted whole all is read, and written again.
 */
#include <endian.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nbd_wire.h"
#include "thread.h"
#include "vm.h"

/* What is left of a request's parts. */
struct cursor {
	const struct iovec *parts;
	unsigned int number;
	size_t skip;			/* of the first of them */
};

static void pass(struct cursor *cursor, size_t part)
{
	cursor->skip += part;
	if (cursor->skip < cursor->parts->iov_len)
		return;
	cursor->parts++;
	cursor->number--;
	cursor->skip = 0;
}

/* The next @bytes bytes, or those of a part of which less is left. Return: how many; @at: where. */
static size_t next_part(const struct cursor *cursor, size_t bytes, void **at)
{
	size_t left = cursor->parts->iov_len - cursor->skip;

	*at = (char *)cursor->parts->iov_base + cursor->skip;
	return left < bytes ? left : bytes;
}

/* The next @bytes bytes, which must be there, behind nbd->parts[0]. Return: parts with that one. */
static unsigned int take(struct nbd *nbd, struct cursor *cursor, size_t bytes)
{
	unsigned int count = 1;

	while (bytes) {
		void *at;
		size_t part = next_part(cursor, bytes, &at);

		if (part)
			nbd->parts[count++] = (struct iovec){ at, part };
		bytes -= part;
		pass(cursor, part);
	}
	return count;
}

/* Between the next @bytes bytes, which must be there, and @block. */
static void copy(struct cursor *cursor, uint8_t *block, size_t bytes, bool is_write)
{
	while (bytes) {
		void *at;
		size_t part = next_part(cursor, bytes, &at);

		memcpy(is_write ? block : at, is_write ? at : block, part);
		block += part;
		bytes -= part;
		pass(cursor, part);
	}
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
	bool is_read = be16toh(request->type) == NBD_WIRE_READ;
	const struct timespec until = thread_time_in(be16toh(request->type) == NBD_WIRE_FLUSH ? nbd->flush_ms : nbd->answer_ms);
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

static const char odd_request[] = "not of whole sectors, within the server's disk";

static bool is_within(const struct nbd *nbd, uint64_t at, uint64_t count)
{
	return !((at | count) & (NBD_SECTOR - 1)) && at <= nbd->size && count <= nbd->size - at;
}

static uint64_t bytes_of(const struct iovec *parts, unsigned int number)
{
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < number; i++)
		bytes += parts[i].iov_len;
	return bytes;
}

/* Between the pieces of what is asked for: there may be many, each answered at once. */
static const char *look_up(const struct nbd *nbd)
{
	return nbd->vm && vm_is_stopping(nbd->vm) ? "the machine ends" : NULL;
}

static uint32_t least_of(uint64_t count, uint32_t limit)
{
	return count < limit ? (uint32_t)count : limit;
}

/* @count bytes at @at, or as many as one request may have; within a block, or whole ones. */
static uint32_t piece_of(const struct nbd *nbd, uint64_t at, uint64_t count)
{
	uint32_t inner = (uint32_t)(at & (nbd->block - 1));

	if (inner || count < nbd->block)
		return least_of(count, nbd->block - inner);
	return least_of(count & ~(uint64_t)(nbd->block - 1), nbd->most);
}

/* Less than a block. */
static const char *move_within(struct nbd *nbd, struct cursor *cursor, uint64_t at, uint32_t bytes, bool is_write, uint32_t flags)
{
	uint64_t inner = at & (nbd->block - 1);
	const struct iovec whole = { nbd->edge, nbd->block };

	nbd->parts[1] = whole;
	const char *wrong = ask(nbd, NBD_WIRE_READ, 0, at - inner, nbd->block, 2);

	if (wrong)
		return wrong;
	copy(cursor, nbd->edge + inner, bytes, is_write);
	nbd->parts[1] = whole;
	return is_write ? ask(nbd, NBD_WIRE_WRITE, flags, at - inner, nbd->block, 2) : NULL;
}

static const char *move(struct nbd *nbd, struct cursor *cursor, uint64_t at, uint64_t left, bool is_write, uint32_t flags, uint64_t *moved)
{
	const char *wrong = is_within(nbd, at, left) ? NULL : odd_request;

	while (!wrong && left) {
		uint32_t bytes = piece_of(nbd, at, left);

		if (bytes < nbd->block)
			wrong = move_within(nbd, cursor, at, bytes, is_write, flags);
		else
			wrong = ask(nbd, is_write ? NBD_WIRE_WRITE : NBD_WIRE_READ, flags, at, bytes, take(nbd, cursor, bytes));
		if (!wrong)
			*moved += bytes;
		at += bytes;
		left -= bytes;
		if (!wrong && left)
			wrong = look_up(nbd);
	}
	return wrong;
}

static uint32_t fua_of(const struct nbd *nbd, bool is_through)
{
	return is_through && nbd->flags & NBD_CAN_FUA ? NBD_WIRE_FUA : 0;
}

const char *nbd_read(struct nbd *nbd, const struct iovec *parts, unsigned int number, uint64_t at, uint64_t *moved)
{
	struct cursor cursor = { parts, number, 0 };

	return move(nbd, &cursor, at, bytes_of(parts, number), false, 0, moved);
}

const char *nbd_write(struct nbd *nbd, const struct iovec *parts, unsigned int number, uint64_t at, bool is_through)
{
	struct cursor cursor = { parts, number, 0 };
	uint32_t fua = fua_of(nbd, is_through);
	uint64_t moved = 0;
	const char *wrong = move(nbd, &cursor, at, bytes_of(parts, number), true, fua, &moved);

	return wrong || !is_through || fua ? wrong : nbd_flush(nbd);
}

const char *nbd_flush(struct nbd *nbd)
{
	return nbd->flags & NBD_CAN_FLUSH ? ask(nbd, NBD_WIRE_FLUSH, 0, 0, 0, 1) : nbd->is_lost ? "the connection to the server is lost" : NULL;
}

/* A request without data, of whole blocks, for each piece that a request may have. */
static const char *ask_along(struct nbd *nbd, uint32_t type, uint32_t flags, uint64_t at, uint64_t count)
{
	const char *wrong = NULL;

	while (!wrong && count) {
		uint32_t bytes = least_of(count, nbd->most_cleared);

		wrong = ask(nbd, type, flags, at, bytes, 1);
		at += bytes;
		count -= bytes;
		if (!wrong && count)
			wrong = look_up(nbd);
	}
	return wrong;
}

/* The bytes from @at, @count at most, that are of a block of which not all is meant: to its end. */
static uint64_t edge_of(const struct nbd *nbd, uint64_t at, uint64_t count)
{
	uint64_t inner = at & (nbd->block - 1);

	return inner || count < nbd->block ? least_of(count, (uint32_t)(nbd->block - inner)) : 0;
}

const char *nbd_trim(struct nbd *nbd, uint64_t at, uint64_t count)
{
	if (!(nbd->flags & NBD_CAN_TRIM))
		return "the server cannot do that";
	if (!is_within(nbd, at, count))
		return odd_request;
	/* Nobody is promised anything: of blocks that are not whole nothing is given back. */
	uint64_t edge = edge_of(nbd, at, count);

	return ask_along(nbd, NBD_WIRE_TRIM, 0, at + edge, (count - edge) & ~(uint64_t)(nbd->block - 1));
}

/* Less than a block, which may be none. */
static const char *zero_edge(struct nbd *nbd, uint64_t at, uint64_t count, uint32_t fua)
{
	static uint8_t zeroes[NBD_BLOCK_MAX];
	struct cursor cursor = { &(struct iovec){ zeroes, count }, 1, 0 };
	uint64_t moved = 0;

	return move(nbd, &cursor, at, count, true, fua, &moved);
}

const char *nbd_write_zeroes(struct nbd *nbd, uint64_t at, uint64_t count, bool may_unmap, bool is_through)
{
	uint32_t fua = fua_of(nbd, is_through), flags = (may_unmap ? 0 : NBD_WIRE_NO_HOLE) | fua;

	if (!(nbd->flags & NBD_CAN_WRITE_ZEROES))
		return "the server cannot do that";
	if (!is_within(nbd, at, count))
		return odd_request;
	uint64_t edge = edge_of(nbd, at, count), whole = (count - edge) & ~(uint64_t)(nbd->block - 1);
	const char *wrong = zero_edge(nbd, at, edge, fua);

	if (!wrong)
		wrong = ask_along(nbd, NBD_WIRE_WRITE_ZEROES, flags, at + edge, whole);
	if (!wrong)
		wrong = zero_edge(nbd, at + edge + whole, count - edge - whole, fua);
	return wrong || !is_through || fua ? wrong : nbd_flush(nbd);
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
	nbd->flush_ms = nbd->answer_ms;
	if (flushes)
		wrong = nbd_flush(nbd);
	if (!nbd->is_lost)
		take_leave(nbd);
	close(nbd->socket);
	nbd->socket = -1;
	return wrong;
}
