/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What stands behind keel ctl.
 */
#ifndef KEEL_CTL_OPTIONS_H
#define KEEL_CTL_OPTIONS_H

struct options;

/**
 * ctl_options_check() - does what was given go with the command?
 * Return: 0, or STATUS_USAGE after a line on stderr.
 */
int ctl_options_check(struct options *options);

#endif
