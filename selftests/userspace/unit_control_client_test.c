// SPDX-License-Identifier: GPL-2.0-only
/* The control socket: many, slow and hostile clients, and whose socket it is. */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "fake_control.h"
#include "test.h"

/* ---- many and slow clients ---- */

/* One who has much to ask does not keep the others waiting. */
static void test_turns(void)
{
	static const char request[] = "{\"command\":\"nmi\"}\n";
	char many[100 * sizeof(request)] = "";

	for (int i = 0; i < 100; i++)
		strcat(many, request);
	is_paced = true;
	set_up();
	int one = join(), two = join();

	ASSERT(is_ok(ask(two, "{\"command\":\"status\"}\n")), "both are there");
	say(one, many, strlen(many));
	/* Its first is done by now, and the others are there. */
	ASSERT(is_ok(hear(one, 20)), "the first");
	CHECK_EQ("the other one's", 1, is_ok(ask(two, "{\"command\":\"status\"}\n")));
	test_note("after %u of 100", nmis);
	CHECK_EQ("in turn", 1, nmis < 50);
	for (int i = 1; i < 100; i++)
		ASSERT(is_ok(hear(one, 20)), "answer %d", i);
	close(one);
	close(two);
	finish();
}

static void test_many(void)
{
	struct timespec wall[2], cpu[2];

	set_up();
	int fd = join();

	clock_gettime(CLOCK_MONOTONIC, &wall[0]);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu[0]);
	for (int i = 0; i < 2000; i++)
		ASSERT(is_ok(ask(fd, i & 1 ? "{\"command\":\"pause\"}\n" : "{\"command\":\"resume\"}\n")), "command %d", i);
	clock_gettime(CLOCK_MONOTONIC, &wall[1]);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu[1]);
	double spent = (double)(cpu[1].tv_sec - cpu[0].tv_sec) + (double)(cpu[1].tv_nsec - cpu[0].tv_nsec) / 1e9;

	test_note("2000 commands: %.3f s of CPU, test's side and sanitizer included, %.3f s in all", spent,
		  (double)(wall[1].tv_sec - wall[0].tv_sec) + (double)(wall[1].tv_nsec - wall[0].tv_nsec) / 1e9);
	/* of one CPU, so that a busy machine does not count */
	CHECK_EQ("1000 commands a second", 1, spent < 2);
	/* and all at once */
	for (int i = 0; i < 500; i++)
		say(fd, "{\"command\":\"resume\"}\n", 21);
	for (int i = 0; i < 500; i++)
		ASSERT(is_ok(hear(fd, 20)), "answer %d", i);
	close(fd);
	finish();
}

static void test_two(void)
{
	set_up();
	int one = join(), two = join();

	say(one, "{\"command\":", 11);
	CHECK_EQ("another's half line does not matter", 1, is_ok(ask(two, "{\"command\":\"pause\"}\n")));
	say(one, "\"status\"}\n{\"id\":", 16);
	CHECK_EQ("in pieces", 1, !!strstr(hear(one, 20), "\"state\":\"paused\""));
	CHECK_EQ("resume", 1, is_ok(ask(two, "{\"command\":\"resume\"}\n")));
	close(two);
	CHECK_EQ("in more pieces", 1, !!strstr(ask(one, "1,\"command\":\"status\"}\n"), "\"state\":\"running\""));
	/* It has said all that it wants to say, and takes the answers still. */
	say(one, "{\"command\":\"status\"}\n{\"command\":\"status\"}\nhalf", 46);
	shutdown(one, SHUT_WR);
	CHECK_EQ("first", 1, is_ok(hear(one, 20)));
	CHECK_EQ("second", 1, is_ok(hear(one, 20)));
	CHECK_EQ("and the end", 0, strlen(hear(one, 20)));
	close(one);
	finish();
}

static void test_crowd(void)
{
	int fds[CONTROL_CLIENTS];

	set_up();
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = join();
		ASSERT(is_ok(ask(fds[i], "{\"command\":\"status\"}\n")), "client %zu", i);
	}
	int last = join();

	CHECK_EQ("one too many", 1, !!strstr(hear(last, 20), "16 clients"));
	CHECK_EQ("is sent away", 0, strlen(hear(last, 20)));
	close(last);
	close(fds[3]);
	/* its place is free once the machine has seen that */
	for (int i = 0; i < 200; i++) {
		last = join();
		say(last, "{\"command\":\"status\"}\n", 21);
		if (is_ok(hear(last, 20)))
			break;
		close(last);
		last = -1;
		usleep(10000);
	}
	CHECK_EQ("a free place", 1, last >= 0);
	finish();
}

/* It asks and asks and takes no answer: it waits itself, then it goes; nobody else notices. */
static void test_unread(void)
{
	static const char request[] = "{\"command\":\"status\"}\n";
	struct pollfd wait = { .events = POLLOUT };
	unsigned long asked = 0;

	set_up();
	int deaf = join(), other = join();

	fcntl(deaf, F_SETFL, O_NONBLOCK);
	wait.fd = deaf;
	do {
		while (write(deaf, request, sizeof(request) - 1) > 0)
			asked++;
	} while (poll(&wait, 1, 500) == 1 && !(wait.revents & (POLLERR | POLLHUP)));
	test_note("%lu requests without a look at the answers", asked);
	CHECK_EQ("not endless", 1, asked < 1000000);
	for (int i = 0; i < 100; i++)
		ASSERT(is_ok(ask(other, request)), "another client, command %d", i);
	sleep(CONTROL_PATIENCE_S + 3);
	wait.events = 0;
	CHECK_EQ("sent away", 1, poll(&wait, 1, 0) == 1 && wait.revents & POLLHUP);
	CHECK_EQ("at work", 1, is_ok(ask(other, request)));
	finish();
}

