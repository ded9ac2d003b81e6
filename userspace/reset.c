// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reset line of a PC goes to all of it but memory, the clock's time and the clock's memory. Here: each device is told, the
 * interrupt controllers, the timer and the vCPUs are given what they were before the first instruction, and the
 * firmware's copy below 1 MB is made anew, which the guest may have written.
 *
 * All vCPUs stand outside the guest meanwhile, so nobody but the host can reach a device: a disk may still finish a
 * request, into memory that the guest gave it, as a real one may; the reset waits for that, and signals do not.
 */
#include <stdlib.h>
#include <string.h>

#include "hold.h"
#include "machine.h"
#include "pause.h"
#include "reset.h"
#include "restarts.h"
#include "state_chips.h"
#include "state_format.h"
#include "state_vcpu.h"

struct reset_image {
	bool has_told;			/* what this reset waits for */
	struct restarts restarts;
	struct state_chips chips;
	uint8_t config[PCI_SLOTS][PCI_CONFIG_SIZE];
	struct state_vcpu vcpus[];
};

int reset_prepare(struct machine *machine)
{
	struct reset_image *image = calloc(1, sizeof(*image) + machine->vcpu_count * sizeof(image->vcpus[0]));
	struct state_error error = { "" };
	bool is_taken = image || state_refuse(&error, "out of memory");

	machine->power_on = image;
	is_taken = is_taken && state_chips_take(&machine->vm, &image->chips, &error);
	for (unsigned int i = 0; is_taken && i < machine->vcpu_count; i++)
		is_taken = state_vcpu_take(&machine->vcpus[i], &image->vcpus[i], &error);
	if (!is_taken)
		return status_fail(STATUS_CREATE, "--reset reboot: %s", error.text);
	for (unsigned int slot = 0; slot < PCI_SLOTS && machine->pci.devices[slot]; slot++)
		memcpy(image->config[slot], machine->pci.devices[slot]->config, PCI_CONFIG_SIZE);
	restarts_begin(&image->restarts);
	machine->vm.reboots = true;
	return 0;
}

/* Once a reset: the machine stands until the host has done it, or somebody ends it. */
static void tell_busy(struct machine *machine, const struct virtio_device *device)
{
	char name[HOLD_NAME];

	if (machine->power_on->has_told)
		return;
	hold_name(machine, device, name, sizeof(name));
	status_warn("the reset waits for a request of %s, which the host has not done yet", name);
	machine->power_on->has_told = true;
}

/* Return: false if one is busy. Those before it are reset then, and will be again: no vCPU can reach them meanwhile. */
static bool reset_virtio(struct machine *machine)
{
	struct virtio_device *device;

	for (unsigned int i = 0; (device = machine_virtio(machine, i)); i++) {
		if (!virtio_reset(device)) {
			tell_busy(machine, device);
			return false;
		}
	}
	machine->power_on->has_told = false;
	return true;
}

static void reset_board(struct machine *machine)
{
	const struct reset_image *image = machine->power_on;

	if (machine->watchdog.timer > 0)
		watchdog_reset(&machine->watchdog);
	if (machine->mem.device.class)
		virtio_mem_unplug_all(&machine->mem);
	for (unsigned int slot = 0; slot < PCI_SLOTS && machine->pci.devices[slot]; slot++)
		pci_restore(&machine->pci, machine->pci.devices[slot], image->config[slot]);
	pci_set_address(&machine->pci, 0);
	serial_reset(&machine->serial);
	rtc_reset(&machine->rtc);
	power_reset(&machine->power);
	fw_cfg_reset(&machine->firmware.config);
	variables_reset(&machine->firmware.variables);
	firmware_shadow(&machine->firmware, &machine->vm.memory);
}

static bool reset_machine(struct machine *machine, struct state_error *error)
{
	struct reset_image *image = machine->power_on;
	bool is_reset;

	reset_board(machine);
	is_reset = state_chips_give(&machine->vm, &image->chips, error);
	for (unsigned int i = 0; is_reset && i < machine->vcpu_count; i++)
		is_reset = state_vcpu_reset(&machine->vcpus[i], &image->vcpus[i], error);
	restarts_begin(&image->restarts);
	return is_reset;
}

void reset_serve(struct machine *machine)
{
	struct state_error error = { "" };
	struct vm *vm = &machine->vm;
	struct vm_reset reset;

	if (machine->is_button_pressed) {
		vm_stop(vm, STATUS_RESET, "the guest asked for a reset, after SIGTERM had pressed its power button");
		return;
	}
	/* Its console waits for a reader, or a disk for the host: the event stays readable. */
	vm_hold(vm, VM_HOLD_RESET);
	if (!pause_wait(vm, machine->vcpus, machine->vcpu_count) || !reset_virtio(machine))
		return;
	if (vm_take_reset(vm, &reset) &&
	    restarts_go_on(&machine->power_on->restarts, vm, &reset, atomic_exchange(&machine->console.has_printed, false)) &&
	    !reset_machine(machine, &error))
		vm_stop(vm, STATUS_RESET, "the guest asked for a reset, and cannot be started again: %s", error.text);
	vm_release(vm, VM_HOLD_RESET);
}

void reset_free(struct machine *machine)
{
	free(machine->power_on);
	machine->power_on = NULL;
}
