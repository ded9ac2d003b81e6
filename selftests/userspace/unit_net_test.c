// SPDX-License-Identifier: GPL-2.0-only
/*
 * The network device before a driver that keeps the rules and one that breaks them: headers,
 * merged receive buffers, control commands, filters, a back end that goes away, and noise.
 *
 * VIRTIO 1.2, "Network Device".
 */
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "fake_driver.h"
#include "userspace/net_header.h"
#include "userspace/virtio_net.h"

#define BUFFERS	0x400000ULL
#define F(name)	BIT(VIRTIO_NET_F_##name)
#define BASE	(BIT(VIRTIO_F_VERSION_1))

static struct vm vm;
static struct pci pci;
static struct virtio_net net;
static struct fake_ring rings[VIRTIO_QUEUES_MAX];

/* A back end that gives the frames that a case lines up, and remembers what it was sent. */
static struct {
	u8 frame[NET_FRAME_MAX];
	u32 size, waiting, pair;	/* @waiting frames of @size bytes, for @pair */
	enum net_result at_end;		/* when none waits */
	enum net_result on_send;
	u32 sent;
	struct virtio_net_hdr_v1 header;
	u8 last[NET_FRAME_MAX];
	u32 last_size;
	u64 offloads;
	u32 pairs;
} wire;

static enum net_result wire_receive(struct net_backend *backend, unsigned int pair, struct net_packet *packet)
{
	if (!wire.waiting || pair != wire.pair)
		return wire.at_end;
	wire.waiting--;
	*packet = (struct net_packet){ .header = wire.header, .frame = wire.frame, .size = wire.size };
	return NET_DONE;
}

static enum net_result wire_send(struct net_backend *backend, unsigned int pair, struct virtio_net_hdr_v1 *header,
				 struct iovec *parts, unsigned int count, u32 size)
{
	u32 at = 0;

	if (wire.on_send != NET_DONE)
		return wire.on_send;
	for (u32 i = 1; i < count; i++) {
		ASSERT_LE(at + parts[i].iov_len, sizeof(wire.last));
		memcpy(wire.last + at, parts[i].iov_base, parts[i].iov_len);
		at += parts[i].iov_len;
	}
	ASSERT_EQ(at, size);
	wire.header = *header;
	wire.last_size = size;
	wire.sent++;
	return NET_DONE;
}

static enum net_result wire_flush(struct net_backend *backend) { return NET_DONE; }
static void wire_offloads(struct net_backend *backend, u64 features) { wire.offloads = features; }
static void wire_pairs(struct net_backend *backend, unsigned int pairs) { wire.pairs = pairs; }

static const struct net_backend_ops wire_ops = { wire_receive, wire_send, wire_flush, wire_offloads, wire_pairs };
static struct net_backend backend = { .ops = &wire_ops, .name = "test" };

static const u8 own_mac[6] = { 2, 0, 0, 0, 0, 1 };

static void set_up(u64 features, u32 pairs)
{
	struct virtio_net_place place = { .mtu = 1500 };
	u32 control = features & F(MQ) ? 2 * pairs : 2;

	if (!vm.memory.mapping)
		fake_vm_init(&vm, 16 << 20);
	memset(&wire, 0, sizeof(wire));
	wire.at_end = NET_AGAIN;
	memset(&net, 0, sizeof(net));
	memset(&pci, 0, sizeof(pci));
	memset(&vm.ports, 0, sizeof(vm.ports));
	memset(&vm.mmio, 0, sizeof(vm.mmio));
	memcpy(place.mac, own_mac, 6);
	backend.features = F(CSUM) | F(HOST_TSO4) | F(HOST_TSO6) | F(GUEST_CSUM) | F(GUEST_TSO4) | F(CTRL_GUEST_OFFLOADS);
	backend.pairs = pairs;
	backend.mtu = 1500;
	ASSERT_EQ(pci_init(&pci, &vm), 0);
	virtio_net_init(&net, &backend, NULL, &place);
	ASSERT_EQ(virtio_add(&net.device, &vm, &pci), 0);
	ASSERT(fake_negotiate(&vm, &net.device, BASE | features), "features are taken");
	for (u32 i = 0; i <= control; i++) {
		fake_ring_init(&rings[i], &vm, i);
		fake_enable_queue(&vm, &net.device, i);
	}
	fake_driver_ok(&vm, &net.device);
}

static void fill_frame(u32 size)
{
	for (u32 i = 0; i < size; i++)
		wire.frame[i] = (u8)(i * 7 + i / 256);
	memcpy(wire.frame, own_mac, 6);
	wire.size = size;
}

static u8 *guest_at(u64 gpa) { return memory_at(&vm.memory, gpa, 1); }
static bool is_broken(void) { return net.device.status & VIRTIO_CONFIG_S_NEEDS_RESET; }

