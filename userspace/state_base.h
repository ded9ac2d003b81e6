/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which file a saved machine is in, and which one it was saved after: of its memory it has what was written since then.
 */
#ifndef KEEL_STATE_BASE_H
#define KEEL_STATE_BASE_H

#include "state_format.h"

struct state_writer;

#define STATE_FILE		"file"	/* sections' names; the second is needed by whoever would take what is written for all */
#define STATE_BASE		"base"

#define STATE_ID		16
#define STATE_NAME_OF_BASE	256
#define STATE_CHAIN_MAX		16	/* files, each the base of the next */

/* No other file has it: a random number, and the checksum of the heads of all sections but memory, of which one has the index. */
struct state_identity {
	uint8_t id[STATE_ID];
	uint32_t sum;
};

#define STATE_IDENTITY_TEXT	(2 * STATE_ID + 1 + 8 + 1)	/* with its zero */

struct state_base {
	struct state_identity identity;
	char name[STATE_NAME_OF_BASE];	/* a path; without a slash in front it is from where the file is that tells of it */
};

/* What of it is in a file. */
struct state_kin {
	struct state_identity own;	/* its sum once all but memory has been read */
	struct state_base base;
	bool has_own;
	bool has_base;
};

/**
 * state_identity_new() - a number that no file has
 * Return: false with @error if there is no random number.
 */
bool state_identity_new(struct state_identity *identity, struct state_error *error);

/**
 * state_identity_text() - write it as text
 */
void state_identity_text(const struct state_identity *identity, char text[STATE_IDENTITY_TEXT]);

/**
 * state_identity_parse() - read that again
 */
bool state_identity_parse(struct state_identity *identity, const char *text);

/** state_identity_is() - are both of one file? */
bool state_identity_is(const struct state_identity *one, const struct state_identity *other);

/**
 * state_base_path() - where the base of the file @path is that it calls @name
 * Return: allocated; NULL without memory.
 */
char *state_base_path(const char *path, const char *name);

/**
 * state_refuse_base() - state_refuse(), as the base @path is refused for @inner; of a chain the file at fault is named, and no other
 */
bool state_refuse_base(struct state_error *error, const char *path, const struct state_error *inner);

/**
 * state_kin_write() - put what is known into a stream: kin->own without its sum, and the base, if there is one
 */
bool state_kin_write(const struct state_kin *kin, struct state_writer *writer, struct state_error *error);

/**
 * state_kin_is() - is it one of these sections?
 */
bool state_kin_is(const struct state_section *section);

/**
 * state_kin_section() - take one of these sections
 */
bool state_kin_section(struct state_kin *kin, const struct state_section *section, const uint8_t *payload, struct state_error *error);

#endif
