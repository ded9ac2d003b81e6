// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest's driver for QEMU's device edu (QEMU, "EDU device"), for a VM that was given it: computes, moves data by DMA both ways, and takes
 * its interrupts. Once the module is loaded the kernel's log has one line "edu: WHAT good", or "... WRONG: ...", for each. With outside=N the
 * device is told to write to and read from N random places outside the guest's memory too, which nobody may notice; with pace=MS one in so many
 * milliseconds, and the log has a line "edu: at ADDRESS" for each.
 */
#define pr_fmt(fmt) "edu: " fmt

#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/random.h>

#include "edu.h"

#define BLOCK	2048

static bool msi = true;
module_param(msi, bool, 0444);
MODULE_PARM_DESC(msi, "take its interrupts by MSI (default), or by its line");

static unsigned int rounds = 20;
module_param(rounds, uint, 0444);
MODULE_PARM_DESC(rounds, "blocks to move out and back");

static unsigned int outside;
module_param(outside, uint, 0444);
MODULE_PARM_DESC(outside, "blocks to write outside the guest's memory");

static unsigned int pace;
module_param(pace, uint, 0444);
MODULE_PARM_DESC(pace, "milliseconds for each of these at least, and a line for each");

/* No memory of these tests' VMs, but the host's own if nothing translates; and above 4 GB, where the smallest tables end. */
#define LOW_START	0x10000000ull
#define LOW_END		0x60000000ull
#define HIGH_START	0x100000000ull
#define HIGH_END	0x4000000000ull

struct edu {
	void __iomem *regs;
	u8 *page[3];
	dma_addr_t dma[3];
	struct completion done;
	unsigned int interrupts;
};

static irqreturn_t edu_interrupt(int irq, void *data)
{
	struct edu *edu = data;
	u32 status = readl(edu->regs + EDU_IRQ_STATUS);

	if (!status)
		return IRQ_NONE;
	writel(status, edu->regs + EDU_IRQ_ACK);
	edu->interrupts++;
	complete(&edu->done);
	return IRQ_HANDLED;
}

static bool wait_done(struct edu *edu)
{
	return wait_for_completion_timeout(&edu->done, 10 * HZ);
}

static void move_block(struct edu *edu, u64 from, u64 to, u64 command)
{
	writeq(from, edu->regs + EDU_DMA_FROM);
	writeq(to, edu->regs + EDU_DMA_TO);
	writeq(BLOCK, edu->regs + EDU_DMA_COUNT);
	writeq(command | DMA_START, edu->regs + EDU_DMA_COMMAND);
}

static void test_registers(struct edu *edu)
{
	u32 id = readl(edu->regs + EDU_ID), live;

	writel(0x12345678, edu->regs + EDU_LIVE);
	live = readl(edu->regs + EDU_LIVE);
	if ((id & 0xff) == 0xed && live == ~0x12345678u)
		pr_info("registers good\n");
	else
		pr_info("registers WRONG: wanted 0x..ed and 0x%x, got 0x%x and 0x%x\n", ~0x12345678u, id, live);
}

static void test_factorial(struct pci_dev *pdev, struct edu *edu)
{
	u32 got;

	writel(STATUS_IRQ, edu->regs + EDU_STATUS);
	writel(10, edu->regs + EDU_FACTORIAL);
	if (!wait_done(edu)) {
		pr_info("interrupt WRONG: none came\n");
		return;
	}
	got = readl(edu->regs + EDU_FACTORIAL);
	writel(0, edu->regs + EDU_STATUS);
	if (got == 3628800)
		pr_info("interrupt good, by %s\n", pdev->msi_enabled ? "MSI" : "its line");
	else
		pr_info("interrupt WRONG: wanted 3628800, got %u\n", got);
}

/* Out of one block of memory, and into the other. Return: why not, or NULL. */
static const char *move_both_ways(struct edu *edu)
{
	get_random_bytes(edu->page[0], BLOCK);
	memset(edu->page[1], 0, BLOCK);
	move_block(edu, edu->dma[0], BUFFER, DMA_IRQ);
	if (!wait_done(edu))
		return "no interrupt after a read";
	move_block(edu, BUFFER, edu->dma[1], DMA_TO_MEMORY | DMA_IRQ);
	if (!wait_done(edu))
		return "no interrupt after a write";
	return memcmp(edu->page[0], edu->page[1], BLOCK) ? "other data came back" : NULL;
}

