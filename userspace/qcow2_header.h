/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The header of a qcow2 image, for qcow2.c.
 */
#ifndef KEEL_QCOW2_HEADER_H
#define KEEL_QCOW2_HEADER_H

#include <stddef.h>
#include <stdint.h>

/* As in the file, but in the CPU's byte order. */
struct qcow2_header {
	uint32_t magic, version;
	uint64_t backing_offset;
	uint32_t backing_size, cluster_bits;
	uint64_t size;
	uint32_t crypt_method, table_entries;
	uint64_t table_offset, counts_offset;
	uint32_t counts_clusters, snapshot_count;
	uint64_t snapshots_offset;
	/* Since version 3. */
	uint64_t incompatible, compatible, autoclear;
	uint32_t count_order, length;
	uint8_t compression;
};

/**
 * qcow2_pread() - read what is there of @count bytes at @at
 * Return: how many; -1 on an error.
 */
int64_t qcow2_pread(int fd, void *to, size_t count, uint64_t at);

/**
 * qcow2_read_header() - read and check it
 * Return: NULL, or what is wrong.
 */
const char *qcow2_read_header(int fd, struct qcow2_header *header);

/**
 * qcow2_needed_entries() - how many entries of the first level the disk's size needs
 */
uint64_t qcow2_needed_entries(const struct qcow2_header *header);

#endif
