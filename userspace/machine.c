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
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "arrive.h"
#include "boot.h"
#include "children.h"
#include "crash.h"
#include "gdb.h"
#include "jail.h"
#include "machine.h"
#include "machine_control.h"
#include "memory_options.h"
#include "ready.h"
#include "report.h"
#include "reset.h"
#include "runtime.h"
#include "sandbox.h"
#include "state.h"
#include "thread.h"

#define END_MS	700	/* what ending all threads may take */
#define OWN_WAITS	5	/* events of every machine that the main thread waits for */

/* In a signal handler, as the launcher dies. */
static void crash(void)
{
	console_crash();
	report_drop();
	runtime_drop();
}

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

static void tell_size(struct machine *machine)
{
	if (machine->console.virtio)
		virtio_console_resize(machine->console.virtio, console_size());
}

static int add_virtio_console(struct machine *machine)
{
	int ret = virtio_console_init(&machine->virtio_console, &machine->console, console_size());

	if (ret)
		return status_fail(STATUS_HOST, "cannot make a virtio console: %s", strerror(-ret));
	machine->console.virtio = &machine->virtio_console;
	return plug(machine, &machine->virtio_console.device);
}

static int add_virtio(struct machine *machine, const struct options *options)
{
	for (unsigned int i = 0; i < options->disk_count; i++) {
		const struct disk_options *disk = &options->disks[i];

		machine->disk_count = i + 1;
		machine->disks[i].is_arriving = machine->arrival;
		machine->disks[i].is_jailed = jail_is_on();
		int ret = virtio_blk_open(&machine->disks[i], disk->path, disk->use, i);

		rate_limit_init(&machine->disks[i].device.limit, &disk->rate, thread_now());
		if (!ret)
			ret = plug(machine, &machine->disks[i].device);
		if (ret)
			return ret;
	}
	int ret = 0;

	if (options->rng) {
		virtio_rng_init(&machine->rng);
		ret = plug(machine, &machine->rng);
	}
	if (!ret && options->balloon.is_wanted) {
		virtio_balloon_init(&machine->balloon, &options->balloon);
		ret = plug(machine, &machine->balloon.device);
	}
	if (!ret && options->pluggable) {
		virtio_mem_init(&machine->mem, &machine->vm.memory);
		ret = plug(machine, &machine->mem.device);
	}
	return !ret && options->virtio_console ? add_virtio_console(machine) : ret;
}

static int add_watchdog(struct machine *machine, const struct options *options)
{
	int ret = options->watchdog ? watchdog_add(&machine->watchdog, &machine->vm, &machine->pci) : 0;

	return ret ? status_fail(STATUS_HOST, "cannot add a watchdog: %s", strerror(-ret)) : 0;
}

/* The messages that the kernel sends by itself: those of assigned devices first. */
static int init_routes(struct machine *machine, const struct options *options)
{
	unsigned int messages = options->vfio_count ? VFIO_DEVICES_MAX * VFIO_PCI_VECTORS_MAX : 0;

	for (unsigned int i = 0; i < options->net_count; i++)
		messages += net_device_routes(&options->nets[i]);
	messages += options->share_count * SHARE_ROUTES;
	int ret = messages ? route_init(&machine->routes, &machine->vm, messages) : 0;

	if (ret)
		return status_fail(STATUS_HOST, "cannot route interrupts: %s", strerror(-ret));
	return 0;
}

static int add_nets(struct machine *machine, const struct options *options, struct vhost_place *place)
{
	for (unsigned int i = 0; i < options->net_count; i++) {
		machine->net_count = i + 1;
		int ret = net_device_open(&machine->nets[i], &options->nets[i], &machine->vm, place);

		if (!ret)
			ret = plug(machine, &machine->nets[i].net.device);
		if (ret)
			return ret;
		place->first_route += net_device_routes(&options->nets[i]);
	}
	return 0;
}

