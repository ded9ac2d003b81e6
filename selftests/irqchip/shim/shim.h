/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What irqchip/ needs of the kernel and of core/, for its unit tests in user space, on one
 * thread. struct vcpu and struct vm have the members that interrupt controllers use, and no
 * others; the test says what a kick or an NMI does.
 */
#ifndef IRQCHIP_SHIM_H
#define IRQCHIP_SHIM_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <linux/types.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

#define BIT(n)			(1ULL << (n))
#define BIT_ULL(n)		(1ULL << (n))
#define BITS_PER_LONG		64
#define BITS_TO_LONGS(n)	(((n) + BITS_PER_LONG - 1) / BITS_PER_LONG)
#define PAGE_SHIFT		12
#define PAGE_SIZE		4096UL
#define PAGE_MASK		(~0xfffUL)
#define NSEC_PER_USEC		1000L
#define NSEC_PER_MSEC		1000000L
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#define array_index_nospec(i, n)	(i)
#define fallthrough		__attribute__((__fallthrough__))
#define noinline		__attribute__((noinline))
#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v)	(*(volatile __typeof__(x) *)&(x) = (v))
#define check_add_overflow(a, b, d)	__builtin_add_overflow(a, b, d)
#define U32_MAX			((u32)~0)
#define U64_MAX			((u64)~0ull)
#define min_t(t, a, b)		({ t a_ = (a), b_ = (b); a_ < b_ ? a_ : b_; })
#define max_t(t, a, b)		({ t a_ = (a), b_ = (b); a_ > b_ ? a_ : b_; })
#define min(a, b)		({ __typeof__(a) c_ = (a); __typeof__(b) d_ = (b); c_ < d_ ? c_ : d_; })
#define max(a, b)		({ __typeof__(a) e_ = (a); __typeof__(b) f_ = (b); e_ > f_ ? e_ : f_; })
#define container_of(p, t, m)	((t *)((char *)(p) - offsetof(t, m)))
#define struct_size(p, m, n)	(sizeof(*(p)) + sizeof((p)->m[0]) * (n))
#define __rcu
#define __user
#define __releases(x)
#define __ffs(x)		((unsigned int)__builtin_ctzl(x))
#define __fls(x)		((unsigned int)(63 - __builtin_clzl(x)))

/* ---- bits ---- */

static inline bool test_bit(unsigned long n, const unsigned long *map)
{
	return map[n / 64] >> (n % 64) & 1;
}

static inline void set_bit(unsigned long n, unsigned long *map) { map[n / 64] |= 1ul << (n % 64); }
static inline void clear_bit(unsigned long n,
			     unsigned long *map) { map[n / 64] &= ~(1ul << (n % 64)); }
#define __set_bit(n, map)	set_bit(n, map)
#define __clear_bit(n, map)	clear_bit(n, map)

static inline bool test_and_set_bit(unsigned long n, unsigned long *map)
{
	bool old = test_bit(n, map);

	set_bit(n, map);
	return old;
}

static inline bool test_and_clear_bit(unsigned long n, unsigned long *map)
{
	bool old = test_bit(n, map);

	clear_bit(n, map);
	return old;
}

#define for_each_set_bit(n, map, size) \
	for ((n) = 0; (n) < (size); (n)++) if (!test_bit(n, map)) { } else

static inline unsigned long roundup_pow_of_two(unsigned long n)
{
	return n <= 1 ? 1 : 1ul << (64 - __builtin_clzl(n - 1));
}

#define smp_mb()			do { } while (0)
#define smp_mb__before_atomic()		do { } while (0)
#define smp_mb__after_atomic()		do { } while (0)
#define smp_store_release(p, v)		(*(p) = (v))
#define smp_load_acquire(p)		(*(p))
#define cmpxchg(p, o, n)		({ __typeof__(*(p)) old_ = *(p); if (old_ == (o)) *(p) = (n); old_; })
#define xchg(p, n)			({ __typeof__(*(p)) old_ = *(p); *(p) = (n); old_; })

/* ---- lists, locks, RCU, references, memory ---- */

struct list_head { struct list_head *next, *prev; };
static inline void INIT_LIST_HEAD(struct list_head *l) { l->next = l->prev = l; }

struct mutex { int held; };
typedef struct { int held; } raw_spinlock_t;
typedef raw_spinlock_t spinlock_t;
struct rcu_head { void *unused; };

