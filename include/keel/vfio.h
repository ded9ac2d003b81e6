/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Devices that VFIO gives to a VM (iommu/vfio.c, host/vfio.c): KVM's device KVM_DEV_TYPE_VFIO.
 */
#ifndef KEEL_VFIO_H
#define KEEL_VFIO_H

#include <linux/types.h>

struct file;
struct vcpu;
struct vm;

/**
 * keel_vfio_create() - KVM_CREATE_DEVICE(KVM_DEV_TYPE_VFIO)
 * @vm: the machine; vm->lock held
 *
 * Context: may sleep. Return: 0; -EBUSY: the VM has one; -ENOMEM.
 */
int keel_vfio_create(struct vm *vm);
/**
 * keel_vfio_release() - the device's last file descriptor is closed: forget all files it was given
 * @vm: the machine
 *
 * Context: may sleep; takes vm_vfio.lock.
 */
void keel_vfio_release(struct vm *vm);
/**
 * keel_vfio_destroy() - the VM goes
 * @vm: the machine; its device is released, or there never was one
 *
 * Context: any.
 */
void keel_vfio_destroy(struct vm *vm);
/**
 * keel_vfio_set_file() - KVM_SET_DEVICE_ATTR(KVM_DEV_VFIO_GROUP)
 * @vm: the machine, which has the device
 * @attr: KVM_DEV_VFIO_GROUP_ADD or KVM_DEV_VFIO_GROUP_DEL
 * @fd: file descriptor of a VFIO group or device
 *
 * Newer headers call these KVM_DEV_VFIO_FILE. Context: may sleep; takes vm_vfio.lock. Return: 0; -ENXIO: another @attr; -EBADF: no file;
 * -EINVAL: no file of VFIO's, -EEXIST: given already, -ENOMEM (add); -ENOENT: never given (delete).
 */
int keel_vfio_set_file(struct vm *vm, u64 attr, int fd);

/**
 * keel_vfio_write_back() - the guest's WBINVD or INVD
 * @vcpu: on its own thread
 *
 * Writes back the caches of all CPUs on which the VM may have left something, where a device of the VM's does not snoop them; else nothing
 * has to be done. Context: interrupts on, may sleep.
 */
void keel_vfio_write_back(struct vcpu *vcpu);
/**
 * keel_vfio_note_cpu() - a vCPU leaves a CPU
 * @vm: the machine; vm->vfio is set
 * @cpu: the CPU
 *
 * Context: preemption off.
 */
void keel_vfio_note_cpu(struct vm *vm, int cpu);

/**
 * keel_host_vfio_knows() - is this a file of VFIO's?
 * @file: any file
 *
 * Context: may sleep. Return: is it a group or, where these have nodes of their own, a device?
 */
bool keel_host_vfio_knows(struct file *file);
/**
 * keel_host_vfio_is_coherent() - does the IOMMU make all that the devices of @file send coherent with the caches?
 * @file: keel_host_vfio_knows() it
 *
 * Context: may sleep. Return: false too where nobody can say.
 */
bool keel_host_vfio_is_coherent(struct file *file);

#endif
