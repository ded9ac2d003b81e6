// SPDX-License-Identifier: GPL-2.0-only
/*
 * An option by its name, or by one that is like it.
 */
#include <string.h>

#include "option_row.h"

#define NAME_MAX_BYTES	64
#define DISTANCE_MAX	3	/* changes between two names that are alike */

const struct option_row *option_find(const struct option_table *const *tables, unsigned int commands, const char *name, size_t length,
				     unsigned int *index)
{
	unsigned int before = 0;

	for (; *tables; before += (unsigned int)(*tables++)->count) {
		for (size_t i = 0; i < (*tables)->count; i++) {
			const struct option_row *row = &(*tables)->rows[i];

			if (!(row->commands & commands) || strlen(row->name) != length || memcmp(row->name, name, length))
				continue;
			if (index)
				*index = before + (unsigned int)i;
			return row;
		}
	}
	return NULL;
}

static unsigned int least(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int two = a < b ? a : b;

	return two < c ? two : c;
}

/* Letters put in, left out and changed, from one name to the other. */
static unsigned int distance(const char *from, const char *to)
{
	unsigned int row[NAME_MAX_BYTES + 1];
	size_t length = strlen(to);

	if (length > NAME_MAX_BYTES || strlen(from) > NAME_MAX_BYTES)
		return DISTANCE_MAX + 1;
	for (unsigned int j = 0; j <= length; j++)
		row[j] = j;
	for (unsigned int i = 1; from[i - 1]; i++) {
		unsigned int diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= length; j++) {
			unsigned int above = row[j];

			row[j] = least(above + 1, row[j - 1] + 1, diagonal + (from[i - 1] != to[j - 1]));
			diagonal = above;
		}
	}
	return row[length];
}

const char *option_nearest(const struct option_table *const *tables, unsigned int commands, const char *name)
{
	unsigned int best = DISTANCE_MAX + 1;
	const char *nearest = NULL;

	for (; *tables; tables++) {
		for (size_t i = 0; i < (*tables)->count; i++) {
			const struct option_row *row = &(*tables)->rows[i];
			unsigned int d = row->commands & commands ? distance(name, row->name) : best;

			/* Of short names so many changes leave nothing. */
			if (d < best && d < strlen(row->name)) {
				best = d;
				nearest = row->name;
			}
		}
	}
	return nearest;
}
