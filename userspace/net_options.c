// SPDX-License-Identifier: GPL-2.0-only
/*
 * --net tap=NAME or --net user, and more words behind commas. A row a word: which kinds have it,
 * and what takes its value.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"
#include "net_options.h"
#include "rate_options.h"
#include "status.h"

#define MTU_MIN	68	/* the least that IPv4 works with */
#define MTU_MAX	65535
#define WORD_MAX	128

#define TAP	(1u << NET_TAP)
#define USER	(1u << NET_USER)
#define SOCKET	(1u << NET_VHOST_USER)

static bool parse_number(const char *text, unsigned long min, unsigned long max, unsigned long *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoul(text, &end, 10);
	return !errno && !*end && *value >= min && *value <= max;
}

static const char *set_vhost(struct net_options *net, const char *value)
{
	if (strcmp(value, "on") && strcmp(value, "off"))
		return "is on or off";
	net->vhost = strcmp(value, "on") ? NET_VHOST_OFF : NET_VHOST_ON;
	return NULL;
}

static const char *set_queues(struct net_options *net, const char *value)
{
	unsigned long queues;

	_Static_assert(NET_PAIRS_MAX == 4, "as the message says");
	if (!parse_number(value, 1, NET_PAIRS_MAX, &queues))
		return "is 1 to 4";
	net->queues = (unsigned int)queues;
	return NULL;
}

static const char *set_mtu(struct net_options *net, const char *value)
{
	unsigned long mtu;

	if (!parse_number(value, MTU_MIN, MTU_MAX, &mtu))
		return "is 68 to 65535";
	net->mtu = (uint16_t)mtu;
	return NULL;
}

static const char *set_mac(struct net_options *net, const char *value)
{
	unsigned int bytes[NET_MAC_SIZE];
	int end = 0;

	if (strlen(value) != 17 || strspn(value, "0123456789abcdefABCDEF:") != 17 ||
	    sscanf(value, "%2x:%2x:%2x:%2x:%2x:%2x%n", &bytes[0], &bytes[1], &bytes[2], &bytes[3], &bytes[4],
		   &bytes[5], &end) != NET_MAC_SIZE || end != 17)
		return "is six bytes, as 02:00:00:00:00:01";
	if (bytes[0] & 1)
		return "is a group's address: the first byte must be even";
	for (unsigned int i = 0; i < NET_MAC_SIZE; i++)
		net->mac[i] = (uint8_t)bytes[i];
	net->has_mac = true;
	return NULL;
}

/* [tcp:|udp:]HOST:GUEST */
static const char *set_forward(struct net_options *net, const char *value)
{
	static const char wrong[] = "is HOSTPORT:GUESTPORT, with udp: before it for UDP, of 1 to 65535 each";
	struct net_forward forward = { .is_udp = !strncmp(value, "udp:", 4) };
	unsigned long host, guest;
	char copy[WORD_MAX];

	if (forward.is_udp || !strncmp(value, "tcp:", 4))
		value += 4;
	snprintf(copy, sizeof(copy), "%s", value);
	char *colon = strchr(copy, ':');

	if (!colon)
		return wrong;
	*colon = 0;
	if (!parse_number(copy, 1, 65535, &host) || !parse_number(colon + 1, 1, 65535, &guest))
		return wrong;
	if (net->forward_count == NET_FORWARDS_MAX)
		return "can be there 16 times";
	forward.host = (uint16_t)host;
	forward.guest = (uint16_t)guest;
	net->forwards[net->forward_count++] = forward;
	return NULL;
}

static const char *set_bps(struct net_options *net, const char *value)
{
	return rate_options_set(&net->rate, RATE_BYTES, value);
}

static const char *set_bps_max(struct net_options *net, const char *value)
{
	return rate_options_set(&net->rate, RATE_BYTES_MAX, value);
}

static const char *set_pps(struct net_options *net, const char *value)
{
	return rate_options_set(&net->rate, RATE_REQUESTS, value);
}

static const char *set_pps_max(struct net_options *net, const char *value)
{
	return rate_options_set(&net->rate, RATE_REQUESTS_MAX, value);
}

