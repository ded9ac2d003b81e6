// SPDX-License-Identifier: GPL-2.0-only
/* Streams of saved machines: whole ones come back as they were, all others are refused with the reason. */
#include <fcntl.h>
#include <zstd.h>

#include "fake_state.h"
#include "userspace/state_lazy.h"

static struct pieces pieces;

/* A stream that could be restored. */
static int make(struct state_image *image, struct memory *memory)
{
	u64 random = 3;
	int fd = fake_file();

	fake_image(image, &random);
	fake_memory(memory, &random);
	fake_write(fd, image, memory);
	return fd;
}

static void check_parts(const struct state_image *from, const struct state_image *to)
{
	for (size_t p = 0; p < STATE_PARTS; p++) {
		for (unsigned int i = 0; i < state_parts[p].count(&from->machine); i++) {
			struct state_buffer a = { 0 }, b = { 0 };

			state_fields_put(&a, state_parts[p].layout, state_part_at(&state_parts[p], from, i));
			state_fields_put(&b, state_parts[p].layout, state_part_at(&state_parts[p], to, i));
			CHECK_EQ(state_parts[p].layout->name, 1, a.used == b.used && !memcmp(a.bytes, b.bytes, a.used));
			state_buffer_free(&a);
			state_buffer_free(&b);
		}
	}
}

static unsigned int load(int fd, const struct memory *memory)
{
	struct state_unpacker *unpacker = state_unpacker_new();
	struct state_error error = { "" };
	struct state_section section;
	struct state_reader reader;
	unsigned int blocks = 0;
	const u8 *payload;

	ASSERT(state_open(&reader, fd, &error), "%s", error.text);
	while (state_next(&reader, &section, &payload, &error)) {
		if (strcmp(section.name, STATE_MEMORY))
			continue;
		ASSERT(state_memory_load(memory, unpacker, &section, payload, &error), "%s", error.text);
		blocks++;
	}
	ASSERT(!error.text[0], "%s", error.text);
	state_unpacker_free(unpacker);
	state_close(&reader);
	return blocks;
}

static void test_whole(void)
{
	struct state_image image, back;
	struct memory memory, other;
	struct state_error error;
	int fd = make(&image, &memory);

	if (!fake_read(fd, &back, &error))
		FAIL("%s", error.text);
	check_parts(&image, &back);
	ASSERT_EQ(memory_create(&other, FAKE_MEMORY, 0), 0);
	CHECK_EQ("blocks: those that are not all zeros", 4, load(fd, &other));
	for (unsigned int i = 0; i < memory.count; i++)
		CHECK_EQ("memory", 0, memcmp(memory.regions[i].host, other.regions[i].host, memory.regions[i].size));
	/* 5 pages and a block of a megabyte, of which the random three stay as long. */
	CHECK_EQ("sparse and packed", 1, lseek(fd, 0, SEEK_END) < 600 << 10);
	state_image_free(&image);
	state_image_free(&back);
	memory_destroy(&memory);
	memory_destroy(&other);
	close(fd);
}

