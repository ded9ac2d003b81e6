// SPDX-License-Identifier: GPL-2.0-only
/*
 * How the launcher runs, and what of it others see: all commands but ctl.
 */
#include <stdlib.h>
#include <string.h>
#include <uapi/linux/keel.h>

#include "gdb_listen.h"
#include "migrate_address.h"
#include "option_row.h"
#include "options.h"
#include "runtime.h"
#include "status.h"

static int set_device(struct options *options, const char *value)
{
	options->device = value;
	return 0;
}

static int set_dma(struct options *options, const char *value)
{
	static const char *const names[] = {
		[KEEL_DMA_POLICY_OFF] = "off",
		[KEEL_DMA_POLICY_REPORT] = "report",
		[KEEL_DMA_POLICY_ENFORCE] = "enforce",
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(value, names[i])) {
			options->dma_policy = i;
			return 0;
		}
	}
	return status_fail(STATUS_USAGE, "--dma %s: must be off, report or enforce", value);
}

static int set_gdb(struct options *options, const char *value)
{
	static const char suffix[] = ",wait";
	size_t length = strlen(value), tail = sizeof(suffix) - 1;
	struct gdb_address address;

	options->gdb_waits = length >= tail && !strcmp(value + length - tail, suffix);
	options->gdb = strndup(value, options->gdb_waits ? length - tail : length);
	if (!options->gdb)
		return status_fail(STATUS_HOST, "out of memory");

	const char *wrong = gdb_address_parse(options->gdb, &address);

	return wrong ? status_fail(STATUS_USAGE, "--gdb %s: %s", value, wrong) : 0;
}

static int set_no_sandbox(struct options *options, const char *value)
{
	(void)value;
	options->sandbox = false;
	return 0;
}

static int set_jail(struct options *options, const char *value)
{
	return jail_options_parse(&options->jail, value);
}

static int set_stats(struct options *options, const char *value)
{
	(void)value;
	options->stats = true;
	return 0;
}

static int set_status_json(struct options *options, const char *value)
{
	options->status_json = value;
	return 0;
}

static int set_forkable(struct options *options, const char *value)
{
	(void)value;
	options->is_forkable = true;
	return 0;
}

static int set_markable(struct options *options, const char *value)
{
	(void)value;
	options->is_markable = true;
	return 0;
}

static int set_control(struct options *options, const char *value)
{
	options->control = value;
	return *value ? 0 : status_fail(STATUS_USAGE, "--control: no path");
}

static int set_name(struct options *options, const char *value)
{
	options->name = value;
	if (runtime_is_name(value))
		return 0;
	return status_fail(STATUS_USAGE, "--name %s: must be 1 to %d letters, digits, '-', '_' or '.', the first no '-' or '.'",
			   value, RUNTIME_NAME_MAX);
}

static int set_config(struct options *options, const char *value)
{
	options->config = value;
	return 0;
}

static int set_daemon(struct options *options, const char *value)
{
	(void)value;
	options->daemon = true;
	return 0;
}

static int set_pid_file(struct options *options, const char *value)
{
	options->pid_file = value;
	return 0;
}

static int set_load(struct options *options, const char *value)
{
	options->load = !strcmp(value, "lazy") ? OPTIONS_LOAD_LAZY : OPTIONS_LOAD_EAGER;
	if (options->load == OPTIONS_LOAD_LAZY || !strcmp(value, "eager"))
		return 0;
	return status_fail(STATUS_USAGE, "--memory %s: of a saved machine it says when memory is read, lazy or eager; its size is the saved one's", value);
}

static int set_listen(struct options *options, const char *value)
{
	struct gdb_address address;
	const char *wrong = migrate_address_parse(value, &address);

	options->listen = value;
	return wrong ? status_fail(STATUS_USAGE, "--listen %s: %s", value, wrong) : 0;
}

static int set_json(struct options *options, const char *value)
{
	(void)value;
	options->json = true;
	return 0;
}

static int set_diff(struct options *options, const char *value)
{
	(void)value;
	options->diff = true;
	return 0;
}

static const struct option_row rows[] = {
	{ "device", OF_RUN | OF_DMA | OF_CPU_MODELS | OF_RESTORE, true, false, set_device },
	{ "dma", OF_RUN | OF_RESTORE, true, false, set_dma },
	{ "gdb", OF_RUN, true, false, set_gdb },
	{ "no-sandbox", OF_RUN | OF_RESTORE, false, true, set_no_sandbox },
	{ "jail", OF_RUN | OF_RESTORE, true, false, set_jail },
	{ "stats", OF_RUN | OF_RESTORE, false, true, set_stats },
	{ "status-json", OF_RUN | OF_RESTORE | OF_CTL, true, false, set_status_json },
	{ "forkable", OF_RUN | OF_RESTORE, false, true, set_forkable },
	{ "markable", OF_RUN | OF_RESTORE, false, true, set_markable },
	{ "control", OF_RUN | OF_RESTORE | OF_CTL, true, false, set_control },
	{ "name", OF_RUN | OF_RESTORE | OF_CTL, true, false, set_name },
	{ "config", OF_RUN, true, false, set_config },
	{ "daemon", OF_RUN | OF_RESTORE, false, true, set_daemon },
	{ "pid-file", OF_RUN | OF_RESTORE, true, false, set_pid_file },
	{ "memory", OF_RESTORE, true, false, set_load },
	{ "listen", OF_RESTORE, true, false, set_listen },
	{ "json", OF_DMA | OF_CPU_MODELS | OF_CTL | OF_LIST | OF_INSPECT, false, true, set_json },
	{ "diff", OF_INSPECT, false, true, set_diff },
};

const struct option_table run_option_table = { rows, ARRAY_SIZE(rows) };
