// SPDX-License-Identifier: GPL-2.0-only
/*
 * A slot over device memory (pages without struct page): the guest reaches the registers of a PCI device that the process
 * has mapped. The device is QEMU's "edu" (1234:11e8), which the emulated host may have.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"

#define GPA		0x40000000ULL
#define EDU_SIZE	0x100000
#define EDU_ID		0x00
#define EDU_ALIVE	0x04	/* reads as the complement of what was written */

static long read_hex(const char *device, const char *file)
{
	char path[512], buf[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", device, file);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -1;
	if (read(fd, buf, sizeof(buf) - 1) < 0)
		buf[0] = 0;
	close(fd);
	return strtol(buf, NULL, 16);
}

static volatile u32 *map_edu(void)
{
	DIR *dir = opendir("/sys/bus/pci/devices");
	struct dirent *d;
	char path[512];
	void *p = MAP_FAILED;
	int fd;

	while (dir && (d = readdir(dir))) {
		if (read_hex(d->d_name, "vendor") != 0x1234 || read_hex(d->d_name, "device") != 0x11e8)
			continue;
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/enable", d->d_name);
		fd = open(path, O_WRONLY);
		if (fd < 0 || write(fd, "1", 1) != 1)
			SKIP("cannot enable the device");
		close(fd);
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0", d->d_name);
		fd = open(path, O_RDWR | O_SYNC);
		if (fd >= 0)
			p = mmap(NULL, EDU_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		close(fd);
		break;
	}
	if (dir)
		closedir(dir);
	REQUIRE(p != MAP_FAILED, "no edu device");
	return p;
}

static void guest(void)
{
	GUEST_SYNC2(1, *(volatile u32 *)(GPA + EDU_ID));
	*(volatile u32 *)(GPA + EDU_ALIVE) = 0x12345678;
	GUEST_SYNC2(2, *(volatile u32 *)(GPA + EDU_ALIVE));
}

static void test_registers(void)
{
	volatile u32 *edu = map_edu();
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest);
	struct ucall uc;

	vm_set_slot(vm, 1, 0, GPA, EDU_SIZE, (void *)edu);
	ASSERT_EQ(vcpu_run_ucall(vcpu, &uc), UCALL_SYNC);
	CHECK_EQ("identification", 0x010000ed, uc.args[1]);
	ASSERT_EQ(vcpu_run_ucall(vcpu, &uc), UCALL_SYNC);
	CHECK_EQ("liveness check", ~0x12345678u, uc.args[1]);
	CHECK_EQ("seen by the host", ~0x12345678u, edu[EDU_ALIVE / 4]);
	vcpu_run_done(vcpu);
}

static const struct test_case cases[] = {
	{ "registers", test_registers },
};

TEST_MAIN(cases)
