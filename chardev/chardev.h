/* SPDX-License-Identifier: GPL-2.0-only */
/* Between the files of chardev/. */
#ifndef KEEL_CHARDEV_H
#define KEEL_CHARDEV_H

#include <linux/fs.h>
#include <linux/signal_types.h>
#include <linux/types.h>

struct vm;
struct vcpu;
struct kvm_device_attr;

extern const struct file_operations keel_dev_fops;		/* files.c */

/* files.c: file descriptors; each holds one reference to the VM. */
int vm_file_create(unsigned long type);				/* KVM_CREATE_VM */
int vm_file_fork(struct vm *parent);				/* KEEL_FORK_VM */
int vcpu_file_create(struct vm *vm, u32 id);			/* KVM_CREATE_VCPU; vm->lock held */
int device_file_create(struct vm *vm);				/* KVM_CREATE_DEVICE; vm->lock held */

/* stats.c: KVM_GET_STATS_FD */
int vm_stats_file_create(struct vm *vm);
int vcpu_stats_file_create(struct vcpu *vcpu);

/* caps.c: KVM_CHECK_EXTENSION; 0 for what is unknown or does not work. */
int cap_value(unsigned long cap);
bool cap_can_manual_protect(u64 flags);

/* device_ioctl.c */
struct kvm_create_device;
int vm_device_create(struct vm *vm, struct kvm_create_device *dev);

enum attr_op { ATTR_HAS, ATTR_GET, ATTR_SET };
int system_attr(const struct kvm_device_attr *attr, enum attr_op op);
int vcpu_attr(struct vcpu *vcpu, const struct kvm_device_attr *attr, enum attr_op op);

/* vcpu_ioctl.c: KVM_SET_SIGNAL_MASK, with the mask already in kernel form; vcpu->mutex held. */
void vcpu_set_sigset(struct vcpu *vcpu, sigset_t *set);

/* Machine check: what KVM_X86_GET_MCE_CAP_SUPPORTED says. */
#define MAX_MCE_BANKS		32
#define MCE_CAP_SUPPORTED	(MCG_CTL_P | MCG_SER_P)

/* dev_ioctl.c: variable-length transfers shared by the node and the vCPUs */
#define MAX_CPUID_ENTRIES	256
#define MAX_IO_MSRS		256

/* One MSR: 0, or 1 when it cannot be read or written. */
typedef int (*msr_access_fn)(struct vcpu *vcpu, u32 msr, u64 *val);
enum msr_direction { MSRS_READ, MSRS_WRITE };
/* KVM_GET_MSRS, KVM_SET_MSRS: number of MSRs done before the first that failed, or -errno. */
long msrs_transfer(struct vcpu *vcpu, unsigned long user, msr_access_fn access, enum msr_direction dir);

#endif
