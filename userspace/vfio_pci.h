/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An assigned device as the guest sees it on its PCI bus.
 */
#ifndef KEEL_VFIO_PCI_H
#define KEEL_VFIO_PCI_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "msix.h"
#include "pci.h"
#include "route.h"
#include "vfio.h"

#define VFIO_PCI_VECTORS_MAX	64
#define VFIO_PCI_PIECES_MAX	3	/* of a BAR, between the pages of MSI-X's tables */

enum vfio_pci_mode { VFIO_PCI_QUIET, VFIO_PCI_INTX, VFIO_PCI_MSI, VFIO_PCI_MSIX };

/* Part of a BAR that the guest reaches without an exit. */
struct vfio_pci_piece {
	uint64_t offset, size;
	void *host;
	bool is_set;		/* a memory slot; guarded by pci->lock */
};

struct vfio_pci_bar {
	struct vfio_pci_piece pieces[VFIO_PCI_PIECES_MAX];
	unsigned int piece_count;
	unsigned int first_slot;	/* memory slot of the first piece */
};

struct vfio_pci {
	struct pci_device pci;
	struct vfio_device device;
	struct vm *vm;
	struct route_table *routes;
	unsigned int first_route;	/* this device's messages in @routes */
	bool own[PCI_CONFIG_SIZE];	/* bytes that are ours, not the device's; constant */
	struct vfio_pci_bar bars[PCI_BARS_MAX];
	unsigned int msi, msix, power;	/* their capabilities in configuration space; 0: none */
	unsigned int vectors;		/* of MSI-X, as the guest sees it */
	unsigned int table_vectors;	/* as the device has them */
	unsigned int table_bar, table_offset, pending_bar, pending_offset;

	pthread_mutex_t lock;		/* guards what follows; taken under pci->lock too */
	enum vfio_pci_mode mode;
	bool has_complained;		/* of its interrupts, once */
	int events[VFIO_PCI_VECTORS_MAX];	/* the first for INTx and MSI too */
	int resample;
	struct msix_entry entries[VFIO_PCI_VECTORS_MAX];
	bool attached[VFIO_PCI_VECTORS_MAX];
	int error_event, request_event;	/* the device failed; the host wants it back */
};

/**
 * vfio_pci_init() - nothing to close yet
 */
void vfio_pci_init(struct vfio_pci *assigned, struct vm *vm);

/**
 * vfio_pci_add() - take the device at @address and plug it into the guest's bus
 * @index: which of the VM's assigned devices this is, from 0
 *
 * Return: 0, or a status after a line on stderr.
 */
int vfio_pci_add(struct vfio_pci *assigned, struct vfio *vfio, struct pci *pci, struct route_table *routes,
		 const char *address, unsigned int index);

/**
 * vfio_pci_start() - let its interrupts come; once it is plugged
 * Return: 0, or STATUS_ASSIGN after a line on stderr.
 */
int vfio_pci_start(struct vfio_pci *assigned);

/**
 * vfio_pci_close() - give it back; after all vCPUs ended. Harmless if it was never added
 */
void vfio_pci_close(struct vfio_pci *assigned);

#endif
