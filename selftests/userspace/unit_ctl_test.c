// SPDX-License-Identifier: GPL-2.0-only
/* keel ctl and keel list: what they make of a machine's answers, of silence, and of strangers; and of names. */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"
#include "userspace/control.h"
#include "userspace/ctl.h"
#include "userspace/ctl_ask.h"
#include "userspace/disk_lock.h"
#include "userspace/migrate_address.h"
#include "userspace/options.h"
#include "userspace/put_off.h"
#include "userspace/runtime.h"
#include "userspace/status.h"

static char directory[] = "/tmp/keel-ctl.XXXXXX";
static char socket_path[64];
static char said[65536];

/* ---- a machine of the test's own ---- */

static int listener;
static const char *reply;	/* what it answers; NULL: nothing, and it waits for the end */
static size_t reply_size;
static char heard[256];
static useconds_t pace;		/* between two bytes of the answer; 0: all at once */

static void *serve(void *argument)
{
	int fd = accept(listener, NULL, NULL);
	ssize_t got = read(fd, heard, sizeof(heard) - 1);
	size_t done = 0;

	heard[got > 0 ? got : 0] = 0;
	while (reply && done < reply_size) {
		usleep(pace);
		got = send(fd, reply + done, pace ? 1 : reply_size - done, MSG_NOSIGNAL);
		if (got <= 0)
			break;
		done += got;
	}
	if (!reply)
		while (read(fd, said, 1) > 0)
			;
	close(fd);
	return argument;
}

/* Standard output of @run, in said[]; its standard error is the test's. Return: its status. */
static int capture(int (*run)(const struct options *options), const struct options *options)
{
	int file = open("/tmp", O_TMPFILE | O_RDWR, 0600), before = dup(STDOUT_FILENO);

	ASSERT_GE(file, 0);
	fflush(stdout);
	dup2(file, STDOUT_FILENO);
	int status = run(options);

	fflush(stdout);
	dup2(before, STDOUT_FILENO);
	close(before);
	ssize_t got = pread(file, said, sizeof(said) - 1, 0);

	said[got > 0 ? got : 0] = 0;
	close(file);
	return status;
}

static void set_up(void)
{
	signal(SIGPIPE, SIG_IGN);
	ASSERT(mkdtemp(directory), "a directory");
	snprintf(socket_path, sizeof(socket_path), "%s/socket", directory);
	listener = control_open(socket_path);
	ASSERT_GE(listener, 0);
	fcntl(listener, F_SETFL, 0);
}

static void finish(void)
{
	char command[64];

	close(listener);
	snprintf(command, sizeof(command), "rm -r %s", directory);
	ASSERT_EQ(system(command), 0);
}

static int ask(const char *text, size_t size, bool json)
{
	struct options options = { .target = socket_path, .request = "status", .json = json };
	pthread_t thread;

	reply = text;
	reply_size = size;
	ASSERT_EQ(pthread_create(&thread, NULL, serve, NULL), 0);
	int status = capture(ctl_run, &options);

	pthread_join(thread, NULL);
	return status;
}

static void test_answers(void)
{
	static const struct {
		const char *reply;
		bool json;
		int status;
		const char *printed;
	} rows[] = {
		{ "{\"ok\":true}\n", false, 0, "" },
		{ "{\"ok\":true}\n", true, 0, "{\"ok\":true}\n" },
		{ "{\"ok\":true,\"state\":\"running\",\"cpus\":2,\"name\":null}\n", false, 0, "state: running\ncpus: 2\nname: -\n" },
		{ "{\"ok\":true,\"stats\":{\"vm\":{\"exits\":3,\"none\":0,\"hist\":[1,2]},\"vcpus\":[{\"a\":1}]}}\n", false, 0,
		  "stats:\n  vm:\n    exits: 3\n    hist: [ 1, 2 ]\n  vcpus 0:\n    a: 1\n" },
		{ "{\"ok\":false,\"error\":\"no\"}\n", false, STATUS_REFUSED, "" },
		{ "{\"ok\":false,\"error\":\"no\"}\n", true, STATUS_REFUSED, "{\"ok\":false,\"error\":\"no\"}\n" },
		{ "{\"ok\":false}\n", false, STATUS_REFUSED, "" },
		{ "{\"ok\":1}\n", false, 0, "" },
		/* what would clear a screen, forge a line, or colour it */
		{ "{\"ok\":true,\"name\":\"a\\u001b[2J\\nforged: x\\u009b1m\\u00e9\",\"\\u0007\":1}\n", false, 0,
		  "name: a?[2J?forged: x\xc2?1m\xc3\xa9\n?: 1\n" },
		{ "{\"ok\":true,\"a\":[{\"b\":1},5,null,[{\"c\":2}],\"x\\u001b\"]}\n", false, 0,
		  "a 0:\n  b: 1\na 1: 5\na 2: -\na 3: [ { \"c\": 2 } ]\na 4: x?\n" },
		/* strangers */
		{ "220 mail.example ESMTP\r\n", false, STATUS_HOST, "" },
		{ "{}\n", true, STATUS_HOST, "" },
		{ "[\"ok\"]\n", false, STATUS_HOST, "" },
		{ "\n", false, STATUS_HOST, "" },
		{ "{\"ok\":true", false, STATUS_HOST, "" },
		{ "", false, STATUS_HOST, "" },
	};

	set_up();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CHECK_EQ(rows[i].reply, rows[i].status, ask(rows[i].reply, strlen(rows[i].reply), rows[i].json));
		if (strcmp(rows[i].printed, said))
			test_note("wanted %s, got %s", rows[i].printed, said);
		CHECK_EQ(rows[i].reply, 0, strcmp(rows[i].printed, said));
		CHECK_EQ("what it was asked", 0, strcmp("{\"command\":\"status\"}\n", heard));
	}
	finish();
}

