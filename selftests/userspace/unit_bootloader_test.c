// SPDX-License-Identifier: GPL-2.0-only
/*
 * The launcher as a boot loader: where the initrd may lie, how long a command line may be, and how
 * kernels of before protocol 2.02 find theirs.
 *
 * Linux, Documentation/arch/x86/boot.rst: ramdisk_image, initrd_addr_max, init_size, cmdline_size,
 * and "The Kernel Command Line": before 2.02 it is told by cmd_line_magic 0xA33F at 0x20 and
 * cmd_line_offset at 0x22, from the start of the set-up code, which is at 0x90000 then, and lies in
 * the area that setup_move_size covers.
 */
#include <asm/bootparam.h>
#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot_file.h"
#include "test.h"
#include "userspace/boot.h"
#include "userspace/memory.h"

#define SETUP	((4 + 1) * 512)

static u8 image[SETUP + 0x10000];

static void make_kernel(u16 version, u32 addr_max, u32 init_size)
{
	struct setup_header *h = (void *)(image + offsetof(struct boot_params, hdr));

	memset(image, 0, sizeof(image));
	h->setup_sects = 4;
	h->boot_flag = 0xaa55;
	h->jump = 0x66eb;
	memcpy(&h->header, "HdrS", 4);
	h->version = version;
	h->loadflags = LOADED_HIGH;
	h->initrd_addr_max = addr_max;
	h->kernel_alignment = 0x200000;
	h->relocatable_kernel = 1;
	h->xloadflags = XLF_KERNEL_64;
	h->cmdline_size = 2047;
	h->pref_address = 0x1000000;
	h->init_size = init_size;
	h->code32_start = 0x100000;
	write_file("/tmp/keel-boot-test.kernel", image, sizeof(image), sizeof(image));
}

static const struct boot_params *load(u64 memory_size, size_t initrd_size, const char *append,
				      int *ret, struct memory *memory)
{
	struct boot_request request = { .kernel = "/tmp/keel-boot-test.kernel",
					.append = append,
					.cpus = 1 };
	struct boot_entry entry;

	memset(memory, 0, sizeof(*memory));
	ASSERT_EQ(memory_create(memory, memory_size, 0), 0);
	if (initrd_size) {
		write_file("/tmp/keel-boot-test.initrd", "INITRD", 6, initrd_size);
		request.initrd = "/tmp/keel-boot-test.initrd";
	}
	*ret = boot_load(memory, &request, &entry);
	return memory_at(memory, MAP_BOOT_PARAMS, sizeof(struct boot_params));
}

static void test_initrd(void)
{
	static const struct {
		const char *name;
		u64 memory;
		size_t initrd;
		u32 max, init_size;
		bool fits;
	} rows[] = {
		{ "256 MB", 256ULL << 20, 5 << 20, 0x7fffffff, 0x2000000, true },
		{ "5 GB", 5ULL << 30, 5 << 20, 0x7fffffff, 0x2000000, true },
		{ "5 GB, no limit", 5ULL << 30, 5 << 20, 0xffffffff, 0x2000000, true },
		{ "3330 MB", 3330ULL << 20, 5 << 20, 0xffffffff, 0x2000000, true },
		{ "limit of old kernels", 5ULL << 30, 5 << 20, 0x37ffffff, 0x2000000, true },
		{ "odd size", 512ULL << 20, (5 << 20) + 4097, 0x7fffffff, 0x2000000, true },
		{ "no room", 64ULL << 20, 30 << 20, 0x7fffffff, 0x2000000, false },
		{ "just room", 64ULL << 20, 16 << 20, 0x7fffffff, 0x2000000, true },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct memory memory;
		int ret;

		test_note("%s", rows[i].name);
		make_kernel(0x020f, rows[i].max, rows[i].init_size);
		const struct boot_params *p =
			load(rows[i].memory, rows[i].initrd, "console=ttyS0", &ret, &memory);

		CHECK_EQ("loads", rows[i].fits, !ret);
		if (ret) {
			memory_destroy(&memory);
			continue;
		}
		u64 at = p->hdr.ramdisk_image | (u64)p->ext_ramdisk_image << 32,
		    end = at + rows[i].initrd;

		CHECK_EQ("size", rows[i].initrd,
			 p->hdr.ramdisk_size | (u64)p->ext_ramdisk_size << 32);
		CHECK_EQ("not above the kernel's limit", 1, end - 1 <= rows[i].max);
		CHECK_EQ("in low memory", 1, end <= memory.low_end);
		CHECK_EQ("clear of the kernel", 1,
			 at >= 0x1000000ULL + rows[i].init_size || end <= 0x1000000);
		CHECK_EQ("its bytes", 0, memcmp(memory_at(&memory, at, 6), "INITRD", 6));
		bool in_map = false;

		for (u32 k = 0; k < p->e820_entries; k++)
			if (p->e820_table[k].type == 1 && at >= p->e820_table[k].addr &&
			    end <= p->e820_table[k].addr + p->e820_table[k].size)
				in_map = true;
		CHECK_EQ("in memory of the map", 1, in_map);
		memory_destroy(&memory);
	}
}

