/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What ept/pgtable.c, ept/walk.c and shadow paging need of the kernel, for their unit tests in user space. Physical addresses are the
 * program's own. The launcher's memory is the program's too; a test can take pages of it "out" (shim_page_is_out()).
 */
#ifndef EPT_SHIM_H
#define EPT_SHIM_H

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/types.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

#define BIT(n)			(1ULL << (n))
#define BIT_ULL(n)		(1ULL << (n))
#define GENMASK_ULL(h, l)	((~0ULL >> (63 - (h))) & (~0ULL << (l)))
#define PAGE_SHIFT		12
#define PAGE_SIZE		4096UL
#define PAGE_MASK		(~(PAGE_SIZE - 1))
#define offset_in_page(p)	((unsigned long)(p) & ~PAGE_MASK)
#define array_index_nospec(i, n)	(i)

#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#define noinline		__attribute__((noinline))
#undef __aligned
#define __aligned(n)		__attribute__((aligned(n)))
#undef __always_inline
#define __always_inline		inline __attribute__((always_inline))
#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
/* Called before each store that the CPU may see: a test may have the CPU change what is there. */
void shim_before_store(void *p) __attribute__((weak));
#define WRITE_ONCE(x, v)							\
	do {									\
		__typeof__(x) v_ = (v);						\
		if (shim_before_store)						\
			shim_before_store(&(x));				\
		*(volatile __typeof__(x) *)&(x) = v_;				\
	} while (0)
#define max(a, b)		((a) > (b) ? (a) : (b))
#define min(a, b)		((a) < (b) ? (a) : (b))
#define clamp(x, low, high)	((x) < (low) ? (low) : (x) > (high) ? (high) : (x))
#define min_t(t, a, b)		((t)(a) < (t)(b) ? (t)(a) : (t)(b))
#define __ffs(x)		((unsigned int)__builtin_ctzl(x))
#define roundup_pow_of_two(x)	(1u << (32 - __builtin_clz((x) - 1)))
#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#endif
#define OPTIMIZER_HIDE_VAR(x)	asm("" : "+r" (x))
#define __ro_after_init
#define module_param(name, type, mode)
#define MODULE_PARM_DESC(name, text)
#define pr_err(...)		fprintf(stderr, __VA_ARGS__)
#define __user
#define __rcu

/* ---- pages ---- */

#define GFP_KERNEL_ACCOUNT	0
#define PTE_PFN_MASK		0x000ffffffffff000ul
#define GFP_DMA32		0

extern long shim_pages;		/* allocated and not freed */
extern u64 shim_random;		/* the next number */

static inline u64 get_random_u64(void)
{
	return shim_random;
}

static inline unsigned long get_zeroed_page(int flags)
{
	void *page = aligned_alloc(PAGE_SIZE, PAGE_SIZE);

	if (!page)
		return 0;
	memset(page, 0, PAGE_SIZE);
	shim_pages++;
	return (unsigned long)page;
}

static inline void free_page(unsigned long page)
{
	shim_pages--;
	free((void *)page);
}

static inline void *shim_zalloc(size_t n, size_t size)
{
	void *p = calloc(n, size);

	shim_pages += !!p;
	return p;
}

static inline void kfree(const void *p)
{
	shim_pages -= !!p;
	free((void *)p);
}

#define kzalloc(size, flags)	shim_zalloc(1, size)
#define kvzalloc(size, flags)	shim_zalloc(1, size)
#define kcalloc(n, size, flags)	shim_zalloc(n, size)
#define kvcalloc(n, size, flags) shim_zalloc(n, size)
#define kvfree(p)		kfree(p)

static inline void *phys_to_virt(u64 pa)
{
	return (void *)(unsigned long)pa;
}

static inline u64 virt_to_phys(const void *p)
{
	return (unsigned long)p;
}

#define _PAGE_PRESENT		BIT(0)
#define _PAGE_RW		BIT(1)
#define _PAGE_USER		BIT(2)
#define _PAGE_PWT		BIT(3)
#define _PAGE_PCD		BIT(4)
#define _PAGE_ACCESSED		BIT(5)
#define _PAGE_DIRTY		BIT(6)
#define _PAGE_PSE		BIT(7)
#define _PAGE_NX		BIT(63)
#define _PAGE_SPECIAL		BIT(9)
#define native_pte_val(x)	((x).pte)
#define __pte_access_permitted(pte, write)	(((pte) & (BIT(0) | BIT(2) | ((write) ? BIT(1) : 0))) == (BIT(0) | BIT(2) | ((write) ? BIT(1) : 0)))

