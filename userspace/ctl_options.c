// SPDX-License-Identifier: GPL-2.0-only
/*
 * What stands behind keel ctl.
 */
#include <string.h>

#include "ctl_options.h"
#include "gdb_listen.h"
#include "migrate_address.h"
#include "option_row.h"
#include "options.h"
#include "rate_options.h"
#include "size.h"
#include "status.h"

static int set_serial(struct options *options, const char *value)
{
	options->serial = value;
	return *value ? 0 : status_fail(STATUS_USAGE, "--serial: no path");
}

static int set_paused(struct options *options, const char *value)
{
	(void)value;
	options->is_paused = true;
	return 0;
}

static int set_wait(struct options *options, const char *value)
{
	(void)value;
	options->waits = true;
	return 0;
}

static int set_to_mark(struct options *options, const char *value)
{
	(void)value;
	options->to_mark = true;
	return 0;
}

static int set_same(struct options *options, const char *value)
{
	(void)value;
	options->is_same = true;
	return 0;
}

static int set_track(struct options *options, const char *value)
{
	(void)value;
	options->is_tracked = true;
	return 0;
}

static int set_incremental(struct options *options, const char *value)
{
	options->base = value;
	return *value ? 0 : status_fail(STATUS_USAGE, "--incremental: the path of the file that was saved before");
}

static int set_migration(struct options *options, const char *command)
{
	if (options->migration)
		return status_fail(STATUS_USAGE, "migrate: one of --status, --cancel and --take-back");
	options->migration = command;
	return 0;
}

static int set_status(struct options *options, const char *value)
{
	(void)value;
	return set_migration(options, "migrate-status");
}

static int set_cancel(struct options *options, const char *value)
{
	(void)value;
	return set_migration(options, "migrate-cancel");
}

static int set_take_back(struct options *options, const char *value)
{
	(void)value;
	return set_migration(options, "migrate-take-back");
}

static bool has_fork_option(const struct options *options)
{
	return options->control || options->name || options->serial || options->is_paused || options->waits || options->status_json ||
	       options->net_count;
}

static int check_address(const char *text)
{
	struct gdb_address address;
	const char *wrong = migrate_address_parse(text, &address);

	return wrong ? status_fail(STATUS_USAGE, "migrate %s: %s", text, wrong) : 0;
}

int ctl_options_check(struct options *options)
{
	bool is_save = !strcmp(options->request, "save"), is_migrate = !strcmp(options->request, "migrate");
	bool has_size = ctl_options_has_size(options);

	if (strcmp(options->request, "fork") && has_fork_option(options))
		return status_fail(STATUS_USAGE, "--control, --name, --serial, --paused, --wait, --net and --status-json go with fork: keel ctl NAME fork --name CHILD");
	if (options->is_same && !options->to_mark)
		return status_fail(STATUS_USAGE, "--same goes with --to-mark: keel ctl NAME reset --to-mark --same");
	if (options->to_mark && strcmp(options->request, "reset"))
		return status_fail(STATUS_USAGE, "--to-mark goes with reset: keel ctl NAME reset --to-mark");
	for (unsigned int i = 0; i < options->net_count; i++)
		if (options->nets[i].kind != NET_USER || options->nets[i].has_mac || rate_options_is_on(&options->nets[i].rate))
			return status_fail(STATUS_USAGE, "fork: --net user alone can be had, its address is a random one, and its limits are the parent's");
	if (options->control && options->name)
		return status_fail(STATUS_USAGE, "fork: --control or --name, not both");
	if ((options->is_tracked || options->base) && !is_save)
		return status_fail(STATUS_USAGE, "--track and --incremental go with save: keel ctl NAME save FILE --track");
	if (options->is_tracked && options->base)
		return status_fail(STATUS_USAGE, "save: --track for a file that has all of the machine, --incremental BASE for one that stands on it");
	if (options->migration && !is_migrate)
		return status_fail(STATUS_USAGE, "--status, --cancel and --take-back go with migrate: keel ctl NAME migrate --status");
	if (options->file_count != (is_save || has_size || (is_migrate && !options->migration)))
		return status_fail(STATUS_USAGE, is_save ? "save needs one file: keel ctl NAME save FILE" :
				   is_migrate && !options->migration ? "migrate needs an address: keel ctl NAME migrate unix:PATH" :
				   has_size ? "%s needs a size: keel ctl NAME %s SIZE" : "unexpected argument '%s'",
				   has_size ? options->request : options->files[0], options->request);
	if (is_migrate && !options->migration)
		return check_address(options->files[0]);
	if (!has_size)
		return 0;
	options->file_count = 0;
	if (!size_parse(options->files[0], &options->size))
		return status_fail(STATUS_USAGE, "%s %s: not a size (a number with K, M, G or T)", options->request, options->files[0]);
	return 0;
}

static const struct option_row rows[] = {
	{ "serial", OF_CTL, true, false, set_serial },
	{ "paused", OF_CTL, false, true, set_paused },
	{ "wait", OF_CTL, false, true, set_wait },
	{ "to-mark", OF_CTL, false, true, set_to_mark },
	{ "same", OF_CTL, false, true, set_same },
	{ "track", OF_CTL, false, true, set_track },
	{ "incremental", OF_CTL, true, false, set_incremental },
	{ "status", OF_CTL, false, false, set_status },
	{ "cancel", OF_CTL, false, false, set_cancel },
	{ "take-back", OF_CTL, false, false, set_take_back },
};

const struct option_table ctl_option_table = { rows, ARRAY_SIZE(rows) };
