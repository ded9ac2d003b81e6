/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * MSI-X: a table of messages a device may send.
 */
#ifndef KEEL_MSIX_H
#define KEEL_MSIX_H

#include <stdbool.h>
#include <stdint.h>

struct pci_device;
struct vm;

#define MSIX_VECTORS_MAX	16
#define MSIX_BAR_SIZE		0x1000
#define MSIX_PENDING_OFFSET	0x800

struct msix_entry {
	uint64_t address;
	uint32_t data;
	uint32_t control;	/* bit 0: masked */
};

/** msix_entry_word() - the 32-bit word at @offset (0, 4, 8 or 12) of an entry */
uint32_t msix_entry_word(const struct msix_entry *entry, unsigned int offset);

/** msix_entry_set_word() - write it, as far as it can be written */
void msix_entry_set_word(struct msix_entry *entry, unsigned int offset, uint32_t value);

/* Guarded by the owning device's lock, which every function here needs held. */
struct msix {
	struct vm *vm;
	unsigned int count;
	unsigned int capability;	/* offset in configuration space */
	bool is_enabled;
	bool is_masked;			/* all of them */
	uint64_t pending;		/* a bit a vector */
	struct msix_entry entries[MSIX_VECTORS_MAX];
};

/**
 * msix_init() - append the capability; the table is in BAR @bar at offset 0
 * Return: 0 or -ENOSPC.
 */
int msix_init(struct msix *msix, struct vm *vm, struct pci_device *device, unsigned int bar,
	      unsigned int count);

/**
 * msix_reset() - an empty table, all of it masked
 */
void msix_reset(struct msix *msix);

/**
 * msix_read() - read @len bytes at @offset into the table's BAR
 */
uint64_t msix_read(const struct msix *msix, uint64_t offset, unsigned int len);

/**
 * msix_write() - write to the table's BAR; sends what becomes unmasked
 */
void msix_write(struct msix *msix, uint64_t offset, unsigned int len, uint64_t value);

/**
 * msix_set_control() - the capability's message control word is now @control
 */
void msix_set_control(struct msix *msix, uint16_t control);

/**
 * msix_can_send() - is there a message @vector, and is it not held back?
 */
bool msix_can_send(const struct msix *msix, unsigned int vector);

/**
 * msix_raise() - send message @vector, or remember it while masked
 *
 * A vector the table does not have (as "no vector") is nothing to send.
 */
void msix_raise(struct msix *msix, unsigned int vector);

#endif
