// SPDX-License-Identifier: GPL-2.0-only
/*
 * The launcher's disk on what another process serves: what the guest is told of it, what its requests become, and what a server
 * does to it that fails. The server is the test's; and for an image of qcow2 Debian's qemu-nbd, and stand-ins for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_vm.h"
#include "nbd_peer.h"
#include "userspace/disk_remote.h"
#include "userspace/socket_connect.h"
#include "userspace/status.h"
#include "userspace/virtio_blk.h"

static struct vm vm;
static struct virtio_blk blk;
static struct nbd_peer peer;
static char directory[] = "/tmp/keel-blk-remote.XXXXXX";
static char path[128], name[256];
static struct virtio_blk_outhdr header;
static u8 data[64 * 512];
static u8 status[8];
static struct virtq_chain chain;

static void add(void *at, size_t len, bool is_write)
{
	unsigned int *count = is_write ? &chain.write_count : &chain.read_count;

	chain.segments[chain.read_count + chain.write_count] = (struct iovec){ at, len };
	(*count)++;
	*(is_write ? &chain.write_bytes : &chain.read_bytes) += len;
}

static u8 request(u32 type, u64 sector, void *what, size_t len)
{
	memset(&chain, 0, sizeof(chain));
	memset(status, 0xee, sizeof(status));
	header = (struct virtio_blk_outhdr){ .type = type, .sector = sector };
	add(&header, sizeof(header), false);
	if (len)
		add(what, len, type == VIRTIO_BLK_T_IN);
	add(status, 1, true);
	blk.device.class->serve(&blk.device, &chain);
	return status[0];
}

static int open_disk(const char *what, enum virtio_blk_use use)
{
	fake_vm_init(&vm, 0);
	memset(&blk, 0, sizeof(blk));
	int ret = virtio_blk_open(&blk, what, use, 0);

	blk.device.vm = &vm;
	blk.device.accepted = blk.device.features;
	return ret;
}

static int connect_to(const struct nbd_peer *like, enum virtio_blk_use use)
{
	peer = *like;
	ASSERT_EQ(!mkdtemp(strcpy(directory, "/tmp/keel-blk-remote.XXXXXX")), 0);
	snprintf(path, sizeof(path), "%s/socket", directory);
	snprintf(name, sizeof(name), "nbd+unix:///disk?socket=%s", path);
	nbd_peer_listen(&peer, path);
	return open_disk(name, use);
}

static void leave(void)
{
	virtio_blk_close(&blk);
	nbd_peer_stop(&peer);
	unlink(path);
	rmdir(directory);
}

static void test_features(void)
{
	const u64 all = 1ULL << VIRTIO_BLK_F_FLUSH | 1ULL << VIRTIO_BLK_F_DISCARD | 1ULL << VIRTIO_BLK_F_WRITE_ZEROES | 1ULL << VIRTIO_BLK_F_RO;
	static const struct {
		const char *name;
		struct nbd_peer like;
		enum virtio_blk_use use;
		int ret;
		u64 want;
		u32 block;
	} rows[] = {
		{ "all", { .flags = 0 }, VIRTIO_BLK_WRITTEN, 0, 1ULL << VIRTIO_BLK_F_FLUSH | 1ULL << VIRTIO_BLK_F_DISCARD | 1ULL << VIRTIO_BLK_F_WRITE_ZEROES, 512 },
		{ "no flush", { .flags = NBD_PEER_ALL & ~NBD_CAN_FLUSH }, VIRTIO_BLK_WRITTEN, 0, 1ULL << VIRTIO_BLK_F_DISCARD | 1ULL << VIRTIO_BLK_F_WRITE_ZEROES, 512 },
		{ "nothing", { .flags = NBD_HAS_FLAGS }, VIRTIO_BLK_WRITTEN, 0, 0, 512 },
		{ "large blocks", { .flags = NBD_HAS_FLAGS, .least = 4096 }, VIRTIO_BLK_WRITTEN, 0, 0, 4096 },
		{ "read-only", { .flags = NBD_PEER_ALL | NBD_READ_ONLY }, VIRTIO_BLK_READ, 0, 1ULL << VIRTIO_BLK_F_FLUSH | 1ULL << VIRTIO_BLK_F_RO, 512 },
		{ "a snapshot", { .flags = NBD_PEER_ALL | NBD_READ_ONLY }, VIRTIO_BLK_SNAPSHOT, 0, 1ULL << VIRTIO_BLK_F_FLUSH, 512 },
		{ "read-only, to be written", { .flags = NBD_PEER_ALL | NBD_READ_ONLY }, VIRTIO_BLK_WRITTEN, STATUS_DISK, 0, 0 },
		{ "less than a sector", { .size = 100 }, VIRTIO_BLK_READ, STATUS_DISK, 0, 0 },
		{ "a lie", { .lie = NBD_HUGE_EXPORT }, VIRTIO_BLK_READ, STATUS_DISK, 0, 0 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct virtio_blk_config config;
		int ret = connect_to(&rows[i].like, rows[i].use);

		CHECK_EQ(rows[i].name, rows[i].ret, ret);
		memcpy(&config, blk.device.config, sizeof(config));
		if (!ret) {
			CHECK_EQ(rows[i].name, rows[i].want, blk.device.features & all);
			CHECK_EQ("capacity", NBD_PEER_DISK / 512, config.capacity);
			CHECK_EQ("blocks", rows[i].block, config.blk_size);
			CHECK_EQ("its own kind of thread", SANDBOX_NBD, blk.device.class->thread);
		}
		leave();
	}
}

static void test_requests(void)
{
	u64 before;

	ASSERT_EQ(connect_to(&(struct nbd_peer){ .lie = NBD_TRUE }, VIRTIO_BLK_WRITTEN), 0);
	memset(data, 0x5a, sizeof(data));
	CHECK_EQ("a write", VIRTIO_BLK_S_OK, request(VIRTIO_BLK_T_OUT, 8, data, 4096));
	CHECK_EQ("it is there", 0x5a, peer.disk[8 * 512 + 4095]);
	CHECK_EQ("nothing behind it", 0, peer.disk[8 * 512 + 4096]);
	CHECK_EQ("it was not to go through", 0, peer.fua);
	memset(data, 0, sizeof(data));
	CHECK_EQ("a read", VIRTIO_BLK_S_OK, request(VIRTIO_BLK_T_IN, 8, data, 8192));
	CHECK_EQ("what was written", 0x5a, data[4095]);
	CHECK_EQ("what was not", 0, data[4096]);
	CHECK_EQ("a flush", VIRTIO_BLK_S_OK, request(VIRTIO_BLK_T_FLUSH, 0, NULL, 0));
	CHECK_EQ("the server's", 1, peer.counts[3]);
	blk.device.accepted &= ~(1ULL << VIRTIO_BLK_F_FLUSH);
	CHECK_EQ("a write of a driver that does not flush", VIRTIO_BLK_S_OK, request(VIRTIO_BLK_T_OUT, 0, data, 512));
	CHECK_EQ("it goes through", 1, peer.fua);
	before = peer.counts[0] + peer.counts[1];
	CHECK_EQ("behind the end", VIRTIO_BLK_S_IOERR, request(VIRTIO_BLK_T_IN, NBD_PEER_DISK / 512, data, 512));
	CHECK_EQ("the server is not asked", before, peer.counts[0] + peer.counts[1]);
	leave();
	CHECK_EQ("flushed in the end", 2, peer.counts[3]);
	CHECK_EQ("leave was taken", 1, peer.has_left);
}

static void test_ranges(void)
{
	static const struct {
		const char *name;
		u32 type;
		struct virtio_blk_discard_write_zeroes ranges[2];
		size_t len;
		u8 want;
		u32 trims, zeroes, no_hole;
	} rows[] = {
		{ "a discard", VIRTIO_BLK_T_DISCARD, { { 8, 8, 0 } }, 16, VIRTIO_BLK_S_OK, 1, 0, 0 },
		{ "two", VIRTIO_BLK_T_DISCARD, { { 8, 8, 0 }, { 100, 1, 0 } }, 32, VIRTIO_BLK_S_OK, 2, 0, 0 },
		{ "none", VIRTIO_BLK_T_DISCARD, { { 0, 0, 0 } }, 0, VIRTIO_BLK_S_OK, 0, 0, 0 },
		{ "half of one", VIRTIO_BLK_T_DISCARD, { { 8, 8, 0 } }, 8, VIRTIO_BLK_S_IOERR, 0, 0, 0 },
		{ "a flag that it has not", VIRTIO_BLK_T_DISCARD, { { 8, 8, 1 } }, 16, VIRTIO_BLK_S_UNSUPP, 0, 0, 0 },
		{ "behind the end", VIRTIO_BLK_T_DISCARD, { { NBD_PEER_DISK / 512, 1, 0 } }, 16, VIRTIO_BLK_S_IOERR, 0, 0, 0 },
		{ "a sum that wraps", VIRTIO_BLK_T_DISCARD, { { ~0ULL, 2, 0 } }, 16, VIRTIO_BLK_S_IOERR, 0, 0, 0 },
		{ "a product that wraps", VIRTIO_BLK_T_DISCARD, { { 1ULL << 55, 1, 0 } }, 16, VIRTIO_BLK_S_IOERR, 0, 0, 0 },
		{ "more than may be", VIRTIO_BLK_T_DISCARD, { { 0, ~0u, 0 } }, 16, VIRTIO_BLK_S_IOERR, 0, 0, 0 },
		{ "zeroes", VIRTIO_BLK_T_WRITE_ZEROES, { { 8, 8, 0 } }, 16, VIRTIO_BLK_S_OK, 0, 1, 1 },
		{ "zeroes that may unmap", VIRTIO_BLK_T_WRITE_ZEROES, { { 8, 8, 1 } }, 16, VIRTIO_BLK_S_OK, 0, 1, 0 },
		{ "zeroes with an odd flag", VIRTIO_BLK_T_WRITE_ZEROES, { { 8, 8, 2 } }, 16, VIRTIO_BLK_S_UNSUPP, 0, 0, 0 },
		{ "zeroes across the end", VIRTIO_BLK_T_WRITE_ZEROES, { { NBD_PEER_DISK / 512 - 1, 2, 0 } }, 16, VIRTIO_BLK_S_IOERR, 0, 0, 0 },
	};
	struct virtio_blk_discard_write_zeroes many[17] = { { .sector = 0 } };

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct virtio_blk_discard_write_zeroes ranges[2];

		memcpy(ranges, rows[i].ranges, sizeof(ranges));
		ASSERT_EQ(connect_to(&(struct nbd_peer){ .lie = NBD_TRUE }, VIRTIO_BLK_WRITTEN), 0);
		memset(peer.disk, 0x77, NBD_PEER_DISK);
		CHECK_EQ(rows[i].name, rows[i].want, request(rows[i].type, 0, ranges, rows[i].len));
		CHECK_EQ("trims", rows[i].trims, peer.counts[4]);
		CHECK_EQ("zeroes", rows[i].zeroes, peer.counts[6]);
		CHECK_EQ("without holes", rows[i].no_hole, peer.no_hole);
		CHECK_EQ("zeroes are there", rows[i].zeroes ? 0 : 0x77, peer.disk[8 * 512]);
		CHECK_EQ("and nowhere else", 0x77, peer.disk[8 * 512 - 1]);
		leave();
	}
	ASSERT_EQ(connect_to(&(struct nbd_peer){ .flags = NBD_HAS_FLAGS | NBD_CAN_FLUSH }, VIRTIO_BLK_WRITTEN), 0);
	CHECK_EQ("a discard that was not offered", VIRTIO_BLK_S_UNSUPP, request(VIRTIO_BLK_T_DISCARD, 0, many, 16));
	CHECK_EQ("zeroes that were not offered", VIRTIO_BLK_S_UNSUPP, request(VIRTIO_BLK_T_WRITE_ZEROES, 0, many, 16));
	leave();
	/* As a guest may that was saved beside a server of another kind. */
	ASSERT_EQ(connect_to(&(struct nbd_peer){ .most = 1 << 20, .least = 4096 }, VIRTIO_BLK_WRITTEN), 0);
	many[0].num_sectors = 4096;
	CHECK_EQ("a discard of 2 MB where a request has 1 MB at most", VIRTIO_BLK_S_OK, request(VIRTIO_BLK_T_DISCARD, 0, many, 16));
	CHECK_EQ("trims", 2, peer.counts[4]);
	CHECK_EQ("a sector where blocks have 4096 bytes", VIRTIO_BLK_S_OK, request(VIRTIO_BLK_T_OUT, 3, data, 512));
	CHECK_EQ("read, and written", 0x11, peer.counts[0] << 4 | peer.counts[1]);
	leave();
	ASSERT_EQ(connect_to(&(struct nbd_peer){ .lie = NBD_TRUE }, VIRTIO_BLK_WRITTEN), 0);
	CHECK_EQ("more ranges than may be", VIRTIO_BLK_S_IOERR, request(VIRTIO_BLK_T_DISCARD, 0, many, sizeof(many)));
	leave();
}