/* One clock in ns, which the test moves, for all of the kernel's; a timer is a record. */
typedef s64 ktime_t;
enum hrtimer_restart { HRTIMER_NORESTART, HRTIMER_RESTART };
struct hrtimer {
	ktime_t expires;
	bool queued;
	enum hrtimer_restart (*function)(struct hrtimer *timer);
};
#define KEEL_COMPAT_H
#define NSEC_PER_SEC			1000000000L
#define HRTIMER_MODE_ABS_HARD		0
#define HRTIMER_MODE_ABS_PINNED_HARD	0
#define CLOCK_MONOTONIC			1
extern s64 shim_clock;
#define ktime_get()			(shim_clock)
#define ktime_get_boottime_ns()		((u64)shim_clock)
#define ktime_add_ns(t, ns)		((t) + (s64)(ns))
#define ktime_sub_ns(t, ns)		((t) - (s64)(ns))
#define ktime_before(a, b)		((a) < (b))
#define ktime_add_safe(t, ns)		((t) + (s64)(ns))
#define ns_to_ktime(ns)			((s64)(ns))
#define ktime_to_ns(t)			(t)
#define raw_smp_processor_id()		0
#define cpu_relax()			do { } while (0)
#define SINGLE_DEPTH_NESTING		1
#define raw_spin_lock_nested(l, n)	((void)(l))
#define raw_spin_unlock(l)		((void)(l))
extern struct hrtimer *shim_timer;	/* the last that was set up */
static inline int shim_cancel(struct hrtimer *t)
{
	int ran = t->queued;

	t->queued = false;
	return ran;
}

static inline u64 shim_forward(struct hrtimer *t, u64 period)
{
	u64 n = t->expires > shim_clock ? 0 : (shim_clock - t->expires) / period + 1;

	t->expires += n * period;
	return n;
}

#define keel_hrtimer_setup(t, f, c, m)	(shim_timer = (t), (t)->function = (f))
#define hrtimer_start(t, at, m)		((t)->expires = (at), (t)->queued = true)
#define hrtimer_try_to_cancel(t)	shim_cancel(t)
#define hrtimer_cancel(t)		shim_cancel(t)
#define hrtimer_active(t)		((t)->queued)
#define hrtimer_start_expires(t, m)	((t)->queued = true)
#define hrtimer_get_remaining(t)	((t)->expires - shim_clock)
#define hrtimer_is_queued(t)		((t)->queued)
#define hrtimer_get_expires(t)		((t)->expires)
#define hrtimer_set_expires(t, at)	((t)->expires = (at))
#define hrtimer_add_expires_ns(t, ns)	((t)->expires += (s64)(ns))
#define hrtimer_forward_now(t, p)	shim_forward(t, p)
#define module_param(n, t, m)
#define MODULE_PARM_DESC(n, s)

static inline u64 mul_u64_u32_div(u64 a, u32 mul, u32 div)
{
	return (unsigned __int128)a * mul / div;
}

/* The kernel's is one instruction, which traps so. */
static inline u64 mul_u64_u64_div_u64(u64 a, u64 mul, u64 div)
{
	unsigned __int128 quotient = (unsigned __int128)a * mul / div;

	if (quotient >> 64)
		abort();
	return quotient;
}

static inline u64 div_u64_rem(u64 a, u32 b, u32 *rem)
{
	*rem = a % b;
	return a / b;
}


/* Work is done when the test says so. */
struct work_struct { void (*func)(struct work_struct *work); int queued; };
#define INIT_WORK(w, f)				((w)->func = (f))
#define system_unbound_wq			NULL
#define queue_work(q, w)			((w)->queued = 1)
#define flush_work(w)				do { if ((w)->queued) { (w)->queued = 0; (w)->func(w); } } while (0)
#define cancel_work_sync(w)			((w)->queued = 0)
/* Whether interrupts are off, by the test's word. */
extern int shim_irqs_off;
#define irqs_disabled()				shim_irqs_off

