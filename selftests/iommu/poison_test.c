// SPDX-License-Identifier: GPL-2.0-only
/*
 * Free memory stays as it is: most of it is filled with a pattern, and looked at again when a device that still wrote to what its VM had would
 * have done so. For lab/tests/dma_kill.sh, which sets KEEL_POISON.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "hostmem.h"
#include "pattern.h"

#define DELAY_US	300000	/* edu moves a block 0.1 s after it is told to */

static void test_kept(void)
{
	u64 size, *words;

	REQUIRE(getenv("KEEL_POISON"), "no KEEL_POISON");
	size = host_available_memory() / 8 * 7;
	ASSERT_GE(size, 64 << 20);
	words = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT(words != MAP_FAILED, "no memory");
	pattern_fill(words, size / 8);
	usleep(DELAY_US);
	CHECK_EQ("words that changed", 0, pattern_changed(words, size / 8));
}

static const struct test_case cases[] = {
	{ "free_memory_stays", test_kept },
};

TEST_MAIN(cases)
