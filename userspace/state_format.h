/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The saved VM as bytes: a header, sections, the last of them "end". Documentation/stream.rst
 * describes it for those who write a reader; all numbers are little-endian.
 */
#ifndef KEEL_STATE_FORMAT_H
#define KEEL_STATE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util.h"

#define STATE_MAGIC		"\x89KEELVM\n"
#define STATE_BYTE_ORDER	0x0a0b0c0du
#define STATE_VERSION		1u

struct state_header {
	uint8_t magic[8];
	uint32_t byte_order;		/* STATE_BYTE_ORDER */
	uint32_t version;		/* STATE_VERSION */
	char program[44];		/* who wrote it, for people; filled with zeros */
	uint32_t checksum;		/* of all before */
};

#define STATE_NEEDED	1u		/* who does not know the section must not go on */
#define STATE_RAW	2u		/* no list of fields */
#define STATE_FLAGS	(STATE_NEEDED | STATE_RAW)

#define STATE_NAME_MAX		16
#define STATE_ALIGN		8u
#define STATE_PAYLOAD_MAX	(2u << 20)	/* of any section */

struct state_section {
	char name[STATE_NAME_MAX];	/* filled with zeros, one at least */
	uint32_t instance;		/* which of several with the same name */
	uint16_t version;		/* of this kind of section */
	uint16_t flags;
	uint64_t length;		/* of the payload behind, a multiple of STATE_ALIGN */
	uint32_t payload_checksum;
	uint32_t checksum;		/* of this structure before it */
};

/* What is wrong, in words. */
struct state_error {
	char text[256];
};

/**
 * state_refuse() - say what is wrong, unless something has been said already
 * Return: false.
 */
bool __printf(2, 3) state_refuse(struct state_error *error, const char *format, ...);

/**
 * state_checksum() - CRC-32 as in IEEE 802.3 and gzip
 */
uint32_t state_checksum(const void *bytes, size_t count);

/**
 * state_checksum_on() - the same of what @checksum is of and @count bytes more
 */
uint32_t state_checksum_on(uint32_t checksum, const void *bytes, size_t count);

/**
 * state_header_make() - the header that this program writes
 */
void state_header_make(struct state_header *header);

/**
 * state_header_check() - is this a stream that this program can read?
 */
bool state_header_check(const struct state_header *header, struct state_error *error);

/**
 * state_section_make() - a section's head, given its payload
 */
void state_section_make(struct state_section *section, const char *name, uint32_t instance, uint16_t version,
			uint16_t flags, const void *payload, size_t length);

/**
 * state_section_check() - is this head whole, and its payload not longer than @room bytes?
 */
bool state_section_check(const struct state_section *section, uint64_t room, struct state_error *error);

/** state_pad() - @count, or the next multiple of STATE_ALIGN */
static inline size_t state_pad(size_t count)
{
	return (count + STATE_ALIGN - 1) & ~(size_t)(STATE_ALIGN - 1);
}

/* Bytes that grow. */
struct state_buffer {
	uint8_t *bytes;		/* allocated */
	size_t used;
	size_t room;
	bool is_short;		/* of memory: something is missing */
};

/**
 * state_buffer_add() - append @count bytes, and zeros up to a multiple of STATE_ALIGN
 */
void state_buffer_add(struct state_buffer *buffer, const void *bytes, size_t count);

/**
 * state_buffer_free() - release it; harmless on a zeroed one
 */
void state_buffer_free(struct state_buffer *buffer);

#endif
