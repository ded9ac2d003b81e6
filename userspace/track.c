// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages go from memory.written, where the kernel's log and the launcher's own writes are gathered, to "since", and stay there until a file that has them is
 * whole on this side. On the other side it may still be lost: a full disk, a rename that fails. Then the file before it is the base again, and what was
 * written from that on is known as well.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dirty.h"
#include "machine.h"
#include "track.h"

static bool make_room(struct track *track, uint64_t words)
{
	if (!track->log)
		track->log = calloc(words, sizeof(uint64_t));
	if (!track->since)
		track->since = calloc(words, sizeof(uint64_t));
	if (!track->between)
		track->between = calloc(words, sizeof(uint64_t));
	return track->log && track->since && track->between;
}

/* What was written up to now. */
static bool collect(struct machine *machine, struct state_error *error)
{
	struct track *track = &machine->track;

	if (!dirty_gather(&machine->vm, track->log, error))
		return false;
	dirty_take(&machine->vm, track->log);
	for (uint64_t word = 0; word < dirty_words(&machine->vm.memory); word++)
		track->since[word] |= track->log[word];
	return true;
}

bool track_begin(struct machine *machine, struct state_error *error)
{
	struct memory *memory = &machine->vm.memory;
	struct track *track = &machine->track;
	int ret;

	if (track->is_on)
		return collect(machine, error);
	if (machine->mark)
		return state_refuse(error, "a machine with a mark (--markable) has the log of what is written for that");
	if (!memory->written)
		memory->written = calloc(dirty_words(memory), sizeof(uint64_t));
	if (!memory->written || !make_room(track, dirty_words(memory)))
		return state_refuse(error, "out of memory");
	ret = dirty_watch(&machine->vm, true);
	track->is_on = !ret;
	return !ret || state_refuse(error, "no log of the guest's writes: %s", strerror(-ret));
}

const uint64_t *track_gather(struct machine *machine, const struct state_identity *base, struct state_error *error)
{
	struct track *track = &machine->track;
	bool is_last = track->has_last && state_identity_is(base, &track->last);

	if (!track->is_on) {
		state_refuse(error, "no log is kept of what is written: save --track first (a migration that was tried ends it)");
		return NULL;
	}
	if (!is_last && !(track->has_before && state_identity_is(base, &track->before))) {
		state_refuse(error, "the log of what is written is not one since that base: save --track again");
		return NULL;
	}
	if (!collect(machine, error))
		return NULL;
	for (uint64_t word = 0; word < dirty_words(&machine->vm.memory); word++)
		track->log[word] = track->since[word] | (is_last ? 0 : track->between[word]);
	return track->log;
}

void track_saved(struct machine *machine, const struct state_identity *saved, const struct state_identity *base)
{
	struct track *track = &machine->track;
	uint64_t bytes = dirty_words(&machine->vm.memory) * sizeof(uint64_t);

	if (!base)
		base = track->has_last ? &track->last : NULL;
	if (base && track->has_before && state_identity_is(base, &track->before)) {
		memcpy(track->between, track->log, bytes);
	} else if (base) {
		memcpy(track->between, track->since, bytes);
		track->before = *base;
		track->has_before = true;
	}
	memset(track->since, 0, bytes);
	track->last = *saved;
	track->has_last = true;
}

void track_give_up(struct machine *machine)
{
	if (!machine->track.is_on || machine->track.has_last)
		return;
	dirty_watch(&machine->vm, false);
	free(machine->vm.memory.written);
	machine->vm.memory.written = NULL;
	track_end(machine);
}

void track_end(struct machine *machine)
{
	struct track *track = &machine->track;

	free(track->log);
	free(track->since);
	free(track->between);
	*track = (struct track){ .is_on = false };
}
