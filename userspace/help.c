// SPDX-License-Identifier: GPL-2.0-only
/*
 * A row a subject; the texts are in help_commands.c and help_subjects.c.
 */
#include <string.h>

#include "help.h"
#include "help_text.h"
#include "status.h"

static const struct subject {
	const char *name;
	enum options_action action;
	const char *text;
} subjects[] = {
	{ "run", OPTIONS_HELP_RUN, help_run },
	{ "ctl", OPTIONS_HELP_CTL, help_ctl },
	{ "list", OPTIONS_HELP_LIST, help_list },
	{ "restore", OPTIONS_HELP_RESTORE, help_restore },
	{ "inspect", OPTIONS_HELP_INSPECT, help_inspect },
	{ "dma", OPTIONS_HELP_DMA, help_dma },
	{ "cpu-models", OPTIONS_HELP_CPU_MODELS, help_cpu_models },
	{ "cpu", OPTIONS_HELP_CPU, help_cpu },
	{ "memory", OPTIONS_HELP_MEMORY, help_memory },
	{ "net", OPTIONS_HELP_NET, help_net },
	{ "share", OPTIONS_HELP_SHARE, help_share },
	{ "config", OPTIONS_HELP_CONFIG, help_config },
	{ "control", OPTIONS_HELP_CONTROL, help_control },
	{ "fork", OPTIONS_HELP_FORK, help_fork },
	{ "mark", OPTIONS_HELP_MARK, help_mark },
	{ "migrate", OPTIONS_HELP_MIGRATE, help_migrate },
	{ "gdb", OPTIONS_HELP_GDB, help_gdb },
	{ "firmware", OPTIONS_HELP_FIRMWARE, help_firmware },
	{ "jail", OPTIONS_HELP_JAIL, help_jail },
};

int help_find(const char *subject, enum options_action *action)
{
	for (size_t i = 0; i < ARRAY_SIZE(subjects); i++) {
		if (!strcmp(subject, subjects[i].name)) {
			*action = subjects[i].action;
			return 0;
		}
	}
	return status_fail(STATUS_USAGE, "no help on '%s'; there is some on run, ctl, list, restore, inspect, dma, cpu-models, cpu, memory, net, share, config, control, fork, mark, migrate, gdb, firmware and jail", subject);
}

static const char general[] =
	"Usage: keel run --kernel FILE | --firmware seabios|ovmf|FILE [OPTION]...\n"
	"       keel ctl [--json] SOCKET|NAME COMMAND [FILE|SIZE|ADDRESS|OPTION...]\n"
	"       keel list [--json]\n"
	"       keel restore FILE | --listen ADDRESS [OPTION]...\n"
	"       keel inspect FILE [--json] | --diff FILE FILE\n"
	"       keel dma [--json]\n"
	"       keel cpu-models [--json]\n"
	"       keel help run|ctl|list|restore|inspect|dma|cpu-models|cpu|memory|net|share|config|control|fork|mark|migrate|gdb|firmware|jail\n"
	"       keel --help | --version\n"
	"Run virtual machines on Keel (/dev/keel) or KVM (/dev/kvm), speak to those that run,\n"
	"and show which device of this host reaches which memory.\n";

void help_print(FILE *out, enum options_action action)
{
	const char *text = general;

	for (size_t i = 0; i < ARRAY_SIZE(subjects); i++)
		if (subjects[i].action == action)
			text = subjects[i].text;
	fputs(text, out);
	fputs("\nExit status:\n", out);
	status_list(out);
}