/* Of what can be plugged the stream has what the guest has plugged, whoever wrote the rest; read at once and as it is touched. */
static void test_pluggable(void)
{
	const u64 base = 4ULL << 30, more = 10 * MEMORY_BLOCK, plugged = base + 3 * MEMORY_BLOCK + 4096, unplugged = base + 9 * MEMORY_BLOCK;
	struct state_error error = { "" };
	struct state_image image, back;
	struct memory memory, other;
	struct state_reader reader;
	struct state_lazy *lazy;
	int fd = fake_file();
	u64 random = 7;

	fake_image(&image, &random);
	ASSERT_EQ(memory_create(&memory, FAKE_MEMORY, more), 0);
	image.machine.pluggable = more;
	image.machine.slot_count = memory.count;
	memcpy(image.machine.slots, memory.regions, sizeof(memory.regions));
	image.mem.requested = image.mem.asked = 2 * MEMORY_BLOCK;
	image.mem.plugged_bytes = 2;
	image.mem.plugged[0] = 1 << 3;
	memory_plug(&memory, 3, true);
	memset(memory_at(&memory, FAKE_MEMORY - 4096, 4096), 0x11, 4096);
	memset(memory_at(&memory, plugged, 4096), 0x33, 4096);
	memset(memory_at(&memory, unplugged, 4096), 0x99, 4096);
	fake_write_index(fd, &image, &memory);
	if (!fake_read(fd, &back, &error))
		FAIL("%s", error.text);
	CHECK_EQ("what can be plugged", more, back.machine.pluggable);
	CHECK_EQ("what is", 0, memcmp(image.mem.plugged, back.mem.plugged, sizeof(image.mem.plugged)));
	CHECK_EQ("what is to be", 2 * MEMORY_BLOCK, back.mem.requested);
	ASSERT_EQ(memory_create(&other, FAKE_MEMORY, more), 0);
	CHECK_EQ("blocks", 2, load(fd, &other));
	CHECK_EQ("from the start", 0x11, *(u8 *)memory_at(&other, FAKE_MEMORY - 1, 1));
	CHECK_EQ("plugged", 0, memcmp(memory_at(&memory, plugged, 4096), memory_at(&other, plugged, 4096), 4096));
	CHECK_EQ("not plugged", 0, *(u8 *)memory_at(&other, unplugged, 1));
	state_image_free(&back);
	memset(&back, 0, sizeof(back));
	ASSERT(state_open(&reader, fd, &error), "%s", error.text);
	lazy = state_lazy_open(&reader, &back, &error);
	ASSERT(lazy, "%s", error.text);
	CHECK_EQ("blocks of the index", 2, state_lazy_count(lazy));
	CHECK_EQ("the last", plugged - 4096, state_lazy_address(lazy, 1));
	state_lazy_free(lazy);
	state_close(&reader);
	state_image_free(&image);
	state_image_free(&back);
	memory_destroy(&memory);
	memory_destroy(&other);
	close(fd);
}

/* A sink that takes nothing, as a disk that is full. */
static void test_full(void)
{
	struct state_image image;
	struct memory memory;
	struct state_error error = { "" };
	struct state_writer writer;
	int full = open("/dev/full", O_WRONLY);

	close(make(&image, &memory));
	ASSERT_GE(full, 0);
	CHECK_EQ("written", 0, state_begin(&writer, full, NULL, &error));
	CHECK_EQ("why", 0, strcmp(error.text, "cannot write: No space left on device"));
	state_image_free(&image);
	memory_destroy(&memory);
	close(full);
}

#define TAKES_NOTHING_S	2	/* the reader of a pipe */

static bool has_asked;

/* Whoever wanted the stream has gone. */
static bool on_wait(void *argument, u64 done, u64 all)
{
	(void)argument;
	(void)done;
	(void)all;
	has_asked = true;
	return false;
}

/* Reads in the end, so that a writer that waits for that tells so, and does not wait for ever. */
static void *read_late(void *pipe)
{
	u8 bytes[4096];

	sleep(TAKES_NOTHING_S);
	while (read(*(int *)pipe, bytes, sizeof(bytes)) > 0)
		;
	return NULL;
}

