// SPDX-License-Identifier: GPL-2.0-only
/*
 * vhost-user with a back end of the test's own in another thread, which maps the guest's memory by what
 * it was sent and gives each frame that the guest sends back to it. And back ends that answer nonsense,
 * nothing, or go away.
 *
 * "Vhost-user Protocol" of QEMU's documentation.
 */
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake_driver.h"
#include "userspace/net_deliver.h"
#include "userspace/net_vhost_user.h"
#include "userspace/vhost_user_message.h"
#include "userspace/virtio_net.h"
#include "vhost_user_peer.h"

#define F(name)	BIT(VIRTIO_NET_F_##name)
#define BUFFERS	0x400000ULL
#define GOOD	(BIT(VIRTIO_F_VERSION_1) | F(MRG_RXBUF) | F(CSUM) | BIT(VHOST_USER_F_PROTOCOL_FEATURES))

/* The back end's thread, and what is its own. */
static struct vhost_user_peer peer;
static int listener;
static pthread_t peer_thread;
static u32 frames;

static char path[64];

/* What the guest sent comes back to it, the header as it was. */
static void loop_frames(void)
{
	static struct virtq_chain chain;
	static struct net_deliver_room room;
	static u8 frame[NET_FRAME_MAX + 12];
	u64 count, one = 1;

	if (read(peer.kick[1], &count, 8) != 8)
		return;
	while (virtq_pop(&peer.queues[1], &chain)) {
		struct net_packet packet = { .frame = frame + 12, .size = (u32)chain.read_bytes - 12 };

		ASSERT(virtio_copy_from(&chain, frame, chain.read_bytes), "all of it");
		ASSERT_EQ(net_deliver(&peer.queues[0], &packet, true, &room), NET_DELIVERED);
		virtq_push(&peer.queues[1], &chain, 0);
		frames++;
	}
	ASSERT_EQ(write(peer.call[0], &one, 8), 8);
	ASSERT_EQ(write(peer.call[1], &one, 8), 8);
}

static void *serve(void *unused)
{
	peer.socket = accept(listener, NULL, NULL);
	for (;;) {
		bool is_up = peer.queues[1].is_enabled;
		struct pollfd waits[2] = { { peer.socket, POLLIN, 0 }, { is_up ? peer.kick[1] : -1, POLLIN, 0 } };

		poll(waits, 2, -1);
		if (waits[1].revents & POLLIN)
			loop_frames();
		if (waits[0].revents && !vhost_user_peer_serve(&peer))
			break;
	}
	close(peer.socket);
	return NULL;
}

static void start_peer(enum peer_fault fault, u64 features)
{
	frames = 0;
	snprintf(path, sizeof(path), "/tmp/keel-vhost-user.%d", getpid());
	listener = vhost_user_peer_init(&peer, fault, features, 1, path);
	ASSERT_EQ(pthread_create(&peer_thread, NULL, serve, NULL), 0);
}

static void end_peer(void)
{
	pthread_join(peer_thread, NULL);
	close(listener);
	unlink(path);
}

static struct vm vm;
static struct pci pci;
static struct virtio_net net;
static struct net_vhost_user user;
static struct route_table routes;
static struct fake_ring rings[3];

static int open_user(unsigned int queues)
{
	static struct net_options options;	/* stay as long as the device */
	struct vhost_place place = { &routes, 0 };

	if (!vm.memory.mapping) {
		fake_vm_init(&vm, 16 << 20);
		ASSERT_EQ(memory_back(&vm.memory, MEMORY_SHARED), 0);
		vm.fd = -1;
		ASSERT_EQ(route_init(&routes, &vm, 8), 0);
	}
	memset(&net, 0, sizeof(net));
	memset(&user, 0, sizeof(user));
	options = (struct net_options){ .kind = NET_VHOST_USER, .queues = queues };
	snprintf(options.path, sizeof(options.path), "%s", path);
	return net_vhost_user_open(&user, &net.device, &vm, &place, &options);
}

static void plug(void)
{
	struct virtio_net_place place = { .mtu = 0 };

	ASSERT_EQ(pci_init(&pci, &vm), 0);
	virtio_net_init(&net, &user.backend, &user.user.vhost, &place);
	ASSERT_EQ(virtio_add(&net.device, &vm, &pci), 0);
}

static void start_driver(void)
{
	ASSERT(fake_negotiate(&vm, &net.device, BIT(VIRTIO_F_VERSION_1) | F(MRG_RXBUF) | F(CSUM) | F(CTRL_VQ)), "features");
	for (u32 i = 0; i < 3; i++) {
		fake_ring_init(&rings[i], &vm, i);
		fake_enable_queue(&vm, &net.device, i);
	}
	fake_driver_ok(&vm, &net.device);
}

