/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * keel ctl NAME fork.
 */
#ifndef KEEL_CTL_FORK_H
#define KEEL_CTL_FORK_H

struct options;

/**
 * ctl_fork() - have the machine whose socket is @path make another one, and wait for the end of that if @options want it
 * Return: 0, or a status after a line on stderr; of a machine that was waited for, its own.
 */
int ctl_fork(const struct options *options, const char *path);

#endif
