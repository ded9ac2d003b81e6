// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM's device KVM_DEV_TYPE_VFIO where nothing is assigned: how it is made, and every refusal. KEEL_VFIO_GROUP names a group's node
 * whose device VFIO has (lab/tests/vfio.sh): then a file of VFIO's is given and taken too, with a guest that writes back its caches.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <linux/vfio.h>

#include "guest.h"

static int __create(struct vm *vm, u32 type, u32 flags, int *fd)
{
	struct kvm_create_device dev = { .type = type, .flags = flags, .fd = 77 };
	int ret = __vm_ioctl(vm, KVM_CREATE_DEVICE, &dev);

	*fd = dev.fd;
	return ret;
}

static int create(struct vm *vm)
{
	int fd;

	ASSERT_EQ(__create(vm, KVM_DEV_TYPE_VFIO, 0, &fd), 0);
	return fd;
}

static int do_attr(int device, unsigned long cmd, u32 group, u64 attr, u64 addr)
{
	struct kvm_device_attr arg = { .group = group, .attr = attr, .addr = addr };

	return ioctl(device, cmd, &arg) < 0 ? -errno : 0;
}

static int set_file(int device, u64 attr, int fd)
{
	return do_attr(device, KVM_SET_DEVICE_ATTR, KVM_DEV_VFIO_GROUP, attr, (u64)(unsigned long)&fd);
}

static void test_create(void)
{
	struct vm *vm = vm_create(VM_BARE);
	int fd, second;

	/* stock KVM has what it stands for, and says 0 */
	if (!dev_is_kvm())
		CHECK_EQ("KVM_CAP_DEVICE_CTRL", 1, has_cap(KVM_CAP_DEVICE_CTRL));
	CHECK_RET("type 0", -ENODEV, __create(vm, 0, 0, &fd));
	CHECK_RET("a type of another architecture's", -ENODEV, __create(vm, KVM_DEV_TYPE_FLIC, 0, &fd));
	CHECK_RET("type ~0", -ENODEV, __create(vm, ~0u, 0, &fd));
	CHECK_RET("is there such a device?", 0, __create(vm, KVM_DEV_TYPE_VFIO, KVM_CREATE_DEVICE_TEST, &fd));
	CHECK_EQ("which makes none", 77, fd);
	CHECK_RET("another type, asked for", -ENODEV, __create(vm, 0, KVM_CREATE_DEVICE_TEST, &fd));
	CHECK_RET("made", 0, __create(vm, KVM_DEV_TYPE_VFIO, 0, &fd));
	CHECK_EQ("closed on exec", FD_CLOEXEC, fcntl(fd, F_GETFD));
	CHECK_RET("a second one", -EBUSY, __create(vm, KVM_DEV_TYPE_VFIO, 0, &second));
	CHECK_RET("asking still works", 0, __create(vm, KVM_DEV_TYPE_VFIO, KVM_CREATE_DEVICE_TEST, &second));
	close(fd);
	/* kernels differ */
	if (!dev_is_kvm())
		CHECK_RET("again, once it is closed", 0, __create(vm, KVM_DEV_TYPE_VFIO, 0, &fd));
}

static void test_refusals(void)
{
	struct vm *vm = vm_create(VM_BARE);
	int device = create(vm), null = open("/dev/null", O_RDWR), status;
	pid_t pid;

	CHECK_RET("has FILE_ADD", 0, do_attr(device, KVM_HAS_DEVICE_ATTR, KVM_DEV_VFIO_GROUP, KVM_DEV_VFIO_GROUP_ADD, 0));
	CHECK_RET("has FILE_DEL", 0, do_attr(device, KVM_HAS_DEVICE_ATTR, KVM_DEV_VFIO_GROUP, KVM_DEV_VFIO_GROUP_DEL, 0));
	CHECK_RET("has attribute 0", -ENXIO, do_attr(device, KVM_HAS_DEVICE_ATTR, KVM_DEV_VFIO_GROUP, 0, 0));
	CHECK_RET("has attribute 3, POWER's", -ENXIO, do_attr(device, KVM_HAS_DEVICE_ATTR, KVM_DEV_VFIO_GROUP, 3, 0));
	CHECK_RET("has one above 32 bits", -ENXIO, do_attr(device, KVM_HAS_DEVICE_ATTR, KVM_DEV_VFIO_GROUP, 1ull << 32 | 1, 0));
	CHECK_RET("has group 0", -ENXIO, do_attr(device, KVM_HAS_DEVICE_ATTR, 0, KVM_DEV_VFIO_GROUP_ADD, 0));
	CHECK_RET("set group 0", -ENXIO, do_attr(device, KVM_SET_DEVICE_ATTR, 0, KVM_DEV_VFIO_GROUP_ADD, 0));
	CHECK_RET("set attribute 0", -ENXIO, set_file(device, 0, null));
	CHECK_RET("set attribute 3", -ENXIO, set_file(device, 3, null));
	CHECK_RET("get", -EPERM, do_attr(device, KVM_GET_DEVICE_ATTR, KVM_DEV_VFIO_GROUP, KVM_DEV_VFIO_GROUP_ADD, 0));
	CHECK_RET("no memory", -EFAULT, do_attr(device, KVM_SET_DEVICE_ATTR, KVM_DEV_VFIO_GROUP, KVM_DEV_VFIO_GROUP_ADD, 8));
	CHECK_RET("no address", -EFAULT,
		  do_attr(device, KVM_SET_DEVICE_ATTR, KVM_DEV_VFIO_GROUP, KVM_DEV_VFIO_GROUP_ADD, 1ull << 63));
	CHECK_RET("add descriptor -1", -EBADF, set_file(device, KVM_DEV_VFIO_GROUP_ADD, -1));
	CHECK_RET("delete descriptor -1", -EBADF, set_file(device, KVM_DEV_VFIO_GROUP_DEL, -1));
	CHECK_RET("add /dev/null", -EINVAL, set_file(device, KVM_DEV_VFIO_GROUP_ADD, null));
	CHECK_RET("add the VM", -EINVAL, set_file(device, KVM_DEV_VFIO_GROUP_ADD, vm->fd));
	CHECK_RET("add the device itself", -EINVAL, set_file(device, KVM_DEV_VFIO_GROUP_ADD, device));
	CHECK_RET("delete what was never given", -ENOENT, set_file(device, KVM_DEV_VFIO_GROUP_DEL, null));
	CHECK_RET("no argument", -EFAULT, ioctl(device, KVM_SET_DEVICE_ATTR, NULL) < 0 ? -errno : 0);
	CHECK_RET("another command", -ENOTTY, ioctl(device, KVM_GET_API_VERSION, 0) < 0 ? -errno : 0);
	CHECK_RET("another type of command", -ENOTTY, ioctl(device, 0x5401, &status) < 0 ? -errno : 0);
	CHECK_EQ("mmap", (u64)MAP_FAILED, (u64)mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, device, 0));
	pid = fork();
	if (!pid) {
		CHECK_RET("another process", -EIO, set_file(device, KVM_DEV_VFIO_GROUP_ADD, null));
		_exit(test_has_failed());
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ("in another process", 0, status);
	close(null);
}

