// SPDX-License-Identifier: GPL-2.0-only
/*
 * keel ctl on a running guest, keel list, and how a machine is started for them: by a file of options, in the
 * background, with a service manager that waits for it.
 */
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "launch_keel.h"

/* Says R, then prints a dot now and then: how it goes on shows. */
static const u8 ticking[] = {
	OUT_SERIAL('R'),
	0xb9, 0x00, 0x20, 0x00, 0x00,	/* ecx = 8192 */
	0xe2, 0xfe,			/* loop here */
	0xb0, '.', 0xee,
	0xeb, 0xf4,
};
/* Lets NMIs in at LINT1, without a handler: one is a triple fault. 64-bit mode only. */
static const u8 fragile[] = {
	0xbf, 0x00, 0x00, 0xe0, 0xfe,					/* edi = local APIC */
	0xc7, 0x87, 0xf0, 0x00, 0x00, 0x00, 0xff, 0x01, 0x00, 0x00,	/* on */
	0xc7, 0x87, 0x60, 0x03, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00,	/* LINT1 = NMI */
	OUT_SERIAL('R'), STOP_HERE,
};

static char directory[] = "/tmp/keel-ctl.XXXXXX";
static char socket_path[64], config_path[64], pid_path[64], more[128];

static void make_names(void)
{
	if (access(directory, F_OK)) {
		strcpy(directory, "/tmp/keel-ctl.XXXXXX");
		ASSERT(mkdtemp(directory), "a directory");
	}
	snprintf(socket_path, sizeof(socket_path), "%s/socket", directory);
	snprintf(config_path, sizeof(config_path), "%s/config", directory);
	snprintf(pid_path, sizeof(pid_path), "%s/pid", directory);
}

/* Nothing is left in the directory but what the test has made. */
static void remove_names(void)
{
	unlink(config_path);
	CHECK_EQ("no socket is left", -1, access(socket_path, F_OK));
	CHECK_EQ("no pid file is left", -1, access(pid_path, F_OK));
	CHECK_EQ("nothing else", 0, rmdir(directory));
}

static void write_config(const char *text)
{
	int fd = open(config_path, O_CREAT | O_TRUNC | O_WRONLY, 0600);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(write(fd, text, strlen(text)), (s64)strlen(text));
	close(fd);
}

/* keel ctl --json SOCKET COMMAND */
static int ctl(const char *command)
{
	const char *argv[] = { "keel", "ctl", "--json", socket_path, command, NULL };
	int status = keel(argv);

	test_note("%s: %d %.200s", command, status, said);
	return status;
}

/* Two vCPUs, one of which waits to be started, and a control socket, all by a file. */
static struct launch start(const u8 *code, size_t size)
{
	static char text[512];
	struct launch run = { .code = code, .size = size, .in = STREAM_NULL, .out = STREAM_PIPE, .err = STREAM_PIPE, .more = more };

	make_names();
	snprintf(text, sizeof(text), "{ \"cpus\": 2, \"control\": \"%s\",\n  \"memory\": \"1G\", \"no-rng\": true }\n", socket_path);
	write_config(text);
	snprintf(more, sizeof(more), "--config=%s", config_path);
	launch_start(&run);
	launch_wait_for_guest(&run);
	return run;
}

static void finish(struct launch *run, const char *name, int wanted)
{
	CHECK_RET(name, wanted, launch_end(run, 10));
	test_note("report: %s", launch_read_report());
	test_note("said: %s", launch_read(run->errors));
	CHECK_EQ("nothing is left beside the report", 0, launch_clean_up(run));
	remove_names();
}

/* Does the guest print within @ms? What has been printed before is thrown away. */
static bool goes_on(const struct launch *run, unsigned int ms)
{
	static char bytes[65536];

	fcntl(run->output, F_SETFL, O_NONBLOCK);
	while (read(run->output, bytes, sizeof(bytes)) > 0)
		;
	for (unsigned int i = 0; i < ms / 10; i++) {
		if (read(run->output, bytes, sizeof(bytes)) > 0)
			return true;
		usleep(10000);
	}
	return false;
}

