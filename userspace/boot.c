// SPDX-License-Identifier: GPL-2.0-only
/*
 * What firmware and boot loader would do: read the files, lay out memory, and
 * leave the first vCPU a descriptor table, page tables that map the first 4 GB
 * to itself, a memory map, the command line and the ACPI tables.
 */
#include <asm/bootparam.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "acpi.h"
#include "boot.h"
#include "boot_protocol.h"
#include "memory.h"
#include "status.h"

#define FILE_MAX		(1ULL << 30)
#define E820_RAM		1
#define E820_RESERVED		2
#define PAGE			4096ULL
#define TABLE_ENTRIES		512
#define TABLE_FLAGS		0x3ULL		/* present, writable */
#define LARGE_FLAGS		0x83ULL		/* and a 2 MB page */
#define SEED_BYTES		32
#define PROTOCOL_COMMAND_POINTER	0x0202
#define PROTOCOL_SETUP_DATA	0x0209
#define COMMAND_OLD_MAGIC	0xa33f
#define EXTENDED_MAX		0xfc00		/* 63 MB */

struct file {
	const char *path;
	int fd;
	uint64_t size;
};

static int file_open(struct file *file, const char *path)
{
	struct stat stat;

	file->path = path;
	file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (file->fd < 0)
		return status_fail(STATUS_KERNEL, "cannot open %s: %s", path, strerror(errno));
	if (fstat(file->fd, &stat) || !S_ISREG(stat.st_mode)) {
		close(file->fd);
		return status_fail(STATUS_KERNEL, "%s: not a regular file", path);
	}
	file->size = (uint64_t)stat.st_size;
	if (file->size && file->size <= FILE_MAX)
		return 0;
	close(file->fd);
	if (!file->size)
		return status_fail(STATUS_KERNEL, "%s: an empty file", path);
	return status_fail(STATUS_KERNEL, "%s: %llu MB, and at most 1024 MB can be loaded", path,
			   (unsigned long long)file->size >> 20);
}

/* Read the whole file to @to and close it. */
static int file_read(struct file *file, uint8_t *to)
{
	uint64_t done = 0;
	int ret = 0;

	while (done < file->size && !ret) {
		ssize_t count = pread(file->fd, to + done, file->size - done, (off_t)done);

		if (count > 0)
			done += (uint64_t)count;
		else if (!count)
			ret = status_fail(STATUS_KERNEL, "%s: shrank while being read", file->path);
		else if (errno != EINTR)
			ret = status_fail(STATUS_KERNEL, "cannot read %s: %s", file->path,
					  strerror(errno));
	}
	close(file->fd);
	return ret;
}

static int load_kernel(const struct memory *memory, const struct boot_request *request, struct boot_kernel *kernel)
{
	const char *path = request->kernel;
	struct file file;
	int ret = file_open(&file, path);

	if (ret)
		return ret;
	uint8_t *image = malloc(file.size);

	if (!image) {
		close(file.fd);
		return status_fail(STATUS_KERNEL, "%s: no memory to read it", path);
	}
	ret = file_read(&file, image);
	if (!ret) {
		const char *error = boot_place_kernel(memory, image, file.size, request->entry, kernel);

		if (error)
			ret = status_fail(STATUS_KERNEL, "%s: %s", path, error);
	}
	free(image);
	return ret;
}

static int load_initrd(const struct memory *memory, const char *path,
		       const struct boot_kernel *kernel, struct boot_params *params)
{
	struct file file;
	int ret = file_open(&file, path);

	if (ret)
		return ret;
	uint64_t limit = kernel->initrd_limit & ~(PAGE - 1);
	uint64_t base = limit >= file.size ? (limit - file.size) & ~(PAGE - 1) : 0;

	if (base < kernel->end) {
		close(file.fd);
		return status_fail(STATUS_KERNEL, "%s: no room for it beside the kernel", path);
	}
	params->hdr.ramdisk_image = (uint32_t)base;
	params->hdr.ramdisk_size = (uint32_t)file.size;
	return file_read(&file, memory_at(memory, base, file.size));
}

static int put_command(const struct memory *memory, const char *text,
		       const struct boot_kernel *kernel, struct boot_params *params)
{
	size_t length = strlen(text);

	if (length > kernel->command_max || length >= MAP_BOOT_COMMAND_MAX)
		return status_fail(STATUS_KERNEL, "--append: %zu characters, the kernel takes %u",
				   length, kernel->command_max);
	uint64_t at = MAP_BOOT_COMMAND;

	if (params->hdr.version >= PROTOCOL_COMMAND_POINTER) {
		params->hdr.cmd_line_ptr = MAP_BOOT_COMMAND;
	} else {
		/* Found by its distance from the set-up code, and moved with that. */
		at = MAP_BOOT_COMMAND_OLD;
		params->screen_info.cl_magic = COMMAND_OLD_MAGIC;
		params->screen_info.cl_offset = MAP_BOOT_COMMAND_OLD - MAP_BOOT_PARAMS;
		params->hdr.setup_move_size =
			(uint16_t)(params->screen_info.cl_offset + length + 1);
	}
	memcpy(memory_at(memory, at, length + 1), text, length + 1);
	return 0;
}

