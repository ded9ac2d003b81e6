// SPDX-License-Identifier: GPL-2.0-only
/* CPUID's topology leaves agree with each other for every machine shape. */
#include <linux/kvm.h>

#include "test.h"
#include "userspace/cpuid.h"

#define ENTRIES	12

static struct {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entries[ENTRIES];
} space;

static struct kvm_cpuid2 *table = &space.head;

/* Host-like values, all of them wrong for the guest. */
static void set_up(void)
{
	static const struct kvm_cpuid_entry2 host[ENTRIES] = {
		{ .function = 0, .eax = 0x1f },
		{ .function = 1, .ebx = 0xabcd1234, .ecx = 1, .edx = 1u << 12 | 1u << 28 },
		{ .function = 4, .index = 0, .eax = 0xfc004121 },
		{ .function = 4, .index = 3, .eax = 0xfc1fc163 },
		{ .function = 4, .index = 4, .eax = 0 },
		{ .function = 0xb, .index = 0, .eax = 1, .ebx = 2, .ecx = 0x100, .edx = 99 },
		{ .function = 0xb, .index = 1, .eax = 7, .ebx = 64, .ecx = 0x201, .edx = 99 },
		{ .function = 0xb, .index = 2, .eax = 7, .ebx = 64, .ecx = 2, .edx = 99 },
		{ .function = 0x80000008, .eax = 0x3030, .ecx = 0x703f },
		{ .function = 0x8000001d, .index = 0, .eax = 0x4121 },
		{ .function = 0x8000001d, .index = 3, .eax = 0x1c163 },
		{ .function = 0x8000001e, .eax = 99, .ebx = 0x163, .ecx = 0x703 },
	};

	memset(&space, 0, sizeof(space));
	space.head.nent = ENTRIES;
	memcpy(space.entries, host, sizeof(host));
}

static struct kvm_cpuid_entry2 *leaf(u32 function, u32 index)
{
	for (u32 i = 0; i < ENTRIES; i++)
		if (space.entries[i].function == function && space.entries[i].index == index)
			return &space.entries[i];
	FAIL("no leaf %x.%u", function, index);
}

static void check_shape(u32 index, u32 count)
{
	u32 bits = 0;

	while (1u << bits < count)
		bits++;
	set_up();
	cpuid_set_topology(table, index, count);
	CHECK_EQ("initial APIC identifier", index, leaf(1, 0)->ebx >> 24);
	CHECK_EQ("rest of leaf 1 EBX", 0x1234, leaf(1, 0)->ebx & 0xffff);
	CHECK_EQ("logical processors", bits < 8 ? 1u << bits : 255, leaf(1, 0)->ebx >> 16 & 0xff);
	CHECK_EQ("HTT", count > 1, leaf(1, 0)->edx >> 28 & 1);
	CHECK_EQ("hypervisor", 1, leaf(1, 0)->ecx >> 31);
	CHECK_EQ("first-level cache not shared", 0, leaf(4, 0)->eax >> 14 & 0xfff);
	CHECK_EQ("cores", (1u << bits) - 1, leaf(4, 0)->eax >> 26 & 0x3f);
	CHECK_EQ("last-level cache shared", (1u << bits) - 1, leaf(4, 3)->eax >> 14 & 0xfff);
	CHECK_EQ("cache type kept", 0x163, leaf(4, 3)->eax & 0x3fff);
	CHECK_EQ("end of the caches", 0, leaf(4, 4)->eax);
	CHECK_EQ("thread shift", 0, leaf(0xb, 0)->eax);
	CHECK_EQ("threads", 1, leaf(0xb, 0)->ebx);
	CHECK_EQ("thread level", 0x100, leaf(0xb, 0)->ecx);
	CHECK_EQ("core shift", bits, leaf(0xb, 1)->eax);
	CHECK_EQ("cores of the package", count, leaf(0xb, 1)->ebx);
	CHECK_EQ("core level", 0x201, leaf(0xb, 1)->ecx);
	CHECK_EQ("no third level", 2, leaf(0xb, 2)->ecx);
	CHECK_EQ("nothing in it", 0, leaf(0xb, 2)->ebx);
	for (u32 i = 0; i < 3; i++)
		CHECK_EQ("x2APIC identifier", index, leaf(0xb, i)->edx);
	CHECK_EQ("AMD cores", count - 1, leaf(0x80000008, 0)->ecx & 0xff);
	CHECK_EQ("AMD identifier bits", bits, leaf(0x80000008, 0)->ecx >> 12 & 0xf);
	CHECK_EQ("address sizes kept", 0x3030, leaf(0x80000008, 0)->eax);
	CHECK_EQ("AMD last-level cache", (1u << bits) - 1,
		 leaf(0x8000001d, 3)->eax >> 14 & 0xfff);
	CHECK_EQ("AMD extended identifier", index, leaf(0x8000001e, 0)->eax);
	CHECK_EQ("AMD core", index, leaf(0x8000001e, 0)->ebx);
	CHECK_EQ("AMD nodes", 0, leaf(0x8000001e, 0)->ecx);
}

static void test_one(void) { check_shape(0, 1); }
static void test_two(void) { check_shape(1, 2); }
static void test_three(void) { check_shape(2, 3); }
static void test_sixty_four(void) { check_shape(63, 64); }

static void test_features(void)
{
	set_up();
	ASSERT(cpuid_has_mtrr(table), "MTRR announced");
	leaf(1, 0)->edx = 0;
	ASSERT(!cpuid_has_mtrr(table), "MTRR not announced");
	cpuid_set_deadline_timer(table);
	CHECK_EQ("deadline timer", 1, leaf(1, 0)->ecx >> 24 & 1);
	space.head.nent = 0;
	ASSERT(!cpuid_has_mtrr(table), "an empty table");
	cpuid_set_deadline_timer(table);
}

static const struct test_case cases[] = {
	{ "one", test_one },
	{ "two", test_two },
	{ "three", test_three },
	{ "sixty_four", test_sixty_four },
	{ "features", test_features },
};

TEST_MAIN(cases)
