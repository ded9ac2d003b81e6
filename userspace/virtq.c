// SPDX-License-Identifier: GPL-2.0-only
/*
 * Split virtqueues: VIRTIO 1.0, "Virtqueues".
 *
 * The driver may change its memory at any time, also from another vCPU while
 * the device reads. So each field is read once, into a local copy, and only
 * the copy is checked and used. The walk of a chain is bounded by the queue's
 * size (or an indirect table's) and by VIRTQ_SEGMENTS_MAX, empty buffers
 * counted too, so loops end: a table may be as large as memory.
 *
 * Ordering pairs with the driver's: the available index is read before the
 * entries it covers (acquire), the used index written after them (release),
 * and a full fence stands between telling the other side what to signal and
 * looking whether it was already too late.
 */
#include <linux/virtio_ring.h>
#include <stdatomic.h>
#include <string.h>

#include "memory.h"
#include "virtq.h"

static uint16_t load16(const uint16_t *from)
{
	return __atomic_load_n(from, __ATOMIC_ACQUIRE);
}

static void store16(uint16_t *to, uint16_t value)
{
	__atomic_store_n(to, value, __ATOMIC_RELEASE);
}

/* The event words behind the rings' last entries. */
static uint16_t *used_event(const struct virtq *queue)
{
	return &queue->available_ring->ring[queue->size];
}

static uint16_t *available_event(const struct virtq *queue)
{
	return (uint16_t *)&queue->used_ring->ring[queue->size];
}

void virtq_reset(struct virtq *queue, uint16_t size)
{
	memset(queue, 0, sizeof(*queue));
	queue->size = size;
	queue->vector = 0xffff;
}

bool virtq_enable(struct virtq *queue, const struct memory *memory, bool has_event_index)
{
	uint64_t size = queue->size;

	queue->is_enabled = true;
	queue->memory = memory;
	queue->has_event_index = has_event_index;
	queue->is_broken = true;
	if (!size || size > VIRTQ_SIZE_MAX || size & (size - 1))
		return false;
	if (queue->descriptors & 15 || queue->available & 1 || queue->used & 3)
		return false;
	queue->descriptor_table = memory_at(memory, queue->descriptors, size * 16);
	queue->available_ring = memory_at(memory, queue->available, 6 + 2 * size);
	queue->used_ring = memory_at(memory, queue->used, 6 + 8 * size);
	queue->is_broken = !queue->descriptor_table || !queue->available_ring || !queue->used_ring;
	return !queue->is_broken;
}

bool virtq_restore(struct virtq *queue, const struct virtq *saved, const struct memory *memory,
		   bool has_event_index)
{
	virtq_reset(queue, saved->size);
	queue->vector = saved->vector;
	queue->descriptors = saved->descriptors;
	queue->available = saved->available;
	queue->used = saved->used;
	queue->next_available = saved->next_available;
	queue->next_used = saved->next_used;
	queue->signalled = saved->signalled;
	if (saved->is_enabled && !saved->is_broken)
		return virtq_enable(queue, memory, has_event_index);
	queue->is_enabled = saved->is_enabled;
	queue->is_broken = saved->is_broken;
	return true;
}

/* Is what was given back last the last of as many requests? False alone if the ring shows that it is not. */
static bool is_in_order(const struct virtq *queue)
{
	uint16_t last = (uint16_t)(queue->next_used - 1), slot = last & (queue->size - 1);

	return !queue->next_used || (uint16_t)(queue->next_available - last) > queue->size ||
	       load16(&queue->available_ring->ring[slot]) == __atomic_load_n(&queue->used_ring->ring[slot].id, __ATOMIC_RELAXED);
}

unsigned int virtq_take_over(struct virtq *queue, enum virtq_order order)
{
	queue->next_available = load16(&queue->available_ring->idx);
	queue->next_used = load16(&queue->used_ring->idx);
	queue->signalled = queue->next_used;
	uint16_t lost = (uint16_t)(queue->next_available - queue->next_used);

	if (order != VIRTQ_IN_ORDER || lost > queue->size || !is_in_order(queue))
		return lost < queue->size ? lost : queue->size;
	queue->next_available = queue->next_used;
	return 0;
}

/* Append one buffer. Readable ones must come first. */
static bool add_segment(const struct virtq *queue, struct virtq_chain *chain,
			const struct vring_desc *descriptor)
{
	unsigned int count = chain->read_count + chain->write_count;
	bool is_write = descriptor->flags & VRING_DESC_F_WRITE;

	if (count == VIRTQ_SEGMENTS_MAX || (!is_write && chain->write_count))
		return false;
	if (!descriptor->len)
		return true;

	void *host = memory_at(queue->memory, descriptor->addr, descriptor->len);

	if (!host)
		return false;
	chain->segments[count] = (struct iovec){ host, descriptor->len };
	if (is_write) {
		memory_note(queue->memory, host, descriptor->len);
		chain->write_count++;
		chain->write_bytes += descriptor->len;
	} else {
		chain->read_count++;
		chain->read_bytes += descriptor->len;
	}
	return true;
}

/* One read of descriptor @index; @table may have any alignment. */
static struct vring_desc copy_descriptor(const uint8_t *table, uint32_t index)
{
	struct vring_desc copy;

