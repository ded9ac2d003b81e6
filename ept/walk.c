// SPDX-License-Identifier: GPL-2.0-only
/*
 * Walks of the guest's own page tables (AMD64 Architecture Programmer's Manual volume 2, "Page Translation and
 * Protection"; SDM volume 3, "Paging").
 *
 * One body serves two uses: atomic (interrupts off or on, no page of the launcher is faulted in) and sleeping. The atomic
 * one runs for every intercepted instruction on CPUs that do not deliver its length or bytes, so it is inlined into its
 * callers, keeps no record it does not need, and reads entries straight from the launcher's memory.
 *
 * Accessed and dirty bits are set after the permission check, all at once, by compare and exchange; when an entry changed
 * meanwhile the walk is made again.
 */
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <asm/processor-flags.h>
#include <keel/access.h>
#include <keel/guest_access.h>
#include <keel/pdpte.h>
#include "ept.h"
#include "shadow.h"
#include "walk.h"

/*
 * PDPTEs of PAE paging are checked when CR3 is loaded. Of bits 8:5 only that check may speak: QEMU's TCG sets bit 5 at its
 * own walks, and a second fault here would stop the guest.
 */
#define PDPTE_RESERVED	(GENMASK_ULL(2, 1) | GENMASK_ULL(63, 52))

/* Page-fault error code */
#define PFERR_P		BIT(0)
#define PFERR_W		BIT(1)
#define PFERR_U		BIT(2)
#define PFERR_RSVD	BIT(3)
#define PFERR_FETCH	BIT(4)
#define PFERR_PK	BIT(5)

/* Walks made again because of that, before the bits are left alone. */
#define WALK_RETRIES	8

enum walk_sleep { WALK_MAY_SLEEP, WALK_NO_SLEEP };

/*
 * The slot that the walk reads from, unpacked, so that further reads from the same slot cost a compare and an add. Valid
 * as long as @slots is.
 */
struct slot_view {
	const struct memslots *slots;
	gfn_t base;
	u64 npages;		/* 0: no slot yet */
	unsigned long delta;	/* launcher address = gpa + delta */
};

static __always_inline void view_set(struct slot_view *v, const struct memslot *slot)
{
	v->base = slot->base;
	v->npages = slot->npages;
	v->delta = slot->hva - gfn_to_gpa(slot->base);
}

static __always_inline void view_init(struct slot_view *v, struct vcpu *vcpu, const struct memslots *slots)
{
	v->slots = slots;
	v->base = 0;
	v->npages = 0;
	v->delta = 0;
	if (slots && likely(slots->generation == vcpu->known.slot_generation))
		view_set(v, vcpu->known.slot);
}

/* The slot of @gfn when the view is of another one. Out of line, and without the view, which so stays in registers. */
static noinline const struct memslot *view_miss(struct vcpu *vcpu, const struct memslots *slots, gfn_t gfn)
{
	return vcpu_find_slot(vcpu, slots, gfn);
}

/* The launcher's address of @gpa. Slots lie wholly in user space (checked when they are made): no access_ok(). */
static __always_inline bool view_user(struct slot_view *v, struct vcpu *vcpu, gpa_t gpa, void __user **user)
{
	if (unlikely(gpa_to_gfn(gpa) - v->base >= v->npages)) {
		const struct memslot *slot = view_miss(vcpu, v->slots, gpa_to_gfn(gpa));

		if (!slot)
			return false;
		view_set(v, slot);
	}
	*user = (void __user *)(unsigned long)(gpa + v->delta);
	return true;
}

static __always_inline int read_user_atomic(const void __user *user, unsigned int size, u64 *val)
{
	u32 val32;

	__uaccess_begin_nospec();
	if (size == 8) {
		unsafe_get_user(*val, (u64 __user *)user, fault);
	} else {
		unsafe_get_user(val32, (u32 __user *)user, fault);
		*val = val32;
	}
	__uaccess_end();
	return 0;
fault:
	__uaccess_end();
	return -EFAULT;
}

