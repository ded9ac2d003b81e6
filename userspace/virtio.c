// SPDX-License-Identifier: GPL-2.0-only
/*
 * The virtio device on PCI, version 1.0 only: "Virtio Over PCI Bus".
 *
 * BAR 0 (memory) holds the structures the specification names, BAR 1 the MSI-X
 * table, BAR 2 (ports) a second notification area, listed first: a port write
 * needs no instruction decoding on the host, so its doorbell is the cheaper
 * one. Doorbells wake the device's thread through an eventfd; if the kernel
 * refuses one, the write leaves to user space and rings it from there.
 *
 * A driver that breaks the rules gets DEVICE_NEEDS_RESET and no more service
 * until it resets the device; nothing else suffers.
 */
#include <errno.h>
#include <limits.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "sandbox.h"
#include "thread.h"
#include "virtio.h"

#define BAR_REGISTERS	0
#define BAR_MSIX	1
#define BAR_NOTIFY	2

#define AREA_COMMON	0x0000
#define AREA_ISR	0x1000
#define AREA_CONFIG	0x2000
#define AREA_NOTIFY	0x3000
#define AREA_SIZE	0x1000
#define REGISTERS_SIZE	0x4000
#define NOTIFY_PORTS	16	/* of few queues, as saved machines have them, */
#define NOTIFY_PORTS_MANY	64	/* and of more */
#define NOTIFY_STEP	4	/* bytes between two queues' doorbells */

#define RESET_MS	500	/* what a device's thread may take for what it does */

#define VENDOR_VIRTIO	0x1af4
#define DEVICE_BASE	0x1040
#define VIRTIO_PCI_ISR_QUEUE	0x1
#define COMMON_FEATURES	(1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_RING_F_EVENT_IDX | \
			 1ULL << VIRTIO_RING_F_INDIRECT_DESC)

/* Interrupts. */

static void update_line(struct virtio_device *device)
{
	bool is_high = device->isr && !device->msix.is_enabled && device->is_line_enabled;

	vm_set_line(device->vm, pci_slot_gsi(device->pci.slot), device->pci.slot, is_high);
}

static void signal_driver(struct virtio_device *device, uint16_t vector, uint8_t isr)
{
	if (device->msix.is_enabled) {
		msix_raise(&device->msix, vector);
		return;
	}
	device->isr |= isr;
	update_line(device);
}

static void signal_config(struct virtio_device *device)
{
	signal_driver(device, device->config_vector, VIRTIO_PCI_ISR_QUEUE | VIRTIO_PCI_ISR_CONFIG);
}

void virtio_signal_queue(struct virtio_device *device, struct virtq *queue)
{
	signal_driver(device, queue->vector, VIRTIO_PCI_ISR_QUEUE);
}

void virtio_signal_config(struct virtio_device *device)
{
	device->config_generation++;
	if (device->status & VIRTIO_CONFIG_S_DRIVER_OK)
		signal_config(device);
}

void virtio_set_broken(struct virtio_device *device)
{
	device->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	if (device->status & VIRTIO_CONFIG_S_DRIVER_OK)
		signal_config(device);
}

/* The device's thread. */

bool virtio_must_wait(struct virtio_device *device, struct rate_limit *limit)
{
	if (!rate_limit_is_on(limit))
		return false;
	uint64_t now = thread_now(), wait = rate_limit_wait(limit, now), at = wait < UINT64_MAX - now ? now + wait : UINT64_MAX;

	if (wait && (!device->wake_at || at < device->wake_at))
		device->wake_at = at;
	return wait;
}

/* A driver that is let wait rings no doorbells: it has not been asked to. */
static bool is_limited(struct virtio_device *device, const struct virtq *queue)
{
	return rate_limit_is_on(&device->limit) && virtq_has_next(queue) && virtio_must_wait(device, &device->limit);
}

