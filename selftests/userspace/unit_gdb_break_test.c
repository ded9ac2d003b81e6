// SPDX-License-Identifier: GPL-2.0-only
/* The debugger's breakpoints over guest memory, its watchpoints in debug registers, and what of them others see. */
#include "test.h"
#include "userspace/gdb_break.h"
#include "userspace/memory.h"

#define GPA	0x100000ULL
#define LINEAR	0xffffffff80100000ULL

static struct memory memory;
static struct gdb_breaks breaks;
static uint8_t *host;

static void begin(void)
{
	memset(&breaks, 0, sizeof(breaks));
	if (!host) {
		ASSERT_EQ(memory_create(&memory, 16 << 20, 0), 0);
		host = memory_at(&memory, GPA, 4096);
	}
	for (unsigned int i = 0; i < 4096; i++)
		host[i] = (uint8_t)i;
}

static void test_soft(void)
{
	uint8_t bytes[4];

	begin();
	CHECK_RET("set", 0, gdb_soft_add(&breaks, &memory, LINEAR + 1, GPA + 1));
	CHECK_EQ("INT3 is there", 0xcc, host[1]);
	CHECK_RET("again", 0, gdb_soft_add(&breaks, &memory, LINEAR + 1, GPA + 1));
	CHECK_EQ("it is one", 1, breaks.soft_count);
	memcpy(bytes, host, 4);
	gdb_breaks_hide(&breaks, GPA, bytes, 4);
	CHECK_EQ("hidden", 0, memcmp(bytes, "\0\1\2\3", 4));
	CHECK_EQ("found", true, gdb_soft_find(&breaks, LINEAR + 1));
	CHECK_EQ("not beside it", false, gdb_soft_find(&breaks, LINEAR));
	CHECK_EQ("found by its place", true, gdb_soft_find_gpa(&breaks, GPA + 1));
	gdb_soft_remove(&breaks, &memory, LINEAR + 2);
	CHECK_EQ("another is none", 0xcc, host[1]);
	gdb_soft_remove(&breaks, &memory, LINEAR + 1);
	CHECK_EQ("gone", 1, host[1]);
	CHECK_EQ("none left", 0, breaks.soft_count);
	CHECK_RET("not in memory", -EFAULT, gdb_soft_add(&breaks, &memory, LINEAR, 0xfee00000));
}

/* Two linear addresses of one byte: the guest's byte comes back with the last of them, whichever that is. */
static void test_shared(void)
{
	for (int first = 0; first < 2; first++) {
		uint8_t byte = 0xcc;

		begin();
		gdb_soft_add(&breaks, &memory, LINEAR + 5, GPA + 5);
		gdb_soft_add(&breaks, &memory, GPA + 5, GPA + 5);
		gdb_breaks_hide(&breaks, GPA + 5, &byte, 1);
		CHECK_EQ("hidden", 5, byte);
		gdb_soft_remove(&breaks, &memory, first ? LINEAR + 5 : GPA + 5);
		CHECK_EQ("the other is there", 0xcc, host[5]);
		gdb_soft_remove(&breaks, &memory, first ? GPA + 5 : LINEAR + 5);
		CHECK_EQ("both are gone", 5, host[5]);
	}
}

static void test_overwritten(void)
{
	uint8_t byte = 0x90, bytes[3] = { 0x11, 0x22, 0x33 };

	begin();
	gdb_soft_add(&breaks, &memory, LINEAR, GPA);
	host[0] = 0x90;		/* the guest loads other code */
	gdb_breaks_hide(&breaks, GPA, &byte, 1);
	CHECK_EQ("its byte is shown", 0x90, byte);
	gdb_soft_remove(&breaks, &memory, LINEAR);
	CHECK_EQ("and stays", 0x90, host[0]);

	gdb_soft_add(&breaks, &memory, LINEAR + 1, GPA + 1);
	gdb_breaks_keep(&breaks, GPA, bytes, 3);
	memcpy(host, bytes, 3);
	CHECK_EQ("what the debugger writes keeps it", 0xcc, host[1]);
	CHECK_EQ("beside it", 0x33, host[2]);
	gdb_breaks_clear(&breaks, &memory);
	CHECK_EQ("what was written comes back", 0x22, host[1]);

	/* The guest's own INT3 is no breakpoint of ours. */
	host[7] = 0xcc;
	gdb_soft_add(&breaks, &memory, LINEAR + 7, GPA + 7);
	gdb_soft_remove(&breaks, &memory, LINEAR + 7);
	CHECK_EQ("the guest's own", 0xcc, host[7]);

	/* The same linear address elsewhere, as in another process. */
	gdb_soft_add(&breaks, &memory, 0x400000, GPA + 8);
	gdb_soft_add(&breaks, &memory, 0x400000, GPA + 9);
	CHECK_EQ("the old place", 8, host[8]);
	CHECK_EQ("the new place", 0xcc, host[9]);
	CHECK_EQ("it is one", 1, breaks.soft_count);
}

