/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * In place of keel/vcpu.h and what that includes: the members that core/first_use.c uses, and an allocator that can fail. Included before
 * anything else, so that the guards keep the real headers out. On one thread.
 */
#ifndef UNIT_FIRST_USE_H
#define UNIT_FIRST_USE_H

#define KEEL_HOST_H
#define KEEL_VCPU_H
#define KEEL_VENDOR_H

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <linux/kvm.h>

#include "shim/shim.h"

#define PAGE_SIZE			4096UL
#define GFP_KERNEL_ACCOUNT		0
#define __rcu
#define likely(x)			__builtin_expect(!!(x), 1)
#define READ_ONCE(x)			(*(const volatile __typeof__(x) *)&(x))
#define min(a, b)			((a) < (b) ? (a) : (b))
#define struct_size(p, m, n)		(sizeof(*(p)) + sizeof((p)->m[0]) * (n))
#define cmpxchg(p, o, n)		({ __typeof__(*(p)) old_ = *(p); if (old_ == (o)) *(p) = (n); old_; })
#define lockdep_assert_held(l)		((void)(l))
#define rcu_read_lock()			do { } while (0)
#define rcu_read_unlock()		do { } while (0)
#define rcu_dereference(p)		(p)
#define rcu_dereference_protected(p, c)	(p)
#define rcu_assign_pointer(p, v)	((p) = (v))
#define RCU_INIT_POINTER(p, v)		((p) = (v))
#define kvfree_rcu(p, m)		kvfree(p)

/* Allocations that still succeed; which fails alone, 0 for none; the bytes that are allocated; and what happens once while the next page is being had. */
extern unsigned int shim_may_allocate, shim_fails;
extern size_t shim_allocated;
extern void (*shim_meanwhile)(void);

void *shim_allocate(size_t size);
void shim_free(void *p);
unsigned long get_zeroed_page(int flags);
#define free_page(p)			shim_free((void *)(p))
#define kvmalloc(size, flags)		shim_allocate(size)
#define kvfree(p)			shim_free(p)

struct rcu_head { void *unused[2]; };
struct mutex { int unused; };
struct host_fpu { void *priv; };
struct vcpu_kept;

struct vcpu {
	struct kvm_run *run;
	void *pio_data;
	struct mutex mutex;
	struct host_fpu fpu;
	struct { struct vcpu_kept *kept; } life;
	void *backend;		/* the test's */
};

struct vm;
struct vendor_ops { int (*vcpu_first_use)(struct vcpu *vcpu); };
extern const struct vendor_ops *keel_vendor;

int keel_host_fpu_create(struct host_fpu *fpu);
void keel_host_fpu_destroy(struct host_fpu *fpu);
void keel_host_fpu_init_state(struct host_fpu *fpu);
void *keel_host_fpu_image(const struct host_fpu *fpu, size_t *size);

#endif
