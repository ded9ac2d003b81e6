/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Printing what a machine has answered.
 */
#ifndef KEEL_CTL_TELL_H
#define KEEL_CTL_TELL_H

#include <stdbool.h>
#include <stddef.h>

struct json_object;
struct options;

#define CTL_ANSWER_S	15	/* for a machine to answer: for a pause under load */

/**
 * ctl_print() - print an object of a machine's: as one line of JSON, or its members a line each, but for "ok"
 */
void ctl_print(struct json_object *object, bool is_json);

/**
 * ctl_plain() - copy as much of @text to @to, of @size bytes, as fits, and nothing that a terminal would take for an order
 */
void ctl_plain(char *to, size_t size, const char *text);

/**
 * ctl_tell_nobody() - say why there is no answer from @target
 * @error: errno, of ctl_ask()
 *
 * Return: STATUS_NOBODY or STATUS_HOST.
 */
int ctl_tell_nobody(const char *target, int error);

/**
 * ctl_tell_answer() - print @answer to @options->request, a refusal on standard error
 * Return: 0 or STATUS_REFUSED.
 */
int ctl_tell_answer(const struct options *options, struct json_object *answer);

/**
 * ctl_tell() - either of them, and release @answer
 * @answer: NULL: there is none, and errno says why
 */
int ctl_tell(const struct options *options, struct json_object *answer);

#endif
