/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The launcher as a program under test: its guests, what it is given to read and write, its end.
 *
 * The test is the session's leader with the pseudo terminal as its controlling one, as a shell is,
 * so that job control is the real thing.
 */
#ifndef SELFTESTS_LAUNCH_H
#define SELFTESTS_LAUNCH_H

#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "program.h"
#include "test.h"
#include "vm.h"

#define LAUNCH_ADDRESS	0x1000000

/* Guest code: the same bytes are valid in 64-bit and in 32-bit mode. */
#define OUT_SERIAL(byte)	0x66, 0xba, 0xf8, 0x03, 0xb0, byte, 0xee
#define POWER_OFF		0x66, 0xba, 0x04, 0x06, 0x66, 0xb8, 0x00, 0x34, 0x66, 0xef
#define RESET			0xb0, 0xfe, 0xe6, 0x64
#define STOP_HERE		0xeb, 0xfe
#define HALT			0xf4, 0xeb, 0xfd

/* What a standard stream of the launcher's is. */
enum stream {
	STREAM_TERMINAL,
	STREAM_PIPE,		/* to or from the test */
	STREAM_CLOSED,
	STREAM_NULL,
	STREAM_FULL,		/* /dev/full */
	STREAM_GONE,		/* a pipe without another end */
};

struct launch {
	/* Wanted. */
	const u8 *code;
	size_t size;
	enum stream in, out, err;
	bool is_background;		/* not the terminal's process group */
	bool no_sandbox;
	bool is_narrow;			/* the output's pipe holds a page, not 16 */
	const char *more;		/* one more option */
	/* What became of it. */
	pid_t pid;
	int keys;			/* to its input: the terminal's master, or a pipe */
	int output;			/* -1 if not a pipe */
	int errors;
	int terminal;			/* the slave, as a shell has it */
	struct termios before;
	s64 asked;			/* when its end was asked for */
};

static char launch_kernel[] = "/tmp/keel-guest.XXXXXX";
static char launch_dir[] = "/tmp/keel-report.XXXXXX";
static char launch_report[64];

static inline s64 launch_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static inline unsigned int launch_scale(void)
{
	const char *scale = getenv("KEEL_TIMEOUT_SCALE");

	return scale && atoi(scale) > 0 ? (unsigned int)atoi(scale) : 1;
}

static inline void launch_write_kernel(const u8 *code, size_t size)
{
	static u8 image[8192];
	Elf64_Ehdr *e = (void *)image;
	Elf64_Phdr *p = (void *)(image + sizeof(*e));
	int fd;

	memset(image, 0, sizeof(image));
	memcpy(image, ELFMAG, SELFMAG);
	image[EI_CLASS] = ELFCLASS64;
	e->e_machine = EM_X86_64;
	e->e_entry = LAUNCH_ADDRESS;
	e->e_phoff = sizeof(*e);
	e->e_phentsize = sizeof(*p);
	e->e_phnum = 1;
	*p = (Elf64_Phdr){ .p_type = PT_LOAD, .p_offset = 1024, .p_filesz = size, .p_memsz = size,
			   .p_paddr = LAUNCH_ADDRESS, .p_vaddr = LAUNCH_ADDRESS };
	ASSERT_LE(size, sizeof(image) - 1024);
	memcpy(image + 1024, code, size);
	strcpy(launch_kernel, "/tmp/keel-guest.XXXXXX");
	fd = mkstemp(launch_kernel);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(write(fd, image, sizeof(image)), (int)sizeof(image));
	close(fd);
}

/* A pseudo terminal, the case's controlling one from the first call on. */
static inline void launch_open_terminal(struct launch *run)
{
	char name[32];
	int unlock = 0, n;

	signal(SIGTTOU, SIG_IGN);
	signal(SIGHUP, SIG_IGN);	/* as an earlier terminal goes */
	setsid();
	run->keys = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	REQUIRE(run->keys >= 0, "no pseudo terminals here");
	ASSERT_EQ(ioctl(run->keys, TIOCSPTLCK, &unlock), 0);
	ASSERT_EQ(ioctl(run->keys, TIOCGPTN, &n), 0);
	snprintf(name, sizeof(name), "/dev/pts/%d", n);
	run->terminal = open(name, O_RDWR | O_CLOEXEC);
	REQUIRE(run->terminal >= 0, "no %s", name);
	ioctl(run->terminal, TIOCSCTTY, 0);
	ASSERT_EQ(tcgetattr(run->terminal, &run->before), 0);
}

/* The launcher's side of stream @fd; @ours gets the test's, if it has one. */
static inline int launch_stream(struct launch *run, enum stream stream, int fd, int *ours)
{
	int ends[2];

	*ours = -1;
	switch (stream) {
	case STREAM_TERMINAL:
		return run->terminal;
	case STREAM_CLOSED:
		return -1;
	case STREAM_NULL:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	case STREAM_FULL:
		return open("/dev/full", O_RDWR | O_CLOEXEC);
	default:
		ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
		if (stream == STREAM_GONE)
			close(ends[fd ? 0 : 1]);
		else
			*ours = ends[fd ? 0 : 1];
		return ends[fd ? 1 : 0];
	}
}

