// SPDX-License-Identifier: GPL-2.0-only
/* Virtqueues against drivers that keep the rules, break them, or write noise. */
#include <linux/virtio_ring.h>

#include "test.h"
#include "userspace/memory.h"
#include "userspace/virtq.h"

#define MEMORY_SIZE	(16ULL << 20)
#define SIZE		8
#define TABLE		0x200000ULL
#define AVAIL		0x201000ULL
#define USED		0x202000ULL
#define BUFFERS		0x210000ULL
#define INDIRECT	0x220000ULL

static struct memory memory;
static struct virtq queue;
static struct virtq_chain chain;
static struct vring_desc *table;
static struct vring_avail *avail;
static struct vring_used *used;

static bool enable(u16 size, u64 descriptors, u64 available, u64 used_at, bool has_event)
{
	virtq_reset(&queue, size);
	queue.descriptors = descriptors;
	queue.available = available;
	queue.used = used_at;
	return virtq_enable(&queue, &memory, has_event);
}

static void set_up(bool has_event)
{
	if (!memory.mapping)
		ASSERT_EQ(memory_create(&memory, MEMORY_SIZE, 0), 0);
	table = memory_at(&memory, TABLE, SIZE * 16);
	avail = memory_at(&memory, AVAIL, 64);
	used = memory_at(&memory, USED, 256);
	memset(table, 0, SIZE * 16);
	memset(avail, 0, 64);
	memset(used, 0, 256);
	ASSERT(enable(SIZE, TABLE, AVAIL, USED, has_event), "good rings");
}

static void offer(u16 head)
{
	avail->ring[avail->idx % SIZE] = head;
	avail->idx++;
}

static void describe(struct vring_desc *at, u64 addr, u32 len, u16 flags, u16 next)
{
	*at = (struct vring_desc){ addr, len, flags, next };
}

static void test_rings(void)
{
	static const struct {
		const char *name;
		u16 size;
		u64 descriptors, available, used;
		bool is_good;
	} rows[] = {
		{ "good", 8, TABLE, AVAIL, USED, true },
		{ "one entry", 1, TABLE, AVAIL, USED, true },
		{ "largest", 256, TABLE, AVAIL, USED, true },
		{ "empty", 0, TABLE, AVAIL, USED, false },
		{ "no power of two", 7, TABLE, AVAIL, USED, false },
		{ "too large", 512, TABLE, AVAIL, USED, false },
		{ "descriptors unaligned", 8, TABLE + 8, AVAIL, USED, false },
		{ "available unaligned", 8, TABLE, AVAIL + 1, USED, false },
		{ "used unaligned", 8, TABLE, AVAIL, USED + 2, false },
		{ "descriptors outside", 8, MEMORY_SIZE - 64, AVAIL, USED, false },
		{ "available outside", 8, TABLE, MEMORY_SIZE - 20, USED, false },
		{ "used outside", 8, TABLE, AVAIL, MEMORY_SIZE - 64, false },
		{ "used ends exactly", 8, TABLE, AVAIL, MEMORY_SIZE - 72, true },
		{ "in the VGA hole", 8, MAP_VGA_START, AVAIL, USED, false },
		{ "at the top", 8, UINT64_MAX & ~15ULL, AVAIL, USED, false },
		{ "all zero", 8, 0, 0, 0, true },
	};

	set_up(false);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bool is_good = enable(rows[i].size, rows[i].descriptors, rows[i].available,
				      rows[i].used, false);

		CHECK_EQ(rows[i].name, rows[i].is_good, is_good);
		CHECK_EQ("broken if refused", !rows[i].is_good, queue.is_broken);
		if (!is_good)
			CHECK_EQ("nothing to pop", 0, virtq_pop(&queue, &chain));
	}
}

