// SPDX-License-Identifier: GPL-2.0-only
/*
 * The entropy device: VIRTIO 1.0, "Entropy Device". Bytes come from the host
 * kernel. One request is answered with at most REQUEST_MAX of them, which the
 * specification allows, so that a guest cannot keep the thread busy for long
 * with one.
 */
#include <errno.h>
#include <sys/random.h>

#include "virtio_rng.h"

#define REQUEST_MAX	65536u

static uint32_t serve(struct virtio_device *device, struct virtq_chain *chain)
{
	const struct iovec *parts = &chain->segments[chain->read_count];
	uint32_t done = 0;

	(void)device;
	for (unsigned int i = 0; i < chain->write_count && done < REQUEST_MAX; i++) {
		size_t at = 0;

		while (at < parts[i].iov_len && done < REQUEST_MAX) {
			size_t part = parts[i].iov_len - at;

			if (part > REQUEST_MAX - done)
				part = REQUEST_MAX - done;
			ssize_t got = getrandom((char *)parts[i].iov_base + at, part, 0);

			if (got < 0 && errno == EINTR)
				continue;
			if (got <= 0)
				return done;
			at += (size_t)got;
			done += (uint32_t)got;
		}
	}
	return done;
}

static const struct virtio_class rng_class = {
	.id = 4,
	.class_code = 0x00ff00,		/* fits no other class */
	.queue_count = 1,
	.thread = SANDBOX_DEVICE,
	.serve = serve,
};

void virtio_rng_init(struct virtio_device *device)
{
	device->class = &rng_class;
}
