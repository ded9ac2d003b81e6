// SPDX-License-Identifier: GPL-2.0-only
/*
 * Configuration headers against PCI Local Bus Specification 3.0, "Configuration Space": each
 * register's value after reset and the bits that can be written, of the host bridge, a disk and the
 * entropy device; "Device Status": the interrupt's state; "Base Addresses"; "Capabilities List".
 */
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <unistd.h>

#include "fake_config.h"
#include "fake_vm.h"
#include "test.h"
#include "userspace/pci.h"
#include "userspace/virtio_blk.h"
#include "userspace/virtio_rng.h"

static struct vm vm;
static struct pci pci;
static struct virtio_blk blk;
static struct virtio_device rng;

static void set_up(void)
{
	char path[] = "/tmp/keel-pci-test.XXXXXX";
	int fd = mkstemp(path);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(ftruncate(fd, 4096), 0);
	close(fd);
	fake_vm_init(&vm, 1 << 20);
	memset(&blk, 0, sizeof(blk));
	memset(&rng, 0, sizeof(rng));
	ASSERT_EQ(pci_init(&pci, &vm), 0);
	ASSERT_EQ(virtio_blk_open(&blk, path, VIRTIO_BLK_WRITTEN, 0), 0);
	unlink(path);
	virtio_rng_init(&rng);
	ASSERT_EQ(virtio_add(&blk.device, &vm, &pci), 0);
	ASSERT_EQ(virtio_add(&rng, &vm, &pci), 0);
}

static u32 get(u32 slot, u32 offset, u32 len) { return fake_config_get(&vm, slot, offset, len); }
static void put(u32 slot, u32 offset, u32 len, u32 value) { fake_config_put(&vm, slot, offset, len, value); }

#define BRIDGE	0
#define DISK	1
#define RNG	2

static const struct {
	const char *name;
	u32 slot, offset, len, reset, mask;
} rows[] = {
	{ "bridge: vendor", BRIDGE, PCI_VENDOR_ID, 2, 0x1b36, 0 },
	{ "bridge: device", BRIDGE, PCI_DEVICE_ID, 2, 0x0008, 0 },
	{ "bridge: class, host bridge", BRIDGE, PCI_CLASS_DEVICE, 2, 0x0600, 0 },
	{ "bridge: header type", BRIDGE, PCI_HEADER_TYPE, 1, 0, 0 },
	{ "bridge: status", BRIDGE, PCI_STATUS, 2, 0, 0 },
	{ "bridge: no interrupt", BRIDGE, PCI_INTERRUPT_PIN, 1, 0, 0 },
	{ "bridge: no capability", BRIDGE, PCI_CAPABILITY_LIST, 1, 0, 0 },
	{ "disk: vendor", DISK, PCI_VENDOR_ID, 2, 0x1af4, 0 },
	{ "disk: device", DISK, PCI_DEVICE_ID, 2, 0x1042, 0 },
	{ "disk: command", DISK, PCI_COMMAND, 2, 0,
	  PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE },
	{ "disk: status, has capabilities", DISK, PCI_STATUS, 2, PCI_STATUS_CAP_LIST, 0 },
	{ "disk: revision", DISK, PCI_REVISION_ID, 1, 1, 0 },
	{ "disk: programming interface", DISK, PCI_CLASS_PROG, 1, 0, 0 },
	{ "disk: class, SCSI storage", DISK, PCI_CLASS_DEVICE, 2, 0x0100, 0 },
	{ "disk: cache line size", DISK, PCI_CACHE_LINE_SIZE, 1, 0, 0xff },
	{ "disk: latency timer", DISK, PCI_LATENCY_TIMER, 1, 0, 0xff },
	{ "disk: header type, one function", DISK, PCI_HEADER_TYPE, 1, 0, 0 },
	{ "disk: no self-test", DISK, PCI_BIST, 1, 0, 0 },
	{ "disk: BAR 3", DISK, PCI_BASE_ADDRESS_3, 4, 0, 0 },
	{ "disk: BAR 4", DISK, PCI_BASE_ADDRESS_4, 4, 0, 0 },
	{ "disk: BAR 5", DISK, PCI_BASE_ADDRESS_5, 4, 0, 0 },
	{ "disk: CardBus CIS", DISK, PCI_CARDBUS_CIS, 4, 0, 0 },
	{ "disk: subsystem vendor", DISK, PCI_SUBSYSTEM_VENDOR_ID, 2, 0x1af4, 0 },
	{ "disk: subsystem", DISK, PCI_SUBSYSTEM_ID, 2, 0x1042, 0 },
	{ "disk: no ROM", DISK, PCI_ROM_ADDRESS, 4, 0, 0 },
	{ "disk: reserved 0x35", DISK, 0x35, 1, 0, 0 },
	{ "disk: reserved 0x38", DISK, 0x38, 4, 0, 0 },
	{ "disk: interrupt line", DISK, PCI_INTERRUPT_LINE, 1, 11, 0xff },
	{ "disk: interrupt pin A", DISK, PCI_INTERRUPT_PIN, 1, 1, 0 },
	{ "disk: minimum grant", DISK, PCI_MIN_GNT, 1, 0, 0 },
	{ "disk: maximum latency", DISK, PCI_MAX_LAT, 1, 0, 0 },
	{ "rng: device", RNG, PCI_DEVICE_ID, 2, 0x1044, 0 },
	{ "rng: interrupt line", RNG, PCI_INTERRUPT_LINE, 1, 10, 0xff },
	{ "nothing in slot 3", 3, PCI_VENDOR_ID, 4, 0xffffffff, 0 },
};

