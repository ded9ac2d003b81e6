// SPDX-License-Identifier: GPL-2.0-only
/*
 * Access to guest memory by the module, through the launcher's address space.
 *
 * The atomic functions take what is present, under RCU with page faults off. The others try that first and then hold
 * memory.users while they sleep, so that a slot's address stays theirs. All need the launcher's mm: they are called on
 * vCPU threads and in ioctls.
 */
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <keel/guest_access.h>
#include <keel/user_exchange.h>
#include "ept.h"

enum copy_dir { COPY_READ, COPY_WRITE };

/* The part of [gpa, gpa + len) that lies in the slot of @gpa, and its address. 0 when it may not be accessed. */
static unsigned long slot_part(struct memslot *slot, gpa_t gpa, unsigned long len, enum copy_dir dir, void __user **user)
{
	u64 offset;

	if (!slot || (dir == COPY_WRITE && slot->flags & KVM_MEM_READONLY))
		return 0;
	offset = gpa - gfn_to_gpa(slot->base);
	*user = (void __user *)(slot_hva(slot, gpa_to_gfn(gpa)) + offset_in_page(gpa));
	return min_t(u64, len, (slot->npages << PAGE_SHIFT) - offset);
}

static void mark_range(struct vm *vm, const struct memslot *slot, gpa_t gpa, unsigned long len)
{
	gfn_t gfn;

	if (!slot->dirty)
		return;
	for (gfn = gpa_to_gfn(gpa); gfn <= gpa_to_gfn(gpa + len - 1); gfn++)
		slot_mark_dirty(vm, NULL, slot, gfn);
}

/* Both as one access of the CPU's: @n is 2, 4 or 8, and @user aligned to it. False: the page is not there. May sleep, unless page faults are off. */
static bool store_at_once(void __user *user, u64 val, unsigned long n)
{
	if (!user_access_begin(user, n))
		return false;
	switch (n) {
	case 2:
		unsafe_put_user((u16)val, (u16 __user *)user, fault);
		break;
	case 4:
		unsafe_put_user((u32)val, (u32 __user *)user, fault);
		break;
	default:
		unsafe_put_user(val, (u64 __user *)user, fault);
		break;
	}
	user_access_end();
	return true;
fault:
	user_access_end();
	return false;
}

static bool load_at_once(void __user *user, u64 *val, unsigned long n)
{
	u16 val16;
	u32 val32;

	if (!user_access_begin(user, n))
		return false;
	switch (n) {
	case 2:
		unsafe_get_user(val16, (u16 __user *)user, fault);
		*val = val16;
		break;
	case 4:
		unsafe_get_user(val32, (u32 __user *)user, fault);
		*val = val32;
		break;
	default:
		unsafe_get_user(*val, (u64 __user *)user, fault);
		break;
	}
	user_access_end();
	return true;
fault:
	user_access_end();
	return false;
}

/* Returns what could not be copied, as the kernel's functions do. */
static unsigned long copy_at_once(void __user *user, void *data, unsigned long n, enum copy_dir dir)
{
	u64 val = 0;

	if (dir == COPY_WRITE) {
		memcpy(&val, data, n);
		return store_at_once(user, val, n) ? 0 : n;
	}
	if (!load_at_once(user, &val, n))
		return n;
	memcpy(data, &val, n);
	return 0;
}

/*
 * Some 8 to 16 bytes, as the emulator fetches an instruction: in two parts, which may overlap, without the kernel's look at where a
 * length goes that it does not know. Returns as copy_at_once().
 */
static unsigned long read_in_two(void __user *user, void *data, unsigned long n)
{
	u64 low = 0, high = 0;

	if (!load_at_once(user, &low, sizeof(low)) || !load_at_once(user + n - sizeof(high), &high, sizeof(high)))
		return n;
	memcpy(data, &low, sizeof(low));
	memcpy(data + n - sizeof(high), &high, sizeof(high));
	return 0;
}

