// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whose turn it is: the thread's that serves a device, or of somebody who wants it to stand between two requests.
 *
 * A mutex alone is the thread's for as long as its driver has requests, which gives it back and takes it again at once. So
 * whoever waits for one has the right to be the next, and the thread ends its turn behind the request that it is at.
 */
#include "thread.h"
#include "virtio.h"

void virtio_init_locks(struct virtio_device *device)
{
	pthread_mutex_init(&device->serving, NULL);
	pthread_mutex_init(&device->next, NULL);
	pthread_mutex_init(&device->turn, NULL);
	pthread_mutex_init(&device->lock, NULL);
	atomic_store(&device->is_wanted, false);
}

void virtio_lock(struct virtio_device *device)
{
	pthread_mutex_lock(&device->turn);
	pthread_mutex_lock(&device->lock);
	pthread_mutex_unlock(&device->turn);
}

void virtio_unlock(struct virtio_device *device)
{
	pthread_mutex_unlock(&device->lock);
}

void virtio_begin_turn(struct virtio_device *device)
{
	pthread_mutex_lock(&device->next);
	pthread_mutex_lock(&device->serving);
	pthread_mutex_unlock(&device->next);
	virtio_lock(device);
}

void virtio_end_turn(struct virtio_device *device)
{
	virtio_unlock(device);
	pthread_mutex_unlock(&device->serving);
}

bool virtio_hold(struct virtio_device *device, unsigned int ms)
{
	const struct timespec until = thread_time_in(ms);

	if (pthread_mutex_clocklock(&device->next, CLOCK_MONOTONIC, &until))
		return false;
	atomic_store(&device->is_wanted, true);

	bool is_held = !pthread_mutex_clocklock(&device->serving, CLOCK_MONOTONIC, &until);

	atomic_store(&device->is_wanted, false);
	pthread_mutex_unlock(&device->next);
	return is_held;
}

void virtio_release(struct virtio_device *device)
{
	pthread_mutex_unlock(&device->serving);
}