static void test_header(void)
{
	static const struct {
		const char *name;
		struct virtio_net_hdr_v1 header;
		u64 features;
		u32 size;
		bool want;
	} rows[] = {
		{ "nothing asked for", { 0 }, 0, 60, true },
		{ "checksum", { .flags = 1, .csum_start = 34, .csum_offset = 16 }, F(CSUM), 60, true },
		{ "checksum, not agreed on", { .flags = 1, .csum_start = 34, .csum_offset = 16 }, 0, 60, false },
		{ "checksum at the very end", { .flags = 1, .csum_start = 34, .csum_offset = 24 }, F(CSUM), 60, true },
		{ "checksum across the end", { .flags = 1, .csum_start = 34, .csum_offset = 25 }, F(CSUM), 60, false },
		{ "checksum far away", { .flags = 1, .csum_start = 65535, .csum_offset = 65535 }, F(CSUM), 60, false },
		{ "flags without a meaning", { .flags = 0xfe }, 0, 60, true },
		{ "TSO", { 1, 1, 54, 1448, .csum_start = 34, .csum_offset = 16 }, F(CSUM) | F(HOST_TSO4), 9000, true },
		{ "TSO, not agreed on", { 1, 1, 54, 1448, .csum_start = 34, .csum_offset = 16 }, F(CSUM), 9000, false },
		{ "TSO of IPv6 where IPv4 was agreed on", { 1, 4, 54, 1448, .csum_start = 34, .csum_offset = 16 },
		  F(CSUM) | F(HOST_TSO4), 9000, false },
		{ "TSO into pieces of nothing", { 1, 1, 54, 0, .csum_start = 34, .csum_offset = 16 },
		  F(CSUM) | F(HOST_TSO4), 9000, false },
		{ "TSO without a checksum", { 0, 1, 54, 1448 }, F(CSUM) | F(HOST_TSO4), 9000, false },
		{ "ECN, not agreed on", { 1, 0x81, 54, 1448, .csum_start = 34, .csum_offset = 16 },
		  F(CSUM) | F(HOST_TSO4), 9000, false },
		{ "ECN", { 1, 0x81, 54, 1448, .csum_start = 34, .csum_offset = 16 },
		  F(CSUM) | F(HOST_TSO4) | F(HOST_ECN), 9000, true },
		{ "ECN of nothing", { 1, 0x80, 54, 1448 }, F(CSUM) | F(HOST_ECN), 9000, false },
		{ "UFO, not agreed on", { 1, 3, 42, 1448, .csum_start = 34, .csum_offset = 6 },
		  F(CSUM) | F(HOST_TSO4), 9000, false },
		{ "a kind without a meaning", { 1, 2, 42, 1448 }, ~0ULL, 9000, false },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct virtio_net_hdr_v1 header = rows[i].header;

		header.num_buffers = 7;
		CHECK_EQ(rows[i].name, rows[i].want, net_header_check(&header, rows[i].features, rows[i].size));
		if (!rows[i].want)
			continue;
		CHECK_EQ("flags that mean something", rows[i].header.flags & 1, header.flags);
		CHECK_EQ("no buffers are merged", 0, header.num_buffers);
		CHECK_EQ("headers inside the frame", 1, header.hdr_len <= rows[i].size);
	}
}

/* Frames that came from the host under other rules than those of now. */
static void test_given_header(void)
{
	static const struct {
		const char *name;
		u8 flags, type;
		u64 offloads;
		u32 mtu, size;
		bool want;
	} rows[] = {
		{ "nothing left to do", 0, 0, 0, 0, 60000, true },
		{ "checksum", 1, 0, F(GUEST_CSUM), 0, 60, true },
		{ "checksum, not agreed on", 1, 0, 0, 0, 60, false },
		{ "checksum known to be good", 2, 0, 0, 0, 60, true },
		{ "TSO", 1, 1, F(GUEST_CSUM) | F(GUEST_TSO4), 1500, 9000, true },
		{ "TSO, not agreed on", 1, 1, F(GUEST_CSUM), 0, 9000, false },
		{ "TSO of IPv6 where IPv4 was agreed on", 1, 4, F(GUEST_CSUM) | F(GUEST_TSO4), 0, 9000, false },
		{ "ECN, not agreed on", 1, 0x81, F(GUEST_CSUM) | F(GUEST_TSO4), 0, 9000, false },
		{ "ECN", 1, 0x81, F(GUEST_CSUM) | F(GUEST_TSO4) | F(GUEST_ECN), 0, 9000, true },
		{ "UFO", 1, 3, F(GUEST_CSUM) | F(GUEST_UFO), 0, 9000, true },
		{ "a kind without a meaning", 1, 5, ~0ULL, 0, 9000, false },
		{ "as large as the MTU, with two tags", 0, 0, 0, 1500, 1522, true },
		{ "larger", 0, 0, 0, 1500, 1523, false },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct virtio_net_hdr_v1 header = { .flags = rows[i].flags, .gso_type = rows[i].type };

		CHECK_EQ(rows[i].name, rows[i].want, net_header_limit(&header, rows[i].offloads, rows[i].mtu, rows[i].size));
		if (!(rows[i].offloads & F(GUEST_CSUM)))
			CHECK_EQ("flags", 0, rows[i].want && header.flags);
	}
}

/* What the wire has may be of an older setting, or of no setting at all. */
static void test_limits(void)
{
	static const struct {
		const char *name;
		u64 features;
		u8 type;
		u32 size, want;
	} rows[] = {
		{ "TSO that was agreed on", F(GUEST_CSUM) | F(GUEST_TSO4), 1, 3000, 1 },
		{ "TSO for the driver before", 0, 1, 3000, 0 },
		{ "an MTU that the driver knows", F(MTU), 0, 1600, 0 },
		{ "and one that it does not", 0, 0, 1600, 1 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		set_up(rows[i].features, 1);
		fill_frame(rows[i].size);
		wire.header = (struct virtio_net_hdr_v1){ .flags = rows[i].type, .gso_type = rows[i].type };
		wire.waiting = 1;
		fake_offer_one(&rings[0], BUFFERS, 4096, true);
		virtio_net_turn(&net);
		CHECK_EQ(rows[i].name, rows[i].want, rings[0].used->idx);
		CHECK_EQ("not kept", 0, net.state[0].has_packet);
	}
}

/* What a driver is offered, by back end. */
static void test_features(void)
{
	static const struct {
		const char *name;
		u32 bit;
		u32 pairs;
		bool want;
	} rows[] = {
		{ "MAC", VIRTIO_NET_F_MAC, 1, true },
		{ "MTU", VIRTIO_NET_F_MTU, 1, true },
		{ "STATUS", VIRTIO_NET_F_STATUS, 1, true },
		{ "MRG_RXBUF", VIRTIO_NET_F_MRG_RXBUF, 1, true },
		{ "CTRL_VQ", VIRTIO_NET_F_CTRL_VQ, 1, true },
		{ "HOST_UFO of a back end without it", VIRTIO_NET_F_HOST_UFO, 1, false },
		{ "HOST_TSO4", VIRTIO_NET_F_HOST_TSO4, 1, true },
		{ "MQ of one pair", VIRTIO_NET_F_MQ, 1, false },
		{ "MQ of two", VIRTIO_NET_F_MQ, 2, true },
		{ "RSS", VIRTIO_NET_F_RSS, 2, false },
		{ "EVENT_IDX", VIRTIO_RING_F_EVENT_IDX, 1, true },
	};
	struct virtio_net_config config;

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		set_up(0, rows[i].pairs);
		CHECK_EQ(rows[i].name, rows[i].want, !!(net.device.features & BIT(rows[i].bit)));
	}
	set_up(0, 2);
	ASSERT(!fake_negotiate(&vm, &net.device, BASE | F(HOST_UFO)), "what was not offered is refused");
	for (u32 i = 0; i < sizeof(config); i++)
		((u8 *)&config)[i] = (u8)fake_device_get(&vm, &net.device, 0x2000 + i, 1);
	CHECK_EQ("MAC", 0, memcmp(config.mac, own_mac, 6));
	CHECK_EQ("link", VIRTIO_NET_S_LINK_UP, config.status);
	CHECK_EQ("pairs", 2, config.max_virtqueue_pairs);
	CHECK_EQ("MTU", 1500, config.mtu);
	CHECK_EQ("queues", 5, fake_device_get(&vm, &net.device, VIRTIO_PCI_COMMON_NUMQ, 2));
}

