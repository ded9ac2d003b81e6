/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A writer of ACPI machine language (AML), as far as a device tree needs it.
 */
#ifndef KEEL_AML_H
#define KEEL_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AML_DEPTH_MAX	8

/*
 * Bytes go to a caller's buffer; what does not fit is dropped and is_full set.
 * Blocks nest: a begin function opens one, aml_end() closes the innermost and
 * fills its length in.
 */
struct aml {
	uint8_t *bytes;
	size_t size;
	size_t used;
	size_t open[AML_DEPTH_MAX];	/* where the lengths of open blocks go */
	unsigned int depth;
	bool is_full;
};

/** aml_init() - write into @size bytes at @bytes */
void aml_init(struct aml *aml, uint8_t *bytes, size_t size);

/** aml_byte() - one raw byte */
void aml_byte(struct aml *aml, uint8_t byte);

/** aml_raw() - @len raw bytes of little-endian @value */
void aml_raw(struct aml *aml, uint64_t value, unsigned int len);

/** aml_name() - a four-character name segment; shorter ones are padded */
void aml_name(struct aml *aml, const char *name);

/** aml_integer() - the shortest integer object for @value (32 bits) */
void aml_integer(struct aml *aml, uint32_t value);

/** aml_string() - a string object */
void aml_string(struct aml *aml, const char *text);

/** aml_eisa_id() - an integer object for an EISA identifier such as "PNP0A03" */
void aml_eisa_id(struct aml *aml, const char *id);

/** aml_begin_scope() - Scope (\name) */
void aml_begin_scope(struct aml *aml, const char *name);

/** aml_begin_device() - Device (name) */
void aml_begin_device(struct aml *aml, const char *name);

/** aml_begin_method() - Method (name), which takes no argument; what it does must follow */
void aml_begin_method(struct aml *aml, const char *name);

/** aml_notify() - Notify (\scope.device, @value): tell the device's driver */
void aml_notify(struct aml *aml, const char *scope, const char *device, uint8_t value);

/** aml_begin_package() - Package of @count elements */
void aml_begin_package(struct aml *aml, uint8_t count);

/** aml_end() - close the innermost scope, device, method or package */
void aml_end(struct aml *aml);

/** aml_define() - Name (name, ...); the object must follow */
void aml_define(struct aml *aml, const char *name);

/** aml_resources() - Name (_CRS, ResourceTemplate of @count raw bytes) */
void aml_resources(struct aml *aml, const uint8_t *bytes, size_t count);

#endif
