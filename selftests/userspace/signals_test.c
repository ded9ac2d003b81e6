// SPDX-License-Identifier: GPL-2.0-only
/*
 * Signals to the launcher at any moment: it stops and goes on as a job of a shell does, gives the
 * terminal back and takes it again, and neither gets stuck nor burns time, whatever comes.
 */
#include <dirent.h>
#include <sys/syscall.h>

#include "launch.h"

/* Says R, then prints a dot now and then: how it goes on shows. */
static const u8 ticking[] = {
	OUT_SERIAL('R'),
	0xb9, 0x00, 0x20, 0x00, 0x00,	/* ecx = 8192 */
	0xe2, 0xfe,			/* loop here */
	0xb0, '.', 0xee,
	0xeb, 0xf4,
};
/* Says R and sleeps for good. */
static const u8 sleeping[] = { OUT_SERIAL('R'), HALT };

static struct launch start(const u8 *code, size_t size, bool is_background)
{
	struct launch run = {
		.code = code, .size = size, .in = STREAM_TERMINAL, .out = STREAM_PIPE,
		.err = STREAM_PIPE, .is_background = is_background,
	};

	launch_start(&run);
	launch_wait_for_guest(&run);
	return run;
}

static void finish(struct launch *run, const char *name, int wanted, int status)
{
	CHECK_RET(name, wanted, status);
	CHECK_EQ("the terminal is as before", 1, launch_is_restored(run));
	test_note("said: %s", launch_read(run->errors));
	CHECK_EQ("nothing is left", 0, launch_clean_up(run));
}

/* Wait until the launcher has stopped. */
static bool is_stopped(const struct launch *run)
{
	int status = 0;

	for (unsigned int i = 0; i < 200 * launch_scale(); i++) {
		if (waitpid(run->pid, &status, WUNTRACED | WNOHANG) == run->pid)
			return WIFSTOPPED(status);
		usleep(10000);
	}
	return false;
}

/* Does the guest print? What has been printed before is thrown away. */
static bool goes_on(const struct launch *run)
{
	static char bytes[65536];

	fcntl(run->output, F_SETFL, O_NONBLOCK);
	while (read(run->output, bytes, sizeof(bytes)) > 0)
		;
	for (unsigned int i = 0; i < 200 * launch_scale(); i++) {
		if (read(run->output, bytes, sizeof(bytes)) > 0)
			return true;
		usleep(10000);
	}
	return false;
}

/* As a shell does when a job has stopped, and when it is put forward again. */
static void take_terminal(const struct launch *run)
{
	ASSERT_EQ(tcsetpgrp(run->terminal, getpgrp()), 0);
	ASSERT_EQ(tcsetattr(run->terminal, TCSADRAIN, &run->before), 0);
}

static void give_terminal(const struct launch *run)
{
	ASSERT_EQ(tcsetpgrp(run->terminal, run->pid), 0);
}

static void test_stop(void)
{
	static const struct {
		const char *name;
		int signal;
		bool gives_back;
	} rows[] = {
		{ "SIGTSTP", SIGTSTP, true },
		{ "SIGTTIN", SIGTTIN, true },
		{ "SIGSTOP", SIGSTOP, false },
		{ "SIGTTOU", SIGTTOU, false },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct launch run = start(ticking, sizeof(ticking), false);

		test_note("%s", rows[i].name);
		CHECK_EQ("raw", 1, launch_is_raw(&run));
		for (int round = 0; round < 3; round++) {
			launch_signal(&run, rows[i].signal);
			CHECK_EQ("stopped", 1, is_stopped(&run));
			if (rows[i].gives_back)
				CHECK_EQ("the terminal is given back", 1, launch_is_restored(&run));
			take_terminal(&run);
			give_terminal(&run);
			launch_signal(&run, SIGCONT);
			CHECK_EQ("raw again", 1, launch_becomes(&run, true));
			CHECK_EQ("the guest goes on", 1, goes_on(&run));
		}
		launch_type(&run, "\001x", 2);
		finish(&run, "escape", 14, launch_end(&run, 10));
	}
}

