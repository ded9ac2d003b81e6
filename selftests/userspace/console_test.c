// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each way a run can end, at a terminal and with output that nobody takes: exit status, closing
 * line, report and terminal are as keel(1) says, and it takes no longer than that.
 *
 * None of it may depend on whether the guest reads its serial port or somebody reads the launcher's
 * output.
 */
#include "launch.h"

/* Says R, then never looks at its serial port: as a guest that hangs early. */
static const u8 deaf[] = { OUT_SERIAL('R'), STOP_HERE };
/* Says R, turns its receive interrupt on, and takes every byte. */
static const u8 listening[] = {
	OUT_SERIAL('R'),
	0x66, 0xba, 0xf9, 0x03, 0xb0, 0x01, 0xee,	/* IER = RDI */
	0x66, 0xba, 0xfd, 0x03,				/* LSR */
	0xec, 0xa8, 0x01, 0x74, 0xfb,			/* until DR */
	0x66, 0xba, 0xf8, 0x03, 0xec,			/* RBR */
	0xeb, 0xf0,
};
/* Says R, then sends back what it gets, for good. */
static const u8 echo[] = {
	OUT_SERIAL('R'),
	0x66, 0xba, 0xf9, 0x03, 0xb0, 0x01, 0xee,
	0x66, 0xba, 0xfa, 0x03, 0xb0, 0x01, 0xee,	/* FCR: the FIFO on */
	0x66, 0xba, 0xfd, 0x03,
	0xec, 0xa8, 0x01, 0x74, 0xfb,
	0x66, 0xba, 0xf8, 0x03, 0xec, 0xee,
	0xeb, 0xef,
};
/* Says R and prints for good. */
static const u8 chatty[] = { OUT_SERIAL('R'), 0xb0, 'z', 0xee, 0xeb, 0xfd };
static const u8 off[] = { OUT_SERIAL('R'), POWER_OFF, STOP_HERE };
static const u8 reset[] = { OUT_SERIAL('R'), RESET, STOP_HERE };
static const u8 fault[] = { OUT_SERIAL('R'), 0x0f, 0x0b };
/* Print N bytes first: COUNT(N) ecx, then a loop. */
#define PRINT(n)	0xb9, (n) & 0xff, (n) >> 8 & 0xff, (n) >> 16, 0, 0x66, 0xba, 0xf8, 0x03, \
			0xb0, 'z', 0xee, 0xe2, 0xfd
/* More than a pipe of a page holds, less than that and the launcher's buffer. */
#define NEARLY	6000
static const u8 full_off[] = { OUT_SERIAL('R'), PRINT(NEARLY), POWER_OFF, STOP_HERE };
static const u8 full_reset[] = { OUT_SERIAL('R'), PRINT(NEARLY), RESET, STOP_HERE };
static const u8 full_fault[] = { OUT_SERIAL('R'), PRINT(NEARLY), 0x0f, 0x0b };
static const u8 much_off[] = { OUT_SERIAL('R'), PRINT(200000), POWER_OFF, STOP_HERE };

#define CODE(array)	array, sizeof(array)

struct way {
	const char *name;
	const u8 *code;
	size_t size;
	const char *keys;
	int signal;
	int status;		/* exit status, or 256 + a signal */
	const char *report;	/* the name in it; NULL: there is none */
	const char *line;	/* in the closing line; NULL: there is none */
	unsigned int seconds;
};

static void check_way(struct launch *run, const struct way *way, bool is_line_seen)
{
	int status = launch_end(run, way->seconds + 8);
	s64 took = launch_now() - run->asked;

	CHECK_RET(way->name, way->status, status);
	CHECK_EQ("in time", 1, took <= way->seconds * 1000LL * launch_scale());
	test_note("%s: %lld ms", way->name, (long long)took);
	if (run->terminal >= 0)
		CHECK_EQ("the terminal is as before", 1, launch_is_restored(run));
	const char *said = launch_read(run->errors);

	test_note("said: %s", said);
	if (is_line_seen && way->line)
		CHECK_EQ("the closing line", 1, !!strstr(said, way->line));
	if (is_line_seen && !way->line)
		CHECK_EQ("no closing line", 0, strlen(said));
	const char *report = launch_read_report();
	char want[64];

	snprintf(want, sizeof(want), "{\"status\": %d, \"name\": \"%s\", ", way->status,
		 way->report ?: "");
	CHECK_EQ("the report", 1, way->report ? !strncmp(report, want, strlen(want)) : !*report);
	CHECK_EQ("and it is whole", 1, !way->report || report[strlen(report) - 1] == '\n');
	CHECK_EQ("nothing else is left", 0, launch_clean_up(run));
}

static void ask(struct launch *run, const struct way *way)
{
	run->asked = launch_now();
	if (way->keys)
		launch_type(run, way->keys, strlen(way->keys));
	if (way->signal)
		launch_signal(run, way->signal);
}

