// SPDX-License-Identifier: GPL-2.0-only
/* Guest memory: which addresses are memory, and that no pointer covers too little. */
#include <sys/mman.h>

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

	ASSERT_EQ(memory_create(&memory, size, 0), 0);
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

	ASSERT_EQ(memory_create(&memory, MAP_GAP_START + high, 0), 0);
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

/* What can be plugged: behind all, at the same place within 2 MB, and no part of it plugged. */
static void test_pluggable(void)
{
	static const struct {
		const char *name;
		u64 size, base;
	} rows[] = {
		{ "below 4 GB", 64 << 20, 4ULL << 30 },
		{ "off by a page", (64 << 20) + 4096, 4ULL << 30 },
		{ "up to the gap", MAP_GAP_START, 4ULL << 30 },
		{ "a page beyond", MAP_GAP_START + 4096, 5ULL << 30 },
		{ "a gigabyte beyond", 4ULL << 30, 5ULL << 30 },
	};
	const u64 more = 6 << 20;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct memory memory;

		ASSERT_EQ(memory_create(&memory, rows[i].size, more), 0);
		CHECK_EQ(rows[i].name, rows[i].base + more, memory_end(&memory));
		check_at(&memory, "all of it", rows[i].base, more, true);
		check_at(&memory, "across its begin", rows[i].base - 1, 2, false);
		check_at(&memory, "past it", rows[i].base + more, 1, false);
		u8 *host = memory_at(&memory, rows[i].base, more);

		CHECK_EQ("2 MB", 0, (uintptr_t)host % MEMORY_BLOCK);
		CHECK_EQ("in the mapping", 1, host + more <= (u8 *)memory.mapping + memory.mapping_size);
		CHECK_EQ("behind the rest", 1, host >= memory.regions[0].host + rows[i].size);
		CHECK_EQ("and back", rows[i].base + 4097, memory_address(&memory, host + 4097));
		CHECK_EQ("from the start", 1, memory_is_plugged(&memory, 0) && memory_is_plugged(&memory, rows[i].size - 1));
		memory_plug(&memory, 1, true);
		CHECK_EQ("first", 0, memory_is_plugged(&memory, rows[i].base + MEMORY_BLOCK - 1));
		CHECK_EQ("second", 1, memory_is_plugged(&memory, rows[i].base + MEMORY_BLOCK));
		CHECK_EQ("third", 0, memory_is_plugged(&memory, rows[i].base + 2 * MEMORY_BLOCK));
		memory_plug(&memory, 1, false);
		CHECK_EQ("second, no more", 0, memory_is_plugged(&memory, rows[i].base + MEMORY_BLOCK));
		host[more - 1] = 1;
		memory_destroy(&memory);
	}
	struct memory memory;

	CHECK_RET("more than there are addresses", -ENOMEM, memory_create(&memory, 64 << 20, ~0ULL << 21));
}

static void test_distinct(void)
{
	struct memory memory;

	ASSERT_EQ(memory_create(&memory, MAP_GAP_START + (1 << 20), 0), 0);
	u8 *low = memory_at(&memory, MAP_GAP_START - 1, 1);
	u8 *high = memory_at(&memory, MAP_GAP_END, 1);

	for (unsigned int i = 0; i < memory.count; i++) {
		const struct memory_region *region = &memory.regions[i];

		CHECK_EQ("back from the first", region->base, memory_address(&memory, region->host));
		CHECK_EQ("back from the last", region->base + region->size - 1,
			 memory_address(&memory, region->host + region->size - 1));
	}

	ASSERT(low && high, "both ends exist");
	*low = 1;
	*high = 2;
	ASSERT_EQ(*low, 1);
	memory_destroy(&memory);
}

static void test_impossible(void)
{
	struct memory memory;

	CHECK_RET("all of it", -ENOMEM, memory_create(&memory, UINT64_MAX & ~4095ULL, 0));
	memory_destroy(&memory);
}