static int add_shares(struct machine *machine, const struct options *options, struct vhost_place *place)
{
	for (unsigned int i = 0; i < options->share_count; i++) {
		machine->share_count = i + 1;
		int ret = share_open(&machine->shares[i], &options->shares[i], &machine->vm, place);

		if (!ret)
			ret = plug(machine, &machine->shares[i].fs.device);
		if (ret)
			return ret;
		place->first_route += SHARE_ROUTES;
	}
	return 0;
}

/* Those whose interrupts the kernel may send by itself. */
static int add_vhost(struct machine *machine, const struct options *options)
{
	struct vhost_place place = {
		.routes = &machine->routes,
		.first_route = options->vfio_count ? VFIO_DEVICES_MAX * VFIO_PCI_VECTORS_MAX : 0,
	};
	int ret = add_nets(machine, options, &place);

	return ret ? ret : add_shares(machine, options, &place);
}

static int add_assigned(struct machine *machine, const struct options *options)
{
	int ret = 0;

	vfio_init(&machine->vfio, &machine->vm);
	for (unsigned int i = 0; !ret && i < options->vfio_count; i++) {
		vfio_pci_init(&machine->assigned[i], &machine->vm);
		machine->assigned_count = i + 1;
		ret = vfio_pci_add(&machine->assigned[i], &machine->vfio, &machine->pci, &machine->routes, options->vfio[i], i);
		if (!ret)
			ret = vfio_pci_start(&machine->assigned[i]);
	}
	return ret;
}

static int add_vcpus(struct machine *machine, const struct options *options,
		     const struct boot_entry *entry)
{
	const struct cpu_board board = { .cpus = options->cpus, .memory = options->memory, .pluggable = options->pluggable };
	int limit = vm_has(&machine->vm, KVM_CAP_MAX_VCPUS);

	if (limit && options->cpus > (unsigned int)limit)
		return status_fail(STATUS_CREATE, "--cpus %u: %s allows %d", options->cpus,
				   options->device, limit);
	for (unsigned int i = 0; i < options->cpus; i++) {
		machine->vcpu_count = i + 1;
		int ret = vcpu_create(&machine->vcpus[i], &machine->vm, i, &board, &options->cpu_model);

		if (ret)
			return ret;
	}
	/* Firmware begins where a CPU does after its reset. */
	return machine->saved || machine->firmware.name ? 0 : vcpu_set_entry(&machine->vcpus[0], entry);
}

int machine_open_stats(struct machine *machine)
{
	char name[32];
	int ret = stats_open(&machine->stats, machine->vm.fd, "the virtual machine");

	for (unsigned int i = 0; !ret && i < machine->vcpu_count; i++) {
		snprintf(name, sizeof(name), "vCPU %u", i);
		ret = stats_open(&machine->stats, machine->vcpus[i].fd, name);
	}
	return ret;
}

static void print_stats(struct machine *machine)
{
	char *text = machine->prints_stats ? stats_text(&machine->stats, status_line_end()) : NULL;

	if (text)
		status_print(text);
	free(text);
}

/* What the first vCPU begins with, but for what it would be restored with. */
static int load(struct machine *machine, const struct options *options, struct boot_entry *entry)
{
	const struct boot_request request = {
		.kernel = options->kernel,
		.initrd = options->initrd,
		.append = options->append,
		.entry = options->entry,
		.cpus = options->cpus,
	};

	if (machine->saved)
		return 0;
	if (options->firmware)
		return firmware_load(&machine->firmware, &machine->vm, options->firmware, options->firmware_vars);
	return boot_load(&machine->vm.memory, &request, entry);
}

static int describe(struct machine *machine, const struct options *options)
{
	const struct firmware_board board = { &machine->vm, &machine->rtc, &machine->pci, options->cpus };
	int ret = machine->firmware.name ? firmware_describe(&machine->firmware, &board) : 0;

	if (ret)
		return status_fail(STATUS_CREATE, "cannot tell the firmware about the machine: %s", strerror(-ret));
	return 0;
}

