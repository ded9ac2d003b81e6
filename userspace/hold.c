// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices first. A disk takes as long for a request as the host likes, for ever if what it lies on is hung, and no guest
 * has to stand for that: it runs until all devices are between two requests, and finds those that are there already a
 * little slow. vCPUs come out in no time then, as no device keeps its lock while it is held. If one device does not come
 * to its end in time all go on, and whoever wanted the machine to stand hears which one it was.
 */
#include <stdio.h>

#include "hold.h"
#include "machine.h"
#include "pause.h"
#include "state_format.h"
#include "state_memory.h"

#define NAME_SHOWN	120	/* bytes of a path, or what else a device is named by */

void hold_name(struct machine *machine, const struct virtio_device *device, char *name, size_t size)
{
	for (unsigned int i = 0; i < machine->disk_count; i++) {
		if (device == &machine->disks[i].device) {
			snprintf(name, size, "--disk %.*s", NAME_SHOWN, machine->disks[i].path);
			return;
		}
	}
	for (unsigned int i = 0; i < machine->net_count; i++) {
		if (device == &machine->nets[i].net.device) {
			snprintf(name, size, "--net %.*s", NAME_SHOWN, machine->nets[i].net.backend->name);
			return;
		}
	}
	for (unsigned int i = 0; i < machine->share_count; i++) {
		if (device == &machine->shares[i].fs.device) {
			snprintf(name, size, "%.*s", NAME_SHOWN, machine->shares[i].name);
			return;
		}
	}
	snprintf(name, size, "%s", device == &machine->rng ? "the entropy device" : device == &machine->balloon.device ? "the balloon" :
		 device == &machine->mem.device ? "the memory device" :
		 "the virtio console");
}

static void release(struct machine *machine, unsigned int count)
{
	while (count)
		virtio_release(machine_virtio(machine, --count));
}

/* Return: false with @error if @device is not to be waited for any longer. */
static bool wait_on(struct machine *machine, const struct virtio_device *device, unsigned int waited, unsigned int ms,
		    const struct state_memory_watch *watch, struct state_error *error)
{
	char name[HOLD_NAME];

	if (vm_is_stopping(&machine->vm))
		return state_refuse(error, "the machine is about to end");
	if (watch && watch->progress && !watch->progress(watch->argument, 0, 0))
		return state_refuse(error, "given up");
	if (waited < ms)
		return true;
	hold_name(machine, device, name, sizeof(name));
	return state_refuse(error, "a request of %s has not come back from the host in %u seconds; the guest goes on: try again when it has", name, ms / 1000);
}

bool hold_virtio(struct machine *machine, unsigned int ms, const struct state_memory_watch *watch, struct state_error *error)
{
	unsigned int held = 0, waited = 0;
	struct virtio_device *device;

	while ((device = machine_virtio(machine, held))) {
		if (virtio_hold(device, HOLD_SLICE_MS)) {
			held++;
			continue;
		}
		waited += HOLD_SLICE_MS;
		if (!wait_on(machine, device, waited, ms, watch, error)) {
			release(machine, held);
			return false;
		}
	}
	return true;
}

void hold_end_virtio(struct machine *machine)
{
	unsigned int count = 0;

	while (machine_virtio(machine, count))
		count++;
	release(machine, count);
}

bool hold_machine(struct machine *machine, unsigned int why, unsigned int ms, const struct state_memory_watch *watch,
		  struct state_error *error)
{
	if (!hold_virtio(machine, ms, watch, error))
		return false;
	if (!pause_vcpus(&machine->vm, machine->vcpus, machine->vcpu_count, why)) {
		hold_end_virtio(machine);
		return state_refuse(error, "a vCPU cannot leave what it does: most likely standard output does not take what the guest prints; "
				    "read it, or quit");
	}
	if (!vm_is_attached(&machine->vm))
		return true;
	hold_end(machine, why);
	return state_refuse(error, "a debugger is connected, whose breakpoints are in the guest's memory: let it detach first");
}

void hold_end(struct machine *machine, unsigned int why)
{
	hold_end_virtio(machine);
	vm_release(&machine->vm, why);
}