static void test_dma(struct edu *edu)
{
	const char *why = NULL;
	unsigned int i;

	for (i = 0; i < rounds && !why; i++)
		why = move_both_ways(edu);
	if (why)
		pr_info("dma WRONG: %s, round %u\n", why, i);
	else
		pr_info("dma good: %u blocks out and back, %u interrupts\n", rounds, edu->interrupts);
}

/*
 * What is written to @to must reach no memory: something else than it is read there afterwards, whatever the device makes of a read that
 * fails. Return: why not, or NULL.
 */
static const char *write_outside(struct edu *edu, u64 to)
{
	const struct { u64 from, to, command; } steps[] = {
		{ edu->dma[0], BUFFER, 0 },
		{ BUFFER, to, DMA_TO_MEMORY },
		{ edu->dma[1], BUFFER, 0 },
		{ to, BUFFER, 0 },
		{ BUFFER, edu->dma[1], DMA_TO_MEMORY },
	};
	unsigned int i;

	get_random_bytes(edu->page[0], BLOCK);
	memset(edu->page[1], 0x55, BLOCK);
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		move_block(edu, steps[i].from, steps[i].to, steps[i].command | DMA_IRQ);
		if (!wait_done(edu))
			return "no interrupt";
	}
	return memcmp(edu->page[0], edu->page[1], BLOCK) ? NULL : "it was read back";
}

static u64 random_between(u64 start, u64 end)
{
	return (start + get_random_u64() % (end - start)) & PAGE_MASK;
}

/* A host that logs each limits how many it logs at a time. */
static const char *write_outside_paced(struct edu *edu, u64 to)
{
	unsigned long next = jiffies + msecs_to_jiffies(pace);
	const char *why = write_outside(edu, to);

	if (pace) {
		pr_info("at 0x%llx\n", to);
		if (time_before(jiffies, next))
			msleep(jiffies_to_msecs(next - jiffies));
	}
	return why;
}

static void test_outside(struct edu *edu)
{
	const char *why = NULL;
	unsigned int i;
	u64 to;

	/* what is written inside is read back */
	if (!write_outside(edu, edu->dma[2])) {
		pr_info("outside WRONG: memory of its own is not reached\n");
		return;
	}
	for (i = 0; i < outside && !why; i++) {
		to = i % 2 ? random_between(LOW_START, LOW_END) : random_between(HIGH_START, HIGH_END);
		why = write_outside_paced(edu, to);
	}
	if (why)
		pr_info("outside WRONG: %s, round %u, 0x%llx\n", why, i, to);
	else
		pr_info("outside good: %u blocks written to nowhere\n", outside);
}

static int edu_run(struct pci_dev *pdev, struct edu *edu)
{
	int ret = pci_alloc_irq_vectors(pdev, 1, 1, msi ? PCI_IRQ_MSI : PCI_IRQ_LEGACY);

	if (ret < 0) {
		pr_info("interrupt WRONG: no vector: %d\n", ret);
		return ret;
	}
	ret = request_irq(pci_irq_vector(pdev, 0), edu_interrupt, IRQF_SHARED, "edu", edu);
	if (ret) {
		pr_info("interrupt WRONG: not to be had: %d\n", ret);
		goto free_vectors;
	}
	test_registers(edu);
	test_factorial(pdev, edu);
	test_dma(edu);
	if (outside) {
		test_outside(edu);
		test_dma(edu);
	}
	free_irq(pci_irq_vector(pdev, 0), edu);
free_vectors:
	pci_free_irq_vectors(pdev);
	return ret;
}

static int edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct edu *edu;
	unsigned int i;
	int ret;

	edu = devm_kzalloc(&pdev->dev, sizeof(*edu), GFP_KERNEL);
	if (!edu)
		return -ENOMEM;
	init_completion(&edu->done);
	ret = pcim_enable_device(pdev);
	if (!ret)
		ret = pcim_iomap_regions(pdev, BIT(0), "edu");
	if (!ret)
		ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(28));
	if (ret)
		return ret;
	edu->regs = pcim_iomap_table(pdev)[0];
	for (i = 0; i < ARRAY_SIZE(edu->page); i++) {
		edu->page[i] = dmam_alloc_coherent(&pdev->dev, PAGE_SIZE, &edu->dma[i], GFP_KERNEL);
		if (!edu->page[i])
			return -ENOMEM;
	}
	pci_set_master(pdev);
	return edu_run(pdev, edu);
}

static const struct pci_device_id edu_ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },
	{ },
};
MODULE_DEVICE_TABLE(pci, edu_ids);

static struct pci_driver edu_driver = {
	.name		= "edu",
	.id_table	= edu_ids,
	.probe		= edu_probe,
};
module_pci_driver(edu_driver);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Driver and test of QEMU's device edu");
