// SPDX-License-Identifier: GPL-2.0-only
/* The flash chip: each command and its answer, what goes wrong, the file that has the contents, and a guest that writes whatever comes. */
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_vm.h"
#include "test.h"
#include "userspace/flash.h"
#include "userspace/variables.h"

#define KB	1024u
#define SIZE	(5 * FLASH_BLOCK)

static struct flash flash;
static u8 bytes[SIZE + 8], copy[SIZE];
static u32 stores, settled, shown, hidden;
static bool refuses;

static bool store(void *owner, uint32_t at, const uint8_t *from, uint32_t count)
{
	ASSERT(owner == &flash, "the owner");
	ASSERT(count && at + count <= SIZE, "inside: %u bytes at %u", count, at);
	if (refuses)
		return false;
	memcpy(copy + at, from, count);
	stores++;
	return true;
}

static void settle(void *owner)
{
	ASSERT(owner == &flash, "the owner");
	settled++;
}

static void show(void *owner, bool is_array)
{
	ASSERT(owner == &flash, "the owner");
	if (is_array)
		shown++;
	else
		hidden++;
	ASSERT(hidden - shown <= 1, "never twice the same");
}

static const struct flash_ops ops = { store, settle, show };

/* Every byte says where it is, and the last ones belong to somebody else. */
static void set_up(void)
{
	for (u32 i = 0; i < SIZE + 8; i++)
		bytes[i] = (u8)(i * 7 + i / 256);
	memcpy(copy, bytes, SIZE);
	stores = settled = shown = hidden = 0;
	refuses = false;
	flash_init(&flash, &ops, &flash, bytes, SIZE);
}

static void put(u32 at, u32 value) { flash_bus_ops.write(&flash, at, 1, value); }
static u32 get(u32 at) { return (u32)flash_bus_ops.read(&flash, at, 1); }

static u32 status(u32 at)
{
	put(at, 0x70);
	return get(at);
}

