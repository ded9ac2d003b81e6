// SPDX-License-Identifier: GPL-2.0-only
/*
 * The launcher's system-call filter: what the launcher and the C library do after the guest has
 * begun is allowed, and what is refused kills the process after one line with the call's name.
 *
 * Linked as the launcher is: statically, with the same C library, whose helpers may use more calls
 * than their names say. tcsetattr() of Debian 12's first asks for the settings that are.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "test.h"
#include "userspace/crash.h"
#include "userspace/report.h"
#include "userspace/runtime.h"
#include "userspace/sandbox.h"
#include "userspace/thread.h"

static int slave, file, event, listener, null_file;
static char directory[] = "/tmp/keel-sandbox.XXXXXX";
static char path[64], precious[64];
static pthread_t thread;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t go = PTHREAD_COND_INITIALIZER;
static bool is_going;

/* A failure ends the child with a status that names the line. */
#define NEED(condition)	do { if (!(condition)) _exit(__LINE__ % 100 + 100); } while (0)

static void terminal(void)
{
	struct termios mode;

	NEED(isatty(slave) && !tcgetattr(slave, &mode));
	cfmakeraw(&mode);
	NEED(!tcsetattr(slave, TCSANOW, &mode));
	tcgetpgrp(slave);
	getpgrp();
}

static void grow(size_t size)
{
	char *at = NULL;

	for (size_t i = 1; i <= 16; i++) {
		at = realloc(at, i * size);
		NEED(at);
		memset(at, 1, i * size);
	}
	free(at);
}

static void allocate(void)
{
	void *many[2000];

	grow(100);
	grow(64 << 10);
	grow(1 << 20);
	for (int i = 0; i < 2000; i++)
		NEED((many[i] = malloc(3000)));
	for (int i = 0; i < 2000; i++)
		free(many[i]);
}

/* @argument: what to do once told. */
static void *wait_and_run(void *argument)
{
	void (**run)(void) = argument;

	pthread_mutex_lock(&lock);
	while (!is_going)
		pthread_cond_wait(&go, &lock);
	pthread_mutex_unlock(&lock);
	(*run)();
	return NULL;
}

static void end_thread(void)
{
	struct timespec until = thread_time_in(5000);

	pthread_mutex_lock(&lock);
	is_going = true;
	pthread_cond_broadcast(&go);
	pthread_mutex_unlock(&lock);
	NEED(thread_join(thread, &until, 0));
}

static void be_random(void)
{
	char bytes[256];

	NEED(getrandom(bytes, sizeof(bytes), 0) == sizeof(bytes));
}

static void sleep_somehow(void)
{
	struct timespec nap = { .tv_nsec = 1000000 }, until = thread_time_in(1);
	struct pollfd none = { .fd = -1 };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
	nanosleep(&nap, NULL);
	usleep(1000);
	poll(&none, 1, 1);
	ppoll(&none, 1, &nap, NULL);
	pthread_mutex_lock(&lock);
	pthread_cond_clockwait(&go, &lock, CLOCK_MONOTONIC, &until);
	clock_gettime(CLOCK_REALTIME, &until);
	pthread_cond_timedwait(&go, &lock, &until);
	pthread_mutex_unlock(&lock);
	time(NULL);
}

static void use_files(void)
{
	char bytes[16] = "0123456789abcde";
	struct iovec parts[2] = { { bytes, 8 }, { bytes + 8, 8 } };
	uint64_t one = 1;

	NEED(pwritev(file, parts, 2, 0) == 16 && preadv(file, parts, 2, 0) == 16);
	NEED(!fdatasync(file));
	NEED(write(event, &one, 8) == 8 && read(event, &one, 8) == 8);
}

static void read_statistics(void)
{
	char bytes[16];
	struct iovec part = { bytes, sizeof(bytes) };

	NEED(preadv(file, &part, 1, 0) >= 0);
}

static void wake_another(void)
{
	uint64_t one = 1;

	NEED(write(event, &one, 8) == 8);
}

static void write_disk(void)
{
	struct iovec part = { path, sizeof(path) };

	pwritev(file, &part, 1, 0);
}

static void read_event(void)
{
	uint64_t one;

	read(event, &one, 8);
}

static void use_signals(void)
{
	sigset_t set;

	signal(SIGUSR2, SIG_IGN);
	raise(SIGUSR2);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	pthread_kill(pthread_self(), SIGUSR2);
}

static void speak(void)
{
	status_warn("a warning, %s, %f", strerror(12345), 1.5);
	status_fail(STATUS_HOST, "a line, %s", strsignal(SIGTERM));
}

static void report(void)
{
	NEED(report_write(STATUS_OK, "the end", NULL) == STATUS_OK);
}

static void report_is_dropped(void)
{
	report_drop();
}

