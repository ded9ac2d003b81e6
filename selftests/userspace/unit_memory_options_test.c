// SPDX-License-Identifier: GPL-2.0-only
/* What can stand behind --memory-backing, what goes with what, and what is wrong with the rest. */
#include "test.h"
#include "userspace/memory.h"
#include "userspace/memory_options.h"
#include "userspace/options.h"
#include "userspace/status.h"

static void test_backing(void)
{
	static const struct {
		const char *value;
		int want;
		u32 backing;
	} rows[] = {
		{ "thp", 0, MEMORY_THP },
		{ "hugetlb", 0, MEMORY_HUGETLB },
		{ "merge", 0, MEMORY_MERGE },
		{ "shared", 0, MEMORY_SHARED },
		{ "thp,shared", 0, MEMORY_THP | MEMORY_SHARED },
		{ "shared,thp", 0, MEMORY_THP | MEMORY_SHARED },
		{ "shared,hugetlb", 0, MEMORY_HUGETLB | MEMORY_SHARED },
		{ "", STATUS_USAGE },
		{ ",", STATUS_USAGE },
		{ "thp,", STATUS_USAGE },
		{ ",thp", STATUS_USAGE },
		{ "THP", STATUS_USAGE },
		{ "thpx", STATUS_USAGE },
		{ "th", STATUS_USAGE },
		{ "thp,thp", STATUS_USAGE },
		{ "shared,thp,shared", STATUS_USAGE },
		{ "thp,hugetlb", STATUS_USAGE },
		{ "merge,thp", STATUS_USAGE },
		{ "merge,hugetlb", STATUS_USAGE },
		{ "merge,shared", STATUS_USAGE },
		{ "shared,merge", STATUS_USAGE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned int backing = 0;

		CHECK_EQ(rows[i].value, rows[i].want, memory_options_backing(&backing, rows[i].value));
		if (!rows[i].want)
			CHECK_EQ(rows[i].value, rows[i].backing, backing);
	}
}

static void test_together(void)
{
	static const struct {
		const char *name;
		struct options options;
		int want;
	} rows[] = {
		{ "nothing", { .memory = 256 << 20 } },
		{ "huge pages", { .memory = 256 << 20, .memory_backing = MEMORY_HUGETLB } },
		{ "half a huge page", { .memory = 257 << 20, .memory_backing = MEMORY_HUGETLB }, STATUS_USAGE },
		{ "half a huge page, of small ones", { .memory = 257 << 20, .memory_backing = MEMORY_MERGE } },
		{ "merged, with an assigned device",
		  { .memory = 256 << 20, .memory_backing = MEMORY_MERGE, .vfio = { "0000:00:02.0" }, .vfio_count = 1 }, STATUS_USAGE },
		{ "huge, with an assigned device",
		  { .memory = 256 << 20, .memory_backing = MEMORY_HUGETLB, .vfio = { "0000:00:02.0" }, .vfio_count = 1 } },
		{ "merged, with passt",
		  { .memory = 256 << 20, .memory_backing = MEMORY_MERGE, .nets = { { .kind = NET_USER } }, .net_count = 1 } },
		{ "merged, with vhost-user", { .memory = 256 << 20, .memory_backing = MEMORY_MERGE,
		  .nets = { { .kind = NET_USER }, { .kind = NET_VHOST_USER } }, .net_count = 2 }, STATUS_USAGE },
		{ "merged, with a share", { .memory = 256 << 20, .memory_backing = MEMORY_MERGE, .share_count = 1 }, STATUS_USAGE },
		{ "huge, with a share", { .memory = 256 << 20, .memory_backing = MEMORY_HUGETLB, .share_count = 1 } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_EQ(rows[i].name, rows[i].want, memory_options_check(&rows[i].options));
}

static void test_applied(void)
{
	static const struct {
		const char *name;
		struct options options;
		bool is_shared;
	} rows[] = {
		{ "nothing", { .memory = 16 << 20 } },
		{ "shared", { .memory = 16 << 20, .memory_backing = MEMORY_SHARED }, true },
		{ "merge", { .memory = 16 << 20, .memory_backing = MEMORY_MERGE } },
		{ "vhost-user", { .memory = 16 << 20, .nets = { { .kind = NET_VHOST_USER } }, .net_count = 1 }, true },
		{ "a share", { .memory = 16 << 20, .share_count = 1 }, true },
		{ "a share, huge where it can be", { .memory = 16 << 20, .memory_backing = MEMORY_THP, .share_count = 1 }, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct memory memory;

		ASSERT_EQ(memory_create(&memory, rows[i].options.memory), 0);
		CHECK_EQ(rows[i].name, 0, memory_options_apply(&memory, &rows[i].options));
		CHECK_EQ("shared", rows[i].is_shared, memory.is_shared);
		memory_destroy(&memory);
	}
}

static const struct test_case cases[] = {
	{ "backing", test_backing },
	{ "together", test_together },
	{ "applied", test_applied },
};

TEST_MAIN(cases)
