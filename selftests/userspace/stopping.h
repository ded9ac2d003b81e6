/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Processes that are stopped while somebody waits for them, as a helper program and its child may be.
 */
#ifndef SELFTESTS_STOPPING_H
#define SELFTESTS_STOPPING_H

#include <dirent.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proc_line.h"
#include "test.h"
#include "userspace/children.h"

/* Of which process @fd is the pidfd; -1 if it has ended. */
static inline int stopping_pid(int fd)
{
	char path[64], line[PROC_LINE_MAX];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	const char *pid = proc_line(path, "Pid:", line);

	ASSERT(pid, "what is known of a pidfd");
	return atoi(pid);
}

/* Have all threads of it stopped? */
static inline bool stopping_is_done(int pid)
{
	char path[320], line[PROC_LINE_MAX];
	bool is_done = true;
	struct dirent *entry;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *tasks = opendir(path);

	ASSERT(tasks, "the threads of a process");
	while (is_done && (entry = readdir(tasks))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/status", pid, entry->d_name);
		const char *state = proc_line(path, "State:\t", line);

		is_done = state && *state == 'T';
	}
	closedir(tasks);
	return is_done;
}

/* Stop @children, and wait until none of their threads runs: a signal that is sent has not arrived yet. */
static inline void stopping_stop(const struct children *children)
{
	for (unsigned int i = 0; i < children->count; i++) {
		u32 tries = 0;

		ASSERT_EQ(syscall(SYS_pidfd_send_signal, children->fds[i], SIGSTOP, NULL, 0), 0);
		while (!stopping_is_done(stopping_pid(children->fds[i]))) {
			ASSERT(tries++ < 10000, "it stops");
			usleep(1000);
		}
	}
}

/*
 * A process and its child, which both sleep from now on. The first one calls @prepare before it has the child, and that as soon as it is
 * there. Return: the first.
 */
static inline pid_t stopping_start_pair(void (*prepare)(bool is_child))
{
	int ends[2];
	char byte;

	ASSERT_EQ(pipe(ends), 0);
	pid_t pid = fork();

	ASSERT_GE(pid, 0);
	if (!pid) {
		prepare(false);
		if (!fork()) {
			prepare(true);
			write(ends[1], "", 1);
		}
		for (;;)
			pause();
	}
	ASSERT_EQ(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	close(ends[1]);
	return pid;
}

#endif
