/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtio disk on a raw image or block device, a qcow2 image, or what a server exports.
 */
#ifndef KEEL_VIRTIO_BLK_H
#define KEEL_VIRTIO_BLK_H

#include <stdbool.h>
#include <stdint.h>

#include "overlay.h"
#include "virtio.h"

struct disk_remote;
struct qcow2;

#define VIRTIO_BLK_ID_SIZE	20
#define VIRTIO_BLK_SECTOR	512ULL

/* What becomes of the image. */
enum virtio_blk_use {
	VIRTIO_BLK_WRITTEN,
	VIRTIO_BLK_READ,		/* the guest cannot write its disk */
	VIRTIO_BLK_SNAPSHOT,		/* it can, and what it writes is lost in the end */
};

struct virtio_blk {
	struct virtio_device device;
	int fd;				/* of the file; -1: a server's */
	struct qcow2 *image;		/* one that is read; NULL: it is another thing */
	struct disk_remote *remote;	/* who serves it, another process; NULL: nobody */
	bool is_open;			/* fd */
	bool is_arriving;		/* set before virtio_blk_open(): if it is written to, another launcher has the lock still */
	bool is_jailed;			/* set before virtio_blk_open(): no process of ours may serve it */
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
 * @blk: zeroed, but for is_arriving and is_jailed; virtio_add() of blk->device follows.
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
 * virtio_blk_write_out() - have what was written on the disk; by whoever has the device stand, or its thread
 * Return: NULL, or what went wrong.
 */
const char *virtio_blk_write_out(struct virtio_blk *blk);

/**
 * virtio_blk_has_own_process() - is it served by a process of ours, which nobody else can have?
 */
bool virtio_blk_has_own_process(const struct virtio_blk *blk);

/**
 * virtio_blk_give_up() - unlock the image, for the launcher that the machine goes to
 */
void virtio_blk_give_up(struct virtio_blk *blk);

/**
 * virtio_blk_take_back() - lock it again
 * Return: 0, or STATUS_DISK after a line on stderr.
 */
int virtio_blk_take_back(struct virtio_blk *blk);

/**
 * virtio_blk_describe() - tell the guest of the disk; for virtio_blk_open()
 */
void virtio_blk_describe(struct virtio_blk *blk, unsigned int index);

/**
 * virtio_blk_close() - close the image; harmless if never opened
 *
 * Waits until what another process has is written, for some seconds at most (disk_remote_close()).
 */
void virtio_blk_close(struct virtio_blk *blk);

#endif
