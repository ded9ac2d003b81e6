// SPDX-License-Identifier: GPL-2.0-only
/* fw_cfg: items by port and by request, and that no request reaches past an item or out of the guest's memory. */
#include <endian.h>
#include <linux/qemu_fw_cfg.h>

#include "fake_vm.h"
#include "test.h"
#include "userspace/fw_cfg.h"

#define MEMORY		(2ULL << 20)
#define REQUEST		0x1000		/* where the requests lie */
#define BUFFER		0x2000
#define ITEM		0x4711
#define ABSENT		0x1234
#define ERROR		FW_CFG_DMA_CTL_ERROR
#define READ		FW_CFG_DMA_CTL_READ
#define SKIP_ON		FW_CFG_DMA_CTL_SKIP
#define WRITE		FW_CFG_DMA_CTL_WRITE
#define SELECT(key)	((u32)(key) << 16 | FW_CFG_DMA_CTL_SELECT)

static struct vm vm;
static struct fw_cfg config;
static const u8 words[] = "ten bytes";	/* with its zero */

static void set_up(void)
{
	fake_vm_init(&vm, MEMORY);
	ASSERT_EQ(fw_cfg_init(&config, &vm), 0);
	ASSERT_EQ(fw_cfg_add(&config, ITEM, words, sizeof(words)), 0);
}

static void tear_down(void)
{
	fw_cfg_free(&config);
	memory_destroy(&vm.memory);
}

static void select_key(u16 key) { bus_write(&vm.ports, 0x510, 2, key); }
static u8 next_byte(void) { return (u8)bus_read(&vm.ports, 0x511, 1); }

static void point_to(u64 address)
{
	bus_write(&vm.ports, 0x514, 4, htobe32((u32)(address >> 32)));
	bus_write(&vm.ports, 0x518, 4, htobe32((u32)address));
}

/* Return: what the device answers in the request; the request is at @at. */
static u32 ask_at(u64 at, u32 control, u32 length, u64 address)
{
	struct fw_cfg_dma_access request = { htobe32(control), htobe32(length), htobe64(address) };
	void *host = memory_at(&vm.memory, at, sizeof(request));

	ASSERT(host, "the request lies in memory");
	memcpy(host, &request, sizeof(request));
	point_to(at);
	memcpy(&request, host, sizeof(request));
	return be32toh(request.control);
}

static u32 ask(u32 control, u32 length, u64 address) { return ask_at(REQUEST, control, length, address); }

static void test_ports(void)
{
	set_up();
	select_key(FW_CFG_SIGNATURE);
	for (u32 i = 0; i < 4; i++)
		CHECK_EQ("signature", "QEMU"[i], next_byte());
	CHECK_EQ("behind it", 0, next_byte());
	select_key(FW_CFG_ID);
	CHECK_EQ("both interfaces", 3, next_byte());
	select_key(ITEM);
	for (u32 i = 0; i < sizeof(words); i++)
		CHECK_EQ("item", words[i], next_byte());
	for (u32 i = 0; i < 100000; i++)
		ASSERT_EQ(next_byte(), 0);
	select_key(ITEM);
	CHECK_EQ("from its start again", words[0], next_byte());
	select_key(ABSENT);
	CHECK_EQ("no such item", 0, next_byte());
	fw_cfg_reset(&config);
	CHECK_EQ("nothing selected", 0, next_byte());
	tear_down();
}

/* What is no access to a register has no effect and reads as nobody's. */
static void test_odd_accesses(void)
{
	set_up();
	select_key(ITEM);
	bus_write(&vm.ports, 0x510, 1, 0);
	bus_write(&vm.ports, 0x510, 4, 0);
	bus_write(&vm.ports, 0x511, 1, 'X');
	bus_write(&vm.ports, 0x511, 2, 0);
	CHECK_EQ("selector as a word", 0xffff, bus_read(&vm.ports, 0x510, 2));
	CHECK_EQ("selector as a byte", 0xff, bus_read(&vm.ports, 0x510, 1));
	CHECK_EQ("data as a word", 0xffff, bus_read(&vm.ports, 0x511, 2));
	CHECK_EQ("still there, still the first byte", words[0], next_byte());
	for (u32 i = 0; i < 8; i++) {
		CHECK_EQ("DMA signature", (u8)"QEMU CFG"[i], bus_read(&vm.ports, 0x514 + i, 1));
		for (u32 len = 1; len <= 8; len *= 2)
			bus_read(&vm.ports, 0x514 + i, len);
	}
	/* A request is ready, and nothing but the lower half as a whole starts it. */
	memset(memory_at(&vm.memory, REQUEST, 16), 0xff, 16);
	for (u32 i = 0; i < 8; i++)
		for (u32 len = 1; len <= 8; len *= 2)
			if (len != 4 || i != 4)
				bus_write(&vm.ports, 0x514 + i, len, i == 0 ? 0 : htobe32(REQUEST));
	CHECK_EQ("not started", 0xff, *(u8 *)memory_at(&vm.memory, REQUEST, 1));
	tear_down();
}

