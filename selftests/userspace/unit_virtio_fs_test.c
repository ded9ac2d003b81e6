// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file system device with a back end of the test's own in another thread, which answers what it is asked, or
 * holds its answer back; one that goes away, with and without requests that it has not answered; and ones that
 * speak nonsense.
 *
 * VIRTIO 1.2, "File System Device"; "Vhost-user Protocol" of QEMU's documentation; <linux/fuse.h>.
 */
#include <fcntl.h>
#include <linux/fuse.h>
#include <linux/virtio_fs.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fake_driver.h"
#include "stopping.h"
#include "userspace/share.h"
#include "userspace/status.h"
#include "userspace/vhost_user_message.h"
#include "vhost_user_peer.h"

#define BUFFERS	0x400000ULL	/* a page for each request */
#define GOOD	(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VHOST_USER_F_PROTOCOL_FEATURES))
#define HELD	99		/* an opcode that gets no answer */
#define ANSWER	-ENOENT

/* The back end's thread, and what is its own. */
static struct vhost_user_peer peer;
static int listener, goodbye = -1;
static bool is_deaf;		/* to doorbells */
static pthread_t peer_thread;
static char path[64];

static void answer_queue(u32 index)
{
	static struct virtq_chain chain;
	u64 count, one = 1;

	if (read(peer.kick[index], &count, 8) != 8)
		return;
	while (virtq_pop(&peer.queues[index], &chain)) {
		struct fuse_out_header out = { .len = sizeof(out), .error = ANSWER };
		struct fuse_in_header in;

		ASSERT(virtio_copy_from(&chain, &in, sizeof(in)), "a header");
		if (in.opcode == HELD)
			continue;
		out.unique = in.unique;
		memcpy(chain.segments[chain.read_count].iov_base, &out, sizeof(out));
		virtq_push(&peer.queues[index], &chain, sizeof(out));
	}
	ASSERT_EQ(write(peer.call[index], &one, 8), 8);
}

static void *serve(void *unused)
{
	peer.socket = accept(listener, NULL, NULL);
	for (;;) {
		struct pollfd waits[4] = {
			{ peer.socket, POLLIN, 0 },
			{ peer.queues[0].is_enabled && !is_deaf ? peer.kick[0] : -1, POLLIN, 0 },
			{ peer.queues[1].is_enabled && !is_deaf ? peer.kick[1] : -1, POLLIN, 0 },
			{ goodbye, POLLIN, 0 },
		};

		poll(waits, 4, -1);
		for (u32 i = 0; i < 2; i++)
			if (waits[1 + i].revents & POLLIN)
				answer_queue(i);
		if (waits[3].revents || (waits[0].revents && !vhost_user_peer_serve(&peer)))
			break;
	}
	close(peer.socket);
	return NULL;
}

static void start_peer(enum peer_fault fault, u64 features, u64 queues)
{
	goodbye = eventfd(0, 0);
	snprintf(path, sizeof(path), "/tmp/keel-virtio-fs.%d", getpid());
	listener = vhost_user_peer_init(&peer, fault, features, queues, path);
	ASSERT_EQ(pthread_create(&peer_thread, NULL, serve, NULL), 0);
}

static void end_peer(void)
{
	pthread_join(peer_thread, NULL);
	close(listener);
	close(goodbye);
	unlink(path);
}

static void kill_peer(void)
{
	u64 one = 1;

	ASSERT_EQ(write(goodbye, &one, 8), 8);
	end_peer();
}

static struct vm vm;
static struct pci pci;
static struct share share;
static struct virtio_device *const device = &share.fs.device;
static struct route_table routes;
static struct fake_ring rings[2];

static int open_share(const char *tag)
{
	struct share_options options = { .path = path, .is_socket = true };
	struct vhost_place place = { &routes, 0 };

	if (!vm.memory.mapping) {
		fake_vm_init(&vm, 16 << 20);
		ASSERT_EQ(memory_back(&vm.memory, MEMORY_SHARED), 0);
		vm.fd = -1;
		ASSERT_EQ(route_init(&routes, &vm, SHARE_ROUTES), 0);
	}
	memset(&share, 0, sizeof(share));
	strcpy(options.tag, tag);
	return share_open(&share, &options, &vm, &place);
}

