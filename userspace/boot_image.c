// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kernel images: bzImage by the Linux boot protocol (Documentation/arch/x86/
 * boot.rst), and ELF vmlinux for 64 and 32 bits; ELF kernels of boot_protocol.h's protocols too.
 *
 * The image comes from a file that may be anything: every offset and size in
 * it is checked against the file and against guest memory before use.
 */
#include <asm/bootparam.h>
#include <elf.h>
#include <string.h>

#include "boot.h"
#include "boot_protocol.h"
#include "memory.h"
#include "util.h"

#define BOOT_FLAG		0xaa55
#define HEADER_MAGIC		0x53726448	/* "HdrS" */
#define LOADER_UNDEFINED	0xff
#define VIDEO_NORMAL		0xffff
#define ENTRY_64_OFFSET		0x200
#define HEADER_OFFSET		offsetof(struct boot_params, hdr)
#define HEADER_END_MAX		offsetof(struct boot_params, edd_mbr_sig_buffer)
#define COMMAND_OLD_MAX		255
#define INITRD_OLD_LIMIT	0x38000000ULL

/* The protocol versions that brought a field. */
#define PROTOCOL_INITRD_MAX	0x0203
#define PROTOCOL_SYSSIZE	0x0204	/* before, too narrow to hold the size */
#define PROTOCOL_RELOCATABLE	0x0205
#define PROTOCOL_COMMAND_SIZE	0x0206
#define PROTOCOL_INIT_SIZE	0x020a
#define PROTOCOL_XLOADFLAGS	0x020c

static struct boot_params *params_at(const struct memory *memory)
{
	return memory_at(memory, MAP_BOOT_PARAMS, sizeof(struct boot_params));
}

/* Copy the setup header as far as the kernel's version of it goes. */
static void copy_header(struct boot_params *params, const uint8_t *image)
{
	/* A short jump over the header ends where the header does. */
	size_t end = 0x202 + image[0x201];

	if (end > HEADER_END_MAX)
		end = HEADER_END_MAX;
	memcpy((uint8_t *)params + HEADER_OFFSET, image + HEADER_OFFSET, end - HEADER_OFFSET);
}

static bool fits(const struct memory *memory, uint64_t base, uint64_t need)
{
	return base >= MAP_KERNEL && base < memory->low_end && need <= memory->low_end - base;
}

/* Where a bzImage's protected-mode part goes; 0 if nowhere. */
static uint64_t choose_base(const struct memory *memory, const struct setup_header *header,
			    uint64_t need)
{
	uint64_t base = MAP_KERNEL;

	if (header->version >= PROTOCOL_INIT_SIZE && header->pref_address)
		base = header->pref_address;
	if (fits(memory, base, need))
		return base;
	if (header->version < PROTOCOL_RELOCATABLE || !header->relocatable_kernel)
		return 0;

	uint64_t align = header->kernel_alignment ? header->kernel_alignment : 1;

	base = (MAP_KERNEL + align - 1) / align * align;
	return fits(memory, base, need) ? base : 0;
}

static void set_limits(const struct memory *memory, const struct setup_header *header,
		       struct boot_kernel *kernel)
{
	uint64_t limit = INITRD_OLD_LIMIT;

	if (header->version >= PROTOCOL_INITRD_MAX)
		limit = (uint64_t)header->initrd_addr_max + 1;
	kernel->initrd_limit = limit < memory->low_end ? limit : memory->low_end;
	kernel->command_max = COMMAND_OLD_MAX;
	if (header->version >= PROTOCOL_COMMAND_SIZE)
		kernel->command_max = header->cmdline_size;
}

/*
 * MEMDISK has Linux's header for the boot loaders that know no other, but a disk and a BIOS are what
 * it works with. kernel_version is the distance of a string from 0x200.
 */
