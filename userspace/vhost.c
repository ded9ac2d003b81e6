// SPDX-License-Identifier: GPL-2.0-only
/*
 * The server takes the guest's doorbells (ioeventfd) and sends its interrupts (irqfd) with no part of
 * ours, as long as a queue's message is there and not masked; else the eventfd counts, and the
 * device's thread delivers it as it would its own. What the guest chooses of a queue, size and
 * places, has been checked by virtq_enable().
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vhost.h"
#include "status.h"

int vhost_init(struct vhost *vhost, struct virtio_device *device, const struct vhost_place *place)
{
	vhost->device = device;
	vhost->routes = place->routes;
	vhost->first_route = place->first_route;
	vhost->hangup = -1;
	for (unsigned int i = 0; i < vhost->count; i++)
		vhost->queues[i] = (struct vhost_queue){ .kick = -1, .call = -1 };
	for (unsigned int i = 0; i < vhost->count; i++) {
		vhost->queues[i].kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		vhost->queues[i].call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (vhost->queues[i].kick < 0 || vhost->queues[i].call < 0)
			return errno;
		device->queue_doorbells[i] = vhost->queues[i].kick;
	}
	return 0;
}

void vhost_free(struct vhost *vhost)
{
	/* Without a device vhost_init() has not been called. */
	for (unsigned int i = 0; vhost->device && i < vhost->count; i++) {
		close(vhost->queues[i].kick);
		close(vhost->queues[i].call);
		vhost->device->queue_doorbells[i] = 0;
	}
	vhost->count = 0;
}

/* Return: 0 or an errno. */
static int start_group(struct vhost *vhost, unsigned int first)
{
	int error = vhost->ops->set_features(vhost, first / vhost->group, vhost->device->accepted & vhost->features);

	for (unsigned int i = first; !error && i < first + vhost->group; i++) {
		error = vhost->ops->start(vhost, i);
		vhost->queues[i].is_running = !error;
		/* What was queued before had its doorbell ignored. */
		if (!error)
			virtio_ring_event(vhost->queues[i].kick);
	}
	return error;
}

static bool is_set_up(const struct vhost *vhost, unsigned int first)
{
	for (unsigned int i = first; i < first + vhost->group; i++)
		if (!vhost->device->queues[i].is_enabled || vhost->device->queues[i].is_broken)
			return false;
	return true;
}

void vhost_start(struct vhost *vhost, unsigned int count)
{
	for (unsigned int i = 0; i < count; i += vhost->group) {
		if (!is_set_up(vhost, i))
			continue;
		int error = start_group(vhost, i);

		if (!error)
			continue;
		if (!vhost->has_complained)
			status_warn("%s: vhost does not take the guest's queues: %s", vhost->name, strerror(error));
		vhost->has_complained = true;
		vhost_stop(vhost);
		virtio_set_broken(vhost->device);
		return;
	}
	vhost_update(vhost);
}

static struct route_event route_of(const struct vhost *vhost, unsigned int index)
{
	return (struct route_event){ vhost->routes->first_message + vhost->first_route + index,
				     vhost->queues[index].call, -1 };
}

static void detach(struct vhost *vhost, unsigned int index)
{
	struct route_event route = route_of(vhost, index);

	if (vhost->queues[index].is_attached)
		route_detach(vhost->device->vm, &route);
	vhost->queues[index].is_attached = false;
}

/* An address that the kernel cannot route is the guest's: nothing comes then. */
static void attach(struct vhost *vhost, unsigned int index, const struct msix_entry *entry)
{
	struct route_event route = route_of(vhost, index);

	if (route_set_message(vhost->routes, vhost->first_route + index, entry->address, entry->data))
		detach(vhost, index);
	else if (!vhost->queues[index].is_attached)
		vhost->queues[index].is_attached = !route_attach(vhost->device->vm, &route);
}

/* Whether reading waits is up to the server as well, whose eventfd it is too. */
static bool drain(int event)
{
	struct pollfd wait = { .fd = event, .events = POLLIN };
	uint64_t count;

	return poll(&wait, 1, 0) == 1 && read(event, &count, sizeof(count)) == sizeof(count);
}

void vhost_stop(struct vhost *vhost)
{
	for (unsigned int i = 0; i < vhost->count; i++) {
		if (vhost->queues[i].is_running)
			vhost->ops->stop(vhost, i);
		vhost->queues[i].is_running = false;
		detach(vhost, i);
		drain(vhost->queues[i].call);
	}
}

void vhost_update(struct vhost *vhost)
{
	const struct msix *msix = &vhost->device->msix;

	for (unsigned int i = 0; i < vhost->count; i++) {
		unsigned int vector = vhost->device->queues[i].vector;

		if (vhost->queues[i].is_running && msix_can_send(msix, vector))
			attach(vhost, i, &msix->entries[vector]);
		else
			detach(vhost, i);
	}
	virtio_ring(vhost->device);	/* the thread waits for others now */
}

/*
 * A queue that the server does not serve may be the control queue, whose number depends on what the
 * driver agreed on: its doorbell is ours.
 */
unsigned int vhost_waits(struct vhost *vhost, struct pollfd *waits)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < vhost->count; i++) {
		const struct vhost_queue *queue = &vhost->queues[i];

		if (!queue->is_running || !queue->is_attached)
			waits[count++] = (struct pollfd){
				.fd = queue->is_running ? queue->call : queue->kick,
				.events = POLLIN,
			};
	}
	return count;
}

void vhost_signal(struct vhost *vhost)
{
	for (unsigned int i = 0; i < vhost->count; i++) {
		struct vhost_queue *queue = &vhost->queues[i];

		if (!queue->is_running)
			drain(queue->kick);
		else if (!queue->is_attached && drain(queue->call))
			virtio_signal_queue(vhost->device, &vhost->device->queues[i]);
	}
}
