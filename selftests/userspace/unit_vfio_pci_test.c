// SPDX-License-Identifier: GPL-2.0-only
/*
 * An assigned device on the guest's bus: which registers are the device's and which are this machine's, where BARs answer, and which eventfd
 * raises which interrupt as the driver turns INTx, MSI and MSI-X on and off. VFIO and the kernel's routing are stand-ins that record.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <unistd.h>

#include "fake_config.h"
#include "fake_vm.h"
#include "test.h"
#include "userspace/vfio_pci.h"

#define SLOT		1
#define MSI_AT		0x50
#define MSIX_AT		0x70
#define VENDOR_AT	0x90	/* a capability that is the device's alone */
#define VECTORS		4
#define TABLE_AT	0x100
#define PENDING_AT	0x200

static struct vm vm;
static struct pci pci;
static struct vfio vfio;
static struct route_table routes = { .first_message = VM_GSI_COUNT };
static struct vfio_pci assigned;

/* What the device has, and what was done to it. */
static u8 config[256];
static u64 bar_word[6];
static struct { u32 offset, len, value; unsigned int count; } config_write;
static unsigned int interrupt_kind, interrupt_count;	/* turned on in the device; count 0: none */
static struct { u64 address; u32 data; } message[VFIO_PCI_VECTORS_MAX];
static bool attached[VM_GSI_COUNT + VFIO_PCI_VECTORS_MAX];
static bool refuse_routes;
static unsigned int refused_kinds;	/* bits: cannot be turned on */
static unsigned int left;		/* interrupts that the host has; 0: enough */
static bool refuse_unmask;

int route_set_message(struct route_table *table, unsigned int index, uint64_t address, uint32_t data)
{
	ASSERT(table == &routes && index < VFIO_PCI_VECTORS_MAX, "a message of the table");
	if (refuse_routes)
		return -EINVAL;
	message[index].address = address;
	message[index].data = data;
	return 0;
}

int route_attach(struct vm *of, const struct route_event *route)
{
	ASSERT(of == &vm && !attached[route->gsi], "attached once");
	attached[route->gsi] = true;
	return 0;
}

void route_detach(struct vm *of, const struct route_event *route)
{
	ASSERT(of == &vm && attached[route->gsi], "detached once");
	attached[route->gsi] = false;
}

static void put(u32 offset, u32 len, u32 value)
{
	for (u32 i = 0; i < len; i++)
		config[offset + i] = (u8)(value >> (8 * i));
}

int vfio_open(struct vfio *of, const char *address, struct vfio_device *device)
{
	static const u64 sizes[6] = { 0x4000, 0, 0x1000, 0, 0x20, 0 };

	ASSERT(of == &vfio, "this VM's");
	*device = (struct vfio_device){ .fd = -1, .irqs = { 1, 8, VECTORS, 1, 1 } };
	strcpy(device->address, address);
	for (int i = 0; i < 6; i++)
		device->bars[i] = (struct vfio_region){ .size = sizes[i], .offset = (u64)i << 40, .can_read = true, .can_write = true };
	device->config = (struct vfio_region){ .size = 256, .offset = 7ull << 40, .can_read = true, .can_write = true };
	return 0;
}

void vfio_close_device(struct vfio_device *device) { (void)device; }

uint64_t vfio_read(const struct vfio_device *device, const struct vfio_region *region, uint64_t offset, unsigned int len)
{
	uint64_t value = 0;

	if (region == &device->config)
		memcpy(&value, config + offset, len);
	else
		value = bar_word[region - device->bars] & bus_mask(len);
	return value;
}

void vfio_write(const struct vfio_device *device, const struct vfio_region *region, uint64_t offset, unsigned int len,
		uint64_t value)
{
	if (region != &device->config) {
		bar_word[region - device->bars] = value;
		return;
	}
	config_write.offset = (u32)offset;
	config_write.len = len;
	config_write.value = (u32)value;
	config_write.count++;
	/* its status and its identity are read-only */
	if (offset >= PCI_STATUS + 2 || offset == PCI_COMMAND)
		memcpy(config + offset, &value, len);
}

