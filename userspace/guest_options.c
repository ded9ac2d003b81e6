// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the guest is and how it starts: kernel or firmware, CPUs and memory.
 */
#include <string.h>

#include "guest_options.h"
#include "option_row.h"
#include "options.h"
#include "size.h"
#include "status.h"

const char guest_append[] = "console=ttyS0";
static const char virtio_append[] = "console=hvc0";

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
	return memory_options_size(options, value);
}

static int set_memory_backing(struct options *options, const char *value)
{
	return memory_options_backing(&options->memory_backing, value);
}

static int set_balloon(struct options *options, const char *value)
{
	return memory_options_balloon(&options->balloon, value);
}

int guest_options_check(const struct options *options)
{
	const struct {
		const char *name, *value;
	} others[] = {
		{ "kernel", options->kernel }, { "initrd", options->initrd }, { "append", options->append == guest_append ? NULL : options->append },
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

void guest_options_finish(struct options *options)
{
	if (options->virtio_console && options->append == guest_append)
		options->append = virtio_append;
}

static const struct option_row rows[] = {
	{ "kernel", OF_RUN, true, false, set_kernel },
	{ "initrd", OF_RUN, true, false, set_initrd },
	{ "append", OF_RUN, true, false, set_append },
	{ "entry", OF_RUN, true, false, set_entry },
	{ "firmware", OF_RUN, true, false, set_firmware },
	{ "firmware-vars", OF_RUN, true, false, set_firmware_vars },
	{ "reset", OF_RUN, true, false, set_reset },
	{ "cpus", OF_RUN, true, false, set_cpus },
	{ "cpu-model", OF_RUN, true, false, set_cpu_model },
	{ "memory", OF_RUN, true, false, set_memory },
	{ "memory-backing", OF_RUN | OF_RESTORE, true, false, set_memory_backing },
	{ "balloon", OF_RUN, true, false, set_balloon },
};

const struct option_table guest_option_table = { rows, ARRAY_SIZE(rows) };
