// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "nbd_peer.h"
#include "userspace/nbd_wire.h"

#define SLOW_US		30000
#define CHANGES		48	/* of so many bytes one is changed */

static void change(struct nbd_peer *peer, u8 *bytes, size_t count)
{
	for (size_t i = 0; peer->mutation && i < count; i++)
		if (!(xorshift(&peer->mutation) % CHANGES))
			bytes[i] ^= (u8)(1 << xorshift(&peer->mutation) % 8);
}

static bool put(struct nbd_peer *peer, const void *from, size_t count)
{
	u8 *copy = malloc(count ? count : 1);
	bool is_put;

	memcpy(copy, from, count);
	change(peer, copy, count);
	/* Nothing can be sent to one that has left, which whoever had all may have done. */
	is_put = !count || send(peer->socket, copy, count, MSG_NOSIGNAL) == (ssize_t)count;
	free(copy);
	return is_put;
}

static bool get(struct nbd_peer *peer, void *to, size_t count)
{
	return !count || recv(peer->socket, to, count, MSG_WAITALL) == (ssize_t)count;
}

static bool greet(struct nbd_peer *peer)
{
	struct nbd_wire_greeting greeting = { htobe64(NBD_WIRE_MAGIC), htobe64(NBD_WIRE_HAVE_OPTION), htobe16(NBD_WIRE_FIXED_NEWSTYLE | NBD_WIRE_NO_ZEROES) };
	u32 flags;

	switch (peer->lie) {
	case NBD_SILENT:
		recv(peer->socket, &flags, 1, 0);
		return false;
	case NBD_GREETS_LATE:
		sleep(1);
		break;
	case NBD_CLOSES_FIRST:
		return false;
	case NBD_OTHER_PROGRAM:
		greeting.magic = htobe64(0x5353482d322e302dULL);
		break;
	case NBD_OLD_STYLE:
		greeting.have_option = htobe64(NBD_WIRE_OLD_STYLE);
		break;
	case NBD_NO_OPTIONS:
		greeting.have_option = 0;
		break;
	case NBD_NOT_FIXED:
		greeting.flags = htobe16(NBD_WIRE_NO_ZEROES);
		break;
	case NBD_CUT_GREETING:
		put(peer, &greeting, sizeof(greeting) - 1);
		return false;
	default:
		break;
	}
	return put(peer, &greeting, sizeof(greeting)) && get(peer, &flags, sizeof(flags));
}

static bool hear_option(struct nbd_peer *peer)
{
	struct nbd_wire_option option;
	u8 data[8192];
	u32 length, name;

	if (!get(peer, &option, sizeof(option)))
		return false;
	length = be32toh(option.length);
	if (be64toh(option.have_option) != NBD_WIRE_HAVE_OPTION || be32toh(option.option) != NBD_WIRE_OPT_GO || length > sizeof(data) || !get(peer, data, length))
		return false;
	memcpy(&name, data, sizeof(name));
	name = be32toh(name);
	if (name > length - 6)
		return false;
	snprintf(peer->export, sizeof(peer->export), "%.*s", (int)name, data + 4);
	return true;
}

static bool answer_option(struct nbd_peer *peer, u32 type, const void *data, u32 length)
{
	struct nbd_wire_option_reply reply = { htobe64(NBD_WIRE_OPTION_REPLY), htobe32(NBD_WIRE_OPT_GO), htobe32(type), htobe32(length) };

	if (peer->lie == NBD_OTHER_OPTION)
		reply.option = htobe32(3);
	if (peer->lie == NBD_OTHER_MAGIC)
		reply.magic++;
	if (peer->lie == NBD_LONG_ANSWER)
		reply.length = htobe32(~0u);
	return put(peer, &reply, sizeof(reply)) && put(peer, data, length);
}

static bool tell_export(struct nbd_peer *peer)
{
	struct {
		struct nbd_wire_export info;
		u8 more[4];
	} export = { { htobe16(NBD_WIRE_INFO_EXPORT), htobe64(peer->size), htobe16(peer->flags) }, "" };
	u32 length = sizeof(export.info);

	if (peer->lie == NBD_HUGE_EXPORT)
		export.info.size = htobe64(1ULL << 63);
	if (peer->lie == NBD_NO_FLAGS)
		export.info.flags = 0;
	if (peer->lie == NBD_SHORT_EXPORT)
		length--;
	if (peer->lie == NBD_LONG_EXPORT)
		length++;
	if (peer->lie == NBD_SHORT_INFO)
		length = 1;
	return answer_option(peer, NBD_WIRE_REP_INFO, &export, length);
}

