/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a guest has written to a disk whose image stays as it is: in this process's memory, until its end.
 */
#ifndef KEEL_OVERLAY_H
#define KEEL_OVERLAY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#define OVERLAY_SECTOR	512u

/* Anonymous memory takes as much as is written; fork() copies it on write, as the guest's own. */
struct overlay {
	uint64_t size;			/* bytes, whole sectors; 0: there is none */
	uint8_t *data;			/* as long as the disk */
	uint64_t *written;		/* a bit a sector: data has it, else the image */
};

/**
 * overlay_create() - one in which nothing is written, over @size bytes, whole sectors
 * Return: 0, or a negative errno, and then it is none.
 */
int overlay_create(struct overlay *overlay, uint64_t size);

/**
 * overlay_destroy() - release it; harmless on none
 */
void overlay_destroy(struct overlay *overlay);

/**
 * overlay_write() - write all of @parts at byte @at: whole sectors in all, within the disk
 * Return: how many bytes.
 */
uint64_t overlay_write(struct overlay *overlay, const struct iovec *parts, unsigned int number, uint64_t at);

/**
 * overlay_run() - what is at byte @at, the beginning of a sector within the disk?
 * @is_written: gets whether it has been written.
 *
 * Return: the bytes from there of which that is true, at most @count, which are whole sectors.
 */
uint64_t overlay_run(const struct overlay *overlay, uint64_t at, uint64_t count, bool *is_written);

/**
 * overlay_read() - copy @count bytes at byte @at, all of which have been written, to the front of @parts, which are as long
 */
void overlay_read(const struct overlay *overlay, const struct iovec *parts, uint64_t at, uint64_t count);

#endif