static void test_size(void)
{
	struct options options = { .target = socket_path, .request = "balloon", .size = 64 << 20 };
	pthread_t thread;

	set_up();
	reply = "{\"ok\":true}\n";
	reply_size = strlen(reply);
	ASSERT_EQ(pthread_create(&thread, NULL, serve, NULL), 0);
	CHECK_EQ("balloon", 0, capture(ctl_run, &options));
	pthread_join(thread, NULL);
	CHECK_EQ(heard, 0, strcmp("{\"command\":\"balloon\",\"size\":67108864}\n", heard));
	finish();
}

/* An answer without an end. */
static void test_endless(void)
{
	static char endless[CONTROL_ANSWER_MAX + 70000];

	memset(endless, 'x', sizeof(endless));
	set_up();
	CHECK_EQ("endless", STATUS_HOST, ask(endless, sizeof(endless), false));
	finish();
}

static void test_silence(void)
{
	set_up();
	CHECK_EQ("no answer", STATUS_HOST, ask(NULL, 0, false));
	finish();
}

static void test_nobody(void)
{
	static const char *const targets[] = { "/nowhere/socket", "/dev/null", "/", "no-such-machine", "..", "" };

	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		struct options options = { .target = targets[i], .request = "status" };
		int status = capture(ctl_run, &options);

		/* a path that cannot be is told by the host */
		CHECK_EQ(targets[i], *targets[i] ? STATUS_NOBODY : STATUS_HOST, status);
		CHECK_EQ("prints nothing", 0, strlen(said));
	}
}