static void plug(void)
{
	memset(&vm.mmio, 0, sizeof(vm.mmio));
	memset(&vm.ports, 0, sizeof(vm.ports));
	ASSERT_EQ(pci_init(&pci, &vm), 0);
	ASSERT_EQ(virtio_add(device, &vm, &pci), 0);
}

/* With queues of @first and on. */
static void start_driver(u32 first)
{
	ASSERT(fake_negotiate(&vm, device, BIT(VIRTIO_F_VERSION_1)), "features");
	for (u32 i = 0; i < 2; i++)
		fake_ring_init(&rings[i], &vm, i);
	for (u32 i = first; i < 2; i++)
		fake_enable_queue(&vm, device, i);
	fake_driver_ok(&vm, device);
}

static u8 *guest_at(u64 gpa) { return memory_at(&vm.memory, gpa, 1); }

/* Where a request's answer goes. */
static struct fuse_out_header *answer_of(u64 unique) { return (void *)guest_at(BUFFERS + unique * 0x1000 + 0x800); }

static void offer(u32 index, u64 unique, u32 opcode)
{
	struct fuse_in_header in = { .len = sizeof(in), .opcode = opcode, .unique = unique };
	u16 head = rings[index].next;

	memcpy(guest_at(BUFFERS + unique * 0x1000), &in, sizeof(in));
	memset(answer_of(unique), 0, sizeof(struct fuse_out_header));
	fake_add(&rings[index], BUFFERS + unique * 0x1000, sizeof(in), false, false);
	fake_add(&rings[index], BUFFERS + unique * 0x1000 + 0x800, 0x100, true, true);
	fake_offer(&rings[index], head);
}

/* By the registers, as a driver's doorbell whose write leaves to user space. */
static void ring_device(u32 index) { fake_device_put(&vm, device, 0x3000 + 4 * index, 2, index); }

static void wait_for(const char *name, u32 index, u16 wanted)
{
	for (u32 i = 0; i < 3000 && __atomic_load_n(&rings[index].used->idx, __ATOMIC_ACQUIRE) != wanted; i++)
		usleep(1000);
	CHECK_EQ(name, wanted, rings[index].used->idx);
}

static void check_answer(const char *name, u64 unique, int error)
{
	struct fuse_out_header *out = answer_of(unique);

	CHECK_EQ(name, (u64)error, (u64)out->error);
	CHECK_EQ("length", sizeof(*out), out->len);
	CHECK_EQ("of this request", unique, out->unique);
}

static void wait_until_gone(void)
{
	for (u32 i = 0; i < 3000 && !__atomic_load_n(&share.fs.is_gone, __ATOMIC_RELAXED); i++)
		usleep(1000);
	CHECK_EQ("the thread has seen that it is gone", 1, share.fs.is_gone);
}

static u64 status(void) { return fake_device_get(&vm, device, VIRTIO_PCI_COMMON_STATUS, 1); }

static void test_device(void)
{
	static const struct {
		const char *tag;
	} rows[] = { { "src" }, { "a" }, { "123456789012345678901234567890123456" } };

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		char tag[37] = "";

		start_peer(PEER_GOOD, GOOD, 2);
		ASSERT_EQ(open_share(rows[i].tag), 0);
		plug();
		CHECK_EQ("vendor", 0x1af4, fake_config_get(&vm, device->pci.slot, PCI_VENDOR_ID, 2));
		CHECK_EQ("device 26", 0x1040 + 26, fake_config_get(&vm, device->pci.slot, PCI_DEVICE_ID, 2));
		fake_negotiate(&vm, device, BIT(VIRTIO_F_VERSION_1));
		for (u32 j = 0; j < 36; j++)
			tag[j] = (char)fake_device_get(&vm, device, 0x2000 + j, 1);
		CHECK_EQ(rows[i].tag, 0, strcmp(tag, rows[i].tag));
		CHECK_EQ("request queues", 1, fake_device_get(&vm, device, 0x2000 + 36, 4));
		CHECK_EQ("queues", 2, fake_device_get(&vm, device, VIRTIO_PCI_COMMON_NUMQ, 2));
		CHECK_EQ("indirect descriptors, which it has", 1, !!(device->features & BIT(VIRTIO_RING_F_INDIRECT_DESC)));
		CHECK_EQ("no event indexes, which it has not", 0, !!(device->features & BIT(VIRTIO_RING_F_EVENT_IDX)));
		CHECK_EQ("no notifications", 0, device->features & 1);
		share_close(&share);
		end_peer();
	}
}

