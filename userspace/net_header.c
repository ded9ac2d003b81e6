// SPDX-License-Identifier: GPL-2.0-only
/*
 * VIRTIO 1.2, "Network Device: Packet Transmission". A checksum is to be put at csum_start +
 * csum_offset; a large packet to be cut into pieces of gso_size bytes. hdr_len is a hint, and all
 * that is not understood is ignored.
 *
 * "Processing of Incoming Packets": a frame may have waited in the host since another driver's time,
 * or another setting's, and then asks for what nobody does now.
 */
#include "net_header.h"

#define LINK_HEADER_MAX	22U	/* Ethernet's, and two VLAN tags */

static bool has(uint64_t features, unsigned int bit)
{
	return features & 1ULL << bit;
}

static bool is_type_agreed(uint8_t type, uint64_t features)
{
	if (type & VIRTIO_NET_HDR_GSO_ECN && !has(features, VIRTIO_NET_F_HOST_ECN))
		return false;
	switch (type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return has(features, VIRTIO_NET_F_HOST_TSO4);
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return has(features, VIRTIO_NET_F_HOST_TSO6);
	case VIRTIO_NET_HDR_GSO_UDP:
		return has(features, VIRTIO_NET_F_HOST_UFO);
	default:
		return false;
	}
}

bool net_header_check(struct virtio_net_hdr_v1 *header, uint64_t features, uint32_t size)
{
	bool needs_csum = header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;

	header->flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM;
	header->num_buffers = 0;
	if (header->hdr_len > size)
		header->hdr_len = (uint16_t)size;
	if (needs_csum) {
		if (!has(features, VIRTIO_NET_F_CSUM) ||
		    (uint32_t)header->csum_start + header->csum_offset + 2 > size)
			return false;
	} else {
		header->csum_start = 0;
		header->csum_offset = 0;
	}
	if (header->gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		header->gso_size = 0;
		header->hdr_len = 0;
		return true;
	}
	return needs_csum && header->gso_size && is_type_agreed(header->gso_type, features);
}

bool net_header_limit(struct virtio_net_hdr_v1 *header, uint64_t offloads, uint32_t mtu, uint32_t size)
{
	uint8_t type = header->gso_type;

	if (!has(offloads, VIRTIO_NET_F_GUEST_CSUM)) {
		if (header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
			return false;
		header->flags = 0;
	}
	if (type & VIRTIO_NET_HDR_GSO_ECN && !has(offloads, VIRTIO_NET_F_GUEST_ECN))
		return false;
	switch (type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_NONE:
		return !mtu || size <= mtu + LINK_HEADER_MAX;
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return has(offloads, VIRTIO_NET_F_GUEST_TSO4);
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return has(offloads, VIRTIO_NET_F_GUEST_TSO6);
	case VIRTIO_NET_HDR_GSO_UDP:
		return has(offloads, VIRTIO_NET_F_GUEST_UFO);
	default:
		return false;
	}
}
