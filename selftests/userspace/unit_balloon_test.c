// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory balloon by a driver of its own, good and hostile: what is given back is what was named, and nothing else
 * ever; statistics; what the specification leaves to either side.
 *
 * VIRTIO 1.2, "Traditional Memory Balloon Device".
 */
#include <json-c/json.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake_driver.h"
#include "userspace/thread.h"
#include "userspace/virtio_balloon.h"

#define MEMORY		(16ULL << 20)
#define DATA_AT		0x300000ULL	/* what requests consist of, 1 MB of it */
#define PAGES_AT	0x800000ULL	/* what they are about, up to the end */
#define PAGES_COUNT	((MEMORY - PAGES_AT) / 4096)
#define NOTIFY		0x3000
#define CONFIG		0x2000
#define STATS		(1ULL << VIRTIO_BALLOON_F_STATS_VQ)
#define OOM		(1ULL << VIRTIO_BALLOON_F_DEFLATE_ON_OOM)
#define POISON		(1ULL << VIRTIO_BALLOON_F_PAGE_POISON)
#define REPORTING	(1ULL << VIRTIO_BALLOON_F_REPORTING)
#define VERSION_1	(1ULL << VIRTIO_F_VERSION_1)
#define EVENT_IDX	(1ULL << VIRTIO_RING_F_EVENT_IDX)
#define QUEUES		5
#define INFLATE		0
#define DEFLATE		1
#define STATQ		2
#define REPORT		4

static struct vm vm;
static struct pci pci;
static struct virtio_balloon balloon;
static struct virtio_device *device = &balloon.device;
static struct fake_ring rings[QUEUES];
static u8 map[MEMORY / 4096];

static u64 status_now(void) { return fake_device_get(&vm, device, VIRTIO_PCI_COMMON_STATUS, 1); }
static bool is_broken(void) { return status_now() & VIRTIO_CONFIG_S_NEEDS_RESET; }
static void *data(void) { return memory_at(&vm.memory, DATA_AT, 1 << 20); }

/* A driver that has come, with @features, and memory that is all there. */
static void connect(u64 features)
{
	for (u32 i = 0; i < QUEUES; i++)
		fake_ring_init(&rings[i], &vm, i);
	memset(memory_at(&vm.memory, PAGES_AT, MEMORY - PAGES_AT), 0x77, MEMORY - PAGES_AT);
	ASSERT(fake_negotiate(&vm, device, features), "features are refused");
	for (u32 i = 0; i < QUEUES; i++)
		fake_enable_queue(&vm, device, i);
	fake_driver_ok(&vm, device);
}

static void set_up(u64 features)
{
	static const struct balloon_options options = {
		.is_wanted = true, .deflate_on_oom = true, .free_page_reporting = true, .size = 4 << 20,
	};

	fake_vm_init(&vm, MEMORY);
	/* Small pages, to be counted. */
	ASSERT_EQ(memory_back(&vm.memory, MEMORY_MERGE), 0);
	for (u32 i = 0; i < vm.memory.count; i++)
		memset(vm.memory.regions[i].host, 0x77, vm.memory.regions[i].size);
	ASSERT_EQ(pci_init(&pci, &vm), 0);
	memset(&balloon, 0, sizeof(balloon));
	virtio_balloon_init(&balloon, &options);
	ASSERT_EQ(virtio_add(device, &vm, &pci), 0);
	connect(features);
	ASSERT_EQ(virtio_start(device), 0);
}

static void stop(void)
{
	vm_stop(&vm, STATUS_OK, "the end of the test");
	vm.end_by = thread_time_in(2000);
	CHECK_EQ("the thread ends", 1, virtio_stop(device));
}

static void finish(void)
{
	stop();
	memory_destroy(&vm.memory);
}

static void ring(u32 queue) { fake_device_put(&vm, device, NOTIFY + 4 * queue, 2, queue); }
static u16 used(u32 queue) { return __atomic_load_n(&rings[queue].used->idx, __ATOMIC_ACQUIRE); }

/* Until the queue has been served up to @count, or the device has given up. Return: was it served? */
static bool served(u32 queue, u16 count)
{
	ring(queue);
	for (u32 i = 0; i < TEST_PATIENCE_MS && used(queue) != count && !is_broken(); i++)
		usleep(1000);
	return used(queue) == count;
}

