// SPDX-License-Identifier: GPL-2.0-only
/* Single statistics of a VM or vCPU by name. chardev/stats_test tests what the file looks like. */
#include <unistd.h>

#include "stats.h"

static u64 stat_of(int fd, const char *name)
{
	struct kvm_stats_header head;
	struct kvm_stats_desc *d;
	size_t size;
	u64 val;
	u32 i;

	ASSERT_EQ(pread(fd, &head, sizeof(head), 0), sizeof(head));
	size = sizeof(*d) + head.name_size;
	d = malloc(size);
	for (i = 0; i < head.num_desc; i++) {
		ASSERT_EQ(pread(fd, d, size, head.desc_offset + i * size), size);
		if (strcmp(d->name, name))
			continue;
		ASSERT_EQ(pread(fd, &val, 8, head.data_offset + d->offset), 8);
		free(d);
		close(fd);
		return val;
	}
	FAIL("no statistic %s", name);
}

u64 vm_stat(struct vm *vm, const char *name)
{
	return stat_of(vm_ioctl(vm, KVM_GET_STATS_FD, NULL), name);
}

u64 vcpu_stat(struct vcpu *vcpu, const char *name)
{
	return stat_of(vcpu_ioctl(vcpu, KVM_GET_STATS_FD, NULL), name);
}