static __always_inline int read_entry(struct vcpu *vcpu, struct slot_view *view, gpa_t gpa, unsigned int size,
				      enum walk_sleep sleep, u64 *val)
{
	void __user *user;
	u32 val32;
	int ret;

	if (sleep == WALK_NO_SLEEP)
		return view_user(view, vcpu, gpa, &user) ? read_user_atomic(user, size, val) : -EFAULT;
	if (size == 8)
		return keel_read_guest(vcpu->vm, gpa, val, 8);
	ret = keel_read_guest(vcpu->vm, gpa, &val32, 4);
	*val = val32;
	return ret;
}

static int cmpxchg_user_atomic(struct vcpu *vcpu, const struct memslots *slots, gpa_t gpa, unsigned int size, u64 old, u64 new)
{
	struct memslot *slot = vcpu_find_slot(vcpu, slots, gpa_to_gfn(gpa));
	void __user *user;
	u32 old32 = old;
	bool done;

	if (!slot || slot->flags & KVM_MEM_READONLY)
		return -EFAULT;
	user = (void __user *)(slot_hva(slot, gpa_to_gfn(gpa)) + offset_in_page(gpa));
	if (!user_access_begin(user, size))
		return -EFAULT;
	if (size == 8)
		done = unsafe_try_cmpxchg_user((u64 __user *)user, &old, new, fault);
	else
		done = unsafe_try_cmpxchg_user((u32 __user *)user, &old32, (u32)new, fault);
	user_access_end();
	if (!done)
		return WALK_CHANGED;
	slot_mark_dirty(vcpu->vm, vcpu, slot, gpa_to_gfn(gpa));
	return 0;
fault:
	user_access_end();
	return -EFAULT;
}

/* Set accessed bits in all entries of @t, and the dirty bit in the leaf for a write. 0, WALK_CHANGED, -EFAULT. */
static noinline int set_accessed_dirty(struct vcpu *vcpu, const struct memslots *slots, struct walk_trace *t,
				       bool write, enum walk_sleep sleep)
{
	unsigned int level;

	for (level = t->top; level >= t->leaf; level--) {
		u64 old = t->entry[level];
		u64 new = old | GPTE_A | (write && level == t->leaf ? GPTE_D : 0);
		int ret;

		if (new == old)
			continue;
		if (sleep == WALK_NO_SLEEP)
			ret = cmpxchg_user_atomic(vcpu, slots, t->gpa[level], t->size, old, new);
		else
			ret = keel_cmpxchg_guest(vcpu->vm, t->gpa[level], t->size, &old, new);
		if (ret)
			return ret < 0 ? ret : WALK_CHANGED;
		t->entry[level] = new;
	}
	return 0;
}

/* Error code bits that depend on the access alone. */
static __always_inline u32 access_error(const struct vcpu_regs *r, u32 access)
{
	u32 error = 0;

	if (access & WALK_WRITE)
		error |= PFERR_W;
	if (access & WALK_USER)
		error |= PFERR_U;
	if (access & WALK_FETCH && ((r->efer & EFER_NX && r->cr4 & X86_CR4_PAE) || r->cr4 & X86_CR4_SMEP))
		error |= PFERR_FETCH;
	return error;
}

/* @rights: AND of all entries; @nx: OR of their no-execute bits. */
static __always_inline bool is_permitted(const struct vcpu_regs *r, u32 access, u64 rights, bool nx)
{
	if (access & WALK_FETCH && nx)
		return false;
	if (access & WALK_USER)
		return rights & GPTE_U && (!(access & WALK_WRITE) || rights & GPTE_W);
	if (access & WALK_WRITE && !(rights & GPTE_W) && r->cr0 & X86_CR0_WP)
		return false;
	if (!(rights & GPTE_U))
		return true;
	if (access & WALK_FETCH)
		return !(r->cr4 & X86_CR4_SMEP);
	return !(r->cr4 & X86_CR4_SMAP) || (!(access & WALK_IMPLICIT) && r->rflags & X86_EFLAGS_AC);
}

static __always_inline int walk_fault(struct walk *walk, u32 error)
{
	walk->error = error;
	return WALK_FAULT;
}

