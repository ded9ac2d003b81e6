// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO lets the guest's driver at the device, within what is safe: it keeps a
 * configuration space of its own, in which what matters to the host is virtual.
 * So the guest's accesses to it are handed on, but for what belongs to this
 * machine: where BARs are, and how interrupts reach the guest (vfio_irq.c).
 *
 * BARs are memory slots where VFIO lets them be mapped, less the pages that hold
 * the MSI-X table, which is ours.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "status.h"
#include "vfio_irq.h"
#include "vfio_pci.h"
#include "vm.h"

#define PAGE		4096ULL
#define SLOTS_PER_DEVICE	(PCI_BARS_MAX * VFIO_PCI_PIECES_MAX)
#define CAPABILITIES_MAX	48	/* as many as fit into configuration space */

static struct vfio_pci *to_assigned(struct pci_device *pci)
{
	return (struct vfio_pci *)((char *)pci - offsetof(struct vfio_pci, pci));
}

/* The guest's bus. */

static uint64_t bar_read(struct vfio_pci *assigned, unsigned int bar, uint64_t offset, unsigned int len)
{
	uint64_t value;

	if (vfio_irq_read(assigned, bar, offset, len, &value))
		return value;
	return vfio_read(&assigned->device, &assigned->device.bars[bar], offset, len);
}

static void bar_write(struct vfio_pci *assigned, unsigned int bar, uint64_t offset, unsigned int len,
		      uint64_t value)
{
	if (!vfio_irq_write(assigned, bar, offset, len, value))
		vfio_write(&assigned->device, &assigned->device.bars[bar], offset, len, value);
}

#define BAR_OPS(n)										\
static uint64_t bar##n##_read(void *owner, uint64_t offset, unsigned int len)			\
{												\
	return bar_read(owner, n, offset, len);							\
}												\
static void bar##n##_write(void *owner, uint64_t offset, unsigned int len, uint64_t value)	\
{												\
	bar_write(owner, n, offset, len, value);						\
}
BAR_OPS(0)
BAR_OPS(1)
BAR_OPS(2)
BAR_OPS(3)
BAR_OPS(4)
BAR_OPS(5)

static const struct bus_ops bar_ops[PCI_BARS_MAX] = {
	{ bar0_read, bar0_write }, { bar1_read, bar1_write }, { bar2_read, bar2_write },
	{ bar3_read, bar3_write }, { bar4_read, bar4_write }, { bar5_read, bar5_write },
};

static int set_slot(const struct vfio_pci *assigned, unsigned int slot, uint64_t address, uint64_t size, void *host)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = address,
		.memory_size = size,
		.userspace_addr = (uintptr_t)host,
	};

	return ioctl(assigned->vm->fd, KVM_SET_USER_MEMORY_REGION, &region) < 0 ? -errno : 0;
}

/* Have the pieces of a BAR at @base, or nowhere (0). What cannot be a slot exits, and is served all the same. */
static void place_pieces(struct vfio_pci *assigned, unsigned int index, uint32_t base)
{
	struct vfio_pci_bar *bar = &assigned->bars[index];

	for (unsigned int i = 0; i < bar->piece_count; i++) {
		struct vfio_pci_piece *piece = &bar->pieces[i];
		unsigned int slot = bar->first_slot + i;

		/* the device must not stay where the guest puts something else */
		if (piece->is_set && set_slot(assigned, slot, 0, 0, NULL))
			vm_stop(assigned->vm, STATUS_HOST, "a BAR of device %s cannot be taken away: %s", assigned->device.address,
				strerror(errno));
		piece->is_set = base && !set_slot(assigned, slot, base + piece->offset, piece->size, piece->host);
	}
}

/* In all power states but D0 its memory does not answer, and the mappings of it are gone. */
static bool is_asleep(const struct vfio_pci *assigned)
{
	return assigned->power && pci_get(&assigned->pci, assigned->power + PCI_PM_CTRL, 2) & PCI_PM_CTRL_STATE_MASK;
}

static void place_all(struct vfio_pci *assigned)
{
	for (unsigned int i = 0; i < PCI_BARS_MAX; i++)
		place_pieces(assigned, i, is_asleep(assigned) ? 0 : atomic_load(&assigned->pci.bars[i].base));
}

static void bar_moved(struct pci_device *pci, unsigned int index, uint32_t base)
{
	struct vfio_pci *assigned = to_assigned(pci);

	/* whoever finds the slot finds memory decoding on */
	if (base)
		vfio_write(&assigned->device, &assigned->device.config, PCI_COMMAND, 2, pci_get(pci, PCI_COMMAND, 2));
	place_pieces(assigned, index, is_asleep(assigned) ? 0 : base);
}