bool virtio_serve_queue(struct virtio_device *device, struct virtq *queue, unsigned int budget)
{
	if (!queue->is_enabled || queue->is_broken)
		return true;
	do {
		for (;;) {
			if (is_limited(device, queue))
				return true;
			if (!virtq_pop(queue, &device->chain))
				break;
			uint32_t written = device->class->serve(device, &device->chain);

			rate_limit_take(&device->limit, 1, 0);
			virtq_push(queue, &device->chain, written);
			if (virtq_needs_signal(queue))
				virtio_signal_queue(device, queue);
			if (vm_is_stopping(device->vm) || !--budget || atomic_load_explicit(&device->is_wanted, memory_order_relaxed))
				return false;
		}
	} while (virtq_wants_doorbell(queue));
	if (queue->is_broken)
		virtio_set_broken(device);
	return true;
}

/* Return: false if there may be more. */
static bool serve_all(struct virtio_device *device)
{
	bool is_done = true;

	for (unsigned int i = 0; i < device->class->queue_count; i++)
		if (device->status & VIRTIO_CONFIG_S_DRIVER_OK)
			is_done &= virtio_serve_queue(device, &device->queues[i], UINT_MAX);
	return is_done;
}

/* Until the doorbell rings, which virtio_stop() does too, or requests that wait may be served. Return: false if neither is so. */
static bool sleep_until_wanted(struct virtio_device *device)
{
	uint64_t count;

	if (device->wake_at) {
		struct pollfd wait = { .fd = device->doorbell, .events = POLLIN };
		const struct timespec left = thread_time_left(device->wake_at);
		int ready = ppoll(&wait, 1, &left, NULL);

		if (ready <= 0)
			return !ready;
	}
	return read(device->doorbell, &count, sizeof(count)) >= 0;
}

static void *device_main(void *argument)
{
	struct virtio_device *device = argument;

	if (device->class->run)
		device->class->run(device);
	while (!vm_is_stopping(device->vm)) {
		if (!sleep_until_wanted(device))
			continue;
		virtio_begin_turn(device);
		device->wake_at = 0;
		/* Somebody wants to hold it: there may be more for afterwards. */
		if (!serve_all(device))
			virtio_ring(device);
		virtio_end_turn(device);
	}
	return NULL;
}

