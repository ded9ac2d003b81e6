/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which device can reach which memory (iommu/).
 */
#ifndef KEEL_DMA_H
#define KEEL_DMA_H

#include <linux/types.h>

struct keel_dma_device;

/* Look for what keeps devices from memory, and say it in the log. Module init; changes nothing, and cannot fail. */
void keel_dma_init(void);

/* Northbridges with a Device Exclusion Vector. */
unsigned int keel_dma_exclusion_nodes(void);

/**
 * keel_dma_list() - which memory each PCI device reaches now
 * @devices: where to put them
 * @room: how many fit
 *
 * May sleep. Return: how many there are, which can be more than @room.
 */
u32 keel_dma_list(struct keel_dma_device *devices, u32 room);

#endif