/* Pages of [@gpa, @gpa + @len) that take memory now. */
static u64 resident(const struct memory *memory, u64 gpa, u64 len)
{
	static u8 map[4096];
	u64 count = 0;

	ASSERT_LE(len / 4096, sizeof(map));
	ASSERT_EQ(mincore(memory_at(memory, gpa, len), len, map), 0);
	for (u64 i = 0; i < len / 4096; i++)
		count += map[i] & 1;
	return count;
}

static void test_give_back(void)
{
	static const struct {
		const char *name;
		u64 gpa, len;
		int want;
	} rows[] = {
		{ "a page", 0x800000, 4096, 0 },
		{ "the first", 0, 4096, 0 },
		{ "the last", (16 << 20) - 4096, 4096, 0 },
		{ "before the tables", MAP_ACPI - 4096, 4096, 0 },
		{ "behind the tables", MAP_ACPI + MAP_ACPI_MAX, 4096, 0 },
		{ "the tables' first page", MAP_ACPI, 4096, -ERANGE },
		{ "the tables' last page", MAP_ACPI + MAP_ACPI_MAX - 4096, 4096, -ERANGE },
		{ "across the tables", MAP_VGA_END, 1 << 20, -ERANGE },
		{ "nothing", 0x800000, 0, -ERANGE },
		{ "half a page", 0x800000, 2048, -ERANGE },
		{ "off by a byte", 0x800001, 4096, -ERANGE },
		{ "a byte too many", 0x800000, 4097, -ERANGE },
		{ "the hole", MAP_VGA_START, 4096, -ERANGE },
		{ "into the hole", MAP_VGA_START - 4096, 8192, -ERANGE },
		{ "one past the end", 16 << 20, 4096, -ERANGE },
		{ "across the end", (16 << 20) - 4096, 8192, -ERANGE },
		{ "the local APIC", MAP_LAPIC, 4096, -ERANGE },
		{ "a length that wraps", 0x800000, 0ULL - 4096, -ERANGE },
		{ "the highest page", 0ULL - 4096, 4096, -ERANGE },
	};

	for (u32 shared = 0; shared <= MEMORY_SHARED; shared += MEMORY_SHARED) {
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			struct memory memory;
			u64 count = 0;

			ASSERT_EQ(memory_create(&memory, 16 << 20, 0), 0);
			/* Small pages, to be counted. */
			ASSERT_EQ(memory_back(&memory, shared ? shared : MEMORY_MERGE), 0);
			for (u32 r = 0; r < memory.count; r++)
				memset(memory.regions[r].host, 0x77, memory.regions[r].size);
			CHECK_RET(rows[i].name, rows[i].want, memory_give_back(&memory, rows[i].gpa, rows[i].len));
			for (u32 r = 0; r < memory.count; r++)
				count += memory.regions[r].size / 4096 - resident(&memory, memory.regions[r].base, memory.regions[r].size);
			CHECK_EQ(rows[i].name, rows[i].want ? 0 : 1, count);
			if (!rows[i].want)
				CHECK_EQ("what is read there", 0, *(u64 *)memory_at(&memory, rows[i].gpa + 8, 8));
			memory_destroy(&memory);
		}
	}
}

/* Does /proc/self/smaps have @flag for the mapping at @at? */
static bool has_flag(const void *at, const char *flag)
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	unsigned long from, to;
	bool is_here = false, has = false;
	char line[512];

	while (maps && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			is_here = (unsigned long)at >= from && (unsigned long)at < to;
		else if (is_here && !strncmp(line, "VmFlags:", 8))
			has = strstr(line, flag);
	}
	if (maps)
		fclose(maps);
	return has;
}

