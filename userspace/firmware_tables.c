// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tables are two files; a third is a list of commands for the firmware: give each file a place, add the second
 * one's address to the pointers into it, put the checksums right. A command has 128 bytes, all numbers little-endian.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "acpi.h"
#include "firmware_tables.h"
#include "fw_cfg.h"
#include "memory.h"

#define ROOT_FILE	"etc/acpi/rsdp"
#define TABLES_FILE	"etc/acpi/tables"
#define COMMANDS_FILE	"etc/table-loader"
#define ROOT_SIZE	36
#define NAME_SIZE	56

enum loader_command { LOADER_PLACE = 1, LOADER_POINTER = 2, LOADER_CHECKSUM = 3 };

enum loader_zone { LOADER_HIGH = 1, LOADER_LOW = 2 };	/* anywhere below 4 GB; where a root pointer is looked for */

struct loader_entry {
	uint32_t command;
	char file[NAME_SIZE];
	union {
		struct __attribute__((packed)) {
			uint32_t align;
			uint8_t zone;
		} place;
		struct __attribute__((packed)) {
			char to[NAME_SIZE];
			uint32_t at;
			uint8_t len;
		} pointer;
		struct {
			uint32_t at, start, length;
		} checksum;
		uint8_t room[68];
	};
};

_Static_assert(sizeof(struct loader_entry) == 128, "a command of the table loader");

#define COMMANDS_MAX	(2 + ACPI_LINKS_MAX + ACPI_SUMS_MAX)

struct commands {
	struct loader_entry entries[COMMANDS_MAX];
	unsigned int count;
};

static struct loader_entry *add(struct commands *commands, enum loader_command command, const char *file)
{
	struct loader_entry *entry = &commands->entries[commands->count++];

	entry->command = htole32(command);
	memcpy(entry->file, file, strlen(file));
	return entry;
}

static void add_place(struct commands *commands, const char *file, uint32_t align, enum loader_zone zone)
{
	struct loader_entry *entry = add(commands, LOADER_PLACE, file);

	entry->place.align = htole32(align);
	entry->place.zone = (uint8_t)zone;
}

/* The file that has byte @at of the tables, which from there on is counted in the file. */
static const char *file_of(uint32_t *at)
{
	if (*at < ACPI_TABLES)
		return ROOT_FILE;
	*at -= ACPI_TABLES;
	return TABLES_FILE;
}

/* What stands there is where the pointer goes in its file. */
static void add_pointer(struct commands *commands, uint8_t *bytes, const struct acpi_link *link)
{
	uint64_t value = 0;

	memcpy(&value, bytes + link->at, link->len);
	value = htole64(le64toh(value) - ACPI_TABLES);
	memcpy(bytes + link->at, &value, link->len);

	uint32_t at = link->at;
	struct loader_entry *entry = add(commands, LOADER_POINTER, file_of(&at));

	memcpy(entry->pointer.to, TABLES_FILE, strlen(TABLES_FILE));
	entry->pointer.at = htole32(at);
	entry->pointer.len = link->len;
}

static void add_checksum(struct commands *commands, uint8_t *bytes, const struct acpi_sum *sum)
{
	uint32_t at = sum->at, start = sum->start;

	bytes[at] = 0;
	file_of(&at);
	struct loader_entry *entry = add(commands, LOADER_CHECKSUM, file_of(&start));

	entry->checksum.at = htole32(at);
	entry->checksum.start = htole32(start);
	entry->checksum.length = htole32(sum->length);
}

static int add_files(struct fw_cfg *config, const uint8_t *bytes, size_t used, const struct commands *commands)
{
	int ret = fw_cfg_add_file(config, ROOT_FILE, bytes, ROOT_SIZE);

	if (!ret)
		ret = fw_cfg_add_file(config, TABLES_FILE, bytes + ACPI_TABLES, used - ACPI_TABLES);
	if (!ret)
		ret = fw_cfg_add_file(config, COMMANDS_FILE, commands->entries,
				      commands->count * sizeof(commands->entries[0]));
	return ret;
}

int firmware_add_tables(struct fw_cfg *config, unsigned int cpus, uint64_t window)
{
	struct commands commands = { .count = 0 };
	uint8_t *bytes = calloc(1, MAP_ACPI_MAX);	/* gaps between tables are the guest's too */
	struct acpi_links links;
	int ret = -ENOSPC;

	if (!bytes)
		return -ENOMEM;
	size_t used = acpi_build_movable(bytes, MAP_ACPI_MAX, cpus, window, &links);

	if (used > ACPI_TABLES) {
		add_place(&commands, ROOT_FILE, 16, LOADER_LOW);
		add_place(&commands, TABLES_FILE, 64, LOADER_HIGH);
		for (unsigned int i = 0; i < links.link_count; i++)
			add_pointer(&commands, bytes, &links.links[i]);
		for (unsigned int i = 0; i < links.sum_count; i++)
			add_checksum(&commands, bytes, &links.sums[i]);
		ret = add_files(config, bytes, used, &commands);
	}
	free(bytes);
	return ret;
}
