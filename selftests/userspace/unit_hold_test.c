// SPDX-License-Identifier: GPL-2.0-only
/*
 * A machine that is to stand: no vCPU stands for a device's request, one that does not come back is waited for as long as agreed and then named, whoever
 * wanted it may give up, all goes on then; and a driver that always has one more request does not keep its device from standing.
 */
#include <poll.h>
#include <unistd.h>

#include "fake_driver.h"
#include "test.h"
#include "userspace/hold.h"
#include "userspace/machine.h"
#include "userspace/pause.h"
#include "userspace/state_format.h"

#define MS	200	/* that a device may take here */

static struct machine machine;
static struct net_backend backend = { .name = "vhost-user=/run/x" };
static const struct virtio_class nothing = { .id = 1, .queue_count = 1, .thread = SANDBOX_DEVICE };

static unsigned int pauses;
static bool is_stuck;

bool pause_vcpus(struct vm *vm, const struct vcpu *vcpus, unsigned int count, unsigned int why)
{
	pauses++;
	if (!is_stuck)
		vm_hold(vm, why);
	return !is_stuck;
}

/* One device of each kind, without threads. */
static void set_up(void)
{
	struct virtio_device *device;

	fake_vm_init(&machine.vm, 16 << 20);
	machine.disk_count = 2;
	machine.disks[0].path = "/srv/first.img";
	machine.disks[1].path = "/srv/second.img";
	machine.net_count = 1;
	machine.nets[0].net.backend = &backend;
	machine.share_count = 1;
	snprintf(machine.shares[0].name, sizeof(machine.shares[0].name), "--share tag");
	machine.rng.class = machine.balloon.device.class = machine.virtio_console.device.class = &nothing;
	for (unsigned int i = 0; (device = machine_virtio(&machine, i)); i++) {
		device->class = &nothing;
		device->vm = &machine.vm;
		virtio_init_locks(device);
	}
}

/* ---- a thread that is at a request ---- */

static struct virtio_device *busy;
static int back[2];		/* what ends the request */

static void *serve_one(void *argument)
{
	char byte;

	virtio_begin_turn(busy);
	ASSERT_EQ(write(*(int *)argument, "", 1), 1);
	ASSERT_EQ(read(back[0], &byte, 1), 1);
	virtio_end_turn(busy);
	return NULL;
}

static pthread_t hang(struct virtio_device *device)
{
	int begun[2];
	pthread_t thread;
	char byte;

	busy = device;
	ASSERT(!pipe(begun) && !pipe(back), "no pipes");
	ASSERT_EQ(pthread_create(&thread, NULL, serve_one, &begun[1]), 0);
	ASSERT_EQ(read(begun[0], &byte, 1), 1);
	close(begun[0]);
	close(begun[1]);
	return thread;
}

static void come_back(pthread_t thread)
{
	ASSERT_EQ(write(back[1], "", 1), 1);
	ASSERT_EQ(pthread_join(thread, NULL), 0);
	close(back[0]);
	close(back[1]);
}

/* Each device but the busy one could be had now, and no vCPU is held. */
static void check_free(const char *name)
{
	struct virtio_device *device;

	CHECK_EQ(name, 0, atomic_load(&machine.vm.holds));
	for (unsigned int i = 0; (device = machine_virtio(&machine, i)); i++) {
		bool is_free = virtio_hold(device, 0);

		CHECK_EQ(name, device != busy, is_free);
		if (is_free)
			virtio_release(device);
	}
}

static void test_kinds(void)
{
	static const struct {
		unsigned int device;
		const char *name;
	} rows[] = {
		{ 0, "a request of --disk /srv/first.img has not come back from the host in 0 seconds" },
		{ 1, "a request of --disk /srv/second.img has" },
		{ 2, "a request of --net vhost-user=/run/x has" },
		{ 3, "a request of --share tag has" },
		{ 4, "a request of the entropy device has" },
		{ 5, "a request of the balloon has" },
		{ 6, "a request of the virtio console has" },
	};

	set_up();
	CHECK_EQ("all are here", 1, !machine_virtio(&machine, ARRAY_SIZE(rows)));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		pthread_t thread = hang(machine_virtio(&machine, rows[i].device));
		struct state_error error = { "" };

		pauses = 0;
		CHECK_EQ(rows[i].name, 0, hold_machine(&machine, VM_HOLD_SAVE, MS, NULL, &error));
		if (!strstr(error.text, rows[i].name))
			FAIL("wanted '%s', got '%s'", rows[i].name, error.text);
		CHECK_EQ("no vCPU has stood", 0, pauses);
		check_free(rows[i].name);
		come_back(thread);
		busy = NULL;
		error.text[0] = 0;
		CHECK_EQ("once it has come back", 1, hold_machine(&machine, VM_HOLD_SAVE, MS, NULL, &error));
		CHECK_EQ("vCPUs stand", VM_HOLD_SAVE, atomic_load(&machine.vm.holds));
		for (unsigned int n = 0; n < ARRAY_SIZE(rows); n++)
			CHECK_EQ("it is held", 0, virtio_hold(machine_virtio(&machine, n), 0));
		hold_end(&machine, VM_HOLD_SAVE);
		check_free("all go on");
	}
}