static bool tell_blocks(struct nbd_peer *peer)
{
	struct nbd_wire_block_size info = { htobe16(NBD_WIRE_INFO_BLOCK_SIZE), htobe32(peer->least), htobe32(4096), htobe32(peer->most) };

	if (peer->has_no_blocks)
		return true;
	if (peer->lie == NBD_ODD_BLOCKS)
		info.least = htobe32(768);
	if (peer->lie == NBD_LARGE_BLOCKS)
		info.least = htobe32(8192);
	if (peer->lie == NBD_NO_BLOCKS)
		info.most = htobe32(256);
	return answer_option(peer, NBD_WIRE_REP_INFO, &info, sizeof(info) - (peer->lie == NBD_SHORT_BLOCKS));
}

static bool tell_more(struct nbd_peer *peer)
{
	static const char name[] = "\0\1a name", odd[] = "\x12\x34?";

	return peer->lie != NBD_MORE_INFO || (answer_option(peer, NBD_WIRE_REP_INFO, name, sizeof(name)) &&
					      answer_option(peer, NBD_WIRE_REP_INFO, odd, sizeof(odd)) && answer_option(peer, 77, odd, sizeof(odd)));
}

static bool agree(struct nbd_peer *peer)
{
	static const char words[] = "no \033[2Jsuch thing";

	if (!greet(peer) || !hear_option(peer))
		return false;
	switch (peer->lie) {
	case NBD_UNKNOWN_EXPORT:
		return answer_option(peer, NBD_WIRE_REP_UNKNOWN, words, sizeof(words) - 1);
	case NBD_WANTS_TLS:
		return answer_option(peer, NBD_WIRE_REP_TLS, "", 0);
	case NBD_NO_GO:
		return answer_option(peer, NBD_WIRE_REP_UNSUPPORTED, "", 0);
	case NBD_ENDLESS_INFO:
		while (answer_option(peer, NBD_WIRE_REP_INFO, "\0\2", 2))
			;
		return false;
	case NBD_NO_EXPORT:
		return answer_option(peer, NBD_WIRE_REP_ACK, "", 0);
	default:
		return tell_more(peer) && tell_export(peer) && tell_blocks(peer) &&
		       answer_option(peer, NBD_WIRE_REP_ACK, "data", peer->lie == NBD_ACK_WITH_DATA ? 4 : 0);
	}
}

static bool send_slowly(struct nbd_peer *peer, const void *from, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!put(peer, (const u8 *)from + i, 1))
			return false;
		usleep(SLOW_US);
	}
	return true;
}

/* What follows a read's answer. */
static bool give_data(struct nbd_peer *peer, u64 at, u32 length)
{
	if (peer->lie == NBD_ANSWER_HALF) {
		put(peer, peer->disk + at, length / 2);
		return false;
	}
	return put(peer, peer->disk + at, length);
}

/* A server may refuse those. */
static bool is_odd(const struct nbd_peer *peer, const struct nbd_wire_request *request)
{
	return (be64toh(request->offset) | be32toh(request->length)) & (peer->least - 1);
}

