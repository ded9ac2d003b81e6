/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interrupts of an assigned device, for vfio_pci.c. All but vfio_irq_read() and
 * vfio_irq_write() need the device's lock held, once it can be reached by others.
 */
#ifndef KEEL_VFIO_IRQ_H
#define KEEL_VFIO_IRQ_H

#include "vfio_pci.h"

/**
 * vfio_irq_use_line() - let INTx come, if the device has it, and no message
 * Return: 0 or a negative errno.
 */
int vfio_irq_use_line(struct vfio_pci *assigned);

/**
 * vfio_irq_leave() - let none come
 */
void vfio_irq_leave(struct vfio_pci *assigned);

/**
 * vfio_irq_update_msi() - do what the MSI registers say now
 */
void vfio_irq_update_msi(struct vfio_pci *assigned);

/**
 * vfio_irq_update_msix() - do what MSI-X's control word says now
 */
void vfio_irq_update_msix(struct vfio_pci *assigned);

/**
 * vfio_irq_read() - read from the MSI-X table or its pending bits
 * Return: false if neither is at @offset of BAR @bar.
 */
bool vfio_irq_read(struct vfio_pci *assigned, unsigned int bar, uint64_t offset, unsigned int len, uint64_t *value);

/**
 * vfio_irq_write() - write there
 * Return: false if neither is at @offset of BAR @bar.
 */
bool vfio_irq_write(struct vfio_pci *assigned, unsigned int bar, uint64_t offset, unsigned int len, uint64_t value);

#endif
