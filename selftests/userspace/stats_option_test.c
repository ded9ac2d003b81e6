// SPDX-License-Identifier: GPL-2.0-only
/*
 * keel run --stats: what the module counted comes at the end, before the closing
 * line, in the report, and whenever SIGUSR2 asks for it, whatever the module counts.
 */
#include <poll.h>

#include "launch.h"

static const u8 off[] = { OUT_SERIAL('R'), POWER_OFF, STOP_HERE };
static const u8 reset[] = { OUT_SERIAL('R'), RESET, STOP_HERE };
static const u8 sleeping[] = { OUT_SERIAL('R'), HALT };

#define MACHINE	"keel: statistics of the virtual machine:"
#define VCPU	"keel: statistics of vCPU 0:"

static char text[16384];
static size_t used;

/* Read from @fd until @needle has come @times; false if nothing comes for some seconds. */
static bool has_come(int fd, const char *needle, unsigned int times)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	for (;;) {
		const char *at = text;
		unsigned int n = 0;
		ssize_t got;

		while ((at = strstr(at, needle)) && ++n < times)
			at++;
		if (n >= times)
			return true;
		if (poll(&wait, 1, 5000 * (int)launch_scale()) != 1)
			return false;
		got = read(fd, text + used, sizeof(text) - 1 - used);
		if (got <= 0)
			return false;
		used += got;
		text[used] = 0;
	}
}

/* The number behind the @nth line that begins with @name; -1 if there is none. */
static long long value(const char *name, unsigned int nth)
{
	char line[64];
	const char *at = text;

	snprintf(line, sizeof(line), "\n  %s ", name);
	while (nth-- && at)
		at = strstr(at + 1, line);
	return at ? atoll(at + strlen(line)) : -1;
}

static void finish(struct launch *run, int wanted, int status)
{
	CHECK_EQ("exit status", wanted, status);
	CHECK_EQ("nothing is left but the report", false, launch_clean_up(run));
}

/* A run that ends with @status and @line, "" for none. */
static void run_to_end(const u8 *code, size_t size, int wanted, const char *line, bool no_sandbox)
{
	struct launch run = {
		.code = code,
		.size = size,
		.in = STREAM_NULL,
		.out = STREAM_PIPE,
		.err = STREAM_PIPE,
		.more = "--stats",
		.no_sandbox = no_sandbox,
	};
	const char *report;
	long long exits;
	char number[64];
	int status;

	used = 0;
	text[0] = 0;
	launch_start(&run);
	launch_wait_for_guest(&run);
	status = launch_end(&run, 20);
	/* all of it: the pipe's other end is closed */
	while (has_come(run.errors, "no such line", 1))
		;
	ASSERT(used >= strlen(line) && !strcmp(text + used - strlen(line), line), "the last line is %s", line);
	ASSERT(strstr(text, MACHINE "\n") && strstr(text, VCPU "\n"), "a heading is missing");
	ASSERT(strstr(text, MACHINE) < strstr(text, VCPU), "the order");
	exits = value("exits", 1);
	test_note("%lld exits, %lld for user space's ports", exits, value("io_exits", 1));
	ASSERT_GE(exits, 2);
	ASSERT_GE(value("io_exits", 1), 2);
	ASSERT_GE(value("pf_fixed", 1), 1);
	/* as the guest left it, not as little as is left at the very end */
	ASSERT(value("pages_4k", 1) > 0 || value("pages_2m", 1) > 0, "no page is mapped: %s", text);
	report = launch_read_report();
	ASSERT(strstr(report, "\", \"stats\": {\"vm\": {\"") &&
	       strstr(report, "}, \"vcpus\": [{\"") && strstr(report, "}]}}\n"), "report: %s", report);
	snprintf(number, sizeof(number), "\"exits\": %lld", exits);
	ASSERT(strstr(report, number), "no %s in %s", number, report);
	finish(&run, wanted, status);
}

static void test_end(void)
{
	run_to_end(off, sizeof(off), 0, "", false);
	run_to_end(off, sizeof(off), 0, "", true);
	run_to_end(reset, sizeof(reset), 8, "keel: the guest asked for a reset (port 0x64)\n", false);
}

/* A guest that does nothing, once it runs. */
static void start_sleeping(struct launch *run, enum stream in, enum stream err)
{
	*run = (struct launch){
		.code = sleeping,
		.size = sizeof(sleeping),
		.in = in,
		.out = STREAM_PIPE,
		.err = err,
		.more = "--stats",
	};
	launch_start(run);
	launch_wait_for_guest(run);
}

static void test_signal(void)
{
	struct launch run;
	long long first;

	start_sleeping(&run, STREAM_NULL, STREAM_PIPE);
	launch_signal(&run, SIGUSR2);
	CHECK_EQ("asked once", 1, has_come(run.errors, VCPU, 1));
	launch_signal(&run, SIGUSR2);
	CHECK_EQ("asked again", 1, has_come(run.errors, VCPU, 2));
	CHECK_EQ("the launcher lives", 0, waitpid(run.pid, NULL, WNOHANG));
	launch_signal(&run, SIGTERM);
	CHECK_EQ("at the end", 1, has_come(run.errors, "keel: ended by signal 15", 1));
	CHECK_EQ("headings", 1, has_come(run.errors, MACHINE, 3));
	first = value("exits", 1);
	ASSERT_GE(first, 1);
	ASSERT_GE(value("exits", 2), first);
	ASSERT_GE(value("exits", 3), value("exits", 2));
	finish(&run, 15, launch_end(&run, 10));
}

/* A raw terminal wants the carriage returns too. */
static void test_terminal(void)
{
	struct launch run;

	start_sleeping(&run, STREAM_TERMINAL, STREAM_TERMINAL);
	CHECK_EQ("raw", 1, launch_becomes(&run, true));
	launch_signal(&run, SIGUSR2);
	if (!has_come(run.keys, VCPU "\r\n  ", 1))
		FAIL("lines as the terminal needs them: %s", text);
	launch_type(&run, "\001x", 2);
	finish(&run, 14, launch_end(&run, 10));
}

/* Nobody reads standard error: the end comes all the same. */
static void test_unread(void)
{
	struct launch run;

	start_sleeping(&run, STREAM_NULL, STREAM_PIPE);
	for (int i = 0; i < 200; i++) {
		launch_signal(&run, SIGUSR2);
		usleep(2000);
	}
	launch_signal(&run, SIGTERM);
	CHECK_EQ("exit status", 15, launch_end(&run, 10));
	ASSERT_LE(launch_now() - run.asked, 2000 * (s64)launch_scale());
	launch_clean_up(&run);
}

static const struct test_case cases[] = {
	{ "at_the_end", test_end },
	{ "at_a_signal", test_signal },
	{ "terminal", test_terminal },
	{ "unread", test_unread },
};

TEST_MAIN(cases)