static void test_command(void)
{
	static char text[4096];
	struct memory memory;
	int ret;

	make_kernel(0x020f, 0x7fffffff, 0x2000000);
	memset(text, 'a', 2047);
	const struct boot_params *p = load(256ULL << 20, 0, text, &ret, &memory);

	CHECK_EQ("2047 characters", 0, ret);
	CHECK_EQ("all there", 0, memcmp(memory_at(&memory, p->hdr.cmd_line_ptr, 2048), text, 2048));
	text[2047] = 'b';
	load(256ULL << 20, 0, text, &ret, &memory);
	CHECK_EQ("2048 are refused", 1, ret != 0);
	p = load(256ULL << 20, 0, "", &ret, &memory);
	CHECK_EQ("an empty one", 0, ret);
	CHECK_EQ("is there", 0, *(u8 *)memory_at(&memory, p->hdr.cmd_line_ptr, 1));
}

/* keel(1): "a bzImage (boot protocol 2.00 or later ...)" */
static void test_old_command(void)
{
	static const struct {
		const char *name;
		u16 version, magic;
	} rows[] = {
		{ "2.00", 0x0200, 0xa33f },
		{ "2.01", 0x0201, 0xa33f },
		{ "2.02", 0x0202, 0 },
		{ "2.15", 0x020f, 0 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct memory memory;
		u16 magic, offset, ext_mem_k;
		int ret;

		test_note("protocol %s", rows[i].name);
		make_kernel(rows[i].version, 0x7fffffff, 0);
		const struct boot_params *p =
			load(256ULL << 20, 0, "root=/dev/hda1", &ret, &memory);

		ASSERT_EQ(ret, 0);
		memcpy(&magic, (const u8 *)p + 0x20, 2);
		memcpy(&offset, (const u8 *)p + 0x22, 2);
		memcpy(&ext_mem_k, (const u8 *)p + 0x02, 2);
		CHECK_EQ("cmd_line_magic", rows[i].magic, magic);
		if (rows[i].magic) {
			CHECK_EQ("the set-up code's place", 0x90000, MAP_BOOT_PARAMS);
			CHECK_EQ("the text at cmd_line_offset", 0,
				 memcmp((const u8 *)p + offset, "root=/dev/hda1", 15));
			CHECK_EQ("covered by setup_move_size", 1,
				 p->hdr.setup_move_size >= offset + 15);
		} else {
			CHECK_EQ("the text at cmd_line_ptr", 0,
				 memcmp(memory_at(&memory, p->hdr.cmd_line_ptr, 15),
					"root=/dev/hda1", 15));
		}
		CHECK_EQ("memory above 1 MB, as old kernels see it", 0xfc00, ext_mem_k);
		memory_destroy(&memory);
	}
}

/* A file that is not whole, or is nothing that can be booted, is named as that. */
static void test_words(void)
{
	static const struct {
		const char *name, *head, *want;
		size_t size;
	} rows[] = {
		{ "gzip", "\x1f\x8b\x08", "compressed; unpack it first, or give the bzImage",
		  4096 },
		{ "xz",
		  "\xfd"
		  "7zXZ",
		  "compressed; unpack it first, or give the bzImage", 4096 },
		{ "zstd", "\x28\xb5\x2f\xfd", "compressed; unpack it first, or give the bzImage",
		  4096 },
		{ "text", "#!/bin/sh", "neither a bzImage nor an ELF file", 4096 },
		{ "short", "#!/bin/sh", "too short for a kernel", 100 },
	};
	static u8 file[4096];
	struct boot_kernel kernel;
	struct memory memory;

	ASSERT_EQ(memory_create(&memory, 64ULL << 20, 0), 0);
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		memset(file, 0, sizeof(file));
		memcpy(file, rows[i].head, strlen(rows[i].head));
		const char *said = boot_place_kernel(&memory, file, rows[i].size, BOOT_AUTO, &kernel);

		test_note("%s: %s", rows[i].name, said ?: "taken");
		CHECK_EQ(rows[i].name, 0, strcmp(said ?: "", rows[i].want));
	}
	make_kernel(0x020f, 0x7fffffff, 0x2000000);
	((struct setup_header *)(image + offsetof(struct boot_params, hdr)))->syssize =
		(sizeof(image) - SETUP) / 16;
	CHECK_EQ("whole", 1, !boot_place_kernel(&memory, image, sizeof(image), BOOT_AUTO, &kernel));
	CHECK_EQ("the last paragraph is not full", 1,
		 !boot_place_kernel(&memory, image, sizeof(image) - 15, BOOT_AUTO, &kernel));
	const char *said = boot_place_kernel(&memory, image, sizeof(image) - 16, BOOT_AUTO, &kernel);

	CHECK_EQ("a paragraph less", 0, strcmp(said ?: "", "truncated: shorter than its header says"));
	said = boot_place_kernel(&memory, image, sizeof(image) / 2, BOOT_AUTO, &kernel);

	CHECK_EQ("cut", 0, strcmp(said ?: "", "truncated: shorter than its header says"));
}

