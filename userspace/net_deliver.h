/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Putting a frame into the guest's receive buffers.
 */
#ifndef KEEL_NET_DELIVER_H
#define KEEL_NET_DELIVER_H

#include <stdbool.h>

#include "net.h"
#include "virtq.h"

enum net_delivery {
	NET_DELIVERED,
	NET_NO_BUFFERS,		/* nothing was taken from the queue */
	NET_TOO_LARGE,		/* nor here, and more buffers would not help: the frame is lost */
};

/* What delivering works with: chains are large. */
struct net_deliver_room {
	struct virtq_chain first, more;
	unsigned int seen;		/* after NET_NO_BUFFERS: how many there were */
};

/**
 * net_deliver() - write header and frame into buffers of @queue and give them back
 * @is_mergeable: a frame may take several requests (VIRTIO_NET_F_MRG_RXBUF)
 */
enum net_delivery net_deliver(struct virtq *queue, struct net_packet *packet, bool is_mergeable,
			      struct net_deliver_room *room);

#endif