/* Whose server is another process may be full, and made to wait then, by that. It has been rung. */
void virtio_ring_event(int event)
{
	struct pollfd wait = { .fd = event, .events = POLLOUT };
	uint64_t one = 1;

	while (poll(&wait, 1, 0) == 1 && write(event, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void virtio_ring(struct virtio_device *device)
{
	virtio_ring_event(device->doorbell);
}

static int queue_doorbell(const struct virtio_device *device, unsigned int index)
{
	return device->queue_doorbells[index] > 0 ? device->queue_doorbells[index] : device->doorbell;
}

/* A doorbell's write that left to user space. */
static void ring_at(struct virtio_device *device, uint64_t offset)
{
	uint64_t index = offset / NOTIFY_STEP;

	virtio_ring_event(index < device->class->queue_count ? queue_doorbell(device, (unsigned int)index) : device->doorbell);
}

/* The common configuration structure. */

static void reset(struct virtio_device *device)
{
	if (device->class->reset)
		device->class->reset(device);
	device->status = 0;
	device->isr = 0;
	device->accepted = 0;
	device->feature_select = 0;
	device->accepted_select = 0;
	device->queue_select = 0;
	device->config_vector = VIRTIO_MSI_NO_VECTOR;
	device->msix.pending = 0;
	for (unsigned int i = 0; i < device->class->queue_count; i++)
		virtq_reset(&device->queues[i], VIRTQ_SIZE_MAX);
	update_line(device);
}

static void write_status(struct virtio_device *device, uint8_t value)
{
	if (!value) {
		reset(device);
		return;
	}
	/* What is set stays set until reset, "needs reset" is the device's. */
	uint8_t added = value & ~device->status & ~VIRTIO_CONFIG_S_NEEDS_RESET;

	if (added & VIRTIO_CONFIG_S_FEATURES_OK &&
	    (device->accepted & ~device->features ||
	     !(device->accepted & 1ULL << VIRTIO_F_VERSION_1)))
		added &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	/* Nothing is served by features that nobody has looked at. */
	if (!((device->status | added) & VIRTIO_CONFIG_S_FEATURES_OK))
		added &= ~VIRTIO_CONFIG_S_DRIVER_OK;
	device->status |= added;
	/* Requests queued before this point had their doorbell ignored. */
	if (!(added & VIRTIO_CONFIG_S_DRIVER_OK))
		return;
	if (device->class->ready)
		device->class->ready(device);
	virtio_ring(device);
}

static struct virtq *selected_queue(struct virtio_device *device)
{
	if (device->queue_select >= device->class->queue_count)
		return NULL;
	return &device->queues[device->queue_select];
}

static uint16_t check_vector(const struct virtio_device *device, uint64_t value)
{
	return value < device->msix.count ? (uint16_t)value : VIRTIO_MSI_NO_VECTOR;
}

static void enable_queue(struct virtio_device *device, struct virtq *queue)
{
	bool has_event_index = device->accepted & 1ULL << VIRTIO_RING_F_EVENT_IDX;

	if (!queue->is_enabled && !virtq_enable(queue, &device->vm->memory, has_event_index))
		virtio_set_broken(device);
}

static void vectors_changed(struct virtio_device *device)
{
	if (device->class->vectors_changed)
		device->class->vectors_changed(device);
}

static void set_half(uint64_t *address, bool is_high, uint64_t value)
{
	unsigned int shift = is_high ? 32 : 0;

	*address = (*address & ~(0xffffffffULL << shift)) | (value & 0xffffffff) << shift;
}

static void write_queue(struct virtio_device *device, uint64_t offset, uint64_t value)
{
	struct virtq *queue = selected_queue(device);

	if (!queue)
		return;
	if (offset == VIRTIO_PCI_COMMON_Q_MSIX) {
		queue->vector = check_vector(device, value);
		vectors_changed(device);
		return;
	}
	if (queue->is_enabled)		/* the rest is fixed from then on */
		return;
	switch (offset) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		queue->size = (uint16_t)value;
		break;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		if (value == 1)
			enable_queue(device, queue);
		break;
	case VIRTIO_PCI_COMMON_Q_DESCLO:
	case VIRTIO_PCI_COMMON_Q_DESCHI:
		set_half(&queue->descriptors, offset == VIRTIO_PCI_COMMON_Q_DESCHI, value);
		break;
	case VIRTIO_PCI_COMMON_Q_AVAILLO:
	case VIRTIO_PCI_COMMON_Q_AVAILHI:
		set_half(&queue->available, offset == VIRTIO_PCI_COMMON_Q_AVAILHI, value);
		break;
	case VIRTIO_PCI_COMMON_Q_USEDLO:
	case VIRTIO_PCI_COMMON_Q_USEDHI:
		set_half(&queue->used, offset == VIRTIO_PCI_COMMON_Q_USEDHI, value);
		break;
	default:
		break;
	}
}

static void write_common(struct virtio_device *device, uint64_t offset, uint64_t value)
{
	switch (offset) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		device->feature_select = (uint32_t)value;
		break;
	case VIRTIO_PCI_COMMON_GFSELECT:
		device->accepted_select = (uint32_t)value;
		break;
	case VIRTIO_PCI_COMMON_GF:
		/* Settled once FEATURES_OK is. */
		if (device->accepted_select < 2 && !(device->status & VIRTIO_CONFIG_S_FEATURES_OK))
			set_half(&device->accepted, device->accepted_select, value);
		break;
	case VIRTIO_PCI_COMMON_MSIX:
		device->config_vector = check_vector(device, value);
		break;
	case VIRTIO_PCI_COMMON_STATUS:
		write_status(device, (uint8_t)value);
		break;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		device->queue_select = (uint16_t)value;
		break;
	default:
		write_queue(device, offset, value);
		break;
	}
}

static uint64_t read_queue(struct virtio_device *device, uint64_t offset)
{
	const struct virtq *queue = selected_queue(device);

	if (!queue)
		return 0;
	switch (offset) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		return queue->size;
	case VIRTIO_PCI_COMMON_Q_MSIX:
		return queue->vector;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		return queue->is_enabled;
	case VIRTIO_PCI_COMMON_Q_NOFF:
		return device->queue_select;
	case VIRTIO_PCI_COMMON_Q_DESCLO:
		return queue->descriptors;
	case VIRTIO_PCI_COMMON_Q_DESCHI:
		return queue->descriptors >> 32;
	case VIRTIO_PCI_COMMON_Q_AVAILLO:
		return queue->available;
	case VIRTIO_PCI_COMMON_Q_AVAILHI:
		return queue->available >> 32;
	case VIRTIO_PCI_COMMON_Q_USEDLO:
		return queue->used;
	case VIRTIO_PCI_COMMON_Q_USEDHI:
		return queue->used >> 32;
	default:
		return 0;
	}
}

