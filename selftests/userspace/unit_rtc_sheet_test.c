// SPDX-License-Identifier: GPL-2.0-only
/*
 * The clock against its data sheet, MC146818A: "Register A" (update in progress, divider, rates),
 * "Register B" (SET, the enables, formats), "Register C" (flags), "Register D", "Interrupts",
 * "Update Cycle".
 */
#include <unistd.h>

#include "fake_rtc.h"

#define NOW		1795336346ULL	/* Sunday 2026-11-22 08:32:26 UTC */
#define SECOND		1000000000ULL

#define SET		0x80
#define PIE		0x40
#define AIE		0x20
#define UIE		0x10

static void set_up(void)
{
	set_up_at(NOW);
}

/* After power-on as firmware leaves it, and which bits can be written. */
static void test_registers(void)
{
	static const struct {
		const char *name;
		u8 reg, reset, mask;
	} rows[] = {
		{ "A", 0x0a, 0x26, 0x7f },
		{ "B", 0x0b, 0x02, 0xff },
		{ "C", 0x0c, 0x00, 0x00 },
		{ "D", 0x0d, 0x80, 0x00 },
		{ "seconds alarm", 0x01, 0x00, 0xff },
		{ "minutes alarm", 0x03, 0x00, 0xff },
		{ "hours alarm", 0x05, 0x00, 0xff },
		{ "the first byte of memory", 0x0e, 0x00, 0xff },
		{ "the last", 0x7f, 0x00, 0xff },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		set_up();
		CHECK_EQ(rows[i].name, rows[i].reset, get(rows[i].reg));
		set(rows[i].reg, 0xff);
		/* SET going high clears UIE. */
		if (rows[i].reg == 0x0b)
			CHECK_EQ("all ones", 0xef, get(rows[i].reg));
		else
			CHECK_EQ("all ones", rows[i].reset | rows[i].mask, get(rows[i].reg));
		set(rows[i].reg, 0x00);
		CHECK_EQ("all zero", rows[i].reset & ~rows[i].mask, get(rows[i].reg));
	}
}

/* "Table 5. Periodic Interrupt Rate": nanoseconds with a time base of 32.768 kHz. */
static void test_rates(void)
{
	static const u64 periods[16] = {
		0, 3906250, 7812500, 122070, 244140, 488281, 976562, 1953125,
		3906250, 7812500, 15625000, 31250000, 62500000, 125000000, 250000000, 500000000,
	};

	for (u8 rate = 0; rate < 16; rate++) {
		u32 count = 0;
		u64 step = periods[rate] ? periods[rate] / 2 + 1 : 1000000;

		set_up();
		set(0x0a, 0x20 | rate);
		get(0x0c);
		for (u64 at = 0; at < SECOND; at += step) {
			now_ns = NOW * SECOND + at;
			count += !!(get(0x0c) & PIE);
		}
		u64 want = periods[rate] ? SECOND / periods[rate] : 0;

		test_note("rate %u", rate);
		CHECK_EQ("about as many in a second", 1, count + 2 >= want && count <= want + 2);
	}
}

