// SPDX-License-Identifier: GPL-2.0-only
/* Kernel images: good ones land where the protocol says, bad ones are refused. */
#include <asm/bootparam.h>
#include <elf.h>

#include "test.h"
#include "userspace/boot.h"
#include "userspace/memory.h"

#define MEMORY_SIZE	(64ULL << 20)
#define SETUP_SECTORS	4
#define PAYLOAD_AT	((SETUP_SECTORS + 1) * 512)
#define IMAGE_SIZE	(PAYLOAD_AT + 0x10000)

static struct memory memory;
static u8 image[IMAGE_SIZE];

static struct setup_header *header(void)
{
	return (struct setup_header *)(image + offsetof(struct boot_params, hdr));
}

static void set_up(void)
{
	if (!memory.mapping)
		ASSERT_EQ(memory_create(&memory, MEMORY_SIZE, 0), 0);
	memset(image, 0, sizeof(image));
	for (size_t i = PAYLOAD_AT; i < sizeof(image); i++)
		image[i] = (u8)(i * 7);
}

static void make_bzimage(u16 version)
{
	set_up();
	header()->setup_sects = SETUP_SECTORS;
	header()->boot_flag = 0xaa55;
	header()->jump = 0x66eb;		/* the header ends at 0x268 */
	memcpy(&header()->header, "HdrS", 4);
	header()->version = version;
	header()->loadflags = LOADED_HIGH;
	header()->initrd_addr_max = 0x7fffffff;
	header()->kernel_alignment = 0x200000;
	header()->relocatable_kernel = 1;
	header()->xloadflags = XLF_KERNEL_64;
	header()->cmdline_size = 2047;
	header()->pref_address = 0x1000000;
	header()->init_size = 0x800000;
	header()->code32_start = 0x100000;
}

static const char *place(size_t size, struct boot_kernel *kernel)
{
	/* An exact copy, so that the sanitizer sees one byte too many. */
	u8 *exact = malloc(size ? size : 1);

	ASSERT(exact, "memory");
	memcpy(exact, image, size);
	const char *error = boot_place_kernel(&memory, exact, size, BOOT_AUTO, kernel);

	free(exact);
	return error;
}

static void check_payload(u64 address)
{
	const u8 *at = memory_at(&memory, address, IMAGE_SIZE - PAYLOAD_AT);

	ASSERT(at, "payload in memory");
	CHECK_EQ("payload", 0, memcmp(at, image + PAYLOAD_AT, IMAGE_SIZE - PAYLOAD_AT));
}

static void test_bzimage_64(void)
{
	struct boot_kernel kernel;

	make_bzimage(0x020f);
	ASSERT(!place(IMAGE_SIZE, &kernel), "accepted");
	CHECK_EQ("entry", 0x1000200, kernel.entry.rip);
	CHECK_EQ("64-bit", 1, kernel.entry.is_64bit);
	CHECK_EQ("end", 0x1800000, kernel.end);
	CHECK_EQ("initrd limit", MEMORY_SIZE, kernel.initrd_limit);
	CHECK_EQ("command line", 2047, kernel.command_max);
	check_payload(0x1000000);

	const struct boot_params *params =
		memory_at(&memory, MAP_BOOT_PARAMS, sizeof(struct boot_params));
	CHECK_EQ("loader", 0xff, params->hdr.type_of_loader);
	CHECK_EQ("code32", 0x1000000, params->hdr.code32_start);
	CHECK_EQ("before the header", 0, params->sentinel);
	CHECK_EQ("behind the header", 0, params->edd_mbr_sig_buffer[0]);
}

static void test_bzimage_32(void)
{
	struct boot_kernel kernel;

	make_bzimage(0x020f);
	header()->xloadflags = 0;
	ASSERT(!place(IMAGE_SIZE, &kernel), "accepted");
	CHECK_EQ("entry", 0x1000000, kernel.entry.rip);
	CHECK_EQ("32-bit", 0, kernel.entry.is_64bit);

	make_bzimage(0x0202);		/* knows none of the newer fields */
	ASSERT(!place(IMAGE_SIZE, &kernel), "accepted");
	CHECK_EQ("old entry", 0x100000, kernel.entry.rip);
	CHECK_EQ("old command line", 255, kernel.command_max);
	CHECK_EQ("old initrd limit", 0x38000000 < MEMORY_SIZE ? 0x38000000 : MEMORY_SIZE,
		 kernel.initrd_limit);
	check_payload(0x100000);
}

