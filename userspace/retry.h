/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KEEL_RETRY_H
#define KEEL_RETRY_H

#include <errno.h>
#include <sys/ioctl.h>

/** retry_ioctl() - ioctl(), once more if a signal came: so the kernel gives up locking all of a process's memory, even for a stop */
static inline int retry_ioctl(int fd, unsigned long command, void *argument)
{
	int ret;

	do
		ret = ioctl(fd, command, argument);
	while (ret < 0 && errno == EINTR);
	return ret;
}

#endif
