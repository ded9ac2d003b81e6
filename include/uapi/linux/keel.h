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

#endif
