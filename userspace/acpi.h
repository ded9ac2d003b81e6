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

/**
 * acpi_checksum() - the byte that makes @count bytes with it sum to zero
 */
uint8_t acpi_checksum(const uint8_t *bytes, size_t count);

#endif
