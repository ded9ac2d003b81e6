// SPDX-License-Identifier: GPL-2.0-only
/* The bus: ranges in any order, overlaps refused, lookups exact at the edges. */
#include "test.h"
#include "userspace/bus.h"

static u64 last_offset, last_value;
static unsigned int last_len;
static void *last_owner;

static u64 reader(void *owner, u64 offset, unsigned int len)
{
	last_owner = owner;
	last_offset = offset;
	last_len = len;
	return 0x1122334455667788ULL;
}

static void writer(void *owner, u64 offset, unsigned int len, u64 value)
{
	last_owner = owner;
	last_offset = offset;
	last_len = len;
	last_value = value;
}

static const struct bus_ops ops = { reader, writer };
static const struct bus_ops mute = { NULL, NULL };

static void test_refusals(void)
{
	struct bus bus = { .count = 0 };

	ASSERT_EQ(bus_add(&bus, 0x1000, 0x100, &ops, NULL), 0);
	CHECK_RET("empty", -EINVAL, bus_add(&bus, 0x10, 0, &ops, NULL));
	CHECK_RET("wrapping", -EINVAL, bus_add(&bus, UINT64_MAX, 2, &ops, NULL));
	CHECK_RET("same", -EEXIST, bus_add(&bus, 0x1000, 0x100, &ops, NULL));
	CHECK_RET("last byte", -EEXIST, bus_add(&bus, 0x10ff, 1, &ops, NULL));
	CHECK_RET("first byte", -EEXIST, bus_add(&bus, 0xfff, 2, &ops, NULL));
	CHECK_RET("around", -EEXIST, bus_add(&bus, 0, 0x10000, &ops, NULL));
	CHECK_RET("just below", 0, bus_add(&bus, 0xfff, 1, &ops, NULL));
	CHECK_RET("just above", 0, bus_add(&bus, 0x1100, 1, &ops, NULL));
	CHECK_RET("top", 0, bus_add(&bus, UINT64_MAX, 1, &ops, NULL));
	for (u64 i = bus.count; i < BUS_RANGES_MAX; i++)
		ASSERT_EQ(bus_add(&bus, 0x20000 + i, 1, &ops, NULL), 0);
	CHECK_RET("full", -ENOSPC, bus_add(&bus, 0x40000, 1, &ops, NULL));
}

static void test_lookup(void)
{
	static int owners[3];
	static const u64 bases[] = { 0x3000, 0x1000, 0x2000 };
	struct bus bus = { .count = 0 };

	for (int i = 0; i < 3; i++)
		ASSERT_EQ(bus_add(&bus, bases[i], 0x10, &ops, &owners[i]), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ("read", 0x55667788, bus_read(&bus, bases[i] + 0xf, 4));
		CHECK_EQ("owner", (uintptr_t)&owners[i], (uintptr_t)last_owner);
		CHECK_EQ("offset", 0xf, last_offset);
		CHECK_EQ("length", 4, last_len);
		last_owner = NULL;
		CHECK_EQ("past the end", 0xffff, bus_read(&bus, bases[i] + 0x10, 2));
		CHECK_EQ("before", 0xff, bus_read(&bus, bases[i] - 1, 1));
		bus_write(&bus, bases[i] + 0x10, 1, 5);
		CHECK_EQ("nobody called", 0, (uintptr_t)last_owner);
	}
	bus_write(&bus, 0x2003, 2, 0x12345678);
	CHECK_EQ("value cut to length", 0x5678, last_value);
	CHECK_EQ("write offset", 3, last_offset);
}

static void test_mute_device(void)
{
	struct bus bus = { .count = 0 };

	CHECK_EQ("empty bus", UINT64_MAX, bus_read(&bus, 0, 8));
	ASSERT_EQ(bus_add(&bus, 0, 8, &mute, NULL), 0);
	CHECK_EQ("no reader", 0xffffffff, bus_read(&bus, 0, 4));
	bus_write(&bus, 0, 4, 1);
}

static const struct test_case cases[] = {
	{ "refusals", test_refusals },
	{ "lookup", test_lookup },
	{ "mute_device", test_mute_device },
};

TEST_MAIN(cases)