int vfio_set_events(const struct vfio_device *device, unsigned int index, const int *events, unsigned int count)
{
	(void)device;
	(void)events;
	if (index > VFIO_PCI_MSIX_IRQ_INDEX)
		return 0;
	ASSERT(!count != !interrupt_count, "one kind at a time");
	ASSERT(count || index == interrupt_kind, "the kind that is on is turned off");
	if (count && refused_kinds & 1u << index)
		return -EBUSY;
	if (left && count > left)
		return (int)left;
	interrupt_kind = index;
	interrupt_count = count;
	return 0;
}

int vfio_set_unmask_event(const struct vfio_device *device, int event)
{
	(void)device;
	return event == assigned.resample && !refuse_unmask ? 0 : -EINVAL;
}

static u32 config_get(u32 offset, u32 len) { return fake_config_get(&vm, SLOT, offset, len); }
static void config_put(u32 offset, u32 len, u32 value) { fake_config_put(&vm, SLOT, offset, len, value); }

static void set_up(void)
{
	memset(config, 0, sizeof(config));
	memset(attached, 0, sizeof(attached));
	memset(message, 0, sizeof(message));
	memset(bar_word, 0, sizeof(bar_word));
	interrupt_count = config_write.count = 0;
	refuse_routes = refuse_unmask = false;
	refused_kinds = left = 0;
	put(PCI_VENDOR_ID, 4, 0x11e81234);
	put(PCI_STATUS, 2, PCI_STATUS_CAP_LIST);
	put(PCI_HEADER_TYPE, 1, 0x80);
	put(PCI_BASE_ADDRESS_0, 4, 0xfeb00000 | PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH);
	put(PCI_BASE_ADDRESS_1, 4, 0x38);
	put(PCI_BASE_ADDRESS_2, 4, 0xfec10000);
	put(PCI_BASE_ADDRESS_4, 4, 0xc000 | PCI_BASE_ADDRESS_SPACE_IO);
	put(PCI_ROM_ADDRESS, 4, 0xfed00001);
	put(PCI_INTERRUPT_LINE, 2, 0x010b);
	put(PCI_CAPABILITY_LIST, 1, MSI_AT);
	put(MSI_AT, 4, PCI_CAP_ID_MSI | MSIX_AT << 8 | (PCI_MSI_FLAGS_64BIT | 3 << 1 | PCI_MSI_FLAGS_MASKBIT) << 16);
	put(MSIX_AT, 4, PCI_CAP_ID_MSIX | VENDOR_AT << 8 | (VECTORS - 1) << 16);
	put(MSIX_AT + PCI_MSIX_TABLE, 4, TABLE_AT | 2);
	put(MSIX_AT + PCI_MSIX_PBA, 4, PENDING_AT | 2);
	put(VENDOR_AT, 4, PCI_CAP_ID_VNDR | 16 << 16);
	fake_vm_init(&vm, 16 << 20);
	ASSERT_EQ(pci_init(&pci, &vm), 0);
	vfio_pci_init(&assigned, &vm);
	ASSERT_EQ(vfio_pci_add(&assigned, &vfio, &pci, &routes, "0000:00:05.0", 0), 0);
	ASSERT_EQ(vfio_pci_start(&assigned), 0);
}

static unsigned int attached_messages(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < VFIO_PCI_VECTORS_MAX; i++)
		n += attached[VM_GSI_COUNT + i];
	return n;
}

static void end(void)
{
	vfio_pci_close(&assigned);
	CHECK_EQ("closed: the line", 0, attached[pci_slot_gsi(SLOT)]);
	CHECK_EQ("closed: messages", 0, attached_messages());
	CHECK_EQ("closed: the device's interrupts", 0, interrupt_count);
}

