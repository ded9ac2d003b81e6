/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The launcher as a program that is run to its end, and what it prints.
 */
#ifndef SELFTESTS_PROGRAM_H
#define SELFTESTS_PROGRAM_H

#include <fcntl.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

/* $KEEL_LAUNCHER, else "keel" on the PATH; skips where there is none. */
static inline const char *launch_program(void)
{
	static char found[256];
	const char *path = getenv("PATH");
	char copy[1024];

	if (getenv("KEEL_LAUNCHER"))
		return getenv("KEEL_LAUNCHER");
	snprintf(copy, sizeof(copy), "%s", path ? path : "/usr/local/bin:/usr/bin:/bin");
	for (char *dir = strtok(copy, ":"); dir; dir = strtok(NULL, ":")) {
		snprintf(found, sizeof(found), "%s/keel", dir);
		if (!access(found, X_OK))
			return found;
	}
	SKIP("no launcher: set KEEL_LAUNCHER or PATH");
}

/* Start it with @argv. @in: a file for it to read, closed here; @out: gets the end of a pipe, for what it prints, errors as well if @has_errors. */
static inline pid_t program_start(const char *const *argv, int in, int *out, bool has_errors)
{
	const char *program = launch_program();
	int ends[2];

	ASSERT_GE(in, 0);
	ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
	pid_t pid = fork();

	ASSERT_GE(pid, 0);
	if (!pid) {
		dup2(in, STDIN_FILENO);
		dup2(ends[1], STDOUT_FILENO);
		if (has_errors)
			dup2(ends[1], STDERR_FILENO);
		execv(program, (char *const *)argv);
		_exit(127);
	}
	close(in);
	close(ends[1]);
	*out = ends[0];
	return pid;
}

/*
 * What it prints, to @said, of which @used bytes are there already: as a string, cut to @size. All of it is read: a pipe that is closed
 * early would end it by SIGPIPE. Return: wait status.
 */
static inline int program_end(pid_t pid, int out, char *said, size_t size, size_t used)
{
	char rest[1024];
	ssize_t got;
	int status;

	while (used < size - 1 && (got = read(out, said + used, size - 1 - used)) > 0)
		used += (size_t)got;
	said[used] = 0;
	while (read(out, rest, sizeof(rest)) > 0)
		;
	close(out);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

#endif
