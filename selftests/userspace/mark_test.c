// SPDX-License-Identifier: GPL-2.0-only
/*
 * keel ctl mark, and back to it, as often as there is time for: the guest goes on from the same point each time, as another one than before, and
 * neither memory nor descriptors are lost over it.
 *
 * usage: mark_test [CASE]...
 *        mark_test --reset SOCKET TIMES MS
 *
 * The second puts a machine that is marked back so often by one connection, with pauses of up to MS milliseconds between. KEEL_RESETS is how
 * often the first one's guest goes back, 500 times by default.
 */
#include <linux/kvm.h>
#include <poll.h>
#include <sys/socket.h>

#include <uapi/linux/keel.h>

#include "counting.h"
#include "proc_line.h"

#define STRIDE	7		/* of the pauses, so that they are of many lengths */

static char directory[] = "/tmp/keel-mark.XXXXXX";
static char socket_path[64], config_path[64], more[128];

/* ---- one connection ---- */

/* Return: the answer, without its newline. */
static const char *ask(int fd, const char *request)
{
	static char answer[4096];
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	size_t used = 0;

	ASSERT_EQ(send(fd, request, strlen(request), MSG_NOSIGNAL), (s64)strlen(request));
	while (!used || answer[used - 1] != '\n') {
		ASSERT(poll(&wait, 1, 60000 * (int)launch_scale()) == 1, "no answer to %s", request);
		ssize_t got = recv(fd, answer + used, sizeof(answer) - 1 - used, 0);

		ASSERT(got > 0, "the machine has ended");
		used += got;
	}
	answer[used - 1] = 0;
	return answer;
}

/* As another one, or the same. Return: pages that were put back. */
static u64 reset_as(int fd, const char *request)
{
	static const char start[] = "{\"ok\":true,\"pages\":";
	const char *answer = ask(fd, request);

	ASSERT(!strncmp(answer, start, strlen(start)), "got %s", answer);
	return strtoull(answer + strlen(start), NULL, 10);
}

static u64 reset_once(int fd)
{
	return reset_as(fd, "{\"command\":\"reset\",\"to_mark\":true}\n");
}

static int reset_many(const char *path, unsigned int times, unsigned int ms)
{
	int fd = launch_connect(path);
	u64 pages = 0, most = 0, now;
	s64 from = launch_now();

	for (unsigned int i = 0; i < times; i++) {
		now = reset_once(fd);
		pages += now;
		most = now > most ? now : most;
		usleep((i % STRIDE + 1) * ms * 1000 / STRIDE);
	}
	ASSERT(pages, "nothing was put back");
	printf("back %u times in %lld ms, %llu pages, %llu at most\n", times, (long long)(launch_now() - from), (unsigned long long)pages,
	       (unsigned long long)most);
	return KSFT_PASS;
}

/* ---- a guest of the test's own ---- */

static struct launch start(void)
{
	struct launch run = { .code = counting, .size = sizeof(counting), .in = STREAM_NULL, .out = STREAM_PIPE, .err = STREAM_PIPE, .more = more };
	int node = open(dev_path(), O_RDWR | O_CLOEXEC), fd;
	char text[256];

	REQUIRE(node >= 0 && ioctl(node, KVM_CHECK_EXTENSION, KEEL_CAP_RESET_VM) > 0, "%s puts no machine back", dev_path());
	close(node);
	ASSERT(mkdtemp(directory), "a directory");
	snprintf(socket_path, sizeof(socket_path), "%s/a", directory);
	snprintf(config_path, sizeof(config_path), "%s/config", directory);
	fd = open(config_path, O_CREAT | O_WRONLY, 0600);
	snprintf(text, sizeof(text), "{ \"control\": \"%s\", \"markable\": true }\n", socket_path);
	ASSERT_EQ(write(fd, text, strlen(text)), (s64)strlen(text));
	close(fd);
	snprintf(more, sizeof(more), "--config=%s", config_path);
	launch_start(&run);
	launch_wait_for_guest(&run);
	return run;
}

static void finish(struct launch *run, int fd)
{
	CHECK_EQ("quit", 0, strcmp("{\"ok\":true}", ask(fd, "{\"command\":\"quit\"}\n")));
	close(fd);
	CHECK_RET("ended by quit", 20, launch_end(run, 20));
	test_note("said: %s", launch_read(run->errors));
	CHECK_EQ("nothing is left beside the report", 0, launch_clean_up(run));
	unlink(config_path);
	CHECK_EQ("nothing is left", 0, rmdir(directory));
	strcpy(directory, "/tmp/keel-mark.XXXXXX");
}

/* All that has been printed by now. Return: how many bytes, the last of them at *@last; without any that stays. */
static size_t printed(const struct launch *run, char *last)
{
	char bytes[65536];
	size_t used = 0;
	ssize_t got;

	fcntl(run->output, F_SETFL, O_NONBLOCK);
	while ((got = read(run->output, bytes, sizeof(bytes))) > 0) {
		*last = bytes[got - 1];
		used += got;
	}
	return used;
}