static void config_read(struct pci_device *pci, unsigned int offset, unsigned int len)
{
	struct vfio_pci *assigned = to_assigned(pci);
	uint64_t value = vfio_read(&assigned->device, &assigned->device.config, offset, len);

	for (unsigned int i = 0; i < len && offset + i < PCI_CONFIG_SIZE; i++)
		if (!assigned->own[offset + i])
			pci->config[offset + i] = (uint8_t)(value >> (8 * i));
}

/* Bytes that are the device's alone go to it. */
static void hand_on(struct vfio_pci *assigned, unsigned int offset, unsigned int len)
{
	for (unsigned int i = 0; i < len; i++)
		if (offset + i >= PCI_CONFIG_SIZE || assigned->own[offset + i])
			return;
	vfio_write(&assigned->device, &assigned->device.config, offset, len, pci_get(&assigned->pci, offset, len));
}

static void config_written(struct pci_device *pci, unsigned int offset, unsigned int len)
{
	struct vfio_pci *assigned = to_assigned(pci);
	bool is_power = assigned->power && pci_touches(offset, len, assigned->power + PCI_PM_CTRL, 2);

	/* asleep, its slots go first; awake, they come last */
	if (is_power && is_asleep(assigned))
		place_all(assigned);
	hand_on(assigned, offset, len);
	if (is_power && !is_asleep(assigned))
		place_all(assigned);
	pthread_mutex_lock(&assigned->lock);
	if (assigned->msi && pci_touches(offset, len, assigned->msi, PCI_MSI_DATA_64 + 2))
		vfio_irq_update_msi(assigned);
	if (assigned->msix && pci_touches(offset, len, assigned->msix, PCI_CAP_MSIX_SIZEOF))
		vfio_irq_update_msix(assigned);
	pthread_mutex_unlock(&assigned->lock);
}

static const struct pci_device_ops pci_ops = {
	.bar_moved = bar_moved,
	.config_read = config_read,
	.config_written = config_written,
};

/* Building. */

static void own(struct vfio_pci *assigned, unsigned int offset, unsigned int len)
{
	memset(&assigned->own[offset], true, len);
	memset(&assigned->pci.writable[offset], 0, len);
}

