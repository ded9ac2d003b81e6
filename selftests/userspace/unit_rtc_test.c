// SPDX-License-Identifier: GPL-2.0-only
/* The clock: every format reads back, setting it moves it, noise does no harm. */
#include <unistd.h>

#include "fake_rtc.h"

#define NOW	1795336346ULL	/* Sunday 2026-11-22 08:32:26 UTC */

static void set_up(void)
{
	set_up_at(NOW);
}

static void test_read(void)
{
	static const struct {
		const char *name;
		u8 reg, bcd, binary;
	} rows[] = {
		{ "seconds", 0, 0x26, 26 },
		{ "minutes", 2, 0x32, 32 },
		{ "hours", 4, 0x08, 8 },
		{ "weekday", 6, 0x01, 1 },
		{ "day", 7, 0x22, 22 },
		{ "month", 8, 0x11, 11 },
		{ "year", 9, 0x26, 26 },
		{ "century", 0x32, 0x20, 20 },
		{ "valid", 0x0d, 0x80, 0x80 },
	};

	set_up();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		set(0x0b, 0x02);
		CHECK_EQ(rows[i].name, rows[i].bcd, get(rows[i].reg));
		set(0x0b, 0x06);
		CHECK_EQ(rows[i].name, rows[i].binary, get(rows[i].reg));
	}
}

static void test_twelve_hours(void)
{
	static const u8 wanted[24] = {
		0x12, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x10, 0x11,
		0x92, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x90, 0x91,
	};

	set_up();
	set(0x0b, 0x00);
	for (u64 hour = 0; hour < 24; hour++) {
		now_ns = (NOW - 8 * 3600 + hour * 3600) * 1000000000;
		rtc.offset = 0;
		CHECK_EQ("hour", wanted[hour], get(4));
		set(4, wanted[hour]);
		CHECK_EQ("set to itself", 0, rtc.offset);
	}
}

static void test_set(void)
{
	set_up();
	set(0x0b, 0x86);		/* SET, binary, 24 hours */
	set(9, 99);
	set(0x32, 19);
	set(8, 12);
	set(7, 31);
	set(4, 23);
	set(2, 59);
	set(0, 58);
	now_ns += 5000000000;		/* the clock stands meanwhile */
	CHECK_EQ("frozen", 58, get(0));
	set(0x0b, 0x06);
	CHECK_EQ("runs from there", 58, get(0));
	CHECK_EQ("century", 19, get(0x32));
	CHECK_EQ("weekday follows", 6, get(6));
	now_ns += 2000000000;
	CHECK_EQ("new year", 0, get(0));
	CHECK_EQ("year", 0, get(9));
	CHECK_EQ("century", 20, get(0x32));
	CHECK_EQ("day", 1, get(7));
	CHECK_EQ("month", 1, get(8));
}

static void test_update_flag(void)
{
	set_up();
	CHECK_EQ("start of a second", 0x26, get(0x0a));
	now_ns += 999900000;
	CHECK_EQ("end of a second", 0xa6, get(0x0a));
	set(0x0b, 0x82);
	CHECK_EQ("not while set", 0x26, get(0x0a));
}

static void test_memory(void)
{
	set_up();
	set(0x40, 0x77);
	CHECK_EQ("byte", 0x77, get(0x40));
	CHECK_EQ("bit 7 is the NMI mask", 0x77, get(0xc0));
	CHECK_EQ("index cannot be read", 0xff, bus_read(&vm.ports, 0x70, 1));
	bus_write(&vm.ports, 0x70, 2, 0x5541);
	CHECK_EQ("both ports at once", 0x55, get(0x41));
	set(0x0d, 0);
	CHECK_EQ("read-only", 0x80, get(0x0d));
	set(0x0c, 0xff);
	CHECK_EQ("read-only", 0, get(0x0c));
}

static void pass(u64 ns)
{
	now_ns += ns;
	rtc_tick(&rtc);
}

static void test_update_interrupt(void)
{
	set_up();
	pass(1000000000);
	CHECK_EQ("not enabled", 0, fake_line(&vm, RTC_GSI));
	CHECK_EQ("but flagged", 0x10, get(0x0c) & 0x90);
	set(0x0b, 0x12);
	pass(900000000);
	CHECK_EQ("within the second", 0, fake_line(&vm, RTC_GSI));
	pass(100000000);
	CHECK_EQ("at its end", 1, fake_line(&vm, RTC_GSI));
	CHECK_EQ("cause", 0x90, get(0x0c) & 0x90);
	CHECK_EQ("lowered", 0, fake_line(&vm, RTC_GSI));
	CHECK_EQ("cleared", 0, get(0x0c));
}

static void test_alarm(void)
{
	set_up();			/* 08:32:26 */
	set(0x01, 0x28);
	set(0x03, 0x32);
	set(0x05, 0x08);
	set(0x0b, 0x22);
	pass(1000000000);
	CHECK_EQ("too early", 0, fake_line(&vm, RTC_GSI));
	pass(1000000000);
	CHECK_EQ("now", 1, fake_line(&vm, RTC_GSI));
	CHECK_EQ("cause", 0xa0, get(0x0c) & 0xa0);
	pass(3600000000000);
	CHECK_EQ("another hour", 0, fake_line(&vm, RTC_GSI));
	set(0x05, 0xff);
	pass(3600000000000);
	CHECK_EQ("any hour, late", 1, fake_line(&vm, RTC_GSI));
	get(0x0c);
	pass(86400000000000ULL * 100);
	CHECK_EQ("very late", 1, fake_line(&vm, RTC_GSI));
}

