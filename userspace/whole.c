// SPDX-License-Identifier: GPL-2.0-only
/*
 * A temporary name, the disk, a rename.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "directory.h"
#include "disk_lock.h"
#include "whole.h"

static bool finish(int fd, const char *temporary, const char *path, struct state_error *error)
{
	bool is_synced = !fsync(fd);
	int code = errno;

	/* Delayed errors of network file systems come with the second. */
	if (close(fd) && is_synced) {
		is_synced = false;
		code = errno;
	}
	if (!is_synced)
		return state_refuse(error, "cannot write %s: %s", temporary, strerror(code));
	if (rename(temporary, path))
		return state_refuse(error, "cannot rename %s to %s: %s", temporary, path, strerror(errno));
	directory_sync(path);
	return true;
}

bool whole_write(const char *path, bool (*fill)(void *argument, int fd, struct state_error *error), void *argument,
		 struct state_error *error)
{
	struct stat there;
	char *temporary;

	/* Root may rename anything over anything, /dev/null too. */
	if (!stat(path, &there) && !S_ISREG(there.st_mode))
		return state_refuse(error, "%s is there, and is no file that could be replaced", path);
	if (disk_is_used(path))
		return state_refuse(error, "%s is a disk of a machine, which would be lost", path);
	if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
		return state_refuse(error, "out of memory");

	int fd = mkostemp(temporary, O_CLOEXEC);
	bool is_whole = fd >= 0 || state_refuse(error, "cannot create %s: %s", temporary, strerror(errno));

	if (is_whole && !fill(argument, fd, error)) {
		close(fd);
		is_whole = false;
	} else if (is_whole) {
		is_whole = finish(fd, temporary, path, error);
	}
	if (!is_whole && fd >= 0)
		unlink(temporary);
	free(temporary);
	return is_whole;
}
