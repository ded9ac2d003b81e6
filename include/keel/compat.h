/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Small shims over what changed between supported kernels and is used by more than one room. KEEL_HAVE_* come from
 * host/probe; no other header of Keel looks at them, and no code at all at LINUX_VERSION_CODE.
 */
#ifndef KEEL_COMPAT_H
#define KEEL_COMPAT_H

#include <linux/err.h>
#include <linux/file.h>
#include <linux/hrtimer.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <uapi/linux/kvm.h>
#include "keel_have.h"

/* In the kernel's eyes this member of struct kvm_run bears a warning: user space writes it at any time. */
#ifdef KEEL_HAVE_IMMEDIATE_EXIT_UNSAFE
#define keel_immediate_exit	immediate_exit__unsafe
#else
#define keel_immediate_exit	immediate_exit
#endif

/* Its low bit is the same bit: once a member of its own, then the first of the flags. */
#ifdef KVM_EXIT_HYPERCALL_LONG_MODE
#define keel_longmode	flags
#else
#define keel_longmode	longmode
#endif

/* Younger than the oldest kernel that Keel runs on. */
#ifndef KVM_EXIT_MEMORY_FAULT
#define KVM_EXIT_MEMORY_FAULT		39
#define KVM_CAP_MEMORY_FAULT_INFO	232
#endif

/* vmemdup_user() for what stays: charged to the launcher's memory cgroup, which no kernel's own does. kvfree() it. */
static inline void *keel_vmemdup_user_account(const void __user *src, size_t n, size_t size)
{
	void *p = kvmalloc_array(n, size, GFP_KERNEL_ACCOUNT);

	if (!p)
		return ERR_PTR(-ENOMEM);
	if (copy_from_user(p, src, n * size)) {
		kvfree(p);
		return ERR_PTR(-EFAULT);
	}
	return p;
}

static inline struct file *keel_fd_file(struct fd f)
{
#ifdef KEEL_HAVE_FD_FILE
	return fd_file(f);
#else
	return f.file;
#endif
}

static inline void keel_hrtimer_setup(struct hrtimer *timer, enum hrtimer_restart (*fn)(struct hrtimer *),
				      clockid_t clock, enum hrtimer_mode mode)
{
#ifdef KEEL_HAVE_HRTIMER_SETUP
	hrtimer_setup(timer, fn, clock, mode);
#else
	hrtimer_init(timer, clock, mode);
	timer->function = fn;
#endif
}

/* Waiters that are served first and keep others from being woken. */
static inline void keel_add_wait_queue_priority(struct wait_queue_head *wq, struct wait_queue_entry *entry)
{
#ifdef KEEL_HAVE_WAITQ_PRIORITY_EXCLUSIVE
	add_wait_queue_priority_exclusive(wq, entry);
#else
	add_wait_queue_priority(wq, entry);
#endif
}

#endif
