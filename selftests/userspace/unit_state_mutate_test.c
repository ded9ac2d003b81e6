// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hostile streams: whatever is in one, reading, printing and loading it ends, touches nothing else and says why not. About
 * two seconds of CPU, or KEEL_MUTATE_SECONDS; KEEL_MUTATE_SEED for other ones.
 */
#include <time.h>

#include "fake_state.h"
#include "fake_vm.h"
#include "userspace/console.h"
#include "userspace/dirty.h"
#include "userspace/inspect.h"
#include "userspace/state_lazy.h"

static struct vm vm;
static struct serial serial;
static struct rtc rtc;
static struct power power;
static struct pci pci;
static struct virtio_device device;
static struct virtio_balloon balloon;
static struct virtio_console console;
static u64 random_state = 7;
static FILE *nowhere;

struct counts {
	unsigned int tried, read, loaded, printed, lazy;
};

void console_put(struct console *console, u8 byte)
{
}

size_t console_offer(struct console *to, const u8 *bytes, size_t count)
{
	return 0;
}

static u32 serve(struct virtio_device *served, struct virtq_chain *chain)
{
	return (u32)chain->write_bytes;
}

static const struct virtio_class class = { .id = 4, .class_code = 0xff00, .queue_count = 1, .serve = serve };

static u64 below(u64 limit)
{
	return xorshift(&random_state) % limit;
}

/* Devices as new, to load into; memory is kept. */
static void renew_devices(void)
{
	memset(&vm.ports, 0, sizeof(vm.ports));
	memset(&vm.mmio, 0, sizeof(vm.mmio));
	memset(vm.line_sources, 0, sizeof(vm.line_sources));
	memset(&fake_record, 0, sizeof(fake_record));
	ASSERT_EQ(serial_init(&serial, &vm, NULL), 0);
	ASSERT_EQ(power_init(&power, &vm), 0);
	ASSERT_EQ(rtc_init(&rtc, &vm), 0);
	ASSERT_EQ(pci_init(&pci, &vm), 0);
	memset(&device, 0, sizeof(device));
	device.class = &class;
	ASSERT_EQ(virtio_add(&device, &vm, &pci), 0);
	memset(&balloon, 0, sizeof(balloon));
	virtio_balloon_init(&balloon, &(struct balloon_options){ true, true, true, 0 });
	ASSERT_EQ(virtio_add(&balloon.device, &vm, &pci), 0);
	memset(&console, 0, sizeof(console));
	ASSERT_EQ(virtio_console_init(&console, NULL, (struct console_size){ 80, 24 }), 0);
	ASSERT_EQ(virtio_add(&console.device, &vm, &pci), 0);
}

static void drop_devices(void)
{
	close(serial.room_event);
	virtio_stop(&device);
	virtio_stop(&balloon.device);
	virtio_stop(&console.device);
	virtio_console_close(&console);
}

/* What a guest does with them afterwards. */
static void use_devices(void)
{
	static const u16 ports[] = { 0x3f8, 0x3f9, 0x3fa, 0x3fd, 0x70, 0x71, 0x600, 0x604, 0x608, 0xcf8, 0xcfc };

	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		bus_read(&vm.ports, ports[i], 1);
		bus_write(&vm.ports, ports[i], 1, xorshift(&random_state));
	}
	for (u64 offset = 0; offset < 64; offset += 4)
		bus_read(&vm.mmio, MAP_PCI_MEMORY + offset, 4);
	rtc_tick(&rtc);
	power_tick(&power);
	serial_receive(&serial, 'x');
	for (unsigned int i = 0; i < 4 && virtq_pop(&device.queues[0], &device.chain); i++)
		virtq_push(&device.queues[0], &device.chain, serve(&device, &device.chain));
	virtq_needs_signal(&device.queues[0]);
	for (unsigned int q = 0; q < balloon.device.class->queue_count; q++)
		for (unsigned int i = 0; i < 4 && virtq_pop(&balloon.device.queues[q], &balloon.device.chain); i++)
			virtq_push(&balloon.device.queues[q], &balloon.device.chain, 0);
	virtio_console_receive(&console, 'x');
}

static bool load_devices(const struct state_image *image)
{
	const struct state_board_devices board = { &vm, &serial, &rtc, &power, &pci };
	struct state_error error = { "" };

	renew_devices();
	bool is_loaded = (!image->machine.has_rng || state_virtio_give(&device, &pci, &image->rng, &error)) &&
			 (!image->machine.has_balloon || state_balloon_give(&balloon, &pci, &image->balloon, &error)) &&
			 (!image->machine.has_console || state_console_give(&console, &pci, &image->console, &error)) &&
			 state_board_give(&board, &image->board, &error);

	ASSERT(is_loaded || error.text[0], "refused without a reason");
	if (is_loaded) {
		state_lines_give(&vm, &image->board);
		use_devices();
	}
	drop_devices();
	return is_loaded;
}

