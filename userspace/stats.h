/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counters of the VM and its vCPUs, as the module describes them itself
 * (KVM_GET_STATS_FD): names, units and number are the module's.
 */
#ifndef KEEL_STATS_H
#define KEEL_STATS_H

#include <stddef.h>
#include <stdint.h>

/**
 * struct stats_file - the statistics of one object
 * @fd: its file, which keeps the VM alive
 * @count: counters
 * @stride: bytes of a descriptor, name included
 * @data_offset: where the values begin in the file
 * @data_size: their bytes
 * @descriptors: allocated
 */
struct stats_file {
	int fd;
	uint32_t count;
	uint32_t stride;
	uint32_t data_offset;
	uint32_t data_size;
	uint8_t *descriptors;
};

/* All zero: none. The first file is the VM's, then one of each vCPU. */
struct stats {
	struct stats_file *files;
	unsigned int count;
};

/**
 * stats_add() - take over statistics file @fd and read its descriptors
 * Return: 0, or STATUS_HOST after a line on stderr; @fd is closed then.
 */
int stats_add(struct stats *stats, int fd);

/**
 * stats_open() - statistics of the VM or vCPU @object, which @name names
 *
 * Before the sandbox, like all that opens or asks much.
 *
 * Return: 0, or STATUS_CREATE or STATUS_HOST after a line on stderr.
 */
int stats_open(struct stats *stats, int object, const char *name);

/**
 * stats_text() - all counters that are not 0, as lines for people
 * @end: what ends a line.
 *
 * Under the sandbox too. Return: a string to be freed, NULL without memory.
 */
char *stats_text(const struct stats *stats, const char *end);

/**
 * stats_json() - all counters as an object: "vm", and an array "vcpus"
 * @balloon: JSON that becomes its member "balloon"; NULL: there is none.
 *
 * A counter with several values (a histogram) is an array. Under the sandbox
 * too. Return: a string to be freed, NULL without memory, or without any files and a balloon.
 */
char *stats_json(const struct stats *stats, const char *balloon);

/**
 * stats_close() - release everything
 */
void stats_close(struct stats *stats);

#endif
