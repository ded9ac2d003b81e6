/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the control socket's commands do, a row each, for command.c, which speaks with the client.
 */
#ifndef KEEL_COMMAND_ROWS_H
#define KEEL_COMMAND_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util.h"

struct control;
struct control_client;
struct json_object;

#define COMMAND_ERROR_MAX	512

/* A request on its way: what the answer will hold. */
struct request {
	struct control *control;
	struct control_client *client;
	struct json_object *answer;
	uint64_t size;			/* members of commands that have them */
	const char *name;
	bool is_paused;
	bool has_report;
	unsigned int net_count;
	bool to_mark;
	bool is_same;
	bool is_tracked;
	const char *base;		/* "": none */
	const char *base_name;
	char error[COMMAND_ERROR_MAX];	/* "": done */
};

/* What a command has behind its name. */
#define COMMAND_SIZE	(1u << 0)	/* in bytes; needed */
#define COMMAND_NAME	(1u << 1)
#define COMMAND_PAUSED	(1u << 2)
#define COMMAND_TO_MARK	(1u << 3)
#define COMMAND_REPORT	(1u << 4)
#define COMMAND_NETS	(1u << 5)
#define COMMAND_SAME	(1u << 6)
#define COMMAND_TRACK	(1u << 10)
#define COMMAND_BASE	(1u << 11)	/* and its name */
/* When it can be done. */
#define COMMAND_ALONE	(1u << 8)	/* not while a migration is under way */
#define COMMAND_STAYS	(1u << 9)	/* not once the machine is about to be another launcher's: it would be lost */

struct command_row {
	const char *name;
	void (*run)(struct request *request);
	unsigned int members;		/* COMMAND_SIZE, ..., COMMAND_ALONE, ... */
};

/* The last is one without a name. */
extern const struct command_row command_rows[];

/**
 * command_fail() - the answer is no, for the reason given
 */
void __printf(2, 3) command_fail(struct request *request, const char *format, ...);

/**
 * command_has_memory() - wait until all of the machine's memory is there, if it still comes from a file
 *
 * Before its vCPUs are stopped. Return: false if it will not be, or the client has gone; the answer is no then.
 */
bool command_has_memory(struct request *request);

/* command_migrate.c */

/** command_migrate() - move the machine to another launcher */
void command_migrate(struct request *request);

/** command_migrate_status() - tell how far that is */
void command_migrate_status(struct request *request);

/** command_migrate_cancel() - have it stay */
void command_migrate_cancel(struct request *request);

/** command_migrate_take_back() - have it go on here, though it was handed over */
void command_migrate_take_back(struct request *request);

#endif
