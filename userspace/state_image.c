// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which sections there are, how many of each, and reading all of them into
 * values. Reading goes through the whole stream before anybody acts on it.
 */
#include <stdlib.h>
#include <string.h>

#include "state_fields.h"
#include "state_image.h"
#include "state_index.h"
#include "state_memory.h"
#include "state_stream.h"

static const struct state_column slot_columns[] = {
	STATE_COLUMN(struct memory_region, base), STATE_COLUMN(struct memory_region, size),
};

#define MACHINE(member)	STATE_ROW_UINT(#member, struct state_machine, member)

static const struct state_row machine_rows[] = {
	MACHINE(cpus), MACHINE(memory), MACHINE(disks), MACHINE(has_rng), MACHINE(saved_at),
	STATE_ROW_TABLE("slots(address,size)", struct state_machine, slots, slot_columns,
			offsetof(struct state_machine, slot_count)),
	{ .name = "has_balloon", .kind = STATE_UINT, .since = 2, .offset = offsetof(struct state_machine, has_balloon),
	  .size = STATE_NUMBER(struct state_machine, has_balloon) },
	{ .name = "has_virtio_console", .kind = STATE_UINT, .since = 3, .offset = offsetof(struct state_machine, has_console),
	  .size = STATE_NUMBER(struct state_machine, has_console) },
	{ .name = "has_generation_id", .kind = STATE_UINT, .since = 4, .offset = offsetof(struct state_machine, has_generation),
	  .size = STATE_NUMBER(struct state_machine, has_generation) },
	{ .name = "generation_id", .kind = STATE_BYTES, .since = 5, .offset = offsetof(struct state_machine, generation),
	  .max = GENERATION_BYTES, .count_at = STATE_FIXED },
	{ .name = "pluggable_bytes", .kind = STATE_UINT, .since = 6, .offset = offsetof(struct state_machine, pluggable),
	  .size = STATE_NUMBER(struct state_machine, pluggable) },
};

/* Slots must be where this program puts them, which memory_layout() says for any size. */
static bool check_machine(const void *object, struct state_error *error)
{
	const struct state_machine *machine = object;
	struct memory wanted;

	if (!machine->cpus || machine->cpus > OPTIONS_CPUS_MAX)
		return state_refuse(error, "has %u vCPUs, and there can be 1 to %d", machine->cpus, OPTIONS_CPUS_MAX);
	if (machine->disks > OPTIONS_DISKS_MAX)
		return state_refuse(error, "has %u disks, and there can be %d", machine->disks, OPTIONS_DISKS_MAX);
	if (machine->memory < OPTIONS_MEMORY_MIN || machine->memory > OPTIONS_MEMORY_MAX || machine->memory & 0xfff)
		return state_refuse(error, "has %llu bytes of memory, and there can be 16M to 1T, a multiple of 4K",
				    (unsigned long long)machine->memory);
	if (machine->pluggable > OPTIONS_MEMORY_MAX - machine->memory || machine->pluggable % MEMORY_BLOCK)
		return state_refuse(error, "has %llu bytes of memory that can be plugged, and there can be what is left of 1T, a multiple of 2M",
				    (unsigned long long)machine->pluggable);
	memory_layout(&wanted, machine->memory, machine->pluggable);
	for (unsigned int i = 0; i < wanted.count; i++)
		if (machine->slot_count != wanted.count || machine->slots[i].base != wanted.regions[i].base ||
		    machine->slots[i].size != wanted.regions[i].size)
			return state_refuse(error, "has its memory at other places than this program");
	return true;
}

static const struct state_layout machine_layout = {
	.name = "machine", .version = 6, .rows = machine_rows, .row_count = ARRAY_SIZE(machine_rows),
	.size = sizeof(struct state_machine), .check = check_machine,
};

static unsigned int one(const struct state_machine *machine)
{
	(void)machine;
	return 1;
}

static unsigned int two(const struct state_machine *machine)
{
	(void)machine;
	return 2;
}

static unsigned int disks(const struct state_machine *machine)
{
	return machine->disks;
}

static unsigned int rngs(const struct state_machine *machine)
{
	return machine->has_rng;
}

static unsigned int balloons(const struct state_machine *machine)
{
	return machine->has_balloon;
}

static unsigned int consoles(const struct state_machine *machine)
{
	return machine->has_console;
}

static unsigned int mems(const struct state_machine *machine)
{
	return !!machine->pluggable;
}

static unsigned int cpus(const struct state_machine *machine)
{
	return machine->cpus;
}

