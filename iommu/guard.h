/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel says of a PCI device (guard_pci.c reads it), and what follows from it (guard.c, pure functions, also built and
 * tested in user space).
 */
#ifndef IOMMU_GUARD_H
#define IOMMU_GUARD_H

#include <linux/types.h>

struct device;
struct keel_dma_device;

/* Kinds of the kernel's IOMMU domains, as far as they matter here. */
enum dma_domain {
	DMA_DOMAIN_NONE,	/* the device has none */
	DMA_DOMAIN_BLOCKED,	/* nothing is mapped, and nothing can be */
	DMA_DOMAIN_IDENTITY,	/* addresses are handed through */
	DMA_DOMAIN_DMA,		/* the kernel's DMA functions fill it for the driver */
	DMA_DOMAIN_OWN,		/* VFIO or a driver fills it */
	DMA_DOMAIN_OTHER	/* shared with a process, nested, of a platform: who knows */
};

/**
 * struct dma_facts - a PCI device as it is at one moment
 * @segment: PCI segment
 * @bus: PCI bus
 * @devfn: device and function
 * @vendor: PCI identity
 * @device: PCI identity
 * @class: three bytes
 * @command: the PCI command register; all ones when configuration space does not answer
 * @group: of IOMMU groups, or -1
 * @domain: what it is attached to
 * @ats_capable: it has Address Translation Services
 * @ats_on: they are enabled
 * @external: it may be plugged in from outside
 * @driver_busy: @driver could not be read without waiting
 * @direct_regions: memory that its group reaches in any case: number of ranges
 * @direct_bytes: how much that is
 * @driver: its driver's name, or empty
 */
struct dma_facts {
	u32 segment;
	u8 bus;
	u8 devfn;
	u16 vendor;
	u16 device;
	u32 class;
	u16 command;
	s32 group;
	enum dma_domain domain;
	bool ats_capable;
	bool ats_on;
	bool external;
	bool driver_busy;
	u32 direct_regions;
	u64 direct_bytes;
	char driver[32];
};

/* KEEL_DMA_NO_IOMMU to KEEL_DMA_UNKNOWN */
u32 dma_reach(const struct dma_facts *facts);

/* KEEL_DMA_CONFINED to KEEL_DMA_EXPOSED */
u32 dma_exposure(const struct dma_facts *facts);

/* The whole row. */
void dma_describe(const struct dma_facts *facts, struct keel_dma_device *row);

#define DMA_TEXT	224

/* One line on a device that is not confined: which, why, and the remedy. Without an end of line. */
void dma_offence_text(const struct keel_dma_device *row, char text[DMA_TEXT]);

/**
 * dma_find_offender() - a PCI device of this host that is not confined (guard_pci.c)
 * @row: the first one of those that reach most
 *
 * May sleep. Return: how many there are; 0: @row is undefined.
 */
u32 dma_find_offender(struct keel_dma_device *row);

/* Judge one device, which is a PCI device, from a bus notifier. */
void dma_describe_device(struct device *dev, struct keel_dma_device *row);

/* Look for Device Exclusion Vectors, and say it in the log (dev_pci.c). */
void dma_exclusion_init(void);

#endif