/* A pipe that nobody reads is no place to wait at, once nobody wants what is written. */
static void test_pipe(void)
{
	static const u8 payload[256 << 10];
	static const struct {
		const char *name;
		bool is_full;	/* before it begins */
	} rows[] = { { "a full one", true }, { "one that is full soon", false } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct state_memory_watch watch = { on_wait, NULL };
		struct state_error error = { "" };
		struct state_writer writer;
		pthread_t reads;
		int ends[2];

		ASSERT_EQ(pipe2(ends, O_NONBLOCK), 0);
		while (rows[i].is_full && write(ends[1], payload, 4096) > 0)
			;
		for (int e = 0; e < 2; e++)
			ASSERT_EQ(fcntl(ends[e], F_SETFL, 0), 0);
		ASSERT_EQ(pthread_create(&reads, NULL, read_late, &ends[0]), 0);
		has_asked = false;
		CHECK_EQ(rows[i].name, 0, state_begin(&writer, ends[1], &watch, &error) &&
			 state_put(&writer, "x", 0, 1, 0, payload, sizeof(payload), &error));
		CHECK_EQ("asked", 1, has_asked);
		CHECK_EQ("why", 0, strcmp(error.text, "given up"));
		close(ends[1]);
		ASSERT_EQ(pthread_join(reads, NULL), 0);
		close(ends[0]);
	}
}

struct asked {
	u64 last;
	bool gives_up;
};

static bool on_progress(void *argument, u64 done, u64 all)
{
	struct asked *asked = argument;

	ASSERT(done > asked->last && done <= all && all == FAKE_MEMORY, "progress %llu behind %llu",
	       (unsigned long long)done, (unsigned long long)asked->last);
	asked->last = done;
	return !asked->gives_up || done < 4 << 20;
}

static void test_progress(void)
{
	struct state_image image;
	struct memory memory;
	struct asked asked = { 0, false };
	struct state_memory_watch watch = { on_progress, &asked };
	struct state_error error = { "" };
	struct state_writer writer = { .fd = fake_file() };

	close(make(&image, &memory));
	CHECK_EQ("written", 1, state_memory_write(&memory, &writer, &watch, &error));
	CHECK_EQ("all of it", FAKE_MEMORY, asked.last);
	asked = (struct asked){ 0, true };
	CHECK_EQ("given up", 0, state_memory_write(&memory, &writer, &watch, &error));
	CHECK_EQ("why", 0, strcmp(error.text, "given up"));
	CHECK_EQ("at once", 4 << 20, asked.last);
	state_image_free(&image);
	memory_destroy(&memory);
	close(writer.fd);
}

/* Cut off anywhere: never taken, always with a reason. */
static void test_cut_off(void)
{
	struct state_image image, back;
	struct memory memory;
	struct state_error error;
	int fd = make(&image, &memory);
	off_t size = lseek(fd, 0, SEEK_END);
	u64 random = 4;

	for (unsigned int i = 0; i < 200; i++) {
		off_t at = i < 100 ? (off_t)i : (off_t)(xorshift(&random) % (u64)size);

		if (i >= 150)
			at = size - 1 - (off_t)(xorshift(&random) % 100);
		int cut = fake_file();
		u8 *bytes = malloc((size_t)at + 1);

		ASSERT_EQ(pread(fd, bytes, (size_t)at, 0), at);
		ASSERT_EQ(write(cut, bytes, (size_t)at), at);
		ASSERT(!fake_read(cut, &back, &error) && error.text[0], "taken at %lld of %lld", (long long)at,
		       (long long)size);
		state_image_free(&back);
		free(bytes);
		close(cut);
	}
	state_image_free(&image);
	memory_destroy(&memory);
	close(fd);
}

/* Each byte of the heads, and many of the payloads: a flipped bit is noticed. */
static void test_flipped(void)
{
	struct state_image image, back;
	struct memory memory;
	struct state_error error;
	int fd = make(&image, &memory);
	off_t size = lseek(fd, 0, SEEK_END);
	u64 random = 5;

	for (unsigned int i = 0; i < 400; i++) {
		off_t at = i < 104 ? (off_t)i : (off_t)(xorshift(&random) % (u64)size);
		u8 byte, flipped;

		ASSERT_EQ(pread(fd, &byte, 1, at), 1);
		flipped = byte ^ (u8)(1 << (xorshift(&random) & 7));
		ASSERT_EQ(pwrite(fd, &flipped, 1, at), 1);
		ASSERT(!fake_read(fd, &back, &error) && error.text[0], "taken with another byte at %lld", (long long)at);
		state_image_free(&back);
		ASSERT_EQ(pwrite(fd, &byte, 1, at), 1);
	}
	if (!fake_read(fd, &back, &error))
		FAIL("the untouched one: %s", error.text);
	state_image_free(&back);
	state_image_free(&image);
	memory_destroy(&memory);
	close(fd);
}

