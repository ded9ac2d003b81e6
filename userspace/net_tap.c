// SPDX-License-Identifier: GPL-2.0-only
/*
 * TAP: Documentation/networking/tuntap.rst of Linux. Each frame is read and written with the header
 * of struct virtio_net_hdr_v1 in front, so that checksums and the cutting up of large packets are
 * left to the kernel or the network card. The interface is never made here: who may use it, and what
 * it is connected to, is its maker's to say.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net_tap.h"
#include "status.h"

static struct net_tap *to_tap(struct net_backend *backend)
{
	return (struct net_tap *)((char *)backend - offsetof(struct net_tap, backend));
}

static bool is_passing(int error)
{
	return error == EAGAIN || error == EINTR;
}

static enum net_result receive(struct net_backend *backend, unsigned int pair, struct net_packet *packet)
{
	struct iovec parts[2] = {
		{ &packet->header, NET_HEADER_SIZE },
		{ to_tap(backend)->frames[pair], NET_FRAME_MAX },
	};
	ssize_t size = readv(backend->fds[pair], parts, 2);

	if (size < 0)
		return is_passing(errno) ? NET_AGAIN : NET_GONE;
	if (size < (ssize_t)(NET_HEADER_SIZE + NET_FRAME_MIN))
		return NET_AGAIN;
	packet->frame = to_tap(backend)->frames[pair];
	packet->size = (uint32_t)(size - (ssize_t)NET_HEADER_SIZE);
	return NET_DONE;
}

/* What the kernel does not take (the interface is down, a header that it dislikes) is lost, as on a wire. */
static enum net_result send_frame(struct net_backend *backend, unsigned int pair, struct virtio_net_hdr_v1 *header,
				  struct iovec *parts, unsigned int count, uint32_t size)
{
	(void)size;
	parts[0] = (struct iovec){ header, NET_HEADER_SIZE };
	if (writev(backend->fds[pair], parts, (int)count) < 0 && is_passing(errno))
		return NET_AGAIN;
	return NET_DONE;
}

static enum net_result flush(struct net_backend *backend)
{
	(void)backend;
	return NET_DONE;
}

static void set_offloads(struct net_backend *backend, uint64_t features)
{
	static const struct {
		unsigned int feature;
		unsigned long flag;
	} rows[] = {
		{ VIRTIO_NET_F_GUEST_CSUM, TUN_F_CSUM },
		{ VIRTIO_NET_F_GUEST_TSO4, TUN_F_TSO4 },
		{ VIRTIO_NET_F_GUEST_TSO6, TUN_F_TSO6 },
		{ VIRTIO_NET_F_GUEST_ECN, TUN_F_TSO_ECN },
		{ VIRTIO_NET_F_GUEST_UFO, TUN_F_UFO },
	};
	unsigned long flags = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (features & 1ULL << rows[i].feature)
			flags |= rows[i].flag;
	/* One setting for all queues. Of what makes no sense to the kernel nothing, not what there was before. */
	if (ioctl(backend->fds[0], TUNSETOFFLOAD, flags))
		ioctl(backend->fds[0], TUNSETOFFLOAD, 0UL);
}

static void set_pairs(struct net_backend *backend, unsigned int pairs)
{
	/* Refused where it is so already, which is as good. */
	for (unsigned int i = 1; i < backend->pairs; i++) {
		struct ifreq request = { .ifr_flags = i < pairs ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

		ioctl(backend->fds[i], TUNSETQUEUE, &request);
	}
}

static const struct net_backend_ops ops = { receive, send_frame, flush, set_offloads, set_pairs };

static int refuse(const char *name, const char *what, const char *remedy)
{
	return status_fail(STATUS_NET, "--net tap=%s: %s%s", name, what, remedy);
}

static int refuse_node(const char *name, int error)
{
	const char *remedy = "";

	if (error == ENOENT || error == ENODEV || error == ENXIO)
		remedy = " (modprobe tun)";
	else if (error == EACCES || error == EPERM)
		remedy = " (chmod 666 /dev/net/tun, which is its usual mode)";
	status_fail(STATUS_NET, "--net tap=%s: cannot open /dev/net/tun: %s%s", name, strerror(error), remedy);
	return STATUS_NET;
}

/* By its driver's name: /sys may show another network than ours. */
static bool is_tun(const char *name)
{
	struct ethtool_drvinfo driver = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq request = { .ifr_data = (char *)&driver };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	bool is_ours = fd >= 0 && !ioctl(fd, SIOCETHTOOL, &request) && !strcmp(driver.driver, "tun");

	if (fd >= 0)
		close(fd);
	return is_ours;
}

static int refuse_interface(const char *name, unsigned int queues, int error)
{
	char remedy[160];

	switch (error) {
	case EBUSY:
		return refuse(name, "in use by another process", " (a tap is one guest's: ip tuntap add another one)");
	case EPERM:
		snprintf(remedy, sizeof(remedy), " (ip tuntap del %s mode tap; ip tuntap add %s mode tap user %u%s)", name,
			 name, (unsigned int)getuid(), queues > 1 ? " multi_queue" : "");
		return refuse(name, "belongs to another user", remedy);
	case EINVAL:
		if (!is_tun(name))
			return refuse(name, "no tap interface", " (ip tuntap add another name, mode tap)");
		snprintf(remedy, sizeof(remedy), " (ip tuntap del %s mode tap; ip tuntap add %s mode tap%s)", name, name,
			 queues > 1 ? " multi_queue" : "");
		return refuse(name, queues > 1 ? "no tap interface of several queues" : "no tap interface", remedy);
	case E2BIG:
		return refuse(name, "others use queues of it", " (fewer with queues=N)");
	default:
		return refuse(name, strerror(error), "");
	}
}

/* An interface made for several queues wants to be told so, even for one. */
static int attach(int fd, const char *name, bool is_multiple)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };

	if (is_multiple)
		request.ifr_flags |= IFF_MULTI_QUEUE;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	return ioctl(fd, TUNSETIFF, &request) ? errno : 0;
}

