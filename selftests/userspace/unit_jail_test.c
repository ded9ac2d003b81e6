// SPDX-License-Identifier: GPL-2.0-only
/* A process in a jail: what it has left, how its end and signals pass through, and what is removed for it. By root alone. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"
#include "userspace/jail.h"
#include "userspace/jail_options.h"
#include "userspace/ready.h"
#include "userspace/report.h"
#include "userspace/runtime.h"
#include "userspace/status.h"

#define USER	64321u
#define GROUP	64322u

/* What the one inside tells the test. */
static struct {
	int start, enter;
	pid_t pid, seen;
	uid_t user;
	gid_t group;
	int groups, names, make, proc, network, privileges, bound;
	u32 capabilities;
	atomic_int is_in;
	bool echoes[4];
	int directories[3], file;
} *told;

static char directory[64];
static int go[2];			/* the test lets it go on by its end */
static struct jail_options options = { .is_wanted = true, .user = USER, .group = GROUP };

static char *name(const char *what)
{
	static char names[4][128];
	static unsigned int next;
	char *to = names[next++ % 4];

	snprintf(to, sizeof(names[0]), "%s/%s", directory, what);
	return to;
}

static void wait_for_go(void)
{
	char byte;

	while (read(go[0], &byte, 1) < 0 && errno == EINTR)
		;
}

/* Return: the process that whoever starts a launcher sees; @inside is what that does in its jail, and returns its exit status. */
static pid_t start(int (*inside)(void))
{
	pid_t pid;

	told = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT(told != MAP_FAILED, "memory");
	told->start = -1;
	ASSERT_EQ(pipe2(go, O_CLOEXEC), 0);
	fflush(NULL);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		close(go[1]);
		told->start = jail_start(&options, false);
		if (told->start)
			_exit(told->start);
		_exit(inside());
	}
	close(go[0]);
	return pid;
}

static void let_go(void)
{
	close(go[1]);
}

static int end_of(pid_t pid)
{
	int status = -1;

	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

static bool wait_until_in(void)
{
	for (unsigned int i = 0; i < 6000 && !told->is_in; i++)
		usleep(10000);
	return told->is_in;
}

static void set_up(void)
{
	if (geteuid())
		SKIP("not root");
	strcpy(directory, "/tmp/keel-jail.XXXXXX");
	ASSERT(mkdtemp(directory), "a directory");
}

static void remove_directory(void)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -r %s", directory);
	ASSERT_EQ(system(command), 0);
}

/* ---- what is left ---- */

static int count_names(const char *path)
{
	DIR *names = opendir(path);
	int count = 0;

	while (names && readdir(names))
		count++;
	if (names)
		closedir(names);
	return count;
}

static int look_around(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	told->enter = jail_enter();
	told->pid = getpid();
	told->seen = runtime_pid();
	told->user = getuid();
	told->group = getgid();
	told->groups = getgroups(0, NULL);
	told->names = count_names("/");
	told->make = mkdir("/x", 0700) ? errno : 0;
	told->proc = access("/proc", F_OK) ? errno : 0;
	syscall(SYS_capget, &head, data);
	for (u32 i = 0; i < 2; i++)
		told->capabilities |= data[i].effective | data[i].permitted | data[i].inheritable;
	for (unsigned long i = 0; i < 64; i++)
		told->bound += prctl(PR_CAPBSET_READ, i) == 1;
	told->privileges = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);

	struct if_nameindex *interfaces = if_nameindex();

	for (u32 i = 0; interfaces && interfaces[i].if_index; i++)
		told->network++;
	told->is_in = true;
	wait_for_go();
	return 3;
}

/* As the test sees them: the namespace's first process, and the one that is in the jail. */
static void find_children(pid_t outside, pid_t children[2])
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", outside, outside);
	FILE *file = fopen(path, "re");

	ASSERT(file && fscanf(file, "%d %d", &children[0], &children[1]) == 2, "two children");
	fclose(file);
}

static bool has_other(const char *space, pid_t pid)
{
	char path[64], ours[64] = "", its[64] = "";

	snprintf(path, sizeof(path), "/proc/self/ns/%s", space);
	ASSERT(readlink(path, ours, sizeof(ours) - 1) > 0, "ours");
	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, space);
	ASSERT(readlink(path, its, sizeof(its) - 1) > 0, "its");
	return strcmp(ours, its);
}

