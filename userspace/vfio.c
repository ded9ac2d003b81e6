// SPDX-License-Identifier: GPL-2.0-only
/*
 * Groups and one container (Linux, "VFIO - Virtual Function I/O"): type 1 IOMMU,
 * guest-physical addresses as the devices' own. Guest memory never changes its
 * place while a VM of this launcher runs, so it is mapped once.
 *
 * Most of what can go wrong is how the host was set up. Each such failure is
 * one line with the command that mends it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/kvm.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "status.h"
#include "vfio.h"
#include "vm.h"

#define SYSFS	"/sys/bus/pci/devices/"

void vfio_init(struct vfio *vfio, struct vm *vm)
{
	*vfio = (struct vfio){ .vm = vm, .container = -1, .kvm_device = -1 };
}

/* The name that a link in the device's directory leads to. Return: false if there is none. */
static bool read_link(const char *address, const char *name, char *target, size_t size)
{
	char path[PATH_MAX], full[PATH_MAX];

	snprintf(path, sizeof(path), SYSFS "%s/%s", address, name);
	ssize_t len = readlink(path, full, sizeof(full) - 1);

	if (len < 0)
		return false;
	full[len] = 0;
	const char *slash = strrchr(full, '/'), *base = slash ? slash + 1 : full;

	if (strlen(base) >= size)
		return false;
	strcpy(target, base);
	return true;
}

static bool is_vfio_driver(const char *driver)
{
	return strstr(driver, "vfio") != NULL;
}

/* The driver must be VFIO's. */
static int check_driver(const char *address)
{
	char driver[64];

	if (!read_link(address, "driver", driver, sizeof(driver)))
		return status_fail(STATUS_ASSIGN,
				   "--vfio %s: no driver has it, and vfio-pci must: modprobe vfio-pci; "
				   "echo vfio-pci > " SYSFS "%s/driver_override; echo %s > /sys/bus/pci/drivers_probe",
				   address, address, address);
	if (is_vfio_driver(driver))
		return 0;
	return status_fail(STATUS_ASSIGN,
			   "--vfio %s: the host uses it, by driver %s; to take it away from the host: "
			   "modprobe vfio-pci; echo vfio-pci > " SYSFS "%s/driver_override; "
			   "echo %s > /sys/bus/pci/drivers/%s/unbind; echo %s > /sys/bus/pci/drivers_probe",
			   address, driver, address, address, driver, address);
}

/* Which IOMMU group, if any. */
static int find_group(const char *address, unsigned int *number)
{
	char path[PATH_MAX], group[32];

	snprintf(path, sizeof(path), SYSFS "%s", address);
	if (access(path, F_OK))
		return status_fail(STATUS_ASSIGN, "--vfio %s: this host has no such PCI device (lspci -D lists them)", address);
	if (!read_link(address, "iommu_group", group, sizeof(group)))
		return status_fail(STATUS_ASSIGN,
				   "--vfio %s: no IOMMU is used for it, so that it would reach all of the host's memory; "
				   "turn VT-d or AMD-Vi on in the firmware, boot an Intel host with intel_iommu=on (see keel dma)",
				   address);
	*number = (unsigned int)strtoul(group, NULL, 10);
	return check_driver(address);
}

/* Who else is in the group and is used by the host: "0000:00:1f.3 (snd_hda_intel)", as many as fit. */
static void list_users(unsigned int group, char *text, size_t size)
{
	char path[PATH_MAX], driver[64];
	size_t used = 0;

	text[0] = 0;
	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%u/devices", group);
	DIR *dir = opendir(path);

	if (!dir)
		return;
	for (struct dirent *entry; (entry = readdir(dir)) && used < size;) {
		if (entry->d_name[0] == '.' || !read_link(entry->d_name, "driver", driver, sizeof(driver)) ||
		    is_vfio_driver(driver) || !strcmp(driver, "pci-stub") || !strcmp(driver, "pcieport"))
			continue;
		used += (size_t)snprintf(text + used, size - used, "%s%s (driver %s)", used ? ", " : "", entry->d_name, driver);
	}
	closedir(dir);
}

