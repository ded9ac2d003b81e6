// SPDX-License-Identifier: GPL-2.0-only
/*
 * keel ctl migrate: the connection is made here, as the machine can make none, and goes to the machine with the request.
 */
#include <errno.h>
#include <json-c/json.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "ctl_ask.h"
#include "ctl_tell.h"
#include "migrate_address.h"
#include "options.h"
#include "status.h"

#define CONNECT_S	10
#define MOVE_S		86400

int ctl_migrate(const struct options *options, const char *path)
{
	struct ctl_words words = { .command = "migrate", .file_count = 1, .gives_files = true };
	struct gdb_address address;

	if (options->migration)
		return ctl_tell(options, ctl_ask(path, &(struct ctl_words){ .command = options->migration }, CTL_ANSWER_S));
	/* It is looked at already. */
	migrate_address_parse(options->files[0], &address);
	words.files[0] = migrate_connect(&address, CONNECT_S);
	if (words.files[0] < 0)
		return status_fail(STATUS_HOST, "migrate %s: nobody is reached there: %s", options->files[0], strerror(errno));
	return ctl_tell(options, ctl_ask(path, &words, MOVE_S));
}
