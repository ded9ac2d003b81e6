// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtiofsd takes a socket that listens (--fd), serves one connection, and ends with it, however we end.
 *
 * It locks itself up in the directory, which only root may. An ordinary user starts it in a user namespace of its own,
 * in which it is root and has no right on the host's files but the user's own. It gives its supplementary groups up, which
 * such a namespace forbids, and ends if it has any and cannot: so it is told that it has none. It keeps them, and
 * what they may do with files, as whatever the user starts does.
 *
 * It has no option for a directory that is only read. It gets a mount namespace in which the directory, with all that
 * is mounted below it, is mounted so.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "share_child.h"
#include "status.h"

/* ---- the child's side, from fork() to exec() ---- */

struct place {
	const char *directory;	/* without symbolic links */
	bool is_readonly;
};

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		child_die(path, "");
	close(fd);
}

/* Root there is the user here, and nobody else is anybody. */
static void enter_user_namespace(void)
{
	unsigned int user = geteuid(), group = getegid();
	char text[32];

	if (unshare(CLONE_NEWUSER))
		child_die("no user namespace", " (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone; or start virtiofsd as "
		    "root, and name its socket: --share socket=PATH,tag=TAG)");
	write_file("/proc/self/setgroups", "deny");
	snprintf(text, sizeof(text), "0 %u 1", user);
	write_file("/proc/self/uid_map", text);
	snprintf(text, sizeof(text), "0 %u 1", group);
	write_file("/proc/self/gid_map", text);
}

static void hide_groups(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int ret = filter ? seccomp_rule_add(filter, SCMP_ACT_ERRNO(0), SCMP_SYS(getgroups), 0) : -ENOMEM;

	if (!ret)
		ret = seccomp_load(filter);
	errno = -ret;
	if (ret)
		child_die("cannot filter system calls", "");
}

static void make_readonly(const char *directory)
{
	struct mount_attr readonly = { .attr_set = MOUNT_ATTR_RDONLY };

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount(directory, directory, NULL, MS_BIND | MS_REC, NULL) ||
	    mount_setattr(AT_FDCWD, directory, AT_RECURSIVE, &readonly, sizeof(readonly)))
		child_die("cannot be made read-only", "");
}

static void prepare(int listener, const void *argument)
{
	const struct place *place = argument;

	(void)listener;
	if (geteuid()) {
		enter_user_namespace();
		if (getgroups(0, NULL))
			hide_groups();
	}
	if (place->is_readonly)
		make_readonly(place->directory);
}

/* ---- ours ---- */

/* "source=" and the directory, in which a comma would end the option. */
static char *make_source(const char *directory)
{
	static const char name[] = "source=";
	char *source = malloc(sizeof(name) + 2 * strlen(directory)), *to = source;

	if (!source)
		return NULL;
	to = stpcpy(to, name);
	for (; *directory; directory++) {
		if (*directory == ',' || *directory == '\\')
			*to++ = '\\';
		*to++ = *directory;
	}
	*to = 0;
	return source;
}

/* Return: 0 or an errno. */
static int start(struct child *child, const char *program, const struct place *place, char *source)
{
	char number[16];
	/* No pool of threads: so it answers in order. */
	char *const arguments[] = {
		(char *)(uintptr_t)program, number, "-o", source, "-o", "log_level=err", "--thread-pool-size=0", NULL
	};
	struct child_request request = { .program = program, .arguments = arguments, .prepare = prepare, .argument = place };
	int ours, error = child_sockets(&ours, &request.listener);

	if (error)
		return error;
	snprintf(number, sizeof(number), "--fd=%d", request.listener);
	return child_start(child, &request, ours);
}

/* Is it one that we may read? Return: its path without symbolic links, allocated; NULL with errno. */
static char *find_directory(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return NULL;
	close(fd);
	return realpath(path, NULL);
}

int share_child_start(struct child *child, const char *program, const struct share_options *options)
{
	char *directory = find_directory(options->path), *source;

	if (!directory)
		return status_fail(STATUS_SHARE, "--share %s: %s%s", options->path, strerror(errno),
				   strchr(options->path, ',') ? " (words behind it can be tag=TAG and readonly)" : "");
	if (!strcmp(directory, "/")) {
		free(directory);
		return status_fail(STATUS_SHARE, "--share %s: that is the host's root directory, which virtiofsd cannot confine itself to: "
				   "name a directory below it", options->path);
	}
	if (access(program, X_OK)) {
		int error = errno;

		free(directory);
		if (error == ENOENT)
			return status_fail(STATUS_SHARE, "--share %s: virtiofsd is not installed (apt-get install qemu-system-common)",
					   options->path);
		return status_fail(STATUS_SHARE, "--share %s: cannot start %s: %s", options->path, program, strerror(error));
	}
	source = make_source(directory);
	int error = source ? start(child, program, &(struct place){ directory, options->is_readonly }, source) : ENOMEM;

	free(source);
	free(directory);
	return error ? status_fail(STATUS_SHARE, "--share %s: cannot start virtiofsd: %s", options->path, strerror(error)) : 0;
}
