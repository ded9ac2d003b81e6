// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory balloon: VIRTIO 1.2, "Traditional Memory Balloon Device", without hints for migration.
 *
 * Pages that the driver names are given back to the host, in runs as long as they follow each other, and that is all
 * that is kept of them: a page that the guest touches again takes memory again, whether it has been deflated before or
 * not. So the driver need not tell in advance, and nothing here has to be trusted.
 *
 * The driver's buffer for statistics stays in its queue, neither taken nor used, until somebody wants newer ones: a
 * device that is saved holds no request.
 *
 * A request that names what is no memory of the guest's, or has another form than the specification gives it, is an end
 * of service until the driver resets the device. One turn serves a bounded number of bounded requests.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"
#include "virtio_balloon.h"

#define TURN_MAX	32	/* requests of a queue before others have their turn, */
#define TURN_PARTS	BALLOON_PAGES_MAX	/* or pages and buffers that they name; the last request may go beyond */

#define QUEUE_INFLATE	0
#define QUEUE_DEFLATE	1
#define QUEUE_STATS	2
#define QUEUE_COUNT	5

#define LOOK_MS		10	/* between two looks whether statistics have come */

#define STAT_SIZE	10	/* 16 bits of tag, 64 of value */

typedef struct virtio_balloon_config config_t;

static struct virtio_balloon *to_balloon(struct virtio_device *device)
{
	return (struct virtio_balloon *)((char *)device - offsetof(struct virtio_balloon, device));
}

static bool has_feature(const struct virtio_balloon *balloon, unsigned int feature)
{
	return balloon->device.accepted & 1ULL << feature;
}

static uint32_t get_config(const struct virtio_balloon *balloon, size_t offset)
{
	uint32_t value;

	memcpy(&value, balloon->device.config + offset, sizeof(value));
	return value;
}

static void set_config(struct virtio_balloon *balloon, size_t offset, uint32_t value)
{
	memcpy(balloon->device.config + offset, &value, sizeof(value));
}

/* ---- inflating and deflating ---- */

/* Read a request: page numbers, in any order. Return: how many; 0 if it is none. */
static uint32_t read_pages(struct virtio_balloon *balloon, const struct virtq_chain *chain)
{
	if (chain->write_count || chain->read_bytes % sizeof(balloon->pages[0]) || chain->read_bytes > sizeof(balloon->pages) ||
	    !virtio_copy_from(chain, balloon->pages, chain->read_bytes))
		return 0;
	return (uint32_t)(chain->read_bytes / sizeof(balloon->pages[0]));
}

/* How many of @pages, @count of them, follow each other, up or down. @first: gets the lowest. */
static uint32_t find_run(const uint32_t *pages, uint32_t count, uint64_t *first)
{
	bool is_down = count > 1 && pages[1] + 1ULL == pages[0];
	uint32_t run = 1;

	while (run < count && (is_down ? pages[run] + 1ULL == pages[run - 1] : pages[run - 1] + 1ULL == pages[run]))
		run++;
	*first = pages[is_down ? run - 1 : 0];
	return run;
}

/* That the host cannot take a page back is no fault of the guest's. */
static bool inflate(struct virtio_balloon *balloon, const struct virtq_chain *chain)
{
	uint32_t count = read_pages(balloon, chain);
	uint64_t first;

	balloon->parts += count;
	for (uint32_t at = 0, run; at < count; at += run) {
		run = find_run(&balloon->pages[at], count - at, &first);
		int ret = memory_give_back(&balloon->device.vm->memory, first * BALLOON_PAGE, (uint64_t)run * BALLOON_PAGE);

		if (ret == -ERANGE)
			return false;
		if (!ret)
			balloon->inflated += (uint64_t)run * BALLOON_PAGE;
	}
	return count;
}

static bool deflate(struct virtio_balloon *balloon, const struct virtq_chain *chain)
{
	uint32_t count = read_pages(balloon, chain);

	balloon->parts += count;
	for (uint32_t i = 0; i < count; i++)
		if (!memory_at(&balloon->device.vm->memory, (uint64_t)balloon->pages[i] * BALLOON_PAGE, BALLOON_PAGE))
			return false;
	balloon->deflated += (uint64_t)count * BALLOON_PAGE;
	return count;
}

/* ---- free pages ---- */

/* They read as zeros afterwards, which a driver that has them hold something else would not find there. */
static bool report(struct virtio_balloon *balloon, const struct virtq_chain *chain)
{
	const struct memory *memory = &balloon->device.vm->memory;
	bool is_kept = has_feature(balloon, VIRTIO_BALLOON_F_PAGE_POISON) && get_config(balloon, offsetof(config_t, poison_val));

	if (chain->read_count)
		return false;
	balloon->parts += chain->write_count;
	for (unsigned int i = 0; !is_kept && i < chain->write_count; i++) {
		const struct iovec *part = &chain->segments[i];
		int ret = memory_give_back(memory, memory_address(memory, part->iov_base), part->iov_len);

		if (ret == -ERANGE)
			return false;
		if (!ret)
			balloon->reported += part->iov_len;
	}
	return true;
}

