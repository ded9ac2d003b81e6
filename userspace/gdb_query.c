// SPDX-License-Identifier: GPL-2.0-only
/*
 * Questions about the server, the machine and its threads.
 *
 * Source: GDB manual, "GDB Remote Serial Protocol", "General Query Packets".
 */
#include <stdio.h>
#include <string.h>

#include "gdb_cpu.h"
#include "gdb_server.h"
#include "util.h"

static void supported(struct gdb *gdb, const char *at)
{
	struct gdb_client *client = &gdb->client;

	/* ":NAME+;NAME+..." is what the client knows */
	while (*at) {
		size_t length = strcspn(++at, ";");

		client->wants_soft |= length == 8 && !strncmp(at, "swbreak+", 8);
		client->wants_hard |= length == 8 && !strncmp(at, "hwbreak+", 8);
		at += length;
	}
	gdb_put_text(&client->reply, "PacketSize=");
	gdb_put_number(&client->reply, GDB_PACKET_MAX);
	gdb_put_text(&client->reply, ";QStartNoAckMode+;qXfer:features:read+;vContSupported+;swbreak+;hwbreak+");
}

/* ":target.xml:OFFSET,LENGTH" */
static void features(struct gdb *gdb, const char *at)
{
	struct gdb_client *client = &gdb->client;
	uint64_t offset, length;

	if (!gdb_starts(&at, "target.xml:") || !gdb_number(&at, &offset) || !gdb_starts(&at, ",") ||
	    !gdb_number(&at, &length) || *at || offset > client->xml_length) {
		gdb_put_text(&client->reply, "E22");
		return;
	}
	uint64_t left = client->xml_length - offset;

	if (length > GDB_PACKET_MAX - 1)
		length = GDB_PACKET_MAX - 1;
	gdb_put_text(&client->reply, length < left ? "m" : "l");
	gdb_put(&client->reply, client->xml + offset, length < left ? length : left);
}

static void threads(struct gdb *gdb, const char *at)
{
	(void)at;
	for (unsigned int i = 0; i < gdb->count; i++) {
		gdb_put_text(&gdb->client.reply, i ? "," : "m");
		gdb_put_number(&gdb->client.reply, i + 1);
	}
}

static void no_more_threads(struct gdb *gdb, const char *at)
{
	(void)at;
	gdb_put_text(&gdb->client.reply, "l");
}

static void extra_info(struct gdb *gdb, const char *at)
{
	char text[32];
	int index;

	if (!gdb_thread(gdb, &at, &index) || *at || index < 0) {
		gdb_put_text(&gdb->client.reply, "E22");
		return;
	}
	int length = snprintf(text, sizeof(text), "vCPU %d%s", index,
			      gdb_cpu_is_halted(gdb->slots[index].vcpu) ? ", halted" : "");

	gdb_put_bytes(&gdb->client.reply, (const uint8_t *)text, (size_t)length);
}

static void current_thread(struct gdb *gdb, const char *at)
{
	(void)at;
	gdb_put_text(&gdb->client.reply, "QC");
	gdb_put_number(&gdb->client.reply, gdb->client.general + 1);
}

/* gdb then detaches where it would kill. */
static void attached(struct gdb *gdb, const char *at)
{
	(void)at;
	gdb_put_text(&gdb->client.reply, "1");
}

/* The answer to this one is acknowledged still. */
static void no_acks(struct gdb *gdb, const char *at)
{
	(void)at;
	gdb->client.is_acked = false;
	gdb_put_text(&gdb->client.reply, "OK");
}

static const struct {
	const char *name;
	const char *end;	/* what may follow the name; NULL: whatever does is for the answer to judge */
	void (*answer)(struct gdb *gdb, const char *at);
} queries[] = {
	{ "qSupported", ":", supported },
	{ "qXfer:features:read:", NULL, features },
	{ "qfThreadInfo", "", threads },
	{ "qsThreadInfo", "", no_more_threads },
	{ "qThreadExtraInfo,", NULL, extra_info },
	{ "qC", "", current_thread },
	{ "qAttached", ":", attached },
	{ "QStartNoAckMode", "", no_acks },
};

void gdb_query(struct gdb *gdb, const char *at)
{
	for (size_t i = 0; i < ARRAY_SIZE(queries); i++) {
		const char *rest = at;

		/* A longer name is another question. */
		if (!gdb_starts(&rest, queries[i].name) || (queries[i].end && *rest && *rest != *queries[i].end))
			continue;
		queries[i].answer(gdb, rest);
		return;
	}
}
