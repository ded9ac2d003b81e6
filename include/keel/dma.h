/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which device can reach which memory (iommu/).
 */
#ifndef KEEL_DMA_H
#define KEEL_DMA_H

#include <linux/types.h>

struct keel_dma_device;
struct vm;

/**
 * keel_dma_init() - look for what keeps devices from memory, and begin to watch for changes
 *
 * Context: module init. Return: 0; -EINVAL: the module parameter dma is none of off, report and enforce.
 */
int keel_dma_init(void);
/**
 * keel_dma_exit() - watch no more
 *
 * Context: module exit.
 */
void keel_dma_exit(void);

/**
 * keel_dma_exclusion_nodes() - northbridges with a Device Exclusion Vector
 *
 * Context: any, after keel_dma_init(). Return: how many.
 */
unsigned int keel_dma_exclusion_nodes(void);

/**
 * keel_dma_list() - which memory each PCI device reaches now
 * @devices: where to put them
 * @room: how many fit
 *
 * Context: may sleep. Return: how many there are, which can be more than @room.
 */
u32 keel_dma_list(struct keel_dma_device *devices, u32 room);

/**
 * keel_dma_may_create() - does the module's policy allow a VM now?
 *
 * Context: may sleep. Return: 0; -EPERM after a line in the log.
 */
int keel_dma_may_create(void);

/**
 * keel_dma_vm_policy() - KVM_ENABLE_CAP(KEEL_CAP_DMA_POLICY): what this VM wants
 * @vm: the VM; vm->lock held
 * @policy: KEEL_DMA_POLICY_*
 *
 * Context: may sleep. Return: 0; -EINVAL; -EPERM: enforced, and a device is not confined (explained).
 */
int keel_dma_vm_policy(struct vm *vm, u64 policy);

#endif
