/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What --share says.
 */
#ifndef KEEL_SHARE_OPTIONS_H
#define KEEL_SHARE_OPTIONS_H

#include <stdbool.h>

#define SHARES_MAX	8
#define SHARE_TAG_MAX	36	/* bytes, as the device's configuration has them */

struct share_options {
	char *path;			/* of the directory, or of a socket; allocated */
	bool is_socket;			/* somebody listens there already */
	bool is_readonly;
	char tag[SHARE_TAG_MAX + 1];
};

/**
 * share_options_add() - read what stands behind --share, beside those of before
 * @shares: SHARES_MAX of them, *@count in use.
 *
 * Return: 0, or STATUS_USAGE after a line on stderr (STATUS_HOST without memory).
 */
int share_options_add(struct share_options *shares, unsigned int *count, const char *value);

/** share_options_free() - release what share_options_add() allocated */
void share_options_free(struct share_options *shares, unsigned int *count);

#endif
