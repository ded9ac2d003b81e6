// SPDX-License-Identifier: GPL-2.0-only
/*
 * Building and running the machine.
 *
 * Everything is created before the gate opens: files, threads, memory. After
 * that the process needs only a few system calls, and the sandbox takes the
 * others away. The main thread then waits for the first of: a vm_stop(), or a
 * signal. Teardown is the reverse of building and accepts a half-built
 * machine.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "boot.h"
#include "machine.h"
#include "sandbox.h"

static int add_board(struct machine *machine)
{
	int ret = serial_init(&machine->serial, &machine->vm, &machine->console);

	if (!ret)
		ret = power_init(&machine->power, &machine->vm);
	if (!ret)
		ret = rtc_init(&machine->rtc, &machine->vm);
	if (!ret)
		ret = pci_init(&machine->pci, &machine->vm);
	if (ret)
		return status_fail(STATUS_CREATE, "cannot place the board's devices: %s",
				   strerror(-ret));
	return 0;
}

static int plug(struct machine *machine, struct virtio_device *device)
{
	int ret = virtio_add(device, &machine->vm, &machine->pci);

	if (ret)
		return status_fail(STATUS_HOST, "cannot add a virtio device: %s", strerror(-ret));
	return 0;
}

static int add_virtio(struct machine *machine, const struct options *options)
{
	for (unsigned int i = 0; i < options->disk_count; i++) {
		const struct disk_options *disk = &options->disks[i];

		machine->disk_count = i + 1;
		int ret = virtio_blk_open(&machine->disks[i], disk->path, disk->readonly, i);

		if (!ret)
			ret = plug(machine, &machine->disks[i].device);
		if (ret)
			return ret;
	}
	if (!options->rng)
		return 0;
	virtio_rng_init(&machine->rng);
	return plug(machine, &machine->rng);
}

static int add_vcpus(struct machine *machine, const struct options *options,
		     const struct boot_entry *entry)
{
	int limit = vm_has(&machine->vm, KVM_CAP_MAX_VCPUS);

	if (limit && options->cpus > (unsigned int)limit)
		return status_fail(STATUS_CREATE, "--cpus %u: %s allows %d", options->cpus,
				   options->device, limit);
	for (unsigned int i = 0; i < options->cpus; i++) {
		machine->vcpu_count = i + 1;
		int ret = vcpu_create(&machine->vcpus[i], &machine->vm, i, options->cpus);

		if (ret)
			return ret;
	}
	return vcpu_set_entry(&machine->vcpus[0], entry);
}

static int build(struct machine *machine, const struct options *options)
{
	const struct boot_request request = {
		.kernel = options->kernel,
		.initrd = options->initrd,
		.append = options->append,
		.cpus = options->cpus,
	};
	struct boot_entry entry;
	int ret = vm_open(&machine->vm, options->device);

	if (!ret)
		ret = vm_add_memory(&machine->vm, options->memory);
	if (!ret)
		ret = boot_load(&machine->vm.memory, &request, &entry);
	if (!ret)
		ret = add_board(machine);
	if (!ret)
		ret = add_virtio(machine, options);
	if (!ret)
		ret = add_vcpus(machine, options, &entry);
	return ret;
}

/* The signals that end a run, blocked in every thread and read from a file. */
static int open_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, VCPU_SIGNAL);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	sigdelset(&set, VCPU_SIGNAL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int start_devices(struct machine *machine)
{
	int ret = rtc_start(&machine->rtc);

	for (unsigned int i = 0; !ret && i < machine->disk_count; i++)
		ret = virtio_start(&machine->disks[i].device);
	if (!ret && machine->rng.class)
		ret = virtio_start(&machine->rng);
	if (ret)
		return status_fail(STATUS_HOST, "cannot start a device thread: %s", strerror(ret));
	return 0;
}

static int start_threads(struct machine *machine)
{
	int ret = console_start(&machine->console, &machine->vm, &machine->serial);

	if (!ret)
		ret = start_devices(machine);
	for (unsigned int i = 0; !ret && i < machine->vcpu_count; i++)
		ret = vcpu_start(&machine->vcpus[i]);
	return ret;
}

/* SIGTERM asks the guest to power off first, if it listens to its button. */
static void take_signal(struct machine *machine, int signals, bool *is_asked)
{
	struct signalfd_siginfo info;

	if (read(signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGTERM && !*is_asked && power_press_button(&machine->power)) {
		*is_asked = true;
		return;
	}
	vm_stop(&machine->vm, STATUS_SIGNAL, "ended by signal %u (%s)", info.ssi_signo,
		strsignal((int)info.ssi_signo));
}

static void wait_for_end(struct machine *machine, int signals)
{
	struct pollfd waits[] = {
		{ .fd = machine->vm.stop_event, .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
	};
	bool is_asked = false;

	while (!vm_is_stopping(&machine->vm)) {
		if (poll(waits, 2, -1) < 0 && errno != EINTR)
			vm_stop(&machine->vm, STATUS_HOST, "poll failed: %s", strerror(errno));
		else if (waits[1].revents & POLLIN)
			take_signal(machine, signals, &is_asked);
	}
}

static void tear_down(struct machine *machine)
{
	for (unsigned int i = 0; i < machine->vcpu_count; i++)
		vcpu_join(&machine->vcpus[i]);
	for (unsigned int i = 0; i < machine->disk_count; i++) {
		virtio_stop(&machine->disks[i].device);
		virtio_blk_close(&machine->disks[i]);
	}
	virtio_stop(&machine->rng);
	rtc_stop(&machine->rtc);
	console_stop(&machine->console);
	for (unsigned int i = 0; i < machine->vcpu_count; i++)
		vcpu_destroy(&machine->vcpus[i]);
}

int machine_run(struct machine *machine, const struct options *options)
{
	int signals = open_signals();
	int ret;

	if (signals < 0)
		return status_fail(STATUS_HOST, "cannot create a signalfd: %s", strerror(errno));
	ret = build(machine, options);
	if (!ret)
		ret = start_threads(machine);
	if (!ret && options->sandbox)
		ret = sandbox_enter();
	if (ret)
		vm_stop(&machine->vm, (enum status)ret, "%s", status_last());
	machine->is_started = !ret;
	vm_open_gate(&machine->vm);
	wait_for_end(machine, signals);
	tear_down(machine);
	vm_close(&machine->vm);
	close(signals);
	return machine->vm.status;
}
