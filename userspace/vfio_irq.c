// SPDX-License-Identifier: GPL-2.0-only
/*
 * An assigned device's interrupts: by its line, by MSI, by MSI-X, one at a time as
 * the guest's driver turns them on. A message is an eventfd that the kernel turns
 * into the guest's interrupt; a masked vector's eventfd counts meanwhile, which
 * is the guest's pending bit. One MSI message is offered, however many the
 * device has.
 *
 * Registers as in the PCI Local Bus Specification 3.0, "Message Signaled Interrupts".
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "status.h"
#include "vfio_irq.h"
#include "vm.h"

static struct route_event line_of(const struct vfio_pci *assigned)
{
	return (struct route_event){ pci_slot_gsi(assigned->pci.slot), assigned->events[0], assigned->resample };
}

static struct route_event message_of(const struct vfio_pci *assigned, unsigned int vector)
{
	return (struct route_event){ assigned->routes->first_message + assigned->first_route + vector,
				     assigned->events[vector], -1 };
}

static void detach(struct vfio_pci *assigned, unsigned int vector)
{
	struct route_event route = message_of(assigned, vector);

	if (assigned->attached[vector])
		route_detach(assigned->vm, &route);
	assigned->attached[vector] = false;
}

/* An address that the kernel cannot route is the guest's: nothing comes then. */
static void attach(struct vfio_pci *assigned, unsigned int vector, uint64_t address, uint32_t data)
{
	struct route_event route = message_of(assigned, vector);
	int ret = route_set_message(assigned->routes, assigned->first_route + vector, address, data);

	if (ret)
		detach(assigned, vector);
	else if (!assigned->attached[vector])
		assigned->attached[vector] = !route_attach(assigned->vm, &route);
}

