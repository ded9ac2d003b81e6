// SPDX-License-Identifier: GPL-2.0-only
/* A file that is written is there as a whole, or what was there before is. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"
#include "userspace/disk_lock.h"
#include "userspace/whole.h"

static char directory[] = "/tmp/keel-whole.XXXXXX";
static char path[64];

static bool fill(void *argument, int fd, struct state_error *error)
{
	const char *text = argument;

	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		return state_refuse(error, "cannot write: %s", strerror(errno));
	return true;
}

static bool refuse(void *argument, int fd, struct state_error *error)
{
	fill(argument, fd, error);
	return state_refuse(error, "no more");
}

/* The disk is full half-way: a limit stands for it, that a signal does not end the process for. */
static bool overflow(void *argument, int fd, struct state_error *error)
{
	struct rlimit before, limit;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	limit = before;
	limit.rlim_cur = 10;
	setrlimit(RLIMIT_FSIZE, &limit);

	bool is_filled = fill(argument, fd, error);

	setrlimit(RLIMIT_FSIZE, &before);	/* where the report of the test goes may be a file too */
	return is_filled;
}

static bool killed(void *argument, int fd, struct state_error *error)
{
	fill(argument, fd, error);
	raise(SIGKILL);
	return true;
}

static void set_up(const char *before)
{
	struct state_error error = { "" };

	ASSERT(mkdtemp(directory), "%s", strerror(errno));
	snprintf(path, sizeof(path), "%s/state", directory);
	if (before)
		ASSERT(whole_write(path, fill, (void *)before, &error), "%s", error.text);
}

/* What is there, and how many files are beside it. */
static void check(const char *name, const char *wanted, unsigned int others)
{
	char text[256] = "";
	int fd = open(path, O_RDONLY);
	struct dirent *entry;
	DIR *entries = opendir(directory);
	unsigned int count = 0;

	CHECK_EQ(name, !!wanted, fd >= 0);
	if (wanted) {
		ASSERT_GE(read(fd, text, sizeof(text) - 1), 0);
		if (strcmp(text, wanted))
			FAIL("%s: wanted '%s', got '%s'", name, wanted, text);
		close(fd);
	}
	while ((entry = readdir(entries)))
		count += entry->d_name[0] != '.';
	closedir(entries);
	CHECK_EQ(name, others + !!wanted, count);
}

static void clean_up(void)
{
	char other[512];
	struct dirent *entry;
	DIR *entries = opendir(directory);

	while ((entry = readdir(entries))) {
		snprintf(other, sizeof(other), "%s/%s", directory, entry->d_name);
		if (entry->d_name[0] != '.')
			remove(other);
	}
	closedir(entries);
	rmdir(directory);
}

static void test_new(void)
{
	struct stat stat_buffer;

	set_up("first");
	check("new", "first", 0);
	ASSERT_EQ(stat(path, &stat_buffer), 0);
	CHECK_EQ("for its owner alone: keys may be in it", 0600, stat_buffer.st_mode & 0777);
	clean_up();
}

static void test_replaced(void)
{
	struct state_error error = { "" };

	set_up("first");
	CHECK_EQ("written", 1, whole_write(path, fill, "second", &error));
	check("replaced", "second", 0);
	clean_up();
}

static void test_refused(void)
{
	struct state_error error = { "" };

	set_up("first");
	CHECK_EQ("written", 0, whole_write(path, refuse, "second", &error));
	CHECK_EQ("why", 0, strcmp(error.text, "no more"));
	check("the old one", "first", 0);
	clean_up();
}

static void test_full(void)
{
	struct state_error error = { "" };

	set_up("first");
	CHECK_EQ("written", 0, whole_write(path, overflow, "a text of more than ten bytes", &error));
	CHECK_EQ("why", 0, strncmp(error.text, "cannot write", 12));
	check("the old one", "first", 0);
	clean_up();
}

static void test_killed(void)
{
	struct state_error error = { "" };
	int status;

	set_up("first");
	pid_t child = fork();

	if (!child) {
		whole_write(path, killed, "second", &error);
		_exit(0);
	}
	waitpid(child, &status, 0);
	CHECK_EQ("killed", SIGKILL, WTERMSIG(status));
	check("the old one, and what was left behind", "first", 1);
	clean_up();
}

static void test_nowhere(void)
{
	struct state_error error = { "" };

	set_up(NULL);
	CHECK_EQ("written", 0, whole_write("/nowhere/at/all", fill, "text", &error));
	CHECK_EQ("why", 0, strncmp(error.text, "cannot create /nowhere/at/all.", 30));
	ASSERT_EQ(mkdir(path, 0700), 0);
	error.text[0] = 0;
	CHECK_EQ("in a directory's place", 0, whole_write(path, fill, "text", &error));
	CHECK_EQ("why", 1, !!strstr(error.text, "is there, and is no file"));
	clean_up();
}

/* /dev/null, say, which root could replace. */
static void test_no_file(void)
{
	struct state_error error = { "" };
	struct stat stat_buffer;
	char link[PATH_MAX + 8];

	set_up(NULL);
	ASSERT_EQ(mkfifo(path, 0600), 0);
	CHECK_EQ("in a pipe's place", 0, whole_write(path, fill, "text", &error));
	CHECK_EQ("why", 1, !!strstr(error.text, "is there, and is no file"));
	ASSERT_EQ(lstat(path, &stat_buffer), 0);
	CHECK_EQ("it stays", 1, S_ISFIFO(stat_buffer.st_mode));
	snprintf(link, sizeof(link), "%s.link", path);
	ASSERT_EQ(symlink(path, link), 0);
	CHECK_EQ("in the place of a link to one", 0, whole_write(link, fill, "text", &error));
	ASSERT_EQ(lstat(link, &stat_buffer), 0);
	CHECK_EQ("it stays too", 1, S_ISLNK(stat_buffer.st_mode));
	unlink(link);
	clean_up();
}

/* A machine that has it goes on with a file that nobody can find any more. Other locks are others' own. */
static void test_disk(void)
{
	struct state_error error = { "" };

	for (u32 is_readonly = 0; is_readonly < 2; is_readonly++) {
		set_up("a disk");
		int fd = open(path, is_readonly ? O_RDONLY : O_RDWR);

		ASSERT_EQ(flock(fd, LOCK_EX), 0);
		CHECK_EQ("whoever waits for his turn", 1, whole_write(path, fill, "another disk", &error));
		close(fd);
		fd = open(path, is_readonly ? O_RDONLY : O_RDWR);
		ASSERT_EQ(disk_lock(fd, is_readonly, path), 0);
		error.text[0] = 0;
		CHECK_EQ("in a disk's place", 0, whole_write(path, fill, "text", &error));
		CHECK_EQ("why", 1, !!strstr(error.text, "is a disk of a machine"));
		check("it stays", "another disk", 0);
		close(fd);
		error.text[0] = 0;
		CHECK_EQ("nobody's disk any more", 1, whole_write(path, fill, "text", &error));
		clean_up();
		strcpy(strrchr(directory, '.'), ".XXXXXX");
	}
}

static const struct test_case cases[] = {
	{ "new", test_new },
	{ "replaced", test_replaced },
	{ "refused", test_refused },
	{ "full", test_full },
	{ "killed", test_killed },
	{ "nowhere", test_nowhere },
	{ "no_file", test_no_file },
	{ "disk", test_disk },
};

TEST_MAIN(cases)
