// SPDX-License-Identifier: GPL-2.0-only
/*
 * The console device: VIRTIO 1.2, "Console Device", with its first port alone.
 *
 * Output: the console takes of a request what it has room for; the request stays in its queue until all of it is taken, and
 * vc->sent says how much that is. So the thread never waits for the terminal with a lock held, and a device that is saved
 * holds no request. The console rings when it has room again. Linux's driver waits for each of its requests, and so does a
 * guest whose output nobody takes: nothing is lost but by the guest's own doing.
 *
 * Input: bytes wait here until the driver gives a buffer. One gets what is there, without waiting for more.
 *
 * Size: the configuration has it, and a change is told. Linux's driver looks there only if it is told, and then only if its
 * terminal is there already, so it is told at its first output and at its first input as well.
 *
 * One turn serves a bounded number of requests; what the driver writes into them is bytes, and nothing else.
 *
 * Linux's driver sends 16 bytes, spins until they are taken, and sends the next. So behind output the thread looks out for more, a moment long,
 * before it asks for a doorbell and sleeps: without, each 16 bytes are an exit and a thread woken up.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "thread.h"
#include "virtio_console.h"

#define TURN_MAX	32	/* requests of a queue before others have their turn */
#define LAST_WORDS_MS	300	/* of what ending all threads may take */
#define LOOKOUT_NS	50000	/* behind the last output */

#define QUEUE_INPUT	0
#define QUEUE_OUTPUT	1
#define QUEUE_COUNT	2

typedef struct virtio_console_config config_t;

static struct virtio_console *to_console(struct virtio_device *device)
{
	return (struct virtio_console *)((char *)device - offsetof(struct virtio_console, device));
}

static bool is_served(const struct virtio_device *device)
{
	return (device->status & (VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET)) == VIRTIO_CONFIG_S_DRIVER_OK;
}