/* Frames into buffers of a size: how many they take, and every byte of them. */
static void test_receive(void)
{
	static const struct {
		const char *name;
		u64 features;
		u32 frame, buffer, buffers;	/* that the driver gives */
		u32 want;			/* that are taken */
		bool is_kept;			/* the frame waits for more */
	} rows[] = {
		{ "one fits", F(MRG_RXBUF), 1500, 2048, 4, 1, false },
		{ "one fits exactly", F(MRG_RXBUF), 1500, 1512, 4, 1, false },
		{ "one byte more", F(MRG_RXBUF), 1501, 1512, 4, 2, false },
		{ "many", F(MRG_RXBUF), 15000, 1512, 16, 10, false },
		{ "all of the queue", F(MRG_RXBUF), 16 * 1024 - 12, 1024, 16, 16, false },
		{ "more than the queue has at all", F(MRG_RXBUF), 16 * 1024, 1024, 16, 0, false },
		{ "too few now", F(MRG_RXBUF), 9000, 1024, 4, 0, true },
		{ "none", F(MRG_RXBUF), 60, 1024, 0, 0, true },
		{ "the header alone fits", F(MRG_RXBUF), 60, 12, 8, 6, false },
		{ "not even the header", F(MRG_RXBUF), 60, 11, 8, 0, false },
		{ "not merged", 0, 1500, 2048, 4, 1, false },
		{ "not merged, too small", 0, 1500, 1511, 4, 0, false },
		{ "not merged, none", 0, 1500, 2048, 0, 0, true },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct virtio_net_hdr_v1 header;
		u32 at = 0, size = rows[i].buffer;

		set_up(rows[i].features, 1);
		fill_frame(rows[i].frame);
		wire.waiting = 1;
		memset(guest_at(BUFFERS), 0xee, 0x100000);
		for (u32 j = 0; j < rows[i].buffers; j++)
			fake_offer_one(&rings[0], BUFFERS + j * 0x10000ULL, size, true);
		virtio_net_turn(&net);
		CHECK_EQ(rows[i].name, rows[i].want, rings[0].used->idx);
		CHECK_EQ("the frame waits", rows[i].is_kept, net.state[0].has_packet);
		if (!rows[i].want)
			continue;
		memcpy(&header, guest_at(BUFFERS), sizeof(header));
		CHECK_EQ("buffers in the header", rows[i].want, header.num_buffers);
		for (u32 j = 0; j < rows[i].want; j++) {
			u32 skip = j ? 0 : 12, len = rings[0].used->ring[j].len;
			const u8 *got = guest_at(BUFFERS + j * 0x10000ULL);

			ASSERT_LE(len, size);
			CHECK_EQ("the bytes", 0, memcmp(got + skip, wire.frame + at, len - skip));
			CHECK_EQ("nothing behind them", 0xee, got[size]);
			at += len - skip;
		}
		CHECK_EQ("all of the frame", rows[i].frame, at);
	}
}

/* A frame that waited goes in when there are buffers; none is asked for that is there. */
static void test_receive_later(void)
{
	set_up(F(MRG_RXBUF) | BIT(VIRTIO_RING_F_EVENT_IDX), 1);
	fill_frame(3000);
	wire.waiting = 3;
	fake_offer_one(&rings[0], BUFFERS, 1512, true);
	virtio_net_turn(&net);
	CHECK_EQ("nothing yet", 0, rings[0].used->idx);
	CHECK_EQ("doorbell at the next buffer, not at the one that is there", 1,
		 *(u16 *)&rings[0].used->ring[FAKE_RING_SIZE]);
	for (u32 i = 1; i < 4; i++)
		fake_offer_one(&rings[0], BUFFERS + i * 0x1000, 1512, true);
	virtio_net_turn(&net);
	CHECK_EQ("one frame in two, and one more in two", 4, rings[0].used->idx);
	CHECK_EQ("the third waits", 1, net.state[0].has_packet);
	fake_negotiate(&vm, &net.device, BASE);
	CHECK_EQ("not for the next driver", 0, net.state[0].has_packet);
}

