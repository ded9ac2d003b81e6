// SPDX-License-Identifier: GPL-2.0-only
/*
 * Binary statistics of a VM and of a vCPU: header and descriptors are
 * consistent, names unique and ended, data readable at every offset and not
 * beyond, nothing writable, counters count, and the file outlives its VM's
 * descriptor.
 */
#include <unistd.h>

#include "guest.h"

struct stats {
	int fd;
	struct kvm_stats_header head;
	u8 *desc;
	u64 data_size;
};

static struct kvm_stats_desc *descriptor(const struct stats *s, u32 i)
{
	return (void *)(s->desc + i * (sizeof(struct kvm_stats_desc) + s->head.name_size));
}

static void open_stats(struct stats *s, int fd)
{
	size_t size;
	u32 i;

	ASSERT_GE(fd, 0);
	s->fd = fd;
	ASSERT_EQ(pread(fd, &s->head, sizeof(s->head), 0), sizeof(s->head));
	size = (sizeof(struct kvm_stats_desc) + s->head.name_size) * s->head.num_desc;
	ASSERT(s->head.num_desc && s->head.num_desc < 1000 && s->head.name_size >= 16, "%u of %u",
	       s->head.num_desc, s->head.name_size);
	s->desc = calloc(1, size);
	ASSERT_EQ(pread(fd, s->desc, size, s->head.desc_offset), size);
	s->data_size = 0;
	for (i = 0; i < s->head.num_desc; i++) {
		struct kvm_stats_desc *d = descriptor(s, i);

		if (d->offset + 8ULL * d->size > s->data_size)
			s->data_size = d->offset + 8ULL * d->size;
	}
}

static void check_shape(const char *what, int fd)
{
	struct stats s;
	char id[256];
	u64 v[2];
	u32 i, j;

	test_note("%s", what);
	open_stats(&s, fd);
	ASSERT(s.head.id_offset >= sizeof(s.head) && s.head.desc_offset > s.head.id_offset &&
	       s.head.data_offset > s.head.desc_offset, "offsets %u %u %u", s.head.id_offset,
	       s.head.desc_offset, s.head.data_offset);
	ASSERT_EQ(pread(fd, id, s.head.name_size, s.head.id_offset), s.head.name_size);
	ASSERT(memchr(id, 0, s.head.name_size), "the id has no end");
	test_note("%u statistics of %s", s.head.num_desc, id);
	for (i = 0; i < s.head.num_desc; i++) {
		struct kvm_stats_desc *d = descriptor(&s, i);

		ASSERT(memchr(d->name, 0, s.head.name_size) && d->name[0], "name %u", i);
		ASSERT((d->flags & KVM_STATS_TYPE_MASK) <= KVM_STATS_TYPE_MAX, "type of %s", d->name);
		ASSERT((d->flags & KVM_STATS_UNIT_MASK) <= KVM_STATS_UNIT_MAX, "unit of %s", d->name);
		ASSERT(d->size, "size of %s", d->name);
		ASSERT_EQ(pread(fd, v, 8, s.head.data_offset + d->offset), 8);
		for (j = 0; j < i; j++)
			ASSERT(strcmp(d->name, descriptor(&s, j)->name), "%s twice", d->name);
	}
	CHECK_EQ("nothing beyond the data", 0, pread(fd, v, 8, s.head.data_offset + s.data_size));
	CHECK_EQ("half a value at the end", 4, pread(fd, v, 8, s.head.data_offset + s.data_size - 4));
	CHECK_EQ("no write", (u64)-1, write(fd, v, 8));
	CHECK_RET("no ioctl", -ENOTTY, __fd_ioctl(fd, KVM_GET_STATS_FD, NULL));
}

static void guest_exits(void)
{
	u32 i, r[4];

	for (i = 0; i < 50; i++)
		cpuid(0, 0, r);
}

static u64 value(const struct stats *s, const char *name)
{
	u64 v = 0;
	u32 i;

	for (i = 0; i < s->head.num_desc; i++)
		if (!strcmp(descriptor(s, i)->name, name)) {
			ASSERT_EQ(pread(s->fd, &v, 8, s->head.data_offset + descriptor(s, i)->offset), 8);
			return v;
		}
	FAIL("no statistic %s", name);
}

static void test_shape(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_exits);

	REQUIRE_CAP(KVM_CAP_BINARY_STATS_FD);
	check_shape("VM", vm_ioctl(vm, KVM_GET_STATS_FD, NULL));
	check_shape("vCPU", vcpu_ioctl(vcpu, KVM_GET_STATS_FD, NULL));
}

static void test_count(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_exits);
	struct stats s;
	u64 before;

	REQUIRE_CAP(KVM_CAP_BINARY_STATS_FD);
	open_stats(&s, vcpu_ioctl(vcpu, KVM_GET_STATS_FD, NULL));
	before = value(&s, "exits");
	vcpu_run_done(vcpu);
	ASSERT_GE(value(&s, "exits") - before, 51);
	test_note("%llu exits", (unsigned long long)value(&s, "exits"));
}

/* A file of statistics keeps its VM alive. */
static void test_life(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_exits);
	struct stats s, t;

	REQUIRE_CAP(KVM_CAP_BINARY_STATS_FD);
	open_stats(&s, vm_ioctl(vm, KVM_GET_STATS_FD, NULL));
	open_stats(&t, vcpu_ioctl(vcpu, KVM_GET_STATS_FD, NULL));
	vcpu_destroy(vcpu);
	vm_destroy(vm);
	value(&t, "exits");
	check_shape("VM, closed", s.fd);
	close(s.fd);
	close(t.fd);
}

static const struct test_case cases[] = {
	{ "shape", test_shape },
	{ "count", test_count },
	{ "life", test_life },
};

TEST_MAIN(cases)
