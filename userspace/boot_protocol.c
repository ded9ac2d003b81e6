// SPDX-License-Identifier: GPL-2.0-only
/*
 * Multiboot by the "Multiboot Specification version 0.6.96", PVH by Xen's "x86/HVM direct boot ABI". Both give a kernel
 * one structure, whose address is in EBX, with pointers to a command line, modules and a memory map.
 */
#include <asm/bootparam.h>
#include <elf.h>
#include <stdio.h>
#include <string.h>

#include "boot_protocol.h"
#include "memory.h"
#include "util.h"

#define MULTIBOOT_MAGIC		0x1badb002u
#define MULTIBOOT_AREA		8192		/* the header lies in as much of the file */
#define MULTIBOOT_TAKEN		0x2badb002u	/* in EAX */
#define MULTIBOOT_REQUIRED	0xffffu		/* bits of the header that must be understood */
#define MULTIBOOT_KNOWN		0x3u		/* modules on pages, a memory map */
#define MULTIBOOT_ADDRESSES	(1u << 16)	/* it says itself what of the file goes where */
#define MULTIBOOT2_MAGIC	0xe85250d6u
#define MULTIBOOT2_AREA		32768

/* Bits of the structure: what is in it. */
#define HAS_MEMORY		(1u << 0)
#define HAS_COMMAND		(1u << 2)
#define HAS_MODULES		(1u << 3)
#define HAS_MAP			(1u << 6)
#define HAS_LOADER		(1u << 9)

#define NOTE_GUEST_OS		6
#define NOTE_PVH_ENTRY		18
#define PVH_MAGIC		0x336ec578u
#define NOTES_MAX		256

#define MAP_MAX			8
#define COMMAND_ROOM		(MAP_BOOT_INFO_MAX - 1024)

struct multiboot_module {
	uint32_t start, end, command, reserved;
};

struct __attribute__((packed)) multiboot_range {
	uint32_t size;		/* of what follows */
	uint64_t base, length;
	uint32_t type;
};

struct multiboot_info {
	uint32_t flags, mem_lower, mem_upper, boot_device, command, module_count, modules;
	uint32_t symbols[4];
	uint32_t map_length, map;
	uint32_t drives[2], config, loader;
};

struct pvh_module {
	uint64_t base, size, command, reserved;
};

struct pvh_range {
	uint64_t base, length;
	uint32_t type, reserved;
};

struct pvh_info {
	uint32_t magic, version, flags, module_count;
	uint64_t modules, command, rsdp, map;
	uint32_t map_count, reserved;
};

/* All that a kernel gets, at MAP_BOOT_INFO. */
struct boot_info {
	union {
		struct {
			struct multiboot_info info;
			struct multiboot_module module;
			struct multiboot_range map[MAP_MAX];
		} multiboot;
		struct {
			struct pvh_info info;
			struct pvh_module module;
			struct pvh_range map[MAP_MAX];
		} pvh;
	};
	char loader[8];
	char command[COMMAND_ROOM];
};

_Static_assert(sizeof(struct boot_info) <= MAP_BOOT_INFO_MAX, "it has its place");

static uint32_t address_of(size_t offset)
{
	return (uint32_t)(MAP_BOOT_INFO + offset);
}

/*
 * Is there a header that begins with @magic, aligned to @align, whose @words words add up to 0? Its offset is in @place.
 */
static bool find_header(const uint8_t *image, size_t size, uint32_t magic, size_t align, unsigned int words, uint32_t *place)
{
	for (size_t at = 0; at + 4 * words <= size; at += align) {
		uint32_t word[4], sum = 0;

		memcpy(word, image + at, 4 * words);
		if (word[0] != magic)
			continue;
		for (unsigned int i = 0; i < words; i++)
			sum += word[i];
		*place = (uint32_t)at;
		if (!sum)
			return true;
	}
	return false;
}

struct notes {
	uint64_t pvh_entry;
	bool has_pvh;
	bool is_linux;		/* says that it is */
};

static uint64_t fill_up(uint64_t size, uint64_t align)
{
	return (size + align - 1) & ~(align - 1);
}

