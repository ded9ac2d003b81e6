// SPDX-License-Identifier: GPL-2.0-only
/*
 * The parent's side of a fork.
 *
 * The launcher's own fork() is what copies the guest's memory, on write, and with it all that this process knows of the machine:
 * devices, queues, interrupt lines. KEEL_FORK_VM, asked by the child, copies what the kernel knows. For both to be of one moment
 * the vCPUs stand at the gate, each device's thread stands between two requests, and the board's devices are locked,
 * until the child says that it has all. What is shared by processes, descriptors and threads, the child makes anew (fork_child.c).
 *
 * It is the main thread that forks: the child has one thread, a copy of it, which goes on as a main thread does. The control thread, which
 * has the request, waits. The child runs its guest only after this process has heard that it is whole and has told it to: so
 * a client that is told of a child has one, and one that is told of none has none.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <uapi/linux/keel.h>

#include "control.h"
#include "fork.h"
#include "hold.h"
#include "machine.h"
#include "state_machine.h"
#include "thread.h"

#define CHILD_MS	30000	/* for the child to be whole */
#define LOOK_MS		100	/* between two looks whether the machine ends */

int fork_prepare(struct machine *machine, const struct options *options)
{
	struct forking *forking = &machine->forking;
	int most = options->is_forkable ? vm_has(&machine->vm, KEEL_CAP_FORK_VM) : 0;

	if (!options->is_forkable)
		return 0;
	if (!most)
		return status_fail(STATUS_CREATE, "--forkable: this node forks no machines; Keel's does, of a module of this version");
	if (options->cpus > (unsigned int)most)
		return status_fail(STATUS_CREATE, "--forkable: --cpus %u: at most %d", options->cpus, most);
	pthread_mutex_init(&forking->lock, NULL);
	pthread_cond_init(&forking->changed, NULL);
	forking->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	forking->report = eventfd(0, EFD_CLOEXEC);
	if (forking->event < 0 || forking->report < 0)
		return status_fail(STATUS_HOST, "cannot create an eventfd: %s", strerror(errno));
	/* Children are nobody's to wait for. */
	signal(SIGCHLD, SIG_IGN);
	forking->is_possible = true;
	return 0;
}