static int build(struct machine *machine, const struct options *options)
{
	struct boot_entry entry;
	int ret = vm_open(&machine->vm, options->device);

	if (!ret)
		ret = vm_set_dma_policy(&machine->vm, options->dma_policy);
	if (!ret)
		ret = vm_add_memory(&machine->vm, options->memory, options->pluggable);
	if (!ret)
		ret = memory_options_apply(&machine->vm.memory, options);
	if (!ret)
		ret = load(machine, options, &entry);
	if (!ret)
		ret = add_board(machine);
	/* The tables of a saved machine may tell of none. */
	if (!ret && (!machine->saved || machine->saved->image.machine.has_generation))
		ret = generation_add(&machine->generation, &machine->vm, &machine->power);
	generation_set_name(&machine->generation, options->name);
	if (!ret)
		ret = describe(machine, options);
	if (!ret)
		ret = add_virtio(machine, options);
	if (!ret)
		ret = init_routes(machine, options);
	if (!ret)
		ret = add_vhost(machine, options);
	if (!ret)
		ret = add_assigned(machine, options);
	if (!ret)
		ret = add_watchdog(machine, options);
	if (!ret)
		ret = add_vcpus(machine, options, &entry);
	if (!ret && options->stats)
		ret = machine_open_stats(machine);
	if (!ret && options->reboots)
		ret = reset_prepare(machine);
	if (!ret)
		ret = fork_prepare(machine, options);
	if (!ret)
		ret = mark_prepare(machine, options);
	machine->prints_stats = options->stats;
	if (!ret)
		ret = machine_open_control(machine, options);
	if (!ret)
		ret = gdb_open(&machine->vm, machine->vcpus, machine->vcpu_count, &(struct gdb_request){
			options->gdb, options->gdb_waits });
	/* Last: what comes from another launcher takes its time, and goes on there if anything fails. */
	if (!ret && machine->saved)
		ret = state_give(machine, machine->saved);
	if (machine->saved)
		state_file_close(machine->saved);
	return ret;
}

/*
 * The signals that are read from a file: all whose default would end or stop the
 * process and that can be caught, and that of a terminal's new size, but for those that tell of a fault of ours.
 * Whatever whoever started us had ignored stays ignored, as nohup(1) wants.
 */
static int open_signals(void)
{
	static const int others[] = {
		KICK_SIGNAL, SIGPIPE, SIGXFSZ, SIGCHLD, SIGURG,
		SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS,
	};
	struct sigaction action;
	sigset_t set;

	/* Their system calls fail, and that is looked at. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	sigfillset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		sigdelset(&set, others[i]);
	for (int i = 1; i < NSIG; i++)
		if (sigaction(i, NULL, &action) || action.sa_handler == SIG_IGN)
			sigdelset(&set, i);

	int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);

	sigaddset(&set, KICK_SIGNAL);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return signals;
}

static int start_devices(struct machine *machine)
{
	struct virtio_device *device;
	int ret = rtc_start(&machine->rtc);

	for (unsigned int i = 0; !ret && (device = machine_virtio(machine, i)); i++)
		ret = virtio_start(device);
	if (ret)
		return status_fail(STATUS_HOST, "cannot start a device thread: %s", strerror(ret));
	return 0;
}

int machine_start_threads(struct machine *machine)
{
	int ret;

	/* Whoever touches memory may wait for it. */
	ret = fill_start(&machine->fill);
	if (ret)
		return status_fail(STATUS_HOST, "cannot start a thread for the machine's memory: %s", strerror(ret));
	/* First of the others, for the handler of KICK_SIGNAL. They wait at the gate. */
	for (unsigned int i = 0; !ret && i < machine->vcpu_count; i++)
		ret = vcpu_start(&machine->vcpus[i]);
	if (!ret)
		ret = console_start(&machine->console, &machine->vm, &machine->serial);
	if (!ret)
		ret = start_devices(machine);
	if (!ret)
		ret = gdb_start(machine->vm.gdb);
	return ret;
}

