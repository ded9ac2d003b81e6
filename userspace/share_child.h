/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtiofsd as a process of ours, which serves one directory and is gone when we are.
 */
#ifndef KEEL_SHARE_CHILD_H
#define KEEL_SHARE_CHILD_H

#include "children_start.h"
#include "share_options.h"

#define SHARE_CHILD_PROGRAM	"/usr/lib/qemu/virtiofsd"	/* of Debian 12's qemu-system-common */
#define SHARE_CHILD_FIRST_MS	10000	/* what it may take to start */

/**
 * share_child_start() - start @program, which is virtiofsd, for the directory that @options name
 * @child: gets two descriptors, closed by whoever asked.
 *
 * Whether it can serve the directory shows in its first answer.
 * Return: 0, or a status after a line on stderr.
 */
int share_child_start(struct child *child, const char *program, const struct share_options *options);

#endif
