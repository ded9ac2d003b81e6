// SPDX-License-Identifier: GPL-2.0-only
/* Firmware: which images are refused, where one lies, and that the tables come out right when the list of commands is followed. */
#include <endian.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/qemu_fw_cfg.h>
#include <unistd.h>

#include "fake_vm.h"
#include "test.h"
#include "userspace/acpi.h"
#include "userspace/firmware.h"
#include "userspace/pci.h"
#include "userspace/rtc.h"

#define IMAGE	"/tmp/keel-firmware-test.bin"
#define KEPT	"/tmp/keel-firmware-test.vars"
#define KB	1024u
#define MB	(KB * KB)

static struct vm vm;
static struct firmware firmware;
static struct rtc rtc;
static struct pci pci;

/* Every 4 bytes say where in the image they are. */
static void make_file(const char *name, size_t size)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	u32 *words = malloc(size + 4);

	ASSERT_GE(fd, 0);
	for (u32 i = 0; i <= size / 4; i++)
		words[i] = i * 4;
	ASSERT_EQ(write(fd, words, size), (ssize_t)size);
	free(words);
	close(fd);
}

static void make_image(size_t size) { make_file(IMAGE, size); }

static int load_uefi(const char *name, const char *kept, u64 memory)
{
	fake_vm_init(&vm, memory);
	memset(&firmware, 0, sizeof(firmware));
	return firmware_load(&firmware, &vm, name, kept);
}

static int load(const char *name, u64 memory) { return load_uefi(name, NULL, memory); }

static void unload(void)
{
	firmware_free(&firmware);
	memory_destroy(&vm.memory);
}

static void test_refusals(void)
{
	static const struct {
		const char *name;
		size_t size;
		const char *said;
	} rows[] = {
		{ "empty", 0, "an empty file" },
		{ "a byte", 1, "not a whole number of 64 KB" },
		{ "a byte short", 256 * KB - 1, "not a whole number of 64 KB" },
		{ "a byte too many", 256 * KB + 1, "not a whole number of 64 KB" },
		{ "half a unit", 32 * KB, "not a whole number of 64 KB" },
		{ "too large", 16 * MB + 64 * KB, "larger than 16 MB" },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		make_image(rows[i].size);
		CHECK_EQ(rows[i].name, STATUS_KERNEL, load(IMAGE, 16 * MB));
		ASSERT(strstr(status_last(), rows[i].said), "%s: wanted '%s', got '%s'", rows[i].name, rows[i].said, status_last());
		CHECK_EQ("no slot", 0, fake_record.rom.size);
		unload();
	}
	unlink(IMAGE);
	CHECK_EQ("no file", STATUS_KERNEL, load(IMAGE, 16 * MB));
	ASSERT(strstr(status_last(), IMAGE ": cannot open it: No such file"), "got '%s'", status_last());
	unload();
	CHECK_EQ("a directory", STATUS_KERNEL, load("/tmp", 16 * MB));
	ASSERT(strstr(status_last(), "not a regular file"), "got '%s'", status_last());
	unload();
	CHECK_EQ("a device", STATUS_KERNEL, load("/dev/zero", 16 * MB));
	unload();
}

static void test_places(void)
{
	static const u32 sizes[] = { 64 * KB, 128 * KB, 256 * KB, 320 * KB, 4 * MB, 16 * MB };

	for (u32 i = 0; i < ARRAY_SIZE(sizes); i++) {
		u32 size = sizes[i], shadow = size < 256 * KB ? size : 256 * KB;
		u32 first, last;

		make_image(size);
		ASSERT_EQ(load(IMAGE, 32 * MB), 0);
		CHECK_EQ("size", size, fake_record.rom.size);
		CHECK_EQ("ends at 4 GB", 1ULL << 32, fake_record.rom.address + fake_record.rom.size);
		memcpy(&first, memory_at(&vm.memory, MB - shadow, 4), 4);
		memcpy(&last, memory_at(&vm.memory, MB - 4, 4), 4);
		CHECK_EQ("shadow's first", size - shadow, first);
		CHECK_EQ("shadow's last", size - 4, last);
		memset(memory_at(&vm.memory, MB - shadow, shadow), 0, shadow);
		firmware_shadow(&firmware, &vm.memory);
		memcpy(&last, memory_at(&vm.memory, MB - 4, 4), 4);
		CHECK_EQ("again", size - 4, last);
		unload();
	}
	unlink(IMAGE);
}

