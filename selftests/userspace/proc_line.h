/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel tells of a process, a name and a value a line.
 */
#ifndef SELFTESTS_PROC_LINE_H
#define SELFTESTS_PROC_LINE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "test.h"

#define PROC_LINE_MAX	128

/* What is behind @name in the first line of @path that begins so, in @line; NULL if there is none, or no such file any more. */
static inline const char *proc_line(const char *path, const char *name, char line[PROC_LINE_MAX])
{
	const char *value = NULL;
	FILE *file = fopen(path, "re");

	while (file && !value && fgets(line, PROC_LINE_MAX, file))
		if (!strncmp(line, name, strlen(name)))
			value = line + strlen(name);
	if (file)
		fclose(file);
	return value;
}

/* A number of a process's @file; 0 if it is not there. */
static inline u64 proc_number(pid_t pid, const char *file, const char *name)
{
	char path[64], line[PROC_LINE_MAX];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	const char *value = proc_line(path, name, line);

	return value ? strtoull(value, NULL, 10) : 0;
}

#endif