#define LAUNCHER_CRASHED	"the launcher crashed (SIGSEGV"

static const struct way ways[] = {
	{ "power-off", CODE(off), NULL, 0, 0, "poweroff", NULL, 2 },
	{ "reset", CODE(reset), NULL, 0, 8, "reset", "asked for a reset", 2 },
	{ "crash of the guest", CODE(fault), NULL, 0, 9, "crash", "triple fault", 2 },
	{ "escape, guest reading", CODE(listening), "abc\001x", 0, 14, "escape",
	  "ended from the console", 2 },
	{ "escape at once", CODE(deaf), "\001x", 0, 14, "escape", "ended from the console", 2 },
	{ "escape after one key", CODE(deaf), "\r\001x", 0, 14, "escape", "ended from the console",
	  2 },
	{ "escape after two keys", CODE(deaf), "\r\r\001x", 0, 14, "escape",
	  "ended from the console", 2 },
	{ "escape after a line", CODE(deaf), "are you still there?\r\001x", 0, 14, "escape",
	  "ended from the console", 2 },
	{ "escape after a break and help", CODE(deaf), "a\001b\001h\001b\001ab\001x", 0, 14,
	  "escape", "ended from the console", 2 },
	{ "SIGTERM", CODE(deaf), NULL, SIGTERM, 15, "signal", "ended by signal 15", 2 },
	{ "SIGINT", CODE(deaf), NULL, SIGINT, 15, "signal", "ended by signal 2", 2 },
	{ "SIGHUP", CODE(deaf), NULL, SIGHUP, 15, "signal", "ended by signal 1", 2 },
	{ "SIGQUIT", CODE(deaf), NULL, SIGQUIT, 15, "signal", "ended by signal 3", 2 },
	{ "SIGUSR2", CODE(deaf), NULL, SIGUSR2, 15, "signal", "ended by signal 12", 2 },
	{ "SIGALRM", CODE(deaf), NULL, SIGALRM, 15, "signal", "ended by signal 14", 2 },
	{ "SIGXCPU", CODE(deaf), NULL, SIGXCPU, 15, "signal", "ended by signal 24", 2 },
	{ "a real-time signal", CODE(deaf), NULL, 40, 15, "signal", "ended by signal 40", 2 },
	{ "crash of the launcher", CODE(deaf), NULL, SIGSEGV, 256 + SIGSEGV, NULL, LAUNCHER_CRASHED,
	  2 },
	{ "abort of the launcher", CODE(deaf), NULL, SIGABRT, 256 + SIGABRT, NULL,
	  "gave up (SIGABRT)", 2 },
	{ "bus error of the launcher", CODE(deaf), NULL, SIGBUS, 256 + SIGBUS, NULL, "SIGBUS", 2 },
};

static void run_ways(bool no_sandbox)
{
	for (u32 i = 0; i < ARRAY_SIZE(ways); i++) {
		struct launch run = {
			.code = ways[i].code, .size = ways[i].size, .in = STREAM_TERMINAL,
			.out = STREAM_PIPE, .err = STREAM_PIPE, .no_sandbox = no_sandbox,
		};

		launch_start(&run);
		launch_wait_for_guest(&run);
		if (ways[i].signal || ways[i].keys)
			CHECK_EQ("raw meanwhile", 1, launch_is_raw(&run));
		ask(&run, &ways[i]);
		check_way(&run, &ways[i], true);
	}
}

static void test_terminal(void) { run_ways(false); }
static void test_no_sandbox(void) { run_ways(true); }

/* Nobody takes the output: what the guest ends waits five seconds for a reader. */
static const struct way blocked_ways[] = {
	{ "power-off", CODE(full_off), NULL, 0, 0, "poweroff", "did not take", 8 },
	{ "reset", CODE(full_reset), NULL, 0, 8, "reset", "asked for a reset", 8 },
	{ "crash of the guest", CODE(full_fault), NULL, 0, 9, "crash", "triple fault", 8 },
	{ "power-off, then SIGTERM", CODE(full_off), NULL, SIGTERM, 0, "poweroff", "did not take",
	  2 },
	{ "escape", CODE(chatty), "abc\001h\001x", 0, 14, "escape", "ended from the console", 2 },
	{ "SIGTERM", CODE(chatty), NULL, SIGTERM, 15, "signal", "ended by signal 15", 2 },
	{ "SIGINT", CODE(chatty), NULL, SIGINT, 15, "signal", "ended by signal 2", 2 },
	{ "SIGHUP", CODE(chatty), NULL, SIGHUP, 15, "signal", "ended by signal 1", 2 },
	{ "SIGUSR2", CODE(chatty), NULL, SIGUSR2, 15, "signal", "ended by signal 12", 2 },
	{ "crash of the launcher", CODE(chatty), NULL, SIGSEGV, 256 + SIGSEGV, NULL,
	  LAUNCHER_CRASHED, 2 },
};

