// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packets and what they do, a row each. All vCPUs stand. Whatever is wrong with a packet has the error
 * E22, what the machine refuses E14; what is not known here has an empty answer.
 *
 * Source: GDB manual, "GDB Remote Serial Protocol", "Packets".
 */
#include <errno.h>
#include <string.h>

#include "gdb_cpu.h"
#include "gdb_server.h"
#include "util.h"
#include "vcpu.h"
#include "vm.h"

static void ok(struct gdb *gdb)
{
	gdb_put_text(&gdb->client.reply, "OK");
}

static void bad(struct gdb *gdb)
{
	gdb_put_text(&gdb->client.reply, "E22");
}

static void refused(struct gdb *gdb)
{
	gdb_put_text(&gdb->client.reply, "E14");
}

static enum gdb_verdict why(struct gdb *gdb, const char *at)
{
	(void)at;
	gdb_tell_stop(gdb);
	return GDB_ANSWER;
}

/* Registers. */

static const struct vcpu *its_vcpu(const struct gdb *gdb)
{
	return gdb->slots[gdb->client.general].vcpu;
}

static enum gdb_verdict read_all(struct gdb *gdb, const char *at)
{
	struct gdb_registers registers;
	uint8_t bytes[GDB_REGISTER_MAX];

	if (*at) {
		bad(gdb);
	} else if (gdb_cpu_get(its_vcpu(gdb), &registers)) {
		refused(gdb);
	} else {
		for (unsigned int n = 0; n < gdb_layout_count(gdb->client.layout); n++)
			gdb_put_bytes(&gdb->client.reply, bytes,
				      gdb_register_get(gdb->client.layout, &registers, n, bytes));
	}
	return GDB_ANSWER;
}

static enum gdb_verdict write_all(struct gdb *gdb, const char *at)
{
	struct gdb_registers registers;
	uint8_t bytes[GDB_REGISTER_MAX];
	unsigned int parts = 0;

	if (gdb_cpu_get(its_vcpu(gdb), &registers)) {
		refused(gdb);
		return GDB_ANSWER;
	}
	for (unsigned int n = 0; n < gdb_layout_count(gdb->client.layout); n++) {
		if (!gdb_bytes(&at, bytes, gdb_register_size(gdb->client.layout, n))) {
			bad(gdb);
			return GDB_ANSWER;
		}
		if (!gdb_register_set(gdb->client.layout, &registers, n, bytes, &parts)) {
			refused(gdb);
			return GDB_ANSWER;
		}
	}
	if (*at)
		bad(gdb);
	else if (parts && gdb_cpu_set(its_vcpu(gdb), &registers, parts))
		refused(gdb);
	else
		ok(gdb);
	return GDB_ANSWER;
}

static enum gdb_verdict read_one(struct gdb *gdb, const char *at)
{
	struct gdb_registers registers;
	uint8_t bytes[GDB_REGISTER_MAX];
	uint64_t n;

	if (!gdb_number(&at, &n) || *at || n >= gdb_layout_count(gdb->client.layout))
		bad(gdb);
	else if (gdb_cpu_get(its_vcpu(gdb), &registers))
		refused(gdb);
	else
		gdb_put_bytes(&gdb->client.reply, bytes,
			      gdb_register_get(gdb->client.layout, &registers, (unsigned int)n, bytes));
	return GDB_ANSWER;
}

static enum gdb_verdict write_one(struct gdb *gdb, const char *at)
{
	struct gdb_registers registers;
	uint8_t bytes[GDB_REGISTER_MAX];
	unsigned int parts = 0;
	uint64_t n;

	if (!gdb_number(&at, &n) || n >= gdb_layout_count(gdb->client.layout) || !gdb_starts(&at, "=") ||
	    !gdb_bytes(&at, bytes, gdb_register_size(gdb->client.layout, (unsigned int)n)) || *at)
		bad(gdb);
	else if (gdb_cpu_get(its_vcpu(gdb), &registers) ||
		 !gdb_register_set(gdb->client.layout, &registers, (unsigned int)n, bytes, &parts) ||
		 (parts && gdb_cpu_set(its_vcpu(gdb), &registers, parts)))
		refused(gdb);
	else
		ok(gdb);
	return GDB_ANSWER;
}

/* Memory. */

/* "ADDRESS,LENGTH", and @end behind it */
static bool parse_range(const char **at, uint64_t *address, uint64_t *length, const char *end)
{
	return gdb_number(at, address) && gdb_starts(at, ",") && gdb_number(at, length) && gdb_starts(at, end);
}

static enum gdb_verdict read_memory(struct gdb *gdb, const char *at)
{
	uint8_t bytes[GDB_PACKET_MAX / 2];
	uint64_t address, length;

	if (!parse_range(&at, &address, &length, "") || *at) {
		bad(gdb);
		return GDB_ANSWER;
	}
	if (length > sizeof(bytes))
		length = sizeof(bytes);

	size_t done = gdb_memory_read(gdb, address, bytes, length);

	if (!done && length)
		refused(gdb);
	gdb_put_bytes(&gdb->client.reply, bytes, done);
	return GDB_ANSWER;
}

static void write_bytes(struct gdb *gdb, uint64_t address, uint8_t *bytes, size_t length)
{
	if (gdb_memory_write(gdb, address, bytes, length))
		ok(gdb);
	else
		refused(gdb);
}

static enum gdb_verdict write_memory(struct gdb *gdb, const char *at)
{
	uint8_t bytes[GDB_PACKET_MAX / 2];
	uint64_t address, length;

