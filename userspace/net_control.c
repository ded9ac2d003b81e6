// SPDX-License-Identifier: GPL-2.0-only
/*
 * VIRTIO 1.2, "Network Device: Control Virtqueue". A row for each command: the feature that it
 * comes with, how long its data is, and what does it. Tables of addresses have a length of their own.
 */
#include <linux/virtio_net.h>
#include <string.h>

#include "net_control.h"
#include "util.h"

#define GUEST_OFFLOADS	(1ULL << VIRTIO_NET_F_GUEST_CSUM | 1ULL << VIRTIO_NET_F_GUEST_TSO4 | \
			 1ULL << VIRTIO_NET_F_GUEST_TSO6 | 1ULL << VIRTIO_NET_F_GUEST_ECN | \
			 1ULL << VIRTIO_NET_F_GUEST_UFO)
#define NEEDS_CSUM	(GUEST_OFFLOADS & ~(1ULL << VIRTIO_NET_F_GUEST_CSUM))
#define ANY_LENGTH	SIZE_MAX

void net_control_reset(struct net_control *control, uint64_t features, const uint8_t *mac)
{
	net_filter_reset(&control->filter, mac);
	control->features = features;
	control->filter.has_vlans = features & 1ULL << VIRTIO_NET_F_CTRL_VLAN;
	control->offloads = features & GUEST_OFFLOADS;
	control->pairs = 1;
}

/* Receive modes: a byte, 0 or 1. */
static bool set_mode(struct net_control *control, uint8_t command, uint8_t value)
{
	struct net_filter *filter = &control->filter;
	bool *const modes[] = {
		[VIRTIO_NET_CTRL_RX_PROMISC] = &filter->is_promiscuous,
		[VIRTIO_NET_CTRL_RX_ALLMULTI] = &filter->all_multicast,
		[VIRTIO_NET_CTRL_RX_ALLUNI] = &filter->all_unicast,
		[VIRTIO_NET_CTRL_RX_NOMULTI] = &filter->no_multicast,
		[VIRTIO_NET_CTRL_RX_NOUNI] = &filter->no_unicast,
		[VIRTIO_NET_CTRL_RX_NOBCAST] = &filter->no_broadcast,
	};

	if (value > 1)
		return false;
	*modes[command] = value;
	return true;
}

static bool do_mode(struct net_control *control, uint8_t command, const uint8_t *data, size_t size)
{
	(void)size;
	return set_mode(control, command, data[0]);
}

static uint32_t get32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

/* One table: its number of entries, then they. Return: NULL if it is cut short. */
static const uint8_t *skip_table(const uint8_t *data, size_t *size, uint32_t *count)
{
	if (*size < 4)
		return NULL;
	*count = get32(data);
	*size -= 4;
	if (*count > *size / NET_MAC_SIZE)
		return NULL;
	*size -= *count * NET_MAC_SIZE;
	return data + 4;
}

static bool do_table(struct net_control *control, uint8_t command, const uint8_t *data, size_t size)
{
	uint32_t unicast, multicast;
	const uint8_t *first = skip_table(data, &size, &unicast);
	const uint8_t *second = first ? skip_table(first + (size_t)unicast * NET_MAC_SIZE, &size, &multicast) : NULL;

	(void)command;
	if (!second || size)
		return false;
	net_filter_set_table(&control->filter.unicast, first, unicast);
	net_filter_set_table(&control->filter.multicast, second, multicast);
	return true;
}

static bool do_mac(struct net_control *control, uint8_t command, const uint8_t *data, size_t size)
{
	(void)command;
	memcpy(control->filter.mac, data, size);
	return true;
}

static bool do_vlan(struct net_control *control, uint8_t command, const uint8_t *data, size_t size)
{
	unsigned int id = get16(data);

	(void)size;
	if (id >= NET_FILTER_VLANS)
		return false;
	net_filter_set_vlan(&control->filter, id, command == VIRTIO_NET_CTRL_VLAN_ADD);
	return true;
}

static bool do_pairs(struct net_control *control, uint8_t command, const uint8_t *data, size_t size)
{
	unsigned int pairs = get16(data);

	(void)command;
	(void)size;
	if (!pairs || pairs > control->pairs_max)
		return false;
	control->pairs = pairs;
	return true;
}

static bool do_offloads(struct net_control *control, uint8_t command, const uint8_t *data, size_t size)
{
	uint64_t offloads;

	(void)command;
	memcpy(&offloads, data, size);
	if (offloads & ~(control->features & GUEST_OFFLOADS) ||
	    (offloads & NEEDS_CSUM && !(offloads & 1ULL << VIRTIO_NET_F_GUEST_CSUM)))
		return false;
	control->offloads = offloads;
	return true;
}

static const struct row {
	uint8_t class, command;
	unsigned int feature;
	size_t size;
	bool (*act)(struct net_control *control, uint8_t command, const uint8_t *data, size_t size);
} rows[] = {
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, VIRTIO_NET_F_CTRL_RX, 1, do_mode },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI, VIRTIO_NET_F_CTRL_RX, 1, do_mode },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLUNI, VIRTIO_NET_F_CTRL_RX_EXTRA, 1, do_mode },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOMULTI, VIRTIO_NET_F_CTRL_RX_EXTRA, 1, do_mode },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOUNI, VIRTIO_NET_F_CTRL_RX_EXTRA, 1, do_mode },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOBCAST, VIRTIO_NET_F_CTRL_RX_EXTRA, 1, do_mode },
	{ VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, VIRTIO_NET_F_CTRL_RX, ANY_LENGTH, do_table },
	{ VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, VIRTIO_NET_F_CTRL_MAC_ADDR, NET_MAC_SIZE, do_mac },
	{ VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, VIRTIO_NET_F_CTRL_VLAN, 2, do_vlan },
	{ VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_DEL, VIRTIO_NET_F_CTRL_VLAN, 2, do_vlan },
	{ VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, VIRTIO_NET_F_MQ, 2, do_pairs },
	{ VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, 8,
	  do_offloads },
};

uint8_t net_control_do(struct net_control *control, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; size >= 2 && i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];

		if (row->class != bytes[0] || row->command != bytes[1])
			continue;
		if (!(control->features & 1ULL << row->feature) || (row->size != ANY_LENGTH && row->size != size - 2))
			return VIRTIO_NET_ERR;
		return row->act(control, row->command, bytes + 2, size - 2) ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
	}
	return VIRTIO_NET_ERR;
}
