/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The header in front of each frame: what a driver may ask for, and what it may be given.
 */
#ifndef KEEL_NET_HEADER_H
#define KEEL_NET_HEADER_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * net_header_check() - may a frame of @size bytes be sent with this header?
 * @header: a copy that the driver cannot change; what must be ignored is taken out.
 * @features: agreed on.
 *
 * Return: false if it asks for what was not agreed on, or points outside the frame.
 */
bool net_header_check(struct virtio_net_hdr_v1 *header, uint64_t features, uint32_t size);

/**
 * net_header_limit() - may a frame of @size bytes be given to the guest with this header?
 * @header: flags are taken out that it did not agree on.
 * @offloads: VIRTIO_NET_F_GUEST_* bits in force.
 * @mtu: of what it agreed on; 0: nothing.
 *
 * Return: false if there is something left to be done that the guest does not do, or the frame is too large.
 */
bool net_header_limit(struct virtio_net_hdr_v1 *header, uint64_t offloads, uint32_t mtu, uint32_t size);

#endif
