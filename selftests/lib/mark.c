// SPDX-License-Identifier: GPL-2.0-only
#include <uapi/linux/keel.h>

#include "mark.h"

static u8 *saved;

struct vm *vm_create_markable(unsigned int flags)
{
	REQUIRE_CAP(KEEL_CAP_RESET_VM);
	REQUIRE(!(flags & VM_MEMORY) || __dev_ioctl(KVM_CHECK_EXTENSION, (void *)KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2) > 0, "no dirty log");
	return vm_create(flags);
}

int __vm_mark(struct vm *vm)
{
	struct keel_reset_vm how = { 0 };

	return __vm_ioctl(vm, KEEL_MARK_VM, &how);
}

int __vm_reset(struct vm *vm)
{
	struct keel_reset_vm how = { 0 };

	return __vm_ioctl(vm, KEEL_RESET_VM, &how);
}

void vm_mark(struct vm *vm)
{
	ASSERT_EQ(__vm_mark(vm), 0);
}

void vm_reset(struct vm *vm)
{
	ASSERT_EQ(__vm_reset(vm), 0);
}

void vm_mark_all(struct vm *vm)
{
	saved = host_pages(VM_MEM_SIZE);
	memcpy(saved, vm->mem, VM_MEM_SIZE);
	vm_set_slot(vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, VM_MEM_SIZE, vm->mem);
	vm_mark(vm);
}

unsigned int vm_put_memory_back(struct vm *vm)
{
	static u64 bitmap[VM_MEM_SIZE / PAGE_SIZE / 64];
	struct kvm_dirty_log log = { .dirty_bitmap = bitmap };
	unsigned int word, n = 0;
	u64 left, at;

	vm_ioctl(vm, KVM_GET_DIRTY_LOG, &log);
	for (word = 0; word < ARRAY_SIZE(bitmap); word++) {
		for (left = bitmap[word]; left; left &= left - 1) {
			at = (word * 64 + __builtin_ctzll(left)) * PAGE_SIZE;
			memcpy(vm->mem + at, saved + at, PAGE_SIZE);
			n++;
		}
	}
	return n;
}

void vm_go_back(struct vm *vm)
{
	vm_reset(vm);
	vm_put_memory_back(vm);
}
