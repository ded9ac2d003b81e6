// SPDX-License-Identifier: GPL-2.0-only
/*
 * The launcher's CPUID for every number of vCPUs.
 *
 * SDM, "CPUID - CPU Identification", leaf 1: EBX[23:16] is the most addressable identifiers of
 * logical processors in the package, valid if HTT is set, and 255 is the most that it holds; leaf
 * 4: EAX[31:26] likewise, 63. APM volume 3, "Obtaining Processor Information Via the CPUID
 * Instruction", leaf 0x80000008: ECX[7:0] is the number less one, ECX[15:12] the bits of an
 * identifier.
 */
#include <linux/kvm.h>

#include "test.h"
#include "userspace/cpuid.h"

static struct {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entries[8];
} space;

static void test_counts(void)
{
	u32 bad = 0;

	for (u32 count = 1; count <= 254; count++) {
		static const struct kvm_cpuid_entry2 host[] = {
			{ .function = 1, .ebx = 0x00040800, .edx = 1u << 28 },
			{ .function = 4, .index = 0, .eax = 0xfc004121 },
			{ .function = 0xb, .index = 0 }, { .function = 0xb, .index = 1 },
			{ .function = 0x80000008, .eax = 0x3030 },
			{ .function = 0x8000001e },
		};
		u32 index = count - 1, bits = 0, n, want = count;

		memset(&space, 0, sizeof(space));
		memcpy(space.entries, host, sizeof(host));
		space.head.nent = ARRAY_SIZE(host);
		cpuid_set_topology(&space.head, index, count);
		while (1u << bits < count)
			bits++;
		n = space.entries[0].ebx >> 16 & 0xff;
		ASSERT_EQ(space.entries[0].edx >> 28 & 1, count > 1);
		ASSERT_EQ(space.entries[1].eax >> 26,
			  (1u << bits) - 1 > 63 ? 63 : (1u << bits) - 1);
		ASSERT_EQ(space.entries[4].ecx >> 12 & 0xf, bits);
		if (n < want) {
			if (!bad++)
				test_note("%u vCPUs: leaf 1 EBX[23:16] is %u", count, n);
			continue;
		}
		ASSERT_EQ(space.entries[0].ebx >> 24, index);
		ASSERT_EQ(space.entries[2].edx, index);
		ASSERT_EQ(space.entries[3].ebx, count);
		ASSERT_EQ(space.entries[3].eax, bits);
		ASSERT_EQ(space.entries[4].ecx & 0xff, count - 1);
		ASSERT_EQ(space.entries[5].eax, index);
	}
	CHECK_EQ("numbers of vCPUs that leaf 1 tells too low", 0, bad);
}

static const struct test_case cases[] = {
	{ "counts", test_counts },
};

TEST_MAIN(cases)