static inline void launch_exec(const struct launch *run, const int *streams)
{
	const char *program = launch_program();

	setpgid(0, 0);
	if (run->terminal >= 0 && !run->is_background)
		tcsetpgrp(run->terminal, getpgrp());
	signal(SIGTTOU, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	for (int i = 0; i < 3; i++) {
		if (streams[i] >= 0)
			dup2(streams[i], i);
		else
			close(i);
	}
	execl(program, "keel", "run", "--device", dev_path(), "--kernel", launch_kernel,
	      "--memory=32M", "--status-json", launch_report,
	      run->more ?: "--append=", run->no_sandbox ? "--no-sandbox" : NULL, NULL);
	_exit(127);
}

static inline void launch_start(struct launch *run)
{
	int streams[3], begun[2], unused;

	launch_program();
	launch_write_kernel(run->code, run->size);
	strcpy(launch_dir, "/tmp/keel-report.XXXXXX");
	ASSERT(mkdtemp(launch_dir), "a directory");
	snprintf(launch_report, sizeof(launch_report), "%s/end", launch_dir);
	run->terminal = run->keys = -1;
	if (run->in == STREAM_TERMINAL || run->out == STREAM_TERMINAL)
		launch_open_terminal(run);
	streams[0] =
		launch_stream(run, run->in, 0, run->in == STREAM_TERMINAL ? &unused : &run->keys);
	streams[1] = launch_stream(run, run->out, 1, &run->output);
	streams[2] = launch_stream(run, run->err, 2, &run->errors);
	if (run->is_narrow)
		ASSERT_EQ(fcntl(run->output, F_SETPIPE_SZ, 4096), 4096);
	ASSERT_EQ(pipe2(begun, O_CLOEXEC), 0);
	run->pid = fork();
	ASSERT_GE(run->pid, 0);
	if (!run->pid)
		launch_exec(run, streams);
	setpgid(run->pid, run->pid);
	/* Closed by exec: signals that are ignored here are not there. */
	close(begun[1]);
	ASSERT_EQ(read(begun[0], &begun[1], 1), 0);
	close(begun[0]);
	for (int i = 0; i < 3; i++)
		if (streams[i] >= 0 && streams[i] != run->terminal)
			close(streams[i]);
}

/* The guest says when it runs: R is its first byte. */
static inline void launch_wait_for_guest(struct launch *run)
{
	char c = 0;

	ASSERT_EQ(read(run->output, &c, 1), 1);
	ASSERT_EQ(c, 'R');
}

/* A client of the machine's control socket. */
static inline int launch_connect(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ASSERT(strlen(path) < sizeof(address.sun_path), "%s: too long", path);
	strcpy(address.sun_path, path);
	ASSERT(fd >= 0 && !connect(fd, (struct sockaddr *)&address, sizeof(address)), "%s: %s", path, strerror(errno));
	return fd;
}

static inline void launch_type(struct launch *run, const char *keys, size_t count)
{
	run->asked = launch_now();
	while (count) {
		ssize_t done = write(run->keys, keys, count);

		ASSERT_GE(done, 1);
		keys += done;
		count -= done;
	}
}

static inline void launch_signal(struct launch *run, int signal)
{
	run->asked = launch_now();
	ASSERT_EQ(kill(run->pid, signal), 0);
}

/* Exit status, 256 + a signal, or -1 if it has not ended after @seconds (and is killed then). */
static inline int launch_end(struct launch *run, unsigned int seconds)
{
	s64 until = launch_now() + seconds * 1000LL * launch_scale();
	int status;

	while (launch_now() < until) {
		if (waitpid(run->pid, &status, WNOHANG) == run->pid) {
			run->pid = 0;
			return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
		}
		usleep(5000);
	}
	kill(run->pid, SIGKILL);
	waitpid(run->pid, &status, 0);
	run->pid = 0;
	return -1;
}

static inline bool launch_is_raw(const struct launch *run)
{
	struct termios now;

	ASSERT_EQ(tcgetattr(run->terminal, &now), 0);
	return !(now.c_lflag & (ICANON | ECHO | ISIG)) && !(now.c_oflag & OPOST);
}

static inline bool launch_is_restored(const struct launch *run)
{
	struct termios now;

	ASSERT_EQ(tcgetattr(run->terminal, &now), 0);
	return now.c_iflag == run->before.c_iflag && now.c_oflag == run->before.c_oflag &&
	       now.c_cflag == run->before.c_cflag && now.c_lflag == run->before.c_lflag;
}

/* Wait until the terminal is raw, or is not. */
static inline bool launch_becomes(const struct launch *run, bool is_raw)
{
	for (unsigned int i = 0; i < 200 * launch_scale(); i++) {
		if (launch_is_raw(run) == is_raw)
			return true;
		usleep(10000);
	}
	return false;
}

/* What is in a pipe now, as text. */
static inline const char *launch_read(int fd)
{
	static char text[16384];
	ssize_t got = -1;

	if (fd >= 0) {
		fcntl(fd, F_SETFL, O_NONBLOCK);
		got = read(fd, text, sizeof(text) - 1);
	}
	text[got > 0 ? got : 0] = 0;
	return text;
}

/* The report, whole, "" if there is none. */
static inline const char *launch_read_report(void)
{
	int fd = open(launch_report, O_RDONLY);
	static char text[16384];
	ssize_t got = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;

	close(fd);
	text[got > 0 ? got : 0] = 0;
	return text;
}

/* Nothing is left of the run. Return: was there something else beside the report? */
static inline bool launch_clean_up(struct launch *run)
{
	unlink(launch_kernel);
	unlink(launch_report);
	bool has_remains = rmdir(launch_dir) != 0;

	if (run->keys >= 0)
		close(run->keys);
	if (run->output >= 0)
		close(run->output);
	if (run->errors >= 0)
		close(run->errors);
	if (run->terminal >= 0)
		close(run->terminal);
	return has_remains;
}

#endif