static void accept_there(void)
{
	NEED(accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK) == -1 && errno == EAGAIN);
}

static void accept_elsewhere(void)
{
	accept4(event, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

static void send_nmi(void)
{
	ioctl(event, KVM_NMI, 0);
}

static void give_up_stream(void)
{
	NEED(dup3(null_file, file, 0) == file);
}

static void take_stream(void)
{
	dup3(event, null_file, 0);
}

static void remove_files(void)
{
	runtime_drop();
}

static void rename_socket(void)
{
	syscall(SYS_rename, runtime_files()->socket, path);
}

/* What is refused. The arguments do not matter. */
static void call_open(void) { open("/etc/passwd", O_RDONLY); }
static void call_exec(void) { execl("/bin/true", "true", NULL); }
static void call_fork(void) { syscall(SYS_fork); }
static void call_socket(void) { socket(AF_INET, SOCK_STREAM, 0); }
static void call_mprotect(void) { mprotect((void *)report_get(), 4096, PROT_READ | PROT_WRITE); }
static void map(int prot, int flags, void *at) { mmap(at, 4096, prot, flags, -1, 0); }
static void map_code(void) { map(PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, NULL); }
static void map_there(void) { map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, &path); }
static void map_over(void)
{
	map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL);
}
static void unmap_names(void) { munmap((void *)report_get(), 4096); }
static void rename_other(void) { rename(precious, path); }
static void unlink_other(void) { unlink(precious); }
static void kill_other(void) { kill(1, 0); }
static void signal_other(void) { syscall(SYS_tgkill, 1, 1, 0); }
static void push_key(void) { ioctl(slave, TIOCSTI, "x"); }
static void call_nothing(void) { syscall(9999); }

static const struct row {
	const char *name;
	void (*run)(void);
	const char *refused;	/* the name of the call; NULL: allowed */
	enum sandbox_kind kind;	/* of the thread that does it */
} rows[] = {
	{ "terminal", terminal },
	{ "malloc grows", allocate },
	{ "a thread that allocates ends", end_thread },
	{ "getrandom", be_random },
	{ "sleeping", sleep_somehow },
	{ "a device's files and events", use_files, NULL, SANDBOX_DEVICE },
	{ "statistics", read_statistics },
	{ "a vCPU's doorbell", wake_another, NULL, SANDBOX_VCPU },
	{ "a vCPU that speaks", speak, NULL, SANDBOX_VCPU },
	{ "a vCPU's thread allocates and ends", allocate, NULL, SANDBOX_VCPU },
	{ "a console's terminal", terminal, NULL, SANDBOX_CONSOLE },
	{ "the report's remains, in a crash of a vCPU", report_is_dropped, NULL, SANDBOX_VCPU },
	{ "signals to itself", use_signals },
	{ "lines on standard error", speak },
	{ "the report", report },
	{ "the report's remains", report_is_dropped },
	{ "the control thread accepts a client", accept_there, NULL, SANDBOX_CONTROL },
	{ "the control thread's statistics", read_statistics, NULL, SANDBOX_CONTROL },
	{ "an NMI", send_nmi, NULL, SANDBOX_CONTROL },
	{ "a terminal given up", give_up_stream },
	{ "what is left is removed", remove_files },
	{ "what is left is removed in a crash of a device", remove_files, NULL, SANDBOX_DEVICE },
	{ "another's client", accept_elsewhere, "accept4", SANDBOX_CONTROL },
	{ "a vCPU accepts a client", accept_there, "accept4", SANDBOX_VCPU },
	{ "the main thread accepts a client", accept_there, "accept4" },
	{ "a vCPU sends an NMI", send_nmi, "ioctl", SANDBOX_VCPU },
	{ "a device gives up a terminal", give_up_stream, "dup3", SANDBOX_DEVICE },
	{ "another file in a stream's place", take_stream, "dup3" },
	{ "the control thread writes a disk", write_disk, "pwritev", SANDBOX_CONTROL },
	{ "the control thread opens", call_open, "openat", SANDBOX_CONTROL },
	{ "the control thread connects", call_socket, "socket", SANDBOX_CONTROL },
	{ "the socket is renamed", rename_socket, "rename" },
	{ "the main thread writes a disk", write_disk, "pwritev" },
	{ "a vCPU writes a disk", write_disk, "pwritev", SANDBOX_VCPU },
	{ "a console writes a disk", write_disk, "pwritev", SANDBOX_CONSOLE },
	{ "a vCPU reads", read_event, "read", SANDBOX_VCPU },
	{ "a disk's thread writes the report", report, "rename", SANDBOX_DEVICE },
	{ "a vCPU opens", call_open, "openat", SANDBOX_VCPU },
	{ "a device opens", call_open, "openat", SANDBOX_DEVICE },
	{ "a console opens", call_open, "openat", SANDBOX_CONSOLE },
	{ "open", call_open, "openat" },
	{ "execute", call_exec, "execve" },
	{ "fork", call_fork, "fork" },
	{ "socket", call_socket, "socket" },
	{ "make the names writable", call_mprotect, "mprotect" },
	{ "map code", map_code, "mmap" },
	{ "map at an address", map_there, "mmap" },
	{ "map over something", map_over, "mmap" },
	{ "unmap the names", unmap_names, "munmap" },
	{ "rename another file", rename_other, "rename" },
	{ "remove another file", unlink_other, "unlink" },
	{ "signal another process", kill_other, "kill" },
	{ "signal another's thread", signal_other, "tgkill" },
	{ "type into the terminal", push_key, "ioctl" },
	{ "a number that is no call", call_nothing, "unknown" },
};

