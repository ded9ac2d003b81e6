// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kinds of file: the node, a VM, a vCPU, a VM's device. Checks common to all commands are made here, KVM_RUN takes its short cut
 * here, and 32-bit user space is translated here.
 *
 * A VM, vCPU or device file holds one reference to the VM. Its ioctls belong to the process image that created the VM: guest memory
 * is looked up there.
 */
#include <linux/anon_inodes.h>
#include <linux/compat.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <uapi/linux/keel.h>
#include <uapi/linux/kvm.h>
#include <keel/bus.h>
#include <keel/dirty_ring.h>
#include <keel/dma.h>
#include <keel/exit.h>
#include <keel/irq.h>
#include <keel/memory.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include <keel/vcpu_life.h>
#include <keel/vfio.h>
#include <keel/vm.h>
#include <keel/vm_life.h>
#include "chardev.h"
#include "dispatch.h"

/* Pages of a vCPU mapping, as KVM_CAP_COALESCED_MMIO and the I/O exits announce them. */
#define RUN_PAGE	0
#define PIO_PAGE	KVM_PIO_PAGE_OFFSET
#define COALESCED_PAGE	2

/* A VM serves the process image that made it. */
static int check_owner(const struct vm *vm)
{
	return unlikely(vm->mm != current->mm) ? -EIO : 0;
}

/* ---- vCPU ---- */

static noinline long vcpu_other_ioctl(struct vcpu *vcpu, unsigned int cmd, unsigned long arg)
{
	long ret;

	if (check_owner(vcpu->vm))
		return -EIO;
	if (_IOC_TYPE(cmd) != KVMIO && _IOC_TYPE(cmd) != KEELIO)
		return -EINVAL;
	if (mutex_lock_killable(&vcpu->mutex))
		return -EINTR;
	ret = vcpu_make_complete(vcpu);
	if (!ret)
		ret = vcpu_dispatch(vcpu, cmd, arg);
	mutex_unlock(&vcpu->mutex);
	return ret;
}

/* The vCPU was held: from the start again, as if the launcher had come back for a signal. */
static noinline long run_again(struct vcpu *vcpu)
{
	long ret;

	do {
		if (keel_vm_wait_released(vcpu->vm) || mutex_lock_killable(&vcpu->mutex))
			return -EINTR;
		ret = keel_vcpu_run(vcpu);
		mutex_unlock(&vcpu->mutex);
	} while (ret == RUN_HELD);
	return ret;
}

/* KVM_RUN first and by itself. */
static long vcpu_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vcpu *vcpu = file->private_data;
	long ret;

	if (unlikely(cmd != KVM_RUN))
		return vcpu_other_ioctl(vcpu, cmd, arg);
	if (unlikely(vcpu->vm->mm != current->mm))
		return -EIO;
	if (unlikely(arg))
		return -EINVAL;
	if (unlikely(mutex_lock_killable(&vcpu->mutex)))
		return -EINTR;
	ret = keel_vcpu_run(vcpu);
	mutex_unlock(&vcpu->mutex);
	return likely(ret != RUN_HELD) ? ret : run_again(vcpu);
}

#ifdef CONFIG_COMPAT
static long vcpu_compat_signal_mask(struct vcpu *vcpu, unsigned long arg)
{
	struct kvm_signal_mask __user *user = compat_ptr(arg);
	struct kvm_signal_mask head;
	sigset_t set;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.len != sizeof(compat_sigset_t))
		return -EINVAL;
	if (get_compat_sigset(&set, (compat_sigset_t __user *)user->sigset))
		return -EFAULT;
	if (mutex_lock_killable(&vcpu->mutex))
		return -EINTR;
	vcpu_set_sigset(vcpu, &set);
	mutex_unlock(&vcpu->mutex);
	return 0;
}

static long vcpu_compat_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vcpu *vcpu = file->private_data;

	if (cmd == KVM_SET_SIGNAL_MASK && arg)
		return check_owner(vcpu->vm) ?: vcpu_compat_signal_mask(vcpu, arg);
	return vcpu_ioctl(file, cmd, (unsigned long)compat_ptr(arg));
}
#endif

