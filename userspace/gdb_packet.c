// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whatever a client sends ends up in a buffer of one size: what is longer is counted out to its
 * checksum and dropped. What goes out has room for every byte of it escaped.
 */
#include <string.h>

#include "gdb_packet.h"

#define INTERRUPT_BYTE	0x03
#define ESCAPE		'}'
#define ESCAPE_BIT	0x20

static int digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void begin(struct gdb_input *input)
{
	input->state = GDB_DATA;
	input->length = 0;
	input->sum = 0;
	input->is_too_long = false;
}

static void store(struct gdb_input *input, uint8_t byte)
{
	if (input->length < GDB_PACKET_MAX)
		input->data[input->length++] = byte;
	else
		input->is_too_long = true;
}

static enum gdb_event take_idle(struct gdb_input *input, uint8_t byte)
{
	switch (byte) {
	case '$':
		begin(input);
		return GDB_NOTHING;
	case '+':
		return GDB_ACK;
	case '-':
		return GDB_NAK;
	case INTERRUPT_BYTE:
		return GDB_INTERRUPT;
	default:
		return GDB_NOTHING;
	}
}

static void take_data(struct gdb_input *input, uint8_t byte)
{
	if (byte == '$') {
		begin(input);
		return;
	}
	if (byte == '#') {
		input->state = GDB_SUM_HIGH;
		return;
	}
	input->sum += byte;
	if (input->state == GDB_ESCAPED) {
		store(input, byte ^ ESCAPE_BIT);
		input->state = GDB_DATA;
	} else if (byte == ESCAPE) {
		input->state = GDB_ESCAPED;
	} else {
		store(input, byte);
	}
}

static enum gdb_event end(struct gdb_input *input, uint8_t byte)
{
	int low = digit(byte);

	input->state = GDB_IDLE;
	input->data[input->length] = 0;
	if (input->wanted < 0 || low < 0 || (input->wanted << 4 | low) != input->sum)
		return GDB_CORRUPT;
	return input->is_too_long ? GDB_TOO_LONG : GDB_PACKET;
}

enum gdb_event gdb_take(struct gdb_input *input, uint8_t byte)
{
	switch (input->state) {
	case GDB_DATA:
	case GDB_ESCAPED:
		take_data(input, byte);
		return GDB_NOTHING;
	case GDB_SUM_HIGH:
		input->wanted = digit(byte);
		input->state = GDB_SUM_LOW;
		return GDB_NOTHING;
	case GDB_SUM_LOW:
		return end(input, byte);
	default:
		return take_idle(input, byte);
	}
}

void gdb_reply_begin(struct gdb_reply *reply)
{
	reply->data[0] = '$';
	reply->length = 1;
	reply->count = 0;
	reply->is_full = false;
}

void gdb_put(struct gdb_reply *reply, const void *bytes, size_t count)
{
	const char *at = bytes;

	for (size_t i = 0; i < count; i++) {
		if (reply->count == GDB_PACKET_MAX) {
			reply->is_full = true;
			return;
		}
		reply->count++;
		if (at[i] && strchr("#$}*", at[i])) {
			reply->data[reply->length++] = ESCAPE;
			reply->data[reply->length++] = at[i] ^ ESCAPE_BIT;
		} else {
			reply->data[reply->length++] = at[i];
		}
	}
}

void gdb_put_text(struct gdb_reply *reply, const char *text)
{
	gdb_put(reply, text, strlen(text));
}

static const char digits[] = "0123456789abcdef";

void gdb_put_bytes(struct gdb_reply *reply, const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char pair[2] = { digits[bytes[i] >> 4], digits[bytes[i] & 15] };

		gdb_put(reply, pair, sizeof(pair));
	}
}

void gdb_put_number(struct gdb_reply *reply, uint64_t number)
{
	unsigned int shift = 60;

	while (shift && !(number >> shift))
		shift -= 4;
	for (;; shift -= 4) {
		gdb_put(reply, &digits[number >> shift & 15], 1);
		if (!shift)
			return;
	}
}

bool gdb_reply_end(struct gdb_reply *reply)
{
	bool is_whole = !reply->is_full;
	uint8_t sum = 0;

	if (!is_whole) {
		gdb_reply_begin(reply);
		gdb_put_text(reply, "E22");
	}
	for (size_t i = 1; i < reply->length; i++)
		sum += (uint8_t)reply->data[i];
	reply->data[reply->length++] = '#';
	reply->data[reply->length++] = digits[sum >> 4];
	reply->data[reply->length++] = digits[sum & 15];
	return is_whole;
}

bool gdb_number(const char **at, uint64_t *number)
{
	uint64_t value = 0;
	unsigned int count = 0;

	for (; digit((uint8_t)**at) >= 0; (*at)++) {
		if (++count > 16)
			return false;
		value = value << 4 | (uint64_t)digit((uint8_t)**at);
	}
	*number = value;
	return count > 0;
}

bool gdb_bytes(const char **at, uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++, *at += 2) {
		int high = digit((uint8_t)(*at)[0]);
		int low = high < 0 ? -1 : digit((uint8_t)(*at)[1]);

		if (low < 0)
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

bool gdb_starts(const char **at, const char *word)
{
	size_t length = strlen(word);

	if (strncmp(*at, word, length))
		return false;
	*at += length;
	return true;
}