static void test_pause(void)
{
	struct launch run = start(ticking, sizeof(ticking));

	CHECK_EQ("status", 0, ctl("status"));
	CHECK_EQ("runs", 1, !!strstr(said, "\"state\":\"running\""));
	CHECK_EQ("two CPUs, by the file", 1, !!strstr(said, "\"cpus\":2"));
	CHECK_EQ("the command line wins", 1, !!strstr(said, "\"memory\":33554432"));
	for (int i = 0; i < 5; i++) {
		CHECK_EQ("it prints", 1, goes_on(&run, 2000 * launch_scale()));
		CHECK_EQ("pause", 0, ctl("pause"));
		usleep(100000 * launch_scale());	/* what was printed comes out */
		CHECK_EQ("it stands still", 0, goes_on(&run, 1000));
		CHECK_EQ("status", 0, ctl("status"));
		CHECK_EQ("is paused", 1, !!strstr(said, "\"state\":\"paused\""));
		CHECK_EQ("resume", 0, ctl("resume"));
	}
	CHECK_EQ("it goes on", 1, goes_on(&run, 2000 * launch_scale()));
	CHECK_EQ("quit", 0, ctl("quit"));
	finish(&run, "ended by quit", 20);
}

/* Every end works while the guest is paused. */
static void test_end_paused(void)
{
	struct launch run = start(ticking, sizeof(ticking));

	CHECK_EQ("pause", 0, ctl("pause"));
	CHECK_EQ("quit", 0, ctl("quit"));
	finish(&run, "ended by quit", 20);
	run = start(sleeping, sizeof(sleeping));
	CHECK_EQ("pause", 0, ctl("pause"));
	launch_signal(&run, SIGINT);
	finish(&run, "ended by a signal", 15);
}

static void test_power_button(void)
{
	struct launch run = start(sleeping, sizeof(sleeping));

	CHECK_EQ("nobody listens", 1, ctl("power-button"));
	CHECK_EQ("in words", 1, !!strstr(said, "does not listen to its power button"));
	CHECK_EQ("quit", 0, ctl("quit"));
	finish(&run, "ended by quit", 20);
	run = start(obedient, sizeof(obedient));
	CHECK_EQ("pressed", 0, ctl("power-button"));
	finish(&run, "powered off", 0);
}

static void test_nmi(void)
{
	struct launch run = start(sleeping, sizeof(sleeping));

	CHECK_EQ("masked", 1, ctl("nmi"));
	CHECK_EQ("in words", 1, !!strstr(said, "LINT1"));
	CHECK_EQ("quit", 0, ctl("quit"));
	finish(&run, "ended by quit", 20);

	run = start(fragile, sizeof(fragile));
	CHECK_EQ("pause", 0, ctl("pause"));
	CHECK_EQ("let in", 0, ctl("nmi"));
	usleep(200000 * launch_scale());
	CHECK_EQ("but not while paused", 0, ctl("status"));
	CHECK_EQ("resume", 0, ctl("resume"));
	finish(&run, "the guest has no handler", 9);
}

static void test_stats(void)
{
	struct launch run = start(sleeping, sizeof(sleeping));
	const char *argv[] = { "keel", "ctl", socket_path, "stats", NULL };

	CHECK_EQ("stats", 0, ctl("stats"));
	CHECK_EQ("of the machine", 1, !!strstr(said, "\"stats\":{\"vm\":{\""));
	CHECK_EQ("of vCPUs", 1, !!strstr(said, "\"vcpus\":[{\""));
	CHECK_EQ("for people", 0, keel(argv));
	CHECK_EQ("exits", 1, !!strstr(said, "exits: "));
	CHECK_EQ("quit", 0, ctl("quit"));
	finish(&run, "ended by quit", 20);
	CHECK_EQ("nobody asked for them at the end", 0, !!strstr(launch_read_report(), "\"stats\""));
}