static vm_fault_t vcpu_page_fault(struct vm_fault *vmf)
{
	struct vcpu *vcpu = vmf->vma->vm_file->private_data;
	struct page *page;
	void *data;

	switch (vmf->pgoff) {
	case RUN_PAGE:
	case PIO_PAGE:
		data = keel_vcpu_user_page(vcpu, vmf->pgoff == RUN_PAGE ? USER_PAGE_RUN : USER_PAGE_PIO);
		if (!data)
			return VM_FAULT_OOM;
		page = virt_to_page(data);
		break;
	case COALESCED_PAGE:
		page = keel_coalesced_page(vcpu->vm);
		break;
	default:
		page = vmf->pgoff < KVM_DIRTY_LOG_PAGE_OFFSET ? NULL :
		       keel_dirty_ring_page(vcpu, vmf->pgoff - KVM_DIRTY_LOG_PAGE_OFFSET);
	}
	if (!page)
		return VM_FAULT_SIGBUS;
	get_page(page);
	vmf->page = page;
	return 0;
}

static const struct vm_operations_struct vcpu_vm_ops = {
	.fault = vcpu_page_fault,
};

/* The dirty ring is shared, or it is of no use; and nobody executes what a guest's addresses are in. */
static bool maps_ring_wrongly(struct vcpu *vcpu, struct vm_area_struct *vma)
{
	unsigned long ring = KVM_DIRTY_LOG_PAGE_OFFSET;

	if (vma->vm_flags & VM_SHARED && !(vma->vm_flags & VM_EXEC))
		return false;
	return vma->vm_pgoff + vma_pages(vma) > ring && keel_dirty_ring_page(vcpu, max(vma->vm_pgoff, ring) - ring);
}

static int vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	if (maps_ring_wrongly(file->private_data, vma))
		return -EINVAL;
	vma->vm_ops = &vcpu_vm_ops;
	return 0;
}

static int vcpu_release(struct inode *inode, struct file *file)
{
	struct vcpu *vcpu = file->private_data;

	/* NULL when the vCPU could not be made: the reference is still the creator's */
	if (vcpu)
		keel_vm_put(vcpu->vm);
	return 0;
}

static const struct file_operations vcpu_fops = {
	.owner		= THIS_MODULE,
	.unlocked_ioctl	= vcpu_ioctl,
#ifdef CONFIG_COMPAT
	.compat_ioctl	= vcpu_compat_ioctl,
#endif
	.mmap		= vcpu_mmap,
	.release	= vcpu_release,
	.llseek		= noop_llseek,
};

/* The file comes first: once the vCPU is published nothing may fail any more. */
int vcpu_file_create(struct vm *vm, u32 id)
{
	struct vcpu *vcpu;
	struct file *file;
	char name[24];
	int fd = get_unused_fd_flags(O_CLOEXEC);

	if (fd < 0)
		return fd;
	snprintf(name, sizeof(name), "kvm-vcpu:%u", id);
	file = anon_inode_getfile(name, &vcpu_fops, NULL, O_RDWR);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	vcpu = keel_vcpu_claim(vm, id) ?: keel_vcpu_create(vm, id);
	if (IS_ERR(vcpu)) {
		fput(file);
		put_unused_fd(fd);
		return PTR_ERR(vcpu);
	}
	keel_vm_get(vm);
	file->private_data = vcpu;
	fd_install(fd, file);
	return fd;
}

/* ---- device ---- */

static long device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vm *vm = file->private_data;

	return check_owner(vm) ?: device_dispatch(vm, cmd, arg);
}

static int device_release(struct inode *inode, struct file *file)
{
	struct vm *vm = file->private_data;

	keel_vfio_release(vm);
	keel_vm_put(vm);
	return 0;
}

static const struct file_operations device_fops = {
	.owner		= THIS_MODULE,
	.unlocked_ioctl	= device_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.release	= device_release,
	.llseek		= noop_llseek,
};

int device_file_create(struct vm *vm)
{
	int fd;

	keel_vm_get(vm);
	fd = anon_inode_getfd("kvm-vfio", &device_fops, vm, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		keel_vm_put(vm);
	return fd;
}

/* ---- VM ---- */

static long vm_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vm *vm = file->private_data;

	/* a fork is for somebody else, and touches nothing of the owner's */
	if (unlikely(check_owner(vm)) && cmd != KEEL_FORK_VM)
		return -EIO;
	return vm_dispatch(vm, cmd, arg);
}

#ifdef CONFIG_COMPAT
/* The structures whose pointers are 32 bits wide there. */
struct compat_dirty_log {
	__u32 slot;
	__u32 num_pages;	/* KVM_GET_DIRTY_LOG: padding */
	union {
		__u64 first_page;
		struct {
			compat_uptr_t bitmap;
			__u32 rest;
		} get;
	};
	compat_uptr_t clear_bitmap;
	__u32 clear_rest;
};

