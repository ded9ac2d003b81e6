/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * What Keel offers beyond the KVM UAPI. Each command is announced by KVM_CHECK_EXTENSION on a number far above KVM's.
 */
#ifndef _UAPI_LINUX_KEEL_H
#define _UAPI_LINUX_KEEL_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define KEELIO	0xBE

#define KEEL_CAP_LAST_ERROR	0x4b450001
#define KEEL_CAP_DMA		0x4b450002
#define KEEL_CAP_DMA_POLICY	0x4b450003
#define KEEL_CAP_FORK_VM	0x4b450004	/* how many vCPUs a VM may have to be forked */
#define KEEL_CAP_RESET_VM	0x4b450005	/* the same, to be marked and reset */
#define KEEL_CAP_ENGINE		0x4b450006

#define KEEL_ERROR_TEXT		480

/**
 * struct keel_last_error - why something in this VM failed
 * @count: failures of this VM that were explained so far; 0: none, and the rest is zero
 * @vcpu: vcpu_id of the vCPU concerned, -1 for the VM as a whole
 * @text: the latest explanation, zero-terminated, for people; no promise about its words
 */
struct keel_last_error {
	__u64 count;
	__s32 vcpu;
	__u32 reserved[3];
	char text[KEEL_ERROR_TEXT];
};

/* On a VM or vCPU descriptor. */
#define KEEL_GET_LAST_ERROR	_IOR(KEELIO, 0x00, struct keel_last_error)

/* What the kernel's IOMMU layer lets a device reach (struct keel_dma_device, reach). */
#define KEEL_DMA_NO_IOMMU	0	/* everything: no IOMMU stands before it */
#define KEEL_DMA_IDENTITY	1	/* everything: its addresses are handed through */
#define KEEL_DMA_TRANSLATED	2	/* what its driver maps */
#define KEEL_DMA_ASSIGNED	3	/* what its user has mapped: VFIO, or a driver with a domain of its own */
#define KEEL_DMA_BLOCKED	4	/* nothing */
#define KEEL_DMA_IOMMU		5	/* it is an IOMMU itself */
#define KEEL_DMA_UNKNOWN	6	/* a kind of domain that Keel does not know */

/* What that comes to (exposure). */
#define KEEL_DMA_CONFINED	0	/* not all of memory */
#define KEEL_DMA_LATENT		1	/* all of memory, as soon as its bus mastering is on, or it is back */
#define KEEL_DMA_EXPOSED	2	/* all of memory, now */

/* flags */
#define KEEL_DMA_MASTER		(1 << 0)	/* bus mastering is on */
#define KEEL_DMA_ATS_CAPABLE	(1 << 1)	/* it can keep translations of its own */
#define KEEL_DMA_ATS_ON		(1 << 2)	/* it does, and what it says to have translated is believed */
#define KEEL_DMA_EXTERNAL	(1 << 3)	/* the firmware says that it can be plugged in from outside */
#define KEEL_DMA_BRIDGE		(1 << 4)	/* it hands on what others send, and they have rows of their own */
#define KEEL_DMA_ABSENT		(1 << 5)	/* its configuration space does not answer */
#define KEEL_DMA_BUSY		(1 << 6)	/* its driver is just coming or going, and is not named */

/**
 * struct keel_dma_device - which memory a PCI device reaches, at the moment of asking
 * @segment: PCI segment, also called domain
 * @bus: PCI bus
 * @devfn: device and function
 * @vendor: of its PCI identity
 * @device: of its PCI identity
 * @reserved0: 0
 * @class: class, subclass and programming interface, a byte each
 * @group: number of its IOMMU group, -1 for none
 * @reach: what the IOMMU layer lets it reach, KEEL_DMA_NO_IOMMU to KEEL_DMA_UNKNOWN
 * @exposure: what that comes to, KEEL_DMA_CONFINED to KEEL_DMA_EXPOSED
 * @flags: KEEL_DMA_MASTER and on
 * @direct_regions: ranges of memory that its group reaches in any case, one to one, as firmware or the kernel wants it
 * @reserved1: 0
 * @direct_bytes: how much that is
 * @driver: zero-terminated, cut if it is longer; empty for none
 */
