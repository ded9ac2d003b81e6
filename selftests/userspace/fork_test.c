// SPDX-License-Identifier: GPL-2.0-only
/*
 * keel ctl fork: the child goes on from the same moment with memory of its own, and neither learns of the other; each ends by
 * itself; children have children; what cannot be is refused in words, and the machine goes on.
 */
#include <linux/kvm.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <uapi/linux/keel.h>

#include "counting.h"
#include "launch_keel.h"
#include "proc_line.h"

#define TICKS	5	/* looked at of each machine */
#define CHILD_KB	512	/* of memory that a child may have of its own */

static char directory[] = "/tmp/keel-fork.XXXXXX";
static char more[512], config_path[64];

/* A name in the directory; of eight, one after the other. */
static const char *at(const char *name)
{
	static char paths[8][64];
	static unsigned int next;
	char *path = paths[next++ % ARRAY_SIZE(paths)];

	snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
	return path;
}

static struct launch start(const u8 *code, size_t size, const char *options)
{
	struct launch run = { .code = code, .size = size, .in = STREAM_NULL, .out = STREAM_PIPE, .err = STREAM_PIPE, .more = more };
	int node = open(dev_path(), O_RDWR | O_CLOEXEC), fd;
	char text[512];

	REQUIRE(node >= 0 && ioctl(node, KVM_CHECK_EXTENSION, KEEL_CAP_FORK_VM) > 0, "%s forks no machines", dev_path());
	close(node);
	ASSERT(mkdtemp(directory), "a directory");
	snprintf(config_path, sizeof(config_path), "%s/config", directory);
	fd = open(config_path, O_CREAT | O_WRONLY, 0600);
	snprintf(text, sizeof(text), "{ \"control\": \"%s/a\", \"forkable\": true%s }\n", directory, options);
	ASSERT_EQ(write(fd, text, strlen(text)), (s64)strlen(text));
	close(fd);
	snprintf(more, sizeof(more), "--config=%s", config_path);
	launch_start(&run);
	launch_wait_for_guest(&run);
	return run;
}

static void finish(struct launch *run, const char *name, int wanted)
{
	char command[128];

	CHECK_RET(name, wanted, launch_end(run, 20));
	test_note("said: %s", launch_read(run->errors));
	CHECK_EQ("nothing is left beside the report", 0, launch_clean_up(run));
	CHECK_EQ("no socket is left", -1, access(at("a"), F_OK));
	snprintf(command, sizeof(command), "rm -r %s", directory);
	CHECK_EQ("removed", 0, system(command));
	strcpy(directory, "/tmp/keel-fork.XXXXXX");
}

static int ctl(const char *machine, const char *command)
{
	const char *argv[] = { "keel", "ctl", "--json", at(machine), command, NULL };
	int status = keel(argv);

	test_note("%s %s: %d %.200s", machine, command, status, said);
	return status;
}

/* keel ctl MACHINE fork --control CHILD --serial CHILD.out OPTION. Return: the child's process, 0 if refused. */
static pid_t fork_it(const char *machine, const char *child, const char *option)
{
	char serial[16];

	snprintf(serial, sizeof(serial), "%s.out", child);
	const char *argv[] = { "keel", "ctl", "--json", at(machine), "fork", "--control", at(child), "--serial", at(serial), option, NULL };
	int status = keel(argv);
	const char *pid = strstr(said, "\"pid\":");

	test_note("%s forks %s: %d %.200s", machine, child, status, said);
	return !status && pid ? atoi(pid + 6) : 0;
}

/* Of an answer to "status": the parent's process, 0 for none. */
static pid_t parent_of(const char *answer)
{
	const char *parent = strstr(answer, "\"parent\":");

	return parent ? atoi(parent + strlen("\"parent\":")) : -1;
}

/* Of the same, the generation ID; "" if there is none. */
static const char *generation_of(const char *answer)
{
	static const char name[] = "\"generation_id\":\"";
	static char number[40];
	const char *at = strstr(answer, name);

	snprintf(number, sizeof(number), "%.36s", at ? at + strlen(name) : "");
	return number;
}