/* What whoever had the terminal meanwhile has set is what is restored. */
static void test_changed_mode(void)
{
	struct launch run = start(ticking, sizeof(ticking), false);

	launch_signal(&run, SIGTSTP);
	CHECK_EQ("stopped", 1, is_stopped(&run));
	run.before.c_iflag ^= IXANY;
	run.before.c_lflag ^= ECHOCTL;
	take_terminal(&run);
	give_terminal(&run);
	launch_signal(&run, SIGCONT);
	CHECK_EQ("raw again", 1, launch_becomes(&run, true));
	launch_signal(&run, SIGTERM);
	finish(&run, "SIGTERM", 15, launch_end(&run, 10));
}

/*
 * Stopped in raw mode, by what cannot be caught, and nobody changes the mode: it is still the first
 * one that is restored.
 */
static void test_unchanged_mode(void)
{
	struct launch run = start(ticking, sizeof(ticking), false);

	launch_signal(&run, SIGSTOP);
	CHECK_EQ("stopped", 1, is_stopped(&run));
	launch_signal(&run, SIGCONT);
	CHECK_EQ("the guest goes on", 1, goes_on(&run));
	launch_signal(&run, SIGINT);
	finish(&run, "SIGINT", 15, launch_end(&run, 10));
}

/*
 * Continued in the background: the terminal is the shell's, the guest runs; then put forward
 * without a signal.
 */
static void test_background(void)
{
	static const int signals[] = { SIGTSTP, SIGSTOP };

	for (u32 i = 0; i < ARRAY_SIZE(signals); i++) {
		struct launch run = start(ticking, sizeof(ticking), false);

		launch_signal(&run, signals[i]);
		CHECK_EQ("stopped", 1, is_stopped(&run));
		take_terminal(&run);
		launch_signal(&run, SIGCONT);
		CHECK_EQ("the guest goes on", 1, goes_on(&run));
		ASSERT_EQ(write(run.keys, "\001x\n", 3), 3);
		usleep(600000);
		CHECK_EQ("the terminal is left alone", 1, launch_is_restored(&run));
		CHECK_EQ("it is not its key", 0, waitpid(run.pid, NULL, WNOHANG));
		tcflush(run.terminal, TCIFLUSH);
		give_terminal(&run);
		CHECK_EQ("raw in the foreground", 1, launch_becomes(&run, true));
		launch_type(&run, "\001x", 2);
		finish(&run, "escape", 14, launch_end(&run, 10));
	}
}

/* `keel run &`: no stop, no touch, and every end as ever. */
static void test_started_in_background(void)
{
	static const struct {
		const char *name;
		int signal, wanted;
	} rows[] = {
		{ "SIGTERM", SIGTERM, 15 }, { "SIGHUP", SIGHUP, 15 }, { "SIGINT", SIGINT, 15 },
		{ "SIGSEGV", SIGSEGV, 256 + SIGSEGV },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct launch run = start(ticking, sizeof(ticking), true);

		CHECK_EQ("the guest goes on", 1, goes_on(&run));
		CHECK_EQ("the terminal is left alone", 1, launch_is_restored(&run));
		launch_signal(&run, rows[i].signal);
		finish(&run, rows[i].name, rows[i].wanted, launch_end(&run, 10));
	}
}

/* `stty tostop`: who writes from the background is stopped, and goes on in front. */
static void test_tostop(void)
{
	struct launch run = {
		.code = ticking,
		.size = sizeof(ticking),
		.in = STREAM_TERMINAL,
		.out = STREAM_TERMINAL,
		.err = STREAM_PIPE,
	};
	char c;

	launch_start(&run);
	ASSERT_EQ(read(run.keys, &c, 1), 1);
	run.output = dup(run.keys);
	launch_signal(&run, SIGTSTP);
	CHECK_EQ("stopped", 1, is_stopped(&run));
	run.before.c_lflag |= TOSTOP;
	take_terminal(&run);
	launch_signal(&run, SIGCONT);
	CHECK_EQ("stopped as it writes", 1, is_stopped(&run));
	give_terminal(&run);
	launch_signal(&run, SIGCONT);
	CHECK_EQ("raw again", 1, launch_becomes(&run, true));
	CHECK_EQ("the guest goes on", 1, goes_on(&run));
	launch_type(&run, "\001x", 2);
	finish(&run, "escape", 14, launch_end(&run, 10));
}