/* Stop as the signal's default would, the terminal given back meanwhile. */
static void stop_here(struct machine *machine, int signal)
{
	sigset_t set;

	/* First of all: a SIGCONT from here on takes the stop back, one before is lost by it. */
	raise(signal);
	console_suspend(&machine->console);
	sigemptyset(&set);
	sigaddset(&set, signal);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);	/* here, until SIGCONT */
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	console_resume(&machine->console);
}

/*
 * SIGTERM asks the guest to power off first, if it listens to its button.
 * Return: true if the signal asks for an end now.
 */
static bool take_signal(struct machine *machine, const struct signalfd_siginfo *info)
{
	if (jail_is_echo((int)info->ssi_signo))
		return false;
	switch (info->ssi_signo) {
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
		stop_here(machine, (int)info->ssi_signo);
		return false;
	case SIGCONT:
		console_resume(&machine->console);
		tell_size(machine);
		return false;
	case SIGWINCH:
		tell_size(machine);
		return false;
	case SIGUSR2:
		print_stats(machine);
		return !machine->prints_stats;
	case SIGTERM:
		if (vm_is_stopping(&machine->vm) || machine->is_button_pressed ||
		    !power_press_button(&machine->power))
			return true;
		machine->is_button_pressed = true;
		return false;
	default:
		return true;
	}
}

static bool next_signal(struct machine *machine, struct signalfd_siginfo *info)
{
	return read(machine->signals, info, sizeof(*info)) == sizeof(*info);
}

/* Its power button is pressed by nobody who does not have it yet. */
bool machine_is_interrupted(struct machine *machine)
{
	struct signalfd_siginfo info;

	while (next_signal(machine, &info))
		if (info.ssi_signo == SIGTERM || take_signal(machine, &info))
			return true;
	return false;
}

/* Did the host take an assigned device away, or the device give up? */
static void check_assigned(struct machine *machine, const struct pollfd *waits)
{
	for (unsigned int i = 0; i < machine->assigned_count; i++, waits += 2) {
		const char *address = machine->assigned[i].device.address;

		if (waits[0].revents & POLLIN)
			vm_stop(&machine->vm, STATUS_ASSIGN, "device %s reported an error that its driver cannot mend", address);
		if (waits[1].revents & POLLIN)
			vm_stop(&machine->vm, STATUS_ASSIGN, "the host takes device %s back", address);
	}
}

/* What the main thread waits for. Return: how many there are. */
static nfds_t list_waits(const struct machine *machine, struct pollfd *waits)
{
	const int fds[OWN_WAITS] = {
		machine->vm.stop_event,
		machine->signals,
		machine->watchdog.timer > 0 ? machine->watchdog.timer : -1,
		machine->vm.reset_event,
		machine->forking.is_possible ? machine->forking.event : -1,
	};
	nfds_t count = 0;

	for (unsigned int i = 0; i < OWN_WAITS; i++)
		waits[count++] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	for (unsigned int i = 0; i < machine->assigned_count; i++) {
		waits[count++] = (struct pollfd){ .fd = machine->assigned[i].error_event, .events = POLLIN };
		waits[count++] = (struct pollfd){ .fd = machine->assigned[i].request_event, .events = POLLIN };
	}
	return count;
}

static void wait_for_end(struct machine *machine)
{
	struct pollfd waits[OWN_WAITS + 2 * VFIO_DEVICES_MAX];
	nfds_t count = list_waits(machine, waits);
	struct signalfd_siginfo info;

	while (!vm_is_stopping(&machine->vm)) {
		if (poll(waits, count, power_tick(&machine->power)) < 0 && errno != EINTR)
			vm_stop(&machine->vm, STATUS_HOST, "poll failed: %s", strerror(errno));
		if (waits[2].revents & POLLIN)
			watchdog_tick(&machine->watchdog);
		if (waits[3].revents & POLLIN)
			reset_serve(machine);
		check_assigned(machine, &waits[OWN_WAITS]);
		/* A new machine waits for what is its own. */
		if (waits[4].revents & POLLIN && fork_serve(machine))
			count = list_waits(machine, waits);
		if (vm_is_stopping(&machine->vm))
			break;
		if (next_signal(machine, &info) && take_signal(machine, &info))
			vm_stop(&machine->vm, STATUS_SIGNAL, "ended by signal %u (%s)",
				info.ssi_signo, strsignal((int)info.ssi_signo));
	}
}

