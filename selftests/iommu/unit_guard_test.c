// SPDX-License-Identifier: GPL-2.0-only
/* Which memory a device reaches, from what the kernel says of it: each fact in a row that is ordinary otherwise, and all of them together. */
#include "shim.h"
#include <uapi/linux/keel.h>
#include "guard.h"
#include "test.h"

#define NIC		.class = 0x020000, .command = 0x0006, .group = 3
#define TRANSLATED	NIC, .domain = DMA_DOMAIN_DMA
#define OFF		.command = 0x0002

static const struct row {
	const char *name;
	struct dma_facts facts;
	u32 reach, exposure, flags;
} rows[] = {
	{ "translated", { TRANSLATED }, KEEL_DMA_TRANSLATED, KEEL_DMA_CONFINED, KEEL_DMA_MASTER },
	{ "translated, no bus master", { TRANSLATED, OFF }, KEEL_DMA_TRANSLATED, KEEL_DMA_CONFINED, 0 },
	{ "no IOMMU", { NIC, .group = -1, .domain = DMA_DOMAIN_NONE }, KEEL_DMA_NO_IOMMU, KEEL_DMA_EXPOSED, KEEL_DMA_MASTER },
	{ "no IOMMU, no bus master", { NIC, OFF, .domain = DMA_DOMAIN_NONE }, KEEL_DMA_NO_IOMMU, KEEL_DMA_LATENT, 0 },
	{ "a group without a domain", { NIC, .domain = DMA_DOMAIN_NONE }, KEEL_DMA_NO_IOMMU, KEEL_DMA_EXPOSED, KEEL_DMA_MASTER },
	{ "identity", { NIC, .domain = DMA_DOMAIN_IDENTITY }, KEEL_DMA_IDENTITY, KEEL_DMA_EXPOSED, KEEL_DMA_MASTER },
	{ "identity, no bus master", { NIC, OFF, .domain = DMA_DOMAIN_IDENTITY }, KEEL_DMA_IDENTITY, KEEL_DMA_LATENT, 0 },
	{ "blocked", { NIC, .domain = DMA_DOMAIN_BLOCKED }, KEEL_DMA_BLOCKED, KEEL_DMA_CONFINED, KEEL_DMA_MASTER },
	{ "VFIO", { NIC, .domain = DMA_DOMAIN_OWN }, KEEL_DMA_ASSIGNED, KEEL_DMA_CONFINED, KEEL_DMA_MASTER },
	{ "another kind of domain", { NIC, .domain = DMA_DOMAIN_OTHER }, KEEL_DMA_UNKNOWN, KEEL_DMA_EXPOSED, KEEL_DMA_MASTER },
	{ "a kind that is none", { NIC, .domain = 77 }, KEEL_DMA_UNKNOWN, KEEL_DMA_EXPOSED, KEEL_DMA_MASTER },
	{ "ATS", { TRANSLATED, .ats_capable = true, .ats_on = true }, KEEL_DMA_TRANSLATED, KEEL_DMA_CONFINED,
	  KEEL_DMA_MASTER | KEEL_DMA_ATS_CAPABLE | KEEL_DMA_ATS_ON },
	{ "ATS, off", { TRANSLATED, .ats_capable = true }, KEEL_DMA_TRANSLATED, KEEL_DMA_CONFINED,
	  KEEL_DMA_MASTER | KEEL_DMA_ATS_CAPABLE },
	{ "external", { TRANSLATED, .external = true }, KEEL_DMA_TRANSLATED, KEEL_DMA_CONFINED, KEEL_DMA_MASTER | KEEL_DMA_EXTERNAL },
	{ "external, ATS", { TRANSLATED, .external = true, .ats_capable = true, .ats_on = true }, KEEL_DMA_TRANSLATED,
	  KEEL_DMA_EXPOSED, KEEL_DMA_MASTER | KEEL_DMA_EXTERNAL | KEEL_DMA_ATS_CAPABLE | KEEL_DMA_ATS_ON },
	{ "external, ATS, VFIO, no bus master", { NIC, OFF, .domain = DMA_DOMAIN_OWN, .external = true, .ats_on = true },
	  KEEL_DMA_ASSIGNED, KEEL_DMA_LATENT, KEEL_DMA_EXTERNAL | KEEL_DMA_ATS_ON },
	{ "external, ATS, blocked", { NIC, .domain = DMA_DOMAIN_BLOCKED, .external = true, .ats_on = true }, KEEL_DMA_BLOCKED,
	  KEEL_DMA_EXPOSED, KEEL_DMA_MASTER | KEEL_DMA_EXTERNAL | KEEL_DMA_ATS_ON },
	{ "host bridge", { NIC, .class = 0x060000 }, KEEL_DMA_NO_IOMMU, KEEL_DMA_CONFINED, KEEL_DMA_MASTER | KEEL_DMA_BRIDGE },
	{ "PCI bridge", { NIC, .class = 0x060401, .domain = DMA_DOMAIN_IDENTITY }, KEEL_DMA_IDENTITY, KEEL_DMA_CONFINED,
	  KEEL_DMA_MASTER | KEEL_DMA_BRIDGE },
	{ "ISA bridge", { NIC, .class = 0x060100 }, KEEL_DMA_NO_IOMMU, KEEL_DMA_EXPOSED, KEEL_DMA_MASTER },
	{ "an IOMMU", { NIC, .class = 0x080600 }, KEEL_DMA_IOMMU, KEEL_DMA_CONFINED, KEEL_DMA_MASTER },
	{ "system peripheral, not an IOMMU", { NIC, .class = 0x088000 }, KEEL_DMA_NO_IOMMU, KEEL_DMA_EXPOSED, KEEL_DMA_MASTER },
	{ "external, says it is an IOMMU", { NIC, .class = 0x080600, .external = true }, KEEL_DMA_NO_IOMMU, KEEL_DMA_EXPOSED,
	  KEEL_DMA_MASTER | KEEL_DMA_EXTERNAL },
	{ "external, says it is a bridge", { NIC, .class = 0x060400, .external = true }, KEEL_DMA_NO_IOMMU, KEEL_DMA_EXPOSED,
	  KEEL_DMA_MASTER | KEEL_DMA_EXTERNAL },
	{ "external, says it is a bridge, translated", { TRANSLATED, .class = 0x060400, .external = true }, KEEL_DMA_TRANSLATED,
	  KEEL_DMA_CONFINED, KEEL_DMA_MASTER | KEEL_DMA_EXTERNAL },
	{ "absent", { NIC, .command = 0xffff }, KEEL_DMA_NO_IOMMU, KEEL_DMA_LATENT, KEEL_DMA_ABSENT },
	{ "absent, translated", { TRANSLATED, .command = 0xffff }, KEEL_DMA_TRANSLATED, KEEL_DMA_CONFINED, KEEL_DMA_ABSENT },
	{ "a driver that is just probing", { TRANSLATED, .driver_busy = true }, KEEL_DMA_TRANSLATED, KEEL_DMA_CONFINED,
	  KEEL_DMA_MASTER | KEEL_DMA_BUSY },
};

