// SPDX-License-Identifier: GPL-2.0-only
/*
 * vhost_user_tap SOCKET INTERFACE - a vhost-user network on a TAP interface, for one guest: what DPDK
 * would be, small enough for the lab. It ends when the front end hangs up.
 */
#include <linux/virtio_config.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "userspace/net_deliver.h"
#include "userspace/net_tap.h"
#include "userspace/virtio.h"
#include "userspace/vhost_user_message.h"
#include "vhost_user_peer.h"

#define F(name)	BIT(VIRTIO_NET_F_##name)
#define OFFLOADS	(F(CSUM) | F(HOST_TSO4) | F(HOST_TSO6) | F(GUEST_CSUM) | F(GUEST_TSO4) | F(GUEST_TSO6))

static struct vhost_user_peer peer;
static struct net_tap tap;
static struct virtq_chain chain;
static struct net_deliver_room room;
static struct net_packet packet;
static bool has_packet;
static u64 sent, received;

static void signal_guest(u32 queue)
{
	u64 one = 1;

	if (virtq_needs_signal(&peer.queues[queue]) && write(peer.call[queue], &one, sizeof(one)) < 0)
		perror("call");
}

/* A frame of the guest's, the header first, as it is. */
static void send_one(void)
{
	static struct iovec parts[1 + VIRTQ_SEGMENTS_MAX];
	struct virtio_net_hdr_v1 header;
	u64 skip = NET_HEADER_SIZE;
	u32 count = 1;

	if (!virtio_copy_from(&chain, &header, sizeof(header)))
		return;
	for (u32 i = 0; i < chain.read_count; i++) {
		struct iovec part = chain.segments[i];
		u64 cut = skip < part.iov_len ? skip : part.iov_len;

		skip -= cut;
		if (part.iov_len > cut)
			parts[count++] = (struct iovec){ (u8 *)part.iov_base + cut, part.iov_len - cut };
	}
	header.num_buffers = 0;
	tap.backend.ops->send(&tap.backend, 0, &header, parts, count, (u32)(chain.read_bytes - NET_HEADER_SIZE));
	sent++;
}

static void send_all(void)
{
	struct virtq *queue = &peer.queues[1];

	do {
		while (virtq_pop(queue, &chain)) {
			send_one();
			virtq_push(queue, &chain, 0);
		}
	} while (virtq_wants_doorbell(queue));
	signal_guest(1);
}

static void receive_all(void)
{
	struct virtq *queue = &peer.queues[0];

	for (;;) {
		has_packet = has_packet || tap.backend.ops->receive(&tap.backend, 0, &packet) == NET_DONE;
		if (!has_packet)
			break;
		if (net_deliver(queue, &packet, true, &room) == NET_NO_BUFFERS) {
			if (virtq_wants_more(queue, room.seen))
				continue;
			break;
		}
		has_packet = false;
		received++;
	}
	signal_guest(0);
}

static void drain(int event)
{
	u64 count;

	if (read(event, &count, sizeof(count)) < 0)
		perror("kick");
}

static void serve(void)
{
	u64 offloads = 0;

	for (;;) {
		bool is_up = peer.queues[0].is_enabled && peer.queues[1].is_enabled;
		struct pollfd waits[4] = {
			{ peer.socket, POLLIN, 0 },
			{ is_up ? peer.kick[1] : -1, POLLIN, 0 },
			{ is_up ? peer.kick[0] : -1, POLLIN, 0 },
			{ is_up && !has_packet ? tap.backend.fds[0] : -1, POLLIN, 0 },
		};

		poll(waits, 4, -1);
		if (waits[0].revents && !vhost_user_peer_serve(&peer))
			break;
		if (peer.set_features != offloads) {
			offloads = peer.set_features;
			tap.backend.ops->set_offloads(&tap.backend, offloads);
		}
		if (waits[1].revents)
			drain(peer.kick[1]);
		if (waits[2].revents)
			drain(peer.kick[0]);
		if (!is_up || !peer.queues[0].is_enabled)
			continue;
		send_all();
		receive_all();
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	if (argc != 3 || strlen(argv[1]) >= sizeof(address.sun_path)) {
		fprintf(stderr, "usage: vhost_user_tap SOCKET INTERFACE\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	if (net_tap_open(&tap, argv[2], 1))
		return 1;
	strcpy(address.sun_path, argv[1]);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 1)) {
		perror(argv[1]);
		return 1;
	}
	peer.socket = accept(listener, NULL, NULL);
	peer.features = BIT(VIRTIO_F_VERSION_1) | F(MRG_RXBUF) | OFFLOADS | BIT(VHOST_USER_F_PROTOCOL_FEATURES);
	peer.protocol = BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK);
	peer.pairs = 1;
	serve();
	printf("vhost_user_tap: %llu frames from the guest, %llu to it\n", (unsigned long long)sent, (unsigned long long)received);
	return 0;
}
