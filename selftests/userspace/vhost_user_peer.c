// SPDX-License-Identifier: GPL-2.0-only
/* A vhost-user back end, as far as a network device's first pair of queues needs one. */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "userspace/vhost_user_message.h"
#include "vhost_user_peer.h"

static u64 to_guest(const struct vhost_user_peer *peer, u64 user_address)
{
	for (u32 i = 0; i < peer->memory.count; i++)
		if (user_address - peer->user_address[i] < peer->memory.regions[i].size)
			return user_address - peer->user_address[i] + peer->memory.regions[i].base;
	return ~0ULL;
}

static void map_memory(struct vhost_user_peer *peer, const struct vhost_user_message *message, const int *fds, u32 count)
{
	ASSERT_EQ(message->body.memory.count, count);
	for (u32 i = 0; i < count; i++) {
		struct vhost_user_region region = message->body.memory.regions[i];
		u8 *at = mmap(NULL, region.size, PROT_READ | PROT_WRITE, MAP_SHARED, fds[i], (off_t)region.offset);

		ASSERT(at != MAP_FAILED, "the memory can be mapped");
		peer->memory.regions[i] = (struct memory_region){ region.guest_address, region.size, at };
		peer->user_address[i] = region.user_address;
		close(fds[i]);
	}
	peer->memory.count = count;
}

static void answer(const struct vhost_user_peer *peer, struct vhost_user_message *message, u32 size)
{
	message->flags = VHOST_USER_VERSION | VHOST_USER_REPLY;
	message->size = size;
	if (message->request == VHOST_USER_GET_FEATURES) {
		message->request += peer->fault == PEER_WRONG_REQUEST;
		message->size += peer->fault == PEER_WRONG_SIZE ? 4096 : 0;
		message->flags ^= peer->fault == PEER_WRONG_FLAGS ? VHOST_USER_REPLY : 0;
		if (peer->fault == PEER_NO_ANSWER)
			return;
	}
	/* The front end may have had enough. */
	for (u32 i = 0; peer->fault == PEER_DRIBBLES && i < VHOST_USER_HEADER_SIZE + size; i++) {
		send(peer->socket, (u8 *)message + i, 1, MSG_NOSIGNAL);
		usleep(250000);
	}
	if (peer->fault != PEER_DRIBBLES && peer->fault != PEER_STANDS && (peer->fault != PEER_FALLS_SILENT || message->request != VHOST_USER_SET_VRING_NUM))
		send(peer->socket, message, VHOST_USER_HEADER_SIZE + size, MSG_NOSIGNAL);
}

/* Return: is its answer the acknowledgement, if it is wanted? */
static bool act(struct vhost_user_peer *peer, struct vhost_user_message *message, const int *fds, u32 count)
{
	struct virtq *queue = &peer->queues[message->body.state.index & 1];

	switch (message->request) {
	case VHOST_USER_GET_FEATURES:
		message->body.number = peer->features;
		break;
	case VHOST_USER_GET_PROTOCOL_FEATURES:
		message->body.number = peer->protocol;
		break;
	case VHOST_USER_GET_QUEUE_NUM:
		message->body.number = peer->pairs;
		break;
	case VHOST_USER_GET_VRING_BASE:
		queue->is_enabled = false;
		peer->stopped++;
		answer(peer, message, 8);
		return false;
	case VHOST_USER_SET_FEATURES:
		peer->set_features = message->body.number;
		return true;
	case VHOST_USER_SET_PROTOCOL_FEATURES:
		peer->set_protocol = message->body.number;
		return false;	/* nothing was agreed on before */
	case VHOST_USER_SET_MEM_TABLE:
		map_memory(peer, message, fds, count);
		return true;
	case VHOST_USER_SET_VRING_NUM:
		virtq_reset(queue, (u16)message->body.state.num);
		return true;
	case VHOST_USER_SET_VRING_ADDR:
		queue->descriptors = to_guest(peer, message->body.address.desc_user_addr);
		queue->available = to_guest(peer, message->body.address.avail_user_addr);
		queue->used = to_guest(peer, message->body.address.used_user_addr);
		return true;
	case VHOST_USER_SET_VRING_CALL:
		ASSERT_EQ(count, 1);
		peer->call[message->body.number & 1] = fds[0];
		return true;
	case VHOST_USER_SET_VRING_KICK:
		ASSERT_EQ(count, 1);
		peer->kick[message->body.number & 1] = fds[0];
		ASSERT(virtq_enable(queue, &peer->memory, false), "rings that can be used");
		peer->started++;
		return true;
	case VHOST_USER_SET_VRING_ENABLE:
		peer->enabled += message->body.state.num;
		return true;
	default:
		return true;
	}
	answer(peer, message, 8);
	return false;
}

bool vhost_user_peer_serve(struct vhost_user_peer *peer)
{
	union { struct cmsghdr align; char bytes[CMSG_SPACE(8 * sizeof(int))]; } control;
	struct vhost_user_message message;
	struct iovec part = { &message, VHOST_USER_HEADER_SIZE };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	int fds[8], count = 0;

	memset(&message, 0, sizeof(message));
	if (recvmsg(peer->socket, &header, MSG_WAITALL) != (ssize_t)VHOST_USER_HEADER_SIZE)
		return false;
	if (header.msg_controllen) {
		struct cmsghdr *first = CMSG_FIRSTHDR(&header);

		count = (int)((first->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(first), (size_t)count * sizeof(int));
	}
	ASSERT_LE(message.size, sizeof(message.body));
	ASSERT_EQ(message.flags & 3, VHOST_USER_VERSION);
	if (message.size)
		ASSERT_EQ(recv(peer->socket, &message.body, message.size, MSG_WAITALL), (int)message.size);
	if (peer->fault == PEER_HANGS_UP)
		return false;
	u32 request = message.request;
	bool wants_ack = message.flags & VHOST_USER_NEED_REPLY;

	if (act(peer, &message, fds, (u32)count) && wants_ack) {
		message.body.number = (peer->fault == PEER_REFUSES_MEMORY && request == VHOST_USER_SET_MEM_TABLE) ||
				      (peer->fault == PEER_REFUSES_PLACE && request == VHOST_USER_SET_VRING_ADDR) ||
				      (peer->fault == PEER_REFUSES_ENABLE && request == VHOST_USER_SET_VRING_ENABLE);
		answer(peer, &message, 8);
	}
	return true;
}

int vhost_user_peer_init(struct vhost_user_peer *peer, enum peer_fault fault, u64 features, u64 pairs, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	*peer = (struct vhost_user_peer){ .fault = fault, .features = features, .protocol = ~0ULL, .pairs = pairs };
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	unlink(path);
	ASSERT_EQ(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ASSERT_EQ(listen(listener, 1), 0);
	return listener;
}
