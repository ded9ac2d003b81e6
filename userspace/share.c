// SPDX-License-Identifier: GPL-2.0-only
/*
 * From what --share says to a device with a process behind it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "share.h"
#include "share_child.h"
#include "status.h"

#define CHILD_PATIENCE_MS	500	/* for virtiofsd to end by itself, */
#define CHILD_END_MS		500	/* and to be gone when it is killed */

static int start_child(struct share *share, const struct share_options *options)
{
	struct child child;
	int ret = share_child_start(&child, SHARE_CHILD_PROGRAM, options);

	if (ret)
		return ret;
	vhost_user_attach(&share->fs.user, child.socket);
	share->has_child = true;
	share->words = child.words;
	share->child = child.pid;
	children_find(&share->fs.user.children, child.pid);
	return 0;
}

static int connect_to(struct share *share, const struct share_options *options)
{
	int error = vhost_user_connect(&share->fs.user, options->path);

	return error ? status_fail(STATUS_SHARE, "--share socket=%s: cannot connect: %s%s", options->path, strerror(error),
				   vhost_user_remedy(error)) : 0;
}

/* Why no agreement came about, in a line. */
static int refuse(const struct share *share, const struct share_options *options, int error)
{
	char words[256] = "";

	if (!share->has_child)
		return status_fail(STATUS_SHARE, "--share socket=%s: the program there is no vhost-user file system: %s", options->path,
				   error == ERANGE ? "it has fewer queues than 2" : strerror(error));
	child_words(share->words, words, sizeof(words));
	return status_fail(STATUS_SHARE, "--share %s: virtiofsd cannot serve it: %s", options->path, *words ? words : strerror(error));
}

int share_open(struct share *share, const struct share_options *options, const struct vm *vm, const struct vhost_place *place)
{
	const struct vhost_user_wants wants = {
		.queues = VIRTIO_FS_QUEUES,
		.queues_of_old = VIRTIO_FS_QUEUES,
		.first_ms = options->is_socket ? 0 : SHARE_CHILD_FIRST_MS,
	};
	struct vhost_user *user = &share->fs.user;

	snprintf(share->name, sizeof(share->name), "--share %s", options->tag);
	user->vhost.name = share->name;
	user->vhost.count = VIRTIO_FS_QUEUES;
	user->vhost.group = 1;
	user->enabled = VIRTIO_FS_QUEUES;
	int ret = options->is_socket ? connect_to(share, options) : start_child(share, options);

	if (ret)
		return ret;
	int error = vhost_user_open(user, &share->fs.device, place);

	if (error)
		return status_fail(STATUS_HOST, "%s: cannot create eventfds: %s", share->name, strerror(error));
	error = vhost_user_agree(user, &vm->memory, &wants);
	if (error)
		return refuse(share, options, error);
	/* By now it has the process that it locks up, which is the one that serves. */
	if (share->has_child)
		children_find(&user->children, share->child);
	share->fs.name = share->name;
	share->fs.words = share->has_child ? share->words : -1;
	share->fs.order = share->has_child ? VIRTQ_IN_ORDER : VIRTQ_ANY_ORDER;
	virtio_fs_init(&share->fs, options->tag);
	return 0;
}

void share_close(struct share *share)
{
	vhost_user_close(&share->fs.user);
	/* It ends with the connection, unless it is stopped, or hangs. */
	children_end(&share->fs.user.children, CHILD_PATIENCE_MS, CHILD_END_MS);
	children_forget(&share->fs.user.children);
	if (share->has_child)
		close(share->words);
	share->has_child = false;
}
