// SPDX-License-Identifier: GPL-2.0-only
/*
 * Command-line parsing.
 *
 * Long options only, as `--name value` or `--name=value`. One table row per
 * option names its handler; a handler gets the value and says what is wrong
 * with it. Nothing here touches the system, so all of it is unit-tested.
 */
#include <stdlib.h>
#include <string.h>
#include <uapi/linux/keel.h>

#include "config.h"
#include "fork_options.h"
#include "gdb_listen.h"
#include "help.h"
#include "mark.h"
#include "memory_options.h"
#include "migrate_address.h"
#include "option_row.h"
#include "options.h"
#include "runtime.h"
#include "size.h"
#include "status.h"

/* Commands, as bits. */
#define RUN	1u
#define DMA	2u
#define CTL	4u
#define LIST	8u
#define RESTORE	16u
#define INSPECT	32u
#define CPU_MODELS	64u

static const char default_append[] = "console=ttyS0";
static const char virtio_append[] = "console=hvc0";

static int set_device(struct options *options, const char *value)
{
	options->device = value;
	return 0;
}

static int set_kernel(struct options *options, const char *value)
{
	options->kernel = value;
	return 0;
}

static int set_initrd(struct options *options, const char *value)
{
	options->initrd = value;
	return 0;
}

static int set_append(struct options *options, const char *value)
{
	options->append = value;
	return 0;
}

static int set_entry(struct options *options, const char *value)
{
	static const char *const names[] = {
		[BOOT_AUTO] = "auto", [BOOT_LINUX] = "linux", [BOOT_MULTIBOOT] = "multiboot", [BOOT_PVH] = "pvh",
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(value, names[i])) {
			options->entry = i;
			return 0;
		}
	}
	return status_fail(STATUS_USAGE, "--entry %s: must be auto, linux, pvh or multiboot", value);
}

static int set_firmware(struct options *options, const char *value)
{
	options->firmware = value;
	return *value ? 0 : status_fail(STATUS_USAGE, "--firmware: seabios, ovmf, or the path of an image");
}

static int set_firmware_vars(struct options *options, const char *value)
{
	options->firmware_vars = value;
	return *value ? 0 : status_fail(STATUS_USAGE, "--firmware-vars: the path of a file");
}

static int set_reset(struct options *options, const char *value)
{
	options->reboots = !strcmp(value, "reboot");
	if (options->reboots || !strcmp(value, "exit"))
		return 0;
	return status_fail(STATUS_USAGE, "--reset %s: must be exit or reboot", value);
}

static int set_status_json(struct options *options, const char *value)
{
	options->status_json = value;
	return 0;
}

static int set_cpus(struct options *options, const char *value)
{
	uint64_t cpus;

	if (!size_parse(value, &cpus))
		return status_fail(STATUS_USAGE,
				   "--cpus %s: not a number; 1 to %d vCPUs can be had", value,
				   OPTIONS_CPUS_MAX);
	if (!cpus || cpus > OPTIONS_CPUS_MAX)
		return status_fail(STATUS_USAGE, "--cpus %s: must be 1 to %d", value,
				   OPTIONS_CPUS_MAX);
	options->cpus = (unsigned int)cpus;
	return 0;
}

static int set_cpu_model(struct options *options, const char *value)
{
	char why[CPU_MODEL_WORD_MAX + 200];

	if (cpu_model_parse(&options->cpu_model, value, why, sizeof(why)))
		return 0;
	return status_fail(STATUS_USAGE, "--cpu-model %s: %s", value, why);
}

static int set_memory(struct options *options, const char *value)
{
	uint64_t size;

	if (!size_parse(value, &size))
		return status_fail(STATUS_USAGE,
				   "--memory %s: not a size (a number with K, M, G or T)", value);
	/* A number alone is bytes; other launchers take it for megabytes. */
	if (size < OPTIONS_MEMORY_MIN && strspn(value, "0123456789") == strlen(value))
		return status_fail(STATUS_USAGE,
				   "--memory %s: that is bytes, and 16M is the least; "
				   "for megabytes write %sM",
				   value, value);
	if (size < OPTIONS_MEMORY_MIN || size > OPTIONS_MEMORY_MAX || size & 0xfff)
		return status_fail(STATUS_USAGE,
				   "--memory %s: must be 16M to 1T and a multiple of 4K", value);
	options->memory = size;
	return 0;
}