#define PART(layout, member, number) \
	{ &layout, offsetof(struct state_image, member), sizeof(((struct state_image *)0)->member), number }

const struct state_part state_parts[STATE_PARTS] = {
	PART(machine_layout, machine, one),
	PART(state_pci_layout, board.pci, one),
	PART(state_serial_layout, board.serial, one),
	PART(state_rtc_layout, board.rtc, one),
	PART(state_power_layout, board.power, one),
	PART(state_disk_layout, disks[0], disks),
	PART(state_rng_layout, rng, rngs),
	PART(state_balloon_layout, balloon, balloons),
	PART(state_console_layout, console, consoles),
	PART(state_mem_layout, mem, mems),
	PART(state_pic_layout, chips.pics[0], two),
	PART(state_ioapic_layout, chips.ioapic, one),
	PART(state_pit_layout, chips.pit, one),
	PART(state_lines_layout, board, one),
	PART(state_clock_layout, chips.clock, one),
	{ &state_vcpu_layout, SIZE_MAX, sizeof(struct state_vcpu), cpus },	/* allocated, see below */
};

void *state_part_at(const struct state_part *part, const struct state_image *image, unsigned int instance)
{
	if (part->offset == SIZE_MAX)
		return &image->vcpus[instance];
	return (uint8_t *)image + part->offset + instance * part->stride;
}

bool state_image_allocate(struct state_image *image, struct state_error *error)
{
	image->vcpus = calloc(image->machine.cpus, sizeof(image->vcpus[0]));
	return image->vcpus || state_refuse(error, "out of memory");
}

void state_image_free(struct state_image *image)
{
	free(image->vcpus);
	image->vcpus = NULL;
	image->kin = (struct state_kin){ .has_own = false };
}

bool state_image_write(const struct state_image *image, struct state_writer *writer, struct state_error *error)
{
	struct state_buffer buffer = { 0 };
	bool is_written = true;

	for (size_t p = 0; is_written && p < STATE_PARTS; p++) {
		const struct state_part *part = &state_parts[p];
		unsigned int count = part->count(&image->machine);

		for (unsigned int i = 0; is_written && i < count; i++) {
			buffer.used = 0;
			state_fields_put(&buffer, part->layout, state_part_at(part, image, i));
			if (buffer.is_short)
				is_written = state_refuse(error, "out of memory");
			else
				is_written = state_put(writer, part->layout->name, i, part->layout->version,
						       STATE_NEEDED, buffer.bytes, buffer.used, error);
		}
	}
	state_buffer_free(&buffer);
	return is_written;
}

bool state_round_write(struct state_writer *writer, uint32_t number, struct state_error *error)
{
	return state_put(writer, STATE_ROUND, number, STATE_ROUND_VERSION, STATE_NEEDED, NULL, 0, error);
}

/* ---- reading ---- */

#define UNKNOWN_MAX	65536	/* sections without a meaning, in all */

struct state_seen {
	uint32_t rounds;		/* begun */
	uint32_t unknown;
	/* Of this round: which instances of which parts. */
	bool parts[STATE_PARTS][OPTIONS_CPUS_MAX];
	struct state_memory_check memory;
	struct state_index_check index;
};

struct state_seen *state_seen_new(void)
{
	return calloc(1, sizeof(struct state_seen));
}

static const struct state_part *find_part(const char *name)
{
	for (size_t p = 0; p < STATE_PARTS; p++)
		if (!strcmp(state_parts[p].layout->name, name))
			return &state_parts[p];
	return NULL;
}

/* A machine is made of what comes first; nothing of it may be another one later. */
static bool read_machine_again(struct state_image *image, const struct state_section *section, const uint8_t *payload,
			       struct state_error *error)
{
	const struct state_machine *old = &image->machine;
	struct state_machine new = { 0 };

	if (!state_fields_get(&machine_layout, &new, section, payload, error))
		return false;
	if (new.cpus != old->cpus || new.memory != old->memory || new.pluggable != old->pluggable || new.disks != old->disks || new.has_rng != old->has_rng ||
	    new.has_balloon != old->has_balloon || new.has_console != old->has_console || new.has_generation != old->has_generation ||
	    memcmp(new.generation, old->generation, sizeof(new.generation)))
		return state_refuse(error, "section 'machine' is of another machine than the first one was");
	image->machine = new;
	return true;
}

