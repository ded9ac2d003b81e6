// SPDX-License-Identifier: GPL-2.0-only
/*
 * An MC146818 clock: register layout as in its data sheet, century byte at
 * 0x32. Time is the host's UTC plus an offset; the guest setting the clock
 * moves the offset. Alarm, periodic and update interrupts are absent, and the
 * ACPI tables say so by giving the device no interrupt.
 */
#include "rtc.h"
#include "vm.h"

#define RTC_PORT	0x70

enum {
	RTC_SECONDS = 0x00,
	RTC_MINUTES = 0x02,
	RTC_HOURS = 0x04,
	RTC_WEEKDAY = 0x06,
	RTC_DAY = 0x07,
	RTC_MONTH = 0x08,
	RTC_YEAR = 0x09,
	RTC_A = 0x0a,
	RTC_B = 0x0b,
	RTC_C = 0x0c,
	RTC_D = 0x0d,
	RTC_CENTURY = 0x32,
};

#define RTC_A_UPDATING	0x80
#define RTC_A_DIVIDER	0x26	/* 32768 Hz, 1024 Hz: what firmware leaves */
#define RTC_B_SET	0x80
#define RTC_B_BINARY	0x04
#define RTC_B_24H	0x02
#define RTC_D_VALID	0x80
#define RTC_PM		0x80
#define UPDATE_NS	244000u	/* the update flag rises this long before a change */
#define SECOND_NS	1000000000u

static uint64_t host_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static void get_time(const struct rtc *rtc, struct tm *tm)
{
	time_t now = (time_t)((int64_t)(rtc->now() / SECOND_NS) + rtc->offset);

	if (rtc->bytes[RTC_B] & RTC_B_SET)
		*tm = rtc->frozen;
	else
		gmtime_r(&now, tm);
}

static void set_time(struct rtc *rtc, struct tm *tm)
{
	if (rtc->bytes[RTC_B] & RTC_B_SET)
		rtc->frozen = *tm;
	else
		rtc->offset = (int64_t)timegm(tm) - (int64_t)(rtc->now() / SECOND_NS);
}

static uint8_t encode(const struct rtc *rtc, int value)
{
	unsigned int digits = (unsigned int)value;	/* a frozen time may be odd */

	if (rtc->bytes[RTC_B] & RTC_B_BINARY)
		return (uint8_t)digits;
	return (uint8_t)(digits / 10 << 4 | digits % 10);
}

static int decode(const struct rtc *rtc, uint8_t byte)
{
	if (rtc->bytes[RTC_B] & RTC_B_BINARY)
		return byte;
	return (byte >> 4) * 10 + (byte & 0xf);
}

static uint8_t encode_hours(const struct rtc *rtc, int hours)
{
	if (rtc->bytes[RTC_B] & RTC_B_24H)
		return encode(rtc, hours);
	return encode(rtc, (hours + 11) % 12 + 1) | (hours >= 12 ? RTC_PM : 0);
}

static int decode_hours(const struct rtc *rtc, uint8_t byte)
{
	if (rtc->bytes[RTC_B] & RTC_B_24H)
		return decode(rtc, byte);
	return decode(rtc, byte & 0x7f) % 12 + (byte & RTC_PM ? 12 : 0);
}

static uint8_t read_register(struct rtc *rtc, uint8_t reg)
{
	struct tm tm;

	get_time(rtc, &tm);
	switch (reg) {
	case RTC_SECONDS:
		return encode(rtc, tm.tm_sec);
	case RTC_MINUTES:
		return encode(rtc, tm.tm_min);
	case RTC_HOURS:
		return encode_hours(rtc, tm.tm_hour);
	case RTC_WEEKDAY:
		return encode(rtc, tm.tm_wday + 1);
	case RTC_DAY:
		return encode(rtc, tm.tm_mday);
	case RTC_MONTH:
		return encode(rtc, tm.tm_mon + 1);
	case RTC_YEAR:
		return encode(rtc, tm.tm_year % 100);
	case RTC_CENTURY:
		return encode(rtc, tm.tm_year / 100 + 19);
	case RTC_A:
		if (!(rtc->bytes[RTC_B] & RTC_B_SET) &&
		    rtc->now() % SECOND_NS >= SECOND_NS - UPDATE_NS)
			return rtc->bytes[RTC_A] | RTC_A_UPDATING;
		return rtc->bytes[RTC_A];
	default:
		return rtc->bytes[reg];
	}
}

