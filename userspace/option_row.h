/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of options, as the command line and the configuration file read it.
 */
#ifndef KEEL_OPTION_ROW_H
#define KEEL_OPTION_ROW_H

#include <stdbool.h>
#include <stddef.h>

struct options;

/**
 * struct option_row - an option
 * @name: without dashes.
 * @commands: those that have it, as bits.
 * @has_value: else it is on or off.
 * @is_repeatable: may be given again; with a value, each counts.
 * @set: takes the value, which stays where it is, and says what is wrong with it.
 */
struct option_row {
	const char *name;
	unsigned int commands;
	bool has_value;
	bool is_repeatable;
	int (*set)(struct options *options, const char *value);
};

/**
 * option_nearest() - the name of an option of @commands that @name may have been meant to be
 * Return: NULL if none is like it.
 */
const char *option_nearest(const struct option_row *rows, size_t count, unsigned int commands, const char *name);

#endif
