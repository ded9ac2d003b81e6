// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names are files: a machine NAME has the socket NAME.sock in its user's
 * directory, so that listing machines is listing files and asking each.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime.h"
#include "status.h"

#define PID_TRIES	8	/* as often as somebody removes the file that has just been opened */

bool runtime_is_name(const char *name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
	size_t length = strlen(name);

	return length && length <= RUNTIME_NAME_MAX && *name != '.' && *name != '-' && strspn(name, allowed) == length;
}

bool runtime_directory(char path[PATH_MAX])
{
	const char *home = getenv("XDG_RUNTIME_DIR");
	int length;

	if (!geteuid())
		length = snprintf(path, PATH_MAX, "/run/keel");
	else if (home && *home == '/')
		length = snprintf(path, PATH_MAX, "%s/keel", home);
	else
		length = snprintf(path, PATH_MAX, "/run/user/%u/keel", geteuid());
	return length < PATH_MAX;
}

bool runtime_socket(const char *name, char path[PATH_MAX])
{
	char directory[PATH_MAX];

	return runtime_directory(directory) &&
	       snprintf(path, PATH_MAX, "%s/%s" RUNTIME_SUFFIX, directory, name) < PATH_MAX;
}

int runtime_make_socket(const char *name, char path[PATH_MAX])
{
	char directory[PATH_MAX];
	struct stat stat;

	if (!runtime_directory(directory) || (mkdir(directory, 0700) && errno != EEXIST))
		return status_fail(STATUS_HOST, "--name %s: cannot make %s: %s (set XDG_RUNTIME_DIR, or say --control SOCKET)",
				   name, directory, strerror(errno));
	if (lstat(directory, &stat) || !S_ISDIR(stat.st_mode) || stat.st_uid != geteuid() || stat.st_mode & 022)
		return status_fail(STATUS_HOST, "--name %s: %s is no directory that is yours alone (chmod 700)", name, directory);
	if (!runtime_socket(name, path))
		return status_fail(STATUS_HOST, "--name %s: its path is too long", name);
	return 0;
}

static struct runtime_files files;
static bool is_another_s;	/* files are the parent's, or the process's outside a jail */
static int pid_fd = -1;

struct runtime_files *runtime_files(void)
{
	return &files;
}

void runtime_keep(void)
{
	mprotect(&files, sizeof(files), PROT_READ);
}

void runtime_drop_sockets(void)
{
	static atomic_bool is_gone;

	if (is_another_s || atomic_exchange(&is_gone, true))
		return;
	/* Not the library's unlink(): the filter compares the call. */
	if (files.socket[0])
		syscall(SYS_unlink, files.socket);
	if (files.debugger[0])
		syscall(SYS_unlink, files.debugger);
}

static void end_early(int signal)
{
	runtime_drop();
	raise(signal);		/* SA_RESETHAND: ends this process as the handler returns */
}

void runtime_drop_early(void)
{
	static const int ends[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	const struct sigaction action = { .sa_handler = end_early, .sa_flags = (int)SA_RESETHAND };
	struct sigaction before;

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (!sigaction(ends[i], NULL, &before) && before.sa_handler == SIG_DFL)
			sigaction(ends[i], &action, NULL);
}

void runtime_drop(void)
{
	runtime_drop_sockets();
	if (files.pid_file[0] && !is_another_s)
		syscall(SYS_unlink, files.pid_file);
}

void runtime_leave(void)
{
	is_another_s = true;
	if (pid_fd >= 0)
		close(pid_fd);
	pid_fd = -1;
}

int runtime_hand_over(void)
{
	is_another_s = true;
	return pid_fd;
}

static pid_t seen_pid;		/* 0: the real one */

void runtime_set_pid(pid_t pid)
{
	seen_pid = pid;
}

pid_t runtime_pid(void)
{
	return seen_pid ? seen_pid : getpid();
}

/* Is @fd the file that @path names still? Who had it before may have removed it as it ended. */
static bool is_named(int fd, const char *path)
{
	struct stat open, named;

	return !fstat(fd, &open) && !lstat(path, &named) && open.st_dev == named.st_dev && open.st_ino == named.st_ino;
}

/* Return: -1 to be called again. */
static int write_pid(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0644);
	char line[24];
	ssize_t got = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);

	if (got < 0) {
		int error = errno;

		if (fd >= 0)
			close(fd);
		return status_fail(STATUS_USAGE, "--pid-file %s: cannot write there: %s", path, strerror(error));
	}
	line[got] = 0;

	size_t digits = strspn(line, "0123456789");

	if (strcmp(line + digits, digits ? "\n" : "")) {
		close(fd);
		return status_fail(STATUS_USAGE, "--pid-file %s: holds something else than a process's number; name another", path);
	}
	line[digits] = 0;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		close(fd);
		return status_fail(STATUS_USAGE, "--pid-file %s: process %s runs and has it; name another", path, line);
	}
	if (!is_named(fd, path)) {
		close(fd);
		return -1;
	}
	int length = snprintf(line, sizeof(line), "%d\n", runtime_pid());

	if (ftruncate(fd, 0) || pwrite(fd, line, (size_t)length, 0) != length) {
		int error = errno;

		close(fd);
		return status_fail(STATUS_USAGE, "--pid-file %s: cannot write there: %s", path, strerror(error));
	}
	/* The lock, and with it the file, is this process's until it ends. */
	pid_fd = fd;
	return 0;
}

int runtime_write_pid(const char *path)
{
	for (int tries = 0; tries < PID_TRIES; tries++) {
		int ret = write_pid(path);

		if (ret >= 0)
			return ret;
	}
	return status_fail(STATUS_USAGE, "--pid-file %s: it goes again and again; name another", path);
}