static void test_inside(void)
{
	static const struct {
		const char *space;
		bool is_another;
	} rows[] = { { "mnt", true }, { "net", true }, { "pid", true }, { "ipc", true }, { "user", false } };
	pid_t children[2];

	set_up();
	pid_t pid = start(look_around);

	ASSERT(wait_until_in(), "it is in");
	CHECK_EQ("started", 0, told->start);
	CHECK_EQ("entered", 0, told->enter);
	CHECK_EQ("the second process", 2, told->pid);
	CHECK_EQ("seen as the one outside", pid, told->seen);
	CHECK_EQ("user", USER, told->user);
	CHECK_EQ("group", GROUP, told->group);
	CHECK_EQ("no other groups", 0, told->groups);
	CHECK_EQ("an empty root, but for . and ..", 2, told->names);
	CHECK_EQ("that cannot be written", EROFS, told->make);
	CHECK_EQ("no /proc", ENOENT, told->proc);
	CHECK_EQ("a network of lo alone", 1, told->network);
	CHECK_EQ("no capability", 0, told->capabilities);
	CHECK_EQ("none to be had", 0, told->bound);
	CHECK_EQ("no new privileges", 1, told->privileges);
	find_children(pid, children);
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_EQ(rows[i].space, rows[i].is_another, has_other(rows[i].space, children[1]));
	let_go();
	int status = end_of(pid);

	CHECK_EQ("its exit status", 3, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	remove_directory();
}

/* Whoever starts a launcher may have directories open, standard input among them: each would be a way out. */
static int look_at_files(void)
{
	static const int files[] = { STDIN_FILENO, 60, 61 };

	told->enter = jail_enter();
	for (u32 i = 0; i < ARRAY_SIZE(files); i++)
		told->directories[i] = faccessat(files[i], "etc", F_OK, 0) ? errno : 0;
	told->file = fcntl(62, F_GETFD);
	return 0;
}

static void test_directories(void)
{
	set_up();
	int before = dup(STDIN_FILENO), root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), path = open("/", O_PATH | O_CLOEXEC);

	ASSERT(before >= 0 && root >= 0 && path >= 0, "directories");
	/* as they are after execve() */
	ASSERT(dup2(root, STDIN_FILENO) == STDIN_FILENO && dup2(root, 60) == 60 && dup2(path, 61) == 61 && dup2(before, 62) == 62, "numbers");
	pid_t pid = start(look_at_files);

	CHECK_EQ("it ends", 0, end_of(pid));
	let_go();
	dup2(before, STDIN_FILENO);
	for (int fd = 60; fd <= 62; fd++)
		close(fd);
	CHECK_EQ("entered", 0, told->enter);
	CHECK_EQ("standard input is no directory", ENOTDIR, told->directories[0]);
	CHECK_EQ("nor is another file", ENOTDIR, told->directories[1]);
	CHECK_EQ("nor one that is a path alone", ENOTDIR, told->directories[2]);
	CHECK_EQ("what is none stays", 0, told->file);
	remove_directory();
}

/* ---- ends and signals ---- */

static int how;

static int end(void)
{
	const struct rlimit none = { 0, 0 };

	if (jail_enter())
		return 99;
	if (how >= 0)
		return how;
	setrlimit(RLIMIT_CORE, &none);
	signal(-how, SIG_DFL);
	kill(getpid(), -how);
	return 98;
}

static void test_ends(void)
{
	static const int rows[] = { 0, 8, 26, -SIGKILL, -SIGABRT, -SIGSYS, -SIGTERM };

	set_up();
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		how = rows[i];
		int status = end_of(start(end));

		let_go();
		CHECK_EQ("exit status, or signal", rows[i], WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
	}
	remove_directory();
}

/* Each signal that somebody sends to the one outside, but that of the launcher's own threads. */
static int wait_for_signal(void)
{
	const struct timespec patience = { 30, 0 };
	sigset_t set;

	sigfillset(&set);
	sigdelset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	told->enter = jail_enter();
	told->is_in = true;
	return sigtimedwait(&set, NULL, &patience);
}

static void test_signals(void)
{
	static const int rows[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR2, SIGTSTP, SIGCONT };

	set_up();
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		pid_t pid = start(wait_for_signal);

		ASSERT(wait_until_in(), "it is in");
		kill(pid, SIGUSR1);
		usleep(50000);
		kill(pid, rows[i]);
		int status = end_of(pid);

		let_go();
		CHECK_EQ("what came", rows[i], WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	}
	remove_directory();
}

