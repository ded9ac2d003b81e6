// SPDX-License-Identifier: GPL-2.0-only
/*
 * A machine into a stream.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "machine.h"
#include "state.h"
#include "state_index.h"
#include "state_machine.h"

static void take_machine(const struct machine *machine, struct state_machine *state)
{
	const struct memory *memory = &machine->vm.memory;

	*state = (struct state_machine){
		.cpus = machine->vcpu_count,
		.memory = memory->size,
		.pluggable = memory->pluggable,
		.disks = machine->disk_count,
		.has_rng = machine->rng.class,
		.has_balloon = machine->balloon.device.class,
		.has_console = machine->virtio_console.device.class,
		.has_generation = machine->generation.page,
		.saved_at = (uint64_t)time(NULL),
		.slot_count = memory->count,
	};
	memcpy(state->slots, memory->regions, sizeof(state->slots));
	if (machine->generation.page)
		memcpy(state->generation, machine->generation.page, sizeof(state->generation));
}

/* A device whose state no section holds: it would come back without it. */
static bool check_devices(const struct machine *machine, struct state_error *error)
{
	for (unsigned int slot = 0; slot < PCI_SLOTS && machine->pci.devices[slot]; slot++) {
		const struct pci_device *device = machine->pci.devices[slot];
		bool is_known = device == &machine->pci.bridge || device == &machine->rng.pci ||
				device == &machine->balloon.device.pci || device == &machine->mem.device.pci ||
				device == &machine->virtio_console.device.pci;

		for (unsigned int i = 0; i < machine->disk_count; i++)
			is_known |= device == &machine->disks[i].device.pci;
		if (!is_known)
			return state_refuse(error, "the device in slot %u (%04x:%04x) cannot be saved", slot,
					    pci_get(device, 0, 2), pci_get(device, 2, 2));
	}
	return true;
}

/* No section holds its image, nor what it has asked for. A path may be no UTF-8, as answers of the control socket are. */
static bool check_firmware(const struct machine *machine, struct state_error *error)
{
	return !machine->firmware.name ||
	       state_refuse(error, "a machine with firmware (--firmware) cannot be saved");
}

/* What was written is nowhere but in this process. */
static bool check_disks(const struct machine *machine, struct state_error *error)
{
	for (unsigned int i = 0; i < machine->disk_count; i++)
		if (machine->disks[i].use == VIRTIO_BLK_SNAPSHOT)
			return state_refuse(error, "a machine with a disk that is a snapshot (--disk %s,snapshot) cannot be saved", machine->disks[i].path);
	return true;
}

/* What of it the guest has open only virtiofsd knows. */
static bool check_shares(const struct machine *machine, struct state_error *error)
{
	return !machine->share_count || state_refuse(error, "a machine with a shared directory (--share) cannot be saved");
}

static void take_devices(struct machine *machine, struct state_image *image)
{
	const struct state_board_devices board = state_board_of(machine);

	for (unsigned int i = 0; i < machine->disk_count; i++) {
		state_virtio_take(&machine->disks[i].device, &machine->pci, &image->disks[i]);
		image->disks[i].size = machine->disks[i].size;
		image->disks[i].is_readonly = machine->disks[i].is_readonly;
	}
	if (machine->rng.class)
		state_virtio_take(&machine->rng, &machine->pci, &image->rng);
	if (machine->balloon.device.class)
		state_balloon_take(&machine->balloon, &machine->pci, &image->balloon);
	if (machine->mem.device.class)
		state_mem_take(&machine->mem, &machine->pci, &image->mem);
	if (machine->virtio_console.device.class)
		state_console_take(&machine->virtio_console, &machine->pci, &image->console);
	state_board_take(&board, &image->board);
}

static bool take_vcpus(struct machine *machine, struct state_image *image, struct state_error *error)
{
	for (unsigned int i = 0; i < machine->vcpu_count; i++)
		if (!state_vcpu_take(&machine->vcpus[i], &image->vcpus[i], error))
			return false;
	return true;
}

void state_retire_virtio(struct machine *machine)
{
	struct virtio_device *device;

	for (unsigned int i = 0; (device = machine_virtio(machine, i)); i++)
		virtio_retire(device);
}

