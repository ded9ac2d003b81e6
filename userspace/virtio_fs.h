/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtio file system device, whose queues another process serves.
 */
#ifndef KEEL_VIRTIO_FS_H
#define KEEL_VIRTIO_FS_H

#include "vhost_user.h"
#include "virtio.h"

#define VIRTIO_FS_QUEUES	2	/* one for what is urgent, one for requests */

struct virtio_fs {
	struct virtio_device device;
	struct vhost_user user;
	const char *name;		/* for messages */
	int words;			/* what the process has said, share_child.h; -1: not known */
	enum virtq_order order;		/* how it works */
	bool is_gone;			/* the process */
	bool has_more;			/* a budget ran out */
};

/**
 * virtio_fs_init() - describe the device
 * @fs: fs->user has agreed; name, words and order are filled in. virtio_add() of fs->device follows.
 * @tag: by which the guest mounts it, SHARE_TAG_MAX bytes at most.
 */
void virtio_fs_init(struct virtio_fs *fs, const char *tag);

#endif
