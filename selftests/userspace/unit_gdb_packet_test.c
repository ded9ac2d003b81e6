// SPDX-License-Identifier: GPL-2.0-only
/* The debugger's packets as bytes: what is taken for a packet, what goes out, numbers, and noise. */
#include "test.h"
#include "userspace/gdb_packet.h"

static const char *const event_names[] = {
	[GDB_NOTHING] = "nothing", [GDB_PACKET] = "packet", [GDB_CORRUPT] = "corrupt", [GDB_TOO_LONG] = "too long",
	[GDB_ACK] = "ack", [GDB_NAK] = "nak", [GDB_INTERRUPT] = "interrupt",
};

static struct gdb_input input;

/* Feed @count bytes. Return: the last event, and all of them as text in @events. */
static void feed(const char *bytes, size_t count, char *events, size_t size)
{
	events[0] = 0;
	for (size_t i = 0; i < count; i++) {
		enum gdb_event event = gdb_take(&input, (uint8_t)bytes[i]);

		if (event == GDB_NOTHING)
			continue;
		snprintf(events + strlen(events), size - strlen(events), "%s%s", events[0] ? " " : "", event_names[event]);
		if (event == GDB_PACKET)
			snprintf(events + strlen(events), size - strlen(events), "(%s)", input.data);
	}
}

static void check_text(const char *name, const char *wanted, const char *got)
{
	if (strcmp(wanted, got))
		test_note("%s: wanted \"%s\", got \"%s\"", name, wanted, got);
	CHECK_EQ(name, 0, strcmp(wanted, got));
}

static void test_input(void)
{
	static const struct {
		const char *name, *bytes;
		size_t count;
		const char *events;
	} rows[] = {
		{ "a packet", "$g#67", 0, "packet(g)" },
		{ "empty", "$#00", 0, "packet()" },
		{ "capital digits", "$mAB,C#3F", 0, "corrupt" },
		{ "two in a row", "$g#67$?#3f", 0, "packet(g) packet(?)" },
		{ "wrong checksum", "$g#68", 0, "corrupt" },
		{ "no digits", "$g#zz", 0, "corrupt" },
		{ "one digit", "$g#6$", 0, "corrupt" },
		{ "right again behind it", "$g#68$g#67", 0, "corrupt packet(g)" },
		{ "acknowledgements", "+-+", 0, "ack nak ack" },
		{ "interrupt", "\x03", 0, "interrupt" },
		{ "not within a packet", "$\x03#03", 0, "packet(\x03)" },
		{ "noise", "hello\n\xff", 0, "" },
		{ "cut off, begun again", "$m12$g#67", 0, "packet(g)" },
		{ "escaped", "$}\x03}\x04}]}\x0a#62", 0, "packet(#$}*)" },
		{ "escape before the end", "$a}#de", 0, "packet(a)" },
		{ "a zero byte", "$X\0Y#b1", 7, "packet(X)" },
	};
	char events[256];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		memset(&input, 0, sizeof(input));
		feed(rows[i].bytes, rows[i].count ?: strlen(rows[i].bytes), events, sizeof(events));
		check_text(rows[i].name, rows[i].events, events);
	}
	CHECK_EQ("a zero byte counts", 3, input.length);
}

static void feed_long(size_t count, char *events)
{
	static char bytes[3 * GDB_PACKET_MAX];

	bytes[0] = '$';
	memset(bytes + 1, 'a', count);
	snprintf(bytes + 1 + count, 4, "#%02zx", count * 'a' & 0xff);
	feed(bytes, count + 4, events, 256);
}

static void test_long(void)
{
	char events[256];

	memset(&input, 0, sizeof(input));
	for (size_t i = 0; i < GDB_PACKET_MAX + 1; i++)
		gdb_take(&input, 'a');
	feed("$g#67", 5, events, sizeof(events));
	check_text("noise before", "packet(g)", events);
	feed_long(GDB_PACKET_MAX + 1, events);
	check_text("one byte too many", "too long", events);
	CHECK_EQ("what is kept of it", GDB_PACKET_MAX, input.length);
	feed_long(2 * GDB_PACKET_MAX, events);
	check_text("twice as many", "too long", events);
	feed("$g#67", 5, events, sizeof(events));
	check_text("and then a good one", "packet(g)", events);
}

