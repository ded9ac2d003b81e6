// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kernels that are entered by Multiboot or PVH: which file is one, what a hostile one can say, and what a kernel finds.
 *
 * "Multiboot Specification version 0.6.96", the layout of the header and of the information structure; Xen's "x86/HVM
 * direct boot ABI" with the note XEN_ELFNOTE_PHYS32_ENTRY; gABI, "Note Section".
 */
#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include "boot_file.h"
#include "test.h"
#include "userspace/boot.h"
#include "userspace/memory.h"

#define MEMORY_SIZE	(64ULL << 20)
#define NOTES_AT	0x400
#define MULTIBOOT	0x1badb002u
#define XEN		0x006e6558	/* "Xen" */
#define BED		0x00646542	/* "Bed", a guest */

static u8 image[40960];

static void put_at(u32 at, const void *bytes, size_t size)
{
	memcpy(image + at, bytes, size);
}

/* What is wrong with image[]'s first @size bytes, "" if nothing. The sanitizer sees a byte read behind them. */
static const char *place(struct memory *memory, size_t size, enum boot_protocol wanted, struct boot_kernel *kernel)
{
	u8 *exact = malloc(size ?: 1);

	ASSERT(exact, "memory");
	memcpy(exact, image, size);
	const char *said = boot_place_kernel(memory, exact, size, wanted, kernel);

	free(exact);
	return said ?: "";
}

/* An ELF file for 32 or 64 bits whose first segment is a page at 1 MB, with @bytes at 0x400 as its second one's notes. */
static void make_elf(bool is_64bit, const void *bytes, u32 size, u32 align)
{
	memset(image, 0, sizeof(image));
	if (is_64bit) {
		Elf64_Ehdr e = { .e_machine = EM_X86_64, .e_entry = 0x100000, .e_phnum = 2,
				 .e_phentsize = sizeof(Elf64_Phdr), .e_phoff = sizeof(e) };
		const Elf64_Phdr p[] = { { .p_type = PT_LOAD, .p_paddr = 0x100000, .p_vaddr = 0x40000000, .p_memsz = 0x1000 },
					 { .p_type = PT_NOTE, .p_offset = NOTES_AT, .p_filesz = size, .p_align = align } };

		memcpy(e.e_ident, ELFMAG, SELFMAG);
		e.e_ident[EI_CLASS] = ELFCLASS64;
		put_at(0, &e, sizeof(e));
		put_at(sizeof(e), p, sizeof(p));
	} else {
		Elf32_Ehdr e = { .e_machine = EM_386, .e_entry = 0x100000, .e_phnum = 2,
				 .e_phentsize = sizeof(Elf32_Phdr), .e_phoff = sizeof(e) };
		const Elf32_Phdr p[] = { { .p_type = PT_LOAD, .p_paddr = 0x100000, .p_vaddr = 0x40000000, .p_memsz = 0x1000 },
					 { .p_type = PT_NOTE, .p_offset = NOTES_AT, .p_filesz = size, .p_align = align } };

		memcpy(e.e_ident, ELFMAG, SELFMAG);
		e.e_ident[EI_CLASS] = ELFCLASS32;
		put_at(0, &e, sizeof(e));
		put_at(sizeof(e), p, sizeof(p));
	}
	put_at(NOTES_AT, bytes, size);
}

