/* SPDX-License-Identifier: GPL-2.0-only */
/* Files for the launcher to boot. */
#ifndef SELFTESTS_BOOT_FILE_H
#define SELFTESTS_BOOT_FILE_H

#include <fcntl.h>
#include <unistd.h>

#include "test.h"

/* @head bytes, and zeros up to @size. */
static void write_file(const char *path, const void *bytes, size_t head, size_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(write(fd, bytes, head), (int)head);
	ASSERT_EQ(ftruncate(fd, size), 0);
	close(fd);
}

#endif
