// SPDX-License-Identifier: GPL-2.0-only
/* Guest memory: which addresses are memory, and that no pointer covers too little. */
#include "test.h"
#include "userspace/memory.h"

static void check_at(const struct memory *memory, const char *name, u64 gpa, u64 len, bool is_good)
{
	CHECK_EQ(name, is_good, memory_at(memory, gpa, len) != NULL);
}

static void test_small(void)
{
	struct memory memory;
	u64 size = 16 << 20;

	ASSERT_EQ(memory_create(&memory, size), 0);
	check_at(&memory, "first byte", 0, 1, true);
	check_at(&memory, "no bytes", 0, 0, false);
	check_at(&memory, "up to the hole", 0, MAP_VGA_START, true);
	check_at(&memory, "into the hole", 0, MAP_VGA_START + 1, false);
	check_at(&memory, "in the hole", MAP_VGA_START, 1, false);
	check_at(&memory, "end of the hole", MAP_VGA_END - 1, 1, false);
	check_at(&memory, "after the hole", MAP_VGA_END, size - MAP_VGA_END, true);
	check_at(&memory, "one too many", MAP_VGA_END, size - MAP_VGA_END + 1, false);
	check_at(&memory, "last byte", size - 1, 1, true);
	check_at(&memory, "past the end", size, 1, false);
	check_at(&memory, "wrapping length", 0x100000, UINT64_MAX, false);
	check_at(&memory, "highest address", UINT64_MAX, 1, false);
	check_at(&memory, "wrapping end", UINT64_MAX - 3, 8, false);
	check_at(&memory, "above 4 GB", MAP_GAP_END, 1, false);
	memory_destroy(&memory);
	memory_destroy(&memory);
}

static void test_large(void)
{
	struct memory memory;
	u64 high = 1ULL << 30;

	ASSERT_EQ(memory_create(&memory, MAP_GAP_START + high), 0);
	ASSERT_EQ(memory.low_end, MAP_GAP_START);
	check_at(&memory, "below the gap", MAP_GAP_START - 1, 1, true);
	check_at(&memory, "into the gap", MAP_GAP_START - 1, 2, false);
	check_at(&memory, "local APIC", MAP_LAPIC, 4, false);
	check_at(&memory, "end of the gap", MAP_GAP_END - 1, 1, false);
	check_at(&memory, "across the gap", MAP_GAP_START - 1, 0x40000002, false);
	check_at(&memory, "above the gap", MAP_GAP_END, high, true);
	check_at(&memory, "past the end", MAP_GAP_END + high, 1, false);
	for (unsigned int i = 0; i < memory.count; i++) {
		u64 host = (uintptr_t)memory.regions[i].host;

		CHECK_EQ("congruent modulo 1 GB", memory.regions[i].base & 0x3fffffff,
			 host & 0x3fffffff);
	}
	memory_destroy(&memory);
}

static void test_distinct(void)
{
	struct memory memory;

	ASSERT_EQ(memory_create(&memory, MAP_GAP_START + (1 << 20)), 0);
	u8 *low = memory_at(&memory, MAP_GAP_START - 1, 1);
	u8 *high = memory_at(&memory, MAP_GAP_END, 1);

	ASSERT(low && high, "both ends exist");
	*low = 1;
	*high = 2;
	ASSERT_EQ(*low, 1);
	memory_destroy(&memory);
}

static void test_impossible(void)
{
	struct memory memory;

	CHECK_RET("all of it", -ENOMEM, memory_create(&memory, UINT64_MAX & ~4095ULL));
	memory_destroy(&memory);
}

static const struct test_case cases[] = {
	{ "small", test_small },
	{ "large", test_large },
	{ "distinct", test_distinct },
	{ "impossible", test_impossible },
};

TEST_MAIN(cases)