/* Where a header may be. */
static void test_multiboot_header(void)
{
	static const u32 one[] = { MULTIBOOT, 3, -(MULTIBOOT + 3) }, bad_one[] = { MULTIBOOT, 3, 5 };
	static const u32 display[] = { MULTIBOOT, 7, -(MULTIBOOT + 7) }, optional[] = { MULTIBOOT, 0x20003, -(MULTIBOOT + 0x20003) };
	static const u32 two[] = { 0xe85250d6, 0, 24, -(0xe85250d6u + 24) };
	static const char more[] = "a Multiboot kernel that wants more than modules and a memory map, a display most likely";
	static const char multiboot2[] = "a Multiboot2 kernel, and only the first Multiboot is known";
	static const struct {
		const char *name;
		const u32 *words;
		u32 at, count;
		const char *want;
		enum boot_protocol wanted, protocol;
	} rows[] = {
		{ "none", one, 512, 0, "", BOOT_AUTO, BOOT_LINUX },
		{ "none, and wanted", one, 512, 0, "it has no Multiboot header", BOOT_MULTIBOOT },
		{ "there", one, 512, 3, "", BOOT_AUTO, BOOT_MULTIBOOT },
		{ "there, and wanted", one, 512, 3, "", BOOT_MULTIBOOT, BOOT_MULTIBOOT },
		{ "there, and Linux wanted", one, 512, 3, "", BOOT_LINUX, BOOT_LINUX },
		{ "there, and PVH wanted", one, 512, 3, "no note says where PVH enters it", BOOT_PVH },
		{ "at the last place", one, 8192 - 12, 3, "", BOOT_AUTO, BOOT_MULTIBOOT },
		{ "behind it", one, 8192 - 8, 3, "", BOOT_AUTO, BOOT_LINUX },
		{ "not aligned", one, 514, 3, "", BOOT_AUTO, BOOT_LINUX },
		{ "sum wrong", bad_one, 512, 3, "", BOOT_AUTO, BOOT_LINUX },
		{ "what need not be understood", optional, 512, 3, "", BOOT_AUTO, BOOT_MULTIBOOT },
		{ "with a display", display, 512, 3, more, BOOT_AUTO },
		{ "Multiboot2", two, 512, 4, multiboot2, BOOT_AUTO },
		{ "Multiboot2, at the last place", two, 32768 - 16, 4, multiboot2, BOOT_AUTO },
		{ "Multiboot2, not aligned", two, 516, 4, "", BOOT_AUTO, BOOT_LINUX },
	};
	struct boot_kernel kernel;
	struct memory memory;

	ASSERT_EQ(memory_create(&memory, MEMORY_SIZE, 0), 0);
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		make_elf(false, "", 0, 4);
		put_at(rows[i].at, rows[i].words, 4 * rows[i].count);
		const char *said = place(&memory, sizeof(image), rows[i].wanted, &kernel);

		test_note("%s: %s", rows[i].name, said);
		CHECK_EQ(rows[i].name, 0, strcmp(said, rows[i].want));
		if (!*said)
			CHECK_EQ(rows[i].name, rows[i].protocol, kernel.protocol);
	}
	memory_destroy(&memory);
}