/* A server that fails, stalls or ends: the guest gets errors, after the client's time at most, and the end is not held up. */
static void test_failures(void)
{
	static const struct {
		const char *name;
		enum nbd_lie lie;
		bool is_lost;
	} rows[] = {
		{ "an error", NBD_ANSWER_ERROR, false },
		{ "no room", NBD_ANSWER_NO_ROOM, false },
		{ "the end", NBD_ANSWER_CUT, true },
		{ "nonsense", NBD_ANSWER_HANDLE, true },
		{ "nothing", NBD_ANSWER_NEVER, true },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		ASSERT_EQ(connect_to(&(struct nbd_peer){ .lie = rows[i].lie }, VIRTIO_BLK_WRITTEN), 0);
		if (rows[i].lie == NBD_ANSWER_NEVER)
			blk.remote->nbd.answer_ms = 300;
		CHECK_EQ(rows[i].name, VIRTIO_BLK_S_IOERR, request(VIRTIO_BLK_T_OUT, 0, data, 512));
		CHECK_EQ(rows[i].name, VIRTIO_BLK_S_IOERR, request(VIRTIO_BLK_T_IN, 0, data, 512));
		CHECK_EQ(rows[i].name, VIRTIO_BLK_S_IOERR, request(VIRTIO_BLK_T_FLUSH, 0, NULL, 0));
		CHECK_EQ("the connection is lost", rows[i].is_lost, blk.remote->nbd.is_lost);
		CHECK_EQ("it cannot be written out", 0, !virtio_blk_write_out(&blk));
		leave();
	}
}