static bool answer(struct nbd_peer *peer, const struct nbd_wire_request *request)
{
	struct nbd_wire_reply reply = { htobe32(NBD_WIRE_REPLY), 0, request->handle };
	bool is_read = be16toh(request->type) == NBD_WIRE_READ, has_error = false;
	u64 at = be64toh(request->offset);
	u32 length = be32toh(request->length);

	switch (peer->lie) {
	case NBD_ANSWER_MAGIC:
		reply.magic++;
		break;
	case NBD_ANSWER_HANDLE:
		reply.handle ^= htobe64(1);
		break;
	case NBD_ANSWER_STRUCTURED:
		reply.magic = htobe32(0x668e33ef);
		break;
	case NBD_ANSWER_CUT:
		put(peer, &reply, 8);
		return false;
	case NBD_ANSWER_NEVER:
		return true;
	case NBD_FLUSHES_LATE:
		if (be16toh(request->type) == NBD_WIRE_FLUSH)
			sleep(1);
		break;
	case NBD_ANSWER_SLOWLY:
		return send_slowly(peer, &reply, sizeof(reply));
	case NBD_ANSWER_ERROR:
	case NBD_ANSWER_ERROR_AND_DATA:
		reply.error = htobe32(EIO);
		break;
	case NBD_ANSWER_NO_ROOM:
		reply.error = htobe32(ENOSPC);
		break;
	case NBD_ANSWER_ODD_ERROR:
		reply.error = htobe32(~0u);
		break;
	default:
		break;
	}
	if (is_odd(peer, request))
		reply.error = htobe32(EINVAL);
	has_error = reply.error;
	if (peer->lie == NBD_ANSWER_ERROR_AND_DATA) {
		u8 both[sizeof(reply) + 512] = "";

		memcpy(both, &reply, sizeof(reply));
		return put(peer, both, sizeof(both));
	}
	if (peer->lie == NBD_ANSWER_TWICE && !put(peer, &reply, sizeof(reply)))
		return false;
	return put(peer, &reply, sizeof(reply)) && (!is_read || has_error || give_data(peer, at, length));
}

static void take_down(struct nbd_peer *peer, const struct nbd_wire_request *request)
{
	u16 flags = be16toh(request->flags), type = be16toh(request->type);
	u32 length = be32toh(request->length);

	if (type < NBD_PEER_TYPES)
		peer->counts[type]++;
	peer->fua += !!(flags & NBD_WIRE_FUA);
	peer->no_hole += !!(flags & NBD_WIRE_NO_HOLE);
	if (length > peer->longest)
		peer->longest = length;
	peer->odd += is_odd(peer, request);
}

/* Return: false: the end. */
static bool serve(struct nbd_peer *peer)
{
	struct nbd_wire_request request;
	u64 at;
	u32 length;

	if (peer->lie == NBD_READS_NOTHING) {
		sleep(2);
		return false;
	}
	if (!get(peer, &request, sizeof(request)) || be32toh(request.magic) != NBD_WIRE_REQUEST)
		return false;
	take_down(peer, &request);
	at = be64toh(request.offset);
	length = be32toh(request.length);
	if (be16toh(request.type) == NBD_WIRE_DISCONNECT) {
		peer->has_left = true;
		return false;
	}
	/* The client is the one that is tested: it never asks for that. */
	if (at > NBD_PEER_DISK || length > NBD_PEER_DISK - at)
		return false;
	if (be16toh(request.type) == NBD_WIRE_WRITE && !get(peer, peer->disk + at, length))
		return false;
	if (be16toh(request.type) == NBD_WIRE_WRITE_ZEROES && !is_odd(peer, &request))
		memset(peer->disk + at, 0, length);
	return answer(peer, &request);
}

static void *run(void *argument)
{
	struct nbd_peer *peer = argument;

	if (peer->listener > 0) {
		peer->socket = accept(peer->listener, NULL, NULL);
		close(peer->listener);
	}
	if (agree(peer))
		while (serve(peer))
			;
	shutdown(peer->socket, SHUT_RDWR);
	return NULL;
}

static void set_up(struct nbd_peer *peer)
{
	if (!peer->flags)
		peer->flags = NBD_PEER_ALL;
	if (!peer->size)
		peer->size = NBD_PEER_DISK;
	if (!peer->least)
		peer->least = 1;
	if (!peer->most)
		peer->most = 32u << 20;
	if (!peer->disk)
		peer->disk = calloc(1, NBD_PEER_DISK);
	ASSERT_EQ(!peer->disk, 0);
}

int nbd_peer_start(struct nbd_peer *peer)
{
	int ends[2];

	set_up(peer);
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	peer->socket = ends[1];
	ASSERT_EQ(pthread_create(&peer->thread, NULL, run, peer), 0);
	return ends[0];
}

void nbd_peer_listen(struct nbd_peer *peer, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	set_up(peer);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	peer->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ASSERT_EQ(bind(peer->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ASSERT_EQ(listen(peer->listener, 1), 0);
	ASSERT_EQ(pthread_create(&peer->thread, NULL, run, peer), 0);
}

void nbd_peer_stop(struct nbd_peer *peer)
{
	pthread_join(peer->thread, NULL);
	close(peer->socket);
	free(peer->disk);
	peer->disk = NULL;
}
