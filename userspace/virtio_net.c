// SPDX-License-Identifier: GPL-2.0-only
/*
 * The network device: VIRTIO 1.2, "Network Device".
 *
 * One thread moves the frames of all queues, or with vhost-net serves the control queue alone. It
 * sleeps until a doorbell rings or a descriptor of the back end is ready, and does a bounded amount
 * of work each time, so that no queue starves another nor a configuration access for long. A frame
 * for which the guest has no buffers waits here, and the others in the host, which drops them when
 * they become too many.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "net_header.h"
#include "sandbox.h"
#include "status.h"
#include "thread.h"
#include "virtio_net.h"

#define RECEIVE_BUDGET	64
#define DELIVER_TRIES	4
#define SEND_BUDGET	256
#define CONTROL_BUDGET	32

static struct virtio_net *to_net(struct virtio_device *device)
{
	return (struct virtio_net *)((char *)device - offsetof(struct virtio_net, device));
}

static bool has(const struct virtio_net *net, unsigned int feature)
{
	return net->device.accepted & 1ULL << feature;
}

/* The link goes down, which the guest's administrator sees, and whoever started it reads. */
static void lose_backend(struct virtio_net *net)
{
	struct virtio_net_config config;

	if (net->is_gone)
		return;
	net->is_gone = true;
	status_warn("--net %s: the host's side has ended; the guest's link is down", net->backend->name);
	memcpy(&config, net->device.config, sizeof(config));
	config.status = 0;
	memcpy(net->device.config, &config, sizeof(config));
	virtio_signal_config(&net->device);
}

static void check_queue(struct virtio_net *net, const struct virtq *queue)
{
	if (queue->is_broken)
		virtio_set_broken(&net->device);
}

/* Must frames wait, that way? They do so where they are. */
static bool is_limited(struct virtio_net *net, enum net_way way)
{
	return net->is_limited[way] = virtio_must_wait(&net->device, &net->limits[way]);
}

/* From the host to the guest. */

static bool is_wanted(const struct virtio_net *net, struct net_packet *packet)
{
	uint16_t mtu = has(net, VIRTIO_NET_F_MTU) ? net->mtu : 0;

	return net_header_limit(&packet->header, net->control.offloads, mtu, packet->size) &&
	       net_filter_wants(&net->control.filter, packet->frame, packet->size);
}

/* Return: false if the guest must add buffers first; it rings its doorbell then. */
static bool deliver(struct virtio_net *net, unsigned int pair)
{
	struct virtq *queue = &net->device.queues[2 * pair];
	struct net_packet *packet = &net->state[pair].packet;

	if (!is_wanted(net, packet))
		return true;
	for (unsigned int i = 0; i < DELIVER_TRIES; i++) {
		if (net_deliver(queue, packet, has(net, VIRTIO_NET_F_MRG_RXBUF), &net->room) != NET_NO_BUFFERS)
			return true;
		if (!virtq_wants_more(queue, net->room.seen))
			return false;
	}
	/* They come in one by one. */
	net->has_more = true;
	return false;
}

/* Return: false if there is none. */
static bool take_packet(struct virtio_net *net, unsigned int pair)
{
	struct net_pair *state = &net->state[pair];
	enum net_result result;

	if (state->has_packet)
		return true;
	result = net->backend->ops->receive(net->backend, pair, &state->packet);
	if (result == NET_GONE)
		lose_backend(net);
	state->has_packet = result == NET_DONE;
	return state->has_packet;
}

static void receive_pair(struct virtio_net *net, unsigned int pair)
{
	struct virtq *queue = &net->device.queues[2 * pair];
	unsigned int budget = RECEIVE_BUDGET;

	if (!queue->is_enabled || queue->is_broken)
		return;
	while (budget && !is_limited(net, NET_RECEIVE) && take_packet(net, pair) && deliver(net, pair)) {
		rate_limit_take(&net->limits[NET_RECEIVE], 1, net->state[pair].packet.size);
		net->state[pair].has_packet = false;
		budget--;
	}
	/* Frames may wait inside the back end, where poll() does not see them. */
	net->has_more |= !budget;
	if (virtq_needs_signal(queue))
		virtio_signal_queue(&net->device, queue);
	check_queue(net, queue);
}

/* From the guest to the host. */

/* Drop the first NET_HEADER_SIZE bytes, which are there. Return: parts used, the reserved first one too. */
static unsigned int gather(struct virtio_net *net, const struct virtq_chain *chain)
{
	uint64_t skip = NET_HEADER_SIZE;
	unsigned int count = 1;

	for (unsigned int i = 0; i < chain->read_count; i++) {
		const struct iovec *part = &chain->segments[i];

		if (skip >= part->iov_len) {
			skip -= part->iov_len;
			continue;
		}
		net->parts[count++] = (struct iovec){ (uint8_t *)part->iov_base + skip, part->iov_len - skip };
		skip = 0;
	}
	return count;
}

