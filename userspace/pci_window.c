// SPDX-License-Identifier: GPL-2.0-only
/*
 * An access to a window is the BAR's that answers there; where none does it is as on a bus where nobody is.
 */
#include "memory.h"
#include "pci.h"
#include "pci_window.h"
#include "vm.h"

/* The BAR that answers at @address, or NULL. Lockless: bases are atomic. */
static struct pci_bar *find_bar(struct pci *pci, uint64_t address, bool is_port,
				struct pci_device **device, uint64_t *offset)
{
	for (unsigned int slot = 0; slot < PCI_SLOTS && pci->devices[slot]; slot++) {
		for (unsigned int i = 0; i < PCI_BARS_MAX; i++) {
			struct pci_bar *bar = &pci->devices[slot]->bars[i];
			uint32_t base = atomic_load_explicit(&bar->base, memory_order_acquire);

			if (!base || bar->is_port != is_port || address < base ||
			    address - base >= bar->size)
				continue;
			*device = pci->devices[slot];
			*offset = address - base;
			return bar;
		}
	}
	return NULL;
}

static uint64_t window_read(struct pci *pci, uint64_t address, unsigned int len, bool is_port)
{
	struct pci_device *device;
	uint64_t offset;
	struct pci_bar *bar = find_bar(pci, address, is_port, &device, &offset);

	return bar ? bar->ops->read(device->owner, offset, len) : UINT64_MAX;
}

static void window_write(struct pci *pci, uint64_t address, unsigned int len, uint64_t value,
			 bool is_port)
{
	struct pci_device *device;
	uint64_t offset;
	struct pci_bar *bar = find_bar(pci, address, is_port, &device, &offset);

	if (bar)
		bar->ops->write(device->owner, offset, len, value);
}

static uint64_t low_memory_read(void *owner, uint64_t offset, unsigned int len)
{
	const struct pci *pci = owner;

	return window_read(owner, pci->window + offset, len, false);
}

static void low_memory_write(void *owner, uint64_t offset, unsigned int len, uint64_t value)
{
	const struct pci *pci = owner;

	window_write(owner, pci->window + offset, len, value, false);
}

static uint64_t memory_read(void *owner, uint64_t offset, unsigned int len)
{
	return window_read(owner, MAP_PCI_MEMORY + offset, len, false);
}

static void memory_write(void *owner, uint64_t offset, unsigned int len, uint64_t value)
{
	window_write(owner, MAP_PCI_MEMORY + offset, len, value, false);
}

static uint64_t ports_read(void *owner, uint64_t offset, unsigned int len)
{
	return window_read(owner, MAP_PCI_PORTS + offset, len, true);
}

static void ports_write(void *owner, uint64_t offset, unsigned int len, uint64_t value)
{
	window_write(owner, MAP_PCI_PORTS + offset, len, value, true);
}

static const struct bus_ops memory_ops = { memory_read, memory_write };
static const struct bus_ops low_memory_ops = { low_memory_read, low_memory_write };
static const struct bus_ops ports_ops = { ports_read, ports_write };

int pci_window_init(struct pci *pci)
{
	struct vm *vm = pci->vm;
	int ret = bus_add(&vm->ports, MAP_PCI_PORTS, MAP_PCI_PORTS_END - MAP_PCI_PORTS, &ports_ops, pci);

	pci->window = MAP_PCI_MEMORY;
	return ret ? ret : bus_add(&vm->mmio, MAP_PCI_MEMORY, MAP_PCI_MEMORY_END - MAP_PCI_MEMORY, &memory_ops, pci);
}

int pci_widen_window(struct pci *pci, uint64_t first)
{
	pci->window = first;
	return first == MAP_PCI_MEMORY ? 0 :
	       bus_add(&pci->vm->mmio, first, MAP_PCI_MEMORY - first, &low_memory_ops, pci);
}
