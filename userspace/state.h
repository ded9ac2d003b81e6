/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Saving a machine into a file, and a machine out of a file.
 */
#ifndef KEEL_STATE_H
#define KEEL_STATE_H

#include "state_image.h"
#include "state_memory.h"
#include "state_stream.h"

struct machine;
struct state_lazy;

/* What is to be saved. */
struct state_order {
	bool is_tracked;		/* what is written from here on is logged, so that the next file can have that alone */
	const struct state_base *base;	/* since which what was written is saved; NULL: all of memory is */
	struct state_identity saved;	/* gets which file it is, */
	uint64_t pages;			/* and how many pages of memory are in it */
};

/**
 * state_write() - write a machine that stands, see hold_machine(), to @fd, a file, pipe or socket
 *
 * Each vCPU has finished the access whose exit was served last. The machine can go on afterwards, whatever is returned.
 */
bool state_write(struct machine *machine, int fd, const struct state_memory_watch *watch, struct state_error *error);

/**
 * state_write_order() - the same, as @order says
 */
bool state_write_order(struct machine *machine, int fd, struct state_order *order, const struct state_memory_watch *watch,
		       struct state_error *error);

/**
 * state_check() - can this machine be saved?
 */
bool state_check(const struct machine *machine, struct state_error *error);

/**
 * state_take() - read all of a machine but its memory; its vCPUs stand, and its virtio devices are held
 * @image: zeroed; to be freed by state_image_free() in any case
 */
bool state_take(struct machine *machine, struct state_image *image, struct state_error *error);

/**
 * state_retire_virtio() - have the virtio devices, which are held, serve nothing any more: the guest is another process's
 */
void state_retire_virtio(struct machine *machine);

/**
 * state_hold() - keep the board's devices from serving; virtio ones are held already, see hold_machine()
 */
void state_hold(struct machine *machine);

/**
 * state_release() - the end of state_hold()
 */
void state_release(struct machine *machine);

/**
 * state_devices_take() - read all devices, which are held, into @image
 *
 * Return: false with @error if there is one that no image has.
 */
bool state_devices_take(struct machine *machine, struct state_image *image, struct state_error *error);

/**
 * state_devices_put() - have all devices, which are held, be what they were as @image was taken, of this machine
 *
 * Interrupts that they send for it mean nothing: vm_mute().
 */
bool state_devices_put(struct machine *machine, const struct state_image *image, struct state_error *error);

/* A saved machine that has been looked at; or one on its way, whose head has been. */
struct state_file {
	const char *path;
	int fd;
	struct state_reader reader;
	struct state_image image;
	struct state_seen *seen;	/* of one on its way; else NULL */
	struct state_lazy *lazy;	/* of one whose memory is read later; else NULL */
	struct state_file *base;	/* what it stands on; NULL: it has all of memory */
	char *own_path;			/* of a base: allocated, what path is */
	char why[192];			/* it was asked for, and cannot be; else "" */
	/* All that can be known before its memory comes is known, and good: say so. */
	bool (*go_on)(void *argument, struct state_error *error);
	void *argument;
};

/**
 * state_file_open() - read and check all of a saved machine
 * @file: zeroed; to be closed by state_file_close() in any case
 *
 * Return: 0, or STATUS_STATE after a line on stderr.
 */
int state_file_open(struct state_file *file, const char *path);

/**
 * state_file_open_lazy() - the same, but for memory, of which only the index is read, if the file has one, and the host can serve faults
 */
int state_file_open_lazy(struct state_file *file, const char *path);

/**
 * state_file_hear() - the same of a machine that comes through the connection @fd, as far as its first round
 * @fd: a socket that does not block, and stays open
 * @name: of it, for what is told
 */
int state_file_hear(struct state_file *file, int fd, const char *name);

/**
 * state_file_close() - release it; harmless on a zeroed one
 */
void state_file_close(struct state_file *file);

/**
 * state_give() - make a new machine what was saved
 *
 * It has memory, devices and vCPUs as the image says, and no thread yet. Documentation/stream.rst tells the order.
 * Return: 0, or STATUS_STATE after a line on stderr.
 */
int state_give(struct machine *machine, struct state_file *file);

#endif
