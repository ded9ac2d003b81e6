/* SPDX-License-Identifier: GPL-2.0-only */
/* Shadow paging shows a guest what its own tables say, and no more of the host than its slots. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "shadow_world.h"

/* Within so many random guests every bug is noticed. */
#define BUG_EPISODES	60

/* What is lost after a failure is no leak of the engine's: world_end() counts. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

static u64 env(const char *name, u64 or)
{
	const char *s = getenv(name);

	return s ? strtoull(s, NULL, 0) : or;
}

static u64 seed_now;
static unsigned int ops_now;

static void episode(void)
{
	fuzz_episode(seed_now, ops_now);
}

static void print_tally(void)
{
	static const char *const names[] = { "done", "guest's fault", "device", "read-only", "emulated", "error" };
	unsigned int i;

	test_note("%-14s %10s %10s %10s %10s %10s", "outcome", "none", "32-bit", "PAE", "4-level", "5-level");
	for (i = 0; i < NR_OUTCOMES; i++)
		test_note("%-14s %10llu %10llu %10llu %10llu %10llu", names[i], (unsigned long long)tally.outcome[i][0],
			  (unsigned long long)tally.outcome[i][1], (unsigned long long)tally.outcome[i][2],
			  (unsigned long long)tally.outcome[i][3], (unsigned long long)tally.outcome[i][4]);
	test_note("%llu hidden faults, %llu by stale translations that are permitted, %llu roots gone, %llu accesses in the middle of others",
		  (unsigned long long)tally.hidden, (unsigned long long)tally.stale, (unsigned long long)tally.reloads,
		  (unsigned long long)tally.meanwhile);
	test_note("%llu MOV to CR3 and INVLPG done with interrupts off", (unsigned long long)tally.quick);
	test_note("seen by the auditor: %llu tables out of sync, %llu large leaves, %llu user pages turned into a supervisor's",
		  (unsigned long long)tally.unsync, (unsigned long long)tally.large, (unsigned long long)tally.flips);
}

static void test_fuzz(void)
{
	u64 n = env("SHADOW_EPISODES", 100), first = env("SHADOW_SEED", 1);
	const char *failure;

	ops_now = env("SHADOW_OPS", 200);
	for (seed_now = first; seed_now < first + n; seed_now++) {
		failure = world_catch(episode);
		ASSERT(!failure, "seed %llu: %s", (unsigned long long)seed_now, failure);
	}
	print_tally();
}

/* ---- rules taken away ---- */

/* In a process of its own, which may crash: what noticed the bug, or nothing. */
static void run_bug(int fd)
{
	const char *failure = NULL;

	struct rlimit cpu = { 5, 5 };
	unsigned int i;

	/* a chain may have become a circle */
	setrlimit(RLIMIT_CPU, &cpu);
	if (!freopen("/dev/null", "w", stderr))
		_exit(0);
	for (i = 0; i < nr_scenarios && !failure; i++) {
		failure = world_catch(scenarios[i].run);
		if (failure)
			dprintf(fd, "%s: ", scenarios[i].name);
	}
	ops_now = 200;
	fuzz_audit_every = 4;
	for (seed_now = 1; seed_now <= BUG_EPISODES && !failure; seed_now++)
		failure = world_catch(episode);
	if (failure && write(fd, failure, strlen(failure)) < 0)
		_exit(1);
	_exit(0);
}

static void test_bugs(void)
{
	unsigned int i;

	for (i = 0; i < nr_bugs; i++) {
		char noticed[512] = "";
		size_t len = 0;
		int fd[2], status;
		ssize_t n;
		pid_t pid;

		ASSERT_EQ(pipe(fd), 0);
		pid = fork();
		ASSERT(pid >= 0, "fork");
		if (!pid) {
			bug_now = i;
			run_bug(fd[1]);
		}
		close(fd[1]);
		while ((n = read(fd[0], noticed + len, sizeof(noticed) - 1 - len)) > 0)
			len += n;
		close(fd[0]);
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
		if (!len && status)
			snprintf(noticed, sizeof(noticed), WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ?
				 "time: it goes on for ever" : "sanitizer: the test ended with status 0x%x", status);
		test_note("%-18s (%s): %s", bugs[i].name, bugs[i].rule, noticed[0] ? noticed : "NOT NOTICED");
		CHECK_EQ(bugs[i].name, true, noticed[0] != 0);
	}
}

/* ---- directed ---- */

static void run_scenario(const char *name)
{
	unsigned int i;

	for (i = 0; i < nr_scenarios; i++) {
		const char *failure = !name || !strcmp(scenarios[i].name, name) ? world_catch(scenarios[i].run) : NULL;

		ASSERT(!failure, "%s: %s", scenarios[i].name, failure);
	}
}

#define SCENARIO(name)	static void test_##name(void) { run_scenario(#name); }

SCENARIO(cve_2026_53359)
SCENARIO(cve_2026_46113)
SCENARIO(cve_2026_23401)
SCENARIO(cve_2021_38198)
SCENARIO(cve_2022_1158)
SCENARIO(cve_2022_45869)
SCENARIO(cve_2021_22543)
SCENARIO(flush_owed)
SCENARIO(link_unsync)
SCENARIO(stores_that_keep)
SCENARIO(two_for_one)
SCENARIO(table_in_large)
SCENARIO(pae_registers)
SCENARIO(forks)
SCENARIO(others_are_faster)
SCENARIO(store_to_own_table)
SCENARIO(long_chains)
SCENARIO(many_roots)
SCENARIO(buckets)
SCENARIO(cr3_after_stores)
SCENARIO(cr3_not_alone)
SCENARIO(cr3_many_stores)
SCENARIO(cr3_owed)
SCENARIO(cr3_dead_root)
SCENARIO(quick_invlpg)
SCENARIO(invlpg_key)
SCENARIO(around)
SCENARIO(around_log)
SCENARIO(around_host)

static const struct test_case cases[] = {
	{ "cve_2026_53359", test_cve_2026_53359 },
	{ "cve_2026_46113", test_cve_2026_46113 },
	{ "cve_2026_23401", test_cve_2026_23401 },
	{ "cve_2021_38198", test_cve_2021_38198 },
	{ "cve_2022_1158", test_cve_2022_1158 },
	{ "cve_2022_45869", test_cve_2022_45869 },
	{ "cve_2021_22543", test_cve_2021_22543 },
	{ "flush_owed", test_flush_owed },
	{ "link_unsync", test_link_unsync },
	{ "stores_that_keep", test_stores_that_keep },
	{ "two_for_one", test_two_for_one },
	{ "table_in_large", test_table_in_large },
	{ "pae_registers", test_pae_registers },
	{ "forks", test_forks },
	{ "others_are_faster", test_others_are_faster },
	{ "store_to_own_table", test_store_to_own_table },
	{ "long_chains", test_long_chains },
	{ "many_roots", test_many_roots },
	{ "buckets", test_buckets },
	{ "cr3_after_stores", test_cr3_after_stores },
	{ "cr3_not_alone", test_cr3_not_alone },
	{ "cr3_many_stores", test_cr3_many_stores },
	{ "cr3_owed", test_cr3_owed },
	{ "cr3_dead_root", test_cr3_dead_root },
	{ "quick_invlpg", test_quick_invlpg },
	{ "invlpg_key", test_invlpg_key },
	{ "around", test_around },
	{ "around_log", test_around_log },
	{ "around_host", test_around_host },
	{ "bugs", test_bugs },
	{ "fuzz", test_fuzz, 3600 },
};

TEST_MAIN(cases)
