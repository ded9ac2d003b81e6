// SPDX-License-Identifier: GPL-2.0-only
/*
 * The parent's side of a fork: what stands while the child copies, what is made of each thing that a child may say, that one that
 * fails leaves the machine as it was, and when none is even tried. The child's side is in userspace/fork_test, with a guest.
 */
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_vm.h"
#include "test.h"
#include "userspace/console.h"
#include "userspace/fork.h"
#include "userspace/machine.h"
#include "userspace/pause.h"
#include "userspace/virtio_rng.h"

static struct machine machine;

void console_put(struct console *console, uint8_t byte)
{
	(void)console;
	(void)byte;
}

static bool is_stuck;

bool pause_vcpus(struct vm *vm, const struct vcpu *vcpus, unsigned int count, unsigned int why)
{
	(void)vcpus;
	(void)count;
	CHECK_EQ("the device stands already", EBUSY, pthread_mutex_trylock(&machine.rng.serving));
	if (!is_stuck)
		vm_hold(vm, why);
	return !is_stuck;
}

static int most_vcpus = 8;

int vm_has(const struct vm *vm, unsigned int cap)
{
	(void)vm;
	(void)cap;
	return most_vcpus;
}

/* ---- in place of fork_child.c ---- */

enum says {
	NOTHING,		/* and ends */
	TOO_LITTLE,
	NO_STATE,		/* it could not copy */
	NO_DEVICES,		/* it could, and then not go on */
	OUT_OF_TURN,
	ENDLESS,		/* words without an end */
	WHOLE,
	WHOLE_AND_GONE,
};

static enum says scene;
static int reports;		/* a pipe: the child says 'r' once it runs */

static void say(const struct fork_line *line, bool is_running, const char *error)
{
	struct fork_words words = { .is_running = is_running };

	snprintf(words.error, sizeof(words.error), "%s", error);
	if (write(line->out, &words, sizeof(words)) != sizeof(words))
		_exit(1);
}

void fork_become(struct machine *child, const struct fork_line *line)
{
	struct fork_words words = { .is_running = false };
	char go;

	switch (scene) {
	case NOTHING:
		_exit(0);
	case TOO_LITTLE:
		write(line->out, &words, 3);
		_exit(0);
	case NO_STATE:
		say(line, false, "no state");
		_exit(1);
	case ENDLESS:
		memset(words.error, 'x', sizeof(words.error));
		write(line->out, &words, sizeof(words));
		_exit(0);
	case OUT_OF_TURN:
		say(line, true, "");
		break;
	default:
		/* What a child finds in its memory, and what it may rely on. */
		if (pthread_mutex_trylock(&child->serial.lock) != EBUSY || pthread_mutex_trylock(&child->rng.serving) != EBUSY ||
		    !(atomic_load(&child->vm.holds) & VM_HOLD_FORK) || child->forking.order.output != 17)
			say(line, false, "the machine does not stand");
		say(line, false, "");
		if (scene == NO_DEVICES)
			say(line, true, "no devices");
		else
			say(line, true, "");
		if (scene == WHOLE_AND_GONE)
			_exit(0);
		break;
	}
	if (read(line->in, &go, 1) == 1)
		write(reports, "r", 1);
	_exit(0);
}

/* ---- a machine, whose control thread asks ---- */

static void set_up(void)
{
	struct options options = { .is_forkable = true, .cpus = 1 };

	signal(SIGPIPE, SIG_IGN);
	fake_vm_init(&machine.vm, 16 << 20);
	ASSERT_EQ(serial_init(&machine.serial, &machine.vm, &machine.console), 0);
	ASSERT_EQ(power_init(&machine.power, &machine.vm), 0);
	ASSERT_EQ(rtc_init(&machine.rtc, &machine.vm), 0);
	ASSERT_EQ(pci_init(&machine.pci, &machine.vm), 0);
	virtio_rng_init(&machine.rng);
	ASSERT_EQ(virtio_add(&machine.rng, &machine.vm, &machine.pci), 0);
	ASSERT_EQ(fork_prepare(&machine, &options), 0);
}

static struct fork_answer answer;
static unsigned int networks;
static int client = -1;
static bool is_done;

static void *ask(void *argument)
{
	const struct fork_order order = { .output = 17, .listener = -1, .name = "", .net_count = networks, .client = client };

	is_done = fork_ask(&machine, &order, &answer);
	return argument;
}

/* What the main thread does. */
static void serve_one(void)
{
	struct pollfd wait = { .fd = machine.forking.event, .events = POLLIN };
	pthread_t thread;

	ASSERT_EQ(pthread_create(&thread, NULL, ask, NULL), 0);
	ASSERT_EQ(poll(&wait, 1, TEST_PATIENCE_MS), 1);
	CHECK_EQ("this is the parent", 0, fork_serve(&machine));
	pthread_join(thread, NULL);
}