void state_hold(struct machine *machine)
{
	const struct state_board_devices board = state_board_of(machine);

	state_board_hold(&board);
}

void state_release(struct machine *machine)
{
	const struct state_board_devices board = state_board_of(machine);

	state_board_release(&board);
}

bool state_devices_take(struct machine *machine, struct state_image *image, struct state_error *error)
{
	take_machine(machine, &image->machine);
	if (!check_devices(machine, error))
		return false;
	take_devices(machine, image);
	return true;
}

/*
 * The board is held meanwhile: what raises an interrupt line and the interrupt controller that has it raised must be of
 * the same moment. The interrupt controllers before the local APICs, which they would tell.
 */
static bool take(struct machine *machine, struct state_image *image, struct state_error *error)
{
	const struct state_board_devices board = state_board_of(machine);

	state_board_hold(&board);
	take_devices(machine, image);

	bool is_taken = state_chips_take(&machine->vm, &image->chips, error) && take_vcpus(machine, image, error);

	state_board_release(&board);
	return is_taken;
}

/* @pages: NULL: all */
static bool write_image(struct machine *machine, const struct state_image *image, const uint64_t *pages, struct state_writer *writer,
			struct state_error *error)
{
	return state_image_write(image, writer, error) && state_kin_write(&image->kin, writer, error) &&
	       state_memory_write_some(&machine->vm.memory, pages, writer, writer->watch, error) && state_index_write(writer, error);
}

static bool write_file(struct machine *machine, const struct state_image *image, const uint64_t *pages, int fd, struct state_order *order,
		       const struct state_memory_watch *watch, struct state_error *error)
{
	struct state_index index = { 0 };
	struct state_writer writer;
	bool is_written = state_begin(&writer, fd, watch, error);

	writer.index = &index;
	is_written = is_written && write_image(machine, image, pages, &writer, error);
	order->saved = image->kin.own;
	order->saved.sum = writer.small_sum;
	order->pages = writer.pages;
	is_written = is_written && state_end(&writer, error);
	state_index_free(&index);
	return is_written;
}

bool state_check(const struct machine *machine, struct state_error *error)
{
	return check_firmware(machine, error) && check_disks(machine, error) && check_shares(machine, error) && check_devices(machine, error);
}

bool state_take(struct machine *machine, struct state_image *image, struct state_error *error)
{
	take_machine(machine, &image->machine);
	return state_image_allocate(image, error) && take(machine, image, error);
}

static bool take_kin(struct state_kin *kin, const struct state_order *order, struct state_error *error)
{
	kin->has_own = true;
	kin->has_base = order->base;
	if (order->base)
		kin->base = *order->base;
	return state_identity_new(&kin->own, error);
}

/* The machine is held. */
static bool write_held(struct machine *machine, struct state_image *image, int fd, struct state_order *order,
		       const struct state_memory_watch *watch, struct state_error *error)
{
	const struct state_identity *base = order->base ? &order->base->identity : NULL;
	const uint64_t *pages = base ? track_gather(machine, base, error) : NULL;

	if ((base && !pages) || (order->is_tracked && !base && !track_begin(machine, error)))
		return false;
	if (!take_kin(&image->kin, order, error) || !state_take(machine, image, error) ||
	    !write_file(machine, image, pages, fd, order, watch, error)) {
		track_give_up(machine);
		return false;
	}
	if (base || order->is_tracked)
		track_saved(machine, &order->saved, base);
	return true;
}

bool state_write_order(struct machine *machine, int fd, struct state_order *order, const struct state_memory_watch *watch,
		       struct state_error *error)
{
	struct state_image *image = calloc(1, sizeof(*image));

	if (!image)
		return state_refuse(error, "out of memory");

	bool is_written = state_check(machine, error) && write_held(machine, image, fd, order, watch, error);

	state_image_free(image);
	free(image);
	return is_written;
}

bool state_write(struct machine *machine, int fd, const struct state_memory_watch *watch, struct state_error *error)
{
	return state_write_order(machine, fd, &(struct state_order){ .is_tracked = false }, watch, error);
}