static void test_snapshot(void)
{
	ASSERT_EQ(connect_to(&(struct nbd_peer){ .flags = NBD_HAS_FLAGS | NBD_READ_ONLY }, VIRTIO_BLK_SNAPSHOT), 0);
	memset(peer.disk, 0x33, NBD_PEER_DISK);
	memset(data, 0x44, 512);
	CHECK_EQ("a write", VIRTIO_BLK_S_OK, request(VIRTIO_BLK_T_OUT, 1, data, 512));
	memset(data, 0, sizeof(data));
	CHECK_EQ("a read", VIRTIO_BLK_S_OK, request(VIRTIO_BLK_T_IN, 0, data, 3 * 512));
	CHECK_EQ("the server's, what was written, the server's", 0x334433, data[0] << 16 | data[512] << 8 | data[1024]);
	CHECK_EQ("the server was not written", 0, peer.counts[1]);
	leave();
	CHECK_EQ("nor flushed", 0, peer.counts[3]);
}

/* Sectors that are written, of larger blocks that are read with them. */
static void test_snapshot_blocks(void)
{
	ASSERT_EQ(connect_to(&(struct nbd_peer){ .flags = NBD_HAS_FLAGS | NBD_READ_ONLY, .least = 4096 }, VIRTIO_BLK_SNAPSHOT), 0);
	memset(peer.disk, 0x33, NBD_PEER_DISK);
	memset(data, 0x44, 512);
	CHECK_EQ("a write of a sector", VIRTIO_BLK_S_OK, request(VIRTIO_BLK_T_OUT, 1, data, 512));
	memset(data, 0, sizeof(data));
	CHECK_EQ("a read of the block", VIRTIO_BLK_S_OK, request(VIRTIO_BLK_T_IN, 0, data, 4096));
	CHECK_EQ("the server's, what was written, the server's", 0x334433, data[511] << 16 | data[512] << 8 | data[1024]);
	CHECK_EQ("not of whole blocks", 0, peer.odd);
	leave();
}

