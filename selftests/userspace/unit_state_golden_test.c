// SPDX-License-Identifier: GPL-2.0-only
/*
 * A machine that the first version of the format saved: it is read, printed and loaded for ever. If a case here fails, what was changed breaks
 * everybody's files: bring a version of the section, and read both.
 */
#include <fcntl.h>
#include <json-c/json.h>

#include "fake_state.h"
#include "fake_vm.h"
#include "userspace/console.h"
#include "userspace/inspect.h"
#include "userspace/virtio_blk.h"
#include "userspace/virtio_rng.h"

/* Two vCPUs, 16 MB, a disk of 64 KB. The guest: "K" to the serial port, then it counts up what is at 3 MB. */
#define COUNTER		0x300000
#define CODE		0x200000

static struct pieces pieces;

void console_put(struct console *console, u8 byte)
{
}

static int open_golden(void)
{
	int fd = open(GOLDEN, O_RDONLY);

	ASSERT(fd >= 0, GOLDEN ": %s", strerror(errno));
	return fd;
}

static void read_golden(struct state_image *image)
{
	struct state_error error;

	if (!fake_read(open_golden(), image, &error))
		FAIL("%s", error.text);
}

static u64 msr(const struct state_vcpu *vcpu, u32 index)
{
	for (u32 i = 0; i < vcpu->msr_count; i++)
		if (vcpu->msrs[i].index == index)
			return vcpu->msrs[i].value;
	FAIL("no MSR %#x", index);
}