static int fail_open(const char *address, const char *path, int error)
{
	static const struct {
		int error;
		const char *words;
	} remedies[] = {
		{ EACCES, "who may use it is up to the node's owner and mode: chown" },
		{ EPERM, "who may use it is up to the node's owner and mode: chown" },
		{ EBUSY, "another process has it, a VM maybe" },
		{ ENOENT, "modprobe -a vfio-pci vfio_iommu_type1" },
		{ ENODEV, "modprobe -a vfio-pci vfio_iommu_type1" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(remedies); i++)
		if (remedies[i].error == error)
			return status_fail(STATUS_ASSIGN, "--vfio %s: cannot open %s: %s (%s)", address, path,
					   strerror(error), remedies[i].words);
	return status_fail(STATUS_ASSIGN, "--vfio %s: cannot open %s: %s", address, path, strerror(error));
}

static int open_container(struct vfio *vfio, const char *address)
{
	static const char path[] = "/dev/vfio/vfio";

	if (vfio->container >= 0)
		return 0;
	vfio->container = open(path, O_RDWR | O_CLOEXEC);
	if (vfio->container < 0)
		return fail_open(address, path, errno);
	if (ioctl(vfio->container, VFIO_GET_API_VERSION) != VFIO_API_VERSION ||
	    ioctl(vfio->container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) <= 0)
		return status_fail(STATUS_ASSIGN, "--vfio %s: this kernel's VFIO has no type 1 IOMMU (modprobe vfio_iommu_type1)",
				   address);
	return 0;
}

static int check_viable(const char *address, const struct vfio_group *group)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char users[512];

	if (ioctl(group->fd, VFIO_GROUP_GET_STATUS, &status) < 0)
		return status_fail(STATUS_ASSIGN, "--vfio %s: group %u: %s", address, group->number, strerror(errno));
	if (status.flags & VFIO_GROUP_FLAGS_VIABLE)
		return 0;
	list_users(group->number, users, sizeof(users));
	return status_fail(STATUS_ASSIGN,
			   "--vfio %s: the IOMMU cannot tell the devices of group %u from each other, and the host uses %s: "
			   "bind all of the group to vfio-pci, or none",
			   address, group->number, users[0] ? users : "one of them");
}

/* Where the IOMMU of the first group is made that of the container. */
static int set_iommu(struct vfio *vfio, const char *address, const struct vfio_group *group)
{
	if (ioctl(group->fd, VFIO_GROUP_SET_CONTAINER, &vfio->container) < 0)
		return status_fail(STATUS_ASSIGN, "--vfio %s: group %u cannot share the other devices' address space: %s",
				   address, group->number, strerror(errno));
	if (vfio->group_count || !ioctl(vfio->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return 0;
	return status_fail(STATUS_ASSIGN, "--vfio %s: no IOMMU for group %u: %s%s", address, group->number, strerror(errno),
			   errno == EPERM ? " (the host does not remap interrupts, so that the device could forge them; "
					    "vfio_iommu_type1 allow_unsafe_interrupts=1 does without)" : "");
}

/* May this process lock as much as it likes? */
static bool may_lock_all(void)
{
	unsigned long long effective = 0;
	char line[128];
	FILE *file = fopen("/proc/self/status", "re");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "CapEff: %llx", &effective) == 1)
			break;
	if (file)
		fclose(file);
	return effective >> CAP_IPC_LOCK & 1;
}

/* A device reads and writes when it likes: all memory has to be there. */
static int check_limit(const char *address, uint64_t size)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_cur >= size || may_lock_all())
		return 0;
	return status_fail(STATUS_MEMORY,
			   "--vfio %s: the guest's %lluM must be locked in memory, and this process may lock %lluK: "
			   "ulimit -l %llu (LimitMEMLOCK= of a systemd unit)",
			   address, (unsigned long long)size >> 20, (unsigned long long)limit.rlim_cur >> 10,
			   (unsigned long long)size >> 10);
}

