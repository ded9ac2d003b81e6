// SPDX-License-Identifier: GPL-2.0-only
/* How virtiofsd is found and started, and what is said where it is not, by stand-ins for it. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "fake_share.h"
#include "stopping.h"
#include "userspace/children.h"
#include "userspace/children_start.h"
#include "userspace/share_child.h"
#include "userspace/status.h"

static char program[128];

/* All that it says until it ends, in place of the socket's answer. */
static void read_until_end(const struct child *child, char *line, size_t size)
{
	struct pollfd wait = { .fd = child->socket };

	ASSERT_EQ(poll(&wait, 1, TEST_PATIENCE_MS), 1);
	child_words(child->words, line, size);
}

/* Which arguments it gets, what it has open, and where its words go. */
static void test_start(void)
{
	static const struct {
		const char *name, *source;	/* below the directory; as an option */
	} rows[] = {
		{ "shared", "shared" },
		{ "a,b", "a\\,b" },
		{ "a\\b,,c", "a\\\\b\\,\\,c" },
		{ "a b", "a b" },
		{ "link", "shared" },
	};
	struct child child;
	char line[256], want[256];

	share_make_directory();
	/* Files: three streams and the socket, and the directory that is being read. */
	share_write("program", "#!/bin/sh\nprintf '%s|' \"$@\" $# \"$(echo $(ls -v /proc/self/fd))\" >&2\n", 0755);
	snprintf(program, sizeof(program), "%s", share_path("program"));
	ASSERT_EQ(symlink("shared", share_path("link")), 0);
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct share_options options = { .path = (char *)(uintptr_t)share_path(rows[i].name), .tag = "t" };
		int fd;

		mkdir(options.path, 0777);
		ASSERT_EQ(share_child_start(&child, program, &options), 0);
		read_until_end(&child, line, sizeof(line));
		ASSERT_EQ(sscanf(line, "--fd=%d", &fd), 1);
		snprintf(want, sizeof(want), "--fd=%d|-o|source=%s/%s|-o|log_level=err|--thread-pool-size=0|6|0 1 2 3 %d|", fd,
			 share_directory, rows[i].source, fd == 3 ? 4 : fd);
		CHECK_EQ(line, 0, strcmp(want, line));
		close(child.socket);
		close(child.words);
	}
	share_remove_directory();
}

static void test_words(void)
{
	static const struct {
		const char *said, *want;
		size_t size;
	} rows[] = {
		{ "", "", 80 },
		{ "one\n", "one", 80 },
		{ "one\ntwo\n", "two", 80 },
		{ "one\ntwo", "two", 80 },
		{ "one\n\n\n", "one", 80 },
		{ "one\r\n", "one", 80 },
		{ "\n\n", "", 80 },
		{ "a\033[2Jb\xc3\xa4\tc\n", "a?[2Jb???c", 80 },
		{ "a line that is too long\n", "a li", 5 },
		{ "long, and then\nshort\n", "shor", 5 },
		{ "x\n", "", 1 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		char line[80];
		int ends[2];

		ASSERT_EQ(pipe2(ends, O_NONBLOCK), 0);
		ASSERT_EQ(write(ends[1], rows[i].said, strlen(rows[i].said)), (int)strlen(rows[i].said));
		memset(line, 'x', sizeof(line));
		child_words(ends[0], line, rows[i].size);
		CHECK_EQ(rows[i].said, 0, strcmp(rows[i].want, line));
		close(ends[0]);
		close(ends[1]);
	}
}

static void test_no_start(void)
{
	static const struct {
		const char *name, *path, *program, *words;
	} rows[] = {
		{ "no directory", "missing", "/bin/true", "missing: No such file or directory" },
		{ "a typing error", "shared,redonly", "/bin/true", "(words behind it can be tag=TAG and readonly)" },
		{ "a file", "file", "/bin/true", "file: Not a directory" },
		{ "a loop", "loop", "/bin/true", "Too many levels of symbolic links" },
		{ "the root directory", "root", "/bin/true", "root: that is the host's root directory" },
		{ "no virtiofsd", "shared", "/nonexistent/virtiofsd", "(apt-get install qemu-system-common)" },
		{ "one that cannot be started", "shared", "/etc/passwd", "Permission denied" },
	};
	struct child child;

	share_make_directory();
	share_write("file", "", 0600);
	ASSERT_EQ(symlink("loop", share_path("loop")), 0);
	ASSERT_EQ(symlink("/", share_path("root")), 0);
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct share_options options = { .path = (char *)(uintptr_t)share_path(rows[i].path), .tag = "t" };

		CHECK_EQ(rows[i].name, STATUS_SHARE, share_child_start(&child, rows[i].program, &options));
		CHECK_EQ(status_last(), 1, !!strstr(status_last(), rows[i].words));
	}
	share_remove_directory();
}

static void test_unreadable(void)
{
	struct share_options options = { .tag = "t" };
	struct child child;

	if (!geteuid())
		share_become_user(0);
	share_make_directory();
	ASSERT_EQ(chmod(share_path("shared"), 0311), 0);
	options.path = (char *)(uintptr_t)share_path("shared");
	CHECK_EQ("a directory that may not be read", STATUS_SHARE, share_child_start(&child, "/bin/true", &options));
	CHECK_EQ(status_last(), 1, !!strstr(status_last(), "shared: Permission denied"));
	ASSERT_EQ(chmod(share_path("shared"), 0700), 0);
	share_remove_directory();
}