static uint64_t read_common(struct virtio_device *device, uint64_t offset)
{
	switch (offset) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		return device->feature_select;
	case VIRTIO_PCI_COMMON_DF:
		return device->feature_select < 2 ?
		       device->features >> (32 * device->feature_select) : 0;
	case VIRTIO_PCI_COMMON_GFSELECT:
		return device->accepted_select;
	case VIRTIO_PCI_COMMON_GF:
		return device->accepted_select < 2 ?
		       device->accepted >> (32 * device->accepted_select) : 0;
	case VIRTIO_PCI_COMMON_MSIX:
		return device->config_vector;
	case VIRTIO_PCI_COMMON_NUMQ:
		return device->class->queue_count;
	case VIRTIO_PCI_COMMON_STATUS:
		return device->status;
	case VIRTIO_PCI_COMMON_CFGGENERATION:
		return device->config_generation;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		return device->queue_select;
	default:
		return read_queue(device, offset);
	}
}

static uint64_t read_isr(struct virtio_device *device)
{
	uint8_t isr = device->isr;

	device->isr = 0;
	update_line(device);
	return isr;
}

static uint64_t read_config(const struct virtio_device *device, uint64_t offset, unsigned int len)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < len && offset + i < device->config_size; i++)
		value |= (uint64_t)device->config[offset + i] << (8 * i);
	return value;
}

void virtio_retire(struct virtio_device *device)
{
	virtio_lock(device);
	device->status = 0;
	virtio_unlock(device);
}

bool virtio_restore_queues(struct virtio_device *device, const struct virtq *saved)
{
	bool has_event_index = device->accepted & 1ULL << VIRTIO_RING_F_EVENT_IDX;

	for (unsigned int i = 0; i < device->class->queue_count; i++)
		if (!virtq_restore(&device->queues[i], &saved[i], &device->vm->memory, has_event_index))
			return false;
	virtio_ring(device);
	return true;
}

/* The BARs. */

static uint64_t registers_read(void *owner, uint64_t offset, unsigned int len)
{
	struct virtio_device *device = owner;
	uint64_t value = 0;

	virtio_lock(device);
	switch (offset & ~(AREA_SIZE - 1ULL)) {
	case AREA_COMMON:
		value = read_common(device, offset - AREA_COMMON);
		break;
	case AREA_ISR:
		if (offset == AREA_ISR)
			value = read_isr(device);
		break;
	case AREA_CONFIG:
		value = read_config(device, offset - AREA_CONFIG, len);
		break;
	default:
		break;
	}
	virtio_unlock(device);
	return value & bus_mask(len);
}

static void registers_write(void *owner, uint64_t offset, unsigned int len, uint64_t value)
{
	struct virtio_device *device = owner;

	if (offset >= AREA_NOTIFY) {
		ring_at(device, offset - AREA_NOTIFY);
		return;
	}
	virtio_lock(device);
	if (offset < AREA_SIZE)
		write_common(device, offset, value);
	else if (offset >= AREA_CONFIG && device->class->write_config)
		device->class->write_config(device, offset - AREA_CONFIG, len, value);
	virtio_unlock(device);
}

static uint64_t table_read(void *owner, uint64_t offset, unsigned int len)
{
	struct virtio_device *device = owner;

	virtio_lock(device);
	uint64_t value = msix_read(&device->msix, offset, len);

	virtio_unlock(device);
	return value;
}

static void table_write(void *owner, uint64_t offset, unsigned int len, uint64_t value)
{
	struct virtio_device *device = owner;

	virtio_lock(device);
	msix_write(&device->msix, offset, len, value);
	vectors_changed(device);
	virtio_unlock(device);
}

static uint64_t notify_read(void *owner, uint64_t offset, unsigned int len)
{
	(void)owner;
	(void)offset;
	(void)len;
	return 0;
}