	if (!parse_range(&at, &address, &length, ":") || length > sizeof(bytes) || !gdb_bytes(&at, bytes, length) || *at)
		bad(gdb);
	else
		write_bytes(gdb, address, bytes, length);
	return GDB_ANSWER;
}

static enum gdb_verdict write_binary(struct gdb *gdb, const char *at)
{
	struct gdb_input *input = &gdb->client.input;
	uint64_t address, length;

	if (!parse_range(&at, &address, &length, ":") ||
	    length != (size_t)((const char *)input->data + input->length - at))
		bad(gdb);
	else
		write_bytes(gdb, address, (uint8_t *)at, length);
	return GDB_ANSWER;
}

/* Breakpoints. */

static int add_break(struct gdb *gdb, enum gdb_break type, uint64_t address, uint64_t size)
{
	uint64_t gpa;

	if (type != GDB_BREAK_SOFT)
		return gdb_hard_add(&gdb->breaks, type, address, size);
	if (!gdb_memory_find(gdb, address, &gpa))
		return -EFAULT;
	return gdb_soft_add(&gdb->breaks, &gdb->vm->memory, address, gpa);
}

static int remove_break(struct gdb *gdb, enum gdb_break type, uint64_t address, uint64_t size)
{
	if (type == GDB_BREAK_SOFT)
		gdb_soft_remove(&gdb->breaks, &gdb->vm->memory, address);
	else
		gdb_hard_remove(&gdb->breaks, type, address, size);
	return 0;
}

static enum gdb_verdict change_break(struct gdb *gdb, const char *at,
				     int (*change)(struct gdb *gdb, enum gdb_break type, uint64_t address, uint64_t size))
{
	unsigned int type = (unsigned int)(uint8_t)*at - '0';
	uint64_t address, size;

	if (type > 9) {
		bad(gdb);
		return GDB_ANSWER;
	}
	/* A kind that is not known has an empty answer. */
	if (type > GDB_WATCH_ACCESS)
		return GDB_ANSWER;
	at++;
	/* No condition and no command was offered. */
	if (!gdb_starts(&at, ",") || !parse_range(&at, &address, &size, "") || *at)
		bad(gdb);
	else if (change(gdb, type, address, size))
		refused(gdb);
	else
		ok(gdb);
	return GDB_ANSWER;
}

static enum gdb_verdict set_break(struct gdb *gdb, const char *at)
{
	return change_break(gdb, at, add_break);
}

static enum gdb_verdict clear_break(struct gdb *gdb, const char *at)
{
	return change_break(gdb, at, remove_break);
}

/* Threads, and the end. */

static enum gdb_verdict choose_thread(struct gdb *gdb, const char *at)
{
	char what = *at;
	int index;

	if (what)
		at++;
	if ((what != 'g' && what != 'c') || !gdb_thread(gdb, &at, &index) || *at) {
		bad(gdb);
		return GDB_ANSWER;
	}
	if (what == 'c')
		gdb->client.resumed = index == -2 ? (int)gdb->client.stopped : index;
	else
		gdb->client.general = index < 0 ? gdb->client.stopped : (unsigned int)index;
	ok(gdb);
	return GDB_ANSWER;
}

static enum gdb_verdict is_alive(struct gdb *gdb, const char *at)
{
	int index;

	if (gdb_thread(gdb, &at, &index) && !*at && index >= 0)
		ok(gdb);
	else
		bad(gdb);
	return GDB_ANSWER;
}

static enum gdb_verdict detach(struct gdb *gdb, const char *at)
{
	(void)at;
	ok(gdb);
	return GDB_LEAVE;
}

static enum gdb_verdict kill_machine(struct gdb *gdb, const char *at)
{
	(void)gdb;
	(void)at;
	return GDB_KILL;
}

static enum gdb_verdict query(struct gdb *gdb, const char *at)
{
	/* The letter is part of the name. */
	gdb_query(gdb, at - 1);
	return GDB_ANSWER;
}

/* What is not known, vMustReplyEmpty among it, has an empty answer. */
static enum gdb_verdict verbose(struct gdb *gdb, const char *at)
{
	if (!strcmp(at, "Cont?")) {
		gdb_put_text(&gdb->client.reply, "vCont;c;C;s;S;t");
		return GDB_ANSWER;
	}
	return gdb_starts(&at, "Cont;") ? gdb_vcont(gdb, at) : GDB_ANSWER;
}

/* The letter is passed along. */
static enum gdb_verdict resume(struct gdb *gdb, const char *at)
{
	return gdb_resume(gdb, at - 1);
}

static const struct {
	char letter;
	enum gdb_verdict (*run)(struct gdb *gdb, const char *at);	/* @at: behind the letter */
} commands[] = {
	{ '?', why }, { 'g', read_all }, { 'G', write_all }, { 'p', read_one }, { 'P', write_one }, { 'm', read_memory },
	{ 'M', write_memory }, { 'X', write_binary }, { 'H', choose_thread }, { 'T', is_alive }, { 'Z', set_break },
	{ 'z', clear_break }, { 'c', resume }, { 'C', resume }, { 's', resume }, { 'S', resume }, { 'v', verbose },
	{ 'q', query }, { 'Q', query }, { 'D', detach }, { 'k', kill_machine },
};

enum gdb_verdict gdb_command(struct gdb *gdb)
{
	const char *at = (const char *)gdb->client.input.data;

	gdb_reply_begin(&gdb->client.reply);
	/* Registers and memory can be had of what stands. */
	if (gdb->client.is_running && *at != 'k') {
		bad(gdb);
		return GDB_ANSWER;
	}
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (*at == commands[i].letter)
			return commands[i].run(gdb, at + 1);
	return GDB_ANSWER;
}