static int map_memory(struct vfio *vfio, const char *address)
{
	const struct memory *memory = &vfio->vm->memory;
	int ret = check_limit(address, memory->size);

	for (unsigned int i = 0; !ret && i < memory->count; i++) {
		const struct memory_region *region = &memory->regions[i];
		struct vfio_iommu_type1_dma_map map = {
			.argsz = sizeof(map),
			.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
			.vaddr = (uintptr_t)region->host,
			.iova = region->base,
			.size = region->size,
		};

		if (ioctl(vfio->container, VFIO_IOMMU_MAP_DMA, &map) < 0)
			ret = status_fail(STATUS_MEMORY, "--vfio %s: cannot map %#llx bytes of guest memory at %#llx for devices: %s%s",
					  address, (unsigned long long)region->size, (unsigned long long)region->base, strerror(errno),
					  errno == ENOMEM ? " (all of it is locked: does the host have that much, and is the limit high enough, ulimit -l?)" :
					  errno == EINVAL ? " (a range that the host's firmware or IOMMU keeps for itself: "
							    "cat /sys/kernel/iommu_groups/*/reserved_regions)" : "");
	}
	return ret;
}

/* A node without such a device does without what it is told. */
static void tell_kvm(struct vfio *vfio, int group)
{
	struct kvm_create_device create = { .type = KVM_DEV_TYPE_VFIO };
	struct kvm_device_attr attr = {
		.group = KVM_DEV_VFIO_GROUP,
		.attr = KVM_DEV_VFIO_GROUP_ADD,
		.addr = (uintptr_t)&group,
	};

	if (vfio->kvm_device < 0 && !ioctl(vfio->vm->fd, KVM_CREATE_DEVICE, &create))
		vfio->kvm_device = (int)create.fd;
	if (vfio->kvm_device >= 0 && ioctl(vfio->kvm_device, KVM_SET_DEVICE_ATTR, &attr) < 0)
		status_warn("KVM's VFIO device refuses a group: %s", strerror(errno));
}

static int open_group(struct vfio *vfio, const char *address, unsigned int number, int *fd)
{
	struct vfio_group *group = vfio->groups;
	char path[32];

	for (; group < vfio->groups + vfio->group_count; group++) {
		if (group->number == number) {
			*fd = group->fd;
			return 0;
		}
	}
	snprintf(path, sizeof(path), "/dev/vfio/%u", number);
	*group = (struct vfio_group){ number, open(path, O_RDWR | O_CLOEXEC) };
	if (group->fd < 0)
		return fail_open(address, path, errno);
	int ret = check_viable(address, group);

	if (!ret)
		ret = set_iommu(vfio, address, group);
	if (!ret && !vfio->group_count)
		ret = map_memory(vfio, address);
	if (ret) {
		close(group->fd);
		return ret;
	}
	vfio->group_count++;
	tell_kvm(vfio, group->fd);
	*fd = group->fd;
	return 0;
}

static void read_region(int fd, unsigned int index, struct vfio_region *region)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

	if (ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &info) < 0)
		return;
	*region = (struct vfio_region){
		.offset = info.offset,
		.size = info.size,
		.can_read = info.flags & VFIO_REGION_INFO_FLAG_READ,
		.can_write = info.flags & VFIO_REGION_INFO_FLAG_WRITE,
		.can_map = info.flags & VFIO_REGION_INFO_FLAG_MMAP,
	};
}

static int read_device(struct vfio_device *device)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	if (ioctl(device->fd, VFIO_DEVICE_GET_INFO, &info) < 0)
		return status_fail(STATUS_ASSIGN, "--vfio %s: %s", device->address, strerror(errno));
	if (!(info.flags & VFIO_DEVICE_FLAGS_PCI) || info.num_regions <= VFIO_PCI_CONFIG_REGION_INDEX)
		return status_fail(STATUS_ASSIGN, "--vfio %s: not a PCI device to VFIO", device->address);
	device->can_reset = info.flags & VFIO_DEVICE_FLAGS_RESET;
	for (unsigned int i = 0; i < ARRAY_SIZE(device->bars); i++)
		read_region(device->fd, i, &device->bars[i]);
	read_region(device->fd, VFIO_PCI_CONFIG_REGION_INDEX, &device->config);
	for (unsigned int i = 0; i < ARRAY_SIZE(device->irqs) && i < info.num_irqs; i++) {
		struct vfio_irq_info irq = { .argsz = sizeof(irq), .index = i };

		if (!ioctl(device->fd, VFIO_DEVICE_GET_IRQ_INFO, &irq) && irq.flags & VFIO_IRQ_INFO_EVENTFD)
			device->irqs[i] = irq.count;
	}
	return 0;
}

