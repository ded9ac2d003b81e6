// SPDX-License-Identifier: GPL-2.0-only
/*
 * A file that is written out may still lose its name with the power: that is in the directory.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "directory.h"

void directory_sync(const char *path)
{
	char *copy = strdup(path);
	char *slash = copy ? strrchr(copy, '/') : NULL;
	int fd = -1;

	if (slash)
		slash[slash == copy] = 0;
	if (copy)
		fd = open(slash ? copy : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	free(copy);
}
