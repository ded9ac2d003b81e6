// SPDX-License-Identifier: GPL-2.0-only
/*
 * A disk with limits, its thread and a driver with more requests than they let through: what waits is served later and in order, the thread
 * sleeps meanwhile, and neither who holds the device, nor a reset, nor the end of the machine waits with it.
 *
 * Times are bounded from below alone: what a host is late with is no fault.
 */
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <time.h>
#include <unistd.h>

#include "fake_driver.h"
#include "userspace/thread.h"
#include "userspace/virtio_blk.h"

#define SECTORS		64
#define HEADERS_AT	0x300000ULL	/* 16 bytes each, */
#define STATUS_AT	0x301000ULL	/* a byte each, */
#define DATA_AT		0x310000ULL	/* and 4 KB each */
#define BLOCK		4096
#define HOUR		(3600 * 1000000000ULL)

static struct vm vm;
static struct pci pci;
static struct virtio_blk blk;
static struct virtio_device *device = &blk.device;
static struct fake_ring ring;
static char path[64];
static u32 offered;

static void connect(u64 features)
{
	fake_ring_init(&ring, &vm, 0);
	offered = 0;
	memset(memory_at(&vm.memory, STATUS_AT, 4096), 0xee, 4096);
	ASSERT(fake_negotiate(&vm, device, 1ULL << VIRTIO_F_VERSION_1 | features), "features are refused");
	fake_enable_queue(&vm, device, 0);
	fake_driver_ok(&vm, device);
}

static void set_up(const struct rate_options *options, u64 features)
{
	static u8 image[SECTORS * 512];

	strcpy(path, "/tmp/keel-rate-test.XXXXXX");
	int fd = mkstemp(path);

	ASSERT_GE(fd, 0);
	for (u32 i = 0; i < sizeof(image); i++)
		image[i] = (u8)(i / BLOCK + 1);
	ASSERT_EQ(write(fd, image, sizeof(image)), (int)sizeof(image));
	close(fd);
	fake_vm_init(&vm, 16 << 20);
	memset(&pci, 0, sizeof(pci));
	ASSERT_EQ(pci_init(&pci, &vm), 0);
	memset(&blk, 0, sizeof(blk));
	ASSERT_EQ(virtio_blk_open(&blk, path, VIRTIO_BLK_WRITTEN, 0), 0);
	rate_limit_init(&device->limit, options, thread_now());
	ASSERT_EQ(virtio_add(device, &vm, &pci), 0);
	fake_config_put(&vm, device->pci.slot, PCI_BASE_ADDRESS_0, 4, 0xc8000000);
	connect(features);
	ASSERT_EQ(virtio_start(device), 0);
}

static void tear_down(void)
{
	vm_stop(&vm, STATUS_OK, "the end of the test");
	vm.end_by = thread_time_in(TEST_PATIENCE_MS);
	u64 before = thread_now();

	CHECK_EQ("the thread ends", 1, virtio_stop(device));
	CHECK_EQ("and waits for no limit", 1, thread_now() - before < HOUR / 60);
	virtio_blk_close(&blk);
	memory_destroy(&vm.memory);
	unlink(path);
}

/* Block @block of the disk, to be read or written. */
static void offer(u32 type, u32 block)
{
	u16 head = ring.next;
	u32 n = offered++;

	*(struct virtio_blk_outhdr *)memory_at(&vm.memory, HEADERS_AT + n * 16, 16) =
		(struct virtio_blk_outhdr){ .type = type, .sector = block * (BLOCK / 512) };
	fake_add(&ring, HEADERS_AT + n * 16, 16, false, false);
	if (type != VIRTIO_BLK_T_FLUSH)
		fake_add(&ring, DATA_AT + n * BLOCK, BLOCK, type == VIRTIO_BLK_T_IN, false);
	fake_add(&ring, STATUS_AT + n, 1, true, true);
	fake_offer(&ring, head);
}

static void offer_reads(u32 count)
{
	for (u32 i = 0; i < count; i++)
		offer(VIRTIO_BLK_T_IN, i);
	virtio_ring(device);
}

static u16 done(void) { return __atomic_load_n(&ring.used->idx, __ATOMIC_ACQUIRE); }

static void wait_until_done(const char *name, u16 want)
{
	for (u32 ms = 0; done() < want && ms < TEST_PATIENCE_MS; ms++)
		usleep(1000);
	CHECK_EQ(name, want, done());
}

/* Microseconds of this process on a CPU. */
static u64 worked(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (u64)time.tv_sec * 1000000 + (u64)time.tv_nsec / 1000;
}

