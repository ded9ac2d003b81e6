// SPDX-License-Identifier: GPL-2.0-only
/*
 * The facts that guard.c judges, from the kernel: PCI, its drivers, its IOMMU groups.
 *
 * Everything can change as soon as it was read. What is read of a device is of one moment only where a lock says so: the kind of domain,
 * under the group's own lock, which also keeps the domain from being freed meanwhile.
 */
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/list.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <uapi/linux/keel.h>
#include <keel/dma.h>
#include "guard.h"

static enum dma_domain domain_kind(const struct iommu_domain *domain)
{
	if (!domain)
		return DMA_DOMAIN_NONE;
	switch (domain->type) {
	case IOMMU_DOMAIN_BLOCKED:
		return DMA_DOMAIN_BLOCKED;
	case IOMMU_DOMAIN_IDENTITY:
		return DMA_DOMAIN_IDENTITY;
	case IOMMU_DOMAIN_DMA:
	case IOMMU_DOMAIN_DMA_FQ:
		return DMA_DOMAIN_DMA;
	case IOMMU_DOMAIN_UNMANAGED:
		return DMA_DOMAIN_OWN;
	default:
		return DMA_DOMAIN_OTHER;
	}
}

struct domain_query {
	const struct device *dev;
	enum dma_domain kind;
};

/* With the group's lock held. */
static int domain_visit(struct device *dev, void *data)
{
	struct domain_query *query = data;

	if (dev != query->dev)
		return 0;
	query->kind = domain_kind(iommu_get_domain_for_dev(dev));
	return 1;
}

static void read_direct_regions(struct iommu_group *group, struct dma_facts *facts)
{
	struct iommu_resv_region *region, *next;
	LIST_HEAD(regions);

	iommu_get_group_resv_regions(group, &regions);
	list_for_each_entry_safe(region, next, &regions, list) {
		if (region->type == IOMMU_RESV_DIRECT || region->type == IOMMU_RESV_DIRECT_RELAXABLE) {
			facts->direct_regions++;
			facts->direct_bytes += region->length;
		}
		kfree(region);
	}
}

static void read_group(struct pci_dev *pdev, struct dma_facts *facts)
{
	struct domain_query query = { .dev = &pdev->dev, .kind = DMA_DOMAIN_NONE };
	struct iommu_group *group = iommu_group_get(&pdev->dev);

	facts->group = -1;
	if (!group)
		return;
	facts->group = iommu_group_id(group);
	iommu_group_for_each_dev(group, &query, domain_visit);
	facts->domain = query.kind;
	read_direct_regions(group, facts);
	iommu_group_put(group);
}

/* A driver that is just probing can hold the device's lock for long: it is not waited for. */
static void read_driver(struct pci_dev *pdev, struct dma_facts *facts)
{
	if (!device_trylock(&pdev->dev)) {
		facts->driver_busy = true;
		return;
	}
	if (pdev->dev.driver)
		strscpy(facts->driver, pdev->dev.driver->name, sizeof(facts->driver));
	device_unlock(&pdev->dev);
}

static void read_facts(struct pci_dev *pdev, struct dma_facts *facts)
{
	*facts = (struct dma_facts){
		.segment = pci_domain_nr(pdev->bus),
		.bus = pdev->bus->number,
		.devfn = pdev->devfn,
		.vendor = pdev->vendor,
		.device = pdev->device,
		.class = pdev->class,
		.ats_on = pdev->ats_enabled,
		.external = pdev->untrusted,
	};
#ifdef CONFIG_PCI_ATS
	facts->ats_capable = pdev->ats_cap;
#endif
	if (pci_read_config_word(pdev, PCI_COMMAND, &facts->command))
		facts->command = ~0;
	read_group(pdev, facts);
	read_driver(pdev, facts);
}

static void describe(struct pci_dev *pdev, struct keel_dma_device *row)
{
	struct dma_facts facts;

	read_facts(pdev, &facts);
	dma_describe(&facts, row);
}

u32 dma_find_offender(struct keel_dma_device *row)
{
	struct keel_dma_device now;
	struct pci_dev *pdev = NULL;
	u32 n = 0;

	for_each_pci_dev(pdev) {
		describe(pdev, &now);
		if (now.exposure == KEEL_DMA_CONFINED)
			continue;
		if (!n++ || now.exposure > row->exposure)
			*row = now;
	}
	return n;
}

/* The device's lock is held by whoever binds or unbinds its driver, who waits for the notifier: the driver stays. */
void dma_describe_device(struct device *dev, struct keel_dma_device *row)
{
	describe(to_pci_dev(dev), row);
	if (!row->driver[0] && dev->driver)
		strscpy(row->driver, dev->driver->name, sizeof(row->driver));
}

u32 keel_dma_list(struct keel_dma_device *devices, u32 room)
{
	struct pci_dev *pdev = NULL;
	u32 n = 0;

	for_each_pci_dev(pdev) {
		if (n < room)
			describe(pdev, &devices[n]);
		n++;
	}
	return n;
}
