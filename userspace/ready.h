/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Telling whoever started the launcher that the guest runs: the process that
 * --daemon leaves behind, and a service manager.
 */
#ifndef KEEL_READY_H
#define KEEL_READY_H

#include <stdbool.h>

/**
 * ready_detach() - go on in the background, for --daemon
 *
 * Return: -1 in the new process, which goes on. In the old one, once ready_tell() was called or the new process ended:
 * the exit status.
 */
int ready_detach(void);

/**
 * ready_open() - connect to the service manager of $NOTIFY_SOCKET (sd_notify(3)), if there is one
 */
void ready_open(void);

/**
 * ready_null() - the file that takes a terminal's place once the guest runs, -1 for none
 */
int ready_null(void);

/**
 * ready_is_wanted() - does whoever called ready_detach() still wait? A process that was told that there is no machine wants none.
 */
bool ready_is_wanted(void);

/**
 * ready_tell() - the guest runs
 *
 * Under the sandbox too. After ready_detach() standard output and error are no terminal any more.
 */
void ready_tell(void);

/**
 * ready_through() - what the service manager is to be told goes to @fd, a socket to a process that tells it; before ready_open()
 */
void ready_through(int fd);

/**
 * ready_let_go() - after ready_detach(), in a process that is not the machine's: another one tells whoever waits
 */
void ready_let_go(void);

/**
 * ready_leave() - in a process that fork() has made: the service manager waits for the other
 */
void ready_leave(void);

/**
 * ready_end() - the guest does not run any more
 */
void ready_end(void);

#endif
