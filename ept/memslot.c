// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory slots: KVM_SET_USER_MEMORY_REGION, by the rules of Documentation/virt/kvm/api.rst.
 *
 * Slots never change once published, and the array of them only grows at its end: any other update makes a new array,
 * publishes it under memory.lock, and only then removes from the second-level tables what the old slot mapped. A fault under memory.lock thus either sees
 * the new array, or what it maps is still to be removed. When a deletion or a move returns, no access through the old
 * slot is under way any more: the launcher may put something else at its address.
 */
#define pr_fmt(fmt) "keel: " fmt

#include <linux/mm.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <keel/host_mode.h>
#include <keel/test_build.h>
#include "shadow.h"

#define SLOT_MAX_PAGES	((1ull << 31) - 1)
#define SLOT_FLAGS	(KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY)

static const struct pte_format *format;

/*
 * Were the tables one level less deep than what the CPU walks, a page of guest memory would serve as a page table, and the guest would
 * have all of the host's memory.
 */
static bool depth_is_walked(const struct pte_format *f)
{
	return !f->walked || f->walked() == f->levels;
}

#if KEEL_DEBUG
static unsigned int table_levels;
module_param(table_levels, uint, 0444);
MODULE_PARM_DESC(table_levels, "test builds: depth of second-level tables, wrong or right; 0 for the right one (default)");

static bool unchecked_levels;
module_param(unchecked_levels, bool, 0444);
MODULE_PARM_DESC(unchecked_levels, "test builds: no look at that depth at load, so that the one at each root is tested (default n)");

static void force_depth(struct pte_format *f)
{
	if (table_levels)
		f->levels = table_levels;
}

int keel_memory_root_check(struct vcpu *vcpu)
{
	if (depth_is_walked(format))
		return 0;
	keel_explain(vcpu->vm, vcpu->id, "second-level tables have %u levels and CPU %d walks %u: not entered", format->levels,
		     raw_smp_processor_id(), format->walked());
	return -EIO;
}
#else
#define unchecked_levels false
static void force_depth(struct pte_format *f) { }
#endif

static int depth_refusal(const struct pte_format *f)
{
	if (depth_is_walked(f) || unchecked_levels)
		return 0;
	pr_err("second-level tables have %u levels and the CPU walks %u: report this, with the kernel's command line\n", f->levels, f->walked());
	return -EOPNOTSUPP;
}

/**
 * keel_pgtable_init() - set the entry format of all tables made from now on
 * @f: record of the backend; completed by its own setup
 *
 * Context: module init, may sleep. Return: 0, -EINVAL for a record no engine can use, -EOPNOTSUPP for tables of another depth than
 * the CPU walks.
 */
int keel_pgtable_init(struct pte_format *f)
{
	int ret;

	f->setup(f);
	force_depth(f);
	if (f->levels < 4 || f->levels > PT_MAX_LEVELS || !f->max_leaf_level || f->max_leaf_level > 3)
		return -EINVAL;
	ret = depth_refusal(f);
	if (ret)
		return ret;
	format = f;
	return memory_root_init(f);
}

unsigned int keel_memory_gpa_bits(void)
{
	return PAGE_SHIFT + 9 * format->levels;
}

/**
 * keel_pgtable_exit() - after the last VM: wait for what is still to be freed
 *
 * Context: module exit, may sleep.
 */
void keel_pgtable_exit(void)
{
	memory_notifier_exit();
	rcu_barrier();
	memory_root_exit();
	format = NULL;
}

void keel_memory_init(struct vm *vm)
{
	struct memory *mem = &vm->mem;

	mutex_init(&mem->slots_lock);
	xa_init_flags(&mem->ids, XA_FLAGS_ACCOUNT);
	init_rwsem(&mem->users);
	spin_lock_init(&mem->lock);
}

static void slot_free(struct memslot *slot)
{
	if (!slot->dirty_moved)
		kvfree(slot->dirty);
	kfree(slot);
}

static void slot_free_rcu(struct rcu_head *head)
{
	slot_free(container_of(head, struct memslot, rcu));
}

void keel_memory_destroy(struct vm *vm)
{
	struct memory *mem = &vm->mem;
	struct memslots *slots = rcu_dereference_protected(mem->slots, 1);
	struct pgtable *pt = mem->table;
	struct pt_update up = {};
	unsigned int i;

	memory_notifier_destroy(vm);
	shadow_vm_destroy(vm);
	if (pt) {
		/* nobody runs on these tables any more: nothing to flush */
		pgtable_clear(pt, &up);
		pgtable_free_pages(up.dead);
		pgtable_free_pages(pt->reserve);
		kfree(pt);
		mem->table = NULL;
	}
	for (i = 0; slots && i < slots->count; i++)
		slot_free(slots->slot[i]);
	kvfree(slots);
	RCU_INIT_POINTER(mem->slots, NULL);
	xa_destroy(&mem->ids);
}