bool fork_ask(struct machine *machine, const struct fork_order *order, struct fork_answer *answer)
{
	struct forking *forking = &machine->forking;
	const uint64_t one = 1;

	pthread_mutex_lock(&forking->lock);
	forking->order = *order;
	forking->stage = FORK_ASKED;
	while (write(forking->event, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	/* A main thread that is on its way out comes to nothing more. */
	while (forking->stage == FORK_SERVED || (forking->stage == FORK_ASKED && !vm_is_stopping(&machine->vm))) {
		struct timespec until = thread_time_in(LOOK_MS);

		pthread_cond_clockwait(&forking->changed, &forking->lock, CLOCK_MONOTONIC, &until);
	}
	*answer = (struct fork_answer){ .error = "the machine is about to end" };
	if (forking->stage == FORK_DONE)
		*answer = forking->answer;
	forking->stage = FORK_IDLE;
	pthread_mutex_unlock(&forking->lock);
	return !*answer->error;
}

/* ---- the main thread ---- */

static bool fail(struct fork_answer *answer, const char *why)
{
	if (!*answer->error)
		snprintf(answer->error, sizeof(answer->error), "%s", why);
	return false;
}

/* vCPUs stand; who is it that has them stand? */
static bool can_fork(struct machine *machine, struct fork_answer *answer)
{
	unsigned int holds = atomic_load(&machine->vm.holds);

	if (vm_is_stopping(&machine->vm))
		return fail(answer, "the machine is about to end");
	if (holds & VM_HOLD_DEBUG)
		return fail(answer, "a debugger is connected, whose breakpoints are in the guest's memory: let it detach first");
	if (holds & VM_HOLD_RESET)
		return fail(answer, "the machine is being reset: try again");
	if (machine->track.is_on)
		return fail(answer, "what is written is logged for incremental files (save --track), which cannot be kept for two machines");
	if (machine->forking.order.net_count > machine->net_count)
		return fail(answer, "more networks for the new machine than this one has network devices (keel run --net user)");
	return true;
}

/* All but vCPUs. */
static void release_devices(struct machine *machine)
{
	const struct state_board_devices devices = state_board_of(machine);

	state_board_release(&devices);
	hold_end_virtio(machine);
}

/* Wait for the child's next words. Return: false if it has failed, is gone, or takes too long. */
static bool hear(int in, bool is_running, const struct timespec *until, struct fork_answer *answer)
{
	struct pollfd wait = { .fd = in, .events = POLLIN };
	struct fork_words words;
	struct timespec now;
	int ready;

	do {
		clock_gettime(CLOCK_MONOTONIC, &now);
		ready = now.tv_sec < until->tv_sec ? poll(&wait, 1, 1000) : 0;
	} while (now.tv_sec < until->tv_sec && (!ready || (ready < 0 && errno == EINTR)));
	if (ready != 1)
		return fail(answer, "the new process took too long");
	if (read(in, &words, sizeof(words)) != sizeof(words))
		return fail(answer, "the new process died; what it said is on the machine's standard error");
	words.error[sizeof(words.error) - 1] = 0;
	if (*words.error)
		return fail(answer, words.error);
	return words.is_running == is_running || fail(answer, "the new process spoke out of turn");
}

/* What comes after fork(), in the parent: the devices go on as soon as they may. */
static void see_off(struct machine *machine, const struct fork_line *line, struct fork_answer *answer)
{
	const struct timespec until = thread_time_in(CHILD_MS);
	bool is_whole = hear(line->in, false, &until, answer);

	release_devices(machine);
	vm_release(&machine->vm, VM_HOLD_FORK);
	if (!is_whole || !hear(line->in, true, &until, answer))
		return;
	/* Nobody would know of it. */
	if (control_is_gone(machine->forking.order.client))
		fail(answer, "whoever wanted the new machine has gone");
	else if (write(line->out, "", 1) != 1)
		fail(answer, "the new process died");
}

/* All is held, and is not in the end. Return: true in the child. */
static bool split(struct machine *machine, struct fork_answer *answer)
{
	int down[2] = { -1, -1 }, up[2] = { -1, -1 };
	const pid_t self = getpid();
	pid_t pid = pipe2(down, O_CLOEXEC) || pipe2(up, O_CLOEXEC) ? -1 : fork();
	int error = errno;

	if (!pid) {
		machine->forking.parent = self;
		close(down[1]);
		close(up[0]);
		fork_become(machine, &(struct fork_line){ down[0], up[1] });
		return true;
	}
	if (down[0] >= 0)
		close(down[0]);
	if (up[1] >= 0)
		close(up[1]);
	if (pid > 0) {
		answer->pid = pid;
		see_off(machine, &(struct fork_line){ up[0], down[1] }, answer);
	} else {
		snprintf(answer->error, sizeof(answer->error), "the host gives no new process: %s", strerror(error));
		release_devices(machine);
		vm_release(&machine->vm, VM_HOLD_FORK);
	}
	/* Without its byte the child ends. */
	if (down[1] >= 0)
		close(down[1]);
	if (up[0] >= 0)
		close(up[0]);
	return false;
}

static bool begin(struct forking *forking)
{
	pthread_mutex_lock(&forking->lock);
	bool is_asked = forking->stage == FORK_ASKED;

	if (is_asked)
		forking->stage = FORK_SERVED;
	pthread_mutex_unlock(&forking->lock);
	return is_asked;
}

static void finish(struct forking *forking, const struct fork_answer *answer)
{
	pthread_mutex_lock(&forking->lock);
	forking->answer = *answer;
	forking->stage = FORK_DONE;
	pthread_cond_signal(&forking->changed);
	pthread_mutex_unlock(&forking->lock);
}

/* The machine stands. Return: true in the child. */
static bool serve(struct machine *machine, struct fork_answer *answer)
{
	const struct state_board_devices devices = state_board_of(machine);

	if (!can_fork(machine, answer)) {
		hold_end(machine, VM_HOLD_FORK);
		return false;
	}
	state_board_hold(&devices);
	return split(machine, answer);
}

bool fork_serve(struct machine *machine)
{
	struct fork_answer answer = { .error = "" };
	struct state_error error = { "" };
	uint64_t count;

	while (read(machine->forking.event, &count, sizeof(count)) < 0 && errno == EINTR)
		;
	if (!begin(&machine->forking))
		return false;
	if (!hold_machine(machine, VM_HOLD_FORK, HOLD_FORK_MS, NULL, &error))
		fail(&answer, error.text);
	else if (serve(machine, &answer))
		return true;
	finish(&machine->forking, &answer);
	return false;
}
