/* SPDX-License-Identifier: GPL-2.0-only */
/* What iommu/vfio.c needs of the kernel and of other rooms: struct vm and struct vcpu have the members it uses, and no others. */
#ifndef IOMMU_SHIM_VFIO_H
#define IOMMU_SHIM_VFIO_H

#include "../shim/shim.h"
#include <linux/kvm.h>

/* These contracts of other rooms are what is below. */
#define KEEL_MEMORY_H
#define KEEL_VCPU_H
#define KEEL_VM_H

#define GFP_KERNEL_ACCOUNT	0
#define NR_CPUS			8
#define smp_load_acquire(p)	__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define smp_store_release(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)
#define container_of(p, t, m)	((t *)((char *)(p) - offsetof(t, m)))

static inline void *kmalloc(size_t n, int gfp) { return malloc(n); }
static inline void *kzalloc(size_t n, int gfp) { return calloc(1, n); }
static inline void kfree(void *p) { free(p); }

struct list_head { struct list_head *next, *prev; };
static inline void INIT_LIST_HEAD(struct list_head *l) { l->next = l->prev = l; }
static inline void list_add_tail(struct list_head *n, struct list_head *l)
{
	n->next = l;
	n->prev = l->prev;
	l->prev->next = n;
	l->prev = n;
}
static inline void list_del(struct list_head *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
}
#define list_entry_of(p, e, m)	container_of(p, __typeof__(*(e)), m)
#define list_for_each_entry(e, l, m) \
	for ((e) = list_entry_of((l)->next, e, m); &(e)->m != (l); (e) = list_entry_of((e)->m.next, e, m))
#define list_for_each_entry_safe(e, t, l, m) \
	for ((e) = list_entry_of((l)->next, e, m), (t) = list_entry_of((e)->m.next, e, m); &(e)->m != (l); \
	     (e) = (t), (t) = list_entry_of((t)->m.next, t, m))

struct cpumask { unsigned long bits; };
static inline void cpumask_set_cpu(unsigned int cpu, struct cpumask *mask) { mask->bits |= 1ul << cpu; }
static inline bool cpumask_test_and_clear_cpu(unsigned int cpu, struct cpumask *mask)
{
	bool was = mask->bits >> cpu & 1;

	mask->bits &= ~(1ul << cpu);
	return was;
}
#define for_each_cpu(cpu, mask)	for ((cpu) = 0; (cpu) < NR_CPUS; (cpu)++) if ((mask)->bits >> (cpu) & 1)
#define smp_rmb()		__atomic_thread_fence(__ATOMIC_ACQUIRE)
static inline void cpumask_clear(struct cpumask *mask) { mask->bits = 0; }
/* What WBINVD was told to whom: the test's. */
extern unsigned long written_back;
static inline void wbinvd(void) { }
static inline void wbinvd_on_all_cpus(void) { written_back |= ~0ul; }
static inline void on_each_cpu_mask(const struct cpumask *mask, void (*fn)(void *), void *arg, bool wait)
{
	written_back |= mask->bits;
	fn(arg);
}

struct file { int users; bool known, coherent; };
struct file *fget(int fd);
static inline void fput(struct file *file) { if (!file->users--) abort(); }

struct vcpu;
struct vm { struct vm_vfio *vfio; struct vcpu *vcpu[3]; };
struct vcpu { struct vm *vm; int cpu; };
#define vm_for_each_vcpu(vm, i, v) \
	for ((i) = 0; (i) < 3 && ((v) = (vm)->vcpu[i]); (i)++)

void keel_memory_guest_types(struct vm *vm, bool on);

#endif
