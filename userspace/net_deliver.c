// SPDX-License-Identifier: GPL-2.0-only
/*
 * VIRTIO 1.2, "Network Device: Processing of Incoming Packets". The header goes in front, and says
 * how many requests the frame has taken: so it is written last, and all of them are given back at
 * once. A frame that finds too few or too small buffers leaves the queue as it was.
 */
#include <string.h>

#include "net_deliver.h"

/* Copy @size bytes to @skip bytes behind the start of the chain's room, as far as that goes. */
static uint32_t scatter(const struct virtq_chain *chain, uint64_t skip, const void *from, uint32_t size)
{
	const struct iovec *parts = &chain->segments[chain->read_count];
	uint32_t done = 0;

	for (unsigned int i = 0; i < chain->write_count && done < size; i++) {
		if (skip >= parts[i].iov_len) {
			skip -= parts[i].iov_len;
			continue;
		}
		uint64_t part = parts[i].iov_len - skip;

		if (part > size - done)
			part = size - done;
		memcpy((uint8_t *)parts[i].iov_base + skip, (const uint8_t *)from + done, part);
		done += (uint32_t)part;
		skip = 0;
	}
	return done;
}

/* Of chains behind the first: there is always one more, or none at all. */
static bool take_more(struct virtq *queue, struct net_deliver_room *room, const struct net_packet *packet,
		      uint32_t *done, unsigned int *count)
{
	while (*done < packet->size) {
		if (*count == queue->size || !virtq_pop(queue, &room->more))
			return false;
		uint32_t part = scatter(&room->more, 0, packet->frame + *done, packet->size - *done);

		virtq_fill(queue, (*count)++, room->more.head, part);
		*done += part;
	}
	return true;
}

enum net_delivery net_deliver(struct virtq *queue, struct net_packet *packet, bool is_mergeable,
			      struct net_deliver_room *room)
{
	unsigned int count = 1;

	room->seen = 0;
	if (!virtq_pop(queue, &room->first))
		return NET_NO_BUFFERS;
	uint32_t done = scatter(&room->first, NET_HEADER_SIZE, packet->frame, packet->size);

	if (room->first.write_bytes < NET_HEADER_SIZE || (!is_mergeable && done < packet->size)) {
		virtq_put_back(queue, 1);
		return NET_TOO_LARGE;
	}
	virtq_fill(queue, 0, room->first.head, (uint32_t)NET_HEADER_SIZE + done);
	if (!take_more(queue, room, packet, &done, &count)) {
		virtq_put_back(queue, count);
		room->seen = count;
		/* All of the queue is too small for it: waiting would not help. */
		return count == queue->size ? NET_TOO_LARGE : NET_NO_BUFFERS;
	}
	packet->header.num_buffers = (uint16_t)count;
	scatter(&room->first, 0, &packet->header, NET_HEADER_SIZE);
	virtq_flush(queue, count);
	return NET_DELIVERED;
}