static void read_note(const Elf32_Nhdr *note, const uint8_t *name, const uint8_t *words, struct notes *notes)
{
	if (note->n_namesz != 4 || memcmp(name, "Xen", 4))
		return;
	if (note->n_type == NOTE_PVH_ENTRY && (note->n_descsz == 4 || note->n_descsz == 8)) {
		notes->pvh_entry = 0;
		memcpy(&notes->pvh_entry, words, note->n_descsz);
		notes->has_pvh = true;
	}
	if (note->n_type == NOTE_GUEST_OS)
		notes->is_linux = note->n_descsz >= 5 && !memcmp(words, "linux", 5);
}

/*
 * A note: three words, a name and a description, both filled up to a multiple of @align from the note's start on; behind the
 * last one that may be missing. What does not fit ends the search.
 */
static void read_notes(const uint8_t *bytes, uint64_t size, uint64_t align, struct notes *notes)
{
	for (unsigned int i = 0; i < NOTES_MAX && size >= sizeof(Elf32_Nhdr); i++) {
		Elf32_Nhdr note;

		memcpy(&note, bytes, sizeof(note));
		uint64_t at = fill_up(sizeof(note) + (uint64_t)note.n_namesz, align), end = at + note.n_descsz;

		if (end > size)
			return;
		read_note(&note, bytes + sizeof(note), bytes + at, notes);
		end = fill_up(end, align);
		if (end > size)
			return;
		bytes += end;
		size -= end;
	}
}

/* A file that begins as an ELF file does may end anywhere. */
static bool has_elf_header(const uint8_t *image, size_t size)
{
	if (size <= EI_CLASS || memcmp(image, ELFMAG, SELFMAG))
		return false;
	return size >= (image[EI_CLASS] == ELFCLASS64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr));
}

static void find_notes(const uint8_t *image, size_t size, struct notes *notes)
{
	bool is_64bit = image[EI_CLASS] == ELFCLASS64;
	const Elf64_Ehdr *e64 = (const void *)image;
	const Elf32_Ehdr *e32 = (const void *)image;
	unsigned int count = is_64bit ? e64->e_phnum : e32->e_phnum;
	uint64_t at = is_64bit ? e64->e_phoff : e32->e_phoff;
	size_t step = is_64bit ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);

	for (unsigned int i = 0; i < count && at <= size && step <= size - at; i++, at += step) {
		uint64_t offset, length, align;
		Elf64_Phdr p64;
		Elf32_Phdr p32;

		memcpy(&p64, image + at, is_64bit ? step : 0);
		memcpy(&p32, image + at, is_64bit ? 0 : step);
		if ((is_64bit ? p64.p_type : p32.p_type) != PT_NOTE)
			continue;
		offset = is_64bit ? p64.p_offset : p32.p_offset;
		length = is_64bit ? p64.p_filesz : p32.p_filesz;
		align = is_64bit ? p64.p_align : p32.p_align;
		if (offset <= size && length <= size - offset)
			read_notes(image + offset, length, align == 8 ? 8 : 4, notes);
	}
}

static size_t at_most(size_t size, size_t most)
{
	return size < most ? size : most;
}

/* What the header says beyond its magic, and nothing if @size ends before it. */
static const char *read_multiboot(const uint8_t *image, size_t size, uint32_t at, struct boot_found *found)
{
	uint32_t word[8];

	memcpy(word, image + at, 3 * sizeof(word[0]));
	if (word[1] & MULTIBOOT_REQUIRED & ~MULTIBOOT_KNOWN)
		return "a Multiboot kernel that wants more than modules and a memory map, a display most likely";
	found->protocol = BOOT_MULTIBOOT;
	found->is_flat = word[1] & MULTIBOOT_ADDRESSES;
	if (!found->is_flat)
		return NULL;
	if (size - at < sizeof(word))
		return "a Multiboot kernel whose header is cut off";
	memcpy(word, image + at, sizeof(word));
	found->flat = (struct boot_flat){
		.at = at, .header = word[3], .load = word[4], .load_end = word[5], .bss_end = word[6], .entry = word[7],
	};
	return NULL;
}

