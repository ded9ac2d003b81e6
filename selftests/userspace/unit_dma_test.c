// SPDX-License-Identifier: GPL-2.0-only
/*
 * `keel dma`: the table and the JSON, of made-up lists: the words for each kind of reach, the remedies that a list calls for, names that
 * would break a line, and what a newer module may send.
 */
#include <stdbool.h>
#include <stdio.h>
#include <uapi/linux/keel.h>

#include "test.h"
#include "userspace/dma.h"

#define MASTER	KEEL_DMA_MASTER

static struct {
	struct keel_dma_list head;
	struct keel_dma_device devices[4];
} list;

static char text[4096];

static const char *print(void (*how)(FILE *out, const struct keel_dma_list *list), unsigned int nr)
{
	FILE *out = fmemopen(text, sizeof(text), "w");

	ASSERT(out, "fmemopen");
	list.head.nr = nr;
	how(out, &list.head);
	fclose(out);
	return text;
}

static void expect(const char *name, bool there, const char *words)
{
	CHECK_EQ(name, there, !!strstr(text, words));
	if (!!strstr(text, words) != there)
		test_note("%s: '%s' in: %s", there ? "not found" : "found", words, text);
}

#define NIC	.bus = 1, .devfn = 0x12, .vendor = 0x8086, .device = 0x10d3, .class = 0x020000, .group = 7, .driver = "e1000e"

static const struct {
	const char *name;
	struct keel_dma_device device;
	const char *row;
} rows[] = {
	{ "translated", { NIC, .reach = KEEL_DMA_TRANSLATED, .flags = MASTER },
	  "0000:01:02.2  0200   8086:10d3      7  e1000e           on      what its driver maps\n" },
	{ "identity", { NIC, .reach = KEEL_DMA_IDENTITY, .exposure = KEEL_DMA_EXPOSED, .flags = MASTER },
	  "on      ALL MEMORY: identity domain\n" },
	{ "later", { NIC, .reach = KEEL_DMA_NO_IOMMU, .exposure = KEEL_DMA_LATENT },
	  "off     all memory once it masters the bus: no IOMMU\n" },
	{ "no driver, no group", { .group = -1, .reach = KEEL_DMA_BLOCKED },
	  "0000:00:00.0  0000   0000:0000      -  -                off     nothing\n" },
	{ "VFIO", { NIC, .reach = KEEL_DMA_ASSIGNED }, "what its user has mapped\n" },
	{ "an IOMMU", { NIC, .reach = KEEL_DMA_IOMMU }, "its own tables: it is an IOMMU\n" },
	{ "bridge", { NIC, .reach = KEEL_DMA_NO_IOMMU, .flags = KEEL_DMA_BRIDGE }, "a bridge: only hands on\n" },
	{ "ATS of one from outside", { NIC, .reach = KEEL_DMA_TRANSLATED, .exposure = KEEL_DMA_EXPOSED,
	  .flags = MASTER | KEEL_DMA_ATS_ON | KEEL_DMA_EXTERNAL }, "ALL MEMORY: external, and its ATS is on; ATS on; external\n" },
	{ "mapped in any case", { NIC, .reach = KEEL_DMA_TRANSLATED, .direct_regions = 1, .direct_bytes = 8 << 20 },
	  "what its driver maps; and 8192 KB in any case\n" },
	{ "absent", { NIC, .reach = KEEL_DMA_TRANSLATED, .flags = KEEL_DMA_ABSENT }, "what its driver maps; does not answer\n" },
	{ "a driver just probing", { NIC, .flags = KEEL_DMA_BUSY }, "  ?     " },
	{ "a kind of the future", { NIC, .reach = 99, .exposure = 99, .flags = MASTER }, "ALL MEMORY: unknown kind of domain\n" },
	{ "a segment", { NIC, .segment = 0x10000 }, "10000:01:02.2" },
	{ "a name that is not one", { NIC, .driver = "a b\nc\"\\" }, "a?b?c??" },
	{ "a name without an end", { NIC, .driver = "0123456789abcdef0123456789abcdef" }, "0123456789abcdef0123456789abcdef " },
};

