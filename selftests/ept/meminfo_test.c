// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host tells what second-level tables take: SecPageTables in /proc/meminfo, and
 * sec_pagetables of the control group, rise as a guest touches memory and fall when
 * its VM goes.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest.h"

#define GPA	0x40000000ULL
#define SIZE	(16ULL << 20)
#define TABLES	(SIZE / (512 * PAGE_SIZE))	/* that 4K entries for SIZE take */

/* The number behind @name in a file of such lines, in units of @unit bytes; -1 if it is not there. */
static long number_in(const char *path, const char *name, long unit)
{
	char line[256];
	long n = -1;
	size_t len = strlen(name);
	FILE *f = fopen(path, "r");

	while (f && n < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, len))
			n = atol(line + len) * unit;
	if (f)
		fclose(f);
	return n;
}

static long host_tables(void)
{
	FILE *f = fopen("/proc/sys/vm/stat_refresh", "w");

	if (f) {
		fputs("1", f);
		fclose(f);
	}
	return number_in("/proc/meminfo", "SecPageTables:", 1024);
}

static void guest_touch(void)
{
	u64 i;

	for (i = 0; i < SIZE; i += PAGE_SIZE)
		mmio_write64(GPA + i, i);
}

/* The vCPU of a VM that has touched all of @mem. */
static struct vcpu *run_vm(void *mem)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_touch);

	vm_set_slot(vm, 1, 0, GPA, SIZE, mem);
	vcpu_run_done(vcpu);
	return vcpu;
}

static void destroy(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;

	vcpu_destroy(vcpu);
	vm_destroy(vm);
}

static void *small_pages(void)
{
	void *mem = host_pages(SIZE);

	madvise(mem, SIZE, MADV_NOHUGEPAGE);
	return mem;
}

/* Other VMs of this machine, if there are any, stand still meanwhile. */
static void test_meminfo(void)
{
	long before = host_tables(), with, after;
	void *mem = small_pages();
	struct vcpu *vcpu;

	REQUIRE(before >= 0, "this kernel does not show such tables");
	vcpu = run_vm(mem);
	with = host_tables();
	test_note("%ld bytes before, %ld with the VM", before, with);
	ASSERT_GE(with - before, (long)(TABLES * PAGE_SIZE));
	/* the levels above, the guest's own memory, and pages at hand */
	ASSERT_LE(with - before, (long)((TABLES + 32) * PAGE_SIZE));
	/* every table goes with the slot */
	vm_set_slot(vcpu->vm, 1, 0, GPA, 0, mem);
	ASSERT_LE(host_tables() - before, (long)(40 * PAGE_SIZE));
	destroy(vcpu);
	after = host_tables();
	CHECK_EQ("after the VM", before, after);
}

#define GROUP	"/tmp/cgroup/keel_tables"

static void join(const char *path)
{
	int fd = open(path, O_WRONLY);
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	ASSERT_EQ(write(fd, pid, strlen(pid)), (ssize_t)strlen(pid));
	close(fd);
}

/* Join a control group of our own. */
static void enter_group(void)
{
	int fd;

	mkdir("/tmp/cgroup", 0700);
	REQUIRE(!mount("none", "/tmp/cgroup", "cgroup2", 0, NULL) || errno == EBUSY, "no control groups: %s", strerror(errno));
	fd = open("/tmp/cgroup/cgroup.subtree_control", O_WRONLY);
	REQUIRE(fd >= 0 && write(fd, "+memory", 7) == 7, "no memory control group: %s", strerror(errno));
	close(fd);
	REQUIRE(!mkdir(GROUP, 0700) || errno == EEXIST, "cannot make a control group: %s", strerror(errno));
	join(GROUP "/cgroup.procs");
}

static void leave_group(void)
{
	join("/tmp/cgroup/cgroup.procs");
	rmdir(GROUP);
	umount("/tmp/cgroup");
	rmdir("/tmp/cgroup");
}

static void test_group(void)
{
	struct vcpu *vcpu;
	long with;

	enter_group();
	REQUIRE(number_in(GROUP "/memory.stat", "sec_pagetables ", 1) >= 0, "this kernel does not show such tables");
	/* one that has gone counts no more */
	destroy(run_vm(small_pages()));
	vcpu = run_vm(small_pages());
	/* the group's numbers are folded every two seconds */
	sleep(3);
	with = number_in(GROUP "/memory.stat", "sec_pagetables ", 1);
	test_note("%ld bytes with the VM", with);
	ASSERT_GE(with, (long)(TABLES * PAGE_SIZE));
	ASSERT_LE(with, (long)((TABLES + 12) * PAGE_SIZE));
	destroy(vcpu);
	leave_group();
}

static const struct test_case cases[] = {
	{ "meminfo", test_meminfo },
	{ "control_group", test_group },
};

TEST_MAIN(cases)
