// SPDX-License-Identifier: GPL-2.0-only
/*
 * The front end of vhost-user. The process at the other end maps the guest's memory, which is a memfd
 * then, and gets each queue's place and eventfds when the driver starts it; it stops when it is asked
 * how far it got. Where a queue lies is told as an address of ours, which it finds in the table.
 *
 * An answer is waited for, two seconds at most, and then the connection is over: what comes later
 * would be taken for the answer to something else, and nobody knows what it does with a queue.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "net_vhost_user.h"
#include "status.h"
#include "vhost_user_message.h"

#define RING_FEATURES	(1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_RING_F_EVENT_IDX | \
			 1ULL << VIRTIO_RING_F_INDIRECT_DESC)
/* What the process does with frames; addresses and queues are told to us. */
#define NET_FEATURES	(1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_GUEST_CSUM | \
			 1ULL << VIRTIO_NET_F_HOST_TSO4 | 1ULL << VIRTIO_NET_F_HOST_TSO6 | \
			 1ULL << VIRTIO_NET_F_HOST_ECN | 1ULL << VIRTIO_NET_F_HOST_UFO | \
			 1ULL << VIRTIO_NET_F_GUEST_TSO4 | 1ULL << VIRTIO_NET_F_GUEST_TSO6 | \
			 1ULL << VIRTIO_NET_F_GUEST_ECN | 1ULL << VIRTIO_NET_F_GUEST_UFO)
#define PROTOCOL	(1ULL << VHOST_USER_PROTOCOL_F_MQ | 1ULL << VHOST_USER_PROTOCOL_F_REPLY_ACK)

static struct net_vhost_user *to_user(struct net_vhost *vhost)
{
	return (struct net_vhost_user *)((char *)vhost - offsetof(struct net_vhost_user, vhost));
}

/* Send what is in @message, and have an answer with @size bytes in its place if that is not 0. */
static int exchange(struct net_vhost_user *user, struct vhost_user_message *message, const int *fds, unsigned int count,
		    uint32_t size)
{
	int error = vhost_user_send(user->socket, message, fds, count);

	if (!error && size)
		error = vhost_user_receive(user->socket, message, size);
	if (error)
		shutdown(user->socket, SHUT_RDWR);
	return error;
}

/* Send what is in @message; if the process acknowledges, wait for that. */
static int tell(struct net_vhost_user *user, struct vhost_user_message *message, const int *fds, unsigned int count)
{
	message->flags = VHOST_USER_VERSION | (user->has_acks ? VHOST_USER_NEED_REPLY : 0);
	int error = exchange(user, message, fds, count, user->has_acks ? sizeof(message->body.number) : 0);

	return error ? error : user->has_acks && message->body.number ? EINVAL : 0;
}

static int tell_number(struct net_vhost_user *user, enum vhost_user_request request, uint64_t number)
{
	struct vhost_user_message message = { .request = request, .size = sizeof(number), .body.number = number };

	return tell(user, &message, NULL, 0);
}

static int tell_state(struct net_vhost_user *user, enum vhost_user_request request, unsigned int index, unsigned int value)
{
	struct vhost_user_message message = {
		.request = request,
		.size = sizeof(message.body.state),
		.body.state = { .index = index, .num = value },
	};

	return tell(user, &message, NULL, 0);
}

/* A queue's number in the low byte, and an eventfd with it. */
static int tell_event(struct net_vhost_user *user, enum vhost_user_request request, unsigned int index, int event)
{
	struct vhost_user_message message = { .request = request, .size = 8, .body.number = index };

	return tell(user, &message, &event, 1);
}

static int ask_number(struct net_vhost_user *user, enum vhost_user_request request, uint64_t *number)
{
	struct vhost_user_message message = { .request = request, .flags = VHOST_USER_VERSION };
	int error = exchange(user, &message, NULL, 0, sizeof(*number));

	if (!error)
		*number = message.body.number;
	return error;
}

/* The server of queues. */

static int set_features(struct net_vhost *vhost, unsigned int pair, uint64_t features)
{
	struct net_vhost_user *user = to_user(vhost);

	/* One word for all of them. */
	if (pair)
		return 0;
	if (user->has_protocol)
		features |= 1ULL << VHOST_USER_F_PROTOCOL_FEATURES;
	return tell_number(user, VHOST_USER_SET_FEATURES, features);
}

static int set_place(struct net_vhost_user *user, unsigned int index, const struct virtq *queue)
{
	struct vhost_user_message message = {
		.request = VHOST_USER_SET_VRING_ADDR,
		.size = sizeof(message.body.address),
		.body.address = {
			.index = index,
			.desc_user_addr = (uintptr_t)queue->descriptor_table,
			.avail_user_addr = (uintptr_t)queue->available_ring,
			.used_user_addr = (uintptr_t)queue->used_ring,
		},
	};

	return tell(user, &message, NULL, 0);
}

static void stop(struct net_vhost *vhost, unsigned int index)
{
	struct vhost_user_message message = {
		.request = VHOST_USER_GET_VRING_BASE,
		.flags = VHOST_USER_VERSION,
		.size = sizeof(message.body.state),
		.body.state.index = index,
	};

	exchange(to_user(vhost), &message, NULL, 0, sizeof(message.body.state));
}