/* ---- what is put together wrongly, with checksums that are right ---- */

static struct state_block *block_of(unsigned int index)
{
	return (struct state_block *)pieces_find(&pieces, STATE_MEMORY, index)->payload;
}

static void header_magic(void) { pieces.header.magic[0] = 'K'; }
static void header_order(void) { pieces.header.byte_order = 0x0d0c0b0a; }
static void header_checksum(void) { pieces.header.checksum ^= 1; }

static void header_version(void)
{
	pieces.header.version = 2;
	pieces.header.checksum = state_checksum(&pieces.header, offsetof(struct state_header, checksum));
}

static void insert(unsigned int at, const char *name, u16 flags, u32 instance)
{
	struct state_section section;

	state_section_make(&section, name, instance, 1, flags, "", 0);
	pieces_insert(&pieces, at, &section, calloc(1, 8));
}

static void unknown_needed(void) { insert(3, "hologram", STATE_NEEDED, 7); }
static void unknown_optional(void) { insert(3, "hologram", 0, 7); }
static void unknown_raw(void) { insert(3, "hologram", STATE_RAW, 7); }
static void unknown_flags(void) { insert(3, "hologram", 4, 7); }
static void no_name(void) { insert(3, "", 0, 0); }
static void odd_name(void) { insert(3, "a b", 0, 0); }
static void one_too_many(void) { insert(3, "vcpu", STATE_NEEDED, FAKE_CPUS); }
static void no_machine(void) { pieces_remove(&pieces, 0); }

static void nothing(void)
{
	while (pieces.count)
		pieces_remove(&pieces, 0);
}

static void remove_named(const char *name, u32 instance)
{
	pieces_remove(&pieces, (unsigned int)(pieces_find(&pieces, name, instance) - pieces.list));
}

static void no_vcpu(void) { remove_named("vcpu", 1); }
static void no_serial(void) { remove_named("serial", 0); }
static void no_disk(void) { remove_named("virtio-blk", 0); }

static void twice(void)
{
	struct piece piece = *pieces_find(&pieces, "rtc", 0);
	u8 *copy = malloc(piece.section.length);

	memcpy(copy, piece.payload, piece.section.length);
	pieces_insert(&pieces, 9, &piece.section, copy);
}

static void machine_later(void)
{
	struct piece piece = pieces.list[0];

	pieces.list[0] = pieces.list[1];
	pieces.list[1] = piece;
}

static void newer_section(void) { pieces_find(&pieces, "pit", 0)->section.version = 2; }
static void raw_section(void) { pieces_find(&pieces, "pit", 0)->section.flags |= STATE_RAW; }

/* Put @value where the field @name of a section has its number @index. */
static void set_field(const char *section, const char *name, size_t index, u64 value)
{
	struct piece *piece = pieces_find(&pieces, section, 0);
	struct state_cursor cursor = { piece->payload, piece->section.length };
	struct state_error error = { "" };
	struct state_field field;

	while (state_field_next(&cursor, &field, &error)) {
		if (!strcmp(field.name, name)) {
			memcpy((u8 *)field.value + 8 * index, &value, 8);
			return;
		}
	}
	FAIL("no field %s", name);
}

