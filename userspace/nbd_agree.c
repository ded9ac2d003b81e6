// SPDX-License-Identifier: GPL-2.0-only
/*
 * The handshake: newstyle, fixed, one option (NBD_OPT_GO), which tells all there is to know. What the server says is taken for
 * something that anybody may have written: every length has a limit, and so has the number of its answers.
 */
#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "nbd_address.h"
#include "nbd_wire.h"
#include "thread.h"

#define REPLIES_MAX	64
#define REPLY_MAX	(NBD_NAME_MAX + 64u)	/* bytes of one: a name at most, or words */

struct talk {
	struct nbd *nbd;
	struct timespec until;
	char *why;
	size_t why_size;
	bool has_export;
	uint8_t data[REPLY_MAX];	/* of the last answer */
};

static bool refuse(struct talk *talk, const char *why)
{
	snprintf(talk->why, talk->why_size, "%s", why);
	return false;
}

static bool get(struct talk *talk, void *to, size_t count)
{
	struct iovec part = { to, count };
	struct nbd_transfer transfer = { &part, 1, 0 };
	const char *wrong = nbd_receive(talk->nbd, &transfer, count, &talk->until);

	return !wrong || refuse(talk, wrong);
}

static bool put(struct talk *talk, struct iovec *parts, unsigned int count)
{
	struct nbd_transfer transfer = { parts, count, 0 };
	const char *wrong = nbd_send(talk->nbd, &transfer, &talk->until);

	return !wrong || refuse(talk, wrong);
}

static bool greet(struct talk *talk)
{
	struct nbd_wire_greeting greeting;
	uint32_t flags;
	struct iovec part = { &flags, sizeof(flags) };

	if (!get(talk, &greeting, sizeof(greeting)))
		return false;
	if (be64toh(greeting.magic) != NBD_WIRE_MAGIC)
		return refuse(talk, "the program there does not speak NBD");
	if (be64toh(greeting.have_option) == NBD_WIRE_OLD_STYLE)
		return refuse(talk, "the server speaks the old handshake alone, of before 2012");
	if (be64toh(greeting.have_option) != NBD_WIRE_HAVE_OPTION || !(be16toh(greeting.flags) & NBD_WIRE_FIXED_NEWSTYLE))
		return refuse(talk, "the server does not speak the fixed newstyle handshake");
	flags = htobe32(NBD_WIRE_FIXED_NEWSTYLE | (be16toh(greeting.flags) & NBD_WIRE_NO_ZEROES));
	return put(talk, &part, 1);
}

static bool ask(struct talk *talk, const char *export)
{
	uint32_t name_length = (uint32_t)strlen(export), name_wire = htobe32(name_length);
	uint16_t infos[2] = { htobe16(1), htobe16(NBD_WIRE_INFO_BLOCK_SIZE) };
	struct nbd_wire_option option = {
		.have_option = htobe64(NBD_WIRE_HAVE_OPTION),
		.option = htobe32(NBD_WIRE_OPT_GO),
		.length = htobe32((uint32_t)(sizeof(name_wire) + name_length + sizeof(infos))),
	};
	struct iovec parts[] = {
		{ &option, sizeof(option) }, { &name_wire, sizeof(name_wire) }, { (void *)(uintptr_t)export, name_length }, { infos, sizeof(infos) },
	};

	return put(talk, parts, sizeof(parts) / sizeof(*parts));
}

static bool take_export(struct talk *talk, uint32_t length)
{
	struct nbd_wire_export info;
	struct nbd *nbd = talk->nbd;

	if (length != sizeof(info))
		return refuse(talk, "the server describes its export in a way that makes no sense");
	memcpy(&info, talk->data, sizeof(info));
	nbd->size = be64toh(info.size);
	nbd->flags = be16toh(info.flags);
	if (!(nbd->flags & NBD_HAS_FLAGS) || nbd->size > INT64_MAX)
		return refuse(talk, "the server describes its export in a way that makes no sense");
	talk->has_export = true;
	return true;
}

static bool is_power_of_two(uint32_t value)
{
	return value && !(value & (value - 1));
}