static bool is_memdisk(const struct setup_header *header, const uint8_t *image, size_t size)
{
	static const char name[] = "MEMDISK ";
	size_t at = 0x200 + (size_t)header->kernel_version;

	return header->kernel_version && at < size && size - at >= strlen(name) &&
	       !memcmp(image + at, name, strlen(name));
}

static const char *place_bzimage(const struct memory *memory, const uint8_t *image, size_t size,
				 struct boot_kernel *kernel)
{
	struct boot_params *params = params_at(memory);
	struct setup_header *header = &params->hdr;

	copy_header(params, image);
	if (header->version < 0x0200 || !(header->loadflags & LOADED_HIGH))
		return "a zImage or older, which cannot be loaded; a bzImage is needed";
	if (is_memdisk(header, image, size))
		return "MEMDISK, which works with a BIOS alone";
	kernel->entry.is_64bit = header->version >= PROTOCOL_XLOADFLAGS &&
				 header->xloadflags & XLF_KERNEL_64;
	if (!kernel->entry.is_64bit && !header->code32_start)
		return "code32_start is 0: it has no 32-bit entry point, and starts from a BIOS alone";

	size_t setup = 512 * ((header->setup_sects ? header->setup_sects : 4) + (size_t)1);

	if (setup >= size)
		return "truncated: nothing follows the set-up code";

	uint64_t payload = size - setup;
	uint64_t need = payload;

	if (header->version >= PROTOCOL_SYSSIZE && (payload + 15) / 16 < header->syssize)
		return "truncated: shorter than its header says";

	if (header->version >= PROTOCOL_INIT_SIZE && header->init_size > need)
		need = header->init_size;
	uint64_t base = choose_base(memory, header, need);

	if (!base)
		return "too large for the guest's memory";

	memcpy(memory_at(memory, base, payload), image + setup, payload);
	kernel->end = base + need;
	set_limits(memory, header, kernel);
	if (kernel->entry.is_64bit && payload <= ENTRY_64_OFFSET)
		return "truncated: the 64-bit entry point is missing";
	kernel->entry.rip = base + (kernel->entry.is_64bit ? ENTRY_64_OFFSET : 0);
	header->code32_start = (uint32_t)base;
	return NULL;
}

/* One ELF segment, whatever the class. */
struct segment {
	uint64_t offset, file_size, memory_size, physical, virtual;
};

/* Return: false unless program header @index lies inside the image. */
static bool get_segment(const uint8_t *image, size_t size, unsigned int index,
			struct segment *segment, bool *is_load)
{
	if (image[EI_CLASS] == ELFCLASS64) {
		const Elf64_Ehdr *header = (const void *)image;
		Elf64_Phdr p;

		if (header->e_phoff > size ||
		    (index + 1ULL) * sizeof(p) > size - header->e_phoff)
			return false;
		memcpy(&p, image + header->e_phoff + index * sizeof(p), sizeof(p));
		*is_load = p.p_type == PT_LOAD;
		*segment = (struct segment){ p.p_offset, p.p_filesz, p.p_memsz, p.p_paddr,
					     p.p_vaddr };
	} else {
		const Elf32_Ehdr *header = (const void *)image;
		Elf32_Phdr p;

		if (header->e_phoff > size ||
		    (index + 1ULL) * sizeof(p) > size - header->e_phoff)
			return false;
		memcpy(&p, image + header->e_phoff + index * sizeof(p), sizeof(p));
		*is_load = p.p_type == PT_LOAD;
		*segment = (struct segment){ p.p_offset, p.p_filesz, p.p_memsz, p.p_paddr,
					     p.p_vaddr };
	}
	return true;
}

static const char *place_segment(const struct memory *memory, const uint8_t *image, size_t size,
				 const struct segment *segment)
{
	if (segment->offset > size || segment->file_size > size - segment->offset ||
	    segment->file_size > segment->memory_size)
		return "truncated: an ELF segment lies outside the file";
	if (!segment->memory_size)
		return NULL;
	if (segment->physical < MAP_KERNEL || segment->physical >= MAP_GAP_START)
		return "an ELF segment lies where no kernel can be loaded";

	uint8_t *to = memory_at(memory, segment->physical, segment->memory_size);

	if (!to)
		return "too large for the guest's memory";
	memcpy(to, image + segment->offset, segment->file_size);
	memset(to + segment->file_size, 0, segment->memory_size - segment->file_size);
	return NULL;
}