static void test_answers(void)
{
	static const struct {
		const char *name;
		u32 command, at, wanted;
	} rows[] = {
		{ "identifier: maker", 0x90, 0, 0x89 },
		{ "identifier: model", 0x90, 1, 0x18 },
		{ "identifier: the lock of a block", 0x90, 2, 0 },
		{ "identifier: of another block", 0x90, 3 * FLASH_BLOCK, 0x89 },
		{ "query: before it", 0x98, 0x0f, 0 },
		{ "query: Q", 0x98, 0x10, 'Q' },
		{ "query: R", 0x98, 0x11, 'R' },
		{ "query: Y", 0x98, 0x12, 'Y' },
		{ "query: command set", 0x98, 0x13, 1 },
		{ "query: its upper half", 0x98, 0x14, 0 },
		{ "query: its table", 0x98, 0x15, 0x31 },
		{ "query: no other set", 0x98, 0x17, 0 },
		{ "query: time for a byte", 0x98, 0x1f, 7 },
		{ "query: time for a buffer", 0x98, 0x20, 7 },
		{ "query: time for a block", 0x98, 0x21, 10 },
		{ "query: none for the chip", 0x98, 0x22, 0 },
		{ "query: 32 KB hold it", 0x98, 0x27, 15 },
		{ "query: eight bits wide", 0x98, 0x28, 0 },
		{ "query: buffer", 0x98, 0x2a, 6 },
		{ "query: one kind of blocks", 0x98, 0x2c, 1 },
		{ "query: how many, less one", 0x98, 0x2d, 4 },
		{ "query: upper half", 0x98, 0x2e, 0 },
		{ "query: of 16 times 256 bytes", 0x98, 0x2f, 16 },
		{ "query: upper half", 0x98, 0x30, 0 },
		{ "query: P", 0x98, 0x31, 'P' },
		{ "query: R", 0x98, 0x32, 'R' },
		{ "query: I", 0x98, 0x33, 'I' },
		{ "query: version", 0x98, 0x34, '1' },
		{ "query: nothing can be suspended or locked", 0x98, 0x36, 0 },
		{ "query: behind it", 0x98, 0x40, 0 },
		{ "query: far behind it", 0x98, SIZE - 1, 0 },
		{ "status: ready", 0x70, 0, 0x80 },
		{ "status: anywhere", 0x70, SIZE - 1, 0x80 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		set_up();
		put(0, rows[i].command);
		CHECK_EQ(rows[i].name, rows[i].wanted, get(rows[i].at));
		CHECK_EQ("hidden", 1, hidden);
		put(0, 0xff);
		CHECK_EQ("the contents again", bytes[rows[i].at], get(rows[i].at));
		CHECK_EQ("shown", 1, shown);
		CHECK_EQ("nothing to settle", 0, settled);
		CHECK_EQ("nothing stored", 0, stores);
	}
}

static void test_program(void)
{
	static const struct {
		const char *name;
		u32 command, before, value, after;
	} rows[] = {
		{ "all bits go", 0x10, 0xff, 0x00, 0x00 },
		{ "by the other command", 0x40, 0xff, 0xa5, 0xa5 },
		{ "those that are gone stay so", 0x10, 0x0f, 0xff, 0x0f },
		{ "some of both", 0x40, 0xf0, 0x3c, 0x30 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		u32 at = 5000;

		set_up();
		bytes[at] = (u8)rows[i].before;
		put(at, 0x50);
		put(at, rows[i].command);
		put(at, rows[i].value);
		CHECK_EQ(rows[i].name, rows[i].after, bytes[at]);
		CHECK_EQ("stored", rows[i].after, copy[at]);
		CHECK_EQ("at once", 1, stores);
		CHECK_EQ("the answer is the status", 0x80, get(at));
		CHECK_EQ("not settled yet", 0, settled);
		put(at, 0xff);
		CHECK_EQ("the contents", rows[i].after, get(at));
		CHECK_EQ("settled", 1, settled);
		CHECK_EQ("its neighbours", 0, memcmp(bytes, copy, SIZE));
	}
}

static void test_erase(void)
{
	set_up();
	put(2 * FLASH_BLOCK + 77, 0x20);
	put(2 * FLASH_BLOCK + 77, 0xd0);
	CHECK_EQ("ready", 0x80, get(0));
	put(0, 0xff);
	CHECK_EQ("settled", 1, settled);
	for (u32 i = 0; i < SIZE; i++)
		if (bytes[i] != (i / FLASH_BLOCK == 2 ? 0xff : (u8)(i * 7 + i / 256)))
			ASSERT(false, "byte %u is %#x", i, bytes[i]);
	CHECK_EQ("stored", 0, memcmp(bytes, copy, SIZE));
	put(2 * FLASH_BLOCK, 0x20);
	put(2 * FLASH_BLOCK, 0xff);
	CHECK_EQ("not confirmed: a wrong sequence", 0xb0, status(0));
	CHECK_EQ("nothing erased", 1, stores);
}

/* @order: offsets from @at in which @count bytes of value 0x0f come. */
static void fill(u32 at, u32 count, const u32 *order)
{
	put(at, 0xe8);
	CHECK_EQ("the buffer is free", 0x80, get(at) & 0x80);
	put(at, count - 1);
	for (u32 i = 0; i < count; i++)
		put(at + (order ? order[i] : i), 0x0f);
}

static void test_buffer(void)
{
	static const u32 later[] = { 0, 2, 1, 3 }, twice[] = { 0, 1, 1, 1 }, before[] = { 4, 3, 2, 1 }, behind[] = { 0, 1, 2, 4 };
	static const struct {
		const char *name;
		u32 at, count;
		const u32 *order;
		u32 confirm, programmed, wanted;
	} rows[] = {
		{ "one byte", 100, 1, NULL, 0xd0, 1, 0x80 },
		{ "all of it", 100, 64, NULL, 0xd0, 64, 0x80 },
		{ "the last bytes of a block", FLASH_BLOCK - 4, 4, NULL, 0xd0, 4, 0x80 },
		{ "the last bytes of the chip", SIZE - 64, 64, NULL, 0xd0, 64, 0x80 },
		{ "in another order", 100, 4, later, 0xd0, 4, 0x80 },
		{ "one several times", 100, 4, twice, 0xd0, 2, 0x80 },
		{ "one of them several times, at the end of a block", FLASH_BLOCK - 2, 4, twice, 0xd0, 2, 0x80 },
		{ "one of them several times, at the end of the chip", SIZE - 2, 4, twice, 0xd0, 2, 0x80 },
		{ "before the first", 100, 4, before, 0xd0, 0, 0xb0 },
		{ "behind the last", 100, 4, behind, 0xd0, 0, 0xb0 },
		{ "into another block", FLASH_BLOCK - 2, 4, NULL, 0xd0, 0, 0xb0 },
		{ "not confirmed", 100, 4, NULL, 0xff, 0, 0xb0 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		u32 programmed = 0;

		set_up();
		memset(bytes, 0xff, SIZE);
		memset(copy, 0xff, SIZE);
		fill(rows[i].at, rows[i].count, rows[i].order);
		put(rows[i].at, rows[i].confirm);
		CHECK_EQ(rows[i].name, rows[i].wanted, status(0));
		for (u32 j = 0; j < SIZE; j++)
			programmed += bytes[j] == 0x0f;
		CHECK_EQ("bytes", rows[i].programmed, programmed);
		CHECK_EQ("stored", 0, memcmp(bytes, copy, SIZE));
		put(0, 0xff);
	}
	set_up();
	put(0, 0xe8);
	put(0, 64);
	CHECK_EQ("more than it holds", 0xb0, status(0));
	CHECK_EQ("nothing stored", 0, stores);
}

static void test_status(void)
{
	set_up();
	put(0, 0x20);
	put(0, 0);
	CHECK_EQ("errors", 0xb0, status(0));
	put(0, 0x10);
	put(0, 0xff);
	CHECK_EQ("which a good command leaves there", 0xb0, status(0));
	put(0, 0x50);
	CHECK_EQ("cleared, all of it", 0, get(0));
	put(0, 0x10);
	put(0, 0);
	CHECK_EQ("ready again", 0x80, get(0));
	put(0, 0xff);
	put(0, 0x50);
	CHECK_EQ("clearing leaves the contents there", bytes[1], get(1));
	CHECK_EQ("no slot moved for it", shown, hidden);
	put(0, 0xb0);
	put(0, 0xd0);
	put(0, 0x33);
	CHECK_EQ("commands that are none", bytes[1], get(1));
}

/* What cannot be stored is not there. */
static void test_refused(void)
{
	set_up();
	refuses = true;
	bytes[9] = 0xff;
	put(9, 0x10);
	put(9, 0);
	CHECK_EQ("programmed", 0x90, get(9));
	CHECK_EQ("not there", 0xff, bytes[9]);
	put(9, 0x50);
	put(9, 0x20);
	put(9, 0xd0);
	CHECK_EQ("erased", 0xa0, get(9));
	CHECK_EQ("not there", 7 * 8, bytes[8]);
	put(9, 0x50);
	fill(64, 4, NULL);
	put(9, 0xd0);
	CHECK_EQ("by the buffer", 0x90, get(9));
	put(9, 0xff);
	CHECK_EQ("nothing to settle", 0, settled);
}

/* An access of several bytes is several cycles; what lies behind the chip is nobody's. */
static void test_widths(void)
{
	set_up();
	CHECK_EQ("eight bytes", 0x312a231c150e0700ULL, flash_bus_ops.read(&flash, 0, 8));
	CHECK_EQ("over the end", 0xffffffffffff0000ULL | bytes[SIZE - 1] << 8 | bytes[SIZE - 2], flash_bus_ops.read(&flash, SIZE - 2, 8));
	bytes[21] = 0xff;
	flash_bus_ops.write(&flash, 20, 2, 0x5a10);
	CHECK_EQ("a command and its byte", 0x5a, bytes[21]);
	flash_bus_ops.write(&flash, SIZE - 1, 8, 0xff10ff10ff10ff10);
	CHECK_EQ("over the end: the rest of it is to come", FLASH_BYTE, flash.expected);
	flash_reset(&flash);
	CHECK_EQ("reset", FLASH_COMMAND, flash.expected);
	CHECK_EQ("the contents", bytes[3], get(3));
	CHECK_EQ("settled", 1, settled);
	CHECK_EQ("shown", shown, hidden);
}

/* What OVMF does to tell flash from memory and from ROM. */
static void test_probe(void)
{
	set_up();
	u32 at = 16, first = get(at);

	put(at, 0x50);
	CHECK_EQ("no memory", first, get(at));
	put(at, 0x70);
	CHECK_EQ("no ROM", 0, get(at));
	put(at, 0xff);
	CHECK_EQ("flash", first, get(at));
}

static void test_hostile(void)
{
	static const u8 commands[] = { 0x10, 0x40, 0x20, 0xd0, 0xe8, 0xff, 0x70, 0x50, 0x90, 0x98 };
	u64 seed = 42;

	set_up();
	for (u32 i = 0; i < 2000000; i++) {
		u64 random = xorshift(&seed);
		u32 at = (u32)(random >> 8) % SIZE, len = 1u << (random & 3);
		u64 value = random & 16 ? commands[(random >> 40) % ARRAY_SIZE(commands)] : random >> 32;

		if (random & 32)
			at = 4000 + (at & 255);
		if (random & 192)
			flash_bus_ops.write(&flash, at, len, value);
		else
			flash_bus_ops.read(&flash, at, len);
	}
	flash_reset(&flash);
	CHECK_EQ("what is stored is what is there", 0, memcmp(bytes, copy, SIZE));
	for (u32 i = 0; i < 8; i++)
		CHECK_EQ("nothing behind it", (u8)((SIZE + i) * 7 + (SIZE + i) / 256), bytes[SIZE + i]);
	ASSERT_GE(stores, 1000);
}

/* ---- the file ---- */

#define FILE_NAME	"/tmp/keel-flash-test.vars"
#define TEMPLATE	"/tmp/keel-flash-test.template"
#define END		(MAP_GAP_END - 64 * KB)

static struct vm vm;
static struct variables variables;

static void make_file(const char *name, u32 size)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ASSERT_GE(fd, 0);
	for (u32 i = 0; i < size; i++)
		copy[i % SIZE] = 0xff;
	while (size) {
		u32 part = size < SIZE ? size : SIZE;

		ASSERT_EQ(write(fd, copy, part), (ssize_t)part);
		size -= part;
	}
	close(fd);
}

static int add(const char *path, const char *template)
{
	const struct variables_request request = { path, template, END, 64 * KB };

	fake_vm_init(&vm, 0);
	memset(&variables, 0, sizeof(variables));
	return variables_add(&variables, &vm, &request);
}

static u32 file_byte(const char *name, u32 at)
{
	int fd = open(name, O_RDONLY);
	u8 byte = 0;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(pread(fd, &byte, 1, at), 1);
	close(fd);
	return byte;
}

static void test_file(void)
{
	u64 at;

	unlink(FILE_NAME);
	make_file(TEMPLATE, 2 * FLASH_BLOCK);
	ASSERT_EQ(add(FILE_NAME, TEMPLATE), 0);
	at = variables.address;
	CHECK_EQ("it ends there", END, at + 2 * FLASH_BLOCK);
	CHECK_EQ("a slot", 2 * FLASH_BLOCK, fake_record.rom.size);
	bus_write(&vm.mmio, at + 5, 1, 0x10);
	CHECK_EQ("no slot", 0, fake_record.rom.size);
	bus_write(&vm.mmio, at + 5, 1, 0x42);
	CHECK_EQ("in the file", 0x42, file_byte(FILE_NAME, 5));
	CHECK_EQ("not in the template", 0xff, file_byte(TEMPLATE, 5));
	variables_reset(&variables);
	CHECK_EQ("a slot again", 2 * FLASH_BLOCK, fake_record.rom.size);
	CHECK_EQ("with that", 0x42, variables.bytes[5]);
	variables_free(&variables);
	ASSERT_EQ(add(FILE_NAME, TEMPLATE), 0);
	CHECK_EQ("it is there the next time", 0x42, variables.bytes[5]);
	variables_free(&variables);
	ASSERT_EQ(add(FILE_NAME, NULL), 0);
	CHECK_EQ("and with other firmware", 0x42, variables.bytes[5]);
	variables_free(&variables);
	ASSERT_EQ(add(NULL, TEMPLATE), 0);
	bus_write(&vm.mmio, at + 5, 1, 0x10);
	bus_write(&vm.mmio, at + 5, 1, 0x43);
	CHECK_EQ("without a file", 0x43, variables.bytes[5]);
	CHECK_EQ("nothing is kept", 0xff, file_byte(TEMPLATE, 5));
	variables_free(&variables);
	variables_free(&variables);
	variables_reset(&variables);
	unlink(FILE_NAME);
	unlink(TEMPLATE);
}

/* ---- a file that is made ---- */

static bool ends_meanwhile;
static unsigned int synced_directories;

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	struct stat stat;

	if (!fstat(fd, &stat) && S_ISDIR(stat.st_mode))
		synced_directories++;
	else if (ends_meanwhile)
		raise(SIGTERM);
	return __real_fsync(fd);
}

static size_t count_left_over(void)
{
	glob_t names;
	size_t count = glob(FILE_NAME ".*", 0, NULL, &names) ? 0 : names.gl_pathc;

	globfree(&names);
	return count;
}

/* Whoever is told to end while he makes it leaves a whole one or none. */
static void test_made(void)
{
	int status;

	unlink(FILE_NAME);
	make_file(TEMPLATE, 2 * FLASH_BLOCK);
	ASSERT_EQ(add(FILE_NAME, TEMPLATE), 0);
	CHECK_EQ("its name outlives a power cut", 1, synced_directories);
	variables_free(&variables);
	unlink(FILE_NAME);
	ends_meanwhile = true;

	pid_t pid = fork();

	ASSERT_GE(pid, 0);
	if (!pid) {
		signal(SIGTERM, SIG_DFL);
		add(FILE_NAME, TEMPLATE);
		_exit(0);
	}
	ends_meanwhile = false;
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ("ended", SIGTERM, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	CHECK_EQ("nothing left over", 0, count_left_over());
	CHECK_EQ("whole", 0xff, file_byte(FILE_NAME, 2 * FLASH_BLOCK - 1));
	unlink(FILE_NAME);
	unlink(TEMPLATE);
}

static void test_file_refusals(void)
{
	static const struct {
		const char *name;
		u32 size, template;	/* 0: there is none */
		enum status status;
		const char *said;
	} rows[] = {
		{ "nothing to begin with", 0, 0, STATUS_KERNEL, "is to be there" },
		{ "a byte", 1, 0, STATUS_KERNEL, "not a whole number of 4 KB" },
		{ "a byte too many", FLASH_BLOCK + 1, 0, STATUS_KERNEL, "not a whole number of 4 KB" },
		{ "too large", 68 * KB, 0, STATUS_KERNEL, "larger than the 64 KB" },
		{ "another firmware's", FLASH_BLOCK, 2 * FLASH_BLOCK, STATUS_KERNEL, "it is another firmware's" },
		{ "a template of an odd size", 0, 100, STATUS_KERNEL, "not a whole number of 4 KB" },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		unlink(FILE_NAME);
		if (rows[i].size)
			make_file(FILE_NAME, rows[i].size);
		if (rows[i].template)
			make_file(TEMPLATE, rows[i].template);
		CHECK_EQ(rows[i].name, rows[i].status, add(FILE_NAME, rows[i].template ? TEMPLATE : NULL));
		ASSERT(strstr(status_last(), rows[i].said), "%s: wanted '%s', got '%s'", rows[i].name, rows[i].said, status_last());
		CHECK_EQ("no slot", 0, fake_record.rom.size);
		variables_free(&variables);
	}
	CHECK_EQ("a directory", STATUS_KERNEL, add("/tmp", NULL));
	variables_free(&variables);
	CHECK_EQ("nowhere to make it", STATUS_KERNEL, add("/none/of/this", "/dev/null"));
	variables_free(&variables);
	make_file(FILE_NAME, FLASH_BLOCK);
	int other = open(FILE_NAME, O_RDONLY);

	ASSERT_EQ(flock(other, LOCK_EX), 0);
	CHECK_EQ("another machine's", STATUS_DISK, add(FILE_NAME, NULL));
	ASSERT(strstr(status_last(), "--firmware-vars " FILE_NAME ": in use"), "got '%s'", status_last());
	variables_free(&variables);
	close(other);
	unlink(FILE_NAME);
	unlink(TEMPLATE);
}

static const struct test_case cases[] = {
	{ "answers", test_answers },
	{ "program", test_program },
	{ "erase", test_erase },
	{ "buffer", test_buffer },
	{ "status", test_status },
	{ "refused", test_refused },
	{ "widths", test_widths },
	{ "probe", test_probe },
	{ "hostile", test_hostile },
	{ "file", test_file },
	{ "made", test_made },
	{ "file-refusals", test_file_refusals },
};

TEST_MAIN(cases)