static void test_send(void)
{
	static const struct {
		const char *name;
		u32 head, frame;	/* the header's buffer, and the frame's in pieces of 1000 */
		u8 flags;
		u32 want;		/* frames sent */
	} rows[] = {
		{ "a frame", 12, 60, 0, 1 },
		{ "many pieces", 12, 9000, 0, 1 },
		{ "the header and more in one", 30, 1000, 0, 1 },
		{ "no frame", 12, 0, 0, 0 },
		{ "half a header", 6, 0, 0, 0 },
		{ "less than an Ethernet header", 12, 13, 0, 0 },
		{ "a checksum outside", 12, 60, 1, 0 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct virtio_net_hdr_v1 header = { .flags = rows[i].flags, .csum_start = 1000, .csum_offset = 4 };
		u32 left = rows[i].frame;

		set_up(F(CSUM), 1);
		for (u32 j = 0; j < 0x3000; j++)
			guest_at(BUFFERS)[j] = (u8)(j * 3);
		memcpy(guest_at(BUFFERS), &header, sizeof(header));
		fake_add(&rings[1], BUFFERS, rows[i].head, false, !left);
		for (u32 at = rows[i].head; left; at += 1000) {
			u32 part = left < 1000 ? left : 1000;

			left -= part;
			fake_add(&rings[1], BUFFERS + at, part, false, !left);
		}
		fake_offer(&rings[1], 0);
		virtio_net_turn(&net);
		CHECK_EQ(rows[i].name, rows[i].want, wire.sent);
		CHECK_EQ("given back in any case", 1, rings[1].used->idx);
		CHECK_EQ("the device goes on", 0, is_broken());
		if (!rows[i].want)
			continue;
		CHECK_EQ("size", rows[i].head - 12 + rows[i].frame, wire.last_size);
		CHECK_EQ("bytes", 0, memcmp(wire.last, guest_at(BUFFERS + 12), wire.last_size));
	}
}

static void test_send_blocked(void)
{
	set_up(0, 1);
	memset(guest_at(BUFFERS), 0, 100);
	for (u32 i = 0; i < 3; i++)
		fake_offer_one(&rings[1], BUFFERS, 100, false);
	wire.on_send = NET_AGAIN;
	virtio_net_turn(&net);
	CHECK_EQ("none given back", 0, rings[1].used->idx);
	CHECK_EQ("waits for the back end", 1, net.state[0].is_blocked);
	wire.on_send = NET_DONE;
	virtio_net_turn(&net);
	CHECK_EQ("not before it is ready", 0, wire.sent);
	net.state[0].is_blocked = false;
	virtio_net_turn(&net);
	CHECK_EQ("each once", 3, wire.sent);
	CHECK_EQ("all given back", 3, rings[1].used->idx);
}

static void test_gone(void)
{
	set_up(F(STATUS), 1);
	u64 before = fake_device_get(&vm, &net.device, VIRTIO_PCI_COMMON_CFGGENERATION, 1);

	memset(guest_at(BUFFERS), 0, 100);
	wire.at_end = NET_GONE;
	virtio_net_turn(&net);
	CHECK_EQ("link", 0, fake_device_get(&vm, &net.device, 0x2006, 2));
	CHECK_EQ("another generation", 1, before != fake_device_get(&vm, &net.device, VIRTIO_PCI_COMMON_CFGGENERATION, 1));
	CHECK_EQ("the driver is told", 1, fake_line(&vm, pci_slot_gsi(net.device.pci.slot)));
	fake_offer_one(&rings[1], BUFFERS, 100, false);
	virtio_net_turn(&net);
	CHECK_EQ("frames get lost", 0, wire.sent);
	CHECK_EQ("and come back", 1, rings[1].used->idx);
}

/* One control command in two buffers. Return: its answer, 0xee if there was none. */
static u8 command(const u8 *bytes, u32 size, u32 queue)
{
	u16 head = rings[queue].next;
	u64 ack = BUFFERS + 0x8000;

	memcpy(guest_at(BUFFERS), bytes, size);
	*guest_at(ack) = 0xee;
	if (size)
		fake_add(&rings[queue], BUFFERS, size, false, false);
	fake_add(&rings[queue], ack, 1, true, true);
	fake_offer(&rings[queue], head);
	virtio_net_turn(&net);
	return *guest_at(ack);
}

static void test_commands(void)
{
	static const struct {
		const char *name;
		u64 features;
		u32 size;
		u8 bytes[24];
		u8 want;
	} rows[] = {
		{ "promiscuous", F(CTRL_RX), 3, { 0, 0, 1 }, 0 },
		{ "promiscuous, not agreed on", 0, 3, { 0, 0, 1 }, 1 },
		{ "promiscuous, 2", F(CTRL_RX), 3, { 0, 0, 2 }, 1 },
		{ "promiscuous, no value", F(CTRL_RX), 2, { 0, 0 }, 1 },
		{ "promiscuous, two values", F(CTRL_RX), 4, { 0, 0, 1, 1 }, 1 },
		{ "no broadcast", F(CTRL_RX_EXTRA), 3, { 0, 5, 1 }, 0 },
		{ "a mode that there is none of", F(CTRL_RX) | F(CTRL_RX_EXTRA), 3, { 0, 6, 1 }, 1 },
		{ "tables", F(CTRL_RX), 16, { 1, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 9, 0, 0, 0, 0 }, 0 },
		{ "no tables", F(CTRL_RX), 10, { 1, 0 }, 0 },
		{ "a table cut short", F(CTRL_RX), 15, { 1, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 9 }, 1 },
		{ "a table of very many", F(CTRL_RX), 16, { 1, 0, 0xff, 0xff, 0xff, 0xff }, 1 },
		{ "a second table of very many", F(CTRL_RX), 10, { 1, 0, 0, 0, 0, 0, 0xab, 0xaa, 0xaa, 0x2a }, 1 },
		{ "tables and more", F(CTRL_RX), 11, { 1, 0 }, 1 },
		{ "address", F(CTRL_MAC_ADDR), 8, { 1, 1, 2, 0, 0, 0, 0, 7 }, 0 },
		{ "address of five bytes", F(CTRL_MAC_ADDR), 7, { 1, 1, 2, 0, 0, 0, 0 }, 1 },
		{ "VLAN", F(CTRL_VLAN), 4, { 2, 0, 0xff, 0x0f }, 0 },
		{ "VLAN 4096", F(CTRL_VLAN), 4, { 2, 0, 0x00, 0x10 }, 1 },
		{ "VLAN away", F(CTRL_VLAN), 4, { 2, 1, 0xff, 0x0f }, 0 },
		{ "two pairs", F(MQ), 4, { 4, 0, 2, 0 }, 0 },
		{ "no pairs", F(MQ), 4, { 4, 0, 0, 0 }, 1 },
		{ "three pairs of two", F(MQ), 4, { 4, 0, 3, 0 }, 1 },
		{ "offloads", F(CTRL_GUEST_OFFLOADS) | F(GUEST_CSUM) | F(GUEST_TSO4), 10, { 5, 0, 2 }, 0 },
		{ "offloads, not agreed on", F(CTRL_GUEST_OFFLOADS) | F(GUEST_CSUM), 10, { 5, 0, 0x82 }, 1 },
		{ "offloads that need another", F(CTRL_GUEST_OFFLOADS) | F(GUEST_CSUM) | F(GUEST_TSO4), 10, { 5, 0, 0x80 }, 1 },
		{ "a class without a meaning", ~0ULL, 3, { 77, 0, 1 }, 1 },
		{ "one byte", ~0ULL, 1, { 0 }, 1 },
		{ "nothing", ~0ULL, 0, { 0 }, 1 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 offered = F(CTRL_RX) | F(CTRL_RX_EXTRA) | F(CTRL_VLAN) | F(CTRL_MAC_ADDR) | F(MQ) |
			      F(CTRL_GUEST_OFFLOADS) | F(GUEST_CSUM) | F(GUEST_TSO4);

		set_up(F(CTRL_VQ) | (rows[i].features & offered), 2);
		CHECK_EQ(rows[i].name, rows[i].want,
			 command(rows[i].bytes, rows[i].size, rows[i].features & F(MQ) ? 4 : 2));
		CHECK_EQ("the device goes on", 0, is_broken());
	}
	set_up(F(CTRL_VQ) | F(MQ) | F(CTRL_GUEST_OFFLOADS) | F(GUEST_CSUM), 2);
	CHECK_EQ("offloads of the driver's features", F(GUEST_CSUM), wire.offloads);
	command((const u8[]){ 5, 0, 0, 0, 0, 0, 0, 0, 0, 0 }, 10, 4);
	CHECK_EQ("no offloads", 0, wire.offloads);
	command((const u8[]){ 4, 0, 2, 0 }, 4, 4);
	CHECK_EQ("pairs", 2, wire.pairs);
	fake_negotiate(&vm, &net.device, BASE);
	CHECK_EQ("one pair after a reset", 1, wire.pairs);
}

/* A pair that the driver no longer uses gets nothing more: neither what waits here nor what comes. */
static void test_fewer_pairs(void)
{
	set_up(F(MRG_RXBUF) | F(CTRL_VQ) | F(MQ), 2);
	wire.pair = 1;
	fill_frame(60);
	wire.waiting = 2;
	virtio_net_turn(&net);
	CHECK_EQ("not asked for before it is used", 2, wire.waiting);
	ASSERT_EQ(command((const u8[]){ 4, 0, 2, 0 }, 4, 4), VIRTIO_NET_OK);
	CHECK_EQ("waits for buffers", 1, net.state[1].has_packet);
	ASSERT_EQ(command((const u8[]){ 4, 0, 1, 0 }, 4, 4), VIRTIO_NET_OK);
	fake_offer_one(&rings[2], BUFFERS, 2048, true);
	virtio_net_turn(&net);
	CHECK_EQ("not given any more", 0, rings[2].used->idx);
	CHECK_EQ("nor is the next one", 1, wire.waiting);
}

/* Whatever features are written, nothing is served before FEATURES_OK was set. */
static void test_no_features(void)
{
	set_up(0, 2);
	fake_device_put(&vm, &net.device, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	fake_device_put(&vm, &net.device, VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
	fake_device_put(&vm, &net.device, VIRTIO_PCI_COMMON_GF, 4, (u32)(F(MQ) | F(CSUM) | F(HOST_UFO)));
	fake_ring_init(&rings[1], &vm, 1);
	fake_enable_queue(&vm, &net.device, 1);
	fake_device_put(&vm, &net.device, VIRTIO_PCI_COMMON_STATUS, 1,
			VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
	CHECK_EQ("status", 0, fake_device_get(&vm, &net.device, VIRTIO_PCI_COMMON_STATUS, 1));
	CHECK_EQ("pairs", 1, net.pairs);
}

static void check_mac(const char *name, const u8 wanted[6])
{
	u8 mac[6];

	for (u32 i = 0; i < 6; i++)
		mac[i] = (u8)fake_device_get(&vm, &net.device, 0x2000 + i, 1);
	CHECK_EQ(name, 0, memcmp(mac, wanted, 6));
}

/* "Setting MAC Address Filtering": an address that the driver sets is in the configuration too, until it begins anew. */
static void test_address(void)
{
	static const u8 set[] = { 1, 1, 2, 0, 0, 0, 0, 7 }, less[] = { 1, 1, 2, 0, 0, 0, 9 }, other[] = { 0, 0, 1 };
	u64 before;

	set_up(F(CTRL_VQ) | F(CTRL_MAC_ADDR) | F(CTRL_RX) | F(MAC), 1);
	before = fake_device_get(&vm, &net.device, VIRTIO_PCI_COMMON_CFGGENERATION, 1);
	ASSERT_EQ(command(less, sizeof(less), 2), VIRTIO_NET_ERR);
	check_mac("refused", own_mac);
	CHECK_EQ("the same generation", before, fake_device_get(&vm, &net.device, VIRTIO_PCI_COMMON_CFGGENERATION, 1));
	ASSERT_EQ(command(set, sizeof(set), 2), VIRTIO_NET_OK);
	check_mac("set", set + 2);
	CHECK_EQ("another generation", 1, before != fake_device_get(&vm, &net.device, VIRTIO_PCI_COMMON_CFGGENERATION, 1));
	fake_device_put(&vm, &net.device, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	check_mac("after a reset", own_mac);

	/* A card that has become another one says so, whatever else its driver does with the address that it has. */
	set_up(F(CTRL_VQ) | F(CTRL_MAC_ADDR) | F(CTRL_RX) | F(MAC), 1);
	ASSERT_EQ(virtio_net_renew(&net, true), 0);
	ASSERT_EQ(command(other, sizeof(other), 2), VIRTIO_NET_OK);
	check_mac("renewed", net.mac);
}

/* A command in an odd shape. */
static void test_command_shapes(void)
{
	set_up(F(CTRL_VQ) | F(CTRL_RX), 1);
	memset(guest_at(BUFFERS), 0, 5000);
	fake_offer_one(&rings[2], BUFFERS, 3, false);
	virtio_net_turn(&net);
	CHECK_EQ("no room for an answer: given back", 1, rings[2].used->idx);
	CHECK_EQ("nothing written", 0, rings[2].used->ring[0].len);
	fake_add(&rings[2], BUFFERS, NET_CONTROL_MAX + 1, false, false);
	fake_add(&rings[2], BUFFERS + 0x8000, 1, true, true);
	fake_offer(&rings[2], 1);
	virtio_net_turn(&net);
	CHECK_EQ("too long", VIRTIO_NET_ERR, *guest_at(BUFFERS + 0x8000));
}

static void test_filter(void)
{
	static const struct {
		const char *name;
		u8 frame[18];
		bool promiscuous, all_multicast, no_broadcast, want;
	} rows[] = {
		{ "to us", { 2, 0, 0, 0, 0, 1 }, false, false, false, true },
		{ "to somebody else", { 2, 0, 0, 0, 0, 5 }, false, false, false, false },
		{ "to somebody else, promiscuous", { 2, 0, 0, 0, 0, 5 }, true, false, false, true },
		{ "to a listed address", { 2, 0, 0, 0, 0, 9 }, false, false, false, true },
		{ "broadcast", { 255, 255, 255, 255, 255, 255 }, false, false, false, true },
		{ "broadcast, none wanted", { 255, 255, 255, 255, 255, 255 }, false, true, true, false },
		{ "a group", { 1, 0, 0x5e, 0, 0, 1 }, false, false, false, false },
		{ "a listed group", { 1, 0, 0x5e, 0, 0, 2 }, false, false, false, true },
		{ "any group", { 1, 0, 0x5e, 0, 0, 1 }, false, true, false, true },
		{ "VLAN 5", { 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x81, 0, 0, 5 }, false, false, false, true },
		{ "VLAN 5 of a priority", { 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x81, 0, 0xe0, 5 }, false, false, false, true },
		{ "VLAN 6", { 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x81, 0, 0, 6 }, false, false, false, false },
	};
	static struct net_filter filter;
	u8 many[(NET_FILTER_MACS + 1) * 6] = { 0 };

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		net_filter_reset(&filter, own_mac);
		CHECK_EQ("everything at first", 1, net_filter_wants(&filter, rows[i].frame, 18));
		filter.has_vlans = true;
		filter.is_promiscuous = rows[i].promiscuous;
		filter.all_multicast = rows[i].all_multicast;
		filter.no_broadcast = rows[i].no_broadcast;
		net_filter_set_vlan(&filter, 5, true);
		net_filter_set_table(&filter.unicast, (const u8[]){ 2, 0, 0, 0, 0, 8, 2, 0, 0, 0, 0, 9 }, 2);
		net_filter_set_table(&filter.multicast, (const u8[]){ 1, 0, 0x5e, 0, 0, 2 }, 1);
		CHECK_EQ(rows[i].name, rows[i].want, net_filter_wants(&filter, rows[i].frame, 18));
	}
	net_filter_set_table(&filter.unicast, many, NET_FILTER_MACS + 1);
	CHECK_EQ("a table too long: all of the kind", 1, net_filter_wants(&filter, rows[1].frame, 18));
	net_filter_set_table(&filter.unicast, many, NET_FILTER_MACS);
	CHECK_EQ("one that fits", 0, net_filter_wants(&filter, rows[1].frame, 18));
}

static void test_filtered_frame(void)
{
	set_up(F(MRG_RXBUF) | F(CTRL_VQ) | F(CTRL_RX), 1);
	fake_offer_one(&rings[0], BUFFERS, 2048, true);
	fill_frame(100);
	wire.frame[5] = 99;
	wire.waiting = 1;
	ASSERT_EQ(command((const u8[]){ 0, 0, 0 }, 3, 2), VIRTIO_NET_OK);
	CHECK_EQ("taken from the wire", 0, wire.waiting);
	CHECK_EQ("not given to the guest", 0, rings[0].used->idx);
	CHECK_EQ("nor kept", 0, net.state[0].has_packet);
}

/* Work is bounded: a queue that is never empty holds up neither the others nor the lock. */
static void test_budget(void)
{
	set_up(F(MRG_RXBUF), 1);
	fill_frame(60);
	wire.frame[0] = 2;
	wire.waiting = 1000;
	for (u32 i = 0; i < 16; i++)
		fake_offer_one(&rings[0], BUFFERS + i * 0x1000, 2048, true);
	virtio_net_turn(&net);
	CHECK_EQ("as many as there are buffers", 16, rings[0].used->idx);
	CHECK_EQ("sleeps then", 0, net.has_more);
	/* A buffer that is too small for anything is never used up. */
	set_up(F(MRG_RXBUF), 1);
	fill_frame(60);
	wire.waiting = 1000;
	fake_offer_one(&rings[0], BUFFERS, 4, true);
	virtio_net_turn(&net);
	CHECK_EQ("an end is made", 1, wire.waiting > 900);
	CHECK_EQ("and there is more", 1, net.has_more);
}

/* Noise in rings and buffers: the sanitizers look on, and outside of the guest's memory nothing changes. */
static void test_noise(void)
{
	struct timespec begin, now;
	u64 state = 0x9e3779b97f4a7c15ULL, rounds = 0, sent = 0, taken = 0, broken = 0;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
	do {
		u64 features = xorshift(&state) & (F(MRG_RXBUF) | F(CSUM) | F(HOST_TSO4) | F(CTRL_VQ) | F(CTRL_RX) |
						   F(CTRL_VLAN) | F(CTRL_MAC_ADDR) | F(GUEST_CSUM) |
						   BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_RING_F_INDIRECT_DESC));

		set_up(features, 1);
		for (u32 q = 0; q < 3; q++) {
			for (u32 i = 0; i < FAKE_RING_SIZE; i++) {
				u64 r = xorshift(&state);

				/* Mostly near the truth, so that noise gets deep. */
				rings[q].table[i] = (struct vring_desc){
					.addr = r % 128 ? BUFFERS + (r >> 8) % 0x20000 : xorshift(&state),
					.len = (u32)(r % 127 ? (r >> 20) % 3000 : xorshift(&state)),
					.flags = (u16)(r % 125 ? (q ? 0 : VRING_DESC_F_WRITE) | (r >> 40 & 1) : r >> 44),
					.next = (u16)(r % 99 ? (i + 1) % FAKE_RING_SIZE : r >> 50),
				};
				rings[q].avail->ring[i] = (u16)(r % 131 ? r >> 33 & 15 : r >> 33);
			}
			rings[q].avail->idx = (u16)(xorshift(&state) % (xorshift(&state) % 8 ? 16 : 20));
		}
		for (u32 i = 0; i < 0x4000; i += 8)
			*(u64 *)guest_at(BUFFERS + i) = xorshift(&state) & xorshift(&state) & xorshift(&state);
		fill_frame(14 + (u32)(xorshift(&state) % 20000));
		wire.waiting = 5;
		for (u32 i = 0; i < 3; i++)
			virtio_net_turn(&net);
		sent += wire.sent;
		taken += rings[0].used->idx;
		broken += is_broken();
		close(net.device.doorbell);
		rounds++;
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	} while (now.tv_sec - begin.tv_sec < 2);
	test_note("%llu rounds: %llu frames sent, %llu buffers filled, %llu times broken", (unsigned long long)rounds,
		  (unsigned long long)sent, (unsigned long long)taken, (unsigned long long)broken);
	ASSERT(sent && taken && broken, "noise that reaches all");
}

static void wait_for(const char *name, u16 want, const u16 *got)
{
	const struct timespec nap = { .tv_nsec = 1000000 };

	for (u32 i = 0; i < 5000 && __atomic_load_n(got, __ATOMIC_ACQUIRE) != want; i++)
		nanosleep(&nap, NULL);
	CHECK_EQ(name, want, *got);
}

/* As at the end of the machine. */
static void end_thread(void)
{
	atomic_store(&vm.is_stopping, true);
	clock_gettime(CLOCK_MONOTONIC, &vm.end_by);
	vm.end_by.tv_sec += 5;
	CHECK_EQ("the thread ends", 1, virtio_stop(&net.device));
	atomic_store(&vm.is_stopping, false);
	close(backend.fds[0]);
	backend.fds[0] = -1;
}

/* The guest stands still: what it has handed over is carried both ways, and no more; afterwards all goes on. */
static void test_paused(void)
{
	set_up(F(MRG_RXBUF), 1);
	fill_frame(1000);
	backend.fds[0] = eventfd(1, EFD_CLOEXEC);	/* always readable */
	ASSERT_GE(backend.fds[0], 0);
	wire.waiting = 10;
	vm_hold(&vm, VM_HOLD_PAUSE);
	memset(guest_at(BUFFERS), 0, 0x10000);
	for (u32 i = 0; i < 3; i++)
		fake_offer_one(&rings[0], BUFFERS + i * 0x1000, 1512, true);
	for (u32 i = 0; i < 5; i++)
		fake_offer_one(&rings[1], BUFFERS + 0x8000, 100, false);
	ASSERT_EQ(virtio_start(&net.device), 0);
	virtio_ring(&net.device);
	wait_for("frames sent", 5, (const u16 *)&rings[1].used->idx);
	wait_for("buffers filled", 3, (const u16 *)&rings[0].used->idx);
	pthread_mutex_lock(&net.device.lock);
	CHECK_EQ("one frame waits here", 1, net.state[0].has_packet);
	CHECK_EQ("the others outside", 6, wire.waiting);
	pthread_mutex_unlock(&net.device.lock);
	vm_release(&vm, VM_HOLD_PAUSE);
	for (u32 i = 3; i < 5; i++)
		fake_offer_one(&rings[0], BUFFERS + i * 0x1000, 1512, true);
	virtio_ring(&net.device);
	wait_for("buffers filled afterwards", 5, (const u16 *)&rings[0].used->idx);
	end_thread();
}

/* Each way by itself: what is over the limit waits where it is, and nobody is woken for it before its time. */
static void test_limited(void)
{
	const struct rate_options options = { .bytes = 1, .bytes_max = 2500 };
	struct timespec time;

	set_up(F(MRG_RXBUF), 1);
	fill_frame(1000);
	virtio_net_limit(&net, &options);
	backend.fds[0] = eventfd(1, EFD_CLOEXEC);	/* always readable */
	ASSERT_GE(backend.fds[0], 0);
	wire.waiting = 10;
	memset(guest_at(BUFFERS), 0, 0x10000);
	for (u32 i = 0; i < 8; i++) {
		fake_offer_one(&rings[0], BUFFERS + i * 0x1000, 1512, true);
		fake_offer_one(&rings[1], BUFFERS + 0x8000, i == 4 ? 4 : 1012, false);
	}
	ASSERT_EQ(virtio_start(&net.device), 0);
	virtio_ring(&net.device);
	wait_for("sent", 3, (const u16 *)&rings[1].used->idx);
	wait_for("received", 3, (const u16 *)&rings[0].used->idx);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	u64 before = (u64)time.tv_sec * 1000 + (u64)time.tv_nsec / 1000000;

	for (u32 i = 0; i < 4; i++) {
		usleep(50000);
		virtio_ring(&net.device);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	CHECK_EQ("it sleeps", 1, (u64)time.tv_sec * 1000 + (u64)time.tv_nsec / 1000000 - before < 100);
	virtio_lock(&net.device);
	CHECK_EQ("nothing more is sent", 3, rings[1].used->idx);
	CHECK_EQ("nor received", 3, rings[0].used->idx);
	CHECK_EQ("the other frames wait outside", 7, wire.waiting);
	virtio_net_limit(&net, &(struct rate_options){ .requests = 100, .requests_max = 1 });
	virtio_unlock(&net.device);
	virtio_ring(&net.device);
	wait_for("all are sent, but for one that is none", 8, (const u16 *)&rings[1].used->idx);
	CHECK_EQ("that is lost", 7, wire.sent);
	wait_for("all are received", 8, (const u16 *)&rings[0].used->idx);
	end_thread();
}

/* Somebody looks at the device, who forks it: its thread waits, and nothing is lost. */
static void test_held(void)
{
	set_up(F(MRG_RXBUF), 1);
	fill_frame(1000);
	backend.fds[0] = eventfd(1, EFD_CLOEXEC);
	ASSERT_GE(backend.fds[0], 0);
	wire.waiting = 2;
	ASSERT(virtio_hold(&net.device, 5000), "not held");
	for (u32 i = 0; i < 2; i++)
		fake_offer_one(&rings[0], BUFFERS + i * 0x1000, 1512, true);
	fake_offer_one(&rings[1], BUFFERS + 0x8000, 100, false);
	ASSERT_EQ(virtio_start(&net.device), 0);
	virtio_ring(&net.device);
	usleep(50000);
	CHECK_EQ("nothing is taken of the guest", 0, rings[1].used->idx);
	CHECK_EQ("nor of the host", 2, wire.waiting);
	virtio_release(&net.device);
	wait_for("sent", 1, (const u16 *)&rings[1].used->idx);
	wait_for("received", 2, (const u16 *)&rings[0].used->idx);
	end_thread();
}

/* As in a forked process: another card, and nothing of the other one's on its way. */
static void test_renewed(void)
{
	static const struct {
		const char *name;
		bool is_connected;
	} rows[] = {
		{ "connected", true },
		{ "not connected", false },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		u8 mac[6];

		set_up(F(STATUS) | F(CTRL_MAC_ADDR), 1);
		fill_frame(100);
		wire.waiting = 1;
		memset(guest_at(BUFFERS), 0, 0x2000);
		virtio_net_turn(&net);
		CHECK_EQ("a frame waits for the guest", 1, net.state[0].has_packet);
		net.state[0].is_blocked = true;
		u64 before = fake_device_get(&vm, &net.device, VIRTIO_PCI_COMMON_CFGGENERATION, 1);

		ASSERT_EQ(virtio_net_renew(&net, rows[i].is_connected), 0);
		for (u32 k = 0; k < 6; k++)
			mac[k] = (u8)fake_device_get(&vm, &net.device, 0x2000 + k, 1);
		CHECK_EQ("another address", 1, !!memcmp(mac, own_mac, 6));
		CHECK_EQ("one that anybody may use", 2, mac[0] & 3);
		CHECK_EQ(rows[i].name, rows[i].is_connected, fake_device_get(&vm, &net.device, 0x2006, 2));
		CHECK_EQ("another generation", 1, before != fake_device_get(&vm, &net.device, VIRTIO_PCI_COMMON_CFGGENERATION, 1));
		CHECK_EQ("the driver is told", 1, fake_line(&vm, pci_slot_gsi(net.device.pci.slot)));
		fake_offer_one(&rings[0], BUFFERS, 1512, true);
		virtio_net_turn(&net);
		CHECK_EQ("what waited is lost", 0, rings[0].used->idx);
		wire.waiting = 1;
		fake_offer_one(&rings[1], BUFFERS + 0x1000, 100, false);
		virtio_net_turn(&net);
		CHECK_EQ("frames are sent", rows[i].is_connected, wire.sent);
		CHECK_EQ("and come to the address that the driver has", rows[i].is_connected, rings[0].used->idx);
	}
}

static const struct test_case cases[] = {
	{ "header", test_header },
	{ "given_header", test_given_header },
	{ "limits", test_limits },
	{ "features", test_features },
	{ "no_features", test_no_features },
	{ "receive", test_receive },
	{ "receive_later", test_receive_later },
	{ "send", test_send },
	{ "send_blocked", test_send_blocked },
	{ "gone", test_gone },
	{ "commands", test_commands },
	{ "fewer_pairs", test_fewer_pairs },
	{ "address", test_address },
	{ "command_shapes", test_command_shapes },
	{ "filter", test_filter },
	{ "filtered_frame", test_filtered_frame },
	{ "budget", test_budget },
	{ "paused", test_paused },
	{ "limited", test_limited },
	{ "held", test_held },
	{ "renewed", test_renewed },
	{ "noise", test_noise },
};

TEST_MAIN(cases)