static void add_e820(struct boot_params *params, uint64_t base, uint64_t end, uint32_t type)
{
	if (end > base)
		params->e820_table[params->e820_entries++] =
			(struct boot_e820_entry){ base, end - base, type };
}

static void put_map(const struct memory *memory, struct boot_params *params)
{
	add_e820(params, 0, MAP_LOW_END, E820_RAM);
	add_e820(params, MAP_LOW_END, MAP_VGA_START, E820_RESERVED);
	add_e820(params, MAP_ACPI, MAP_KERNEL, E820_RESERVED);
	add_e820(params, MAP_KERNEL, memory->low_end, E820_RAM);
	add_e820(params, MAP_GENERATION, MAP_OWN_END, E820_RESERVED);
	add_e820(params, MAP_GAP_END, MAP_GAP_END + (memory->size - memory->low_end), E820_RAM);
	/*
	 * For kernels that know no such map: kilobytes above 1 MB, in 32 bits, and as the oldest
	 * BIOS call says it.
	 */
	params->alt_mem_k = (uint32_t)((memory->low_end - MAP_KERNEL) >> 10);
	params->screen_info.ext_mem_k = (uint16_t)(params->alt_mem_k < EXTENDED_MAX ?
						   params->alt_mem_k : EXTENDED_MAX);
}

/* A seed for the guest's random numbers; kernels that know no such skip it. */
static void put_seed(const struct memory *memory, struct boot_params *params)
{
	struct setup_data *data = memory_at(memory, MAP_BOOT_DATA, sizeof(*data) + SEED_BYTES);

	if (params->hdr.version < PROTOCOL_SETUP_DATA)
		return;
	if (getrandom(data->data, SEED_BYTES, 0) != SEED_BYTES)
		return;
	data->type = SETUP_RNG_SEED;
	data->len = SEED_BYTES;
	params->hdr.setup_data = MAP_BOOT_DATA;
}

/* Selectors 0x10 and 0x18 are code and data, as the boot protocol wants. */
static void put_descriptors(const struct memory *memory, const struct boot_entry *entry)
{
	const uint64_t code = entry->is_64bit ? 0x00af9b000000ffffULL : 0x00cf9b000000ffffULL;
	const uint64_t gdt[4] = { 0, 0, code, 0x00cf93000000ffffULL };

	memcpy(memory_at(memory, MAP_BOOT_GDT, sizeof(gdt)), gdt, sizeof(gdt));
}

static void put_page_tables(const struct memory *memory)
{
	uint64_t *tables = memory_at(memory, MAP_BOOT_TABLES, 6 * PAGE);
	uint64_t *pages = tables + 2 * TABLE_ENTRIES;

	tables[0] = (MAP_BOOT_TABLES + PAGE) | TABLE_FLAGS;
	for (uint64_t i = 0; i < 4; i++)
		tables[TABLE_ENTRIES + i] = (MAP_BOOT_TABLES + (2 + i) * PAGE) | TABLE_FLAGS;
	for (uint64_t i = 0; i < 4 * TABLE_ENTRIES; i++)
		pages[i] = i << 21 | LARGE_FLAGS;
}

int boot_load(const struct memory *memory, const struct boot_request *request,
	      struct boot_entry *entry)
{
	struct boot_params *params = memory_at(memory, MAP_BOOT_PARAMS, sizeof(*params));
	struct boot_kernel kernel;
	int ret = load_kernel(memory, request, &kernel);

	if (!ret && request->initrd)
		ret = load_initrd(memory, request->initrd, &kernel, params);
	if (!ret)
		ret = put_command(memory, request->append, &kernel, params);
	if (ret)
		return ret;

	put_map(memory, params);
	put_seed(memory, params);
	put_descriptors(memory, &kernel.entry);
	put_page_tables(memory);
	params->acpi_rsdp_addr = MAP_ACPI;
	if (!acpi_build(memory_at(memory, MAP_ACPI, MAP_ACPI_MAX), MAP_ACPI_MAX, MAP_ACPI,
			request->cpus))
		return status_fail(STATUS_CREATE, "the ACPI tables do not fit");
	if (kernel.protocol != BOOT_LINUX)
		boot_put_info(memory, request, params, &kernel);
	*entry = kernel.entry;
	return 0;
}
