// SPDX-License-Identifier: GPL-2.0-only
/*
 * The words behind --jail, and what a machine cannot have in it. Known before it starts, so that nobody learns of it when it is missed.
 */
#include <stdlib.h>
#include <string.h>

#include "jail_options.h"
#include "options.h"
#include "status.h"

#define NUMBER_MAX	0xfffffffeULL	/* the one above stands for none */

static int refuse(const char *value, const char *why)
{
	return status_fail(STATUS_USAGE, "--jail %s: %s", value, why);
}

/* Digits up to @end. Return: false if that is no user's or group's number, or root's. */
static bool take_number(const char *text, const char *end, uint32_t *number)
{
	uint64_t sum = 0;

	if (text == end)
		return false;
	for (; text < end; text++) {
		if (*text < '0' || *text > '9')
			return false;
		sum = sum * 10 + (uint64_t)(*text - '0');
		if (sum > NUMBER_MAX)
			return false;
	}
	*number = (uint32_t)sum;
	return sum;
}

/* "UID" or "UID:GID" */
static bool take_user(struct jail_options *jail, const char *text, size_t length)
{
	const char *end = text + length, *colon = memchr(text, ':', length);

	if (!take_number(text, colon ? colon : end, &jail->user))
		return false;
	jail->group = jail->user;
	return !colon || take_number(colon + 1, end, &jail->group);
}

static int take_word(struct jail_options *jail, const char *value, const char *word, size_t length)
{
	static const char user[] = "user=", cgroup[] = "cgroup=";

	if (length >= sizeof(user) - 1 && !memcmp(word, user, sizeof(user) - 1)) {
		if (jail->user)
			return refuse(value, "user is there twice");
		if (!take_user(jail, word + sizeof(user) - 1, length - (sizeof(user) - 1)))
			return refuse(value, "user is a number, or two with a colon, and none of them is root's: user=UID[:GID]");
		return 0;
	}
	if (length > sizeof(cgroup) - 1 && !memcmp(word, cgroup, sizeof(cgroup) - 1)) {
		if (jail->cgroup)
			return refuse(value, "cgroup is there twice");
		if (word[sizeof(cgroup) - 1] != '/')
			return refuse(value, "cgroup is a directory's path from the root: cgroup=/sys/fs/cgroup/machines/web");
		jail->cgroup = strndup(word + sizeof(cgroup) - 1, length - (sizeof(cgroup) - 1));
		return jail->cgroup ? 0 : status_fail(STATUS_HOST, "out of memory");
	}
	return refuse(value, "must be user=UID[:GID] and, if you like, cgroup=PATH, with a comma");
}

int jail_options_parse(struct jail_options *jail, const char *value)
{
	const char *word = value;
	int ret;

	do {
		size_t length = strcspn(word, ",");

		ret = take_word(jail, value, word, length);
		word += length;
	} while (!ret && *word++);
	jail->is_wanted = true;
	if (!ret && !jail->user)
		ret = refuse(value, "needs user=UID, whom nothing else on this host belongs to");
	return ret;
}

void jail_options_free(struct jail_options *jail)
{
	free(jail->cgroup);
	jail->cgroup = NULL;
}

int jail_options_check(const struct options *options)
{
	if (!options->jail.is_wanted)
		return 0;
	if (!options->sandbox)
		return status_fail(STATUS_USAGE, "--jail: not together with --no-sandbox: it is the filter that keeps what is locked up from making namespaces of its own");
	if (options->is_forkable)
		return status_fail(STATUS_USAGE, "--jail: not together with --forkable: the machines made of this one would end with its jail");
	for (unsigned int i = 0; i < options->share_count; i++)
		if (!options->shares[i].is_socket)
			return status_fail(STATUS_USAGE, "--jail: not together with --share %s, whose virtiofsd nobody in the jail may end: start one, and name its "
					   "socket: --share socket=PATH,tag=TAG", options->shares[i].path);
	return 0;
}
