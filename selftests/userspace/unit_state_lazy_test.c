// SPDX-License-Identifier: GPL-2.0-only
/* Saved machines that are read by their index: all but memory is there at once, each block is what was saved, or is refused with the reason. */
#include <fcntl.h>

#include "fake_state.h"
#include "userspace/state_lazy.h"

#define BLOCKS	4	/* that fake_memory() has */

static struct pieces pieces;
static struct state_image image;
static struct memory memory;

/* A file with an index. */
static int make(void)
{
	u64 random = 3;
	int fd = fake_file();

	fake_image(&image, &random);
	fake_memory(&memory, &random);
	fake_write_index(fd, &image, &memory);
	return fd;
}

static void unmake(int fd)
{
	state_image_free(&image);
	memory_destroy(&memory);
	close(fd);
}

/* Return: NULL with @error, or without one if there is no index. */
static struct state_lazy *open_lazy(int fd, struct state_image *back, struct state_error *error)
{
	struct state_lazy *lazy = NULL;
	struct state_reader reader;

	memset(back, 0, sizeof(*back));
	memset(error, 0, sizeof(*error));
	if (state_open(&reader, fd, error))
		lazy = state_lazy_open(&reader, back, error);
	state_close(&reader);
	return lazy;
}

static void check_block(struct state_lazy *lazy, u32 n)
{
	struct state_error error = { "" };
	struct state_block block;
	const u8 *pages = state_lazy_load(lazy, n, &block, &error);

	if (!pages)
		FAIL("block %u: %s", n, error.text);
	CHECK_EQ("where it is", state_lazy_address(lazy, n), block.address);
	for (unsigned int page = 0; page < STATE_BLOCK_PAGES; page++) {
		const u8 *from = memory_at(&memory, block.address + page * STATE_PAGE, STATE_PAGE);

		if (!from)
			CHECK_EQ("no memory, no page", 0, state_block_has(&block, page));
		else if (!state_block_has(&block, page))
			CHECK_EQ("a page that is not here", 1, memory_is_zero(from, STATE_PAGE));
		else
			CHECK_EQ("a page", 0, memcmp(from, pages, STATE_PAGE));
		pages += state_block_has(&block, page) ? STATE_PAGE : 0;
	}
}

static void test_whole(void)
{
	struct state_error error;
	struct state_image back;
	int fd = make();
	struct state_lazy *lazy = open_lazy(fd, &back, &error);

	ASSERT(lazy, "%s", error.text);
	CHECK_EQ("vCPUs", FAKE_CPUS, back.machine.cpus);
	CHECK_EQ("a part of it", 0, memcmp(&image.vcpus[1].regs, &back.vcpus[1].regs, sizeof(back.vcpus[1].regs)));
	CHECK_EQ("blocks", BLOCKS, state_lazy_count(lazy));
	CHECK_EQ("the first", 0, state_lazy_find(lazy, 0));
	CHECK_EQ("the third", 2, state_lazy_find(lazy, 0x800000));
	CHECK_EQ("none", BLOCKS, state_lazy_find(lazy, 0x900000));
	CHECK_EQ("none behind", BLOCKS, state_lazy_find(lazy, 1ULL << 40));
	for (u32 n = BLOCKS; n-- > 0;)
		check_block(lazy, n);
	check_block(lazy, 2);
	state_lazy_free(lazy);
	state_image_free(&back);
	if (!fake_read(fd, &back, &error))
		FAIL("read as a whole: %s", error.text);
	state_image_free(&back);
	unmake(fd);
}

/* One of before, and one on its way. */
static void test_without(void)
{
	u64 random = 3;
	struct state_error error;
	struct state_image back;
	int fd = fake_file();

	fake_image(&image, &random);
	fake_memory(&memory, &random);
	fake_write(fd, &image, &memory);
	CHECK_EQ("without an index", 1, !open_lazy(fd, &back, &error));
	CHECK_EQ("which is no fault", 0, strlen(error.text));
	state_image_free(&back);
	unmake(fd);
}