static void notify_write(void *owner, uint64_t offset, unsigned int len, uint64_t value)
{
	(void)len;
	(void)value;
	ring_at(owner, offset);
}

static const struct bus_ops registers_ops = { registers_read, registers_write };
static const struct bus_ops table_ops = { table_read, table_write };
static const struct bus_ops notify_ops = { notify_read, notify_write };

/* Configuration space. */

static struct virtio_device *to_virtio(struct pci_device *pci)
{
	return pci->owner;
}

/* Let the doorbells follow their BAR. */
static void bar_moved(struct pci_device *pci, unsigned int index, uint32_t base)
{
	struct virtio_device *device = to_virtio(pci);
	uint32_t old = atomic_load(&pci->bars[index].base);
	bool is_port = index == BAR_NOTIFY;
	uint32_t area = is_port ? 0 : AREA_NOTIFY;

	if (index == BAR_MSIX)
		return;
	for (unsigned int i = 0; i < device->class->queue_count; i++) {
		bool *is_set = &device->is_doorbell_set[2 * i + is_port];
		struct doorbell doorbell = {
			.address = old + area + NOTIFY_STEP * i,
			.len = 2,
			.event = queue_doorbell(device, i),
			.is_port = is_port,
		};

		if (*is_set)
			vm_clear_doorbell(device->vm, &doorbell);
		doorbell.address = base + area + NOTIFY_STEP * i;
		*is_set = base && vm_set_doorbell(device->vm, &doorbell);
	}
}

/* Where the PCI access capability's window points; false if nowhere. */
static bool decode_window(const struct virtio_device *device, const struct pci_bar **bar,
			  uint32_t *offset, uint32_t *len)
{
	unsigned int at = device->config_window;
	uint32_t index = pci_get(&device->pci, at + VIRTIO_PCI_CAP_BAR, 1);

	*offset = pci_get(&device->pci, at + VIRTIO_PCI_CAP_OFFSET, 4);
	*len = pci_get(&device->pci, at + VIRTIO_PCI_CAP_LENGTH, 4);
	if (index >= PCI_BARS_MAX || (*len != 1 && *len != 2 && *len != 4))
		return false;
	*bar = &device->pci.bars[index];
	return *offset < (*bar)->size && *len <= (*bar)->size - *offset && !(*offset % *len);
}

static bool is_window_data(const struct virtio_device *device, unsigned int offset,
			   unsigned int len)
{
	return pci_touches(offset, len, device->config_window + sizeof(struct virtio_pci_cap), 4);
}

static void config_read(struct pci_device *pci, unsigned int offset, unsigned int len)
{
	struct virtio_device *device = to_virtio(pci);
	const struct pci_bar *bar;
	uint32_t at, size;

	virtio_lock(device);
	uint32_t status = pci_get(pci, PCI_STATUS, 2) & ~(uint32_t)PCI_STATUS_INTERRUPT;

	pci_put(pci, PCI_STATUS, 2, status | (device->isr ? PCI_STATUS_INTERRUPT : 0));
	virtio_unlock(device);
	if (is_window_data(device, offset, len) && decode_window(device, &bar, &at, &size))
		pci_put(pci, device->config_window + sizeof(struct virtio_pci_cap), size,
			(uint32_t)bar->ops->read(device, at, size));
}

/*
 * A kernel that hands the machine to another one by kexec clears the bus master's bit, and does no more to keep the buffers that it has
 * offered from being written: service ends until a driver resets the device. A driver that never sets the bit is served all the same.
 */
static void set_master(struct virtio_device *device, bool is_master)
{
	bool is_over = device->is_master && !is_master && device->status & VIRTIO_CONFIG_S_DRIVER_OK;

	device->is_master = is_master;
	if (is_over && device->class->reset)
		device->class->reset(device);
	if (is_over)
		device->status &= (uint8_t)~VIRTIO_CONFIG_S_DRIVER_OK;
}