static void no_cpus(void) { set_field("machine", "cpus", 0, 0); }
static void many_cpus(void) { set_field("machine", "cpus", 0, 255); }
static void more_cpus(void) { set_field("machine", "cpus", 0, 3); }
static void many_disks(void) { set_field("machine", "disks", 0, 17); }
static void odd_memory(void) { set_field("machine", "memory", 0, FAKE_MEMORY + 1); }
static void huge_memory(void) { set_field("machine", "memory", 0, 1ULL << 41); }
static void half_plug(void) { set_field("machine", "pluggable_bytes", 0, 1 << 20); }
static void huge_plug(void) { set_field("machine", "pluggable_bytes", 0, 1ULL << 40); }
static void stray_plug(void) { set_field("machine", "pluggable_bytes", 0, 2 << 20); }
static void other_slots(void) { set_field("machine", "slots(address,size)", 0, 4096); }
static void fifo_head(void) { set_field("serial", "head", 0, 16); }
static void fifo_used(void) { set_field("serial", "used", 0, 17); }
static void rtc_year(void) { set_field("rtc", "frozen.year", 0, 1 << 30); }
static void rtc_offset(void) { set_field("rtc", "offset_s", 0, 1ULL << 62); }
static void rtc_index(void) { set_field("rtc", "index", 0, 200); }
static void odd_message(void) { set_field("virtio-blk", "messages(address,data,control)", 0, 1); }
static void more_accepted(void) { set_field("virtio-rng", "features", 0, 0); }
static void odd_queue(void) { set_field("virtio-rng", "queues(size,vector,is_enabled,is_broken,descriptors,available,used,"
					   "next_available,next_used,signalled)", 2, 2); }

static void odd_balloon(void) { set_field("virtio-balloon", "target_bytes", 0, 4095); }
static void far_balloon(void) { set_field("virtio-balloon", "target_bytes", 0, 1ULL << 45); }
static void balloon_features(void) { set_field("virtio-balloon", "features", 0, 0); }
static void two_balloons(void) { set_field("machine", "has_balloon", 0, 2); }
static void no_balloon(void) { pieces_remove(&pieces, (unsigned int)(pieces_find(&pieces, "virtio-balloon", 0) - pieces.list)); }
static void console_features(void) { set_field("virtio-console", "features", 0, 0); }
static void two_consoles(void) { set_field("machine", "has_virtio_console", 0, 2); }
static void no_console(void) { pieces_remove(&pieces, (unsigned int)(pieces_find(&pieces, "virtio-console", 0) - pieces.list)); }
static void stray_console(void) { set_field("machine", "has_virtio_console", 0, 0); }
static void stray_balloon(void) { set_field("machine", "has_balloon", 0, 0); }
static void old_machine(void) { pieces_find(&pieces, "machine", 0)->section.version = 1; }
static void newer_machine(void) { pieces_find(&pieces, "machine", 0)->section.version = 7; }

static void block_unaligned(void) { block_of(0)->address = 4096; }
static void block_twice(void) { block_of(1)->address = block_of(0)->address; }
static void block_back(void) { block_of(3)->address = 0; }
static void block_far(void) { block_of(3)->address = 1ULL << 60; }
static void block_empty(void) { memset(block_of(0)->map, 0, 32); }
static void block_in_hole(void) { block_of(0)->map[0xa0 / 8] |= 1; }
static void block_outside(void) { block_of(3)->address = FAKE_MEMORY; }
static void block_encoding(void) { block_of(0)->encoding = 2; }
static void block_length(void) { block_of(0)->length += 8; }
static void block_plain(void) { block_of(0)->encoding = STATE_PLAIN; }
static void block_version(void) { pieces_find(&pieces, STATE_MEMORY, 0)->section.version = 2; }
static void block_fields(void) { pieces_find(&pieces, STATE_MEMORY, 0)->section.flags = STATE_NEEDED; }
static void block_short(void) { pieces_find(&pieces, STATE_MEMORY, 0)->section.length = 40; }
static void block_number(void) { pieces_find(&pieces, STATE_MEMORY, 2)->section.instance = 1; }