static void test_periodic(void)
{
	set_up();
	set(0x0a, 0x2f);		/* 2 Hz */
	set(0x0b, 0x42);
	pass(400000000);
	CHECK_EQ("too early", 0, fake_line(&vm, RTC_GSI));
	pass(200000000);
	CHECK_EQ("half a second", 1, fake_line(&vm, RTC_GSI));
	CHECK_EQ("cause", 0xc0, get(0x0c) & 0xc0);
	set(0x0a, 0x21);		/* 256 Hz, not 32768 */
	now_ns = (NOW + 10) * 1000000000;
	rtc_tick(&rtc);
	get(0x0c);
	pass(3000000);
	CHECK_EQ("within the period", 0, fake_line(&vm, RTC_GSI));
	pass(1000000);
	CHECK_EQ("the period is over", 1, fake_line(&vm, RTC_GSI));
	get(0x0c);
	set(0x0a, 0x20);
	pass(100000000);
	CHECK_EQ("rate 0 is off", 0, fake_line(&vm, RTC_GSI));
	now_ns -= 50000000000;		/* the host's clock was set back */
	rtc_tick(&rtc);
	CHECK_EQ("harmless", 0, fake_line(&vm, RTC_GSI));
}

/* The real thread, on the real clock. */
static void test_thread(void)
{
	fake_vm_init(&vm, 0);
	ASSERT_EQ(rtc_init(&rtc, &vm), 0);
	ASSERT_EQ(rtc_start(&rtc), 0);
	set(0x0b, 0x12);
	for (int i = 0; i < 300 && !fake_line(&vm, RTC_GSI); i++)
		usleep(10000);
	CHECK_EQ("a second has passed", 1, fake_line(&vm, RTC_GSI));
	rtc_stop(&rtc);
	rtc_stop(&rtc);
}

/* The host's clock, which the test sets: whoever sleeps by it sleeps until it is there. */
int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until);

int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until)
{
	(void)condition;
	while (__atomic_load_n(&now_ns, __ATOMIC_RELAXED) < (u64)until->tv_sec * 1000000000 + (u64)until->tv_nsec && !rtc.is_closing) {
		pthread_mutex_unlock(mutex);
		usleep(1000);
		pthread_mutex_lock(mutex);
	}
	return ETIMEDOUT;
}

/* It may be set back by any time, and the guest's interrupts do not wait for so long. */
static void test_set_back(void)
{
	bool is_raised = false;

	set_up();
	set(0x0b, 0x16);
	ASSERT_EQ(rtc_start(&rtc), 0);
	usleep(100000);			/* it sleeps */
	__atomic_sub_fetch(&now_ns, 3600 * 1000000000ULL, __ATOMIC_RELAXED);
	for (u32 i = 0; i < 300 && !is_raised; i++) {
		usleep(10000);
		__atomic_add_fetch(&now_ns, 10000000, __ATOMIC_RELAXED);
		is_raised = fake_line(&vm, RTC_GSI);
	}
	CHECK_EQ("within three seconds", 1, is_raised);
	CHECK_EQ("ended", 1, rtc_stop(&rtc));
}

/* Bytes that are no date, again and again: time goes no further than what a saved machine may say. */
static void test_far(void)
{
	static const struct {
		const char *name;
		u8 control, reg, seconds;
	} rows[] = {
		{ "years", 0x06, 9, 26 },
		{ "years, BCD", 0x02, 9, 0x26 },
		{ "months", 0x06, 8, 26 },
		{ "days", 0x06, 7, 26 },
		{ "centuries", 0x06, 0x32, 26 },
		{ "years while it stands", 0x86, 9, 26 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		set_up();
		set(0x0b, rows[i].control);
		for (u32 n = 0; n < 20000; n++)
			set(rows[i].reg, 0xff);
		set(0x0b, rows[i].control & 0x7f);
		CHECK_EQ(rows[i].name, 1, rtc.offset >= -RTC_OFFSET_MAX && rtc.offset <= RTC_OFFSET_MAX);
		CHECK_EQ("seconds", rows[i].seconds, get(0));
	}
}

static void test_noise(void)
{
	u32 state = 7;

	set_up();
	for (u32 i = 0; i < 300000; i++) {
		state = state * 1664525 + 1013904223;
		u8 reg = state >> 24 & 0x3f;

		if (state & 1 << 10)
			set(reg, (u8)(state >> 12));
		else
			get(reg);
	}
	set(0x0b, 0x06);
	ASSERT_LE(get(0), 59);
	ASSERT_LE(get(8), 12);
}

static const struct test_case cases[] = {
	{ "read", test_read },
	{ "twelve_hours", test_twelve_hours },
	{ "set", test_set },
	{ "update_flag", test_update_flag },
	{ "memory", test_memory },
	{ "update_interrupt", test_update_interrupt },
	{ "alarm", test_alarm },
	{ "periodic", test_periodic },
	{ "thread", test_thread },
	{ "set_back", test_set_back },
	{ "far", test_far },
	{ "noise", test_noise },
};

TEST_MAIN(cases)