/*
 * Images for a PC's BIOS: entered they would do nothing that can be understood. boot.rst, code32_start and kernel_version.
 */
static void test_bios_images(void)
{
	static const struct {
		const char *name, *version, *want;
		u32 code32_start;
		u16 protocol;
	} bz[] = {
		{ "bzImage, 32 bits", "", "", 0x100000, 0x0203 },
		{ "bzImage, 64 bits, no 32-bit entry", "", "", 0, 0x020f },
		{ "no 32-bit entry", "iPXE",
		  "code32_start is 0: it has no 32-bit entry point, and starts from a BIOS alone", 0, 0x0207 },
		{ "memdisk", "MEMDISK 6.04", "MEMDISK, which works with a BIOS alone", 0x100000, 0x0203 },
		{ "a Linux of that name", "5.10 MEMDISK", "", 0x100000, 0x0203 },
	};
	struct boot_kernel kernel;
	struct memory memory;
	const char *said;

	ASSERT_EQ(memory_create(&memory, 64ULL << 20, 0), 0);
	for (u32 i = 0; i < ARRAY_SIZE(bz); i++) {
		make_kernel(bz[i].protocol, 0x7fffffff, 0);
		struct setup_header *h = (void *)(image + offsetof(struct boot_params, hdr));

		h->code32_start = bz[i].code32_start;
		h->kernel_version = 0x400;
		strcpy((char *)image + 0x600, bz[i].version);
		said = boot_place_kernel(&memory, image, sizeof(image), BOOT_AUTO, &kernel);
		test_note("%s: %s", bz[i].name, said ?: "taken");
		CHECK_EQ(bz[i].name, 0, strcmp(said ?: "", bz[i].want));
	}
	memory_destroy(&memory);
}

/* What the header says of its kernel_version may lie outside the file. */
static void test_version_outside(void)
{
	struct setup_header *h = (void *)(image + offsetof(struct boot_params, hdr));
	struct boot_kernel kernel;
	struct memory memory;

	ASSERT_EQ(memory_create(&memory, 64ULL << 20, 0), 0);
	make_kernel(0x020f, 0x7fffffff, 0);
	h->kernel_version = 0xffff;
	u8 *exact = malloc(SETUP + 0x1000);

	ASSERT(exact, "memory");
	memcpy(exact, image, SETUP + 0x1000);
	CHECK_EQ("taken", 1, !boot_place_kernel(&memory, exact, SETUP + 0x1000, BOOT_AUTO, &kernel));
	free(exact);
	memory_destroy(&memory);
}

static const struct test_case cases[] = {
	{ "initrd", test_initrd },
	{ "command", test_command },
	{ "old_command", test_old_command },
	{ "words", test_words },
	{ "bios_images", test_bios_images },
	{ "version_outside", test_version_outside },
};

TEST_MAIN(cases)