/* A machine that comes from another launcher. */
static void test_arriving(void)
{
	static const struct {
		const char *name;
		u16 flags;
		enum virtio_blk_use use;
		int want;
	} rows[] = {
		{ "written, several connections", NBD_PEER_ALL, VIRTIO_BLK_WRITTEN, 0 },
		{ "written, one", NBD_PEER_ALL & ~NBD_CAN_MULTI_CONN, VIRTIO_BLK_WRITTEN, STATUS_DISK },
		{ "read", NBD_PEER_ALL & ~NBD_CAN_MULTI_CONN, VIRTIO_BLK_READ, 0 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		peer = (struct nbd_peer){ .flags = rows[i].flags };
		ASSERT_EQ(!mkdtemp(strcpy(directory, "/tmp/keel-blk-remote.XXXXXX")), 0);
		snprintf(path, sizeof(path), "%s/socket", directory);
		snprintf(name, sizeof(name), "nbd:unix:%s:exportname=disk", path);
		nbd_peer_listen(&peer, path);
		memset(&blk, 0, sizeof(blk));
		blk.is_arriving = true;
		CHECK_EQ(rows[i].name, rows[i].want, virtio_blk_open(&blk, name, rows[i].use, 0));
		CHECK_EQ("the export", 0, strcmp("disk", peer.export));
		if (!rows[i].want) {
			CHECK_EQ("it is taken over", 0, virtio_blk_lock(&blk));
			CHECK_EQ("it has arrived", 0, blk.is_arriving);
		}
		leave();
	}
}

static void test_nobody(void)
{
	static const struct {
		const char *name;
		int want;
		const char *words;
	} rows[] = {
		{ "nbd:unix:/nonexistent/socket", STATUS_DISK, "cannot connect to the server: No such file" },
		{ "nbd://127.0.0.1:1/x", STATUS_DISK, "cannot connect to the server: Connection refused" },
		{ "nbds://127.0.0.1/x", STATUS_USAGE, "TLS" },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		CHECK_EQ(rows[i].name, rows[i].want, open_disk(rows[i].name, VIRTIO_BLK_READ));
		CHECK_EQ(status_last(), 1, !!strstr(status_last(), rows[i].words));
		virtio_blk_close(&blk);
	}
}

static void *accept_later(void *argument)
{
	usleep(300000);
	return (void *)(intptr_t)accept(*(int *)argument, NULL, NULL);
}

/* A server that is slow to take those who come: a socket of a file then has no more room for another one. */
static void test_full(void)
{
	struct sockaddr_storage storage = { .ss_family = AF_UNIX };
	struct sockaddr_un *address = (struct sockaddr_un *)&storage;
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), first, second, third;
	pthread_t thread;
	void *taken;

	ASSERT_EQ(!mkdtemp(strcpy(directory, "/tmp/keel-blk-remote.XXXXXX")), 0);
	snprintf(path, sizeof(path), "%s/socket", directory);
	strcpy(address->sun_path, path);
	ASSERT_EQ(bind(listener, (struct sockaddr *)address, sizeof(*address)), 0);
	ASSERT_EQ(listen(listener, 0), 0);
	first = socket_connect(&storage, sizeof(*address), 10);
	CHECK_EQ("the first", 1, first >= 0);
	errno = 0;
	CHECK_EQ("nobody takes one for a second", -1, socket_connect(&storage, sizeof(*address), 1));
	CHECK_EQ("the error", ETIMEDOUT, errno);
	ASSERT_EQ(pthread_create(&thread, NULL, accept_later, &listener), 0);
	second = socket_connect(&storage, sizeof(*address), 10);
	CHECK_EQ("one is taken", 1, second >= 0);
	pthread_join(thread, &taken);
	close(listener);
	errno = 0;
	third = socket_connect(&storage, sizeof(*address), 10);
	CHECK_EQ("nobody listens", -1, third);
	CHECK_EQ("the error", ECONNREFUSED, errno);
	close(first);
	close(second);
	close((int)(intptr_t)taken);
	unlink(path);
	rmdir(directory);
}

