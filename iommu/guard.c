// SPDX-License-Identifier: GPL-2.0-only
/*
 * The DMA guard's judgement: from what the kernel says of a device to which memory it reaches. Pure functions.
 *
 * Where something is not known, the device is taken to reach everything.
 */
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/types.h>
#include <uapi/linux/keel.h>
#include "guard.h"

#define CLASS_OF(facts)		((facts)->class >> 8)
#define CLASS_HOST_BRIDGE	0x0600
#define CLASS_PCI_BRIDGE	0x0604
#define CLASS_IOMMU		0x0806

#define COMMAND_MASTER		(1 << 2)
#define COMMAND_ABSENT		0xffff

static bool is_absent(const struct dma_facts *facts)
{
	return facts->command == COMMAND_ABSENT;
}

static bool is_master(const struct dma_facts *facts)
{
	return !is_absent(facts) && (facts->command & COMMAND_MASTER);
}

/* What a device says that it is. One that can be plugged in from outside may say anything, and send what it likes. */
static bool is_believed(const struct dma_facts *facts)
{
	return !facts->external;
}

/* It sends nothing of its own into memory. A PCI-to-ISA bridge does: it stands for the ISA bus's DMA. */
static bool is_bridge(const struct dma_facts *facts)
{
	return (CLASS_OF(facts) == CLASS_HOST_BRIDGE || CLASS_OF(facts) == CLASS_PCI_BRIDGE) && is_believed(facts);
}

u32 dma_reach(const struct dma_facts *facts)
{
	if (CLASS_OF(facts) == CLASS_IOMMU && is_believed(facts))
		return KEEL_DMA_IOMMU;
	switch (facts->domain) {
	case DMA_DOMAIN_NONE:
		return KEEL_DMA_NO_IOMMU;
	case DMA_DOMAIN_BLOCKED:
		return KEEL_DMA_BLOCKED;
	case DMA_DOMAIN_IDENTITY:
		return KEEL_DMA_IDENTITY;
	case DMA_DOMAIN_DMA:
		return KEEL_DMA_TRANSLATED;
	case DMA_DOMAIN_OWN:
		return KEEL_DMA_ASSIGNED;
	case DMA_DOMAIN_OTHER:
		break;
	}
	return KEEL_DMA_UNKNOWN;
}

/*
 * Translated requests of a device with ATS pass the IOMMU unchecked. The kernel enables ATS for devices that it trusts; one that can
 * be plugged in from outside is not believed here even then.
 */
static bool is_unconfined(const struct dma_facts *facts)
{
	switch (dma_reach(facts)) {
	case KEEL_DMA_TRANSLATED:
	case KEEL_DMA_ASSIGNED:
	case KEEL_DMA_BLOCKED:
		return facts->ats_on && facts->external;
	case KEEL_DMA_IOMMU:
		return false;
	default:
		return true;
	}
}

u32 dma_exposure(const struct dma_facts *facts)
{
	if (is_bridge(facts) || !is_unconfined(facts))
		return KEEL_DMA_CONFINED;
	return is_master(facts) ? KEEL_DMA_EXPOSED : KEEL_DMA_LATENT;
}

static u32 flags_of(const struct dma_facts *facts)
{
	return (is_master(facts) ? KEEL_DMA_MASTER : 0) |
	       (facts->ats_capable ? KEEL_DMA_ATS_CAPABLE : 0) |
	       (facts->ats_on ? KEEL_DMA_ATS_ON : 0) |
	       (facts->external ? KEEL_DMA_EXTERNAL : 0) |
	       (is_bridge(facts) ? KEEL_DMA_BRIDGE : 0) |
	       (is_absent(facts) ? KEEL_DMA_ABSENT : 0) |
	       (facts->driver_busy ? KEEL_DMA_BUSY : 0);
}

void dma_describe(const struct dma_facts *facts, struct keel_dma_device *row)
{
	memset(row, 0, sizeof(*row));
	row->segment = facts->segment;
	row->bus = facts->bus;
	row->devfn = facts->devfn;
	row->vendor = facts->vendor;
	row->device = facts->device;
	row->class = facts->class;
	row->group = facts->group;
	row->reach = dma_reach(facts);
	row->exposure = dma_exposure(facts);
	row->flags = flags_of(facts);
	row->direct_regions = facts->direct_regions;
	row->direct_bytes = facts->direct_bytes;
	memcpy(row->driver, facts->driver, sizeof(row->driver) - 1);
}

static const char *why_not_confined(const struct keel_dma_device *row)
{
	switch (row->reach) {
	case KEEL_DMA_NO_IOMMU:
		return "no IOMMU is before it: turn it on in the firmware, and boot an Intel host with intel_iommu=on";
	case KEEL_DMA_IDENTITY:
		return "its IOMMU domain is identity: boot with iommu=nopt";
	case KEEL_DMA_UNKNOWN:
		return "its IOMMU domain is of an unknown kind: unbind its driver";
	default:
		return "it is external and its ATS is on: boot with pci=noats";
	}
}

void dma_offence_text(const struct keel_dma_device *row, char text[DMA_TEXT])
{
	scnprintf(text, DMA_TEXT, "device %04x:%02x:%02x.%u (%s) %s, for %s", row->segment, row->bus, row->devfn >> 3, row->devfn & 7,
		  row->driver[0] ? row->driver : "no driver",
		  row->exposure == KEEL_DMA_EXPOSED ? "reaches all memory" : "reaches all memory once its bus mastering is on",
		  why_not_confined(row));
}