	memcpy(&copy, table + (size_t)index * sizeof(copy), sizeof(copy));
	/* Keep the compiler from reading guest memory a second time. */
	__asm__ volatile("" : "+m"(copy) : : "memory");
	return copy;
}

/*
 * Walk from descriptor @index of @table (@size entries). An indirect
 * descriptor, allowed only in the queue's own table, is given back in
 * @indirect and ends the walk.
 */
static bool walk(const struct virtq *queue, struct virtq_chain *chain,
		 const uint8_t *table, uint32_t size, uint32_t index, struct vring_desc *indirect)
{
	for (uint32_t steps = 0; steps < size && steps < VIRTQ_SEGMENTS_MAX; steps++) {
		if (index >= size)
			return false;

		struct vring_desc descriptor = copy_descriptor(table, index);

		if (descriptor.flags & VRING_DESC_F_INDIRECT) {
			if (!indirect || descriptor.flags & VRING_DESC_F_NEXT)
				return false;
			*indirect = descriptor;
			return true;
		}
		if (!add_segment(queue, chain, &descriptor))
			return false;
		if (!(descriptor.flags & VRING_DESC_F_NEXT))
			return true;
		index = descriptor.next;
	}
	return false;		/* longer than the table, a loop; or than any chain may be */
}

static bool walk_indirect(const struct virtq *queue, struct virtq_chain *chain,
			  const struct vring_desc *indirect)
{
	uint32_t size = indirect->len / sizeof(struct vring_desc);
	const uint8_t *table = memory_at(queue->memory, indirect->addr, indirect->len);

	if (!table || !size || indirect->len % sizeof(struct vring_desc))
		return false;
	return walk(queue, chain, table, size, 0, NULL);
}

bool virtq_pop(struct virtq *queue, struct virtq_chain *chain)
{
	struct vring_desc indirect = { .len = 0 };

	if (!queue->is_enabled || queue->is_broken)
		return false;

	uint16_t waiting = load16(&queue->available_ring->idx) - queue->next_available;

	if (!waiting)
		return false;

	uint16_t slot = queue->next_available & (queue->size - 1);

	chain->head = load16(&queue->available_ring->ring[slot]);
	chain->read_count = 0;
	chain->write_count = 0;
	chain->read_bytes = 0;
	chain->write_bytes = 0;
	if (waiting > queue->size || chain->head >= queue->size ||
	    !walk(queue, chain, queue->descriptor_table, queue->size, chain->head, &indirect) ||
	    (indirect.flags && !walk_indirect(queue, chain, &indirect))) {
		queue->is_broken = true;
		return false;
	}
	queue->next_available++;
	return true;
}

bool virtq_has_next(const struct virtq *queue)
{
	return queue->is_enabled && !queue->is_broken && load16(&queue->available_ring->idx) != queue->next_available;
}

void virtq_put_back(struct virtq *queue, unsigned int count)
{
	queue->next_available = (uint16_t)(queue->next_available - count);
}

void virtq_fill(struct virtq *queue, unsigned int ahead, uint16_t head, uint32_t written)
{
	struct vring_used_elem *element =
		&queue->used_ring->ring[(queue->next_used + ahead) & (queue->size - 1u)];

	memory_note(queue->memory, element, sizeof(*element));
	element->id = head;
	element->len = written;
}

void virtq_flush(struct virtq *queue, unsigned int count)
{
	queue->next_used = (uint16_t)(queue->next_used + count);
	memory_note(queue->memory, queue->used_ring, sizeof(*queue->used_ring));
	store16(&queue->used_ring->idx, queue->next_used);
}

void virtq_push(struct virtq *queue, const struct virtq_chain *chain, uint32_t written)
{
	virtq_fill(queue, 0, chain->head, written);
	virtq_flush(queue, 1);
}

bool virtq_wants_more(struct virtq *queue, unsigned int seen)
{
	uint16_t next = (uint16_t)(queue->next_available + seen);

	if (!queue->is_enabled || queue->is_broken)
		return false;
	if (queue->has_event_index) {
		memory_note(queue->memory, available_event(queue), sizeof(uint16_t));
		store16(available_event(queue), next);
	} else {
		memory_note(queue->memory, queue->used_ring, sizeof(*queue->used_ring));
		store16(&queue->used_ring->flags, 0);
	}
	atomic_thread_fence(memory_order_seq_cst);
	return load16(&queue->available_ring->idx) != next;
}

bool virtq_wants_doorbell(struct virtq *queue)
{
	return virtq_wants_more(queue, 0);
}

bool virtq_needs_signal(struct virtq *queue)
{
	uint16_t before = queue->signalled;

	if (!queue->is_enabled || queue->is_broken || before == queue->next_used)
		return false;
	queue->signalled = queue->next_used;
	atomic_thread_fence(memory_order_seq_cst);
	if (!queue->has_event_index)
		return !(load16(&queue->available_ring->flags) & VRING_AVAIL_F_NO_INTERRUPT);

	/* True if the event index lies in [before, next_used), modulo 2^16. */
	uint16_t event = load16(used_event(queue));

	return (uint16_t)(queue->next_used - event - 1) < (uint16_t)(queue->next_used - before);
}
