// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of exit statuses and the few ways the launcher speaks on stderr.
 *
 * One row per status: --help, the JSON report and the closing line all read
 * this table, so they cannot disagree.
 */
#include <stdarg.h>
#include <stddef.h>

#include "status.h"

static const struct status_row {
	enum status status;
	const char *name;
	const char *text;
} rows[] = {
	{ STATUS_OK, "poweroff", "the guest powered off" },
	{ STATUS_USAGE, "usage", "wrong command line" },
	{ STATUS_DEVICE, "device", "device node missing, not permitted or not a KVM interface" },
	{ STATUS_CREATE, "create", "the virtual machine could not be created" },
	{ STATUS_KERNEL, "kernel", "kernel or initrd unreadable or not bootable" },
	{ STATUS_MEMORY, "memory", "guest memory not available" },
	{ STATUS_DISK, "disk", "disk image unusable" },
	{ STATUS_RESET, "reset", "the guest asked for a reset" },
	{ STATUS_CRASH, "crash", "the guest crashed (triple fault, or said so)" },
	{ STATUS_HALT, "halt", "the guest halted and nothing can wake it" },
	{ STATUS_ENTRY, "entry", "the CPU refused to enter the guest" },
	{ STATUS_INTERNAL, "internal", "the kernel module could not go on with the guest" },
	{ STATUS_HOST, "host", "the host failed the launcher" },
	{ STATUS_ESCAPE, "escape", "ended from the console (Ctrl-A x)" },
	{ STATUS_SIGNAL, "signal", "ended by a signal" },
	{ STATUS_SANDBOX, "sandbox", "the system-call filter could not be set" },
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

static char last[512];

const char *status_last(void)
{
	return last;
}

int status_fail(enum status status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(last, sizeof(last), format, args);
	va_end(args);
	fprintf(stderr, "keel: %s\n", last);
	return status;
}

void status_warn(const char *format, ...)
{
	va_list args;

	fputs("keel: warning: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

void status_write_json(FILE *out, enum status status, const char *reason)
{
	fprintf(out, "{\"status\": %d, \"name\": \"%s\", \"reason\": \"", status,
		status_name(status));
	for (const unsigned char *c = (const unsigned char *)reason; *c; c++) {
		if (*c == '"' || *c == '\\')
			fprintf(out, "\\%c", *c);
		else if (*c < 0x20 || *c >= 0x7f)
			fprintf(out, "\\u%04x", *c);
		else
			fputc(*c, out);
	}
	fputs("\"}\n", out);
}
