// SPDX-License-Identifier: GPL-2.0-only
/*
 * Configuration space is an array of bytes with a mask of the bits a guest may
 * write; BAR sizing falls out of the mask. Whenever a write touches a BAR or
 * the command register, the place where each BAR answers is derived anew; a
 * BAR outside the bridge's windows answers nowhere, so a guest cannot put a
 * device over memory or an interrupt controller.
 *
 * Register names and meanings: PCI Local Bus Specification 3.0,
 * "Configuration Space".
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "memory.h"
#include "pci.h"
#include "pci_window.h"
#include "vm.h"

#define ADDRESS_ENABLE	(1u << 31)
#define HEADER_IS_MULTIFUNCTION	0x80

/* The subsystem by which firmware knows a virtual machine. */
#define VIRTUAL_VENDOR	0x1af4
#define VIRTUAL_MACHINE	0x1100

/* A BAR has this much for itself at least. */
#define PORTS_STEP	0x100u
#define MEMORY_STEP	0x10000u

void pci_put(struct pci_device *device, unsigned int offset, unsigned int len, uint32_t value)
{
	for (unsigned int i = 0; i < len && offset + i < PCI_CONFIG_SIZE; i++)
		device->config[offset + i] = (uint8_t)(value >> (8 * i));
}

uint32_t pci_get(const struct pci_device *device, unsigned int offset, unsigned int len)
{
	uint32_t value = 0;

	for (unsigned int i = 0; i < len && offset + i < PCI_CONFIG_SIZE; i++)
		value |= (uint32_t)device->config[offset + i] << (8 * i);
	return value;
}

static void put_writable(struct pci_device *device, unsigned int offset, unsigned int len,
			 uint32_t bits)
{
	for (unsigned int i = 0; i < len; i++)
		device->writable[offset + i] = (uint8_t)(bits >> (8 * i));
}

void pci_device_init(struct pci_device *device, const struct pci_identity *identity)
{
	memset(device, 0, sizeof(*device));
	pci_put(device, PCI_VENDOR_ID, 2, identity->vendor);
	pci_put(device, PCI_DEVICE_ID, 2, identity->device);
	pci_put(device, PCI_CLASS_REVISION, 4, identity->class_code << 8 | identity->revision);
	pci_put(device, PCI_SUBSYSTEM_VENDOR_ID, 2, identity->vendor);
	pci_put(device, PCI_SUBSYSTEM_ID, 2, identity->subsystem);
	put_writable(device, PCI_COMMAND, 2,
		     PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
		     PCI_COMMAND_INTX_DISABLE);
	put_writable(device, PCI_CACHE_LINE_SIZE, 2, 0xffff);	/* and latency timer */
	device->capability_end = PCI_STD_HEADER_SIZEOF;
	if (identity->has_interrupt) {
		pci_put(device, PCI_INTERRUPT_PIN, 1, 1);
		put_writable(device, PCI_INTERRUPT_LINE, 1, 0xff);
	}
}

void pci_add_bar(struct pci_device *device, unsigned int index, uint32_t size, bool is_port,
		 const struct bus_ops *ops)
{
	struct pci_bar *bar = &device->bars[index];
	unsigned int offset = PCI_BASE_ADDRESS_0 + 4 * index;

	bar->size = size;
	bar->is_port = is_port;
	bar->ops = ops;
	pci_put(device, offset, 4, is_port ? PCI_BASE_ADDRESS_SPACE_IO : 0);
	put_writable(device, offset, 4, ~(size - 1));
}

void pci_set_bar_type(struct pci_device *device, unsigned int index, uint32_t type)
{
	unsigned int offset = PCI_BASE_ADDRESS_0 + 4 * index;

	pci_put(device, offset, 4, type & (PCI_BASE_ADDRESS_MEM_TYPE_MASK | PCI_BASE_ADDRESS_MEM_PREFETCH));
	if (type & PCI_BASE_ADDRESS_MEM_TYPE_64)
		put_writable(device, offset + 4, 4, ~0u);
}

unsigned int pci_add_capability(struct pci_device *device, const uint8_t *bytes, unsigned int len)
{
	unsigned int offset = device->capability_end;

	if (len > PCI_CONFIG_SIZE - offset)
		return 0;
	memcpy(&device->config[offset], bytes, len);
	device->config[offset + PCI_CAP_LIST_NEXT] = device->config[PCI_CAPABILITY_LIST];
	device->config[PCI_CAPABILITY_LIST] = (uint8_t)offset;
	device->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	device->capability_end = (offset + len + 3) & ~3u;
	return offset;
}

