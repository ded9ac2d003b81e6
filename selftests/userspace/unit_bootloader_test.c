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

#include "test.h"
#include "userspace/boot.h"
#include "userspace/memory.h"

#define SETUP	((4 + 1) * 512)

static u8 image[SETUP + 0x10000];

static void write_file(const char *path, const void *bytes, size_t head, size_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(write(fd, bytes, head), (int)head);
	ASSERT_EQ(ftruncate(fd, size), 0);
	close(fd);
}

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
	ASSERT_EQ(memory_create(memory, memory_size), 0);
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

	ASSERT_EQ(memory_create(&memory, 64ULL << 20), 0);
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		memset(file, 0, sizeof(file));
		memcpy(file, rows[i].head, strlen(rows[i].head));
		const char *said = boot_place_kernel(&memory, file, rows[i].size, &kernel);

		test_note("%s: %s", rows[i].name, said ?: "taken");
		CHECK_EQ(rows[i].name, 0, strcmp(said ?: "", rows[i].want));
	}
	make_kernel(0x020f, 0x7fffffff, 0x2000000);
	((struct setup_header *)(image + offsetof(struct boot_params, hdr)))->syssize =
		(sizeof(image) - SETUP) / 16;
	CHECK_EQ("whole", 1, !boot_place_kernel(&memory, image, sizeof(image), &kernel));
	CHECK_EQ("the last paragraph is not full", 1,
		 !boot_place_kernel(&memory, image, sizeof(image) - 15, &kernel));
	const char *said = boot_place_kernel(&memory, image, sizeof(image) - 16, &kernel);

	CHECK_EQ("a paragraph less", 0, strcmp(said ?: "", "truncated: shorter than its header says"));
	said = boot_place_kernel(&memory, image, sizeof(image) / 2, &kernel);

	CHECK_EQ("cut", 0, strcmp(said ?: "", "truncated: shorter than its header says"));
}

static void put_at(u32 at, const u32 *words, u32 count)
{
	memcpy(image + at, words, 4 * count);
}

/*
 * Images for boot protocols that are not known, or for a PC's BIOS: entered they would do nothing that can be
 * understood. Multiboot 3.1 and 3.2 (Multiboot Specification, "The layout of Multiboot header");
 * boot.rst, code32_start and kernel_version.
 */