/* Of what the driver sends; 0: that can be none. */
static uint32_t frame_size(const struct virtq_chain *chain)
{
	if (chain->read_bytes < NET_HEADER_SIZE + NET_FRAME_MIN || chain->read_bytes > NET_HEADER_SIZE + NET_FRAME_MAX)
		return 0;
	return (uint32_t)(chain->read_bytes - NET_HEADER_SIZE);
}

/* What breaks the rules is lost, as on a wire. */
static enum net_result send_chain(struct virtio_net *net, unsigned int pair)
{
	const struct virtq_chain *chain = &net->device.chain;
	uint32_t size = frame_size(chain);
	struct virtio_net_hdr_v1 header;

	if (!size || net->is_gone)
		return NET_DONE;
	virtio_copy_from(chain, &header, sizeof(header));
	if (!net_header_check(&header, net->device.accepted, size))
		return NET_DONE;
	unsigned int count = gather(net, chain);

	return net->backend->ops->send(net->backend, pair, &header, net->parts, count, size);
}

/* A driver that is let wait rings no doorbells: it has not been asked to. */
static bool must_wait(struct virtio_net *net, const struct virtq *queue)
{
	net->is_limited[NET_SEND] = false;
	return rate_limit_is_on(&net->limits[NET_SEND]) && virtq_has_next(queue) && is_limited(net, NET_SEND);
}

static void send_pair(struct virtio_net *net, unsigned int pair)
{
	struct virtio_device *device = &net->device;
	struct virtq *queue = &device->queues[2 * pair + 1];
	unsigned int budget = SEND_BUDGET;

	if (!queue->is_enabled || queue->is_broken || net->state[pair].is_blocked)
		return;
	do {
		while (budget && !must_wait(net, queue) && virtq_pop(queue, &device->chain)) {
			enum net_result result = send_chain(net, pair);

			if (result == NET_AGAIN) {
				virtq_put_back(queue, 1);
				net->state[pair].is_blocked = true;
				budget = 0;
				break;
			}
			if (result == NET_GONE)
				lose_backend(net);
			rate_limit_take(&net->limits[NET_SEND], 1, frame_size(&device->chain));
			virtq_push(queue, &device->chain, 0);
			budget--;
		}
	} while (budget && !net->is_limited[NET_SEND] && virtq_wants_doorbell(queue));
	net->has_more |= !budget && !net->state[pair].is_blocked;
	if (virtq_needs_signal(queue))
		virtio_signal_queue(device, queue);
	check_queue(net, queue);
}

/* The control queue. */

/* Without VIRTIO_NET_F_MQ it is the third queue, however many there could be. */
static struct virtq *control_queue(struct virtio_net *net)
{
	return &net->device.queues[2 * net->pairs];
}

/* Those that are not used any more get nothing, not even what waits here. */
static void drop_packets(struct virtio_net *net, unsigned int first)
{
	for (unsigned int i = first; i < NET_PAIRS_MAX; i++)
		net->state[i].has_packet = false;
}

/* "Setting MAC Address Filtering": what the driver has set it finds in the configuration too. It need not be told. */
static void show_mac(struct virtio_net *net, const uint8_t *mac)
{
	uint8_t *shown = net->device.config + offsetof(struct virtio_net_config, mac);

	if (!memcmp(shown, mac, NET_MAC_SIZE))
		return;
	memcpy(shown, mac, NET_MAC_SIZE);
	net->device.config_generation++;
}

static uint32_t serve_control(struct virtio_device *device, struct virtq_chain *chain)
{
	struct virtio_net *net = to_net(device);
	unsigned int pairs = net->control.pairs;
	uint64_t offloads = net->control.offloads;
	uint8_t bytes[NET_CONTROL_MAX], mac[NET_MAC_SIZE], ack = VIRTIO_NET_ERR;

	if (!chain->write_bytes)
		return 0;
	memcpy(mac, net->control.filter.mac, sizeof(mac));
	if (chain->read_bytes <= sizeof(bytes)) {
		virtio_copy_from(chain, bytes, chain->read_bytes);
		ack = net_control_do(&net->control, bytes, chain->read_bytes);
	}
	if (memcmp(mac, net->control.filter.mac, sizeof(mac)))
		show_mac(net, net->control.filter.mac);
	if (pairs != net->control.pairs && net->backend->ops->set_pairs)
		net->backend->ops->set_pairs(net->backend, net->control.pairs);
	drop_packets(net, net->control.pairs);
	if (offloads != net->control.offloads && net->backend->ops->set_offloads)
		net->backend->ops->set_offloads(net->backend, net->control.offloads);
	*(uint8_t *)chain->segments[chain->read_count].iov_base = ack;
	return 1;
}