static void test_requests(void)
{
	static const struct {
		const char *name;
		u32 control, length;
		u64 address;
		u32 answer;
		u8 first, count;	/* of the item's bytes that are in the buffer afterwards */
	} rows[] = {
		{ "select and read", SELECT(ITEM) | READ, 10, BUFFER, 0, 0, 10 },
		{ "more than there is", SELECT(ITEM) | READ, 100, BUFFER, 0, 0, 10 },
		{ "skip", SELECT(ITEM) | SKIP_ON, 4, 0, 0, 0, 0 },
		{ "read on", READ, 3, BUFFER, 0, 4, 3 },
		{ "skip far", SKIP_ON, FW_CFG_TRANSFER_MAX, 0, 0, 0, 0 },
		{ "behind the end", READ, 5, BUFFER, 0, 0, 0 },
		{ "an item that is not there", SELECT(ABSENT) | READ, 5, BUFFER, 0, 0, 0 },
		{ "nothing to do", 0, 5, BUFFER, 0, 0, 0 },
		{ "no bytes, nowhere", SELECT(ITEM) | READ, 0, ~0ULL, 0, 0, 0 },
		{ "a read before a skip", READ | SKIP_ON, 2, BUFFER, 0, 0, 2 },
		{ "a write", SELECT(ITEM) | WRITE, 2, BUFFER, ERROR, 0, 0 },
		{ "a byte too many", SELECT(ITEM) | READ, FW_CFG_TRANSFER_MAX + 1, BUFFER, ERROR, 0, 0 },
		{ "4 GB", SELECT(ITEM) | READ, ~0u, BUFFER, ERROR, 0, 0 },
		{ "skip 4 GB", SELECT(ITEM) | SKIP_ON, ~0u, 0, ERROR, 0, 0 },
		{ "past the end of memory", SELECT(ITEM) | READ, 10, MEMORY - 9, ERROR, 0, 0 },
		{ "beyond memory", SELECT(ITEM) | READ, 10, MEMORY, ERROR, 0, 0 },
		{ "into the VGA hole", SELECT(ITEM) | READ, 10, 0x9fffc, ERROR, 0, 0 },
		{ "in the hole", SELECT(ITEM) | READ, 1, 0xb8000, ERROR, 0, 0 },
		{ "an address that wraps", SELECT(ITEM) | READ, 10, ~0ULL - 4, ERROR, 0, 0 },
		{ "a device's address", SELECT(ITEM) | READ, 10, 0xfee00000, ERROR, 0, 0 },
		{ "all memory, more than it", SELECT(ITEM) | READ, FW_CFG_TRANSFER_MAX, 0, ERROR, 0, 0 },
	};

	set_up();
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		u8 *buffer = memory_at(&vm.memory, BUFFER, 128);

		test_note("%s", rows[i].name);
		memset(buffer, 0xee, 128);
		CHECK_EQ("answer", rows[i].answer, ask(rows[i].control, rows[i].length, rows[i].address));
		CHECK_EQ("bytes", 0, memcmp(buffer, words + rows[i].first, rows[i].count));
		u32 written = rows[i].answer || !(rows[i].control & READ) || rows[i].address != BUFFER ? 0 : rows[i].length;

		for (u32 k = rows[i].count; k < 128; k++)
			CHECK_EQ("zeros up to its length, and nothing behind", k < written ? 0 : 0xee, buffer[k]);
	}
	tear_down();
}