static void test_other_protocols(void)
{
	static const u32 one[] = { 0x1badb002, 3, -(0x1badb002u + 3) }, bad_one[] = { 0x1badb002, 3, 5 };
	static const u32 display[] = { 0x1badb002, 7, -(0x1badb002u + 7) }, optional[] = { 0x1badb002, 0x10003, -(0x1badb002u + 0x10003) };
	static const u32 two[] = { 0xe85250d6, 0, 24, -(0xe85250d6u + 24) };
	static const char more[] = "a Multiboot kernel that wants more than modules and a memory map, a display most likely";
	static const char multiboot2[] = "a Multiboot2 kernel, and only the first Multiboot is known";
	static const struct {
		const char *name;
		const u32 *words;
		u32 at, count;
		const char *want;
		enum boot_protocol protocol;
	} elf[] = {
		{ "ELF, no header", one, 128, 0, "", BOOT_LINUX },
		{ "Multiboot", one, 128, 3, "", BOOT_MULTIBOOT },
		{ "Multiboot, at the last place", one, 8192 - 12, 3, "", BOOT_MULTIBOOT },
		{ "Multiboot, behind it", one, 8192 - 8, 3, "", BOOT_LINUX },
		{ "Multiboot, not aligned", one, 130, 3, "", BOOT_LINUX },
		{ "Multiboot, sum wrong", bad_one, 128, 3, "", BOOT_LINUX },
		{ "Multiboot, what need not be understood", optional, 128, 3, "", BOOT_MULTIBOOT },
		{ "Multiboot, with a display", display, 128, 3, more, BOOT_MULTIBOOT },
		{ "Multiboot2", two, 128, 4, multiboot2, BOOT_LINUX },
		{ "Multiboot2, at the last place", two, 32768 - 16, 4, multiboot2, BOOT_LINUX },
		{ "Multiboot2, not aligned", two, 132, 4, "", BOOT_LINUX },
	};
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

	ASSERT_EQ(memory_create(&memory, 64ULL << 20), 0);
	for (u32 i = 0; i < ARRAY_SIZE(elf); i++) {
		Elf32_Ehdr e = { .e_machine = EM_386, .e_entry = 0x100000, .e_phnum = 1,
				 .e_phentsize = sizeof(Elf32_Phdr), .e_phoff = sizeof(e) };
		Elf32_Phdr p = { .p_type = PT_LOAD, .p_paddr = 0x100000, .p_memsz = 0x1000 };

		memset(image, 0, sizeof(image));
		memcpy(e.e_ident, ELFMAG, SELFMAG);
		e.e_ident[EI_CLASS] = ELFCLASS32;
		memcpy(image, &e, sizeof(e));
		memcpy(image + sizeof(e), &p, sizeof(p));
		put_at(elf[i].at, elf[i].words, elf[i].count);
		said = boot_place_kernel(&memory, image, sizeof(image), &kernel);
		test_note("%s: %s", elf[i].name, said ?: "taken");
		CHECK_EQ(elf[i].name, 0, strcmp(said ?: "", elf[i].want));
		CHECK_EQ("protocol", elf[i].protocol, kernel.protocol);
	}
	for (u32 i = 0; i < ARRAY_SIZE(bz); i++) {
		make_kernel(bz[i].protocol, 0x7fffffff, 0);
		struct setup_header *h = (void *)(image + offsetof(struct boot_params, hdr));

		h->code32_start = bz[i].code32_start;
		h->kernel_version = 0x400;
		strcpy((char *)image + 0x600, bz[i].version);
		said = boot_place_kernel(&memory, image, sizeof(image), &kernel);
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

	ASSERT_EQ(memory_create(&memory, 64ULL << 20), 0);
	make_kernel(0x020f, 0x7fffffff, 0);
	h->kernel_version = 0xffff;
	u8 *exact = malloc(SETUP + 0x1000);

	ASSERT(exact, "memory");
	memcpy(exact, image, SETUP + 0x1000);
	CHECK_EQ("taken", 1, !boot_place_kernel(&memory, exact, SETUP + 0x1000, &kernel));
	free(exact);
	memory_destroy(&memory);
}

/* An ELF file for 32 or 64 bits whose first segment is a page of code and whose second is @notes. */
static void make_elf(bool is_64bit, const void *notes, u32 size)
{
	memset(image, 0, sizeof(image));
	if (is_64bit) {
		Elf64_Ehdr e = { .e_machine = EM_X86_64, .e_entry = 0x100000, .e_phnum = 2,
				 .e_phentsize = sizeof(Elf64_Phdr), .e_phoff = sizeof(e) };
		const Elf64_Phdr p[] = { { .p_type = PT_LOAD, .p_paddr = 0x100000, .p_memsz = 0x1000 },
					 { .p_type = PT_NOTE, .p_offset = 0x400, .p_filesz = size } };

		memcpy(e.e_ident, ELFMAG, SELFMAG);
		e.e_ident[EI_CLASS] = ELFCLASS64;
		memcpy(image, &e, sizeof(e));
		memcpy(image + sizeof(e), p, sizeof(p));
	} else {
		Elf32_Ehdr e = { .e_machine = EM_386, .e_entry = 0x100000, .e_phnum = 2,
				 .e_phentsize = sizeof(Elf32_Phdr), .e_phoff = sizeof(e) };
		const Elf32_Phdr p[] = { { .p_type = PT_LOAD, .p_paddr = 0x100000, .p_memsz = 0x1000 },
					 { .p_type = PT_NOTE, .p_offset = 0x400, .p_filesz = size } };

		memcpy(e.e_ident, ELFMAG, SELFMAG);
		e.e_ident[EI_CLASS] = ELFCLASS32;
		memcpy(image, &e, sizeof(e));
		memcpy(image + sizeof(e), p, sizeof(p));
	}
	memcpy(image + 0x400, notes, size);
}

#define XEN	0x006e6558	/* "Xen" */

/* Xen's "x86/HVM direct boot ABI": the note XEN_ELFNOTE_PHYS32_ENTRY. */
static void test_pvh_notes(void)
{
	static const u32 other[] = { 4, 4, 6, XEN, 0x00646542, 4, 4, 18, XEN, 0x100100 };	/* guest "Bed" */
	static const u32 wide[] = { 4, 8, 18, XEN, 0x100200, 0, 4, 4, 6, XEN, 0x00646542 };
	static const u32 is_linux[] = { 4, 6, 6, XEN, 0x756e696c, 0x78, 4, 4, 18, XEN, 0x100100 };
	static const u32 silent[] = { 4, 4, 18, XEN, 0x100100 };
	static const u32 high[] = { 4, 8, 18, XEN, 0x100200, 1, 4, 4, 6, XEN, 0x00646542 };
	static const u32 odd[] = { 4, 3, 18, XEN, 0x100100, 4, 4, 6, XEN, 0x00646542 };
	static const u32 foreign[] = { 4, 4, 18, 0x00554e47, 0x100100, 4, 4, 6, XEN, 0x00646542 };
	static const u32 huge_name[] = { 0xffffffff, 4, 18, XEN, 0x100100 };
	static const u32 huge_description[] = { 4, 0xfffffffd, 18, XEN, 0x100100 };
	static const u32 outside[] = { 4, 4, 6, XEN, 0x00646542, 4, 4, 18, XEN, 0x40000000 };
	static const struct {
		const char *name;
		const u32 *notes;
		u32 size, rip;
		enum boot_protocol protocol;
		const char *want;
	} rows[] = {
		{ "PVH", other, sizeof(other), 0x100100, BOOT_PVH, "" },
		{ "PVH, 8 bytes, before the guest's name", wide, sizeof(wide), 0x100200, BOOT_PVH, "" },
		{ "Linux", is_linux, sizeof(is_linux), 0x100000, BOOT_LINUX, "" },
		{ "nobody's name: Linux has such too", silent, sizeof(silent), 0x100000, BOOT_LINUX, "" },
		{ "above 4 GB", high, sizeof(high), 0x100000, BOOT_LINUX, "" },
		{ "3 bytes", odd, sizeof(odd), 0x100000, BOOT_LINUX, "" },
		{ "somebody else's note", foreign, sizeof(foreign), 0x100000, BOOT_LINUX, "" },
		{ "a name too long", huge_name, sizeof(huge_name), 0x100000, BOOT_LINUX, "" },
		{ "a description too long", huge_description, sizeof(huge_description), 0x100000, BOOT_LINUX, "" },
		{ "cut", other, sizeof(other) - 4, 0x100000, BOOT_LINUX, "" },
		{ "cut in its head", other, 24, 0x100000, BOOT_LINUX, "" },
		{ "an entry that is nowhere", outside, sizeof(outside), 0, BOOT_PVH,
		  "an ELF file whose entry point is in no segment" },
	};
	struct boot_kernel kernel;
	struct memory memory;

	ASSERT_EQ(memory_create(&memory, 64ULL << 20), 0);
	for (u32 i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		bool is_64bit = i >= ARRAY_SIZE(rows);
		u32 row = i % (u32)ARRAY_SIZE(rows);

		make_elf(is_64bit, rows[row].notes, rows[row].size);
		const char *said = boot_place_kernel(&memory, image, sizeof(image), &kernel);

		test_note("%s, %d bits: %s", rows[row].name, is_64bit ? 64 : 32, said ?: "taken");
		CHECK_EQ("said", 0, strcmp(said ?: "", rows[row].want));
		CHECK_EQ("protocol", rows[row].protocol, kernel.protocol);
		CHECK_EQ("entry", rows[row].rip, kernel.entry.rip);
		if (!said)
			CHECK_EQ("64-bit", is_64bit && rows[row].protocol == BOOT_LINUX, kernel.entry.is_64bit);
	}
	memory_destroy(&memory);
}

static u32 word(const struct memory *memory, u64 at)
{
	u32 value;
	const void *host = memory_at(memory, at, 4);

	ASSERT(host, "%#llx lies in memory", (unsigned long long)at);
	memcpy(&value, host, 4);
	return value;
}

static const char *text(const struct memory *memory, u64 at)
{
	return memory_at(memory, at, 64);
}

/* What the kernel finds in memory, followed from EBX. */
static void check_info(bool is_pvh, u64 size, bool has_initrd, const char *append)
{
	static const u32 notes[] = { 4, 4, 6, XEN, 0x00646542, 4, 4, 18, XEN, 0x100100 };
	static const u32 header[] = { 0x1badb002, 3, -(0x1badb002u + 3) };
	const char *kernel_path = "/tmp/keel-boot-test.other", *initrd_path = "/tmp/keel-boot-test.module";
	const struct boot_request request = {
		.kernel = kernel_path, .initrd = has_initrd ? initrd_path : NULL, .append = append, .cpus = 1,
	};
	struct boot_entry entry;
	struct memory memory;

	make_elf(false, notes, is_pvh ? sizeof(notes) : 0);
	if (!is_pvh)
		put_at(0x800, header, 3);
	write_file(kernel_path, image, 4096, 4096);
	write_file(initrd_path, "MODULE", 6, 5000);
	ASSERT_EQ(memory_create(&memory, size), 0);
	ASSERT_EQ(boot_load(&memory, &request, &entry), 0);
	u32 info = entry.info, map, entries, step, command, module;

	CHECK_EQ("32-bit", 0, entry.is_64bit);
	CHECK_EQ("eax", is_pvh ? 0 : 0x2badb002, entry.magic);
	if (is_pvh) {
		CHECK_EQ("magic", 0x336ec578, word(&memory, info));
		CHECK_EQ("version", 1, word(&memory, info + 4));
		CHECK_EQ("modules", has_initrd, word(&memory, info + 12));
		module = word(&memory, info + 16);
		command = word(&memory, info + 24);
		CHECK_EQ("root pointer", MAP_ACPI, word(&memory, info + 32));
		map = word(&memory, info + 40);
		entries = word(&memory, info + 48);
		step = 24;
	} else {
		CHECK_EQ("flags", 0x24d, word(&memory, info));
		CHECK_EQ("lower memory", 639, word(&memory, info + 4));
		CHECK_EQ("upper memory", ((size < 3ULL << 30 ? size : 3ULL << 30) >> 10) - 1024, word(&memory, info + 8));
		command = word(&memory, info + 16);
		CHECK_EQ("modules", has_initrd, word(&memory, info + 20));
		module = word(&memory, info + 24);
		map = word(&memory, info + 48) + 4;
		step = word(&memory, map - 4) + 4;
		entries = word(&memory, info + 44) / 24;
		CHECK_EQ("loader", 0, strcmp("keel", text(&memory, word(&memory, info + 64))));
	}
	CHECK_EQ("command line", 0, strcmp(text(&memory, command) + (is_pvh ? 0 : 7), append));
	if (!is_pvh)
		CHECK_EQ("its first word", 0, memcmp(text(&memory, command), "kernel ", 7));
	if (has_initrd) {
		u32 start = word(&memory, module), end = word(&memory, module + (is_pvh ? 8 : 4));

		CHECK_EQ("module's size", 5000, is_pvh ? end : end - start);
		CHECK_EQ("on a page", 0, start % 4096);
		CHECK_EQ("its bytes", 0, memcmp(memory_at(&memory, start, 6), "MODULE", 6));
	}
	u64 ram = 0;

	ASSERT_LE(entries, 8);
	for (u32 i = 0; i < entries; i++, map += step)
		if (word(&memory, map + 16) == 1)
			ram += word(&memory, map + 8) | (u64)word(&memory, map + 12) << 32;
	CHECK_EQ("memory in the map", size - 0x100000 + MAP_LOW_END, ram);
	memory_destroy(&memory);
	unlink(kernel_path);
	unlink(initrd_path);
}

static void test_other_info(void)
{
	static const u64 sizes[] = { 16ULL << 20, 512ULL << 20, 5ULL << 30 };

	for (u32 i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (u32 k = 0; k < 4; k++) {
			test_note("%llu MB, %s", (unsigned long long)sizes[i] >> 20, k & 1 ? "PVH" : "Multiboot");
			check_info(k & 1, sizes[i], k & 2, k & 2 ? "a=b c" : "");
		}
	}
}

static const struct test_case cases[] = {
	{ "initrd", test_initrd },
	{ "command", test_command },
	{ "old_command", test_old_command },
	{ "words", test_words },
	{ "other_protocols", test_other_protocols },
	{ "pvh_notes", test_pvh_notes },
	{ "other_info", test_other_info },
	{ "version_outside", test_version_outside },
};

TEST_MAIN(cases)
