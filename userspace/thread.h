/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ending threads that may be asleep in the kernel.
 */
#ifndef KEEL_THREAD_H
#define KEEL_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define KICK_SIGNAL	SIGUSR1		/* interrupts a thread's system call; means nothing else */
#define JOIN_SLICE_MS	20

/** thread_now() - CLOCK_MONOTONIC in nanoseconds */
static inline uint64_t thread_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/** thread_time_in() - CLOCK_MONOTONIC @ms from now */
static inline struct timespec thread_time_in(unsigned int ms)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	time.tv_nsec += (long)(ms % 1000) * 1000000;
	time.tv_sec += (time_t)(ms / 1000) + time.tv_nsec / 1000000000;
	time.tv_nsec %= 1000000000;
	return time;
}

/** thread_is_past() - has CLOCK_MONOTONIC come to @until? */
static inline bool thread_is_past(const struct timespec *until)
{
	struct timespec now = thread_time_in(0);

	return now.tv_sec > until->tv_sec || (now.tv_sec == until->tv_sec && now.tv_nsec >= until->tv_nsec);
}

/** thread_time_left() - what is left until thread_now() is @until; nothing if it is past */
static inline struct timespec thread_time_left(uint64_t until)
{
	uint64_t now = thread_now(), left = until > now ? until - now : 0;

	return (struct timespec){ (time_t)(left / 1000000000), (long)(left % 1000000000) };
}

/** thread_time_until() - the same until @until of CLOCK_MONOTONIC */
static inline struct timespec thread_time_until(const struct timespec *until)
{
	return thread_time_left((uint64_t)until->tv_sec * 1000000000 + (uint64_t)until->tv_nsec);
}

/** thread_unblock_kicks() - let KICK_SIGNAL interrupt the calling thread */
static inline void thread_unblock_kicks(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, KICK_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/**
 * thread_join() - wait for a thread that has been told to end
 * @until: CLOCK_MONOTONIC; all zero for no limit.
 * @kick: KICK_SIGNAL, sent again and again, so that none can come too early; 0
 *	for a thread that needs none.
 *
 * Return: false if the thread is still there.
 */
static inline bool thread_join(pthread_t thread, const struct timespec *until, int kick)
{
	for (;;) {
		struct timespec slice = thread_time_in(JOIN_SLICE_MS);

		pthread_kill(thread, kick);
		if (!pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &slice))
			return true;
		if (until->tv_sec && (slice.tv_sec > until->tv_sec ||
				      (slice.tv_sec == until->tv_sec &&
				       slice.tv_nsec > until->tv_nsec)))
			return false;
	}
}

#endif