/* UEFI firmware's image and its flash: the two lie one below the other, and have room for no more than they have. */
static void test_flash_places(void)
{
	static const struct {
		const char *name;
		u32 image, kept;
		enum status status;
		const char *said;
	} rows[] = {
		{ "as OVMF's", 3568 * KB, 528 * KB, STATUS_OK, "" },
		{ "small", 4 * KB, 4 * KB, STATUS_OK, "" },
		{ "as large as there is room", 16 * MB - 4 * KB, 4 * KB, STATUS_OK, "" },
		{ "more than there is room", 16 * MB - 4 * KB, 8 * KB, STATUS_KERNEL, "larger than the 4 KB below the firmware" },
		{ "no room", 16 * MB, 4 * KB, STATUS_KERNEL, "larger than the 0 KB below the firmware" },
		{ "an odd image", 5 * KB, 4 * KB, STATUS_KERNEL, "not a whole number of 4 KB" },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		make_image(rows[i].image);
		make_file(KEPT, rows[i].kept);
		CHECK_EQ(rows[i].name, rows[i].status, load_uefi(IMAGE, KEPT, 32 * MB));
		if (rows[i].status) {
			ASSERT(strstr(status_last(), rows[i].said), "wanted '%s', got '%s'", rows[i].said, status_last());
		} else {
			CHECK_EQ("slot", VM_SLOT_FLASH, fake_record.rom.slot);
			CHECK_EQ("size", rows[i].kept, fake_record.rom.size);
			CHECK_EQ("ends where the image begins", (1ULL << 32) - rows[i].image, fake_record.rom.address + fake_record.rom.size);
			CHECK_EQ("contents", rows[i].kept - 4, bus_read(&vm.mmio, (1ULL << 32) - rows[i].image - 4, 4));
		}
		unload();
	}
	unlink(KEPT);
	unlink(IMAGE);
}

static bool is_uefi;

static void describe(u64 memory, unsigned int cpus)
{
	const struct firmware_board board = { &vm, &rtc, &pci, cpus };

	fake_vm_init(&vm, 0);
	memory_layout(&vm.memory, memory, 0);
	memset(&firmware, 0, sizeof(firmware));
	firmware.is_uefi = is_uefi;
	ASSERT_EQ(rtc_init(&rtc, &vm), 0);
	ASSERT_EQ(pci_init(&pci, &vm), 0);
	ASSERT_EQ(firmware_describe(&firmware, &board), 0);
}

static u8 cmos(u8 at)
{
	bus_write(&vm.ports, 0x70, 1, at);
	return (u8)bus_read(&vm.ports, 0x71, 1);
}