/* What the first slot needs: tables and the MMU notifier. slots_lock held. */
static int memory_start(struct vm *vm)
{
	int ret = memory_table_create(vm);

	if (ret || vm->mem.notifier)
		return ret;
	return memory_notifier_create(vm);
}

/* Number of the first slot that ends behind @gfn. */
static unsigned int slots_position(const struct memslots *slots, gfn_t gfn)
{
	unsigned int low = 0, high = slots ? slots->count : 0;

	while (low < high) {
		unsigned int mid = (low + high) / 2;

		if (slots->slot[mid]->base + slots->slot[mid]->npages <= gfn)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Does [base, base + npages) overlap a slot other than @old? */
static bool slots_overlap(const struct memslots *slots, gfn_t base, u64 npages, const struct memslot *old)
{
	unsigned int i = slots_position(slots, base);

	if (slots && i < slots->count && slots->slot[i] == old)
		i++;
	return slots && i < slots->count && slots->slot[i]->base < base + npages;
}

/* A copy of @slots without @drop (or NULL) and with @add (or NULL) at its place in the order. */
static struct memslots *slots_copy(const struct memslots *slots, const struct memslot *drop, struct memslot *add)
{
	unsigned int count = slots ? slots->count : 0, i, n = 0;
	unsigned int capacity = count + 1 + (add && !drop ? count / 2 : 0);
	struct memslots *new;

	new = kvmalloc(struct_size(new, slot, capacity), GFP_KERNEL_ACCOUNT);
	if (!new)
		return NULL;
	new->generation = slots ? slots->generation + 1 : 1;
	new->capacity = capacity;
	for (i = 0; i < count; i++) {
		if (slots->slot[i] == drop)
			continue;
		if (add && add->base < slots->slot[i]->base) {
			new->slot[n++] = add;
			add = NULL;
		}
		new->slot[n++] = slots->slot[i];
	}
	if (add)
		new->slot[n++] = add;
	new->count = n;
	return new;
}

/* Add @new behind all others in place, so that adding slots in order costs no copies. False if that cannot be. */
static bool slots_append(struct memory *mem, struct memslots *slots, struct memslot *new)
{
	if (!slots || slots->count == slots->capacity || slots_position(slots, new->base) < slots->count)
		return false;
	spin_lock(&mem->lock);
	slots->slot[slots->count] = new;
	interval_tree_insert(&new->by_hva, &mem->notifier->by_hva);
	/* pairs with the acquire in slots_find() */
	smp_store_release(&slots->count, slots->count + 1);
	/* who remembers a hole must look again; pairs with find_hole() */
	smp_store_release(&slots->generation, slots->generation + 1);
	spin_unlock(&mem->lock);
	return true;
}

static bool slot_leaves(const struct memslot *old, const struct memslot *new)
{
	return old && (!new || new->base != old->base);
}

/*
 * Put array @new in the place of @old; it lacks @drop (or NULL) and has @add (or NULL). What leaves its frames stays where the MMU
 * notifier finds it until it is unmapped there: slot_unmap().
 */
static void slots_publish(struct memory *mem, struct memslots *old, struct memslots *new, struct memslot *drop,
			  struct memslot *add)
{
	spin_lock(&mem->lock);
	if (drop && !slot_leaves(drop, add))
		interval_tree_remove(&drop->by_hva, &mem->notifier->by_hva);
	if (add)
		interval_tree_insert(&add->by_hva, &mem->notifier->by_hva);
	rcu_assign_pointer(mem->slots, new);
	spin_unlock(&mem->lock);
	if (old)
		kvfree_rcu(old, rcu);
}

/* Nobody uses the addresses of a slot that went, or writes without marking pages, when this returns. */
static void slots_wait_users(struct memory *mem)
{
	synchronize_rcu_expedited();
	down_write(&mem->users);
	up_write(&mem->users);
}

static struct memslot *slot_alloc(const struct memory *mem, const struct kvm_userspace_memory_region *r, struct memslot *old)
{
	struct memslot *slot = kzalloc(sizeof(*slot), GFP_KERNEL_ACCOUNT);

	if (!slot)
		return NULL;
	slot->base = r->guest_phys_addr >> PAGE_SHIFT;
	slot->npages = r->memory_size >> PAGE_SHIFT;
	slot->hva = r->userspace_addr;
	slot->by_hva.start = slot->hva;
	slot->by_hva.last = slot->hva + r->memory_size - 1;
	slot->id = r->slot;
	slot->flags = r->flags;
	if (!(r->flags & KVM_MEM_LOG_DIRTY_PAGES))
		return slot;
	slot->dirty = old && old->dirty ? old->dirty : dirty_bitmap_alloc(mem, slot->npages);
	if (!slot->dirty) {
		kfree(slot);
		return NULL;
	}
	return slot;
}

/* Publish the slots with @new (NULL: none) in the place of @old (NULL: none). */
static int slots_update(struct memory *mem, struct memslot *old, struct memslot *new)
{
	struct memslots *slots = mem_slots_locked(mem), *next;

	if (!old && slots_append(mem, slots, new))
		return 0;
	next = slots_copy(slots, old, new);
	if (!next)
		return -ENOMEM;
	if (new && old && new->dirty && new->dirty == old->dirty) {
		old->dirty_moved = true;
		/* before it is gone from the array: mark_dirty() looks there first */
		smp_store_release(&mem->notifier->leaving, old);
	}
	slots_publish(mem, slots, next, old, new);
	return 0;
}

/* Remove what a slot mapped that is not published any more, then let the MMU notifier forget it, and wait for its users. */
static void slot_unmap(struct vm *vm, struct memslot *slot)
{
	struct memory *mem = &vm->mem;

	memory_visit(vm, slot->base, slot->base + slot->npages, pgtable_unmap, shadow_forget);
	spin_lock(&mem->lock);
	interval_tree_remove(&slot->by_hva, &mem->notifier->by_hva);
	spin_unlock(&mem->lock);
	slots_wait_users(mem);
}

/* Replace @old by @new and bring the tables in line. */
static int slot_replace(struct vm *vm, struct memslot *old, struct memslot *new)
{
	struct memory *mem = &vm->mem;
	int ret;

	if (new) {
		ret = xa_err(xa_store(&mem->ids, new->id, new, GFP_KERNEL_ACCOUNT));
		if (ret)
			return ret;
	}
	ret = slots_update(mem, old, new);
	if (ret) {
		/* no allocation: the entry is there, or is made empty */
		if (new)
			xa_store(&mem->ids, new->id, old, GFP_KERNEL_ACCOUNT);
		return ret;
	}
	if (!new)
		xa_erase(&mem->ids, old->id);
	if (slot_leaves(old, new))
		slot_unmap(vm, old);
	/* no CPU has logged a page by its old frame, and nobody sleeps with one, that is not told */
	WRITE_ONCE(mem->notifier->leaving, NULL);
	if (new && new->dirty && old && !old->dirty)
		slots_wait_users(mem);
	if (new && new->dirty && (!old || !old->dirty))
		dirty_log_started(vm, new);
	else if (new && old && old->dirty && !new->dirty)
		dirty_log_stopped(vm, new);
	if (old)
		call_rcu(&old->rcu, slot_free_rcu);
	return 0;
}

static int region_check(const struct kvm_userspace_memory_region *r)
{
	u64 limit = min_t(u64, pt_frames(format), 1ull << (keel_host_mode.phys_bits - PAGE_SHIFT));
	u64 gpa = r->guest_phys_addr, size = r->memory_size;

	if (r->flags & ~SLOT_FLAGS)
		return -EINVAL;
	if (r->slot >= KEEL_MAX_SLOTS)
		return -EINVAL;
	if (!PAGE_ALIGNED(size) || !PAGE_ALIGNED(gpa) || !PAGE_ALIGNED(r->userspace_addr))
		return -EINVAL;
	/*
	 * Where the CPU ignores upper bits of addresses, access_ok() lets them pass, and so would a walk of the launcher's tables; but
	 * the MMU notifier names addresses without them, and would not find the slot.
	 */
	if (!access_ok((void __user *)r->userspace_addr, size) || r->userspace_addr > TASK_SIZE_MAX - size)
		return -EINVAL;
	if (gpa + size < gpa || size >> PAGE_SHIFT > SLOT_MAX_PAGES)
		return -EINVAL;
	if (size && ((gpa + size - 1) >> PAGE_SHIFT) >= limit)
		return -EINVAL;
	return 0;
}

static int region_set(struct vm *vm, const struct kvm_userspace_memory_region *r)
{
	struct memslot *old = xa_load(&vm->mem.ids, r->slot), *new;
	gfn_t base = r->guest_phys_addr >> PAGE_SHIFT;
	u64 npages = r->memory_size >> PAGE_SHIFT;
	int ret;

	if (!npages)
		return old ? slot_replace(vm, old, NULL) : -EINVAL;
	if (old) {
		if (old->hva != r->userspace_addr || old->npages != npages || (old->flags ^ r->flags) & KVM_MEM_READONLY)
			return -EINVAL;
		if (old->base == base && old->flags == r->flags)
			return 0;
	}
	if ((!old || old->base != base) && slots_overlap(mem_slots_locked(&vm->mem), base, npages, old))
		return -EEXIST;
	ret = memory_start(vm);
	if (ret)
		return ret;
	new = slot_alloc(&vm->mem, r, old);
	if (!new)
		return -ENOMEM;
	ret = slot_replace(vm, old, new);
	if (ret) {
		new->dirty_moved = old && old->dirty == new->dirty;
		slot_free(new);
	}
	return ret;
}

/**
 * keel_memory_set_region() - create, move, change or delete a slot
 * @vm: the machine
 * @region: kernel copy of the launcher's argument
 *
 * Context: may sleep; takes slots_lock. When a deletion or move returns nothing uses the old address any more.
 * Return: 0, -EINVAL (alignment, range, flags, an unknown slot, a change that is none of these), -EEXIST (overlap),
 * -ENOMEM, -EINTR.
 */
int keel_memory_set_region(struct vm *vm, const struct kvm_userspace_memory_region *region)
{
	int ret = region_check(region);

	if (ret)
		return ret;
	mutex_lock(&vm->mem.slots_lock);
	ret = region_set(vm, region);
	mutex_unlock(&vm->mem.slots_lock);
	return ret;
}

/* What the slots were made from. slots_lock held. */
static struct kvm_userspace_memory_region *regions_of(struct memory *mem, unsigned int *n)
{
	const struct memslots *slots = mem_slots_locked(mem);
	struct kvm_userspace_memory_region *regions;
	unsigned int i;

	*n = slots ? slots->count : 0;
	regions = kvmalloc_array(max(*n, 1u), sizeof(*regions), GFP_KERNEL_ACCOUNT);
	for (i = 0; regions && i < *n; i++)
		regions[i] = (struct kvm_userspace_memory_region){
			.slot = slots->slot[i]->id,
			.flags = slots->slot[i]->flags,
			.guest_phys_addr = slots->slot[i]->base << PAGE_SHIFT,
			.memory_size = slots->slot[i]->npages << PAGE_SHIFT,
			.userspace_addr = slots->slot[i]->hva,
		};
	return regions;
}

int keel_memory_copy_slots(struct vm *to, struct vm *from)
{
	struct kvm_userspace_memory_region *regions;
	unsigned int i, n;
	int ret = 0;

	/* the other process may have its holder wait for a page */
	if (mutex_lock_killable(&from->mem.slots_lock))
		return -EINTR;
	regions = regions_of(&from->mem, &n);
	to->mem.manual_protect = from->mem.manual_protect;
	to->mem.ring_order = from->mem.ring_order;
	to->mem.ring_bitmap = from->mem.ring_bitmap;
	mutex_unlock(&from->mem.slots_lock);
	if (!regions)
		return -ENOMEM;
	for (i = 0; i < n && !ret; i++)
		ret = keel_memory_set_region(to, &regions[i]);
	kvfree(regions);
	return ret;
}

bool keel_memory_has_slot(struct vcpu *vcpu, gpa_t gpa)
{
	bool found;

	rcu_read_lock();
	found = vcpu_find_slot(vcpu, mem_slots_rcu(&vcpu->vm->mem), gpa_to_gfn(gpa));
	rcu_read_unlock();
	return found;
}

bool keel_memory_is_writable(struct vcpu *vcpu, gpa_t gpa)
{
	const struct memslot *slot;
	bool writable;

	rcu_read_lock();
	slot = vcpu_find_slot(vcpu, mem_slots_rcu(&vcpu->vm->mem), gpa_to_gfn(gpa));
	writable = slot && !(slot->flags & KVM_MEM_READONLY);
	rcu_read_unlock();
	return writable;
}

/* Look @gfn up and remember the hole around it. */
static noinline bool find_hole(struct vcpu_hole *hole, const struct memslots *slots, gfn_t gfn)
{
	/* before the count: a slot that is added meanwhile makes another generation after it */
	u64 generation = smp_load_acquire(&slots->generation);
	unsigned int count = smp_load_acquire(&slots->count);
	unsigned int above = slots_above(slots, count, gfn);

	hole->base = above ? slots->slot[above - 1]->base + slots->slot[above - 1]->npages : 0;
	hole->npages = 0;
	if (gfn < hole->base)
		return false;
	/* behind the last slot it has no end, but must not reach around to the first */
	hole->npages = (above < count ? slots->slot[above]->base : ~0ull) - hole->base;
	hole->generation = generation;
	return true;
}

bool keel_memory_is_hole(struct vcpu *vcpu, gpa_t gpa)
{
	/* interrupts are off, so this is an RCU reader */
	const struct memslots *slots = rcu_dereference_check(vcpu->vm->mem.slots, irqs_disabled());
	const struct vcpu_hole *hole = &vcpu->known.hole;
	gfn_t gfn = gpa_to_gfn(gpa);

	if (unlikely(!slots))
		return true;
	if (likely(hole->generation == READ_ONCE(slots->generation) && gfn - hole->base < hole->npages))
		return true;
	return find_hole(&vcpu->known.hole, slots, gfn);
}
