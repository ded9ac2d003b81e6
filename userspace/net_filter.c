// SPDX-License-Identifier: GPL-2.0-only
/*
 * VIRTIO 1.2, "Network Device: Control Virtqueue": packet receive filtering, MAC address filtering,
 * VLAN filtering. Frames that no one asked for cost the guest an interrupt each.
 */
#include <string.h>

#include "net_filter.h"

#define TAGGED_SIZE	18	/* Ethernet header with a VLAN tag */

void net_filter_reset(struct net_filter *filter, const uint8_t *mac)
{
	memset(filter, 0, sizeof(*filter));
	memcpy(filter->mac, mac, NET_MAC_SIZE);
	filter->is_promiscuous = true;
}

void net_filter_set_table(struct net_mac_table *table, const uint8_t *macs, size_t count)
{
	table->is_overflown = count > NET_FILTER_MACS;
	table->count = table->is_overflown ? 0 : (unsigned int)count;
	memcpy(table->macs, macs, table->count * NET_MAC_SIZE);
}

void net_filter_set_vlan(struct net_filter *filter, unsigned int id, bool is_wanted)
{
	uint8_t bit = (uint8_t)(1u << id % 8);

	if (is_wanted)
		filter->vlans[id / 8] |= bit;
	else
		filter->vlans[id / 8] &= (uint8_t)~bit;
}

static bool is_listed(const struct net_mac_table *table, const uint8_t *mac)
{
	for (unsigned int i = 0; i < table->count; i++)
		if (!memcmp(table->macs[i], mac, NET_MAC_SIZE))
			return true;
	return table->is_overflown;
}

static bool wants_vlan(const struct net_filter *filter, const uint8_t *frame, size_t size)
{
	if (!filter->has_vlans || size < TAGGED_SIZE || frame[12] != 0x81 || frame[13] != 0x00)
		return true;
	unsigned int id = (frame[14] & 0xfu) << 8 | frame[15];

	return filter->vlans[id / 8] & 1u << id % 8;
}

bool net_filter_wants(const struct net_filter *filter, const uint8_t *frame, size_t size)
{
	static const uint8_t broadcast[NET_MAC_SIZE] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	if (filter->is_promiscuous)
		return true;
	if (size < NET_MAC_SIZE || !wants_vlan(filter, frame, size))
		return false;
	if (!memcmp(frame, broadcast, NET_MAC_SIZE))
		return !filter->no_broadcast;
	if (frame[0] & 1)
		return !filter->no_multicast && (filter->all_multicast || is_listed(&filter->multicast, frame));
	return !filter->no_unicast && (filter->all_unicast || !memcmp(frame, filter->mac, NET_MAC_SIZE) ||
				       is_listed(&filter->unicast, frame));
}