static void test_requests(void)
{
	struct pollfd waits[VHOST_QUEUES_MAX];

	start_peer(PEER_GOOD, GOOD, 2);
	ASSERT_EQ(open_share("src"), 0);
	plug();
	ASSERT_EQ(virtio_start(device), 0);
	for (u32 round = 1; round <= 2; round++) {	/* the second after a reset */
		start_driver(0);
		CHECK_EQ("features", BIT(VIRTIO_F_VERSION_1) | BIT(VHOST_USER_F_PROTOCOL_FEATURES), peer.set_features);
		CHECK_EQ("both queues started", 2 * round, peer.started);
		CHECK_EQ("and enabled", 2 * round, peer.enabled);
		CHECK_EQ("this process waits for their interrupts", 2, vhost_waits(&share.fs.user.vhost, waits));
		for (u32 i = 1; i <= 5; i++) {
			offer(1, i, FUSE_GETATTR);
			ring_device(1);
			wait_for("answered", 1, (u16)i);
			check_answer("as the process says", i, ANSWER);
		}
		offer(0, 6, FUSE_FORGET);
		ring_device(0);
		wait_for("the urgent queue", 0, 1);
		for (u32 i = 0; i < 2000 && !fake_line(&vm, pci_slot_gsi(device->pci.slot)); i++)
			usleep(1000);
		CHECK_EQ("the driver is told", 1, fake_line(&vm, pci_slot_gsi(device->pci.slot)));
		fake_device_put(&vm, device, VIRTIO_PCI_COMMON_STATUS, 1, 0);
		CHECK_EQ("both stopped", 2 * round, peer.stopped);
		offer(1, 7, FUSE_GETATTR);
		ring_device(1);
		usleep(20000);
		CHECK_EQ("nothing is served after a reset", 5, rings[1].used->idx);
	}
	vm_stop(&vm, STATUS_OK, "done");
	CHECK_EQ("the thread ends", 1, virtio_stop(device));
	share_close(&share);
	end_peer();
}