static void init_msi(struct vfio_pci *assigned, unsigned int at)
{
	struct pci_device *pci = &assigned->pci;
	uint32_t flags = pci_get(pci, at + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_64BIT;
	unsigned int data = flags ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32;

	assigned->msi = at;
	own(assigned, at, data + 2);
	pci_put(pci, at + PCI_MSI_FLAGS, 2, flags);
	pci->writable[at + PCI_MSI_FLAGS] = PCI_MSI_FLAGS_ENABLE;
	memset(&pci->writable[at + PCI_MSI_ADDRESS_LO], 0xff, data + 2 - PCI_MSI_ADDRESS_LO);
	pci->writable[at + PCI_MSI_ADDRESS_LO] = 0xfc;
}

static void init_msix(struct vfio_pci *assigned, unsigned int at)
{
	struct pci_device *pci = &assigned->pci;
	uint32_t table = pci_get(pci, at + PCI_MSIX_TABLE, 4), pending = pci_get(pci, at + PCI_MSIX_PBA, 4);
	unsigned int table_vectors = (pci_get(pci, at + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE) + 1, vectors = table_vectors;

	if (vectors > assigned->device.irqs[VFIO_PCI_MSIX_IRQ_INDEX])
		vectors = assigned->device.irqs[VFIO_PCI_MSIX_IRQ_INDEX];
	if (vectors > VFIO_PCI_VECTORS_MAX)
		vectors = VFIO_PCI_VECTORS_MAX;
	if (!vectors || (table & PCI_MSIX_TABLE_BIR) >= PCI_BARS_MAX || (pending & PCI_MSIX_PBA_BIR) >= PCI_BARS_MAX)
		return;
	assigned->msix = at;
	assigned->vectors = vectors;
	assigned->table_vectors = table_vectors;
	assigned->table_bar = table & PCI_MSIX_TABLE_BIR;
	assigned->table_offset = table & PCI_MSIX_TABLE_OFFSET;
	assigned->pending_bar = pending & PCI_MSIX_PBA_BIR;
	assigned->pending_offset = pending & PCI_MSIX_PBA_OFFSET;
	own(assigned, at, PCI_CAP_MSIX_SIZEOF);
	pci_put(pci, at + PCI_MSIX_FLAGS, 2, vectors - 1);
	pci->writable[at + PCI_MSIX_FLAGS + 1] = (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >> 8;
	for (unsigned int i = 0; i < vectors; i++)
		assigned->entries[i].control = PCI_MSIX_ENTRY_CTRL_MASKBIT;
}

static void find_capabilities(struct vfio_pci *assigned)
{
	const struct pci_device *pci = &assigned->pci;
	unsigned int at = pci->config[PCI_CAPABILITY_LIST] & ~3u;

	if (!(pci->config[PCI_STATUS] & PCI_STATUS_CAP_LIST))
		return;
	for (unsigned int i = 0; at >= PCI_STD_HEADER_SIZEOF && i < CAPABILITIES_MAX; i++) {
		unsigned int id = pci->config[at], room = PCI_CONFIG_SIZE - at;

		if (id == PCI_CAP_ID_MSI && room >= PCI_MSI_DATA_64 + 2 && assigned->device.irqs[VFIO_PCI_MSI_IRQ_INDEX])
			init_msi(assigned, at);
		else if (id == PCI_CAP_ID_MSIX && room >= PCI_CAP_MSIX_SIZEOF)
			init_msix(assigned, at);
		else if (id == PCI_CAP_ID_PM && room >= PCI_PM_SIZEOF)
			assigned->power = at;
		at = pci->config[at + PCI_CAP_LIST_NEXT] & ~3u;
	}
}

/* The header is the device's, but for what places it in this machine. */
static void init_config(struct vfio_pci *assigned)
{
	struct pci_device *pci = &assigned->pci;

	/* as after a reset: nothing answers yet */
	vfio_write(&assigned->device, &assigned->device.config, PCI_COMMAND, 2, 0);
	for (unsigned int i = 0; i < PCI_CONFIG_SIZE; i += 4)
		pci_put(pci, i, 4, (uint32_t)vfio_read(&assigned->device, &assigned->device.config, i, 4));
	memset(pci->writable, 0xff, sizeof(pci->writable));
	/* one function, whatever it was part of; no expansion ROM */
	own(assigned, PCI_HEADER_TYPE, 1);
	pci->config[PCI_HEADER_TYPE] &= 0x7f;
	own(assigned, PCI_BASE_ADDRESS_0, 4 * PCI_BARS_MAX);
	own(assigned, PCI_ROM_ADDRESS, 4);
	pci_put(pci, PCI_ROM_ADDRESS, 4, 0);
	own(assigned, PCI_INTERRUPT_LINE, 2);
	pci->config[PCI_INTERRUPT_PIN] = assigned->device.irqs[VFIO_PCI_INTX_IRQ_INDEX] ? 1 : 0;
	pci->writable[PCI_INTERRUPT_LINE] = 0xff;
	find_capabilities(assigned);
}

/* May the page at @offset of BAR @bar be the guest's, or has it MSI-X's tables? */
static bool is_plain_page(const struct vfio_pci *assigned, unsigned int bar, uint64_t offset)
{
	uint64_t table_end = assigned->table_offset + assigned->table_vectors * PCI_MSIX_ENTRY_SIZE;
	uint64_t pending_end = assigned->pending_offset + (assigned->table_vectors + 63) / 64 * 8;

	if (!assigned->msix)
		return true;
	if (bar == assigned->table_bar && offset < table_end && assigned->table_offset < offset + PAGE)
		return false;
	return bar != assigned->pending_bar || offset >= pending_end || assigned->pending_offset >= offset + PAGE;
}

static void map_piece(struct vfio_pci *assigned, unsigned int index, uint64_t offset, uint64_t size)
{
	const struct vfio_region *region = &assigned->device.bars[index];
	struct vfio_pci_bar *bar = &assigned->bars[index];
	void *host;

	if (!size || bar->piece_count == VFIO_PCI_PIECES_MAX)
		return;
	host = mmap(NULL, size, (region->can_read ? PROT_READ : 0) | (region->can_write ? PROT_WRITE : 0), MAP_SHARED,
		    assigned->device.fd, (off_t)(region->offset + offset));
	if (host != MAP_FAILED)
		bar->pieces[bar->piece_count++] = (struct vfio_pci_piece){ offset, size, host, false };
}

static void map_bar(struct vfio_pci *assigned, unsigned int index)
{
	const struct vfio_region *region = &assigned->device.bars[index];
	uint64_t start = 0, at;

	if (!region->can_map || region->size & (PAGE - 1))
		return;
	for (at = 0; at < region->size; at += PAGE) {
		if (is_plain_page(assigned, index, at))
			continue;
		map_piece(assigned, index, start, at - start);
		start = at + PAGE;
	}
	map_piece(assigned, index, start, at - start);
}

static int init_bars(struct vfio_pci *assigned, unsigned int device_index)
{
	for (unsigned int i = 0; i < PCI_BARS_MAX; i++) {
		uint32_t type = pci_get(&assigned->pci, PCI_BASE_ADDRESS_0 + 4 * i, 4);
		uint64_t size = assigned->device.bars[i].size;
		bool is_port = type & PCI_BASE_ADDRESS_SPACE_IO;

		pci_put(&assigned->pci, PCI_BASE_ADDRESS_0 + 4 * i, 4, 0);
		if (!size)
			continue;
		if (size & (size - 1) || size > 1u << 28)
			return status_fail(STATUS_ASSIGN, "--vfio %s: BAR %u has %lluM, and this machine has room for 256M",
					   assigned->device.address, i, (unsigned long long)size >> 20);
		assigned->bars[i].first_slot = VM_SLOT_OTHERS + device_index * SLOTS_PER_DEVICE + i * VFIO_PCI_PIECES_MAX;
		pci_add_bar(&assigned->pci, i, (uint32_t)size, is_port, &bar_ops[i]);
		if (!is_port) {
			pci_set_bar_type(&assigned->pci, i, type);
			map_bar(assigned, i);
		}
		/* its upper half */
		if (!is_port && type & PCI_BASE_ADDRESS_MEM_TYPE_64)
			pci_put(&assigned->pci, PCI_BASE_ADDRESS_0 + 4 * ++i, 4, 0);
	}
	return 0;
}

static int make_events(struct vfio_pci *assigned)
{
	int *const events[] = { &assigned->resample, &assigned->error_event, &assigned->request_event };
	bool is_complete = true;

	for (size_t i = 0; i < VFIO_PCI_VECTORS_MAX; i++)
		is_complete &= (assigned->events[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) >= 0;
	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		is_complete &= (*events[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) >= 0;
	return is_complete ? 0 : status_fail(STATUS_HOST, "--vfio %s: cannot create an eventfd: %s", assigned->device.address,
					     strerror(errno));
}

void vfio_pci_init(struct vfio_pci *assigned, struct vm *vm)
{
	*assigned = (struct vfio_pci){ .vm = vm, .device.fd = -1, .resample = -1, .error_event = -1, .request_event = -1 };
	for (size_t i = 0; i < VFIO_PCI_VECTORS_MAX; i++)
		assigned->events[i] = -1;
	pthread_mutex_init(&assigned->lock, NULL);
}

int vfio_pci_add(struct vfio_pci *assigned, struct vfio *vfio, struct pci *pci, struct route_table *routes,
		 const char *address, unsigned int index)
{
	int ret = vfio_open(vfio, address, &assigned->device);

	if (!ret)
		ret = make_events(assigned);
	if (ret)
		return ret;
	assigned->routes = routes;
	assigned->first_route = index * VFIO_PCI_VECTORS_MAX;
	assigned->pci.ops = &pci_ops;
	assigned->pci.owner = assigned;
	init_config(assigned);
	ret = init_bars(assigned, index);
	if (!ret && pci_add(pci, &assigned->pci))
		ret = status_fail(STATUS_ASSIGN, "--vfio %s: no room for its BARs", address);
	return ret;
}

int vfio_pci_start(struct vfio_pci *assigned)
{
	const struct vfio_device *device = &assigned->device;

	int ret = vfio_irq_use_line(assigned);

	if (ret && !assigned->msi && !assigned->msix)
		return status_fail(STATUS_ASSIGN, "--vfio %s: it has no interrupt but its line, which cannot be had: %s%s", device->address,
				   strerror(-ret), ret == -EBUSY ? " (a driver of the host has the same one)" : "");
	/* its driver has messages to choose from */
	if (ret)
		assigned->pci.config[PCI_INTERRUPT_PIN] = 0;
	if (device->irqs[VFIO_PCI_ERR_IRQ_INDEX])
		vfio_set_events(device, VFIO_PCI_ERR_IRQ_INDEX, &assigned->error_event, 1);
	if (device->irqs[VFIO_PCI_REQ_IRQ_INDEX])
		vfio_set_events(device, VFIO_PCI_REQ_IRQ_INDEX, &assigned->request_event, 1);
	return 0;
}

void vfio_pci_close(struct vfio_pci *assigned)
{
	if (assigned->mode != VFIO_PCI_QUIET)
		vfio_irq_leave(assigned);
	for (unsigned int i = 0; i < PCI_BARS_MAX; i++)
		for (unsigned int j = 0; j < assigned->bars[i].piece_count; j++)
			munmap(assigned->bars[i].pieces[j].host, assigned->bars[i].pieces[j].size);
	vfio_close_device(&assigned->device);
	for (unsigned int i = 0; i < VFIO_PCI_VECTORS_MAX; i++)
		if (assigned->events[i] >= 0)
			close(assigned->events[i]);
	if (assigned->resample >= 0)
		close(assigned->resample);
	if (assigned->error_event >= 0)
		close(assigned->error_event);
	if (assigned->request_event >= 0)
		close(assigned->request_event);
	pthread_mutex_destroy(&assigned->lock);
}