/* PFERR_PK when the protection key of a user page forbids the data access. Long mode with CR4.PKE. */
static noinline u32 key_error(const struct vcpu *vcpu, u32 access, u64 pte)
{
	u32 key = vcpu->xstate.pkru >> (2 * (pte >> GPTE_KEY_SHIFT & 15));

	if (access & WALK_FETCH)
		return 0;
	if (key & PKRU_NO_ACCESS)
		return PFERR_PK;
	if (access & WALK_WRITE && key & PKRU_NO_WRITE && (access & WALK_USER || vcpu->regs.cr0 & X86_CR0_WP))
		return PFERR_PK;
	return 0;
}

/* Permissions, accessed and dirty bits, result: the same for all formats. @rights: AND of all entries; @pte: the leaf. */
static __always_inline int walk_finish(struct vcpu *vcpu, const struct memslots *slots, u32 access, struct walk *walk,
				       enum walk_sleep sleep, struct walk_trace *t, u64 rights, bool nx, u64 pte)
{
	const struct vcpu_regs *r = &vcpu->regs;
	u32 key = 0;

	if (unlikely(r->cr4 & X86_CR4_PKE) && r->efer & EFER_LMA && rights & GPTE_U)
		key = key_error(vcpu, access, pte);
	if (unlikely(key || !is_permitted(r, access, rights, nx)))
		return walk_fault(walk, PFERR_P | key | access_error(r, access));
	if (access & WALK_NO_AD)
		return 0;
	if (likely(rights & GPTE_A && (!(access & WALK_WRITE) || pte & GPTE_D)))
		return 0;
	return set_accessed_dirty(vcpu, slots, t, access & WALK_WRITE, sleep);
}

/* PAE's entry @n at the top, as the CPU has loaded it. False: it is to be read from memory. */
static noinline bool loaded_pdpte(struct vcpu *vcpu, unsigned int n, u64 *pte)
{
	if (!vcpu->shadow)
		return keel_vendor->pdpte && keel_vendor->pdpte(vcpu, n, pte, false);
	/* they are loaded before the next entry */
	if (vcpu->regs.dirty & RG_CR3 || shadow_loads_pdptes(vcpu->shadow, vcpu->regs.cr0, vcpu->regs.cr4))
		return false;
	*pte = vcpu->shadow->pdpte[n];
	return true;
}

/* PAE, 4- and 5-level tables: entries of 8 bytes. @pdpte: PAE's four entries at the top; NULL: as the CPU has them, or memory. */
static __always_inline int walk_wide(struct vcpu *vcpu, struct slot_view *view, gva_t gva, u32 access, const u64 *pdpte,
				     struct walk *walk, enum walk_sleep sleep, struct walk_trace *t)
{
	const struct vcpu_regs *r = &vcpu->regs;
	u64 nx = r->efer & EFER_NX ? GPTE_NX : 0;
	u64 reserved = (vcpu->cpuid.reserved_gpa & GPTE_ADDRESS) | (GPTE_NX & ~nx);
	bool is_long = r->efer & EFER_LMA;
	unsigned int level = is_long ? (r->cr4 & X86_CR4_LA57 ? 5 : 4) : 3;
	u64 table = is_long ? r->cr3 & GPTE_ADDRESS : r->cr3 & 0xffffffe0;
	u64 and = ~0ull, or = 0, pte, offset;
	gpa_t gpa;