static void test_config(void)
{
	set_up();
	CHECK_EQ("identity", 0x11e81234, config_get(PCI_VENDOR_ID, 4));
	CHECK_EQ("one function", 0, config_get(PCI_HEADER_TYPE, 1));
	CHECK_EQ("no ROM", 0, config_get(PCI_ROM_ADDRESS, 4));
	CHECK_EQ("pin", 1, config_get(PCI_INTERRUPT_PIN, 1));
	CHECK_EQ("line", pci_slot_gsi(SLOT), config_get(PCI_INTERRUPT_LINE, 1));
	CHECK_EQ("one MSI message, which cannot be masked", PCI_MSI_FLAGS_64BIT, config_get(MSI_AT + PCI_MSI_FLAGS, 2));
	CHECK_EQ("MSI-X vectors", VECTORS - 1, config_get(MSIX_AT + PCI_MSIX_FLAGS, 2));
	CHECK_EQ("the next capability", VENDOR_AT, config_get(MSIX_AT + PCI_CAP_LIST_NEXT, 1));
	config_put(PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	CHECK_EQ("the command register is the device's", PCI_COMMAND_MASTER, config_write.value);
	put(PCI_STATUS, 2, PCI_STATUS_CAP_LIST | PCI_STATUS_PARITY);
	CHECK_EQ("status is read from it", PCI_STATUS_CAP_LIST | PCI_STATUS_PARITY, config_get(PCI_STATUS, 2));
	config_put(VENDOR_AT + 4, 4, 0x12345678);
	CHECK_EQ("so is what it alone knows", 0x12345678, config_write.value);
	put(VENDOR_AT + 4, 4, 0x87654321);
	CHECK_EQ("and what it makes of it", 0x87654321, config_get(VENDOR_AT + 4, 4));
	config_write.count = 0;
	config_put(PCI_BASE_ADDRESS_0, 4, 0xffffffff);
	config_put(PCI_ROM_ADDRESS, 4, 0xffffffff);
	config_put(PCI_INTERRUPT_LINE, 1, 5);
	config_put(MSI_AT + PCI_MSI_DATA_64, 2, 0x4041);
	config_put(MSIX_AT + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_MASKALL);
	config_put(MSIX_AT + PCI_MSIX_TABLE, 4, 0);
	CHECK_EQ("what is this machine's never gets there", 0, config_write.count);
	CHECK_EQ("still no ROM", 0, config_get(PCI_ROM_ADDRESS, 4));
	CHECK_EQ("the table stays", TABLE_AT | 2, config_get(MSIX_AT + PCI_MSIX_TABLE, 4));
	end();
}

static void test_bars(void)
{
	static const struct {
		const char *name;
		u32 offset, mask;
	} rows[] = {
		{ "64 bits, prefetchable", PCI_BASE_ADDRESS_0, 0xffffc00c },
		{ "its upper half", PCI_BASE_ADDRESS_1, 0xffffffff },
		{ "32 bits", PCI_BASE_ADDRESS_2, 0xfffff000 },
		{ "none", PCI_BASE_ADDRESS_3, 0 },
		{ "ports", PCI_BASE_ADDRESS_4, 0xffffffe1 },
		{ "none", PCI_BASE_ADDRESS_5, 0 },
	};
	u64 base, ports;

	set_up();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		u32 before = config_get(rows[i].offset, 4);

		config_put(rows[i].offset, 4, 0xffffffff);
		CHECK_EQ(rows[i].name, rows[i].mask, config_get(rows[i].offset, 4));
		config_put(rows[i].offset, 4, before);
	}
	base = config_get(PCI_BASE_ADDRESS_0, 4) & ~0xfu;
	ports = config_get(PCI_BASE_ADDRESS_4, 4) & ~3u;
	bar_word[0] = 0x1122334455667788;
	bar_word[4] = 0x99;
	CHECK_EQ("off", UINT64_MAX, bus_read(&vm.mmio, base, 8));
	config_put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
	CHECK_EQ("on", bar_word[0], bus_read(&vm.mmio, base, 8));
	CHECK_EQ("ports", 0x99, bus_read(&vm.ports, ports, 1));
	bus_write(&vm.mmio, base + 8, 4, 0xabcd);
	CHECK_EQ("written", 0xabcd, bar_word[0]);
	config_put(PCI_BASE_ADDRESS_1, 4, 1);
	CHECK_EQ("above 4 GB it is nowhere", UINT64_MAX, bus_read(&vm.mmio, base, 8));
	config_put(PCI_BASE_ADDRESS_1, 4, 0);
	CHECK_EQ("and is back", 0xabcd, bus_read(&vm.mmio, base, 4));
	end();
}

