// SPDX-License-Identifier: GPL-2.0-only
/*
 * A machine that leaves.
 *
 * What it is goes first, so that the other side can say at once whether it can be made there; then all of its memory while the guest runs, and round by round
 * what was written since; then the guest stands, and the rest goes with all its state, as in a saved machine. What is written is known as for a
 * mark: the kernel logs the guest's writes, and this process tells its own (dirty.h). To take that both must stand for a moment, or a device's
 * write that is about to happen would be missed.
 *
 * From "yours" on the guest is not this side's (migrate_turn.c). Before it, disks are written out and their locks given up; whoever gets them may
 * write. All waiting is bounded.
 */
#include <stdlib.h>
#include <string.h>

#include "dirty.h"
#include "hold.h"
#include "machine.h"
#include "migrate.h"
#include "migrate_guest.h"
#include "state.h"
#include "thread.h"

#define READY_MS	60000	/* for the other side to make a machine */
#define ALL_MS		30000	/* to have all */
#define MINE_MS		30000	/* to take the disks */
#define STALL_NS	30000000000ULL	/* in which the connection takes nothing */
#define STOP_NS		30000000000ULL	/* that the guest stands at most while the rest is sent */
#define SAY_MS		5000
#define SLICE_MS	50

/* What has happened is told where there is nothing to be told yet. Return: false if the guest is not to move any more. */
static bool step(struct migration *migration, enum migrate_event event)
{
	enum migrate_state next = migrate_next(migration->state, event);

	if (next == MIGRATE_STATES)
		return state_refuse(migration->error, "the other side speaks out of turn");
	migration->state = next;
	switch (event) {
	case MIGRATE_HEARD_NO:
		return state_refuse(migration->error, "the other side refuses: %s", migration->peer.word.text);
	case MIGRATE_IS_DEAD:
		return state_refuse(migration->error, "the other side's process has ended");
	case MIGRATE_IS_LOST:
		return state_refuse(migration->error, "%s", migration->peer.wrong);
	case MIGRATE_IS_LATE:
		return state_refuse(migration->error, "the other side takes too long");
	default:
		return true;
	}
}

/* ---- what is asked all the time ---- */

static bool check_time(struct migration *migration)
{
	uint64_t now = thread_now();

	if (migration->writer.written != migration->sent) {
		migration->sent = migration->writer.written;
		migration->moved_ns = now;
	}
	if (now - migration->moved_ns > STALL_NS)
		return state_refuse(migration->error, "the other side has taken nothing for %llu seconds", STALL_NS / 1000000000);
	if (migration->stopped_ns && now - migration->stopped_ns > STOP_NS)
		return state_refuse(migration->error, "what was left took longer than %llu seconds", STOP_NS / 1000000000);
	return true;
}

/* Whoever has asked for it, and whoever asks for other things meanwhile. */
static bool ask_outside(struct machine *machine, uint64_t done, uint64_t all)
{
	struct migration *migration = &machine->migration;

	if (vm_is_stopping(&machine->vm))
		return state_refuse(migration->error, "the machine ends");
	if (migration->outer.progress && !migration->outer.progress(migration->outer.argument, done, all))
		return state_refuse(migration->error, "given up");
	return !migration->is_cancelled || state_refuse(migration->error, "cancelled");
}

/* While a part is on its way. The other side has nothing to say then but that it will not. */
static bool go_on(void *argument, uint64_t done, uint64_t all)
{
	struct machine *machine = argument;
	struct migration *migration = &machine->migration;
	enum migrate_event event;

	if (migrate_hear(&migration->peer, 0, &event) && !step(migration, event))
		return false;
	/* Pages of zeros take time, and nothing of the connection. */
	if (all)
		migration->moved_ns = thread_now();
	migrate_slow(machine);
	return check_time(migration) && ask_outside(machine, done, all);
}

/* While a device is at a request, and nothing is on its way. */
static bool wait_on(void *argument, uint64_t done, uint64_t all)
{
	struct machine *machine = argument;
	struct migration *migration = &machine->migration;
	enum migrate_event event;

	if (migrate_hear(&migration->peer, 0, &event) && !step(migration, event))
		return false;
	/* No fault of the connection's, nor is the guest to stand for it. */
	migration->moved_ns = thread_now();
	migrate_slow(machine);
	return ask_outside(machine, done, all);
}

