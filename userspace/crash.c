// SPDX-License-Identifier: GPL-2.0-only
/*
 * Signals that mean a fault of the launcher: the terminal is given back, one
 * line says what happened, and the signal's default action follows, so that
 * whoever waits sees it and a core dump is made where those are wanted.
 *
 * All of it runs in a signal handler, in whatever state the process is: no
 * stdio, no malloc(), no lock.
 */
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "crash.h"
#include "sandbox.h"
#include "util.h"

static const struct {
	int signal;
	const char *text;
} deaths[] = {
	{ SIGSEGV, "keel: the launcher crashed (SIGSEGV, a wild address)" },
	{ SIGBUS, "keel: the launcher crashed (SIGBUS, memory that the host could not give)" },
	{ SIGFPE, "keel: the launcher crashed (SIGFPE)" },
	{ SIGILL, "keel: the launcher crashed (SIGILL)" },
	{ SIGTRAP, "keel: the launcher crashed (SIGTRAP)" },
	{ SIGABRT, "keel: the launcher gave up (SIGABRT)" },
	{ SIGSYS, "keel: the system-call filter refused " },
};

static void (*clean_up_first)(void);

static void add(struct iovec *parts, int *count, const char *text)
{
	parts[(*count)++] = (struct iovec){ (void *)text, strlen(text) };
}

static void tell(int signal, const siginfo_t *info)
{
	struct pollfd wait = { .fd = STDERR_FILENO, .events = POLLOUT };
	struct iovec parts[4];
	int count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(deaths); i++)
		if (deaths[i].signal == signal)
			add(parts, &count, deaths[i].text);
	if (signal == SIGSYS && info->si_code == 1 /* SYS_SECCOMP */) {
		add(parts, &count, sandbox_call_name(info->si_syscall));
		add(parts, &count, "(): keel's list lacks it, and then --no-sandbox helps, or "
			 "something took the launcher over");
	}
	add(parts, &count, "\n");
	/* A reader who takes nothing must not keep a dead process. */
	if (poll(&wait, 1, 0) == 1 && writev(STDERR_FILENO, parts, count) < 0)
		return;
}

static void die(int signal, siginfo_t *info, void *context)
{
	(void)context;
	clean_up_first();
	tell(signal, info);
	raise(signal);		/* SA_RESETHAND: kills as the handler returns */
}

void crash_watch(void (*clean_up)(void))
{
	struct sigaction action = {
		.sa_sigaction = die,
		.sa_flags = SA_SIGINFO | (int)SA_RESETHAND,
	};

	clean_up_first = clean_up;
	for (size_t i = 0; i < ARRAY_SIZE(deaths); i++)
		sigaction(deaths[i].signal, &action, NULL);
}
