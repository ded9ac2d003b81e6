/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What UEFI firmware takes the machine for: Intel's 440FX with a PIIX4, as far as that firmware looks.
 */
#ifndef KEEL_CHIPSET_H
#define KEEL_CHIPSET_H

#include "pci.h"

struct memory;

struct chipset {
	struct pci_device isa;		/* function 0: the bridge that the serial port is behind */
	struct pci_device power;	/* function 3: where the registers of power.h are */
};

/**
 * chipset_window() - where the PCI bridge's memory window begins, as that firmware has it
 */
uint64_t chipset_window(const struct memory *memory);

/**
 * chipset_add() - the bridge becomes that chip set's, and its other functions go into the first slot
 *
 * After pci_init() and before any other device is plugged. Return: 0 or a negative errno.
 */
int chipset_add(struct chipset *chipset, struct pci *pci);

#endif