/* This process counts the frames that it moves; the kernel counts none. */
static int check_rate(struct net_options *net, const char *value)
{
	enum rate_word lone;

	if (!rate_options_are_whole(&net->rate, &lone))
		return status_fail(STATUS_USAGE, "--net %s: %s", value, lone == RATE_BYTES_MAX ? "bps_max needs bps" : "pps_max needs pps");
	if (!rate_options_is_on(&net->rate) || net->kind != NET_TAP)
		return 0;
	if (net->vhost == NET_VHOST_ON)
		return status_fail(STATUS_USAGE, "--net %s: vhost-net knows no limits: vhost=off (or tc(8) for the interface)", value);
	net->vhost = NET_VHOST_OFF;
	return 0;
}

static const struct {
	const char *name;
	unsigned int kinds;
	const char *(*set)(struct net_options *net, const char *value);	/* what is wrong with it, or NULL */
} words[] = {
	{ "vhost", TAP, set_vhost },
	{ "queues", TAP | SOCKET, set_queues },
	{ "forward", USER, set_forward },
	{ "mac", TAP | USER | SOCKET, set_mac },
	{ "mtu", TAP | USER | SOCKET, set_mtu },
	{ "bps", TAP | USER, set_bps },
	{ "bps_max", TAP | USER, set_bps_max },
	{ "pps", TAP | USER, set_pps },
	{ "pps_max", TAP | USER, set_pps_max },
};

static const struct {
	const char *name, *words;
} kinds[] = {
	[NET_TAP] = { "tap", "vhost, queues, mac, mtu, bps, bps_max, pps and pps_max" },
	[NET_USER] = { "user", "forward, mac, mtu, bps, bps_max, pps and pps_max" },
	[NET_VHOST_USER] = { "vhost-user", "queues, mac and mtu" },
};

static int set_word(struct net_options *net, const char *word, const char *value)
{
	size_t length = strcspn(word, "=");

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strlen(words[i].name) != length || memcmp(words[i].name, word, length))
			continue;
		if (!(words[i].kinds & 1u << net->kind))
			break;
		const char *wrong = words[i].set(net, word[length] ? word + length + 1 : "");

		return wrong ? status_fail(STATUS_USAGE, "--net %s: %s %s", value, words[i].name, wrong) : 0;
	}
	return status_fail(STATUS_USAGE, "--net %s: '%s' has no meaning here; %s has %s", value, word,
			   kinds[net->kind].name, kinds[net->kind].words);
}

/* The first word: tap=NAME, user or vhost-user=SOCKET. */
static int set_kind(struct net_options *net, const char *word, const char *value)
{
	if (!strcmp(word, "user")) {
		net->kind = NET_USER;
		return 0;
	}
	if (!strncmp(word, "vhost-user=", 11)) {
		net->kind = NET_VHOST_USER;
		word += 11;
		if (!*word || strlen(word) >= NET_PATH_SIZE)
			return status_fail(STATUS_USAGE, "--net %s: the socket's name has 1 to 107 bytes", value);
		memcpy(net->path, word, strlen(word) + 1);
		return 0;
	}
	if (strncmp(word, "tap=", 4))
		return status_fail(STATUS_USAGE, "--net %s: must begin with tap=NAME, user or vhost-user=SOCKET", value);
	net->kind = NET_TAP;
	word += 4;
	if (!*word || strlen(word) >= IFNAMSIZ || strchr(word, '/') || strchr(word, '%'))
		return status_fail(STATUS_USAGE, "--net %s: '%s' can be no interface's name", value, word);
	memcpy(net->tap, word, strlen(word) + 1);
	return 0;
}

int net_options_parse(struct net_options *net, const char *value)
{
	char word[WORD_MAX];
	const char *at = value;
	int ret = 0;

	*net = (struct net_options){ .queues = 1 };
	for (bool is_first = true; !ret; is_first = false) {
		size_t length = strcspn(at, ",");

		if (!length || length >= sizeof(word))
			return status_fail(STATUS_USAGE, "--net %s: a word that is %s", value,
					   length ? "too long" : "empty");
		memcpy(word, at, length);
		word[length] = 0;
		ret = is_first ? set_kind(net, word, value) : set_word(net, word, value);
		if (!at[length])
			break;
		at += length + 1;
	}
	return ret ? ret : check_rate(net, value);
}
