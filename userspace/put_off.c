// SPDX-License-Identifier: GPL-2.0-only
/*
 * The signals are blocked, so that nothing is interrupted between a file's creation and the note that it was; only where this
 * process waits for others they come through, to a handler that does nothing but say so. What was ignored stays ignored.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>

#include "put_off.h"
#include "thread.h"
#include "util.h"

static const int ends[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };

static unsigned int depth;
static sigset_t before;			/* the mask outside, */
static struct sigaction actions[ARRAY_SIZE(ends)];	/* and what was to be done there */
static volatile sig_atomic_t due;	/* a signal's number; 0: none */

static void note(int signal)
{
	due = signal;
}

void put_off_end(void)
{
	const struct sigaction action = { .sa_handler = note };
	sigset_t set;

	if (depth++)
		return;
	due = 0;
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		sigaddset(&set, ends[i]);
	sigprocmask(SIG_BLOCK, &set, &before);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		sigaction(ends[i], NULL, &actions[i]);
		if (actions[i].sa_handler == SIG_DFL)
			sigaction(ends[i], &action, NULL);
	}
}

bool put_off_is_due(void)
{
	sigset_t pending;
	bool is_due = due;

	sigpending(&pending);
	for (size_t i = 0; depth && i < ARRAY_SIZE(ends); i++)
		is_due |= sigismember(&pending, ends[i]) == 1 && actions[i].sa_handler == SIG_DFL;
	return is_due;
}

int put_off_poll(struct pollfd *waits, nfds_t count, const struct timespec *until)
{
	struct timespec left;

	if (due) {
		errno = EINTR;
		return -1;
	}
	if (until)
		left = thread_time_until(until);
	return ppoll(waits, count, until ? &left : NULL, depth ? &before : NULL);
}

void put_off_no_longer(void)
{
	int last = due;

	if (--depth)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		sigaction(ends[i], &actions[i], NULL);
	due = 0;
	if (last)
		raise(last);
	sigprocmask(SIG_SETMASK, &before, NULL);
}