static u8 *guest_at(u64 gpa) { return memory_at(&vm.memory, gpa, 1); }

/* By the registers, as a driver's doorbell whose write leaves to user space. */
static void ring_and_wait(u16 wanted)
{
	fake_device_put(&vm, &net.device, 0x3000 + 4, 2, 1);
	for (u32 i = 0; i < TEST_PATIENCE_MS && __atomic_load_n(&rings[0].used->idx, __ATOMIC_ACQUIRE) != wanted; i++)
		usleep(1000);
	CHECK_EQ("a frame came back", wanted, rings[0].used->idx);
}

static void test_frames(void)
{
	static const u32 sizes[] = { 60, 1514, 9000, 14 };
	struct pollfd waits[VHOST_QUEUES_MAX];

	start_peer(PEER_GOOD, GOOD);
	ASSERT_EQ(open_user(1), 0);
	plug();
	CHECK_EQ("merged buffers are offered", 1, !!(net.device.features & F(MRG_RXBUF)));
	CHECK_EQ("TSO, which it has not, is not", 0, !!(net.device.features & F(HOST_TSO4)));
	CHECK_EQ("nor event indexes", 0, !!(net.device.features & BIT(VIRTIO_RING_F_EVENT_IDX)));
	for (u32 round = 1; round <= 2; round++) {	/* the second after a reset */
		u32 taken = 0;

		start_driver();
		CHECK_EQ("features", BIT(VIRTIO_F_VERSION_1) | F(MRG_RXBUF) | F(CSUM) | BIT(VHOST_USER_F_PROTOCOL_FEATURES),
			 peer.set_features);
		CHECK_EQ("both queues started", 2 * round, peer.started);
		CHECK_EQ("and enabled", 2 * round, peer.enabled);
		CHECK_EQ("this process waits for their interrupts", 2, vhost_waits(&user.user.vhost, waits));
		for (u32 i = 0; i < 12; i++)
			fake_offer_one(&rings[0], BUFFERS + 0x100000 + i * 0x1000, 2048, true);
		for (u32 i = 0; i < ARRAY_SIZE(sizes); i++) {
			u32 buffers = (sizes[i] + 12 + 2047) / 2048;
			u8 *got = guest_at(BUFFERS + 0x100000 + taken * 0x1000ULL);

			for (u32 j = 0; j < sizes[i] + 12; j++)
				guest_at(BUFFERS)[j] = (u8)(j < 12 ? 0 : j * 17 + i);
			fake_offer_one(&rings[1], BUFFERS, sizes[i] + 12, false);
			taken += buffers;
			ring_and_wait((u16)taken);
			CHECK_EQ("merged", buffers, got[10]);
			CHECK_EQ("bytes", 0, memcmp(got + 12, guest_at(BUFFERS + 12), sizes[i] < 2036 ? sizes[i] : 2036));
		}
		virtio_net_turn(&net);
		CHECK_EQ("the driver is told", 1, fake_line(&vm, pci_slot_gsi(net.device.pci.slot)));
		fake_device_put(&vm, &net.device, VIRTIO_PCI_COMMON_STATUS, 1, 0);
		CHECK_EQ("both stopped", 2 * round, peer.stopped);
		/* Nothing of this driver's is served any more. */
		fake_offer_one(&rings[1], BUFFERS, 100, false);
		fake_device_put(&vm, &net.device, 0x3000 + 4, 2, 1);
		usleep(20000);
		CHECK_EQ("not after the reset", taken, rings[0].used->idx);
	}
	CHECK_EQ("frames", 8, frames);
	net_vhost_user_close(&user);
	end_peer();
}

static void test_refusals(void)
{
	static const struct {
		const char *name;
		enum peer_fault fault;
		u64 features;
		u32 queues;
		const char *words;
	} rows[] = {
		{ "another request's answer", PEER_WRONG_REQUEST, GOOD, 1, "Protocol error" },
		{ "an answer too long", PEER_WRONG_SIZE, GOOD, 1, "Protocol error" },
		{ "no answer at all, but a request", PEER_WRONG_FLAGS, GOOD, 1, "Protocol error" },
		{ "hangs up", PEER_HANGS_UP, GOOD, 1, "Connection reset" },
		{ "says nothing", PEER_NO_ANSWER, GOOD, 1, "timed out" },
		{ "says it too slowly", PEER_DRIBBLES, GOOD, 1, "timed out" },
		{ "refuses the memory", PEER_REFUSES_MEMORY, GOOD, 1, "Invalid argument" },
		{ "an old device", PEER_GOOD, GOOD & ~BIT(VIRTIO_F_VERSION_1), 1, "not supported" },
		{ "fewer queues", PEER_GOOD, GOOD, 2, "(queues=1)" },
		{ "one queue, of an old protocol", PEER_GOOD, GOOD & ~BIT(VHOST_USER_F_PROTOCOL_FEATURES), 2, "(queues=1)" },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		start_peer(rows[i].fault, rows[i].features);
		CHECK_EQ(rows[i].name, STATUS_NET, open_user(rows[i].queues));
		CHECK_EQ("why", 1, !!strstr(status_last(), rows[i].words));
		net_vhost_user_close(&user);
		end_peer();
	}
	CHECK_EQ("nobody listens", STATUS_NET, open_user(1));
	CHECK_EQ("the remedy", 1, !!strstr(status_last(), "start the program"));
	net_vhost_user_close(&user);
}

