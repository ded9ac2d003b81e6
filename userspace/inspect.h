/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `keel inspect`: what is in a saved machine.
 */
#ifndef KEEL_INSPECT_H
#define KEEL_INSPECT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct options;
struct state_error;
struct state_field;

/**
 * inspect_run() - do what @options ask for, on standard output
 * Return: 0, STATUS_REFUSED if two differ, or a status after a line on stderr.
 */
int inspect_run(const struct options *options);

/**
 * inspect_print() - print the file @fd, which need not be one that this program could restore
 * @is_json: one line of JSON
 *
 * Return: false if it is damaged, after what of it could be read.
 */
bool inspect_print(FILE *out, int fd, bool is_json, struct state_error *error);

/**
 * inspect_value() - print a field's value on one line, or line by line for a table
 */
void inspect_value(FILE *out, const struct state_field *field);

/**
 * inspect_row() - print row @row of a table, without a line's end
 */
void inspect_row(FILE *out, const struct state_field *field, unsigned int row);

/**
 * inspect_diff() - print what differs between the files @a and @b
 * @differences: gets how many fields and pages
 *
 * Return: false if one of them could not be restored by this program.
 */
bool inspect_diff(FILE *out, const int fds[2], uint64_t *differences, struct state_error *error);

#endif