static bool take_block_size(struct talk *talk, uint32_t length)
{
	struct nbd_wire_block_size info;
	struct nbd *nbd = talk->nbd;
	uint32_t least, most;

	if (length != sizeof(info))
		return refuse(talk, "the server has sizes of blocks that make no sense");
	memcpy(&info, talk->data, sizeof(info));
	least = be32toh(info.least);
	most = be32toh(info.most);
	if (!is_power_of_two(least) || most < least)
		return refuse(talk, "the server has sizes of blocks that make no sense");
	nbd->block = least > NBD_SECTOR ? least : NBD_SECTOR;
	if (nbd->block > NBD_BLOCK_MAX)
		return refuse(talk, "the server takes blocks alone that are larger than 4096 bytes");
	nbd->most = (most < NBD_REQUEST_MAX ? most : NBD_REQUEST_MAX) & ~(nbd->block - 1);
	nbd->most_cleared = (most < NBD_CLEAR_MAX ? most : NBD_CLEAR_MAX) & ~(nbd->block - 1);
	return nbd->most || refuse(talk, "the server takes no request as long as a sector, 512 bytes");
}

static bool take_info(struct talk *talk, uint32_t length)
{
	uint16_t info;

	if (length < sizeof(info))
		return refuse(talk, "the server's answer is too short");
	memcpy(&info, talk->data, sizeof(info));
	switch (be16toh(info)) {
	case NBD_WIRE_INFO_EXPORT:
		return take_export(talk, length);
	case NBD_WIRE_INFO_BLOCK_SIZE:
		return take_block_size(talk, length);
	default:
		return true;
	}
}

/* With the server's own words, fit for a terminal. */
static bool tell_error(struct talk *talk, uint32_t type, uint32_t length)
{
	static const struct {
		uint32_t type;
		const char *words;
	} rows[] = {
		{ NBD_WIRE_REP_UNSUPPORTED, "the server does not know NBD_OPT_GO" },
		{ NBD_WIRE_REP_POLICY, "the server does not allow it" },
		{ NBD_WIRE_REP_TLS, "the server wants TLS, which is not spoken here" },
		{ NBD_WIRE_REP_UNKNOWN, "the server has no such export" },
	};
	const char *words = "the server refuses";

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].type == type)
			words = rows[i].words;
	for (uint32_t i = 0; i < length; i++)
		if (talk->data[i] < ' ' || talk->data[i] > '~')
			talk->data[i] = '?';
	snprintf(talk->why, talk->why_size, "%s%s%.*s", words, length ? ": " : "", (int)length, (const char *)talk->data);
	return false;
}

static bool hear(struct talk *talk)
{
	struct nbd_wire_option_reply reply;
	uint32_t type, length;

	for (unsigned int i = 0; i < REPLIES_MAX; i++) {
		if (!get(talk, &reply, sizeof(reply)))
			return false;
		type = be32toh(reply.type);
		length = be32toh(reply.length);
		if (be64toh(reply.magic) != NBD_WIRE_OPTION_REPLY || be32toh(reply.option) != NBD_WIRE_OPT_GO)
			return refuse(talk, "the server's answer is to something else");
		if (length > sizeof(talk->data))
			return refuse(talk, "the server's answer is too long");
		if (!get(talk, talk->data, length))
			return false;
		if (type & NBD_WIRE_REP_ERROR)
			return tell_error(talk, type, length);
		if (type == NBD_WIRE_REP_ACK)
			return (talk->has_export && !length) || refuse(talk, "the server does not say what its export is");
		if (type == NBD_WIRE_REP_INFO && !take_info(talk, length))
			return false;
	}
	return refuse(talk, "the server's answer has no end");
}

static void set_waits(int socket)
{
	const struct timeval slice = { .tv_usec = NBD_SLICE_MS * 1000 };
	int flags = fcntl(socket, F_GETFL);

	fcntl(socket, F_SETFL, flags & ~O_NONBLOCK);
	setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &slice, sizeof(slice));
	setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &slice, sizeof(slice));
}

bool nbd_agree(struct nbd *nbd, int socket, const char *export, char *why, size_t size)
{
	struct talk talk = { .nbd = nbd, .why = why, .why_size = size };

	nbd->socket = socket;
	nbd->block = NBD_SECTOR;
	nbd->most = NBD_REQUEST_MAX;
	nbd->most_cleared = NBD_CLEAR_MAX;
	if (!nbd->answer_ms)
		nbd->answer_ms = NBD_ANSWER_MS;
	if (!nbd->flush_ms)
		nbd->flush_ms = NBD_FLUSH_MS;
	if (!nbd->agree_ms)
		nbd->agree_ms = nbd->answer_ms < NBD_AGREE_MS ? nbd->answer_ms : NBD_AGREE_MS;
	talk.until = thread_time_in(nbd->agree_ms);
	set_waits(socket);
	if (greet(&talk) && ask(&talk, export) && hear(&talk)) {
		nbd->hidden = (uint32_t)(nbd->size & (nbd->block - 1));
		nbd->size -= nbd->hidden;
		return true;
	}
	nbd->is_lost = true;
	return false;
}
