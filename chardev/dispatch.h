/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An ioctl is a row: its number, what it needs around it, and its handler. The dispatcher finds the row, copies the argument
 * in once, takes what the row asks for, calls, gives back and copies out. Handlers see kernel memory only, but for
 * variable-length commands, whose row says so.
 */
#ifndef KEEL_CHARDEV_DISPATCH_H
#define KEEL_CHARDEV_DISPATCH_H

#include <linux/types.h>
#include <linux/ioctl.h>

/* Direction of the copy. Not taken from the number: some of KVM's say one thing and do another. */
#define ROW_IN		BIT(0)	/* _IOC_SIZE bytes from user space before the call */
#define ROW_OUT		BIT(1)	/* _IOC_SIZE bytes back after a call that did not fail */
#define ROW_VALUE	BIT(2)	/* the argument is a number (or nothing), handed on in @raw */
#define ROW_VAR		BIT(3)	/* the structure goes on after _IOC_SIZE bytes: the handler copies the rest at @raw */
/* What is held during the call. */
#define ROW_LOCK	BIT(4)	/* VM: vm->lock */
#define ROW_LOADED	BIT(5)	/* vCPU: loaded on this CPU (its mutex is always held) */
#define ROW_NO_VCPUS	BIT(6)	/* VM, with ROW_LOCK: refused with -EBUSY once a vCPU exists */
/* What must be there. */
#define ROW_IRQCHIP	BIT(7)	/* -ENXIO without in-kernel interrupt controllers of any kind */
#define ROW_KERNEL_CHIP	BIT(8)	/* -ENXIO unless all are in the kernel */
#define ROW_LAPIC	BIT(9)	/* -EINVAL without an in-kernel local APIC */

/**
 * ioctl_handler_t - one command
 * @object: the struct vm or struct vcpu of the file (of a device's file the VM), NULL for the node
 * @arg: kernel copy of the argument (ROW_IN, ROW_OUT), else NULL
 * @raw: argument as given
 *
 * Return: what the ioctl returns, >= 0 or -errno.
 */
typedef long (*ioctl_handler_t)(void *object, void *arg, unsigned long raw);

/**
 * struct ioctl_row - one command
 * @cmd: its number
 * @flags: ROW_*
 * @handler: what it does
 */
struct ioctl_row {
	unsigned int cmd;
	unsigned int flags;
	ioctl_handler_t handler;
};

/**
 * struct ioctl_table - commands of one kind of file
 * @rows: sorted by _IOC_NR
 * @count: number of rows
 * @first: index + 1 of the first row with this _IOC_NR, 0 for none; made by ioctl_table_init()
 * @unknown: errno for other commands
 */
struct ioctl_table {
	const struct ioctl_row *rows;
	unsigned int count;
	int unknown;
	u8 first[256];
};

void ioctl_table_init(struct ioctl_table *table);

extern struct ioctl_table dev_ioctls, vm_ioctls, vcpu_ioctls, device_ioctls;

/* Whole path of a command: look-up, copies, locks. @object as for the handler. */
struct vm;
struct vcpu;
long dev_dispatch(unsigned int cmd, unsigned long arg);
long vm_dispatch(struct vm *vm, unsigned int cmd, unsigned long arg);
long device_dispatch(struct vm *vm, unsigned int cmd, unsigned long arg);
/* vcpu->mutex held. */
long vcpu_dispatch(struct vcpu *vcpu, unsigned int cmd, unsigned long arg);

/* A handler that only hands its arguments on. */
#define HANDLER(name, call) \
	static long name(void *object, void *arg, unsigned long raw) { return call; }

/* One with typed arguments: DIRECT(vcpu, keel_get_regs, struct kvm_regs) makes do_keel_get_regs. */
#define DIRECT(kind, fn, type)							\
static long do_##fn(void *object, void *arg, unsigned long raw)			\
{										\
	struct kind *kind = object;						\
	type *typed = arg;							\
										\
	return fn(kind, typed);							\
}

#endif