static void test_table(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		list.devices[0] = rows[i].device;
		print(dma_print_table, 1);
		expect(rows[i].name, true, rows[i].row);
	}
}

static void test_summary(void)
{
	list.devices[0] = (struct keel_dma_device){ NIC, .reach = KEEL_DMA_TRANSLATED, .flags = MASTER };
	list.devices[1] = (struct keel_dma_device){ NIC, .reach = KEEL_DMA_IDENTITY, .exposure = KEEL_DMA_EXPOSED };
	list.devices[2] = (struct keel_dma_device){ NIC, .reach = KEEL_DMA_NO_IOMMU, .exposure = KEEL_DMA_LATENT };
	print(dma_print_table, 0);
	expect("none", true, "0 of 0 devices reach all memory now, 0 more");
	print(dma_print_table, 1);
	expect("confined", true, "0 of 1 devices reach all memory now, 0 more");
	expect("no remedy", false, "iommu=");
	print(dma_print_table, 2);
	expect("identity", true, "1 of 2 devices reach all memory now, 0 more");
	expect("its remedy", true, "iommu=nopt");
	expect("not the other's", false, "intel_iommu=on");
	expect("no exclusion vector", false, "Exclusion");
	list.head.exclusion_nodes = 2;
	print(dma_print_table, 3);
	expect("no IOMMU", true, "1 of 3 devices reach all memory now, 1 more");
	expect("its remedy", true, "intel_iommu=on");
	expect("exclusion vectors", true, "2 northbridges have a Device Exclusion Vector");
}

static void test_json(void)
{
	list.devices[0] = (struct keel_dma_device){ NIC, .reach = KEEL_DMA_IDENTITY, .exposure = KEEL_DMA_EXPOSED,
		.flags = MASTER | KEEL_DMA_ATS_CAPABLE, .direct_regions = 2, .direct_bytes = 1ull << 33 };
	list.devices[1] = (struct keel_dma_device){ .group = -1, .reach = 99, .exposure = 99, .driver = "" };
	list.head.exclusion_nodes = 1;
	print(dma_print_json, 2);
	ASSERT(!strcmp(text,
		"{\"exclusion_nodes\": 1, \"devices\": ["
		"{\"device\": \"0000:01:02.2\", \"vendor\": \"8086\", \"id\": \"10d3\", \"class\": \"020000\", \"group\": 7, "
		"\"driver\": \"e1000e\", \"reach\": \"identity\", \"exposure\": \"exposed\", \"bus_master\": true, "
		"\"ats_capable\": true, \"ats_on\": false, \"external\": false, \"bridge\": false, \"absent\": false, "
		"\"direct_regions\": 2, \"direct_bytes\": 8589934592}, "
		"{\"device\": \"0000:00:00.0\", \"vendor\": \"0000\", \"id\": \"0000\", \"class\": \"000000\", \"group\": null, "
		"\"driver\": null, \"reach\": \"unknown\", \"exposure\": \"exposed\", \"bus_master\": false, "
		"\"ats_capable\": false, \"ats_on\": false, \"external\": false, \"bridge\": false, \"absent\": false, "
		"\"direct_regions\": 0, \"direct_bytes\": 0}]}\n"), "%s", text);
	list.devices[0] = (struct keel_dma_device){ NIC, .driver = "a\"b\\c\n" };
	print(dma_print_json, 1);
	expect("a driver's name that would break it", true, "\"driver\": \"a?b?c?\"");
	print(dma_print_json, 0);
	expect("no devices", true, "\"devices\": []}\n");
}

static const struct test_case cases[] = {
	{ "table", test_table },
	{ "summary", test_summary },
	{ "json", test_json },
};

TEST_MAIN(cases)
