/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What one --share adds: the device that the guest sees, and the process that serves it.
 */
#ifndef KEEL_SHARE_H
#define KEEL_SHARE_H

#include "share_options.h"
#include "virtio_fs.h"

#define SHARE_ROUTES	VIRTIO_FS_QUEUES	/* messages of the VM's table (route.h) that one may want */

struct share {
	struct virtio_fs fs;
	char name[16 + SHARE_TAG_MAX];	/* for messages */
	bool has_child;
	int words;			/* if it has: child.words, */
	pid_t child;			/* and .pid */
};

/**
 * share_open() - start the process or connect to it, share the guest's memory with it, and describe the device
 * @share: zeroed; virtio_add() of share->fs.device follows.
 * @vm: has memory that can be shared (memory_back()).
 *
 * Return: 0 or a status after a line on stderr; share_close() in both cases.
 */
int share_open(struct share *share, const struct share_options *options, const struct vm *vm, const struct vhost_place *place);

/** share_close() - hang up, which ends a process of ours; harmless if never opened */
void share_close(struct share *share);

#endif
