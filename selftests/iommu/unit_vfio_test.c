// SPDX-License-Identifier: GPL-2.0-only
/* KVM_DEV_TYPE_VFIO: which file is held how long, and whose caches a guest's WBINVD writes back. */
#include "shim_vfio.h"
#include <keel/vfio.h>
#include "test.h"

unsigned long written_back;
static int guest_types;		/* of the latest call */
static unsigned int type_changes;
static struct file files[4];
static struct vcpu vcpus[3];
static struct vm vm;

struct file *fget(int fd)
{
	if (fd < 0 || fd >= 4)
		return NULL;
	files[fd].users++;
	return &files[fd];
}

bool keel_host_vfio_knows(struct file *file) { return file->known; }
bool keel_host_vfio_is_coherent(struct file *file) { return file->coherent; }

void keel_memory_guest_types(struct vm *of, bool on)
{
	guest_types = on;
	type_changes++;
}

/* Files 0 and 1 are coherent, 2 is not, 3 is not VFIO's. */
static void start(void)
{
	vm = (struct vm){ };
	for (int i = 0; i < 4; i++)
		files[i] = (struct file){ .known = i < 3, .coherent = i < 2 };
	for (int i = 0; i < 3; i++) {
		vcpus[i] = (struct vcpu){ .vm = &vm, .cpu = -1 };
		vm.vcpu[i] = &vcpus[i];
	}
	written_back = type_changes = 0;
	guest_types = -1;
	CHECK_RET("create", 0, keel_vfio_create(&vm));
}

static void end(void)
{
	keel_vfio_release(&vm);
	keel_vfio_destroy(&vm);
	for (int i = 0; i < 4; i++)
		CHECK_EQ("references in the end", 0, files[i].users);
}

static int add(int fd) { return keel_vfio_set_file(&vm, KVM_DEV_VFIO_GROUP_ADD, fd); }
static int del(int fd) { return keel_vfio_set_file(&vm, KVM_DEV_VFIO_GROUP_DEL, fd); }

static void test_files(void)
{
	static const struct {
		const char *name;
		int (*call)(int fd);
		int fd, ret, users;
	} rows[] = {
		{ "delete before add", del, 0, -ENOENT, 0 },
		{ "add", add, 0, 0, 1 },
		{ "add twice", add, 0, -EEXIST, 1 },
		{ "add a second", add, 1, 0, 1 },
		{ "not VFIO's", add, 3, -EINVAL, 0 },
		{ "delete what is not VFIO's", del, 3, -ENOENT, 0 },
		{ "no file", add, 7, -EBADF, -1 },
		{ "no file to delete", del, -1, -EBADF, -1 },
		{ "delete", del, 0, 0, 0 },
		{ "delete twice", del, 0, -ENOENT, 0 },
		{ "add again", add, 0, 0, 1 },
	};

	start();
	CHECK_RET("a second device", -EBUSY, keel_vfio_create(&vm));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CHECK_RET(rows[i].name, rows[i].ret, rows[i].call(rows[i].fd));
		if (rows[i].users >= 0)
			CHECK_EQ("references", rows[i].users, files[rows[i].fd].users);
	}
	CHECK_RET("another attribute", -ENXIO, keel_vfio_set_file(&vm, 3, 0));
	keel_vfio_release(&vm);
	CHECK_EQ("references once it is closed", 0, files[0].users + files[1].users);
	CHECK_RET("create again", 0, keel_vfio_create(&vm));
	CHECK_RET("add to that", 0, add(1));
	CHECK_EQ("all were coherent: memory types", 0, type_changes);
	end();
}

static void test_types(void)
{
	start();
	add(0);
	CHECK_EQ("coherent", 0, type_changes);
	add(2);
	CHECK_EQ("not coherent: changes", 1, type_changes);
	CHECK_EQ("not coherent: the guest's types", 1, guest_types);
	CHECK_EQ("and all caches are written back once", ~0ul, written_back);
	add(1);
	del(0);
	CHECK_EQ("no change", 1, type_changes);
	del(2);
	CHECK_EQ("coherent again: changes", 2, type_changes);
	CHECK_EQ("coherent again", 0, guest_types);
	add(2);
	keel_vfio_release(&vm);
	CHECK_EQ("closed: changes", 4, type_changes);
	CHECK_EQ("closed", 0, guest_types);
	keel_vfio_create(&vm);
	end();
}

/* WBINVD of the first vCPU: CPUs that were told, with vCPUs on these CPUs now (-1: none). */
static unsigned long wbinvd_with(int cpu0, int cpu1, int cpu2)
{
	vcpus[0].cpu = cpu0;
	vcpus[1].cpu = cpu1;
	vcpus[2].cpu = cpu2;
	written_back = 0;
	keel_vfio_write_back(&vcpus[0]);
	return written_back;
}

static void test_write_back(void)
{
	start();
	CHECK_EQ("nothing assigned", 0, wbinvd_with(0, 1, 2));
	add(0);
	keel_vfio_note_cpu(&vm, 7);
	CHECK_EQ("coherent", 0, wbinvd_with(0, 1, 2));
	add(2);
	CHECK_EQ("where vCPUs are", 0x3, wbinvd_with(0, 1, -1));
	keel_vfio_note_cpu(&vm, 5);
	CHECK_EQ("and where they were", 0x25, wbinvd_with(2, -1, 0));
	CHECK_EQ("once", 0x5, wbinvd_with(2, -1, 0));
	del(2);
	CHECK_EQ("coherent again", 0, wbinvd_with(2, 3, 4));
	add(2);
	CHECK_EQ("what was before is forgotten", 0x8, wbinvd_with(3, -1, 3));
	end();
	vm.vfio = NULL;
	CHECK_EQ("no device", 0, wbinvd_with(0, 1, 2));
}

static const struct test_case cases[] = {
	{ "files", test_files },
	{ "memory_types", test_types },
	{ "write_back", test_write_back },
};

TEST_MAIN(cases)