	if (!is_long) {
		/* the four entries at the top have neither permissions nor an accessed bit */
		level--;
		if (pdpte)
			pte = pdpte[gva >> 30 & 3];
		else if (!loaded_pdpte(vcpu, gva >> 30 & 3, &pte) && read_entry(vcpu, view, table + (gva >> 30 & 3) * 8, 8, sleep, &pte))
			return -EFAULT;
		if (!(pte & GPTE_P))
			return walk_fault(walk, access_error(r, access));
		if (pte & (reserved | PDPTE_RESERVED))
			return walk_fault(walk, PFERR_P | PFERR_RSVD | access_error(r, access));
		table = pte & GPTE_ADDRESS;
		reserved |= GENMASK_ULL(62, 52);
	}
	t->size = 8;
	t->top = level;
	for (;; level--) {
		gpa = table + (gva >> (3 + 9 * level) & 511) * 8;
		if (read_entry(vcpu, view, gpa, 8, sleep, &pte))
			return -EFAULT;
		t->gpa[level] = gpa;
		t->entry[level] = pte;
		if (unlikely(!(pte & GPTE_P)))
			return walk_fault(walk, access_error(r, access));
		if (unlikely(pte & reserved))
			return walk_fault(walk, PFERR_P | PFERR_RSVD | access_error(r, access));
		and &= pte;
		or |= pte;
		if (level == 1 || pte & GPTE_PS)
			break;
		table = pte & GPTE_ADDRESS;
	}
	offset = (1ull << (3 + 9 * level)) - 1;
	/* bit 12 of a large leaf is its PAT bit; the top levels have no leaves, the third only where CPUID says so */
	if (level > 1 && (pte & offset & ~0x1fffull || level > 3 ||
			  (level == 3 && !(vcpu->cpuid.flags & GUEST_HAS_GBPAGES))))
		return walk_fault(walk, PFERR_P | PFERR_RSVD | access_error(r, access));
	walk->gpa = (pte & GPTE_ADDRESS & ~offset) | (gva & offset);
	t->leaf = level;
	return walk_finish(vcpu, view->slots, access, walk, sleep, t, and, or & nx, pte);
}

/* Two-level tables: entries of 4 bytes, 4M pages with CR4.PSE. */
static __always_inline int walk_narrow(struct vcpu *vcpu, struct slot_view *view, gva_t gva, u32 access,
				       struct walk *walk, enum walk_sleep sleep, struct walk_trace *t)
{
	const struct vcpu_regs *r = &vcpu->regs;
	gpa_t gpa = (r->cr3 & 0xfffff000) + (gva >> 22 & 1023) * 4;
	u64 pde, pte;

	if (read_entry(vcpu, view, gpa, 4, sleep, &pde))
		return -EFAULT;
	*t = (struct walk_trace){ .gpa[2] = gpa, .entry[2] = pde, .top = 2, .leaf = 2, .size = 4 };
	if (!(pde & GPTE_P))
		return walk_fault(walk, access_error(r, access));
	if (pde & GPTE_PS && r->cr4 & X86_CR4_PSE) {
		walk->gpa = (pde & 0xffc00000) | (pde >> 13 & 0xff) << 32 | (gva & 0x3fffff);
		if (pde & BIT(21) || walk->gpa & vcpu->cpuid.reserved_gpa)
			return walk_fault(walk, PFERR_P | PFERR_RSVD | access_error(r, access));
		return walk_finish(vcpu, view->slots, access, walk, sleep, t, pde, false, pde);
	}
	gpa = (pde & 0xfffff000) + (gva >> 12 & 1023) * 4;
	if (read_entry(vcpu, view, gpa, 4, sleep, &pte))
		return -EFAULT;
	t->leaf = 1;
	t->gpa[1] = gpa;
	t->entry[1] = pte;
	if (!(pte & GPTE_P))
		return walk_fault(walk, access_error(r, access));
	walk->gpa = (pte & 0xfffff000) | (gva & 0xfff);
	return walk_finish(vcpu, view->slots, access, walk, sleep, t, pde & pte, false, pte);
}

/* One walk. 0, WALK_FAULT, WALK_CHANGED, -EFAULT. vcpu->regs holds what WALK_REGS says. */
static __always_inline int walk_tables(struct vcpu *vcpu, struct slot_view *view, gva_t gva, u32 access, const u64 *pdpte,
				       struct walk *walk, enum walk_sleep sleep, struct walk_trace *t)
{
	const struct vcpu_regs *r = &vcpu->regs;

	if (!(r->cr0 & X86_CR0_PG)) {
		walk->gpa = gva;
		return 0;
	}
	if (likely(r->cr4 & X86_CR4_PAE))
		return walk_wide(vcpu, view, gva, access, pdpte, walk, sleep, t);
	return walk_narrow(vcpu, view, gva, access, walk, sleep, t);
}

