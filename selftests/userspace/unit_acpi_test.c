// SPDX-License-Identifier: GPL-2.0-only
/* The ACPI tables: signatures, checksums, pointers, processors, well-formed AML. */
#include "test.h"
#include "userspace/acpi.h"
#include "userspace/aml.h"
#include "userspace/memory.h"
#include "userspace/pci.h"
#include "userspace/power.h"

static u8 bytes[MAP_ACPI_MAX];
static size_t used;

static u64 get(const u8 *at, unsigned int len)
{
	u64 value = 0;

	for (unsigned int i = 0; i < len; i++)
		value |= (u64)at[i] << (8 * i);
	return value;
}

static u8 sum(const u8 *at, size_t len)
{
	u8 total = 0;

	for (size_t i = 0; i < len; i++)
		total += at[i];
	return total;
}

/* The table at guest-physical @address, its length and checksum proved. */
static const u8 *table_at(u64 address, const char *signature)
{
	ASSERT_GE(address, MAP_ACPI);
	ASSERT_LE(address + 36, MAP_ACPI + used);
	const u8 *table = bytes + (address - MAP_ACPI);

	ASSERT(!memcmp(table, signature, 4), "wanted %s, found %.4s", signature, table);
	ASSERT_LE(address + get(table + 4, 4), MAP_ACPI + used);
	ASSERT_EQ(sum(table, get(table + 4, 4)), 0);
	return table;
}

static void build(unsigned int cpus)
{
	memset(bytes, 0xee, sizeof(bytes));
	used = acpi_build(bytes, sizeof(bytes), MAP_ACPI, cpus);
	ASSERT(used, "the tables fit");
}

static const u8 *xsdt_entry(unsigned int index, const char *signature)
{
	const u8 *xsdt = table_at(get(bytes + 24, 8), "XSDT");

	ASSERT_EQ(get(xsdt + 4, 4), 36 + 2 * 8);
	return table_at(get(xsdt + 36 + 8 * index, 8), signature);
}

/* Guests of ACPI 1.0 know the first 20 bytes of the RSDP alone, and its table of 32-bit addresses. */
static void test_rsdt(void)
{
	build(1);
	const u8 *rsdt = table_at(get(bytes + 16, 4), "RSDT");
	const u8 *xsdt = table_at(get(bytes + 24, 8), "XSDT");

	CHECK_EQ("entries", (get(xsdt + 4, 4) - 36) / 8, (get(rsdt + 4, 4) - 36) / 4);
	for (u32 i = 0; 36 + 4 * i < get(rsdt + 4, 4); i++)
		CHECK_EQ("the same table", get(xsdt + 36 + 8 * i, 8), get(rsdt + 36 + 4 * i, 4));
}

static void test_rsdp(void)
{
	build(1);
	ASSERT_EQ(memcmp(bytes, "RSD PTR ", 8), 0);
	ASSERT_EQ(sum(bytes, 20), 0);
	ASSERT_EQ(sum(bytes, 36), 0);
	ASSERT_EQ(get(bytes + 20, 4), 36);
	ASSERT_EQ(MAP_ACPI % 16, 0);
	for (size_t i = used; i < sizeof(bytes); i++)
		ASSERT_EQ(bytes[i], 0xee);
}

static void test_fadt(void)
{
	build(1);
	const u8 *fadt = xsdt_entry(0, "FACP");

	CHECK_EQ("DSDT, both widths", get(fadt + 40, 4), get(fadt + 140, 8));
	table_at(get(fadt + 40, 4), "DSDT");
	CHECK_EQ("FACS alignment", 0, get(fadt + 36, 4) % 64);
	CHECK_EQ("FACS", 0, memcmp(bytes + (get(fadt + 36, 4) - MAP_ACPI), "FACS", 4));
	CHECK_EQ("SCI", POWER_SCI_GSI, get(fadt + 46, 2));
	CHECK_EQ("event port", POWER_EVENT_PORT, get(fadt + 56, 4));
	CHECK_EQ("extended event port", POWER_EVENT_PORT, get(fadt + 152, 8));
	CHECK_EQ("control port", POWER_CONTROL_PORT, get(fadt + 64, 4));
	CHECK_EQ("timer port", POWER_TIMER_PORT, get(fadt + 76, 4));
	CHECK_EQ("events' port", POWER_GPE_PORT, get(fadt + 80, 4));
	CHECK_EQ("status and enable", 2, fadt[92]);
	CHECK_EQ("events' extended port", POWER_GPE_PORT, get(fadt + 224, 8));
	CHECK_EQ("its bits", 16, fadt[221]);
	CHECK_EQ("reset port", POWER_RESET_PORT, get(fadt + 120, 8));
	CHECK_EQ("reset value", POWER_RESET_VALUE, fadt[128]);
	CHECK_EQ("SMI port", 0, get(fadt + 48, 4));
}