/* A vmlinux has no set-up header: make the one a boot loader would find. */
static void make_header(const struct memory *memory, struct boot_kernel *kernel)
{
	struct setup_header *header = &params_at(memory)->hdr;

	header->boot_flag = BOOT_FLAG;
	header->header = HEADER_MAGIC;
	header->version = PROTOCOL_XLOADFLAGS;
	header->loadflags = LOADED_HIGH;
	header->initrd_addr_max = 0x7fffffff;
	header->kernel_alignment = 0x1000000;
	header->cmdline_size = 2047;
	set_limits(memory, header, kernel);
}

/* What a Multiboot header says of the file, whatever the file says otherwise. */
static const char *place_flat(const struct memory *memory, const uint8_t *image, size_t size, const struct boot_flat *flat,
			      struct boot_kernel *kernel)
{
	uint64_t before = (uint64_t)flat->header - flat->load;

	if (flat->header < flat->load || before > flat->at)
		return "a Multiboot kernel that begins before its file";
	struct segment segment = { .offset = flat->at - before, .physical = flat->load };

	segment.file_size = size - segment.offset;
	if (flat->load_end)
		segment.file_size = (uint64_t)flat->load_end - flat->load;
	segment.memory_size = flat->bss_end ? (uint64_t)flat->bss_end - flat->load : segment.file_size;
	if ((flat->load_end && flat->load_end < flat->load) || (flat->bss_end && flat->bss_end < flat->load) ||
	    segment.memory_size < segment.file_size)
		return "a Multiboot kernel that ends before it begins";
	const char *error = place_segment(memory, image, size, &segment);

	if (error)
		return error;
	if (flat->entry < flat->load || flat->entry - flat->load >= segment.memory_size)
		return "a Multiboot kernel whose entry point is outside of it";
	kernel->entry.rip = flat->entry;
	kernel->end = segment.physical + segment.memory_size;
	return NULL;
}

static const char *place_segments(const struct memory *memory, const uint8_t *image, size_t size, unsigned int count,
				  uint64_t start, struct boot_kernel *kernel)
{
	uint64_t total = 0;

	for (unsigned int i = 0; i < count; i++) {
		struct segment segment;
		bool is_load;

		if (!get_segment(image, size, i, &segment, &is_load))
			return "truncated: the ELF program headers lie outside the file";
		if (!is_load)
			continue;
		const char *error = place_segment(memory, image, size, &segment);

		if (error)
			return error;
		/* Those that lie over each other, each as large as memory, would take for ever. */
		total += segment.memory_size;
		if (total > memory->low_end)
			return "too large for the guest's memory";
		if (segment.physical + segment.memory_size > kernel->end)
			kernel->end = segment.physical + segment.memory_size;
		/* The entry may be given as a virtual address, but PVH's. */
		if (start - segment.physical < segment.memory_size)
			kernel->entry.rip = start;
		else if (start - segment.virtual < segment.memory_size && kernel->protocol != BOOT_PVH)
			kernel->entry.rip = start - segment.virtual + segment.physical;
	}
	return kernel->entry.rip ? NULL : "an ELF file whose entry point is in no segment";
}

static const char *place_elf(const struct memory *memory, const uint8_t *image, size_t size,
			     enum boot_protocol wanted, struct boot_kernel *kernel)
{
	const Elf64_Ehdr *e64 = (const void *)image;
	const Elf32_Ehdr *e32 = (const void *)image;
	bool is_64bit = image[EI_CLASS] == ELFCLASS64;
	uint64_t start = is_64bit ? e64->e_entry : e32->e_entry;
	unsigned int count = is_64bit ? e64->e_phnum : e32->e_phnum;
	unsigned int entry_size = is_64bit ? e64->e_phentsize : e32->e_phentsize;
	struct boot_found found;

