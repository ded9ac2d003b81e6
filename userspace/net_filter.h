/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which frames the guest wants, as its driver said.
 */
#ifndef KEEL_NET_FILTER_H
#define KEEL_NET_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_MAC_SIZE		6
#define NET_FILTER_MACS		64	/* of each kind; a driver with more gets all of the kind */
#define NET_FILTER_VLANS	4096

struct net_mac_table {
	unsigned int count;
	bool is_overflown;
	uint8_t macs[NET_FILTER_MACS][NET_MAC_SIZE];
};

struct net_filter {
	uint8_t mac[NET_MAC_SIZE];
	bool is_promiscuous;
	bool all_multicast, all_unicast;
	bool no_multicast, no_unicast, no_broadcast;
	bool has_vlans;			/* the driver names those that it wants */
	struct net_mac_table unicast, multicast;
	uint8_t vlans[NET_FILTER_VLANS / 8];
};

/** net_filter_reset() - as before any command: everything, to @mac or not */
void net_filter_reset(struct net_filter *filter, const uint8_t *mac);

/** net_filter_set_table() - take @count addresses, one after the other at @macs */
void net_filter_set_table(struct net_mac_table *table, const uint8_t *macs, size_t count);

/** net_filter_set_vlan() - want frames of VLAN @id (below NET_FILTER_VLANS) or not */
void net_filter_set_vlan(struct net_filter *filter, unsigned int id, bool is_wanted);

/** net_filter_wants() - does the guest want this frame? */
bool net_filter_wants(const struct net_filter *filter, const uint8_t *frame, size_t size);

#endif