/* The header's own addresses, in a file of 0x2000 bytes with the header at 0x100, ELF or not. */
static void test_multiboot_addresses(void)
{
	static const char before[] = "a Multiboot kernel that begins before its file";
	static const char after[] = "a Multiboot kernel that ends before it begins";
	static const char large[] = "too large for the guest's memory", cut[] = "truncated: an ELF segment lies outside the file";
	static const char nowhere[] = "an ELF segment lies where no kernel can be loaded";
	static const char entry[] = "a Multiboot kernel whose entry point is outside of it";
	static const struct {
		const char *name;
		u32 header, load, load_end, bss_end, entry;
		const char *want;
		u32 end, first;		/* where it ends, and the offset in the file of its first byte */
	} rows[] = {
		{ "all of the file", 0x200100, 0x200000, 0, 0, 0x200020, "", 0x202000, 0 },
		{ "from the header on", 0x200000, 0x200000, 0, 0, 0x200020, "", 0x201f00, 0x100 },
		{ "a part of it", 0x200080, 0x200000, 0x200400, 0x203000, 0x202fff, "", 0x203000, 0x80 },
		{ "all but its last byte", 0x200100, 0x200000, 0x201fff, 0, 0x200000, "", 0x201fff, 0 },
		{ "one byte too many", 0x200100, 0x200000, 0x202001, 0, 0x200000, cut },
		{ "begins before the file", 0x200104, 0x200000, 0, 0, 0x200000, before },
		{ "begins behind its header", 0x200100, 0x200104, 0, 0, 0x200104, before },
		{ "ends before it begins", 0x200100, 0x200000, 0x1fffff, 0, 0x200000, after },
		{ "ends where it begins", 0x200100, 0x200000, 0x200000, 0, 0x200000, entry },
		{ "bss ends before it begins", 0x200100, 0x200000, 0, 0x1fffff, 0x200000, after },
		{ "bss ends in the data", 0x200100, 0x200000, 0, 0x201fff, 0x200000, after },
		{ "below 1 MB", 0x8100, 0x8000, 0, 0, 0x8000, nowhere },
		{ "a byte below 1 MB", 0x1000ff, 0xfffff, 0, 0, 0x100000, nowhere },
		{ "at the end of memory", 0x3ffe100, 0x3ffe000, 0, 0, 0x3ffe000, "", 0x4000000, 0 },
		{ "a byte behind it", 0x3ffe101, 0x3ffe001, 0, 0, 0x3ffe001, large },
		{ "bss behind it", 0x200100, 0x200000, 0, 0x4000001, 0x200000, large },
		{ "bss to 4 GB", 0x200100, 0x200000, 0, 0xffffffff, 0x200000, large },
		{ "in the gap", 0xe0000100, 0xe0000000, 0, 0, 0xe0000000, nowhere },
		{ "to the end of addresses", 0xffffff00, 0xfffffe00, 0, 0, 0xffffff00, nowhere },
		{ "entered before it", 0x200100, 0x200000, 0, 0, 0x1fffff, entry },
		{ "entered behind it", 0x200100, 0x200000, 0, 0, 0x202000, entry },
		{ "all ones", 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, entry },
		{ "all zeros", 0, 0, 0, 0, 0, nowhere },
	};
	struct boot_kernel kernel;
	struct memory memory;

	ASSERT_EQ(memory_create(&memory, MEMORY_SIZE, 0), 0);
	for (u32 i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		u32 row = i / 2;
		const u32 header[] = { MULTIBOOT, 0x10003, -(MULTIBOOT + 0x10003), rows[row].header, rows[row].load,
				       rows[row].load_end, rows[row].bss_end, rows[row].entry };

		if (i & 1)
			make_elf(true, "", 0, 4);
		else
			memset(image, 0, sizeof(image));
		image[0x80] = image[0x1ff] = image[0x1fff] = 0x55;
		put_at(0x100, header, sizeof(header));
		const char *said = place(&memory, 0x2000, BOOT_AUTO, &kernel);

		test_note("%s, %s: %s", rows[row].name, i & 1 ? "ELF" : "flat", said);
		CHECK_EQ(rows[row].name, 0, strcmp(said, rows[row].want));
		if (*said)
			continue;
		CHECK_EQ("entry", rows[row].entry, kernel.entry.rip);
		CHECK_EQ("end", rows[row].end, kernel.end);
		CHECK_EQ("32 bits", 0, kernel.entry.is_64bit);
		CHECK_EQ("bytes", 0, memcmp(memory_at(&memory, rows[row].load, 0x400), image + rows[row].first, 0x400));
	}
	memory_destroy(&memory);
}