static void memory_first(void)
{
	struct piece piece = *pieces_find(&pieces, STATE_MEMORY, 0);

	memmove(&pieces.list[1], &pieces.list[0], (size_t)(pieces_find(&pieces, STATE_MEMORY, 0) - pieces.list) *
		sizeof(pieces.list[0]));
	pieces.list[0] = piece;
}

static const struct {
	const char *name;
	void (*change)(void);
	const char *wanted;	/* NULL: taken */
} changes[] = {
	{ "another magic", header_magic, "not a saved VM" },
	{ "another byte order", header_order, "byte order" },
	{ "a damaged header", header_checksum, "the header's checksum is wrong" },
	{ "a later format", header_version, "format version 2, and this program reads version 1" },
	{ "an unknown section that is needed", unknown_needed, "section 'hologram' 7 is needed" },
	{ "an unknown one that is not", unknown_optional, NULL },
	{ "without fields", unknown_raw, NULL },
	{ "with unknown flags", unknown_flags, "section 'hologram' 7 has flags 0x4" },
	{ "no name", no_name, "a section without a proper name" },
	{ "a name with a space", odd_name, "a section without a proper name" },
	{ "a vCPU too many", one_too_many, "section 'vcpu' 2 is one more" },
	{ "no machine", no_machine, "comes before the section 'machine'" },
	{ "nothing at all", nothing, "section 'machine' is missing" },
	{ "no vCPU", no_vcpu, "section 'vcpu' 1 is missing" },
	{ "no serial port", no_serial, "section 'serial' 0 is missing" },
	{ "no disk", no_disk, "section 'virtio-blk' 0 is missing" },
	{ "two clocks", twice, "section 'rtc' 0 is there twice" },
	{ "machine not first", machine_later, "section 'pci' 0 comes before" },
	{ "a later section", newer_section, "section 'pit' 0 is of version 2, and this program knows 1" },
	{ "a raw section", raw_section, "section 'pit' 0 has no fields" },
	{ "no vCPUs", no_cpus, "has 0 vCPUs" },
	{ "255 vCPUs", many_cpus, "has 255 vCPUs" },
	{ "three vCPUs", more_cpus, "section 'vcpu' 2 is missing" },
	{ "17 disks", many_disks, "has 17 disks" },
	{ "odd memory", odd_memory, "bytes of memory" },
	{ "too much memory", huge_memory, "bytes of memory" },
	{ "other slots", other_slots, "has its memory at other places" },
	{ "head of the FIFO", fifo_head, "section 'serial' 0 has a FIFO" },
	{ "fill of the FIFO", fifo_used, "section 'serial' 0 has a FIFO" },
	{ "a year", rtc_year, "section 'rtc' 0 has a time" },
	{ "an offset", rtc_offset, "section 'rtc' 0 has an 'offset_s'" },
	{ "an index", rtc_index, "section 'rtc' 0 has an 'index'" },
	{ "an odd message", odd_message, "section 'virtio-blk' 0 has a message" },
	{ "features nobody offered", more_accepted, "section 'virtio-rng' 0 has a driver" },
	{ "a queue's flag", odd_queue, "section 'virtio-rng' 0 has a field 'queues(" },
	{ "half a block that can be plugged", half_plug, "section 'machine' 0 has 1048576 bytes of memory that can be plugged" },
	{ "more than there can be", huge_plug, "section 'machine' 0 has 1099511627776 bytes of memory that can be plugged" },
	{ "memory that can be plugged, and no place for it", stray_plug, "section 'machine' 0 has its memory at other places" },
	{ "half a page of a balloon", odd_balloon, "section 'virtio-balloon' 0 asks for 4095 bytes" },
	{ "too large a balloon", far_balloon, "section 'virtio-balloon' 0 asks for" },
	{ "a balloon's features", balloon_features, "section 'virtio-balloon' 0 has a driver" },
	{ "two balloons", two_balloons, "section 'machine' 0 has a field 'has_balloon'" },
	{ "no balloon", no_balloon, "section 'virtio-balloon' 0 is missing" },
	{ "a balloon that should not be", stray_balloon, "section 'virtio-balloon' 0 is one more" },
	{ "a console's features", console_features, "section 'virtio-console' 0 has a driver" },
	{ "two consoles", two_consoles, "section 'machine' 0 has a field 'has_virtio_console'" },
	{ "no console", no_console, "section 'virtio-console' 0 is missing" },
	{ "a console that should not be", stray_console, "section 'virtio-console' 0 is one more" },
	{ "a field that its version has, too", old_machine, NULL },
	{ "a later machine", newer_machine, "section 'machine' 0 is of version 7, and this program knows 6" },
	{ "a block not at its place", block_unaligned, "section 'memory' 0 is for 0x1000" },
	{ "a block twice", block_twice, "section 'memory' 1 is for" },
	{ "blocks out of order", block_back, "section 'memory' 3 is for 0" },
	{ "a block's number twice", block_number, "section 'memory' 1 is not the block that should follow, number 2" },
	{ "a block far away", block_far, "section 'memory' 3 is for" },
	{ "no pages", block_empty, "section 'memory' 0 does not have the pages" },
	{ "a page in the hole", block_in_hole, "section 'memory' 0 has a page at 0xa0000" },
	{ "a page behind memory", block_outside, "section 'memory' 3 has a page at" },
	{ "an encoding", block_encoding, "section 'memory' 0 has encoding 2" },
	{ "a block's length", block_length, "section 'memory' 0 is not as long" },
	{ "not packed after all", block_plain, "section 'memory' 0 does not have the pages" },
	{ "a later block", block_version, "section 'memory' 0 is of version 2" },
	{ "a block with fields", block_fields, "section 'memory' 0 is no block" },
	{ "a short block", block_short, "section 'memory' 0 is no block" },
	{ "memory first", memory_first, "section 'memory' comes before" },
};

