/* SPDX-License-Identifier: GPL-2.0-only */
/* Registers of QEMU's device edu (QEMU, "EDU device"). */
#ifndef LAB_EDU_H
#define LAB_EDU_H

#define EDU_ID		0x00
#define EDU_LIVE	0x04
#define EDU_FACTORIAL	0x08
#define EDU_STATUS	0x20
#define EDU_IRQ_STATUS	0x24
#define EDU_IRQ_ACK	0x64
#define EDU_DMA_FROM	0x80
#define EDU_DMA_TO	0x88
#define EDU_DMA_COUNT	0x90
#define EDU_DMA_COMMAND	0x98

#define STATUS_COMPUTES	0x01
#define STATUS_IRQ	0x80
#define DMA_START	0x01	/* reads as one until the block is moved, a tenth of a second later */
#define DMA_TO_MEMORY	0x02
#define DMA_IRQ		0x04
#define BUFFER		0x40000	/* the device's own, 4 KB */

#endif