/* All pages of memory that take none now, but for those from @except on, @count of them. */
static u64 missing(u64 except, u64 count)
{
	u64 missing = 0;

	for (u32 r = 0; r < vm.memory.count; r++) {
		const struct memory_region *region = &vm.memory.regions[r];

		ASSERT_EQ(mincore(region->host, region->size, map), 0);
		for (u64 i = 0; i < region->size / 4096; i++) {
			u64 gpa = region->base + i * 4096;

			missing += !(map[i] & 1) && (gpa < except || gpa >= except + count * 4096);
		}
	}
	return missing;
}

/* A request that is an array of @count pages from @first on, @step apart. */
static u32 put_pages(u64 first, u32 count, int step)
{
	u32 *pages = data();

	for (u32 i = 0; i < count; i++)
		pages[i] = (u32)(first + (u64)((s64)i * step));
	return count * 4;
}

static void test_inflate(void)
{
	static const struct {
		const char *name;
		u64 first;
		u32 count;
		int step;
		u64 lowest, wanted;	/* what is gone then */
	} rows[] = {
		{ "one", PAGES_AT >> 12, 1, 1, PAGES_AT, 1 },
		{ "a row upwards", PAGES_AT >> 12, 256, 1, PAGES_AT, 256 },
		{ "a row downwards", (PAGES_AT >> 12) + 255, 256, -1, PAGES_AT, 256 },
		{ "each second", PAGES_AT >> 12, 256, 2, PAGES_AT, 511 },
		{ "the same again and again", PAGES_AT >> 12, 256, 0, PAGES_AT, 1 },
		{ "the last of memory", (MEMORY >> 12) - 1, 8, -1, MEMORY - 8 * 4096, 8 },
		{ "half of memory", PAGES_AT >> 12, PAGES_COUNT, 1, PAGES_AT, PAGES_COUNT },
		{ "as many as a request can have", PAGES_AT >> 12, 4096, 0, PAGES_AT, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		u32 bytes;

		set_up(VERSION_1 | STATS | OOM | REPORTING);
		bytes = put_pages(rows[i].first, rows[i].count, rows[i].step);
		fake_offer_one(&rings[INFLATE], DATA_AT, bytes, false);
		CHECK_EQ(rows[i].name, 1, served(INFLATE, 1));
		CHECK_EQ("elsewhere", 0, missing(rows[i].lowest, rows[i].wanted));
		CHECK_EQ("there", rows[i].step == 2 ? rows[i].count : rows[i].step ? rows[i].count : 1, missing(0, 0));
		CHECK_EQ("it reads as", 0, *(u64 *)memory_at(&vm.memory, rows[i].lowest, 8));
		CHECK_EQ("used bytes", 0, rings[INFLATE].used->ring[0].len);
		/* It gives no page back that is used again, deflated or not. */
		fake_offer_one(&rings[DEFLATE], DATA_AT, bytes, false);
		CHECK_EQ("deflated", 1, served(DEFLATE, 1));
		*(u64 *)memory_at(&vm.memory, rows[i].lowest, 8) = 5;
		CHECK_EQ("it holds", 5, *(u64 *)memory_at(&vm.memory, rows[i].lowest, 8));
		CHECK_EQ("no complaint", 0, is_broken());
		finish();
	}
}

/* Hostile requests: nothing of what they name is given back but what stood before the bad word. */
static void test_refused(void)
{
	static const struct {
		const char *name;
		u32 queue;
		u64 first;	/* of pages */
		u32 count, bytes;
		bool is_write;
		u32 bad;	/* a page more, at the end; 0: none */
	} rows[] = {
		{ "nothing", INFLATE, PAGES_AT >> 12, 0, 0, false, 0 },
		{ "half a number", INFLATE, PAGES_AT >> 12, 1, 6, false, 0 },
		{ "room to write", INFLATE, PAGES_AT >> 12, 1, 4, true, 0 },
		{ "one too many", INFLATE, 0, 4097, 4097 * 4, false, 0 },
		{ "the hole", INFLATE, MAP_VGA_START >> 12, 1, 4, false, 0 },
		{ "into the hole", INFLATE, (MAP_VGA_START >> 12) - 1, 2, 8, false, 0 },
		{ "tables of the launcher", INFLATE, MAP_ACPI >> 12, 1, 4, false, 0 },
		{ "across those", INFLATE, (MAP_ACPI >> 12) - 1, 64, 256, false, 0 },
		{ "one past the end", INFLATE, MEMORY >> 12, 1, 4, false, 0 },
		{ "across the end", INFLATE, (MEMORY >> 12) - 1, 2, 8, false, 0 },
		{ "the local APIC", INFLATE, MAP_LAPIC >> 12, 1, 4, false, 0 },
		{ "the highest number", INFLATE, 0xffffffff, 1, 4, false, 0 },
		{ "numbers that wrap", INFLATE, 0xffffffff, 2, 8, false, 0 },
		{ "nothing", DEFLATE, PAGES_AT >> 12, 0, 0, false, 0 },
		{ "room to write", DEFLATE, PAGES_AT >> 12, 1, 4, true, 0 },
		{ "the hole", DEFLATE, MAP_VGA_START >> 12, 1, 4, false, 0 },
		{ "the highest number", DEFLATE, 0xffffffff, 1, 4, false, 0 },
		{ "one too many", DEFLATE, 0, 4097, 4097 * 4, false, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		set_up(VERSION_1 | STATS | REPORTING);
		put_pages(rows[i].first, rows[i].count, 1);
		fake_offer_one(&rings[rows[i].queue], DATA_AT, rows[i].bytes, rows[i].is_write);
		CHECK_EQ(rows[i].name, 0, served(rows[i].queue, 1));
		CHECK_EQ("needs a reset", 1, is_broken());
		CHECK_EQ("given back", 0, missing(0, 0));
		/* Nothing more, until it gets that. */
		put_pages(PAGES_AT >> 12, 1, 1);
		fake_offer_one(&rings[!rows[i].queue], DATA_AT, 4, false);
		ring(!rows[i].queue);
		usleep(2000);
		CHECK_EQ("the other queue", 0, used(!rows[i].queue));
		connect(VERSION_1);
		put_pages(PAGES_AT >> 12, 1, 1);
		fake_offer_one(&rings[INFLATE], DATA_AT, 4, false);
		CHECK_EQ("after the reset", 1, served(INFLATE, 1));
		finish();
	}
}

static void test_report(void)
{
	static const struct {
		const char *name;
		u64 features;
		u32 queue, poison;
		struct { u64 gpa; u32 len; } parts[3];
		bool is_read, is_served;
		u64 wanted;	/* pages that are gone */
	} rows[] = {
		{ "a page", STATS | REPORTING, 4, 0, { { PAGES_AT, 4096 } }, false, true, 1 },
		{ "2 MB", STATS | REPORTING, 4, 0, { { PAGES_AT, 2 << 20 } }, false, true, 512 },
		{ "three parts", STATS | REPORTING, 4, 0,
		  { { PAGES_AT, 4096 }, { 0, 4096 }, { MEMORY - 8192, 8192 } }, false, true, 4 },
		{ "as Linux counts queues", STATS | REPORTING, 3, 0, { { PAGES_AT, 8192 } }, false, true, 2 },
		{ "without statistics", REPORTING, 2, 0, { { PAGES_AT, 8192 } }, false, true, 2 },
		{ "poison", STATS | REPORTING | POISON, 4, 0xaaaaaaaa, { { PAGES_AT, 8192 } }, false, true, 0 },
		{ "poison of zeros", STATS | REPORTING | POISON, 4, 0, { { PAGES_AT, 8192 } }, false, true, 2 },
		{ "poison that was not agreed on", STATS | REPORTING, 4, 0xaaaaaaaa, { { PAGES_AT, 8192 } }, false, true, 2 },
		{ "half a page", STATS | REPORTING, 4, 0, { { PAGES_AT, 2048 } }, false, false, 0 },
		{ "off by some", STATS | REPORTING, 4, 0, { { PAGES_AT + 8, 4096 } }, false, false, 0 },
		{ "the launcher's tables", STATS | REPORTING, 4, 0, { { MAP_VGA_END, 0x40000 } }, false, false, 0 },
		{ "to read", STATS | REPORTING, 4, 0, { { PAGES_AT, 4096 } }, true, false, 0 },
		{ "a good part before a bad one", STATS | REPORTING, 4, 0, { { PAGES_AT, 4096 }, { PAGES_AT, 1 } }, false, false, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fake_ring *queue = &rings[rows[i].queue];

		set_up(VERSION_1);
		ASSERT(fake_negotiate(&vm, device, VERSION_1 | rows[i].features), "features are refused");
		for (u32 q = 0; q < QUEUES; q++)
			fake_enable_queue(&vm, device, q);
		fake_device_put(&vm, device, CONFIG + 12, 4, rows[i].poison);
		fake_driver_ok(&vm, device);
		for (u32 p = 0; p < 3 && rows[i].parts[p].len; p++)
			fake_add(queue, rows[i].parts[p].gpa, rows[i].parts[p].len, !rows[i].is_read,
				 p == 2 || !rows[i].parts[p + 1].len);
		fake_offer(queue, 0);
		CHECK_EQ(rows[i].name, rows[i].is_served, served(rows[i].queue, 1));
		CHECK_EQ("needs a reset", !rows[i].is_served, is_broken());
		CHECK_EQ("given back", rows[i].wanted, missing(0, 0));
		finish();
	}
}

/* What was not agreed on has no queue. */
static void test_not_accepted(void)
{
	set_up(VERSION_1 | STATS);
	for (u32 q = 3; q < QUEUES; q++) {
		fake_offer_one(&rings[q], PAGES_AT, 4096, true);
		ring(q);
	}
	put_pages(PAGES_AT >> 12, 1, 1);
	fake_offer_one(&rings[INFLATE], DATA_AT, 4, false);
	CHECK_EQ("another queue", 1, served(INFLATE, 1));
	CHECK_EQ("theirs", 0, used(3) + used(4));
	CHECK_EQ("given back", 1, missing(0, 0));
	finish();
}

static void test_features(void)
{
	static const struct {
		const char *name;
		struct balloon_options options;
		u64 wanted;
	} rows[] = {
		{ "all", { true, true, true, 0 }, STATS | POISON | OOM | REPORTING },
		{ "no reporting", { true, true, false, 0 }, STATS | POISON | OOM },
		{ "not on OOM", { true, false, true, 0 }, STATS | POISON | REPORTING },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct virtio_balloon one = { .target = 0 };

		virtio_balloon_init(&one, &rows[i].options);
		CHECK_EQ(rows[i].name, rows[i].wanted, one.device.features);
	}
}

static u64 config(u32 at) { return fake_device_get(&vm, device, CONFIG + at, 4); }

static void test_config(void)
{
	struct balloon_view view;

	set_up(VERSION_1 | POISON);
	CHECK_EQ("asked for at the start", 1024, config(0));
	fake_device_put(&vm, device, CONFIG, 4, 77);
	CHECK_EQ("what is asked for is not the driver's", 1024, config(0));
	fake_device_put(&vm, device, CONFIG + 4, 4, 0x01020304);
	CHECK_EQ("what there is, is", 0x01020304, config(4));
	fake_device_put(&vm, device, CONFIG + 5, 1, 0xee);
	CHECK_EQ("by bytes, too", 0x0102ee04, config(4));
	virtio_balloon_look(&balloon, 0, &view);
	CHECK_EQ("as seen outside", 0x0102ee04ULL * 4096, view.actual);
	fake_device_put(&vm, device, CONFIG + 8, 4, 77);
	CHECK_EQ("commands are not", 0, config(8));
	fake_device_put(&vm, device, CONFIG + 12, 4, 77);
	CHECK_EQ("poison, too late", 0, config(12));
	fake_device_put(&vm, device, CONFIG + 16, 4, 77);
	CHECK_EQ("behind it", 0, config(16));
	CHECK_EQ("at the end of the window", 0, fake_device_get(&vm, device, CONFIG + 0xffc, 4));
	fake_device_put(&vm, device, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	CHECK_EQ("after a reset", 0, config(4));
	fake_device_put(&vm, device, CONFIG + 12, 4, 77);
	CHECK_EQ("poison, in time", 77, config(12));
	finish();
}

static void test_target(void)
{
	struct balloon_view view;
	u64 before;

	set_up(VERSION_1);
	before = fake_device_get(&vm, device, VIRTIO_PCI_COMMON_CFGGENERATION, 1);
	virtio_balloon_ask(&balloon, 8 << 20);
	for (u32 i = 0; i < TEST_PATIENCE_MS && config(0) != 2048; i++)
		usleep(1000);
	CHECK_EQ("the driver sees", 2048, config(0));
	CHECK_EQ("a change", 1, before != fake_device_get(&vm, device, VIRTIO_PCI_COMMON_CFGGENERATION, 1));
	CHECK_EQ("is told", 3, fake_device_get(&vm, device, 0x1000, 1));
	virtio_balloon_look(&balloon, 0, &view);
	CHECK_EQ("as seen outside", 8 << 20, view.target);
	finish();
}

/* ---- statistics ---- */

static u32 put_stat(u32 at, u16 tag, u64 value)
{
	u8 *to = (u8 *)data() + at;

	memcpy(to, &tag, 2);
	memcpy(to + 2, &value, 8);
	return at + 10;
}

static void *look(void *view)
{
	virtio_balloon_look(&balloon, 5000, view);
	return NULL;
}

/* The first, and those that somebody wants; between these the buffer stays where it is. */
static void test_stats(void)
{
	for (u32 has_index = 0; has_index < 2; has_index++) {
		struct balloon_view view;
		pthread_t asks;
		u32 size;

		set_up(VERSION_1 | STATS | (has_index ? EVENT_IDX : 0));
		size = put_stat(put_stat(put_stat(0, VIRTIO_BALLOON_S_MEMFREE, 1000), 99, 5), VIRTIO_BALLOON_S_MEMTOT, 2000);
		/* Since Linux 6.12: direct reclaim; and what nobody knows yet. */
		size = put_stat(put_stat(size, 15, 3000), 16, 6);
		fake_offer_one(&rings[STATQ], DATA_AT, size, false);
		ring(STATQ);
		for (u32 i = 0; i < TEST_PATIENCE_MS; i++, usleep(1000)) {
			virtio_balloon_look(&balloon, 0, &view);
			if (view.guest.has)
				break;
		}
		CHECK_EQ("tags", 1 << VIRTIO_BALLOON_S_MEMFREE | 1 << VIRTIO_BALLOON_S_MEMTOT | 1 << 15, view.guest.has);
		CHECK_EQ("free", 1000, view.guest.values[VIRTIO_BALLOON_S_MEMFREE]);
		CHECK_EQ("all", 2000, view.guest.values[VIRTIO_BALLOON_S_MEMTOT]);
		CHECK_EQ("the buffer is the driver's", 0, used(STATQ));
		for (u32 i = 1; i <= 3; i++) {
			ASSERT_EQ(pthread_create(&asks, NULL, look, &view), 0);
			for (u32 t = 0; t < TEST_PATIENCE_MS && used(STATQ) != i; t++)
				usleep(1000);
			CHECK_EQ("it is given back", i, used(STATQ));
			size = put_stat(0, VIRTIO_BALLOON_S_CACHES, i);
			fake_offer_one(&rings[STATQ], DATA_AT, size, false);
			ring(STATQ);
			ASSERT_EQ(pthread_join(asks, NULL), 0);
			CHECK_EQ("new ones", 1 << VIRTIO_BALLOON_S_CACHES, view.guest.has);
			CHECK_EQ("value", i, view.guest.values[VIRTIO_BALLOON_S_CACHES]);
		}
		CHECK_EQ("one buffer each", 3, used(STATQ));
		CHECK_EQ("none is taken", 3, device->queues[STATQ].next_available);
		finish();
	}
}

/* Nobody waits for a driver that does not tell, or has gone. */
static void test_stats_late(void)
{
	struct balloon_view view;
	pthread_t asks;

	set_up(VERSION_1 | STATS);
	virtio_balloon_look(&balloon, 50, &view);
	CHECK_EQ("nothing told", 0, view.guest.has);
	ASSERT_EQ(pthread_create(&asks, NULL, look, &view), 0);
	usleep(20000);
	fake_device_put(&vm, device, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	ASSERT_EQ(pthread_join(asks, NULL), 0);
	CHECK_EQ("nothing told by one who has gone", 0, view.guest.has);
	finish();
}

/* Nor does the machine's end wait for one. */
static void test_stats_at_the_end(void)
{
	struct timespec before, after;
	struct balloon_view view;
	pthread_t asks;

	set_up(VERSION_1 | STATS);
	ASSERT_EQ(pthread_create(&asks, NULL, look, &view), 0);
	usleep(20000);
	clock_gettime(CLOCK_MONOTONIC, &before);
	vm_stop(&vm, STATUS_OK, "the guest has powered off");
	ASSERT_EQ(pthread_join(asks, NULL), 0);
	clock_gettime(CLOCK_MONOTONIC, &after);
	CHECK_EQ("it takes more than two seconds", 0, after.tv_sec - before.tv_sec > 2);
	finish();
}

static void test_stats_refused(void)
{
	static const struct {
		const char *name;
		u32 bytes;
		bool is_write, is_broken;
		u32 has;
	} rows[] = {
		{ "room to write", 10, true, true, 0 },
		{ "nothing", 0, false, false, 0 },
		{ "less than one", 9, false, false, 0 },
		{ "one and a half", 15, false, false, 1 },
		{ "more than are looked at", 1 << 20, false, false, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct balloon_view view;

		set_up(VERSION_1 | STATS);
		memset(data(), 0, 1 << 20);
		fake_offer_one(&rings[STATQ], DATA_AT, rows[i].bytes, rows[i].is_write);
		ring(STATQ);
		/* A turn behind it. */
		*(u32 *)memory_at(&vm.memory, PAGES_AT, 4) = PAGES_AT >> 12;
		fake_offer_one(&rings[INFLATE], PAGES_AT, 4, false);
		served(INFLATE, 1);
		for (u32 t = 0; t < TEST_PATIENCE_MS && rows[i].is_broken && !is_broken(); t++)
			usleep(1000);
		CHECK_EQ(rows[i].name, rows[i].is_broken, is_broken());
		virtio_balloon_look(&balloon, 0, &view);
		CHECK_EQ("what is told", rows[i].has, view.guest.has);
		finish();
	}
}

static void test_json(void)
{
	struct balloon_view view = { .target = 4096, .actual = 8192, .inflated = 1, .deflated = 2, .reported = 3 };
	char *text = virtio_balloon_json(&view);

	test_note("%s", text);
	CHECK_EQ("without statistics", 0, strcmp(text, "{\"target\": 4096, \"actual\": 8192, \"inflated\": 1, \"deflated\": 2, "
						       "\"reported\": 3, \"guest\": null}"));
	free(text);
	view.guest.has = (1u << BALLOON_TAGS) - 1;
	for (u32 i = 0; i < BALLOON_TAGS; i++)
		view.guest.values[i] = ~0ULL - i;
	text = virtio_balloon_json(&view);
	test_note("%s", text);
	struct json_object *object = json_tokener_parse(text), *guest = json_object_object_get(object, "guest");

	ASSERT(guest, "no JSON");
	CHECK_EQ("members", BALLOON_TAGS + 1, json_object_object_length(guest));
	CHECK_EQ("swapped in", ~0ULL, json_object_get_uint64(json_object_object_get(guest, "swap_in")));
	CHECK_EQ("reclaimed", ~0ULL - 15, json_object_get_uint64(json_object_object_get(guest, "direct_reclaims")));
	CHECK_EQ("free", ~0ULL - 4, json_object_get_uint64(json_object_object_get(guest, "free_memory")));
	json_object_put(object);
	free(text);
}

/* ---- hostile rings ---- */

static bool is_refilled;

/* A driver that offers what was offered, for ever. */
static void *refill(void *unused)
{
	(void)unused;
	while (__atomic_load_n(&is_refilled, __ATOMIC_RELAXED))
		for (u32 q = 0; q < QUEUES; q++) {
			__atomic_store_n(&rings[q].avail->idx, (u16)(used(q) + FAKE_RING_SIZE), __ATOMIC_RELEASE);
			__atomic_store_n(&rings[q].avail->flags, 0, __ATOMIC_RELEASE);
		}
	return NULL;
}

/* Its queues never are empty: it makes nobody else wait, and the end comes when it should. */
static void test_endless(void)
{
	static const struct { const char *name; u64 features; } rows[] = {
		{ "flags", VERSION_1 | STATS | REPORTING },
		{ "event index", VERSION_1 | STATS | REPORTING | EVENT_IDX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct timespec until;
		pthread_t drives;
		u32 reads = 0;
		u64 done;

		set_up(rows[i].features);
		put_pages(PAGES_AT >> 12, 1024, 2);
		for (u32 q = 0; q < QUEUES; q++)
			for (u32 d = 0; d < FAKE_RING_SIZE; d++) {
				rings[q].table[d] = q > STATQ ?
					(struct vring_desc){ PAGES_AT, 8 << 20, VRING_DESC_F_WRITE, 0 } :
					(struct vring_desc){ DATA_AT, 4096, 0, 0 };
				rings[q].avail->ring[d] = (u16)d;
			}
		is_refilled = true;
		ASSERT_EQ(pthread_create(&drives, NULL, refill, NULL), 0);
		ring(INFLATE);
		until = thread_time_in(500);
		do {
			status_now();
			reads++;
			virtio_balloon_ask(&balloon, (reads % 1024) * 4096);
		} while (!thread_is_past(&until) && !is_broken());
		done = balloon.inflated + balloon.reported;
		test_note("%s: %u looks at a register, %llu MB given back", rows[i].name, reads, (unsigned long long)(done >> 20));
		CHECK_EQ("no complaint", 0, is_broken());
		CHECK_EQ("given back", 1, done > 0);
		CHECK_EQ("looks at a register", 1, reads >= 10);
		stop();
		__atomic_store_n(&is_refilled, false, __ATOMIC_RELAXED);
		ASSERT_EQ(pthread_join(drives, NULL), 0);
		memory_destroy(&vm.memory);
	}
}

/* Two turns of a whole request each: the one that is going on, and one that has begun before the look did. */
#define LOOK_BYTES	(2ULL * BALLOON_PAGES_MAX * BALLOON_PAGE)

static void look_now(void)
{
	struct balloon_view view;

	virtio_balloon_look(&balloon, 0, &view);
}

/* As who saves the machine does. */
static void hold_now(void)
{
	ASSERT(virtio_hold(device, 5000), "not held");
	virtio_release(device);
}

/*
 * Requests as large as they can be, of pages that have nothing to do with each other, for ever. Whoever wants something is next:
 * what is served meanwhile is counted, as time is the host's. It may run others between count and wish, and then one is late.
 */
static void test_busy(void)
{
	static const struct {
		const char *name;
		void (*want)(void);
		unsigned int hold;
	} rows[] = { { "a look", look_now, 0 }, { "a hold of a guest that stands", hold_now, VM_HOLD_SAVE } };

	for (size_t r = 0; r < ARRAY_SIZE(rows); r++) {
		struct timespec until;
		u64 before, after, most = 0, all = 0;
		u32 wishes = 0, late = 0;
		pthread_t drives;

		set_up(VERSION_1 | STATS | REPORTING);
		for (u32 i = 0; i < BALLOON_PAGES_MAX; i++)
			((u32 *)data())[i] = (u32)((PAGES_AT >> 12) + i * 1021 % PAGES_COUNT);
		for (u32 q = 0; q < QUEUES; q++)
			for (u32 d = 0; d < FAKE_RING_SIZE; d++) {
				rings[q].table[d] = q > STATQ ? (struct vring_desc){ PAGES_AT, 4096, VRING_DESC_F_WRITE, 0 } :
						    (struct vring_desc){ DATA_AT, BALLOON_PAGES_MAX * 4, 0, 0 };
				rings[q].avail->ring[d] = (u16)d;
			}
		vm_hold(&vm, rows[r].hold);
		is_refilled = true;
		ASSERT_EQ(pthread_create(&drives, NULL, refill, NULL), 0);
		until = thread_time_in(700);
		do {
			ring(INFLATE);
			usleep(1000);
			before = __atomic_load_n(&balloon.inflated, __ATOMIC_RELAXED);
			rows[r].want();
			after = __atomic_load_n(&balloon.inflated, __ATOMIC_RELAXED);
			most = after - before > most ? after - before : most;
			all += after - before;
			late += after - before > LOOK_BYTES;
			wishes++;
		} while (!thread_is_past(&until));
		test_note("%s, %u times, %u late: %llu KB were inflated meanwhile, and %llu KB at most", rows[r].name, wishes, late,
			  (unsigned long long)(all / wishes >> 10), (unsigned long long)(most >> 10));
		CHECK_EQ("busy", 1, after > 0);
		CHECK_EQ("most wait for more than two turns", 0, late > wishes / 2);
		stop();
		__atomic_store_n(&is_refilled, false, __ATOMIC_RELAXED);
		ASSERT_EQ(pthread_join(drives, NULL), 0);
		memory_destroy(&vm.memory);
	}
}

/* A queue's ring: a good one, or one of random numbers. */
static void fill_ring(u32 q, u64 *random)
{
	bool is_hostile = !(xorshift(random) % 8);

	for (u32 d = 0; d < FAKE_RING_SIZE; d++) {
		u64 r = xorshift(random);
		struct vring_desc *desc = &rings[q].table[d];

		*desc = (struct vring_desc){
			.addr = (q > STATQ ? PAGES_AT : DATA_AT) + (r >> 16) % 256 * 4096, .len = (u32)(1 + (r >> 32) % 8) * 4096,
			.flags = q > STATQ ? VRING_DESC_F_WRITE : 0, .next = (u16)((d + 1) % FAKE_RING_SIZE),
		};
		if (q <= DEFLATE)
			desc->len = 256;
		if (d % 4 != 3)
			desc->flags |= (r >> 40) % 2 ? VRING_DESC_F_NEXT : 0;
		rings[q].avail->ring[d] = (u16)(r >> 44) % FAKE_RING_SIZE;
		if (is_hostile && !(xorshift(random) % 8))
			*desc = (struct vring_desc){ xorshift(random), (u32)xorshift(random), (u16)xorshift(random), (u16)xorshift(random) };
	}
	if (is_hostile && !(xorshift(random) % 8))
		rings[q].avail->ring[xorshift(random) % FAKE_RING_SIZE] = (u16)xorshift(random);
	rings[q].avail->idx = (u16)(used(q) + xorshift(random) % (FAKE_RING_SIZE + 1 + is_hostile));
}

/* Page numbers, good ones but for one round in eight. */
static void fill_pages(u64 *random)
{
	u32 *pages = data();

	for (u32 i = 0; i < (1 << 20) / 4; i++)
		pages[i] = (u32)((PAGES_AT >> 12) + (xorshift(random) % 4 ? i % PAGES_COUNT : xorshift(random) % PAGES_COUNT));
	for (u32 i = 0; i < 64 && !(xorshift(random) % 8); i++)
		pages[xorshift(random) % ((1 << 20) / 4)] = (u32)(xorshift(random) >> xorshift(random) % 32);
}

/* Rings of random numbers, often good ones: the launcher's tables stay, and it can always be started anew. */
static void test_random(void)
{
	u64 random = 4711, all = STATS | REPORTING | POISON | EVENT_IDX | 1ULL << VIRTIO_RING_F_INDIRECT_DESC;
	u32 broken = 0, rounds = 0;
	struct timespec until = thread_time_in(1000);

	set_up(VERSION_1 | STATS | REPORTING);
	memset(memory_at(&vm.memory, MAP_ACPI, MAP_ACPI_MAX), 0x55, MAP_ACPI_MAX);
	do {
		if (!(rounds++ % 64))
			fill_pages(&random);
		for (u32 q = 0; q < QUEUES; q++) {
			fill_ring(q, &random);
			ring(q);
		}
		usleep(100);
		if (!is_broken())
			continue;
		broken++;
		for (u32 q = 0; q < QUEUES; q++)
			fake_ring_init(&rings[q], &vm, q);
		ASSERT(fake_negotiate(&vm, device, VERSION_1 | (all & xorshift(&random))), "features are refused");
		for (u32 q = 0; q < QUEUES; q++)
			fake_enable_queue(&vm, device, q);
		fake_driver_ok(&vm, device);
	} while (!thread_is_past(&until));
	test_note("%u rounds, %u resets, %llu MB inflated, %llu MB reported", rounds, broken,
		  (unsigned long long)balloon.inflated >> 20, (unsigned long long)balloon.reported >> 20);
	CHECK_EQ("resets", 1, broken > 0);
	CHECK_EQ("inflated", 1, balloon.inflated > 0);
	CHECK_EQ("reported", 1, balloon.reported > 0);
	for (u32 i = 0; i < MAP_ACPI_MAX; i += 8)
		ASSERT_EQ(*(u64 *)memory_at(&vm.memory, MAP_ACPI + i, 8), 0x5555555555555555);
	connect(VERSION_1);
	put_pages(PAGES_AT >> 12, 1, 1);
	fake_offer_one(&rings[INFLATE], DATA_AT, 4, false);
	CHECK_EQ("a good request afterwards", 1, served(INFLATE, 1));
	finish();
}

static const struct test_case cases[] = {
	{ "inflate", test_inflate },
	{ "refused", test_refused },
	{ "report", test_report },
	{ "not_accepted", test_not_accepted },
	{ "features", test_features },
	{ "config", test_config },
	{ "target", test_target },
	{ "stats", test_stats },
	{ "stats_late", test_stats_late },
	{ "stats_at_the_end", test_stats_at_the_end },
	{ "stats_refused", test_stats_refused },
	{ "json", test_json },
	{ "endless", test_endless },
	{ "busy", test_busy },
	{ "random", test_random },
};

TEST_MAIN(cases)