/* Forget interrupts that came, and were not delivered. */
static void drain(int event)
{
	uint64_t count;

	while (read(event, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}

void vfio_irq_leave(struct vfio_pci *assigned)
{
	static const unsigned int kinds[] = {
		[VFIO_PCI_INTX] = VFIO_PCI_INTX_IRQ_INDEX,
		[VFIO_PCI_MSI] = VFIO_PCI_MSI_IRQ_INDEX,
		[VFIO_PCI_MSIX] = VFIO_PCI_MSIX_IRQ_INDEX,
	};
	struct route_event line = line_of(assigned);

	if (assigned->mode == VFIO_PCI_QUIET)
		return;
	vfio_set_events(&assigned->device, kinds[assigned->mode], NULL, 0);
	if (assigned->mode == VFIO_PCI_INTX)
		route_detach(assigned->vm, &line);
	for (unsigned int i = 0; i < VFIO_PCI_VECTORS_MAX; i++) {
		detach(assigned, i);
		drain(assigned->events[i]);
	}
	assigned->mode = VFIO_PCI_QUIET;
}

static void complain(struct vfio_pci *assigned, const char *why)
{
	if (!assigned->has_complained)
		status_warn("--vfio %s: its interrupts cannot be turned on: %s", assigned->device.address, why);
	assigned->has_complained = true;
}

/* Return: 0 or a negative errno; the device is quiet then. */
static int enter_mode(struct vfio_pci *assigned, enum vfio_pci_mode mode, unsigned int index,
		      unsigned int count)
{
	int ret = vfio_set_events(&assigned->device, index, assigned->events, count);

	if (ret > 0) {
		complain(assigned, "the host has too few left for all");
		ret = vfio_set_events(&assigned->device, index, assigned->events, (unsigned int)ret);
	}
	if (ret > 0)
		ret = -ENOSPC;
	if (ret)
		complain(assigned, strerror(-ret));
	else
		assigned->mode = mode;
	return ret;
}

int vfio_irq_use_line(struct vfio_pci *assigned)
{
	struct route_event line = line_of(assigned);

	vfio_irq_leave(assigned);
	if (!assigned->device.irqs[VFIO_PCI_INTX_IRQ_INDEX])
		return 0;
	int ret = route_attach(assigned->vm, &line);

	if (ret)
		return ret;
	ret = enter_mode(assigned, VFIO_PCI_INTX, VFIO_PCI_INTX_IRQ_INDEX, 1);
	if (ret) {
		route_detach(assigned->vm, &line);
		return ret;
	}
	ret = vfio_set_unmask_event(&assigned->device, assigned->resample);
	if (ret) {
		complain(assigned, strerror(-ret));
		vfio_irq_leave(assigned);
	}
	return ret;
}

static bool is_enabled(const struct vfio_pci *assigned, unsigned int capability, uint32_t bit)
{
	/* both have their control word at the same place */
	return capability && pci_get(&assigned->pci, capability + PCI_MSI_FLAGS, 2) & bit;
}

/* The driver turned @mode off, or it never came on: back to the line, unless the other kind is on. */
static void leave_message(struct vfio_pci *assigned, enum vfio_pci_mode mode)
{
	if (assigned->mode == mode ||
	    (assigned->mode == VFIO_PCI_QUIET && !is_enabled(assigned, assigned->msi, PCI_MSI_FLAGS_ENABLE) &&
	     !is_enabled(assigned, assigned->msix, PCI_MSIX_FLAGS_ENABLE)))
		vfio_irq_use_line(assigned);
}

void vfio_irq_update_msi(struct vfio_pci *assigned)
{
	const struct pci_device *pci = &assigned->pci;
	unsigned int at = assigned->msi;
	uint32_t flags = pci_get(pci, at + PCI_MSI_FLAGS, 2);
	bool is_wide = flags & PCI_MSI_FLAGS_64BIT;
	uint64_t address = pci_get(pci, at + PCI_MSI_ADDRESS_LO, 4);
	uint32_t data = pci_get(pci, at + (is_wide ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32), 2);

	if (is_wide)
		address |= (uint64_t)pci_get(pci, at + PCI_MSI_ADDRESS_HI, 4) << 32;
	if (!(flags & PCI_MSI_FLAGS_ENABLE)) {
		leave_message(assigned, VFIO_PCI_MSI);
		return;
	}
	if (assigned->mode != VFIO_PCI_MSI) {
		vfio_irq_leave(assigned);
		if (enter_mode(assigned, VFIO_PCI_MSI, VFIO_PCI_MSI_IRQ_INDEX, 1))
			return;
	}
	attach(assigned, 0, address, data);
}

static uint32_t msix_control(const struct vfio_pci *assigned)
{
	return pci_get(&assigned->pci, assigned->msix + PCI_MSIX_FLAGS, 2);
}

static void update_vector(struct vfio_pci *assigned, unsigned int vector)
{
	const struct msix_entry *entry = &assigned->entries[vector];

	if (assigned->mode != VFIO_PCI_MSIX || entry->control & PCI_MSIX_ENTRY_CTRL_MASKBIT ||
	    msix_control(assigned) & PCI_MSIX_FLAGS_MASKALL)
		detach(assigned, vector);
	else
		attach(assigned, vector, entry->address, entry->data);
}

void vfio_irq_update_msix(struct vfio_pci *assigned)
{
	if (!(msix_control(assigned) & PCI_MSIX_FLAGS_ENABLE)) {
		leave_message(assigned, VFIO_PCI_MSIX);
		return;
	}
	if (assigned->mode != VFIO_PCI_MSIX) {
		vfio_irq_leave(assigned);
		enter_mode(assigned, VFIO_PCI_MSIX, VFIO_PCI_MSIX_IRQ_INDEX, assigned->vectors);
	}
	for (unsigned int i = 0; i < assigned->vectors; i++)
		update_vector(assigned, i);
}

/* The MSI-X table, in words. */

static uint32_t pending_word(const struct vfio_pci *assigned, unsigned int first)
{
	uint32_t word = 0;

	for (unsigned int i = first; i < first + 32 && i < assigned->vectors; i++) {
		struct pollfd wait = { .fd = assigned->events[i], .events = POLLIN };

		if (!assigned->attached[i] && poll(&wait, 1, 0) == 1)
			word |= 1u << (i - first);
	}
	return word;
}

static uint32_t table_word(const struct vfio_pci *assigned, unsigned int offset)
{
	return msix_entry_word(&assigned->entries[offset / PCI_MSIX_ENTRY_SIZE], offset % PCI_MSIX_ENTRY_SIZE);
}

static void set_table_word(struct vfio_pci *assigned, unsigned int offset, uint32_t value)
{
	msix_entry_set_word(&assigned->entries[offset / PCI_MSIX_ENTRY_SIZE], offset % PCI_MSIX_ENTRY_SIZE, value);
	update_vector(assigned, offset / PCI_MSIX_ENTRY_SIZE);
}

/* Where the access is in the table, or in the pending bits; false if it is in neither. */
static bool in_table(const struct vfio_pci *assigned, unsigned int bar, uint64_t offset, unsigned int *at)
{
	*at = (unsigned int)(offset - assigned->table_offset);
	return assigned->msix && bar == assigned->table_bar && offset >= assigned->table_offset &&
	       offset - assigned->table_offset < assigned->vectors * PCI_MSIX_ENTRY_SIZE;
}

static bool in_pending(const struct vfio_pci *assigned, unsigned int bar, uint64_t offset, unsigned int *at)
{
	*at = (unsigned int)(offset - assigned->pending_offset);
	return assigned->msix && bar == assigned->pending_bar && offset >= assigned->pending_offset &&
	       offset - assigned->pending_offset < (assigned->vectors + 63) / 64 * 8;
}

bool vfio_irq_read(struct vfio_pci *assigned, unsigned int bar, uint64_t offset, unsigned int len, uint64_t *value)
{
	unsigned int at;

	pthread_mutex_lock(&assigned->lock);
	bool is_table = in_table(assigned, bar, offset, &at);
	bool is_pending = !is_table && in_pending(assigned, bar, offset, &at);

	if (is_table) {
		*value = table_word(assigned, at & ~3u) >> 8 * (at & 3);
		if (len == 8 && !(at & 7))
			*value |= (uint64_t)table_word(assigned, at + 4) << 32;
	} else if (is_pending) {
		*value = pending_word(assigned, (at & ~3u) * 8) >> 8 * (at & 3);
		if (len == 8 && !(at & 7))
			*value |= (uint64_t)pending_word(assigned, at * 8 + 32) << 32;
	}
	pthread_mutex_unlock(&assigned->lock);
	return is_table || is_pending;
}

bool vfio_irq_write(struct vfio_pci *assigned, unsigned int bar, uint64_t offset, unsigned int len, uint64_t value)
{
	unsigned int at;

	if (in_pending(assigned, bar, offset, &at))
		return true;
	if (!in_table(assigned, bar, offset, &at))
		return false;
	/* The specification allows whole 32-bit and 64-bit words only. */
	if (len < 4 || at & (len - 1))
		return true;
	pthread_mutex_lock(&assigned->lock);
	set_table_word(assigned, at, (uint32_t)value);
	if (len == 8)
		set_table_word(assigned, at + 4, (uint32_t)(value >> 32));
	pthread_mutex_unlock(&assigned->lock);
	return true;
}
