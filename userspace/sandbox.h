/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Taking away from this process what it no longer needs.
 */
#ifndef KEEL_SANDBOX_H
#define KEEL_SANDBOX_H

#include <stdbool.h>

struct report;

/**
 * sandbox_enter() - filter the system calls of all threads, for good
 * @report: the one file that may still be renamed or removed; NULL for none.
 * @is_assigned: devices of the host are the guest's, whose BARs and interrupts move as the guest wants.
 *
 * Call when every file is open, every mapping made and every thread started.
 * A call outside the list raises SIGSYS (crash.h tells of it).
 *
 * Return: 0, or STATUS_SANDBOX after a line on stderr.
 */
int sandbox_enter(const struct report *report, bool is_assigned);

/**
 * sandbox_call_name() - the name of system call @number; after sandbox_enter()
 *
 * Safe in a signal handler. Return: "unknown" if the library knows none.
 */
const char *sandbox_call_name(int number);

#endif
