// SPDX-License-Identifier: GPL-2.0-only
/*
 * Command-line parsing.
 *
 * Long options only, as `--name value` or `--name=value`. One table row per
 * option names its handler; a handler gets the value and says what is wrong
 * with it. The rows are where their handlers are: guest_options.c,
 * device_options.c, run_options.c and ctl_options.c. Nothing here touches the
 * system, so all of it is unit-tested.
 */
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "ctl_options.h"
#include "fork_options.h"
#include "guest_options.h"
#include "help.h"
#include "mark.h"
#include "memory_options.h"
#include "option_row.h"
#include "options.h"
#include "status.h"

static const struct option_table *const tables[] = {
	&guest_option_table, &device_option_table, &run_option_table, &ctl_option_table, NULL,
};

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

static int set_value(struct parser *p, const struct option_row *row, const char *equals)
{
	if (equals)
		return row->set(p->options, equals + 1);
	if (p->index + 1 >= p->argc)
		return status_fail(STATUS_USAGE, "option --%s needs a value", row->name);

	const char *value = p->argv[++p->index];

	if (!strncmp(value, "--", 2) && option_find(tables, p->command, value + 2, strcspn(value + 2, "="), NULL))
		return status_fail(STATUS_USAGE,
				   "option --%s needs a value, and %s is an option "
				   "(--%s=%s if that is meant)",
				   row->name, value, row->name, value);
	return row->set(p->options, value);
}

static int parse_one(struct parser *p)
{
	const char *argument = p->argv[p->index];

	if (argument[0] != '-' && p->command == OF_CTL && !p->options->request) {
		if (p->options->target)
			p->options->request = argument;
		else
			p->options->target = argument;
		return 0;
	}
	if (argument[0] != '-' && p->command & (OF_RESTORE | OF_INSPECT | OF_CTL) &&
	    p->options->file_count < ARRAY_SIZE(p->options->files)) {
		p->options->files[p->options->file_count++] = argument;
		return 0;
	}
	if (argument[0] != '-')
		return status_fail(STATUS_USAGE, "unexpected argument '%s'%s", argument,
				   p->command == OF_RUN ? "; files are named by options, as --kernel FILE" : "");
	if (argument[1] != '-' || !argument[2])
		return status_fail(STATUS_USAGE, "unknown option '%s'; there are only long ones, see 'keel %s --help'",
				   argument, p->name);

	const char *name = argument + 2;
	const char *equals = strchr(name, '=');
	size_t length = equals ? (size_t)(equals - name) : strlen(name);
	unsigned int index;
	const struct option_row *row = option_find(tables, p->command, name, length, &index);

	if (!row)
		return status_fail(STATUS_USAGE, "unknown option '--%.*s'; see 'keel %s --help'", (int)length, name, p->name);
	if (p->seen & 1ULL << index && !row->is_repeatable)
		return status_fail(STATUS_USAGE, "option --%s given twice", row->name);
	p->seen |= 1ULL << index;
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

static int parse_run(struct parser *p, enum options_action *action)
{
	bool help = false;
	int ret = parse_all(p, &help);

	*action = help ? OPTIONS_HELP_RUN : OPTIONS_RUN;
	if (!ret && !help && p->options->config) {
		const struct config config = { .tables = tables, .commands = OF_RUN, .seen = p->seen };

		ret = config_apply(p->options, p->options->config, &config);
	}
	if (!ret && !help)
		ret = guest_options_check(p->options);
	guest_options_finish(p->options);
	if (!ret && !help)
		ret = fork_options_check(p->options);
	if (!ret && !help)
		ret = mark_options_check(p->options);
	if (!ret && !help)
		ret = jail_options_check(p->options);
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

static int parse_ctl(struct parser *p, enum options_action *action)
{
	bool help = false;
	int ret = parse_all(p, &help);

	*action = help ? OPTIONS_HELP_CTL : OPTIONS_CTL;
	if (ret || help)
		return ret;
	if (p->options->request)
		return ctl_options_check(p->options);
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
	if (!ret)
		ret = jail_options_check(p->options);
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

static const struct {
	const char *name;
	enum option_command command;
	int (*parse)(struct parser *p, enum options_action *action);
} commands[] = {
	{ "run", OF_RUN, parse_run },
	{ "dma", OF_DMA, parse_dma },
	{ "cpu-models", OF_CPU_MODELS, parse_cpu_models },
	{ "ctl", OF_CTL, parse_ctl },
	{ "list", OF_LIST, parse_list },
	{ "restore", OF_RESTORE, parse_restore },
	{ "inspect", OF_INSPECT, parse_inspect },
};

int options_parse(struct options *options, enum options_action *action, int argc, char **argv)
{
	*options = (struct options){
		.device = "/dev/keel",
		.append = guest_append,
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

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		struct parser p = { .options = options, .name = argv[1], .command = commands[i].command, .argc = argc, .argv = argv };

		if (!strcmp(argv[1], commands[i].name))
			return commands[i].parse(&p, action);
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
	jail_options_free(&options->jail);
	free(options->gdb);
	options->gdb = NULL;
}
