/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ACPI tables as firmware gets them, to place them by itself.
 */
#ifndef KEEL_FIRMWARE_TABLES_H
#define KEEL_FIRMWARE_TABLES_H

#include <stdint.h>

struct fw_cfg;

/**
 * firmware_add_tables() - add the tables for @cpus processors, with PCI's memory from @window on, and what to do with them
 * Return: 0 or a negative errno.
 */
int firmware_add_tables(struct fw_cfg *config, unsigned int cpus, uint64_t window);

#endif