static int set_memory_backing(struct options *options, const char *value)
{
	return memory_options_backing(&options->memory_backing, value);
}

static int set_balloon(struct options *options, const char *value)
{
	return memory_options_balloon(&options->balloon, value);
}

static int set_disk(struct options *options, const char *value)
{
	static const struct {
		const char *suffix;
		enum virtio_blk_use use;
	} uses[] = {
		{ ",rw", VIRTIO_BLK_WRITTEN },
		{ ",ro", VIRTIO_BLK_READ },
		{ ",snapshot", VIRTIO_BLK_SNAPSHOT },
	};
	enum virtio_blk_use use = VIRTIO_BLK_WRITTEN;
	size_t length = strlen(value);

	for (size_t i = 0; i < ARRAY_SIZE(uses); i++) {
		size_t tail = strlen(uses[i].suffix);

		if (length >= tail && !strcmp(value + length - tail, uses[i].suffix)) {
			use = uses[i].use;
			length -= tail;
			break;
		}
	}
	if (!length)
		return status_fail(STATUS_USAGE, "--disk %s: no file named", value);
	if (options->disk_count == OPTIONS_DISKS_MAX)
		return status_fail(STATUS_USAGE, "--disk %s: at most %d disks", value,
				   OPTIONS_DISKS_MAX);
	char *path = strndup(value, length);

	if (!path)
		return status_fail(STATUS_HOST, "out of memory");
	options->disks[options->disk_count++] = (struct disk_options){ path, use };
	return 0;
}

