// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine can open no file. So this side creates the new one, which gets its name once it is whole, and says which one its base is.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl_ask.h"
#include "ctl_save.h"
#include "ctl_tell.h"
#include "options.h"
#include "put_off.h"
#include "state_image.h"
#include "state_lazy.h"
#include "state_stream.h"
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

/* All of it but memory is looked at. */
static bool read_identity(const char *path, struct state_identity *identity, struct state_error *error)
{
	struct state_image *image = calloc(1, sizeof(*image));
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct state_reader reader = { .fd = -1 };
	struct state_lazy *lazy = NULL;

	if (!image)
		state_refuse(error, "out of memory");
	else if (fd < 0)
		state_refuse(error, "cannot open it: %s", strerror(errno));
	else if (state_open(&reader, fd, error))
		lazy = state_lazy_open(&reader, image, error);
	if (!lazy || !image->kin.has_own)
		state_refuse(error, "an older keel has written it, which no file can stand on");
	else
		*identity = image->kin.own;
	state_lazy_free(lazy);
	state_close(&reader);
	if (image)
		state_image_free(image);
	free(image);
	if (fd >= 0)
		close(fd);
	return !error->text[0];
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
	if (!read_identity(base, &identity, error))
		return false;
	state_identity_text(&identity, saving->base);
	saving->base_name = name_base(base, saving->options->files[0]);
	return saving->base_name || state_refuse(error, "%s", strerror(errno));
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

	if (!find_base(&saving, &error))
		return status_fail(STATUS_STATE, "--incremental %s: %s", options->base, error.text);
	/* Half a file is nobody's. */
	put_off_end();
	is_saved = whole_write(options->files[0], fill, &saving, &error);
	put_off_no_longer();
	status = tell(&saving, is_saved, &error);
	free(saving.base_name);
	json_object_put(saving.answer);
	return status;
}