static void test_names(void)
{
	static const struct {
		const char *name;
		bool is_good;
	} rows[] = {
		{ "a", true }, { "web-1.example_2", true }, { "UPPER", true }, { "", false }, { ".", false }, { "..", false },
		{ ".hidden", false }, { "-x", false }, { "a/b", false }, { "a b", false }, { "a\nb", false }, { "\xc3\xa4", false },
		{ "0123456789012345678901234567890123456789012345678901234567890123", true },
		{ "01234567890123456789012345678901234567890123456789012345678901234", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_EQ(rows[i].name, rows[i].is_good, runtime_is_name(rows[i].name));
}

/* As another user, whose directory is a variable's. */
static void become_other(void)
{
	ASSERT(mkdtemp(directory), "a directory");
	if (!geteuid()) {
		ASSERT_EQ(chmod(directory, 0777), 0);
		REQUIRE(!setuid(65534), "cannot become another user");
	}
	setenv("XDG_RUNTIME_DIR", directory, 1);
}

static void test_directory(void)
{
	char path[PATH_MAX], wanted[128];
	struct stat stat_buffer;

	become_other();
	ASSERT_EQ(runtime_make_socket("me", path), 0);
	snprintf(wanted, sizeof(wanted), "%s/keel/me.sock", directory);
	CHECK_EQ(wanted, 0, strcmp(wanted, path));
	snprintf(wanted, sizeof(wanted), "%s/keel", directory);
	ASSERT_EQ(stat(wanted, &stat_buffer), 0);
	CHECK_EQ("its owner's alone", 0700, stat_buffer.st_mode & 07777);
	CHECK_EQ("once more", 0, runtime_make_socket("me", path));
	chmod(wanted, 0770);
	CHECK_EQ("others write there", STATUS_HOST, runtime_make_socket("me", path));
	ASSERT_EQ(rmdir(wanted), 0);
	ASSERT_EQ(symlink("/tmp", wanted), 0);
	CHECK_EQ("a link to another place", STATUS_HOST, runtime_make_socket("me", path));
	unlink(wanted);
	setenv("XDG_RUNTIME_DIR", "/nowhere/at/all", 1);
	CHECK_EQ("no place", STATUS_HOST, runtime_make_socket("me", path));
	unsetenv("XDG_RUNTIME_DIR");
	ASSERT(runtime_directory(path), "a place");
	snprintf(wanted, sizeof(wanted), "/run/user/%u/keel", geteuid());
	CHECK_EQ(wanted, 0, strcmp(wanted, path));
	rmdir(directory);
}

/* In flock()'s place: who had the file may end right before. */
static const char *removed;

int __real_flock(int fd, int operation);
int __wrap_flock(int fd, int operation);

int __wrap_flock(int fd, int operation)
{
	if (removed)
		unlink(removed);
	removed = NULL;
	return __real_flock(fd, operation);
}

/* ---- keel ctl fork ---- */

static int passed[CONTROL_FILES + 1];
static unsigned int passed_count;

/* A request to @heard, and to @passed the files that come along with its first byte. Return: the client. */
static int take_request(void)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(passed))];
	} control;
	struct iovec text = { heard, sizeof(heard) - 1 };
	struct msghdr message = { .msg_iov = &text, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	int fd = accept(listener, NULL, NULL);
	ssize_t used = recvmsg(fd, &message, MSG_CMSG_CLOEXEC), got;
	const struct cmsghdr *part = CMSG_FIRSTHDR(&message);

	passed_count = part ? (part->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
	if (part)
		memcpy(passed, CMSG_DATA(part), passed_count * sizeof(int));
	while (used > 0 && heard[used - 1] != '\n' && (got = read(fd, heard + used, sizeof(heard) - 1 - used)) > 0)
		used += got;
	heard[used > 0 ? used : 0] = 0;
	return fd;
}

static void *serve_fork(void *argument)
{
	int fd = take_request();

	send(fd, reply, strlen(reply), MSG_NOSIGNAL);
	close(fd);
	return argument;
}

static int ask_fork(struct options *options, const char *answer)
{
	pthread_t thread;

	options->target = socket_path;
	options->request = "fork";
	reply = answer;
	ASSERT_EQ(pthread_create(&thread, NULL, serve_fork, NULL), 0);
	int status = capture(ctl_run, options);

	pthread_join(thread, NULL);
	return status;
}

static void close_passed(void)
{
	while (passed_count)
		close(passed[--passed_count]);
}

static void test_fork(void)
{
	char child[80], serial[80], bytes[16] = "";
	struct options options = { .control = child, .serial = serial, .is_paused = true };
	int fd, value = 0;
	socklen_t size = sizeof(value);
	struct stat stat_buffer;

	set_up();
	snprintf(child, sizeof(child), "%s/child", directory);
	snprintf(serial, sizeof(serial), "%s/serial", directory);
	fd = open(serial, O_CREAT | O_RDWR, 0600);
	ASSERT_EQ(write(fd, "before ", 7), 7);

	CHECK_EQ("forked", 0, ask_fork(&options, "{\"ok\":true,\"pid\":7}\n"));
	CHECK_EQ("its number", 0, strcmp("pid: 7\n", said));
	CHECK_EQ("what was asked", 0, strcmp("{\"command\":\"fork\",\"paused\":true}\n", heard));
	ASSERT_EQ(passed_count, 2);
	ASSERT_EQ(write(passed[0], "after", 5), 5);
	ASSERT_EQ(pread(fd, bytes, sizeof(bytes) - 1, 0), 12);
	CHECK_EQ("the serial port's file goes on", 0, strcmp("before after", bytes));
	CHECK_EQ("and is not read", -1, read(passed[0], bytes, 1));
	CHECK_EQ("a socket", 0, getsockopt(passed[1], SOL_SOCKET, SO_ACCEPTCONN, &value, &size));
	CHECK_EQ("that listens", 1, value);
	CHECK_EQ("there", 0, stat(child, &stat_buffer));
	CHECK_EQ("for its owner alone", 0600, stat_buffer.st_mode & 07777);
	CHECK_EQ("taken", STATUS_USAGE, capture(ctl_run, &options));
	close_passed();

	CHECK_EQ("refused", STATUS_REFUSED, ask_fork(&options, "{\"ok\":false,\"error\":\"no\"}\n"));
	CHECK_EQ("no socket is left", -1, access(child, F_OK));
	close_passed();

	setenv("XDG_RUNTIME_DIR", directory, 1);
	options = (struct options){ .name = geteuid() ? "x" : NULL };
	CHECK_EQ("forked", 0, ask_fork(&options, "{\"ok\":true}\n"));
	CHECK_EQ("as few files as can be", geteuid() ? 2 : 1, passed_count);
	ASSERT_EQ(fstat(passed[0], &stat_buffer), 0);
	CHECK_EQ("output is lost", makedev(1, 3), stat_buffer.st_rdev);
	close_passed();

	options = (struct options){ .target = socket_path, .request = "fork", .serial = directory };
	CHECK_EQ("a directory", STATUS_USAGE, capture(ctl_run, &options));
	close(fd);
	finish();
}

/* ---- waiting for a child ---- */

static const char *last_words;		/* of the child; NULL: none */

/* A machine whose child ends after a while. */
static void *serve_child(void *argument)
{
	serve_fork(argument);
	usleep(50000);
	if (last_words)
		ASSERT_EQ(write(passed[passed_count - 1], last_words, strlen(last_words)), (s64)strlen(last_words));
	close_passed();
	return argument;
}

static int wait_for(struct options *options, const char *answer, const char *words)
{
	pthread_t thread;

	options->target = socket_path;
	options->request = "fork";
	options->waits = true;
	reply = answer;
	last_words = words;
	ASSERT_EQ(pthread_create(&thread, NULL, serve_child, NULL), 0);
	int status = capture(ctl_run, options);

	pthread_join(thread, NULL);
	return status;
}

/* What is in @path; "" if it is not there. */
static const char *look_at(const char *path)
{
	static char text[256];
	int fd = open(path, O_RDONLY);
	ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	text[got > 0 ? got : 0] = 0;
	close(fd);
	return text;
}

static void test_wait(void)
{
	static const struct {
		const char *name, *reply, *words;
		bool json;
		int status;
		const char *printed, *kept;
	} rows[] = {
		{ "powered off", "{\"ok\":true,\"pid\":7}\n", "{\"status\": 0, \"name\": \"poweroff\", \"reason\": \"off\"}\n", false, 0,
		  "pid: 7\nstatus: 0\nname: poweroff\nreason: off\n", "{\"status\": 0, \"name\": \"poweroff\", \"reason\": \"off\"}\n" },
		{ "crashed", "{\"ok\":true,\"pid\":7}\n", "{\"status\": 9, \"name\": \"crash\", \"reason\": \"\\u001b\"}\n", false, STATUS_CRASH,
		  "pid: 7\nstatus: 9\nname: crash\nreason: ?\n", "{\"status\": 9, \"name\": \"crash\", \"reason\": \"\\u001b\"}\n" },
		{ "as JSON", "{\"ok\":true,\"pid\":7}\n", "{\"status\": 20, \"name\": \"quit\"}\n", true, STATUS_QUIT,
		  "{\"ok\":true,\"pid\":7}\n{\"status\":20,\"name\":\"quit\"}\n", "{\"status\": 20, \"name\": \"quit\"}\n" },
		{ "killed", "{\"ok\":true,\"pid\":7}\n", NULL, false, STATUS_HOST, "pid: 7\n", "" },
		{ "half a line", "{\"ok\":true,\"pid\":7}\n", "{\"status\": 0", false, STATUS_HOST, "pid: 7\n", "" },
		{ "no status", "{\"ok\":true,\"pid\":7}\n", "{\"status\": \"0\"}\n", false, STATUS_HOST, "pid: 7\n", "" },
		{ "no object", "{\"ok\":true,\"pid\":7}\n", "0\n", false, STATUS_HOST, "pid: 7\n", "" },
		{ "refused", "{\"ok\":false,\"error\":\"no\"}\n", NULL, false, STATUS_REFUSED, "", "" },
	};
	char report[80], serial[80];

	set_up();
	snprintf(report, sizeof(report), "%s/report", directory);
	snprintf(serial, sizeof(serial), "%s/serial", directory);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct options options = { .json = rows[i].json, .status_json = report, .serial = serial };

		CHECK_EQ(rows[i].name, rows[i].status, wait_for(&options, rows[i].reply, rows[i].words));
		if (strcmp(rows[i].printed, said))
			FAIL("%s: wanted '%s', got '%s'", rows[i].name, rows[i].printed, said);
		if (strcmp(rows[i].kept, look_at(report)))
			FAIL("%s: wanted '%s' in the report, got '%s'", rows[i].name, rows[i].kept, look_at(report));
		CHECK_EQ("what was asked", 0, strcmp("{\"command\":\"fork\",\"report\":true}\n", heard));
		unlink(report);
	}
	finish();
}

