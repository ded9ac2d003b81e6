// SPDX-License-Identifier: GPL-2.0-only
/*
 * A machine's file, looked at as a whole before anything is made of it, or all of it but memory; with the files that it stands on.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faults.h"
#include "state.h"
#include "state_lazy.h"
#include "status.h"

static bool is_same_machine(const struct state_machine *one, const struct state_machine *other)
{
	return one->memory == other->memory && one->slot_count == other->slot_count && !memcmp(one->slots, other->slots, sizeof(one->slots));
}

static bool check_base(const struct state_file *file, struct state_error *error)
{
	const struct state_kin *kin = &file->base->image.kin;

	if (!kin->has_own || !state_identity_is(&kin->own, &file->image.kin.base.identity))
		return state_refuse(error, "it is another file than the one that was saved before");
	return is_same_machine(&file->image.machine, &file->base->image.machine) || state_refuse(error, "it is of a machine with other memory");
}

static bool stack(struct state_file *file, struct state_error *error)
{
	struct state_lazy *lazy = file->base->lazy;

	if (!file->lazy || !lazy)
		return state_refuse(error, "one of the two has no index of its memory (--memory eager)");
	file->base->lazy = NULL;
	return state_lazy_stack(file->lazy, lazy, file->base->path, error);
}

static bool read_file(struct state_file *file, bool is_lazy, struct state_error *error)
{
	if (is_lazy) {
		file->lazy = state_lazy_open(&file->reader, &file->image, error);
		if (file->lazy || error->text[0])
			return file->lazy;
	}
	state_rewind(&file->reader);
	return state_image_read(&file->image, &file->reader, error);
}

static bool open_file(struct state_file *file, const char *path, bool is_lazy, struct state_error *error)
{
	file->path = path;
	file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (file->fd < 0)
		return state_refuse(error, "cannot open it: %s", strerror(errno));
	return state_open(&file->reader, file->fd, error) && read_file(file, is_lazy, error);
}

/* And what that stands on. It is the right one before anybody looks for others. */
static bool open_base(struct state_file *file, unsigned int depth, bool is_lazy, struct state_error *error)
{
	struct state_error inner = { "" };
	char *path;

	if (!file->image.kin.has_base)
		return true;
	if (depth + 1 == STATE_CHAIN_MAX)
		return state_refuse(error, "it stands on more than %u other files", STATE_CHAIN_MAX - 1);
	path = state_base_path(file->path, file->image.kin.base.name);
	file->base = path ? calloc(1, sizeof(*file->base)) : NULL;
	if (!file->base) {
		free(path);
		return state_refuse(error, "out of memory");
	}
	file->base->own_path = path;
	if (open_file(file->base, path, is_lazy, &inner) && check_base(file, &inner) && open_base(file->base, depth + 1, is_lazy, &inner) &&
	    (!is_lazy || stack(file, &inner)))
		return true;
	return state_refuse_base(error, path, &inner);
}

static int open_any(struct state_file *file, const char *path, bool is_lazy)
{
	struct state_error error = { "" };

	if (open_file(file, path, is_lazy, &error) && open_base(file, 0, is_lazy, &error))
		return 0;
	return status_fail(STATUS_STATE, "%s: %s", path, error.text);
}

int state_file_open(struct state_file *file, const char *path)
{
	return open_any(file, path, false);
}

int state_file_open_lazy(struct state_file *file, const char *path)
{
	bool is_lazy = !faults_why_not(file->why, sizeof(file->why));
	int ret = open_any(file, path, is_lazy);

	if (!ret && is_lazy && !file->lazy)
		snprintf(file->why, sizeof(file->why), "the file has no index of its memory: an older keel has written it");
	return ret;
}

int state_file_hear(struct state_file *file, int fd, const char *name)
{
	struct state_error error = { "" };

	file->path = name;
	file->fd = -1;
	file->seen = state_seen_new();
	if (!file->seen)
		return status_fail(STATUS_HOST, "out of memory");
	if (!state_open_connection(&file->reader, fd, &error) ||
	    !state_image_read_head(&file->image, file->seen, &file->reader, &error))
		return status_fail(STATUS_STATE, "%s: %s", name, error.text);
	return 0;
}

void state_file_close(struct state_file *file)
{
	if (file->base)
		state_file_close(file->base);
	free(file->base);
	file->base = NULL;
	if (!file->path)
		return;
	free(file->seen);
	file->seen = NULL;
	state_image_free(&file->image);
	state_lazy_free(file->lazy);
	file->lazy = NULL;
	state_close(&file->reader);
	if (file->fd >= 0)
		close(file->fd);
	free(file->own_path);
	file->own_path = NULL;
	file->path = NULL;
}