static bool is_gone(pid_t pid)
{
	for (unsigned int i = 0; i < 500 * launch_scale(); i++) {
		if (kill(pid, 0))
			return true;
		usleep(10000);
	}
	return false;
}

/* What a child has printed, when there is @least of it. Return: how much; all that there is after a while. */
static size_t printed(const char *child, char *bytes, size_t room, size_t least)
{
	ssize_t got = 0;

	for (unsigned int i = 0; i < 500 * launch_scale() && (size_t)got < least; i++) {
		int fd = open(at(child), O_RDONLY);

		ASSERT_GE(fd, 0);
		got = read(fd, bytes, room);
		ASSERT_GE(got, 0);
		close(fd);
		usleep(10000);
	}
	return got;
}

/* Return: does each count follow the one before? */
static bool is_row(const char *bytes, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if ((u8)(bytes[i - 1] - FIRST + 1) % STEPS != (u8)(bytes[i] - FIRST))
			return false;
	return count > 0;
}

/* The parent's output goes on in a row, without a gap where its children were. */
static void check_parent(const struct launch *run, char *last)
{
	char bytes[4096];
	ssize_t got;

	usleep(200000 * launch_scale());
	fcntl(run->output, F_SETFL, O_NONBLOCK);
	for (bytes[0] = *last; (got = read(run->output, bytes + 1, sizeof(bytes) - 1)) > 0; bytes[0] = *last) {
		CHECK_EQ("the parent counts on", 1, *last ? is_row(bytes, got + 1) : is_row(bytes + 1, got));
		*last = bytes[got];
	}
}

static void test_goes_on(void)
{
	struct launch run = start(counting, sizeof(counting), "");
	char bytes[4096], last = 0, number[40];
	struct stat stat_buffer;

	check_parent(&run, &last);
	CHECK_EQ("paused, so that its output is known", 0, ctl("a", "pause"));
	check_parent(&run, &last);

	pid_t pid = fork_it("a", "b", NULL);

	CHECK_EQ("forked", 1, pid > 0 && pid != run.pid);
	CHECK_EQ("a child runs, whatever its parent does", TICKS, printed("b.out", bytes, TICKS, TICKS));
	CHECK_EQ("it goes on where the parent was", (u8)(last - FIRST + 1) % STEPS, (u8)(bytes[0] - FIRST));
	CHECK_EQ("and counts on", 1, is_row(bytes, TICKS));
	CHECK_EQ("status of the child", 0, ctl("b", "status"));
	CHECK_EQ("which is another process", 1, atoi(strstr(said, "\"pid\":") + 6) == pid);
	CHECK_EQ("and knows of which", 1, parent_of(said) == run.pid);
	snprintf(number, sizeof(number), "%s", generation_of(said));
	CHECK_EQ("status of the parent", 0, ctl("a", "status"));
	CHECK_EQ("which has none", 0, parent_of(said));
	CHECK_EQ("another generation", 1, *number && *generation_of(said) && !!strcmp(number, generation_of(said)));
	CHECK_EQ("status of the child", 0, ctl("b", "status"));
	CHECK_EQ("the same one", 0, strcmp(number, generation_of(said)));
	CHECK_EQ("and runs", 1, !!strstr(said, "\"state\":\"running\""));
	CHECK_EQ("its socket", 0, stat(at("b"), &stat_buffer));
	CHECK_EQ("for its owner alone", 0600, stat_buffer.st_mode & 07777);
	CHECK_EQ("its statistics", 0, ctl("b", "stats"));
	CHECK_EQ("are a machine's", 1, !!strstr(said, "\"vcpus\":[{\""));
	CHECK_EQ("resume", 0, ctl("a", "resume"));
	check_parent(&run, &last);
	CHECK_EQ("pause the child", 0, ctl("b", "pause"));
	check_parent(&run, &last);
	CHECK_EQ("quit the child", 0, ctl("b", "quit"));
	CHECK_EQ("it is gone, and nobody need wait for it", 1, is_gone(pid));
	check_parent(&run, &last);
	CHECK_EQ("quit", 0, ctl("a", "quit"));
	finish(&run, "ended by quit", 20);
}

