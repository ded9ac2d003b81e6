/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Processes that are stopped while somebody waits for them.
 */
#ifndef SELFTESTS_STOPPING_H
#define SELFTESTS_STOPPING_H

#include <dirent.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test.h"
#include "userspace/children.h"

/* Of which process @fd is the pidfd; -1 if it has ended. */
static inline int stopping_pid(int fd)
{
	char path[64], line[64];
	int pid = -1;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	FILE *file = fopen(path, "re");

	ASSERT(file, "what is known of a pidfd");
	while (fgets(line, sizeof(line), file) && sscanf(line, "Pid: %d", &pid) != 1)
		;
	fclose(file);
	return pid;
}

/* Have all threads of it stopped? */
static inline bool stopping_is_done(int pid)
{
	char path[320], line[128], state = 0;
	bool is_done = true;
	struct dirent *entry;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *tasks = opendir(path);

	ASSERT(tasks, "the threads of a process");
	while (is_done && (entry = readdir(tasks))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/status", pid, entry->d_name);
		FILE *file = fopen(path, "re");

		while (file && fgets(line, sizeof(line), file) && sscanf(line, "State: %c", &state) != 1)
			;
		if (file)
			fclose(file);
		is_done = state == 'T';
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

#endif