static int count_files(void)
{
	DIR *files = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(files))
		count++;
	closedir(files);
	return count;
}

/* Files that nobody asked for are closed, whoever passes how many with what. */
static void test_files(void)
{
	set_up();
	int fd = join();

	ASSERT(is_ok(ask(fd, "{\"command\":\"status\"}\n")), "there");
	int before = count_files();

	for (unsigned int i = 0; i < 40; i++) {
		pass_along(fd, "{\"command\":\"status\"}\n", NULL, i % 8 + 1);
		ASSERT(is_ok(hear(fd, 20)), "with %u files", i % 8 + 1);
		pass_along(fd, "no JSON\n", NULL, i % 8 + 1);
		ASSERT(!is_ok(hear(fd, 20)), "with %u files", i % 8 + 1);
		/* each piece of a line brings some */
		pass_along(fd, "{\"command\":", NULL, i % 8 + 1);
		pass_along(fd, "\"status\"}\n", NULL, i % 8 + 1);
		ASSERT(is_ok(hear(fd, 20)), "with %u files twice", i % 8 + 1);
	}
	CHECK_EQ("closed with their requests", before, count_files());
	CHECK_EQ("a file of a request before", 1,
		 !!strstr(ask(fd, "{\"command\":\"save\"}\n"), "no file was passed"));
	for (unsigned int i = 0; i < 40; i++) {
		int other = join();

		ASSERT(is_ok(ask(other, "{\"command\":\"status\"}\n")), "another");
		pass_along(other, "{\"comm", NULL, i % 8 + 1);
		close(other);
	}
	for (int i = 0; i < 200 && count_files() != before; i++)
		usleep(10000);
	CHECK_EQ("closed with their clients", before, count_files());
	close(fd);
	finish();
}

/* Gone in the middle of an answer, or without a word. */
static void test_gone(void)
{
	set_up();
	for (int i = 0; i < 200; i++) {
		int fd = join();

		if (i & 1)
			say(fd, "{\"command\":\"status\"}\n{\"command\":\"status\"}\n{\"comm", 48);
		close(fd);
	}
	int fd = join();

	/* Those who have gone may not have been seen yet. */
	for (int i = 0; i < 200 && !is_ok(ask(fd, "{\"command\":\"status\"}\n")); i++) {
		close(fd);
		fd = join();
	}
	CHECK_EQ("at work", 1, is_ok(ask(fd, "{\"command\":\"status\"}\n")));
	finish();
}

/* ---- whose socket it is ---- */

static void test_socket(void)
{
	char other[64], far[256];
	struct stat stat_buffer;

	set_up();
	ASSERT_EQ(stat(path, &stat_buffer), 0);
	CHECK_EQ("for its owner alone", 0600, stat_buffer.st_mode & 07777);
	CHECK_EQ("somebody listens", -1, control_open(path));
	int fd = join();

	CHECK_EQ("and goes on", 1, is_ok(ask(fd, "{\"command\":\"status\"}\n")));
	close(fd);

	snprintf(other, sizeof(other), "%s/left", directory);
	fd = control_open(other);
	ASSERT_GE(fd, 0);
	close(fd);
	CHECK_EQ("it is left behind", 0, access(other, F_OK));
	fd = control_open(other);
	CHECK_EQ("and taken over", 1, fd >= 0);
	close(fd);
	unlink(other);

	/* Somebody who listens, and has more clients than he looks at. */
	int crowd[100] = { -1 };
	unsigned int count = 0;

	fd = control_open(other);
	while (count < ARRAY_SIZE(crowd) && (crowd[count] = control_connect(other, 1)) >= 0)
		count++;
	CHECK_EQ("some wait", 1, count > 0 && count < ARRAY_SIZE(crowd));
	CHECK_EQ("not left behind", -1, control_open(other));
	while (count)
		close(crowd[--count]);
	close(fd);
	unlink(other);

	/* Bound, and about to listen. */
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strcpy(address.sun_path, other);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ASSERT_EQ(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	CHECK_EQ("somebody's already", -1, control_open(other));
	close(fd);
	unlink(other);

	fd = open(directory, O_RDONLY);
	ASSERT_EQ(flock(fd, LOCK_EX), 0);
	int late = control_open(other);

	CHECK_EQ("the directory's lock is somebody's", 1, late >= 0);
	close(late);
	close(fd);
	unlink(other);

	fd = open(other, O_CREAT | O_RDWR, 0600);
	ASSERT_EQ(write(fd, "precious", 8), 8);
	CHECK_EQ("a file", -1, control_open(other));
	CHECK_EQ("stays", 8, lseek(fd, 0, SEEK_END));
	CHECK_EQ("in its place", 0, access(other, F_OK));
	close(fd);
	unlink(other);
	ASSERT_EQ(symlink("nowhere", other), 0);
	CHECK_EQ("a link to nowhere", -1, control_open(other));
	unlink(other);
	snprintf(far, sizeof(far), "%s/nowhere/socket", directory);
	CHECK_EQ("no such directory", -1, control_open(far));
	memset(far, 'x', sizeof(far));
	far[120] = 0;
	CHECK_EQ("too long", -1, control_open(far));
	CHECK_EQ("empty", -1, control_open(""));
	finish();
}

static const struct test_case cases[] = {
	{ "many", test_many },
	{ "turns", test_turns },
	{ "two", test_two },
	{ "crowd", test_crowd },
	{ "unread", test_unread },
	{ "files", test_files },
	{ "gone", test_gone },
	{ "socket", test_socket },
};

TEST_MAIN(cases)