/* A network of its own, by a passt that ends when nobody has the socket any more. */
static void test_networks(void)
{
	static const char script[] = "#!/bin/bash\nwhile [ $# -gt 1 ]; do case $1 in --fd) fd=$2 ;; esac; shift; done\n"
		"eval \"exec 4<&$fd 5>&$fd\"\nprintf 'hello' >&5\nread -r line <&4\n";
	struct options options = { .net_count = 2, .nets = { { .kind = NET_USER }, { .kind = NET_USER } }, .status_json = "/dev/null" };
	char path[80], bytes[8] = "";
	int fd;

	set_up();
	snprintf(path, sizeof(path), "%s/passt", directory);
	fd = open(path, O_CREAT | O_WRONLY, 0755);
	ASSERT_EQ(write(fd, script, strlen(script)), (s64)strlen(script));
	close(fd);
	setenv("PATH", directory, 1);
	CHECK_EQ("forked", 0, ask_fork(&options, "{\"ok\":true,\"pid\":7}\n"));
	CHECK_EQ("what was asked", 0, strcmp("{\"command\":\"fork\",\"report\":true,\"nets\":2}\n", heard));
	ASSERT_EQ(passed_count, 4);
	for (unsigned int i = 2; i < 4; i++) {
		struct pollfd wait = { .fd = passed[i], .events = POLLIN };

		ASSERT_EQ(poll(&wait, 1, TEST_PATIENCE_MS), 1);
		ASSERT_EQ(read(passed[i], bytes, 5), 5);
		CHECK_EQ("passt's other end", 0, strcmp("hello", bytes));
		CHECK_EQ("which makes nobody wait", 1, read(passed[i], bytes, 5) < 0 && errno == EAGAIN);
	}
	close_passed();
	unlink(path);
	CHECK_EQ("no passt", STATUS_NET, capture(ctl_run, &options));
	setenv("PATH", "/usr/bin:/bin", 1);
	finish();
}

