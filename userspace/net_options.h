/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What --net says.
 */
#ifndef KEEL_NET_OPTIONS_H
#define KEEL_NET_OPTIONS_H

#include <linux/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "net_filter.h"
#include "rate_limit.h"

#define NET_DEVICES_MAX		4
#define NET_FORWARDS_MAX	16
#define NET_PATH_SIZE		108	/* as the kernel's, of a socket */

enum net_kind {
	NET_TAP,
	NET_USER,
	NET_VHOST_USER,
};

/* vhost-net: taken if it can be had, unless one of the others was asked for. */
enum net_vhost_choice {
	NET_VHOST_AUTO,
	NET_VHOST_ON,
	NET_VHOST_OFF,
};

struct net_forward {
	bool is_udp;
	uint16_t host, guest;
};

struct net_options {
	enum net_kind kind;
	char tap[IFNAMSIZ];
	char path[NET_PATH_SIZE];	/* NET_VHOST_USER */
	enum net_vhost_choice vhost;
	unsigned int queues;		/* pairs */
	bool has_mac;
	uint8_t mac[NET_MAC_SIZE];
	uint16_t mtu;			/* 0: the back end's */
	struct net_forward forwards[NET_FORWARDS_MAX];
	unsigned int forward_count;
	struct rate_options rate;	/* each way; requests are frames */
};

/**
 * net_options_parse() - read what stands behind --net
 * Return: 0, or STATUS_USAGE after a line on stderr.
 */
int net_options_parse(struct net_options *net, const char *value);

#endif
