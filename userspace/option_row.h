/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tables of options, as the command line and the configuration file read them.
 */
#ifndef KEEL_OPTION_ROW_H
#define KEEL_OPTION_ROW_H

#include <stdbool.h>
#include <stddef.h>

struct options;

/* Commands that have an option, as bits. */
enum option_command {
	OF_RUN		= 1 << 0,
	OF_DMA		= 1 << 1,
	OF_CTL		= 1 << 2,
	OF_LIST		= 1 << 3,
	OF_RESTORE	= 1 << 4,
	OF_INSPECT	= 1 << 5,
	OF_CPU_MODELS	= 1 << 6,
};

/**
 * struct option_row - an option
 * @name: without dashes.
 * @commands: those that have it, OF_* as bits.
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

/* Options that are about the same. */
struct option_table {
	const struct option_row *rows;
	size_t count;
};

extern const struct option_table guest_option_table, device_option_table, run_option_table, ctl_option_table;

/* All tables together have a bit for each row. */
#define OPTION_ROWS_MAX		64

/**
 * option_find() - the option of @commands whose name is the @length bytes at @name
 * @tables: NULL behind the last.
 * @index: gets its number among the rows of all tables; NULL is fine.
 *
 * Return: NULL if there is none.
 */
const struct option_row *option_find(const struct option_table *const *tables, unsigned int commands, const char *name, size_t length,
				     unsigned int *index);

/**
 * option_nearest() - the name of an option of @commands that @name may have been meant to be
 * @tables: NULL behind the last.
 *
 * Return: NULL if none is like it.
 */
const char *option_nearest(const struct option_table *const *tables, unsigned int commands, const char *name);

#endif
