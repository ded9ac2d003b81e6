/* SPDX-License-Identifier: GPL-2.0-only */
/* What ept/memslot.c, ept/dirty.c and ept/access.c need beyond unit_vcpu.h. Included before anything else. */
#define KEEL_DEBUG	0
#define KEEL_USER_EXCHANGE_H
#include "unit_vcpu.h"
#include <limits.h>
#include <uapi/linux/kvm.h>

#define REQ_KICK		1
#define REQUEST_WAIT		1
#define BITS_PER_LONG		64
#define BITMAP_LAST_WORD_MASK(n) (~0ul >> (-(n) & 63))
#define XA_FLAGS_ACCOUNT	0
#define TASK_SIZE_MAX		((1ull << 47) - PAGE_SIZE)
#define PAGE_ALIGNED(x)		(!offset_in_page(x))
#define ALIGN(x, n)		(((x) + (n) - 1) & ~((u64)(n) - 1))
#define container_of(p, type, member)	((type *)((char *)(p) - offsetof(type, member)))
#define struct_size(p, member, n)	(sizeof(*(p)) + (n) * sizeof((p)->member[0]))
#define kvmalloc(size, flags)	shim_zalloc(1, size)
#define kvmalloc_array(n, size, flags)	shim_zalloc(n, size)
#define kmalloc_array(n, size, flags)	shim_zalloc(n, size)
#define kvfree_rcu(p, head)	kvfree(p)
#define rcu_assign_pointer(p, v)	((p) = (v))
#define RCU_INIT_POINTER(p, v)	((p) = (v))
#define smp_store_release(p, v)	(*(p) = (v))
#define xchg(p, v)		__atomic_exchange_n(p, v, __ATOMIC_SEQ_CST)
#define access_ok(p, size)	true
#define mutex_init(m)		((void)(m))
#define init_rwsem(m)		((void)(m))
#define spin_lock_init(l)	((l)->unused = 0)
#define mutex_lock_killable(m)	0
#define rcu_barrier()		do { } while (0)
#define interval_tree_insert(node, root)	((void)(node))
#define interval_tree_remove(node, root)	((void)(node))

/* Slots by number. */
#define SHIM_IDS	4
extern void *shim_id[SHIM_IDS];
#define xa_init_flags(xa, flags)	((void)(xa))
#define xa_destroy(xa)		((void)(xa))
#define xa_err(p)		((void)(p), 0)
#define xa_load(xa, n)		(shim_id[n])
#define xa_erase(xa, n)		(shim_id[n] = NULL)
#define xa_store(xa, n, p, flags)	(shim_id[n] = (p))

/* Waits: for those who sleep with a slot's address, of whom a test may have one, and for RCU, which ends when the test says so. */
void shim_wait_users(void);
#define synchronize_rcu_expedited()	do { } while (0)
#define down_write(sem)		shim_wait_users()
#define up_write(sem)		((void)(sem))
void call_rcu(struct rcu_head *head, void (*fn)(struct rcu_head *head));

static inline void atomic_long_or(long bits, atomic_long_t *v)
{
	v->counter |= bits;
}

static inline long atomic_long_fetch_andnot(long bits, atomic_long_t *v)
{
	long old = v->counter;

	v->counter &= ~bits;
	return old;
}

static inline void bitmap_set(unsigned long *map, unsigned int first, unsigned int n)
{
	while (n--)
		set_bit(first++, map);
}

#define unsafe_put_user(x, p, label)						\
	do {									\
		__typeof__(*(p)) v_ = (x);					\
		if (shim_page_is_out((const void *)(p), sizeof(v_)))		\
			goto label;						\
		memcpy((void *)(p), &v_, sizeof(v_));				\
	} while (0)

/* What another CPU does between two bytes of a copy. */
extern void (*shim_between_bytes)(void);

/* What user space has taken away is not there in whichever way it is accessed. Returns what could not be copied. */
static inline unsigned long shim_copy(void *to, const void *from, unsigned long n, const void *user)
{
	unsigned long i;

	for (i = 0; i < n && !shim_page_is_out((const u8 *)user + i, 1); i++) {
		((u8 *)to)[i] = ((const u8 *)from)[i];
		if (shim_between_bytes)
			shim_between_bytes();
	}
	return n - i;
}

#define copy_to_user(to, from, n)		shim_copy(to, from, n, to)
#define copy_from_user(to, from, n)		shim_copy(to, from, n, from)
#define __copy_to_user_inatomic(to, from, n)	shim_copy(to, from, n, to)

/* As of include/keel/user_exchange.h; the page is known to be there. */
static inline int keel_user_cmpxchg16(void *user, u64 old[2], const u64 new[2])
{
	bool is_same = !memcmp(user, old, 16);

	memcpy(is_same ? user : (void *)old, is_same ? (const void *)new : user, 16);
	return !is_same;
}

#define down_read(sem)		((void)(sem))
#define up_read(sem)		((void)(sem))
#define is_power_of_2(n)	((n) && !((n) & ((n) - 1)))

static inline void keel_vm_request(struct vm *vm, unsigned int req, unsigned int flags) { }