static void tell_room(const struct virtio_console *vc)
{
	uint64_t one = 1;

	while (write(vc->room_event, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/* The next request of a queue. Return: false if there is none, and the driver rings with the next. */
static bool next(struct virtio_device *device, struct virtq *queue)
{
	/* Else one that takes back what it offered could keep us here. */
	for (unsigned int i = 0; i < TURN_MAX; i++) {
		if (virtq_pop(queue, &device->chain))
			return true;
		if (queue->is_enabled && queue->is_broken)
			virtio_set_broken(device);
		if (!virtq_wants_doorbell(queue))
			break;
	}
	return false;
}

static void use(struct virtio_device *device, struct virtq *queue, uint32_t written)
{
	virtq_push(queue, &device->chain, written);
	if (virtq_needs_signal(queue))
		virtio_signal_queue(device, queue);
}

/* ---- the terminal's size ---- */

static void set_size(struct virtio_console *vc)
{
	memcpy(vc->device.config + offsetof(config_t, cols), &vc->size.columns, sizeof(vc->size.columns));
	memcpy(vc->device.config + offsetof(config_t, rows), &vc->size.rows, sizeof(vc->size.rows));
}

static void serve_size(struct virtio_console *vc)
{
	if (!memcmp(vc->device.config + offsetof(config_t, cols), &vc->size.columns, sizeof(vc->size.columns)) &&
	    !memcmp(vc->device.config + offsetof(config_t, rows), &vc->size.rows, sizeof(vc->size.rows)))
		return;
	set_size(vc);
	virtio_signal_config(&vc->device);
}

/* Once for each reset; a size that is unknown need not be. */
static void tell_size(struct virtio_console *vc, bool *has_told)
{
	bool is_known = vc->size.columns || vc->size.rows;

	if (!*has_told && is_known && vc->device.accepted & 1ULL << VIRTIO_CONSOLE_F_SIZE)
		virtio_signal_config(&vc->device);
	*has_told = true;
}

void virtio_console_resize(struct virtio_console *vc, struct console_size size)
{
	virtio_lock(&vc->device);
	vc->size = size;
	virtio_unlock(&vc->device);
	virtio_ring(&vc->device);
}

/* ---- output ---- */

/* Give the console what it has not got of a request. Return: false if it has no room for all of it. */
static bool send(struct virtio_console *vc, const struct virtq_chain *chain)
{
	uint64_t skip = vc->sent;

	for (unsigned int i = 0; i < chain->read_count; i++) {
		const struct iovec *part = &chain->segments[i];

		if (skip >= part->iov_len) {
			skip -= part->iov_len;
			continue;
		}
		size_t taken = console_offer(vc->console, (const uint8_t *)part->iov_base + skip, part->iov_len - skip);

		vc->sent += taken;
		if (taken < part->iov_len - skip)
			return false;
		skip = 0;
	}
	return true;
}

/* Return: true if there may be more. */
static bool serve_output(struct virtio_console *vc, bool wants_doorbell)
{
	struct virtio_device *device = &vc->device;
	struct virtq *queue = &device->queues[QUEUE_OUTPUT];

	vc->is_blocked = false;
	for (unsigned int i = 0; i < TURN_MAX; i++) {
		if (!(wants_doorbell ? next(device, queue) : virtq_pop(queue, &device->chain)))
			return false;
		if (!send(vc, &device->chain)) {
			virtq_put_back(queue, 1);
			vc->is_blocked = true;
			return false;
		}
		vc->sent = 0;
		vc->has_printed = true;
		use(device, queue, 0);
		tell_size(vc, &vc->has_told_printing);
	}
	return true;
}

/* ---- input ---- */

static uint32_t fill(struct virtio_console *vc, const struct virtq_chain *chain)
{
	uint32_t done = 0;

	for (unsigned int i = 0; i < chain->write_count && done < vc->used; i++) {
		const struct iovec *part = &chain->segments[chain->read_count + i];
		size_t count = part->iov_len < vc->used - done ? part->iov_len : vc->used - done;

		memcpy(part->iov_base, vc->input + done, count);
		done += (uint32_t)count;
	}
	vc->used -= done;
	memmove(vc->input, vc->input + done, vc->used);
	return done;
}

/* Return: true if there may be more. */
static bool serve_input(struct virtio_console *vc)
{
	struct virtio_device *device = &vc->device;
	struct virtq *queue = &device->queues[QUEUE_INPUT];
	unsigned int left = TURN_MAX;

	while (left && vc->used && next(device, queue)) {
		tell_size(vc, &vc->has_told_reading);
		use(device, queue, fill(vc, &device->chain));
		left--;
	}
	if (vc->is_sender_waiting && vc->used < VIRTIO_CONSOLE_INPUT) {
		vc->is_sender_waiting = false;
		tell_room(vc);
	}
	return !left;
}

bool virtio_console_is_open(struct virtio_console *vc)
{
	virtio_lock(&vc->device);
	bool is_open = is_served(&vc->device);

	virtio_unlock(&vc->device);
	return is_open;
}

bool virtio_console_receive(struct virtio_console *vc, uint8_t byte)
{
	virtio_lock(&vc->device);
	bool is_taken = is_served(&vc->device) && vc->used < VIRTIO_CONSOLE_INPUT;

	if (is_taken)
		vc->input[vc->used++] = byte;
	vc->is_sender_waiting |= !is_taken;
	virtio_unlock(&vc->device);
	if (is_taken)
		virtio_ring(&vc->device);
	return is_taken;
}

/* ---- the thread ---- */

/* @wants_doorbell: or the driver need not ring for output yet. Return: true if there may be more. */
static bool take_turn(struct virtio_console *vc, bool wants_doorbell)
{
	struct virtio_device *device = &vc->device;
	bool has_more = false;

	virtio_begin_turn(device);
	serve_size(vc);
	if (is_served(device))
		has_more = serve_output(vc, wants_doorbell);
	if (is_served(device))
		has_more |= serve_input(vc);
	has_more &= is_served(device);
	virtio_end_turn(device);
	return has_more;
}

static bool is_blocked(struct virtio_console *vc)
{
	virtio_lock(&vc->device);
	bool is_blocked = is_served(&vc->device) && vc->is_blocked;

	virtio_unlock(&vc->device);
	return is_blocked;
}

/* The guest's last words, which came with its end: all that the console takes in time. It rings when it has room again. */
static void print_rest(struct virtio_console *vc)
{
	struct pollfd room = { .fd = vc->device.doorbell, .events = POLLIN };
	const struct timespec until = thread_time_in(LAST_WORDS_MS);
	uint64_t count;

	do {
		while (take_turn(vc, true) && !thread_is_past(&until))
			;
		if (!is_blocked(vc))
			return;
		if (poll(&room, 1, JOIN_SLICE_MS) > 0 && read(room.fd, &count, sizeof(count)) < 0)
			continue;
	} while (!thread_is_past(&until));
}

/* Return: true if there is output again, soon behind the last. */
static bool look_out(struct virtio_console *vc)
{
	struct timespec until = thread_time_in(0);
	bool has_next = false, has_printed;

	until.tv_nsec += LOOKOUT_NS;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	virtio_lock(&vc->device);
	has_printed = vc->has_printed;
	vc->has_printed = false;
	virtio_unlock(&vc->device);
	while (has_printed && !has_next && !vm_is_stopping(vc->device.vm) && !thread_is_past(&until)) {
		virtio_lock(&vc->device);
		has_next = is_served(&vc->device) && virtq_has_next(&vc->device.queues[QUEUE_OUTPUT]);
		virtio_unlock(&vc->device);
	}
	return has_next;
}

static void run(struct virtio_device *device)
{
	struct virtio_console *vc = to_console(device);
	uint64_t count;

	while (!vm_is_stopping(device->vm)) {
		/* Sleeps here; virtio_stop() rings too. */
		if (read(device->doorbell, &count, sizeof(count)) < 0)
			continue;
		do {
			while (take_turn(vc, false) && !vm_is_stopping(device->vm))
				;
		} while (look_out(vc) || (take_turn(vc, true) && !vm_is_stopping(device->vm)));
	}
	print_rest(vc);
}

static void ready(struct virtio_device *device)
{
	/* Keys that went elsewhere, or nowhere, may come now. */
	tell_room(to_console(device));
}

static void reset(struct virtio_device *device)
{
	struct virtio_console *vc = to_console(device);

	vc->has_told_printing = false;
	vc->has_told_reading = false;
	vc->sent = 0;
	vc->is_blocked = false;
	vc->used = 0;
}

static const struct virtio_class console_class = {
	.id = 3,
	.class_code = 0x078000,		/* communication controller, other */
	.queue_count = QUEUE_COUNT,
	.thread = SANDBOX_DEVICE,
	.run = run,
	.ready = ready,
	.reset = reset,
};

int virtio_console_init(struct virtio_console *vc, struct console *console, struct console_size size)
{
	vc->room_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vc->room_event < 0)
		return -errno;
	vc->device.class = &console_class;
	vc->device.features = 1ULL << VIRTIO_CONSOLE_F_SIZE;
	vc->device.config_size = sizeof(config_t);
	vc->console = console;
	vc->size = size;
	set_size(vc);
	return 0;
}

int virtio_console_renew(struct virtio_console *vc)
{
	close(vc->room_event);
	vc->is_sender_waiting = false;
	vc->room_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return vc->room_event < 0 ? -errno : virtio_renew(&vc->device);
}

void virtio_console_close(struct virtio_console *vc)
{
	if (vc->device.class)
		close(vc->room_event);
}