/* What a driver of the generation ID looks for. */
static void test_generation(void)
{
	static const struct {
		const char *name;
		size_t len;
		const char *bytes;
	} rows[] = {
		{ "the identifier", 21, "\x08_CID\x0dVM_Gen_Counter" },
		{ "the name", 21, "\x08_DDN\x0dVM_Gen_Counter" },
		/* a package of two: 0xfeffb000 and 0 */
		{ "where it is", 16, "\x08" "ADDR\x12\x8a\0\0\x02\x0c\0\xb0\xff\xfe\0" },
		/* a method without arguments: tell \_SB_.VGEN 0x80 */
		{ "its event", 22, "\x14\x85\x01\0_E00\0\x86\\._SB_VGEN\x0a\x80" },
	};

	build(1);
	const u8 *dsdt = table_at(get(xsdt_entry(0, "FACP") + 40, 4), "DSDT");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_EQ(rows[i].name, 1, !!memmem(dsdt, get(dsdt + 4, 4), rows[i].bytes, rows[i].len));
}

static void check_madt(unsigned int cpus)
{
	unsigned int seen = 0, ioapics = 0, overrides = 0;

	build(cpus);
	const u8 *madt = xsdt_entry(1, "APIC");
	const u8 *end = madt + get(madt + 4, 4);

	CHECK_EQ("local APIC address", MAP_LAPIC, get(madt + 36, 4));
	for (const u8 *at = madt + 44; at < end; at += at[1]) {
		ASSERT_GE(at[1], 6);
		ASSERT(at + at[1] <= end, "an entry reaches past the table");
		if (at[0] == 0) {
			CHECK_EQ("APIC identifier", seen++, at[3]);
			CHECK_EQ("enabled", 1, get(at + 4, 4));
		} else if (at[0] == 1) {
			ioapics++;
			CHECK_EQ("I/O APIC address", MAP_IOAPIC, get(at + 4, 4));
		} else if (at[0] == 2) {
			overrides++;
		}
	}
	CHECK_EQ("processors", cpus, seen);
	CHECK_EQ("I/O APICs", 1, ioapics);
	CHECK_EQ("overrides", 2 + PCI_GSI_COUNT, overrides);
}

static void test_madt(void)
{
	check_madt(1);
	check_madt(2);
	check_madt(254);
}

/* Every size from nothing to enough: refused, or whole; never written past. */
static void test_too_small(void)
{
	build(3);
	size_t need = used;

	for (size_t size = 0; size <= need; size++) {
		u8 *exact = malloc(size ? size : 1);

		ASSERT(exact, "memory");
		CHECK_EQ("fits", size == need ? need : 0, acpi_build(exact, size, MAP_ACPI, 3));
		free(exact);
	}
}

static void test_aml_length(void)
{
	u8 buffer[8192];
	struct aml aml;

	aml_init(&aml, buffer, sizeof(buffer));
	aml_begin_scope(&aml, "_SB_");
	for (int i = 0; i < 5000; i++)
		aml_byte(&aml, 0xa3);
	aml_end(&aml);
	ASSERT(!aml.is_full, "fits");
	CHECK_EQ("scope", 0x10, buffer[0]);
	CHECK_EQ("two more bytes", 2, buffer[1] >> 6);
	CHECK_EQ("length", aml.used - 1, (buffer[1] & 0xf) | buffer[2] << 4 | buffer[3] << 12);
}

static void test_aml_objects(void)
{
	static const u8 wanted[] = {
		0x00, 0x01, 0x0a, 0x02, 0x0a, 0xff, 0x0b, 0x00, 0x01, 0x0c, 0x00, 0x00, 0x01, 0x00,
		0x0c, 0x41, 0xd0, 0x0a, 0x03,			/* PNP0A03 */
		0x0d, 'h', 'i', 0,
		0x08, '_', 'S', '5', '_',
	};
	u8 buffer[64];
	struct aml aml;

	aml_init(&aml, buffer, sizeof(buffer));
	aml_integer(&aml, 0);
	aml_integer(&aml, 1);
	aml_integer(&aml, 2);
	aml_integer(&aml, 255);
	aml_integer(&aml, 256);
	aml_integer(&aml, 65536);
	aml_eisa_id(&aml, "PNP0A03");
	aml_string(&aml, "hi");
	aml_define(&aml, "_S5");
	CHECK_EQ("bytes", sizeof(wanted), aml.used);
	ASSERT_EQ(memcmp(buffer, wanted, sizeof(wanted)), 0);
}

static void test_aml_full(void)
{
	u8 buffer[6];
	struct aml aml;

	aml_init(&aml, buffer, sizeof(buffer));
	aml_begin_device(&aml, "DEV0");
	aml_end(&aml);
	ASSERT(aml.is_full, "nine bytes do not fit six");
	ASSERT_EQ(aml.used, sizeof(buffer));

	aml_init(&aml, buffer, 0);
	for (int i = 0; i < 2 * AML_DEPTH_MAX; i++)
		aml_begin_package(&aml, 1);
	ASSERT(aml.is_full, "too deep");
}

static const struct test_case cases[] = {
	{ "rsdp", test_rsdp },
	{ "rsdt", test_rsdt },
	{ "fadt", test_fadt },
	{ "generation", test_generation },
	{ "madt", test_madt },
	{ "too_small", test_too_small },
	{ "aml_length", test_aml_length },
	{ "aml_objects", test_aml_objects },
	{ "aml_full", test_aml_full },
};

TEST_MAIN(cases)
