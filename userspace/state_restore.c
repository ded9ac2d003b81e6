// SPDX-License-Identifier: GPL-2.0-only
/*
 * A machine out of a file: looked at as a whole before anything is made of it,
 * and given to the new machine in the order of Documentation/stream.rst.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpuid.h"
#include "faults.h"
#include "machine.h"
#include "state.h"
#include "state_lazy.h"
#include "state_machine.h"

static int open_file(struct state_file *file, const char *path, struct state_error *error)
{
	file->path = path;
	file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (file->fd < 0)
		return status_fail(STATUS_STATE, "%s: cannot open it: %s", path, strerror(errno));
	if (!state_open(&file->reader, file->fd, error))
		return status_fail(STATUS_STATE, "%s: %s", path, error->text);
	return 0;
}

static int read_whole(struct state_file *file)
{
	struct state_error error = { "" };

	state_rewind(&file->reader);
	if (!state_image_read(&file->image, &file->reader, &error))
		return status_fail(STATUS_STATE, "%s: %s", file->path, error.text);
	return 0;
}

int state_file_open(struct state_file *file, const char *path)
{
	struct state_error error = { "" };
	int ret = open_file(file, path, &error);

	return ret ? ret : read_whole(file);
}

int state_file_open_lazy(struct state_file *file, const char *path)
{
	struct state_error error = { "" };
	int ret = open_file(file, path, &error);

	if (ret)
		return ret;
	if (faults_why_not(file->why, sizeof(file->why)))
		return read_whole(file);
	file->lazy = state_lazy_open(&file->reader, &file->image, &error);
	if (error.text[0])
		return status_fail(STATUS_STATE, "%s: %s", path, error.text);
	if (file->lazy)
		return 0;
	snprintf(file->why, sizeof(file->why), "the file has no index of its memory: an older keel has written it");
	return read_whole(file);
}

int state_file_hear(struct state_file *file, int fd, const char *name)
{
	struct state_error error = { "" };

	file->path = name;
	file->fd = -1;
	file->seen = state_seen_new();
	if (!file->seen)
		return status_fail(STATUS_HOST, "out of memory");
	if (!state_open_connection(&file->reader, fd, &error) ||
	    !state_image_read_head(&file->image, file->seen, &file->reader, &error))
		return status_fail(STATUS_STATE, "%s: %s", name, error.text);
	return 0;
}

void state_file_close(struct state_file *file)
{
	if (!file->path)
		return;
	free(file->seen);
	file->seen = NULL;
	state_image_free(&file->image);
	state_lazy_free(file->lazy);
	file->lazy = NULL;
	state_close(&file->reader);
	if (file->fd >= 0)
		close(file->fd);
	file->path = NULL;
}

/* It comes as it is touched. */
static bool begin_memory(struct machine *machine, struct state_file *file, struct state_error *error)
{
	struct state_lazy *lazy = file->lazy;

	file->lazy = NULL;
	return fill_open(&machine->fill, &machine->vm, file->path, lazy, error);
}

/* Of one on its way all else comes with it. */
static bool load_memory(struct machine *machine, struct state_file *file, struct state_error *error)
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

	for (unsigned int i = 0; is_good && i < machine->vcpu_count; i++)
		is_good = state_cpuid_check(&image->vcpus[i], supported, error);
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
