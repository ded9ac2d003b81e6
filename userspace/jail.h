/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A machine whose launcher is locked up: keel run --jail.
 */
#ifndef KEEL_JAIL_H
#define KEEL_JAIL_H

#include <stdbool.h>

struct jail_options;

/**
 * jail_start() - go on in another process, the second of a PID namespace, in its cgroup
 *
 * Harmless if none is wanted. The process that called stays outside and does not return from this, if there is another one: it passes
 * signals on, and ends when and as that one does.
 *
 * Return: 0 in the new process, or STATUS_SANDBOX after a line on stderr.
 */
int jail_start(const struct jail_options *jail, bool is_daemon);

/** jail_is_on() - is this the process that jail_start() made? */
bool jail_is_on(void);

/**
 * jail_enter() - give up all that is not open: the host's file systems and network, root, each capability
 *
 * By the only thread that there is, when nothing has to be opened any more. What has to be removed or renamed in the end is the
 * process's outside from here on. Harmless without a jail.
 *
 * Return: 0, or STATUS_SANDBOX after a line on stderr: nothing may run.
 */
int jail_enter(void);

/**
 * jail_is_echo() - has this signal come just now already?
 *
 * Who signals all processes of a service signals the one outside as well, which passes it on. False without a jail. By the main thread.
 */
bool jail_is_echo(int signal);

#endif
