/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Taking away from this process what it no longer needs.
 */
#ifndef KEEL_SANDBOX_H
#define KEEL_SANDBOX_H

/**
 * sandbox_enter() - filter the system calls of all threads, for good
 *
 * Call when every file is open, every mapping made and every thread started.
 * A call outside the list kills the process.
 *
 * Return: 0, or STATUS_SANDBOX after a line on stderr.
 */
int sandbox_enter(void);

#endif