	if (e64->e_machine != (is_64bit ? EM_X86_64 : EM_386))
		return "an ELF file, but not for x86";
	if (entry_size != (is_64bit ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)))
		return "an ELF file with odd program headers";
	const char *wrong = boot_find_protocol(image, size, wanted, &found);

	if (wrong)
		return wrong;
	kernel->protocol = found.protocol;
	kernel->entry.is_64bit = is_64bit && found.protocol == BOOT_LINUX;
	make_header(memory, kernel);
	if (found.is_flat)
		return place_flat(memory, image, size, &found.flat, kernel);
	return place_segments(memory, image, size, count, found.protocol == BOOT_PVH ? found.start : start, kernel);
}

/* No ELF file, and not Linux's: a Multiboot header that says where it goes. */
static const char *place_other(const struct memory *memory, const uint8_t *image, size_t size,
			       enum boot_protocol wanted, struct boot_kernel *kernel)
{
	struct boot_found found;
	const char *wrong = boot_find_protocol(image, size, wanted, &found);

	if (wrong)
		return wrong;
	if (found.protocol != BOOT_MULTIBOOT)
		return size < HEADER_END_MAX ? "too short for a kernel" : "neither a bzImage nor an ELF file";
	if (!found.is_flat)
		return "a Multiboot kernel that is no ELF file, and does not say where it goes";
	kernel->protocol = BOOT_MULTIBOOT;
	make_header(memory, kernel);
	return place_flat(memory, image, size, &found.flat, kernel);
}

static bool is_elf(const uint8_t *image, size_t size, int class, size_t header)
{
	return size >= header && !memcmp(image, ELFMAG, SELFMAG) && image[EI_CLASS] == class;
}

/* A vmlinux is often kept like that; the decompressor is the bzImage's. */
static bool is_compressed(const uint8_t *image, size_t size)
{
	static const char *const magics[] = {
		"\x1f\x8b", "\xfd" "7zXZ", "\x28\xb5\x2f\xfd", "\x02\x21\x4c\x18", "BZh",
	};

	for (size_t i = 0; i < ARRAY_SIZE(magics); i++)
		if (size >= strlen(magics[i]) && !memcmp(image, magics[i], strlen(magics[i])))
			return true;
	return false;
}

static bool is_bzimage(const uint8_t *image, size_t size)
{
	const struct boot_params *raw = (const void *)image;

	return size >= HEADER_END_MAX && raw->hdr.boot_flag == BOOT_FLAG && raw->hdr.header == HEADER_MAGIC;
}

const char *boot_place_kernel(const struct memory *memory, const uint8_t *image, size_t size,
			      enum boot_protocol wanted, struct boot_kernel *kernel)
{
	const char *error;

	*kernel = (struct boot_kernel){ .protocol = BOOT_LINUX };
	memset(params_at(memory), 0, sizeof(struct boot_params));
	if (is_elf(image, size, ELFCLASS64, sizeof(Elf64_Ehdr)) ||
	    is_elf(image, size, ELFCLASS32, sizeof(Elf32_Ehdr)))
		error = place_elf(memory, image, size, wanted, kernel);
	else if (is_compressed(image, size))
		return "compressed; unpack it first, or give the bzImage";
	else if (is_bzimage(image, size) && (wanted == BOOT_AUTO || wanted == BOOT_LINUX))
		error = place_bzimage(memory, image, size, kernel);
	else
		error = place_other(memory, image, size, wanted, kernel);
	if (error)
		return error;

	struct setup_header *header = &params_at(memory)->hdr;

	header->type_of_loader = LOADER_UNDEFINED;
	header->vid_mode = VIDEO_NORMAL;
	kernel->entry.params = MAP_BOOT_PARAMS;
	return NULL;
}