/* A lock taken twice, or dropped when it is not held, ends the test. */
static inline void shim_lock(int *held) { if (*held) abort(); *held = 1; }
static inline void shim_unlock(int *held) { if (!*held) abort(); *held = 0; }
#define raw_spin_lock_init(l)			((l)->held = 0)
#define spin_lock_init(l)			((l)->held = 0)
#define raw_spin_lock_irqsave(l, f)		do { (f) = 1; shim_lock(&(l)->held); } while (0)
#define raw_spin_unlock_irqrestore(l, f)	do { (void)(f); shim_unlock(&(l)->held); } while (0)
#define raw_spin_lock_irq(l)			shim_lock(&(l)->held)
#define raw_spin_unlock_irq(l)			shim_unlock(&(l)->held)
#define spin_lock(l)				shim_lock(&(l)->held)
#define spin_unlock(l)				shim_unlock(&(l)->held)
#define mutex_init(l)				((l)->held = 0)
#define mutex_destroy(l)			do { if ((l)->held) abort(); } while (0)
#define mutex_lock(l)				shim_lock(&(l)->held)
#define mutex_unlock(l)				shim_unlock(&(l)->held)
#define lockdep_is_held(l)			((l)->held)
#define lockdep_assert_held(l)			do { if (!(l)->held) abort(); } while (0)
static inline struct mutex *shim_guard(struct mutex *l) { mutex_lock(l); return l; }
static inline void shim_guard_end(struct mutex **l) { mutex_unlock(*l); }
#define guard(type)				struct type *guard_ __attribute__((cleanup(shim_guard_end))) = shim_guard
#define preempt_disable_notrace()		do { } while (0)
#define preempt_enable_notrace()		do { } while (0)
#define rcu_read_lock()				do { } while (0)
#define rcu_read_unlock()			do { } while (0)
#define rcu_dereference(p)			(p)
#define rcu_dereference_sched(p)		(p)
#define rcu_dereference_protected(p, c)		((void)(c), (p))
#define rcu_dereference_check(p, c)		((void)(c), (p))
#define preemptible()				1
#define synchronize_rcu_expedited()		do { } while (0)
/* What others could do as soon as they find something new; or NULL. */
extern void (*shim_published)(void);
#define rcu_assign_pointer(p, v)		do { (p) = (v); if (shim_published) shim_published(); } while (0)
#define RCU_INIT_POINTER(p, v)			((p) = (v))
#define kvfree_rcu(p, m)			shim_free(p)

typedef struct { unsigned int refs; } refcount_t;
#define refcount_set(r, n)			((r)->refs = (n))
static inline void refcount_inc(refcount_t *r) { if (!r->refs++) abort(); }
static inline bool refcount_dec_and_test(refcount_t *r) { if (!r->refs) abort(); return !--r->refs; }

typedef unsigned int gfp_t;
#define GFP_KERNEL		0
#define GFP_KERNEL_ACCOUNT	0
/* What was allocated and is not free again. */
extern long shim_allocated;
static inline void *shim_got(void *p) { shim_allocated += !!p; return p; }
static inline void shim_free(const void *p) { shim_allocated -= !!p; free((void *)p); }
#define kzalloc(n, f)		shim_got(calloc(1, n))
#define kvzalloc(n, f)		((void)(f), shim_got(calloc(1, n)))
#define kvmalloc(n, f)		shim_got(malloc(n))
#define kcalloc(n, s, f)	shim_got(calloc(n, s))
#define kfree(p)		shim_free(p)
#define kvfree(p)		shim_free(p)
#define ERR_PTR(e)		((void *)(long)(e))
#define IS_ERR(p)		((unsigned long)(p) >= (unsigned long)-4095)
#define PTR_ERR(p)		((long)(p))

static inline void sort(void *base, size_t n, size_t size, int (*cmp)(const void *, const void *),
			void *swap)
{
	if (n)
		qsort(base, n, size, cmp);
}

/* ---- asm/apicdef.h, asm/msr-index.h: numbers of the SDM's "Advanced Programmable Interrupt Controller" ---- */

#include "apic_regs.h"

#define APIC_DEFAULT_PHYS_BASE		0xfee00000
#define APIC_LVT_LEVEL_TRIGGER		(1 << 15)
#define APIC_INPUT_POLARITY		(1 << 13)
#define APIC_MODE_MASK			0x700
#define APIC_MODE_EXTINT		0x7
#define APIC_VECTOR_MASK		0xff
#define APIC_ICR_BUSY			0x1000
#define APIC_ICR_RR_MASK		0x30000
#define X2APIC_ENABLE			(1UL << 10)
#define MSR_IA32_APICBASE_BSP		(1 << 8)
#define MSR_IA32_APICBASE_ENABLE	(1 << 11)

/* ---- keel/vcpu.h, keel/vm.h, keel/state.h, keel/memory.h ---- */

#define KEEL_ACCESS_H
#define KEEL_GUEST_ACCESS_H
#define KEEL_REQUEST_H
#define KEEL_VCPU_H
#define KEEL_VCPU_LIFE_H
#define KEEL_VM_H
#define KEEL_STATE_H
#define KEEL_VENDOR_H

struct lapic;
struct irqchip;
struct bus_range;
struct vcpu;
struct vm;

enum irqchip_mode { IRQCHIP_NONE, IRQCHIP_SPLIT, IRQCHIP_KERNEL };
enum vcpu_request { REQ_EVENT, REQ_APIC_BASE, REQ_INIT, REQ_PV_EOI, REQ_IOAPIC_EOI_EXIT, REQ_INTERCEPTS, REQ_IPI, REQ_CLOCK };
enum seg { SEG_CS };
enum vcpu_reset_kind { VCPU_RESET, VCPU_INIT };

