/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which device can reach which memory (iommu/).
 */
#ifndef KEEL_DMA_H
#define KEEL_DMA_H

/* Look for what keeps devices from memory, and say it in the log. Module init; changes nothing, and cannot fail. */
void keel_dma_init(void);

#endif