#define WALK_REGS	(RG_CR0 | RG_CR3 | RG_CR4 | RG_EFER | RG_RFLAGS)

static __always_inline int try_atomic(struct vcpu *vcpu, gva_t gva, u32 access, const u64 *pdpte, struct walk *walk,
				      struct walk_trace *t)
{
	struct slot_view view;
	int ret;

	if (unlikely(current->mm != vcpu->vm->mm))
		return -EFAULT;
	pagefault_disable();
	rcu_read_lock();
	view_init(&view, vcpu, mem_slots_rcu(&vcpu->vm->mem));
	ret = walk_tables(vcpu, &view, gva, access, pdpte, walk, WALK_NO_SLEEP, t);
	rcu_read_unlock();
	pagefault_enable();
	return ret;
}

static noinline int walk_atomic(struct vcpu *vcpu, gva_t gva, u32 access, struct walk *walk)
{
	struct walk_trace t;

	return try_atomic(vcpu, gva, access, NULL, walk, &t);
}

static noinline int walk_sleep(struct vcpu *vcpu, gva_t gva, u32 access, struct walk *walk)
{
	struct slot_view none = {};
	struct walk_trace t;

	return walk_tables(vcpu, &none, gva, access, NULL, walk, WALK_MAY_SLEEP, &t);
}

int keel_walk(struct vcpu *vcpu, gva_t gva, u32 access, struct walk *walk)
{
	unsigned int i;
	int ret;

	vcpu_need(vcpu, WALK_REGS);
	for (i = 0; i <= WALK_RETRIES; i++) {
		/* a guest that keeps changing its entries gets the translation, not the bits */
		if (i == WALK_RETRIES)
			access |= WALK_NO_AD;
		ret = walk_atomic(vcpu, gva, access, walk);
		if (ret == -EFAULT && !(access & WALK_ATOMIC))
			ret = walk_sleep(vcpu, gva, access, walk);
		if (ret != WALK_CHANGED)
			break;
	}
	return ret;
}

int walk_traced(struct vcpu *vcpu, gva_t gva, u32 access, const u64 *pdpte, struct walk *walk, struct walk_trace *t)
{
	struct slot_view none = {};
	unsigned int i;
	int ret = WALK_CHANGED;

	vcpu_need(vcpu, WALK_REGS);
	for (i = 0; i < WALK_RETRIES && ret == WALK_CHANGED; i++) {
		*t = (struct walk_trace){ .leaf = 1 };
		ret = try_atomic(vcpu, gva, access, pdpte, walk, t);
		if (ret == -EFAULT)
			ret = walk_tables(vcpu, &none, gva, access, pdpte, walk, WALK_MAY_SLEEP, t);
	}
	return ret;
}

int keel_read_pdptes(struct vcpu *vcpu, u64 pdpte[4])
{
	unsigned int n;

	vcpu_need(vcpu, WALK_REGS);
	for (n = 0; n < 4; n++) {
		if (!loaded_pdpte(vcpu, n, &pdpte[n]) && keel_read_guest(vcpu->vm, (vcpu->regs.cr3 & 0xffffffe0) + n * 8, &pdpte[n], 8))
			return -EFAULT;
	}
	return 0;
}

bool keel_get_pdptes(struct vcpu *vcpu, u64 pdpte[4])
{
	const struct vcpu_regs *r = &vcpu->regs;
	unsigned int n;

	vcpu_need(vcpu, WALK_REGS);
	if (!is_pae_paging(r->cr0, r->cr4, r->efer))
		return false;
	for (n = 0; n < 4; n++)
		if (!loaded_pdpte(vcpu, n, &pdpte[n]))
			return false;
	return true;
}

void keel_put_pdptes(struct vcpu *vcpu, const u64 pdpte[4])
{
	struct shadow_vcpu *sv = vcpu->shadow;
	unsigned int n;

	if (!sv) {
		for (n = 0; keel_vendor->pdpte && n < 4; n++) {
			u64 put = pdpte[n];

			keel_vendor->pdpte(vcpu, n, &put, true);
		}
		return;
	}
	memcpy(sv->pdpte, pdpte, sizeof(sv->pdpte));
	/* CR3 goes in as part of the root; the others are written as before, and load nothing */
	regs_clean(&vcpu->regs, RG_CR3);
	sv->cr0 = vcpu->regs.cr0;
	sv->cr4 = vcpu->regs.cr4;
}