/* "0000:00:02.0" or "00:02.0" */
static int set_vfio(struct options *options, const char *value)
{
	unsigned int domain = 0, bus, slot, function;
	int end = 0;

	if (options->vfio_count == VFIO_DEVICES_MAX)
		return status_fail(STATUS_USAGE, "--vfio %s: at most %d devices", value, VFIO_DEVICES_MAX);
	if (sscanf(value, "%6x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &end) != 4 || value[end]) {
		domain = 0;
		end = 0;
		if (sscanf(value, "%2x:%2x.%1x%n", &bus, &slot, &function, &end) != 3 || value[end])
			end = 0;
	}
	if (!end || slot > 31 || function > 7 || strspn(value, "0123456789abcdefABCDEF:.") != strlen(value))
		return status_fail(STATUS_USAGE, "--vfio %s: not a PCI address, as 0000:00:02.0 (lspci -D lists them)", value);

	char *to = options->vfio[options->vfio_count];

	snprintf(to, VFIO_ADDRESS_SIZE, "%04x:%02x:%02x.%x", domain, bus, slot, function);
	for (unsigned int i = 0; i < options->vfio_count; i++)
		if (!strcmp(options->vfio[i], to))
			return status_fail(STATUS_USAGE, "--vfio %s: given twice", value);
	options->vfio_count++;
	return 0;
}

static int set_net(struct options *options, const char *value)
{
	if (options->net_count == NET_DEVICES_MAX)
		return status_fail(STATUS_USAGE, "--net %s: at most %d network devices", value, NET_DEVICES_MAX);
	return net_options_parse(&options->nets[options->net_count++], value);
}

static int set_share(struct options *options, const char *value)
{
	return share_options_add(options->shares, &options->share_count, value);
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

static int set_console(struct options *options, const char *value)
{
	options->virtio_console = !strcmp(value, "virtio");
	if (options->virtio_console || !strcmp(value, "serial"))
		return 0;
	return status_fail(STATUS_USAGE, "--console %s: must be serial or virtio", value);
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

static int set_no_rng(struct options *options, const char *value)
{
	(void)value;
	options->rng = false;
	return 0;
}

static int set_watchdog(struct options *options, const char *value)
{
	(void)value;
	options->watchdog = true;
	return 0;
}

static int set_no_sandbox(struct options *options, const char *value)
{
	(void)value;
	options->sandbox = false;
	return 0;
}

static int set_stats(struct options *options, const char *value)
{
	(void)value;
	options->stats = true;
	return 0;
}

static int set_json(struct options *options, const char *value)
{
	(void)value;
	options->json = true;
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

static int set_pid_file(struct options *options, const char *value)
{
	options->pid_file = value;
	return 0;
}

static int set_daemon(struct options *options, const char *value)
{
	(void)value;
	options->daemon = true;
	return 0;
}

static int set_diff(struct options *options, const char *value)
{
	(void)value;
	options->diff = true;
	return 0;
}

static const struct option_row rows[] = {
	{ "device", RUN | DMA | CPU_MODELS | RESTORE, true, false, set_device },
	{ "kernel", RUN, true, false, set_kernel },
	{ "initrd", RUN, true, false, set_initrd },
	{ "append", RUN, true, false, set_append },
	{ "entry", RUN, true, false, set_entry },
	{ "firmware", RUN, true, false, set_firmware },
	{ "firmware-vars", RUN, true, false, set_firmware_vars },
	{ "reset", RUN, true, false, set_reset },
	{ "cpus", RUN, true, false, set_cpus },
	{ "cpu-model", RUN, true, false, set_cpu_model },
	{ "memory", RUN, true, false, set_memory },
	{ "memory", RESTORE, true, false, set_load },
	{ "memory-backing", RUN | RESTORE, true, false, set_memory_backing },
	{ "balloon", RUN, true, false, set_balloon },
	{ "disk", RUN | RESTORE, true, true, set_disk },
	{ "net", RUN | CTL, true, true, set_net },
	{ "share", RUN, true, true, set_share },
	{ "vfio", RUN, true, true, set_vfio },
	{ "dma", RUN | RESTORE, true, false, set_dma },
	{ "gdb", RUN, true, false, set_gdb },
	{ "console", RUN, true, false, set_console },
	{ "watchdog", RUN, false, true, set_watchdog },
	{ "no-rng", RUN, false, true, set_no_rng },
	{ "no-sandbox", RUN | RESTORE, false, true, set_no_sandbox },
	{ "stats", RUN | RESTORE, false, true, set_stats },
	{ "status-json", RUN | RESTORE | CTL, true, false, set_status_json },
	{ "json", DMA | CPU_MODELS | CTL | LIST | INSPECT, false, true, set_json },
	{ "diff", INSPECT, false, true, set_diff },
	{ "forkable", RUN | RESTORE, false, true, set_forkable },
	{ "markable", RUN | RESTORE, false, true, set_markable },
	{ "control", RUN | RESTORE | CTL, true, false, set_control },
	{ "name", RUN | RESTORE | CTL, true, false, set_name },
	{ "serial", CTL, true, false, set_serial },
	{ "paused", CTL, false, true, set_paused },
	{ "wait", CTL, false, true, set_wait },
	{ "to-mark", CTL, false, true, set_to_mark },
	{ "same", CTL, false, true, set_same },
	{ "track", CTL, false, true, set_track },
	{ "incremental", CTL, true, false, set_incremental },
	{ "status", CTL, false, false, set_status },
	{ "cancel", CTL, false, false, set_cancel },
	{ "take-back", CTL, false, false, set_take_back },
	{ "listen", RESTORE, true, false, set_listen },
	{ "config", RUN, true, false, set_config },
	{ "daemon", RUN | RESTORE, false, true, set_daemon },
	{ "pid-file", RUN | RESTORE, true, false, set_pid_file },
};

_Static_assert(ARRAY_SIZE(rows) <= 64, "parser.seen has a bit for each");

/* One command's arguments on their way into @options. */
struct parser {
	struct options *options;
	const char *name;	/* of the command */
	unsigned int command;
	uint64_t seen;		/* rows, by bits */
	int index;		/* of the last argument used */
	int argc;
	char **argv;
};

static const struct option_row *find_row(const struct parser *p, const char *name, size_t length)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if ((rows[i].commands & p->command) && strlen(rows[i].name) == length && !memcmp(rows[i].name, name, length))
			return &rows[i];
	return NULL;
}

static int set_value(struct parser *p, const struct option_row *row, const char *equals)
{
	if (equals)
		return row->set(p->options, equals + 1);
	if (p->index + 1 >= p->argc)
		return status_fail(STATUS_USAGE, "option --%s needs a value", row->name);

	const char *value = p->argv[++p->index];

	if (!strncmp(value, "--", 2) && find_row(p, value + 2, strcspn(value + 2, "=")))
		return status_fail(STATUS_USAGE,
				   "option --%s needs a value, and %s is an option "
				   "(--%s=%s if that is meant)",
				   row->name, value, row->name, value);
	return row->set(p->options, value);
}

static int parse_one(struct parser *p)
{
	const char *argument = p->argv[p->index];

	if (argument[0] != '-' && p->command == CTL && !p->options->request) {
		if (p->options->target)
			p->options->request = argument;
		else
			p->options->target = argument;
		return 0;
	}
	if (argument[0] != '-' && p->command & (RESTORE | INSPECT | CTL) &&
	    p->options->file_count < ARRAY_SIZE(p->options->files)) {
		p->options->files[p->options->file_count++] = argument;
		return 0;
	}
	if (argument[0] != '-')
		return status_fail(STATUS_USAGE, "unexpected argument '%s'%s", argument,
				   p->command == RUN ? "; files are named by options, as --kernel FILE" : "");
	if (argument[1] != '-' || !argument[2])
		return status_fail(STATUS_USAGE, "unknown option '%s'; there are only long ones, see 'keel %s --help'",
				   argument, p->name);

	const char *name = argument + 2;
	const char *equals = strchr(name, '=');
	size_t length = equals ? (size_t)(equals - name) : strlen(name);
	const struct option_row *row = find_row(p, name, length);

	if (!row)
		return status_fail(STATUS_USAGE, "unknown option '--%.*s'; see 'keel %s --help'", (int)length, name, p->name);
	if (p->seen & 1ULL << (row - rows) && !row->is_repeatable)
		return status_fail(STATUS_USAGE, "option --%s given twice", row->name);
	p->seen |= 1ULL << (row - rows);
	if (row->has_value)
		return set_value(p, row, equals);
	if (equals)
		return status_fail(STATUS_USAGE, "option --%s takes no value", row->name);
	return row->set(p->options, NULL);
}

/* All of them, until one asks for help. */
static int parse_all(struct parser *p, bool *help)
{
	for (p->index = 2; p->index < p->argc; p->index++) {
		const char *argument = p->argv[p->index];

		*help = !strcmp(argument, "--help") || !strcmp(argument, "-h");
		if (*help)
			return 0;
		int ret = parse_one(p);

		if (ret)
			return ret;
	}
	return 0;
}

/* A kernel, or firmware that finds one. */
static int check_start(const struct options *options)
{
	const struct {
		const char *name, *value;
	} others[] = {
		{ "kernel", options->kernel }, { "initrd", options->initrd }, { "append", options->append == default_append ? NULL : options->append },
		{ "entry", options->entry == BOOT_AUTO ? NULL : "" },
	};

	if (options->reboots && !options->firmware)
		return status_fail(STATUS_USAGE, "--reset reboot: needs --firmware, which starts the guest again; start keel again at exit status 8");
	if (options->reboots && (options->vfio_count || options->gdb))
		return status_fail(STATUS_USAGE, "--reset reboot: not together with --%s", options->gdb ? "gdb" : "vfio");
	if (options->firmware_vars && (!options->firmware || !strcmp(options->firmware, "seabios")))
		return status_fail(STATUS_USAGE, "--firmware-vars: goes with firmware that keeps variables in a flash: --firmware ovmf, or an image's file");
	if (!options->firmware)
		return options->kernel ? 0 : status_fail(STATUS_USAGE, "option --kernel is required: --kernel FILE (or --firmware "
							 "seabios or ovmf, which boot from a disk)");
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (others[i].value)
			return status_fail(STATUS_USAGE, "--firmware and --%s: firmware boots from a disk; one of them, please",
					   others[i].name);
	return 0;
}

static int parse_run(struct parser *p, enum options_action *action)
{
	bool help = false;
	int ret = parse_all(p, &help);

	*action = help ? OPTIONS_HELP_RUN : OPTIONS_RUN;
	if (!ret && !help && p->options->config) {
		const struct config config = {
			.rows = rows, .count = ARRAY_SIZE(rows), .commands = RUN, .seen = p->seen,
		};

		ret = config_apply(p->options, p->options->config, &config);
	}
	if (!ret && !help)
		ret = check_start(p->options);
	if (p->options->virtio_console && p->options->append == default_append)
		p->options->append = virtio_append;
	if (!ret && !help)
		ret = fork_options_check(p->options);
	if (!ret && !help)
		ret = mark_options_check(p->options);
	return ret || help ? ret : memory_options_check(p->options);
}

static int parse_dma(struct parser *p, enum options_action *action)
{
	bool help = false;
	int ret = parse_all(p, &help);

	*action = help ? OPTIONS_HELP_DMA : OPTIONS_DMA;
	return ret;
}

static int parse_cpu_models(struct parser *p, enum options_action *action)
{
	bool help = false;
	int ret = parse_all(p, &help);

	*action = help ? OPTIONS_HELP_CPU_MODELS : OPTIONS_CPU_MODELS;
	return ret;
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

/* What stands behind the command. */
static int check_ctl(struct options *options)
{
	bool is_save = !strcmp(options->request, "save"), is_balloon = !strcmp(options->request, "balloon");
	bool is_migrate = !strcmp(options->request, "migrate");

	if (strcmp(options->request, "fork") && has_fork_option(options))
		return status_fail(STATUS_USAGE, "--control, --name, --serial, --paused, --wait, --net and --status-json go with fork: keel ctl NAME fork --name CHILD");
	if (options->is_same && !options->to_mark)
		return status_fail(STATUS_USAGE, "--same goes with --to-mark: keel ctl NAME reset --to-mark --same");
	if (options->to_mark && strcmp(options->request, "reset"))
		return status_fail(STATUS_USAGE, "--to-mark goes with reset: keel ctl NAME reset --to-mark");
	for (unsigned int i = 0; i < options->net_count; i++)
		if (options->nets[i].kind != NET_USER || options->nets[i].has_mac)
			return status_fail(STATUS_USAGE, "fork: --net user alone can be had, and its address is a random one");
	if (options->control && options->name)
		return status_fail(STATUS_USAGE, "fork: --control or --name, not both");
	if ((options->is_tracked || options->base) && !is_save)
		return status_fail(STATUS_USAGE, "--track and --incremental go with save: keel ctl NAME save FILE --track");
	if (options->is_tracked && options->base)
		return status_fail(STATUS_USAGE, "save: --track for a file that has all of the machine, --incremental BASE for one that stands on it");
	if (options->migration && !is_migrate)
		return status_fail(STATUS_USAGE, "--status, --cancel and --take-back go with migrate: keel ctl NAME migrate --status");
	if (options->file_count != (is_save || is_balloon || (is_migrate && !options->migration)))
		return status_fail(STATUS_USAGE, is_save ? "save needs one file: keel ctl NAME save FILE" :
				   is_migrate && !options->migration ? "migrate needs an address: keel ctl NAME migrate unix:PATH" :
				   is_balloon ? "balloon needs a size: keel ctl NAME balloon SIZE" : "unexpected argument '%s'",
				   options->files[0]);
	if (is_migrate && !options->migration)
		return check_address(options->files[0]);
	if (!is_balloon)
		return 0;
	options->file_count = 0;
	if (!size_parse(options->files[0], &options->size))
		return status_fail(STATUS_USAGE, "balloon %s: not a size (a number with K, M, G or T)", options->files[0]);
	return 0;
}

static int parse_ctl(struct parser *p, enum options_action *action)
{
	bool help = false;
	int ret = parse_all(p, &help);

	*action = help ? OPTIONS_HELP_CTL : OPTIONS_CTL;
	if (ret || help)
		return ret;
	if (p->options->request)
		return check_ctl(p->options);
	return status_fail(STATUS_USAGE, "%s; as in: keel ctl NAME status", p->options->target ? "no command" : "no machine");
}

static int parse_list(struct parser *p, enum options_action *action)
{
	bool help = false;
	int ret = parse_all(p, &help);

	*action = help ? OPTIONS_HELP_LIST : OPTIONS_LIST;
	return ret;
}

static int parse_restore(struct parser *p, enum options_action *action)
{
	bool help = false;
	int ret = parse_all(p, &help);

	*action = help ? OPTIONS_HELP_RESTORE : OPTIONS_RESTORE;
	if (ret || help)
		return ret;
	if (p->options->file_count != !p->options->listen)
		return status_fail(STATUS_USAGE, p->options->listen ? "keel restore: a file or --listen, not both" :
				   "keel restore needs one file: a saved machine (or --listen ADDRESS)");
	if (p->options->load && p->options->listen)
		return status_fail(STATUS_USAGE, "--memory: what comes from another launcher (--listen) comes as a whole");
	ret = fork_options_check(p->options);
	return ret ? ret : mark_options_check(p->options);
}

static int parse_inspect(struct parser *p, enum options_action *action)
{
	bool help = false;
	int ret = parse_all(p, &help);

	*action = help ? OPTIONS_HELP_INSPECT : OPTIONS_INSPECT;
	if (ret || help)
		return ret;
	if (p->options->diff && p->options->json)
		return status_fail(STATUS_USAGE, "--diff has no --json");
	if (p->options->file_count == (p->options->diff ? 2 : 1))
		return 0;
	return status_fail(STATUS_USAGE, p->options->diff ? "keel inspect --diff needs two files" :
			   "keel inspect needs one file: a saved machine");
}

int options_parse(struct options *options, enum options_action *action, int argc, char **argv)
{
	*options = (struct options){
		.device = "/dev/keel",
		.append = default_append,
		.memory = 256ULL << 20,
		.cpus = 1,
		.rng = true,
		.sandbox = true,
	};
	if (argc < 2)
		return status_fail(STATUS_USAGE, "no command; try 'keel --help'");
	if (!strcmp(argv[1], "help") && argc > 2)
		return help_find(argv[2], action);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		*action = OPTIONS_HELP;
		return 0;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		*action = OPTIONS_VERSION;
		return 0;
	}

	struct parser p = { .options = options, .name = argv[1], .argc = argc, .argv = argv };

	if (!strcmp(argv[1], "run")) {
		p.command = RUN;
		return parse_run(&p, action);
	}
	if (!strcmp(argv[1], "dma")) {
		p.command = DMA;
		return parse_dma(&p, action);
	}
	if (!strcmp(argv[1], "cpu-models")) {
		p.command = CPU_MODELS;
		return parse_cpu_models(&p, action);
	}
	if (!strcmp(argv[1], "ctl")) {
		p.command = CTL;
		return parse_ctl(&p, action);
	}
	if (!strcmp(argv[1], "list")) {
		p.command = LIST;
		return parse_list(&p, action);
	}
	if (!strcmp(argv[1], "restore")) {
		p.command = RESTORE;
		return parse_restore(&p, action);
	}
	if (!strcmp(argv[1], "inspect")) {
		p.command = INSPECT;
		return parse_inspect(&p, action);
	}
	return status_fail(STATUS_USAGE, "unknown command '%s'; try 'keel --help'", argv[1]);
}

void options_free(struct options *options)
{
	for (unsigned int i = 0; i < options->disk_count; i++)
		free(options->disks[i].path);
	options->disk_count = 0;
	share_options_free(options->shares, &options->share_count);
	config_free(options->config_text);
	options->config_text = NULL;
	free(options->gdb);
	options->gdb = NULL;
}

static const char run_help[] =
	"Usage: keel run --kernel FILE [OPTION]...\n"
	"       keel run --firmware seabios|ovmf|FILE --disk FILE [OPTION]...\n"
	"Boot a Linux kernel, or a disk by its own boot loader, in a virtual machine, its serial port\n"
	"on the terminal.\n"
	"\n"
	"  --kernel FILE        bzImage, vmlinux (ELF), or an ELF kernel with PVH or Multiboot entry\n"
	"  --initrd FILE        initial RAM disk\n"
	"  --append STRING      kernel command line (console=ttyS0; with --console virtio: console=hvc0)\n"
	"  --entry PROTOCOL     how the kernel is entered: linux, pvh or multiboot (auto: by its headers)\n"
	"  --firmware NAME      in place of a kernel: seabios, ovmf, or the file of a firmware image;\n"
	"                       see 'keel help firmware'\n"
	"  --firmware-vars FILE what UEFI firmware keeps, made if it is not there\n"
	"  --reset ACTION       what the guest's reset does: exit, or with firmware: reboot (exit)\n"
	"  --cpus N             virtual CPUs, 1 to 254 (1)\n"
	"  --cpu-model MODEL[,+FEATURE|,-FEATURE]...\n"
	"                       what they are: host (all that this host has) or, for a guest that\n"
	"                       is to go on elsewhere, x86-64-v2 and the like, or a file; see\n"
	"                       'keel help cpu' (host)\n"
	"  --memory SIZE        guest memory, with K, M, G or T (256M)\n"
	"  --memory-backing KIND[,KIND]\n"
	"                       what the host takes it from: see 'keel help memory'\n"
	"  --balloon WORD[,WORD]...\n"
	"                       give memory back to the host: size=SIZE that is asked for,\n"
	"                       deflate_on_oom=on|off (on), free_page_reporting=on|off (on)\n"
	"  --disk FILE[,ro|,snapshot]\n"
	"                       virtio disk, raw image or block device, or with ,ro or ,snapshot a qcow2\n"
	"                       image; up to 16 times; a snapshot keeps what is written in memory, and\n"
	"                       forgets it in the end\n"
	"  --net BACKEND        virtio network device: tap=NAME (vhost-net where it can be had),\n"
	"                       user (passt, no privilege) or vhost-user=SOCKET; up to 4 times;\n"
	"                       see 'keel help net'\n"
	"  --share DIR[,tag=TAG][,readonly]\n"
	"                       a directory that the guest mounts (mount -t virtiofs TAG /mnt), by\n"
	"                       virtiofsd; up to 8 times; see 'keel help share'\n"
	"  --vfio ADDRESS       give the guest a PCI device of the host, which VFIO must have:\n"
	"                       0000:00:02.0; up to 8 times\n"
	"  --device NODE        device node with KVM's interface (/dev/keel)\n"
	"  --dma POLICY         while a device of the host reaches all memory: report it in the\n"
	"                       kernel's log, or enforce: do not start (off)\n"
	"  --gdb SOCKET[,wait]  serve a debugger at a Unix socket or tcp:[ADDRESS:]PORT; with wait\n"
	"                       the guest starts when it says so; see 'keel help gdb'\n"
	"  --console KIND       what the terminal is for the guest: serial (a serial port) or virtio\n"
	"                       (a virtio console, hvc0) (serial)\n"
	"  --watchdog           end the run if the guest does not feed its i6300esb in time\n"
	"  --no-rng             no virtio entropy device\n"
	"  --no-sandbox         do not filter the launcher's own system calls\n"
	"  --stats              print what the module counted, in the end and at SIGUSR2\n"
	"  --status-json FILE   write how the run ended to FILE, one line of JSON\n"
	"  --control SOCKET     take commands of 'keel ctl' there; see 'keel help control'\n"
	"  --name NAME          the same, where 'keel ctl NAME' and 'keel list' look for it\n"
	"  --config FILE        more options, as JSON; see 'keel help config'\n"
	"  --daemon             go to the background once the guest runs\n"
	"  --forkable           let 'keel ctl fork' make more machines of this one while it runs;\n"
	"                       see 'keel help fork'\n"
	"  --markable           let 'keel ctl mark' and 'reset --to-mark' take it back in time; see\n"
	"                       'keel help mark'\n"
	"  --pid-file FILE      write the process's number there, as long as it runs\n"
	"  --help               this text\n"
	"\n"
	"Console: Ctrl-A x ends the guest, Ctrl-A b sends a break, Ctrl-A a sends Ctrl-A,\n"
	"Ctrl-A h lists these keys. SIGTERM presses the guest's power button; a second\n"
	"one ends it.\n";

static const char dma_help[] =
	"Usage: keel dma [OPTION]...\n"
	"Show which PCI device of this host reaches which memory, and what to do about those\n"
	"that reach all of it.\n"
	"\n"
	"  --json               one line of JSON in place of the table\n"
	"  --device NODE        Keel's device node (/dev/keel)\n"
	"  --help               this text\n";

void options_help(FILE *out, enum options_action action)
{
	if (action == OPTIONS_HELP_RUN) {
		fputs(run_help, out);
	} else if (action == OPTIONS_HELP_DMA) {
		fputs(dma_help, out);
	} else if (!help_print(out, action)) {
		fputs("Usage: keel run --kernel FILE | --firmware seabios|ovmf|FILE [OPTION]...\n"
		      "       keel ctl [--json] SOCKET|NAME COMMAND [FILE|SIZE|ADDRESS|OPTION...]\n"
		      "       keel list [--json]\n"
		      "       keel restore FILE | --listen ADDRESS [OPTION]...\n"
		      "       keel inspect FILE [--json] | --diff FILE FILE\n"
		      "       keel dma [--json]\n"
		      "       keel cpu-models [--json]\n"
		      "       keel help run|ctl|list|restore|inspect|dma|cpu-models|cpu|memory|net|share|config|control|fork|mark|migrate|gdb|firmware\n"
		      "       keel --help | --version\n"
		      "Run virtual machines on Keel (/dev/keel) or KVM (/dev/kvm), speak to those that run,\n"
		      "and show which device of this host reaches which memory.\n", out);
	}
	fputs("\nExit status:\n", out);
	status_list(out);
}