static void config_written(struct pci_device *pci, unsigned int offset, unsigned int len)
{
	struct virtio_device *device = to_virtio(pci);
	unsigned int data = device->config_window + sizeof(struct virtio_pci_cap);
	const struct pci_bar *bar;
	uint32_t at, size;

	if (is_window_data(device, offset, len) && decode_window(device, &bar, &at, &size))
		bar->ops->write(device, at, size, pci_get(pci, data, size));

	virtio_lock(device);
	set_master(device, pci_get(pci, PCI_COMMAND, 2) & PCI_COMMAND_MASTER);
	device->is_line_enabled = !(pci_get(pci, PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE);
	msix_set_control(&device->msix, (uint16_t)pci_get(pci, device->msix.capability +
							       PCI_MSIX_FLAGS, 2));
	vectors_changed(device);
	update_line(device);
	virtio_unlock(device);
}

static const struct pci_device_ops pci_ops = { bar_moved, config_read, config_written };

/* Construction. */

struct area {
	uint8_t type;
	uint8_t bar;
	uint32_t offset;
	uint32_t length;
	uint8_t extra;		/* bytes behind struct virtio_pci_cap */
	uint32_t value;		/* of them */
};

/* Return: offset of the capability, 0 for no room. */
static unsigned int add_area(struct virtio_device *device, const struct area *area)
{
	uint8_t bytes[sizeof(struct virtio_pci_cap) + 4] = { 0 };
	struct virtio_pci_cap cap = {
		.cap_vndr = PCI_CAP_ID_VNDR,
		.cap_len = (uint8_t)(sizeof(cap) + area->extra),
		.cfg_type = area->type,
		.bar = area->bar,
		.offset = area->offset,
		.length = area->length,
	};

	memcpy(bytes, &cap, sizeof(cap));
	memcpy(bytes + sizeof(cap), &area->value, sizeof(area->value));
	return pci_add_capability(&device->pci, bytes, cap.cap_len);
}

static uint32_t notify_ports(const struct virtio_device *device)
{
	_Static_assert(VIRTIO_QUEUES_MAX * NOTIFY_STEP <= NOTIFY_PORTS_MANY, "a doorbell for each");
	return device->class->queue_count * NOTIFY_STEP <= NOTIFY_PORTS ? NOTIFY_PORTS : NOTIFY_PORTS_MANY;
}

/*
 * A new capability goes to the head of the list, and drivers take the first
 * they can use: so the ports, added last, are preferred.
 */
static bool add_areas(struct virtio_device *device)
{
	const struct area areas[] = {
		{ VIRTIO_PCI_CAP_PCI_CFG, 0, 0, 0, 4, 0 },
		{ VIRTIO_PCI_CAP_COMMON_CFG, BAR_REGISTERS, AREA_COMMON, AREA_SIZE, 0, 0 },
		{ VIRTIO_PCI_CAP_ISR_CFG, BAR_REGISTERS, AREA_ISR, AREA_SIZE, 0, 0 },
		{ VIRTIO_PCI_CAP_DEVICE_CFG, BAR_REGISTERS, AREA_CONFIG, AREA_SIZE, 0, 0 },
		{ VIRTIO_PCI_CAP_NOTIFY_CFG, BAR_REGISTERS, AREA_NOTIFY, AREA_SIZE, 4,
		  NOTIFY_STEP },
		{ VIRTIO_PCI_CAP_NOTIFY_CFG, BAR_NOTIFY, 0, notify_ports(device), 4, NOTIFY_STEP },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(areas); i++) {
		unsigned int at = add_area(device, &areas[i]);

		if (!at)
			return false;
		if (areas[i].type != VIRTIO_PCI_CAP_PCI_CFG)
			continue;
		device->config_window = at;
		device->pci.writable[at + VIRTIO_PCI_CAP_BAR] = 0xff;
		memset(&device->pci.writable[at + VIRTIO_PCI_CAP_OFFSET], 0xff, 12);
	}
	return true;
}

int virtio_add(struct virtio_device *device, struct vm *vm, struct pci *pci)
{
	const struct virtio_class *class = device->class;
	const struct pci_identity identity = {
		.vendor = VENDOR_VIRTIO,
		.device = (uint16_t)(DEVICE_BASE + class->id),
		.subsystem = (uint16_t)(DEVICE_BASE + class->id),
		.class_code = class->class_code,
		.revision = 1,
		.has_interrupt = true,
	};

	device->vm = vm;
	device->features |= COMMON_FEATURES & ~device->withheld;
	device->is_line_enabled = true;
	virtio_init_locks(device);
	device->doorbell = eventfd(0, EFD_CLOEXEC);
	if (device->doorbell < 0)
		return -errno;

	pci_device_init(&device->pci, &identity);
	device->pci.ops = &pci_ops;
	device->pci.owner = device;
	pci_add_bar(&device->pci, BAR_REGISTERS, REGISTERS_SIZE, false, &registers_ops);
	pci_add_bar(&device->pci, BAR_MSIX, MSIX_BAR_SIZE, false, &table_ops);
	pci_add_bar(&device->pci, BAR_NOTIFY, notify_ports(device), true, &notify_ops);
	if (!add_areas(device))
		return -ENOSPC;
	int ret = msix_init(&device->msix, vm, &device->pci, BAR_MSIX, class->queue_count + 1);

	if (!ret)
		ret = pci_add(pci, &device->pci);
	if (!ret)
		reset(device);
	return ret;
}

int virtio_renew(struct virtio_device *device)
{
	virtio_init_locks(device);
	device->has_thread = false;
	close(device->doorbell);
	device->doorbell = eventfd(0, EFD_CLOEXEC);
	if (device->doorbell < 0)
		return -errno;
	memset(device->is_doorbell_set, 0, sizeof(device->is_doorbell_set));
	for (unsigned int i = 0; i < PCI_BARS_MAX; i++)
		if (device->pci.bars[i].size)
			bar_moved(&device->pci, i, atomic_load(&device->pci.bars[i].base));
	/* Whose requests its thread had not come to. */
	virtio_ring(device);
	return 0;
}

/* The thread keeps the lock as long as it has requests, and a disk may take any time for one. */
static bool lock_for_reset(struct virtio_device *device)
{
	struct timespec until = thread_time_in(JOIN_SLICE_MS);

	for (unsigned int left = RESET_MS / JOIN_SLICE_MS; pthread_mutex_clocklock(&device->lock, CLOCK_MONOTONIC, &until);) {
		if (!--left || vm_is_stopping(device->vm))
			return false;
		until = thread_time_in(JOIN_SLICE_MS);
	}
	return true;
}

bool virtio_reset(struct virtio_device *device)
{
	/* No vCPU is there to want it, and nobody else waits for long. */
	pthread_mutex_lock(&device->turn);
	bool is_locked = lock_for_reset(device);

	pthread_mutex_unlock(&device->turn);
	if (!is_locked)
		return false;
	reset(device);
	msix_reset(&device->msix);
	virtio_unlock(device);
	return true;
}

int virtio_start(struct virtio_device *device)
{
	int ret = sandbox_start_thread(&device->thread, device->class->thread, device_main, device);

	device->has_thread = !ret;
	return ret;
}

bool virtio_stop(struct virtio_device *device)
{
	if (device->has_thread) {
		virtio_ring(device);
		if (!thread_join(device->thread, &device->vm->end_by, 0))
			return false;
	}
	if (device->vm && device->doorbell >= 0)
		close(device->doorbell);
	device->has_thread = false;
	device->doorbell = -1;
	return true;
}

bool virtio_copy_from(const struct virtq_chain *chain, void *to, uint64_t count)
{
	uint8_t *at = to;

	if (chain->read_bytes < count)
		return false;
	for (unsigned int i = 0; count; i++) {
		uint64_t part = chain->segments[i].iov_len < count ?
				chain->segments[i].iov_len : count;

		memcpy(at, chain->segments[i].iov_base, part);
		at += part;
		count -= part;
	}
	return true;
}

uint32_t virtio_copy_to(const struct virtq_chain *chain, const void *from, uint32_t count)
{
	const struct iovec *parts = &chain->segments[chain->read_count];
	uint32_t done = 0;

	for (unsigned int i = 0; i < chain->write_count && done < count; i++) {
		uint32_t left = count - done, part = parts[i].iov_len < left ? (uint32_t)parts[i].iov_len : left;

		memcpy(parts[i].iov_base, (const uint8_t *)from + done, part);
		done += part;
	}
	return done;
}
