// SPDX-License-Identifier: GPL-2.0-only
/* PCI and virtio registers: sizing, moving BARs, MSI-X, the rules of negotiation. */
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <unistd.h>

#include "fake_config.h"
#include "fake_vm.h"
#include "test.h"
#include "userspace/pci.h"
#include "userspace/virtio.h"

#define SLOT		1
#define QUEUE_AT	0x100000ULL

static struct vm vm;
static struct pci pci;
static struct virtio_device device;
static unsigned int served;

static uint32_t serve(struct virtio_device *of, struct virtq_chain *chain)
{
	ASSERT(of == &device, "the device asked");
	served++;
	return (uint32_t)chain->write_bytes;
}

static const struct virtio_class class = { .id = 40, .queue_count = 2, .thread = SANDBOX_DEVICE, .serve = serve };

static void set_up(void)
{
	fake_vm_init(&vm, 16 << 20);
	memset(&device, 0, sizeof(device));
	served = 0;
	ASSERT_EQ(pci_init(&pci, &vm), 0);
	device.class = &class;
	ASSERT_EQ(virtio_add(&device, &vm, &pci), 0);
	ASSERT_EQ(device.pci.slot, SLOT);
}

static u32 config_get(u32 offset, u32 len) { return fake_config_get(&vm, SLOT, offset, len); }
static void config_put(u32 offset, u32 len, u32 value) { fake_config_put(&vm, SLOT, offset, len, value); }

