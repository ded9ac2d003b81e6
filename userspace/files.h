/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files named twice on the command line.
 */
#ifndef KEEL_FILES_H
#define KEEL_FILES_H

struct options;

/**
 * files_check() - refuse a command line that would make two uses of a file ruin it
 *
 * A report must not replace what the machine is made of, and a disk that is
 * written cannot be another disk too. Files that are not there are left to
 * those who open them.
 *
 * Return: 0, or STATUS_USAGE or STATUS_DISK after a line on stderr.
 */
int files_check(const struct options *options);

#endif
