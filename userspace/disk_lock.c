// SPDX-License-Identifier: GPL-2.0-only
/*
 * One writer or many readers, so that two guests cannot ruin an image: by flock(), and by the locks that QEMU takes.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk_lock.h"
#include "status.h"

/*
 * QEMU looks for locks on bytes of the image: from 100 on one for each thing that somebody does
 * with it, from 200 on one for each that somebody does not want others to do. Writing is 1,
 * resizing 3.
 */
#define QEMU_DOES	100
#define QEMU_FORBIDS	200
#define QEMU_READ	0
#define QEMU_WRITE	1
#define QEMU_RESIZE	3

static bool lock_bytes(int fd, short type, off_t at, off_t count)
{
	struct flock lock = { .l_type = type, .l_start = at, .l_len = count };

	return !fcntl(fd, F_OFD_SETLK, &lock) || (errno != EAGAIN && errno != EACCES);
}

static bool is_locked(int fd, off_t at)
{
	struct flock lock = { .l_type = F_WRLCK, .l_start = at, .l_len = 1 };

	return !fcntl(fd, F_OFD_GETLK, &lock) && lock.l_type != F_UNLCK;
}

static bool lock_as_qemu_does(int fd, bool is_readonly)
{
	if (!is_readonly)
		return lock_bytes(fd, F_WRLCK, QEMU_DOES, 2 * (QEMU_FORBIDS - QEMU_DOES));
	return lock_bytes(fd, F_RDLCK, QEMU_DOES + QEMU_READ, 1) &&
	       lock_bytes(fd, F_RDLCK, QEMU_FORBIDS + QEMU_WRITE, 1) &&
	       lock_bytes(fd, F_RDLCK, QEMU_FORBIDS + QEMU_RESIZE, 1) &&
	       !is_locked(fd, QEMU_DOES + QEMU_WRITE) && !is_locked(fd, QEMU_DOES + QEMU_RESIZE);
}

int disk_lock_as(int fd, bool is_readonly, const char *option, const char *path)
{
	bool is_ours = !flock(fd, (is_readonly ? LOCK_SH : LOCK_EX) | LOCK_NB);

	if (!is_ours && errno != EWOULDBLOCK)
		status_warn("%s %s: cannot be locked: %s", option, path, strerror(errno));
	else if (!is_ours || !lock_as_qemu_does(fd, is_readonly))
		return status_fail(STATUS_DISK,
				   "%s %s: in use by another process (one can write to it, "
				   "or several read a disk with ,ro or ,snapshot)", option, path);
	return 0;
}

int disk_lock(int fd, bool is_readonly, const char *path)
{
	return disk_lock_as(fd, is_readonly, "--disk", path);
}

void disk_leave_to_qemu(int fd)
{
	lock_bytes(fd, F_UNLCK, 0, 0);
}

void disk_unlock(int fd)
{
	lock_bytes(fd, F_UNLCK, 0, 0);
	flock(fd, LOCK_UN);
}

bool disk_is_used(const char *path)
{
	struct flock lock = { .l_type = F_WRLCK, .l_start = QEMU_DOES, .l_len = 2 * (QEMU_FORBIDS - QEMU_DOES) };
	struct stat stat_buffer;

	/* Nothing else is a disk, and to open a terminal or a pipe may mean something to others. */
	if (stat(path, &stat_buffer) || (!S_ISREG(stat_buffer.st_mode) && !S_ISBLK(stat_buffer.st_mode)))
		return false;

	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool is_used = fd >= 0 && !fcntl(fd, F_OFD_GETLK, &lock) && lock.l_type != F_UNLCK;

	if (fd >= 0)
		close(fd);
	return is_used;
}