static void turn_on(void)
{
	config_put(PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static u64 bar(u32 index) { return config_get(PCI_BASE_ADDRESS_0 + 4 * index, 4) & ~3u; }
static u64 common_get(u32 at, u32 len) { return bus_read(&vm.mmio, bar(0) + at, len); }
static void common_put(u32 at, u32 len, u64 value) { bus_write(&vm.mmio, bar(0) + at, len, value); }

static void test_config_ports(void)
{
	set_up();
	CHECK_EQ("virtio", 0x10681af4, config_get(0, 4));
	CHECK_EQ("device by bytes", 0x10, config_get(3, 1));
	fake_config_select(&vm, 0, 0);
	CHECK_EQ("bridge", 0x00081b36, bus_read(&vm.ports, 0xcfc, 4));
	fake_config_select(&vm, 5, 0);
	CHECK_EQ("empty slot", 0xffffffff, bus_read(&vm.ports, 0xcfc, 4));
	bus_write(&vm.ports, 0xcf8, 4, SLOT << 11);
	CHECK_EQ("not enabled", 0xffffffff, bus_read(&vm.ports, 0xcfc, 4));
	bus_write(&vm.ports, 0xcf8, 4, 1u << 31 | 1 << 16 | SLOT << 11);
	CHECK_EQ("another bus", 0xffffffff, bus_read(&vm.ports, 0xcfc, 4));
	bus_write(&vm.ports, 0xcf8, 4, 1u << 31 | SLOT << 11 | 1 << 8);
	CHECK_EQ("another function", 0xffffffff, bus_read(&vm.ports, 0xcfc, 4));
	bus_write(&vm.ports, 0xcf8, 1, 0);
	CHECK_EQ("a byte does not reach it", 1u << 31 | SLOT << 11 | 1 << 8,
		 bus_read(&vm.ports, 0xcf8, 4));
	config_put(0, 4, 0);
	CHECK_EQ("identity is read-only", 0x10681af4, config_get(0, 4));
}

static void test_bar_sizing(void)
{
	static const struct {
		const char *name;
		u32 offset, mask;
	} rows[] = {
		{ "registers", PCI_BASE_ADDRESS_0, 0xffffc000 },
		{ "MSI-X", PCI_BASE_ADDRESS_1, 0xfffff000 },
		{ "ports", PCI_BASE_ADDRESS_2, 0xfffffff1 },
		{ "none", PCI_BASE_ADDRESS_3, 0 },
		{ "ROM", PCI_ROM_ADDRESS, 0 },
	};

	set_up();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		u32 before = config_get(rows[i].offset, 4);

		config_put(rows[i].offset, 4, 0xffffffff);
		CHECK_EQ(rows[i].name, rows[i].mask, config_get(rows[i].offset, 4));
		config_put(rows[i].offset, 4, before);
		CHECK_EQ("restored", before, config_get(rows[i].offset, 4));
	}
}

static bool answers(u64 address)
{
	return bus_read(&vm.mmio, address + VIRTIO_PCI_COMMON_NUMQ, 2) == class.queue_count;
}

static void test_bar_moves(void)
{
	set_up();
	u64 first = bar(0), second = 0xd0000000;

	CHECK_EQ("off at first", 0, answers(first));
	CHECK_EQ("no doorbells", 0, fake_record.doorbells);
	turn_on();
	CHECK_EQ("on", 1, answers(first));
	CHECK_EQ("a doorbell a queue and area", 4, fake_record.doorbells);
	config_put(PCI_BASE_ADDRESS_0, 4, (u32)second);
	CHECK_EQ("old place", 0, answers(first));
	CHECK_EQ("new place", 1, answers(second));
	CHECK_EQ("doorbells moved", 4, fake_record.doorbells);
	config_put(PCI_BASE_ADDRESS_0, 4, (u32)MAP_LAPIC);
	CHECK_EQ("not over the local APIC", 0, answers(MAP_LAPIC & ~0x3fffULL));
	config_put(PCI_BASE_ADDRESS_0, 4, 0x100000);
	CHECK_EQ("not over memory", 0, answers(0x100000));
	CHECK_EQ("its doorbells are gone", 2, fake_record.doorbells);
	config_put(PCI_BASE_ADDRESS_0, 4, (u32)first);
	config_put(PCI_COMMAND, 2, 0);
	CHECK_EQ("off", 0, answers(first));
	CHECK_EQ("no doorbells", 0, fake_record.doorbells);
	fake_record.refuse_doorbells = true;
	turn_on();
	CHECK_EQ("works without", 1, answers(first));
	config_put(PCI_COMMAND, 2, 0);
}

static void test_capabilities(void)
{
	u32 seen = 0, msix = 0, steps = 0, first_notify = 0;

	set_up();
	for (u32 at = config_get(PCI_CAPABILITY_LIST, 1); at; at = config_get(at + 1, 1)) {
		ASSERT(++steps < 16, "the list ends");
		if (config_get(at, 1) == PCI_CAP_ID_MSIX)
			msix = at;
		if (config_get(at, 1) != PCI_CAP_ID_VNDR)
			continue;
		u32 type = config_get(at + 3, 1);

		if (type == VIRTIO_PCI_CAP_NOTIFY_CFG && !first_notify)
			first_notify = config_get(at + VIRTIO_PCI_CAP_BAR, 1);
		seen |= 1u << type;
	}
	CHECK_EQ("all structures", 0x3e, seen);
	CHECK_EQ("ports are preferred for doorbells", 2, first_notify);
	ASSERT(msix, "MSI-X");
	CHECK_EQ("vectors", class.queue_count, config_get(msix + 2, 2) & 0x7ff);
}

/* The window of the PCI access capability reaches the same registers. */
static void test_window(void)
{
	set_up();
	turn_on();
	u32 at = device.config_window;

	config_put(at + VIRTIO_PCI_CAP_BAR, 1, 0);
	config_put(at + VIRTIO_PCI_CAP_OFFSET, 4, VIRTIO_PCI_COMMON_NUMQ);
	config_put(at + VIRTIO_PCI_CAP_LENGTH, 4, 2);
	CHECK_EQ("read", class.queue_count, config_get(at + 16, 2));
	config_put(at + VIRTIO_PCI_CAP_OFFSET, 4, VIRTIO_PCI_COMMON_Q_SELECT);
	config_put(at + 16, 2, 1);
	CHECK_EQ("write", 1, common_get(VIRTIO_PCI_COMMON_Q_SELECT, 2));
	static const u32 bad[][3] = {	/* BAR, offset, length */
		{ 3, 0, 4 }, { 255, 0, 4 }, { 0, 0x4000, 4 }, { 0, 0x3fff, 4 },
		{ 0, UINT32_MAX, 4 }, { 0, 0, 0 }, { 0, 0, 3 }, { 0, 0, 8 }, { 0, 2, 4 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		config_put(at + VIRTIO_PCI_CAP_BAR, 1, bad[i][0]);
		config_put(at + VIRTIO_PCI_CAP_OFFSET, 4, bad[i][1]);
		config_put(at + VIRTIO_PCI_CAP_LENGTH, 4, bad[i][2]);
		config_put(at + 16, 4, 0);
		config_get(at + 16, 4);
	}
	CHECK_EQ("bad windows wrote nothing", 1, common_get(VIRTIO_PCI_COMMON_Q_SELECT, 2));
}

static void negotiate(u64 features)
{
	common_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	common_put(VIRTIO_PCI_COMMON_STATUS, 1, 3);
	for (u32 i = 0; i < 2; i++) {
		common_put(VIRTIO_PCI_COMMON_GFSELECT, 4, i);
		common_put(VIRTIO_PCI_COMMON_GF, 4, (u32)(features >> (32 * i)));
	}
	common_put(VIRTIO_PCI_COMMON_STATUS, 1, 3 | VIRTIO_CONFIG_S_FEATURES_OK);
}

static u64 status(void) { return common_get(VIRTIO_PCI_COMMON_STATUS, 1); }

static void test_features(void)
{
	u64 offered;

	set_up();
	turn_on();
	common_put(VIRTIO_PCI_COMMON_DFSELECT, 4, 0);
	offered = common_get(VIRTIO_PCI_COMMON_DF, 4);
	common_put(VIRTIO_PCI_COMMON_DFSELECT, 4, 1);
	offered |= common_get(VIRTIO_PCI_COMMON_DF, 4) << 32;
	common_put(VIRTIO_PCI_COMMON_DFSELECT, 4, 2);
	CHECK_EQ("no third word", 0, common_get(VIRTIO_PCI_COMMON_DF, 4));
	ASSERT(offered & 1ULL << VIRTIO_F_VERSION_1, "version 1");

	negotiate(1ULL << VIRTIO_F_VERSION_1);
	CHECK_EQ("version 1 is enough", 0xb, status());
	negotiate(offered);
	CHECK_EQ("all offered", 0xb, status());
	common_put(VIRTIO_PCI_COMMON_GF, 4, 0);
	common_put(VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
	CHECK_EQ("settled", 1, common_get(VIRTIO_PCI_COMMON_GF, 4));
	negotiate(0);
	CHECK_EQ("legacy refused", 3, status());
	negotiate(offered | 1ULL << 60);
	CHECK_EQ("one not offered refused", 3, status());
}

static void set_queue(u32 queue, u64 address)
{
	common_put(VIRTIO_PCI_COMMON_Q_SELECT, 2, queue);
	common_put(VIRTIO_PCI_COMMON_Q_SIZE, 2, 8);
	common_put(VIRTIO_PCI_COMMON_Q_DESCLO, 4, (u32)address);
	common_put(VIRTIO_PCI_COMMON_Q_DESCHI, 4, address >> 32);
	common_put(VIRTIO_PCI_COMMON_Q_AVAILLO, 4, (u32)address + 0x400);
	common_put(VIRTIO_PCI_COMMON_Q_USEDLO, 4, (u32)address + 0x800);
	common_put(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
}

static void test_queue_set_up(void)
{
	set_up();
	turn_on();
	negotiate(1ULL << VIRTIO_F_VERSION_1);
	CHECK_EQ("default size", VIRTQ_SIZE_MAX, common_get(VIRTIO_PCI_COMMON_Q_SIZE, 2));
	set_queue(0, QUEUE_AT);
	CHECK_EQ("enabled", 1, common_get(VIRTIO_PCI_COMMON_Q_ENABLE, 2));
	common_put(VIRTIO_PCI_COMMON_Q_DESCLO, 4, 0xdead0000);
	CHECK_EQ("fixed once enabled", QUEUE_AT, common_get(VIRTIO_PCI_COMMON_Q_DESCLO, 4));
	common_put(VIRTIO_PCI_COMMON_Q_SELECT, 2, 9);
	CHECK_EQ("no such queue", 0, common_get(VIRTIO_PCI_COMMON_Q_SIZE, 2));
	common_put(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	CHECK_EQ("healthy", 0xb, status());
	set_queue(1, 0xfee00000);
	CHECK_EQ("bad place needs a reset", 0xb | VIRTIO_CONFIG_S_NEEDS_RESET, status());
	common_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	CHECK_EQ("reset", 0, status());
	common_put(VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	CHECK_EQ("disabled", 0, common_get(VIRTIO_PCI_COMMON_Q_ENABLE, 2));
}

/* The device's thread serves a request and interrupts by INTx, then by MSI-X. */
static void wait_for(unsigned int wanted)
{
	struct vring_used *used = memory_at(&vm.memory, QUEUE_AT + 0x800, 64);

	for (u32 i = 0; i < 5000; i++) {
		if (__atomic_load_n(&used->idx, __ATOMIC_ACQUIRE) == wanted) {
			/* The signal follows the index; the lock covers both. */
			pthread_mutex_lock(&device.lock);
			pthread_mutex_unlock(&device.lock);
			return;
		}
		usleep(1000);
	}
	FAIL("request %u was not served", wanted);
}

static void offer(void)
{
	struct vring_desc *table = memory_at(&vm.memory, QUEUE_AT, 16);
	struct vring_avail *avail = memory_at(&vm.memory, QUEUE_AT + 0x400, 64);

	table[0] = (struct vring_desc){ 0x200000, 16, VRING_DESC_F_WRITE, 0 };
	avail->ring[avail->idx % 8] = 0;
	__atomic_store_n(&avail->idx, avail->idx + 1, __ATOMIC_RELEASE);
}

static void test_interrupts(void)
{
	set_up();
	u32 gsi = pci_slot_gsi(SLOT), msix = device.msix.capability;

	turn_on();
	ASSERT_EQ(virtio_start(&device), 0);
	negotiate(1ULL << VIRTIO_F_VERSION_1);
	set_queue(0, QUEUE_AT);
	common_put(VIRTIO_PCI_COMMON_Q_MSIX, 2, 1);
	common_put(VIRTIO_PCI_COMMON_STATUS, 1, 0xf);

	offer();
	bus_write(&vm.ports, bar(2), 2, 0);
	wait_for(1);
	CHECK_EQ("line", 1, fake_line(&vm, gsi));
	config_put(PCI_COMMAND, 2, 7 | PCI_COMMAND_INTX_DISABLE);
	CHECK_EQ("line disabled", 0, fake_line(&vm, gsi));
	turn_on();
	CHECK_EQ("cause", 1, bus_read(&vm.mmio, bar(0) + 0x1000, 1));
	CHECK_EQ("reading it lowers the line", 0, fake_line(&vm, gsi));

	bus_write(&vm.mmio, bar(1) + 16, 4, 0xfee01000);
	bus_write(&vm.mmio, bar(1) + 24, 4, 0x4041);
	config_put(msix + 2, 2, PCI_MSIX_FLAGS_ENABLE);
	offer();
	bus_write(&vm.mmio, bar(0) + 0x3000, 2, 0);
	wait_for(2);
	CHECK_EQ("masked", 0, fake_record.messages);
	CHECK_EQ("pending", 2, bus_read(&vm.mmio, bar(1) + 0x800, 4));
	bus_write(&vm.mmio, bar(1) + 28, 4, 0);
	CHECK_EQ("sent when unmasked", 1, fake_record.messages);
	CHECK_EQ("address", 0xfee01000, fake_record.last_address);
	CHECK_EQ("data", 0x4041, fake_record.last_data);
	CHECK_EQ("no longer pending", 0, bus_read(&vm.mmio, bar(1) + 0x800, 4));
	offer();
	bus_write(&vm.ports, bar(2), 2, 0);
	wait_for(3);
	CHECK_EQ("sent at once", 2, fake_record.messages);
	CHECK_EQ("no line", 0, fake_line(&vm, gsi));
	config_put(msix + 2, 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	offer();
	bus_write(&vm.ports, bar(2), 2, 0);
	wait_for(4);
	CHECK_EQ("all masked", 2, fake_record.messages);
	config_put(msix + 2, 2, PCI_MSIX_FLAGS_ENABLE);
	CHECK_EQ("sent when the function is unmasked", 3, fake_record.messages);
	CHECK_EQ("served", 4, served);
	vm_stop(&vm, STATUS_OK, "end");
	virtio_stop(&device);
}

static void begin_queue(u32 command)
{
	memset(memory_at(&vm.memory, QUEUE_AT, 0x1000), 0, 0x1000);
	config_put(PCI_COMMAND, 2, command);
	negotiate(1ULL << VIRTIO_F_VERSION_1);
	set_queue(0, QUEUE_AT);
	common_put(VIRTIO_PCI_COMMON_STATUS, 1, 0xf);
}

static void offer_and_ring(void)
{
	offer();
	bus_write(&vm.ports, bar(2), 2, 0);
}

/*
 * A kernel that is about to start another one (kexec) clears the bus master's bit of each device, and that is all that keeps the
 * buffers that it has offered from being written into the other's memory.
 */
static void test_bus_master(void)
{
	const u32 on = PCI_COMMAND_IO | PCI_COMMAND_MEMORY;

	set_up();
	ASSERT_EQ(virtio_start(&device), 0);
	begin_queue(on | PCI_COMMAND_MASTER);
	offer_and_ring();
	wait_for(1);
	config_put(PCI_COMMAND, 2, on);
	CHECK_EQ("in service no more", 0xb, status());
	offer_and_ring();
	config_put(PCI_COMMAND, 2, on | PCI_COMMAND_MASTER);
	offer_and_ring();
	usleep(50000);
	CHECK_EQ("nothing is written", 1, served);
	begin_queue(on | PCI_COMMAND_MASTER);
	offer_and_ring();
	wait_for(1);
	CHECK_EQ("the next driver's", 2, served);

	/* Who never sets the bit is served all the same, as by many a virtual machine. */
	begin_queue(0);
	begin_queue(on);
	config_put(PCI_COMMAND, 2, on | PCI_COMMAND_INTX_DISABLE);
	offer_and_ring();
	wait_for(1);
	CHECK_EQ("without it", 3, served);
	vm_stop(&vm, STATUS_OK, "end");
	virtio_stop(&device);
}

/* Writes of noise to every register, with the thread running. */
static void test_noise(void)
{
	u32 state = 5;

	set_up();
	turn_on();
	ASSERT_EQ(virtio_start(&device), 0);
	for (u32 i = 0; i < 300000; i++) {
		state = state * 1664525 + 1013904223;
		u32 len = 1u << (state >> 30), pick = state >> 26 & 7;
		u64 value = state & 1 << 8 ? state >> 12 & 0xf : (u64)state << 13;

		if (pick == 0)
			config_put(state >> 16 & 0xff, 1u << (state >> 30) % 3, (u32)value);
		else if (pick == 1)
			bus_write(&vm.mmio, bar(1) + (state >> 16 & 0xfff), len, value);
		else if (pick == 2)
			bus_read(&vm.mmio, bar(state & 1) + (state >> 16 & 0x3fff), len);
		else
			bus_write(&vm.mmio, bar(0) + (state >> 16 & 0x3f), len, value);
		if (!(i % 64))
			turn_on();
	}
	vm_stop(&vm, STATUS_OK, "end");
	virtio_stop(&device);
	config_put(PCI_COMMAND, 2, 0);
	ASSERT_EQ(fake_record.doorbells, 0);
}

static const struct test_case cases[] = {
	{ "config_ports", test_config_ports },
	{ "bar_sizing", test_bar_sizing },
	{ "bar_moves", test_bar_moves },
	{ "capabilities", test_capabilities },
	{ "window", test_window },
	{ "features", test_features },
	{ "queue_set_up", test_queue_set_up },
	{ "interrupts", test_interrupts },
	{ "bus_master", test_bus_master },
	{ "noise", test_noise },
};

TEST_MAIN(cases)