static void test_cmos(void)
{
	static const struct {
		u64 memory;
		u32 kb, from_16m, from_4g;
	} rows[] = {
		{ 16ULL * MB, 15 * 1024, 0, 0 },
		{ 192ULL * MB, 0xffff, 176 * 16, 0 },
		{ 3072ULL * MB, 0xffff, 3056 * 16, 0 },
		{ 5120ULL * MB, 0xffff, 3056 * 16, 2048 * 16 },
		{ 1ULL << 40, 0xffff, 3056 * 16, 0xff4000 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		test_note("%llu MB", (unsigned long long)rows[i].memory >> 20);
		describe(rows[i].memory, 3);
		CHECK_EQ("base memory", 640, cmos(0x15) | cmos(0x16) << 8);
		CHECK_EQ("kilobytes from 1 MB", rows[i].kb, (u32)(cmos(0x17) | cmos(0x18) << 8));
		CHECK_EQ("the same again", rows[i].kb, (u32)(cmos(0x30) | cmos(0x31) << 8));
		CHECK_EQ("from 16 MB", rows[i].from_16m, (u32)(cmos(0x34) | cmos(0x35) << 8));
		CHECK_EQ("from 4 GB", rows[i].from_4g, (u32)(cmos(0x5b) | cmos(0x5c) << 8 | cmos(0x5d) << 16));
		CHECK_EQ("CPUs but the first", 2, cmos(0x5f));
		CHECK_EQ("disk first", 2, cmos(0x3d));
		fw_cfg_free(&firmware.config);
	}
}

/* Return: the size of the file @name, whose bytes go to @to; 0 if there is none. */
static u32 read_file(const char *name, u8 *to, size_t room)
{
	u8 entry[64];

	bus_write(&vm.ports, 0x510, 2, FW_CFG_FILE_DIR);
	for (u32 i = 0; i < 4; i++)
		bus_read(&vm.ports, 0x511, 1);	/* their number: behind the last one are zeros */
	for (u32 file = 0; file < FW_CFG_FILES_MAX; file++) {
		for (u32 i = 0; i < sizeof(entry); i++)
			entry[i] = (u8)bus_read(&vm.ports, 0x511, 1);
		if (strcmp((char *)entry + 8, name))
			continue;
		u32 size = (u32)entry[0] << 24 | entry[1] << 16 | entry[2] << 8 | entry[3];

		ASSERT_LE(size, room);
		bus_write(&vm.ports, 0x510, 2, (u64)(entry[4] << 8 | entry[5]));
		for (u32 i = 0; i < size; i++)
			to[i] = (u8)bus_read(&vm.ports, 0x511, 1);
		return size;
	}
	return 0;
}

static u64 get(const u8 *at, unsigned int len)
{
	u64 value = 0;

	for (unsigned int i = 0; i < len; i++)
		value |= (u64)at[i] << (8 * i);
	return value;
}

static void test_map(void)
{
	u8 bytes[128];

	describe(5120ULL * MB, 1);
	ASSERT_EQ(read_file("etc/e820", bytes, sizeof(bytes)), 3 * 20);
	CHECK_EQ("low memory", 3072ULL * MB, get(bytes + 8, 8));
	CHECK_EQ("reserved", MAP_GENERATION, get(bytes + 20, 8));
	CHECK_EQ("its size", 5 * 4096, get(bytes + 28, 8));
	CHECK_EQ("its type", 2, get(bytes + 36, 4));
	CHECK_EQ("high memory", 1ULL << 32, get(bytes + 40, 8));
	CHECK_EQ("the rest", 2048ULL * MB, get(bytes + 48, 8));
	fw_cfg_free(&firmware.config);
	describe(64ULL * MB, 1);
	CHECK_EQ("no high memory", 2 * 20, read_file("etc/e820", bytes, sizeof(bytes)));
	fw_cfg_free(&firmware.config);
	ASSERT_EQ(read_file("etc/none", bytes, sizeof(bytes)), 0);
}

static u8 root[64], tables[MAP_ACPI_MAX], commands[64 * 128], wanted[MAP_ACPI_MAX];

static u8 *file_at(const u8 *name)
{
	if (!strcmp((const char *)name, "etc/acpi/rsdp"))
		return root;
	ASSERT_EQ(strcmp((const char *)name, "etc/acpi/tables"), 0);
	return tables;
}

/* One command, with the two files at @address and behind. */
static void follow(const u8 *c, u64 address)
{
	u8 *file = file_at(c + 4), sum = 0;

	switch (get(c, 4)) {
	case 1:
		CHECK_EQ("alignment", file == root ? 16 : 64, get(c + 60, 4));
		CHECK_EQ("zone", file == root ? 2 : 1, c[64]);
		break;
	case 2: {
		u64 at = get(c + 116, 4), value = get(file + at, c[120]) + address + (file_at(c + 60) == tables ? ACPI_TABLES : 0);

		for (u32 i = 0; i < c[120]; i++)
			file[at + i] = (u8)(value >> (8 * i));
		break;
	}
	case 3:
		CHECK_EQ("no checksum yet", 0, file[get(c + 60, 4)]);
		for (u32 i = 0; i < get(c + 68, 4); i++)
			sum += file[get(c + 64, 4) + i];
		file[get(c + 60, 4)] = (u8)-sum;
		break;
	default:
		ASSERT(false, "command %u", (u32)get(c, 4));
	}
}

/* Placed by the commands they are what the launcher would have written there. */
static void test_tables(void)
{
	static const u64 places[] = { MAP_ACPI, 0x0bff0000, 0xbfff0000 };
	static const u32 cpus[] = { 1, 2, 254 };

	for (u32 i = 0; i < ARRAY_SIZE(places); i++) {
		memset(root, 0, sizeof(root));
		memset(wanted, 0, sizeof(wanted));
		describe(512ULL * MB, cpus[i]);
		u32 root_size = read_file("etc/acpi/rsdp", root, sizeof(root));
		u32 size = read_file("etc/acpi/tables", tables, sizeof(tables));
		u32 length = read_file("etc/table-loader", commands, sizeof(commands));

		fw_cfg_free(&firmware.config);
		CHECK_EQ("root pointer", 36, root_size);
		CHECK_EQ("whole commands", 0, length % 128);
		ASSERT(length, "some commands");
		for (u32 at = 0; at < length; at += 128)
			follow(commands + at, places[i]);
		CHECK_EQ("size", size + ACPI_TABLES, acpi_build(wanted, sizeof(wanted), places[i], cpus[i]));
		CHECK_EQ("root pointer's bytes", 0, memcmp(root, wanted, 36));
		for (u32 at = 0; at < size; at++)
			if (tables[at] != wanted[ACPI_TABLES + at])
				ASSERT(false, "byte %u: wanted %#x, got %#x", at, wanted[ACPI_TABLES + at], tables[at]);
	}
}

static void test_bridge(void)
{
	static const struct pci_identity identity = { .vendor = 0x1af4, .device = 0x1042, .has_interrupt = true };
	static struct pci_device device;

	describe(64ULL * MB, 1);
	CHECK_EQ("bridge's subsystem", 0x11001af4, pci_get(&pci.bridge, PCI_SUBSYSTEM_VENDOR_ID, 4));
	pci_device_init(&device, &identity);
	ASSERT_EQ(pci_add(&pci, &device), 0);
	bus_write(&vm.ports, PCI_CONFIG_ADDRESS, 4, 0x80000000 | device.slot << 11 | (PCI_INTERRUPT_LINE & ~3));
	bus_write(&vm.ports, PCI_CONFIG_DATA + PCI_INTERRUPT_LINE % 4, 1, 0xff);
	CHECK_EQ("its interrupt line stays", pci_slot_gsi(device.slot), pci_get(&device, PCI_INTERRUPT_LINE, 1));
	fw_cfg_free(&firmware.config);
}

/* What OVMF asks the chip set: who it is, and where the ACPI registers are. No answer changes. */
static void test_chipset(void)
{
	static const struct {
		const char *name;
		u32 slot, function, offset, len, wanted;
	} rows[] = {
		{ "host bridge", 0, 0, PCI_VENDOR_ID, 4, 0x12378086 },
		{ "its subsystem", 0, 0, PCI_SUBSYSTEM_VENDOR_ID, 4, 0x11001af4 },
		{ "its class", 0, 0, PCI_CLASS_DEVICE, 2, 0x0600 },
		{ "no other function", 0, 1, PCI_VENDOR_ID, 4, 0xffffffff },
		{ "ISA bridge", 1, 0, PCI_VENDOR_ID, 4, 0x71108086 },
		{ "its class", 1, 0, PCI_CLASS_REVISION, 4, 0x06010002 },
		{ "it is not alone", 1, 0, PCI_HEADER_TYPE, 1, 0x80 },
		{ "no disk", 1, 1, PCI_VENDOR_ID, 4, 0xffffffff },
		{ "no USB", 1, 2, PCI_VENDOR_ID, 4, 0xffffffff },
		{ "power management", 1, 3, PCI_VENDOR_ID, 4, 0x71138086 },
		{ "a revision without faults", 1, 3, PCI_REVISION_ID, 1, 3 },
		{ "where the registers are", 1, 3, 0x40, 4, 0x601 },
		{ "they answer", 1, 3, 0x80, 1, 1 },
		{ "nothing behind it", 1, 4, PCI_VENDOR_ID, 4, 0xffffffff },
		{ "no more devices", 2, 0, PCI_VENDOR_ID, 4, 0xffffffff },
	};

	is_uefi = true;
	describe(64ULL * MB, 1);
	for (u32 again = 0; again < 2; again++) {
		for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
			u32 port = PCI_CONFIG_DATA + rows[i].offset % 4;

			bus_write(&vm.ports, PCI_CONFIG_ADDRESS, 4,
				  0x80000000 | rows[i].slot << 11 | rows[i].function << 8 | (rows[i].offset & ~3u));
			CHECK_EQ(rows[i].name, rows[i].wanted, bus_read(&vm.ports, port, rows[i].len));
			bus_write(&vm.ports, port, rows[i].len, rows[i].offset == PCI_HEADER_TYPE ? 0 : 0x5a5a5a5a);
		}
	}
	fw_cfg_free(&firmware.config);
}

