// SPDX-License-Identifier: GPL-2.0-only
/* What can stand behind --net, and what is wrong with the rest. */
#include "test.h"
#include "userspace/net_options.h"
#include "userspace/status.h"

static void test_good(void)
{
	static const struct {
		const char *value;
		struct net_options want;
	} rows[] = {
		{ "user", { .kind = NET_USER, .queues = 1 } },
		{ "tap=tap0", { .kind = NET_TAP, .tap = "tap0", .queues = 1 } },
		{ "tap=a-name-of-15-ch", { .kind = NET_TAP, .tap = "a-name-of-15-ch", .queues = 1 } },
		{ "vhost-user=/run/a-socket,queues=2", { .kind = NET_VHOST_USER, .path = "/run/a-socket", .queues = 2 } },
		{ "tap=t,vhost=on", { .kind = NET_TAP, .tap = "t", .queues = 1, .vhost = NET_VHOST_ON } },
		{ "tap=t,vhost=off,queues=4", { .kind = NET_TAP, .tap = "t", .queues = 4, .vhost = NET_VHOST_OFF } },
		{ "tap=t,mtu=68", { .kind = NET_TAP, .tap = "t", .queues = 1, .mtu = 68 } },
		{ "user,mtu=65535", { .kind = NET_USER, .queues = 1, .mtu = 65535 } },
		{ "user,mac=02:aB:00:00:00:fF",
		  { .kind = NET_USER, .queues = 1, .has_mac = true, .mac = { 2, 0xab, 0, 0, 0, 0xff } } },
		{ "user,bps=10M,bps_max=64K,pps=1000,pps_max=7", { .kind = NET_USER, .queues = 1, .rate = { 10 << 20, 1000, 64 << 10, 7 } } },
		{ "user,pps=1", { .kind = NET_USER, .queues = 1, .rate = { .requests = 1 } } },
		{ "tap=t,bps=1", { .kind = NET_TAP, .tap = "t", .queues = 1, .vhost = NET_VHOST_OFF, .rate = { .bytes = 1 } } },
		{ "tap=t,vhost=off,pps=1", { .kind = NET_TAP, .tap = "t", .queues = 1, .vhost = NET_VHOST_OFF, .rate = { .requests = 1 } } },
		{ "user,forward=2222:22",
		  { .kind = NET_USER, .queues = 1, .forward_count = 1, .forwards = { { false, 2222, 22 } } } },
		{ "user,forward=tcp:1:65535,forward=udp:53:53",
		  { .kind = NET_USER, .queues = 1, .forward_count = 2, .forwards = { { false, 1, 65535 }, { true, 53, 53 } } } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct net_options *want = &rows[i].want;
		struct net_options got;

		CHECK_EQ(rows[i].value, 0, net_options_parse(&got, rows[i].value));
		CHECK_EQ("kind", want->kind, got.kind);
		CHECK_EQ("interface", 0, strcmp(want->tap, got.tap));
		CHECK_EQ("socket", 0, strcmp(want->path, got.path));
		CHECK_EQ("vhost", want->vhost, got.vhost);
		CHECK_EQ("queues", want->queues, got.queues);
		CHECK_EQ("MTU", want->mtu, got.mtu);
		CHECK_EQ("an address", want->has_mac, got.has_mac);
		CHECK_EQ("the address", 0, memcmp(want->mac, got.mac, sizeof(got.mac)));
		CHECK_EQ("limits", 0, memcmp(&want->rate, &got.rate, sizeof(got.rate)));
		CHECK_EQ("forwards", want->forward_count, got.forward_count);
		for (u32 j = 0; j < want->forward_count; j++) {
			CHECK_EQ("UDP", want->forwards[j].is_udp, got.forwards[j].is_udp);
			CHECK_EQ("host's port", want->forwards[j].host, got.forwards[j].host);
			CHECK_EQ("guest's port", want->forwards[j].guest, got.forwards[j].guest);
		}
	}
}

static void test_refused(void)
{
	static const char *const rows[] = {
		"", ",", "bridge", "User", "tap", "tap=", "tap=a-name-of-16-chr", "tap=a/b", "tap=a%d", "user=x", "user,",
		"user,,mtu=1500", "user,vhost=on", "user,queues=2", "tap=t,forward=1:1", "tap=t,vhost", "tap=t,vhost=auto",
		"tap=t,queues=0", "tap=t,queues=5", "tap=t,queues=1x", "user,mtu=67", "user,mtu=65536", "user,mtu=-1",
		"user,mac=", "user,mac=02:00:00:00:00", "user,mac=02:00:00:00:00:0g", "user,mac=02:00:00:00:00:00:00",
		"user,mac=03:00:00:00:00:00", "user,mac=2:0:0:0:0:0:::::::", "user,forward=22", "user,forward=0:22",
		"user,forward=22:0", "user,forward=65536:22", "user,forward=22:22:22", "user,forward=sctp:1:1",
		"user,forward=22:", "user,bps", "user,bps=", "user,bps=0", "user,bps=1x", "user,pps=1K", "user,pps=0", "user,bps_max=1", "user,bps=1,pps_max=1",
		"tap=t,vhost=on,bps=1", "vhost-user=/s,bps=1", "user,nonsense=1", "vhost-user", "vhost-user=", "vhost-user=/s,vhost=on", "vhost-user=/s,forward=1:1",
		"vhost-user=/00123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345",
		"user,forward=tcp:0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
		"00000000000000000000000000000000000001:22",
	};
	char many[32 * (NET_FORWARDS_MAX + 1) + 8] = "user";
	struct net_options net;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_EQ(rows[i], STATUS_USAGE, net_options_parse(&net, rows[i]));
	for (u32 i = 1; i <= NET_FORWARDS_MAX; i++)
		sprintf(many + strlen(many), ",forward=%u:%u", i, i);
	CHECK_EQ("as many forwards as can be", 0, net_options_parse(&net, many));
	strcat(many, ",forward=99:99");
	CHECK_EQ("one more", STATUS_USAGE, net_options_parse(&net, many));
}

static const struct test_case cases[] = {
	{ "good", test_good },
	{ "refused", test_refused },
};

TEST_MAIN(cases)