/* Nobody waits: the child writes the file itself. */
static void test_report(void)
{
	char report[80], child[80];
	struct options options = { .status_json = report, .control = child };
	struct stat stat_buffer;
	int fd;

	set_up();
	snprintf(report, sizeof(report), "%s/report", directory);
	snprintf(child, sizeof(child), "%s/child", directory);
	fd = open(report, O_CREAT | O_RDWR, 0600);
	ASSERT_EQ(write(fd, "of another child", 16), 16);
	CHECK_EQ("forked", 0, ask_fork(&options, "{\"ok\":true,\"pid\":7}\n"));
	CHECK_EQ("what was asked", 0, strcmp("{\"command\":\"fork\",\"report\":true}\n", heard));
	ASSERT_EQ(passed_count, 3);
	ASSERT_EQ(fstat(fd, &stat_buffer), 0);
	CHECK_EQ("what was there is gone", 0, stat_buffer.st_size);
	ASSERT_EQ(write(passed[2], "x\n", 2), 2);
	CHECK_EQ("what is told is there", 0, strcmp("x\n", look_at(report)));
	close_passed();
	ASSERT_EQ(disk_lock(fd, false, report), 0);
	unlink(child);
	options = (struct options){ .target = socket_path, .request = "fork", .status_json = report, .control = child };
	CHECK_EQ("a machine's disk", STATUS_USAGE, capture(ctl_run, &options));
	CHECK_EQ("which stays", 0, strcmp("x\n", look_at(report)));
	close(fd);
	options = (struct options){ .target = socket_path, .request = "fork", .status_json = directory, .control = child };
	CHECK_EQ("a directory", STATUS_USAGE, capture(ctl_run, &options));
	CHECK_EQ("no socket is left", -1, access(child, F_OK));
	finish();
}

/* ---- ways out, and what is left behind ---- */

/* A machine that has a request and does not answer. */
enum act { REFUSES, IS_A_STRANGER, GOES, IS_KILLED_FOR, FORKS };

static enum act act;
static pid_t asking;
static int end_signal;
static int over[2];		/* a pipe: nobody asks any more */

static void *serve_badly(void *argument)
{
	struct pollfd waits[] = { { .fd = listener, .events = POLLIN }, { .fd = over[0], .events = POLLIN } };
	char byte;

	if (poll(waits, 2, -1) < 1 || !waits[0].revents)
		return argument;

	int fd = take_request();

	if (act == REFUSES)
		send(fd, "{\"ok\":false,\"error\":\"no\"}\n", 26, MSG_NOSIGNAL);
	if (act == IS_A_STRANGER)
		send(fd, "220 mail.example ESMTP\r\n", 24, MSG_NOSIGNAL);
	if (end_signal)
		kill(asking, end_signal);
	/* Until it has gone. */
	if (act == IS_KILLED_FOR)
		recv(fd, &byte, 1, 0);
	usleep(20000);
	if (act != FORKS)
		close_passed();
	close(fd);
	return argument;
}

/* keel ctl, in a process of its own. Return: what waitpid() says. */
static int run_apart(const struct options *options)
{
	pthread_t thread;
	int status, go[2];
	char byte;

	ASSERT(!pipe2(go, O_CLOEXEC) && !pipe2(over, O_CLOEXEC), "no pipes");
	asking = fork();
	ASSERT_GE(asking, 0);
	if (!asking) {
		ASSERT_EQ(read(go[0], &byte, 1), 1);
		close(listener);
		_exit(ctl_run(options));
	}
	ASSERT_EQ(pthread_create(&thread, NULL, serve_badly, NULL), 0);
	ASSERT_EQ(write(go[1], "", 1), 1);
	ASSERT_EQ(waitpid(asking, &status, 0), asking);
	ASSERT_EQ(write(over[1], "", 1), 1);
	pthread_join(thread, NULL);
	for (unsigned int i = 0; i < 2; i++) {
		close(go[i]);
		close(over[i]);
	}
	return status;
}

/* What is in the directory, in order, but for the machine's own socket and programs. */
static const char *list_directory(void)
{
	static char text[512];
	struct dirent **names;
	int count = scandir(directory, &names, NULL, alphasort);
	size_t used = 0;

	text[0] = 0;
	for (int i = 0; i < count; i++) {
		const char *name = names[i]->d_name;

		if (*name != '.' && strcmp(name, "socket") && strcmp(name, "passt"))
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", used ? " " : "", name);
		free(names[i]);
	}
	free(names);
	return text;
}

/* Does no process run that the network of a child would have needed? */
static bool is_passt_gone(void)
{
	char path[80];
	int pid;

	snprintf(path, sizeof(path), "%s/pid", directory);
	pid = atoi(look_at(path));
	unlink(path);
	for (unsigned int i = 0; i < TEST_PATIENCE_MS / 10 && pid && !kill(pid, 0); i++)
		usleep(10000);
	return !pid || kill(pid, 0);
}