/* ---- statistics ---- */

static bool read_stats(struct virtio_balloon *balloon, const struct virtq_chain *chain)
{
	uint8_t bytes[BALLOON_STATS_MAX * STAT_SIZE];
	uint64_t count = chain->read_bytes / STAT_SIZE;
	struct balloon_stats *stats = &balloon->stats;

	if (chain->write_count)
		return false;
	if (count > BALLOON_STATS_MAX)
		count = BALLOON_STATS_MAX;
	virtio_copy_from(chain, bytes, count * STAT_SIZE);
	stats->has = 0;
	for (const uint8_t *at = bytes; at < bytes + count * STAT_SIZE; at += STAT_SIZE) {
		uint16_t tag;

		memcpy(&tag, at, sizeof(tag));
		if (tag >= BALLOON_TAGS)
			continue;
		memcpy(&stats->values[tag], at + sizeof(tag), sizeof(stats->values[tag]));
		stats->has |= 1u << tag;
	}
	clock_gettime(CLOCK_MONOTONIC, &stats->told);
	return true;
}

static void give_up(struct virtio_balloon *balloon, struct virtq *queue)
{
	queue->is_broken = true;
	virtio_set_broken(&balloon->device);
}

static void use(struct virtio_balloon *balloon, struct virtq *queue)
{
	virtq_push(queue, &balloon->device.chain, 0);
	if (virtq_needs_signal(queue))
		virtio_signal_queue(&balloon->device, queue);
}

/*
 * A driver has one buffer, and fills it anew when it gets it back. Return: true if there may be more.
 */
static bool serve_stats(struct virtio_balloon *balloon, struct virtq *queue)
{
	for (unsigned int i = 0; i < TURN_MAX; i++) {
		if (!virtq_pop(queue, &balloon->device.chain)) {
			if (queue->is_enabled && queue->is_broken)
				give_up(balloon, queue);
			if (!virtq_wants_doorbell(queue))
				return false;
			continue;
		}
		if (balloon->wants_stats && !balloon->waits_for_stats) {
			balloon->waits_for_stats = true;
			use(balloon, queue);
			continue;
		}
		if ((balloon->waits_for_stats || !balloon->stats.has) && !read_stats(balloon, &balloon->device.chain)) {
			give_up(balloon, queue);
			return false;
		}
		balloon->wants_stats = false;
		balloon->waits_for_stats = false;
		virtq_put_back(queue, 1);
		virtq_wants_more(queue, 1);
		return false;
	}
	return true;
}

/* ---- the thread ---- */

/* Return: true if there may be more. */
static bool serve_queue(struct virtio_balloon *balloon, struct virtq *queue,
			bool (*serve)(struct virtio_balloon *balloon, const struct virtq_chain *chain))
{
	balloon->parts = 0;
	for (unsigned int i = 0; i < TURN_MAX && balloon->parts < TURN_PARTS; i++) {
		if (!virtq_pop(queue, &balloon->device.chain)) {
			if (queue->is_enabled && queue->is_broken)
				give_up(balloon, queue);
			if (!virtq_wants_doorbell(queue))
				return false;
			continue;
		}
		if (!serve(balloon, &balloon->device.chain)) {
			give_up(balloon, queue);
			return false;
		}
		use(balloon, queue);
	}
	return true;
}

static bool is_served(const struct virtio_device *device)
{
	return (device->status & (VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET)) == VIRTIO_CONFIG_S_DRIVER_OK;
}

/*
 * The specification gives the queue of free pages number 4. Linux leaves no number out for what it has not accepted, so
 * that it is number 3 there, or 2: each that is not the statistics' is taken for it.
 */
static bool serve_all(struct virtio_balloon *balloon)
{
	struct virtio_device *device = &balloon->device;
	bool has_more = false;

	for (unsigned int i = 0; i < QUEUE_COUNT && is_served(device); i++) {
		struct virtq *queue = &device->queues[i];

		if (i == QUEUE_STATS && has_feature(balloon, VIRTIO_BALLOON_F_STATS_VQ))
			has_more |= serve_stats(balloon, queue);
		else if (i <= QUEUE_DEFLATE)
			has_more |= serve_queue(balloon, queue, i == QUEUE_INFLATE ? inflate : deflate);
		else if (has_feature(balloon, VIRTIO_BALLOON_F_REPORTING))
			has_more |= serve_queue(balloon, queue, report);
	}
	return has_more && is_served(device);
}

