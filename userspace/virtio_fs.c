// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file system device: VIRTIO 1.2, "File System Device". Requests are FUSE's, <linux/fuse.h>.
 *
 * All of them go to the other process. When it is gone, this one answers in its place: whatever is asked, it is not
 * connected, which is what FUSE says of a file system whose process has ended. What a process has taken and not
 * answered nobody can tell, if it may answer in any order: then those requests are lost, and the driver learns that it
 * must reset the device. Linux does not listen to that; there, /sys/fs/fuse/connections/N/abort ends the waiting.
 */
#include <errno.h>
#include <linux/fuse.h>
#include <linux/virtio_config.h>
#include <linux/virtio_fs.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "children_start.h"
#include "sandbox.h"
#include "status.h"
#include "virtio_fs.h"

#define BUDGET	64	/* requests of a queue at a time */

static struct virtio_fs *to_fs(struct virtio_device *device)
{
	return (struct virtio_fs *)((char *)device - offsetof(struct virtio_fs, device));
}

/* Without the process. */

static uint32_t serve(struct virtio_device *device, struct virtq_chain *chain)
{
	struct fuse_out_header out = { .len = sizeof(out), .error = -ENOTCONN };
	struct fuse_in_header in;

	(void)device;
	/* What wants no answer has no room for one. */
	if (!virtio_copy_from(chain, &in, sizeof(in)) || chain->write_bytes < sizeof(out))
		return 0;
	out.unique = in.unique;
	return virtio_copy_to(chain, &out, sizeof(out));
}

/* Return: requests that have no answer and get none. */
static unsigned int take_over(struct virtio_fs *fs)
{
	unsigned int lost = 0;

	for (unsigned int i = 0; i < VIRTIO_FS_QUEUES; i++) {
		struct vhost_queue *queue = &fs->user.vhost.queues[i];

		if (!queue->is_running)
			continue;
		queue->is_running = false;
		lost += virtq_take_over(&fs->device.queues[i], fs->order);
		/* It may have ended before it could say that something is done. */
		virtio_signal_queue(&fs->device, &fs->device.queues[i]);
	}
	return lost;
}

static void lose_process(struct virtio_fs *fs)
{
	char words[256] = "", unanswered[64] = "";
	unsigned int lost = take_over(fs);

	fs->is_gone = true;
	fs->has_more = true;
	if (fs->words >= 0)
		child_words(fs->words, words, sizeof(words));
	if (lost) {
		snprintf(unanswered, sizeof(unanswered), ", and %u get no answer", lost);
		virtio_set_broken(&fs->device);
	}
	status_warn("%s: the process that serves it has ended%s%s; the guest's requests fail from now on%s", fs->name, *words ? ": " : "",
		    words, unanswered);
}

/* The thread. */

static void serve_queues(struct virtio_fs *fs)
{
	fs->has_more = false;
	if (!(fs->device.status & VIRTIO_CONFIG_S_DRIVER_OK))
		return;
	for (unsigned int i = 0; i < VIRTIO_FS_QUEUES; i++)
		fs->has_more |= !virtio_serve_queue(&fs->device, &fs->device.queues[i], BUDGET);
}

static void run(struct virtio_device *device)
{
	struct virtio_fs *fs = to_fs(device);
	struct pollfd waits[2 + VHOST_QUEUES_MAX] = { { .fd = device->doorbell, .events = POLLIN } };
	uint64_t rung;

	while (!vm_is_stopping(device->vm)) {
		virtio_lock(device);
		unsigned int count = 2 + vhost_waits(&fs->user.vhost, waits + 2);
		int timeout = fs->has_more ? 0 : -1;

		waits[1] = (struct pollfd){ .fd = fs->is_gone ? -1 : fs->user.vhost.hangup };
		virtio_unlock(device);
		if (poll(waits, count, timeout) < 0)
			continue;
		if (waits[0].revents & POLLIN && read(device->doorbell, &rung, sizeof(rung)) < 0)
			continue;
		virtio_begin_turn(device);
		if (waits[1].revents)
			lose_process(fs);
		/* First takes the doorbells. */
		vhost_signal(&fs->user.vhost);
		if (fs->is_gone)
			serve_queues(fs);
		virtio_end_turn(device);
	}
}

/* The driver. */

static void ready(struct virtio_device *device)
{
	struct virtio_fs *fs = to_fs(device);

	if (!fs->is_gone && !fs->user.vhost.is_lost)
		vhost_start(&fs->user.vhost, VIRTIO_FS_QUEUES);
}

static void reset(struct virtio_device *device)
{
	vhost_stop(&to_fs(device)->user.vhost);
}

static void vectors_changed(struct virtio_device *device)
{
	vhost_update(&to_fs(device)->user.vhost);
}

static const struct virtio_class fs_class = {
	.id = VIRTIO_ID_FS,
	.class_code = 0x018000,		/* mass storage, of another kind */
	.queue_count = VIRTIO_FS_QUEUES,
	.thread = SANDBOX_DEVICE,
	.serve = serve,
	.run = run,
	.ready = ready,
	.reset = reset,
	.vectors_changed = vectors_changed,
};

void virtio_fs_init(struct virtio_fs *fs, const char *tag)
{
	struct virtio_fs_config config = { .num_request_queues = VIRTIO_FS_QUEUES - 1 };

	_Static_assert(sizeof(config) <= VIRTIO_CONFIG_MAX, "there is room");
	memcpy(config.tag, tag, strnlen(tag, sizeof(config.tag)));
	memcpy(fs->device.config, &config, sizeof(config));
	fs->device.config_size = sizeof(config);
	fs->device.class = &fs_class;
	fs->device.withheld = ~fs->user.vhost.features;
}
