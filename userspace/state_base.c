// SPDX-License-Identifier: GPL-2.0-only
/*
 * A name alone would have a chain restored from a file that has been written anew meanwhile.
 */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "state_base.h"
#include "state_fields.h"
#include "state_stream.h"

static const struct state_row own_rows[] = { STATE_ROW_BYTES("id", struct state_identity, id) };

static const struct state_layout own_layout = {
	.name = STATE_FILE, .version = 1, .rows = own_rows, .row_count = ARRAY_SIZE(own_rows), .size = sizeof(struct state_identity),
};

static bool check_base(const void *object, struct state_error *error)
{
	const struct state_base *base = object;

	return *base->name || state_refuse(error, "has no name of a file");
}

static const struct state_row base_rows[] = {
	STATE_ROW_BYTES("id", struct state_base, identity.id),
	STATE_ROW_UINT("sum", struct state_base, identity.sum),
	STATE_ROW_TEXT("name", struct state_base, name),
};

static const struct state_layout base_layout = {
	.name = STATE_BASE, .version = 1, .rows = base_rows, .row_count = ARRAY_SIZE(base_rows), .size = sizeof(struct state_base),
	.check = check_base,
};

bool state_identity_new(struct state_identity *identity, struct state_error *error)
{
	*identity = (struct state_identity){ .sum = 0 };
	return getrandom(identity->id, sizeof(identity->id), 0) == sizeof(identity->id) ||
	       state_refuse(error, "no random number for the file's identity");
}

void state_identity_text(const struct state_identity *identity, char text[STATE_IDENTITY_TEXT])
{
	for (unsigned int i = 0; i < STATE_ID; i++)
		snprintf(text + 2 * i, 3, "%02x", identity->id[i]);
	snprintf(text + 2 * STATE_ID, 10, "-%08x", identity->sum);
}

bool state_identity_parse(struct state_identity *identity, const char *text)
{
	char again[STATE_IDENTITY_TEXT];
	unsigned int byte;

	if (strlen(text) != STATE_IDENTITY_TEXT - 1)
		return false;
	for (unsigned int i = 0; i < STATE_ID; i++) {
		if (sscanf(text + 2 * i, "%2x", &byte) != 1)
			return false;
		identity->id[i] = (uint8_t)byte;
	}
	if (sscanf(text + 2 * STATE_ID, "-%8x", &identity->sum) != 1)
		return false;
	state_identity_text(identity, again);
	return !strcmp(again, text);
}

bool state_identity_is(const struct state_identity *one, const struct state_identity *other)
{
	return !memcmp(one->id, other->id, sizeof(one->id)) && one->sum == other->sum;
}

char *state_base_path(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');
	char *base;

	if (*name == '/' || !slash)
		return strdup(name);
	return asprintf(&base, "%.*s/%s", (int)(slash - path), path, name) < 0 ? NULL : base;
}

bool state_refuse_base(struct state_error *error, const char *path, const struct state_error *inner)
{
	static const char words[] = "its base ";

	if (!strncmp(inner->text, words, strlen(words)))
		return state_refuse(error, "%s", inner->text);
	return state_refuse(error, "%s%.100s: %s", words, path, inner->text);
}

static bool put(struct state_writer *writer, const struct state_layout *layout, const void *object, uint16_t flags, struct state_error *error)
{
	struct state_buffer buffer = { 0 };

	state_fields_put(&buffer, layout, object);

	bool is_written = buffer.is_short ? state_refuse(error, "out of memory") :
			  state_put(writer, layout->name, 0, layout->version, flags, buffer.bytes, buffer.used, error);

	state_buffer_free(&buffer);
	return is_written;
}

bool state_kin_write(const struct state_kin *kin, struct state_writer *writer, struct state_error *error)
{
	return (!kin->has_own || put(writer, &own_layout, &kin->own, 0, error)) &&
	       (!kin->has_base || put(writer, &base_layout, &kin->base, STATE_NEEDED, error));
}

bool state_kin_is(const struct state_section *section)
{
	return !strcmp(section->name, STATE_FILE) || !strcmp(section->name, STATE_BASE);
}

bool state_kin_section(struct state_kin *kin, const struct state_section *section, const uint8_t *payload, struct state_error *error)
{
	bool is_own = !strcmp(section->name, STATE_FILE);
	bool *has = is_own ? &kin->has_own : &kin->has_base;

	if (section->instance || *has)
		return state_refuse(error, "section '%s' %u is one more than there can be", section->name, section->instance);
	*has = true;
	return is_own ? state_fields_get(&own_layout, &kin->own, section, payload, error) :
			state_fields_get(&base_layout, &kin->base, section, payload, error);
}