static void check_whole(const char *name)
{
	bool is_free = !pthread_mutex_trylock(&machine.serial.lock);

	CHECK_EQ(name, 1, is_free);
	if (is_free)
		pthread_mutex_unlock(&machine.serial.lock);
	CHECK_EQ(name, 1, virtio_hold(&machine.rng, 1000));
	virtio_release(&machine.rng);
	CHECK_EQ("nobody holds it", VM_HOLD_PAUSE, atomic_load(&machine.vm.holds));
}

static void test_child(void)
{
	static const struct {
		const char *name;
		enum says scene;
		const char *error;	/* NULL: a child */
	} rows[] = {
		{ "it dies", NOTHING, "died" },
		{ "it dies half-way", TOO_LITTLE, "died" },
		{ "no state", NO_STATE, "no state" },
		{ "no devices", NO_DEVICES, "no devices" },
		{ "out of turn", OUT_OF_TURN, "out of turn" },
		{ "endless words", ENDLESS, "xxxx" },
		{ "whole", WHOLE, NULL },
		{ "and again", WHOLE, NULL },
	};
	int ends[2];

	set_up();
	ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
	reports = ends[1];
	vm_hold(&machine.vm, VM_HOLD_PAUSE);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pollfd wait = { .fd = ends[0], .events = POLLIN };
		char byte;

		scene = rows[i].scene;
		serve_one();
		CHECK_EQ(rows[i].name, !rows[i].error, is_done);
		if (rows[i].error && !strstr(answer.error, rows[i].error))
			FAIL("%s: wanted '%s', got '%s'", rows[i].name, rows[i].error, answer.error);
		check_whole(rows[i].name);
		/* No child without an answer, and no answer without a child. */
		CHECK_EQ("it runs", !rows[i].error, poll(&wait, 1, rows[i].error ? 100 : 5000));
		if (rows[i].error)
			continue;
		CHECK_EQ("its number", 1, answer.pid > 0 && answer.pid != getpid());
		ASSERT_EQ(read(ends[0], &byte, 1), 1);
	}
	for (int i = 0; i < TEST_PATIENCE_MS / 10 && !waitpid(-1, NULL, WNOHANG); i++)
		usleep(10000);
	CHECK_EQ("nobody need wait for them", -1, waitpid(-1, NULL, WNOHANG));
	/* Who asked is gone: nobody would know of a child. Who has no more to say waits for it. */
	scene = WHOLE;
	for (unsigned int i = 0; i < 2; i++) {
		struct pollfd wait = { .fd = ends[0], .events = POLLIN };
		int sockets[2];
		char byte;

		ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
		client = sockets[0];
		if (i)
			shutdown(sockets[1], SHUT_WR);
		else
			close(sockets[1]);
		serve_one();
		CHECK_EQ("a child", i, is_done);
		if (!i)
			CHECK_EQ("why", 1, !!strstr(answer.error, "has gone"));
		check_whole("a client");
		CHECK_EQ("it runs", i, poll(&wait, 1, i ? 5000 : 100));
		if (i) {
			ASSERT_EQ(read(ends[0], &byte, 1), 1);
			close(sockets[1]);
		}
		close(sockets[0]);
	}
	client = -1;
	/* Once it is told to go, what becomes of it is no failure of the fork's; before, it is. */
	scene = WHOLE_AND_GONE;
	serve_one();
	check_whole("whole, and gone");
}

static void test_not_now(void)
{
	static const struct {
		const char *name;
		unsigned int hold;
		bool is_attached, is_busy, is_stuck;
		const char *error;
	} rows[] = {
		{ "a debugger is connected", 0, true, false, false, "a debugger is connected" },
		{ "a debugger has stopped it", VM_HOLD_DEBUG, false, false, false, "a debugger is connected" },
		{ "a reset", VM_HOLD_RESET, false, false, false, "is being reset" },
		{ "a device is busy", 0, false, true, false, "a request of the entropy device has not come back from the host in 2 seconds" },
		{ "a vCPU does not come out", 0, false, false, true, "a vCPU cannot leave what it does" },
	};

	set_up();
	vm_hold(&machine.vm, VM_HOLD_PAUSE);
	scene = NOTHING;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		vm_hold(&machine.vm, rows[i].hold);
		machine.vm.is_attached = rows[i].is_attached;
		is_stuck = rows[i].is_stuck;
		if (rows[i].is_busy)
			ASSERT(virtio_hold(&machine.rng, 1000), "not held");
		serve_one();
		if (is_done || !strstr(answer.error, rows[i].error))
			FAIL("%s: wanted '%s', got '%s'", rows[i].name, rows[i].error, answer.error);
		if (rows[i].is_busy)
			virtio_release(&machine.rng);
		machine.vm.is_attached = false;
		vm_release(&machine.vm, rows[i].hold);
		check_whole(rows[i].name);
	}
	is_stuck = false;
	networks = 1;
	serve_one();
	CHECK_EQ("a network and no device for it", 1, !is_done && strstr(answer.error, "more networks"));
	networks = 0;
	check_whole("a network and no device for it");
}