static bool load_memory(int fd)
{
	struct state_unpacker *unpacker = state_unpacker_new();
	struct state_error error = { "" };
	struct state_section section;
	struct state_reader reader;
	const u8 *payload;
	bool is_good = state_open(&reader, fd, &error);

	while (is_good && state_next(&reader, &section, &payload, &error))
		if (!strcmp(section.name, STATE_MEMORY))
			is_good = state_memory_load(&vm.memory, unpacker, &section, payload, &error);
	state_unpacker_free(unpacker);
	state_close(&reader);
	ASSERT(is_good || error.text[0], "refused without a reason");
	return is_good;
}

/* By its index, block by block. Return: were all taken? */
static bool load_lazy(int fd)
{
	struct state_error error = { "" };
	struct state_lazy *lazy = NULL;
	struct state_image image = { 0 };
	struct state_reader reader;
	struct state_block block;
	bool is_good;

	if (state_open(&reader, fd, &error))
		lazy = state_lazy_open(&reader, &image, &error);
	is_good = lazy;
	for (u32 n = 0; is_good && n < state_lazy_count(lazy); n++) {
		is_good = state_lazy_load(lazy, n, &block, &error);
		ASSERT(is_good || error.text[0], "refused without a reason");
	}
	state_lazy_free(lazy);
	state_image_free(&image);
	state_close(&reader);
	return is_good;
}

static void try(int fd, struct counts *counts)
{
	struct state_image image;
	struct state_error error;

	counts->tried++;
	if (fake_read(fd, &image, &error)) {
		counts->read++;
		/* Into more memory than there is here none goes. */
		if (image.machine.memory == FAKE_MEMORY && load_memory(fd))
			counts->loaded += load_devices(&image);
	} else {
		ASSERT(error.text[0], "refused without a reason");
	}
	state_image_free(&image);
	counts->lazy += load_lazy(fd);
	if (counts->tried % 4 == 0) {
		memset(&error, 0, sizeof(error));
		counts->printed += inspect_print(nowhere, fd, counts->tried % 8 == 0, &error);
		rewind(nowhere);
	}
}

static void change_bytes(u8 *bytes, size_t size)
{
	static const u8 odd[] = { 0, 1, 0x7f, 0x80, 0xff };

	for (u64 n = size ? 1 + below(3) : 0; n; n--) {
		u8 *at = bytes + below(size);

		switch (below(3)) {
		case 0:
			*at ^= (u8)(1 << below(8));
			break;
		case 1:
			*at = odd[below(sizeof(odd))];
			break;
		default:
			*at = (u8)below(256);
			break;
		}
	}
}

/* Of a section's head or payload, or of which sections there are. */
static void change_pieces(struct pieces *pieces)
{
	unsigned int at = (unsigned int)below(pieces->count);
	struct piece *piece = &pieces->list[at];
	struct piece other = pieces->list[below(pieces->count)];

	switch (below(8)) {
	case 0:
		change_bytes((u8 *)&piece->section, offsetof(struct state_section, length));
		break;
	case 1:
		piece->section.length = below(piece->section.length + 1) & ~7ULL;
		break;
	case 2:
		pieces_remove(pieces, at);
		break;
	case 3: {
		u8 *copy = malloc(other.section.length + 1);

		memcpy(copy, other.payload, other.section.length);
		pieces_insert(pieces, at, &other.section, copy);
		break;
	}
	default:
		change_bytes(piece->payload, piece->section.length);
		break;
	}
}

static void cut(int fd)
{
	ASSERT_EQ(ftruncate(fd, (off_t)below((u64)lseek(fd, 0, SEEK_END))), 0);
}

static unsigned int seconds(void)
{
	const char *text = getenv("KEEL_MUTATE_SECONDS");

	return text ? (unsigned int)atoi(text) : 2;
}

/* The same as it comes from another launcher. */
static void write_rounds(int fd, const struct state_image *image, const struct memory *memory)
{
	u64 *pages = calloc(dirty_words(memory), 8);
	struct state_error error = { "" };
	struct state_writer writer;

	pages[0] = 0x5;
	pages[dirty_words(memory) / 2] = ~0ULL;
	ASSERT(state_begin(&writer, fd, NULL, &error) && state_image_write(image, &writer, &error) &&
	       state_round_write(&writer, 1, &error) && state_memory_write(memory, &writer, NULL, &error) &&
	       state_round_write(&writer, 2, &error) && state_image_write(image, &writer, &error) &&
	       state_memory_write_some(memory, pages, &writer, NULL, &error) && state_end(&writer, &error), "%s", error.text);
	free(pages);
}

