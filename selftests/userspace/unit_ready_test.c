// SPDX-License-Identifier: GPL-2.0-only
/* Who waits for a machine to run learns of it: the process that --daemon leaves behind, and a service manager. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"
#include "userspace/ready.h"
#include "userspace/status.h"

/* What the new process of ready_detach() does. */
static void become_ready(void)
{
	ready_tell();
	/* goes on, while the other has gone */
	sleep(1);
}

static void fail(void) { _exit(5); }
static void crash(void) { raise(SIGKILL); }
static void end_well(void) { _exit(0); }

static const struct {
	const char *name;
	void (*run)(void);
	int status;
} rows[] = {
	{ "ready", become_ready, 0 },
	{ "it cannot start", fail, 5 },
	{ "it dies", crash, STATUS_HOST },
	{ "it ends before it is ready", end_well, 0 },
};

/* Whoever starts it may have had the ends of children ignored, which is inherited. */
static void test_detach(void)
{
	for (size_t i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		const bool is_ignored = i >= ARRAY_SIZE(rows);
		const size_t row = i % ARRAY_SIZE(rows);
		pid_t parent = fork();
		int status;

		ASSERT_GE(parent, 0);
		if (!parent) {
			signal(SIGCHLD, is_ignored ? SIG_IGN : SIG_DFL);
			status = ready_detach();
			if (status >= 0)
				_exit(status);
			rows[row].run();
			_exit(77);
		}
		ASSERT_EQ(waitpid(parent, &status, 0), parent);
		CHECK_EQ(rows[row].name, rows[row].status, WIFEXITED(status) ? WEXITSTATUS(status) : 1000);
	}
}

/* The one that waits is ended: the new process learns of it. */
static void test_unwanted(void)
{
	struct pollfd wait = { .events = POLLIN };
	int ends[2];
	pid_t parent;
	char byte;

	ASSERT_EQ(pipe(ends), 0);
	wait.fd = ends[0];
	parent = fork();
	ASSERT_GE(parent, 0);
	if (!parent) {
		int status = ready_detach();

		if (status >= 0)
			_exit(status);
		write(ends[1], ready_is_wanted() ? "y" : "n", 1);
		for (unsigned int i = 0; i < 500 && ready_is_wanted(); i++)
			usleep(10000);
		write(ends[1], ready_is_wanted() ? "y" : "n", 1);
		_exit(0);
	}
	ASSERT_EQ(read(ends[0], &byte, 1), 1);
	CHECK_EQ("it waits", 'y', byte);
	CHECK_EQ("that is all", 0, poll(&wait, 1, 50));
	kill(parent, SIGINT);
	ASSERT_EQ(read(ends[0], &byte, 1), 1);
	CHECK_EQ("it is gone", 'n', byte);
	CHECK_EQ("who never had one", 1, ready_is_wanted());
}

/* What the new process has: a session of its own, no input, and the files that are no terminal. */
static void test_streams(void)
{
	int ends[2], status;
	char told[4] = "";
	pid_t parent;

	ASSERT_EQ(pipe(ends), 0);
	parent = fork();
	ASSERT_GE(parent, 0);
	if (!parent) {
		int master = posix_openpt(O_RDWR | O_NOCTTY), slave;
		char byte;

		grantpt(master);
		unlockpt(master);
		slave = open(ptsname(master), O_RDWR | O_NOCTTY);
		dup2(ends[1], STDOUT_FILENO);
		dup2(slave, STDERR_FILENO);
		status = ready_detach();
		if (status >= 0)
			_exit(status);
		bool is_leader = getsid(0) == getpid(), was_terminal = isatty(STDERR_FILENO);

		ready_tell();
		told[0] = is_leader ? 's' : '-';
		told[1] = was_terminal && !isatty(STDERR_FILENO) ? 't' : '-';
		told[2] = read(STDIN_FILENO, &byte, 1) == 0 ? 'i' : '-';
		status = write(STDOUT_FILENO, told, 3);		/* the pipe is as it was */
		_exit(0);
	}
	close(ends[1]);
	ASSERT_EQ(waitpid(parent, &status, 0), parent);
	CHECK_EQ("status", 0, status);
	ASSERT_EQ(read(ends[0], told, 3), 3);
	CHECK_EQ(told, 0, strcmp(told, "sti"));
}

/* A service manager's socket at @path, '@' for the abstract kind. */
static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	strcpy(address.sun_path, path);
	if (*path == '@')
		address.sun_path[0] = 0;
	ASSERT_EQ(bind(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))), 0);
	setenv("NOTIFY_SOCKET", path, 1);
	return fd;
}

static void expect(int fd, const char *wanted)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	char got[256] = "";

	ASSERT_EQ(poll(&wait, 1, TEST_PATIENCE_MS), 1);
	ASSERT_GE(recv(fd, got, sizeof(got) - 1, 0), 1);
	test_note("%s", got);
	CHECK_EQ(wanted, 0, strcmp(wanted, got));
}

static void notify(const char *path)
{
	char wanted[64];
	int fd = listen_at(path);

	ready_open();
	ready_tell();
	snprintf(wanted, sizeof(wanted), "READY=1\nMAINPID=%d\nSTATUS=running", getpid());
	expect(fd, wanted);
	ready_end();
	expect(fd, "STOPPING=1");
	close(fd);
}

static void test_path(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/keel-notify-%d", getpid());
	notify(path);
	unlink(path);
}

static void test_abstract(void)
{
	char path[64];

	snprintf(path, sizeof(path), "@keel-notify-%d", getpid());
	notify(path);
}

/* Nobody is there: a warning at most, and the machine runs. */
static void test_nobody(void)
{
	static const char *const paths[] = { "/nowhere/socket", "/dev/null", "relative", "", "@nobody", "vsock:1:2" };
	char far[200];

	unsetenv("NOTIFY_SOCKET");
	ready_open();
	ready_tell();
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		setenv("NOTIFY_SOCKET", paths[i], 1);
		ready_open();
		ready_tell();
	}
	memset(far, '/', sizeof(far));
	far[sizeof(far) - 1] = 0;
	setenv("NOTIFY_SOCKET", far, 1);
	ready_open();
	ready_tell();
	ready_end();
	CHECK_EQ("no file is kept", -1, ready_null());
}

/* A manager that goes: the machine runs on. */
static void test_gone(void)
{
	char path[64];

	signal(SIGPIPE, SIG_IGN);
	snprintf(path, sizeof(path), "@keel-notify-%d", getpid());
	int fd = listen_at(path);

	ready_open();
	close(fd);
	ready_tell();
	ready_end();
}

/* One that does not read: neither does the machine wait. */
static void test_deaf(void)
{
	char path[64];

	snprintf(path, sizeof(path), "@keel-notify-%d", getpid());
	int fd = listen_at(path);

	ready_open();
	for (int i = 0; i < 2000; i++)
		ready_end();
	expect(fd, "STOPPING=1");
}

static const struct test_case cases[] = {
	{ "detach", test_detach },
	{ "unwanted", test_unwanted },
	{ "streams", test_streams },
	{ "path", test_path },
	{ "abstract", test_abstract },
	{ "nobody", test_nobody },
	{ "gone", test_gone },
	{ "deaf", test_deaf },
};

TEST_MAIN(cases)
