// SPDX-License-Identifier: GPL-2.0-only
/*
 * Under the sandbox nothing can be opened or renamed at will, so file and names
 * are made beforehand.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "report.h"

#define ROOM_MS	500	/* in which a reader takes nothing, before he is given up */

static bool is_another_s;	/* names are the parent's, or the process's outside a jail */
static struct report names;
static int file = -1;

static int refuse(const char *path)
{
	return status_fail(STATUS_USAGE, "--status-json %s: cannot write there: %s", path,
			   strerror(errno));
}

static bool is_stream(const struct stat *stat, int fd)
{
	struct stat other;

	return !fstat(fd, &other) && other.st_dev == stat->st_dev && other.st_ino == stat->st_ino;
}

/* Return: a file descriptor, or -1 with errno. */
static int open_beside(const char *path)
{
	mode_t mask = umask(0);
	int fd;

	umask(mask);
	/* A file that is not there yet has no path to resolve. */
	if (!realpath(path, names.path) &&
	    (errno != ENOENT || snprintf(names.path, PATH_MAX, "%s", path) >= PATH_MAX))
		return -1;
	if (snprintf(names.temporary, PATH_MAX, "%s.XXXXXX", names.path) >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkostemp(names.temporary, O_CLOEXEC);
	if (fd < 0)
		names.temporary[0] = 0;
	else
		fchmod(fd, 0666 & ~mask);
	return fd;
}

int report_open(const char *path)
{
	struct stat stat_buffer;
	bool is_there = !stat(path, &stat_buffer);
	int fd;

	if (is_there && S_ISDIR(stat_buffer.st_mode)) {
		errno = EISDIR;
		return refuse(path);
	}
	if (is_there && S_ISBLK(stat_buffer.st_mode))
		return status_fail(STATUS_USAGE,
				   "--status-json %s: a block device; name a file", path);
	if (is_there && (!S_ISREG(stat_buffer.st_mode) || is_stream(&stat_buffer, 1) ||
			 is_stream(&stat_buffer, 2)))
		fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	else
		fd = open_beside(path);
	if (fd < 0)
		return refuse(path);
	file = fd;
	mprotect(&names, sizeof(names), PROT_READ);
	return 0;
}

const struct report *report_get(void)
{
	return file >= 0 ? &names : NULL;
}

void report_drop(void)
{
	/* Not the library's unlink() and rename(): the filter compares the call. */
	if (names.temporary[0] && !is_another_s)
		syscall(SYS_unlink, names.temporary);
}

void report_leave(void)
{
	is_another_s = true;
	if (file >= 0)
		close(file);
	file = -1;
}

void report_hand_over(void)
{
	is_another_s = true;
}

void report_take(int to)
{
	file = to;
}

/* Return: the line, to be freed; NULL without memory. */
static char *make_line(enum status status, const char *reason, const char *stats, size_t *size)
{
	char *line = NULL;
	FILE *stream = open_memstream(&line, size);

	if (!stream)
		return NULL;
	status_write_json(stream, status, reason, stats);
	if (!fclose(stream))
		return line;
	free(line);
	return NULL;
}

/* A pipe may hold less, and takes the rest as somebody reads. */
static bool put_line(const char *line, size_t size)
{
	struct pollfd room = { .fd = file, .events = POLLOUT };

	while (size) {
		ssize_t done = write(file, line, size);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0 && errno == EAGAIN && poll(&room, 1, ROOM_MS))
			continue;
		if (done <= 0)
			return false;
		line += done;
		size -= (size_t)done;
	}
	return true;
}

int report_write(enum status status, const char *reason, const char *stats)
{
	size_t size = 0;
	bool is_good;
	char *line;

	if (file < 0)
		return (int)status;
	line = make_line(status, reason, stats, &size);
	is_good = line && put_line(line, size);
	free(line);
	if (is_good && names.temporary[0] && !is_another_s)
		is_good = !syscall(SYS_rename, names.temporary, names.path);
	if (is_good)
		return (int)status;
	status_warn("--status-json: the report could not be written: %s", strerror(errno));
	report_drop();
	return status ? (int)status : STATUS_HOST;
}