/* The main thread is on its way out, or was about to look: whoever asks is not left alone. */
static void test_end(void)
{
	pthread_t thread;

	set_up();
	ASSERT_EQ(pthread_create(&thread, NULL, ask, NULL), 0);
	usleep(50000);
	vm_stop(&machine.vm, STATUS_QUIT, "the end");
	pthread_join(thread, NULL);
	CHECK_EQ("no child", 0, is_done);
	CHECK_EQ("in words", 1, !!strstr(answer.error, "about to end"));
	/* too late: nobody asks any more */
	CHECK_EQ("nothing to do", 0, fork_serve(&machine));
}

static void config_set(unsigned int offset, unsigned int len, u32 value)
{
	bus_write(&machine.vm.ports, PCI_CONFIG_ADDRESS, 4, 0x80000000u | machine.rng.pci.slot << 11 | (offset & ~3u));
	bus_write(&machine.vm.ports, PCI_CONFIG_DATA + (offset & 3), len, value);
}

/* How often the event was signalled since the last time. */
static u64 rung(int event)
{
	struct pollfd wait = { .fd = event, .events = POLLIN };
	u64 count = 0;

	if (poll(&wait, 1, 0) == 1)
		ASSERT_EQ(read(event, &count, sizeof(count)), 8);
	return count;
}

/* A device in the child: its doorbells are in the new VM, and ring there alone. */
static void test_renew(void)
{
	struct virtio_device *device = &machine.rng;
	unsigned int doorbells;

	set_up();
	config_set(PCI_BASE_ADDRESS_0, 4, 0xc8000000);
	config_set(PCI_BASE_ADDRESS_0 + 8, 4, 0xc000);
	config_set(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_IO | PCI_COMMAND_MASTER);
	doorbells = fake_record.doorbells;
	CHECK_EQ("one in memory, one at a port", 2, doorbells);

	int parents = dup(device->doorbell), room = dup(machine.serial.room_event);

	ASSERT(virtio_hold(device, 1000), "not held");
	fake_record.doorbells = 0;	/* another VM */
	CHECK_EQ("renewed", 0, virtio_renew(device));
	CHECK_EQ("they are there again", doorbells, fake_record.doorbells);
	CHECK_EQ("its thread looks at the queues", 1, rung(device->doorbell));
	CHECK_EQ("the parent's does not", 0, rung(parents));
	virtio_ring(device);
	CHECK_EQ("it rings here", 1, rung(device->doorbell));
	CHECK_EQ("and not there", 0, rung(parents));
	CHECK_EQ("nobody has its locks", 1, virtio_hold(device, 1000));
	virtio_release(device);
	config_set(PCI_COMMAND, 2, 0);
	CHECK_EQ("they go with its addresses", 0, fake_record.doorbells);

	pthread_mutex_lock(&machine.serial.lock);
	machine.serial.used = SERIAL_FIFO;
	CHECK_EQ("the serial port renewed", 0, serial_renew(&machine.serial));
	CHECK_EQ("full", 0, serial_receive(&machine.serial, 'x'));
	bus_read(&machine.vm.ports, 0x3f8, 1);
	CHECK_EQ("room", 1, rung(machine.serial.room_event));
	CHECK_EQ("is told here alone", 0, rung(room));
	close(parents);
	close(room);
}

static void test_prepare(void)
{
	static const struct {
		const char *name;
		bool is_forkable;
		int most;
		unsigned int cpus;
		int want;
	} rows[] = {
		{ "not wanted", false, 0, 1, 0 },
		{ "wanted", true, 8, 8, 0 },
		{ "another kernel's node", true, 0, 1, STATUS_CREATE },
		{ "too many CPUs", true, 8, 9, STATUS_CREATE },
	};

	fake_vm_init(&machine.vm, 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct options options = { .is_forkable = rows[i].is_forkable, .cpus = rows[i].cpus };

		most_vcpus = rows[i].most;
		machine.forking.is_possible = false;
		CHECK_EQ(rows[i].name, rows[i].want, fork_prepare(&machine, &options));
		CHECK_EQ(rows[i].name, !rows[i].want && rows[i].is_forkable, machine.forking.is_possible);
	}
}

static const struct test_case cases[] = {
	{ "child", test_child },
	{ "not_now", test_not_now },
	{ "end", test_end },
	{ "prepare", test_prepare },
	{ "renew", test_renew },
};

TEST_MAIN(cases)