/* The thread. */

void virtio_net_turn(struct virtio_net *net)
{
	/* First takes the doorbells. */
	if (net->vhost)
		vhost_signal(net->vhost);
	net->device.wake_at = 0;
	net->is_limited[NET_RECEIVE] = false;
	net->has_more = !virtio_serve_queue(&net->device, control_queue(net), CONTROL_BUDGET);
	if (net->vhost)
		return;
	for (unsigned int i = 0; i < net->pairs; i++) {
		send_pair(net, i);
		if (!net->is_gone && i < net->control.pairs)
			receive_pair(net, i);
	}
}

static bool is_in_service(const struct virtio_net *net)
{
	return net->device.status & VIRTIO_CONFIG_S_DRIVER_OK && !(net->device.status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

/* An entry a pair, so that waits[i] tells of pair i; -1 is a descriptor that poll() passes over. */
static unsigned int waits_of_pairs(const struct virtio_net *net, struct pollfd *waits)
{
	for (unsigned int i = 0; i < net->pairs; i++) {
		const struct virtq *queue = &net->device.queues[2 * i];
		bool can_receive = i < net->control.pairs && queue->is_enabled && !queue->is_broken &&
				   !net->state[i].has_packet && !net->is_limited[NET_RECEIVE];
		bool can_send = net->state[i].is_blocked || net->backend->has_rest;
		short events = (short)((can_receive ? POLLIN : 0) | (can_send ? POLLOUT : 0));
		bool is_used = is_in_service(net) && !net->is_gone && events;

		waits[i] = (struct pollfd){ .fd = is_used ? net->backend->fds[i] : -1, .events = events };
	}
	return net->pairs;
}

static void unblock(struct virtio_net *net, const struct pollfd *waits)
{
	for (unsigned int i = 0; i < net->pairs; i++) {
		if (!(waits[i].revents & (POLLOUT | POLLERR | POLLHUP)))
			continue;
		enum net_result result = net->backend->ops->flush(net->backend);

		net->state[i].is_blocked = result == NET_AGAIN;
		if (result == NET_GONE)
			lose_backend(net);
	}
}

/* The server's descriptor, then the interrupts that it leaves to us. */
static unsigned int waits_of_vhost(const struct virtio_net *net, struct pollfd *waits)
{
	waits[0] = (struct pollfd){ .fd = net->is_gone ? -1 : net->vhost->hangup };
	return 1 + vhost_waits(net->vhost, waits + 1);
}

/* How long poll() may wait; NULL: for ever. With the lock held. */
static const struct timespec *patience(const struct virtio_net *net, struct timespec *left)
{
	const uint64_t at = net->device.wake_at;

	*left = (struct timespec){ 0 };
	if (is_in_service(net) && net->has_more)
		return left;
	if (!is_in_service(net) || !at)
		return NULL;
	*left = thread_time_left(at);
	return left;
}

static void run(struct virtio_device *device)
{
	struct virtio_net *net = to_net(device);
	struct pollfd waits[2 + VHOST_QUEUES_MAX] = { { .fd = device->doorbell, .events = POLLIN } };
	uint64_t rung;

	_Static_assert(2 * NET_PAIRS_MAX <= VHOST_QUEUES_MAX, "an entry for each");
	while (!vm_is_stopping(device->vm)) {
		virtio_lock(device);
		unsigned int count = net->vhost ? waits_of_vhost(net, waits + 1) : waits_of_pairs(net, waits + 1);
		struct timespec left;
		const struct timespec *most = patience(net, &left);

		virtio_unlock(device);
		if (ppoll(waits, 1 + count, most, NULL) < 0)
			continue;
		if (waits[0].revents & POLLIN && read(device->doorbell, &rung, sizeof(rung)) < 0)
			continue;
		virtio_begin_turn(device);
		if (!net->vhost)
			unblock(net, waits + 1);
		else if (waits[1].revents)
			lose_backend(net);
		if (is_in_service(net))
			virtio_net_turn(net);
		else if (net->vhost)
			vhost_signal(net->vhost);
		virtio_end_turn(device);
	}
}

/* The driver. */

static void ready(struct virtio_device *device)
{
	struct virtio_net *net = to_net(device);

	net->pairs = has(net, VIRTIO_NET_F_MQ) ? net->backend->pairs : 1;
	net_control_reset(&net->control, device->accepted, net->mac);
	if (net->backend->ops->set_offloads)
		net->backend->ops->set_offloads(net->backend, net->control.offloads);
	/* A server that has gone is missing, as a cable would be. */
	if (net->vhost && !net->is_gone && !net->vhost->is_lost)
		vhost_start(net->vhost, 2 * net->pairs);
}

static void reset(struct virtio_device *device)
{
	struct virtio_net *net = to_net(device);

	if (net->vhost)
		vhost_stop(net->vhost);
	if (net->control.pairs > 1 && net->backend->ops->set_pairs)
		net->backend->ops->set_pairs(net->backend, 1);
	net_control_reset(&net->control, 0, net->mac);
	show_mac(net, net->mac);
	/* A frame that the driver before did not take is none of the next one's. */
	drop_packets(net, 0);
	net->has_more = false;
}

static void vectors_changed(struct virtio_device *device)
{
	struct virtio_net *net = to_net(device);

	if (net->vhost)
		vhost_update(net->vhost);
}

static const struct virtio_class net_class = {
	.id = 1,
	.class_code = 0x020000,		/* network, Ethernet */
	.thread = SANDBOX_NET,
	.serve = serve_control,
	.run = run,
	.ready = ready,
	.reset = reset,
	.vectors_changed = vectors_changed,
};

static uint64_t features_of(const struct virtio_net *net, uint16_t mtu)
{
	uint64_t features = net->backend->features | 1ULL << VIRTIO_NET_F_MAC | 1ULL << VIRTIO_NET_F_STATUS |
			    1ULL << VIRTIO_NET_F_CTRL_VQ | 1ULL << VIRTIO_NET_F_CTRL_RX |
			    1ULL << VIRTIO_NET_F_CTRL_RX_EXTRA | 1ULL << VIRTIO_NET_F_CTRL_VLAN |
			    1ULL << VIRTIO_NET_F_CTRL_MAC_ADDR;

	if (!net->vhost || net->vhost->features & 1ULL << VIRTIO_NET_F_MRG_RXBUF)
		features |= 1ULL << VIRTIO_NET_F_MRG_RXBUF;
	if (net->backend->pairs > 1)
		features |= 1ULL << VIRTIO_NET_F_MQ;
	if (mtu)
		features |= 1ULL << VIRTIO_NET_F_MTU;
	return features;
}

void virtio_net_init(struct virtio_net *net, struct net_backend *backend, struct vhost *vhost,
		     const struct virtio_net_place *place)
{
	struct virtio_net_config config = {
		.status = VIRTIO_NET_S_LINK_UP,
		.max_virtqueue_pairs = (uint16_t)backend->pairs,
		.mtu = place->mtu,
	};

	net->backend = backend;
	net->vhost = vhost;
	net->mtu = place->mtu;
	net->pairs = 1;
	net->control.pairs_max = backend->pairs;
	memcpy(net->mac, place->mac, sizeof(net->mac));
	memcpy(config.mac, place->mac, sizeof(config.mac));
	memcpy(net->device.config, &config, sizeof(config));
	net->device.config_size = offsetof(struct virtio_net_config, speed);
	net->device.features = features_of(net, place->mtu);
	if (vhost)
		net->device.withheld = ~vhost->features;
	net->class = net_class;
	net->class.queue_count = 2 * backend->pairs + 1;
	net->device.class = &net->class;
}

void virtio_net_limit(struct virtio_net *net, const struct rate_options *options)
{
	for (unsigned int way = 0; way < NET_WAYS; way++)
		rate_limit_init(&net->limits[way], options, thread_now());
}

int virtio_net_random_mac(uint8_t mac[NET_MAC_SIZE])
{
	ssize_t got = getrandom(mac, NET_MAC_SIZE, 0);

	if (got != NET_MAC_SIZE)
		return got < 0 ? -errno : -EIO;
	mac[0] = (uint8_t)((mac[0] & ~1u) | 2u);
	return 0;
}

/* A driver that is there has its card's address in its filter, and goes on with it. */
int virtio_net_renew(struct virtio_net *net, bool is_connected)
{
	struct virtio_net_config config;
	int ret = virtio_net_random_mac(net->mac);

	if (!ret)
		ret = virtio_renew(&net->device);
	if (ret)
		return ret;
	for (unsigned int i = 0; i < NET_PAIRS_MAX; i++)
		net->state[i] = (struct net_pair){ .has_packet = false };
	net->has_more = false;
	net->is_gone = !is_connected;
	memcpy(&config, net->device.config, sizeof(config));
	memcpy(config.mac, net->mac, sizeof(config.mac));
	config.status = is_connected ? VIRTIO_NET_S_LINK_UP : 0;
	memcpy(net->device.config, &config, sizeof(config));
	virtio_signal_config(&net->device);
	return 0;
}