/* The index, if there is one, of the blocks that are there now. */
static void make_index_right(struct pieces *pieces)
{
	struct piece *index = NULL;
	u64 used = 0;

	for (unsigned int i = 0; i < pieces->count; i++)
		if (!strcmp(pieces->list[i].section.name, STATE_INDEX))
			index = &pieces->list[i];
	if (!index)
		return;
	free(index->payload);
	index->payload = calloc(pieces->count + 1, sizeof(struct state_index_row));
	for (unsigned int i = 0; i < pieces->count; i++) {
		struct state_section section = pieces->list[i].section;
		struct state_index_row *row = (struct state_index_row *)(index->payload + used);

		if (strcmp(section.name, STATE_MEMORY) || section.length < sizeof(struct state_block))
			continue;
		section.payload_checksum = state_checksum(pieces->list[i].payload, section.length);
		section.checksum = state_checksum(&section, offsetof(struct state_section, checksum));
		*row = (struct state_index_row){
			((struct state_block *)pieces->list[i].payload)->address, (u32)section.length, section.checksum,
		};
		used += sizeof(*row);
	}
	index->section.length = used;
}

enum kind { FILE_OLD, MOVING, FILE_INDEXED, KINDS };

/* The one that is mutated; small, so that many can be tried. */
static int make(enum kind kind)
{
	struct state_image image;
	struct memory memory;
	int fd = fake_file();

	fake_image(&image, &random_state);
	fake_memory(&memory, &random_state);
	for (unsigned int i = 0; i < FAKE_CPUS; i++) {
		image.vcpus[i].xsave_size = 4096;
		image.vcpus[i].msr_count = 20;
		image.vcpus[i].cpuid_count = 20;
	}
	renew_devices();
	state_virtio_take(&device, &pci, &image.rng);
	state_balloon_take(&balloon, &pci, &image.balloon);
	state_console_take(&console, &pci, &image.console);
	memcpy(image.board.pci.bridge.config, pci.bridge.config, PCI_CONFIG_SIZE);
	drop_devices();
	if (kind == FILE_INDEXED)
		image.kin = (struct state_kin){ .base.name = "base.keel", .has_own = true, .has_base = true };
	if (kind == MOVING)
		write_rounds(fd, &image, &memory);
	else if (kind == FILE_INDEXED)
		fake_write_index(fd, &image, &memory);
	else
		fake_write(fd, &image, &memory);
	state_image_free(&image);
	memory_destroy(&memory);
	return fd;
}

static void test_mutated(void)
{
	const char *seed = getenv("KEEL_MUTATE_SEED");
	struct counts counts = { 0 };
	static struct pieces pieces;

	random_state = seed ? strtoull(seed, NULL, 0) | 1 : 7;
	nowhere = fopen("/dev/null", "w");
	fake_vm_init(&vm, FAKE_MEMORY);

	const int good[KINDS] = { make(FILE_OLD), make(MOVING), make(FILE_INDEXED) };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		try(good[i], &counts);
		CHECK_EQ("those that are right are loaded", i + 1, counts.loaded);
	}
	CHECK_EQ("and the one with an index by that", 1, counts.lazy);
	while (clock() < (clock_t)seconds() * CLOCKS_PER_SEC || counts.tried < 100) {
		pieces_read(&pieces, good[counts.tried % ARRAY_SIZE(good)]);
		for (u64 n = 1 + below(2); n && pieces.count; n--)
			change_pieces(&pieces);
		if (below(2))
			make_index_right(&pieces);

		int fd = pieces_write(&pieces);

		if (!below(16))
			cut(fd);
		try(fd, &counts);
		close(fd);
		pieces_free(&pieces);
	}
	test_note("%u tried, %u could be restored, %u were loaded, %u by their index, %u printed whole", counts.tried, counts.read,
		  counts.loaded, counts.lazy, counts.printed);
	CHECK_EQ("some are refused", 1, counts.read < counts.tried);
	CHECK_EQ("some are not", 1, counts.read > 2 && counts.loaded > 2);
	CHECK_EQ("some by their index", 1, counts.lazy > 2);
	CHECK_EQ("some are printed", 1, counts.printed > 1);
}

static const struct test_case cases[] = {
	{ "mutated", test_mutated, 7200 },
};

TEST_MAIN(cases)
