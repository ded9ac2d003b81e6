/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The file of --config: an object of JSON, with options by their names.
 */
#ifndef KEEL_CONFIG_H
#define KEEL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

struct option_table;
struct options;

/**
 * struct config - what a file's options are looked up in
 * @tables: of options, NULL behind the last.
 * @commands: whose options may stand in the file.
 * @seen: rows, by bits, that the command line had; it wins.
 */
struct config {
	const struct option_table *const *tables;
	unsigned int commands;
	uint64_t seen;
};

/**
 * config_apply() - take over what @path says
 *
 * Its text is kept for @options, until config_free(options->config_text).
 *
 * Return: 0, or STATUS_USAGE after a line on stderr that names file and line.
 */
int config_apply(struct options *options, const char *path, const struct config *config);

/**
 * config_free() - release what config_apply() kept; NULL is fine
 */
void config_free(void *text);

#endif
