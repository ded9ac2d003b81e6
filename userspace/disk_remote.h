/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A disk that another process serves, through NBD: a server that is there, or qemu-nbd as a process of ours, for an image of qcow2.
 */
#ifndef KEEL_DISK_REMOTE_H
#define KEEL_DISK_REMOTE_H

#include <sys/types.h>

#include "children.h"
#include "nbd.h"

#define DISK_REMOTE_START_MS	60000	/* for qemu-nbd to begin, with two dozen libraries, on a host that is busy */
#define DISK_REMOTE_END_MS	5000	/* for qemu-nbd to write the rest out */

struct disk_remote {
	struct nbd nbd;
	int words;			/* of a process of ours: child.words; -1: there is none */
	pid_t pid;
	struct children children;
};

/**
 * disk_remote_connect() - connect to the server and export that @path names, see nbd_address_parse()
 * @remote: zeroed; disk_remote_close() in any case.
 * @is_written: it must be one that can be written.
 *
 * Return: 0, or a status after a line on stderr.
 */
int disk_remote_connect(struct disk_remote *remote, const char *path, bool is_written);

/**
 * disk_remote_start() - have qemu-nbd serve the qcow2 image in the file @path, to be read and written
 *
 * Return: 0, or a status after a line on stderr.
 */
int disk_remote_start(struct disk_remote *remote, const char *path);

/**
 * disk_remote_close() - have all that was written on the disk, take leave, and wait for a process of ours to have ended
 * @path: for messages.
 *
 * The waits have limits (NBD_END_MS, DISK_REMOTE_END_MS); what is not done by then is said. Harmless if never opened.
 */
void disk_remote_close(struct disk_remote *remote, const char *path);

#endif
