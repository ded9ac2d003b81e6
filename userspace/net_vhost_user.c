// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a network adds to vhost-user: its features, and its pairs of queues, which the driver may use some of.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stddef.h>
#include <string.h>

#include "net_vhost_user.h"
#include "status.h"

/* What the process does with frames; addresses and queues are told to us. */
#define NET_FEATURES	(1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_GUEST_CSUM | \
			 1ULL << VIRTIO_NET_F_HOST_TSO4 | 1ULL << VIRTIO_NET_F_HOST_TSO6 | \
			 1ULL << VIRTIO_NET_F_HOST_ECN | 1ULL << VIRTIO_NET_F_HOST_UFO | \
			 1ULL << VIRTIO_NET_F_GUEST_TSO4 | 1ULL << VIRTIO_NET_F_GUEST_TSO6 | \
			 1ULL << VIRTIO_NET_F_GUEST_ECN | 1ULL << VIRTIO_NET_F_GUEST_UFO)

/* What is left for a back end whose frames others move. */
static void set_pairs(struct net_backend *backend, unsigned int pairs)
{
	struct net_vhost_user *net = (struct net_vhost_user *)((char *)backend - offsetof(struct net_vhost_user, backend));

	for (unsigned int i = 0; i < net->user.vhost.count; i++)
		vhost_user_enable(&net->user, i, i < 2 * pairs);
}

static const struct net_backend_ops backend_ops = { .set_pairs = set_pairs };

int net_vhost_user_open(struct net_vhost_user *net, struct virtio_device *device, const struct vm *vm,
			const struct vhost_place *place, const struct net_options *options)
{
	const struct vhost_user_wants wants = {
		.features = NET_FEATURES | 1ULL << VIRTIO_NET_F_MRG_RXBUF,
		.queues = options->queues,	/* QEMU and DPDK count pairs for a network device */
		.queues_of_old = 1,
	};
	struct vhost_user *user = &net->user;

	user->enabled = 2;
	user->vhost.name = "--net";
	user->vhost.count = 2 * options->queues;
	user->vhost.group = 2;
	int error = vhost_user_connect(user, options->path);

	if (error)
		return status_fail(STATUS_NET, "--net vhost-user=%s: cannot connect: %s%s", options->path, strerror(error),
				   vhost_user_remedy(error));
	error = vhost_user_open(user, device, place);
	if (error)
		return status_fail(STATUS_HOST, "--net: cannot create eventfds: %s", strerror(error));
	net->backend = (struct net_backend){ .ops = &backend_ops, .name = options->path, .pairs = options->queues };
	error = vhost_user_agree(user, &vm->memory, &wants);
	net->backend.features = user->features & NET_FEATURES;
	if (error == ERANGE)
		return status_fail(STATUS_NET, "--net vhost-user=%s: the program there has fewer queues (queues=1)",
				   options->path);
	if (error)
		return status_fail(STATUS_NET, "--net vhost-user=%s: the program there is no vhost-user network: %s",
				   options->path, strerror(error));
	return 0;
}

void net_vhost_user_close(struct net_vhost_user *net)
{
	vhost_user_close(&net->user);
}
