/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The real-time clock and its CMOS memory, ports 0x70 and 0x71.
 */
#ifndef KEEL_RTC_H
#define KEEL_RTC_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct vm;

#define RTC_BYTES	128
#define RTC_GSI		8
#define RTC_OFFSET_MAX	(1LL << 40)	/* seconds that a guest can set its clock from the host's, either way */

struct rtc {
	struct vm *vm;
	pthread_t thread;
	bool has_thread;

	pthread_mutex_t lock;	/* guards what follows */
	pthread_cond_t changed;	/* the thread sleeps here */
	bool is_closing;
	uint64_t ticked;	/* host time up to which rtc_tick() has looked */
	uint8_t index;
	uint8_t bytes[RTC_BYTES];
	int64_t offset;		/* seconds the guest's clock is ahead of the host's */
	struct tm frozen;	/* the time while register B's SET bit is on */
	uint64_t (*now)(void);	/* host time, ns since 1970; replaced by tests */
};

/**
 * rtc_init() - put the clock, running at UTC, on the VM's port bus
 * Return: 0 or a negative errno.
 */
int rtc_init(struct rtc *rtc, struct vm *vm);

/**
 * rtc_start() - start the thread that raises the clock's interrupts
 * Return: 0 or a positive errno.
 */
int rtc_start(struct rtc *rtc);

/**
 * rtc_stop() - end the thread, until vm->end_by; harmless if never started
 * Return: false if it is still there.
 */
bool rtc_stop(struct rtc *rtc);

/**
 * rtc_set_byte() - store @value in byte @at of the CMOS memory, one that is no register of the clock; before the guest runs
 */
void rtc_set_byte(struct rtc *rtc, uint8_t at, uint8_t value);

/**
 * rtc_reset() - what the chip's RESET pin does: no interrupt is enabled or pending; time and memory stay
 */
void rtc_reset(struct rtc *rtc);

/**
 * rtc_tick() - raise the interrupts that are due since the last call
 *
 * What the thread does when it wakes. Takes rtc->lock.
 */
void rtc_tick(struct rtc *rtc);

#endif
