/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * keel run --forkable, and what goes with it.
 */
#ifndef KEEL_FORK_OPTIONS_H
#define KEEL_FORK_OPTIONS_H

struct options;

/**
 * fork_options_check() - can a machine with these options be forked, if that is one of them?
 * Return: 0, or STATUS_USAGE after a line on stderr.
 */
int fork_options_check(const struct options *options);

#endif