static void test_rows(void)
{
	struct keel_dma_device row;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		dma_describe(&rows[i].facts, &row);
		CHECK_EQ(rows[i].name, rows[i].reach, row.reach);
		CHECK_EQ(rows[i].name, rows[i].exposure, row.exposure);
		CHECK_EQ(rows[i].name, rows[i].flags, row.flags);
	}
}

static void test_copied(void)
{
	const struct dma_facts facts = { .segment = 0x10000, .bus = 0xfe, .devfn = 0xfb, .vendor = 0x8086, .device = 0x10d3,
		.class = 0x020001, .command = 4, .group = 4711, .domain = DMA_DOMAIN_DMA, .direct_regions = 2,
		.direct_bytes = 1ull << 33, .driver = "a_name_of_thirty-one_characters" };
	struct keel_dma_device row;

	memset(&row, 0x55, sizeof(row));
	dma_describe(&facts, &row);
	CHECK_EQ("segment", 0x10000, row.segment);
	CHECK_EQ("bus", 0xfe, row.bus);
	CHECK_EQ("devfn", 0xfb, row.devfn);
	CHECK_EQ("vendor", 0x8086, row.vendor);
	CHECK_EQ("device", 0x10d3, row.device);
	CHECK_EQ("class", 0x020001, row.class);
	CHECK_EQ("group", 4711, row.group);
	CHECK_EQ("direct regions", 2, row.direct_regions);
	CHECK_EQ("direct bytes", 1ull << 33, row.direct_bytes);
	CHECK_EQ("driver", 0, strcmp(row.driver, "a_name_of_thirty-one_characters"));
	CHECK_EQ("reserved", 0, row.reserved0 | row.reserved1);
	CHECK_EQ("size", 80, sizeof(row));
}

