// SPDX-License-Identifier: GPL-2.0-only
/*
 * Free memory stays as it is: most of it is filled with a pattern, and looked at again when a device that still wrote to what its VM had would
 * have done so. For lab/tests/dma_kill.sh, which sets KEEL_POISON.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"

#define DELAY_US	300000	/* edu moves a block 0.1 s after it is told to */

static u64 available_bytes(void)
{
	unsigned long long kb = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "r");

	REQUIRE(f, "the kernel has no /proc/meminfo");
	while (!kb && fgets(line, sizeof(line), f))
		sscanf(line, "MemAvailable: %llu", &kb);
	fclose(f);
	return kb << 10;
}

static u64 pattern(u64 i)
{
	return (i + 1) * 0x9e3779b97f4a7c15ULL;
}

static void test_kept(void)
{
	u64 size, i, wrong = 0, *words;

	REQUIRE(getenv("KEEL_POISON"), "no KEEL_POISON");
	size = available_bytes() / 8 * 7;
	ASSERT_GE(size, 64 << 20);
	words = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT(words != MAP_FAILED, "no memory");
	for (i = 0; i < size / 8; i++)
		words[i] = pattern(i);
	usleep(DELAY_US);
	for (i = 0; i < size / 8; i++)
		wrong += words[i] != pattern(i);
	CHECK_EQ("words that changed", 0, wrong);
}

static const struct test_case cases[] = {
	{ "free_memory_stays", test_kept },
};

TEST_MAIN(cases)