/* What was ignored from the start, as nohup(1) does, stays ignored. */
static void test_ignored(void)
{
	static const int signals[] = { SIGINT, SIGQUIT, SIGTERM, SIGUSR2, SIGTSTP };

	for (u32 i = 0; i < ARRAY_SIZE(signals); i++) {
		signal(signals[i], SIG_IGN);
		struct launch run = start(ticking, sizeof(ticking), false);

		signal(signals[i], SIG_DFL);
		launch_signal(&run, signals[i]);
		CHECK_EQ("the guest goes on", 1, goes_on(&run));
		CHECK_EQ("the launcher too", 0, waitpid(run.pid, NULL, WNOHANG));
		launch_type(&run, "\001x", 2);
		finish(&run, "escape", 14, launch_end(&run, 10));
	}
}

/* Processor time of the launcher, in milliseconds. */
static s64 spent(const struct launch *run)
{
	char name[32], text[512] = "";
	unsigned long user = 0, system = 0;

	snprintf(name, sizeof(name), "/proc/%d/stat", run->pid);
	int fd = open(name, O_RDONLY);

	ASSERT_GE(read(fd, text, sizeof(text) - 1), 1);
	close(fd);
	ASSERT_EQ(sscanf(strrchr(text, ')') + 1,
			 " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system),
		  2);
	return (s64)(user + system) * 1000 / sysconf(_SC_CLK_TCK);
}

/*
 * Signals without a meaning change nothing: a guest that runs goes on, one that sleeps costs
 * nothing.
 */
static void test_harmless(void)
{
	static const int signals[] = {
		SIGUSR1, SIGCONT, SIGCHLD, SIGURG, SIGWINCH, SIGPIPE, SIGXFSZ, SIGUSR1,
	};
	struct launch run = start(ticking, sizeof(ticking), false);

	for (u32 i = 0; i < ARRAY_SIZE(signals); i++) {
		for (int j = 0; j < 20; j++) {
			launch_signal(&run, signals[i]);
			usleep(j * 100);
		}
		CHECK_EQ(strsignal(signals[i]), 1, goes_on(&run));
	}
	launch_type(&run, "\001x", 2);
	finish(&run, "escape", 14, launch_end(&run, 10));

	run = start(sleeping, sizeof(sleeping), false);
	for (u32 i = 0; i < 20 * ARRAY_SIZE(signals); i++)
		launch_signal(&run, signals[i % ARRAY_SIZE(signals)]);
	usleep(200000 * launch_scale());
	s64 before = spent(&run);

	usleep(1000000);
	s64 after = spent(&run);

	test_note("a sleeping guest: %lld ms in a second", (long long)(after - before));
	CHECK_EQ("no vCPU spins", 1, after - before <= 200);
	launch_type(&run, "\001x", 2);
	finish(&run, "escape", 14, launch_end(&run, 10));
}

/* Signals that change nothing, once the launcher has begun. */
static bool is_harmless(int signal)
{
	switch (signal) {
	case SIGUSR1:
	case SIGPIPE:
	case SIGXFSZ:
	case SIGCHLD:
	case SIGURG:
	case SIGWINCH:
	case SIGCONT:
		return true;
	default:
		return false;
	}
}

static bool is_stop(int signal)
{
	return signal == SIGTSTP || signal == SIGSTOP || signal == SIGTTIN || signal == SIGTTOU;
}

/*
 * The run ended in order, or died of one of the signals it got: of a fault, or before it had begun.
 */
static bool is_right_end(u64 signals, int status)
{
	return status == 15 || (status > 256 && signals & BIT(status - 257));
}

static u64 seed = 0x4b65656c;

static struct launch start_random(void)
{
	struct launch run = {
		.code = xorshift(&seed) & 1 ? ticking : sleeping, .size = sizeof(ticking),
		.in = STREAM_TERMINAL, .out = STREAM_PIPE, .err = STREAM_PIPE,
		.is_narrow = true,	/* and not read: full soon */
		.no_sandbox = !(xorshift(&seed) & 7),
	};

	if (run.code == sleeping)
		run.size = sizeof(sleeping);
	launch_start(&run);
	return run;
}

/*
 * Signals from its first moment on, until one ends it or the launcher has had its share. Return: how it
 * ended.
 */
static int send_signals(struct launch *run, int share, int *sent, u64 *mask)
{
	static const int signals[] = {
		SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGUSR1, SIGSEGV,
		SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGSTKFLT, SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP,
		SIGTTIN, SIGTTOU, SIGURG, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGWINCH, SIGIO,
		SIGPWR, SIGSYS, 34, 50, 64,
		/* more of those that it outlives */
		SIGUSR1, SIGCONT, SIGTSTP, SIGUSR1, SIGWINCH, SIGCHLD, SIGSTOP, SIGPIPE, SIGTTIN,
	};

	while (share-- > 0) {
		int signal = signals[xorshift(&seed) % ARRAY_SIZE(signals)];

		usleep(xorshift(&seed) % 40000 * launch_scale());
		kill(run->pid, signal);
		*mask |= BIT(signal - 1);
		++*sent;
		/* Stopped or not, it goes on, as `fg` would have it. */
		if (is_stop(signal)) {
			usleep(xorshift(&seed) % 10000);
			kill(run->pid, SIGCONT);
		} else if (!is_harmless(signal)) {
			/* A stop that took effect after its SIGCONT came; shells send one too. */
			kill(run->pid, SIGCONT);
			return launch_end(run, 4);
		}
	}
	kill(run->pid, SIGCONT);
	kill(run->pid, SIGTERM);
	*mask |= BIT(SIGTERM - 1);
	return launch_end(run, 4);
}

/* A thread of the launcher other than its first. */
static pid_t other_thread(const struct launch *run)
{
	char name[32];
	pid_t found = 0;

	snprintf(name, sizeof(name), "/proc/%d/task", run->pid);
	DIR *tasks = opendir(name);

	ASSERT_EQ(!tasks, 0);
	for (struct dirent *entry; (entry = readdir(tasks));) {
		pid_t thread = atoi(entry->d_name);

		if (thread && thread != run->pid)
			found = thread;
	}
	closedir(tasks);
	ASSERT_EQ(!found, 0);
	return found;
}

/* One thread crashes while another takes the terminal again. */
static void test_crash_after_stop(void)
{
	const int rounds = getenv("KEEL_SLOW_HOST") ? 5 : 100;
	int wrong = 0, unrestored = 0;

	for (int i = 0; i < rounds; i++) {
		struct launch run = start(sleeping, sizeof(sleeping), false);
		pid_t thread = other_thread(&run);

		launch_signal(&run, SIGTSTP);
		wrong += !is_stopped(&run);
		kill(run.pid, SIGCONT);
		usleep(xorshift(&seed) % 300);
		syscall(SYS_tgkill, run.pid, thread, SIGSEGV);
		wrong += launch_end(&run, 4) != 256 + SIGSEGV;
		unrestored += !launch_is_restored(&run);
		launch_clean_up(&run);
	}
	test_note("%d launchers", rounds);
	CHECK_EQ("stops and ends by the signals", 0, wrong);
	CHECK_EQ("the terminal is always restored", 0, unrestored);
}

/* Any signal that can be caught, at any moment. */
static void test_random(void)
{
	const int total = getenv("KEEL_SLOW_HOST") ? 60 : 1000;
	int sent = 0, runs = 0, stuck = 0, wrong = 0, unrestored = 0;

	for (; sent < total; runs++) {
		struct launch run = start_random();
		u64 mask = 0;
		int status = send_signals(&run, 20, &sent, &mask);

		if (status == -1 || !is_right_end(mask, status))
			test_note("WRONG end: %d after signals %#llx", status,
				  (unsigned long long)mask);
		stuck += status == -1;
		wrong += status != -1 && !is_right_end(mask, status);
		unrestored += !launch_is_restored(&run);
		launch_clean_up(&run);
	}
	test_note("%d signals to %d launchers", sent, runs);
	CHECK_EQ("never stuck", 0, stuck);
	CHECK_EQ("ends as the signals say", 0, wrong);
	CHECK_EQ("the terminal is always restored", 0, unrestored);
}

static const struct test_case cases[] = {
	{ "stop", test_stop },
	{ "changed_mode", test_changed_mode },
	{ "unchanged_mode", test_unchanged_mode },
	{ "background", test_background },
	{ "started_in_background", test_started_in_background },
	{ "tostop", test_tostop },
	{ "ignored", test_ignored },
	{ "harmless", test_harmless },
	{ "crash_after_stop", test_crash_after_stop, 120 },
	{ "random", test_random, 300 },
};

TEST_MAIN(cases)