/* ---- qcow2 ---- */

static void run(const char *format, ...)
{
	char command[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	ASSERT_EQ(system(command), 0);
}

static void make_image(void)
{
	if (system("qemu-img --version >/dev/null 2>&1") || system("qemu-nbd --version >/dev/null 2>&1"))
		SKIP("no qemu-img and qemu-nbd (qemu-utils)");
	ASSERT_EQ(!mkdtemp(strcpy(directory, "/tmp/keel-blk-remote.XXXXXX")), 0);
	snprintf(path, sizeof(path), "%s/disk,a b.qcow2", directory);
	run("qemu-img create -q -f qcow2 '%s' 8M", path);
}

static void remove_image(void)
{
	run("rm -r %s", directory);
}

/* Written through qemu-nbd, and read by the launcher's own reader. */
static void test_qcow2(void)
{
	struct virtio_blk_discard_write_zeroes range = { .sector = 200, .num_sectors = 8, .flags = 1 };
	struct virtio_blk other = { .fd = -1 };
	pid_t pid;

	make_image();
	ASSERT_EQ(open_disk(path, VIRTIO_BLK_WRITTEN), 0);
	pid = blk.remote->pid;
	CHECK_EQ("size", 8 << 20, blk.size);
	memset(data, 0xa5, sizeof(data));
	CHECK_EQ("a write", VIRTIO_BLK_S_OK, request(VIRTIO_BLK_T_OUT, 100, data, 64 * 512));
	CHECK_EQ("another", VIRTIO_BLK_S_OK, request(VIRTIO_BLK_T_OUT, 200, data, 64 * 512));
	CHECK_EQ("a flush", VIRTIO_BLK_S_OK, request(VIRTIO_BLK_T_FLUSH, 0, NULL, 0));
	CHECK_EQ("zeroes", VIRTIO_BLK_S_OK, request(VIRTIO_BLK_T_WRITE_ZEROES, 0, &range, sizeof(range)));
	CHECK_EQ("a write that is not flushed", VIRTIO_BLK_S_OK, request(VIRTIO_BLK_T_OUT, 0, data, 512));
	CHECK_EQ("a second launcher", STATUS_DISK, virtio_blk_open(&other, path, VIRTIO_BLK_READ, 0));
	virtio_blk_close(&other);
	virtio_blk_close(&blk);
	CHECK_EQ("qemu-nbd has ended", -1, waitpid(pid, NULL, WNOHANG) == pid ? -1 : kill(pid, 0));
	ASSERT_EQ(open_disk(path, VIRTIO_BLK_READ), 0);
	memset(data, 0, sizeof(data));
	CHECK_EQ("a read", VIRTIO_BLK_S_OK, request(VIRTIO_BLK_T_IN, 100, data, 64 * 512));
	CHECK_EQ("what was written", 0xa5a5, data[0] << 8 | data[64 * 512 - 1]);
	request(VIRTIO_BLK_T_IN, 200, data, 64 * 512);
	CHECK_EQ("what was zeroed, and what was not", 0x00a5, data[8 * 512 - 1] << 8 | data[8 * 512]);
	request(VIRTIO_BLK_T_IN, 0, data, 1024);
	CHECK_EQ("what was not flushed, and nothing", 0xa500, data[0] << 8 | data[512]);
	virtio_blk_close(&blk);
	run("qemu-img check -q '%s'", path);
	remove_image();
}

/* The process is gone in the middle of it. */
static void test_qcow2_end(void)
{
	make_image();
	ASSERT_EQ(open_disk(path, VIRTIO_BLK_WRITTEN), 0);
	CHECK_EQ("a write", VIRTIO_BLK_S_OK, request(VIRTIO_BLK_T_OUT, 0, data, 512));
	kill(blk.remote->pid, SIGKILL);
	CHECK_EQ("after its end", VIRTIO_BLK_S_IOERR, request(VIRTIO_BLK_T_OUT, 0, data, 512));
	virtio_blk_close(&blk);
	remove_image();
}

static void test_qcow2_refused(void)
{
	static const struct {
		const char *name, *program, *words;
	} rows[] = {
		{ "not there", NULL, "not installed (apt-get install qemu-utils)" },
		{ "it says why", "#!/bin/sh\necho something >&2\necho 'it is broken' >&2\n", "qemu-nbd cannot serve it: it is broken" },
		{ "it says nothing", "#!/bin/sh\nexit 1\n", "qemu-nbd cannot serve it: the server has closed the connection" },
		{ "it is no program", "nothing", "qemu-nbd cannot serve it: " },
	};
	char program[160], variable[256];

	make_image();
	snprintf(program, sizeof(program), "%s/qemu-nbd", directory);
	snprintf(variable, sizeof(variable), "%s", directory);
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		char *old = strdup(getenv("PATH"));

		unlink(program);
		if (rows[i].program) {
			int fd = open(program, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

			ASSERT_EQ(write(fd, rows[i].program, strlen(rows[i].program)), (int)strlen(rows[i].program));
			close(fd);
		}
		setenv("PATH", variable, 1);
		CHECK_EQ(rows[i].name, STATUS_DISK, open_disk(path, VIRTIO_BLK_WRITTEN));
		CHECK_EQ(status_last(), 1, !!strstr(status_last(), rows[i].words));
		CHECK_EQ("how long it was to be waited for", rows[i].program ? DISK_REMOTE_START_MS : 0, blk.remote->nbd.agree_ms);
		virtio_blk_close(&blk);
		setenv("PATH", old, 1);
		free(old);
	}
	run("qemu-img create -q -f qcow2 -b '%s' -F qcow2 %s/top", path, directory);
	snprintf(name, sizeof(name), "%s/top", directory);
	CHECK_EQ("on top of another one", STATUS_DISK, open_disk(name, VIRTIO_BLK_WRITTEN));
	CHECK_EQ(status_last(), 1, !!strstr(status_last(), "a backing file"));
	virtio_blk_close(&blk);
	memset(&blk, 0, sizeof(blk));
	blk.is_arriving = true;
	CHECK_EQ("from another launcher", STATUS_DISK, virtio_blk_open(&blk, path, VIRTIO_BLK_WRITTEN, 0));
	CHECK_EQ(status_last(), 1, !!strstr(status_last(), "does not move"));
	virtio_blk_close(&blk);
	remove_image();
}

/* Whoever is jailed is root: the process would be, too, outside. It is not even started. */
static void test_qcow2_jailed(void)
{
	char program[160], variable[256];
	char *old = strdup(getenv("PATH"));

	make_image();
	snprintf(program, sizeof(program), "%s/qemu-nbd", directory);
	run("printf '#!/bin/sh\\necho >%s/started\\n' >%s; chmod +x %s", directory, program, program);
	snprintf(variable, sizeof(variable), "%s:%s", directory, old);
	setenv("PATH", variable, 1);
	memset(&blk, 0, sizeof(blk));
	blk.is_jailed = true;
	CHECK_EQ("written", STATUS_DISK, virtio_blk_open(&blk, path, VIRTIO_BLK_WRITTEN, 0));
	CHECK_EQ(status_last(), 1, !!strstr(status_last(), "--jail"));
	virtio_blk_close(&blk);
	snprintf(name, sizeof(name), "%s/started", directory);
	CHECK_EQ("it was not started", -1, access(name, F_OK));
	setenv("PATH", old, 1);
	free(old);
	memset(&blk, 0, sizeof(blk));
	blk.is_jailed = true;
	CHECK_EQ("read", 0, virtio_blk_open(&blk, path, VIRTIO_BLK_READ, 0));
	virtio_blk_close(&blk);
	remove_image();
}

static const struct test_case cases[] = {
	{ "features", test_features },
	{ "requests", test_requests },
	{ "ranges", test_ranges },
	{ "failures", test_failures },
	{ "snapshot", test_snapshot },
	{ "snapshot_blocks", test_snapshot_blocks },
	{ "arriving", test_arriving },
	{ "nobody", test_nobody },
	{ "full", test_full },
	{ "qcow2", test_qcow2 },
	{ "qcow2_end", test_qcow2_end },
	{ "qcow2_refused", test_qcow2_refused },
	{ "qcow2_jailed", test_qcow2_jailed },
};

TEST_MAIN(cases)
