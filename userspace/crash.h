/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the launcher still does when it dies itself.
 */
#ifndef KEEL_CRASH_H
#define KEEL_CRASH_H

/**
 * crash_watch() - from now on, clean up and say one line before dying of a
 * fault, of abort(), or of a system call that the sandbox refused
 * @clean_up: called in a signal handler: only what signal-safety(7) lists.
 *
 * The process then dies of the signal, as it would have without.
 */
void crash_watch(void (*clean_up)(void));

#endif