static void test_many(void)
{
	begin();
	for (unsigned int i = 0; i < GDB_SOFT_MAX; i++)
		ASSERT_EQ(gdb_soft_add(&breaks, &memory, LINEAR + i, GPA + i), 0);
	CHECK_RET("one too many", -ENOSPC, gdb_soft_add(&breaks, &memory, LINEAR + GDB_SOFT_MAX, GPA + GDB_SOFT_MAX));
	CHECK_EQ("and its byte", GDB_SOFT_MAX & 0xff, host[GDB_SOFT_MAX]);
	gdb_breaks_clear(&breaks, &memory);
	for (unsigned int i = 0; i < GDB_SOFT_MAX; i++)
		ASSERT_EQ(host[i], i & 0xff);
	CHECK_RET("room again", 0, gdb_soft_add(&breaks, &memory, LINEAR, GPA));
}

/* SDM, "Debug Control Register (DR7)": G0 is bit 1; R/W0 bits 17:16, LEN0 19:18. */
static void test_registers(void)
{
	static const struct {
		const char *name;
		enum gdb_break type;
		u64 address, size;
		int ret;
		u64 dr0, dr1, dr7;
	} rows[] = {
		{ "execution", GDB_BREAK_HARD, 0x1001, 1, 0, 0x1001, 0, 0x402 },
		{ "execution, another kind", GDB_BREAK_HARD, 0x1001, 4, 0, 0x1001, 0, 0x402 },
		{ "write 1", GDB_WATCH_WRITE, 0x1001, 1, 0, 0x1001, 0, 0x10402 },
		{ "write 2", GDB_WATCH_WRITE, 0x1002, 2, 0, 0x1002, 0, 0x50402 },
		{ "write 4", GDB_WATCH_WRITE, 0x1004, 4, 0, 0x1004, 0, 0xd0402 },
		{ "write 8", GDB_WATCH_WRITE, 0x1008, 8, 0, 0x1008, 0, 0x90402 },
		{ "read", GDB_WATCH_READ, 0x1008, 4, 0, 0x1008, 0, 0xf0402 },
		{ "access", GDB_WATCH_ACCESS, 0x1008, 1, 0, 0x1008, 0, 0x30402 },
		{ "4 at an odd address", GDB_WATCH_WRITE, 0x1001, 4, 0, 0x1001, 0x1002, 0 },
		{ "12", GDB_WATCH_WRITE, 0x1000, 12, 0, 0x1000, 0x1008, 0xd9040a },
		{ "32", GDB_WATCH_WRITE, 0x1000, 32, 0, 0x1000, 0x1008, 0x999904aa },
		{ "33", GDB_WATCH_WRITE, 0x1000, 33, -ENOSPC, 0, 0, 0x400 },
		{ "0", GDB_WATCH_WRITE, 0x1000, 0, -EINVAL, 0, 0, 0x400 },
		{ "around the end", GDB_WATCH_WRITE, UINT64_MAX, 2, -EINVAL, 0, 0, 0x400 },
		{ "the last byte", GDB_WATCH_WRITE, UINT64_MAX, 1, 0, UINT64_MAX, 0, 0x10402 },
		{ "all", GDB_WATCH_WRITE, 1, UINT64_MAX, -ENOSPC, 0, 0, 0x400 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t registers[8];

		begin();
		CHECK_RET(rows[i].name, rows[i].ret, gdb_hard_add(&breaks, rows[i].type, rows[i].address, rows[i].size));
		CHECK_EQ(rows[i].name, !rows[i].ret, gdb_hard_registers(&breaks, registers));
		CHECK_EQ(rows[i].name, rows[i].dr0, registers[0]);
		CHECK_EQ(rows[i].name, rows[i].dr1, registers[1]);
		if (rows[i].dr7)
			CHECK_EQ(rows[i].name, rows[i].dr7, registers[7]);
		gdb_hard_remove(&breaks, rows[i].type, rows[i].address, rows[i].size);
		CHECK_EQ(rows[i].name, false, gdb_hard_registers(&breaks, registers));
	}
}

static void test_full(void)
{
	begin();
	for (u64 i = 0; i < GDB_HARD_MAX; i++)
		CHECK_RET("four", 0, gdb_hard_add(&breaks, GDB_BREAK_HARD, i, 1));
	CHECK_RET("one of them again", 0, gdb_hard_add(&breaks, GDB_BREAK_HARD, 2, 1));
	CHECK_RET("a fifth", -ENOSPC, gdb_hard_add(&breaks, GDB_BREAK_HARD, 9, 1));
	CHECK_RET("another type there", -ENOSPC, gdb_hard_add(&breaks, GDB_WATCH_WRITE, 2, 1));
	gdb_hard_remove(&breaks, GDB_BREAK_HARD, 1, 1);
	CHECK_RET("in its place", 0, gdb_hard_add(&breaks, GDB_WATCH_ACCESS, 0x80, 8));
	CHECK_EQ("no hit", true, !gdb_hard_hit(&breaks, 0xffff0ff0));
	const struct gdb_hard *hard = gdb_hard_hit(&breaks, 0xffff0ff2);

	ASSERT(hard, "a hit");
	CHECK_EQ("of which", 0x80, hard->first);
	CHECK_EQ("type", GDB_WATCH_ACCESS, hard->type);
	gdb_breaks_clear(&breaks, &memory);
	CHECK_EQ("stale bits", true, !gdb_hard_hit(&breaks, 0xf));
}

static const struct test_case cases[] = {
	{ "soft", test_soft },
	{ "shared", test_shared },
	{ "overwritten", test_overwritten },
	{ "many", test_many },
	{ "registers", test_registers },
	{ "full", test_full },
};

TEST_MAIN(cases)