const char *boot_find_protocol(const uint8_t *image, size_t size, enum boot_protocol wanted, struct boot_found *found)
{
	size_t area = at_most(size, MULTIBOOT_AREA);
	struct notes notes = { 0 };
	uint32_t at;

	*found = (struct boot_found){ .protocol = BOOT_LINUX };
	if (wanted == BOOT_LINUX)
		return NULL;
	if (wanted != BOOT_MULTIBOOT && has_elf_header(image, size))
		find_notes(image, size, &notes);
	if (notes.has_pvh && (wanted == BOOT_PVH || !notes.is_linux)) {
		found->start = notes.pvh_entry;
		found->protocol = BOOT_PVH;
		return NULL;
	}
	if (wanted == BOOT_PVH)
		return "no note says where PVH enters it";
	if (find_header(image, area, MULTIBOOT_MAGIC, 4, 3, &at))
		return read_multiboot(image, area, at, found);
	if (find_header(image, at_most(size, MULTIBOOT2_AREA), MULTIBOOT2_MAGIC, 8, 4, &at))
		return "a Multiboot2 kernel, and only the first Multiboot is known";
	return wanted == BOOT_MULTIBOOT ? "it has no Multiboot header" : NULL;
}

static void put_multiboot(struct boot_info *info, const struct boot_params *params, bool has_module)
{
	info->multiboot.info = (struct multiboot_info){
		.flags = HAS_MEMORY | HAS_COMMAND | HAS_MODULES | HAS_MAP | HAS_LOADER,
		.mem_lower = (uint32_t)(MAP_LOW_END >> 10),
		.mem_upper = params->alt_mem_k,
		.command = address_of(offsetof(struct boot_info, command)),
		.module_count = has_module,
		.modules = address_of(offsetof(struct boot_info, multiboot.module)),
		.map = address_of(offsetof(struct boot_info, multiboot.map)),
		.loader = address_of(offsetof(struct boot_info, loader)),
	};
	info->multiboot.module = (struct multiboot_module){
		.start = params->hdr.ramdisk_image,
		.end = params->hdr.ramdisk_image + params->hdr.ramdisk_size,
		.command = address_of(offsetof(struct boot_info, loader) + sizeof(info->loader) - 1),	/* its zero */
	};
	for (unsigned int i = 0; i < params->e820_entries && i < MAP_MAX; i++) {
		const struct boot_e820_entry *entry = &params->e820_table[i];

		info->multiboot.map[i] = (struct multiboot_range){
			sizeof(struct multiboot_range) - 4, entry->addr, entry->size, entry->type
		};
		info->multiboot.info.map_length += (uint32_t)sizeof(struct multiboot_range);
	}
}

static void put_pvh(struct boot_info *info, const struct boot_params *params, bool has_module)
{
	info->pvh.info = (struct pvh_info){
		.magic = PVH_MAGIC,
		.version = 1,
		.module_count = has_module,
		.modules = has_module ? address_of(offsetof(struct boot_info, pvh.module)) : 0,
		.command = address_of(offsetof(struct boot_info, command)),
		.rsdp = MAP_ACPI,
		.map = address_of(offsetof(struct boot_info, pvh.map)),
	};
	info->pvh.module = (struct pvh_module){ .base = params->hdr.ramdisk_image, .size = params->hdr.ramdisk_size };
	for (unsigned int i = 0; i < params->e820_entries && i < MAP_MAX; i++) {
		const struct boot_e820_entry *entry = &params->e820_table[i];

		info->pvh.map[i] = (struct pvh_range){ entry->addr, entry->size, entry->type, 0 };
		info->pvh.info.map_count++;
	}
}

void boot_put_info(const struct memory *memory, const struct boot_request *request, const struct boot_params *params,
		   struct boot_kernel *kernel)
{
	struct boot_info *info = memory_at(memory, MAP_BOOT_INFO, sizeof(*info));
	bool is_multiboot = kernel->protocol == BOOT_MULTIBOOT;

	memset(info, 0, sizeof(*info));
	memcpy(info->loader, "keel", 5);
	/* By custom a Multiboot kernel's first word is its name. */
	snprintf(info->command, sizeof(info->command), "%s%s", is_multiboot ? "kernel " : "", request->append);
	if (is_multiboot)
		put_multiboot(info, params, request->initrd);
	else
		put_pvh(info, params, request->initrd);
	kernel->entry.info = MAP_BOOT_INFO;
	kernel->entry.magic = is_multiboot ? MULTIBOOT_TAKEN : 0;
}
