// SPDX-License-Identifier: GPL-2.0-only
/*
 * keel: the launcher. Parses the command line, runs one machine, and turns the
 * way it ended into a line on stderr, an exit status and, if asked for, a line
 * of JSON.
 */
#include <errno.h>
#include <string.h>

#include "machine.h"

#ifndef KEEL_VERSION
#define KEEL_VERSION "0.1"
#endif

static struct machine machine;

/* Given to the report's stream: the sandbox lets stdio ask for nothing. */
static char report_buffer[8192];

static int run(const struct options *options)
{
	FILE *report = NULL;

	if (options->status_json) {
		report = fopen(options->status_json, "we");
		if (!report)
			return status_fail(STATUS_USAGE, "cannot write %s: %s",
					   options->status_json, strerror(errno));
		setvbuf(report, report_buffer, _IOFBF, sizeof(report_buffer));
	}

	int status = machine_run(&machine, options);

	if (status && machine.is_started)
		status_fail((enum status)status, "%s", machine.vm.reason);
	if (report) {
		status_write_json(report, (enum status)status, machine.vm.reason);
		fclose(report);
	}
	return status;
}

int main(int argc, char **argv)
{
	struct options options;
	enum options_action action;
	int status = options_parse(&options, &action, argc, argv);

	if (!status) {
		switch (action) {
		case OPTIONS_RUN:
			status = run(&options);
			break;
		case OPTIONS_VERSION:
			puts("keel " KEEL_VERSION);
			break;
		default:
			options_help(stdout, action);
			break;
		}
	}
	options_free(&options);
	return status;
}