/* The way out is a signal, or @status. */
static const struct way {
	const char *name, *request;
	enum act act;
	int signal;
	bool is_there;			/* files of these names */
	bool fails;			/* passt */
	bool is_ignored;		/* the signal */
	int status;
	const char *left;
} ways[] = {
	{ "refused", "fork", REFUSES, 0, false, false, false, STATUS_REFUSED, "" },
	{ "refused, with files from before", "fork", REFUSES, 0, true, false, false, STATUS_REFUSED, "report serial" },
	{ "a stranger", "fork", IS_A_STRANGER, 0, false, false, false, STATUS_HOST, "" },
	{ "the machine ends", "fork", GOES, 0, false, false, false, STATUS_HOST, "" },
	{ "passt fails", "fork", GOES, 0, false, true, false, STATUS_NET, "" },
	{ "passt fails, with files from before", "fork", GOES, 0, true, true, false, STATUS_NET, "report serial" },
	{ "SIGINT", "fork", IS_KILLED_FOR, SIGINT, false, false, false, 0, "" },
	{ "SIGTERM", "fork", IS_KILLED_FOR, SIGTERM, true, false, false, 0, "report serial" },
	{ "SIGHUP", "fork", IS_KILLED_FOR, SIGHUP, false, false, false, 0, "" },
	{ "a child comes of it after all", "fork", FORKS, SIGINT, false, false, false, 0, "child report serial" },
	{ "SIGHUP, which nobody heeds", "fork", GOES, SIGHUP, false, false, true, STATUS_HOST, "" },
	{ "a save, refused", "save", REFUSES, 0, false, false, false, STATUS_REFUSED, "" },
	{ "a save, the machine ends", "save", GOES, 0, true, false, false, STATUS_HOST, "saved" },
	{ "a save, SIGINT", "save", IS_KILLED_FOR, SIGINT, false, false, false, 0, "" },
	{ "a save, SIGTERM, over another", "save", IS_KILLED_FOR, SIGTERM, true, false, false, 0, "saved" },
};

static void put_there(const struct way *way, const char *name, const char *text, mode_t mode)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	unlink(path);
	if (!way->is_there && strcmp(name, "passt"))
		return;
	fd = open(path, O_CREAT | O_WRONLY, mode);
	ASSERT_EQ(write(fd, text, strlen(text)), (s64)strlen(text));
	close(fd);
}

static void test_ways_out(void)
{
	static const char good[] = "#!/bin/bash\necho $$ >%s/pid\nwhile [ $# -gt 1 ]; do case $1 in --fd) fd=$2 ;; esac; shift; done\n"
		"eval \"exec 4<&$fd\"\neval \"exec $fd<&-\"\nread -r line <&4\n";
	char child[80], serial[80], report[80], saved[80], script[512];

	set_up();
	snprintf(child, sizeof(child), "%s/child", directory);
	snprintf(serial, sizeof(serial), "%s/serial", directory);
	snprintf(report, sizeof(report), "%s/report", directory);
	snprintf(saved, sizeof(saved), "%s/saved", directory);
	snprintf(script, sizeof(script), good, directory);
	setenv("PATH", directory, 1);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		const struct way *way = &ways[i];
		bool is_fork = !strcmp(way->request, "fork");
		struct options options = { .target = socket_path, .request = way->request };

		put_there(way, "passt", way->fails ? "#!/bin/bash\nexit 1\n" : script, 0755);
		if (is_fork) {
			options.control = child;
			options.serial = serial;
			options.status_json = report;
			options.nets[0].kind = NET_USER;
			/* It takes seconds to be sure that one has started. */
			options.net_count = way->fails || (way->signal == SIGHUP && !way->is_ignored);
			put_there(way, "serial", "before", 0600);
			put_there(way, "report", "before", 0600);
		} else {
			options.files[0] = saved;
			options.file_count = 1;
			put_there(way, "saved", "before", 0600);
		}
		act = way->act;
		end_signal = way->signal;
		signal(SIGHUP, way->is_ignored ? SIG_IGN : SIG_DFL);
		int status = run_apart(&options);

		CHECK_EQ(way->name, way->status ? W_EXITCODE(way->status, 0) : W_EXITCODE(0, way->signal), status);
		CHECK_EQ("no passt runs", 1, is_passt_gone());
		if (strcmp(way->left, list_directory()))
			FAIL("%s: wanted '%s' to be left, got '%s'", way->name, way->left, list_directory());
		if (!is_fork && way->is_there)
			CHECK_EQ("as it was", 0, strcmp("before", look_at(saved)));
		close_passed();
		unlink(child);
		unlink(serial);
		unlink(report);
		unlink(saved);
	}
	setenv("PATH", "/usr/bin:/bin", 1);
	finish();
}

/* Nobody has come to the machine that listens, and somebody wants its end. */
static void test_listen_ended(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	char path[80], text[96];

	ASSERT(mkdtemp(directory), "a directory");
	snprintf(path, sizeof(path), "%s/listen", directory);
	snprintf(text, sizeof(text), "unix:%s", path);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		struct gdb_address address;
		pid_t pid;
		int status;

		ASSERT(!migrate_address_parse(text, &address), "an address");
		pid = fork();
		if (!pid) {
			migrate_accept(&address);
			_exit(0);
		}
		for (unsigned int n = 0; n < TEST_PATIENCE_MS / 10 && access(path, F_OK); n++)
			usleep(10000);
		CHECK_EQ("it listens", 0, access(path, F_OK));
		kill(pid, signals[i]);
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ("ended by it", W_EXITCODE(0, signals[i]), status);
		CHECK_EQ("nothing is left", -1, access(path, F_OK));
	}
	rmdir(directory);
}

