// SPDX-License-Identifier: GPL-2.0-only
/* A machine on its way: a stream in rounds comes through a connection as it was in the end, and what does not follow is refused. */
#include <pthread.h>
#include <sys/socket.h>

#include "fake_state.h"
#include "userspace/dirty.h"

static struct state_image first, last;
static struct memory memory;
static int ends[2];
static struct state_writer writer;

static void touch(u64 *pages, u64 gpa, u8 value)
{
	u8 *at = memory_at(&memory, gpa, 4096);
	u64 page = (u64)(at - memory.regions[0].host) / 4096;

	memset(at, value, 4096);
	pages[page / 64] |= 1ULL << page % 64;
}

/* The source: all, then what was written since, twice; the second time with everything else anew. */
static void *write_rounds(void *argument)
{
	u64 *pages = calloc(dirty_words(&memory), 8);
	struct state_error error = { "" };
	bool is_good = state_begin(&writer, ends[0], NULL, &error) && state_image_write(&first, &writer, &error) &&
		       state_round_write(&writer, 1, &error) && state_memory_write(&memory, &writer, NULL, &error);

	touch(pages, 0x1000, 0);	/* it was not, and is now */
	touch(pages, 0xf000, 7);
	touch(pages, 0xc0000, 8);
	is_good = is_good && state_round_write(&writer, 2, &error) &&
		  state_memory_write_some(&memory, pages, &writer, NULL, &error);
	memset(pages, 0, dirty_words(&memory) * 8);
	touch(pages, 0xf000, 9);
	is_good = is_good && state_round_write(&writer, 3, &error) && state_image_write(&last, &writer, &error) &&
		  state_memory_write_some(&memory, pages, &writer, NULL, &error) && state_end(&writer, &error);
	if (!is_good)
		test_note("%s", error.text);
	free(pages);
	return argument;
}

static bool is_last(const struct state_image *image)
{
	struct state_buffer a = { 0 }, b = { 0 };
	bool is_same = true;

	for (size_t p = 0; p < STATE_PARTS; p++) {
		for (unsigned int i = 0; i < state_parts[p].count(&last.machine); i++) {
			state_fields_put(&a, state_parts[p].layout, state_part_at(&state_parts[p], &last, i));
			state_fields_put(&b, state_parts[p].layout, state_part_at(&state_parts[p], image, i));
		}
	}
	is_same = a.used == b.used && !memcmp(a.bytes, b.bytes, a.used);
	state_buffer_free(&a);
	state_buffer_free(&b);
	return is_same;
}

static void make_images(void)
{
	u64 random = 3;

	fake_image(&first, &random);
	fake_image(&last, &random);
	last.machine.saved_at++;
	fake_memory(&memory, &random);
}

static void test_rounds(void)
{
	struct state_unpacker *unpacker = state_unpacker_new();
	struct state_image image = { 0 };
	struct state_error error = { "" };
	struct state_seen *seen = state_seen_new();
	struct state_section section;
	struct state_reader reader;
	struct memory other;
	const u8 *payload;
	pthread_t thread;

	make_images();
	ASSERT_EQ(memory_create(&other, FAKE_MEMORY, 0), 0);
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	ASSERT_EQ(pthread_create(&thread, NULL, write_rounds, NULL), 0);
	ASSERT(state_open_connection(&reader, ends[1], &error), "%s", error.text);
	ASSERT(state_image_read_head(&image, seen, &reader, &error), "%s", error.text);
	CHECK_EQ("vCPUs are known before the memory", FAKE_CPUS, image.machine.cpus);
	CHECK_EQ("but it is not the last of it", 0, is_last(&image));
	while (state_next(&reader, &section, &payload, &error)) {
		ASSERT(state_image_section(&image, seen, &section, payload, &error), "%s", error.text);
		if (!strcmp(section.name, STATE_MEMORY))
			ASSERT(state_memory_load(&other, unpacker, &section, payload, &error), "%s", error.text);
	}
	ASSERT(!error.text[0], "%s", error.text);
	ASSERT_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ("complete", 1, state_image_complete(&image, seen, &error));
	CHECK_EQ("as it was last", 1, is_last(&image));
	CHECK_EQ("sections", writer.sections, reader.sections);
	CHECK_EQ("their sum", writer.sum, reader.sum);
	for (unsigned int i = 0; i < memory.count; i++)
		CHECK_EQ("memory", 0, memcmp(memory.regions[i].host, other.regions[i].host, memory.regions[i].size));
	state_close(&reader);
	state_unpacker_free(unpacker);
	state_image_free(&image);
	free(seen);
}

/* ---- what does not follow ---- */

static struct pieces pieces;

static void add(const char *name, u32 instance, u16 version)
{
	struct state_section section = { .instance = instance, .version = version, .flags = STATE_NEEDED };

	snprintf(section.name, sizeof(section.name), "%s", name);
	pieces_insert(&pieces, pieces.count, &section, calloc(1, 1));
}

/* Another time what is there already. */
static void again(const char *name, u32 instance)
{
	struct piece *piece = pieces_find(&pieces, name, instance);
	u8 *copy = malloc(piece->section.length + 1);

	memcpy(copy, piece->payload, piece->section.length);
	pieces_insert(&pieces, pieces.count, &piece->section, copy);
}

static void all_again(void)
{
	for (unsigned int i = 0, count = pieces.count; i < count; i++)
		if (strcmp(pieces.list[i].section.name, STATE_ROUND))
			again(pieces.list[i].section.name, pieces.list[i].section.instance);
}

