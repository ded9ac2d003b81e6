// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a migration does with the guest: has it stand, gathers what it has written, slows it down, and lets go of its disks.
 */
#include <stdlib.h>
#include <string.h>

#include "dirty.h"
#include "hold.h"
#include "machine.h"
#include "migrate.h"
#include "migrate_guest.h"
#include "pause.h"
#include "state.h"
#include "thread.h"

void migrate_slow(struct machine *machine)
{
	struct migration *migration = &machine->migration;
	bool is_slowed = !migration->is_held && pace_holds(&migration->pace, thread_now());

	if (is_slowed == migration->is_slowed)
		return;
	/* One that does not come is not waited for again. */
	if (is_slowed)
		is_slowed = pause_vcpus(&machine->vm, machine->vcpus, machine->vcpu_count, VM_HOLD_SLOW);
	else
		vm_release(&machine->vm, VM_HOLD_SLOW);
	migration->is_slowed = is_slowed;
}

void migrate_stop_slowing(struct machine *machine)
{
	machine->migration.pace.slow = 0;
	machine->migration.pace.is_held = false;
	if (machine->migration.is_slowed)
		vm_release(&machine->vm, VM_HOLD_SLOW);
	machine->migration.is_slowed = false;
}

bool migrate_hold(struct machine *machine)
{
	struct migration *migration = &machine->migration;

	migration->is_held = hold_machine(machine, VM_HOLD_MIGRATE, HOLD_MS, &migration->holding, migration->error);
	return migration->is_held;
}

void migrate_release(struct machine *machine)
{
	struct migration *migration = &machine->migration;

	if (migration->is_held)
		hold_end(machine, VM_HOLD_MIGRATE);
	migration->is_held = false;
}

/* They may be there, if the last one could not be ended in order. Without them nothing is watched, nor ended (migrate_forget()). */
static bool make_room(struct migration *migration, struct memory *memory)
{
	uint64_t *written = memory->written;

	if (!migration->log)
		migration->log = calloc(dirty_words(memory), sizeof(uint64_t));
	if (!migration->pages)
		migration->pages = calloc(dirty_words(memory), sizeof(uint64_t));
	if (!memory->written)
		memory->written = calloc(dirty_words(memory), sizeof(uint64_t));
	if (memory->written && migration->log && migration->pages)
		return true;
	free(migration->log);
	free(migration->pages);
	migration->log = NULL;
	migration->pages = NULL;
	if (!written)
		free(memory->written);
	memory->written = written;
	return state_refuse(migration->error, "out of memory");
}

/* All that is written from now on is known. The guest stands. */
bool migrate_watch(struct machine *machine)
{
	struct migration *migration = &machine->migration;

	if (!make_room(migration, &machine->vm.memory))
		return false;
	/* It takes what they would have. */
	track_end(machine);

	int ret = dirty_watch(&machine->vm, true);

	return !ret || state_refuse(migration->error, "no log of the guest's writes: %s", strerror(-ret));
}

/* A page that is logged costs the guest a fault each time: it runs, and that ends here in any case. */
static void end_log(struct machine *machine)
{
	int ret = dirty_watch(&machine->vm, false);

	if (ret)
		status_warn("the guest stays slower than it was, as the kernel cannot end the log of what it writes: %s", strerror(-ret));
}

/* Somebody may be about to say what he writes, unless all stand. What he sets a bit in is kept then, for the next migration. */
void migrate_forget(struct machine *machine)
{
	struct migration *migration = &machine->migration;

	if (!migration->log)
		return;
	end_log(machine);
	if (!migration->is_held)
		migration->is_held = hold_machine(machine, VM_HOLD_MIGRATE, HOLD_SLICE_MS, NULL, migration->error);
	if (!migration->is_held)
		return;
	free(machine->vm.memory.written);
	machine->vm.memory.written = NULL;
	free(migration->log);
	free(migration->pages);
	migration->log = NULL;
	migration->pages = NULL;
}

/* What was written since the last time goes into migration->pages. The guest stands in the end. */
bool migrate_gather(struct machine *machine, uint64_t *count)
{
	struct migration *migration = &machine->migration;

	if (!migrate_hold(machine) || !dirty_gather(&machine->vm, migration->log, migration->error))
		return false;
	*count = dirty_take(&machine->vm, migration->pages);
	return true;
}

/* ---- disks ---- */

static void unlock_disks(struct machine *machine)
{
	for (unsigned int i = 0; i < machine->disk_count; i++)
		virtio_blk_give_up(&machine->disks[i]);
}

bool migrate_check_disks(struct machine *machine)
{
	for (unsigned int i = 0; i < machine->disk_count; i++)
		if (virtio_blk_has_own_process(&machine->disks[i]))
			return state_refuse(machine->migration.error, "--disk %s is a qcow2 image that a process of this machine writes, and stays here: "
					    "exported by qemu-nbd --shared=2 --persistent, and named (nbd:...) at both ends, it can be had",
					    machine->disks[i].path);
	return true;
}

bool migrate_give_disks_up(struct machine *machine)
{
	struct migration *migration = &machine->migration;

	for (unsigned int i = 0; i < machine->disk_count; i++) {
		const char *wrong = machine->disks[i].use == VIRTIO_BLK_WRITTEN ? virtio_blk_write_out(&machine->disks[i]) : NULL;

		if (wrong)
			return state_refuse(migration->error, "--disk %s: cannot be written out: %s", machine->disks[i].path, wrong);
	}
	migration->has_unlocked = true;
	unlock_disks(machine);
	return true;
}

bool migrate_take_disks_back(struct machine *machine, struct state_error *error)
{
	struct migration *migration = &machine->migration;

	for (unsigned int i = 0; migration->has_unlocked && i < machine->disk_count; i++) {
		if (virtio_blk_take_back(&machine->disks[i])) {
			unlock_disks(machine);
			return state_refuse(error, "--disk %s is in use by another process: whoever has it may run the guest", machine->disks[i].path);
		}
	}
	migration->has_unlocked = false;
	return true;
}