static void test_times(void)
{
	static const struct {
		const char *name;
		struct rate_options options;
		u64 features;
		u64 least;	/* milliseconds of five reads: one of them may go before all of its tokens are there */
	} rows[] = {
		{ "no limit", { .bytes = 0 }, 0, 0 },
		{ "requests", { .requests = 20, .requests_max = 1 }, 0, 150 },
		{ "bytes", { .bytes = 10 * BLOCK, .bytes_max = BLOCK }, 0, 300 },
		{ "a burst", { .requests = 20, .requests_max = 3 }, 0, 50 },
		{ "with an event index", { .requests = 20, .requests_max = 1 }, 1ULL << VIRTIO_RING_F_EVENT_IDX, 150 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		set_up(&rows[i].options, rows[i].features);
		u64 before = thread_now(), work = worked();

		offer_reads(5);
		wait_until_done(rows[i].name, 5);
		u64 took = (thread_now() - before) / 1000000;

		test_note("%s: %llu ms, %llu us of CPU", rows[i].name, (unsigned long long)took, (unsigned long long)(worked() - work));
		CHECK_EQ("not before its time", 1, took >= rows[i].least);
		for (u32 n = 0; n < 5; n++) {
			CHECK_EQ("in order", n * 3 % FAKE_RING_SIZE, ring.used->ring[n].id);
			CHECK_EQ("status", VIRTIO_BLK_S_OK, *(u8 *)memory_at(&vm.memory, STATUS_AT + n, 1));
			CHECK_EQ("data", n + 1, *(u8 *)memory_at(&vm.memory, DATA_AT + n * BLOCK, 1));
		}
		tear_down();
	}
}

/* One request goes, and the next ones have all day to wait. */
static const struct rate_options one_a_day = { .bytes = 1, .bytes_max = 1 };

static void wait_for_first(void)
{
	offer_reads(5);
	wait_until_done("the first", 1);
	usleep(50000);
	CHECK_EQ("and no more", 1, done());
}

/* Doorbells wake the thread, and that is all they do; else it sleeps. */
static void test_sleep(void)
{
	set_up(&one_a_day, 0);
	wait_for_first();
	u64 before = worked();

	for (u32 i = 0; i < 20; i++) {
		usleep(5000);
		if (i % 4 == 0)
			virtio_ring(device);
	}
	CHECK_EQ("it has not worked for half of that", 1, worked() - before < 50000);
	CHECK_EQ("nothing was let through", 1, done());
	tear_down();
}

/* Who holds it has it at once; what waited goes on waiting afterwards, and goes when it may. */
static void test_hold(void)
{
	set_up(&one_a_day, 0);
	wait_for_first();
	for (u32 i = 0; i < 3; i++) {
		ASSERT(virtio_hold(device, TEST_PATIENCE_MS), "it cannot be held");
		virtio_release(device);
	}
	CHECK_EQ("nothing was let through", 1, done());
	ASSERT(virtio_hold(device, TEST_PATIENCE_MS), "it cannot be held");
	virtio_lock(device);
	/* As it is saved: four requests that nobody has come to. */
	CHECK_EQ("not taken yet", 1, device->queues[0].next_available);
	rate_limit_init(&device->limit, &(struct rate_options){ .requests = 1000 }, thread_now());
	virtio_unlock(device);
	virtio_release(device);
	virtio_ring(device);
	wait_until_done("all of them", 5);
	tear_down();
}

/* As by its driver, or the machine's reset: what waited is nobody's any more, and the next driver's requests wait in its stead. */
static void test_reset(void)
{
	set_up(&one_a_day, 0);
	wait_for_first();
	fake_device_put(&vm, device, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	CHECK_EQ("reset", 0, fake_device_get(&vm, device, VIRTIO_PCI_COMMON_STATUS, 1));
	connect(0);
	offer_reads(2);
	usleep(50000);
	CHECK_EQ("the limit is as it was", 0, done());
	CHECK_EQ("by the machine", 1, virtio_reset(device));
	tear_down();
}

/* Nothing is free of a limit on requests: what fails and what moves nothing has its turn too. */
static void test_kinds(void)
{
	static const struct {
		const char *name;
		u32 type, block;
		bool moves;
	} rows[] = {
		{ "a read", VIRTIO_BLK_T_IN, 0, true },
		{ "a write", VIRTIO_BLK_T_OUT, 1, true },
		{ "a flush", VIRTIO_BLK_T_FLUSH, 0, false },
		{ "a read behind the end", VIRTIO_BLK_T_IN, SECTORS, false },
		{ "a write behind the end", VIRTIO_BLK_T_OUT, SECTORS, false },
		{ "what is unknown", 77, 0, false },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rate_limit limit;

		set_up(&(struct rate_options){ .bytes = 1, .bytes_max = 2 * BLOCK, .requests = 1, .requests_max = 100 }, 0);
		offer(rows[i].type, rows[i].block);
		virtio_ring(device);
		wait_until_done(rows[i].name, 1);
		virtio_lock(device);
		limit = device->limit;
		virtio_unlock(device);
		/* In some seconds some more come. */
		u64 bytes = (u64)(limit.bytes.parts / 1000000000), requests = (u64)(limit.requests.parts / 1000000000);

		CHECK_EQ("a request", 1, requests == 99 || requests == 100);
		CHECK_EQ("its bytes", rows[i].moves, bytes < 2 * BLOCK - BLOCK / 2);
		tear_down();
	}
}

static const struct test_case cases[] = {
	{ "times", test_times },
	{ "sleep", test_sleep },
	{ "hold", test_hold },
	{ "reset", test_reset },
	{ "kinds", test_kinds },
};

TEST_MAIN(cases)