static void test_registers(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		u32 ones = rows[i].len == 4 ? ~0u : (1u << 8 * rows[i].len) - 1;

		set_up();
		CHECK_EQ(rows[i].name, rows[i].reset,
			 get(rows[i].slot, rows[i].offset, rows[i].len));
		put(rows[i].slot, rows[i].offset, rows[i].len, ones);
		CHECK_EQ("all ones", (rows[i].reset & ~rows[i].mask) | rows[i].mask,
			 get(rows[i].slot, rows[i].offset, rows[i].len));
		put(rows[i].slot, rows[i].offset, rows[i].len, 0);
		CHECK_EQ("all zero", rows[i].reset & ~rows[i].mask,
			 get(rows[i].slot, rows[i].offset, rows[i].len));
		virtio_blk_close(&blk);
	}
}

/*
 * All 256 bytes, whoever wrote: what is not writable stays, and bytes are the double words' parts.
 */
static void test_all_bytes(void)
{
	u32 changed = 0;

	set_up();
	for (u32 i = 0; i < 256; i += 4) {
		u32 whole = get(DISK, i, 4);

		for (u32 j = 0; j < 4; j++)
			ASSERT_EQ(get(DISK, i + j, 1), whole >> 8 * j & 0xff);
		for (u32 j = 0; j < 4; j += 2)
			ASSERT_EQ(get(DISK, i + j, 2), whole >> 8 * j & 0xffff);
		/*
		 * Interrupt line, BARs, command and the capabilities of virtio and MSI-X can
		 * change.
		 */
		if (i != PCI_COMMAND && i != PCI_CACHE_LINE_SIZE && i < 0x40 &&
		    (i < 0x10 || i > 0x18) && i != PCI_INTERRUPT_LINE) {
			put(DISK, i, 4, ~whole);
			changed += get(DISK, i, 4) != whole;
		}
	}
	CHECK_EQ("read-only registers that changed", 0, changed);
}

/* A list that ends, each on a double word behind the header, none twice. */
static void test_capabilities(void)
{
	u32 at, count = 0, vendor = 0, msix = 0;
	u8 seen[256] = { 0 };

	set_up();
	for (at = get(DISK, PCI_CAPABILITY_LIST, 1); at && count < 48; count++) {
		CHECK_EQ("on a double word", 0, at & 3);
		CHECK_EQ("behind the header", 1, at >= 0x40);
		CHECK_EQ("not seen before", 0, seen[at]);
		seen[at] = 1;
		vendor += get(DISK, at, 1) == PCI_CAP_ID_VNDR;
		msix += get(DISK, at, 1) == PCI_CAP_ID_MSIX;
		at = get(DISK, at + 1, 1);
	}
	CHECK_EQ("virtio's structures", 6, vendor);
	CHECK_EQ("MSI-X", 1, msix);
	CHECK_EQ("the list ends", 0, at);
}

/* "Interrupt Status": the device's state, whether the line may show it or not. */
static void test_interrupt_status(void)
{
	set_up();
	put(DISK, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	CHECK_EQ("no interrupt", 0, get(DISK, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	pthread_mutex_lock(&blk.device.lock);
	blk.device.isr = 1;
	pthread_mutex_unlock(&blk.device.lock);
	CHECK_EQ("an interrupt", PCI_STATUS_INTERRUPT,
		 get(DISK, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	CHECK_EQ("in the byte alone", PCI_STATUS_INTERRUPT | PCI_STATUS_CAP_LIST,
		 get(DISK, PCI_STATUS, 1));
	put(DISK, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE);
	CHECK_EQ("disabled: still there", PCI_STATUS_INTERRUPT,
		 get(DISK, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	CHECK_EQ("disabled: line", 0, fake_line(&vm, pci_slot_gsi(DISK)));
	put(DISK, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	CHECK_EQ("enabled: line", 1, fake_line(&vm, pci_slot_gsi(DISK)));
	/* Reading the device's ISR register ends it. */
	u64 base = get(DISK, PCI_BASE_ADDRESS_0, 4) & ~15u;

	CHECK_EQ("ISR", 1, bus_read(&vm.mmio, base + 0x1000, 1));
	CHECK_EQ("gone", 0, get(DISK, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	CHECK_EQ("line down", 0, fake_line(&vm, pci_slot_gsi(DISK)));
}

static const struct test_case cases[] = {
	{ "registers", test_registers },
	{ "all_bytes", test_all_bytes },
	{ "capabilities", test_capabilities },
	{ "interrupt_status", test_interrupt_status },
};

TEST_MAIN(cases)
