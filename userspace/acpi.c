// SPDX-License-Identifier: GPL-2.0-only
/*
 * RSDP -> XSDT, or RSDT for guests of ACPI 1.0, -> FADT (-> DSDT, FACS), MADT.
 * Layouts from the ACPI specification, "ACPI System Description Tables".
 *
 * The machine is a plain PC: ACPI fixed hardware, an I/O APIC for interrupt
 * lines 0 to 23 with the timer on pin 2, PCI by ports 0xcf8/0xcfc. PCI's INTx
 * lines are legacy interrupts, the same with the I/O APIC, with the 8259 pair
 * and in each device's interrupt-line register.
 */
#include <string.h>

#include "acpi.h"
#include "aml.h"
#include "memory.h"
#include "pci.h"
#include "power.h"
#include "rtc.h"
#include "util.h"

#define HEADER_SIZE	36
#define RSDP_SIZE	36
#define FADT_SIZE	276
#define FACS_SIZE	64

#define FADT_WBINVD		(1u << 0)
#define FADT_C1			(1u << 2)
#define FADT_NO_SLEEP_BUTTON	(1u << 5)
#define FADT_NO_FIXED_RTC	(1u << 6)
#define FADT_TIMER_32BIT	(1u << 8)
#define FADT_RESET		(1u << 10)

#define BOOT_LEGACY_DEVICES	(1u << 0)
#define BOOT_NO_VGA		(1u << 2)

#define ACTIVE_HIGH_EDGE	0x5
#define ACTIVE_HIGH_LEVEL	0xd

/* A growing row of tables. */
struct tables {
	uint8_t *bytes;
	size_t size;
	size_t used;
	uint64_t address;
	uint64_t window;	/* where PCI's memory begins */
	struct acpi_links links;
};

