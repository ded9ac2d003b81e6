/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What --jail says.
 */
#ifndef KEEL_JAIL_OPTIONS_H
#define KEEL_JAIL_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct options;

struct jail_options {
	bool is_wanted;
	uint32_t user, group;		/* numbers, not 0 */
	char *cgroup;			/* of a directory; NULL: none; allocated */
};

/**
 * jail_options_parse() - read what stands behind --jail
 * @jail: zeroed; to be given to jail_options_free() in any case.
 *
 * Return: 0, or STATUS_USAGE after a line on stderr (STATUS_HOST without memory).
 */
int jail_options_parse(struct jail_options *jail, const char *value);

/** jail_options_free() - release what jail_options_parse() allocated */
void jail_options_free(struct jail_options *jail);

/**
 * jail_options_check() - can a machine with these options be in a jail, if that is one of them?
 * Return: 0, or STATUS_USAGE after a line on stderr.
 */
int jail_options_check(const struct options *options);

#endif
