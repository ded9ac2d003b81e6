// SPDX-License-Identifier: GPL-2.0-only
/*
 * A real TAP interface, in a network of the test's own: what goes out comes out of it, what comes
 * in arrives with its header, and each refusal names its remedy. Needs root and /dev/net/tun.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test.h"
#include "userspace/net_tap.h"
#include "userspace/status.h"

#define NAME	"keeltap0"

static struct net_tap tap;

static int control(unsigned long command, struct ifreq *request)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	int ret = ioctl(fd, command, request);

	close(fd);
	return ret;
}

/* As ip tuntap add would: the interface stays when nobody holds it. */
static void make(short flags)
{
	struct ifreq request = { .ifr_name = NAME, .ifr_flags = (short)(IFF_TAP | IFF_NO_PI | flags) };
	int fd = open("/dev/net/tun", O_RDWR);

	REQUIRE(fd >= 0, "no /dev/net/tun");
	REQUIRE(!unshare(CLONE_NEWNET), "no network of our own");
	ASSERT_EQ(close(fd), 0);
	fd = open("/dev/net/tun", O_RDWR);
	REQUIRE(!ioctl(fd, TUNSETIFF, &request), "no interface can be made");
	ASSERT_EQ(ioctl(fd, TUNSETPERSIST, 1), 0);
	close(fd);
	request.ifr_mtu = 1400;
	ASSERT_EQ(control(SIOCSIFMTU, &request), 0);
	ASSERT_EQ(control(SIOCGIFFLAGS, &request), 0);
	request.ifr_flags |= IFF_UP;
	ASSERT_EQ(control(SIOCSIFFLAGS, &request), 0);
}