#define RG_RIP			BIT(1)
#define RG_SEG			BIT(8)
#define RG_TPR			BIT(15)
#define RG_DEADLINE		BIT(16)
#define GUEST_HAS_X2APIC	BIT(0)
#define GUEST_HAS_TSC_DEADLINE	BIT(1)

struct segment { u64 base; u16 selector; };

#include <keel/bus.h>

struct vcpu {
	struct { u64 rip; struct segment cs; } regs;
	unsigned long requests;
	struct vm *vm;
	u32 id;
	struct { u64 reserved_gpa; u32 flags; } cpuid;
	struct { u64 deadline, host_deadline, offset; u32 khz; } tsc;
	struct { u64 eoi, held_until; } pv;
	struct lapic *lapic;
	struct { u64 base; u32 eoi_vector; bool accelerated; } apic;
	u32 mp_state;
	unsigned int kicks, nmis, inits;	/* the test's */
};

struct vm {
	struct vcpu *vcpus[65];
	unsigned int nr_vcpus;
	u32 bsp_id;
	struct bus pio, mmio;
	enum irqchip_mode irq_mode;
	struct irqchip *irq;
	u64 disabled_quirks;
	u32 disabled_exits;
	bool x2apic_32bit_ids, x2apic_no_bcast_quirk;
};

struct vendor_caps { bool apic_page, apic_accel, deadline_timer; };
extern struct vendor_caps keel_caps;

#define vm_for_each_vcpu(vm, i, vcpu) \
	for ((i) = 0; (i) < (vm)->nr_vcpus && ((vcpu) = (vm)->vcpus[i]); (i)++)

static inline enum irqchip_mode vm_irq_mode(const struct vm *vm) { return vm->irq_mode; }
static inline void vcpu_request(struct vcpu *vcpu,
				unsigned int req) { set_bit(req, &vcpu->requests); }
static inline void keel_vm_request(struct vm *vm, unsigned int req, unsigned int flags)
{
	struct vcpu *vcpu;
	unsigned int i;

	vm_for_each_vcpu(vm, i, vcpu)
		vcpu_request(vcpu, req);
}
static inline void vcpu_dirty(struct vcpu *vcpu, u32 groups) { }
static inline struct segment *vcpu_seg(struct vcpu *vcpu, enum seg s) { return &vcpu->regs.cs; }
static inline bool keel_vcpu_is_current(const struct vcpu *vcpu) { return false; }
static inline void keel_vcpu_kick(struct vcpu *vcpu) { vcpu->kicks++; }
static inline void keel_queue_nmi(struct vcpu *vcpu) { vcpu->nmis++; }
static inline void keel_cpuid_update_runtime(struct vcpu *vcpu) { }
void keel_vcpu_reset(struct vcpu *vcpu, enum vcpu_reset_kind kind);

/* Guest and host have one TSC, which the test moves. */
extern u64 shim_tsc;
#define rdtsc()			(shim_tsc)
#define keel_tsc_read(v)	(shim_tsc)
#define keel_tsc_scale(v, tsc)	(tsc)
#define keel_tsc_unscale(v, n)	(n)

/*
 * One page of guest memory for the PV EOI flag. @shim_page_gone makes every access fail; @shim_page_away those that may not
 * sleep, @shim_page_shared such writes: a write that may sleep ends both, a read the first.
 */
extern u8 shim_flag;
extern bool shim_page_gone, shim_page_away, shim_page_shared;

static inline int keel_read_guest_atomic(struct vm *vm, u64 gpa, void *data, unsigned long len)
{
	if (shim_page_gone || shim_page_away)
		return -EFAULT;
	memcpy(data, &shim_flag, 1);
	return 0;
}

static inline int keel_write_guest_atomic(struct vm *vm, u64 gpa, const void *data, unsigned long len)
{
	if (shim_page_gone || shim_page_away || shim_page_shared)
		return -EFAULT;
	memcpy(&shim_flag, data, 1);
	return 0;
}

static inline int keel_read_guest(struct vm *vm, u64 gpa, void *data, unsigned long len)
{
	shim_page_away = false;
	return keel_read_guest_atomic(vm, gpa, data, len);
}

static inline int keel_write_guest(struct vm *vm, u64 gpa, const void *data, unsigned long len)
{
	shim_page_away = shim_page_shared = false;
	return keel_write_guest_atomic(vm, gpa, data, len);
}

#endif