/* Nothing at all is to be filled. */
static void test_empty(void)
{
	u64 random = 3;
	struct state_error error;
	struct state_image back;
	struct state_lazy *lazy;
	int fd = fake_file();

	fake_image(&image, &random);
	ASSERT_EQ(memory_create(&memory, FAKE_MEMORY, 0), 0);
	fake_write_index(fd, &image, &memory);
	lazy = open_lazy(fd, &back, &error);
	ASSERT(lazy, "%s", error.text);
	CHECK_EQ("blocks", 0, state_lazy_count(lazy));
	CHECK_EQ("none", 0, state_lazy_find(lazy, 0));
	state_lazy_free(lazy);
	state_image_free(&back);
	unmake(fd);
}

/* ---- what happens to the file ---- */

static u64 block_at[BLOCKS + 1];	/* the last: the index */

static void find_blocks(int fd)
{
	struct state_error error = { "" };
	struct state_section section;
	struct state_reader reader;
	const u8 *payload;

	ASSERT(state_open(&reader, fd, &error), "%s", error.text);
	while (state_next(&reader, &section, &payload, &error)) {
		u64 at = reader.at - sizeof(section) - section.length;

		if (!strcmp(section.name, STATE_MEMORY))
			block_at[section.instance] = at;
		if (!strcmp(section.name, STATE_INDEX))
			block_at[BLOCKS] = at;
	}
	ASSERT(!error.text[0], "%s", error.text);
	state_close(&reader);
}