/* A service manager's way: each process of the service gets the signal, those that nobody knows of as well. */
static void test_signal_to_all(void)
{
	static const int rows[] = { SIGTERM, SIGINT, SIGHUP };
	pid_t children[2];

	set_up();
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		pid_t pid = start(wait_for_signal);

		ASSERT(wait_until_in(), "it is in");
		find_children(pid, children);
		kill(children[0], rows[i]);
		usleep(200000);
		kill(pid, SIGUSR2);
		int status = end_of(pid);

		let_go();
		CHECK_EQ("the launcher lives until its own signal comes", SIGUSR2, WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
	}
	remove_directory();
}

static int stop(void)
{
	if (jail_enter())
		return 99;
	raise(SIGSTOP);
	return 7;
}

static void test_stops(void)
{
	int status;

	set_up();
	pid_t pid = start(stop);

	ASSERT_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK_EQ("both stop", 1, WIFSTOPPED(status));
	kill(pid, SIGCONT);
	status = end_of(pid);
	let_go();
	CHECK_EQ("and go on", 7, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	remove_directory();
}

static int hear_echoes(void)
{
	if (jail_enter())
		return 99;
	told->echoes[0] = jail_is_echo(SIGTERM);
	told->echoes[1] = jail_is_echo(SIGTERM);
	told->echoes[2] = jail_is_echo(SIGINT);
	usleep(150000);
	told->echoes[3] = jail_is_echo(SIGINT);
	return 0;
}

static void test_echo(void)
{
	set_up();
	CHECK_EQ("no jail", 0, jail_is_echo(SIGTERM) || jail_is_echo(SIGTERM));
	pid_t pid = start(hear_echoes);

	CHECK_EQ("it ends", 0, end_of(pid));
	let_go();
	CHECK_EQ("the first", 0, told->echoes[0]);
	CHECK_EQ("the same at once", 1, told->echoes[1]);
	CHECK_EQ("another", 0, told->echoes[2]);
	CHECK_EQ("the same, later", 0, told->echoes[3]);
	remove_directory();
}

/* ---- the terminal ---- */

static int stop_at_terminal(void)
{
	sigset_t none;

	/* as the launcher, which stops at its own time */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (jail_enter())
		return 99;
	told->names = tcgetpgrp(STDIN_FILENO) == getpgrp();
	raise(SIGTSTP);
	told->make = tcgetpgrp(STDIN_FILENO) == getpgrp();
	return 5;
}

/* A shell with job control, whose terminal is standard input: 0, or which of its looks was wrong. */
static int be_shell(const char *terminal)
{
	int status, wrong = 0;

	setsid();
	dup2(open(terminal, O_RDWR), STDIN_FILENO);
	signal(SIGTTOU, SIG_IGN);
	pid_t pid = fork();

	if (!pid) {
		setpgid(0, 0);
		tcsetpgrp(STDIN_FILENO, getpgrp());
		signal(SIGTTOU, SIG_DFL);
		_exit(jail_start(&options, false) ?: stop_at_terminal());
	}
	if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
		wrong |= 1;
	if (tcgetpgrp(STDIN_FILENO) != pid)
		wrong |= 2;
	tcsetpgrp(STDIN_FILENO, getpgrp());
	/* fg */
	tcsetpgrp(STDIN_FILENO, pid);
	kill(-pid, SIGCONT);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 5)
		wrong |= 4;
	if (tcgetpgrp(STDIN_FILENO) != pid)
		wrong |= 8;
	return wrong;
}

static void test_terminal(void)
{
	set_up();
	told = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int master = posix_openpt(O_RDWR | O_NOCTTY);

	ASSERT(master >= 0 && !grantpt(master) && !unlockpt(master), "a terminal");
	fflush(NULL);
	pid_t shell = fork();

	if (!shell)
		_exit(be_shell(ptsname(master)));
	CHECK_EQ("what the shell sees (1: it stops, 2, 8: the terminal is back, 4: it ends)", 0, WEXITSTATUS(end_of(shell)));
	CHECK_EQ("it has the terminal", 1, told->names);
	CHECK_EQ("and again when it goes on", 1, told->make);
	close(master);
	remove_directory();
}

/* ---- a service manager ---- */

static int be_service(void)
{
	ready_open();
	if (jail_enter())
		return 99;
	ready_tell();
	wait_for_go();
	ready_end();
	return 0;
}

