// SPDX-License-Identifier: GPL-2.0-only
/*
 * An MC146818 clock: register layout as in its data sheet, century byte at
 * 0x32. Time is the host's UTC plus an offset; the guest setting the clock
 * moves the offset. A thread raises the update, alarm and periodic interrupts;
 * it sleeps while none is enabled. Events the host slept through are raised
 * once, late, like those a guest was too slow to take.
 */
#include "rtc.h"
#include "sandbox.h"
#include "thread.h"
#include "vm.h"

#define RTC_PORT	0x70

enum {
	RTC_SECONDS = 0x00,
	RTC_SECONDS_ALARM = 0x01,
	RTC_MINUTES = 0x02,
	RTC_MINUTES_ALARM = 0x03,
	RTC_HOURS = 0x04,
	RTC_HOURS_ALARM = 0x05,
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
#define RTC_A_RESET	0x60	/* the divider is held in reset */
#define RTC_B_SET	0x80
#define RTC_EVENTS	0x70	/* periodic, alarm, update: same bits in B and C */
#define RTC_PERIODIC	0x40
#define RTC_ALARM	0x20
#define RTC_UPDATE	0x10
#define RTC_C_ANY	0x80
#define RTC_ANY_VALUE	0xc0	/* an alarm byte that always matches */
#define RTC_B_SQUARE_WAVE	0x08
#define RTC_B_BINARY	0x04
#define RTC_B_24H	0x02
#define RTC_D_VALID	0x80
#define RTC_PM		0x80
#define UPDATE_NS	244000u	/* the update flag rises this long before a change */
#define SECOND_NS	1000000000u
#define LATE_SECONDS	86400u	/* an alarm comes back after so long anyway */

static uint64_t host_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

/* No updates: the guest sets the time, or holds the divider. */
static bool is_held(const struct rtc *rtc)
{
	return rtc->bytes[RTC_B] & RTC_B_SET || (rtc->bytes[RTC_A] & RTC_A_RESET) == RTC_A_RESET;
}

static void get_time(const struct rtc *rtc, struct tm *tm)
{
	time_t now = (time_t)((int64_t)(rtc->now() / SECOND_NS) + rtc->offset);

	if (is_held(rtc))
		*tm = rtc->frozen;
	else
		gmtime_r(&now, tm);
}

/* Bytes that are no date may, one after the other, lead anywhere: where a saved machine could not be, they lead nowhere. */
static void set_time(struct rtc *rtc, struct tm *tm)
{
	if (is_held(rtc)) {
		rtc->frozen = *tm;
		return;
	}
	int64_t offset = (int64_t)timegm(tm) - (int64_t)(rtc->now() / SECOND_NS);

	if (offset >= -RTC_OFFSET_MAX && offset <= RTC_OFFSET_MAX)
		rtc->offset = offset;
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

static void update_line(struct rtc *rtc)
{
	bool is_high = rtc->bytes[RTC_B] & rtc->bytes[RTC_C] & RTC_EVENTS;

	rtc->bytes[RTC_C] = (rtc->bytes[RTC_C] & RTC_EVENTS) | (is_high ? RTC_C_ANY : 0);
	vm_set_line(rtc->vm, RTC_GSI, IRQ_SOURCE_BOARD, is_high);
}

/* Nanoseconds between periodic interrupts, 0 for none: rate bits of A. */
static uint64_t period(const struct rtc *rtc)
{
	unsigned int rate = rtc->bytes[RTC_A] & 0xf;

	if (!rate || (rtc->bytes[RTC_A] & RTC_A_RESET) == RTC_A_RESET)
		return 0;
	if (rate < 3)
		rate += 7;
	return ((uint64_t)SECOND_NS << (rate - 1)) / 32768;
}

static bool matches(uint8_t alarm, uint8_t value)
{
	return alarm >= RTC_ANY_VALUE || alarm == value;
}

static bool is_alarm_second(const struct rtc *rtc, uint64_t second)
{
	time_t time = (time_t)((int64_t)second + rtc->offset);
	struct tm tm;

	gmtime_r(&time, &tm);
	return matches(rtc->bytes[RTC_SECONDS_ALARM], encode(rtc, tm.tm_sec)) &&
	       matches(rtc->bytes[RTC_MINUTES_ALARM], encode(rtc, tm.tm_min)) &&
	       matches(rtc->bytes[RTC_HOURS_ALARM], encode_hours(rtc, tm.tm_hour));
}

/* Events in the time (@from, @to]. */
static uint8_t events_between(const struct rtc *rtc, uint64_t from, uint64_t to)
{
	uint64_t last = to / SECOND_NS, second = from / SECOND_NS;
	uint64_t step = period(rtc);
	uint8_t events = 0;

	if (step && to / step != from / step)
		events |= RTC_PERIODIC;
	if (second == last || is_held(rtc))
		return events;
	events |= RTC_UPDATE;
	if (last - second > LATE_SECONDS)
		second = last - LATE_SECONDS;
	while (second < last)
		if (is_alarm_second(rtc, ++second))
			return events | RTC_ALARM;
	return events;
}

static void tick(struct rtc *rtc)
{
	uint64_t now = rtc->now();

	if (now > rtc->ticked) {
		rtc->bytes[RTC_C] |= events_between(rtc, rtc->ticked, now);
		update_line(rtc);
	}
	rtc->ticked = now;
}

void rtc_tick(struct rtc *rtc)
{
	pthread_mutex_lock(&rtc->lock);
	tick(rtc);
	pthread_mutex_unlock(&rtc->lock);
}

/* Host time of the next event that is enabled. */
static uint64_t next_event(const struct rtc *rtc)
{
	uint64_t step = period(rtc), now = rtc->ticked;
	uint64_t next = (now / SECOND_NS + 1) * SECOND_NS;

	if (step && rtc->bytes[RTC_B] & RTC_PERIODIC && (now / step + 1) * step < next)
		next = (now / step + 1) * step;
	return next;
}

/* CLOCK_MONOTONIC then; the host's clock may be set back while the thread sleeps, by any time, and is looked at again soon. */
static struct timespec next_look(const struct rtc *rtc)
{
	uint64_t next = next_event(rtc), now = rtc->now(), left = next > now ? next - now : 0;
	uint64_t until = thread_now() + (left < SECOND_NS ? left : SECOND_NS);

	return (struct timespec){ (time_t)(until / SECOND_NS), (long)(until % SECOND_NS) };
}

static void *rtc_main(void *argument)
{
	struct rtc *rtc = argument;

	pthread_mutex_lock(&rtc->lock);
	while (!rtc->is_closing) {
		if (!(rtc->bytes[RTC_B] & RTC_EVENTS)) {
			pthread_cond_wait(&rtc->changed, &rtc->lock);
			continue;
		}
		struct timespec until = next_look(rtc);

		pthread_cond_clockwait(&rtc->changed, &rtc->lock, CLOCK_MONOTONIC, &until);
		tick(rtc);
	}
	pthread_mutex_unlock(&rtc->lock);
	return NULL;
}

static uint8_t read_events(struct rtc *rtc)
{
	tick(rtc);
	uint8_t events = rtc->bytes[RTC_C];

	rtc->bytes[RTC_C] = 0;
	update_line(rtc);
	return events;
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
		if (!is_held(rtc) && rtc->now() % SECOND_NS >= SECOND_NS - UPDATE_NS)
			return rtc->bytes[RTC_A] | RTC_A_UPDATING;
		return rtc->bytes[RTC_A];
	case RTC_C:
		return read_events(rtc);
	default:
		return rtc->bytes[reg];
	}
}

/* Registers A and B: what holds the clock takes the time along, and gives it back. */
static void write_control(struct rtc *rtc, uint8_t reg, uint8_t value)
{
	bool was_held = is_held(rtc);
	struct tm tm;

	get_time(rtc, &tm);
	/* "... the SET bit going high clears the UIE bit." */
	if (reg == RTC_B && value & ~rtc->bytes[RTC_B] & RTC_B_SET)
		value &= (uint8_t)~RTC_UPDATE;
	rtc->bytes[reg] = value;
	if (was_held != is_held(rtc))
		set_time(rtc, &tm);
	update_line(rtc);
	pthread_cond_signal(&rtc->changed);
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
		*decoded = *decoded % 100 + tm->tm_year / 100 * 100;
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

	tick(rtc);		/* what is past happened under the old setting */
	get_time(rtc, &tm);
	int *member = time_member(rtc, &tm, reg, value, &decoded);

	if (member) {
		*member = decoded;
		set_time(rtc, &tm);
		return;
	}
	switch (reg) {
	case RTC_A:
		write_control(rtc, reg, value & ~RTC_A_UPDATING);
		break;
	case RTC_B:
		write_control(rtc, reg, value);
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
	*rtc = (struct rtc){ .vm = vm, .now = host_now, .ticked = host_now() };
	pthread_mutex_init(&rtc->lock, NULL);
	pthread_cond_init(&rtc->changed, NULL);
	rtc->bytes[RTC_A] = RTC_A_DIVIDER;
	rtc->bytes[RTC_B] = RTC_B_24H;
	rtc->bytes[RTC_D] = RTC_D_VALID;
	return bus_add(&vm->ports, RTC_PORT, 2, &rtc_ops, rtc);
}

void rtc_reset(struct rtc *rtc)
{
	pthread_mutex_lock(&rtc->lock);
	tick(rtc);
	rtc->index = 0;
	rtc->bytes[RTC_B] &= (uint8_t)~(RTC_EVENTS | RTC_B_SQUARE_WAVE);
	rtc->bytes[RTC_C] = 0;
	update_line(rtc);
	pthread_mutex_unlock(&rtc->lock);
}

void rtc_set_byte(struct rtc *rtc, uint8_t at, uint8_t value)
{
	pthread_mutex_lock(&rtc->lock);
	rtc->bytes[at % RTC_BYTES] = value;
	pthread_mutex_unlock(&rtc->lock);
}

int rtc_start(struct rtc *rtc)
{
	int ret = sandbox_start_thread(&rtc->thread, SANDBOX_DEVICE, rtc_main, rtc);

	rtc->has_thread = !ret;
	return ret;
}

bool rtc_stop(struct rtc *rtc)
{
	if (!rtc->has_thread)
		return true;
	pthread_mutex_lock(&rtc->lock);
	rtc->is_closing = true;
	pthread_cond_signal(&rtc->changed);
	pthread_mutex_unlock(&rtc->lock);
	rtc->has_thread = !thread_join(rtc->thread, &rtc->vm->end_by, 0);
	return !rtc->has_thread;
}
