// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the control socket is, and who is there already.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"
#include "socket_file.h"
#include "status.h"

#define BACKLOG		16
#define LOCK_TRIES	20	/* of 0.1 s each */

static bool make_address(struct sockaddr_un *address, const char *path)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (!*path || strlen(path) >= sizeof(address->sun_path)) {
		errno = ENAMETOOLONG;
		return false;
	}
	strcpy(address->sun_path, path);
	return true;
}

int control_connect(const char *path, int seconds)
{
	const struct timeval patience = { .tv_sec = seconds };
	struct sockaddr_un address;
	int fd, error;

	if (!make_address(&address, path))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (seconds ? 0 : SOCK_NONBLOCK), 0);
	/* Whoever listens may have stopped taking clients. */
	if (fd >= 0 && seconds)
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (fd < 0 || !connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* For its owner alone, from its first moment on. */
static int bind_private(int fd, const char *path)
{
	struct sockaddr_un address;
	mode_t mask = umask(0177);
	int ret = make_address(&address, path) ? bind(fd, (struct sockaddr *)&address, sizeof(address)) : -1;

	umask(mask);
	return ret;
}

/* Something is at @path. Return: 0 if it was a socket left behind and is gone; else after a line. */
static int take_over(const char *path)
{
	if (socket_file_is_left(path) && !unlink(path))
		return 0;
	if (errno == EADDRINUSE)
		return status_fail(STATUS_USAGE, "--control %s: somebody listens there already; name another", path);
	return status_fail(STATUS_USAGE, "--control %s: there is something that no machine left behind (%s); name another",
			   path, strerror(errno));
}

/*
 * One at a time looks whether somebody listens and takes over. In a directory of all users' anybody may keep the lock: it
 * is not waited for in earnest. Return: -1 if it is not to be had.
 */
static int lock_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *name = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	int fd = name ? open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	for (int tries = 0; fd >= 0 && tries < LOCK_TRIES && flock(fd, LOCK_EX | LOCK_NB); tries++)
		usleep(100000);
	free(name);
	return fd;
}

static int listen_at(int fd, const char *path)
{
	int ret = bind_private(fd, path);

	if (ret && errno == EADDRINUSE) {
		if (take_over(path))
			return -1;
		ret = bind_private(fd, path);
	}
	if (!ret)
		ret = listen(fd, BACKLOG);
	if (ret)
		status_fail(STATUS_USAGE, "--control %s: %s", path,
			    errno == ENAMETOOLONG ? "a socket's path has 1 to 107 bytes; name a shorter one" :
			    strerror(errno));
	return ret;
}

int control_open(const char *path)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int lock = lock_directory(path);

	if (fd < 0) {
		status_fail(STATUS_HOST, "--control %s: %s", path, strerror(errno));
	} else if (listen_at(fd, path)) {
		close(fd);
		fd = -1;
	}
	if (lock >= 0)
		close(lock);
	return fd;
}