static void test_bzimage_places(void)
{
	struct boot_kernel kernel;

	make_bzimage(0x020f);
	header()->init_size = 0x3100000;	/* fits only when moved down */
	ASSERT(!place(IMAGE_SIZE, &kernel), "moved down");
	CHECK_EQ("moved entry", 0x200200, kernel.entry.rip);
	header()->relocatable_kernel = 0;
	ASSERT(place(IMAGE_SIZE, &kernel), "cannot be moved");
	header()->relocatable_kernel = 1;
	header()->init_size = (u32)MEMORY_SIZE;
	ASSERT(place(IMAGE_SIZE, &kernel), "fits nowhere");
	header()->init_size = UINT32_MAX;
	ASSERT(place(IMAGE_SIZE, &kernel), "fits nowhere");
	header()->init_size = 0x1000;
	header()->pref_address = UINT64_MAX - 0xfff;
	ASSERT(!place(IMAGE_SIZE, &kernel), "preference not taken");
	CHECK_EQ("lowest", 0x200200, kernel.entry.rip);
	header()->kernel_alignment = 0;
	ASSERT(!place(IMAGE_SIZE, &kernel), "no alignment");
	header()->kernel_alignment = 0xffffffff;
	ASSERT(place(IMAGE_SIZE, &kernel), "absurd alignment");
	header()->pref_address = 0x80000;	/* over our own tables */
	header()->kernel_alignment = 0x100000;
	ASSERT(!place(IMAGE_SIZE, &kernel), "preference not taken");
	CHECK_EQ("not below 1 MB", 0x100200, kernel.entry.rip);
}

static void test_truncated(void)
{
	struct boot_kernel kernel;

	make_bzimage(0x020f);
	for (size_t size = 0; size <= PAYLOAD_AT + 0x200; size++)
		ASSERT(place(size, &kernel), "size %zu was accepted", size);
	ASSERT(!place(PAYLOAD_AT + 0x201, &kernel), "one byte at the entry point");
}

static void test_not_a_kernel(void)
{
	struct boot_kernel kernel;

	set_up();
	ASSERT(place(IMAGE_SIZE, &kernel), "zeros");
	make_bzimage(0x0101);
	ASSERT(place(IMAGE_SIZE, &kernel), "protocol 1");
	make_bzimage(0x020f);
	header()->loadflags = 0;
	ASSERT(place(IMAGE_SIZE, &kernel), "zImage");
	make_bzimage(0x020f);
	header()->boot_flag = 0;
	ASSERT(place(IMAGE_SIZE, &kernel), "no boot flag");
	make_bzimage(0x020f);
	header()->setup_sects = 255;
	ASSERT(place(IMAGE_SIZE, &kernel), "set-up code past the end");
}

static Elf64_Ehdr *make_elf64(void)
{
	Elf64_Ehdr *elf = (Elf64_Ehdr *)image;
	Elf64_Phdr *segment = (Elf64_Phdr *)(image + sizeof(*elf));

	set_up();
	memcpy(elf->e_ident, ELFMAG, SELFMAG);
	elf->e_ident[EI_CLASS] = ELFCLASS64;
	elf->e_machine = EM_X86_64;
	elf->e_entry = 0x1000010;
	elf->e_phoff = sizeof(*elf);
	elf->e_phentsize = sizeof(*segment);
	elf->e_phnum = 2;
	segment[0] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = UINT64_MAX };
	segment[1] = (Elf64_Phdr){
		.p_type = PT_LOAD, .p_offset = PAYLOAD_AT, .p_filesz = 0x10000,
		.p_memsz = 0x20000, .p_paddr = 0x1000000, .p_vaddr = 0xffffffff81000000,
	};
	return elf;
}

static void test_elf_64(void)
{
	struct boot_kernel kernel;
	Elf64_Ehdr *elf = make_elf64();

	ASSERT(!place(IMAGE_SIZE, &kernel), "accepted");
	CHECK_EQ("entry", 0x1000010, kernel.entry.rip);
	CHECK_EQ("64-bit", 1, kernel.entry.is_64bit);
	CHECK_EQ("end", 0x1020000, kernel.end);
	check_payload(0x1000000);
	elf->e_entry = 0xffffffff81000020;
	ASSERT(!place(IMAGE_SIZE, &kernel), "accepted");
	CHECK_EQ("virtual entry", 0x1000020, kernel.entry.rip);
}

