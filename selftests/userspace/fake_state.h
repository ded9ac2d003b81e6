/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A saved machine made by hand, as a stream in a file of memory, and its pieces, to be changed and put together again
 * with checksums that are right.
 */
#ifndef SELFTESTS_FAKE_STATE_H
#define SELFTESTS_FAKE_STATE_H

#include <sys/mman.h>
#include <unistd.h>

#include "test.h"
#include "userspace/state_fields.h"
#include "userspace/state_image.h"
#include "userspace/state_index.h"
#include "userspace/state_memory.h"
#include "userspace/state_stream.h"

#define FAKE_MEMORY	(16ULL << 20)
#define FAKE_CPUS	2
#define FAKE_DISKS	1
#define PIECES_MAX	256

struct piece {
	struct state_section section;
	u8 *payload;		/* allocated */
};

/* A stream cut into its sections, "end" left out. */
struct pieces {
	struct state_header header;
	struct piece list[PIECES_MAX];
	unsigned int count;
};

/* Numbers of @bytes bytes that are no others. */
static inline void fake_fill(void *to, size_t bytes, u64 *random)
{
	for (size_t i = 0; i < bytes; i++)
		((u8 *)to)[i] = (u8)xorshift(random);
}

static inline void fake_fill_row(const struct state_row *row, u8 *object, u64 *random)
{
	u32 count = row->max;

	switch (row->kind) {
	case STATE_UINT:
	case STATE_INT:
		if (row->size == STATE_BOOL)
			object[row->offset] = xorshift(random) & 1;
		else
			fake_fill(object + row->offset, row->size, random);
		return;
	case STATE_TABLE:
		for (u32 i = 0; i < row->max; i++) {
			for (unsigned int c = 0; c < row->column_count; c++) {
				u8 *to = object + row->offset + (size_t)i * row->size + row->columns[c].offset;

				if (row->columns[c].size == STATE_BOOL)
					*to = xorshift(random) & 1;
				else
					fake_fill(to, row->columns[c].size, random);
			}
		}
		break;
	case STATE_TEXT:
		memset(object + row->offset, 'a' + (int)(xorshift(random) % 26), row->max);
		return;
	default:
		fake_fill(object + row->offset, row->max, random);
		break;
	}
	if (row->count_at != STATE_FIXED)
		memcpy(object + row->count_at, &count, sizeof(count));
}

/* All fields random, but for those that could not be so. */
static inline void fake_image(struct state_image *image, u64 *random)
{
	struct state_error error = { "" };
	struct memory layout;

	memset(image, 0, sizeof(*image));
	memory_layout(&layout, FAKE_MEMORY, 0);
	image->machine = (struct state_machine){
		.cpus = FAKE_CPUS, .memory = FAKE_MEMORY, .disks = FAKE_DISKS, .has_rng = true, .has_balloon = true,
		.has_console = true,
		.saved_at = 1795336346,
		.slot_count = layout.count,
	};
	memcpy(image->machine.slots, layout.regions, sizeof(layout.regions));
	ASSERT(state_image_allocate(image, &error), "%s", error.text);
	for (size_t p = 1; p < STATE_PARTS; p++)
		for (unsigned int i = 0; i < state_parts[p].count(&image->machine); i++)
			for (unsigned int r = 0; r < state_parts[p].layout->row_count; r++)
				fake_fill_row(&state_parts[p].layout->rows[r],
					      state_part_at(&state_parts[p], image, i), random);
	image->board.serial.head = 3;
	image->board.serial.used = 5;
	image->board.rtc.index = 4;
	image->board.rtc.offset = -7200;
	image->board.rtc.frozen = (struct tm){ .tm_sec = 59, .tm_min = -1, .tm_year = 126 };
	image->balloon.target = 4096;
	struct state_virtio *const devices[] = { &image->rng, &image->balloon, &image->console, &image->disks[0] };

	_Static_assert(FAKE_DISKS == 1, "all are there");
	for (unsigned int i = 0; i < ARRAY_SIZE(devices); i++) {
		struct state_virtio *device = devices[i];

		device->device.accepted &= device->device.features;
		for (unsigned int m = 0; m < device->device.msix.count; m++) {
			device->device.msix.entries[m].address &= ~3ULL;
			device->device.msix.entries[m].control &= 1;
		}
	}
}

/* Some pages, of each kind: all alike, random, zeros, at both sides of the hole. */
static inline void fake_memory(struct memory *memory, u64 *random)
{
	ASSERT_EQ(memory_create(memory, FAKE_MEMORY, 0), 0);
	memset(memory_at(memory, 0x1000, 4096), 0x5a, 4096);
	fake_fill(memory_at(memory, 0x9f000, 4096), 4096, random);
	fake_fill(memory_at(memory, 0xc0000, 4096), 4096, random);
	*(u8 *)memory_at(memory, 0x300fff, 1) = 1;
	fake_fill(memory_at(memory, FAKE_MEMORY - 4096, 4096), 4096, random);
	for (u64 at = 0x800000; at < 0x800000 + STATE_BLOCK; at += 8)
		*(u64 *)memory_at(memory, at, 8) = at;
}

