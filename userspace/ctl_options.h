/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What stands behind keel ctl.
 */
#ifndef KEEL_CTL_OPTIONS_H
#define KEEL_CTL_OPTIONS_H

#include <stdbool.h>
#include <string.h>

#include "options.h"

/**
 * ctl_options_check() - does what was given go with the command?
 * Return: 0, or STATUS_USAGE after a line on stderr.
 */
int ctl_options_check(struct options *options);

/** ctl_options_has_size() - does a size go with the command? */
static inline bool ctl_options_has_size(const struct options *options)
{
	return !strcmp(options->request, "balloon") || !strcmp(options->request, "memory");
}

#endif
