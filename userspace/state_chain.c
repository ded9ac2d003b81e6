// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a file is saved for is found out by who restores it, when it may be too late for another one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "state_base.h"
#include "state_chain.h"
#include "state_image.h"
#include "state_lazy.h"
#include "state_stream.h"

static bool read_kin(const char *path, struct state_kin *kin, struct state_error *error)
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
		*kin = image->kin;
	state_lazy_free(lazy);
	state_close(&reader);
	if (image)
		state_image_free(image);
	free(image);
	if (fd >= 0)
		close(fd);
	return !error->text[0];
}

/* Is what a new file at @path replaces that one, or a link to it? */
static bool is_replaced(const char *path, const char *by)
{
	struct stat there, link, file;

	if (lstat(by, &there))
		return false;
	return (!lstat(path, &link) && link.st_dev == there.st_dev && link.st_ino == there.st_ino) ||
	       (!stat(path, &file) && file.st_dev == there.st_dev && file.st_ino == there.st_ino);
}

/* @wanted: who it should be; NULL: anybody. */
static bool check_one(const char *path, const char *by, const struct state_identity *wanted, struct state_kin *kin, struct state_error *error)
{
	if (is_replaced(path, by))
		return state_refuse(error, "the new file would replace it, and stands on it: name another");
	if (!read_kin(path, kin, error))
		return false;
	return !wanted || state_identity_is(wanted, &kin->own) ||
	       state_refuse(error, "it is another file than the one that was saved before");
}

bool state_chain_check(const char *path, const char *name, struct state_identity *base, struct state_error *error)
{
	char *at = state_base_path(path, name);
	struct state_error inner = { "" };
	struct state_kin kin;
	bool is_good = at && check_one(at, path, NULL, &kin, error);

	if (is_good)
		*base = kin.own;
	for (unsigned int others = 1; is_good && kin.has_base; others++) {
		const struct state_identity wanted = kin.base.identity;
		char *next = state_base_path(at, kin.base.name);

		free(at);
		at = next;
		if (others == STATE_CHAIN_MAX - 1)
			is_good = state_refuse(error, "it stands on %u other files, and one more could not be restored: save --track again", others);
		else
			is_good = at && (check_one(at, path, &wanted, &kin, &inner) || state_refuse_base(error, at, &inner));
	}
	free(at);
	return is_good || state_refuse(error, "out of memory");
}