static void test_backing(void)
{
	static const struct {
		const char *name;
		u32 backing;
		const char *flag;	/* of smaps */
	} rows[] = {
		{ "thp", MEMORY_THP, " hg " },
		{ "shared", MEMORY_SHARED, " sh " },
		{ "thp, shared", MEMORY_THP | MEMORY_SHARED, " hg " },
		{ "merge", MEMORY_MERGE, " mg " },
		{ "merge", MEMORY_MERGE, " nh " },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct memory memory;

		ASSERT_EQ(memory_create(&memory, 16 << 20, 0), 0);
		CHECK_RET(rows[i].name, 0, memory_back(&memory, rows[i].backing));
		CHECK_EQ(rows[i].flag, 1, has_flag(memory_at(&memory, 0x800000, 1), rows[i].flag));
		CHECK_EQ("left out of core dumps", 1, has_flag(memory_at(&memory, 0x800000, 1), " dd "));
		CHECK_EQ("shared", !!(rows[i].backing & MEMORY_SHARED), memory.is_shared);
		*(u8 *)memory_at(&memory, 0x800000, 1) = 1;
		memory_destroy(&memory);
	}
}

/* Where none are set aside, that is an error, and nothing is left behind that a guest could trip over. */
static void test_huge(void)
{
	for (u32 shared = 0; shared <= MEMORY_SHARED; shared += MEMORY_SHARED) {
		struct memory memory;
		int ret;

		ASSERT_EQ(memory_create(&memory, (16 << 20) + 4096, 0), 0);
		CHECK_RET("half a huge page", -EINVAL, memory_back(&memory, MEMORY_HUGETLB | shared));
		memory_destroy(&memory);
		ASSERT_EQ(memory_create(&memory, 16 << 20, 0), 0);
		ret = memory_back(&memory, MEMORY_HUGETLB | shared);
		if (ret) {
			CHECK_RET("none set aside", -ENOMEM, ret);
		} else {
			CHECK_EQ("the mapping begins with memory", (uintptr_t)memory.mapping, (uintptr_t)memory.regions[0].host);
			memset(memory_at(&memory, 0x100000, 15 << 20), 0x77, 15 << 20);
			CHECK_EQ("a huge page", 1, has_flag(memory.mapping, " ht "));
		}
		memory_destroy(&memory);
	}
}

/* What a device writes is noted, page by page, whatever part of a page it is. */
static void test_note_pages(void)
{
	static const struct { const char *name; u64 at, len; u32 first, count; } rows[] = {
		{ "no bytes", 0x3000, 0, 0, 0 }, { "a byte", 0x3fff, 1, 3, 1 }, { "two, of two pages", 0x3fff, 2, 3, 2 },
		{ "the last page of a word", 63 * 4096, 4096, 63, 1 }, { "and one behind it", 63 * 4096, 4097, 63, 2 },
		{ "a word", 64 * 4096, 64 * 4096, 64, 64 }, { "three", 40 * 4096 + 5, 100 * 4096, 40, 101 },
	};
	struct memory memory;
	u64 written[8];

	ASSERT_EQ(memory_create(&memory, 16 << 20, 0), 0);
	memory_note(&memory, memory_at(&memory, 0x3000, 1), 1);	/* nobody asks */
	for (u32 r = 0; r < ARRAY_SIZE(rows); r++) {
		u32 wrong = 0;

		memset(written, 0, sizeof(written));
		memory.written = written;
		memory_note(&memory, memory_at(&memory, rows[r].at, 1), rows[r].len);
		for (u32 i = 0; i < 512; i++)
			wrong += (written[i / 64] >> i % 64 & 1) != (i >= rows[r].first && i < rows[r].first + rows[r].count);
		CHECK_EQ(rows[r].name, 0, wrong);
	}
	memory.written = NULL;
	memory_destroy(&memory);
}

static const struct test_case cases[] = {
	{ "pluggable", test_pluggable },
	{ "small", test_small },
	{ "large", test_large },
	{ "distinct", test_distinct },
	{ "impossible", test_impossible },
	{ "give_back", test_give_back },
	{ "backing", test_backing },
	{ "huge", test_huge },
	{ "note_pages", test_note_pages },
};

TEST_MAIN(cases)
