/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtio disk on a raw image or block device, or, for reading, on a qcow2 image.
 */
#ifndef KEEL_VIRTIO_BLK_H
#define KEEL_VIRTIO_BLK_H

#include <stdbool.h>
#include <stdint.h>

#include "overlay.h"
#include "virtio.h"

struct qcow2;

#define VIRTIO_BLK_ID_SIZE	20

/* What becomes of the image. */
enum virtio_blk_use {
	VIRTIO_BLK_WRITTEN,
	VIRTIO_BLK_READ,		/* the guest cannot write its disk */
	VIRTIO_BLK_SNAPSHOT,		/* it can, and what it writes is lost in the end */
};

struct virtio_blk {
	struct virtio_device device;
	int fd;
	struct qcow2 *image;		/* NULL: it is raw */
	bool is_open;
	bool is_arriving;		/* set before virtio_blk_open(): if it is written to, another launcher has the lock still */
	enum virtio_blk_use use;
	bool is_readonly;		/* to the guest */
	struct overlay overlay;		/* of a snapshot */
	struct iovec run[VIRTQ_SEGMENTS_MAX];	/* the thread's: what is read of its image at once */
	bool is_error_told;		/* the thread's */
	const char *path;
	uint64_t size;			/* bytes, a multiple of 512 */
	char id[VIRTIO_BLK_ID_SIZE + 1];
};

/**
 * virtio_blk_open() - open and lock the image, and describe the disk
 * @blk: zeroed, but for is_arriving; virtio_add() of blk->device follows.
 * @path: stays valid as long as the disk.
 * @index: its number, for the serial number the guest sees.
 *
 * Return: 0, or STATUS_DISK after a line on stderr.
 */
int virtio_blk_open(struct virtio_blk *blk, const char *path, enum virtio_blk_use use, unsigned int index);

/**
 * virtio_blk_lock() - lock the image of a disk that was arriving
 *
 * Return: 0, or STATUS_DISK after a line on stderr.
 */
int virtio_blk_lock(struct virtio_blk *blk);

/**
 * virtio_blk_close() - close the image; harmless if never opened
 */
void virtio_blk_close(struct virtio_blk *blk);

#endif
