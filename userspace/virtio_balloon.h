/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtio memory balloon: the guest gives memory back to the host, as it is asked to and as it has none to use it for.
 */
#ifndef KEEL_VIRTIO_BALLOON_H
#define KEEL_VIRTIO_BALLOON_H

#include <linux/virtio_balloon.h>
#include <time.h>

#include "memory_options.h"
#include "virtio.h"

#define BALLOON_PAGE		4096u	/* whatever the guest's pages are */
#define BALLOON_PAGES_MAX	4096u	/* of one request; Linux names 256, others 1024 */
#define BALLOON_STATS_MAX	64u	/* looked at, of what a driver tells at once */
#define BALLOON_TAGS		16u	/* that have a name: as many as Linux tells since 6.12, whatever the headers here know */

/* What a driver has told of its guest's memory: @has is a bit a tag (VIRTIO_BALLOON_S_...). */
struct balloon_stats {
	uint32_t has;
	uint64_t values[BALLOON_TAGS];
	struct timespec told;		/* CLOCK_MONOTONIC */
};

/* What can be told of a balloon outside. Bytes. */
struct balloon_view {
	uint64_t target;		/* what the guest is asked for */
	uint64_t actual;		/* what its driver says it has given */
	uint64_t inflated, deflated;	/* all that was named in requests */
	uint64_t reported;		/* as free, and given back */
	struct balloon_stats guest;
};

struct virtio_balloon {
	struct virtio_device device;

	/* Guarded by device.lock. */
	uint64_t target;		/* bytes; the thread puts it into the configuration */
	uint64_t inflated, deflated, reported;	/* bytes */
	struct balloon_stats stats;
	bool wants_stats;		/* somebody does, newer ones than there are */
	bool waits_for_stats;		/* the driver has its buffer back, to fill it anew */
	uint32_t pages[BALLOON_PAGES_MAX];	/* of the request being served */
	uint32_t parts;			/* pages and buffers that requests have named in this turn of their queue */
};

/**
 * virtio_balloon_init() - describe the device; virtio_add() follows
 * @balloon: zeroed.
 */
void virtio_balloon_init(struct virtio_balloon *balloon, const struct balloon_options *options);

/**
 * virtio_balloon_ask() - ask the guest to give @size bytes in all, a multiple of BALLOON_PAGE; from any thread
 *
 * It gives them, or takes them back, when and as far as its driver likes.
 */
void virtio_balloon_ask(struct virtio_balloon *balloon, uint64_t size);

/**
 * virtio_balloon_look() - see how it stands; from any thread but the device's
 * @wait_ms: for how long the guest may collect statistics anew; 0: what it told last.
 */
void virtio_balloon_look(struct virtio_balloon *balloon, unsigned int wait_ms, struct balloon_view *view);

/**
 * virtio_balloon_json() - @view as an object of JSON
 * Return: a string to be freed, NULL without memory.
 */
char *virtio_balloon_json(const struct balloon_view *view);

#endif
