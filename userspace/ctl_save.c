// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine can open no file. So this side creates the new one, which gets its name once it is whole, and says which one its base is.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_ask.h"
#include "ctl_save.h"
#include "ctl_tell.h"
#include "options.h"
#include "put_off.h"
#include "state_base.h"
#include "state_chain.h"
#include "state_format.h"
#include "status.h"
#include "whole.h"

struct saving {
	const struct options *options;
	const char *path;		/* of the socket */
	char *base_name;		/* allocated; NULL: without a base */
	char base[STATE_IDENTITY_TEXT];
	struct json_object *answer;
	int error;			/* without an answer */
};

static bool fill(void *argument, int fd, struct state_error *error)
{
	struct saving *saving = argument;
	const struct ctl_words words = {
		.command = saving->options->request, .files = { fd }, .file_count = 1, .is_tracked = saving->options->is_tracked,
		.base = saving->base_name ? saving->base : NULL, .base_name = saving->base_name,
	};

	saving->answer = ctl_ask(saving->path, &words, CTL_SAVE_S);
	saving->error = errno;
	if (json_object_get_boolean(json_object_object_get(saving->answer, "ok")))
		return true;
	return state_refuse(error, "the machine did not save itself");
}

static char *folder_of(const char *path)
{
	char *copy = strdup(path), *slash = copy ? strrchr(copy, '/') : NULL, *folder = NULL;

	if (slash)
		slash[slash == copy] = 0;
	if (copy)
		folder = realpath(slash ? copy : ".", NULL);
	free(copy);
	return folder;
}

/* Both can be moved together where they are in one directory. Return: allocated; NULL with errno. */
static char *name_base(const char *base, const char *file)
{
	char *from = folder_of(file), *to = folder_of(base), *name = NULL;
	const char *slash = strrchr(base, '/');

	if (from && to)
		name = strcmp(from, to) ? realpath(base, NULL) : strdup(slash ? slash + 1 : base);
	free(from);
	free(to);
	return name;
}

static bool find_base(struct saving *saving, struct state_error *error)
{
	const char *base = saving->options->base;
	struct state_identity identity;

	if (!base)
		return true;
	saving->base_name = name_base(base, saving->options->files[0]);
	if (!saving->base_name)
		return state_refuse(error, "%s", strerror(errno));
	if (!state_chain_check(saving->options->files[0], saving->base_name, &identity, error))
		return false;
	state_identity_text(&identity, saving->base);
	return true;
}

static int tell(const struct saving *saving, bool is_saved, const struct state_error *error)
{
	bool is_refused = !json_object_get_boolean(json_object_object_get(saving->answer, "ok"));

	if (saving->answer && (is_saved || is_refused))
		return ctl_tell_answer(saving->options, saving->answer);
	if (saving->error && !saving->answer)
		return ctl_tell_nobody(saving->options->target, saving->error);
	return status_fail(STATUS_HOST, "save: %s", error->text);
}

int ctl_save(const struct options *options, const char *path)
{
	struct saving saving = { .options = options, .path = path };
	struct state_error error = { "" };
	bool is_saved;
	int status;

	if (!find_base(&saving, &error)) {
		free(saving.base_name);
		return status_fail(STATUS_STATE, "--incremental %s: %s", options->base, error.text);
	}
	/* Half a file is nobody's. */
	put_off_end();
	is_saved = whole_write(options->files[0], fill, &saving, &error);
	put_off_no_longer();
	status = tell(&saving, is_saved, &error);
	free(saving.base_name);
	json_object_put(saving.answer);
	return status;
}