/* Without acknowledgements, and one that refuses what the driver set up. */
static void test_start(void)
{
	start_peer(PEER_GOOD, GOOD & ~BIT(VHOST_USER_F_PROTOCOL_FEATURES));
	ASSERT_EQ(open_user(1), 0);
	plug();
	start_driver();
	for (u32 i = 0; i < TEST_PATIENCE_MS && peer.started < 2; i++)
		usleep(1000);
	CHECK_EQ("started", 2, peer.started);
	CHECK_EQ("a bit that nobody knows is not set", 0, !!(peer.set_features & BIT(VHOST_USER_F_PROTOCOL_FEATURES)));
	fake_device_put(&vm, &net.device, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	CHECK_EQ("stopped", 2, peer.stopped);
	net_vhost_user_close(&user);
	end_peer();

	start_peer(PEER_REFUSES_PLACE, GOOD);
	ASSERT_EQ(open_user(1), 0);
	memset(&vm.mmio, 0, sizeof(vm.mmio));
	memset(&vm.ports, 0, sizeof(vm.ports));
	plug();
	start_driver();
	CHECK_EQ("the driver learns of it", 1, !!(net.device.status & VIRTIO_CONFIG_S_NEEDS_RESET));
	CHECK_EQ("nothing runs", 0, user.user.vhost.queues[0].is_running);
	net_vhost_user_close(&user);
	end_peer();
}

/* Wherever a start ends, no queue runs at the other end: it was stopped, or the connection is. */
static void test_half_started(void)
{
	static const struct {
		const char *name;
		enum peer_fault fault;
		u32 stopped;
		bool is_over;
	} rows[] = {
		{ "refused after the doorbell", PEER_REFUSES_ENABLE, 1, false },
		{ "no answer", PEER_FALLS_SILENT, 0, true },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pollfd wait;

		start_peer(rows[i].fault, GOOD);
		ASSERT_EQ(open_user(1), 0);
		memset(&vm.mmio, 0, sizeof(vm.mmio));
		memset(&vm.ports, 0, sizeof(vm.ports));
		plug();
		start_driver();
		CHECK_EQ(rows[i].name, 1, !!(net.device.status & VIRTIO_CONFIG_S_NEEDS_RESET));
		CHECK_EQ("queues stopped", rows[i].stopped, peer.stopped);
		wait = (struct pollfd){ .fd = user.user.socket };
		CHECK_EQ("the connection is over", rows[i].is_over, poll(&wait, 1, rows[i].is_over ? 1000 : 0));
		net_vhost_user_close(&user);
		end_peer();
	}
}

/* By the device's own thread. */
static void test_hangup(void)
{
	start_peer(PEER_GOOD, GOOD);
	ASSERT_EQ(open_user(1), 0);
	plug();
	start_driver();
	ASSERT_EQ(virtio_start(&net.device), 0);
	shutdown(peer.socket, SHUT_RDWR);
	end_peer();
	for (u32 i = 0; i < TEST_PATIENCE_MS && fake_device_get(&vm, &net.device, 0x2006, 2); i++)
		usleep(1000);
	CHECK_EQ("link", 0, fake_device_get(&vm, &net.device, 0x2006, 2));
	/* A reset then has nobody to ask, and does not wait. */
	fake_device_put(&vm, &net.device, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	/* The next driver finds a device that works, without a link. */
	start_driver();
	CHECK_EQ("not broken", 0, !!(fake_device_get(&vm, &net.device, VIRTIO_PCI_COMMON_STATUS, 1) &
				     VIRTIO_CONFIG_S_NEEDS_RESET));
	CHECK_EQ("still no link", 0, fake_device_get(&vm, &net.device, 0x2006, 2));
	vm_stop(&vm, STATUS_OK, "done");
	CHECK_EQ("the thread ends", 1, virtio_stop(&net.device));
	net_vhost_user_close(&user);
}

static const struct test_case cases[] = {
	{ "frames", test_frames },
	{ "refusals", test_refusals },
	{ "start", test_start },
	{ "half_started", test_half_started },
	{ "hangup", test_hangup },
};

TEST_MAIN(cases)
