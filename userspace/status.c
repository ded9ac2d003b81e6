// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of exit statuses and the few ways the launcher speaks on stderr.
 *
 * One row per status: --help, the JSON report and the closing line all read
 * this table, so they cannot disagree.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "status.h"
#include "utf8.h"

#define LINE_MAX_BYTES	1280
#define LINE_TRIES	3	/* of 100 ms each, without progress */

static const struct status_row {
	enum status status;
	const char *name;
	const char *text;
} rows[] = {
	{ STATUS_OK, "poweroff", "the guest powered off" },
	{ STATUS_REFUSED, "refused", "keel ctl: the machine refused the command; keel inspect --diff: they differ" },
	{ STATUS_USAGE, "usage", "wrong command line" },
	{ STATUS_DEVICE, "device", "device node missing, not permitted or not a KVM interface" },
	{ STATUS_CREATE, "create", "the virtual machine could not be created" },
	{ STATUS_KERNEL, "kernel", "kernel, initrd or firmware unreadable or not bootable" },
	{ STATUS_MEMORY, "memory", "guest memory not available" },
	{ STATUS_DISK, "disk", "disk image unusable" },
	{ STATUS_RESET, "reset", "the guest asked for a reset" },
	{ STATUS_CRASH, "crash", "the guest crashed (triple fault, or said so)" },
	{ STATUS_HALT, "halt", "the guest halted and nothing can wake it" },
	{ STATUS_ENTRY, "entry", "the CPU refused to enter the guest" },
	{ STATUS_INTERNAL, "internal", "the kernel module could not go on with the guest" },
	{ STATUS_HOST, "host", "the host failed the launcher" },
	{ STATUS_ESCAPE, "escape", "ended from the console (Ctrl-A x)" },
	{ STATUS_SIGNAL, "signal", "ended by a signal, or by a debugger" },
	{ STATUS_SANDBOX, "sandbox", "the system-call filter, or the jail, could not be set up" },
	{ STATUS_ASSIGN, "assign", "a device of the host cannot be given to the guest, or not any longer" },
	{ STATUS_NET, "net", "the network cannot be had as asked for" },
	{ STATUS_QUIT, "quit", "ended by a client of the control socket" },
	{ STATUS_NOBODY, "nobody", "keel ctl: no machine listens there" },
	{ STATUS_STATE, "state", "a saved machine is damaged, or cannot be restored here" },
	{ STATUS_WATCHDOG, "watchdog", "the guest did not feed its watchdog in time" },
	{ STATUS_LOOP, "loop", "the guest was reset again and again as soon as it had started" },
	{ STATUS_SHARE, "share", "a directory cannot be shared with the guest as asked for" },
	{ STATUS_MOVED, "moved", "the guest runs in another launcher now (keel ctl migrate)" },
};

const char *status_name(enum status status)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].status == status)
			return rows[i].name;
	return "unknown";
}

void status_list(FILE *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		fprintf(out, "  %2d  %-9s %s\n", rows[i].status, rows[i].name, rows[i].text);
}

static atomic_bool is_raw;

void status_set_raw(bool raw)
{
	atomic_store(&is_raw, raw);
}

const char *status_line_end(void)
{
	return atomic_load(&is_raw) && isatty(STDERR_FILENO) ? "\r\n" : "\n";
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;	/* one timer, whole lines */
static char speaker[32] = "keel";

void status_renew(void)
{
	/* another thread, which is not here, may have had it */
	pthread_mutex_init(&lock, NULL);
	snprintf(speaker, sizeof(speaker), "keel[%d]", getpid());
}

static void wake_up(int signal)
{
	(void)signal;
}

/*
 * Nobody may read standard error, and a line of ours must not keep the launcher for that: poll()
 * tells of a full pipe, and a timer's signal, taken by this thread alone, gets it out of a write()
 * that waits half-way, as one to a terminal may.
 */
static void put_text(const char *text, size_t count)
{
	const struct itimerval tick = { { 0, 100000 }, { 0, 100000 } };
	struct sigaction action = { .sa_handler = wake_up };
	struct itimerval inherited;
	sigset_t alarm, before;

	pthread_mutex_lock(&lock);
	sigaction(SIGALRM, &action, NULL);
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	setitimer(ITIMER_REAL, &tick, &inherited);
	pthread_sigmask(SIG_UNBLOCK, &alarm, &before);
	for (int tries = LINE_TRIES; count && tries; tries--) {
		struct pollfd wait = { .fd = STDERR_FILENO, .events = POLLOUT };
		ssize_t done = poll(&wait, 1, 100) == 1 ? write(STDERR_FILENO, text, count) : 0;

		if (done < 0 && errno != EINTR && errno != EAGAIN)
			break;
		if (done > 0) {
			text += done;
			count -= (size_t)done;
			tries = LINE_TRIES + 1;
		}
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	setitimer(ITIMER_REAL, &inherited, NULL);
	pthread_mutex_unlock(&lock);
}

/* "keel: " PREFIX MESSAGE, and a line's end as the terminal needs it. */
static void __printf(2, 0) say(const char *prefix, const char *format, va_list args)
{
	char line[LINE_MAX_BYTES];
	int used = snprintf(line, sizeof(line), "%s: %s", speaker, prefix);
	int more = vsnprintf(line + used, sizeof(line) - (size_t)used - 2, format, args);
	size_t count = (size_t)used + (size_t)(more > 0 ? more : 0);

	if (count > sizeof(line) - 3)
		count = sizeof(line) - 3;	/* for a line's end */
	count += (size_t)sprintf(line + count, "%s", status_line_end());
	put_text(line, count);
}

void status_print(const char *lines)
{
	put_text(lines, strlen(lines));
}

static char last[512];

const char *status_last(void)
{
	return last;
}

int status_fail(enum status status, const char *format, ...)
{
	va_list args, copy;

	va_start(args, format);
	va_copy(copy, args);
	vsnprintf(last, sizeof(last), format, copy);
	va_end(copy);
	say("", format, args);
	va_end(args);
	return status;
}

void status_warn(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say("warning: ", format, args);
	va_end(args);
}

void status_write_json(FILE *out, enum status status, const char *reason, const char *stats)
{
	fprintf(out, "{\"status\": %d, \"name\": \"%s\", \"reason\": \"", status,
		status_name(status));
	for (const char *c = reason; *c;) {
		size_t length = utf8_character(c);

		if (*c == '"' || *c == '\\')
			fprintf(out, "\\%c", *c);
		else if ((unsigned char)*c < 0x20 || *c == 0x7f)
			fprintf(out, "\\u%04x", *c);
		else
			fprintf(out, "%.*s", length ? (int)length : 1, length ? c : "?");
		c += length ? length : 1;
	}
	fputc('"', out);
	if (stats)
		fprintf(out, ", \"stats\": %s", stats);
	fputs("}\n", out);
}
