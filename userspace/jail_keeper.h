/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The process outside a jail, in whose place whoever started it sees the launcher.
 */
#ifndef KEEL_JAIL_KEEPER_H
#define KEEL_JAIL_KEEPER_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "report.h"
#include "runtime.h"

/* What the launcher leaves to it, once, before the guest runs: along with the pid file, which is locked. */
struct jail_papers {
	struct runtime_files files;
	struct report report;
	struct stat socket, debugger;	/* which files are meant by those names; all zeros: none */
};

/**
 * struct keeper - what it looks after
 * @line: a socket of whole messages: papers first, then what a service manager is told.
 * @init: the first process of the namespace, which ends as the last one after the line is closed.
 * @launcher: the second one.
 * @has_terminal: standard input is the terminal of this session.
 * @is_daemon: a terminal is left alone once the machine runs.
 */
struct keeper {
	int line;
	pid_t init, launcher;
	bool has_terminal;
	bool is_daemon;
};

/**
 * keeper_run() - look after a launcher until it ends, remove what it leaves, and end as it did
 *
 * All signals are blocked, and SIGCHLD is not ignored.
 */
void __attribute__((noreturn)) keeper_run(struct keeper *keeper);

#endif