static void test_next(void)
{
	char path[PATH_MAX];

	become_other();
	ASSERT_EQ(runtime_make_socket("me", path), 0);
	int fd = control_open(path);

	ASSERT_GE(fd, 0);
	snprintf(runtime_files()->socket, PATH_MAX, "%s", path);
	runtime_keep();
	runtime_drop_sockets();
	CHECK_EQ("the name is free", -1, access(path, F_OK));
	close(fd);
	fd = control_open(path);
	ASSERT_GE(fd, 0);
	runtime_drop_sockets();
	runtime_drop();
	CHECK_EQ("the next one's stays", 0, access(path, F_OK));
	close(fd);
	unlink(path);
}

/* It is being built, or waits for another launcher, and a signal ends it as ever. */
static void test_drop_early(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	char path[3][80];

	ASSERT(mkdtemp(directory), "a directory");
	for (unsigned int i = 0; i < 3; i++)
		snprintf(path[i], sizeof(path[i]), "%s/%u", directory, i);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		pid_t pid = fork();
		int status;

		ASSERT_GE(pid, 0);
		if (!pid) {
			runtime_drop_early();
			put_off_end();
			ASSERT_EQ(runtime_write_pid(path[0]), 0);
			strcpy(runtime_files()->pid_file, path[0]);
			ASSERT_GE(control_open(path[1]), 0);
			strcpy(runtime_files()->socket, path[1]);
			strcpy(runtime_files()->debugger, path[2]);
			close(open(path[2], O_CREAT | O_RDWR, 0600));
			/* Half-way, in some rounds. */
			if (i % 2)
				kill(getpid(), signals[i]);
			put_off_no_longer();
			kill(getpid(), signals[i]);
			_exit(1);
		}
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ("ended by it", signals[i], WTERMSIG(status));
		for (unsigned int n = 0; n < 3; n++)
			CHECK_EQ("nothing is left", -1, access(path[n], F_OK));
	}
	rmdir(directory);
}

static void test_pid_file(void)
{
	static const struct {
		const char *text;
		int status;
	} rows[] = {
		{ "", 0 }, { "123\n", 0 }, { "123", STATUS_USAGE }, { "\n", STATUS_USAGE }, { "precious data", STATUS_USAGE },
		{ "12 34\n", STATUS_USAGE }, { "123\n4\n", STATUS_USAGE }, { "12345678901234567890123456789\n", STATUS_USAGE },
	};
	char path[64], text[64], wanted[32];
	ssize_t got;

	ASSERT(mkdtemp(directory), "a directory");
	snprintf(wanted, sizeof(wanted), "%d\n", getpid());
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(path, sizeof(path), "%s/%zu", directory, i);
		int fd = open(path, O_CREAT | O_RDWR, 0600);

		ASSERT_EQ(write(fd, rows[i].text, strlen(rows[i].text)), (s64)strlen(rows[i].text));
		CHECK_EQ(rows[i].text, rows[i].status, runtime_write_pid(path));
		got = pread(fd, text, sizeof(text) - 1, 0);
		text[got > 0 ? got : 0] = 0;
		CHECK_EQ(rows[i].text, 0, strcmp(rows[i].status ? rows[i].text : wanted, text));
		close(fd);
		unlink(path);
	}
	CHECK_EQ("new", 0, runtime_write_pid(path));
	CHECK_EQ("somebody has it", STATUS_USAGE, runtime_write_pid(path));
	unlink(path);
	close(open(path, O_CREAT | O_RDWR, 0600));
	removed = path;
	CHECK_EQ("it goes meanwhile", 0, runtime_write_pid(path));
	CHECK_EQ("and is made anew", 0, access(path, F_OK));
	CHECK_EQ("and locked", STATUS_USAGE, runtime_write_pid(path));
	snprintf(runtime_files()->pid_file, PATH_MAX, "%s", path);
	runtime_keep();
	runtime_drop();
	CHECK_EQ("removed in the end", -1, access(path, F_OK));
	CHECK_EQ("a device", STATUS_USAGE, runtime_write_pid("/dev/null"));
	CHECK_EQ("a directory", STATUS_USAGE, runtime_write_pid(directory));
	ASSERT_EQ(symlink("/tmp/keel-nowhere", path), 0);
	CHECK_EQ("a link", STATUS_USAGE, runtime_write_pid(path));
	unlink(path);
	rmdir(directory);
}