int walk_read_entry(struct vcpu *vcpu, gpa_t gpa, unsigned int size, u64 *val)
{
	struct slot_view view;
	int ret;

	if (unlikely(current->mm != vcpu->vm->mm))
		return -EFAULT;
	pagefault_disable();
	view_init(&view, vcpu, mem_slots_locked(&vcpu->vm->mem));
	ret = read_entry(vcpu, &view, gpa, size, WALK_NO_SLEEP, val);
	pagefault_enable();
	return ret;
}

int walk_read_entries(struct vcpu *vcpu, gpa_t gpa, unsigned int size, unsigned int n, u64 *val)
{
	struct slot_view view;
	void __user *user;
	unsigned int i;
	int ret = -EFAULT;
	u32 val32;

	if (unlikely(current->mm != vcpu->vm->mm))
		return -EFAULT;
	pagefault_disable();
	view_init(&view, vcpu, mem_slots_locked(&vcpu->vm->mem));
	if (!view_user(&view, vcpu, gpa, &user))
		goto out;
	__uaccess_begin_nospec();
	for (i = 0; i < n; i++) {
		if (size == 8) {
			unsafe_get_user(val[i], (u64 __user *)user + i, fault);
		} else {
			unsafe_get_user(val32, (u32 __user *)user + i, fault);
			val[i] = val32;
		}
	}
	ret = 0;
fault:
	__uaccess_end();
out:
	pagefault_enable();
	return ret;
}

bool walk_unchanged(struct vcpu *vcpu, const struct walk_trace *t)
{
	unsigned int level;
	u64 entry;

	for (level = t->top; level >= t->leaf; level--)
		if (walk_read_entry(vcpu, t->gpa[level], t->size, &entry) || entry != t->entry[level])
			return false;
	return true;
}

enum virt_dir { VIRT_READ, VIRT_WRITE };

/*
 * Outside 64-bit code linear addresses have 32 bits, and the byte behind the last is the first (SDM,
 * "Segment Wraparound").
 */
static gva_t wrap(struct vcpu *vcpu, gva_t gva)
{
	return vcpu_is_64bit_code(vcpu) ? gva : (u32)gva;
}

static int copy_gpa(struct vm *vm, gpa_t gpa, void *data, unsigned int len, enum virt_dir dir, u32 access)
{
	if (access & WALK_ATOMIC)
		return dir == VIRT_READ ? keel_read_guest_atomic(vm, gpa, data, len) :
					  keel_write_guest_atomic(vm, gpa, data, len);
	return dir == VIRT_READ ? keel_read_guest(vm, gpa, data, len) : keel_write_guest(vm, gpa, data, len);
}

static int copy_virt(struct vcpu *vcpu, gva_t gva, void *data, unsigned int len, enum virt_dir dir, u32 access,
		     struct walk *walk, gva_t *fault_gva)
{
	while (len) {
		unsigned int n = min_t(unsigned int, len, PAGE_SIZE - offset_in_page(gva));
		int ret;

		*fault_gva = gva;
		ret = keel_walk(vcpu, gva, access, walk);
		if (!ret)
			ret = copy_gpa(vcpu->vm, walk->gpa, data, n, dir, access);
		if (ret)
			return ret;
		gva = wrap(vcpu, gva + n);
		data += n;
		len -= n;
	}
	return 0;
}

int keel_read_virt(struct vcpu *vcpu, gva_t gva, void *data, unsigned int len, u32 access, struct walk *walk, gva_t *fault_gva)
{
	return copy_virt(vcpu, gva, data, len, VIRT_READ, access & ~WALK_WRITE, walk, fault_gva);
}

int keel_write_virt(struct vcpu *vcpu, gva_t gva, const void *data, unsigned int len, u32 access, struct walk *walk,
		    gva_t *fault_gva)
{
	return copy_virt(vcpu, gva, (void *)data, len, VIRT_WRITE, access | WALK_WRITE, walk, fault_gva);
}