/* What the guest's own access would do at once is done so (SDM, "Guaranteed Atomic Operations"): the kernel's functions copy four bytes one by one. */
static bool is_at_once(const void __user *user, unsigned long n)
{
	return (n == 2 || n == 4 || n == 8) && !((unsigned long)user & (n - 1));
}

/* Under RCU with page faults off. */
static inline int copy_slots(struct vm *vm, gpa_t gpa, void *data, unsigned long len, enum copy_dir dir)
{
	const struct memslots *slots = mem_slots_rcu(&vm->mem);

	while (len) {
		struct memslot *slot = slots_find(slots, gpa_to_gfn(gpa));
		void __user *user;
		unsigned long n = slot_part(slot, gpa, len, dir, &user), left;

		if (!n)
			return -EFAULT;
		if (is_at_once(user, n))
			left = copy_at_once(user, data, n, dir);
		else if (dir == COPY_READ && n >= 8 && n <= 16)
			left = read_in_two(user, data, n);
		else
			left = dir == COPY_READ ? __copy_from_user_inatomic(data, user, n) : __copy_to_user_inatomic(user, data, n);
		/* also what was written before a page that cannot be */
		if (dir == COPY_WRITE && left < n)
			mark_range(vm, slot, gpa, n - left);
		if (left)
			return -EFAULT;
		gpa += n;
		data += n;
		len -= n;
	}
	return 0;
}

static inline int copy_guest_atomic(struct vm *vm, gpa_t gpa, void *data, unsigned long len, enum copy_dir dir)
{
	int ret;

	if (unlikely(current->mm != vm->mm))
		return -EFAULT;
	pagefault_disable();
	rcu_read_lock();
	ret = copy_slots(vm, gpa, data, len, dir);
	rcu_read_unlock();
	pagefault_enable();
	return ret;
}

/*
 * Sleeping, one part of at most a page: the address stays the slot's while memory.users is held, the slot itself may be
 * replaced by one with other flags meanwhile, so it is looked up again to mark the page.
 */
static int copy_part_sleep(struct vm *vm, gpa_t gpa, void *data, unsigned long len, enum copy_dir dir)
{
	unsigned long n, left;
	void __user *user;

	rcu_read_lock();
	n = slot_part(slots_find(mem_slots_rcu(&vm->mem), gpa_to_gfn(gpa)), gpa, len, dir, &user);
	rcu_read_unlock();
	if (!n)
		return -EFAULT;
	if (is_at_once(user, n))
		left = copy_at_once(user, data, n, dir);
	else
		left = dir == COPY_READ ? copy_from_user(data, user, n) : copy_to_user(user, data, n);
	/* also half a write: the launcher may have taken the page away in the midst of it, and give it back */
	if (dir == COPY_WRITE && left < n)
		keel_mark_dirty(vm, gpa_to_gfn(gpa));
	return left ? -EFAULT : 0;
}

static int copy_guest_sleep(struct vm *vm, gpa_t gpa, void *data, unsigned long len, enum copy_dir dir)
{
	int ret = 0;

	if (current->mm != vm->mm)
		return -EFAULT;
	down_read(&vm->mem.users);
	while (len && !ret) {
		unsigned long n = min_t(unsigned long, len, PAGE_SIZE - offset_in_page(gpa));

		ret = copy_part_sleep(vm, gpa, data, n, dir);
		gpa += n;
		data += n;
		len -= n;
	}
	up_read(&vm->mem.users);
	return ret;
}

int keel_read_guest_atomic(struct vm *vm, gpa_t gpa, void *data, unsigned long len)
{
	return copy_guest_atomic(vm, gpa, data, len, COPY_READ);
}

int keel_write_guest_atomic(struct vm *vm, gpa_t gpa, const void *data, unsigned long len)
{
	return copy_guest_atomic(vm, gpa, (void *)data, len, COPY_WRITE);
}

int keel_read_guest(struct vm *vm, gpa_t gpa, void *data, unsigned long len)
{
	if (likely(len <= PAGE_SIZE) && !copy_guest_atomic(vm, gpa, data, len, COPY_READ))
		return 0;
	return copy_guest_sleep(vm, gpa, data, len, COPY_READ);
}

