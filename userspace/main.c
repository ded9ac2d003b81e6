// SPDX-License-Identifier: GPL-2.0-only
/*
 * keel: the launcher. Parses the command line, runs one machine, and turns the
 * way it ended into a line on stderr, an exit status and, if asked for, a line
 * of JSON. Or shows which device reaches which memory, or what is in a saved
 * machine.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "arrive.h"
#include "cpu_models.h"
#include "ctl.h"
#include "dma.h"
#include "files.h"
#include "help.h"
#include "inspect.h"
#include "jail.h"
#include "machine.h"
#include "memory_options.h"
#include "ready.h"
#include "report.h"
#include "state.h"

static struct machine machine;

/*
 * Whoever starts us may have closed standard input, output or error. The next
 * files opened would get their numbers, and the guest's output be written into
 * a report, or signals typed into the guest.
 */
static void occupy_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

static int run(const struct options *options)
{
	int status = files_check(options);

	if (status)
		return status;
	if (options->daemon) {
		status = ready_detach();
		if (status >= 0)
			return status;
	}
	status = jail_start(&options->jail, options->daemon);
	if (status)
		return status;
	status = machine_run(&machine, options);
	if (status && machine.is_started)
		status_fail((enum status)status, "%s", machine.vm.reason);
	/* A machine that could not be built has a report too. */
	if (options->status_json && !machine.is_started && !report_get() && status != STATUS_USAGE)
		report_open(options->status_json);
	return report_write((enum status)status, machine.vm.reason, machine.stats_json);
}

/* What a host can lack for it is in file->why; what of it speaks against it is so as well. */
static int open_saved(struct state_file *file, const struct options *options)
{
	const char *path = options->files[0];
	int status;

	if (options->load == OPTIONS_LOAD_EAGER)
		return state_file_open(file, path);
	if (options->memory_backing & (MEMORY_HUGETLB | MEMORY_SHARED)) {
		snprintf(file->why, sizeof(file->why), "not with --memory-backing %s", options->memory_backing & MEMORY_HUGETLB ? "hugetlb" : "shared");
		status = state_file_open(file, path);
	} else {
		status = state_file_open_lazy(file, path);
	}
	if (!status && *file->why && options->load == OPTIONS_LOAD_LAZY)
		status_warn("--memory lazy: %s; all of it is read first", file->why);
	return status;
}

/* A machine as it was saved, or as it comes, in place of one that boots. */
static int restore(struct options *options)
{
	static struct state_file file;
	static struct arrival arrival;
	int status = options->listen ? arrive_open(&arrival, &file, options->listen) : open_saved(&file, options);

	if (!status && options->disk_count != file.image.machine.disks)
		status = status_fail(STATUS_STATE, "%s: has %u disks, and --disk is there %u times", file.path,
				     file.image.machine.disks, options->disk_count);
	if (!status) {
		options->cpus = file.image.machine.cpus;
		options->memory = file.image.machine.memory;
		options->pluggable = file.image.machine.pluggable;
		options->rng = file.image.machine.has_rng;
		options->balloon = (struct balloon_options){ file.image.machine.has_balloon, true, true, 0 };
		options->virtio_console = file.image.machine.has_console;
		machine.saved = &file;
		machine.arrival = options->listen ? &arrival : NULL;
		status = memory_options_check(options);
	}
	if (!status)
		status = run(options);
	if (options->listen)
		arrive_close(&arrival, status_last());
	state_file_close(&file);
	return status;
}

/* What was asked for is printed, or its loss is told. */
static int flush_output(void)
{
	if (!fflush(stdout) && !ferror(stdout))
		return STATUS_OK;
	return status_fail(STATUS_HOST, "cannot write to standard output: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	struct options options;
	enum options_action action;

	occupy_streams();
	int status = options_parse(&options, &action, argc, argv);

	if (!status) {
		switch (action) {
		case OPTIONS_RUN:
			status = run(&options);
			break;
		case OPTIONS_DMA:
			status = dma_show(&options);
			if (!status)
				status = flush_output();
			break;
		case OPTIONS_CPU_MODELS:
			status = cpu_models_show(&options);
			if (!status)
				status = flush_output();
			break;
		case OPTIONS_CTL:
			status = ctl_run(&options);
			if (!status)
				status = flush_output();
			break;
		case OPTIONS_LIST:
			status = ctl_list(&options);
			if (!status)
				status = flush_output();
			break;
		case OPTIONS_RESTORE:
			status = restore(&options);
			break;
		case OPTIONS_INSPECT:
			status = inspect_run(&options);
			if (status <= STATUS_REFUSED && flush_output())
				status = STATUS_HOST;
			break;
		case OPTIONS_VERSION:
			puts("keel " KEEL_VERSION);
			status = flush_output();
			break;
		default:
			help_print(stdout, action);
			status = flush_output();
			break;
		}
	}
	options_free(&options);
	return status;
}