/* Until there is output, and nothing more fits. */
static void wait_until_full(const struct launch *run)
{
	int before = -1, now = 0;

	while (!now || now != before) {
		before = now;
		usleep(300000 * launch_scale());
		if (run->output < 0)
			return;
		ASSERT_EQ(ioctl(run->output, FIONREAD, &now), 0);
	}
}

static void run_blocked(enum stream in, enum stream out, enum stream err)
{
	for (u32 i = 0; i < ARRAY_SIZE(blocked_ways); i++) {
		struct launch run = {
			.code = blocked_ways[i].code, .size = blocked_ways[i].size, .in = in,
			.out = out, .err = err, .is_narrow = out == STREAM_PIPE,
		};

		/* A terminal holds more than these guests print. */
		if (out == STREAM_TERMINAL && blocked_ways[i].code != chatty)
			continue;
		launch_start(&run);
		wait_until_full(&run);
		/* A guest that ends by itself has printed the rest and done so; a terminal is full. */
		usleep(2000000 * launch_scale());
		ask(&run, &blocked_ways[i]);
		check_way(&run, &blocked_ways[i], err == STREAM_PIPE);
	}
}

static void test_blocked_pipe(void) { run_blocked(STREAM_TERMINAL, STREAM_PIPE, STREAM_PIPE); }
static void test_blocked_input_pipe(void) { run_blocked(STREAM_PIPE, STREAM_PIPE, STREAM_PIPE); }
/* Standard error too: its lines are lost, the run's end is not. */
static void test_blocked_terminal(void)
{
	run_blocked(STREAM_TERMINAL, STREAM_TERMINAL, STREAM_TERMINAL);
}

/* Standard input that is closed, empty, or nobody's. */
/* Stopped and put forward again while its output is full: the terminal comes and goes, and so does the escape. */
static void test_blocked_stop(void)
{
	static const struct way way = { "escape", CODE(chatty), "\001x", 0, 14, "escape", "ended from the console", 2 };
	struct launch run = {
		.code = way.code, .size = way.size, .in = STREAM_TERMINAL, .out = STREAM_PIPE, .err = STREAM_PIPE,
		.is_narrow = true,
	};
	int status = 0;

	launch_start(&run);
	wait_until_full(&run);
	launch_signal(&run, SIGTSTP);
	ASSERT_EQ(waitpid(run.pid, &status, WUNTRACED), run.pid);
	CHECK_EQ("stopped", 1, WIFSTOPPED(status));
	CHECK_EQ("the terminal is given back", 1, launch_is_restored(&run));
	launch_signal(&run, SIGCONT);
	CHECK_EQ("raw again", 1, launch_becomes(&run, true));
	ask(&run, &way);
	check_way(&run, &way, true);
}

static void test_inputs(void)
{
	static const struct way way = { "SIGINT", CODE(deaf), NULL, SIGINT, 15, "signal",
					"ended by signal 2", 2 };
	static const struct {
		const char *name;
		enum stream in;
	} rows[] = {
		{ "pipe", STREAM_PIPE }, { "closed", STREAM_CLOSED }, { "/dev/null", STREAM_NULL },
		{ "/dev/full", STREAM_FULL }, { "nobody writes", STREAM_GONE },
	};

	for (u32 i = 0; i < 4 * ARRAY_SIZE(rows); i++) {
		struct launch run = {
			.code = way.code,
			.size = way.size,
			.in = rows[i / 4].in,
			.out = STREAM_PIPE,
			.err = STREAM_PIPE,
		};

		test_note("standard input: %s", rows[i / 4].name);
		launch_start(&run);
		launch_wait_for_guest(&run);
		ask(&run, &way);
		check_way(&run, &way, true);
	}
}

/* Output that cannot be written: the guest need not care, one line tells of it. */
static void test_outputs(void)
{
	static const struct {
		const char *name;
		enum stream out, err;
		const char *line;
	} rows[] = {
		{ "a full device", STREAM_FULL, STREAM_PIPE,
		  "standard output: No space left on device" },
		{ "nobody reads", STREAM_GONE, STREAM_PIPE, "standard output: Broken pipe" },
		{ "closed", STREAM_CLOSED, STREAM_PIPE, "standard output: Bad file descriptor" },
		{ "errors closed", STREAM_PIPE, STREAM_CLOSED, NULL },
		{ "both closed", STREAM_CLOSED, STREAM_CLOSED, NULL },
		{ "both full", STREAM_FULL, STREAM_FULL, NULL },
		{ "all is well", STREAM_NULL, STREAM_PIPE, NULL },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct way way = {
			rows[i].name, CODE(full_off), NULL, 0, 0, "poweroff", rows[i].line, 10
		};
		struct launch run = {
			.code = way.code,
			.size = way.size,
			.in = STREAM_TERMINAL,
			.out = rows[i].out,
			.err = rows[i].err,
		};

		if (rows[i].out == STREAM_PIPE) {
			way.code = run.code = off;
			way.size = run.size = sizeof(off);
		}
		launch_start(&run);
		run.asked = launch_now();
		check_way(&run, &way, rows[i].err == STREAM_PIPE);
	}
}

