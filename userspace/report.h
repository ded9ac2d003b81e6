/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The file of --status-json: whole or not there at all.
 */
#ifndef KEEL_REPORT_H
#define KEEL_REPORT_H

#include <limits.h>

#include "status.h"

/*
 * Constant, and not writable, after report_open(): the sandbox allows to rename
 * what is at these very addresses.
 */
struct report {
	char path[PATH_MAX];		/* where it goes; symbolic links resolved */
	char temporary[PATH_MAX];	/* beside it, until it is whole; "" for none */
} __attribute__((aligned(4096)));

/**
 * report_open() - make sure that a report can be written to @path
 *
 * A file beside @path, of a name of its own, is created, so that what stands at
 * @path stays until the report is whole. What is no regular file, or is
 * standard output or error, is opened itself, for its end.
 *
 * Return: 0, or STATUS_USAGE after a line on stderr. Once per process.
 */
int report_open(const char *path);

/**
 * report_get() - the report for sandbox_enter(), NULL if none was opened
 */
const struct report *report_get(void);

/**
 * report_write() - write the report and put it in its place
 * @stats: JSON of the statistics, or NULL.
 *
 * Return: @status; STATUS_HOST in place of STATUS_OK, after a line on stderr,
 * if that failed. Nothing happens if no report was opened.
 */
int report_write(enum status status, const char *reason, const char *stats);

/**
 * report_drop() - remove the unfinished file; safe in a signal handler
 */
void report_drop(void);

/**
 * report_leave() - in a process that fork() has made: the report is the other's
 */
void report_leave(void);

/**
 * report_hand_over() - what is written stays under the temporary name, for another process to rename or remove
 */
void report_hand_over(void);

/**
 * report_take() - after report_leave(): write the report, when it comes to that, to @file, as it is
 */
void report_take(int file);

#endif