/* Wait for a word, @ms. Return: false with an error if none comes, or another one, or nobody wants to wait. */
static bool wait_for(struct machine *machine, enum migrate_event wanted, int ms)
{
	struct migration *migration = &machine->migration;
	const struct timespec until = thread_time_in((unsigned int)ms);
	enum migrate_event event;

	for (;;) {
		if (migrate_hear(&migration->peer, SLICE_MS, &event))
			return step(migration, event) && (event == wanted || state_refuse(migration->error, "the other side speaks out of turn"));
		/* Once the guest may be the other's nobody can have it back by not waiting; he may ask for other things. */
		if (migration->state == MIGRATE_HANDED && migration->outer.progress)
			migration->outer.progress(migration->outer.argument, 0, 0);
		else if (migration->state != MIGRATE_HANDED && !ask_outside(machine, 0, 0))
			return false;
		if (vm_is_stopping(&machine->vm))
			return state_refuse(migration->error, "the machine ends");
		if (thread_is_past(&until))
			return step(migration, MIGRATE_IS_LATE);
	}
}

/* ---- the way ---- */

static bool begin(struct machine *machine)
{
	struct migration *migration = &machine->migration;

	if (machine->mark)
		return state_refuse(migration->error, "a machine that can be marked (--markable) is not moved: its mark would stay here");
	if (!state_check(machine, migration->error) || !migrate_check_disks(machine) || !migrate_hold(machine))
		return false;

	bool is_begun = state_take(machine, &migration->image, migration->error) && migrate_watch(machine);

	if (is_begun)
		migrate_release(machine);
	return is_begun;
}

/* What it is, without its memory: can the other side make it? */
static bool ask(struct machine *machine)
{
	struct migration *migration = &machine->migration;
	struct state_error *error = migration->error;

	return state_begin(&migration->writer, migration->peer.fd, &migration->watch, error) &&
	       state_image_write(&migration->image, &migration->writer, error) && state_round_write(&migration->writer, 1, error) &&
	       wait_for(machine, MIGRATE_HEARD_READY, READY_MS);
}

/* Round by round, until little is left, or nothing helps. The guest stands in the end, and migration->pages has what is left. */
static bool copy(struct machine *machine)
{
	struct migration *migration = &machine->migration;
	struct state_error *error = migration->error;
	uint64_t left, from = thread_now(), before = 0;
	enum pace_verdict verdict;

	migration->left = machine->vm.memory.size / DIRTY_PAGE;
	if (!state_memory_write(&machine->vm.memory, &migration->writer, &migration->watch, error))
		return false;
	for (;;) {
		if (!migrate_gather(machine, &left))
			return false;
		verdict = pace_next(&migration->pace, migration->writer.pages - before, thread_now() - from, left);
		migration->left = left;
		if (verdict == PACE_HOPELESS)
			return state_refuse(error, "the guest writes faster than its memory can be copied: after %u rounds it would stand for %llu ms, and may for %u; try again when it does less",
					    migration->pace.round, (unsigned long long)pace_stop_ms(&migration->pace, left), PACE_STOP_MAX_MS);
		if (verdict == PACE_STOP)
			return true;
		migrate_release(machine);
		from = thread_now();
		before = migration->writer.pages;
		if (!state_round_write(&migration->writer, migration->pace.round + 1, error) ||
		    !state_memory_write_some(&machine->vm.memory, migration->pages, &migration->writer, &migration->watch, error))
			return false;
	}
}

/* The guest stands. Reading its state may change its memory once more. */
static bool send_rest(struct machine *machine)
{
	struct migration *migration = &machine->migration;
	struct state_error *error = migration->error;
	uint64_t *pages = migration->pages;

	migration->stopped_ns = thread_now();
	migrate_stop_slowing(machine);
	state_image_free(&migration->image);
	memset(&migration->image, 0, sizeof(migration->image));
	if (!state_take(machine, &migration->image, error) || !dirty_gather(&machine->vm, migration->log, error))
		return false;
	for (uint64_t word = 0; word < dirty_words(&machine->vm.memory); word++)
		pages[word] |= machine->vm.memory.written[word];
	return state_round_write(&migration->writer, migration->pace.round + 1, error) &&
	       state_image_write(&migration->image, &migration->writer, error) &&
	       state_memory_write_some(&machine->vm.memory, pages, &migration->writer, &migration->watch, error) &&
	       state_end(&migration->writer, error) && step(migration, MIGRATE_HAS_SENT);
}

/* ---- whose it is ---- */

/* Writing disks out takes its time. A target that has gone meanwhile, or says no, does not get the guest; nobody has to tell then that it never ran there. */
static bool is_still_there(struct migration *migration)
{
	enum migrate_event event;

	return !migrate_hear(&migration->peer, 0, &event) ||
	       (step(migration, event) && state_refuse(migration->error, "the other side speaks out of turn"));
}