/* ---- who asks meanwhile ---- */

static pthread_t helper;
static unsigned int looks;

static bool give_up(void *argument, u64 done, u64 all)
{
	return ++looks < 3;
}

static bool reject(void *argument, u64 done, u64 all)
{
	return state_refuse(argument, "cancelled");
}

static bool end(void *argument, u64 done, u64 all)
{
	vm_stop(&machine.vm, STATUS_QUIT, "the end");
	return true;
}

static bool be_patient(void *argument, u64 done, u64 all)
{
	if (++looks == 3)
		come_back(helper);
	return true;
}

static void test_waiting(void)
{
	static struct state_error error;
	static const struct {
		const char *name;
		bool (*look)(void *argument, u64 done, u64 all);
		const char *wanted;	/* NULL: it stands */
	} rows[] = {
		{ "nobody wants it any more", give_up, "given up" },
		{ "whoever asked says why", reject, "cancelled" },
		{ "it comes back in time", be_patient, NULL },
		{ "the machine ends", end, "the machine is about to end" },
	};

	set_up();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct state_memory_watch watch = { rows[i].look, &error };

		helper = hang(&machine.disks[1].device);
		error.text[0] = 0;
		looks = 0;
		CHECK_EQ(rows[i].name, !rows[i].wanted, hold_machine(&machine, VM_HOLD_MIGRATE, 60000, &watch, &error));
		if (rows[i].wanted && !strstr(error.text, rows[i].wanted))
			FAIL("%s: wanted '%s', got '%s'", rows[i].name, rows[i].wanted, error.text);
		if (rows[i].wanted) {
			check_free(rows[i].name);
			come_back(helper);
		} else {
			hold_end(&machine, VM_HOLD_MIGRATE);
		}
		busy = NULL;
		check_free(rows[i].name);
	}
}

static void test_vcpus(void)
{
	struct state_error error = { "" };

	set_up();
	is_stuck = true;
	CHECK_EQ("a vCPU does not come out", 0, hold_machine(&machine, VM_HOLD_SAVE, MS, NULL, &error));
	CHECK_EQ("why", 1, !!strstr(error.text, "standard output"));
	check_free("a vCPU does not come out");
	is_stuck = false;
	machine.vm.is_attached = true;
	error.text[0] = 0;
	CHECK_EQ("a debugger", 0, hold_machine(&machine, VM_HOLD_SAVE, MS, NULL, &error));
	CHECK_EQ("why", 1, !!strstr(error.text, "let it detach first"));
	check_free("a debugger");
}

/* ---- a driver without an end ---- */

static struct fake_ring ring;
static atomic_uint served;

/* It has the next request ready when one is done. */
static uint32_t serve(struct virtio_device *device, struct virtq_chain *chain)
{
	served++;
	fake_offer_one(&ring, 0x100000, 16, true);
	return 0;
}

static const struct virtio_class endless = { .id = 4, .class_code = 0x00ff00, .queue_count = 1, .thread = SANDBOX_DEVICE, .serve = serve };

static void wait_for_more(void)
{
	const unsigned int before = served;

	for (unsigned int ms = 0; served < before + 5 && ms < TEST_PATIENCE_MS; ms++)
		usleep(1000);
	CHECK_EQ("it serves", 1, served >= before + 5);
}

static void test_endless(void)
{
	struct pci pci;
	struct state_error error = { "" };
	struct virtio_device *device = &machine.rng;

	fake_vm_init(&machine.vm, 16 << 20);
	ASSERT_EQ(pci_init(&pci, &machine.vm), 0);
	device->class = &endless;
	ASSERT_EQ(virtio_add(device, &machine.vm, &pci), 0);
	fake_config_put(&machine.vm, device->pci.slot, PCI_BASE_ADDRESS_0, 4, 0xc8000000);
	fake_ring_init(&ring, &machine.vm, 0);
	ASSERT(fake_negotiate(&machine.vm, device, 1ULL << VIRTIO_F_VERSION_1), "no agreement");
	fake_enable_queue(&machine.vm, device, 0);
	fake_driver_ok(&machine.vm, device);
	fake_offer_one(&ring, 0x100000, 16, true);
	ASSERT_EQ(virtio_start(device), 0);
	virtio_ring(device);
	for (unsigned int i = 0; i < 20; i++) {
		wait_for_more();
		ASSERT(hold_machine(&machine, VM_HOLD_SAVE, 5000, NULL, &error), "%s", error.text);
		const unsigned int before = served;

		usleep(2000);
		CHECK_EQ("nothing is served", before, served);
		hold_end(&machine, VM_HOLD_SAVE);
	}
	/* Nobody rings: what was there is not forgotten. */
	wait_for_more();
	vm_stop(&machine.vm, STATUS_QUIT, "the end");
	CHECK_EQ("it ends", 1, virtio_stop(device));
}

static const struct test_case cases[] = {
	{ "kinds", test_kinds },
	{ "waiting", test_waiting },
	{ "vcpus", test_vcpus },
	{ "endless", test_endless },
};

TEST_MAIN(cases)