static void test_refusals(void)
{
	struct state_image image, back;
	struct memory memory;
	struct state_error error;
	int fd = make(&image, &memory);

	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		pieces_read(&pieces, fd);
		changes[i].change();

		int changed = pieces_write(&pieces);
		bool is_taken = fake_read(changed, &back, &error);

		CHECK_EQ(changes[i].name, !changes[i].wanted, is_taken);
		if (changes[i].wanted && !strstr(error.text, changes[i].wanted))
			FAIL("%s: wanted '%s', got '%s'", changes[i].name, changes[i].wanted, error.text);
		state_image_free(&back);
		close(changed);
		pieces_free(&pieces);
	}
	state_image_free(&image);
	memory_destroy(&memory);
	close(fd);
}

/* Behind the end, and an end that has counted something else. */
static void test_end(void)
{
	struct state_image image, back;
	struct memory memory;
	struct state_error error;
	int fd = make(&image, &memory);

	ASSERT_EQ(pwrite(fd, "x", 1, lseek(fd, 0, SEEK_END)), 1);
	CHECK_EQ("a byte more", 0, fake_read(fd, &back, &error));
	CHECK_EQ("why", 0, strcmp(error.text, "something follows behind the end"));
	state_image_free(&back);

	pieces_read(&pieces, make(&image, &memory));
	struct state_writer writer = { .fd = pieces_write(&pieces) };

	/* The end again, of a writer that has written nothing, in the place of the right one. */
	off_t size = lseek(writer.fd, 0, SEEK_END);
	struct state_writer probe = { .fd = fake_file() };

	ASSERT(state_end(&probe, &error), "%s", error.text);
	ASSERT_EQ(lseek(writer.fd, size - (off_t)probe.written, SEEK_SET), size - (off_t)probe.written);
	ASSERT(state_end(&writer, &error), "%s", error.text);
	CHECK_EQ("sections are missing", 0, fake_read(writer.fd, &back, &error));
	CHECK_EQ("why", 1, !!strstr(error.text, "sections, and should be 0"));
	state_image_free(&back);
	pieces_free(&pieces);
}

