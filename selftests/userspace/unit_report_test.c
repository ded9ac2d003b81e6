// SPDX-License-Identifier: GPL-2.0-only
/* A report that goes into a pipe: all of it gets there, as long as somebody takes it; and nobody waits for one who does not. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "test.h"
#include "userspace/report.h"

#define STATS_SIZE	200000	/* more than a pipe holds */

static int ends[2];
static char stats[STATS_SIZE + 1], got[2 * STATS_SIZE];
static size_t got_size;

static void set_up(size_t size)
{
	char path[32];

	signal(SIGPIPE, SIG_IGN);
	ASSERT_EQ(pipe(ends), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[1]);
	ASSERT_EQ(report_open(path), 0);
	close(ends[1]);
	memset(stats, ' ', size);
	memcpy(stats, "{}", 2);
	stats[size] = 0;
}

static void *take(void *pause_us)
{
	struct pollfd wait = { .fd = ends[0], .events = POLLIN };
	ssize_t count;

	do {
		usleep(*(useconds_t *)pause_us);
		count = poll(&wait, 1, TEST_PATIENCE_MS) < 1 ? 0 : read(ends[0], got + got_size, sizeof(got) - got_size < 20000 ? sizeof(got) - got_size : 20000);
		got_size += count > 0 ? (size_t)count : 0;
	} while (count > 0 && got[got_size - 1] != '\n');
	return NULL;
}

/* Whoever reads takes his time, and says so by what he takes. */
static void test_slow(void)
{
	static const char begin[] = "{\"status\": 0, \"name\": \"poweroff\", \"reason\": \"over\", \"stats\": {} ";
	useconds_t pause_us = 100000;
	pthread_t reader;

	set_up(STATS_SIZE);
	ASSERT_EQ(pthread_create(&reader, NULL, take, &pause_us), 0);
	CHECK_EQ("written", STATUS_OK, report_write(STATUS_OK, "over", stats));
	ASSERT_EQ(pthread_join(reader, NULL), 0);
	CHECK_EQ("as it is", 0, memcmp(got, begin, sizeof(begin) - 1));
	CHECK_EQ("whole", 0, strcmp(got + got_size - 4, "  }\n"));
	CHECK_EQ("bytes", sizeof(begin) - 1 - 3 + STATS_SIZE + 2, got_size);
}

static void test_nobody(void)
{
	struct timespec before, after;

	set_up(STATS_SIZE);
	clock_gettime(CLOCK_MONOTONIC, &before);
	CHECK_EQ("told", STATUS_HOST, report_write(STATUS_OK, "over", stats));
	clock_gettime(CLOCK_MONOTONIC, &after);
	CHECK_EQ("soon", 1, after.tv_sec - before.tv_sec < 2);
	CHECK_EQ("the machine's own end counts more", STATUS_CRASH, report_write(STATUS_CRASH, "over", stats));
}

static void test_gone(void)
{
	set_up(2);
	close(ends[0]);
	CHECK_EQ("told", STATUS_HOST, report_write(STATUS_OK, "over", stats));
}

static const struct test_case cases[] = {
	{ "slow", test_slow },
	{ "nobody", test_nobody },
	{ "gone", test_gone },
};

TEST_MAIN(cases)