static void flip(int fd, u64 at)
{
	u8 byte;

	ASSERT_EQ(pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= 4;
	ASSERT_EQ(pwrite(fd, &byte, 1, (off_t)at), 1);
}

/* The head of the first in the place of the second's: its own checksum is right. */
static void another_block(int fd)
{
	struct state_section section;

	ASSERT_EQ(pread(fd, &section, sizeof(section), (off_t)block_at[0]), (int)sizeof(section));
	ASSERT_EQ(pwrite(fd, &section, sizeof(section), (off_t)block_at[1]), (int)sizeof(section));
}

static void flip_head(int fd) { flip(fd, block_at[1] + 16); }
static void flip_payload(int fd) { flip(fd, block_at[1] + sizeof(struct state_section) + sizeof(struct state_block) + 5); }
static void flip_map(int fd) { flip(fd, block_at[1] + sizeof(struct state_section) + 20); }
static void cut(int fd) { ASSERT_EQ(ftruncate(fd, (off_t)block_at[1] + 50), 0); }
static void empty(int fd) { ASSERT_EQ(ftruncate(fd, 0), 0); }

/* None of memory is read before it is asked for; then each of these is noticed. */
static void test_damaged(void)
{
	static const struct {
		const char *name;
		void (*damage)(int fd);
		bool is_known_at_once;	/* as it is no file of that length */
		const char *wanted;
	} rows[] = {
		{ "a bit of a head", flip_head, false, "block 1 of memory is not what it was" },
		{ "a bit of a payload", flip_payload, false, "the checksum of section 'memory' 1 is wrong" },
		{ "a bit of a map", flip_map, false, "the checksum of section 'memory' 1 is wrong" },
		{ "another block in its place", another_block, false, "block 1 of memory is not what it was" },
		{ "cut off", cut, true, "the file has become shorter" },
		{ "emptied", empty, true, "the file has become shorter" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct state_error error;
		struct state_image back;
		struct state_block block;
		struct state_lazy *lazy;
		int fd = make();

		find_blocks(fd);
		if (!rows[i].is_known_at_once)
			rows[i].damage(fd);
		lazy = open_lazy(fd, &back, &error);
		if (!lazy)
			FAIL("%s: %s", rows[i].name, error.text);
		if (rows[i].is_known_at_once)
			rows[i].damage(fd);
		else
			check_block(lazy, 0);
		CHECK_EQ(rows[i].name, 1, !state_lazy_load(lazy, 1, &block, &error));
		if (!strstr(error.text, rows[i].wanted))
			FAIL("%s: wanted '%s', got '%s'", rows[i].name, rows[i].wanted, error.text);
		state_lazy_free(lazy);
		state_image_free(&back);
		unmake(fd);
	}
}

/* A bit of the index, or of what is read at once, or of the end: refused before anything is made of it. */
static void test_flipped(void)
{
	struct state_error error;
	struct state_image back;
	int fd = make();
	u64 size = (u64)lseek(fd, 0, SEEK_END), random = 9;

	find_blocks(fd);
	for (unsigned int i = 0; i < 400; i++) {
		u64 at = i < 200 ? xorshift(&random) % block_at[0] :
			 block_at[BLOCKS] + xorshift(&random) % (size - block_at[BLOCKS]);
		struct state_lazy *lazy;

		flip(fd, at);
		lazy = open_lazy(fd, &back, &error);
		/* An end that is none has no index: it is read as a whole then, and refused by that. */
		ASSERT(!lazy && (error.text[0] || !fake_read(fd, &back, &error)), "taken with another byte at %llu", (unsigned long long)at);
		state_image_free(&back);
		flip(fd, at);
	}
	unmake(fd);
}

/* ---- what is put together wrongly, with checksums that are right ---- */

static struct state_index_row *row_of(unsigned int n)
{
	return (struct state_index_row *)pieces_find(&pieces, STATE_INDEX, 0)->payload + n;
}

static void insert_before(const char *name, u32 instance, u16 flags)
{
	struct state_section section;

	state_section_make(&section, "hologram", 7, 1, flags, "", 0);
	pieces_insert(&pieces, (unsigned int)(pieces_find(&pieces, name, instance) - pieces.list), &section, calloc(1, 8));
}

static void insert_behind(u16 flags)
{
	struct state_section section;

	state_section_make(&section, "hologram", 7, 1, flags, "", 0);
	pieces_insert(&pieces, pieces.count, &section, calloc(1, 8));
}

static void row_unaligned(void) { row_of(1)->address += 4096; }
static void row_twice(void) { row_of(1)->address = row_of(0)->address; }
static void row_far(void) { row_of(3)->address = 1ULL << 60; }
static void row_odd(void) { row_of(1)->length += 1; }
static void row_long(void) { row_of(1)->length += 8; }
static void row_huge(void) { row_of(1)->length = STATE_PAYLOAD_MAX + 8; }
static void row_short(void) { row_of(1)->length = 0; }
static void row_missing(void) { pieces_find(&pieces, STATE_INDEX, 0)->section.length -= 16; }
static void half_a_row(void) { pieces_find(&pieces, STATE_INDEX, 0)->section.length -= 8; }
static void no_rows(void) { pieces_find(&pieces, STATE_INDEX, 0)->section.length = 0; }
static void newer_index(void) { pieces_find(&pieces, STATE_INDEX, 0)->section.version = 2; }
static void fields_index(void) { pieces_find(&pieces, STATE_INDEX, 0)->section.flags = 0; }
static void second_index(void) { pieces_find(&pieces, STATE_INDEX, 0)->section.instance = 1; }
static void between(void) { insert_before(STATE_MEMORY, 2, 0); }
static void before_index(void) { insert_before(STATE_INDEX, 0, 0); }
static void behind_index(void) { insert_behind(0); }
static void before_memory(void) { insert_before(STATE_MEMORY, 0, 0); }
static void round_between(void) { insert_before(STATE_MEMORY, 2, STATE_NEEDED); }
static void no_pit(void) { pieces_remove(&pieces, (unsigned int)(pieces_find(&pieces, "pit", 0) - pieces.list)); }

static const struct {
	const char *name;
	void (*change)(void);
	const char *wanted;	/* NULL: taken */
	bool is_whole_taken;	/* if it is read as a whole */
} changes[] = {
	{ "a section before memory", before_memory, NULL, true },
	{ "a row between blocks", row_unaligned, "for 0x301000, where none can follow", false },
	{ "a row twice", row_twice, "where none can follow", false },
	{ "a row far away", row_far, "where none can follow", false },
	{ "an odd length", row_odd, "has a block of", false },
	{ "another length", row_long, "is not that of the blocks", false },
	{ "too long", row_huge, "has a block of 2097160 bytes", false },
	{ "no length", row_short, "has a block of 0 bytes", false },
	{ "a row is missing", row_missing, "is not that of the blocks", false },
	{ "half a row", half_a_row, "'index' 0 is no index", false },
	{ "no row", no_rows, "'index' 0 is no index", false },
	{ "a newer index", newer_index, "'index' 0 is of version 2, and this program knows 1", false },
	{ "an index with fields", fields_index, "'index' 0 is no index", false },
	{ "the second one first", second_index, "'index' 1 is not the one that should follow, number 0", false },
	{ "a section between blocks", between, "is not that of the blocks", true },
	{ "a section before the index", before_index, "is not that of the blocks", true },
	{ "a section behind it", behind_index, "'hologram' 7 stands behind the index", true },
	{ "a needed one between blocks", round_between, "is not that of the blocks", false },
	{ "a device is missing", no_pit, "section 'pit' 0 is missing", false },
};

static void test_changes(void)
{
	int fd = make();

	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		struct state_error error, other;
		struct state_image back;
		struct state_lazy *lazy;
		int changed;

		pieces_read(&pieces, fd);
		changes[i].change();
		changed = pieces_write(&pieces);
		lazy = open_lazy(changed, &back, &error);
		CHECK_EQ(changes[i].name, !changes[i].wanted, !!lazy);
		if (changes[i].wanted && !strstr(error.text, changes[i].wanted))
			FAIL("%s: wanted '%s', got '%s'", changes[i].name, changes[i].wanted, error.text);
		state_lazy_free(lazy);
		state_image_free(&back);
		CHECK_EQ("as a whole", changes[i].is_whole_taken, fake_read(changed, &back, &other));
		state_image_free(&back);
		close(changed);
		pieces_free(&pieces);
	}
	unmake(fd);
}

/* The index is right, and a block of it is one that no machine of this size has. */
static void test_block(void)
{
	struct state_error error;
	struct state_image back;
	struct state_block block;
	struct state_section *section;
	struct state_lazy *lazy;
	struct piece *piece;
	int fd = make(), changed;

	pieces_read(&pieces, fd);
	piece = pieces_find(&pieces, STATE_MEMORY, 0);
	((struct state_block *)piece->payload)->map[0xa0 / 8] |= 1;
	section = &piece->section;
	section->payload_checksum = state_checksum(piece->payload, section->length);
	section->checksum = state_checksum(section, offsetof(struct state_section, checksum));
	row_of(0)->checksum = section->checksum;
	changed = pieces_write(&pieces);
	lazy = open_lazy(changed, &back, &error);
	ASSERT(lazy, "%s", error.text);
	CHECK_EQ("loaded", 1, !state_lazy_load(lazy, 0, &block, &error));
	CHECK_EQ("why", 0, strcmp(error.text, "section 'memory' 0 has a page at 0xa0000, where there is no memory"));
	state_lazy_free(lazy);
	state_image_free(&back);
	close(changed);
	pieces_free(&pieces);
	unmake(fd);
}

static const struct test_case cases[] = {
	{ "whole", test_whole },
	{ "without", test_without },
	{ "empty", test_empty },
	{ "damaged", test_damaged },
	{ "flipped", test_flipped },
	{ "changes", test_changes },
	{ "block", test_block },
};

TEST_MAIN(cases)