/* Flags come whether they are enabled or not; the line and IRQF only if enabled. */
static void test_flags(void)
{
	static const struct {
		const char *name;
		u8 b;		/* register B */
		u8 alarm;	/* of seconds */
		u8 want;	/* register C after two seconds */
	} rows[] = {
		{ "none enabled", 0x02, 0x00, UIE | PIE },
		{ "periodic", 0x02 | PIE, 0x00, 0x80 | UIE | PIE },
		{ "update", 0x02 | UIE, 0x00, 0x80 | UIE | PIE },
		{ "an alarm, not enabled", 0x02, 0x27, UIE | AIE | PIE },
		{ "an alarm", 0x02 | AIE, 0x27, 0x80 | UIE | AIE | PIE },
		{ "an alarm for any second", 0x02 | AIE, 0xc0, 0x80 | UIE | AIE | PIE },
		{ "set", 0x02 | SET | AIE, 0xff, PIE },
		{ "set, periodic goes on", 0x02 | SET | PIE, 0xff, 0x80 | PIE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		set_up();
		set(0x01, rows[i].alarm);
		set(0x03, 0xff);
		set(0x05, 0xff);
		get(0x0c);
		set(0x0b, rows[i].b);
		now_ns += 2 * SECOND;
		rtc_tick(&rtc);
		CHECK_EQ("line", !!(rows[i].want & 0x80), fake_line(&vm, RTC_GSI));
		CHECK_EQ(rows[i].name, rows[i].want, get(0x0c));
		CHECK_EQ("read again", 0, get(0x0c));
		CHECK_EQ("line down", 0, fake_line(&vm, RTC_GSI));
	}
}

/* SET and the divider's reset hold the clock; it goes on from where it was, or was put. */
static void test_held(void)
{
	static const struct {
		const char *name;
		u8 reg, held, free;
	} rows[] = {
		{ "SET", 0x0b, 0x02 | SET, 0x02 },
		{ "divider 110", 0x0a, 0x66, 0x26 },
		{ "divider 111", 0x0a, 0x76, 0x26 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		set_up();
		set(rows[i].reg, rows[i].held);
		now_ns += 5 * SECOND - 1000;
		CHECK_EQ(rows[i].name, 0x26, get(0x00));
		CHECK_EQ("no update in progress", 0, get(0x0a) & 0x80);
		CHECK_EQ("no update", 0, get(0x0c) & UIE);
		now_ns += 1000;
		set(rows[i].reg, rows[i].free);
		CHECK_EQ("it goes on from there", 0x26, get(0x00));
		now_ns += 3 * SECOND;
		CHECK_EQ("three seconds later", 0x29, get(0x00));
		set(rows[i].reg, rows[i].held);
		set(0x00, 0x40);
		set(0x02, 0x59);
		set(0x04, 0x23);
		now_ns += 7 * SECOND;
		set(rows[i].reg, rows[i].free);
		now_ns += 20 * SECOND;
		CHECK_EQ("as it was put, seconds", 0x00, get(0x00));
		CHECK_EQ("minutes", 0x00, get(0x02));
		CHECK_EQ("hours", 0x00, get(0x04));
		CHECK_EQ("the day has changed", 0x23, get(0x07));
	}
	/* Linux sets both, and takes them back one by one. */
	set_up();
	set(0x0b, 0x02 | SET);
	set(0x0a, 0x76);
	set(0x00, 0x11);
	now_ns += 2 * SECOND;
	set(0x0b, 0x02);
	now_ns += 2 * SECOND;
	CHECK_EQ("still held", 0x11, get(0x00));
	set(0x0a, 0x26);
	now_ns += SECOND;
	CHECK_EQ("free", 0x12, get(0x00));
}

/* "Register B": 12 and 24 hours, binary and BCD. */
static void test_formats(void)
{
	static const struct {
		const char *name;
		u8 b;
		u8 hours[5];	/* at 0, 8, 12, 13 and 23 o'clock */
	} rows[] = {
		{ "24 hours, BCD", 0x02, { 0x00, 0x08, 0x12, 0x13, 0x23 } },
		{ "24 hours, binary", 0x06, { 0, 8, 12, 13, 23 } },
		{ "12 hours, BCD", 0x00, { 0x12, 0x08, 0x92, 0x81, 0x91 } },
		{ "12 hours, binary", 0x04, { 12, 8, 0x8c, 0x81, 0x8b } },
	};
	static const u64 hours[5] = { 0, 8, 12, 13, 23 };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (size_t j = 0; j < 5; j++) {
			set_up();
			set(0x0b, rows[i].b);
			now_ns = (NOW - NOW % 86400 + hours[j] * 3600) * SECOND;
			CHECK_EQ(rows[i].name, rows[i].hours[j], get(0x04));
			set(0x04, rows[i].hours[j]);
			CHECK_EQ("written back", rows[i].hours[j], get(0x04));
		}
	}
}

static const struct test_case cases[] = {
	{ "registers", test_registers },
	{ "rates", test_rates },
	{ "flags", test_flags },
	{ "held", test_held },
	{ "formats", test_formats },
};

TEST_MAIN(cases)