static void put_many(struct gdb_reply *reply, size_t count, const char *byte)
{
	gdb_reply_begin(reply);
	for (size_t i = 0; i < count; i++)
		gdb_put(reply, byte, 1);
}

static void test_output(void)
{
	static struct gdb_reply reply;
	static const uint8_t bytes[] = { 0, 0x1f, 0xa0 };

	gdb_reply_begin(&reply);
	gdb_put_text(&reply, "OK");
	CHECK_EQ("fits", true, gdb_reply_end(&reply));
	reply.data[reply.length] = 0;
	check_text("text", "$OK#9a", reply.data);
	gdb_reply_begin(&reply);
	gdb_put_bytes(&reply, bytes, sizeof(bytes));
	gdb_put_number(&reply, 0);
	gdb_put_number(&reply, 0x10);
	gdb_put_number(&reply, UINT64_MAX);
	gdb_reply_end(&reply);
	reply.data[reply.length] = 0;
	check_text("digits", "$001fa0010ffffffffffffffff#79", reply.data);
	gdb_reply_begin(&reply);
	gdb_put(&reply, "a#}", 4);
	gdb_reply_end(&reply);
	CHECK_EQ("escaped", 0, memcmp(reply.data, "$a}\x03}]\0#", 8));
	put_many(&reply, GDB_PACKET_MAX, "*");
	CHECK_EQ("as much as there is room for, all escaped", true, gdb_reply_end(&reply));
	CHECK_EQ("its bytes", 2 * GDB_PACKET_MAX + 4, reply.length);
	put_many(&reply, GDB_PACKET_MAX + 1, "*");
	CHECK_EQ("one more", false, gdb_reply_end(&reply));
	reply.data[reply.length] = 0;
	check_text("is an error", "$E22#a9", reply.data);
}

static void test_numbers(void)
{
	static const struct {
		const char *text;
		bool is_good;
		u64 value;
		char next;
	} rows[] = {
		{ "0", true, 0, 0 },
		{ "1F,", true, 0x1f, ',' },
		{ "ffffffffffffffff", true, UINT64_MAX, 0 },
		{ "10000000000000000", false, 0, 0 },
		{ "00000000000000001", false, 0, 0 },
		{ "", false, 0, 0 },
		{ "g", false, 0, 0 },
		{ "-1", false, 0, 0 },
		{ "0x1", true, 0, 'x' },
	};
	uint8_t bytes[2];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *at = rows[i].text;
		uint64_t value = 0;

		CHECK_EQ(rows[i].text, rows[i].is_good, gdb_number(&at, &value));
		if (rows[i].is_good) {
			CHECK_EQ(rows[i].text, rows[i].value, value);
			CHECK_EQ(rows[i].text, rows[i].next, *at);
		}
	}
	static const struct {
		const char *text;
		bool is_good;
	} pairs[] = { { "0aFf", true }, { "0af", false }, { "0a", false }, { "", false }, { "0ag0", false } };

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		const char *at = pairs[i].text;

		CHECK_EQ(pairs[i].text, pairs[i].is_good, gdb_bytes(&at, bytes, 2));
	}
}

/* Bytes at random, many of them those that mean something. */
static void test_noise(void)
{
	static const char likely[] = "$#}+-\x03$#0a";
	u64 random = 14;
	unsigned int events[ARRAY_SIZE(event_names)] = { 0 };

	memset(&input, 0, sizeof(input));
	for (unsigned int i = 0; i < 2000000; i++) {
		u64 r = xorshift(&random);
		uint8_t byte = r & 1 ? (uint8_t)(r >> 8) : (uint8_t)likely[(r >> 8) % (sizeof(likely) - 1)];

		events[gdb_take(&input, byte)]++;
		ASSERT_LE(input.length, GDB_PACKET_MAX);
	}
	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		if (i != GDB_TOO_LONG)
			ASSERT(events[i], "never: %s", event_names[i]);
}

static const struct test_case cases[] = {
	{ "input", test_input },
	{ "long", test_long },
	{ "output", test_output },
	{ "numbers", test_numbers },
	{ "noise", test_noise },
};

TEST_MAIN(cases)