/* A child that waits, children of a child, the parent dies before them. */
static void test_generations(void)
{
	struct launch run = start(counting, sizeof(counting), ", \"cpus\": 2");
	char bytes[4096], last = 0;

	check_parent(&run, &last);
	CHECK_EQ("forked", 1, fork_it("a", "b", "--paused") > 0);
	CHECK_EQ("status", 0, ctl("b", "status"));
	CHECK_EQ("the child is paused", 1, !!strstr(said, "\"state\":\"paused\""));
	usleep(200000 * launch_scale());
	CHECK_EQ("and prints nothing", 0, printed("b.out", bytes, 1, 0));
	CHECK_EQ("a paused one is forked", 1, fork_it("b", "c", NULL) > 0);
	CHECK_EQ("and its child runs", TICKS, printed("c.out", bytes, TICKS, TICKS));
	CHECK_EQ("forked again", 1, fork_it("c", "d", NULL) > 0);
	CHECK_EQ("and again", 1, fork_it("a", "e", NULL) > 0);
	check_parent(&run, &last);
	launch_signal(&run, SIGKILL);
	CHECK_RET("the first one is killed", 256 + SIGKILL, launch_end(&run, 10));
	CHECK_EQ("resume its child", 0, ctl("b", "resume"));
	for (const char *child = "bcde"; *child; child++) {
		char name[2] = { *child }, file[8];

		snprintf(file, sizeof(file), "%s.out", name);
		CHECK_EQ("all children count", TICKS, printed(file, bytes, TICKS, TICKS));
		CHECK_EQ("in a row", 1, is_row(bytes, TICKS));
		CHECK_EQ("quit", 0, ctl(name, "quit"));
	}
	unlink(at("a"));
	launch_clean_up(&run);
	snprintf(more, sizeof(more), "rm -r %s", directory);
	CHECK_EQ("removed", 0, system(more));
	strcpy(directory, "/tmp/keel-fork.XXXXXX");
}

/* Each has its own power button, and its own end. */
static void test_ends(void)
{
	struct launch run = start(obedient, sizeof(obedient), "");
	pid_t one = fork_it("a", "b", NULL), other = fork_it("a", "c", NULL);

	CHECK_EQ("forked", 1, one > 0 && other > 0);
	CHECK_EQ("pressed", 0, ctl("b", "power-button"));
	CHECK_EQ("the child powers off", 1, is_gone(one));
	CHECK_EQ("its parent does not", 0, ctl("a", "status"));
	kill(other, SIGTERM);
	CHECK_EQ("a signal presses it as well", 1, is_gone(other));
	CHECK_EQ("pressed", 0, ctl("a", "power-button"));
	finish(&run, "powered off", 0);
}

/* In the background: once @child runs, which its parent knows by then, do @command to it, or kill it. */
static pid_t meanwhile(const char *child, const char *command)
{
	const char *argv[] = { "keel", "ctl", at(child), command, NULL };
	pid_t pid = fork();

	ASSERT_GE(pid, 0);
	if (pid)
		return pid;
	const char *status[] = { "keel", "ctl", "--json", argv[2], "status", NULL };

	for (unsigned int i = 0; i < 1000 * launch_scale() && (keel(status) || !strstr(said, "\"state\":\"running\"")); i++)
		usleep(10000);
	if (command)
		_exit(keel(argv));
	_exit(!strstr(said, "\"pid\":") || kill(atoi(strstr(said, "\"pid\":") + 6), SIGKILL));
}

