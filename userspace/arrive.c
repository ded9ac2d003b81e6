// SPDX-License-Identifier: GPL-2.0-only
/*
 * A machine that comes.
 *
 * It is made while its memory comes, as from a file, and everything that could fail is done before "all" is said: threads are there, the sandbox is on. What
 * remains are the locks of its disks, which are the source's until it says "yours". Until those are had nothing of the guest runs here, and no device serves.
 */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arrive.h"
#include "hold.h"
#include "machine.h"
#include "migrate_address.h"
#include "state.h"
#include "thread.h"

#define SAY_MS		5000
#define YOURS_MS	60000	/* for the source to write its disks out */
#define SLICE_MS	100

/* The process that is to be gone before the source may take its guest back. Only a direct neighbour gets it. */
static bool tell_ready(void *argument, struct state_error *error)
{
	struct arrival *arrival = argument;
	struct migrate_word word = { .kind = MIGRATE_WORD_READY };
	int process = arrival->is_local ? (int)syscall(SYS_pidfd_open, getpid(), 0) : -1;
	bool is_said = migrate_say(&arrival->peer, &word, process, SAY_MS);

	if (process >= 0)
		close(process);
	return is_said || state_refuse(error, "the connection has ended");
}

int arrive_hear(struct arrival *arrival, struct state_file *file, int fd, const char *address, bool is_local)
{
	*arrival = (struct arrival){ .address = address, .file = file, .state = MIGRATE_LOADING, .is_local = is_local };
	migrate_peer_init(&arrival->peer, fd);
	file->go_on = tell_ready;
	file->argument = arrival;
	return state_file_hear(file, fd, address);
}

int arrive_open(struct arrival *arrival, struct state_file *file, const char *address)
{
	struct gdb_address where;
	const char *wrong = migrate_address_parse(address, &where);
	int fd;

	migrate_peer_init(&arrival->peer, -1);
	if (wrong)
		return status_fail(STATUS_USAGE, "--listen %s: %s", address, wrong);
	fd = migrate_accept(&where);
	if (fd < 0)
		return status_fail(STATUS_USAGE, "--listen %s: %s", address, strerror(errno));
	return arrive_hear(arrival, file, fd, address, where.storage.ss_family == AF_UNIX);
}

/* ---- whose it is ---- */

static int refuse(struct arrival *arrival, const char *why)
{
	return status_fail(STATUS_STATE, "%s: %s", arrival->address, why);
}

static int give_up(struct arrival *arrival, enum migrate_event event)
{
	enum migrate_state next = migrate_next(arrival->state, event);

	arrival->state = next == MIGRATE_STATES ? MIGRATE_GIVEN_UP : next;
	switch (event) {
	case MIGRATE_HEARD_NO:
		return refuse(arrival, *arrival->peer.word.text ? arrival->peer.word.text : "the source has given up");
	case MIGRATE_IS_LATE:
		return refuse(arrival, "the source takes too long");
	case MIGRATE_IS_LOST:
		return refuse(arrival, arrival->peer.wrong);
	default:
		return refuse(arrival, "the source speaks out of turn");
	}
}

/* Whoever wants an end before the machine is here has it go on where it is. */
static int check_wanted(struct machine *machine)
{
	if (machine_is_interrupted(machine))
		return refuse(machine->arrival, "ended by a signal before the machine was taken over");
	if (vm_is_stopping(&machine->vm))
		return refuse(machine->arrival, "ended before the machine was taken over");
	return 0;
}

/* All is there. Return: 0 once it is this side's. */
static int wait_for_yours(struct machine *machine)
{
	struct arrival *arrival = machine->arrival;
	const struct timespec until = thread_time_in(YOURS_MS);
	enum migrate_event event;

	while (!migrate_hear(&arrival->peer, SLICE_MS, &event)) {
		if (thread_is_past(&until))
			return give_up(arrival, MIGRATE_IS_LATE);
		int ret = check_wanted(machine);

		if (ret) {
			arrival->state = migrate_next(arrival->state, MIGRATE_HAS_FAILED);
			return ret;
		}
	}
	if (event != MIGRATE_HEARD_YOURS)
		return give_up(arrival, event);
	arrival->state = migrate_next(arrival->state, event);
	return 0;
}

/*
 * Whoever hears nothing because he is no more, or has ended the connection and stands, does not take the guest back by himself. One who listens yet would, once
 * this process ends: to him it has to be said before the guest runs.
 */
static int say_mine(struct arrival *arrival)
{
	struct migrate_word mine = { .kind = MIGRATE_WORD_MINE };

	if (migrate_say(&arrival->peer, &mine, -1, SAY_MS) || errno == EPIPE || errno == ECONNRESET || errno == ETIMEDOUT)
		return 0;
	return status_fail(STATUS_STATE, "%s: the source cannot be told that the machine was taken over: %s", arrival->address, strerror(errno));
}

static int take_disks(struct machine *machine)
{
	int ret = 0;

	for (unsigned int i = 0; !ret && i < machine->disk_count; i++)
		ret = virtio_blk_lock(&machine->disks[i]);
	return ret;
}

int arrive_hold(struct machine *machine)
{
	struct state_error error = { "" };

	if (!machine->arrival)
		return 0;
	/* None has a thread yet. */
	machine->arrival->is_held = hold_virtio(machine, HOLD_SLICE_MS, NULL, &error);
	return machine->arrival->is_held ? 0 : refuse(machine->arrival, error.text);
}

int arrive_take_over(struct machine *machine)
{
	struct arrival *arrival = machine->arrival;
	struct migrate_word all = {
		.kind = MIGRATE_WORD_ALL, .sections = arrival->file->reader.sections, .sum = arrival->file->reader.sum,
	};

	arrival->state = migrate_next(arrival->state, MIGRATE_HAS_SENT);
	if (!migrate_say(&arrival->peer, &all, -1, SAY_MS)) {
		arrival->state = migrate_next(arrival->state, MIGRATE_HAS_FAILED);
		return refuse(arrival, "the connection has ended");
	}
	int ret = wait_for_yours(machine);

	if (ret)
		return ret;
	/* It does not go to the other side's if that ends here. */
	bool is_paused = arrival->peer.word.is_paused;

	ret = check_wanted(machine);
	if (!ret)
		ret = take_disks(machine);
	if (!ret)
		ret = say_mine(arrival);
	arrival->state = migrate_next(arrival->state, ret ? MIGRATE_HAS_FAILED : MIGRATE_HAS_TAKEN);
	if (ret)
		return ret;
	if (is_paused)
		vm_hold(&machine->vm, VM_HOLD_PAUSE);
	return 0;
}

void arrive_release(struct machine *machine)
{
	if (!machine->arrival || !machine->arrival->is_held)
		return;
	if (machine->arrival->state != MIGRATE_OWNER)
		state_retire_virtio(machine);
	hold_end_virtio(machine);
	machine->arrival->is_held = false;
	if (machine->arrival->state == MIGRATE_OWNER)
		migrate_peer_close(&machine->arrival->peer);
}

void arrive_close(struct arrival *arrival, const char *why)
{
	if (arrival->state != MIGRATE_OWNER && *why)
		migrate_say_no(&arrival->peer, why);
	migrate_peer_close(&arrival->peer);
}
