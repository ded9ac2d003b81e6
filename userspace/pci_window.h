/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The windows of the PCI bridge: where BARs answer.
 */
#ifndef KEEL_PCI_WINDOW_H
#define KEEL_PCI_WINDOW_H

#include <stdint.h>

struct pci;

/**
 * pci_window_init() - put the window for ports and that for memory, from MAP_PCI_MEMORY on, on the VM's buses
 * Return: 0 or a negative errno.
 */
int pci_window_init(struct pci *pci);

/**
 * pci_widen_window() - let the bridge's memory window begin at @first, at MAP_PCI_MEMORY or before
 *
 * Devices are placed from MAP_PCI_MEMORY on nevertheless; the rest is for firmware. Before the first vCPU runs.
 * Return: 0 or a negative errno.
 */
int pci_widen_window(struct pci *pci, uint64_t first);

#endif
