/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All of a saved VM but its memory, as values: what a stream's sections are
 * made from and are read into.
 */
#ifndef KEEL_STATE_IMAGE_H
#define KEEL_STATE_IMAGE_H

#include <linux/kvm.h>

#include "generation.h"
#include "memory.h"
#include "options.h"
#include "state_base.h"
#include "state_chips.h"
#include "state_devices.h"
#include "state_vcpu.h"

struct state_error;
struct state_reader;
struct state_section;
struct state_writer;

/* What has to be known before a VM can be made to load into. The first section. */
struct state_machine {
	uint32_t cpus;
	uint64_t memory;		/* bytes, as of --memory, */
	uint64_t pluggable;		/* and that can be plugged besides; 0: it has no such device */
	uint32_t disks;
	bool has_rng;
	bool has_balloon;
	bool has_console;		/* a virtio one */
	bool has_generation;		/* ID, at MAP_GENERATION, of which its tables tell */
	uint8_t generation[GENERATION_BYTES];	/* the number; of what goes on in another place without being another one */
	uint64_t saved_at;		/* seconds since 1970, for people */
	uint32_t slot_count;
	struct memory_region slots[MEMORY_REGIONS_MAX];
};

struct state_image {
	struct state_machine machine;
	struct state_board board;
	struct state_chips chips;
	struct state_virtio disks[OPTIONS_DISKS_MAX];
	struct state_virtio rng;
	struct state_virtio balloon;
	struct state_virtio console;
	struct state_mem mem;
	struct state_vcpu *vcpus;	/* allocated: machine.cpus */
	struct state_kin kin;		/* of the file */
};

/** state_machine_end() - the first guest-physical address past all of its memory */
static inline uint64_t state_machine_end(const struct state_machine *machine)
{
	const struct memory_region *last = &machine->slots[machine->slot_count - 1];

	return last->base + last->size;
}

/**
 * struct state_part - a kind of section and where it is in an image
 * @stride: from one instance to the next
 */
struct state_part {
	const struct state_layout *layout;
	size_t offset;
	size_t stride;
	unsigned int (*count)(const struct state_machine *machine);
};

#define STATE_PARTS	16
extern const struct state_part state_parts[STATE_PARTS];

/**
 * state_part_at() - the structure of one instance
 */
void *state_part_at(const struct state_part *part, const struct state_image *image, unsigned int instance);

/**
 * state_image_allocate() - make room for the vCPUs that image->machine tells of
 */
bool state_image_allocate(struct state_image *image, struct state_error *error);

/**
 * state_image_free() - release what is in it; harmless on a zeroed one
 */
void state_image_free(struct state_image *image);

/**
 * state_image_write() - put all sections of it into a stream
 */
bool state_image_write(const struct state_image *image, struct state_writer *writer, struct state_error *error);

#define STATE_ROUND		"round"	/* a section's name: what follows takes the place of what came before */
#define STATE_ROUND_VERSION	1
#define STATE_ROUNDS_MAX	64

/**
 * state_round_write() - begin round @number of a stream, from 1 on
 */
bool state_round_write(struct state_writer *writer, uint32_t number, struct state_error *error);

/* What has come of a stream. */
struct state_seen;

/**
 * state_seen_new() - nothing yet
 * Return: to be freed; NULL without memory.
 */
struct state_seen *state_seen_new(void);

/**
 * state_image_section() - take one section, which has been read, into @image, but for memory, which is checked only
 * @image: zeroed at first; what it has of the machine does not change once it is there
 */
bool state_image_section(struct state_image *image, struct state_seen *seen, const struct state_section *section,
			 const uint8_t *payload, struct state_error *error);

/**
 * state_image_complete() - is all there that belongs to the machine, and came since the last round began?
 */
bool state_image_complete(const struct state_image *image, const struct state_seen *seen, struct state_error *error);

/**
 * state_image_read_head() - read all that stands before the first round: a whole image, and no memory
 */
bool state_image_read_head(struct state_image *image, struct state_seen *seen, struct state_reader *reader,
			   struct state_error *error);

/**
 * state_image_read() - read and check a whole stream, memory included, and change nothing
 * @image: zeroed; to be freed in any case
 *
 * Return: false if anything in it is damaged, missing, unknown and needed, or impossible.
 */
bool state_image_read(struct state_image *image, struct state_reader *reader, struct state_error *error);

#endif