/* It has whoever reads or writes the eventfds wait: nobody here does. */
static void test_waiting_events(void)
{
	start_peer(PEER_GOOD, GOOD, 2);
	ASSERT_EQ(open_share("src"), 0);
	plug();
	ASSERT_EQ(virtio_start(device), 0);
	start_driver(0);
	alarm(20);
	for (u32 i = 0; i < 2; i++)
		ASSERT(!fcntl(peer.kick[i], F_SETFL, 0) && !fcntl(peer.call[i], F_SETFL, 0), "flags");
	offer(1, 1, FUSE_GETATTR);
	ring_device(1);
	wait_for("answered", 1, 1);
	for (u32 i = 0; i < 2000 && !fake_line(&vm, pci_slot_gsi(device->pci.slot)); i++)
		usleep(1000);
	CHECK_EQ("the driver is told", 1, fake_line(&vm, pci_slot_gsi(device->pci.slot)));
	fake_device_put(&vm, device, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	CHECK_EQ("both stopped", 2, peer.stopped);
	vm_stop(&vm, STATUS_OK, "done");
	CHECK_EQ("the thread ends", 1, virtio_stop(device));
	alarm(0);
	share_close(&share);
	end_peer();
}

/* And has filled those that the guest rings. */
static void test_full_events(void)
{
	u64 count, most = ~0ULL - 1;

	is_deaf = true;
	start_peer(PEER_GOOD, GOOD, 2);
	ASSERT_EQ(open_share("src"), 0);
	plug();
	start_driver(0);
	fake_device_put(&vm, device, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	alarm(20);
	for (u32 i = 0; i < 2; i++) {
		ASSERT_EQ(read(peer.kick[i], &count, 8), 8);
		ASSERT_EQ(write(peer.kick[i], &most, 8), 8);
		ASSERT_EQ(fcntl(peer.kick[i], F_SETFL, 0), 0);
	}
	start_driver(0);
	CHECK_EQ("both started", 4, peer.started);
	CHECK_EQ("not broken", 0, !!(status() & VIRTIO_CONFIG_S_NEEDS_RESET));
	ring_device(1);
	fake_device_put(&vm, device, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	CHECK_EQ("both stopped", 4, peer.stopped);
	alarm(0);
	share_close(&share);
	end_peer();
	is_deaf = false;
}

/* A driver that needs nothing urgent. */
static void test_one_queue(void)
{
	start_peer(PEER_GOOD, GOOD, 2);
	ASSERT_EQ(open_share("src"), 0);
	plug();
	start_driver(1);
	CHECK_EQ("one queue started", 1, peer.started);
	CHECK_EQ("features were told before", BIT(VIRTIO_F_VERSION_1) | BIT(VHOST_USER_F_PROTOCOL_FEATURES), peer.set_features);
	offer(1, 1, FUSE_INIT);
	ring_device(1);
	wait_for("answered", 1, 1);
	ring_device(0);
	fake_device_put(&vm, device, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	CHECK_EQ("one queue stopped", 1, peer.stopped);
	share_close(&share);
	end_peer();
}

static void test_refusals(void)
{
	static const struct {
		const char *name;
		enum peer_fault fault;
		u64 features, queues;
		const char *words;
	} rows[] = {
		{ "another request's answer", PEER_WRONG_REQUEST, GOOD, 2, "Protocol error" },
		{ "an answer too long", PEER_WRONG_SIZE, GOOD, 2, "Protocol error" },
		{ "no answer at all, but a request", PEER_WRONG_FLAGS, GOOD, 2, "Protocol error" },
		{ "hangs up", PEER_HANGS_UP, GOOD, 2, "Connection reset" },
		{ "says nothing", PEER_NO_ANSWER, GOOD, 2, "timed out" },
		{ "says it too slowly", PEER_DRIBBLES, GOOD, 2, "timed out" },
		{ "refuses the memory", PEER_REFUSES_MEMORY, GOOD, 2, "Invalid argument" },
		{ "an old device", PEER_GOOD, GOOD & ~BIT(VIRTIO_F_VERSION_1), 2, "not supported" },
		{ "one queue", PEER_GOOD, GOOD, 1, "fewer queues than 2" },
		{ "no queue", PEER_GOOD, GOOD, 0, "fewer queues than 2" },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		start_peer(rows[i].fault, rows[i].features, rows[i].queues);
		CHECK_EQ(rows[i].name, STATUS_SHARE, open_share("src"));
		CHECK_EQ("why", 1, !!strstr(status_last(), rows[i].words));
		share_close(&share);
		end_peer();
	}
	CHECK_EQ("nobody listens", STATUS_SHARE, open_share("src"));
	CHECK_EQ("the remedy", 1, !!strstr(status_last(), "start the program"));
	share_close(&share);
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
		{ "refused before the doorbell", PEER_REFUSES_PLACE, 0, false },
		{ "refused after the doorbell", PEER_REFUSES_ENABLE, 1, false },
		{ "no answer", PEER_FALLS_SILENT, 0, true },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pollfd wait;

		start_peer(rows[i].fault, GOOD, 2);
		ASSERT_EQ(open_share("src"), 0);
		plug();
		start_driver(0);
		CHECK_EQ(rows[i].name, 1, !!(status() & VIRTIO_CONFIG_S_NEEDS_RESET));
		CHECK_EQ("queues stopped", rows[i].stopped, peer.stopped);
		wait = (struct pollfd){ .fd = share.fs.user.socket };
		CHECK_EQ("the connection is over", rows[i].is_over, poll(&wait, 1, rows[i].is_over ? 1000 : 0));
		share_close(&share);
		end_peer();
	}
}

/* ---- a process that does not answer as its device is reset ---- */

static char told[512];

void __wrap_status_warn(const char *format, ...);
void __wrap_status_warn(const char *format, ...)
{
	size_t used = strlen(told);
	va_list args;

	va_start(args, format);
	vsnprintf(told + used, sizeof(told) - used, format, args);
	va_end(args);
}

/* As virtiofsd's child does. */
static void end_with_parent(bool is_child)
{
	if (is_child)
		prctl(PR_SET_PDEATHSIG, SIGTERM);
}

static const struct {
	const char *name;
	bool is_ours, is_stopped;
	const char *told, *not_told;
} standing[] = {
	{ "a process of ours hangs", true, false, "--share src: the process that serves it gave no answer, or a wrong one, and was killed", "may write" },
	{ "one that is stopped", true, true, "and was killed", "may write" },
	{ "another's", false, false, "until it ends it may write into the guest's memory", "killed" },
};

static void test_standing(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(standing); i++) {
		struct children *children = &share.fs.user.children, both = { .count = 0 };
		/* In the process's place, as the test has a thread for it. */
		pid_t pid = stopping_start_pair(end_with_parent);
		struct timespec from, to;
		int how;

		told[0] = 0;
		memset(&vm.is_stopping, 0, sizeof(vm.is_stopping));
		start_peer(PEER_GOOD, GOOD, 2);
		ASSERT_EQ(open_share("src"), 0);
		plug();
		ASSERT_EQ(virtio_start(device), 0);
		start_driver(0);
		offer(1, 1, FUSE_GETATTR);
		ring_device(1);
		wait_for("answered", 1, 1);
		children_find(&both, pid);
		CHECK_EQ("it and its child", 2, both.count);
		if (standing[i].is_ours)
			children_find(children, pid);
		if (standing[i].is_stopped)
			stopping_stop(&both);
		__atomic_store_n(&peer.fault, PEER_STANDS, __ATOMIC_SEQ_CST);
		clock_gettime(CLOCK_MONOTONIC, &from);
		fake_device_put(&vm, device, VIRTIO_PCI_COMMON_STATUS, 1, 0);
		clock_gettime(CLOCK_MONOTONIC, &to);
		test_note("%s: %ld s", standing[i].name, to.tv_sec - from.tv_sec);
		CHECK_EQ("it is not waited for for long", 1, to.tv_sec - from.tv_sec < 5);
		for (u32 n = 0; n < both.count; n++) {
			struct pollfd wait = { .fd = both.fds[n], .events = POLLIN };

			CHECK_EQ(standing[i].name, standing[i].is_ours, poll(&wait, 1, 0));
		}
		if (!strstr(told, standing[i].told) || strstr(told, standing[i].not_told))
			FAIL("%s: wanted '%s', got '%s'", standing[i].name, standing[i].told, told);
		/* The next driver, at once. */
		start_driver(0);
		CHECK_EQ("it may start", 0, !!(status() & VIRTIO_CONFIG_S_NEEDS_RESET));
		offer(1, 1, FUSE_INIT);
		ring_device(1);
		wait_for("its first request", 1, 1);
		check_answer("not connected", 1, -ENOTCONN);
		vm_stop(&vm, STATUS_OK, "done");
		CHECK_EQ("the thread ends", 1, virtio_stop(device));
		share_close(&share);
		end_peer();
		children_end(&both, 0, 1000);
		children_forget(&both);
		ASSERT_EQ(waitpid(pid, &how, 0), pid);
	}
}

/* The machine starts again in place: whoever comes then has what the one before had. */
static void test_starts_again(void)
{
	start_peer(PEER_GOOD, GOOD, 2);
	ASSERT_EQ(open_share("src"), 0);
	plug();
	ASSERT_EQ(virtio_start(device), 0);
	for (u32 round = 1; round <= 3; round++) {
		start_driver(0);
		for (u32 i = 1; i <= 3; i++) {
			offer(1, i, FUSE_GETATTR);
			ring_device(1);
			wait_for("answered", 1, (u16)i);
			check_answer("as the process says", i, ANSWER);
		}
		/* One is under way. */
		offer(1, 4, HELD);
		ring_device(1);
		CHECK_EQ("reset", 1, virtio_reset(device));
		CHECK_EQ("both stopped", 2 * round, peer.stopped);
		CHECK_EQ("as at power-on", 0, status());
	}
	vm_stop(&vm, STATUS_OK, "done");
	CHECK_EQ("the thread ends", 1, virtio_stop(device));
	share_close(&share);
	end_peer();
}

/* It goes away with nothing to do: what is asked then fails, before and after a reset. */
static void test_gone(void)
{
	start_peer(PEER_GOOD, GOOD, 2);
	ASSERT_EQ(open_share("src"), 0);
	plug();
	ASSERT_EQ(virtio_start(device), 0);
	start_driver(0);
	for (u32 i = 1; i <= 20; i++) {		/* more than the ring has */
		offer(1, i, FUSE_GETATTR);
		ring_device(1);
		wait_for("answered", 1, (u16)i);
	}
	kill_peer();
	wait_until_gone();
	offer(1, 21, FUSE_GETATTR);
	ring_device(1);
	wait_for("a request without the process", 1, 21);
	check_answer("not connected", 21, -ENOTCONN);
	offer(0, 22, FUSE_FORGET);
	ring_device(0);
	wait_for("of the urgent queue", 0, 1);
	CHECK_EQ("no request is lost, so nothing needs a reset", 0, !!(status() & VIRTIO_CONFIG_S_NEEDS_RESET));
	for (u32 round = 0; round < 2; round++) {
		fake_device_put(&vm, device, VIRTIO_PCI_COMMON_STATUS, 1, 0);
		start_driver(round);
		offer(1, 1, FUSE_INIT);
		ring_device(1);
		wait_for("the next driver's first request", 1, 1);
		check_answer("not connected", 1, -ENOTCONN);
	}
	vm_stop(&vm, STATUS_OK, "done");
	CHECK_EQ("the thread ends", 1, virtio_stop(device));
	share_close(&share);
}

/* It goes away with a request that it has taken. */
static void test_gone_at_work(void)
{
	start_peer(PEER_GOOD, GOOD, 2);
	ASSERT_EQ(open_share("src"), 0);
	plug();
	ASSERT_EQ(virtio_start(device), 0);
	start_driver(0);
	offer(1, 1, FUSE_GETATTR);
	offer(1, 2, HELD);
	offer(1, 3, FUSE_GETATTR);
	ring_device(1);
	wait_for("answered but one", 1, 2);
	kill_peer();
	for (u32 i = 0; i < 3000 && !(status() & VIRTIO_CONFIG_S_NEEDS_RESET); i++)
		usleep(1000);
	CHECK_EQ("the driver learns of it", 1, !!(status() & VIRTIO_CONFIG_S_NEEDS_RESET));
	offer(1, 4, FUSE_GETATTR);
	ring_device(1);
	wait_for("what is asked then is answered", 1, 3);
	check_answer("not connected", 4, -ENOTCONN);
	CHECK_EQ("it and no other", rings[1].avail->ring[3], rings[1].used->ring[2].id);
	CHECK_EQ("the one that was held", 0, answer_of(2)->len);
	fake_device_put(&vm, device, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	CHECK_EQ("a reset clears it", 0, status());
	vm_stop(&vm, STATUS_OK, "done");
	CHECK_EQ("the thread ends", 1, virtio_stop(device));
	share_close(&share);
}

/* The same of one that is known to work on one request after the other. */
static void test_gone_in_turn(void)
{
	start_peer(PEER_GOOD, GOOD, 2);
	ASSERT_EQ(open_share("src"), 0);
	share.fs.order = VIRTQ_IN_ORDER;
	plug();
	ASSERT_EQ(virtio_start(device), 0);
	start_driver(0);
	for (u32 i = 1; i <= 3; i++)
		offer(1, i, FUSE_GETATTR);
	offer(1, 4, HELD);
	ring_device(1);
	wait_for("answered but the last", 1, 3);
	kill_peer();
	wait_for("which is answered then", 1, 4);
	check_answer("not connected", 4, -ENOTCONN);
	CHECK_EQ("no request is lost, so nothing needs a reset", 0, !!(status() & VIRTIO_CONFIG_S_NEEDS_RESET));
	vm_stop(&vm, STATUS_OK, "done");
	CHECK_EQ("the thread ends", 1, virtio_stop(device));
	share_close(&share);
}

/* Hangs up while the driver has set up nothing, or has rings that make no sense. */
static void test_gone_odd(void)
{
	static const struct {
		const char *name;
		u16 available, used;
		bool is_broken;
	} rows[] = {
		{ "as many as the ring has", 16, 0, true },
		{ "more than the ring has", 17, 0, true },
		{ "answers to what was not asked", 0, 1, true },
		{ "nothing", 7, 7, false },
	};

	is_deaf = true;
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		memory_destroy(&vm.memory);	/* another VM, with no thread told to end */
		route_free(&routes);
		start_peer(PEER_GOOD, GOOD, 2);
		ASSERT_EQ(open_share("src"), 0);
		plug();
		start_driver(0);
		rings[1].avail->idx = rows[i].available;
		rings[1].used->idx = rows[i].used;
		ASSERT_EQ(virtio_start(device), 0);
		kill_peer();
		/* The next request is answered whatever the past was. */
		wait_until_gone();
		offer(1, 1, FUSE_GETATTR);
		ring_device(1);
		wait_for(rows[i].name, 1, (u16)(rows[i].used + 1));
		check_answer("not connected", 1, -ENOTCONN);
		CHECK_EQ("needs a reset", rows[i].is_broken, !!(status() & VIRTIO_CONFIG_S_NEEDS_RESET));
		vm_stop(&vm, STATUS_OK, "done");
		CHECK_EQ("the thread ends", 1, virtio_stop(device));
		share_close(&share);
	}
}

/* Requests of all shapes, to a device whose process is gone: what is written is the answer's header, in its room alone. */
static void test_shapes(void)
{
	static const struct {
		const char *name;
		u32 read, write[4];	/* bytes; 0: no such part */
		u32 written;
	} rows[] = {
		{ "plain", 40, { 16 }, 16 },
		{ "with arguments", 200, { 4000 }, 16 },
		{ "an answer in parts", 40, { 3, 1, 11, 100 }, 16 },
		{ "without room", 40, { 0 }, 0 },
		{ "with too little room", 40, { 15 }, 0 },
		{ "with too little room in parts", 40, { 8, 7 }, 0 },
		{ "half a header", 39, { 16 }, 0 },
		{ "nothing to read", 0, { 16 }, 0 },
	};

	start_peer(PEER_GOOD, GOOD, 2);
	ASSERT_EQ(open_share("src"), 0);
	kill_peer();
	plug();
	ASSERT_EQ(virtio_start(device), 0);
	start_driver(0);
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fuse_out_header want = { 16, -ENOTCONN, 0x1234567800000000ULL + i };
		struct fuse_in_header in = { .unique = want.unique };
		u32 room = 0, head = rings[1].next;
		u8 got[5000];

		memcpy(guest_at(BUFFERS), &in, sizeof(in));
		memset(guest_at(BUFFERS + 0x10000), 0xaa, sizeof(got));
		if (rows[i].read)
			fake_add(&rings[1], BUFFERS, rows[i].read, false, !rows[i].write[0]);
		for (u32 j = 0; j < 4 && rows[i].write[j]; j++) {
			fake_add(&rings[1], BUFFERS + 0x10000 + room, rows[i].write[j], true, j == 3 || !rows[i].write[j + 1]);
			room += rows[i].write[j];
		}
		fake_offer(&rings[1], (u16)head);
		ring_device(1);
		wait_for(rows[i].name, 1, (u16)(i + 1));
		CHECK_EQ("written", rows[i].written, rings[1].used->ring[i].len);
		memcpy(got, guest_at(BUFFERS + 0x10000), sizeof(got));
		CHECK_EQ("the answer", 0, memcmp(got, &want, rows[i].written));
		for (u32 j = rows[i].written; j < sizeof(got); j++)
			if (got[j] != 0xaa)
				FAIL("%s: byte %u was written", rows[i].name, j);
	}
	vm_stop(&vm, STATUS_OK, "done");
	CHECK_EQ("the thread ends", 1, virtio_stop(device));
	share_close(&share);
}

static const struct test_case cases[] = {
	{ "device", test_device },
	{ "requests", test_requests },
	{ "waiting_events", test_waiting_events },
	{ "full_events", test_full_events },
	{ "one_queue", test_one_queue },
	{ "refusals", test_refusals },
	{ "half_started", test_half_started },
	{ "standing", test_standing },
	{ "starts_again", test_starts_again },
	{ "gone", test_gone },
	{ "gone_at_work", test_gone_at_work },
	{ "gone_in_turn", test_gone_in_turn },
	{ "gone_odd", test_gone_odd },
	{ "shapes", test_shapes },
};

TEST_MAIN(cases)
