// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM's device KVM_DEV_TYPE_VFIO: the launcher tells which VFIO groups, or devices, belong to the VM (Linux, "VFIO virtual device").
 *
 * What that changes: a device whose accesses the IOMMU does not make coherent reads memory past the CPUs' caches. While a VM has one,
 * the guest's own memory types count (keel_memory_guest_types()), and its WBINVD writes caches back. Everything else of an assigned device
 * is between launcher and VFIO.
 *
 * vm->vfio stays from the first device until the VM goes, so that vCPUs need no lock to look at it. Files come and go under a lock of their
 * own, as VFIO has locks that it holds while it pins all of a guest's memory.
 */
#include <linux/cpumask.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <asm/smp.h>
#include <uapi/linux/kvm.h>
#include <keel/memory.h>
#include <keel/vcpu.h>
#include <keel/vfio.h>
#include <keel/vm.h>

struct vfio_entry {
	struct list_head link;
	struct file *file;
};

/**
 * struct vm_vfio - the files a VM was given
 * @lock: guards @entries, @created and changes of @noncoherent
 * @entries: struct vfio_entry
 * @created: the device is there
 * @noncoherent: some device's accesses are not coherent; read without the lock
 * @left: CPUs that a vCPU left since their caches were written back
 * @writing: guards @now
 * @now: CPUs whose caches are written back now
 */
struct vm_vfio {
	struct mutex lock;
	struct list_head entries;
	bool created;
	bool noncoherent;
	struct cpumask left;
	struct mutex writing;
	struct cpumask now;
};

int keel_vfio_create(struct vm *vm)
{
	struct vm_vfio *vfio = vm->vfio;
	int ret = 0;

	if (!vfio) {
		vfio = kzalloc(sizeof(*vfio), GFP_KERNEL_ACCOUNT);
		if (!vfio)
			return -ENOMEM;
		mutex_init(&vfio->lock);
		mutex_init(&vfio->writing);
		INIT_LIST_HEAD(&vfio->entries);
		smp_store_release(&vm->vfio, vfio);
	}
	mutex_lock(&vfio->lock);
	if (vfio->created)
		ret = -EBUSY;
	else
		vfio->created = true;
	mutex_unlock(&vfio->lock);
	return ret;
}

static void write_back(void *unused)
{
	wbinvd();
}

/* What vCPUs wrote before they were watched may be in any cache. */
static void update(struct vm *vm)
{
	struct vm_vfio *vfio = vm->vfio;
	struct vfio_entry *entry;
	bool noncoherent = false;

	list_for_each_entry(entry, &vfio->entries, link)
		noncoherent |= !keel_host_vfio_is_coherent(entry->file);
	if (noncoherent == vfio->noncoherent)
		return;
	WRITE_ONCE(vfio->noncoherent, noncoherent);
	keel_memory_guest_types(vm, noncoherent);
	if (noncoherent)
		wbinvd_on_all_cpus();
}

static struct vfio_entry *find(struct vm_vfio *vfio, const struct file *file)
{
	struct vfio_entry *entry;

	list_for_each_entry(entry, &vfio->entries, link)
		if (entry->file == file)
			return entry;
	return NULL;
}

static void drop(struct vfio_entry *entry)
{
	list_del(&entry->link);
	fput(entry->file);
	kfree(entry);
}

void keel_vfio_release(struct vm *vm)
{
	struct vm_vfio *vfio = vm->vfio;
	struct vfio_entry *entry, *next;

	mutex_lock(&vfio->lock);
	list_for_each_entry_safe(entry, next, &vfio->entries, link)
		drop(entry);
	update(vm);
	vfio->created = false;
	mutex_unlock(&vfio->lock);
}

void keel_vfio_destroy(struct vm *vm)
{
	kfree(vm->vfio);
}

/* The reference to @file is ours, or given back. */
static int add(struct vm *vm, struct file *file)
{
	struct vfio_entry *entry;
	int ret = -EINVAL;

	if (!keel_host_vfio_knows(file))
		goto put;
	ret = -EEXIST;
	if (find(vm->vfio, file))
		goto put;
	ret = -ENOMEM;
	entry = kmalloc(sizeof(*entry), GFP_KERNEL_ACCOUNT);
	if (!entry)
		goto put;
	entry->file = file;
	list_add_tail(&entry->link, &vm->vfio->entries);
	update(vm);
	return 0;
put:
	fput(file);
	return ret;
}

static int del(struct vm *vm, struct file *file)
{
	struct vfio_entry *entry = find(vm->vfio, file);

	fput(file);
	if (!entry)
		return -ENOENT;
	drop(entry);
	update(vm);
	return 0;
}

int keel_vfio_set_file(struct vm *vm, u64 attr, int fd)
{
	struct file *file;
	int ret;

	if (attr != KVM_DEV_VFIO_GROUP_ADD && attr != KVM_DEV_VFIO_GROUP_DEL)
		return -ENXIO;
	file = fget(fd);
	if (!file)
		return -EBADF;
	mutex_lock(&vm->vfio->lock);
	ret = attr == KVM_DEV_VFIO_GROUP_ADD ? add(vm, file) : del(vm, file);
	mutex_unlock(&vm->vfio->lock);
	return ret;
}

void keel_vfio_note_cpu(struct vm *vm, int cpu)
{
	if (READ_ONCE(vm->vfio->noncoherent))
		cpumask_set_cpu(cpu, &vm->vfio->left);
}

void keel_vfio_write_back(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	struct vm_vfio *vfio = smp_load_acquire(&vm->vfio);
	struct vcpu *other;
	unsigned int i;
	int cpu;

	if (!vfio || !READ_ONCE(vfio->noncoherent))
		return;
	mutex_lock(&vfio->writing);
	cpumask_clear(&vfio->now);
	vm_for_each_vcpu(vm, i, other) {
		cpu = READ_ONCE(other->cpu);
		if (cpu >= 0)
			cpumask_set_cpu(cpu, &vfio->now);
	}
	/* who has left its CPU by then is in @left since before vcpu->cpu said so: nobody is missed by both looks */
	smp_rmb();
	for_each_cpu(cpu, &vfio->left)
		if (cpumask_test_and_clear_cpu(cpu, &vfio->left))
			cpumask_set_cpu(cpu, &vfio->now);
	on_each_cpu_mask(&vfio->now, write_back, NULL, true);
	mutex_unlock(&vfio->writing);
}
