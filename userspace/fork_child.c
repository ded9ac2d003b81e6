// SPDX-License-Identifier: GPL-2.0-only
/*
 * The child's side of a fork: a process whose memory is a machine, and which has one thread.
 *
 * What it must not touch is the parent's: its terminal, its report, its socket and pid file, its clients, its service manager.
 * What both would share by the same open file it makes anew: eventfds, the watchdog's timer, statistics. Locks are made
 * anew as well, whoever had them in the parent. Disks stay, as they are read alone.
 *
 * All of it is done under the main thread's filter of system calls, which fork() has left on (sandbox_fork.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fork.h"
#include "gdb.h"
#include "machine.h"
#include "ready.h"
#include "report.h"
#include "runtime.h"
#include "sandbox.h"

/* The client's file is in the place of both streams; it is written alone unless it is a terminal. */
static int take_streams(int file)
{
	if (dup3(file, STDIN_FILENO, 0) < 0 || dup3(file, STDOUT_FILENO, 0) < 0)
		return status_fail(STATUS_HOST, "the serial port's file: %s", strerror(errno));
	return 0;
}

/*
 * By a number that is kept for it, and for the children of this one: what the client has passed is closed with him.
 * First of all, as a report of the parent's may have had that number, and has just been closed.
 */
static int take_report(const struct forking *forking, int file)
{
	if (dup3(file >= 0 ? file : forking->event, forking->report, O_CLOEXEC) < 0)
		return status_fail(STATUS_HOST, "the report's file: %s", strerror(errno));
	if (file >= 0)
		report_take(forking->report);
	return 0;
}

/* By the numbers that the parent's have. */
static int take_networks(struct machine *machine, const struct fork_order *order)
{
	int ret = 0;

	for (unsigned int i = 0; !ret && i < machine->net_count; i++)
		ret = net_user_renew(&machine->nets[i].user, i < order->net_count ? order->nets[i] : -1);
	return ret ? status_fail(STATUS_HOST, "the network's socket: %s", strerror(-ret)) : 0;
}

static void leave_parent(struct machine *machine)
{
	/* no signals of the terminal's keys */
	setsid();
	status_renew();
	report_leave();
	runtime_leave();
	ready_leave();
	gdb_close(machine->vm.gdb);
	machine->vm.gdb = NULL;
	mark_forget(machine);
	fill_renew(&machine->fill);
	machine->is_button_pressed = false;
	machine->is_hurried = false;
}

static int renew_forking(struct forking *forking)
{
	pthread_mutex_init(&forking->lock, NULL);
	pthread_cond_init(&forking->changed, NULL);
	forking->stage = FORK_IDLE;
	close(forking->event);
	forking->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return forking->event < 0 ? -errno : 0;
}

static int renew_board(struct machine *machine)
{
	pthread_mutex_init(&machine->rtc.lock, NULL);
	pthread_cond_init(&machine->rtc.changed, NULL);
	machine->rtc.has_thread = false;
	pthread_mutex_init(&machine->power.lock, NULL);
	pthread_mutex_init(&machine->pci.lock, NULL);
	pthread_mutex_init(&machine->firmware.config.lock, NULL);
	pthread_mutex_init(&machine->firmware.variables.chip.lock, NULL);
	console_renew(&machine->console);
	return serial_renew(&machine->serial);
}

static int renew_virtio(struct machine *machine, struct virtio_device *device)
{
	if (device == &machine->virtio_console.device)
		return virtio_console_renew(&machine->virtio_console);
	for (unsigned int i = 0; i < machine->net_count; i++)
		if (device == &machine->nets[i].net.device)
			return virtio_net_renew(&machine->nets[i].net, i < machine->forking.order.net_count);
	return virtio_renew(device);
}

static int renew_devices(struct machine *machine)
{
	struct virtio_device *device;
	int ret = renew_board(machine);

	for (unsigned int i = 0; !ret && (device = machine_virtio(machine, i)); i++)
		ret = renew_virtio(machine, device);
	if (!ret && machine->watchdog.timer > 0)
		ret = watchdog_renew(&machine->watchdog);
	if (!ret)
		ret = renew_forking(&machine->forking);
	return ret ? status_fail(STATUS_HOST, "cannot renew the devices: %s", strerror(-ret)) : 0;
}

/* All that the guest was told by random numbers, its parent was told too. */
static int renew_identity(struct machine *machine)
{
	int ret;

	generation_set_name(&machine->generation, machine->forking.name);
	ret = generation_change(&machine->generation);
	return ret ? status_fail(STATUS_HOST, "no random number for the machine's generation ID: %s", strerror(-ret)) : 0;
}

static int renew_kernel(struct machine *machine)
{
	int ret = vm_renew(&machine->vm);

	for (unsigned int i = 0; !ret && i < machine->vcpu_count; i++)
		ret = vcpu_renew(&machine->vcpus[i]);
	return ret;
}

/* Open files of the parent's VM would keep that. */
static int renew_stats(struct machine *machine)
{
	if (!machine->stats.count)
		return 0;
	stats_close(&machine->stats);
	return machine_open_stats(machine);
}

static int start(struct machine *machine)
{
	struct control *control = &machine->control;
	int ret;

	sandbox_renew();
	ret = machine_start_threads(machine);
	if (!ret && control->listener >= 0) {
		ret = control_start(control);
		if (ret)
			ret = status_fail(STATUS_HOST, "cannot start the control thread: %s", strerror(ret));
	}
	return ret ? ret : sandbox_wait();
}

/* Tell the parent. A failure is this process's end. */
static void say(const struct fork_line *line, bool is_running, int status)
{
	struct fork_words words = { .is_running = is_running };

	if (status)
		snprintf(words.error, sizeof(words.error), "%s", status_last());
	/* if it does not hear, it says nothing either */
	if (write(line->out, &words, sizeof(words)) < 0 || status)
		_exit(status ? status : STATUS_HOST);
}

void fork_become(struct machine *machine, const struct fork_line *line)
{
	const struct fork_order order = machine->forking.order;
	struct control *control = &machine->control;
	ssize_t got;
	int ret;
	char go;

	leave_parent(machine);
	ret = take_report(&machine->forking, order.report);
	if (!ret)
		ret = take_streams(order.output);
	if (!ret)
		ret = take_networks(machine, &order);
	snprintf(machine->forking.name, sizeof(machine->forking.name), "%s", order.name);
	control->name = *machine->forking.name ? machine->forking.name : NULL;
	control_renew(control, order.listener);
	if (!ret)
		ret = renew_kernel(machine);
	say(line, false, ret);
	ret = renew_devices(machine);
	if (!ret)
		ret = renew_identity(machine);
	if (!ret)
		ret = renew_stats(machine);
	if (!ret)
		ret = start(machine);
	say(line, true, ret);
	do
		got = read(line->in, &go, 1);
	while (got < 0 && errno == EINTR);
	if (got != 1)
		_exit(STATUS_HOST);
	close(line->in);
	close(line->out);
	if (order.is_paused)
		vm_hold(&machine->vm, VM_HOLD_PAUSE);
	vm_release(&machine->vm, VM_HOLD_SETUP);
}