/* Up to @max bytes (at most 15) at @user, to the end of the page. Page faults off. */
static __always_inline unsigned int fetch_user(const void __user *user, u8 *buf, unsigned int max)
{
	unsigned int n = min_t(unsigned int, max, PAGE_SIZE - offset_in_page(user));
	u64 low, high;

	if (likely(n == EMU_MAX_INSN)) {
		__uaccess_begin_nospec();
		unsafe_get_user(low, (u64 __user *)user, fault);
		unsafe_get_user(high, (u64 __user *)(user + 7), fault);
		__uaccess_end();
		memcpy(buf, &low, 8);
		memcpy(buf + 7, &high, 8);
		return n;
	}
	return __copy_from_user_inatomic(buf, user, n) ? 0 : n;
fault:
	__uaccess_end();
	return 0;
}

/* Which record a page of code has. */
static inline struct code_page *code_page(struct vcpu *vcpu, gva_t gva)
{
	return &vcpu->known.code.page[(gva >> PAGE_SHIFT) % CODE_PAGES];
}

/* What the record of @gva says when it is of this page and privilege; supervisor mode is recorded as CPL 0. */
static inline u64 code_key(gva_t gva, unsigned int cpl)
{
	return (gva & PAGE_MASK) | cpl;
}

static inline unsigned int access_cpl(u32 access)
{
	return access & WALK_USER ? 3 : 0;
}

/* Note how a page of 64-bit code was translated. Four entries at most: with five levels the walk is made each time. */
static noinline void remember_page(struct vcpu *vcpu, struct slot_view *view, gva_t gva, u32 access, const struct walk_trace *t,
				   const void __user *code)
{
	const struct vcpu_regs *r = &vcpu->regs;
	struct code_page *page = code_page(vcpu, gva);
	unsigned int i, level = t->top;

	page->page = ~0ull;
	if (t->top != CODE_LEVELS)
		return;
	for (i = 0; i < CODE_LEVELS; i++) {
		void __user *user;

		if (!view_user(view, vcpu, t->gpa[level], &user))
			return;
		page->entry[i] = (unsigned long)user;
		page->value[i] = t->entry[level];
		if (level > t->leaf)
			level--;
	}
	page->cr3 = r->cr3;
	page->cr4 = r->cr4;
	page->efer = r->efer;
	page->generation = view->slots->generation;
	page->code = (unsigned long)code & PAGE_MASK;
	page->page = code_key(gva, access_cpl(access));
}

/* Instruction bytes at @gva up to the end of its page. @access: WALK_USER or 0. Interrupts off, page faults off. */
static unsigned int fetch_page(struct vcpu *vcpu, gva_t gva, u32 access, u8 *buf, unsigned int max)
{
	struct walk_trace t;
	struct slot_view view;
	void __user *user;
	struct walk walk;

	/* interrupts are off, so this is an RCU reader */
	view_init(&view, vcpu, rcu_dereference_check(vcpu->vm->mem.slots, irqs_disabled()));
	if (walk_tables(vcpu, &view, gva, access | WALK_FETCH | WALK_NO_AD, NULL, &walk, WALK_NO_SLEEP, &t))
		return 0;
	if (!view_user(&view, vcpu, walk.gpa, &user))
		return 0;
	if (vcpu->regs.efer & EFER_LMA)
		remember_page(vcpu, &view, gva, access, &t, user);
	return fetch_user(user, buf, max);
}

/*
 * Make the walk of a remembered page again. It comes out as it did if the registers that it depends on and the entries are the same: in
 * long mode with four levels these are CR3, CR4, EFER and the privilege, as CR0.WP is no matter of fetches. The launcher's
 * addresses hold as long as no slot is changed; what it has unmapped faults. @high may be NULL.
 */
