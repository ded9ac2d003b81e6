/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtiofsd as a process of ours, which serves one directory and is gone when we are.
 */
#ifndef KEEL_SHARE_CHILD_H
#define KEEL_SHARE_CHILD_H

#include <stddef.h>
#include <sys/types.h>

#include "share_options.h"

#define SHARE_CHILD_PROGRAM	"/usr/lib/qemu/virtiofsd"	/* of Debian 12's qemu-system-common */
#define SHARE_CHILD_FIRST_MS	10000	/* what it may take to start */

struct share_child {
	int socket;		/* speaks vhost-user */
	int words;		/* a pipe with what it says; does not block */
	pid_t pid;
};

/**
 * share_child_start() - start @program, which is virtiofsd, for the directory that @options name
 * @child: gets two descriptors, closed by whoever asked.
 *
 * Whether it can serve the directory shows in its first answer.
 * Return: 0, or a status after a line on stderr.
 */
int share_child_start(struct share_child *child, const char *program, const struct share_options *options);

/**
 * share_child_words() - the last line that it has said, fit for a terminal
 * @words: share_child.words
 * @line: gets it, "" if there is none.
 *
 * What was said before is gone then.
 */
void share_child_words(int words, char *line, size_t size);

#endif