static bool read_part(struct state_image *image, const struct state_part *part, const struct state_section *section,
		      const uint8_t *payload, struct state_seen *seen, struct state_error *error)
{
	bool *is_seen = seen->parts[part - state_parts];
	bool is_first = part == state_parts;

	if (!is_first && !image->vcpus)
		return state_refuse(error, "section '%s' %u comes before the section 'machine'", section->name,
				    section->instance);
	if (section->instance >= (is_first ? 1 : part->count(&image->machine)))
		return state_refuse(error, "section '%s' %u is one more than there can be", section->name,
				    section->instance);
	if (is_seen[section->instance])
		return state_refuse(error, "section '%s' %u is there twice", section->name, section->instance);
	is_seen[section->instance] = true;
	if (is_first && image->vcpus)
		return read_machine_again(image, section, payload, error);
	if (!state_fields_get(part->layout, state_part_at(part, image, section->instance), section, payload, error))
		return false;
	return !is_first || state_image_allocate(image, error);
}

static bool begin_round(const struct state_image *image, const struct state_section *section, struct state_seen *seen,
			struct state_error *error)
{
	if (section->version != STATE_ROUND_VERSION)
		return state_refuse(error, "section 'round' %u is of version %u, and this program knows %u",
				    section->instance, section->version, STATE_ROUND_VERSION);
	if (section->instance != seen->rounds + 1 || section->instance > STATE_ROUNDS_MAX)
		return state_refuse(error, "section 'round' %u does not follow round %u, or is one too many",
				    section->instance, seen->rounds);
	/* What follows is for a machine that is known. */
	if (!seen->rounds && !state_image_complete(image, seen, error))
		return false;
	*seen = (struct state_seen){ .rounds = section->instance, .unknown = seen->unknown };
	return true;
}

bool state_image_section(struct state_image *image, struct state_seen *seen, const struct state_section *section,
			 const uint8_t *payload, struct state_error *error)
{
	const struct state_part *part = find_part(section->name);

	if (part)
		return read_part(image, part, section, payload, seen, error);
	if (!strcmp(section->name, STATE_MEMORY)) {
		if (!image->vcpus)
			return state_refuse(error, "section 'memory' comes before the section 'machine'");
		if (!state_memory_check(&seen->memory, &image->machine, section, payload, error))
			return false;
		state_index_block(&seen->index, section, payload);
		return true;
	}
	if (state_kin_is(section))
		return state_kin_section(&image->kin, section, payload, error);
	if (!strcmp(section->name, STATE_INDEX))
		return state_index_section(&seen->index, section, payload, error);
	if (!strcmp(section->name, STATE_ROUND))
		return begin_round(image, section, seen, error);
	if (section->flags & STATE_NEEDED)
		return state_refuse(error, "section '%s' %u is needed, and this program does not know it",
				    section->name, section->instance);
	return ++seen->unknown <= UNKNOWN_MAX || state_refuse(error, "more than %u sections that this program does not know", UNKNOWN_MAX);
}

bool state_image_complete(const struct state_image *image, const struct state_seen *seen, struct state_error *error)
{
	if (!image->vcpus)
		return state_refuse(error, "section 'machine' is missing");
	for (size_t p = 0; p < STATE_PARTS; p++)
		for (unsigned int i = 0; i < state_parts[p].count(&image->machine); i++)
			if (!seen->parts[p][i])
				return state_refuse(error, "section '%s' %u is missing", state_parts[p].layout->name, i);
	return state_index_agrees(&seen->index, error);
}

bool state_image_read_head(struct state_image *image, struct state_seen *seen, struct state_reader *reader,
			   struct state_error *error)
{
	struct state_section section;
	const uint8_t *payload;

	while (!seen->rounds) {
		if (!state_next(reader, &section, &payload, error))
			return state_refuse(error, "the stream ends before its first round");
		if (!strcmp(section.name, STATE_MEMORY))
			return state_refuse(error, "memory comes before the first round: this is a file to be restored, and no machine on its way");
		if (!state_image_section(image, seen, &section, payload, error))
			return false;
	}
	return true;
}

bool state_image_read(struct state_image *image, struct state_reader *reader, struct state_error *error)
{
	struct state_seen *seen = state_seen_new();
	struct state_section section;
	const uint8_t *payload;
	bool is_good = seen || state_refuse(error, "out of memory");

	while (is_good && state_next(reader, &section, &payload, error))
		is_good = state_image_section(image, seen, &section, payload, error);
	is_good = is_good && !error->text[0] && state_image_complete(image, seen, error);
	image->kin.own.sum = reader->small_sum;
	free(seen);
	return is_good;
}