static __always_inline bool fetch_again(struct vcpu *vcpu, gva_t gva, unsigned int cpl, u64 *low, u64 *high)
{
	const struct memslots *slots = rcu_dereference_check(vcpu->vm->mem.slots, irqs_disabled());
	const struct code_page *page = code_page(vcpu, gva);
	const struct vcpu_regs *r = &vcpu->regs;
	const u8 __user *code;
	u64 a, b, c, d;

	/* or the compiler computes it anew for each member */
	OPTIMIZER_HIDE_VAR(page);
	if (unlikely(page->page != code_key(gva, cpl) || page->cr3 != r->cr3 || page->cr4 != r->cr4 || page->efer != r->efer))
		return false;
	/* there was a slot then, so there is an array of slots now */
	if (unlikely(page->generation != READ_ONCE(slots->generation)))
		return false;
	if (unlikely(offset_in_page(gva) > PAGE_SIZE - EMU_MAX_INSN || current->mm != vcpu->vm->mm))
		return false;
	code = (const u8 __user *)(page->code | offset_in_page(gva));
	pagefault_disable();
	__uaccess_begin_nospec();
	unsafe_get_user(a, (u64 __user *)page->entry[0], fault);
	unsafe_get_user(b, (u64 __user *)page->entry[1], fault);
	unsafe_get_user(c, (u64 __user *)page->entry[2], fault);
	unsafe_get_user(d, (u64 __user *)page->entry[3], fault);
	unsafe_get_user(*low, (u64 __user *)code, fault);
	if (high)
		unsafe_get_user(*high, (u64 __user *)(code + 7), fault);
	__uaccess_end();
	pagefault_enable();
	return likely(a == page->value[0] && b == page->value[1] && c == page->value[2] && d == page->value[3]);
fault:
	__uaccess_end();
	pagefault_enable();
	return false;
}

#define FETCH_REGS	(RG_RIP | RG_RFLAGS | RG_CR3 | RG_CR4 | RG_EFER)

bool keel_fetch_again(struct vcpu *vcpu)
{
	const struct vcpu_regs *r = &vcpu->regs;

	/* with RFLAGS, which completing the instruction asks for: all at once */
	if (unlikely(r->valid & RG_SEG))
		vcpu_need(vcpu, FETCH_REGS);
	else
		vcpu_need(vcpu, FETCH_REGS | RG_CODE);
	if (unlikely(!(r->efer & EFER_LMA) || !(r->seg[SEG_CS].ar & SEG_L)))
		return false;
	return fetch_again(vcpu, r->rip, seg_dpl(&r->seg[SEG_SS]), &vcpu->known.code.low, &vcpu->known.code.high);
}

u64 keel_code_word(struct vcpu *vcpu, gva_t gva, unsigned int cpl)
{
	u64 word;

	return likely(fetch_again(vcpu, gva, cpl, &word, NULL)) ? word : 0;
}

unsigned int keel_fetch_linear_atomic(struct vcpu *vcpu, gva_t gva, u32 access, u8 *buf, unsigned int max)
{
	unsigned int n, room;
	u64 low, high;

	max = min_t(unsigned int, max, EMU_MAX_INSN);
	vcpu_need(vcpu, RG_CR3 | RG_CR4 | RG_EFER);
	if (likely(max == EMU_MAX_INSN && fetch_again(vcpu, gva, access_cpl(access), &low, &high))) {
		memcpy(buf, &low, 8);
		memcpy(buf + 7, &high, 8);
		return max;
	}
	if (unlikely(current->mm != vcpu->vm->mm))
		return 0;
	vcpu_need(vcpu, WALK_REGS);
	room = PAGE_SIZE - offset_in_page(gva);
	pagefault_disable();
	n = fetch_page(vcpu, gva, access, buf, max);
	if (unlikely(n == room && n < max))
		n += fetch_page(vcpu, wrap(vcpu, gva + n), access, buf + n, max - n);
	pagefault_enable();
	return n;
}

unsigned int keel_fetch_atomic(struct vcpu *vcpu, u8 *buf, unsigned int max)
{
	u32 access = vcpu_cpl(vcpu) == 3 ? WALK_USER : 0;

	return keel_fetch_linear_atomic(vcpu, vcpu_linear_rip(vcpu), access, buf, max);
}
