// SPDX-License-Identifier: GPL-2.0-only
/*
 * Going on: which vCPU runs, which steps, which rests. Signals have no meaning for a machine.
 *
 * Source: GDB manual, "GDB Remote Serial Protocol", "Packets" (c, C, s, S, vCont).
 */
#include "gdb_cpu.h"
#include "gdb_server.h"
#include "vcpu.h"

static enum gdb_verdict fail(struct gdb *gdb, const char *error)
{
	gdb_put_text(&gdb->client.reply, error);
	return GDB_ANSWER;
}

/* Everybody's action is set. */
static enum gdb_verdict go(struct gdb *gdb)
{
	struct gdb_client *client = &gdb->client;
	bool is_any = false;
	int ret;

	for (unsigned int i = 0; i < gdb->count; i++)
		is_any |= gdb->slots[i].action != GDB_REST;
	/* All were told to stop, and stand. */
	if (!is_any) {
		client->stop = (struct gdb_stop){ .why = GDB_WHY_INTERRUPT };
		gdb_tell_stop(gdb);
		return GDB_ANSWER;
	}
	ret = gdb_world_go(gdb);
	if (ret < 0)
		return fail(gdb, "E14");
	if (ret && gdb_world_event(gdb, &client->stopped, &client->stop)) {
		client->general = client->stopped;
		gdb_tell_stop(gdb);
		return GDB_ANSWER;
	}
	client->is_running = true;
	return GDB_SILENT;
}

static bool go_on_at(struct gdb *gdb, unsigned int index, uint64_t pc)
{
	struct gdb_registers registers;

	if (gdb_cpu_get(gdb->slots[index].vcpu, &registers))
		return false;
	gdb_set_pc(&registers, pc);
	return !gdb_cpu_set(gdb->slots[index].vcpu, &registers, GDB_PART_GENERAL);
}

/* "c", "s", "CSIGNAL", "SSIGNAL", each with an address or without: [ADDRESS], [;ADDRESS] */
enum gdb_verdict gdb_resume(struct gdb *gdb, const char *at)
{
	bool has_signal = *at == 'C' || *at == 'S';
	bool is_step = *at == 's' || *at == 'S';
	int chosen = gdb->client.resumed;
	uint64_t number = 0;
	bool has_address;

	at++;
	if (has_signal && !gdb_number(&at, &number))
		return fail(gdb, "E22");
	has_address = has_signal ? gdb_starts(&at, ";") : *at != 0;
	if ((has_address && !gdb_number(&at, &number)) || *at)
		return fail(gdb, "E22");

	/* A step is one vCPU's. */
	unsigned int stepped = chosen < 0 ? gdb->client.stopped : (unsigned int)chosen;

	if (has_address && !go_on_at(gdb, stepped, number))
		return fail(gdb, "E14");
	for (unsigned int i = 0; i < gdb->count; i++) {
		bool is_chosen = chosen < 0 || i == stepped;

		gdb->slots[i].action = !is_chosen ? GDB_REST : is_step && i == stepped ? GDB_STEP : GDB_CONTINUE;
	}
	return go(gdb);
}

/* "c", "s", "CSIGNAL", "SSIGNAL", "t" */
static bool parse_action(const char **at, enum gdb_action *action)
{
	char letter = **at;
	uint64_t signal;

	if (!letter)
		return false;
	(*at)++;
	switch (letter) {
	case 'C':
	case 'S':
		if (!gdb_number(at, &signal))
			return false;
		break;
	case 'c':
	case 's':
	case 't':
		break;
	default:
		return false;
	}
	*action = letter == 't' ? GDB_REST : letter == 's' || letter == 'S' ? GDB_STEP : GDB_CONTINUE;
	return true;
}

/* "ACTION[:THREAD][;ACTION[:THREAD]]...": for each vCPU the first that names it counts, and who is not named rests. */
enum gdb_verdict gdb_vcont(struct gdb *gdb, const char *at)
{
	bool is_set[256] = { false };

	for (unsigned int i = 0; i < gdb->count; i++)
		gdb->slots[i].action = GDB_REST;
	do {
		enum gdb_action action;
		int chosen = -1;

		if (!parse_action(&at, &action) || (gdb_starts(&at, ":") && !gdb_thread(gdb, &at, &chosen)))
			return fail(gdb, "E22");
		if (chosen == -2)
			chosen = (int)gdb->client.stopped;
		for (unsigned int i = 0; i < gdb->count; i++) {
			if (is_set[i] || (chosen >= 0 && i != (unsigned int)chosen))
				continue;
			is_set[i] = true;
			gdb->slots[i].action = action;
		}
	} while (gdb_starts(&at, ";"));
	return *at ? fail(gdb, "E22") : go(gdb);
}