static bool take_turn(struct virtio_balloon *balloon)
{
	struct virtio_device *device = &balloon->device;
	uint32_t target;
	bool has_more;

	virtio_begin_turn(device);
	target = (uint32_t)(balloon->target / BALLOON_PAGE);
	if (get_config(balloon, offsetof(config_t, num_pages)) != target) {
		set_config(balloon, offsetof(config_t, num_pages), target);
		virtio_signal_config(device);
	}
	has_more = serve_all(balloon);
	virtio_end_turn(device);
	return has_more;
}

static void run(struct virtio_device *device)
{
	uint64_t count;

	while (!vm_is_stopping(device->vm)) {
		/* Sleeps here; virtio_stop() rings too. */
		if (read(device->doorbell, &count, sizeof(count)) < 0)
			continue;
		while (!vm_is_stopping(device->vm) && take_turn(to_balloon(device)))
			;
	}
}

/* ---- the registers ---- */

static void reset(struct virtio_device *device)
{
	struct virtio_balloon *balloon = to_balloon(device);

	set_config(balloon, offsetof(config_t, actual), 0);
	set_config(balloon, offsetof(config_t, poison_val), 0);
	balloon->stats.has = 0;
	balloon->waits_for_stats = false;
}

/* Two fields are the driver's, the second before it has started. */
static void write_config(struct virtio_device *device, uint64_t offset, unsigned int len, uint64_t value)
{
	for (unsigned int i = 0; i < len; i++, value >>= 8) {
		uint64_t at = offset + i;
		bool is_actual = at - offsetof(config_t, actual) < sizeof(uint32_t);
		bool is_poison = at - offsetof(config_t, poison_val) < sizeof(uint32_t);

		if (is_actual || (is_poison && !(device->status & VIRTIO_CONFIG_S_DRIVER_OK)))
			device->config[at] = (uint8_t)value;
	}
}

static const struct virtio_class balloon_class = {
	.id = 5,
	.class_code = 0x00ff00,		/* fits no other class */
	.queue_count = QUEUE_COUNT,
	.thread = SANDBOX_BALLOON,
	.run = run,
	.reset = reset,
	.write_config = write_config,
};

void virtio_balloon_init(struct virtio_balloon *balloon, const struct balloon_options *options)
{
	struct virtio_device *device = &balloon->device;

	device->class = &balloon_class;
	device->features = 1ULL << VIRTIO_BALLOON_F_STATS_VQ | 1ULL << VIRTIO_BALLOON_F_PAGE_POISON;
	if (options->deflate_on_oom)
		device->features |= 1ULL << VIRTIO_BALLOON_F_DEFLATE_ON_OOM;
	if (options->free_page_reporting)
		device->features |= 1ULL << VIRTIO_BALLOON_F_REPORTING;
	device->config_size = sizeof(config_t);
	balloon->target = options->size;
	set_config(balloon, offsetof(config_t, num_pages), (uint32_t)(options->size / BALLOON_PAGE));
}

void virtio_balloon_ask(struct virtio_balloon *balloon, uint64_t size)
{
	virtio_lock(&balloon->device);
	balloon->target = size;
	virtio_unlock(&balloon->device);
	virtio_ring(&balloon->device);
}

/*
 * Until the driver has told anew, or has gone, or the machine ends. It looks again and again: a condition variable would have to
 * get the lock back out of turn.
 */
static void wait_for_stats(struct virtio_balloon *balloon, unsigned int wait_ms)
{
	const struct timespec before = balloon->stats.told, nap = { .tv_nsec = LOOK_MS * 1000000 };

	balloon->wants_stats = true;
	virtio_ring(&balloon->device);
	for (unsigned int ms = 0; ms < wait_ms && is_served(&balloon->device) && !vm_is_stopping(balloon->device.vm) &&
	     balloon->stats.told.tv_sec == before.tv_sec && balloon->stats.told.tv_nsec == before.tv_nsec; ms += LOOK_MS) {
		virtio_unlock(&balloon->device);
		clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
		virtio_lock(&balloon->device);
	}
}

void virtio_balloon_look(struct virtio_balloon *balloon, unsigned int wait_ms, struct balloon_view *view)
{
	virtio_lock(&balloon->device);
	if (wait_ms && is_served(&balloon->device) && has_feature(balloon, VIRTIO_BALLOON_F_STATS_VQ))
		wait_for_stats(balloon, wait_ms);
	*view = (struct balloon_view){
		.target = balloon->target,
		.actual = (uint64_t)get_config(balloon, offsetof(config_t, actual)) * BALLOON_PAGE,
		.inflated = balloon->inflated,
		.deflated = balloon->deflated,
		.reported = balloon->reported,
		.guest = balloon->stats,
	};
	virtio_unlock(&balloon->device);
}
