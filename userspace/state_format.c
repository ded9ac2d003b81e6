// SPDX-License-Identifier: GPL-2.0-only
/*
 * Header and section heads of a saved VM, with their checksums. A head is
 * checked before anything in it is believed.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "state_format.h"

_Static_assert(sizeof(struct state_header) == 64, "as documented");
_Static_assert(sizeof(struct state_section) == 40, "as documented");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "structures are written as they are");

bool state_refuse(struct state_error *error, const char *format, ...)
{
	va_list args;

	if (error->text[0])
		return false;
	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return false;
}

uint32_t state_checksum_on(uint32_t checksum, const void *bytes, size_t count)
{
	return (uint32_t)crc32_z(checksum, bytes, count);
}

uint32_t state_checksum(const void *bytes, size_t count)
{
	return state_checksum_on(0, bytes, count);
}

void state_header_make(struct state_header *header)
{
	*header = (struct state_header){ .byte_order = STATE_BYTE_ORDER, .version = STATE_VERSION };
	memcpy(header->magic, STATE_MAGIC, sizeof(header->magic));
	snprintf(header->program, sizeof(header->program), "keel %s", KEEL_VERSION);
	header->checksum = state_checksum(header, offsetof(struct state_header, checksum));
}

bool state_header_check(const struct state_header *header, struct state_error *error)
{
	if (memcmp(header->magic, STATE_MAGIC, sizeof(header->magic)))
		return state_refuse(error, "not a saved VM of keel's");
	if (header->byte_order != STATE_BYTE_ORDER)
		return state_refuse(error, "byte order %#x, and this program reads %#x", header->byte_order,
				    STATE_BYTE_ORDER);
	if (header->checksum != state_checksum(header, offsetof(struct state_header, checksum)))
		return state_refuse(error, "the header's checksum is wrong: the file is damaged");
	if (header->version != STATE_VERSION)
		return state_refuse(error, "format version %u, and this program reads version %u", header->version,
				    STATE_VERSION);
	return true;
}

void state_section_make(struct state_section *section, const char *name, uint32_t instance, uint16_t version,
			uint16_t flags, const void *payload, size_t length)
{
	*section = (struct state_section){
		.instance = instance,
		.version = version,
		.flags = flags,
		.length = length,
		.payload_checksum = state_checksum(payload, length),
	};
	snprintf(section->name, sizeof(section->name), "%s", name);
	section->checksum = state_checksum(section, offsetof(struct state_section, checksum));
}

/* Printable, so that it can be told, and filled up with zeros. */
static bool is_name(const char *name)
{
	size_t length = strnlen(name, STATE_NAME_MAX);

	for (size_t i = 0; i < length; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return false;
	for (size_t i = length; i < STATE_NAME_MAX; i++)
		if (name[i])
			return false;
	return length && length < STATE_NAME_MAX;
}

bool state_section_check(const struct state_section *section, uint64_t room, struct state_error *error)
{
	if (section->checksum != state_checksum(section, offsetof(struct state_section, checksum)))
		return state_refuse(error, "a section's checksum is wrong: the file is damaged");
	if (!is_name(section->name))
		return state_refuse(error, "a section without a proper name");
	if (section->flags & ~STATE_FLAGS)
		return state_refuse(error, "section '%s' %u has flags %#x, which this program does not know",
				    section->name, section->instance, section->flags);
	if (section->length % STATE_ALIGN || section->length > STATE_PAYLOAD_MAX)
		return state_refuse(error, "section '%s' %u cannot have %llu bytes", section->name, section->instance,
				    (unsigned long long)section->length);
	if (section->length > room)
		return state_refuse(error, "the file ends within section '%s' %u", section->name, section->instance);
	return true;
}

static bool make_room(struct state_buffer *buffer, size_t count)
{
	size_t room = buffer->room ? buffer->room : 4096;

	while (room - buffer->used < count)
		room *= 2;
	if (room == buffer->room)
		return true;

	uint8_t *bytes = realloc(buffer->bytes, room);

	if (!bytes)
		return false;
	buffer->bytes = bytes;
	buffer->room = room;
	return true;
}

void state_buffer_add(struct state_buffer *buffer, const void *bytes, size_t count)
{
	size_t padded = state_pad(count);

	if (buffer->is_short || !make_room(buffer, padded)) {
		buffer->is_short = true;
		return;
	}
	if (count)
		memcpy(buffer->bytes + buffer->used, bytes, count);
	memset(buffer->bytes + buffer->used + count, 0, padded - count);
	buffer->used += padded;
}

void state_buffer_free(struct state_buffer *buffer)
{
	free(buffer->bytes);
	*buffer = (struct state_buffer){ 0 };
}