static inline int fake_file(void)
{
	int fd = memfd_create("state", 0);

	ASSERT_GE(fd, 0);
	return fd;
}

static inline void fake_write(int fd, const struct state_image *image, const struct memory *memory)
{
	struct state_error error = { "" };
	struct state_writer writer;

	ASSERT(state_begin(&writer, fd, NULL, &error) && state_image_write(image, &writer, &error) &&
	       state_memory_write(memory, &writer, NULL, &error) && state_end(&writer, &error), "%s", error.text);
}

/* The same with an index of the blocks, as a machine is saved. */
static inline void fake_write_index(int fd, const struct state_image *image, const struct memory *memory)
{
	struct state_index index = { 0 };
	struct state_error error = { "" };
	struct state_writer writer;

	ASSERT(state_begin(&writer, fd, NULL, &error), "%s", error.text);
	writer.index = &index;
	ASSERT(state_image_write(image, &writer, &error) && state_kin_write(&image->kin, &writer, &error) &&
	       state_memory_write(memory, &writer, NULL, &error) && state_index_write(&writer, &error) && state_end(&writer, &error), "%s", error.text);
	state_index_free(&index);
}

static inline void pieces_read(struct pieces *pieces, int fd)
{
	struct state_error error = { "" };
	struct state_reader reader;
	const u8 *payload;

	pieces->count = 0;
	ASSERT(state_open(&reader, fd, &error), "%s", error.text);
	pieces->header = reader.header;
	for (struct piece *piece = pieces->list; state_next(&reader, &piece->section, &payload, &error); piece++) {
		piece->payload = malloc(piece->section.length + 1);
		memcpy(piece->payload, payload, piece->section.length);
		ASSERT_LE(++pieces->count, PIECES_MAX - 8);
	}
	ASSERT(!error.text[0], "%s", error.text);
	state_close(&reader);
}

static inline void pieces_free(struct pieces *pieces)
{
	for (unsigned int i = 0; i < pieces->count; i++)
		free(pieces->list[i].payload);
	pieces->count = 0;
}

static inline struct piece *pieces_find(struct pieces *pieces, const char *name, u32 instance)
{
	for (unsigned int i = 0; i < pieces->count; i++)
		if (!strcmp(pieces->list[i].section.name, name) && pieces->list[i].section.instance == instance)
			return &pieces->list[i];
	FAIL("no section %s %u", name, instance);
}

/* A piece of one's own at @at; @payload becomes the piece's. */
static inline void pieces_insert(struct pieces *pieces, unsigned int at, const struct state_section *section,
				 u8 *payload)
{
	memmove(&pieces->list[at + 1], &pieces->list[at], (pieces->count - at) * sizeof(pieces->list[0]));
	pieces->list[at] = (struct piece){ *section, payload };
	pieces->count++;
}

static inline void pieces_remove(struct pieces *pieces, unsigned int at)
{
	free(pieces->list[at].payload);
	pieces->count--;
	memmove(&pieces->list[at], &pieces->list[at + 1], (pieces->count - at) * sizeof(pieces->list[0]));
}

/* Into a new file, the checksums of heads and payloads made right, and the end's count; of an index, the end's places too. */
static inline int pieces_write(const struct pieces *pieces)
{
	struct state_index index = { 0 };
	struct state_error error = { "" };
	struct state_writer writer;
	int fd = fake_file();

	ASSERT(state_begin(&writer, fd, NULL, &error), "%s", error.text);
	ASSERT_EQ(pwrite(fd, &pieces->header, sizeof(pieces->header), 0), (int)sizeof(pieces->header));
	for (unsigned int i = 0; i < pieces->count; i++) {
		struct state_section section = pieces->list[i].section;

		if (!index.memory_at && !strcmp(section.name, STATE_MEMORY))
			index.memory_at = (u64)lseek(fd, 0, SEEK_CUR);
		if (!index.index_at && !strcmp(section.name, STATE_INDEX)) {
			index.index_at = (u64)lseek(fd, 0, SEEK_CUR);
			writer.index = &index;
		}
		section.payload_checksum = state_checksum(pieces->list[i].payload, section.length);
		section.checksum = state_checksum(&section, offsetof(struct state_section, checksum));
		ASSERT_EQ(write(fd, &section, sizeof(section)), (int)sizeof(section));
		ASSERT_EQ(write(fd, pieces->list[i].payload, section.length), (s64)section.length);
		writer.sections++;
	}
	ASSERT(state_end(&writer, &error), "%s", error.text);
	return fd;
}

/* Can it be restored? Else @error says why not. */
static inline bool fake_read(int fd, struct state_image *image, struct state_error *error)
{
	struct state_reader reader;
	bool is_good;

	memset(image, 0, sizeof(*image));
	memset(error, 0, sizeof(*error));
	is_good = state_open(&reader, fd, error) && state_image_read(image, &reader, error);
	state_close(&reader);
	return is_good;
}

#endif