static void test_round_trip(void)
{
	set_up(false);
	ASSERT(!virtq_pop(&queue, &chain), "empty");
	describe(&table[3], BUFFERS, 16, VRING_DESC_F_NEXT, 5);
	describe(&table[5], BUFFERS + 0x100, 512, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
	describe(&table[1], BUFFERS + 0x400, 1, VRING_DESC_F_WRITE, 7);
	for (u32 round = 0; round < 70000; round++) {	/* indices wrap at 65536 */
		offer(3);
		ASSERT(virtq_pop(&queue, &chain), "a request");
		ASSERT_EQ(chain.head, 3);
		ASSERT_EQ(chain.read_count, 1);
		ASSERT_EQ(chain.write_count, 2);
		ASSERT_EQ(chain.read_bytes, 16);
		ASSERT_EQ(chain.write_bytes, 513);
		ASSERT(chain.segments[2].iov_base == memory_at(&memory, BUFFERS + 0x400, 1),
		       "the third buffer is where the driver said");
		virtq_push(&queue, &chain, 513);
		ASSERT_EQ(used->idx, (u16)(round + 1));
		ASSERT_EQ(used->ring[round % SIZE].id, 3);
		ASSERT_EQ(used->ring[round % SIZE].len, 513);
		ASSERT(!virtq_pop(&queue, &chain), "empty again");
	}
	ASSERT(!queue.is_broken, "all well");
}

static void test_indirect(void)
{
	struct vring_desc *inner;

	set_up(false);
	inner = memory_at(&memory, INDIRECT + 8, 3 * 16);	/* any alignment will do */
	describe(&inner[0], BUFFERS, 16, VRING_DESC_F_NEXT, 2);
	describe(&inner[2], BUFFERS + 64, 8, VRING_DESC_F_WRITE, 0);
	describe(&table[0], INDIRECT + 8, 3 * 16, VRING_DESC_F_INDIRECT, 0);
	offer(0);
	ASSERT(virtq_pop(&queue, &chain), "a request");
	ASSERT_EQ(chain.read_count, 1);
	ASSERT_EQ(chain.write_count, 1);
	ASSERT_EQ(chain.head, 0);
}

/* Each row fills the rings wrongly; the queue must break, without a request. */
static void loop_to_self(void) { describe(&table[0], BUFFERS, 1, VRING_DESC_F_NEXT, 0); }

static void loop_of_two(void)
{
	describe(&table[0], BUFFERS, 1, VRING_DESC_F_NEXT, 1);
	describe(&table[1], BUFFERS, 1, VRING_DESC_F_NEXT, 0);
}

static void loop_of_empty(void) { describe(&table[0], BUFFERS, 0, VRING_DESC_F_NEXT, 0); }
static void next_outside(void) { describe(&table[0], BUFFERS, 1, VRING_DESC_F_NEXT, SIZE); }
static void buffer_outside(void) { describe(&table[0], MEMORY_SIZE - 1, 2, 0, 0); }
static void buffer_wraps(void) { describe(&table[0], UINT64_MAX - 1, 4, 0, 0); }
static void buffer_in_hole(void) { describe(&table[0], MAP_VGA_START - 1, 2, 0, 0); }
static void buffer_huge(void) { describe(&table[0], BUFFERS, UINT32_MAX, 0, 0); }

static void write_before_read(void)
{
	describe(&table[0], BUFFERS, 1, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	describe(&table[1], BUFFERS, 1, 0, 0);
}

static void indirect_and_next(void)
{
	describe(&table[0], INDIRECT, 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1);
}

static void indirect_empty(void) { describe(&table[0], INDIRECT, 0, VRING_DESC_F_INDIRECT, 0); }
static void indirect_odd(void) { describe(&table[0], INDIRECT, 17, VRING_DESC_F_INDIRECT, 0); }

static void indirect_outside(void)
{
	describe(&table[0], MEMORY_SIZE - 16, 32, VRING_DESC_F_INDIRECT, 0);
}

static void indirect_nested(void)
{
	struct vring_desc *inner = memory_at(&memory, INDIRECT, 16);

	describe(inner, INDIRECT, 16, VRING_DESC_F_INDIRECT, 0);
	describe(&table[0], INDIRECT, 16, VRING_DESC_F_INDIRECT, 0);
}

static void indirect_loop(void)
{
	struct vring_desc *inner = memory_at(&memory, INDIRECT, 16);

	describe(inner, BUFFERS, 1, VRING_DESC_F_NEXT, 0);
	describe(&table[0], INDIRECT, 16, VRING_DESC_F_INDIRECT, 0);
}

static void too_many_segments(void)
{
	struct vring_desc *inner = memory_at(&memory, INDIRECT, 16 * 1000);

	for (u16 i = 0; i < 1000; i++)
		describe(&inner[i], BUFFERS, 1, i < 999 ? VRING_DESC_F_NEXT : 0, i + 1);
	describe(&table[0], INDIRECT, 16 * 1000, VRING_DESC_F_INDIRECT, 0);
}

/* Nothing in them takes room, so only their number ends the walk. */
static void too_many_empty(void)
{
	struct vring_desc *inner = memory_at(&memory, INDIRECT, 16 * 1000);

	for (u16 i = 0; i < 1000; i++)
		describe(&inner[i], BUFFERS, i < 999 ? 0 : 1, i < 999 ? VRING_DESC_F_NEXT : 0, i + 1);
	describe(&table[0], INDIRECT, 16 * 1000, VRING_DESC_F_INDIRECT, 0);
}

static void index_jump(void) { avail->idx = SIZE + 1; }
static void head_outside(void) { avail->ring[0] = SIZE; }

static void test_hostile(void)
{
	static const struct {
		const char *name;
		void (*fill)(void);
	} rows[] = {
		{ "loop to itself", loop_to_self },
		{ "loop of two", loop_of_two },
		{ "loop of empty buffers", loop_of_empty },
		{ "next outside the table", next_outside },
		{ "buffer outside memory", buffer_outside },
		{ "buffer wraps", buffer_wraps },
		{ "buffer in the hole", buffer_in_hole },
		{ "buffer of 4 GB", buffer_huge },
		{ "writable before readable", write_before_read },
		{ "indirect and next", indirect_and_next },
		{ "indirect of no bytes", indirect_empty },
		{ "indirect of odd size", indirect_odd },
		{ "indirect outside memory", indirect_outside },
		{ "indirect in indirect", indirect_nested },
		{ "loop in indirect", indirect_loop },
		{ "too many segments", too_many_segments },
		{ "too many empty segments", too_many_empty },
		{ "available index too far", index_jump },
		{ "head outside the table", head_outside },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		set_up(false);
		offer(0);
		rows[i].fill();
		CHECK_EQ(rows[i].name, 0, virtq_pop(&queue, &chain));
		CHECK_EQ("broken", 1, queue.is_broken);
		CHECK_EQ("stays broken", 0, virtq_pop(&queue, &chain));
		CHECK_EQ("wants no doorbell", 0, virtq_wants_doorbell(&queue));
		CHECK_EQ("sends no signal", 0, virtq_needs_signal(&queue));
	}
}

static void test_flags_signal(void)
{
	set_up(false);
	describe(&table[0], BUFFERS, 1, 0, 0);
	CHECK_EQ("nothing pushed", 0, virtq_needs_signal(&queue));
	offer(0);
	ASSERT(virtq_pop(&queue, &chain), "a request");
	virtq_push(&queue, &chain, 0);
	CHECK_EQ("wanted", 1, virtq_needs_signal(&queue));
	CHECK_EQ("once", 0, virtq_needs_signal(&queue));
	avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	offer(0);
	ASSERT(virtq_pop(&queue, &chain), "a request");
	virtq_push(&queue, &chain, 0);
	CHECK_EQ("not wanted", 0, virtq_needs_signal(&queue));
}

static void test_event_signal(void)
{
	u16 *used_event, *avail_event;

	set_up(true);
	used_event = &avail->ring[SIZE];
	avail_event = (u16 *)&used->ring[SIZE];
	describe(&table[0], BUFFERS, 1, 0, 0);
	*used_event = 1;		/* tell me after the second */
	for (u16 i = 0; i < 4; i++) {
		offer(0);
		ASSERT(virtq_pop(&queue, &chain), "a request");
		virtq_push(&queue, &chain, 0);
		CHECK_EQ("signal at the second only", i == 1, virtq_needs_signal(&queue));
	}
	CHECK_EQ("nothing waits", 0, virtq_wants_doorbell(&queue));
	CHECK_EQ("doorbell asked for", 4, *avail_event);
	offer(0);
	CHECK_EQ("one waits", 1, virtq_wants_doorbell(&queue));
}

static u64 random_state = 0x9e3779b97f4a7c15ULL;

static u64 noise(void)
{
	return xorshift(&random_state);
}

/* Noise with a bias to near-valid values: no crash, no overrun, an end. */
static void test_noise(void)
{
	u32 requests = 0, breaks = 0;

	for (u32 round = 0; round < 200000; round++) {
		set_up(noise() & 1);
		struct vring_desc *inner = memory_at(&memory, INDIRECT, 16 * 16);

		for (u16 i = 0; i < SIZE + 16; i++)
			describe(i < SIZE ? &table[i] : &inner[i - SIZE],
				 noise() & 3 ? BUFFERS + noise() % 4096 : noise(),
				 noise() & 7 ? (u32)(noise() % 600) : (u32)noise(),
				 noise() & 7, noise() % (SIZE + 1));
		if (noise() & 1)
			describe(&table[0], INDIRECT, 16 * (noise() % 17), VRING_DESC_F_INDIRECT, 0);
		for (u16 i = 0; i < SIZE; i++)
			avail->ring[i] = noise() % (SIZE + 1);
		avail->idx = noise() % (SIZE + 2);
		while (virtq_pop(&queue, &chain)) {
			u64 bytes = 0;

			for (u32 i = 0; i < chain.read_count + chain.write_count; i++) {
				u8 *host = chain.segments[i].iov_base;

				bytes += chain.segments[i].iov_len;
				ASSERT(host >= (u8 *)memory.mapping &&
				       host + chain.segments[i].iov_len <=
				       (u8 *)memory.mapping + memory.mapping_size,
				       "a buffer outside guest memory");
			}
			ASSERT_EQ(bytes, chain.read_bytes + chain.write_bytes);
			virtq_push(&queue, &chain, 0);
			requests++;
		}
		breaks += queue.is_broken;
	}
	test_note("%u requests, %u broken queues", requests, breaks);
	ASSERT(requests > 1000 && breaks > 1000, "the noise reached both ends");
}

/* A driver that gives its next request the head that came back last, and what it waits for. */
struct driver {
	u16 spare[SIZE];
	u32 spares;
	bool waits[SIZE];
	u16 seen;		/* of used->idx */
};

static void offer_some(struct driver *driver, u32 count)
{
	for (; count && driver->spares; count--) {
		u16 head = driver->spare[--driver->spares];

		driver->waits[head] = true;
		offer(head);
	}
}

static void answer_one(struct driver *driver, u16 head)
{
	used->ring[used->idx % SIZE].id = head;
	used->idx++;
	driver->waits[head] = false;
}

static void take_answers(struct driver *driver)
{
	for (; driver->seen != used->idx; driver->seen++)
		driver->spare[driver->spares++] = (u16)used->ring[driver->seen % SIZE].id;
}

/* In order, or each batch from its end. Breaks off in the midst of it. */
static void serve(struct driver *driver, u64 *random, bool from_end)
{
	u32 batches = 1 + (u32)xorshift(random) % 30;
	u16 taken = 0;

	for (u32 i = 0; i < batches; i++) {
		offer_some(driver, 1 + (u32)xorshift(random) % 4);
		u16 count = (u16)(avail->idx - taken), end = count, batch[SIZE];

		for (u16 j = 0; j < count; j++)
			batch[j] = avail->ring[taken++ % SIZE];
		if (i + 1 == batches)
			end = (u16)(xorshift(random) % (count + 1u));
		for (u16 j = 0; j < end; j++) {
			answer_one(driver, batch[from_end ? count - 1 - j : j]);
			if (xorshift(random) % 2)
				take_answers(driver);
			if (!(xorshift(random) % 4))
				offer_some(driver, 1);
		}
		if (i + 1 < batches)
			take_answers(driver);
	}
}

/* Whoever takes the queue over has all that the driver waits for, or knows how much he has not. */
static void test_take_over(void)
{
	static const struct {
		const char *name;
		bool from_end;
		enum virtq_order order;
	} rows[] = {
		{ "in order", false, VIRTQ_IN_ORDER },
		{ "in order, which nobody says", false, VIRTQ_ANY_ORDER },
		{ "in another order", true, VIRTQ_ANY_ORDER },
	};
	u64 random = 88172645463325252ULL;
	u32 good[ARRAY_SIZE(rows)] = { 0 };

	for (u32 round = 0; round < 9000; round++) {
		bool is_known = rows[round % 3].order == VIRTQ_IN_ORDER;
		struct driver driver = { .spares = SIZE };
		u32 waits;

		set_up(false);
		for (u16 i = 0; i < SIZE; i++) {
			driver.spare[i] = i;
			describe(&table[i], BUFFERS, 16, 0, 0);
		}
		serve(&driver, &random, rows[round % 3].from_end);
		waits = (u16)(avail->idx - used->idx);
		u32 wanted = is_known ? 0 : waits, got = virtq_take_over(&queue, rows[round % 3].order);

		if (wanted != got)
			CHECK_EQ(rows[round % 3].name, wanted, got);
		good[round % 3] += wanted == got;
		/* One more, which is new. */
		take_answers(&driver);
		offer_some(&driver, 1);
		while (virtq_pop(&queue, &chain)) {
			ASSERT(driver.waits[chain.head], "a request that the driver waits for");
			driver.waits[chain.head] = false;
			virtq_push(&queue, &chain, 0);
		}
		ASSERT(!queue.is_broken, "good rings");
		for (u32 i = 0; i < SIZE; i++)
			ASSERT(!is_known || !driver.waits[i], "none is left");
	}
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_EQ(rows[i].name, 3000, good[i]);
}

/* Indexes that make no sense, of rings that nobody has served. */
static void test_take_over_noise(void)
{
	static const struct {
		u16 available, used;
		u32 lost;
	} rows[] = {
		{ 0, 0, 0 }, { 3, 0, 0 }, { SIZE, 0, 0 }, { SIZE + 1, 0, SIZE }, { 0, 1, SIZE }, { 0x8000, 0, SIZE }, { 2, 0xfffe, 0 },
		{ 1, 1, 0 }, { 7, 4, 0 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		set_up(false);
		avail->idx = rows[i].available;
		used->idx = rows[i].used;
		CHECK_EQ("lost", rows[i].lost, virtq_take_over(&queue, VIRTQ_IN_ORDER));
	}
	/* One that was said to keep the order, and did not. */
	set_up(false);
	for (u16 i = 0; i < 3; i++)
		offer(i);
	used->ring[0].id = 1;
	used->idx = 1;
	CHECK_EQ("lost", 2, virtq_take_over(&queue, VIRTQ_IN_ORDER));
}

static const struct test_case cases[] = {
	{ "rings", test_rings },
	{ "round_trip", test_round_trip },
	{ "indirect", test_indirect },
	{ "hostile", test_hostile },
	{ "flags_signal", test_flags_signal },
	{ "event_signal", test_event_signal },
	{ "noise", test_noise },
	{ "take_over", test_take_over },
	{ "take_over_noise", test_take_over_noise },
};

TEST_MAIN(cases)