static void no_clean_up(void)
{
}

static void in_child(const struct row *row, int errors)
{
	static void (*run)(void);	/* outlives this frame, as the thread may */
	struct sandbox_wants wants;

	run = row->kind ? row->run : allocate;
	dup2(errors, STDERR_FILENO);
	NEED(!report_open(path));
	snprintf(runtime_files()->socket, PATH_MAX, "%s/socket", directory);
	runtime_keep();
	crash_watch(no_clean_up);
	wants = (struct sandbox_wants){
		.report = report_get(), .listener = listener, .debugger = -1, .null_file = null_file,
		.files = { runtime_files()->socket, runtime_files()->pid_file },
	};
	NEED(!sandbox_prepare(&wants));
	NEED(!sandbox_start_thread(&thread, row->kind ?: SANDBOX_DEVICE, wait_and_run, &run));
	NEED(!sandbox_enter());
	if (row->kind)
		end_thread();
	else
		row->run();
	exit(0);
}

static void run_row(const struct row *row)
{
	char said[512] = "", want[64];
	int status, pipes[2];

	ASSERT_EQ(pipe2(pipes, O_CLOEXEC), 0);
	pid_t pid = fork();

	ASSERT_GE(pid, 0);
	if (!pid)
		in_child(row, pipes[1]);
	close(pipes[1]);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_GE(read(pipes[0], said, sizeof(said) - 1), 0);
	close(pipes[0]);
	if (*said)
		test_note("%s: %s", row->name, said);
	if (!row->refused) {
		CHECK_EQ(row->name, 0, status);
		return;
	}
	CHECK_EQ(row->name, SIGSYS, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	snprintf(want, sizeof(want), "refused %s()", row->refused);
	CHECK_EQ("told by name", 1, !!strstr(said, want));
}

static void test_rows(void)
{
	const struct sockaddr nameless = { .sa_family = AF_UNIX };	/* the kernel gives it a name */
	int master = posix_openpt(O_RDWR | O_NOCTTY);
	char said[64];

	ASSERT_GE(master, 0);
	ASSERT_EQ(grantpt(master) | unlockpt(master), 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	ASSERT_GE(slave, 0);
	ASSERT(mkdtemp(directory), "a directory");
	snprintf(path, sizeof(path), "%s/report", directory);
	snprintf(precious, sizeof(precious), "%s/precious", directory);
	file = open(precious, O_RDWR | O_CREAT, 0600);
	event = eventfd(0, 0);
	null_file = open("/dev/null", O_RDWR);
	ASSERT_GE(null_file, 0);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	ASSERT_EQ(bind(listener, (const struct sockaddr *)&nameless, sizeof(nameless.sa_family)), 0);
	ASSERT_EQ(listen(listener, 1), 0);
	ASSERT_GE(file, 0);
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++)
		run_row(&rows[i]);
	CHECK_EQ("the other file is still there", 0, access(precious, F_OK));
	/* The refused children leave their unfinished reports. */
	snprintf(said, sizeof(said), "rm -r %s", directory);
	ASSERT_EQ(system(said), 0);
}

/* A thread that nobody gave a filter is found before the guest runs. */
static void test_unfiltered(void)
{
	const struct sandbox_wants wants = { .listener = -1, .debugger = -1 };
	static void (*run)(void) = allocate;
	pthread_t other;
	int status;
	pid_t pid = fork();

	ASSERT_GE(pid, 0);
	if (!pid) {
		NEED(!sandbox_prepare(&wants));
		NEED(!sandbox_start_thread(&thread, SANDBOX_DEVICE, wait_and_run, &run));
		NEED(!pthread_create(&other, NULL, wait_and_run, &run));
		_exit(sandbox_enter());
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ("refused", STATUS_SANDBOX, WIFEXITED(status) ? WEXITSTATUS(status) : 1000);
}

static const struct test_case cases[] = {
	{ "rows", test_rows },
	{ "unfiltered", test_unfiltered },
};

TEST_MAIN(cases)