/* A request that is not all in memory is dropped; one that overwrites itself is answered. */
static void test_places(void)
{
	static const u64 nowhere[] = { MEMORY, MEMORY - 15, 0x9fff8, 0xa0000, ~0ULL, ~0ULL - 15, 1ULL << 63, 1ULL << 32 };

	set_up();
	for (u32 i = 0; i < ARRAY_SIZE(nowhere); i++)
		point_to(nowhere[i]);
	CHECK_EQ("the last place", 0, ask_at(MEMORY - 16, SELECT(ITEM) | READ, 10, BUFFER));
	CHECK_EQ("an odd place", 0, ask_at(REQUEST + 3, SELECT(ITEM) | READ, 10, BUFFER));
	CHECK_EQ("over itself", 0, ask_at(REQUEST, SELECT(ITEM) | READ, 16, REQUEST));
	/* The upper half counts once. */
	bus_write(&vm.ports, 0x514, 4, htobe32(1));
	point_to(1ULL << 32 | REQUEST);
	CHECK_EQ("low again", 0, ask(READ, 1, BUFFER));
	tear_down();
}

static void test_directory(void)
{
	struct fw_cfg_file file;
	u8 *buffer = NULL;
	char name[64];
	u32 count;

	set_up();
	for (u32 i = 0; i < FW_CFG_FILES_MAX; i++) {
		snprintf(name, sizeof(name), "etc/%0*u", (int)(1 + i * 50 / FW_CFG_FILES_MAX), i);
		ASSERT_EQ(fw_cfg_add_file(&config, name, name, i), 0);
	}
	CHECK_EQ("one file too many", -ENOSPC, fw_cfg_add_file(&config, "etc/more", "", 0));
	memset(name, 'n', sizeof(name));
	name[56] = 0;
	CHECK_EQ("a name too long", -EINVAL, fw_cfg_add_file(&config, name, "", 0));
	buffer = memory_at(&vm.memory, BUFFER, 4 + FW_CFG_FILES_MAX * sizeof(file));
	ASSERT_EQ(ask(SELECT(FW_CFG_FILE_DIR) | READ, 4 + FW_CFG_FILES_MAX * sizeof(file), BUFFER), 0);
	memcpy(&count, buffer, 4);
	CHECK_EQ("files", FW_CFG_FILES_MAX, be32toh(count));
	for (u32 i = 0; i < FW_CFG_FILES_MAX; i++) {
		memcpy(&file, buffer + 4 + i * sizeof(file), sizeof(file));
		snprintf(name, sizeof(name), "etc/%0*u", (int)(1 + i * 50 / FW_CFG_FILES_MAX), i);
		CHECK_EQ("name", 0, strcmp(name, file.name));
		CHECK_EQ("size", i, be32toh(file.size));
		select_key(be16toh(file.select));
		CHECK_EQ("its first byte", i ? 'e' : 0, next_byte());
	}
	for (u32 key = 1; !fw_cfg_add(&config, (u16)(0x100 + key), "", 0);)
		ASSERT_LE(++key, FW_CFG_ITEMS_MAX);
	tear_down();
}

/* Random accesses and requests, most of them nearly right. */
static void test_noise(void)
{
	static const u64 addresses[] = { 0, BUFFER, REQUEST, 0x9fff0, 0xa0000, 0xc0000, MEMORY - 8, MEMORY, 1ULL << 32, ~0ULL - 3 };
	static const u16 keys[] = { FW_CFG_SIGNATURE, FW_CFG_ID, FW_CFG_FILE_DIR, ITEM, ABSENT, 0xffff };
	u64 seed = 14;

	set_up();
	for (u32 i = 0; i < 200000; i++) {
		u64 r = xorshift(&seed);
		u64 address = addresses[(r >> 8) % ARRAY_SIZE(addresses)] + (r >> 40 & 15);
		u32 length = r & 16 ? (u32)(r >> 44) & 63 : (u32)(r >> 32) >> (r & 31);
		u32 control = (u32)keys[(r >> 16) % ARRAY_SIZE(keys)] << 16 | (r >> 24 & 0x1f);

		switch (r % 4) {
		case 0:
			/* memory of 2 MB is soon zeroed */
			ask(control, length & 0xffff, address);
			break;
		case 1:
			bus_write(&vm.ports, 0x510 + (r >> 32) % 12, 1u << (r >> 36) % 4, xorshift(&seed));
			break;
		case 2:
			bus_read(&vm.ports, 0x510 + (r >> 32) % 12, 1u << (r >> 36) % 4);
			break;
		default:
			point_to(address);
			break;
		}
		if (config.selected)
			ASSERT_LE(config.offset, config.selected->size);
	}
	tear_down();
}

static const struct test_case cases[] = {
	{ "ports", test_ports },
	{ "odd_accesses", test_odd_accesses },
	{ "requests", test_requests },
	{ "places", test_places },
	{ "directory", test_directory },
	{ "noise", test_noise },
};

TEST_MAIN(cases)
