// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine's own northbridges for dev.c: PCI configuration space, and memory for vectors.
 */
#define pr_fmt(fmt) "keel: " fmt

#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/printk.h>
#include <keel/dma.h>
#include "dev.h"
#include "guard.h"

static struct exclusion machine;

static int node_read(unsigned int node, unsigned int offset, u32 *value)
{
	struct pci_dev *dev = pci_get_domain_bus_and_slot(0, 0, PCI_DEVFN(DEV_PCI_DEVICE + node, DEV_PCI_FUNCTION));
	int ret;

	*value = ~0u;
	if (!dev)
		return 0;
	ret = pci_read_config_dword(dev, offset, value);
	pci_dev_put(dev);
	return ret ? -EIO : 0;
}

static int node_write(unsigned int node, unsigned int offset, u32 value)
{
	struct pci_dev *dev = pci_get_domain_bus_and_slot(0, 0, PCI_DEVFN(DEV_PCI_DEVICE + node, DEV_PCI_FUNCTION));
	int ret;

	if (!dev)
		return -EIO;
	ret = pci_write_config_dword(dev, offset, value);
	pci_dev_put(dev);
	return ret ? -EIO : 0;
}

static int pages_alloc(struct exclusion_vector *vector)
{
	struct page *pages = alloc_pages(GFP_KERNEL | GFP_DMA32 | __GFP_ZERO | __GFP_NOWARN, get_order(EXCLUSION_BYTES(vector->size)));

	if (!pages)
		return -ENOMEM;
	vector->bits = page_address(pages);
	vector->base = page_to_phys(pages);
	return 0;
}

static void pages_free(struct exclusion_vector *vector)
{
	free_pages((unsigned long)vector->bits, get_order(EXCLUSION_BYTES(vector->size)));
}

static void pause(void)
{
	udelay(1);
}

static const struct exclusion_ops machine_ops = {
	.read	= node_read,
	.write	= node_write,
	.alloc	= pages_alloc,
	.free	= pages_free,
	.pause	= pause,
};

unsigned int keel_dma_exclusion_nodes(void)
{
	return machine.nr_nodes;
}

void dma_exclusion_init(void)
{
	switch (exclusion_discover(&machine, &machine_ops)) {
	case 0:
		pr_info("%u northbridges have a Device Exclusion Vector, %u domains, %u map registers; it is not used yet\n",
			machine.nr_nodes, machine.nr_domains, machine.nr_maps);
		break;
	case -ENXIO:
		pr_info("not every northbridge has a Device Exclusion Vector: none can be used\n");
		break;
	case -EIO:
		pr_info("a northbridge's configuration space makes no sense: no Device Exclusion Vector can be used\n");
		break;
	default:
		break;
	}
}