/* What is no ELF file. */
static void test_multiboot_files(void)
{
	static const u32 header[] = { MULTIBOOT, 0x10003, -(MULTIBOOT + 0x10003), 0x200000, 0x200000, 0, 0, 0x200000 };
	static const u32 silent[] = { MULTIBOOT, 3, -(MULTIBOOT + 3) };
	static const char cut[] = "a Multiboot kernel whose header is cut off";
	static const struct {
		const char *name;
		const u32 *words;
		u32 at, words_size, size;
		const char *want;
	} rows[] = {
		{ "a header alone", header, 0, 32, 32, "" },
		{ "a byte less", header, 0, 32, 31, cut },
		{ "three words", header, 0, 32, 12, cut },
		{ "at the last place", header, 8192 - 32, 32, 16384, "" },
		{ "reaching behind it", header, 8192 - 28, 32, 16384, cut },
		{ "without addresses", silent, 0, 12, 4096, "a Multiboot kernel that is no ELF file, and does not say where it goes" },
		{ "short, and nothing", silent, 0, 0, 512, "too short for a kernel" },
		{ "nothing", silent, 0, 0, 4096, "neither a bzImage nor an ELF file" },
		{ "empty", silent, 0, 0, 0, "too short for a kernel" },
	};
	struct boot_kernel kernel;
	struct memory memory;

	ASSERT_EQ(memory_create(&memory, MEMORY_SIZE, 0), 0);
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		memset(image, 0, sizeof(image));
		put_at(rows[i].at, rows[i].words, rows[i].words_size);
		const char *said = place(&memory, rows[i].size, BOOT_AUTO, &kernel);

		test_note("%s: %s", rows[i].name, said);
		CHECK_EQ(rows[i].name, 0, strcmp(said, rows[i].want));
	}
	memory_destroy(&memory);
}

static const u32 bed[] = { 4, 4, 6, XEN, BED, 4, 4, 18, XEN, 0x100100 };
static const u32 wide[] = { 4, 8, 18, XEN, 0x100200, 0, 4, 4, 6, XEN, BED };
static const u32 is_linux[] = { 4, 6, 6, XEN, 0x756e696c, 0x78, 4, 4, 18, XEN, 0x100100 };
static const u32 silent[] = { 4, 4, 18, XEN, 0x100100 };
static const u32 high[] = { 4, 8, 18, XEN, 0x100200, 1 };
static const u32 twice[] = { 4, 8, 18, XEN, 0x100200, 1, 4, 4, 18, XEN, 0x100100 };
static const u32 odd[] = { 4, 3, 18, XEN, 0x100100 };
static const u32 empty[] = { 4, 0, 18, XEN };
static const u32 foreign[] = { 4, 4, 18, 0x00554e47, 0x100100 };
static const u32 huge_name[] = { 0xffffffff, 4, 18, XEN, 0x100100 };
static const u32 huge_description[] = { 4, 0xfffffffd, 18, XEN, 0x100100 };
static const u32 huge_both[] = { 0xfffffffc, 0xfffffffc, 18, XEN, 0x100100 };
static const u32 behind_huge[] = { 4, 0x10000, 6, XEN, BED, 4, 4, 18, XEN, 0x100100 };
static const u32 not_filled[] = { 4, 4, 18, XEN, 0x100100, 4, 6, 6, XEN, 0x756e696c, 0x78 };
static const u32 wide_align[] = { 3, 4, 1, 0x00554e47, 7, 0, 4, 4, 18, XEN, 0x100100, 0 };
static const u32 outside[] = { 4, 4, 18, XEN, 0x40000010 };
static const u32 zero[] = { 4, 4, 18, XEN, 0 };

