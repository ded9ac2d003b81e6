// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where KEEL_FORK_VM ends: what it refuses and with which errno; and that its cost does not depend on how much memory a guest has.
 */
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uapi/linux/keel.h>

#include "fork.h"

/* ---- what is refused ---- */

static struct vm *refusing;

static void refused_child(struct vm *forked)
{
	struct keel_fork_vm bad = { .flags = 1 }, reserved = { .reserved = { [2] = 1 } };
	struct rlimit files;
	int i;

	CHECK_RET("flags", -EINVAL, __vm_ioctl(refusing, KEEL_FORK_VM, &bad));
	CHECK_RET("reserved", -EINVAL, __vm_ioctl(refusing, KEEL_FORK_VM, &reserved));
	CHECK_RET("no structure", -EFAULT, __vm_ioctl(refusing, KEEL_FORK_VM, NULL));
	CHECK_RET("a structure of another size", -EIO, __vm_ioctl(refusing, _IOW(KEELIO, 2, u64), &bad));
	CHECK_RET("any other command on the parent", -EIO, __vm_ioctl(refusing, KVM_CHECK_EXTENSION, (void *)KEEL_CAP_FORK_VM));
	CHECK_RET("a vCPU of the child's, once", 0, __vm_ioctl(forked, KVM_CREATE_VCPU, (void *)0) < 0);
	CHECK_RET("a vCPU of the child's, twice", -EEXIST, __vm_ioctl(forked, KVM_CREATE_VCPU, (void *)0));
	CHECK_RET("another vCPU", 0, __vm_ioctl(forked, KVM_CREATE_VCPU, (void *)1) < 0);
	CHECK_RET("the child, by itself", -EINVAL, __vm_fork(forked));
	ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = forked->fd;
	ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
	for (i = 0; i < 20; i++)
		CHECK_RET("no room for descriptors", -EMFILE, __vm_fork(refusing));
}

static void refused_assigned(struct vm *forked)
{
	CHECK_RET("assigned devices", -EBUSY, __vm_fork(refusing));
}

static void refused_many(struct vm *forked)
{
	CHECK_RET("nine vCPUs", -E2BIG, __vm_fork(refusing));
}

static void test_refusals(void)
{
	struct kvm_create_device vfio = { .type = KVM_DEV_TYPE_VFIO };
	struct keel_fork_vm how = { 0 };
	struct vm *vm = vm_create_forkable(VM_GUEST | VM_IRQCHIP), *bare = vm_create(VM_BARE);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	int i, fds[2];

	CHECK_RET("KEEL_CAP_FORK_VM", 8, has_cap(KEEL_CAP_FORK_VM));
	CHECK_RET("in the VM's own process", -EINVAL, __vm_fork(vm));
	CHECK_RET("on a vCPU", -EINVAL, __vcpu_ioctl(vcpu, KEEL_FORK_VM, &how));
	CHECK_RET("on the node", -EINVAL, __dev_ioctl(KEEL_FORK_VM, &how));
	ASSERT_EQ(pipe(fds), 0);
	CHECK_RET("on a pipe", -ENOTTY, __fd_ioctl(fds[0], KEEL_FORK_VM, &how));
	refusing = vm;
	fork_join("child", vm_fork_child(vm, refused_child, 0));
	vm_ioctl(vm, KVM_CREATE_DEVICE, &vfio);
	fork_join("child with assigned devices", vm_fork_child(bare, refused_assigned, 0));
	refusing = vm_create(VM_BARE);
	for (i = 0; i < 9; i++)
		vcpu_create(refusing, i);
	fork_join("child with many vCPUs", vm_fork_child(bare, refused_many, 0));
}

/* ---- the cost ---- */

#define FEW	8
#define MANY	80
#define BIG	(512ULL << 20)

static u64 *cost;

static void guest_twice(void)
{
	GUEST_SYNC(1);
	GUEST_SYNC(2);
}

/* From the call to the guest's next exit. */
static void measure(struct vm *forked)
{
	struct keel_fork_vm how = { 0 };
	u64 start = rdtsc();

	forked->fd = __vm_ioctl(refusing, KEEL_FORK_VM, &how);
	cost[0] = rdtsc() - start;
	vcpu_run_sync(vcpu_create(forked, 0), 2);
	cost[1] = rdtsc() - start;
}

struct forks {
	struct vm *vm;
	u64 lowest[2];
};

static struct forks make_forks(u64 more)
{
	struct forks f = { .vm = vm_create_forkable(VM_GUEST | VM_PIT), .lowest = { ~0ULL, ~0ULL } };
	struct vcpu *vcpu = vcpu_create_guest(f.vm, 0, guest_twice);

	vcpu_create_guest(f.vm, 1, guest_twice);
	if (more)
		vm_set_slot(f.vm, 1, 0, 1ULL << 32, more, host_pages(more));
	vcpu_run_sync(vcpu, 1);
	return f;
}

static void fork_once_more(struct forks *f)
{
	int i;

	refusing = f->vm;
	fork_join("child", vm_fork_child(f->vm, measure, 0));
	for (i = 0; i < 2; i++)
		f->lowest[i] = cost[i] < f->lowest[i] ? cost[i] : f->lowest[i];
}

/* The lowest of some, in turn; of many where the host's other work comes between. */
static void test_cost(void)
{
	struct forks small, big;
	unsigned int i;

	cost = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT(cost != MAP_FAILED, "mmap: %s", strerror(errno));
	small = make_forks(0);
	big = make_forks(BIG);
	for (i = 0; i < FEW || (i < MANY && big.lowest[1] >= 2 * small.lowest[1]); i++) {
		fork_once_more(&small);
		fork_once_more(&big);
	}
	test_note("2 vCPUs, cycles of the TSC, lowest of %u: KEEL_FORK_VM %llu, with the child's first exit %llu", i,
		  (unsigned long long)small.lowest[0], (unsigned long long)small.lowest[1]);
	test_note("512 MB more: %llu and %llu", (unsigned long long)big.lowest[0], (unsigned long long)big.lowest[1]);
	CHECK_EQ("33 times the memory costs not twice as much", 1, big.lowest[1] < 2 * small.lowest[1]);
}

static const struct test_case cases[] = {
	{ "refusals", test_refusals },
	{ "cost", test_cost },
};

TEST_MAIN(cases)