/* Does the user want an end now, or may what the guest printed take its time? */
static bool is_hurried(void *argument)
{
	struct machine *machine = argument;
	struct signalfd_siginfo info;

	while (next_signal(machine, &info))
		machine->is_hurried |= take_signal(machine, &info);
	return machine->is_hurried || machine->vm.status == STATUS_SIGNAL ||
	       machine->vm.status == STATUS_ESCAPE || machine->vm.status == STATUS_QUIT;
}

/* Return: false if a thread could not be ended, so that nothing it uses may go. */
static bool tear_down(struct machine *machine)
{
	struct virtio_device *device;
	bool is_ended = true;

	machine->vm.end_by = thread_time_in(END_MS);
	is_ended &= control_stop(&machine->control);
	is_ended &= gdb_end(machine->vm.gdb);
	/* Nobody is there any more, which the next machine of that name may find at once. */
	if (is_ended) {
		runtime_drop_sockets();
		if (machine->control.listener >= 0)
			close(machine->control.listener);
	}
	for (unsigned int i = 0; i < machine->vcpu_count; i++)
		is_ended &= vcpu_join(&machine->vcpus[i]);
	for (unsigned int i = 0; (device = machine_virtio(machine, i)); i++)
		is_ended &= virtio_stop(device);
	is_ended &= rtc_stop(&machine->rtc);
	is_ended &= console_stop(&machine->console, is_hurried, machine);
	/* Whoever is still there may wait for memory. */
	if (!is_ended || !fill_stop(&machine->fill))
		return false;
	for (unsigned int i = 0; i < machine->disk_count; i++)
		virtio_blk_close(&machine->disks[i]);
	virtio_console_close(&machine->virtio_console);
	for (unsigned int i = 0; i < machine->net_count; i++)
		net_device_close(&machine->nets[i]);
	for (unsigned int i = 0; i < machine->share_count; i++)
		share_close(&machine->shares[i]);
	/* before the memory goes that they may still write */
	for (unsigned int i = 0; i < machine->assigned_count; i++)
		vfio_pci_close(&machine->assigned[i]);
	if (machine->vfio.vm)
		vfio_close(&machine->vfio);
	route_free(&machine->routes);
	gdb_close(machine->vm.gdb);
	watchdog_close(&machine->watchdog);
	for (unsigned int i = 0; i < machine->vcpu_count; i++)
		vcpu_destroy(&machine->vcpus[i]);
	return true;
}

/* Return: how many processes of this one's may be killed. @fds: gets their descriptors. */
static unsigned int list_children(const struct machine *machine, int *fds)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < machine->share_count; i++) {
		const struct children *children = &machine->shares[i].fs.user.children;

		memcpy(fds + count, children->fds, children->count * sizeof(*fds));
		count += children->count;
	}
	return count;
}

