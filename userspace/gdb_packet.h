/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packets of GDB's remote serial protocol, as bytes: "$DATA#CC", their acknowledgements, hexadecimal
 * numbers. Nothing here knows what a packet means.
 *
 * Source: GDB manual, "GDB Remote Serial Protocol", "Overview".
 */
#ifndef KEEL_GDB_PACKET_H
#define KEEL_GDB_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GDB_PACKET_MAX	4096	/* bytes of data in one packet, either way; told to the client as PacketSize */

enum gdb_event {
	GDB_NOTHING,		/* more is to come */
	GDB_PACKET,		/* data and length hold a packet whose checksum is right */
	GDB_CORRUPT,		/* one whose checksum is wrong */
	GDB_TOO_LONG,		/* one that did not fit */
	GDB_ACK,
	GDB_NAK,
	GDB_INTERRUPT,		/* 0x03 between packets */
};

/* What has come in. */
struct gdb_input {
	uint8_t data[GDB_PACKET_MAX + 1];	/* unescaped; a 0 follows */
	size_t length;
	enum { GDB_IDLE, GDB_DATA, GDB_ESCAPED, GDB_SUM_HIGH, GDB_SUM_LOW } state;
	uint8_t sum;
	int wanted;		/* the checksum's first digit; -1 if it was none */
	bool is_too_long;
};

/* A packet on its way out. */
struct gdb_reply {
	char data[2 * GDB_PACKET_MAX + 8];	/* as it goes out, if all were escaped */
	size_t length;
	size_t count;		/* bytes of data as the client counts them */
	bool is_full;		/* something was left out */
};

/**
 * gdb_take() - take the next byte from the client
 *
 * A '$' within a packet begins another: the first was cut off.
 */
enum gdb_event gdb_take(struct gdb_input *input, uint8_t byte);

/**
 * gdb_reply_begin() - an empty packet
 */
void gdb_reply_begin(struct gdb_reply *reply);

/**
 * gdb_put() - add bytes, escaped where they must be
 */
void gdb_put(struct gdb_reply *reply, const void *bytes, size_t count);

/**
 * gdb_put_text() - add a string
 */
void gdb_put_text(struct gdb_reply *reply, const char *text);

/**
 * gdb_put_bytes() - add bytes as two digits each
 */
void gdb_put_bytes(struct gdb_reply *reply, const uint8_t *bytes, size_t count);

/**
 * gdb_put_number() - add a number, without leading zeros
 */
void gdb_put_number(struct gdb_reply *reply, uint64_t number);

/**
 * gdb_reply_end() - add the checksum
 *
 * Return: false if the reply did not fit; it is then the error E22.
 */
bool gdb_reply_end(struct gdb_reply *reply);

/**
 * gdb_number() - read a number of 1 to 16 hexadecimal digits, and move past it
 * Return: false if there is none, or a longer one.
 */
bool gdb_number(const char **at, uint64_t *number);

/**
 * gdb_bytes() - read exactly @count bytes of two digits each, and move past them
 */
bool gdb_bytes(const char **at, uint8_t *bytes, size_t count);

/**
 * gdb_starts() - if @at begins with @word, move past it
 */
bool gdb_starts(const char **at, const char *word);

#endif
