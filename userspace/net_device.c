// SPDX-License-Identifier: GPL-2.0-only
/*
 * From what --net says to a device with something of the host's behind it.
 */
#include <string.h>

#include "net_device.h"
#include "sandbox.h"
#include "status.h"

unsigned int net_device_routes(const struct net_options *options)
{
	bool may_have_vhost = options->kind == NET_VHOST_USER ||
			      (options->kind == NET_TAP && options->vhost != NET_VHOST_OFF);

	return may_have_vhost ? 2 * options->queues : 0;
}

/* What is behind the device; @vhost is NULL if this process moves the frames. */
struct behind {
	struct net_backend *backend;
	struct vhost *vhost;
};

static int add_kernel(struct net_device *device, const struct net_options *options, const struct vm *vm,
		      const struct vhost_place *place, struct behind *behind)
{
	char why[256];

	if (options->vhost == NET_VHOST_OFF)
		return 0;
	if (net_vhost_kernel_open(&device->kernel, &device->net.device, vm, place, behind->backend, why, sizeof(why))) {
		behind->vhost = &device->kernel.vhost;
		device->sandbox |= SANDBOX_VHOST;
		return 0;
	}
	net_vhost_kernel_close(&device->kernel);
	if (options->vhost == NET_VHOST_ON)
		return status_fail(STATUS_NET, "--net tap=%s: no vhost-net: %s", options->tap, why);
	status_warn("--net tap=%s: no vhost-net, so this process moves the frames: %s; vhost=off says nothing of it",
		    options->tap, why);
	return 0;
}

static int open_behind(struct net_device *device, const struct net_options *options, const struct vm *vm,
		       const struct vhost_place *place, struct behind *behind)
{
	switch (options->kind) {
	case NET_USER:
		behind->backend = &device->user.backend;
		device->sandbox = SANDBOX_PASST;
		return net_user_open(&device->user, options);
	case NET_VHOST_USER:
		*behind = (struct behind){ &device->process.backend, &device->process.user.vhost };
		device->sandbox = SANDBOX_VHOST_USER;
		return net_vhost_user_open(&device->process, &device->net.device, vm, place, options);
	default:
		behind->backend = &device->tap.backend;
		device->sandbox = SANDBOX_TAP;
		int ret = net_tap_open(&device->tap, options->tap, options->queues);

		return ret ? ret : add_kernel(device, options, vm, place, behind);
	}
}

static int choose_mac(const struct net_options *options, uint8_t *mac)
{
	int ret = options->has_mac ? 0 : virtio_net_random_mac(mac);

	if (options->has_mac)
		memcpy(mac, options->mac, NET_MAC_SIZE);
	return ret ? status_fail(STATUS_HOST, "--net: no random numbers: %s", strerror(-ret)) : 0;
}

int net_device_open(struct net_device *device, const struct net_options *options, const struct vm *vm,
		    const struct vhost_place *place)
{
	struct virtio_net_place identity = { .mtu = options->mtu };
	struct behind behind = { NULL };
	int ret = open_behind(device, options, vm, place, &behind);

	if (!ret)
		ret = choose_mac(options, identity.mac);
	if (ret)
		return ret;
	if (!identity.mtu)
		identity.mtu = behind.backend->mtu;
	virtio_net_init(&device->net, behind.backend, behind.vhost, &identity);
	virtio_net_limit(&device->net, &options->rate);
	return 0;
}

void net_device_close(struct net_device *device)
{
	net_vhost_user_close(&device->process);
	net_vhost_kernel_close(&device->kernel);
	net_tap_close(&device->tap);
	net_user_close(&device->user);
}