/* Who has asked for a child learns how it ended: by his own exit status, what is printed, and a file. */
static void test_waits(void)
{
	static const struct {
		const char *name, *command;	/* NULL: it is killed */
		int status;
		const char *printed, *report;
	} rows[] = {
		{ "powered off", "power-button", 0, "\"name\":\"poweroff\",\"reason\":\"the guest powered off\"}\n", "{\"status\": 0, \"name\": \"poweroff\"" },
		{ "quit", "quit", 20, "{\"status\":20,\"name\":\"quit\"", "{\"status\": 20, \"name\": \"quit\"" },
		{ "killed", NULL, 13, "it was killed, or crashed", "" },
	};
	struct launch run = start(obedient, sizeof(obedient), "");
	char bytes[512];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *argv[] = { "keel", "ctl", "--json", at("a"), "fork", "--control", at("b"), "--wait", "--status-json", at("b.json"), NULL };
		pid_t helper = meanwhile("b", rows[i].command);
		int status;

		CHECK_EQ(rows[i].name, rows[i].status, keel(argv));
		test_note("said: %s", said);
		CHECK_EQ("first its number", 1, !!strstr(said, "{\"ok\":true,\"pid\":"));
		CHECK_EQ("then its end", 1, !!strstr(said, rows[i].printed));
		memset(bytes, 0, sizeof(bytes));
		if (*rows[i].report)
			printed("b.json", bytes, sizeof(bytes) - 1, 1);
		CHECK_EQ("and a file", 0, *rows[i].report ? strncmp(bytes, rows[i].report, strlen(rows[i].report)) : !access(at("b.json"), F_OK));
		ASSERT_EQ(waitpid(helper, &status, 0), helper);
		CHECK_EQ("the other one", 0, status);
		unlink(at("b.json"));
	}
	/* Nobody waits: what the child writes at its end is there, its own child's is another. */
	const char *one[] = { "keel", "ctl", at("a"), "fork", "--control", at("b"), "--status-json", at("b.json"), NULL };
	const char *other[] = { "keel", "ctl", at("b"), "fork", "--control", at("c"), "--status-json", at("c.json"), NULL };

	CHECK_EQ("forked", 0, keel(one));
	CHECK_EQ("its child", 0, keel(other));
	CHECK_EQ("that ends", 0, ctl("c", "power-button"));
	CHECK_EQ("and tells so", 1, printed("c.json", bytes, sizeof(bytes), 1) > 0);
	CHECK_EQ("in its own file", 0, printed("b.json", bytes, sizeof(bytes), 0));
	CHECK_EQ("the other one ends", 0, ctl("b", "quit"));
	CHECK_EQ("and tells so", 1, printed("b.json", bytes, sizeof(bytes), 1) > 0);
	CHECK_EQ("its status", 0, strncmp(bytes, "{\"status\": 20", 13));
	CHECK_EQ("quit", 0, ctl("a", "quit"));
	finish(&run, "ended by quit", 20);
}

/* What a terminal says arrives. */
static void test_terminal(void)
{
	struct launch run = start(counting, sizeof(counting), "");
	struct launch terminal = { .keys = -1, .terminal = -1 };
	char name[32], bytes[16];
	int n;

	launch_open_terminal(&terminal);
	ASSERT_EQ(ioctl(terminal.keys, TIOCGPTN, &n), 0);
	snprintf(name, sizeof(name), "/dev/pts/%d", n);

	const char *argv[] = { "keel", "ctl", "--json", at("a"), "fork", "--serial", name, NULL };

	CHECK_EQ("forked, without a socket", 0, keel(argv));
	pid_t pid = atoi((strstr(said, "\"pid\":") ?: "\"pid\":0") + 6);

	CHECK_EQ("its output", 1, read(terminal.keys, bytes, 1));
	launch_type(&terminal, "\001x", 2);
	CHECK_EQ("ended from there", 1, is_gone(pid));
	CHECK_EQ("quit", 0, ctl("a", "quit"));
	finish(&run, "ended by quit", 20);
}

/* What a child costs that has not run yet: memory of the launcher's own. */
static void test_cost(void)
{
	struct launch run = start(sleeping, sizeof(sleeping), "");
	s64 from = launch_now();
	pid_t pid = fork_it("a", "b", "--paused");
	s64 took = launch_now() - from;
	unsigned long kb = proc_number(pid, "smaps_rollup", "Private_Dirty:");

	CHECK_EQ("forked", 1, pid > 0);
	test_note("keel ctl fork took %lld ms; the child has %lu KB of its own", (long long)took, kb);
	CHECK_EQ("some memory", 1, kb > 0);
	CHECK_EQ("not much of it", 1, kb <= CHILD_KB);
	CHECK_EQ("quit", 0, ctl("b", "quit"));
	CHECK_EQ("quit", 0, ctl("a", "quit"));
	finish(&run, "ended by quit", 20);
}

