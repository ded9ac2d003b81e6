/* SPDX-License-Identifier: GPL-2.0-only */
/* Helpers for tests of refusals: arguments that end at unmapped memory. */
#ifndef SELFTESTS_REFUSE_H
#define SELFTESTS_REFUSE_H

#include "vm.h"

/**
 * check_efault() - an ioctl must fail with EFAULT wherever its argument is cut off
 * @name: printed
 * @fd: descriptor
 * @nr: command
 * @arg: a valid argument
 * @size: its size, of variable parts too
 *
 * The argument is placed so that 0, 1, ... @size - 1 of its bytes lie before an
 * unmapped page, and at addresses that are no user memory at all.
 */
void check_efault(const char *name, int fd, unsigned long nr, const void *arg, size_t size);

/* The same for an argument the kernel writes: all of it in a read-only page. */
void check_read_only(const char *name, int fd, unsigned long nr, const void *arg, size_t size);

#endif
