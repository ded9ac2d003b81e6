/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a guest has written to a disk whose image stays as it is: in this process's memory, until its end.
 */
#ifndef KEEL_OVERLAY_H
#define KEEL_OVERLAY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#define OVERLAY_SECTOR		512u
#define OVERLAY_PART		(2u << 20)	/* as large as a page that one sector may take */
#define OVERLAY_SPARE_MAX	64u		/* parts */

/* Anonymous memory takes as much as is written; fork() copies it on write, as the guest's own. */
struct overlay {
	uint64_t size;			/* bytes, whole sectors; 0: there is none */
	uint8_t *data;			/* as long as the disk */
	uint64_t *written;		/* a bit a sector: data has it, else the image */
	struct overlay_mark {
		uint8_t *data;		/* as long as the disk; NULL: there never was a mark */
		uint64_t *written;	/* as it was, where a bit of @changed is set, */
		uint64_t *changed;	/* a bit a sector: written since the mark; what was there before is in @data if @written says so */
		uint64_t first, last;	/* words of @changed outside of which all is 0; first > last: everywhere */
		uint64_t *spare;	/* a bit for OVERLAY_PART bytes: the way back may have left memory there that holds nothing any more, */
		unsigned int spare_count;	/* so many of them */
		bool is_set;
	} mark;
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
 * overlay_prepare_mark() - make room for overlay_mark(), which changes nothing yet
 * Return: 0 or a negative errno.
 */
int overlay_prepare_mark(struct overlay *overlay);

/**
 * overlay_mark() - what is written from now on overlay_return() takes back; in the place of the last mark
 *
 * Nobody writes meanwhile, as with the next.
 */
void overlay_mark(struct overlay *overlay);

/**
 * overlay_return() - be as at the mark; at the cost of what was written since, and of how far from each other that is
 *
 * Where nothing is written any more memory is kept for the next time, in OVERLAY_SPARE_MAX parts at most.
 */
void overlay_return(struct overlay *overlay);

/**
 * overlay_forget_mark() - there is none any more; harmless without
 */
void overlay_forget_mark(struct overlay *overlay);

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
