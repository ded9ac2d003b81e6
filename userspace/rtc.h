/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The real-time clock and its CMOS memory, ports 0x70 and 0x71.
 */
#ifndef KEEL_RTC_H
#define KEEL_RTC_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

struct vm;

#define RTC_BYTES	128

struct rtc {
	pthread_mutex_t lock;	/* guards what follows */
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

#endif
