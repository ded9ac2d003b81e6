// SPDX-License-Identifier: GPL-2.0-only
/*
 * KEEL_GET_DMA names every PCI device of this host, with the identity, driver, IOMMU group and bus mastering that sysfs gives, and
 * with the reach of the group's domain there; and refuses what it must.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <unistd.h>
#include <uapi/linux/keel.h>

#include "refuse.h"
#include "test.h"
#include "vm.h"

#define ROOM	512u
#define SYSFS	"/sys/bus/pci/devices"

static struct {
	struct keel_dma_list head;
	struct keel_dma_device devices[ROOM + 1];
} list;

static int get(u32 room)
{
	memset(&list, 0x55, sizeof(list));
	list.head.nr = room;
	return __dev_ioctl(KEEL_GET_DMA, &list);
}

static void path_of(const struct keel_dma_device *d, const char *file, char *path)
{
	snprintf(path, PATH_MAX, SYSFS "/%04x:%02x:%02x.%u/%s", d->segment, d->bus, d->devfn >> 3, d->devfn & 7, file);
}

static bool read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	text[strcspn(text, "\n")] = 0;
	return n >= 0;
}

static u32 sysfs_number(const struct keel_dma_device *d, const char *file)
{
	char path[PATH_MAX], text[32];

	path_of(d, file, path);
	ASSERT(read_text(path, text, sizeof(text)), "%s: cannot be read", path);
	return strtoul(text, NULL, 16);
}

/* Last part of a link's target, "" for no link. */
static void sysfs_link(const struct keel_dma_device *d, const char *file, char *name, size_t size)
{
	char path[PATH_MAX], target[PATH_MAX] = "";
	ssize_t n;

	path_of(d, file, path);
	n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = 0;
	snprintf(name, size, "%s", strrchr(target, '/') ? strrchr(target, '/') + 1 : "");
}

static u16 sysfs_command(const struct keel_dma_device *d)
{
	char path[PATH_MAX];
	u16 command = 0xffff;
	int fd;

	path_of(d, "config", path);
	fd = open(path, O_RDONLY);
	ASSERT(fd >= 0 && pread(fd, &command, 2, 4) == 2, "%s: cannot be read", path);
	close(fd);
	return command;
}

static u32 count_devices(void)
{
	DIR *dir = opendir(SYSFS);
	struct dirent *entry;
	u32 n = 0;

	REQUIRE(dir, "no " SYSFS);
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void check_device(const struct keel_dma_device *d)
{
	char driver[64], group[64];

	test_note("%04x:%02x:%02x.%u class %06x group %d driver '%s' reach %u exposure %u flags 0x%x", d->segment, d->bus,
		  d->devfn >> 3, d->devfn & 7, d->class, d->group, d->driver, d->reach, d->exposure, d->flags);
	CHECK_EQ("vendor", sysfs_number(d, "vendor"), d->vendor);
	CHECK_EQ("device", sysfs_number(d, "device"), d->device);
	CHECK_EQ("class", sysfs_number(d, "class"), d->class);
	CHECK_EQ("bus mastering", sysfs_command(d) >> 2 & 1, !!(d->flags & KEEL_DMA_MASTER));
	sysfs_link(d, "driver", driver, sizeof(driver));
	CHECK_EQ("driver", 0, strncmp(driver, d->driver, sizeof(d->driver) - 1));
	sysfs_link(d, "iommu_group", group, sizeof(group));
	CHECK_EQ("group", *group ? atoi(group) : -1, d->group);
	CHECK_EQ("reserved", 0, d->reserved0 | d->reserved1);
}

static void test_list(void)
{
	const u32 wanted = count_devices();

	REQUIRE_CAP(KEEL_CAP_DMA);
	CHECK_RET("no room", wanted ? -E2BIG : 0, get(0));
	CHECK_EQ("how many there are", wanted, list.head.nr);
	CHECK_EQ("no device is written", 0x55, ((u8 *)list.devices)[0]);
	REQUIRE(wanted && wanted <= ROOM, "%u devices", wanted);
	CHECK_RET("room", 0, get(wanted));
	CHECK_EQ("number", wanted, list.head.nr);
	CHECK_EQ("exclusion vectors", 0, list.head.exclusion_nodes);
	CHECK_EQ("nothing is written behind", 0x55, ((u8 *)&list.devices[wanted])[0]);
	for (u32 i = 0; i < wanted; i++)
		check_device(&list.devices[i]);
}

/* The kind of a group's domain, which is what its devices are in as long as no user has them. */
static const struct {
	const char *type;
	u32 reach;
} kinds[] = {
	{ "DMA", KEEL_DMA_TRANSLATED },
	{ "DMA-FQ", KEEL_DMA_TRANSLATED },
	{ "identity", KEEL_DMA_IDENTITY },
	{ "blocked", KEEL_DMA_BLOCKED },
	{ "unmanaged", KEEL_DMA_ASSIGNED },
};

static void test_reach(void)
{
	char path[PATH_MAX], type[32];

	REQUIRE_CAP(KEEL_CAP_DMA);
	ASSERT_EQ(get(ROOM), 0);
	for (u32 i = 0; i < list.head.nr; i++) {
		const struct keel_dma_device *d = &list.devices[i];

		if (d->class >> 8 == 0x0806) {
			CHECK_EQ("an IOMMU", KEEL_DMA_IOMMU, d->reach);
			continue;
		}
		if (d->group < 0) {
			CHECK_EQ("no group", KEEL_DMA_NO_IOMMU, d->reach);
			continue;
		}
		snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%d/type", d->group);
		ASSERT(read_text(path, type, sizeof(type)), "%s: cannot be read", path);
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
			if (!strcmp(type, kinds[k].type))
				CHECK_EQ(type, kinds[k].reach, d->reach);
	}
}

static void test_refusals(void)
{
	struct keel_dma_list *head = &list.head;
	struct vm *vm = vm_create(VM_BARE);

	REQUIRE_CAP(KEEL_CAP_DMA);
	ASSERT_EQ(get(ROOM), 0);
	REQUIRE(head->nr > 1, "%u devices", head->nr);
	CHECK_RET("room for one less", -E2BIG, get(head->nr - 1));
	CHECK_RET("room without end", 0, get(~0u));
	CHECK_RET("on a VM", -ENOTTY, __vm_ioctl(vm, KEEL_GET_DMA, &list));
	CHECK_RET("another command", -EINVAL, __dev_ioctl(_IO(KEELIO, 0x01), &list));
	check_efault("KEEL_GET_DMA", dev_fd(), KEEL_GET_DMA, &list, sizeof(*head) + head->nr * sizeof(list.devices[0]));
	check_read_only("KEEL_GET_DMA", dev_fd(), KEEL_GET_DMA, &list, sizeof(*head) + head->nr * sizeof(list.devices[0]));
}

static const struct test_case cases[] = {
	{ "list", test_list },
	{ "reach", test_reach },
	{ "refusals", test_refusals },
};

TEST_MAIN(cases)