struct keel_dma_device {
	__u32 segment;
	__u8 bus;
	__u8 devfn;
	__u16 vendor;
	__u16 device;
	__u16 reserved0;
	__u32 class;
	__s32 group;
	__u32 reach;
	__u32 exposure;
	__u32 flags;
	__u32 direct_regions;
	__u32 reserved1;
	__u64 direct_bytes;
	char driver[32];
};

/**
 * struct keel_dma_list - every PCI device
 * @nr: in: room in @devices; out, also with E2BIG: how many there are
 * @exclusion_nodes: northbridges with AMD's Device Exclusion Vector
 * @devices: in the order in which the kernel has them
 */
struct keel_dma_list {
	__u32 nr;
	__u32 exclusion_nodes;
	struct keel_dma_device devices[];
};

/*
 * What is done about devices that are not confined: args[0] of KVM_ENABLE_CAP(KEEL_CAP_DMA_POLICY) on a VM. The module parameter dma says it for
 * all VMs, and a VM can only be stricter.
 */
#define KEEL_DMA_POLICY_OFF	0
#define KEEL_DMA_POLICY_REPORT	1	/* a line in the kernel's log */
#define KEEL_DMA_POLICY_ENFORCE	2	/* EPERM, and KEEL_GET_LAST_ERROR says why */

/* On the node. E2BIG: no room for all. */
#define KEEL_GET_DMA		_IOWR(KEELIO, 0x01, struct keel_dma_list)

/**
 * struct keel_fork_vm - how a VM is forked
 * @flags: 0
 * @reserved: 0
 */
struct keel_fork_vm {
	__u64 flags;
	__u64 reserved[3];
};

/*
 * On a VM descriptor, by a process with a copy of the memory of the one that made the VM: its child by fork(). The VM's state is copied into a
 * new VM, whose memory is the caller's at the same addresses. Return: descriptor of the new VM, on which KVM_CREATE_VCPU gives the
 * descriptor of each of its vCPUs, once. EINVAL: flags, reserved, or the caller's memory is the VM's own. E2BIG: more vCPUs than KEEL_CAP_FORK_VM
 * says. EBUSY: devices are assigned. EAGAIN: a vCPU is just being made. EINTR, ENOMEM, EMFILE.
 */
#define KEEL_FORK_VM		_IOW(KEELIO, 0x02, struct keel_fork_vm)

/**
 * struct keel_reset_vm - how a VM is marked, or goes back to the mark
 * @flags: 0
 * @reserved: 0
 */
struct keel_reset_vm {
	__u64 flags;
	__u64 reserved[3];
};

/*
 * On a VM descriptor. KEEL_MARK_VM remembers the state of vCPUs, interrupt controllers, timers and clocks; KEEL_RESET_VM goes back to it, as often
 * as one likes. Memory, slots and whatever else the launcher gives a VM stay as they are: it puts back itself what the guest has written since,
 * which KVM_GET_DIRTY_LOG tells. Clocks are not set back: they go on as if the guest had not been run. EINVAL: flags, reserved, no vCPU, or vCPUs
 * or controllers were made since. ENOENT: no mark. E2BIG: more vCPUs than KEEL_CAP_RESET_VM says. EBUSY: devices are assigned. EOPNOTSUPP:
 * shadow paging. EAGAIN, EINTR, ENOMEM.
 */
#define KEEL_MARK_VM		_IOW(KEELIO, 0x03, struct keel_reset_vm)
#define KEEL_RESET_VM		_IOW(KEELIO, 0x04, struct keel_reset_vm)

/*
 * Who executes a vCPU's instructions: args[0] of KVM_ENABLE_CAP(KEEL_CAP_ENGINE) on it, between any two KVM_RUN. EINVAL: another value, flags, or
 * args[1] to args[3] are not 0. EOPNOTSUPP: CPUs work on local APICs by themselves, and the vCPU has one.
 */
#define KEEL_ENGINE_CPU		0
#define KEEL_ENGINE_EMULATE	1	/* software, one by one; events are still delivered by the CPU, where it can be entered */

#endif