static int prepare_sandbox(const struct machine *machine)
{
	static const struct runtime_files none;
	/* Those of a jail are another process's. */
	const struct runtime_files *files = jail_is_on() ? &none : runtime_files();
	int children[SHARES_MAX * CHILDREN_MAX];
	struct sandbox_wants wants = {
		.report = jail_is_on() ? NULL : report_get(),
		.listener = machine->control.listener,
		.debugger = gdb_listener(machine->vm.gdb),
		.files = { files->socket, files->pid_file, files->debugger },
		.null_file = ready_null(),
		.children = children,
		.child_count = list_children(machine, children),
		.uses = machine->assigned_count ? SANDBOX_ASSIGNED : 0,
	};

	if (machine->balloon.device.class || machine->mem.device.class)
		wants.uses |= SANDBOX_GIVES_BACK;
	if (machine->watchdog.timer > 0)
		wants.uses |= SANDBOX_WATCHDOG;
	if (machine->forking.is_possible)
		wants.uses |= SANDBOX_FORK;
	if (machine->mark)
		wants.uses |= SANDBOX_MARK;
	if (machine->arrival)
		wants.uses |= SANDBOX_ARRIVE;
	if (machine->fill.is_open)
		wants.uses |= SANDBOX_LAZY;
	for (unsigned int i = 0; i < machine->net_count; i++)
		wants.uses |= machine->nets[i].sandbox;
	if (machine->share_count)
		wants.uses |= SANDBOX_SHARE;
	for (unsigned int i = 0; i < machine->disk_count; i++)
		wants.uses |= machine->disks[i].remote ? SANDBOX_REMOTE : 0;
	if (machine->firmware.is_uefi)
		wants.uses |= SANDBOX_FLASH;
	if (machine->power_on)
		wants.uses |= SANDBOX_RESET | SANDBOX_RESET_OF(wants.uses & (SANDBOX_NETWORK | SANDBOX_SHARE));
	return sandbox_prepare(&wants);
}

/* Return: JSON, to be freed; NULL without memory. */
static char *final_stats(struct machine *machine)
{
	struct balloon_view view;
	char *balloon = NULL, *text;

	if (machine->balloon.device.class) {
		virtio_balloon_look(&machine->balloon, 0, &view);
		balloon = virtio_balloon_json(&view);
	}
	text = stats_json(&machine->stats, balloon);
	free(balloon);
	return text;
}

int machine_run(struct machine *machine, const struct options *options)
{
	/* passt, virtiofsd and qemu-nbd may end long before the machine does. */
	children_let_go();
	runtime_drop_early();
	int ret = build(machine, options);

	machine->signals = open_signals();
	if (!ret && machine->signals < 0)
		ret = status_fail(STATUS_HOST, "cannot create a signalfd: %s", strerror(errno));
	/* The inputs are open: what cannot be written is known before the guest runs. */
	if (!ret && options->status_json)
		ret = report_open(options->status_json);
	if (!ret)
		crash_watch(crash);
	runtime_keep();
	ready_open();
	if (!ret && options->sandbox)
		ret = prepare_sandbox(machine);
	if (!ret)
		ret = jail_enter();
	if (!ret)
		ret = arrive_hold(machine);
	if (!ret)
		ret = machine_start_threads(machine);
	if (!ret)
		ret = machine_start_control(machine, options);
	if (!ret && options->sandbox)
		ret = sandbox_enter();
	if (!ret && !ready_is_wanted())
		ret = status_fail(STATUS_SIGNAL, "--daemon: whoever started it has ended before it was ready");
	if (!ret && machine->arrival)
		ret = arrive_take_over(machine);
	if (ret)
		vm_stop(&machine->vm, (enum status)ret, "%s", status_last());
	arrive_release(machine);
	machine->is_started = !ret;
	vm_release(&machine->vm, VM_HOLD_SETUP);
	if (!ret) {
		ready_tell();
		fill_go_on(&machine->fill);
	}
	wait_for_end(machine);
	ready_end();

	bool is_ended = tear_down(machine);

	/* While the guest's memory is still mapped. */
	if (machine->is_started && machine->prints_stats) {
		print_stats(machine);
		machine->stats_json = final_stats(machine);
	}
	stats_close(&machine->stats);
	if (is_ended) {
		mark_free(machine);
		track_end(machine);
		fill_close(&machine->fill);
		vm_close(&machine->vm);
		firmware_free(&machine->firmware);
		generation_free(&machine->generation);
		reset_free(machine);
	}
	runtime_drop();
	return machine->vm.status;
}