static void test_line_and_msi(void)
{
	set_up();
	CHECK_EQ("INTx at first", VFIO_PCI_INTX_IRQ_INDEX, interrupt_kind);
	CHECK_EQ("its line", 1, attached[pci_slot_gsi(SLOT)]);
	config_put(MSI_AT + PCI_MSI_ADDRESS_LO, 4, 0xfee01003);
	config_put(MSI_AT + PCI_MSI_ADDRESS_HI, 4, 0x100);
	config_put(MSI_AT + PCI_MSI_DATA_64, 2, 0x4041);
	CHECK_EQ("nothing yet", 0, attached_messages());
	config_put(MSI_AT + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
	CHECK_EQ("MSI", VFIO_PCI_MSI_IRQ_INDEX, interrupt_kind);
	CHECK_EQ("one message", 1, interrupt_count);
	CHECK_EQ("not the line", 0, attached[pci_slot_gsi(SLOT)]);
	CHECK_EQ("attached", 1, attached_messages());
	CHECK_EQ("address", 0x100fee01000, message[0].address);
	CHECK_EQ("data", 0x4041, message[0].data);
	config_put(MSI_AT + PCI_MSI_DATA_64, 2, 0x4042);
	CHECK_EQ("data, moved", 0x4042, message[0].data);
	refuse_routes = true;
	config_put(MSI_AT + PCI_MSI_ADDRESS_LO, 4, 0);
	CHECK_EQ("to where no message can go", 0, attached_messages());
	refuse_routes = false;
	config_put(MSI_AT + PCI_MSI_ADDRESS_LO, 4, 0xfee00000);
	CHECK_EQ("and back", 1, attached_messages());
	config_put(MSI_AT + PCI_MSI_FLAGS, 2, 0);
	CHECK_EQ("INTx again", VFIO_PCI_INTX_IRQ_INDEX, interrupt_kind);
	CHECK_EQ("its line again", 1, attached[pci_slot_gsi(SLOT)]);
	CHECK_EQ("no message", 0, attached_messages());
	end();
}

static u64 table;	/* the guest's address of BAR 2 */

static void set_vector(unsigned int i, u64 address, u32 data, u32 control)
{
	u64 at = table + TABLE_AT + i * PCI_MSIX_ENTRY_SIZE;

	bus_write(&vm.mmio, at + PCI_MSIX_ENTRY_LOWER_ADDR, 8, address);
	bus_write(&vm.mmio, at + PCI_MSIX_ENTRY_DATA, 4, data);
	bus_write(&vm.mmio, at + PCI_MSIX_ENTRY_VECTOR_CTRL, 4, control);
}

static void test_msix(void)
{
	u64 one = 1;

	set_up();
	table = config_get(PCI_BASE_ADDRESS_2, 4) & ~0xfu;
	config_put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	CHECK_EQ("masked at first", 1, bus_read(&vm.mmio, table + TABLE_AT + PCI_MSIX_ENTRY_VECTOR_CTRL, 4));
	set_vector(1, 0xfee02000, 0x51, 0);
	CHECK_EQ("address, read back", 0xfee02000, bus_read(&vm.mmio, table + TABLE_AT + 16, 8));
	CHECK_EQ("data", 0x51, bus_read(&vm.mmio, table + TABLE_AT + 24, 4));
	CHECK_EQ("a byte of it", 0x20, bus_read(&vm.mmio, table + TABLE_AT + 17, 1));
	bus_write(&vm.mmio, table + TABLE_AT + 24, 2, 0x7777);
	CHECK_EQ("parts of words are not written", 0x51, bus_read(&vm.mmio, table + TABLE_AT + 24, 4));
	CHECK_EQ("nothing yet", 0, attached_messages());
	config_put(MSIX_AT + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	CHECK_EQ("MSI-X", VFIO_PCI_MSIX_IRQ_INDEX, interrupt_kind);
	CHECK_EQ("all vectors", VECTORS, interrupt_count);
	CHECK_EQ("not the line", 0, attached[pci_slot_gsi(SLOT)]);
	CHECK_EQ("all masked", 0, attached_messages());
	ASSERT_EQ(write(assigned.events[1], &one, sizeof(one)), sizeof(one));
	CHECK_EQ("pending", 2, bus_read(&vm.mmio, table + PENDING_AT, 4));
	CHECK_EQ("pending, 8 bytes", 2, bus_read(&vm.mmio, table + PENDING_AT, 8));
	bus_write(&vm.mmio, table + PENDING_AT, 4, 0);
	CHECK_EQ("which is read-only", 2, bus_read(&vm.mmio, table + PENDING_AT, 4));
	config_put(MSIX_AT + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	CHECK_EQ("the one that is not masked", 1, attached_messages());
	CHECK_EQ("it", 1, attached[VM_GSI_COUNT + 1]);
	CHECK_EQ("its data", 0x51, message[1].data);
	CHECK_EQ("the kernel has what was pending", 0, bus_read(&vm.mmio, table + PENDING_AT, 4));
	set_vector(3, 0xfee03000, 0x53, 0);
	CHECK_EQ("another", 2, attached_messages());
	set_vector(1, 0xfee02000, 0x51, PCI_MSIX_ENTRY_CTRL_MASKBIT);
	CHECK_EQ("masked", 0, attached[VM_GSI_COUNT + 1]);
	bar_word[2] = 0xcafe;
	CHECK_EQ("beside the table it is the device's", 0xcafe, bus_read(&vm.mmio, table, 4));
	CHECK_EQ("behind it too", 0xcafe, bus_read(&vm.mmio, table + TABLE_AT + VECTORS * PCI_MSIX_ENTRY_SIZE, 4));
	config_put(MSIX_AT + PCI_MSIX_FLAGS, 2, 0);
	CHECK_EQ("off", 0, attached_messages());
	CHECK_EQ("nothing is pending then", 0, bus_read(&vm.mmio, table + PENDING_AT, 4));
	CHECK_EQ("INTx again", 1, attached[pci_slot_gsi(SLOT)]);
	end();
}

/* The host cannot turn an interrupt on: what was on before is off, nothing is left attached, and the driver may try something else. */
static void test_failures(void)
{
	set_up();
	refused_kinds = 1u << VFIO_PCI_MSI_IRQ_INDEX;
	config_put(MSI_AT + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE);
	CHECK_EQ("no MSI", 0, interrupt_count);
	CHECK_EQ("no message", 0, attached_messages());
	config_put(MSI_AT + PCI_MSI_FLAGS, 2, 0);
	CHECK_EQ("the driver goes back to the line", VFIO_PCI_INTX_IRQ_INDEX, interrupt_kind);
	CHECK_EQ("which is on", 1, interrupt_count);
	CHECK_EQ("and attached", 1, attached[pci_slot_gsi(SLOT)]);
	left = 2;
	config_put(MSIX_AT + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	CHECK_EQ("as many of MSI-X as there are", 2, interrupt_count);
	left = 0;
	refused_kinds = 1u << VFIO_PCI_INTX_IRQ_INDEX;
	config_put(MSIX_AT + PCI_MSIX_FLAGS, 2, 0);
	CHECK_EQ("no line any more", 0, interrupt_count);
	CHECK_EQ("nor attached", 0, attached[pci_slot_gsi(SLOT)]);
	config_put(MSI_AT + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE);
	CHECK_EQ("MSI from there", 1, attached_messages());
	refused_kinds = 0;
	refuse_unmask = true;
	config_put(MSI_AT + PCI_MSI_FLAGS, 2, 0);
	CHECK_EQ("a line that nothing unmasks", 0, interrupt_count);
	CHECK_EQ("nor attached", 0, attached[pci_slot_gsi(SLOT)]);
	end();
}

/* Random accesses everywhere: nothing but the stand-ins' own checks must hold. */
static void test_noise(void)
{
	u32 seed = 4711;

	set_up();
	for (unsigned int i = 0; i < 200000; i++) {
		seed = seed * 1664525 + 1013904223;
		u32 offset = seed >> 8 & 0xff, len = 1u << (seed >> 16) % 3;
		u64 at = MAP_PCI_MEMORY + (seed >> 4 & 0xfffff);

		switch (seed >> 28 & 3) {
		case 0:
			config_put(offset & ~(len - 1), len, seed * 2654435761u);
			break;
		case 1:
			config_get(offset & ~(len - 1), len);
			break;
		case 2:
			bus_write(&vm.mmio, at & ~(u64)(len - 1), len, seed * 2654435761u);
			break;
		default:
			bus_read(&vm.mmio, at, len);
		}
		if (i % 1000 == 0)
			config_put(PCI_BASE_ADDRESS_2, 4, MAP_PCI_MEMORY);
	}
	end();
}

static const struct test_case cases[] = {
	{ "config", test_config },
	{ "bars", test_bars },
	{ "line_and_msi", test_line_and_msi },
	{ "msix", test_msix },
	{ "failures", test_failures },
	{ "noise", test_noise },
};

TEST_MAIN(cases)
