// SPDX-License-Identifier: GPL-2.0-only
/*
 * vhost-net: <linux/vhost.h>. A virtual machine's memory stays what it was when the machine was
 * built, so the kernel is told of it once, and of the eventfds.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "net_vhost_kernel.h"

#define KERNEL_FEATURES	(1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_RING_F_EVENT_IDX | \
			 1ULL << VIRTIO_RING_F_INDIRECT_DESC | 1ULL << VIRTIO_NET_F_MRG_RXBUF)

static struct net_vhost_kernel *to_kernel(struct vhost *vhost)
{
	return (struct net_vhost_kernel *)((char *)vhost - offsetof(struct net_vhost_kernel, vhost));
}

static bool is_none(char *why, size_t size, const char *what, int error)
{
	const char *remedy = "";

	if (error == ENOENT || error == ENODEV || error == ENXIO)
		remedy = " (modprobe vhost_net)";
	else if (error == EACCES || error == EPERM)
		remedy = " (who may use it is up to the node's group and mode: chgrp, chmod 660)";
	snprintf(why, size, "%s: %s%s", what, strerror(error), remedy);
	return false;
}

/* The kernel copies the table. */
static int set_memory(int fd, const struct memory *memory)
{
	struct {
		struct vhost_memory head;
		struct vhost_memory_region regions[MEMORY_REGIONS_MAX];
	} table = { .head.nregions = memory->count };

	for (unsigned int i = 0; i < memory->count; i++)
		table.regions[i] = (struct vhost_memory_region){
			.guest_phys_addr = memory->regions[i].base,
			.memory_size = memory->regions[i].size,
			.userspace_addr = (uintptr_t)memory->regions[i].host,
		};
	return ioctl(fd, VHOST_SET_MEM_TABLE, &table);
}

/* Let the kernel serve it from @tap, or no longer if that is -1. */
static int set_tap(struct vhost *vhost, unsigned int index, int tap)
{
	struct vhost_vring_file file = { .index = index % 2, .fd = tap };

	return ioctl(to_kernel(vhost)->fds[index / 2], VHOST_NET_SET_BACKEND, &file);
}

static int set_features(struct vhost *vhost, unsigned int pair, uint64_t features)
{
	return ioctl(to_kernel(vhost)->fds[pair], VHOST_SET_FEATURES, &features) ? errno : 0;
}

static int start(struct vhost *vhost, unsigned int index)
{
	const struct virtq *queue = &vhost->device->queues[index];
	struct vhost_vring_state size = { .index = index % 2, .num = queue->size };
	struct vhost_vring_state base = { .index = index % 2 };
	struct vhost_vring_addr place = {
		.index = index % 2,
		.desc_user_addr = (uintptr_t)queue->descriptor_table,
		.avail_user_addr = (uintptr_t)queue->available_ring,
		.used_user_addr = (uintptr_t)queue->used_ring,
	};
	int fd = to_kernel(vhost)->fds[index / 2];

	if (ioctl(fd, VHOST_SET_VRING_NUM, &size) || ioctl(fd, VHOST_SET_VRING_BASE, &base) ||
	    ioctl(fd, VHOST_SET_VRING_ADDR, &place) || set_tap(vhost, index, to_kernel(vhost)->taps[index / 2]))
		return errno;
	return 0;
}

static void stop(struct vhost *vhost, unsigned int index)
{
	set_tap(vhost, index, -1);
}

static const struct vhost_ops ops = { set_features, start, stop };

/* Return: 0 or an errno. */
static int set_up_pair(struct net_vhost_kernel *kernel, unsigned int pair, const struct memory *memory)
{
	uint64_t features = 0;
	int fd = kernel->fds[pair];

	if (ioctl(fd, VHOST_SET_OWNER) || ioctl(fd, VHOST_GET_FEATURES, &features) || set_memory(fd, memory))
		return errno;
	kernel->vhost.features = features & KERNEL_FEATURES;
	if (!(features & 1ULL << VIRTIO_F_VERSION_1))
		return EOPNOTSUPP;
	for (unsigned int i = 0; i < 2; i++) {
		struct vhost_vring_file kick = { .index = i, .fd = kernel->vhost.queues[2 * pair + i].kick };
		struct vhost_vring_file call = { .index = i, .fd = kernel->vhost.queues[2 * pair + i].call };

		if (ioctl(fd, VHOST_SET_VRING_KICK, &kick) || ioctl(fd, VHOST_SET_VRING_CALL, &call))
			return errno;
	}
	return 0;
}

bool net_vhost_kernel_open(struct net_vhost_kernel *kernel, struct virtio_device *device, const struct vm *vm,
			   const struct vhost_place *place, const struct net_backend *tap, char *why, size_t size)
{
	kernel->vhost.name = "--net";
	kernel->vhost.count = 2 * tap->pairs;
	kernel->vhost.group = 2;
	int error = vhost_init(&kernel->vhost, device, place);

	if (error)
		return is_none(why, size, "cannot create eventfds", error);
	kernel->vhost.ops = &ops;
	kernel->taps = tap->fds;
	for (unsigned int i = 0; i < tap->pairs; i++) {
		kernel->fds[i] = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);
		if (kernel->fds[i] < 0)
			return is_none(why, size, "cannot open /dev/vhost-net", errno);
		kernel->opened++;
		error = set_up_pair(kernel, i, &vm->memory);
		if (error)
			return is_none(why, size, "/dev/vhost-net cannot be set up", error);
	}
	return true;
}

void net_vhost_kernel_close(struct net_vhost_kernel *kernel)
{
	for (unsigned int i = 0; i < kernel->opened; i++)
		close(kernel->fds[i]);
	kernel->opened = 0;
	vhost_free(&kernel->vhost);
}