static void write_register_b(struct rtc *rtc, uint8_t value)
{
	struct tm tm;

	/* Take the time under the old SET bit, put it back under the new one. */
	get_time(rtc, &tm);
	bool is_changing = (rtc->bytes[RTC_B] ^ value) & RTC_B_SET;
	rtc->bytes[RTC_B] = value;
	if (is_changing)
		set_time(rtc, &tm);
}

/* Return: the member of @tm that time register @reg sets, NULL for others. */
static int *time_member(struct rtc *rtc, struct tm *tm, uint8_t reg, uint8_t value, int *decoded)
{
	*decoded = decode(rtc, value);
	switch (reg) {
	case RTC_SECONDS:
		return &tm->tm_sec;
	case RTC_MINUTES:
		return &tm->tm_min;
	case RTC_HOURS:
		*decoded = decode_hours(rtc, value);
		return &tm->tm_hour;
	case RTC_DAY:
		return &tm->tm_mday;
	case RTC_MONTH:
		*decoded -= 1;
		return &tm->tm_mon;
	case RTC_YEAR:
		*decoded += tm->tm_year / 100 * 100;
		return &tm->tm_year;
	case RTC_CENTURY:
		*decoded = (*decoded - 19) * 100 + tm->tm_year % 100;
		return &tm->tm_year;
	default:
		return NULL;
	}
}

static void write_register(struct rtc *rtc, uint8_t reg, uint8_t value)
{
	struct tm tm;
	int decoded;

	get_time(rtc, &tm);
	int *member = time_member(rtc, &tm, reg, value, &decoded);

	if (member) {
		*member = decoded;
		set_time(rtc, &tm);
		return;
	}
	switch (reg) {
	case RTC_A:
		rtc->bytes[RTC_A] = value & ~RTC_A_UPDATING;
		break;
	case RTC_B:
		write_register_b(rtc, value);
		break;
	case RTC_WEEKDAY:	/* follows from the date */
	case RTC_C:		/* read-only */
	case RTC_D:
		break;
	default:
		rtc->bytes[reg] = value;
		break;
	}
}

static uint64_t rtc_read(void *owner, uint64_t offset, unsigned int len)
{
	struct rtc *rtc = owner;

	(void)len;
	if (!offset)
		return UINT64_MAX;	/* the index is write-only */
	pthread_mutex_lock(&rtc->lock);
	uint8_t value = read_register(rtc, rtc->index);
	pthread_mutex_unlock(&rtc->lock);
	return value;
}

static void rtc_write(void *owner, uint64_t offset, unsigned int len, uint64_t value)
{
	struct rtc *rtc = owner;

	pthread_mutex_lock(&rtc->lock);
	if (!offset)
		rtc->index = value & (RTC_BYTES - 1);	/* bit 7 masks NMIs elsewhere */
	if (offset || len > 1)
		write_register(rtc, rtc->index, (uint8_t)(offset ? value : value >> 8));
	pthread_mutex_unlock(&rtc->lock);
}

static const struct bus_ops rtc_ops = { rtc_read, rtc_write };

int rtc_init(struct rtc *rtc, struct vm *vm)
{
	/* The C library looks for time zone files once: let it be now, not under
	 * the sandbox.
	 */
	tzset();
	*rtc = (struct rtc){ .now = host_now };
	pthread_mutex_init(&rtc->lock, NULL);
	rtc->bytes[RTC_A] = RTC_A_DIVIDER;
	rtc->bytes[RTC_B] = RTC_B_24H;
	rtc->bytes[RTC_D] = RTC_D_VALID;
	return bus_add(&vm->ports, RTC_PORT, 2, &rtc_ops, rtc);
}