static void test_refusals(void)
{
	struct launch run = start(sleeping, sizeof(sleeping));
	const struct {
		const char *name, *argv[7];
		int status;
	} rows[] = {
		{ "no machine", { "keel", "ctl" }, 2 },
		{ "no command", { "keel", "ctl", socket_path }, 2 },
		{ "one word too many", { "keel", "ctl", socket_path, "status", "now" }, 2 },
		{ "another option", { "keel", "ctl", socket_path, "status", "--cpus=1" }, 2 },
		{ "no such command", { "keel", "ctl", socket_path, "reset" }, 1 },
		{ "no such socket", { "keel", "ctl", "/nowhere/socket", "status" }, 21 },
		{ "no such name", { "keel", "ctl", "nobody", "status" }, 21 },
		{ "no socket at all", { "keel", "ctl", "/dev/null", "status" }, 21 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		int status = keel(rows[i].argv);

		test_note("%s: %s", rows[i].name, said);
		CHECK_EQ(rows[i].name, rows[i].status, status);
	}
	const char *second[] = { "keel", "run", "--device", dev_path(), "--kernel", launch_kernel, "--control", socket_path, NULL };

	CHECK_EQ("somebody listens", 2, keel(second));
	CHECK_EQ("in words", 1, !!strstr(said, "somebody listens there already"));
	CHECK_EQ("and is still there", 0, ctl("status"));
	CHECK_EQ("quit", 0, ctl("quit"));
	finish(&run, "ended by quit", 20);
	CHECK_EQ("nobody there any more", 21, ctl("status"));
}

/* Killed, it leaves its socket; the next one takes it. */
static void test_left_behind(void)
{
	struct launch run = start(sleeping, sizeof(sleeping));
	struct stat stat_buffer;

	ASSERT_EQ(stat(socket_path, &stat_buffer), 0);
	CHECK_EQ("for its owner alone", 0600, stat_buffer.st_mode & 07777);
	launch_signal(&run, SIGKILL);
	CHECK_RET("killed", 256 + SIGKILL, launch_end(&run, 10));
	launch_clean_up(&run);
	CHECK_EQ("left", 0, access(socket_path, F_OK));
	CHECK_EQ("nobody", 21, ctl("status"));
	unlink(config_path);
	run = start(sleeping, sizeof(sleeping));
	CHECK_EQ("taken over", 0, ctl("status"));
	/* A crash of the launcher's own takes it away. */
	launch_signal(&run, SIGSEGV);
	finish(&run, "crashed", 256 + SIGSEGV);
}

/* Commands as fast as they go, beside a client that does not read: the guest goes on. */
static void test_many(void)
{
	static const char request[] = "{\"command\":\"status\"}\n";
	const int total = getenv("KEEL_SLOW_HOST") ? 200 : 2000;
	struct launch run = start(ticking, sizeof(ticking));
	int deaf = launch_connect(socket_path), fd = launch_connect(socket_path);
	char answer[1024];
	s64 from;

	fcntl(deaf, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 100000 && write(deaf, request, sizeof(request) - 1) > 0; i++)
		;
	CHECK_EQ("it prints", 1, goes_on(&run, 2000 * launch_scale()));
	from = launch_now();
	for (int i = 0; i < total; i++) {
		ASSERT_EQ(write(fd, request, sizeof(request) - 1), (s64)sizeof(request) - 1);
		ASSERT_GE(read(fd, answer, sizeof(answer)), 20);
		ASSERT_EQ(strncmp(answer, "{\"ok\":true", 10), 0);
	}
	test_note("%d commands in %lld ms", total, (long long)(launch_now() - from));
	CHECK_EQ("it still prints", 1, goes_on(&run, 2000 * launch_scale()));
	from = launch_now();
	CHECK_EQ("quit", 0, ctl("quit"));
	finish(&run, "ended by quit", 20);
	ASSERT_LE(launch_now() - from, 2000 * (s64)launch_scale());
	close(deaf);
	close(fd);
}

/* Its machine is there when keel run has returned. */
static void test_daemon(void)
{
	char pid[32] = "";
	int status;

	make_names();
	launch_write_kernel(sleeping, sizeof(sleeping));
	const char *argv[] = {
		"keel", "run", "--device", dev_path(), "--kernel", launch_kernel, "--memory=32M", "--daemon",
		"--pid-file", pid_path, "--control", socket_path, NULL,
	};
	const char *bad[] = { "keel", "run", "--device", dev_path(), "--kernel=/nowhere", "--daemon", NULL };

	/* skips here, and not in a child, where there is none */
	launch_program();
	/* Its output is a pipe of ours, and the machine would keep it: to a file with it. */
	int out = open(config_path, O_CREAT | O_RDWR, 0600);
	pid_t child = fork();

	ASSERT_GE(child, 0);
	if (!child) {
		dup2(out, 1);
		dup2(out, 2);
		execv(launch_program(), (char *const *)argv);
		_exit(127);
	}
	ASSERT_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ("started", 0, status);
	CHECK_EQ("at once", 0, ctl("status"));
	int fd = open(pid_path, O_RDONLY);

	ASSERT_GE(read(fd, pid, sizeof(pid) - 1), 2);
	close(fd);
	CHECK_EQ("another process", 1, atoi(pid) != child);
	CHECK_EQ("that runs", 0, kill(atoi(pid), 0));
	snprintf(more, sizeof(more), "\"pid\":%d,", atoi(pid));
	CHECK_EQ("and says so itself", 1, !!strstr(said, more));
	argv[11] = "/tmp/keel-another-socket";
	CHECK_EQ("the pid file is taken", 2, keel(argv));
	test_note("%s", said);
	CHECK_EQ("quit", 0, ctl("quit"));
	for (unsigned int i = 0; i < 500 * launch_scale() && !access(pid_path, F_OK); i++)
		usleep(10000);
	close(out);
	CHECK_EQ("what cannot start has its status", 5, keel(bad));
	unlink(launch_kernel);
	remove_names();
}

/* The protocol of sd_notify(3). */
static void test_notify(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd wait = { .fd = manager, .events = POLLIN };
	char name[64], told[256] = "", wanted[64];

	snprintf(name, sizeof(name), "@keel-notify-%d", getpid());
	memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
	ASSERT_EQ(bind(manager, (struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path) + strlen(name)), 0);
	setenv("NOTIFY_SOCKET", name, 1);
	struct launch run = start(sleeping, sizeof(sleeping));

	ASSERT_EQ(poll(&wait, 1, 5000 * (int)launch_scale()), 1);
	ASSERT_GE(read(manager, told, sizeof(told) - 1), 1);
	test_note("%s", told);
	snprintf(wanted, sizeof(wanted), "READY=1\nMAINPID=%d\n", run.pid);
	CHECK_EQ("ready", 0, strncmp(told, wanted, strlen(wanted)));
	CHECK_EQ("quit", 0, ctl("quit"));
	ASSERT_EQ(poll(&wait, 1, 5000 * (int)launch_scale()), 1);
	memset(told, 0, sizeof(told));
	ASSERT_GE(read(manager, told, sizeof(told) - 1), 1);
	CHECK_EQ("stopping", 0, strcmp(told, "STOPPING=1"));
	finish(&run, "ended by quit", 20);
}

/* Names, in the directory of this user. */
static void test_list(void)
{
	const char *list[] = { "keel", "list", "--json", NULL };
	const char *table[] = { "keel", "list", NULL };
	const char *by_name[] = { "keel", "ctl", "first", "quit", NULL };
	struct launch run = {
		.code = sleeping, .size = sizeof(sleeping), .in = STREAM_NULL, .out = STREAM_PIPE, .err = STREAM_PIPE,
		.more = "--name=first",
	};

	launch_program();
	CHECK_EQ("none", 0, keel(list));
	CHECK_EQ("an empty list", 0, strcmp(said, "[]\n"));
	launch_start(&run);
	launch_wait_for_guest(&run);
	CHECK_EQ("one", 0, keel(list));
	test_note("%s", said);
	CHECK_EQ("its name", 1, !!strstr(said, "[{\"name\":\"first\",\"socket\":\"/"));
	CHECK_EQ("its state", 1, !!strstr(said, "\"state\":\"running\""));
	CHECK_EQ("the table", 0, keel(table));
	test_note("%s", said);
	CHECK_EQ("a heading and a row", 1, !strncmp(said, "NAME ", 5) && strstr(said, "\nfirst "));
	CHECK_EQ("by its name", 0, keel(by_name));
	CHECK_RET("ended by quit", 20, launch_end(&run, 10));
	launch_clean_up(&run);
	CHECK_EQ("none again", 0, keel(list));
	CHECK_EQ("an empty list", 0, strcmp(said, "[]\n"));
}

static const struct test_case cases[] = {
	{ "pause", test_pause, 120 },
	{ "end_paused", test_end_paused },
	{ "power_button", test_power_button },
	{ "nmi", test_nmi },
	{ "stats", test_stats },
	{ "refusals", test_refusals },
	{ "left_behind", test_left_behind },
	{ "many", test_many },
	{ "daemon", test_daemon },
	{ "notify", test_notify },
	{ "list", test_list },
};

TEST_MAIN(cases)