static void test_manager(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char text[256], want[64];

	set_up();
	int manager = socket(AF_UNIX, SOCK_DGRAM, 0);

	strcpy(address.sun_path, name("manager"));
	ASSERT_EQ(bind(manager, (struct sockaddr *)&address, sizeof(address)), 0);
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	pid_t pid = start(be_service);
	ssize_t got = recv(manager, text, sizeof(text) - 1, 0);

	text[got > 0 ? got : 0] = 0;
	snprintf(want, sizeof(want), "READY=1\nMAINPID=%d\n", pid);
	CHECK_EQ("ready, and by which number", 1, !!strstr(text, want));
	let_go();
	got = recv(manager, text, sizeof(text) - 1, 0);
	text[got > 0 ? got : 0] = 0;
	CHECK_EQ("stopping", 0, strcmp(text, "STOPPING=1"));
	CHECK_EQ("it ends", 0, end_of(pid));
	close(manager);
	remove_directory();
}

/* ---- who ends with whom ---- */

static int line[2];			/* open as long as one of them is there */

static int wait_long(void)
{
	close(line[0]);
	told->enter = jail_enter();
	told->is_in = true;
	sleep(60);
	return 0;
}

static unsigned int busy_s;		/* what a helper has to do when the launcher has ended */

/* As helpers do, it ends when the launcher's end of a connection is closed. */
static int leave_helper(void)
{
	int hold[2];
	char byte;

	close(line[0]);
	if (pipe(hold))
		return 99;
	if (!fork()) {
		prctl(PR_SET_NAME, "helper");
		close(hold[1]);
		if (!read(hold[0], &byte, 1))
			sleep(busy_s);
		_exit(0);
	}
	return jail_enter();
}

/* Does everybody who has the line's other end close it within some seconds? */
static bool are_gone(void)
{
	struct pollfd wait = { .fd = line[0], .events = POLLIN };

	if (line[1] >= 0)
		close(line[1]);
	bool is_end = poll(&wait, 1, 20000) == 1 && wait.revents & POLLHUP;

	close(line[0]);
	return is_end;
}

static void test_together(void)
{
	set_up();
	ASSERT_EQ(pipe(line), 0);
	pid_t pid = start(wait_long);

	ASSERT(wait_until_in(), "it is in");
	kill(pid, SIGKILL);
	CHECK_EQ("the one outside is killed", SIGKILL, WTERMSIG(end_of(pid)));
	let_go();
	CHECK_EQ("nobody is left inside", 1, are_gone());
	for (busy_s = 0; busy_s <= 14; busy_s += 2 + busy_s * 5) {
		struct pollfd wait = { .fd = -1, .events = POLLIN };

		ASSERT_EQ(pipe(line), 0);
		pid = start(leave_helper);
		close(line[1]);
		line[1] = -1;
		CHECK_EQ("it ends", 0, end_of(pid));
		let_go();
		wait.fd = line[0];
		test_note("a helper that has %u s to do", busy_s);
		CHECK_EQ("it is waited for, five seconds at most", busy_s < 5, poll(&wait, 1, 0));
		CHECK_EQ("and ends by itself", 1, are_gone());
	}
	remove_directory();
}

/* ---- files ---- */

static bool is_killed, is_busy;		/* @is_busy: leaves a helper */

static int leave_files(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(runtime_files()->socket, PATH_MAX, "%s", name("socket"));
	snprintf(runtime_files()->pid_file, PATH_MAX, "%s", name("pid"));
	strcpy(address.sun_path, name("socket"));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || runtime_write_pid(name("pid")) || report_open(name("report")))
		return 99;
	told->enter = jail_enter();
	told->is_in = true;
	wait_for_go();
	runtime_drop();
	if (is_busy && !fork()) {
		sleep(3);
		_exit(0);
	}
	if (is_killed)
		kill(getpid(), SIGKILL);
	return report_write(STATUS_RESET, "enough", NULL);
}

static void read_file(const char *path, char text[256])
{
	int fd = open(path, O_RDONLY);
	ssize_t got = fd < 0 ? 0 : read(fd, text, 255);

	text[got > 0 ? got : 0] = 0;
	if (fd >= 0)
		close(fd);
}