static void test_elf_32(void)
{
	struct boot_kernel kernel;
	Elf32_Ehdr *elf = (Elf32_Ehdr *)image;

	set_up();
	memcpy(elf->e_ident, ELFMAG, SELFMAG);
	elf->e_ident[EI_CLASS] = ELFCLASS32;
	elf->e_machine = EM_386;
	elf->e_entry = 0xc1000010;
	elf->e_phoff = sizeof(*elf);
	elf->e_phentsize = sizeof(Elf32_Phdr);
	elf->e_phnum = 1;
	*(Elf32_Phdr *)(image + sizeof(*elf)) = (Elf32_Phdr){
		.p_type = PT_LOAD, .p_offset = PAYLOAD_AT, .p_filesz = 0x10000,
		.p_memsz = 0x10000, .p_paddr = 0x1000000, .p_vaddr = 0xc1000000,
	};
	ASSERT(!place(IMAGE_SIZE, &kernel), "accepted");
	CHECK_EQ("entry", 0x1000010, kernel.entry.rip);
	CHECK_EQ("32-bit", 0, kernel.entry.is_64bit);
}

static void test_elf_hostile(void)
{
	static const struct {
		const char *name;
		size_t offset;		/* into the image */
		unsigned int len;
		u64 value;
	} rows[] = {
#define ELF(field)	offsetof(Elf64_Ehdr, field), sizeof(((Elf64_Ehdr *)0)->field)
#define SEGMENT(field)	sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr) + offsetof(Elf64_Phdr, field), \
			sizeof(((Elf64_Phdr *)0)->field)
		{ "machine", ELF(e_machine), EM_AARCH64 },
		{ "entry nowhere", ELF(e_entry), 0x5000000 },
		{ "no segments", ELF(e_phnum), 0 },
		{ "too many segments", ELF(e_phnum), 0xffff },
		{ "headers outside", ELF(e_phoff), IMAGE_SIZE - 8 },
		{ "headers far outside", ELF(e_phoff), UINT64_MAX - 8 },
		{ "odd headers", ELF(e_phentsize), 8 },
		{ "class", EI_CLASS, 1, 7 },
		{ "file offset outside", SEGMENT(p_offset), IMAGE_SIZE + 1 },
		{ "file offset wraps", SEGMENT(p_offset), UINT64_MAX - 0xff },
		{ "file size outside", SEGMENT(p_filesz), 0x10001 },
		{ "file size wraps", SEGMENT(p_filesz), UINT64_MAX },
		{ "larger in the file", SEGMENT(p_memsz), 0xffff },
		{ "memory size", SEGMENT(p_memsz), MEMORY_SIZE },
		{ "memory size wraps", SEGMENT(p_memsz), UINT64_MAX },
		{ "below 1 MB", SEGMENT(p_paddr), 0x1000 },
		{ "past memory", SEGMENT(p_paddr), MEMORY_SIZE },
		{ "above 4 GB", SEGMENT(p_paddr), 1ULL << 32 },
		{ "at the top", SEGMENT(p_paddr), UINT64_MAX },
	};
	struct boot_kernel kernel;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		make_elf64();
		memcpy(image + rows[i].offset, &rows[i].value, rows[i].len);
		CHECK_EQ(rows[i].name, 1, place(IMAGE_SIZE, &kernel) != NULL);
	}
}

/* Whatever class it says it has, and also where it says nothing more. */
static void test_elf_cut_off(void)
{
	struct boot_kernel kernel;

	for (unsigned int class = 0; class < 4; class++) {
		make_elf64()->e_ident[EI_CLASS] = (u8)class;
		for (size_t size = SELFMAG; size <= sizeof(Elf64_Ehdr); size++)
			CHECK_EQ("class", class, place(size, &kernel) ? class : 99);
	}
}

static const struct test_case cases[] = {
	{ "bzimage_64", test_bzimage_64 },
	{ "bzimage_32", test_bzimage_32 },
	{ "bzimage_places", test_bzimage_places },
	{ "truncated", test_truncated },
	{ "not_a_kernel", test_not_a_kernel },
	{ "elf_64", test_elf_64 },
	{ "elf_32", test_elf_32 },
	{ "elf_hostile", test_elf_hostile },
	{ "elf_cut_off", test_elf_cut_off },
};

TEST_MAIN(cases)