/* Which note enters a kernel where. A virtual address, 0x40000000 on here, is none that PVH knows. */
static void test_pvh_notes(void)
{
	static const char no_segment[] = "an ELF file whose entry point is in no segment";
	static const char no_note[] = "no note says where PVH enters it";
	static const struct {
		const char *name;
		const u32 *notes;
		u32 size, align, rip;
		enum boot_protocol protocol;
		const char *want;
		enum boot_protocol wanted;
	} rows[] = {
		{ "of a guest", bed, sizeof(bed), 4, 0x100100, BOOT_PVH, "" },
		{ "8 bytes", wide, sizeof(wide), 4, 0x100200, BOOT_PVH, "" },
		{ "of nobody", silent, sizeof(silent), 4, 0x100100, BOOT_PVH, "" },
		{ "Linux", is_linux, sizeof(is_linux), 4, 0x100000, BOOT_LINUX, "" },
		{ "Linux, and PVH wanted", is_linux, sizeof(is_linux), 4, 0x100100, BOOT_PVH, "", BOOT_PVH },
		{ "Linux wanted", bed, sizeof(bed), 4, 0x100000, BOOT_LINUX, "", BOOT_LINUX },
		{ "Linux, not filled up", not_filled, sizeof(not_filled) - 2, 4, 0x100000, BOOT_LINUX, "" },
		{ "a multiple of 8", wide_align, sizeof(wide_align), 8, 0x100100, BOOT_PVH, "" },
		{ "the same, of 4", wide_align, sizeof(wide_align), 4, 0x100000, BOOT_LINUX, "" },
		{ "an odd alignment", bed, sizeof(bed), 3, 0x100100, BOOT_PVH, "" },
		{ "above 4 GB", high, sizeof(high), 4, 0, BOOT_PVH, no_segment },
		{ "above 4 GB, and another", twice, sizeof(twice), 4, 0x100100, BOOT_PVH, "" },
		{ "3 bytes", odd, sizeof(odd), 4, 0x100000, BOOT_LINUX, "" },
		{ "3 bytes, and wanted", odd, sizeof(odd), 4, 0, BOOT_LINUX, no_note, BOOT_PVH },
		{ "no bytes", empty, sizeof(empty), 4, 0x100000, BOOT_LINUX, "" },
		{ "somebody else's", foreign, sizeof(foreign), 4, 0x100000, BOOT_LINUX, "" },
		{ "a name too long", huge_name, sizeof(huge_name), 4, 0x100000, BOOT_LINUX, "" },
		{ "a description too long", huge_description, sizeof(huge_description), 4, 0x100000, BOOT_LINUX, "" },
		{ "both too long", huge_both, sizeof(huge_both), 8, 0x100000, BOOT_LINUX, "" },
		{ "behind one too long", behind_huge, sizeof(behind_huge), 4, 0x100000, BOOT_LINUX, "" },
		{ "cut", bed, sizeof(bed) - 1, 4, 0x100000, BOOT_LINUX, "" },
		{ "cut in its head", bed, 28, 4, 0x100000, BOOT_LINUX, "" },
		{ "none", bed, 0, 4, 0x100000, BOOT_LINUX, "" },
		{ "none, and wanted", bed, 0, 4, 0, BOOT_LINUX, no_note, BOOT_PVH },
		{ "a virtual address", outside, sizeof(outside), 4, 0, BOOT_PVH, no_segment },
		{ "an entry at 0", zero, sizeof(zero), 4, 0, BOOT_PVH, no_segment },
	};
	struct boot_kernel kernel;
	struct memory memory;

	ASSERT_EQ(memory_create(&memory, MEMORY_SIZE, 0), 0);
	for (u32 i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		u32 row = i / 2;
		bool is_64bit = i & 1;

		/* The notes end with the file. */
		make_elf(is_64bit, rows[row].notes, rows[row].size, rows[row].align);
		const char *said = place(&memory, NOTES_AT + rows[row].size, rows[row].wanted, &kernel);

		test_note("%s, %d bits: %s", rows[row].name, is_64bit ? 64 : 32, said);
		CHECK_EQ(rows[row].name, 0, strcmp(said, rows[row].want));
		CHECK_EQ(rows[row].name, rows[row].rip, kernel.entry.rip);
		if (*said)
			continue;
		CHECK_EQ(rows[row].name, rows[row].protocol, kernel.protocol);
		CHECK_EQ("64-bit", is_64bit && rows[row].protocol == BOOT_LINUX, kernel.entry.is_64bit);
	}
	memory_destroy(&memory);
}

