// SPDX-License-Identifier: GPL-2.0-only
/*
 * A socket of another type is asked for it, which is refused in any case. A
 * client that comes and goes would be noticed: a debugger's lets a guest go
 * that waits for one.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "socket_file.h"

bool socket_file_is_left(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct stat stat_buffer;

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return false;
	}
	strcpy(address.sun_path, path);
	if (lstat(path, &stat_buffer))
		return false;
	if (!S_ISSOCK(stat_buffer.st_mode)) {
		errno = ENOTSOCK;
		return false;
	}

	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int error = fd < 0 ? errno : connect(fd, (const struct sockaddr *)&address, sizeof(address)) ? errno : EADDRINUSE;

	if (fd >= 0)
		close(fd);
	errno = error == EPROTOTYPE ? EADDRINUSE : error;
	return error == ECONNREFUSED;
}