static void none(void) { }
static void a_round(void) { add(STATE_ROUND, 1, 1); all_again(); }
static void two_rounds(void) { add(STATE_ROUND, 1, 1); again("memory", 0); add(STATE_ROUND, 2, 1); again("machine", 0); }
static void skipped(void) { add(STATE_ROUND, 2, 1); all_again(); }
static void later(void) { add(STATE_ROUND, 1, 2); all_again(); }
static void no_state(void) { add(STATE_ROUND, 1, 1); again("memory", 0); }
static void twice(void) { add(STATE_ROUND, 1, 1); all_again(); again("clock", 0); }
static void block_twice(void) { add(STATE_ROUND, 1, 1); all_again(); again("memory", 0); }

static void early(void)
{
	add(STATE_ROUND, 1, 1);
	all_again();
	pieces_remove(&pieces, (unsigned int)(pieces_find(&pieces, "clock", 0) - pieces.list));
}

static void replace_machine(struct state_machine machine)
{
	struct state_buffer buffer = { 0 };
	struct piece *piece;

	add(STATE_ROUND, 1, 1);
	all_again();
	state_fields_put(&buffer, state_parts[0].layout, &machine);
	for (piece = &pieces.list[pieces.count - 1]; strcmp(piece->section.name, "machine"); piece--)
		;
	ASSERT_EQ(buffer.used, piece->section.length);
	free(piece->payload);
	piece->payload = buffer.bytes;
}

static void other_machine(void)
{
	struct state_machine machine = first.machine;

	machine.has_rng = false;
	replace_machine(machine);
}

static void other_number(void)
{
	struct state_machine machine = first.machine;

	machine.generation[0] ^= 1;
	replace_machine(machine);
}

static void too_many(void)
{
	for (u32 i = 1; i <= STATE_ROUNDS_MAX + 1; i++)
		add(STATE_ROUND, i, 1);
}

static const struct {
	const char *name;
	void (*change)(void);
	const char *wanted;		/* "": it is read */
} rows[] = {
	{ "no round", none, "" },
	{ "a round", a_round, "" },
	{ "a round that is not the next", skipped, "section 'round' 2 does not follow round 0" },
	{ "a later version's", later, "section 'round' 1 is of version 2" },
	{ "a round of memory alone at the end", no_state, "section 'machine' 0 is missing" },
	{ "the last of two lacks something", two_rounds, "section 'pci' 0 is missing" },
	{ "a section twice in a round", twice, "section 'clock' 0 is there twice" },
	{ "a block twice in a round", block_twice, "section 'memory' 0 is not the block that should follow" },
	{ "a round behind what is not whole", early, "section 'clock' 0 is missing" },
	{ "another machine in a round", other_machine, "another machine than the first one" },
	{ "one with another generation ID", other_number, "another machine than the first one" },
	{ "too many rounds", too_many, "section 'round' 65 does not follow round 64, or is one too many" },
};

static void test_files(void)
{
	make_images();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct state_image image;
		struct state_error error;
		int fd = fake_file();

		fake_write(fd, &first, &memory);
		pieces_read(&pieces, fd);
		close(fd);
		rows[i].change();
		fd = pieces_write(&pieces);
		bool is_read = fake_read(fd, &image, &error);

		if (!strstr(error.text, rows[i].wanted))
			test_note("wanted '%s', got '%s'", rows[i].wanted, error.text);
		CHECK_EQ(rows[i].name, !*rows[i].wanted, is_read);
		CHECK_EQ("why", 1, !!strstr(error.text, rows[i].wanted));
		state_image_free(&image);
		pieces_free(&pieces);
		close(fd);
	}
}

/* A file, whole, into a connection that somebody reads for as long as he likes. */
static void *send_file(void *argument)
{
	int *fd = argument;
	char bytes[4096];
	ssize_t count;

	for (off_t at = 0; (count = pread(*fd, bytes, sizeof(bytes), at)) > 0; at += count)
		if (send(ends[0], bytes, (size_t)count, MSG_NOSIGNAL) != count)
			break;
	return NULL;
}

/* Reads a head, and says what is wrong with it. */
static void check_head(const char *name, const char *wanted)
{
	struct state_image image = { 0 };
	struct state_error error = { "" };
	struct state_seen *seen = state_seen_new();
	struct state_reader reader;

	CHECK_EQ(name, 0, state_open_connection(&reader, ends[1], &error) && state_image_read_head(&image, seen, &reader, &error));
	if (!strstr(error.text, wanted))
		FAIL("%s: wanted '%s', got '%s'", name, wanted, error.text);
	state_close(&reader);
	state_image_free(&image);
	free(seen);
	close(ends[1]);
}

/* A file that comes through a connection, and connections that break off. */
static void test_connections(void)
{
	static const size_t cuts[] = { 0, 20, 64, 64 + 20, 64 + 40 };
	int fd = fake_file();
	pthread_t thread;
	char bytes[128];

	make_images();
	fake_write(fd, &first, &memory);
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	ASSERT_EQ(pthread_create(&thread, NULL, send_file, &fd), 0);
	check_head("a file", "memory comes before the first round");
	ASSERT_EQ(pthread_join(thread, NULL), 0);
	ASSERT_EQ(pread(fd, bytes, sizeof(bytes), 0), (int)sizeof(bytes));
	for (size_t i = 0; i < ARRAY_SIZE(cuts); i++) {
		close(ends[0]);
		ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
		ASSERT_EQ(send(ends[0], bytes, cuts[i], 0), (s64)cuts[i]);
		shutdown(ends[0], SHUT_WR);
		check_head("cut off", "cannot read: the connection has ended");
	}
}

static const struct test_case cases[] = {
	{ "rounds", test_rounds },
	{ "files", test_files },
	{ "connections", test_connections },
};

TEST_MAIN(cases)
