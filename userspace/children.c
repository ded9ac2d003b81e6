// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process is known by a descriptor, so that another one of the same number is never meant. That of a child's child can be
 * had by its number alone; it is looked for while its parent, which would have to wait for it first, serves us.
 */
#include <poll.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "children.h"
#include "thread.h"

static void add(struct children *children, pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd >= 0)
		children->fds[children->count++] = fd;
}

void children_find(struct children *children, pid_t pid)
{
	char path[64];
	int child;

	children_forget(children);
	add(children, pid);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	FILE *file = fopen(path, "re");

	while (file && children->count < CHILDREN_MAX && fscanf(file, "%d", &child) == 1)
		add(children, child);
	if (file)
		fclose(file);
}

bool children_are_gone(const struct children *children, int ms)
{
	const struct timespec until = thread_time_in((unsigned int)ms);

	for (unsigned int i = 0; i < children->count; i++) {
		struct pollfd wait = { .fd = children->fds[i], .events = POLLIN };

		while (poll(&wait, 1, JOIN_SLICE_MS) != 1)
			if (thread_is_past(&until))
				return false;
	}
	return true;
}

bool children_end(const struct children *children, int patience_ms, int ms)
{
	if (!children->count)
		return false;
	if (patience_ms && children_are_gone(children, patience_ms))
		return true;
	/* A stopped one whose parent ends before it is continued, as one of an orphaned process group (setpgid(2)), and would do some more. */
	for (unsigned int i = children->count; i--;)
		syscall(SYS_pidfd_send_signal, children->fds[i], SIGKILL, NULL, 0);
	return children_are_gone(children, ms);
}

void children_forget(struct children *children)
{
	while (children->count)
		close(children->fds[--children->count]);
}
