// SPDX-License-Identifier: GPL-2.0-only
/*
 * The front end of vhost-user. The process at the other end maps the guest's memory, which is a memfd
 * then, and gets each queue's place and eventfds when the driver starts it; it stops when it is asked
 * how far it got. Where a queue lies is told as an address of ours, which it finds in the table.
 *
 * An answer is waited for, two seconds at most, and then the connection is over: what comes later
 * would be taken for the answer to something else, and nobody knows what it does with a queue. It has
 * the guest's memory, which cannot be taken back: a driver that resets its device, or a guest that starts
 * again, would find it written by what was meant for the one before. So a process of ours is ended then, and of
 * another one it is said.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "status.h"
#include "vhost_user.h"
#include "vhost_user_message.h"

#define RING_FEATURES	(1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_RING_F_EVENT_IDX | \
			 1ULL << VIRTIO_RING_F_INDIRECT_DESC)
#define PROTOCOL	(1ULL << VHOST_USER_PROTOCOL_F_MQ | 1ULL << VHOST_USER_PROTOCOL_F_REPLY_ACK)

static struct vhost_user *to_user(struct vhost *vhost)
{
	return (struct vhost_user *)((char *)vhost - offsetof(struct vhost_user, vhost));
}

/* Nothing that it does may reach the guest any more. */
static void give_up(struct vhost_user *user, int error)
{
	bool is_ended, was_lost = user->vhost.is_lost;

	shutdown(user->socket, SHUT_RDWR);
	user->vhost.is_lost = true;
	if (was_lost)
		return;
	is_ended = children_end(&user->children, 0, VHOST_USER_ANSWER_MS);
	/* Who has closed his end has ended, most likely; and whoever starts a machine is told anyway. */
	if (!user->has_memory || (!is_ended && (error == ECONNRESET || error == EPIPE)))
		return;
	if (is_ended)
		status_warn("%s: the process that serves it gave no answer, or a wrong one, and was killed", user->vhost.name);
	else
		status_warn("%s: the process that serves it gave no answer, or a wrong one; until it ends it may write into the guest's memory",
			    user->vhost.name);
}

/* Send what is in @message, and have an answer with @size bytes in its place if that is not 0. */
static int exchange(struct vhost_user *user, struct vhost_user_message *message, const int *fds, unsigned int count,
		    uint32_t size)
{
	int error = vhost_user_send(user->socket, message, fds, count);

	if (!error && size)
		error = vhost_user_receive(user->socket, message, size);
	if (error)
		give_up(user, error);
	return error;
}

/* Send what is in @message; if the process acknowledges, wait for that. */
static int tell(struct vhost_user *user, struct vhost_user_message *message, const int *fds, unsigned int count)
{
	message->flags = VHOST_USER_VERSION | (user->has_acks ? VHOST_USER_NEED_REPLY : 0);
	int error = exchange(user, message, fds, count, user->has_acks ? sizeof(message->body.number) : 0);

	return error ? error : user->has_acks && message->body.number ? EINVAL : 0;
}

static int tell_number(struct vhost_user *user, enum vhost_user_request request, uint64_t number)
{
	struct vhost_user_message message = { .request = request, .size = sizeof(number), .body.number = number };

	return tell(user, &message, NULL, 0);
}

static int tell_state(struct vhost_user *user, enum vhost_user_request request, unsigned int index, unsigned int value)
{
	struct vhost_user_message message = {
		.request = request,
		.size = sizeof(message.body.state),
		.body.state = { .index = index, .num = value },
	};

	return tell(user, &message, NULL, 0);
}

/* A queue's number in the low byte, and an eventfd with it. */
static int tell_event(struct vhost_user *user, enum vhost_user_request request, unsigned int index, int event)
{
	struct vhost_user_message message = { .request = request, .size = 8, .body.number = index };

	return tell(user, &message, &event, 1);
}

static int ask_number(struct vhost_user *user, enum vhost_user_request request, uint64_t *number)
{
	struct vhost_user_message message = { .request = request, .flags = VHOST_USER_VERSION };
	int error = exchange(user, &message, NULL, 0, sizeof(*number));

	if (!error)
		*number = message.body.number;
	return error;
}

/* The first of all questions. */
static int ask_features(struct vhost_user *user, int first_ms)
{
	struct vhost_user_message message = { .request = VHOST_USER_GET_FEATURES, .flags = VHOST_USER_VERSION };
	struct pollfd wait = { .fd = user->socket, .events = POLLIN };
	int error = vhost_user_send(user->socket, &message, NULL, 0);

	if (!error && first_ms)
		poll(&wait, 1, first_ms);
	if (!error)
		error = vhost_user_receive(user->socket, &message, sizeof(user->features));
	if (error)
		shutdown(user->socket, SHUT_RDWR);
	user->features = message.body.number;
	return error;
}