int vfio_open(struct vfio *vfio, const char *address, struct vfio_device *device)
{
	unsigned int number = 0;
	int group = -1;

	*device = (struct vfio_device){ .fd = -1 };
	snprintf(device->address, sizeof(device->address), "%s", address);
	int ret = find_group(address, &number);

	if (!ret)
		ret = open_container(vfio, address);
	if (!ret)
		ret = open_group(vfio, address, number, &group);
	if (ret)
		return ret;
	device->fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, address);
	if (device->fd < 0)
		return status_fail(STATUS_ASSIGN, "--vfio %s: VFIO does not give it: %s", address, strerror(errno));
	fcntl(device->fd, F_SETFD, FD_CLOEXEC);
	ret = read_device(device);
	if (!ret && (!device->can_reset || ioctl(device->fd, VFIO_DEVICE_RESET) < 0))
		status_warn("--vfio %s: it cannot be reset by itself, and starts as whoever had it before left it", address);
	return ret;
}

void vfio_close_device(struct vfio_device *device)
{
	if (device->fd < 0)
		return;
	if (device->can_reset)
		ioctl(device->fd, VFIO_DEVICE_RESET);
	close(device->fd);
	device->fd = -1;
}

void vfio_close(struct vfio *vfio)
{
	if (vfio->kvm_device >= 0)
		close(vfio->kvm_device);
	for (unsigned int i = 0; i < vfio->group_count; i++)
		close(vfio->groups[i].fd);
	if (vfio->container >= 0)
		close(vfio->container);
	vfio_init(vfio, vfio->vm);
}

uint64_t vfio_read(const struct vfio_device *device, const struct vfio_region *region, uint64_t offset,
		   unsigned int len)
{
	uint64_t value = 0;

	if (!region->can_read || offset >= region->size || len > region->size - offset ||
	    pread(device->fd, &value, len, (off_t)(region->offset + offset)) != (ssize_t)len)
		return UINT64_MAX;
	return value;
}

void vfio_write(const struct vfio_device *device, const struct vfio_region *region, uint64_t offset,
		unsigned int len, uint64_t value)
{
	if (!region->can_write || offset >= region->size || len > region->size - offset)
		return;
	/* What the device does not take is the guest's loss. */
	if (pwrite(device->fd, &value, len, (off_t)(region->offset + offset)) < 0)
		return;
}

static int set_irqs(const struct vfio_device *device, uint32_t index, uint32_t flags, const int *events,
		    unsigned int count)
{
	union {
		struct vfio_irq_set set;
		uint8_t bytes[sizeof(struct vfio_irq_set) + VFIO_EVENTS_MAX * sizeof(int32_t)];
	} request = {
		.set = {
			.argsz = (uint32_t)(sizeof(struct vfio_irq_set) + count * sizeof(int32_t)),
			.flags = flags,
			.index = index,
			.count = count,
		},
	};

	if (count)
		memcpy(request.set.data, events, count * sizeof(int32_t));
	int ret = ioctl(device->fd, VFIO_DEVICE_SET_IRQS, &request);

	return ret < 0 ? -errno : ret;
}

int vfio_set_events(const struct vfio_device *device, unsigned int index, const int *events,
		    unsigned int count)
{
	if (count > VFIO_EVENTS_MAX)
		return -EINVAL;
	return set_irqs(device, index,
			(count ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE) | VFIO_IRQ_SET_ACTION_TRIGGER, events, count);
}

int vfio_set_unmask_event(const struct vfio_device *device, int event)
{
	return set_irqs(device, VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK, &event, 1);
}
