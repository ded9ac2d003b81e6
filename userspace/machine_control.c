// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a machine shows of itself outside: its control socket, its pid file.
 */
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>

#include "hold.h"
#include "machine.h"
#include "machine_control.h"
#include "put_off.h"
#include "runtime.h"
#include "state.h"

static int write_pid(const char *path)
{
	int ret = runtime_write_pid(path);

	if (!ret)
		snprintf(runtime_files()->pid_file, PATH_MAX, "%s", path);
	return ret;
}

static int listen_for_clients(struct machine *machine, const struct options *options)
{
	char path[PATH_MAX];
	int ret = 0;

	if (options->control)
		snprintf(path, sizeof(path), "%s", options->control);
	else
		ret = runtime_make_socket(options->name, path);
	if (ret)
		return ret;
	machine->control.listener = control_open(path);
	if (machine->control.listener < 0)
		return STATUS_USAGE;
	strcpy(runtime_files()->socket, path);
	return 0;
}

int machine_open_control(struct machine *machine, const struct options *options)
{
	bool has_socket = options->control || options->name;
	int ret = 0;

	machine->control.listener = -1;
	/* None of them is there without its name among those that are removed in the end. */
	put_off_end();
	if (options->pid_file)
		ret = write_pid(options->pid_file);
	if (!ret && has_socket)
		ret = listen_for_clients(machine, options);
	put_off_no_longer();
	if (ret || !has_socket)
		return ret;
	/* A client may ask for them; an old module has none. */
	return machine->stats.count || !vm_has(&machine->vm, KVM_CAP_BINARY_STATS_FD) ? 0 : machine_open_stats(machine);
}

int machine_start_control(struct machine *machine, const struct options *options)
{
	struct control *control = &machine->control;
	int ret;

	if (control->listener < 0)
		return 0;
	control->vm = &machine->vm;
	control->vcpus = machine->vcpus;
	control->vcpu_count = machine->vcpu_count;
	control->power = &machine->power;
	control->stats = &machine->stats;
	control->name = options->name;
	control->generation = &machine->generation;
	control->parent = &machine->forking.parent;
	control->balloon = machine->balloon.device.class ? &machine->balloon : NULL;
	control->mem = machine->mem.device.class ? &machine->mem : NULL;
	control->nets = machine->nets;
	control->net_count = machine->net_count;
	control->memory = options->memory;
	control->machine = machine;
	control->hold = hold_machine;
	control->let_go = hold_end;
	control->is_restored = machine->saved && !machine->arrival;
	control->why_whole = control->is_restored && *machine->saved->why ? machine->saved->why : NULL;
	control->fill = machine->fill.is_open ? &machine->fill : NULL;
	control->fill_up = fill_wait;
	control->save = state_write_order;
	control->mark = machine->mark ? mark_set : NULL;
	control->to_mark = machine->mark ? mark_return : NULL;
	control->migration = &machine->migration;
	control->migrate = migrate_run;
	control->take_back = migrate_take_back;
	control->leave = migrate_leave;
	control->fork = machine->forking.is_possible ? fork_ask : NULL;
	ret = control_start(control);
	if (ret)
		return status_fail(STATUS_HOST, "cannot start the control thread: %s", strerror(ret));
	return 0;
}
