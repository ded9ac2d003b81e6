/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What --memory, --memory-backing and --balloon say.
 */
#ifndef KEEL_MEMORY_OPTIONS_H
#define KEEL_MEMORY_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct memory;
struct options;

struct balloon_options {
	bool is_wanted;
	bool deflate_on_oom;
	bool free_page_reporting;
	uint64_t size;			/* bytes, a multiple of 4 KB */
};

/**
 * memory_options_size() - read what stands behind --memory
 * Return: 0, or STATUS_USAGE after a line on stderr.
 */
int memory_options_size(struct options *options, const char *value);

/**
 * memory_options_check_size() - why a guest with @memory bytes, and @pluggable that it can plug, cannot be asked to have @size in all
 * @wanted: gets what it is to plug.
 * Return: NULL if it can.
 */
const char *memory_options_check_size(uint64_t memory, uint64_t pluggable, uint64_t size, uint64_t *wanted);

/**
 * memory_options_backing() - read what stands behind --memory-backing
 * @backing: gets MEMORY_THP, ... as bits.
 *
 * Return: 0, or STATUS_USAGE after a line on stderr.
 */
int memory_options_backing(unsigned int *backing, const char *value);

/**
 * memory_options_balloon() - read what stands behind --balloon
 * Return: 0, or STATUS_USAGE after a line on stderr.
 */
int memory_options_balloon(struct balloon_options *balloon, const char *value);

/**
 * memory_options_check_balloon() - why a guest with @memory bytes cannot be asked to give @size of them
 * Return: NULL if it can.
 */
const char *memory_options_check_balloon(uint64_t memory, uint64_t size);

/**
 * memory_options_check() - do the options for memory go together, and with the devices?
 *
 * When all options are known. Return: 0, or STATUS_USAGE after a line on stderr.
 */
int memory_options_check(const struct options *options);

/**
 * memory_options_apply() - put what the options say behind guest memory that is still zero
 *
 * Warns if the host would do nothing of what was asked for.
 *
 * Return: 0, or STATUS_MEMORY after a line on stderr, which names the remedy.
 */
int memory_options_apply(struct memory *memory, const struct options *options);

#endif
