// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a client is told when it comes, how it names vCPUs, and why the machine stands.
 *
 * Source: GDB manual, "GDB Remote Serial Protocol", "Stop Reply Packets".
 */
#include "gdb_cpu.h"
#include "gdb_server.h"

#define SIGNAL_INTERRUPT	2	/* as gdb numbers signals */
#define SIGNAL_TRAP		5

void gdb_client_begin(struct gdb *gdb, int fd)
{
	struct gdb_client *client = &gdb->client;
	struct gdb_registers registers;
	enum gdb_mode mode = GDB_MODE_64;

	*client = (struct gdb_client){ .fd = fd, .is_acked = true, .resumed = -1, .stop.why = GDB_WHY_INTERRUPT };
	if (!gdb_cpu_get(gdb->slots[0].vcpu, &registers))
		mode = gdb_mode(&registers);
	client->layout = gdb_layout(mode);
	client->xml_length = gdb_xml(client->layout, mode, client->xml);
}

bool gdb_thread(const struct gdb *gdb, const char **at, int *index)
{
	uint64_t number;

	if (gdb_starts(at, "-1")) {
		*index = -1;
		return true;
	}
	if (!gdb_number(at, &number) || number > gdb->count)
		return false;
	*index = number ? (int)number - 1 : -2;
	return true;
}

/* Stop replies. */

static void put_watch(struct gdb_reply *reply, const struct gdb_stop *stop)
{
	gdb_put_text(reply, stop->type == GDB_WATCH_READ ? "rwatch:" : stop->type == GDB_WATCH_ACCESS ? "awatch:" : "watch:");
	gdb_put_number(reply, stop->address);
	gdb_put_text(reply, ";");
}

void gdb_tell_stop(struct gdb *gdb)
{
	struct gdb_client *client = &gdb->client;
	uint8_t signal = client->stop.why == GDB_WHY_INTERRUPT ? SIGNAL_INTERRUPT : SIGNAL_TRAP;

	gdb_put_text(&client->reply, "T");
	gdb_put_bytes(&client->reply, &signal, 1);
	gdb_put_text(&client->reply, "thread:");
	gdb_put_number(&client->reply, client->stopped + 1);
	gdb_put_text(&client->reply, ";");
	if (client->stop.why == GDB_WHY_SOFT && client->wants_soft)
		gdb_put_text(&client->reply, "swbreak:;");
	if (client->stop.why == GDB_WHY_HARD && client->wants_hard)
		gdb_put_text(&client->reply, "hwbreak:;");
	if (client->stop.why == GDB_WHY_WATCH)
		put_watch(&client->reply, &client->stop);
}