/* Read twice, and another file with its name the second time: each of them right, but not by the same machine. */
static void test_changed(void)
{
	struct state_image image, back = { 0 };
	struct state_error error = { "" };
	struct state_reader reader;
	struct state_section section;
	struct memory memory;
	const u8 *payload;
	u8 *bytes;
	int fd = make(&image, &memory), other;

	ASSERT(state_open(&reader, fd, &error) && state_image_read(&back, &reader, &error), "%s", error.text);
	state_rewind(&reader);
	while (state_next(&reader, &section, &payload, &error))
		;
	CHECK_EQ("the same again", 0, error.text[0]);

	pieces_read(&pieces, fd);
	block_of(0)->map[0] ^= 6;	/* a page is somewhere else */
	other = pieces_write(&pieces);
	bytes = malloc(reader.size);
	ASSERT_EQ(pread(other, bytes, reader.size, 0), (s64)reader.size);
	ASSERT_EQ(pwrite(fd, bytes, reader.size, 0), (s64)reader.size);
	free(bytes);
	state_rewind(&reader);
	while (state_next(&reader, &section, &payload, &error))
		;
	if (strcmp(error.text, "the file has changed since it was first read"))
		FAIL("changed: got '%s'", error.text);
	state_close(&reader);
	state_image_free(&back);
	pieces_free(&pieces);
	close(fd);
	close(other);
}

/* What passes for a block but does not unpack to it. */
static void test_unpacking(void)
{
	static const struct {
		const char *name;
		size_t packed;		/* bytes of zeros in a frame; 0: no frame at all */
		unsigned int frames;
		bool is_good;
	} rows[] = {
		{ "no frame", 0, 1, false },
		{ "two pages", 2 * 4096, 1, true },
		{ "a page too few", 4096, 1, false },
		{ "a page too many", 3 * 4096, 1, false },
		{ "two frames", 4096, 2, false },
		{ "a bomb", 512 << 20, 1, false },
	};
	struct state_unpacker *unpacker = state_unpacker_new();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t room = 2 * ZSTD_compressBound(rows[i].packed) + 64;
		u8 *payload = calloc(1, sizeof(struct state_block) + room);
		struct state_block *block = (void *)payload;
		struct state_error error = { "" };
		struct state_section section;
		void *zeros = calloc(1, rows[i].packed + 1);

		*block = (struct state_block){ .encoding = STATE_ZSTD, .length = 64, .map = { 3 } };
		for (unsigned int f = 0; rows[i].packed && f < rows[i].frames; f++) {
			block->length = f ? block->length : 0;
			block->length += (u32)ZSTD_compress((u8 *)(block + 1) + block->length, room - block->length, zeros,
							    rows[i].packed, 1);
		}
		state_section_make(&section, STATE_MEMORY, 0, 1, STATE_NEEDED | STATE_RAW, payload,
				   sizeof(*block) + state_pad(block->length));
		CHECK_EQ(rows[i].name, rows[i].is_good, !!state_unpack(unpacker, &section, payload, &error));
		CHECK_EQ(rows[i].name, !rows[i].is_good, !!strstr(error.text, "does not unpack"));
		free(zeros);
		free(payload);
	}
	state_unpacker_free(unpacker);
}

static const struct test_case cases[] = {
	{ "whole", test_whole },
	{ "pluggable", test_pluggable },
	{ "full", test_full },
	{ "pipe", test_pipe },
	{ "progress", test_progress },
	{ "cut_off", test_cut_off },
	{ "flipped", test_flipped },
	{ "refusals", test_refusals },
	{ "end", test_end },
	{ "changed", test_changed },
	{ "unpacking", test_unpacking },
};

TEST_MAIN(cases)