/* Every combination: more freedom never gives less exposure, and a device that is confined has a reason for it. */
static void test_all(void)
{
	static const u32 classes[] = { 0x020000, 0x060000, 0x060400, 0x060100, 0x080600 };
	static const u16 commands[] = { 0, 4, 0xffff };
	unsigned int exposed = 0;

	for (unsigned int n = 0; n < 5 * 3 * 6 * 4; n++) {
		struct dma_facts f = { .class = classes[n % 5], .command = commands[n / 5 % 3], .domain = n / 15 % 6,
				       .ats_on = n / 90 & 1, .external = n / 180 };
		struct dma_facts more = f;
		const u32 exposure = dma_exposure(&f), reach = dma_reach(&f);
		const bool may_all = reach == KEEL_DMA_NO_IOMMU || reach == KEEL_DMA_IDENTITY || reach == KEEL_DMA_UNKNOWN;
		const bool plain = f.class == 0x020000 || f.class == 0x060100 || f.external;

		more.command = 4;
		ASSERT_GE(dma_exposure(&more), exposure);
		more.domain = DMA_DOMAIN_IDENTITY;
		ASSERT_GE(dma_exposure(&more), exposure);
		ASSERT_EQ(exposure != KEEL_DMA_CONFINED, plain && (may_all || (f.ats_on && f.external)));
		ASSERT_EQ(exposure == KEEL_DMA_EXPOSED, exposure != KEEL_DMA_CONFINED && f.command == 4);
		exposed += exposure == KEEL_DMA_EXPOSED;
	}
	test_note("%u of %u exposed", exposed, 5 * 3 * 6 * 4);
	CHECK_EQ("some", 1, exposed > 10);
}

static const struct {
	const char *name;
	struct keel_dma_device row;
	const char *text;
} texts[] = {
	{ "no IOMMU", { .bus = 3, .devfn = 0x21, .reach = KEEL_DMA_NO_IOMMU, .exposure = KEEL_DMA_EXPOSED, .driver = "nvme" },
	  "device 0000:03:04.1 (nvme) reaches all memory, for no IOMMU is before it: turn it on in the firmware, and boot an Intel host "
	  "with intel_iommu=on" },
	{ "identity, later", { .segment = 1, .reach = KEEL_DMA_IDENTITY, .exposure = KEEL_DMA_LATENT },
	  "device 0001:00:00.0 (no driver) reaches all memory once its bus mastering is on, for its IOMMU domain is identity: boot with "
	  "iommu=nopt" },
	{ "ATS", { .reach = KEEL_DMA_ASSIGNED, .exposure = KEEL_DMA_EXPOSED, .driver = "vfio-pci" },
	  "device 0000:00:00.0 (vfio-pci) reaches all memory, for it is external and its ATS is on: boot with pci=noats" },
	{ "unknown", { .reach = KEEL_DMA_UNKNOWN, .exposure = KEEL_DMA_EXPOSED, .driver = "x" },
	  "device 0000:00:00.0 (x) reaches all memory, for its IOMMU domain is of an unknown kind: unbind its driver" },
	{ "the longest", { .segment = ~0u, .bus = 0xff, .devfn = 0xff, .reach = KEEL_DMA_NO_IOMMU, .exposure = KEEL_DMA_LATENT,
	    .driver = "0123456789012345678901234567890" },
	  "device ffffffff:ff:1f.7 (0123456789012345678901234567890) reaches all memory once its bus mastering is on, for no IOMMU is "
	  "before it: turn it on in the firmware, and boot an Intel host with intel_iommu=on" },
};

static void test_text(void)
{
	char text[DMA_TEXT];

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		dma_offence_text(&texts[i].row, text);
		test_note("%s", text);
		CHECK_EQ(texts[i].name, 0, strcmp(text, texts[i].text));
	}
}

static const struct test_case cases[] = {
	{ "texts", test_text },
	{ "rows", test_rows },
	{ "copied", test_copied },
	{ "all combinations", test_all },
};

TEST_MAIN(cases)