/* The next that is printed. */
static char next(const struct launch *run)
{
	struct pollfd wait = { .fd = run->output, .events = POLLIN };
	char byte = 0;

	ASSERT(poll(&wait, 1, 20000 * (int)launch_scale()) == 1, "the guest prints nothing");
	ASSERT_EQ(read(run->output, &byte, 1), 1);
	return byte;
}

static void pause_it(int fd)
{
	ASSERT(!strcmp("{\"ok\":true}", ask(fd, "{\"command\":\"pause\"}\n")), "not paused");
	usleep(200000 * launch_scale());	/* for what it has printed to come out */
}

static void resume_it(int fd)
{
	ASSERT(!strcmp("{\"ok\":true}", ask(fd, "{\"command\":\"resume\"}\n")), "not resumed");
}

/* Of a status. */
static const char *generation_of(const char *answer)
{
	static const char name[] = "\"generation_id\":\"";
	static char number[40];
	const char *at = strstr(answer, name);

	snprintf(number, sizeof(number), "%.36s", at ? at + strlen(name) : "");
	return number;
}

static const char status[] = "{\"command\":\"status\"}\n";

/* From the mark on it counts the same, by itself or for who looks closely. */
static void test_same(void)
{
	struct launch run = start();
	int fd = launch_connect(socket_path);
	char last = 0, number[40];

	CHECK_EQ("no mark yet", 1, !!strstr(ask(fd, "{\"command\":\"reset\",\"to_mark\":true}\n"), "mark it first"));
	snprintf(number, sizeof(number), "%s", generation_of(ask(fd, status)));
	next(&run);
	pause_it(fd);
	ASSERT(printed(&run, &last) && last >= FIRST && last < FIRST + STEPS, "it counts");
	CHECK_EQ("marked", 1, !!strstr(ask(fd, "{\"command\":\"mark\"}\n"), "\"ok\":true,\"bytes\":"));
	CHECK_EQ("still the same one", 0, strcmp(number, generation_of(ask(fd, status))));
	CHECK_EQ("nothing to put back", 0, reset_once(fd));
	CHECK_EQ("another one", 1, *number && strcmp(number, generation_of(ask(fd, status))));
	snprintf(number, sizeof(number), "%s", generation_of(ask(fd, status)));
	reset_as(fd, "{\"command\":\"reset\",\"to_mark\":true,\"same\":true}\n");
	CHECK_EQ("the same one", 0, strcmp(number, generation_of(ask(fd, status))));
	for (int i = 0; i < 10; i++) {
		char unused;

		snprintf(number, sizeof(number), "%s", generation_of(ask(fd, status)));
		resume_it(fd);
		CHECK_EQ("goes on from the mark", (u8)(last - FIRST + 1) % STEPS, (u8)(next(&run) - FIRST));
		CHECK_EQ("and counts", (u8)(last - FIRST + 2) % STEPS, (u8)(next(&run) - FIRST));
		pause_it(fd);
		printed(&run, &unused);
		ASSERT(reset_once(fd), "nothing to put back");
		CHECK_EQ("another one", 1, !!strcmp(number, generation_of(ask(fd, status))));
	}
	finish(&run, fd);
}

static unsigned int descriptors(pid_t pid)
{
	char command[80];
	unsigned int count = 0;

	snprintf(command, sizeof(command), "ls /proc/%d/fd | wc -l", pid);
	FILE *file = popen(command, "r");

	ASSERT(file && fscanf(file, "%u", &count) == 1, "no list of descriptors");
	pclose(file);
	return count;
}

/* The output is read meanwhile, or the guest would stand. */
static void drain(const struct launch *run)
{
	char unused;

	printed(run, &unused);
}

static void test_many(void)
{
	const char *wanted = getenv("KEEL_RESETS");
	unsigned int times = wanted ? (unsigned int)atoi(wanted) : 500, files;
	struct launch run = start();
	int fd = launch_connect(socket_path);
	u64 before;
	s64 from;

	ASSERT(times, "KEEL_RESETS=%s", wanted);
	CHECK_EQ("marked", 1, !!strstr(ask(fd, "{\"command\":\"mark\"}\n"), "\"ok\":true,\"bytes\":"));
	for (unsigned int i = 0; i < 20; i++)
		reset_once(fd);
	before = proc_number(run.pid, "status", "VmRSS:");
	files = descriptors(run.pid);
	from = launch_now();
	for (unsigned int i = 0; i < times; i++) {
		reset_once(fd);
		drain(&run);
	}
	test_note("back %u times in %lld ms", times, (long long)(launch_now() - from));
	CHECK_EQ("descriptors", files, descriptors(run.pid));
	CHECK_EQ("memory", 1, before && proc_number(run.pid, "status", "VmRSS:") <= before + 256);
	next(&run);
	CHECK_EQ("it runs", 1, !!strstr(ask(fd, status), "\"state\":\"running\""));
	finish(&run, fd);
}

static const struct test_case cases[] = {
	{ "same", test_same },
	{ "many", test_many, 3000 },
};

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "--reset"))
		return reset_many(argv[2], (unsigned int)atoi(argv[3]), (unsigned int)atoi(argv[4]));
	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