/* A reader that takes its time gets all of it. */
static void test_slow_reader(void)
{
	static const struct way way = {
		"power-off", CODE(much_off), NULL, 0, 0, "poweroff", NULL, 150
	};
	struct launch run = {
		.code = way.code, .size = way.size, .in = STREAM_TERMINAL, .out = STREAM_PIPE,
		.err = STREAM_PIPE,
	};
	char bytes[8192];
	ssize_t got;
	u32 count = 0, reads = 0;

	launch_start(&run);
	run.asked = launch_now();
	sleep(2);
	/* on a busy machine a read may get a byte only */
	while ((got = read(run.output, bytes, sizeof(bytes))) > 0) {
		count += got;
		if (reads++ < 50)
			usleep(60000);
	}
	CHECK_EQ("all bytes", 200001, count);
	check_way(&run, &way, true);
}

/* Input from a pipe comes whole, however long it is and however late the guest listens. */
static void test_piped_input(void)
{
	struct launch run = {
		.code = echo, .size = sizeof(echo), .in = STREAM_PIPE, .out = STREAM_PIPE,
		.err = STREAM_PIPE,
	};
	static const struct way way = { "SIGTERM", CODE(echo), NULL, SIGTERM, 15, "signal",
					"ended by signal 15", 2 };
	const u32 total = getenv("KEEL_SLOW_HOST") ? 2000 : 20000;
	u32 count = 0, wrong = 0;

	launch_start(&run);
	pid_t pid = fork();

	if (!pid) {
		for (u32 i = 0; i < total; i++) {
			char byte = 'a' + i % 23;

			if (write(run.keys, &byte, 1) != 1)
				_exit(1);
		}
		_exit(0);
	}
	close(run.keys);
	run.keys = -1;
	launch_wait_for_guest(&run);
	while (count < total) {
		char bytes[4096];
		ssize_t got = read(run.output, bytes, sizeof(bytes));

		ASSERT_GE(got, 1);
		for (ssize_t i = 0; i < got; i++)
			wrong += bytes[i] != 'a' + (char)((count + i) % 23);
		count += got;
	}
	CHECK_EQ("as sent", 0, wrong);
	CHECK_EQ("no more", total, count);
	waitpid(pid, NULL, 0);
	ask(&run, &way);
	check_way(&run, &way, true);
}

/* More keys than are kept, at a guest that takes none: the escape still works. */
static void test_many_keys(void)
{
	static const struct way way = { "escape", CODE(deaf), "\001x", 0, 14, "escape",
					"ended from the console", 2 };
	struct launch run = {
		.code = way.code, .size = way.size, .in = STREAM_TERMINAL, .out = STREAM_PIPE,
		.err = STREAM_PIPE,
	};
	static char line[1000];

	memset(line, 'k', sizeof(line));
	launch_start(&run);
	launch_wait_for_guest(&run);
	for (int i = 0; i < 70; i++)
		launch_type(&run, line, sizeof(line));
	ask(&run, &way);
	check_way(&run, &way, true);
}

/* From a pipe, what comes before it is kept for the guest. */
static void test_piped_escape(void)
{
	static const struct way way = { "escape", CODE(deaf), "hello\001x", 0, 14, "escape",
					"ended from the console", 2 };
	struct launch run = {
		.code = way.code, .size = way.size, .in = STREAM_PIPE, .out = STREAM_PIPE,
		.err = STREAM_PIPE,
	};

	launch_start(&run);
	launch_wait_for_guest(&run);
	ask(&run, &way);
	check_way(&run, &way, true);
}

static const struct test_case cases[] = {
	{ "terminal", test_terminal },
	{ "no_sandbox", test_no_sandbox },
	{ "blocked_pipe", test_blocked_pipe, 180 },
	{ "blocked_input_pipe", test_blocked_input_pipe, 180 },
	{ "blocked_terminal", test_blocked_terminal, 180 },
	{ "blocked_stop", test_blocked_stop },
	{ "inputs", test_inputs },
	{ "outputs", test_outputs },
	{ "slow_reader", test_slow_reader, 180 },
	{ "piped_input", test_piped_input, 180 },
	{ "many_keys", test_many_keys },
	{ "piped_escape", test_piped_escape },
};

TEST_MAIN(cases)