/* Sockets that nobody serves, files that are none, one machine. */
static void test_list(void)
{
	struct options options = { .json = true };
	char path[PATH_MAX], other[PATH_MAX + 8];
	pthread_t thread;

	become_other();
	CHECK_EQ("no directory", 0, capture(ctl_list, &options));
	CHECK_EQ("an empty list", 0, strcmp("[]\n", said));
	ASSERT_EQ(runtime_make_socket("left", path), 0);
	close(control_open(path));
	snprintf(other, sizeof(other), "%s.more", path);
	close(open(other, O_CREAT | O_RDWR, 0600));
	ASSERT_EQ(runtime_make_socket("here", path), 0);
	listener = control_open(path);
	fcntl(listener, F_SETFL, 0);
	reply = "{\"ok\":true,\"state\":\"paused\",\"pid\":7,\"cpus\":2,\"memory\":268435456,\"uptime\":5}\n";
	reply_size = strlen(reply);
	ASSERT_EQ(pthread_create(&thread, NULL, serve, NULL), 0);
	CHECK_EQ("a list", 0, capture(ctl_list, &options));
	pthread_join(thread, NULL);
	test_note("%s", said);
	CHECK_EQ("one", 1, !strncmp(said, "[{\"name\":\"here\",\"socket\":\"/tmp/", 31) && !strstr(said, "left"));
	CHECK_EQ("and its answer", 1, !!strstr(said, "\"status\":{\"ok\":true,\"state\":\"paused\",\"pid\":7,"));
	options.json = false;
	ASSERT_EQ(pthread_create(&thread, NULL, serve, NULL), 0);
	CHECK_EQ("a table", 0, capture(ctl_list, &options));
	pthread_join(thread, NULL);
	test_note("%s", said);
	CHECK_EQ("a row", 1, !!strstr(said, "\nhere                 paused           7    2     256M        5 s\n"));
	/* What it says may be anything, as what it says to ctl. */
	reply = "{\"ok\":true,\"state\":\"\\u001b[2Jgone\",\"pid\":\"\\n\",\"cpus\":{\"a\":\"\\u009b\"},\"memory\":[],\"uptime\":\"\\u007f\"}\n";
	reply_size = strlen(reply);
	ASSERT_EQ(pthread_create(&thread, NULL, serve, NULL), 0);
	CHECK_EQ("a table of a stranger's", 0, capture(ctl_list, &options));
	pthread_join(thread, NULL);
	test_note("%s", said);
	CHECK_EQ("no orders to a terminal", 1, !!strstr(said, "\nhere                 ?[2Jgone         ? { \"a\": \"\xc2?\" }       0M        ? s\n"));
	/* A byte now and then keeps nobody waiting for longer. */
	pace = 300000;
	ASSERT_EQ(pthread_create(&thread, NULL, serve, NULL), 0);
	CHECK_EQ("in time, too", 0, capture(ctl_list, &options));
	pthread_join(thread, NULL);
	CHECK_EQ("too slow", 1, !!strstr(said, "\nhere                 no answer\n"));
	/* It is there, and says nothing. */
	CHECK_EQ("in time", 0, capture(ctl_list, &options));
	CHECK_EQ("no answer", 1, !!strstr(said, "\nhere                 no answer\n"));
	snprintf(other, sizeof(other), "rm -r %s/keel", directory);
	ASSERT_EQ(system(other), 0);
}

/* ---- how long an answer may take ---- */

/* In ctl_ask()'s place: for how long it was to wait, while this is not 0; there is no answer then. */
static int patience;

struct json_object *__real_ctl_ask(const char *path, const struct ctl_words *words, int seconds);
struct json_object *__wrap_ctl_ask(const char *path, const struct ctl_words *words, int seconds);

struct json_object *__wrap_ctl_ask(const char *path, const struct ctl_words *words, int seconds)
{
	if (!patience)
		return __real_ctl_ask(path, words, seconds);
	patience = seconds;
	errno = EAGAIN;
	return NULL;
}

/* Where the machine waits until all its memory is there, or copies it, so does who has asked. */
static void test_patience(void)
{
	static const struct {
		const char *request;
		bool to_mark;
		int seconds;
	} rows[] = {
		{ "status", false, 15 }, { "pause", false, 15 }, { "reset", false, 15 }, { "reset", true, 3600 }, { "mark", false, 3600 }, { "fork", false, 3600 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct options options = { .target = "/nowhere/a", .request = rows[i].request, .to_mark = rows[i].to_mark };

		patience = -1;
		CHECK_EQ(rows[i].request, STATUS_HOST, capture(ctl_run, &options));
		CHECK_EQ(rows[i].request, rows[i].seconds, patience);
	}
	patience = 0;
}

static const struct test_case cases[] = {
	{ "answers", test_answers },
	{ "patience", test_patience },
	{ "size", test_size },
	{ "endless", test_endless },
	{ "silence", test_silence },
	{ "nobody", test_nobody },
	{ "names", test_names },
	{ "directory", test_directory },
	{ "pid_file", test_pid_file },
	{ "fork", test_fork },
	{ "wait", test_wait },
	{ "report", test_report },
	{ "networks", test_networks },
	{ "ways_out", test_ways_out },
	{ "listen_ended", test_listen_ended },
	{ "drop_early", test_drop_early },
	{ "next", test_next },
	{ "list", test_list },
};

TEST_MAIN(cases)
