/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ACPI tables that describe the machine to the guest.
 */
#ifndef KEEL_ACPI_H
#define KEEL_ACPI_H

#include <stddef.h>
#include <stdint.h>

/**
 * acpi_build() - write all tables for a machine of @cpus processors
 * @bytes: where they go, @size bytes that appear at guest-physical @address
 *         (a multiple of 16 below 4 GB); the RSDP is first.
 *
 * Return: bytes used, or 0 if @size is too small.
 */
size_t acpi_build(uint8_t *bytes, size_t size, uint64_t address, unsigned int cpus);

/*
 * What must be done to the tables once whoever places them knows where they are. All numbers count from the first byte
 * of the RSDP, which is the place of the first part; the tables are the second.
 */
#define ACPI_LINKS_MAX	16
#define ACPI_SUMS_MAX	8
#define ACPI_TABLES	64	/* where the second part begins */

struct acpi_link {
	uint32_t at;		/* of a pointer into the second part */
	uint8_t len;
};

struct acpi_sum {
	uint32_t at;		/* of a checksum, which is part of its range */
	uint32_t start, length;
};

struct acpi_links {
	struct acpi_link links[ACPI_LINKS_MAX];
	struct acpi_sum sums[ACPI_SUMS_MAX];
	unsigned int link_count, sum_count;
};

/**
 * acpi_build_movable() - write all tables for a machine of @cpus processors, to be moved
 *
 * As acpi_build() would for address 0, with what hangs on their place in @links, and with PCI's memory from @window on.
 * Return: bytes used, or 0 if @size is too small.
 */
size_t acpi_build_movable(uint8_t *bytes, size_t size, unsigned int cpus, uint64_t window, struct acpi_links *links);

/**
 * acpi_checksum() - the byte that makes @count bytes with it sum to zero
 */
uint8_t acpi_checksum(const uint8_t *bytes, size_t count);

#endif
