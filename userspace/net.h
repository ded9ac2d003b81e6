/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What carries a network device's frames on the host's side.
 */
#ifndef KEEL_NET_H
#define KEEL_NET_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#define NET_PAIRS_MAX	4		/* receive and transmit queues, of each */
#define NET_HEADER_SIZE	sizeof(struct virtio_net_hdr_v1)
#define NET_FRAME_MIN	14U		/* an Ethernet header */
#define NET_FRAME_MAX	65568U		/* the largest packet that is still to be cut up, and VLAN tags */

/* A frame on its way to the guest, with the header that tells what is still to be done to it. */
struct net_packet {
	struct virtio_net_hdr_v1 header;
	const uint8_t *frame;
	uint32_t size;
};

enum net_result {
	NET_DONE,
	NET_AGAIN,		/* nothing there, or no room: wait until the descriptor is ready */
	NET_GONE,		/* and it will not come back */
};

struct net_backend;

/**
 * struct net_backend_ops - how frames are moved; all by the device's thread
 * @receive: the next frame of @pair; valid until the next call for that pair.
 * @send: send a frame of @size bytes, @parts[1] up to @parts[@count]; @parts[0] is for the back end
 *        to fill. NET_DONE too for a frame that was lost. NET_AGAIN: it was not taken.
 * @flush: send what is left of a frame, if there is any (@has_rest).
 * @set_offloads: the guest takes what these VIRTIO_NET_F_GUEST_* bits say. May be NULL.
 * @set_pairs: the guest uses the first @pairs pairs. May be NULL.
 *
 * The last two are called from any thread, with the device's lock held.
 */
struct net_backend_ops {
	enum net_result (*receive)(struct net_backend *backend, unsigned int pair, struct net_packet *packet);
	enum net_result (*send)(struct net_backend *backend, unsigned int pair, struct virtio_net_hdr_v1 *header,
				struct iovec *parts, unsigned int count, uint32_t size);
	enum net_result (*flush)(struct net_backend *backend);
	void (*set_offloads)(struct net_backend *backend, uint64_t features);
	void (*set_pairs)(struct net_backend *backend, unsigned int pairs);
};

struct net_backend {
	const struct net_backend_ops *ops;
	const char *name;		/* for messages */
	uint64_t features;		/* VIRTIO_NET_F_* bits that it makes possible */
	unsigned int pairs;
	uint16_t mtu;			/* 0: not known */
	bool has_rest;			/* a frame is half sent: flush it when the descriptor is writable */
	int fds[NET_PAIRS_MAX];
};

#endif