static int start(struct net_vhost *vhost, unsigned int index)
{
	struct net_vhost_user *user = to_user(vhost);
	const struct virtq *queue = &vhost->device->queues[index];
	int error = tell_state(user, VHOST_USER_SET_VRING_NUM, index, queue->size);

	if (!error)
		error = tell_state(user, VHOST_USER_SET_VRING_BASE, index, 0);
	if (!error)
		error = set_place(user, index, queue);
	if (!error)
		error = tell_event(user, VHOST_USER_SET_VRING_CALL, index, vhost->queues[index].call);
	if (error)
		return error;
	error = tell_event(user, VHOST_USER_SET_VRING_KICK, index, vhost->queues[index].kick);
	if (!error && user->has_protocol)
		error = tell_state(user, VHOST_USER_SET_VRING_ENABLE, index, index < 2);
	/* The doorbell is what starts it. */
	if (error)
		stop(vhost, index);
	return error;
}

static const struct net_vhost_ops vhost_ops = { set_features, start, stop };

/* What is left for a back end whose frames others move. */

static void set_pairs(struct net_backend *backend, unsigned int pairs)
{
	struct net_vhost_user *user = (struct net_vhost_user *)((char *)backend - offsetof(struct net_vhost_user, backend));

	for (unsigned int i = 0; user->has_protocol && i < 2 * user->vhost.pairs; i++)
		if (user->vhost.queues[i].is_running)
			tell_state(user, VHOST_USER_SET_VRING_ENABLE, i, i < 2 * pairs);
}

static const struct net_backend_ops backend_ops = { .set_pairs = set_pairs };

/* Construction. */

static int share_memory(struct net_vhost_user *user, const struct memory *memory)
{
	struct vhost_user_message message = {
		.request = VHOST_USER_SET_MEM_TABLE,
		.size = (uint32_t)(8 + memory->count * sizeof(struct vhost_user_region)),
		.body.memory.count = memory->count,
	};
	int fds[MEMORY_REGIONS_MAX];

	for (unsigned int i = 0; i < memory->count; i++) {
		const struct memory_region *region = &memory->regions[i];

		message.body.memory.regions[i] = (struct vhost_user_region){
			region->base, region->size, (uintptr_t)region->host,
			(uint64_t)(region->host - (uint8_t *)memory->mapping),
		};
		fds[i] = memory->shared;
	}
	return tell(user, &message, fds, memory->count);
}

static int agree_on_protocol(struct net_vhost_user *user, unsigned int queues)
{
	uint64_t protocol, pairs = 1;
	int error = ask_number(user, VHOST_USER_GET_PROTOCOL_FEATURES, &protocol);

	if (error)
		return error;
	protocol &= PROTOCOL;
	error = tell_number(user, VHOST_USER_SET_PROTOCOL_FEATURES, protocol);
	user->has_acks = protocol & 1ULL << VHOST_USER_PROTOCOL_F_REPLY_ACK;
	/* In queues: QEMU and DPDK count pairs for a network device. */
	if (!error && queues > 1 && protocol & 1ULL << VHOST_USER_PROTOCOL_F_MQ)
		error = ask_number(user, VHOST_USER_GET_QUEUE_NUM, &pairs);
	return error ? error : queues > pairs ? ERANGE : 0;
}

/* Return: 0 or an errno; ERANGE for more queues than it has. */
static int agree(struct net_vhost_user *user, const struct net_options *options, const struct memory *memory)
{
	struct vhost_user_message owner = { .request = VHOST_USER_SET_OWNER };
	uint64_t features;
	int error = ask_number(user, VHOST_USER_GET_FEATURES, &features);

	if (error)
		return error;
	if (!(features & 1ULL << VIRTIO_F_VERSION_1))
		return EPROTONOSUPPORT;
	user->has_protocol = features & 1ULL << VHOST_USER_F_PROTOCOL_FEATURES;
	if (user->has_protocol)
		error = agree_on_protocol(user, options->queues);
	else if (options->queues > 1)
		error = ERANGE;
	user->backend.features = features & NET_FEATURES;
	user->vhost.features = features & (RING_FEATURES | NET_FEATURES | 1ULL << VIRTIO_NET_F_MRG_RXBUF);
	if (!error)
		error = tell(user, &owner, NULL, 0);
	return error ? error : share_memory(user, memory);
}

static int connect_to(struct net_vhost_user *user, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = VHOST_USER_ANSWER_MS / 1000 };

	user->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (user->socket < 0)
		return errno;
	user->is_open = true;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	setsockopt(user->socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return connect(user->socket, (struct sockaddr *)&address, sizeof(address)) ? errno : 0;
}

int net_vhost_user_open(struct net_vhost_user *user, struct virtio_device *device, const struct vm *vm,
			const struct net_vhost_place *place, const struct net_options *options)
{
	int error = connect_to(user, options->path);
	const char *remedy = error == ENOENT || error == ECONNREFUSED ? " (start the program that listens there first)" :
			     error == EACCES ? " (chmod, chown: to connect takes the permission to write)" : "";

	if (error)
		return status_fail(STATUS_NET, "--net vhost-user=%s: cannot connect: %s%s", options->path, strerror(error),
				   remedy);
	error = net_vhost_init(&user->vhost, device, place, options->queues);
	if (error)
		return status_fail(STATUS_HOST, "--net: cannot create eventfds: %s", strerror(error));
	user->vhost.ops = &vhost_ops;
	user->vhost.hangup = user->socket;
	user->backend = (struct net_backend){ .ops = &backend_ops, .name = options->path, .pairs = options->queues };
	error = agree(user, options, &vm->memory);
	if (error == ERANGE)
		return status_fail(STATUS_NET, "--net vhost-user=%s: the program there has fewer queues (queues=1)",
				   options->path);
	if (error)
		return status_fail(STATUS_NET, "--net vhost-user=%s: the program there is no vhost-user network: %s",
				   options->path, strerror(error));
	return 0;
}

void net_vhost_user_close(struct net_vhost_user *user)
{
	if (user->is_open)
		close(user->socket);
	user->is_open = false;
	net_vhost_free(&user->vhost);
}