/* Of one that ends while we run nothing is left; it can wait for children of its own. */
static void test_let_go(void)
{
	enum { GOOD, NO_START, LEFT, CANNOT_WAIT };
	struct share_options options = { .tag = "t" };
	struct child child;
	char line[256];
	int status;

	share_make_directory();
	share_write("program", "#!/bin/sh\n(exit 3) &\nwait $!\necho $?\n", 0755);
	snprintf(program, sizeof(program), "%s", share_path("program"));
	options.path = (char *)(uintptr_t)share_path("shared");
	pid_t pid = fork();

	if (!pid) {
		children_let_go();
		if (share_child_start(&child, program, &options))
			_exit(NO_START);
		/* Returns when there is none any more, or one that has ended. */
		if (waitpid(-1, NULL, 0) >= 0 || errno != ECHILD)
			_exit(LEFT);
		child_words(child.words, line, sizeof(line));
		_exit(strcmp(line, "3") ? CANNOT_WAIT : GOOD);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ("how it went", GOOD, WEXITSTATUS(status));
	share_remove_directory();
}

/*
 * It does not end with its connection; nor does what it has started, which is what has the guest's memory. That is killed first: it must not
 * end by itself then.
 */
static void test_end(void)
{
	static const struct {
		const char *name;
		bool is_stopped;
		int patience_ms;
		const char *program;
		bool ends;		/* by itself */
	} rows[] = {
		{ "it ends by itself", false, 5000, "#!/bin/sh\nexec sleep 0.2\n", true },
		{ "it does not", false, 0, "#!/bin/sh\nsleep 1000 &\necho on\nwait\nexec sleep 1000\n", false },
		{ "it is stopped", true, 100, "#!/bin/sh\nsleep 1000 &\necho on\nwait\nexec sleep 1000\n", false },
	};
	struct share_options options = { .tag = "t" };
	char shared[128];

	share_make_directory();
	snprintf(program, sizeof(program), "%s", share_path("program"));
	snprintf(shared, sizeof(shared), "%s", share_path("shared"));
	options.path = shared;
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct children children = { .count = 0 };
		struct child child;

		share_write("program", rows[i].program, 0755);
		ASSERT_EQ(share_child_start(&child, program, &options), 0);
		for (u32 n = 0; n < 500 && children.count < (rows[i].ends ? 1 : 2); n++) {
			children_find(&children, child.pid);
			usleep(10000);
		}
		CHECK_EQ(rows[i].name, rows[i].ends ? 1 : 2, children.count);
		if (rows[i].is_stopped)
			stopping_stop(&children);
		CHECK_EQ("gone", 1, children_end(&children, rows[i].patience_ms, 5000));
		CHECK_EQ("again", 1, children_end(&children, 0, 0));
		int status;

		ASSERT_EQ(waitpid(child.pid, &status, 0), child.pid);
		CHECK_EQ("by itself", rows[i].ends, WIFEXITED(status));
		children_forget(&children);
		CHECK_EQ("none is known", 0, children_end(&children, 0, 0));
		close(child.socket);
		close(child.words);
	}
	share_remove_directory();
}

static int *ran;

static void note_run(int signal) { __atomic_add_fetch(ran, 1, __ATOMIC_SEQ_CST); }

/* In a group of their own, as child_start() has them. The second is what is continued, if any is. */
static void note_continued(bool is_child)
{
	if (is_child)
		return;
	setpgid(0, 0);
	signal(SIGHUP, note_run);
	signal(SIGCONT, note_run);
}

/* What is stopped does nothing more before it ends, whoever's child it is. All on one CPU: each end is as soon as it can be. */
static void test_stays_stopped(void)
{
	cpu_set_t all, one;

	ASSERT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
	ran = mmap(NULL, sizeof(*ran), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT(ran != MAP_FAILED, "shared memory");
	for (u32 round = 0; round < 50; round++) {
		struct children children = { .count = 0 };
		pid_t pid = stopping_start_pair(note_continued);

		children_find(&children, pid);
		ASSERT_EQ(children.count, 2);
		stopping_stop(&children);
		ASSERT_EQ(children_end(&children, 0, 5000), true);
		ASSERT_EQ(waitpid(pid, NULL, 0), pid);
		children_forget(&children);
	}
	CHECK_EQ("times that one ran", 0, *ran);
	munmap(ran, sizeof(*ran));
	ASSERT_EQ(sched_setaffinity(0, sizeof(all), &all), 0);
}

/* With room for less than two more files nothing is left open, and the caller is told why. */
static void test_no_sockets(void)
{
	static const struct {
		const char *name;
		rlim_t room;
		int want;
	} rows[] = {
		{ "for none", 0, EMFILE },
		{ "for one", 1, EMFILE },
		{ "for both", 2, 0 },
	};
	struct rlimit before, limit;
	int first = dup(0);

	ASSERT(first >= 0, "a file");
	close(first);
	ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		int ours, listener, next;

		limit = (struct rlimit){ (rlim_t)first + rows[i].room, before.rlim_max };
		ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
		CHECK_EQ(rows[i].name, rows[i].want, child_sockets(&ours, &listener));
		ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
		next = dup(0);
		CHECK_EQ("what is open", first + (rows[i].want ? 0 : 2), next);
		close(next);
		if (rows[i].want)
			continue;
		CHECK_EQ("connected", 1, poll(&(struct pollfd){ .fd = listener, .events = POLLIN }, 1, TEST_PATIENCE_MS));
		close(ours);
		close(listener);
	}
}

static const struct test_case cases[] = {
	{ "no_sockets", test_no_sockets },
	{ "start", test_start },
	{ "words", test_words },
	{ "no_start", test_no_start },
	{ "let_go", test_let_go },
	{ "end", test_end },
	{ "stays_stopped", test_stays_stopped },
	{ "unreadable", test_unreadable },	/* last: it becomes another user */
};

TEST_MAIN(cases)