static void test_refusals(void)
{
	struct launch run = start(sleeping, sizeof(sleeping), "");
	const struct {
		const char *name, *argv[9];
		int status;
		const char *why;
	} rows[] = {
		{ "its own socket", { "keel", "ctl", at("a"), "fork", "--control", at("a") }, 2, "somebody listens there already" },
		{ "no such directory", { "keel", "ctl", at("a"), "fork", "--control", "/nowhere/b" }, 2, "No such file" },
		{ "no such file", { "keel", "ctl", at("a"), "fork", "--serial", "/nowhere/b" }, 2, "No such file" },
		{ "a FIFO without a reader", { "keel", "ctl", at("a"), "fork", "--serial", at("fifo") }, 2, "No such device" },
		{ "both", { "keel", "ctl", at("a"), "fork", "--control", at("b"), "--name", "b" }, 2, "not both" },
		{ "not a name", { "keel", "ctl", at("a"), "fork", "--name", "-b" }, 2, "letters, digits" },
		{ "another command", { "keel", "ctl", at("a"), "status", "--paused" }, 2, "go with fork" },
		{ "no place for a report", { "keel", "ctl", at("a"), "fork", "--status-json", "/nowhere/b" }, 2, "No such file" },
		{ "no machine", { "keel", "ctl", at("b"), "fork", "--control", at("c") }, 21, "no machine is there" },
	};

	ASSERT_EQ(mkfifo(at("fifo"), 0600), 0);
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		int status = keel(rows[i].argv);

		test_note("%s: %s", rows[i].name, said);
		CHECK_EQ(rows[i].name, rows[i].status, status);
		if (!strstr(said, rows[i].why))
			FAIL("%s: wanted '%s', got '%s'", rows[i].name, rows[i].why, said);
	}
	CHECK_EQ("no socket of a child that there is not", -1, access(at("c"), F_OK));
	CHECK_EQ("it is there", 0, ctl("a", "status"));
	CHECK_EQ("quit", 0, ctl("a", "quit"));
	finish(&run, "ended by quit", 20);
}

/* Not started with --forkable; and what cannot be together with that. */
static void test_options(void)
{
	const struct {
		const char *name, *argv[12];
		const char *why;
	} rows[] = {
		{ "no socket", { "keel", "run", "--kernel=x", "--forkable" }, "needs --control or --name" },
		{ "a disk", { "keel", "run", "--kernel=x", "--forkable", "--name=x", "--disk=y" }, "--disk y can be written" },
		{ "a network", { "keel", "run", "--kernel=x", "--forkable", "--name=x", "--net=tap=t" }, "not together with --net" },
		{ "shared memory", { "keel", "run", "--kernel=x", "--forkable", "--name=x", "--memory-backing=shared" }, "--memory-backing shared" },
		{ "a device", { "keel", "run", "--kernel=x", "--forkable", "--name=x", "--vfio=0:1.0" }, "--vfio" },
	};

	launch_program();
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		CHECK_EQ(rows[i].name, 2, keel(rows[i].argv));
		test_note("%s: %s", rows[i].name, said);
		if (!strstr(said, rows[i].why))
			FAIL("%s: wanted '%s', got '%s'", rows[i].name, rows[i].why, said);
	}
	launch_write_kernel(sleeping, sizeof(sleeping));

	const char *many[] = { "keel", "run", "--device", dev_path(), "--kernel", launch_kernel, "--memory=32M", "--cpus=9", "--forkable",
			       "--control=/tmp/keel-forkable", NULL };

	CHECK_EQ("too many CPUs", 4, keel(many));
	test_note("%s", said);
	unlink(launch_kernel);
}

static const struct test_case cases[] = {
	{ "goes_on", test_goes_on },
	{ "generations", test_generations },
	{ "ends", test_ends },
	{ "waits", test_waits },
	{ "terminal", test_terminal },
	{ "cost", test_cost },
	{ "refusals", test_refusals },
	{ "options", test_options },
};

TEST_MAIN(cases)
