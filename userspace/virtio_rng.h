/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtio entropy device.
 */
#ifndef KEEL_VIRTIO_RNG_H
#define KEEL_VIRTIO_RNG_H

#include "virtio.h"

/**
 * virtio_rng_init() - describe the device; virtio_add() follows
 * @device: zeroed.
 */
void virtio_rng_init(struct virtio_device *device);

#endif
