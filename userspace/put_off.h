/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An end by a signal that is put off until nothing is left behind.
 */
#ifndef KEEL_PUT_OFF_H
#define KEEL_PUT_OFF_H

#include <poll.h>
#include <stdbool.h>
#include <time.h>

/**
 * put_off_end() - have signals that would end this process (SIGHUP, SIGINT, SIGQUIT, SIGTERM) wait, but for what is waited for by
 * put_off_poll(); by the only thread
 *
 * Until put_off_no_longer(), as far inside each other as one likes.
 */
void put_off_end(void);

/**
 * put_off_is_due() - has one come since put_off_end()?
 */
bool put_off_is_due(void);

/**
 * put_off_poll() - poll(), which ends with EINTR once one has come
 * @until: CLOCK_MONOTONIC; NULL: for ever.
 */
int put_off_poll(struct pollfd *waits, nfds_t count, const struct timespec *until);

/**
 * put_off_no_longer() - end by what has come, if any has; else go on, and end by what comes
 */
void put_off_no_longer(void);

#endif