static void put(uint8_t *at, uint64_t value, unsigned int len)
{
	for (unsigned int i = 0; i < len; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

uint8_t acpi_checksum(const uint8_t *bytes, size_t count)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += bytes[i];
	return (uint8_t)-sum;
}

/* Return: @size zeroed bytes aligned to 64, or NULL. */
static uint8_t *take(struct tables *tables, size_t size)
{
	size_t at = (tables->used + 63) & ~(size_t)63;

	if (at > tables->size || size > tables->size - at)
		return NULL;
	tables->used = at + size;
	memset(tables->bytes + at, 0, size);
	return tables->bytes + at;
}

static uint64_t address_of(const struct tables *tables, const uint8_t *table)
{
	return tables->address + (uint64_t)(table - tables->bytes);
}

static void put_pointer(struct tables *tables, uint8_t *at, uint64_t address, unsigned int len)
{
	put(at, address, len);
	tables->links.links[tables->links.link_count++] =
		(struct acpi_link){ (uint32_t)(at - tables->bytes), (uint8_t)len };
}

/* The byte that makes @length bytes from @start, it among them, sum to zero. */
static void put_sum(struct tables *tables, uint8_t *at, const uint8_t *start, size_t length)
{
	*at = 0;
	*at = acpi_checksum(start, length);
	tables->links.sums[tables->links.sum_count++] =
		(struct acpi_sum){ (uint32_t)(at - tables->bytes), (uint32_t)(start - tables->bytes), (uint32_t)length };
}

static void put_header(struct tables *tables, uint8_t *table, const char *signature, uint8_t revision, size_t length)
{
	memcpy(table, signature, 4);
	put(table + 4, length, 4);
	table[8] = revision;
	memcpy(table + 10, "KEEL  KEELVM  ", 14);
	put(table + 24, 1, 4);
	memcpy(table + 28, "KEEL", 4);
	put(table + 32, 1, 4);
	put_sum(tables, table + 9, table, length);
}

/* Resource descriptors: "Resource Data Types for ACPI". */

static void resource_ports(struct aml *crs, uint16_t base, uint8_t count)
{
	aml_byte(crs, 0x47);
	aml_byte(crs, 1);	/* decodes 16 bits */
	aml_raw(crs, base, 2);
	aml_raw(crs, base, 2);
	aml_byte(crs, 1);
	aml_byte(crs, count);
}

static void resource_irq(struct aml *crs, unsigned int irq)
{
	aml_byte(crs, 0x22);
	aml_raw(crs, 1u << irq, 2);
}

/* @type: 0 memory, 1 ports, 2 bus numbers. @len: bytes of each bound. */
static void resource_window(struct aml *crs, uint8_t type, uint64_t first, uint64_t last,
			    unsigned int len)
{
	static const uint8_t type_flags[] = { 0x01, 0x03, 0x00 };

	aml_byte(crs, len == 2 ? 0x88 : 0x87);
	aml_raw(crs, 3 + 5 * len, 2);
	aml_byte(crs, type);
	aml_byte(crs, 0x0c);	/* both bounds fixed, produced for children */
	aml_byte(crs, type_flags[type]);
	aml_raw(crs, 0, len);
	aml_raw(crs, first, len);
	aml_raw(crs, last, len);
	aml_raw(crs, 0, len);
	aml_raw(crs, last - first + 1, len);
}

static void resource_end(struct aml *crs)
{
	aml_byte(crs, 0x79);
	aml_byte(crs, 0);
}

static void put_pci_routes(struct aml *aml)
{
	aml_define(aml, "_PRT");
	aml_begin_package(aml, PCI_SLOTS - 1);
	for (uint32_t slot = 1; slot < PCI_SLOTS; slot++) {
		aml_begin_package(aml, 4);
		aml_integer(aml, slot << 16 | 0xffff);
		aml_integer(aml, 0);	/* pin A: the only one in use */
		aml_integer(aml, 0);	/* no link device: */
		aml_integer(aml, pci_slot_gsi(slot));
		aml_end(aml);
	}
	aml_end(aml);
}

static void put_pci(struct aml *aml, uint64_t window)
{
	uint8_t bytes[96];
	struct aml crs;

	aml_init(&crs, bytes, sizeof(bytes));
	resource_window(&crs, 2, 0, 0, 2);
	resource_ports(&crs, PCI_CONFIG_ADDRESS, 8);
	resource_window(&crs, 1, MAP_PCI_PORTS, MAP_PCI_PORTS_END - 1, 2);
	resource_window(&crs, 0, window, MAP_PCI_MEMORY_END - 1, 4);
	resource_end(&crs);

	aml_begin_device(aml, "PCI0");
	aml_define(aml, "_HID");
	aml_eisa_id(aml, "PNP0A03");
	aml_define(aml, "_UID");
	aml_integer(aml, 0);
	aml_define(aml, "_BBN");
	aml_integer(aml, 0);
	aml_resources(aml, bytes, crs.used);
	put_pci_routes(aml);
	aml_end(aml);
}

struct board_device {
	const char *name;
	const char *id;
	uint16_t port;
	uint8_t ports;
	uint8_t irq;		/* 0: none */
};

static const struct board_device board[] = {
	{ "COM1", "PNP0501", 0x3f8, 8, 4 },
	{ "RTC0", "PNP0B00", 0x70, 2, RTC_GSI },
	{ "PMR0", "PNP0C02", POWER_EVENT_PORT, POWER_PORTS, 0 },
};

static void put_board(struct aml *aml)
{
	for (size_t i = 0; i < ARRAY_SIZE(board); i++) {
		uint8_t bytes[32];
		struct aml crs;

		aml_init(&crs, bytes, sizeof(bytes));
		resource_ports(&crs, board[i].port, board[i].ports);
		if (board[i].irq)
			resource_irq(&crs, board[i].irq);
		resource_end(&crs);

		aml_begin_device(aml, board[i].name);
		aml_define(aml, "_HID");
		aml_eisa_id(aml, board[i].id);
		aml_define(aml, "_UID");
		aml_integer(aml, (uint32_t)i);
		aml_resources(aml, bytes, crs.used);
		aml_end(aml);
	}
}

/* \_S5: the sleep types that power_write() takes for "off". */
static void put_soft_off(struct aml *aml)
{
	aml_define(aml, "_S5_");
	aml_begin_package(aml, 4);
	aml_integer(aml, POWER_S5_TYPE);
	for (int i = 0; i < 3; i++)
		aml_integer(aml, 0);
	aml_end(aml);
}

/* Of the "Virtual Machine Generation ID": where it is, and the event that tells of another. */
static void put_generation(struct aml *aml)
{
	aml_begin_scope(aml, "_SB_");
	aml_begin_device(aml, "VGEN");
	aml_define(aml, "_HID");
	aml_string(aml, "KEEL0001");
	aml_define(aml, "_CID");
	aml_string(aml, "VM_Gen_Counter");
	aml_define(aml, "_DDN");
	aml_string(aml, "VM_Gen_Counter");
	aml_define(aml, "ADDR");
	aml_begin_package(aml, 2);
	aml_integer(aml, MAP_GENERATION & 0xffffffff);
	aml_integer(aml, MAP_GENERATION >> 32);
	aml_end(aml);
	aml_end(aml);
	aml_end(aml);

	aml_begin_scope(aml, "_GPE");
	aml_begin_method(aml, POWER_GENERATION_METHOD);
	aml_notify(aml, "_SB_", "VGEN", 0x80);
	aml_end(aml);
	aml_end(aml);
}

/* The DSDT takes what is left, as its length is known last. */
static uint8_t *put_dsdt(struct tables *tables)
{
	uint8_t *table = take(tables, HEADER_SIZE);
	struct aml aml;

	if (!table)
		return NULL;
	aml_init(&aml, tables->bytes + tables->used, tables->size - tables->used);
	put_soft_off(&aml);
	aml_begin_scope(&aml, "_SB_");
	put_pci(&aml, tables->window);
	put_board(&aml);
	aml_end(&aml);
	put_generation(&aml);
	if (aml.is_full)
		return NULL;
	tables->used += aml.used;
	put_header(tables, table, "DSDT", 2, HEADER_SIZE + aml.used);
	return table;
}

static uint8_t *put_facs(struct tables *tables)
{
	uint8_t *table = take(tables, FACS_SIZE);

	if (!table)
		return NULL;
	memcpy(table, "FACS", 4);
	put(table + 4, FACS_SIZE, 4);
	table[32] = 2;
	return table;
}

/* A "generic address structure" for a port. */
static void put_port(uint8_t *at, uint16_t port, uint8_t bits)
{
	at[0] = 1;		/* system I/O space */
	at[1] = bits;
	at[3] = bits == 8 ? 1 : bits == 16 ? 2 : 3;
	put(at + 4, port, 8);
}

static uint8_t *put_fadt(struct tables *tables, uint64_t dsdt, uint64_t facs)
{
	uint8_t *table = take(tables, FADT_SIZE);

	if (!table)
		return NULL;
	put_pointer(tables, table + 36, facs, 4);
	put_pointer(tables, table + 40, dsdt, 4);
	put(table + 46, POWER_SCI_GSI, 2);
	put(table + 56, POWER_EVENT_PORT, 4);
	put(table + 64, POWER_CONTROL_PORT, 4);
	put(table + 76, POWER_TIMER_PORT, 4);
	put(table + 80, POWER_GPE_PORT, 4);
	table[88] = 4;		/* lengths of the four */
	table[89] = 2;
	table[91] = 4;
	table[92] = POWER_GPE_PORTS;
	put(table + 96, 0xffff, 2);	/* no C2 */
	put(table + 98, 0xffff, 2);	/* no C3 */
	table[108] = 0x32;	/* where the clock keeps the century */
	put(table + 109, BOOT_LEGACY_DEVICES | BOOT_NO_VGA, 2);
	put(table + 112, FADT_WBINVD | FADT_C1 | FADT_NO_SLEEP_BUTTON | FADT_NO_FIXED_RTC |
			 FADT_TIMER_32BIT | FADT_RESET, 4);
	put_port(table + 116, POWER_RESET_PORT, 8);
	table[128] = POWER_RESET_VALUE;
	put_pointer(tables, table + 140, dsdt, 8);
	put_port(table + 148, POWER_EVENT_PORT, 32);
	put_port(table + 172, POWER_CONTROL_PORT, 16);
	put_port(table + 208, POWER_TIMER_PORT, 32);
	put_port(table + 220, POWER_GPE_PORT, 8 * POWER_GPE_PORTS);
	put_header(tables, table, "FACP", 6, FADT_SIZE);
	return table;
}

static uint8_t *put_override(uint8_t *at, uint8_t irq, uint8_t gsi, uint16_t flags)
{
	at[0] = 2;
	at[1] = 10;
	at[3] = irq;
	put(at + 4, gsi, 4);
	put(at + 8, flags, 2);
	return at + 10;
}

static uint8_t *put_madt(struct tables *tables, unsigned int cpus)
{
	size_t size = HEADER_SIZE + 8 + 8 * cpus + 12 + 10 * (2 + PCI_GSI_COUNT) + 6;
	uint8_t *table = take(tables, size);

	if (!table)
		return NULL;
	put(table + 36, MAP_LAPIC, 4);
	put(table + 40, 1, 4);			/* a pair of 8259s is there too */

	uint8_t *at = table + 44;

	for (unsigned int i = 0; i < cpus; i++, at += 8) {
		at[1] = 8;			/* type 0: processor's local APIC */
		at[2] = (uint8_t)i;
		at[3] = (uint8_t)i;
		put(at + 4, 1, 4);
	}
	at[0] = 1;				/* I/O APIC */
	at[1] = 12;
	put(at + 4, MAP_IOAPIC, 4);
	at += 12;
	at = put_override(at, 0, 2, ACTIVE_HIGH_EDGE);
	at = put_override(at, POWER_SCI_GSI, POWER_SCI_GSI, ACTIVE_HIGH_LEVEL);
	for (unsigned int i = 0; i < PCI_GSI_COUNT; i++)
		at = put_override(at, (uint8_t)pci_slot_gsi(i), (uint8_t)pci_slot_gsi(i),
				  ACTIVE_HIGH_LEVEL);
	at[0] = 4;				/* NMI on LINT1 of every processor */
	at[1] = 6;
	at[2] = 0xff;
	at[5] = 1;
	put_header(tables, table, "APIC", 3, size);
	return table;
}

/* The table of tables; @width: bytes of an address, 4 in the RSDT, 8 in the XSDT. */
static uint8_t *put_list(struct tables *tables, const char *signature, unsigned int width,
			 uint64_t fadt, uint64_t madt)
{
	size_t size = HEADER_SIZE + 2 * width;
	uint8_t *table = take(tables, size);

	if (!table)
		return NULL;
	put_pointer(tables, table + HEADER_SIZE, fadt, width);
	put_pointer(tables, table + HEADER_SIZE + width, madt, width);
	put_header(tables, table, signature, 1, size);
	return table;
}

static void put_rsdp(struct tables *tables, uint8_t *table, uint64_t rsdt, uint64_t xsdt)
{
	memcpy(table, "RSD PTR ", 8);
	memcpy(table + 9, "KEEL  ", 6);
	table[15] = 2;
	put_pointer(tables, table + 16, rsdt, 4);
	put_sum(tables, table + 8, table, 20);
	put(table + 20, RSDP_SIZE, 4);
	put_pointer(tables, table + 24, xsdt, 8);
	put_sum(tables, table + 32, table, RSDP_SIZE);
}

static size_t build(struct tables *tables, unsigned int cpus)
{
	uint8_t *rsdp = take(tables, RSDP_SIZE);
	uint8_t *facs = put_facs(tables);
	uint8_t *madt = put_madt(tables, cpus);
	uint8_t *dsdt = put_dsdt(tables);

	if (!rsdp || !facs || !madt || !dsdt)
		return 0;
	uint8_t *fadt = put_fadt(tables, address_of(tables, dsdt), address_of(tables, facs));

	if (!fadt)
		return 0;
	uint64_t fadt_at = address_of(tables, fadt), madt_at = address_of(tables, madt);
	uint8_t *rsdt = put_list(tables, "RSDT", 4, fadt_at, madt_at);
	uint8_t *xsdt = put_list(tables, "XSDT", 8, fadt_at, madt_at);

	if (!rsdt || !xsdt)
		return 0;
	put_rsdp(tables, rsdp, address_of(tables, rsdt), address_of(tables, xsdt));
	return tables->used;
}

size_t acpi_build(uint8_t *bytes, size_t size, uint64_t address, unsigned int cpus)
{
	struct tables tables = { .bytes = bytes, .size = size, .address = address, .window = MAP_PCI_MEMORY };

	return build(&tables, cpus);
}

size_t acpi_build_movable(uint8_t *bytes, size_t size, unsigned int cpus, uint64_t window, struct acpi_links *links)
{
	struct tables tables = { .bytes = bytes, .size = size, .window = window };
	size_t used = build(&tables, cpus);

	*links = tables.links;
	return used;
}