static void test_values(void)
{
	struct state_image image;

	read_golden(&image);
	const struct state_vcpu *vcpu = image.vcpus;
	const struct {
		const char *name;
		u64 wanted, got;
	} rows[] = {
		{ "vCPUs", 2, image.machine.cpus },
		{ "memory", 16 << 20, image.machine.memory },
		{ "disks", 1, image.machine.disks },
		{ "entropy", 1, image.machine.has_rng },
		{ "a balloon, of which it knew nothing", 0, image.machine.has_balloon },
		{ "a virtio console, neither", 0, image.machine.has_console },
		{ "a generation ID, neither", 0, image.machine.has_generation },
		{ "memory that can be plugged, neither", 0, image.machine.pluggable },
		{ "and no events", 0, image.board.power.gpe_status | image.board.power.gpe_enable },
		{ "slots", 2, image.machine.slot_count },
		{ "disk's bytes", 65536, image.disks[0].size },
		{ "disk's slot", 1, image.disks[0].slot },
		{ "entropy's slot", 2, image.rng.slot },
		{ "a disk's identifier", 0x1042, image.disks[0].device.pci.config[2] | image.disks[0].device.pci.config[3] << 8 },
		{ "serial port's divisor", 12, image.board.serial.divisor[0] },
		{ "its transmitter", 1, image.board.serial.is_thre_pending },
		{ "clock's register A", 0x26, image.board.rtc.bytes[0x0a] },
		{ "I/O APIC", 0xfec00000, image.chips.ioapic.base_address },
		{ "its pins are masked", 1 << 16, image.chips.ioapic.redirtbl[23].bits & 1 << 16 },
		{ "rbx", 0x1122334455667788, vcpu[0].regs.rbx },
		{ "rip, in the loop", 1, vcpu[0].regs.rip == CODE + 22 || vcpu[0].regs.rip == CODE + 25 },
		{ "rdi", COUNTER, vcpu[0].regs.rdi },
		{ "long mode", 0x500, vcpu[0].sregs.efer },
		{ "page tables", 0x2000, vcpu[0].sregs.cr3 },
		{ "code segment", 0x10, vcpu[0].sregs.cs.selector },
		{ "FCW", 0x37f, vcpu[0].xsave[0] | vcpu[0].xsave[1] << 8 },
		{ "PAT", 0x0007040600070406, msr(&vcpu[0], 0x277) },
		{ "local APIC's version", 0x14, vcpu[0].lapic.regs[0x30] & 0xff },
		{ "APIC base", 0xfee00900, vcpu[0].sregs.apic_base },
		{ "CPUID entries", 49, vcpu[0].cpuid_count },
		{ "the first runs", 0, vcpu[0].mp_state },
		{ "the second waits to be started", 1, vcpu[1].mp_state },
		{ "where it will", 0xfff0, vcpu[1].regs.rip },
		{ "its APIC's identifier", 1, vcpu[1].lapic.regs[0x23] },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_EQ(rows[i].name, rows[i].wanted, rows[i].got);
	state_image_free(&image);
}

static void load(struct memory *memory)
{
	struct state_unpacker *unpacker = state_unpacker_new();
	struct state_error error = { "" };
	struct state_section section;
	struct state_reader reader;
	const u8 *payload;

	ASSERT(state_open(&reader, open_golden(), &error), "%s", error.text);
	while (state_next(&reader, &section, &payload, &error))
		if (!strcmp(section.name, STATE_MEMORY))
			ASSERT(state_memory_load(memory, unpacker, &section, payload, &error), "%s", error.text);
	ASSERT(!error.text[0], "%s", error.text);
	state_unpacker_free(unpacker);
	state_close(&reader);
}

static void test_memory(void)
{
	static const u8 code[] = { 0x48, 0xbb, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0x66, 0xba, 0xf8, 0x03 };
	struct memory memory;
	u64 counter;

	ASSERT_EQ(memory_create(&memory, 16 << 20, 0), 0);
	load(&memory);
	CHECK_EQ("code", 0, memcmp(memory_at(&memory, CODE, sizeof(code)), code, sizeof(code)));
	memcpy(&counter, memory_at(&memory, COUNTER, 8), 8);
	CHECK_EQ("it has counted", 1, counter > 1000);
	CHECK_EQ("command line", 0, memcmp(memory_at(&memory, MAP_BOOT_COMMAND, 13), "console=ttyS0", 13));
	CHECK_EQ("nothing elsewhere", 0, *(u64 *)memory_at(&memory, 0x800000, 8));
	memory_destroy(&memory);
}

/* Into the devices that the launcher has today, put together as machine.c does. */
static void test_devices(void)
{
	static struct vm vm;
	static struct serial serial;
	static struct rtc rtc;
	static struct power power;
	static struct pci pci;
	static struct virtio_blk disk;
	static struct virtio_device rng;
	const struct state_board_devices board = { &vm, &serial, &rtc, &power, &pci };
	char path[] = "/tmp/keel-golden.XXXXXX";
	int file = mkstemp(path);
	struct state_error error = { "" };
	struct state_image image;

	ASSERT(file >= 0 && !ftruncate(file, 65536), "%s: %s", path, strerror(errno));
	fake_vm_init(&vm, 16 << 20);
	ASSERT_EQ(serial_init(&serial, &vm, NULL), 0);
	ASSERT_EQ(power_init(&power, &vm), 0);
	ASSERT_EQ(rtc_init(&rtc, &vm), 0);
	ASSERT_EQ(pci_init(&pci, &vm), 0);
	ASSERT_EQ(virtio_blk_open(&disk, path, VIRTIO_BLK_WRITTEN, 0), 0);
	ASSERT_EQ(virtio_add(&disk.device, &vm, &pci), 0);
	virtio_rng_init(&rng);
	ASSERT_EQ(virtio_add(&rng, &vm, &pci), 0);
	unlink(path);

	read_golden(&image);
	bool is_loaded = state_virtio_give(&disk.device, &pci, &image.disks[0], &error) &&
			 state_virtio_give(&rng, &pci, &image.rng, &error) && state_board_give(&board, &image.board, &error);

	if (!is_loaded)
		FAIL("%s", error.text);
	CHECK_EQ("disk's bytes", disk.size, image.disks[0].size);
	CHECK_EQ("divisor", 12, serial.divisor[0]);
	state_image_free(&image);
}

/* ---- printed ---- */

static char *print(int fd, bool is_json, bool *is_good)
{
	struct state_error error = { "" };
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	*is_good = inspect_print(out, fd, is_json, &error);
	fclose(out);
	return text;
}

static void test_text(void)
{
	static const char *const wanted[] = {
		"saved by keel 0.1, format 1, 34392 bytes\n", "\nmachine 0 (version 1)\n  cpus: 2\n",
		"\n  slots(address,size):\n    0 0xa0000\n    0xc0000 0xf40000\n", "\nvcpu 1 (version 1)\n",
		"\n  rbx: 0x1122334455667788\n", "\n  frozen.sec: 0\n", "memory: 13 pages in 3 blocks, 2704 bytes\n",
	};
	bool is_good;
	char *text = print(open_golden(), false, &is_good);

	CHECK_EQ("printed", 1, is_good);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		if (!strstr(text, wanted[i]))
			FAIL("not printed: '%s'", wanted[i]);
	CHECK_EQ("it could be restored", 0, !!strstr(text, "would not restore"));
	free(text);
}

static struct json_object *member(struct json_object *object, const char *name)
{
	struct json_object *value = NULL;

	ASSERT(json_object_object_get_ex(object, name, &value), "no member %s", name);
	return value;
}

static void test_json(void)
{
	bool is_good;
	char *text = print(open_golden(), true, &is_good);
	struct json_object *object = json_tokener_parse(text), *sections, *vcpu, *msrs;

	ASSERT(is_good && object, "no JSON: %.100s", text);
	CHECK_EQ("one line", strlen(text) - 1, strcspn(text, "\n"));
	sections = member(object, "sections");
	CHECK_EQ("sections", 15, json_object_array_length(sections));
	vcpu = json_object_array_get_idx(sections, 13);
	CHECK_EQ("the first vCPU", 0, strcmp(json_object_get_string(member(vcpu, "name")), "vcpu"));
	CHECK_EQ("rbx", 0x1122334455667788, json_object_get_uint64(member(member(vcpu, "fields"), "rbx")));
	msrs = member(member(vcpu, "fields"), "msrs");
	CHECK_EQ("a table's rows", 1, json_object_array_length(msrs) > 10);
	CHECK_EQ("a row", 1, json_object_get_uint64(member(json_object_array_get_idx(msrs, 0), "index")) > 0);
	CHECK_EQ("bytes", 2048, json_object_get_string_len(member(member(vcpu, "fields"), "lapic")));
	CHECK_EQ("pages", 13, json_object_get_uint64(member(member(object, "memory"), "pages")));
	CHECK_EQ("refused", 0, json_object_get_string_len(member(object, "refused")));
	json_object_put(object);
	free(text);
}

/* What a later version may bring is printed, and it is said that it cannot be restored. */
static void test_later(void)
{
	struct state_field_head head = { STATE_TEXT, 5, 0, 6 };
	struct state_buffer buffer = { 0 };
	struct state_section section;
	bool is_good;

	state_buffer_add(&buffer, &head, sizeof(head));
	state_buffer_add(&buffer, "color", 5);
	state_buffer_add(&buffer, "yellow", 6);
	state_section_make(&section, "hologram", 4, 9, STATE_NEEDED, buffer.bytes, buffer.used);
	pieces_read(&pieces, open_golden());
	pieces_insert(&pieces, 5, &section, buffer.bytes);

	char *text = print(pieces_write(&pieces), false, &is_good);

	CHECK_EQ("printed", 1, is_good);
	CHECK_EQ("section", 1, !!strstr(text, "\nhologram 4 (version 9)\n  color: yellow\n"));
	CHECK_EQ("would not be restored", 1, !!strstr(text, "would not restore it: section 'hologram' 4 is needed"));
	free(text);
	pieces_free(&pieces);
}

static int with_fields(const struct state_buffer *buffer)
{
	struct state_section section;
	u8 *payload = malloc(buffer->used);

	memcpy(payload, buffer->bytes, buffer->used);
	state_section_make(&section, "od\"d", 4, 1, 0, payload, buffer->used);
	pieces_read(&pieces, open_golden());
	pieces_insert(&pieces, 5, &section, payload);

	int fd = pieces_write(&pieces);

	pieces_free(&pieces);
	return fd;
}

static void add_field(struct state_buffer *buffer, u8 kind, const char *name, const void *value, u32 length)
{
	struct state_field_head head = { kind, (u8)strlen(name), 0, length };

	state_buffer_add(buffer, &head, sizeof(head));
	state_buffer_add(buffer, name, head.name_length);
	state_buffer_add(buffer, value, length);
}

/* Whatever a stranger's fields are called, the JSON is some, and what is in the file is in it. */
static void test_odd_json(void)
{
	static const struct {
		const char *name;
		struct { u8 kind; const char *name; u64 value; u32 length; } fields[2];
		const char *wanted, *refused;
	} rows[] = {
		{ "quotes", { { STATE_UINT, "a\"\\b", UINT64_MAX, 8 } }, "\"fields\":{\"a\\\"\\\\b\":18446744073709551615}", "" },
		{ "a negative number", { { STATE_INT, "<", (u64)-5, 8 } }, "\"fields\":{\"<\":-5}", "" },
		{ "text", { { STATE_TEXT, "t", 0x5c2f222020202020, 8 } }, "\"t\":\"     \\\"\\/\\\\\"}", "" },
		{ "bytes", { { STATE_BYTES, "b", 0xff7f, 2 } }, "\"b\":\"7fff\"}", "" },
		{ "no bytes, no rows", { { STATE_BYTES, "b", 0, 0 }, { STATE_TABLE, "t(x)", 0, 0 } }, "{\"b\":\"\",\"t\":[]}", "" },
		{ "a table", { { STATE_TABLE, "t(x)", 7, 8 }, { STATE_UINT, "x", 1, 8 } }, "{\"t\":[{\"x\":7}],\"x\":1}", "" },
		{ "columns without names", { { STATE_TABLE, "(,)", 0, 0 } }, NULL, "section 'od\"d' 4 has the table '(,)', in which a "
		  "column is there twice" },
		{ "a field twice", { { STATE_UINT, "x", 7, 8 }, { STATE_UINT, "x", 8, 8 } }, "\"fields\":{\"x\":7}",
		  "section 'od\"d' 4 has the field 'x' twice" },
		{ "a field and a table", { { STATE_UINT, "x", 7, 8 }, { STATE_TABLE, "x(y)", 8, 8 } }, "\"fields\":{\"x\":7}",
		  "section 'od\"d' 4 has the field 'x(y)' twice" },
		{ "no number", { { STATE_UINT, "x", 7, 4 } }, NULL, "section 'od\"d' 4 has a field 'x' whose kind and length do not fit" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct state_buffer buffer = { 0 };
		bool is_good;

		for (unsigned int f = 0; f < 2 && rows[i].fields[f].name; f++)
			add_field(&buffer, rows[i].fields[f].kind, rows[i].fields[f].name, &rows[i].fields[f].value,
				  rows[i].fields[f].length);

		char *text = print(with_fields(&buffer), true, &is_good);
		struct json_object *object = json_tokener_parse(text);

		ASSERT(object, "%s: no JSON: %s", rows[i].name, text);
		CHECK_EQ(rows[i].name, !rows[i].refused[0], is_good);
		if (rows[i].wanted && !strstr(text, rows[i].wanted))
			FAIL("%s: wanted '%s' in '%s'", rows[i].name, rows[i].wanted, strstr(text, "od\\"));
		if (strcmp(json_object_get_string(member(object, "refused")), rows[i].refused))
			FAIL("%s: wanted '%s', got '%s'", rows[i].name, rows[i].refused,
			     json_object_get_string(member(object, "refused")));
		json_object_put(object);
		free(text);
		state_buffer_free(&buffer);
	}
}

/* A block whose checksum is right, but that is none. */
static void test_odd_block(void)
{
	static const char wanted[] = "section 'memory' 0 does not unpack to the pages that its map has";
	bool is_good;

	pieces_read(&pieces, open_golden());
	pieces_find(&pieces, "memory", 0)->payload[48] ^= 1;

	char *text = print(pieces_write(&pieces), true, &is_good);
	struct json_object *object = json_tokener_parse(text);
	const char *got = json_object_get_string(member(object, "refused"));

	CHECK_EQ("printed", 1, is_good);
	if (strcmp(got, wanted))
		FAIL("wanted '%s', got '%s'", wanted, got);
	json_object_put(object);
	free(text);
	pieces_free(&pieces);
}

/* ---- compared ---- */

static char *diff(int a, int b, u64 *differences)
{
	struct state_error error = { "" };
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int fds[2] = { a, b };

	ASSERT(inspect_diff(out, fds, differences, &error), "%s", error.text);
	fclose(out);
	return text;
}

static void test_diff(void)
{
	u64 differences = 1;
	char *text = diff(open_golden(), open_golden(), &differences);
	static const u8 old[] = "rbx", *name;

	CHECK_EQ("the same", 0, differences);
	CHECK_EQ("nothing is printed", 0, strlen(text));
	free(text);

	/* Another rbx and PAT in vCPU 0; and the last block of memory is gone. */
	pieces_read(&pieces, open_golden());
	struct piece *vcpu = pieces_find(&pieces, "vcpu", 0);

	name = memmem(vcpu->payload, vcpu->section.length, old, 4);
	ASSERT(name, "no rbx");
	memset((u8 *)name + 8, 0, 8);
	name = memmem(vcpu->payload, vcpu->section.length, &(u64){ 0x277 }, 8);
	ASSERT(name, "no PAT");
	((u8 *)name)[8] = 7;
	pieces_remove(&pieces, pieces.count - 1);
	text = diff(open_golden(), pieces_write(&pieces), &differences);
	CHECK_EQ("two fields and a page", 3, differences);
	if (strcmp(text, "vcpu 0 rbx:\n- 0x1122334455667788\n+ 0\nvcpu 0 msrs(index,value):\n- 16: 0x277 0x7040600070406\n"
		   "+ 16: 0x277 0x7040600070407\nmemory 0x300000 to 0x300fff\nmemory: 1 pages differ\n"))
		FAIL("got '%s'", text);
	free(text);
	pieces_free(&pieces);
}

/* Which of both it is that cannot be compared. */
/* All of it, in a round behind what is there. */
static void tell_again(struct pieces *all)
{
	const struct state_section round = { .name = STATE_ROUND, .instance = 1, .version = 1, .flags = STATE_NEEDED };
	unsigned int count = all->count;

	pieces_insert(all, count, &round, calloc(1, 1));
	for (unsigned int i = 0; i < count; i++) {
		u8 *copy = malloc(all->list[i].section.length + 1);

		memcpy(copy, all->list[i].payload, all->list[i].section.length);
		pieces_insert(all, all->count, &all->list[i].section, copy);
	}
}

static void test_diff_refused(void)
{
	static const char *const wanted[] = {
		"the first file: section 'rtc' 0 is missing", "the second file: section 'rtc' 0 is missing",
		"the first file: section 'memory' 0 does not unpack to the pages that its map has",
		"the second file: section 'memory' 0 does not unpack to the pages that its map has",
		"the first file: is told in rounds, which cannot be compared", "the second file: is told in rounds, which cannot be compared",
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(wanted); i++) {
		struct state_error error = { "" };
		u64 differences;

		pieces_read(&pieces, open_golden());
		if (i < 2)
			pieces_remove(&pieces, (unsigned int)(pieces_find(&pieces, "rtc", 0) - pieces.list));
		else if (i >= 4)
			tell_again(&pieces);
		else	/* of the frame's magic number */
			pieces_find(&pieces, "memory", 0)->payload[48] ^= 1;

		int odd = pieces_write(&pieces), fds[2] = { i % 2 ? open_golden() : odd, i % 2 ? odd : open_golden() };
		FILE *out = fopen("/dev/null", "w");

		CHECK_EQ(wanted[i], 0, inspect_diff(out, fds, &differences, &error));
		if (strcmp(error.text, wanted[i]))
			FAIL("wanted '%s', got '%s'", wanted[i], error.text);
		fclose(out);
		pieces_free(&pieces);
	}
}

static const struct test_case cases[] = {
	{ "values", test_values },
	{ "memory", test_memory },
	{ "devices", test_devices },
	{ "text", test_text },
	{ "json", test_json },
	{ "later", test_later },
	{ "odd_json", test_odd_json },
	{ "odd_block", test_odd_block },
	{ "diff", test_diff },
	{ "diff_refused", test_diff_refused },
};

TEST_MAIN(cases)