/* ---- locks, RCU ---- */

struct mutex { int unused; };
struct rw_semaphore { int unused; };
typedef struct { int unused; } spinlock_t;
struct rcu_head { void *unused; };
struct xarray { int unused; };
struct rb_root_cached { int unused; };
struct interval_tree_node { unsigned long start, last; };
struct mmu_notifier { int unused; };
typedef struct { int counter; } atomic_t;
typedef struct { u64 pte; } pte_t;
struct mm_struct { int unused; };
struct task_struct { struct mm_struct *mm; };

extern struct task_struct *current;

#define rcu_dereference(p)		(p)
#define rcu_dereference_check(p, c)	(p)
#define rcu_dereference_protected(p, c)	(p)
#define smp_load_acquire(p)	(*(p))
#define lockdep_is_held(l)		1
#define smp_mb()		__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define irqs_disabled()			1
/* Called before a spinlock is taken: a test may have something else happen then, as another CPU would. */
void shim_before_lock(void);
static inline void spin_lock(spinlock_t *lock) { shim_before_lock(); lock->unused = 1; }
static inline bool spin_trylock(spinlock_t *lock) { spin_lock(lock); return true; }
static inline void spin_unlock(spinlock_t *lock) { lock->unused = 0; }
static inline void mutex_lock(struct mutex *lock) { }
static inline void mutex_unlock(struct mutex *lock) { }
static inline void local_irq_disable(void) { }
static inline void local_irq_enable(void) { }
static inline void cond_resched(void) { }
static inline void send_sig_mceerr(int code, void *addr, short lsb, struct task_struct *task) { }
static inline void rcu_read_lock(void) { }
static inline void rcu_read_unlock(void) { }
static inline void pagefault_disable(void) { }
static inline void pagefault_enable(void) { }

static inline bool test_bit(unsigned long n, const unsigned long *map)
{
	return map[n / 64] >> (n % 64) & 1;
}

static inline void set_bit(unsigned long n, unsigned long *map)
{
	map[n / 64] |= 1ul << (n % 64);
}

static inline void __set_bit(unsigned long n, unsigned long *map)
{
	set_bit(n, map);
}

static inline void __clear_bit(unsigned long n, unsigned long *map)
{
	map[n / 64] &= ~(1ul << (n % 64));
}

static inline unsigned long find_next_bit(const unsigned long *map, unsigned long size, unsigned long n)
{
	while (n < size && !test_bit(n, map))
		n++;
	return n < size ? n : size;
}

#define for_each_set_bit(n, map, size)	for ((n) = find_next_bit(map, size, 0); (n) < (size); (n) = find_next_bit(map, size, (n) + 1))

typedef struct { long counter; } atomic_long_t;

static inline void atomic_long_andnot(long bits, atomic_long_t *v)
{
	if (shim_before_store)
		shim_before_store(v);
	v->counter &= ~bits;
}

#define BITS_PER_LONG	64
#define BITS_TO_LONGS(n)	(((n) + 63) / 64)

static inline bool test_and_set_bit(unsigned long n, unsigned long *map)
{
	bool was = test_bit(n, map);

	set_bit(n, map);
	return was;
}

/* ---- the launcher's memory ---- */

bool shim_page_is_out(const void *p, unsigned long size);
/* Called before each compare and exchange: a test may change the entry. */
void shim_before_cmpxchg(void *p);

#define user_access_begin(p, size)	(!shim_page_is_out(p, size))
#define user_access_end()		do { } while (0)
#define __uaccess_begin_nospec()	do { } while (0)
#define __uaccess_end()			do { } while (0)
#define unsafe_get_user(x, p, label)						\
	do {									\
		__typeof__(*(p)) v_;						\
		if (shim_page_is_out((const void *)(p), sizeof(v_)))		\
			goto label;						\
		memcpy(&v_, (const void *)(p), sizeof(v_));			\
		(x) = v_;							\
	} while (0)
#define unsafe_try_cmpxchg_user(p, oldp, new, label) ({			\
	if (shim_page_is_out((p), sizeof(*(p))))				\
		goto label;							\
	shim_before_cmpxchg(p);							\
	bool same_ = *(p) == *(oldp);						\
	if (same_)								\
		*(p) = (new);							\
	else									\
		*(oldp) = *(p);							\
	same_; })

static inline unsigned long __copy_from_user_inatomic(void *to, const void *from, unsigned long n)
{
	if (shim_page_is_out(from, n))
		return n;
	memcpy(to, from, n);
	return 0;
}

#endif