/* The server of queues. */

static bool is_any_running(const struct vhost *vhost)
{
	for (unsigned int i = 0; i < vhost->count; i++)
		if (vhost->queues[i].is_running)
			return true;
	return false;
}

static int set_features(struct vhost *vhost, unsigned int group, uint64_t features)
{
	struct vhost_user *user = to_user(vhost);

	(void)group;
	/* One word for all of them. */
	if (is_any_running(vhost))
		return 0;
	if (user->has_protocol)
		features |= 1ULL << VHOST_USER_F_PROTOCOL_FEATURES;
	return tell_number(user, VHOST_USER_SET_FEATURES, features);
}

static int set_place(struct vhost_user *user, unsigned int index, const struct virtq *queue)
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

static void stop(struct vhost *vhost, unsigned int index)
{
	struct vhost_user_message message = {
		.request = VHOST_USER_GET_VRING_BASE,
		.flags = VHOST_USER_VERSION,
		.size = sizeof(message.body.state),
		.body.state.index = index,
	};

	exchange(to_user(vhost), &message, NULL, 0, sizeof(message.body.state));
}

static int start(struct vhost *vhost, unsigned int index)
{
	struct vhost_user *user = to_user(vhost);
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
		error = tell_state(user, VHOST_USER_SET_VRING_ENABLE, index, index < user->enabled);
	/* The doorbell is what starts it. */
	if (error)
		stop(vhost, index);
	return error;
}

static const struct vhost_ops ops = { set_features, start, stop };

void vhost_user_enable(struct vhost_user *user, unsigned int index, unsigned int value)
{
	if (user->has_protocol && user->vhost.queues[index].is_running)
		tell_state(user, VHOST_USER_SET_VRING_ENABLE, index, value);
}

/* Construction. */

static int share_memory(struct vhost_user *user, const struct memory *memory)
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

static int agree_on_protocol(struct vhost_user *user, const struct vhost_user_wants *wants)
{
	uint64_t protocol, queues = wants->queues_of_old;
	int error = ask_number(user, VHOST_USER_GET_PROTOCOL_FEATURES, &protocol);

	if (error)
		return error;
	protocol &= PROTOCOL;
	error = tell_number(user, VHOST_USER_SET_PROTOCOL_FEATURES, protocol);
	user->has_acks = protocol & 1ULL << VHOST_USER_PROTOCOL_F_REPLY_ACK;
	if (!error && wants->queues > 1 && protocol & 1ULL << VHOST_USER_PROTOCOL_F_MQ)
		error = ask_number(user, VHOST_USER_GET_QUEUE_NUM, &queues);
	return error ? error : wants->queues > queues ? ERANGE : 0;
}

int vhost_user_agree(struct vhost_user *user, const struct memory *memory, const struct vhost_user_wants *wants)
{
	struct vhost_user_message owner = { .request = VHOST_USER_SET_OWNER };
	int error = ask_features(user, wants->first_ms);

	if (error)
		return error;
	if (!(user->features & 1ULL << VIRTIO_F_VERSION_1))
		return EPROTONOSUPPORT;
	user->has_protocol = user->features & 1ULL << VHOST_USER_F_PROTOCOL_FEATURES;
	if (user->has_protocol)
		error = agree_on_protocol(user, wants);
	else if (wants->queues > wants->queues_of_old)
		error = ERANGE;
	user->vhost.features = user->features & (RING_FEATURES | wants->features);
	if (!error)
		error = tell(user, &owner, NULL, 0);
	if (!error)
		error = share_memory(user, memory);
	user->has_memory = !error;
	return error;
}

void vhost_user_attach(struct vhost_user *user, int socket)
{
	struct timeval limit = { .tv_sec = VHOST_USER_ANSWER_MS / 1000 };

	user->socket = socket;
	user->is_open = true;
	setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

int vhost_user_connect(struct vhost_user *user, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno;
	vhost_user_attach(user, fd);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) ? errno : 0;
}

const char *vhost_user_remedy(int error)
{
	return error == ENOENT || error == ECONNREFUSED ? " (start the program that listens there first)" :
	       error == EACCES ? " (chmod, chown: to connect takes the permission to write)" : "";
}

int vhost_user_open(struct vhost_user *user, struct virtio_device *device, const struct vhost_place *place)
{
	int error = vhost_init(&user->vhost, device, place);

	user->vhost.ops = &ops;
	user->vhost.hangup = user->socket;
	return error;
}

void vhost_user_close(struct vhost_user *user)
{
	if (user->is_open)
		close(user->socket);
	user->is_open = false;
	vhost_free(&user->vhost);
}
