// SPDX-License-Identifier: GPL-2.0-only
/*
 * Without a VM the host's context switches do not look for preemption notifiers: the kernel's key
 * for them is off, as /proc/kcore shows it.
 */
#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include "thread.h"

static u64 symbol(const char *name)
{
	char line[256], found[128];
	FILE *file = fopen("/proc/kallsyms", "re");
	u64 address, result = 0;

	while (file && !result && fgets(line, sizeof(line), file)) {
		/* a line costs an emulated host less this way, and there are 100,000 */
		if (strstr(line, name) && sscanf(line, "%llx %*c %127s", (unsigned long long *)&address, found) == 2 && !strcmp(found, name))
			result = address;
	}
	if (file)
		fclose(file);
	return result;
}

/* The kernel's memory at @address. */
static int read_kernel(u64 address, void *to, size_t len)
{
	int fd = open("/proc/kcore", O_RDONLY | O_CLOEXEC), i, ret = -1;
	Elf64_Ehdr head;
	Elf64_Phdr part;

	if (fd < 0 || pread(fd, &head, sizeof(head), 0) != sizeof(head))
		goto out;
	for (i = 0; i < head.e_phnum; i++) {
		if (pread(fd, &part, sizeof(part), head.e_phoff + i * sizeof(part)) != sizeof(part))
			break;
		if (part.p_type != PT_LOAD || address < part.p_vaddr || address - part.p_vaddr >= part.p_memsz)
			continue;
		if (pread(fd, to, len, part.p_offset + (address - part.p_vaddr)) == (ssize_t)len)
			ret = 0;
		break;
	}
out:
	if (fd >= 0)
		close(fd);
	return ret;
}

static int users(u64 key)
{
	int value = -1;

	ASSERT_EQ(read_kernel(key, &value, sizeof(value)), 0);
	return value;
}

/* It may go a little after the last VM. */
static int users_left(u64 key)
{
	int i;

	for (i = 0; i < 100 && users(key); i++)
		host_sleep_ms(100);
	return users(key);
}

static void test_preempt_key(void)
{
	u64 key = symbol("preempt_notifier_key");
	struct vm *vm;
	int value;

	REQUIRE(key, "the kernel's symbols are not to be seen");
	REQUIRE(!read_kernel(key, &value, sizeof(value)), "no /proc/kcore");
	CHECK_EQ("no VM", 0, users_left(key));
	vm = vm_create(VM_BARE);
	CHECK_EQ("a VM", 1, users(key) > 0);
	vm_destroy(vm);
	CHECK_EQ("the VM is gone", 0, users_left(key));
}

static const struct test_case cases[] = {
	{ "preempt_key", test_preempt_key, 60 },
};

TEST_MAIN(cases)
