// SPDX-License-Identifier: GPL-2.0-only
/* A kernel of Multiboot's or PVH's runs, and finds in its registers and in memory what it is promised. */
#include "launch.h"

#define GUEST_ADDRESS	0x100000
#define MULTIBOOT	0x1badb002u
#define CODE_AT		4096		/* in an ELF file */

extern const u8 entry_guest[], entry_guest_multiboot[], entry_guest_pvh[], entry_guest_end[];

static u8 image[16384];
static char module[] = "/tmp/keel-module.XXXXXX";

enum file { FLAT, ELF_32, ELF_64 };

static u32 address_of(const u8 *code)
{
	return GUEST_ADDRESS + (u32)(code - entry_guest);
}

/* Xen's note with the entry point, as the file's second segment. Return: the size of the file. */
static size_t make_elf(bool is_64bit, bool has_note, u32 entry)
{
	const size_t size = entry_guest_end - entry_guest;
	const u32 note[] = { 4, 4, 18, 0x006e6558 /* "Xen" */, entry };
	u32 offset = is_64bit ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
	Elf64_Ehdr *e64 = (void *)image;
	Elf32_Ehdr *e32 = (void *)image;

	memcpy(image, ELFMAG, SELFMAG);
	image[EI_CLASS] = is_64bit ? ELFCLASS64 : ELFCLASS32;
	e64->e_machine = is_64bit ? EM_X86_64 : EM_386;
	if (is_64bit) {
		Elf64_Phdr *p = (void *)(image + offset);

		e64->e_phoff = offset;
		e64->e_phentsize = sizeof(*p);
		e64->e_phnum = 1 + has_note;
		e64->e_entry = entry;
		p[0] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_offset = CODE_AT, .p_filesz = size, .p_memsz = size, .p_paddr = GUEST_ADDRESS };
		p[1] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = 1024, .p_filesz = sizeof(note), .p_align = 4 };
	} else {
		Elf32_Phdr *p = (void *)(image + offset);

		e32->e_phoff = offset;
		e32->e_phentsize = sizeof(*p);
		e32->e_phnum = 1 + has_note;
		e32->e_entry = entry;
		p[0] = (Elf32_Phdr){ .p_type = PT_LOAD, .p_offset = CODE_AT, .p_filesz = size, .p_memsz = size, .p_paddr = GUEST_ADDRESS };
		p[1] = (Elf32_Phdr){ .p_type = PT_NOTE, .p_offset = 1024, .p_filesz = sizeof(note), .p_align = 4 };
	}
	memcpy(image + 1024, note, sizeof(note));
	memcpy(image + CODE_AT, entry_guest, size);
	return CODE_AT + size;
}

static void write_file(char *path, const char *pattern, const void *bytes, size_t size)
{
	strcpy(path, pattern);
	int fd = mkstemp(path);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(write(fd, bytes, size), (int)size);
	close(fd);
}

static void make_kernel(enum file file, bool is_pvh)
{
	u32 flags = file == FLAT ? 0x10003 : 3;
	const u32 header[] = { MULTIBOOT, flags, -(MULTIBOOT + flags), GUEST_ADDRESS, GUEST_ADDRESS, 0, 0,
			       address_of(entry_guest_multiboot) };
	size_t at = 0, size = entry_guest_end - entry_guest;

	memset(image, 0, sizeof(image));
	if (file == FLAT) {
		memcpy(image, entry_guest, size);
	} else {
		size = make_elf(file == ELF_64, is_pvh, address_of(is_pvh ? entry_guest_pvh : entry_guest_multiboot));
		at = CODE_AT;
	}
	/* In a file with PVH's note it is there as well. */
	memcpy(image + at, header, sizeof(header));
	write_file(launch_kernel, "/tmp/keel-guest.XXXXXX", image, size);
	write_file(module, "/tmp/keel-module.XXXXXX", "a module", sizeof("a module"));
}

/* What the guest said, all of it. */
static const char *run(const char *entry, int *status)
{
	static char said[1024];
	const char *argv[] = {
		"keel", "run", "--device", dev_path(), "--kernel", launch_kernel, "--initrd", module, "--append", "one two=3",
		"--memory", "32M", "--entry", entry, NULL,
	};
	int out;
	pid_t pid = program_start(argv, open("/dev/null", O_RDONLY), &out, false);

	*status = program_end(pid, out, said, sizeof(said), 0);
	unlink(launch_kernel);
	unlink(module);
	return said;
}

static void test_entry(void)
{
	/* 32 MB but for the first one, and 639 KB of that. */
	static const char multiboot[] = "2badb002\n00000011\nkernel one two=3\na module\n01f9fc00\n";
	static const char pvh[] = "00000000\n00000011\none two=3\na module\n01f9fc00\n";
	static const struct {
		const char *name;
		enum file file;
		bool is_pvh;
		const char *entry, *want;
		int status;
	} rows[] = {
		{ "Multiboot, 32 bits", ELF_32, false, "auto", multiboot, 0 },
		{ "Multiboot, 64 bits", ELF_64, false, "multiboot", multiboot, 0 },
		{ "Multiboot, by its own addresses", FLAT, false, "auto", multiboot, 0 },
		{ "PVH, 32 bits", ELF_32, true, "pvh", pvh, 0 },
		{ "PVH, 64 bits", ELF_64, true, "auto", pvh, 0 },
		{ "no PVH", ELF_32, false, "pvh", "", 5 },
	};

	launch_program();
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		int status;

		make_kernel(rows[i].file, rows[i].is_pvh);
		const char *said = run(rows[i].entry, &status);

		test_note("%s: %s", rows[i].name, said);
		CHECK_EQ(rows[i].name, rows[i].status, WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status));
		CHECK_EQ(rows[i].name, 0, strcmp(said, rows[i].want));
	}
}

static const struct test_case cases[] = {
	{ "entry", test_entry },
};

TEST_MAIN(cases)
