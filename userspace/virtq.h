/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtio split queue, device side.
 *
 * The driver is not trusted: whatever is in its memory, every function here
 * returns, touches only guest memory, and either yields a chain all of whose
 * buffers lie in guest memory or declares the queue broken.
 */
#ifndef KEEL_VIRTQ_H
#define KEEL_VIRTQ_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct memory;

#define VIRTQ_SIZE_MAX		256
#define VIRTQ_SEGMENTS_MAX	256	/* buffers in one chain, indirect ones included */

struct virtq {
	/* What the driver sets up. */
	uint16_t size;
	uint16_t vector;		/* MSI-X */
	bool is_enabled;
	uint64_t descriptors, available, used;	/* guest-physical */

	/* What the device keeps. */
	const struct memory *memory;
	bool has_event_index;		/* VIRTIO_F_EVENT_IDX was agreed on */
	bool is_broken;			/* stays so until the device is reset */
	uint16_t next_available;
	uint16_t next_used;
	uint16_t signalled;		/* next_used when last asked about a signal */
	const uint8_t *descriptor_table;	/* host addresses, checked once */
	struct vring_avail *available_ring;
	struct vring_used *used_ring;
};

/* A request: what the driver gives to read, then room to write. */
struct virtq_chain {
	uint16_t head;
	unsigned int read_count;
	unsigned int write_count;
	uint64_t read_bytes;
	uint64_t write_bytes;
	struct iovec segments[VIRTQ_SEGMENTS_MAX];	/* readable ones first */
};

/**
 * virtq_reset() - forget everything; the queue is disabled, @size its default
 */
void virtq_reset(struct virtq *queue, uint16_t size);

/**
 * virtq_enable() - check size, alignment and place of the rings, and start
 * Return: false if they are unusable; the queue is then broken.
 */
bool virtq_enable(struct virtq *queue, const struct memory *memory, bool has_event_index);

/**
 * virtq_restore() - make a queue what @saved was: all but its host addresses, which are checked and derived anew
 * Return: false if they cannot be had.
 */
bool virtq_restore(struct virtq *queue, const struct virtq *saved, const struct memory *memory,
		   bool has_event_index);

/* How somebody has served a queue. */
enum virtq_order {
	VIRTQ_ANY_ORDER,	/* many requests at a time */
	VIRTQ_IN_ORDER,		/* gives requests back in the order in which the driver made them */
};

/**
 * virtq_take_over() - go on with a queue that somebody else has served until now, who is gone
 *
 * From the first request on that he has not given back, if it can be told which those are; else from the next new one on.
 * Return: how many requests are lost: neither given back nor to be had any more.
 */
unsigned int virtq_take_over(struct virtq *queue, enum virtq_order order);

/**
 * virtq_pop() - take the next request
 * Return: true with @chain filled; false if there is none or the queue is
 * broken (see queue->is_broken).
 */
bool virtq_pop(struct virtq *queue, struct virtq_chain *chain);

/**
 * virtq_has_next() - has a request arrived? Nothing is said to the driver.
 */
bool virtq_has_next(const struct virtq *queue);

/**
 * virtq_push() - give a request back, @written bytes of it written
 */
void virtq_push(struct virtq *queue, const struct virtq_chain *chain, uint32_t written);

/**
 * virtq_put_back() - take back the last @count virtq_pop()s: nothing of them was pushed or filled
 */
void virtq_put_back(struct virtq *queue, unsigned int count);

/**
 * virtq_fill() - say what became of a request, without giving it back yet
 * @ahead: how many filled ones wait before it.
 * @head: of its chain.
 */
void virtq_fill(struct virtq *queue, unsigned int ahead, uint16_t head, uint32_t written);

/**
 * virtq_flush() - give @count filled requests back, all at once
 */
void virtq_flush(struct virtq *queue, unsigned int count);

/**
 * virtq_wants_doorbell() - ask for a doorbell at the next new request
 * Return: true if a request has arrived meanwhile: go on popping.
 */
bool virtq_wants_doorbell(struct virtq *queue);

/**
 * virtq_wants_more() - the same where the next @seen requests are known, and too few
 */
bool virtq_wants_more(struct virtq *queue, unsigned int seen);

/**
 * virtq_needs_signal() - does the driver want an interrupt for what was pushed?
 */
bool virtq_needs_signal(struct virtq *queue);

#endif
