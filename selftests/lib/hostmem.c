// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's free memory, exact enough to see a leak of a page per VM: caches are
 * shrunk and grace periods waited for first, counters folded.
 */
#include <glob.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "hostmem.h"
#include "vm.h"

static void put_word(const char *path, const char *word)
{
	FILE *f = fopen(path, "w");

	if (f) {
		fputs(word, f);
		fclose(f);
	}
}

/* Give back what caches hold free (the huge zero page is one), and what waits for a grace period. */
static void settle(void)
{
	glob_t g;
	size_t i;

	/* khugepaged would make the small pages of this process and its VMs huge, one after the other: 2 MB that nobody has lost */
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	usleep(300000);
	put_word("/proc/sys/vm/drop_caches", "2");
	if (glob("/sys/kernel/slab/*/shrink", 0, NULL, &g))
		return;
	for (i = 0; i < g.gl_pathc; i++)
		put_word(g.gl_pathv[i], "1");
	globfree(&g);
	usleep(300000);
}

/* Free memory, the per-CPU lists of free pages counted too. */
u64 host_free_memory(void)
{
	char line[128];
	u64 pages = 0, v;
	FILE *f;

	settle();
	put_word("/proc/sys/vm/stat_refresh", "1");
	f = fopen("/proc/zoneinfo", "r");
	ASSERT(f, "/proc/zoneinfo: %s", strerror(errno));
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, " nr_free_pages %lu", &v) == 1 || sscanf(line, " count: %lu", &v) == 1)
			pages += v;
	fclose(f);
	return pages * PAGE_SIZE;
}

u64 host_anonymous_memory(void)
{
	char line[128];
	u64 pages = 0;
	FILE *f;

	f = fopen("/proc/vmstat", "r");
	ASSERT(f, "/proc/vmstat: %s", strerror(errno));
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "nr_anon_pages %lu", &pages) == 1)
			break;
	fclose(f);
	ASSERT(pages, "/proc/vmstat has no nr_anon_pages");
	return pages * PAGE_SIZE;
}

u64 host_available_memory(void)
{
	unsigned long long kb = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "r");

	ASSERT(f, "/proc/meminfo: %s", strerror(errno));
	while (!kb && fgets(line, sizeof(line), f))
		sscanf(line, "MemAvailable: %llu", &kb);
	fclose(f);
	return kb << 10;
}