static int open_queue(struct net_tap *tap, const char *name, unsigned int queues)
{
	int header_size = NET_HEADER_SIZE;
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return refuse_node(name, errno);
	tap->backend.fds[tap->opened++] = fd;
	int error = attach(fd, name, queues > 1);

	if (error == EINVAL && queues == 1)
		error = attach(fd, name, true);
	if (error)
		return refuse_interface(name, queues, error);
	if (ioctl(fd, TUNSETVNETHDRSZ, &header_size))
		return refuse(name, "the kernel knows no header of 12 bytes", "");
	tap->frames[tap->opened - 1] = malloc(NET_FRAME_MAX);
	return tap->frames[tap->opened - 1] ? 0 : status_fail(STATUS_HOST, "out of memory");
}

/* What ip(8) says of it: its MTU is the guest's, and if it is down nothing will pass. */
static void look_at(struct net_tap *tap, const char *name)
{
	struct ifreq request = { .ifr_ifindex = 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (fd >= 0 && !ioctl(fd, SIOCGIFMTU, &request) && request.ifr_mtu > 0 && request.ifr_mtu <= UINT16_MAX)
		tap->backend.mtu = (uint16_t)request.ifr_mtu;
	if (fd >= 0 && !ioctl(fd, SIOCGIFFLAGS, &request) && !(request.ifr_flags & IFF_UP))
		status_warn("--net tap=%s: the interface is down (ip link set %s up)", name, name);
	if (fd >= 0)
		close(fd);
}

static uint64_t offloads_of(int fd)
{
	const uint64_t common = 1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_HOST_TSO4 |
				1ULL << VIRTIO_NET_F_HOST_TSO6 | 1ULL << VIRTIO_NET_F_HOST_ECN |
				1ULL << VIRTIO_NET_F_GUEST_CSUM | 1ULL << VIRTIO_NET_F_GUEST_TSO4 |
				1ULL << VIRTIO_NET_F_GUEST_TSO6 | 1ULL << VIRTIO_NET_F_GUEST_ECN |
				1ULL << VIRTIO_NET_F_CTRL_GUEST_OFFLOADS;
	unsigned long most = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

	if (ioctl(fd, TUNSETOFFLOAD, most))
		return 0;
	/* Some kernels cut up UDP too. Off again, until a driver asks. */
	bool has_udp = !ioctl(fd, TUNSETOFFLOAD, most | TUN_F_UFO);

	ioctl(fd, TUNSETOFFLOAD, 0UL);
	return common | (has_udp ? 1ULL << VIRTIO_NET_F_HOST_UFO | 1ULL << VIRTIO_NET_F_GUEST_UFO : 0);
}

int net_tap_open(struct net_tap *tap, const char *name, unsigned int queues)
{
	char remedy[128];
	int ret = 0;

	tap->backend.ops = &ops;
	tap->backend.name = name;
	tap->backend.pairs = queues;
	if (!if_nametoindex(name)) {
		snprintf(remedy, sizeof(remedy), " (ip tuntap add %s mode tap%s; ip link set %s up)", name,
			 queues > 1 ? " multi_queue" : "", name);
		return refuse(name, "no such interface", remedy);
	}
	for (unsigned int i = 0; !ret && i < queues; i++)
		ret = open_queue(tap, name, queues);
	if (ret)
		return ret;
	tap->backend.features = offloads_of(tap->backend.fds[0]);
	set_pairs(&tap->backend, 1);
	look_at(tap, name);
	return 0;
}

void net_tap_close(struct net_tap *tap)
{
	for (unsigned int i = 0; i < tap->opened; i++) {
		close(tap->backend.fds[i]);
		free(tap->frames[i]);
	}
	tap->opened = 0;
}
