// SPDX-License-Identifier: GPL-2.0-only
/* The launcher's reader of statistics files: what it makes of each kind of counter, and what it refuses. */
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/kvm.h>

#include "test.h"
#include "userspace/stats.h"
#include "userspace/status.h"

#define NAME_SIZE	16
#define STRIDE		(sizeof(struct kvm_stats_desc) + NAME_SIZE)

struct counter {
	const char *name;
	u32 flags;
	int exponent;
	u32 size;
	u32 offset;
};

#define POW10	KVM_STATS_BASE_POW10
#define POW2	KVM_STATS_BASE_POW2

static const struct counter good[] = {
	{ "plain", POW10, 0, 1, 0 },
	{ "zero", POW10, 0, 1, 8 },
	{ "wait", KVM_STATS_UNIT_SECONDS | POW10, -9, 1, 16 },
	{ "long", KVM_STATS_UNIT_SECONDS | POW10, 1, 1, 24 },
	{ "room", KVM_STATS_UNIT_BYTES | POW2, 10, 1, 32 },
	{ "ticks", KVM_STATS_UNIT_CYCLES | POW10, 0, 1, 40 },
	{ "hist", KVM_STATS_TYPE_LOG_HIST | POW10, 0, 4, 48 },
};

static const u64 values[] = { 18446744073709551615ull, 0, 5, 6, 7, 8, 1, 0, 3, 0 };

/* A statistics file as the API describes it, values in front of the descriptors. */
static int make_file(const struct counter *counters, u32 count)
{
	struct kvm_stats_header header = {
		.name_size = NAME_SIZE,
		.num_desc = count,
		.id_offset = sizeof(header),
		.data_offset = 64,
		.desc_offset = 64 + sizeof(values),
	};
	int fd = memfd_create("stats", MFD_CLOEXEC);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(pwrite(fd, &header, sizeof(header), 0), (int)sizeof(header));
	ASSERT_EQ(pwrite(fd, values, sizeof(values), 64), (int)sizeof(values));
	for (u32 i = 0; i < count; i++) {
		union {
			struct kvm_stats_desc head;
			u8 bytes[STRIDE];
		} d = { .head = { counters[i].flags, counters[i].exponent, counters[i].size,
				  counters[i].offset } };

		strncpy((char *)d.bytes + offsetof(struct kvm_stats_desc, name), counters[i].name, NAME_SIZE);
		ASSERT_EQ(pwrite(fd, d.bytes, STRIDE, header.desc_offset + i * STRIDE), (int)STRIDE);
	}
	return fd;
}

static void same(const char *what, const char *wanted, char *got)
{
	test_note("%s", what);
	ASSERT(got && !strcmp(wanted, got), "wanted\n%s\ngot\n%s", wanted, got);
	free(got);
}

#define LINES(head)						\
	"keel: statistics of " head ":\r\n"			\
	"  plain                            18446744073709551615\r\n"	\
	"  wait                             5 ns\r\n"		\
	"  long                             6 * 10^1 s\r\n"	\
	"  room                             7 * 2^10 bytes\r\n"	\
	"  ticks                            8 cycles\r\n"	\
	"  hist                             1 0 3\r\n"
#define OBJECT								\
	"{\"plain\": 18446744073709551615, \"zero\": 0, \"wait\": 5, "	\
	"\"long\": 6, \"room\": 7, \"ticks\": 8, \"hist\": [1, 0, 3, 0]}"

static void test_counters(void)
{
	struct stats stats = { 0 };

	ASSERT(!stats_json(&stats, NULL), "statistics out of nothing");
	same("a balloon alone", "{\"balloon\": {}}", stats_json(&stats, "{}"));
	same("nothing", "", stats_text(&stats, "\n"));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(stats_add(&stats, make_file(good, ARRAY_SIZE(good))), 0);
	same("text", LINES("the virtual machine") LINES("vCPU 0") LINES("vCPU 1"), stats_text(&stats, "\r\n"));
	same("JSON", "{\"vm\": " OBJECT ", \"vcpus\": [" OBJECT ", " OBJECT "]}", stats_json(&stats, NULL));
	stats_close(&stats);
	ASSERT(!stats.count && !stats.files, "closed");
}

/* A machine without vCPUs, and objects without counters. */
static void test_empty(void)
{
	struct stats stats = { 0 };

	ASSERT_EQ(stats_add(&stats, make_file(good, 0)), 0);
	same("JSON", "{\"vm\": {}, \"vcpus\": []}", stats_json(&stats, NULL));
	same("with a balloon", "{\"vm\": {}, \"vcpus\": [], \"balloon\": {\"target\": 1}}", stats_json(&stats, "{\"target\": 1}"));
	stats_close(&stats);
}

static void test_refusals(void)
{
	static const struct {
		const char *what;
		struct counter counter;
	} rows[] = {
		{ "a name without end", { "0123456789abcdef", POW10, 0, 1, 0 } },
		{ "no name", { "", POW10, 0, 1, 0 } },
		{ "a quote in the name", { "a\"b", POW10, 0, 1, 0 } },
		{ "a line's end in the name", { "a\nb", POW10, 0, 1, 0 } },
		{ "a value far away", { "far", POW10, 0, 1, 0xfffffff8 } },
		{ "a value between others", { "odd", POW10, 0, 1, 4 } },
		{ "more values than there can be", { "big", POW10, 0, 65535, 0 } },
	};
	struct kvm_stats_header header = { .name_size = NAME_SIZE, .num_desc = 0x10000000 };
	struct stats stats = { 0 };
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_EQ(rows[i].what, STATUS_HOST, stats_add(&stats, make_file(&rows[i].counter, 1)));
	fd = make_file(good, 1);
	ASSERT_EQ(pwrite(fd, &header, sizeof(header), 0), (int)sizeof(header));
	CHECK_EQ("more counters than there can be", STATUS_HOST, stats_add(&stats, fd));
	CHECK_EQ("an empty file", STATUS_HOST, stats_add(&stats, memfd_create("empty", MFD_CLOEXEC)));
	ASSERT_EQ(stats.count, 0);
	stats_close(&stats);
}

static const struct test_case cases[] = {
	{ "counters", test_counters },
	{ "empty", test_empty },
	{ "refusals", test_refusals },
};

TEST_MAIN(cases)