/* Where @bar answers, given the registers; 0 for nowhere. */
static uint32_t decode_bar(const struct pci *pci, const struct pci_device *device, unsigned int index)
{
	const struct pci_bar *bar = &device->bars[index];
	uint32_t low = pci_get(device, PCI_BASE_ADDRESS_0 + 4 * index, 4), base = low & ~(bar->size - 1);
	bool is_wide = !bar->is_port && low & PCI_BASE_ADDRESS_MEM_TYPE_64;
	uint32_t enable = bar->is_port ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
	uint64_t first = bar->is_port ? MAP_PCI_PORTS : pci->window;
	uint64_t end = bar->is_port ? MAP_PCI_PORTS_END : MAP_PCI_MEMORY_END;

	if (!bar->size || !(pci_get(device, PCI_COMMAND, 2) & enable))
		return 0;
	if (is_wide && pci_get(device, PCI_BASE_ADDRESS_0 + 4 * index + 4, 4))
		return 0;
	if (base < first || (uint64_t)base + bar->size > end)
		return 0;
	return base;
}

static void update_bars(const struct pci *pci, struct pci_device *device)
{
	for (unsigned int i = 0; i < PCI_BARS_MAX; i++) {
		uint32_t base = decode_bar(pci, device, i);

		if (base == atomic_load(&device->bars[i].base))
			continue;
		if (device->ops && device->ops->bar_moved)
			device->ops->bar_moved(device, i, base);
		atomic_store(&device->bars[i].base, base);
	}
}

/* Place the BARs where firmware would. Return: false if a window is full. */
static bool place_bars(struct pci *pci, struct pci_device *device)
{
	for (unsigned int i = 0; i < PCI_BARS_MAX; i++) {
		const struct pci_bar *bar = &device->bars[i];
		unsigned int offset = PCI_BASE_ADDRESS_0 + 4 * i;
		uint64_t end = bar->is_port ? MAP_PCI_PORTS_END : MAP_PCI_MEMORY_END;
		uint64_t *next = bar->is_port ? &pci->next_port : &pci->next_memory;
		uint32_t step = bar->is_port ? PORTS_STEP : MEMORY_STEP;

		if (!bar->size)
			continue;
		step = bar->size > step ? bar->size : step;
		uint64_t base = (*next + step - 1) & ~((uint64_t)step - 1);

		if (base + step > end)
			return false;
		*next = base + step;
		/* the low bits say what kind it is */
		pci_put(device, offset, 4, (uint32_t)base | pci_get(device, offset, 1));
	}
	return true;
}

int pci_add(struct pci *pci, struct pci_device *device)
{
	unsigned int slot = 0;

	while (slot < PCI_SLOTS && pci->devices[slot])
		slot++;
	if (slot == PCI_SLOTS)
		return -ENOSPC;
	device->slot = slot;
	if (!place_bars(pci, device))
		return -ENOSPC;
	if (pci->has_firmware)
		put_writable(device, PCI_INTERRUPT_LINE, 1, 0);
	if (device->config[PCI_INTERRUPT_PIN])
		pci_put(device, PCI_INTERRUPT_LINE, 1, pci_slot_gsi(slot));
	pci->devices[slot] = device;
	return 0;
}

void pci_add_function(struct pci_device *first, struct pci_device *device, unsigned int number)
{
	memset(device->writable, 0, sizeof(device->writable));
	device->slot = first->slot;
	device->function = number;
	device->next = first->next;
	first->next = device;
	first->config[PCI_HEADER_TYPE] |= HEADER_IS_MULTIFUNCTION;
}

void pci_set_firmware(struct pci *pci)
{
	pci->has_firmware = true;
	pci_put(&pci->bridge, PCI_SUBSYSTEM_VENDOR_ID, 2, VIRTUAL_VENDOR);
	pci_put(&pci->bridge, PCI_SUBSYSTEM_ID, 2, VIRTUAL_MACHINE);
}

/* Return: the device the address register selects, NULL for none. */
static struct pci_device *selected(const struct pci *pci)
{
	unsigned int bus = pci->address >> 16 & 0xff;
	unsigned int function = pci->address >> 8 & 7;
	struct pci_device *device = pci->devices[pci->address >> 11 & 0x1f];

	if (!(pci->address & ADDRESS_ENABLE) || bus)
		return NULL;
	while (device && device->function != function)
		device = device->next;
	return device;
}