static u64 read_register(void *owner, u64 offset, unsigned int len) { return owner == &pci && len == 4 ? 0x600d0000 + offset : 0; }
static const struct bus_ops registers = { read_register, NULL };

/* Where a BAR answers, and what ACPI says of that. */
static void test_window(void)
{
	static const struct {
		const char *name;
		bool is_uefi;
		u64 memory;
		u32 window, bar;
		bool answers;
	} rows[] = {
		{ "a BIOS", false, 64ULL * MB, 0xc0000000, 0xc0000000, true },
		{ "below its window", false, 64ULL * MB, 0xc0000000, 0xbffff000, false },
		{ "UEFI", true, 64ULL * MB, 0x80000000, 0x80000000, true },
		{ "in the midst", true, 64ULL * MB, 0x80000000, 0xbffff000, true },
		{ "behind that", true, 64ULL * MB, 0x80000000, 0xc0000000, true },
		{ "below its window", true, 64ULL * MB, 0x80000000, 0x7ffff000, false },
		{ "the most memory for that window", true, 2048ULL * MB, 0x80000000, 0x80000000, true },
		{ "more memory", true, 2049ULL * MB, 0xc0000000, 0xc0000000, true },
		{ "a BAR over it", true, 2049ULL * MB, 0xc0000000, 0x80000000, false },
		{ "much memory", true, 8192ULL * MB, 0xc0000000, 0xbffff000, false },
	};
	static const struct pci_identity identity = { .vendor = 0x1af4, .device = 0x1042 };
	static struct pci_device device;

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		u8 bounds[8] = { 0, 0, 0, (u8)(rows[i].window >> 24), 0xff, 0xff, 0xbf, 0xfe };
		u8 zero[8];

		is_uefi = rows[i].is_uefi;
		describe(rows[i].memory, 1);
		pci_device_init(&device, &identity);
		device.owner = &pci;
		pci_add_bar(&device, 0, 4096, false, &registers);
		ASSERT_EQ(pci_add(&pci, &device), 0);
		bus_write(&vm.ports, PCI_CONFIG_ADDRESS, 4, 0x80000000 | device.slot << 11 | PCI_BASE_ADDRESS_0);
		bus_write(&vm.ports, PCI_CONFIG_DATA, 4, rows[i].bar);
		bus_write(&vm.ports, PCI_CONFIG_ADDRESS, 4, 0x80000000 | device.slot << 11 | PCI_COMMAND);
		bus_write(&vm.ports, PCI_CONFIG_DATA, 2, PCI_COMMAND_MEMORY);
		CHECK_EQ(rows[i].name, rows[i].answers ? 0x600d0ffc : 0xffffffff, bus_read(&vm.mmio, rows[i].bar + 0xffc, 4));
		u32 size = read_file("etc/acpi/tables", tables, sizeof(tables));

		ASSERT(memmem(tables, size, bounds, sizeof(bounds)), "%s: ACPI tells of %#x", rows[i].name, rows[i].window);
		CHECK_EQ("no window above 4 GB", is_uefi ? 1 : 0, read_file("opt/ovmf/X-PciMmio64Mb", zero, sizeof(zero)));
		CHECK_EQ("in words", '0', is_uefi ? zero[0] : '0');
		fw_cfg_free(&firmware.config);
	}
}

static const struct test_case cases[] = {
	{ "refusals", test_refusals },
	{ "places", test_places },
	{ "flash-places", test_flash_places },
	{ "cmos", test_cmos },
	{ "map", test_map },
	{ "tables", test_tables },
	{ "bridge", test_bridge },
	{ "chipset", test_chipset },
	{ "window", test_window },
};

TEST_MAIN(cases)
