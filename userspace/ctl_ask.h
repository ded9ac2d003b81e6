/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Asking a machine something.
 */
#ifndef KEEL_CTL_ASK_H
#define KEEL_CTL_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "control.h"

struct json_object;

/* What is asked, and with what. */
struct ctl_words {
	const char *command;
	bool has_size;
	uint64_t size;
	const char *name;		/* NULL: none */
	bool is_paused;
	bool has_report;		/* of the files, one is where a child tells of its end, */
	unsigned int net_count;		/* and so many behind that are its networks */
	bool to_mark;
	bool is_same;
	bool is_tracked;
	const char *base, *base_name;	/* NULL: none */
	int files[CONTROL_FILES];	/* what the command is about */
	unsigned int file_count;
	bool gives_files;		/* they are the machine's then, and closed here */
};

/**
 * ctl_ask() - ask the machine whose socket is @path, and wait @seconds for its answer
 * Return: an object with a member "ok", to be released; NULL with errno: EPROTO if it is no answer of a machine's,
 *	EINTR if an end is due that was put off.
 */
struct json_object *ctl_ask(const char *path, const struct ctl_words *words, int seconds);

#endif