struct compat_msr_filter_range {
	__u32 flags;
	__u32 nmsrs;
	__u32 base;
	__u32 bitmap;
};

struct compat_msr_filter {
	__u32 flags;
	struct compat_msr_filter_range ranges[KVM_MSR_FILTER_MAX_RANGES];
};

#define KVM_X86_SET_MSR_FILTER_COMPAT	_IOW(KVMIO, 0xc6, struct compat_msr_filter)

static long compat_get_dirty_log(struct vm *vm, void __user *user)
{
	struct compat_dirty_log in;
	struct kvm_dirty_log log = { };

	if (copy_from_user(&in, user, offsetof(struct compat_dirty_log, clear_bitmap)))
		return -EFAULT;
	log.slot = in.slot;
	log.dirty_bitmap = compat_ptr(in.get.bitmap);
	return keel_memory_get_dirty_log(vm, &log);
}

static long compat_clear_dirty_log(struct vm *vm, void __user *user)
{
	struct compat_dirty_log in;
	struct kvm_clear_dirty_log log = { };

	if (copy_from_user(&in, user, sizeof(in)))
		return -EFAULT;
	log.slot = in.slot;
	log.num_pages = in.num_pages;
	log.first_page = in.first_page;
	log.dirty_bitmap = compat_ptr(in.clear_bitmap);
	return keel_memory_clear_dirty_log(vm, &log);
}

static long compat_set_msr_filter(struct vm *vm, void __user *user)
{
	struct compat_msr_filter in;
	struct kvm_msr_filter filter = { };
	unsigned int i;

	if (copy_from_user(&in, user, sizeof(in)))
		return -EFAULT;
	filter.flags = in.flags;
	for (i = 0; i < ARRAY_SIZE(in.ranges); i++) {
		filter.ranges[i].flags = in.ranges[i].flags;
		filter.ranges[i].nmsrs = in.ranges[i].nmsrs;
		filter.ranges[i].base = in.ranges[i].base;
		filter.ranges[i].bitmap = (__u8 *)(unsigned long)in.ranges[i].bitmap;
	}
	return keel_msr_filter_set(vm, &filter);
}

static long vm_compat_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vm *vm = file->private_data;

	if (check_owner(vm) && cmd != KEEL_FORK_VM)
		return -EIO;
	switch (cmd) {
	case KVM_GET_DIRTY_LOG:
		return compat_get_dirty_log(vm, compat_ptr(arg));
	case KVM_CLEAR_DIRTY_LOG:
		return compat_clear_dirty_log(vm, compat_ptr(arg));
	case KVM_X86_SET_MSR_FILTER_COMPAT:
		return compat_set_msr_filter(vm, compat_ptr(arg));
	}
	return vm_dispatch(vm, cmd, (unsigned long)compat_ptr(arg));
}
#endif

static int vm_release(struct inode *inode, struct file *file)
{
	struct vm *vm = file->private_data;

	keel_irqfd_shutdown(vm);
	keel_vm_put(vm);
	return 0;
}

static const struct file_operations vm_fops = {
	.owner		= THIS_MODULE,
	.unlocked_ioctl	= vm_ioctl,
#ifdef CONFIG_COMPAT
	.compat_ioctl	= vm_compat_ioctl,
#endif
	.release	= vm_release,
	.llseek		= noop_llseek,
};

/* A descriptor for a new VM, whose reference is the file's from now on. */
static int vm_file(struct vm *vm)
{
	int fd;

	if (IS_ERR(vm))
		return PTR_ERR(vm);
	fd = anon_inode_getfd("kvm-vm", &vm_fops, vm, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		keel_vm_put(vm);
	return fd;
}

int vm_file_create(unsigned long type)
{
	int ret = type ? -EINVAL : keel_dma_may_create();

	return ret ?: vm_file(keel_vm_create());
}

int vm_file_fork(struct vm *parent)
{
	return keel_dma_may_create() ?: vm_file(keel_vm_fork(parent));
}

/* ---- the node ---- */

static long dev_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return dev_dispatch(cmd, arg);
}

const struct file_operations keel_dev_fops = {
	.owner		= THIS_MODULE,
	.unlocked_ioctl	= dev_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.llseek		= noop_llseek,
};