static int packet_socket(void)
{
	int fd = socket(AF_PACKET, SOCK_RAW, htons(0x88b5));
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET, .sll_protocol = htons(0x88b5), .sll_ifindex = (int)if_nametoindex(NAME),
	};

	ASSERT_EQ(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void fill(u8 *frame, u32 size)
{
	for (u32 i = 0; i < size; i++)
		frame[i] = (u8)(i * 11);
	memset(frame, 0xff, 6);
	memset(frame + 6, 2, 6);
	frame[12] = 0x88;	/* local experimental */
	frame[13] = 0xb5;
}

/*
 * Until the kernel has seen that somebody holds the interface, which a work item of its does, it drops what is sent. No flag
 * tells: that of a link that is up can be left from before, and is set before the interface has its queue.
 */
static void wait_for_link(int fd)
{
	struct net_packet packet;
	u8 frame[60];
	u32 tries = 0;

	fill(frame, sizeof(frame));
	frame[12] = 0x90;	/* what no case counts */
	frame[13] = 0;
	do {
		ASSERT(tries++ < TEST_PATIENCE_MS, "the link came up");
		ASSERT_EQ(send(fd, frame, sizeof(frame), 0), (int)sizeof(frame));
		usleep(1000);
	} while (tap.backend.ops->receive(&tap.backend, 0, &packet) != NET_DONE || packet.frame[12] != 0x90);
}

static void test_frames(void)
{
	static const u32 sizes[] = { 14, 60, 61, 1000, 1414 };
	u8 frame[1500], got[1500];

	make(0);
	ASSERT_EQ(net_tap_open(&tap, NAME, 1), 0);
	CHECK_EQ("MTU", 1400, tap.backend.mtu);
	CHECK_EQ("checksums", 1, !!(tap.backend.features & BIT(VIRTIO_NET_F_CSUM)));
	int fd = packet_socket();

	wait_for_link(fd);

	for (u32 i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct virtio_net_hdr_v1 header = { 0 };
		struct iovec parts[3] = { { NULL, 0 }, { frame, 10 }, { frame + 10, sizes[i] - 10 } };
		struct pollfd wait = { .fd = tap.backend.fds[0], .events = POLLIN };
		struct net_packet packet;

		fill(frame, sizes[i]);
		CHECK_EQ("sent", NET_DONE, tap.backend.ops->send(&tap.backend, 0, &header, parts, 3, sizes[i]));
		ASSERT_EQ(recv(fd, got, sizeof(got), 0), sizes[i]);
		CHECK_EQ("its bytes", 0, memcmp(got, frame, sizes[i]));

		ASSERT_EQ(send(fd, frame, sizes[i], 0), sizes[i]);
		do
			ASSERT_EQ(poll(&wait, 1, TEST_PATIENCE_MS), 1);
		while (tap.backend.ops->receive(&tap.backend, 0, &packet) != NET_DONE || packet.frame[12] != 0x88);
		CHECK_EQ("size", sizes[i], packet.size);
		CHECK_EQ("bytes", 0, memcmp(packet.frame, frame, sizes[i]));
		CHECK_EQ("nothing left to do", 0, packet.header.gso_type);
	}
	struct net_packet packet;

	while (tap.backend.ops->receive(&tap.backend, 0, &packet) == NET_DONE)
		;
	CHECK_EQ("no more", NET_AGAIN, tap.backend.ops->receive(&tap.backend, 0, &packet));
	close(fd);
	net_tap_close(&tap);
}

static void test_refusals(void)
{
	struct net_tap other = { .opened = 0 };

	make(0);
	ASSERT_EQ(net_tap_open(&tap, NAME, 1), 0);
	CHECK_EQ("in use", STATUS_NET, net_tap_open(&other, NAME, 1));
	CHECK_EQ("so it says", 1, !!strstr(status_last(), "in use by another process"));
	net_tap_close(&other);
	net_tap_close(&tap);
	memset(&other, 0, sizeof(other));
	CHECK_EQ("no such interface", STATUS_NET, net_tap_open(&other, "keeltap1", 2));
	CHECK_EQ("how to make it", 1, !!strstr(status_last(), "ip tuntap add keeltap1 mode tap multi_queue"));
	CHECK_EQ("and it was not made", 0, if_nametoindex("keeltap1"));
	net_tap_close(&other);
	memset(&other, 0, sizeof(other));
	CHECK_EQ("no tap", STATUS_NET, net_tap_open(&other, "lo", 1));
	CHECK_EQ("what it should be", 1, !!strstr(status_last(), "no tap interface"));
	net_tap_close(&other);
	memset(&other, 0, sizeof(other));
	CHECK_EQ("one queue, not two", STATUS_NET, net_tap_open(&other, NAME, 2));
	CHECK_EQ("how to make it of two", 1, !!strstr(status_last(), "mode tap multi_queue"));
	net_tap_close(&other);
}

/* Queues that the guest does not use get no frames. */
static void test_queues(void)
{
	struct net_packet packet;
	u8 frame[60];
	u32 got[2] = { 0, 0 };

	make(IFF_MULTI_QUEUE);
	memset(&tap, 0, sizeof(tap));
	ASSERT_EQ(net_tap_open(&tap, NAME, 2), 0);
	int fd = packet_socket();

	wait_for_link(fd);

	for (u32 i = 0; i < 64; i++) {
		fill(frame, sizeof(frame));
		frame[20] = (u8)i;
		ASSERT_EQ(send(fd, frame, sizeof(frame), 0), (int)sizeof(frame));
	}
	for (u32 q = 0; q < 2; q++)
		while (tap.backend.ops->receive(&tap.backend, q, &packet) == NET_DONE)
			got[q] += packet.frame[12] == 0x88;
	CHECK_EQ("all by the first", 64, got[0]);
	CHECK_EQ("none by the second", 0, got[1]);
	tap.backend.ops->set_pairs(&tap.backend, 2);
	tap.backend.ops->set_pairs(&tap.backend, 2);
	struct virtio_net_hdr_v1 header = { 0 };
	struct iovec parts[2] = { { NULL, 0 }, { frame, sizeof(frame) } };

	CHECK_EQ("the second sends", NET_DONE, tap.backend.ops->send(&tap.backend, 1, &header, parts, 2, sizeof(frame)));
	ASSERT_EQ(recv(fd, frame, sizeof(frame), 0), (int)sizeof(frame));
	net_tap_close(&tap);
	/* One of several is as good as one of one. */
	memset(&tap, 0, sizeof(tap));
	CHECK_EQ("one queue", 0, net_tap_open(&tap, NAME, 1));
	net_tap_close(&tap);
}

/* Does the interface hand over TCP packets that are still to be cut up? */
static bool has_tso(void)
{
	struct ethtool_value value = { .cmd = ETHTOOL_GTSO };
	struct ifreq request = { .ifr_name = NAME, .ifr_data = (char *)&value };

	ASSERT_EQ(control(SIOCETHTOOL, &request), 0);
	return value.data;
}

/* Of what one driver takes, nothing is left for the next, whatever it asks for. */
static void test_offloads(void)
{
	static const struct {
		const char *name;
		u64 offloads;
		bool want;
	} rows[] = {
		{ "TSO", BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4), true },
		{ "nothing", 0, false },
		{ "TSO again", BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4), true },
		{ "TSO without checksums, which makes no sense", BIT(VIRTIO_NET_F_GUEST_TSO4), false },
	};

	make(0);
	memset(&tap, 0, sizeof(tap));
	ASSERT_EQ(net_tap_open(&tap, NAME, 1), 0);
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		tap.backend.ops->set_offloads(&tap.backend, rows[i].offloads);
		CHECK_EQ(rows[i].name, rows[i].want, has_tso());
	}
	net_tap_close(&tap);
}

static const struct test_case cases[] = {
	{ "frames", test_frames },
	{ "refusals", test_refusals },
	{ "queues", test_queues },
	{ "offloads", test_offloads },
};

TEST_MAIN(cases)
