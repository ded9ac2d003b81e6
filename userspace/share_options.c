// SPDX-License-Identifier: GPL-2.0-only
/*
 * --share DIR or --share socket=PATH, and words behind commas. They are read from the end, as a directory's
 * name may have commas too.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "share_options.h"
#include "status.h"

static const char socket_word[] = "socket=", tag_word[] = "tag=", readonly_word[] = "readonly";

static bool begins_with(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

/* What is wrong with it, or NULL. */
static const char *set_tag(struct share_options *share, const char *tag)
{
	_Static_assert(SHARE_TAG_MAX == 36, "as the message says");
	if (!*tag || strlen(tag) > SHARE_TAG_MAX)
		return "a tag has 1 to 36 bytes (tag=TAG)";
	strcpy(share->tag, tag);
	return NULL;
}

/* Take the last word away, if it is one that is known. Return: false if it is not. */
static bool take_word(struct share_options *share, const char **wrong)
{
	char *comma = strrchr(share->path, ',');

	if (!comma)
		return false;
	if (!strcmp(comma + 1, readonly_word)) {
		if (share->is_readonly)
			*wrong = "readonly is there twice";
		share->is_readonly = true;
	} else if (begins_with(comma + 1, tag_word)) {
		*wrong = *share->tag ? "tag= is there twice" : set_tag(share, comma + 1 + strlen(tag_word));
	} else {
		return false;
	}
	*comma = 0;
	return true;
}

/* A tag that says what is shared: the last part of the directory's name. */
static const char *set_own_tag(struct share_options *share)
{
	size_t length = strlen(share->path), start;

	while (length && share->path[length - 1] == '/')
		length--;
	for (start = length; start && share->path[start - 1] != '/';)
		start--;
	const char *name = share->path + start;

	length -= start;
	if (!length || (length == 1 && *name == '.') || (length == 2 && !strncmp(name, "..", 2)))
		return "its name is no tag: tag=TAG";
	if (length > SHARE_TAG_MAX)
		return "its name has more than 36 bytes, which a tag may have: tag=TAG";
	memcpy(share->tag, name, length);
	return NULL;
}

static const char *check_socket(struct share_options *share)
{
	struct sockaddr_un address;
	size_t length = strlen(share->path) - strlen(socket_word);

	memmove(share->path, share->path + strlen(socket_word), length + 1);
	if (!length || length >= sizeof(address.sun_path))
		return "the socket's name has 1 to 107 bytes";
	if (share->is_readonly)
		return "what the guest may write is up to the program that listens there";
	return *share->tag ? NULL : "a tag is needed: tag=TAG";
}

/* What is wrong with it, or NULL. */
static const char *parse(struct share_options *share)
{
	const char *wrong = NULL;

	while (take_word(share, &wrong))
		if (wrong)
			return wrong;
	share->is_socket = begins_with(share->path, socket_word);
	if (share->is_socket)
		return check_socket(share);
	if (!*share->path)
		return "no directory named";
	return *share->tag ? NULL : set_own_tag(share);
}

int share_options_add(struct share_options *shares, unsigned int *count, const char *value)
{
	struct share_options *share = &shares[*count];

	_Static_assert(SHARES_MAX == 8, "as the message says");
	if (*count == SHARES_MAX)
		return status_fail(STATUS_USAGE, "--share %s: at most 8 shares", value);
	*share = (struct share_options){ .path = strdup(value) };
	if (!share->path)
		return status_fail(STATUS_HOST, "out of memory");
	++*count;
	const char *wrong = parse(share);

	if (wrong)
		return status_fail(STATUS_USAGE, "--share %s: %s", value, wrong);
	for (unsigned int i = 0; i + 1 < *count; i++)
		if (!strcmp(shares[i].tag, share->tag))
			return status_fail(STATUS_USAGE, "--share %s: another share has the tag '%s' (tag=TAG)", value, share->tag);
	return 0;
}

void share_options_free(struct share_options *shares, unsigned int *count)
{
	for (unsigned int i = 0; i < *count; i++)
		free(shares[i].path);
	*count = 0;
}
