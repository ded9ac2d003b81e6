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

static void test_size(void)
{
	static const struct {
		const char *value;
		int want;
		u64 memory, pluggable;
	} rows[] = {
		{ "512M", 0, 512 << 20, 0 },
		{ "512M,max=4G", 0, 512 << 20, 0xe0000000 },
		{ "16M,max=18M", 0, 16 << 20, 2 << 20 },
		{ "17M,max=1T", STATUS_USAGE },
		{ "16M,max=1T", 0, 16 << 20, (1ULL << 40) - (16 << 20) },
		{ "16M,max=1025G", STATUS_USAGE },
		{ "16M,max=17M", STATUS_USAGE },
		{ "16M,max=16M", STATUS_USAGE },
		{ "16M,max=8M", STATUS_USAGE },
		{ "16M,max=", STATUS_USAGE },
		{ "16M,max", STATUS_USAGE },
		{ "16M,", STATUS_USAGE },
		{ "16M,min=32M", STATUS_USAGE },
		{ "16M,max=32M,", STATUS_USAGE },
		{ "16M,max=32M,max=64M", STATUS_USAGE },
		{ ",max=32M", STATUS_USAGE },
		{ "max=32M", STATUS_USAGE },
		{ "", STATUS_USAGE },
		{ "15M", STATUS_USAGE },
		{ "512", STATUS_USAGE },
		{ "0000000000000000000000000000000000000016M", STATUS_USAGE },
		{ "2T", STATUS_USAGE },
		{ "16385K", STATUS_USAGE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct options options = { .pluggable = 4711 };

		CHECK_EQ(rows[i].value, rows[i].want, memory_options_size(&options, rows[i].value));
		if (!rows[i].want) {
			CHECK_EQ(rows[i].value, rows[i].memory, options.memory);
			CHECK_EQ(rows[i].value, rows[i].pluggable, options.pluggable);
		}
	}
}

static void test_asked(void)
{
	static const struct {
		const char *name;
		u64 size;
		const char *wrong;
		u64 wanted;
	} rows[] = {
		{ "from the start", 64 << 20, NULL, 0 },
		{ "more", 66 << 20, NULL, 2 << 20 },
		{ "all", 128 << 20, NULL, 64 << 20 },
		{ "beyond", 130 << 20, "--memory SIZE,max=SIZE" },
		{ "the most", ~0ULL, "--memory SIZE,max=SIZE" },
		{ "half a block", 65 << 20, "multiple of 2M" },
		{ "less", 62 << 20, "balloon" },
		{ "nothing", 0, "balloon" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 wanted = 0;
		const char *wrong = memory_options_check_size(64 << 20, 64 << 20, rows[i].size, &wanted);

		CHECK_EQ(rows[i].name, !rows[i].wrong, !wrong);
		CHECK_EQ("why", 1, !wrong || strstr(wrong, rows[i].wrong));
		CHECK_EQ("wanted", rows[i].wanted, wanted);
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
		{ "plugged", { .memory = 256 << 20, .pluggable = 2 << 20 } },
		{ "plugged, to be merged", { .memory = 256 << 20, .pluggable = 2 << 20, .memory_backing = MEMORY_MERGE } },
		{ "plugged, with a share", { .memory = 256 << 20, .pluggable = 2 << 20, .share_count = 1 } },
		{ "plugged, with an assigned device",
		  { .memory = 256 << 20, .pluggable = 2 << 20, .vfio = { "0000:00:02.0" }, .vfio_count = 1 }, STATUS_USAGE },
		{ "plugged, huge", { .memory = 256 << 20, .pluggable = 2 << 20, .memory_backing = MEMORY_HUGETLB }, STATUS_USAGE },
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

		ASSERT_EQ(memory_create(&memory, rows[i].options.memory, 0), 0);
		CHECK_EQ(rows[i].name, 0, memory_options_apply(&memory, &rows[i].options));
		CHECK_EQ("shared", rows[i].is_shared, memory.is_shared);
		memory_destroy(&memory);
	}
}

static const struct test_case cases[] = {
	{ "size", test_size },
	{ "asked for", test_asked },
	{ "backing", test_backing },
	{ "together", test_together },
	{ "applied", test_applied },
};

TEST_MAIN(cases)
