// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_STATS_FD: counters of a VM or vCPU as a small read-only file in the self-describing binary format of KVM's API.
 *
 * The file is a header, the object's name, one descriptor a counter, and the values. All but the values is constant; the
 * lists of <keel/stats.h> are the only source of names. A reader may see a counter half-way through an update of
 * several; each single value is read whole.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/uaccess.h>
#include <uapi/linux/kvm.h>
#include <keel/vcpu.h>
#include <keel/vm.h>
#include "chardev.h"

#define STATS_NAME_SIZE	48

/* struct kvm_stats_desc with room for its name */
struct stats_desc {
	u32 flags;
	s16 exponent;
	u16 size;
	u32 offset;
	u32 bucket_size;
	char name[STATS_NAME_SIZE];
};

static_assert(offsetof(struct stats_desc, name) == offsetof(struct kvm_stats_desc, name));

#define STATS_UNIT	(KVM_STATS_UNIT_NONE | KVM_STATS_BASE_POW10)
#define VCPU_DESC(stat)	{ KVM_STATS_TYPE_CUMULATIVE | STATS_UNIT, 0, 1, offsetof(struct vcpu_stats, stat), 0, #stat },
#define VM_EVENT(stat)	{ KVM_STATS_TYPE_CUMULATIVE | STATS_UNIT, 0, 1, offsetof(struct vm_stats, stat), 0, #stat },
#define VM_LEVEL(stat)	{ KVM_STATS_TYPE_INSTANT | STATS_UNIT, 0, 1, offsetof(struct vm_stats, stat), 0, #stat },

static const struct stats_desc vcpu_descs[] = { VCPU_STATS(VCPU_DESC) };
static const struct stats_desc vm_descs[] = { VM_STATS(VM_EVENT, VM_LEVEL) };

static_assert(sizeof(struct vcpu_stats) == ARRAY_SIZE(vcpu_descs) * sizeof(u64));
static_assert(sizeof(struct vm_stats) == ARRAY_SIZE(vm_descs) * sizeof(u64));

#define ID_OFFSET	sizeof(struct kvm_stats_header)
#define DESC_OFFSET	(ID_OFFSET + STATS_NAME_SIZE)

/* Part [@begin, @begin + @len) of the file, at @part: copy what the reader wants of it. Bytes copied, or -EFAULT. */
static ssize_t copy_part(char __user *to, size_t want, loff_t pos, loff_t begin, const void *part, size_t len)
{
	size_t skip, n;

	if (pos < begin || pos >= begin + (loff_t)len)
		return 0;
	skip = pos - begin;
	n = min(want, len - skip);
	return copy_to_user(to, part + skip, n) ? -EFAULT : n;
}

struct stats_source {
	const char *id;
	const struct stats_desc *descs;
	unsigned int count;
	const void *values;
};

static ssize_t stats_read(const struct stats_source *src, char __user *buf, size_t size, loff_t *ppos)
{
	const size_t desc_len = src->count * sizeof(*src->descs);
	const struct kvm_stats_header header = {
		.name_size = STATS_NAME_SIZE,
		.num_desc = src->count,
		.id_offset = ID_OFFSET,
		.desc_offset = DESC_OFFSET,
		.data_offset = DESC_OFFSET + desc_len,
	};
	const struct {
		loff_t begin;
		const void *data;
		size_t len;
	} parts[] = {
		{ 0, &header, sizeof(header) },
		{ ID_OFFSET, src->id, STATS_NAME_SIZE },
		{ DESC_OFFSET, src->descs, desc_len },
		{ header.data_offset, src->values, src->count * sizeof(u64) },
	};
	size_t done = 0;
	unsigned int i;
	ssize_t n;

	if (*ppos < 0)
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(parts) && done < size; i++) {
		n = copy_part(buf + done, size - done, *ppos + done, parts[i].begin, parts[i].data, parts[i].len);
		if (n < 0)
			return n;
		done += n;
	}
	*ppos += done;
	return done;
}

static ssize_t vm_stats_read(struct file *file, char __user *buf, size_t size, loff_t *pos)
{
	struct vm *vm = file->private_data;
	char id[STATS_NAME_SIZE] = { };
	const struct stats_source src = { id, vm_descs, ARRAY_SIZE(vm_descs), &vm->stats };

	snprintf(id, sizeof(id), VM_NAME, vm_name_args(vm));
	return stats_read(&src, buf, size, pos);
}

static ssize_t vcpu_stats_read(struct file *file, char __user *buf, size_t size, loff_t *pos)
{
	struct vcpu *vcpu = file->private_data;
	char id[STATS_NAME_SIZE] = { };
	/* a copy: the vCPU's cache allows no other part of it to go to user space directly */
	const struct vcpu_stats values = vcpu->stats;
	const struct stats_source src = { id, vcpu_descs, ARRAY_SIZE(vcpu_descs), &values };

	snprintf(id, sizeof(id), VM_NAME "/vcpu-%u", vm_name_args(vcpu->vm), vcpu->id);
	return stats_read(&src, buf, size, pos);
}

static int vm_stats_release(struct inode *inode, struct file *file)
{
	keel_vm_put(file->private_data);
	return 0;
}

static int vcpu_stats_release(struct inode *inode, struct file *file)
{
	struct vcpu *vcpu = file->private_data;

	keel_vm_put(vcpu->vm);
	return 0;
}

static const struct file_operations vm_stats_fops = {
	.owner		= THIS_MODULE,
	.read		= vm_stats_read,
	.release	= vm_stats_release,
	.llseek		= noop_llseek,
};

static const struct file_operations vcpu_stats_fops = {
	.owner		= THIS_MODULE,
	.read		= vcpu_stats_read,
	.release	= vcpu_stats_release,
	.llseek		= noop_llseek,
};

static int stats_file_create(const char *name, const struct file_operations *fops, void *object, struct vm *vm)
{
	struct file *file;
	int fd = get_unused_fd_flags(O_CLOEXEC);

	if (fd < 0)
		return fd;
	file = anon_inode_getfile(name, fops, object, O_RDONLY);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	file->f_mode |= FMODE_PREAD;
	keel_vm_get(vm);
	fd_install(fd, file);
	return fd;
}

int vm_stats_file_create(struct vm *vm)
{
	return stats_file_create("keel-vm-stats", &vm_stats_fops, vm, vm);
}

int vcpu_stats_file_create(struct vcpu *vcpu)
{
	return stats_file_create("keel-vcpu-stats", &vcpu_stats_fops, vcpu, vcpu->vm);
}