/* The device's file keeps the VM. */
static void test_last(void)
{
	struct vm *vm = vm_create(VM_BARE);
	int device = create(vm), null = open("/dev/null", O_RDWR);

	close(vm->fd);
	CHECK_RET("the VM's file is closed", -EINVAL, set_file(device, KVM_DEV_VFIO_GROUP_ADD, null));
	close(device);
	close(null);
}

static void guest_write_back(void)
{
	u64 i;

	for (i = 0; i < 50; i++) {
		mmio_write64(VM_SCRATCH, i);
		asm volatile("wbinvd" ::: "memory");
		asm volatile("invd" ::: "memory");
		GUEST_EQ(mmio_read64(VM_SCRATCH), i);
		if (i % 10 == 9)
			GUEST_SYNC(i / 10);
	}
}

/* A group as VFIO wants it: in a container that has an IOMMU. */
static int open_group(int *container)
{
	const char *path = getenv("KEEL_VFIO_GROUP");
	struct vfio_group_status status = { .argsz = sizeof(status) };
	int group;

	REQUIRE(path, "no group: KEEL_VFIO_GROUP");
	group = open(path, O_RDWR);
	*container = open("/dev/vfio/vfio", O_RDWR);
	ASSERT(group >= 0 && *container >= 0, "no %s", path);
	ASSERT_EQ(ioctl(group, VFIO_GROUP_GET_STATUS, &status), 0);
	ASSERT(status.flags & VFIO_GROUP_FLAGS_VIABLE, "the group is not viable");
	ASSERT_EQ(ioctl(group, VFIO_GROUP_SET_CONTAINER, container), 0);
	ASSERT_EQ(ioctl(*container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), 0);
	test_note("coherent: %d", ioctl(*container, VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU));
	return group;
}

static void test_group(void)
{
	int container, group = open_group(&container), device, i;
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_write_back);

	device = create(vm);
	vcpu_run_sync(vcpu, 0);
	CHECK_RET("add the container", -EINVAL, set_file(device, KVM_DEV_VFIO_GROUP_ADD, container));
	CHECK_RET("delete it before it was given", -ENOENT, set_file(device, KVM_DEV_VFIO_GROUP_DEL, group));
	CHECK_RET("add the group", 0, set_file(device, KVM_DEV_VFIO_GROUP_ADD, group));
	vcpu_run_sync(vcpu, 1);
	CHECK_RET("twice", -EEXIST, set_file(device, KVM_DEV_VFIO_GROUP_ADD, group));
	vcpu_run_sync(vcpu, 2);
	CHECK_RET("delete it", 0, set_file(device, KVM_DEV_VFIO_GROUP_DEL, group));
	CHECK_RET("again", -ENOENT, set_file(device, KVM_DEV_VFIO_GROUP_DEL, group));
	vcpu_run_sync(vcpu, 3);
	CHECK_RET("add it again", 0, set_file(device, KVM_DEV_VFIO_GROUP_ADD, group));
	vcpu_run_sync(vcpu, 4);
	close(device);
	vcpu_run_done(vcpu);
	vm_destroy(vm);
	/* every VM let go of it: VFIO lets one process have it at a time */
	close(group);
	close(container);
	for (i = 0; i < 3; i++) {
		group = open_group(&container);
		vm = vm_create(VM_BARE);
		device = create(vm);
		CHECK_RET("in another VM", 0, set_file(device, KVM_DEV_VFIO_GROUP_ADD, group));
		close(group);
		close(container);
		/* the device goes first, then last */
		if (i & 1)
			vm_destroy(vm);
		close(device);
		if (!(i & 1))
			vm_destroy(vm);
	}
}

static const struct test_case cases[] = {
	{ "create", test_create },
	{ "refusals", test_refusals },
	{ "vm_closed_first", test_last },
	{ "group", test_group },
};

TEST_MAIN(cases)
