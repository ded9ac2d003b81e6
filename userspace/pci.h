/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PCI: one bus, reached through ports 0xcf8 and 0xcfc.
 *
 * Lock order: pci->lock, then a device's own lock.
 */
#ifndef KEEL_PCI_H
#define KEEL_PCI_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bus.h"

struct vm;

#define PCI_CONFIG_ADDRESS	0xcf8
#define PCI_CONFIG_DATA		0xcfc
#define PCI_CONFIG_SIZE		256
#define PCI_SLOTS		32
#define PCI_BARS_MAX		6

#define PCI_GSI_FIRST		10
#define PCI_GSI_COUNT		2

/** pci_slot_gsi() - the interrupt line of a slot's pin A */
static inline unsigned int pci_slot_gsi(unsigned int slot)
{
	return PCI_GSI_FIRST + slot % PCI_GSI_COUNT;
}

/** pci_touches() - do @len bytes at @offset overlap those of a register of @size bytes at @first? */
static inline bool pci_touches(unsigned int offset, unsigned int len, unsigned int first, unsigned int size)
{
	return offset < first + size && first < offset + len;
}

struct pci_bar {
	uint32_t size;			/* power of two; 0: no such BAR */
	bool is_port;
	const struct bus_ops *ops;	/* called with the device's owner */
	atomic_uint base;		/* where it answers now; 0: nowhere */
};

struct pci_device;

/**
 * struct pci_device_ops - what a device wants to know
 * @bar_moved: BAR @index no longer answers at the old base, but at @base (0:
 *             nowhere). May be NULL.
 * @config_read: before configuration bytes [@offset, @offset + @len) are read,
 *             to refresh them. May be NULL.
 * @config_written: after they were written. May be NULL.
 *
 * All are called with pci->lock held.
 */
struct pci_device_ops {
	void (*bar_moved)(struct pci_device *device, unsigned int index, uint32_t base);
	void (*config_read)(struct pci_device *device, unsigned int offset, unsigned int len);
	void (*config_written)(struct pci_device *device, unsigned int offset, unsigned int len);
};

struct pci_device {
	const struct pci_device_ops *ops;	/* NULL: a device without behaviour */
	void *owner;				/* given to the BARs' bus_ops */
	unsigned int slot;
	unsigned int function;			/* its number in the slot */
	struct pci_device *next;		/* another one of the slot's; NULL: there are no more */
	uint8_t config[PCI_CONFIG_SIZE];	/* guarded by pci->lock */
	uint8_t writable[PCI_CONFIG_SIZE];	/* bits the guest may write */
	unsigned int capability_end;		/* where the next capability goes */
	struct pci_bar bars[PCI_BARS_MAX];
};

struct pci {
	struct vm *vm;
	pthread_mutex_t lock;
	uint32_t address;			/* last value of port 0xcf8 */
	uint64_t next_memory, next_port;	/* where pci_add() places the next BAR */
	uint64_t window;			/* where the memory window begins */
	bool has_firmware;			/* pci_set_firmware() */
	struct pci_device bridge;
	struct pci_device *devices[PCI_SLOTS];
};

struct pci_identity {
	uint16_t vendor, device, subsystem;
	uint32_t class_code;			/* 24 bits */
	uint8_t revision;
	bool has_interrupt;			/* pin A */
};

/**
 * pci_init() - put host bridge, configuration ports and windows on the buses
 * Return: 0 or a negative errno.
 */
int pci_init(struct pci *pci, struct vm *vm);

/**
 * pci_device_init() - fill the standard header
 */
void pci_device_init(struct pci_device *device, const struct pci_identity *identity);

/**
 * pci_add_bar() - give a device BAR @index; before pci_add()
 * @size: power of two, at least 16 (memory) or 4 (ports).
 */
void pci_add_bar(struct pci_device *device, unsigned int index, uint32_t size, bool is_port,
		 const struct bus_ops *ops);

/**
 * pci_set_bar_type() - make a memory BAR prefetchable or 64 bits wide, as @type says in the bits of the register
 *
 * Of a wide one the next index is the upper half. It answers inside the bridge's window alone, as the others do.
 */
void pci_set_bar_type(struct pci_device *device, unsigned int index, uint32_t type);

/**
 * pci_add_capability() - append a capability of @len bytes
 * @bytes: the capability; its "next" byte is filled in here.
 * Return: its offset in configuration space, 0 if there is no room.
 */
unsigned int pci_add_capability(struct pci_device *device, const uint8_t *bytes, unsigned int len);

/**
 * pci_add() - plug a device into the next free slot and place its BARs
 * Return: 0, or -ENOSPC if bus or windows are full. Before the first vCPU runs.
 */
int pci_add(struct pci *pci, struct pci_device *device);

/**
 * pci_add_function() - put one more function, @number, into the slot of @first, which is plugged in
 *
 * It has neither BARs nor an interrupt, and a guest cannot write to it.
 */
void pci_add_function(struct pci_device *first, struct pci_device *device, unsigned int number);

/**
 * pci_set_firmware() - get ready for firmware, which looks at the host bridge and sets up the devices; before pci_add()
 *
 * It knows a virtual machine by the bridge's subsystem. Devices keep their interrupt lines: how those go it knows from
 * chip sets alone that this is not, and would write that it does not know.
 */
void pci_set_firmware(struct pci *pci);

/**
 * pci_put() - store @len bytes of little-endian @value in configuration space
 */
void pci_put(struct pci_device *device, unsigned int offset, unsigned int len, uint32_t value);

/**
 * pci_get() - read @len bytes of configuration space as the guest sees it
 */
uint32_t pci_get(const struct pci_device *device, unsigned int offset, unsigned int len);

/**
 * pci_set_address() - what a write to port 0xcf8 does; takes pci->lock
 */
void pci_set_address(struct pci *pci, uint32_t address);

/**
 * pci_restore() - put the configuration space of a device of the same kind in the place of this one's
 * @config: PCI_CONFIG_SIZE bytes; of them counts what a guest may write.
 *
 * Its BARs move, and the device is told as of a write to its command register. Takes pci->lock.
 *
 * Return: false, and nothing done, if it was another device's.
 */
bool pci_restore(struct pci *pci, struct pci_device *device, const uint8_t *config);

#endif
