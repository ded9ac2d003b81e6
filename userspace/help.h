/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Help by subject: `keel help SUBJECT`.
 */
#ifndef KEEL_HELP_H
#define KEEL_HELP_H

#include <stdio.h>

#include "options.h"

/**
 * help_find() - the action that prints the help of @subject
 * Return: 0, or STATUS_USAGE after a line on stderr.
 */
int help_find(const char *subject, enum options_action *action);

/**
 * help_print() - print the general help, or that of one subject, and the exit statuses
 */
void help_print(FILE *out, enum options_action action);

#endif