/* The one moment that matters. */
static bool hand_over(struct machine *machine)
{
	struct migration *migration = &machine->migration;
	struct migrate_word word = { .kind = MIGRATE_WORD_YOURS };
	const struct migrate_word *all = &migration->peer.word;

	if (!wait_for(machine, MIGRATE_HEARD_ALL, ALL_MS))
		return false;
	if (all->sections != migration->writer.sections || all->sum != migration->writer.sum)
		return state_refuse(migration->error, "the other side has other things than were sent");
	/* The last look at whether it is wanted. */
	if (!ask_outside(machine, 0, 0) || !migrate_give_disks_up(machine) || !is_still_there(migration))
		return false;
	word.is_paused = !!(atomic_load(&machine->vm.holds) & VM_HOLD_PAUSE);
	step(migration, MIGRATE_HAS_HANDED);
	/* Whether or not it gets there: part of it may. */
	migrate_say(&migration->peer, &word, -1, SAY_MS);
	return wait_for(machine, MIGRATE_HEARD_MINE, MINE_MS);
}

/* The guest goes on here. */
static void go_back(struct machine *machine)
{
	struct migration *migration = &machine->migration;
	struct state_error error = { "" };

	if (!migrate_take_disks_back(machine, &error)) {
		migration->state = MIGRATE_UNSURE;
		snprintf(migration->error->text, sizeof(migration->error->text), "%s", error.text);
		return;
	}
	migrate_forget(machine);
	migrate_stop_slowing(machine);
	migrate_release(machine);
}

static void finish(struct machine *machine)
{
	struct migration *migration = &machine->migration;
	uint64_t now = thread_now();

	migration->took_ms = (now - migration->began_ns) / 1000000;
	migration->stood_us = migration->stopped_ns ? (now - migration->stopped_ns) / 1000 : 0;
	migration->stopped_ns = 0;
	migration->sent = migration->writer.written;
	state_image_free(&migration->image);
	migrate_peer_close(&migration->peer);
}

static void settle(struct machine *machine, bool is_moved)
{
	struct migration *migration = &machine->migration;

	/* It failed here, where the guest is this side's still. */
	if (!is_moved && migrate_next(migration->state, MIGRATE_HAS_FAILED) == MIGRATE_BACK) {
		enum migrate_event event;

		/* A word that came meanwhile tells more than a connection that broke. */
		if (migrate_hear(&migration->peer, 0, &event) && event == MIGRATE_HEARD_NO) {
			migration->error->text[0] = 0;
			step(migration, event);
		} else {
			/* In the midst of the stream the end of the connection says so. */
			if (migration->state == MIGRATE_STOPPED)
				migrate_say_no(&migration->peer, migration->error->text);
			step(migration, MIGRATE_HAS_FAILED);
		}
	}
	/* The end of the machine is no matter of the other side's any more. */
	if (migration->state == MIGRATE_HANDED && !is_moved)
		migration->state = MIGRATE_UNSURE;
	if (migration->state == MIGRATE_BACK)
		go_back(machine);
	else if (is_moved)
		migrate_leave(machine);
}

bool migrate_run(struct machine *machine, int fd, const struct state_memory_watch *watch, struct state_error *error)
{
	struct migration *migration = &machine->migration;

	if (migration->state == MIGRATE_UNSURE)
		return state_refuse(error, "whose the guest is has to be told first: keel ctl NAME migrate --take-back, or quit");
	if (migrate_is_under_way(migration->state))
		return state_refuse(error, "a migration is under way");
	*migration = (struct migration){
		.state = MIGRATE_ASKED, .outer = *watch, .watch = { go_on, machine }, .holding = { wait_on, machine }, .error = error, .began_ns = thread_now(), .moved_ns = thread_now(),
		.log = migration->log, .pages = migration->pages,
	};
	migrate_peer_init(&migration->peer, fd);

	bool is_moved = begin(machine) && ask(machine) && copy(machine) && send_rest(machine) && hand_over(machine);

	settle(machine, is_moved);
	finish(machine);
	if (!is_moved)
		snprintf(migration->wrong, sizeof(migration->wrong), "%s", error->text);
	migration->error = NULL;
	return is_moved;
}

bool migrate_take_back(struct machine *machine, struct state_error *error)
{
	struct migration *migration = &machine->migration;

	if (migration->state != MIGRATE_UNSURE)
		return state_refuse(error, "the machine is not one that was handed over and whose target is not heard of any more");
	if (!migrate_take_disks_back(machine, error))
		return false;
	migration->error = error;
	step(migration, MIGRATE_IS_TAKEN_BACK);
	go_back(machine);
	migration->error = NULL;
	return true;
}

void migrate_leave(struct machine *machine)
{
	struct migration *migration = &machine->migration;

	if (!migration->is_held || migrate_may_run(migration->state))
		return;
	state_retire_virtio(machine);
	hold_end_virtio(machine);
	/* vCPUs are kept at the gate until the machine ends. */
	migration->is_held = false;
}