static void test_files(void)
{
	char text[256];

	for (int i = 0; i < 3; i++) {
		is_killed = i == 1;
		set_up();
		pid_t pid = start(leave_files);

		ASSERT(wait_until_in(), "it is in");
		CHECK_EQ("entered", 0, told->enter);
		CHECK_EQ("the socket is there", 0, access(name("socket"), F_OK));
		read_file(name("pid"), text);
		CHECK_EQ("whose number the pid file has", pid, atoi(text));
		if (i == 2) {
			ASSERT_EQ(rename(name("socket"), name("away")), 0);
			ASSERT_EQ(close(open(name("socket"), O_CREAT | O_WRONLY, 0600)), 0);
		}
		let_go();
		int status = end_of(pid);

		CHECK_EQ("it ends", is_killed ? -SIGKILL : STATUS_RESET, WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
		CHECK_EQ("no socket, but for another's", i == 2, !access(name("socket"), F_OK));
		CHECK_EQ("no pid file", -1, access(name("pid"), F_OK));
		read_file(name("report"), text);
		CHECK_EQ("the report, if it was whole", !is_killed, !!strstr(text, "\"reason\": \"enough\""));
		CHECK_EQ("nothing else", 2 + !is_killed + 2 * (i == 2), count_names(directory));
		remove_directory();
	}
}

/* The next machine of that name need not wait for the helpers of this one; what they use is this one's until they end. */
static void test_busy_files(void)
{
	set_up();
	is_killed = false;
	is_busy = true;
	pid_t pid = start(leave_files);

	ASSERT(wait_until_in(), "it is in");
	let_go();
	usleep(1500000);
	is_busy = false;
	CHECK_EQ("it waits for its helper", 0, waitpid(pid, NULL, WNOHANG));
	CHECK_EQ("the socket has gone", -1, access(name("socket"), F_OK));
	CHECK_EQ("the pid file has not", 0, access(name("pid"), F_OK));
	CHECK_EQ("it ends", STATUS_RESET, WEXITSTATUS(end_of(pid)));
	CHECK_EQ("the pid file has gone", -1, access(name("pid"), F_OK));
	remove_directory();
}

/* Who may write the report's directory puts something in its place that nobody writes. */
static void test_strange_report(void)
{
	struct dirent *entry;
	int status = 0, tries = 0;

	set_up();
	pid_t pid = start(leave_files);

	ASSERT(wait_until_in(), "it is in");
	DIR *names = opendir(directory);

	ASSERT(names, "the directory");
	while ((entry = readdir(names)))
		if (!strncmp(entry->d_name, "report.", 7)) {
			ASSERT_EQ(unlink(name(entry->d_name)), 0);
			ASSERT_EQ(mkfifo(name(entry->d_name), 0600), 0);
			break;
		}
	closedir(names);
	let_go();
	while (!waitpid(pid, &status, WNOHANG) && ++tries < 100)
		usleep(100000);
	CHECK_EQ("it ends all the same", true, tries < 100);
	if (tries == 100) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	CHECK_EQ("as the launcher did", STATUS_RESET, WEXITSTATUS(status));
	CHECK_EQ("no report", -1, access(name("report"), F_OK));
	remove_directory();
}

/* ---- refusals ---- */

static int never(void)
{
	return 97;
}

static int enter_and_end(void)
{
	return jail_enter();
}

static void test_refusals(void)
{
	char none[80];
	int status;

	set_up();
	options.cgroup = (char *)(uintptr_t)"/tmp";
	status = end_of(start(never));
	let_go();
	CHECK_EQ("no cgroup's directory", STATUS_SANDBOX, WEXITSTATUS(status));
	snprintf(none, sizeof(none), "%s/none", directory);
	options.cgroup = none;
	status = end_of(start(never));
	let_go();
	CHECK_EQ("nothing there", STATUS_SANDBOX, WEXITSTATUS(status));
	options.cgroup = NULL;
	status = end_of(start(enter_and_end));
	let_go();
	CHECK_EQ("it can be", 0, WEXITSTATUS(status));
	remove_directory();

	pid_t pid = fork();

	if (!pid) {
		if (setresuid(USER, USER, USER))
			_exit(96);
		_exit(jail_start(&options, false));
	}
	CHECK_EQ("not root", STATUS_SANDBOX, WEXITSTATUS(end_of(pid)));
	options.is_wanted = false;
	CHECK_EQ("none is wanted", 0, jail_start(&options, false));
	CHECK_EQ("and none is there", 0, jail_is_on());
	CHECK_EQ("nothing is entered", 0, jail_enter());
	CHECK_EQ("still root", 0, geteuid());
}

static const struct test_case cases[] = {
	{ "inside", test_inside },
	{ "directories", test_directories },
	{ "ends", test_ends },
	{ "signals", test_signals },
	{ "signal to all", test_signal_to_all },
	{ "stops", test_stops },
	{ "terminal", test_terminal },
	{ "manager", test_manager },
	{ "echo", test_echo },
	{ "together", test_together },
	{ "files", test_files },
	{ "busy files", test_busy_files },
	{ "strange report", test_strange_report },
	{ "refusals", test_refusals },
};

TEST_MAIN(cases)
