// SPDX-License-Identifier: GPL-2.0-only
/*
 * The MSI-X table as in the PCI Local Bus Specification 3.0, "MSI-X Capability
 * and Table Structures". The table is the truth; a message is sent by handing
 * its address and data to the kernel at the time of the interrupt, so there is
 * no second copy to keep in step.
 */
#include <errno.h>
#include <linux/pci_regs.h>

#include "bus.h"
#include "msix.h"
#include "pci.h"
#include "vm.h"

void msix_reset(struct msix *msix)
{
	msix->pending = 0;
	for (unsigned int i = 0; i < msix->count; i++)
		msix->entries[i] = (struct msix_entry){ .control = PCI_MSIX_ENTRY_CTRL_MASKBIT };
}

int msix_init(struct msix *msix, struct vm *vm, struct pci_device *device, unsigned int bar,
	      unsigned int count)
{
	uint8_t bytes[PCI_CAP_MSIX_SIZEOF] = {
		[0] = PCI_CAP_ID_MSIX,
		[PCI_MSIX_FLAGS] = (uint8_t)(count - 1),
		[PCI_MSIX_TABLE] = (uint8_t)bar,
		[PCI_MSIX_PBA] = (uint8_t)bar,
		[PCI_MSIX_PBA + 1] = MSIX_PENDING_OFFSET >> 8,
	};

	*msix = (struct msix){ .vm = vm, .count = count };
	msix_reset(msix);
	msix->capability = pci_add_capability(device, bytes, sizeof(bytes));
	if (!msix->capability)
		return -ENOSPC;
	device->writable[msix->capability + PCI_MSIX_FLAGS + 1] =
		(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >> 8;
	return 0;
}

static bool is_vector_masked(const struct msix *msix, unsigned int vector)
{
	return msix->is_masked ||
	       msix->entries[vector].control & PCI_MSIX_ENTRY_CTRL_MASKBIT;
}

static void send_pending(struct msix *msix)
{
	for (unsigned int i = 0; i < msix->count; i++) {
		if (!msix->is_enabled || !(msix->pending & 1ULL << i) || is_vector_masked(msix, i))
			continue;
		msix->pending &= ~(1ULL << i);
		vm_send_msi(msix->vm, msix->entries[i].address, msix->entries[i].data);
	}
}

uint32_t msix_entry_word(const struct msix_entry *entry, unsigned int offset)
{
	switch (offset) {
	case PCI_MSIX_ENTRY_LOWER_ADDR:
		return (uint32_t)entry->address;
	case PCI_MSIX_ENTRY_UPPER_ADDR:
		return (uint32_t)(entry->address >> 32);
	case PCI_MSIX_ENTRY_DATA:
		return entry->data;
	default:
		return entry->control;
	}
}

void msix_entry_set_word(struct msix_entry *entry, unsigned int offset, uint32_t value)
{
	switch (offset) {
	case PCI_MSIX_ENTRY_LOWER_ADDR:
		entry->address = (entry->address & ~0xffffffffULL) | (value & ~3u);
		break;
	case PCI_MSIX_ENTRY_UPPER_ADDR:
		entry->address = (entry->address & 0xffffffffULL) | (uint64_t)value << 32;
		break;
	case PCI_MSIX_ENTRY_DATA:
		entry->data = value;
		break;
	default:
		entry->control = value & PCI_MSIX_ENTRY_CTRL_MASKBIT;
		break;
	}
}

static uint32_t read_word(const struct msix *msix, uint64_t offset)
{
	uint64_t vector = offset / PCI_MSIX_ENTRY_SIZE;

	if (offset == MSIX_PENDING_OFFSET)
		return (uint32_t)msix->pending;
	return vector < msix->count ? msix_entry_word(&msix->entries[vector], offset % PCI_MSIX_ENTRY_SIZE) : 0;
}

uint64_t msix_read(const struct msix *msix, uint64_t offset, unsigned int len)
{
	uint64_t value = read_word(msix, offset & ~3ULL);

	if (len == 8)
		value |= (uint64_t)read_word(msix, (offset & ~3ULL) + 4) << 32;
	return value >> (8 * (offset & 3));
}

static void write_word(struct msix *msix, uint64_t offset, uint32_t value)
{
	uint64_t vector = offset / PCI_MSIX_ENTRY_SIZE;

	if (vector < msix->count)
		msix_entry_set_word(&msix->entries[vector], offset % PCI_MSIX_ENTRY_SIZE, value);
}

void msix_write(struct msix *msix, uint64_t offset, unsigned int len, uint64_t value)
{
	/* The specification allows whole 32-bit and 64-bit words only. */
	if (offset & 3 || len < 4)
		return;
	write_word(msix, offset, (uint32_t)value);
	if (len == 8)
		write_word(msix, offset + 4, (uint32_t)(value >> 32));
	send_pending(msix);
}

void msix_set_control(struct msix *msix, uint16_t control)
{
	msix->is_enabled = control & PCI_MSIX_FLAGS_ENABLE;
	msix->is_masked = control & PCI_MSIX_FLAGS_MASKALL;
	send_pending(msix);
}

bool msix_can_send(const struct msix *msix, unsigned int vector)
{
	return msix->is_enabled && vector < msix->count && !is_vector_masked(msix, vector);
}

void msix_raise(struct msix *msix, unsigned int vector)
{
	if (vector >= msix->count)
		return;
	if (is_vector_masked(msix, vector))
		msix->pending |= 1ULL << vector;
	else
		vm_send_msi(msix->vm, msix->entries[vector].address, msix->entries[vector].data);
}
