// SPDX-License-Identifier: GPL-2.0-only
/*
 * AML encoding, from the ACPI specification, "ACPI Machine Language (AML)
 * Specification". Block lengths always take the three-byte form, so that a
 * block can be written before its length is known.
 */
#include <string.h>

#include "aml.h"

enum {
	AML_ZERO = 0x00,
	AML_ONE = 0x01,
	AML_NAME = 0x08,
	AML_BYTE = 0x0a,
	AML_WORD = 0x0b,
	AML_DWORD = 0x0c,
	AML_STRING = 0x0d,
	AML_SCOPE = 0x10,
	AML_BUFFER = 0x11,
	AML_PACKAGE = 0x12,
	AML_METHOD = 0x14,
	AML_DUAL_NAME = 0x2e,
	AML_EXT = 0x5b,
	AML_EXT_DEVICE = 0x82,
	AML_ROOT = 0x5c,
	AML_NOTIFY = 0x86,
};

#define LENGTH_BYTES	3

void aml_init(struct aml *aml, uint8_t *bytes, size_t size)
{
	*aml = (struct aml){ .bytes = bytes, .size = size };
}

void aml_byte(struct aml *aml, uint8_t byte)
{
	if (aml->used < aml->size)
		aml->bytes[aml->used++] = byte;
	else
		aml->is_full = true;
}

void aml_raw(struct aml *aml, uint64_t value, unsigned int len)
{
	for (unsigned int i = 0; i < len; i++)
		aml_byte(aml, (uint8_t)(value >> (8 * i)));
}

void aml_name(struct aml *aml, const char *name)
{
	for (unsigned int i = 0; i < 4; i++)
		aml_byte(aml, *name ? (uint8_t)*name++ : '_');
}

void aml_integer(struct aml *aml, uint32_t value)
{
	if (value <= 1) {
		aml_byte(aml, value ? AML_ONE : AML_ZERO);
	} else if (value <= 0xff) {
		aml_byte(aml, AML_BYTE);
		aml_raw(aml, value, 1);
	} else if (value <= 0xffff) {
		aml_byte(aml, AML_WORD);
		aml_raw(aml, value, 2);
	} else {
		aml_byte(aml, AML_DWORD);
		aml_raw(aml, value, 4);
	}
}

void aml_string(struct aml *aml, const char *text)
{
	aml_byte(aml, AML_STRING);
	do {
		aml_byte(aml, (uint8_t)*text);
	} while (*text++);
}

static uint32_t hex_digit(char c)
{
	return c <= '9' ? (uint32_t)(c - '0') : (uint32_t)(c - 'A' + 10);
}

void aml_eisa_id(struct aml *aml, const char *id)
{
	uint32_t letters = (uint32_t)(id[0] - 0x40) << 10 | (uint32_t)(id[1] - 0x40) << 5 |
			   (uint32_t)(id[2] - 0x40);
	uint32_t digits = hex_digit(id[3]) << 12 | hex_digit(id[4]) << 8 | hex_digit(id[5]) << 4 |
			  hex_digit(id[6]);

	/* Both halves are big-endian in memory. */
	aml_byte(aml, AML_DWORD);
	aml_raw(aml, letters >> 8, 1);
	aml_raw(aml, letters, 1);
	aml_raw(aml, digits >> 8, 1);
	aml_raw(aml, digits, 1);
}

static void begin_block(struct aml *aml)
{
	if (aml->depth < AML_DEPTH_MAX)
		aml->open[aml->depth] = aml->used;
	else
		aml->is_full = true;
	aml->depth++;
	aml_raw(aml, 0, LENGTH_BYTES);
}

void aml_end(struct aml *aml)
{
	aml->depth--;
	if (aml->is_full)
		return;

	size_t at = aml->open[aml->depth];
	size_t length = aml->used - at;

	aml->bytes[at] = (uint8_t)((LENGTH_BYTES - 1) << 6 | (length & 0xf));
	aml->bytes[at + 1] = (uint8_t)(length >> 4);
	aml->bytes[at + 2] = (uint8_t)(length >> 12);
}

void aml_begin_scope(struct aml *aml, const char *name)
{
	aml_byte(aml, AML_SCOPE);
	begin_block(aml);
	aml_byte(aml, AML_ROOT);
	aml_name(aml, name);
}

void aml_begin_device(struct aml *aml, const char *name)
{
	aml_byte(aml, AML_EXT);
	aml_byte(aml, AML_EXT_DEVICE);
	begin_block(aml);
	aml_name(aml, name);
}

void aml_begin_method(struct aml *aml, const char *name)
{
	aml_byte(aml, AML_METHOD);
	begin_block(aml);
	aml_name(aml, name);
	aml_byte(aml, 0);	/* no arguments, not serialized */
}

void aml_notify(struct aml *aml, const char *scope, const char *device, uint8_t value)
{
	aml_byte(aml, AML_NOTIFY);
	aml_byte(aml, AML_ROOT);
	aml_byte(aml, AML_DUAL_NAME);
	aml_name(aml, scope);
	aml_name(aml, device);
	aml_integer(aml, value);
}

void aml_begin_package(struct aml *aml, uint8_t count)
{
	aml_byte(aml, AML_PACKAGE);
	begin_block(aml);
	aml_byte(aml, count);
}

void aml_define(struct aml *aml, const char *name)
{
	aml_byte(aml, AML_NAME);
	aml_name(aml, name);
}

void aml_resources(struct aml *aml, const uint8_t *bytes, size_t count)
{
	aml_define(aml, "_CRS");
	aml_byte(aml, AML_BUFFER);
	begin_block(aml);
	aml_integer(aml, (uint32_t)count);
	for (size_t i = 0; i < count; i++)
		aml_byte(aml, bytes[i]);
	aml_end(aml);
}
