// SPDX-License-Identifier: GPL-2.0-only
/*
 * What was saved is given to the new machine in the order of Documentation/stream.rst.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cpuid.h"
#include "machine.h"
#include "state.h"
#include "state_lazy.h"
#include "state_machine.h"

/* It comes as it is touched. */
static bool begin_memory(struct machine *machine, struct state_file *file, struct state_error *error)
{
	struct state_lazy *lazy = file->lazy;

	file->lazy = NULL;
	return fill_open(&machine->fill, &machine->vm, file->path, lazy, error);
}

/* Of one on its way all else comes with it. */
static bool load_own(struct machine *machine, struct state_file *file, struct state_error *error)
{
	struct state_unpacker *unpacker = state_unpacker_new();
	struct state_section section;
	const uint8_t *payload;
	bool is_given = unpacker || state_refuse(error, "out of memory");

	if (!file->seen)
		state_rewind(&file->reader);
	while (is_given && state_next(&file->reader, &section, &payload, error)) {
		is_given = !file->seen || state_image_section(&file->image, file->seen, &section, payload, error);
		if (is_given && !strcmp(section.name, STATE_MEMORY))
			is_given = state_memory_load(&machine->vm.memory, unpacker, &section, payload, error);
	}
	state_unpacker_free(unpacker);
	return is_given && !error->text[0] && (!file->seen || state_image_complete(&file->image, file->seen, error));
}

/* What a file has stands on what its base has. */
static bool load_memory(struct machine *machine, struct state_file *file, struct state_error *error)
{
	struct state_error inner = { "" };

	if (!file->base || load_memory(machine, file->base, &inner))
		return load_own(machine, file, error);
	return state_refuse_base(error, file->base->path, &inner);
}

static bool give_memory(struct machine *machine, struct state_file *file, struct state_error *error)
{
	return file->lazy ? begin_memory(machine, file, error) : load_memory(machine, file, error);
}

static bool check_disk(const struct virtio_blk *disk, const struct state_virtio *state, struct state_error *error)
{
	if (disk->size != state->size)
		return state_refuse(error, "--disk %s: has %llu bytes, and the saved one has %llu", disk->path,
				    (unsigned long long)disk->size, (unsigned long long)state->size);
	if (disk->is_readonly != state->is_readonly)
		return state_refuse(error, "--disk %s: the saved one is %s", disk->path,
				    state->is_readonly ? "for reading alone: ,ro behind the name" : "written to");
	return true;
}

static bool check_disks(const struct machine *machine, const struct state_image *image, struct state_error *error)
{
	for (unsigned int i = 0; i < machine->disk_count; i++)
		if (!check_disk(&machine->disks[i], &image->disks[i], error))
			return false;
	return true;
}

static bool give_virtio(struct machine *machine, const struct state_image *image, struct state_error *error)
{
	for (unsigned int i = 0; i < machine->disk_count; i++)
		if (!check_disk(&machine->disks[i], &image->disks[i], error) ||
		    !state_virtio_give(&machine->disks[i].device, &machine->pci, &image->disks[i], error))
			return false;
	if (image->machine.has_rng && !state_virtio_give(&machine->rng, &machine->pci, &image->rng, error))
		return false;
	if (image->machine.has_balloon && !state_balloon_give(&machine->balloon, &machine->pci, &image->balloon, error))
		return false;
	if (image->machine.pluggable && !state_mem_give(&machine->mem, &machine->pci, &image->mem, error))
		return false;
	return !image->machine.has_console || state_console_give(&machine->virtio_console, &machine->pci, &image->console, error);
}

static bool give_devices(struct machine *machine, const struct state_image *image, struct state_error *error)
{
	const struct state_board_devices board = state_board_of(machine);

	return give_virtio(machine, image, error) && state_board_give(&board, &image->board, error);
}

bool state_devices_put(struct machine *machine, const struct state_image *image, struct state_error *error)
{
	const struct state_board_devices board = state_board_of(machine);

	return give_virtio(machine, image, error) && state_board_put(&board, &image->board, error);
}

static bool check_cpus(struct machine *machine, const struct state_image *image, struct state_error *error)
{
	struct kvm_cpuid2 *supported = cpuid_get_supported(&machine->vm);
	bool is_good = supported || state_refuse(error, "cannot read the supported CPUID: %s", strerror(errno));
	uint64_t capabilities = cpuid_arch_capabilities(&machine->vm);

	for (unsigned int i = 0; is_good && i < machine->vcpu_count; i++)
		is_good = state_cpu_check(&image->vcpus[i], supported, capabilities, error);
	free(supported);
	return is_good;
}

static bool give_vcpus(struct machine *machine, const struct state_image *image, struct state_error *error)
{
	for (unsigned int i = 0; i < machine->vcpu_count; i++)
		if (!state_vcpu_give(&machine->vcpus[i], &image->vcpus[i], &image->vcpus[0], error))
			return false;
	return true;
}

/* Who saved it may go on, or be restored again; who has moved is the same one. */
static bool give_identity(struct machine *machine, const struct state_file *file, struct state_error *error)
{
	int ret = file->seen ? 0 : generation_change(&machine->generation);

	if (file->seen)
		generation_keep(&machine->generation, file->image.machine.generation);
	return !ret || state_refuse(error, "no random number for the machine's generation ID: %s", strerror(-ret));
}

/* What is known of a machine before its memory comes need not be learned when hours have gone by. */
static bool check_head(struct machine *machine, struct state_file *file, struct state_error *error)
{
	return check_cpus(machine, &file->image, error) &&
	       (!file->seen || (check_disks(machine, &file->image, error) && file->go_on(file->argument, error)));
}

static bool give_all(struct machine *machine, struct state_file *file, struct state_error *error)
{
	const struct state_image *image = &file->image;

	if (!check_head(machine, file, error) || !give_memory(machine, file, error) ||
	    (file->seen && !check_cpus(machine, image, error)) ||
	    !give_devices(machine, image, error) || !state_chips_give(&machine->vm, &image->chips, error))
		return false;
	state_lines_give(&machine->vm, &image->board);
	return give_vcpus(machine, image, error) && give_identity(machine, file, error);
}

int state_give(struct machine *machine, struct state_file *file)
{
	struct state_error error = { "" }, filling = { "" };
	bool is_given = give_all(machine, file, &error);

	/* What could not be read is why what needed it was refused. */
	if (!fill_rest(&machine->fill, &filling)) {
		error = filling;
		is_given = false;
	}
	if (is_given)
		return 0;
	return status_fail(STATUS_STATE, "%s: %s", file->path, error.text);
}