int keel_write_guest(struct vm *vm, gpa_t gpa, const void *data, unsigned long len)
{
	if (likely(len <= PAGE_SIZE) && !copy_guest_atomic(vm, gpa, (void *)data, len, COPY_WRITE))
		return 0;
	return copy_guest_sleep(vm, gpa, (void *)data, len, COPY_WRITE);
}

/* 0 exchanged, 1 compare failed, -EFAULT. May sleep, unless page faults are off. */
static int cmpxchg_user(void __user *user, unsigned int size, u64 *old, const u64 *wanted)
{
	u64 new = *wanted;
	u8 old8 = *old;
	u16 old16 = *old;
	u32 old32 = *old;
	int ret;

	if (!user_access_begin(user, size))
		return -EFAULT;
	switch (size) {
	case 1:
		ret = !unsafe_try_cmpxchg_user((u8 __user *)user, &old8, (u8)new, fault);
		break;
	case 2:
		ret = !unsafe_try_cmpxchg_user((u16 __user *)user, &old16, (u16)new, fault);
		break;
	case 4:
		ret = !unsafe_try_cmpxchg_user((u32 __user *)user, &old32, (u32)new, fault);
		break;
	case 8:
		ret = !unsafe_try_cmpxchg_user((u64 __user *)user, old, new, fault);
		break;
	default:
		ret = keel_user_cmpxchg16(user, old, wanted);
		break;
	}
	user_access_end();
	if (size < 8)
		*old = size == 1 ? old8 : size == 2 ? old16 : old32;
	return ret;
fault:
	user_access_end();
	return -EFAULT;
}

static bool may_cmpxchg(struct vm *vm, gpa_t gpa, unsigned int size)
{
	return current->mm == vm->mm && size && size <= 16 && is_power_of_2(size) && !(gpa & (size - 1));
}

static int cmpxchg_guest(struct vm *vm, gpa_t gpa, unsigned int size, u64 *old, const u64 *new)
{
	void __user *user;
	int ret = -EFAULT;
	unsigned long n;

	if (!may_cmpxchg(vm, gpa, size))
		return -EFAULT;
	down_read(&vm->mem.users);
	rcu_read_lock();
	n = slot_part(slots_find(mem_slots_rcu(&vm->mem), gpa_to_gfn(gpa)), gpa, size, COPY_WRITE, &user);
	rcu_read_unlock();
	if (n)
		ret = cmpxchg_user(user, size, old, new);
	if (!ret)
		keel_mark_dirty(vm, gpa_to_gfn(gpa));
	up_read(&vm->mem.users);
	return ret;
}

int keel_cmpxchg_guest(struct vm *vm, gpa_t gpa, unsigned int size, u64 *old, u64 new)
{
	return size > sizeof(new) ? -EFAULT : cmpxchg_guest(vm, gpa, size, old, &new);
}

int keel_cmpxchg16_guest(struct vm *vm, gpa_t gpa, u64 old[2], const u64 new[2])
{
	return cmpxchg_guest(vm, gpa, 16, old, new);
}

int keel_cmpxchg_guest_atomic(struct vm *vm, gpa_t gpa, unsigned int size, u64 *old, u64 new)
{
	struct memslot *slot;
	void __user *user;
	int ret = -EFAULT;

	if (size > sizeof(new) || !may_cmpxchg(vm, gpa, size))
		return -EFAULT;
	pagefault_disable();
	rcu_read_lock();
	slot = slots_find(mem_slots_rcu(&vm->mem), gpa_to_gfn(gpa));
	if (slot_part(slot, gpa, size, COPY_WRITE, &user))
		ret = cmpxchg_user(user, size, old, &new);
	if (!ret)
		slot_mark_dirty(vm, NULL, slot, gpa_to_gfn(gpa));
	rcu_read_unlock();
	pagefault_enable();
	return ret;
}