static uint64_t data_read(void *owner, uint64_t port, unsigned int len)
{
	struct pci *pci = owner;
	uint64_t value = UINT64_MAX;

	pthread_mutex_lock(&pci->lock);
	struct pci_device *device = selected(pci);
	unsigned int offset = (pci->address & 0xfc) + (unsigned int)port;

	if (device) {
		if (device->ops && device->ops->config_read)
			device->ops->config_read(device, offset, len);
		value = pci_get(device, offset, len);
	}
	pthread_mutex_unlock(&pci->lock);
	return value;
}

static void data_write(void *owner, uint64_t port, unsigned int len, uint64_t value)
{
	struct pci *pci = owner;

	pthread_mutex_lock(&pci->lock);
	struct pci_device *device = selected(pci);
	unsigned int offset = (pci->address & 0xfc) + (unsigned int)port;

	for (unsigned int i = 0; device && i < len && offset + i < PCI_CONFIG_SIZE; i++) {
		uint8_t mask = device->writable[offset + i];
		uint8_t byte = (uint8_t)(value >> (8 * i));

		device->config[offset + i] = (device->config[offset + i] & ~mask) | (byte & mask);
	}
	if (device && (pci_touches(offset, len, PCI_COMMAND, 2) ||
		       pci_touches(offset, len, PCI_BASE_ADDRESS_0, 4 * PCI_BARS_MAX)))
		update_bars(pci, device);
	if (device && device->ops && device->ops->config_written)
		device->ops->config_written(device, offset, len);
	pthread_mutex_unlock(&pci->lock);
}

void pci_set_address(struct pci *pci, uint32_t address)
{
	pthread_mutex_lock(&pci->lock);
	pci->address = address & (ADDRESS_ENABLE | 0xfffffc);
	pthread_mutex_unlock(&pci->lock);
}

/* Does the configuration belong to such a device? Its status changes by itself. */
static bool is_same_device(const struct pci_device *device, const uint8_t *config)
{
	for (unsigned int i = 0; i < PCI_CONFIG_SIZE; i++)
		if (!pci_touches(i, 1, PCI_STATUS, 2) &&
		    (device->config[i] ^ config[i]) & (uint8_t)~device->writable[i])
			return false;
	return true;
}

bool pci_restore(struct pci *pci, struct pci_device *device, const uint8_t *config)
{
	pthread_mutex_lock(&pci->lock);
	bool is_same = is_same_device(device, config);

	for (unsigned int i = 0; is_same && i < PCI_CONFIG_SIZE; i++)
		device->config[i] ^= (device->config[i] ^ config[i]) & device->writable[i];
	if (is_same)
		update_bars(pci, device);
	if (is_same && device->ops && device->ops->config_written)
		device->ops->config_written(device, PCI_COMMAND, 2);
	pthread_mutex_unlock(&pci->lock);
	return is_same;
}

static uint64_t address_read(void *owner, uint64_t port, unsigned int len)
{
	struct pci *pci = owner;

	(void)port;
	if (len != 4)
		return UINT64_MAX;
	pthread_mutex_lock(&pci->lock);
	uint64_t value = pci->address;

	pthread_mutex_unlock(&pci->lock);
	return value;
}

static void address_write(void *owner, uint64_t port, unsigned int len, uint64_t value)
{
	struct pci *pci = owner;

	(void)port;
	if (len == 4)		/* only a whole-register write reaches it */
		pci_set_address(pci, (uint32_t)value);
}

static const struct bus_ops address_ops = { address_read, address_write };
static const struct bus_ops data_ops = { data_read, data_write };

int pci_init(struct pci *pci, struct vm *vm)
{
	static const struct pci_identity bridge = {
		.vendor = 0x1b36,	/* Red Hat's identifiers for virtual parts: */
		.device = 0x0008,	/* a generic host bridge */
		.class_code = 0x060000,	/* bridge, host */
	};

	memset(pci, 0, sizeof(*pci));
	pci->vm = vm;
	pci->next_memory = MAP_PCI_MEMORY;
	pci->next_port = MAP_PCI_PORTS;
	pthread_mutex_init(&pci->lock, NULL);
	pci_device_init(&pci->bridge, &bridge);
	pci_add(pci, &pci->bridge);

	/* One byte: port 0xcf9, in the midst of the register, is the reset's. */
	int ret = bus_add(&vm->ports, PCI_CONFIG_ADDRESS, 1, &address_ops, pci);

	if (!ret)
		ret = bus_add(&vm->ports, PCI_CONFIG_DATA, 4, &data_ops, pci);
	return ret ? ret : pci_window_init(pci);
}