/* Headers of segments, 32 or 64 of them: where they are, and that notes in all of them take no time. */
static void test_segments(void)
{
	static const char cut[] = "truncated: the ELF program headers lie outside the file";
	static const char large[] = "too large for the guest's memory", none[] = "an ELF file whose entry point is in no segment";
	static const struct {
		const char *name;
		u64 offset;		/* of the headers */
		u32 count, type, memory_size;
		const char *want;
	} rows[] = {
		{ "over each other", 64, 2, PT_LOAD, 0x1000, "" },
		{ "over each other, each half of memory", 64, 2, PT_LOAD, 0x1f00000, "" },
		{ "the same, a third one", 64, 3, PT_LOAD, 0x1f00000, large },
		{ "65535 of them, each all of memory", 64, 65535, PT_LOAD, 0x3f00000, large },
		{ "65535 with notes", 64, 65535, PT_NOTE, 0x1000, none },
		{ "headers at the end", 64 + 65534 * sizeof(Elf64_Phdr), 1, PT_LOAD, 0x1000, "" },
		{ "a byte behind it", 64 + 65534 * sizeof(Elf64_Phdr) + 1, 1, PT_LOAD, 0x1000, cut },
		{ "headers nowhere", -1, 1, PT_LOAD, 0x1000, cut },
		{ "headers over the end of numbers", -(u64)sizeof(Elf64_Phdr), 2, PT_LOAD, 0x1000, cut },
	};
	const size_t size = 64 + 65535 * sizeof(Elf64_Phdr);
	struct boot_kernel kernel;
	struct memory memory;
	u8 *file = malloc(size);

	ASSERT(file, "memory");
	ASSERT_EQ(memory_create(&memory, MEMORY_SIZE, 0), 0);
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		const Elf64_Ehdr e = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64 }, .e_machine = EM_X86_64, .e_entry = 0x100000,
				       .e_phnum = (u16)rows[i].count, .e_phentsize = sizeof(Elf64_Phdr), .e_phoff = rows[i].offset };
		const Elf64_Phdr p = { .p_type = rows[i].type, .p_paddr = 0x100000, .p_memsz = rows[i].memory_size,
				       .p_filesz = rows[i].type == PT_NOTE ? size : 0 };

		memset(file, 0, size);
		for (u64 at = rows[i].offset, k = 0; k < rows[i].count && at <= size - sizeof(p); k++, at += sizeof(p))
			memcpy(file + at, &p, sizeof(p));
		memcpy(file, &e, sizeof(e));
		const char *said = boot_place_kernel(&memory, file, size, BOOT_AUTO, &kernel) ?: "";

		test_note("%s: %s", rows[i].name, said);
		CHECK_EQ(rows[i].name, 0, strcmp(said, rows[i].want));
	}
	free(file);
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
	static const u32 header[] = { MULTIBOOT, 3, -(MULTIBOOT + 3) };
	const char *kernel_path = "/tmp/keel-boot-test.other", *initrd_path = "/tmp/keel-boot-test.module";
	const struct boot_request request = {
		.kernel = kernel_path, .initrd = has_initrd ? initrd_path : NULL, .append = append, .cpus = 1,
	};
	struct boot_entry entry;
	struct memory memory;

	make_elf(false, bed, is_pvh ? sizeof(bed) : 0, 4);
	if (!is_pvh)
		put_at(0x800, header, sizeof(header));
	write_file(kernel_path, image, 4096, 4096);
	write_file(initrd_path, "MODULE", 6, 5000);
	ASSERT_EQ(memory_create(&memory, size, 0), 0);
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

static void test_info(void)
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
	{ "multiboot_header", test_multiboot_header },
	{ "multiboot_addresses", test_multiboot_addresses },
	{ "multiboot_files", test_multiboot_files },
	{ "pvh_notes", test_pvh_notes },
	{ "segments", test_segments },
	{ "info", test_info },
};

TEST_MAIN(cases)
