/* SPDX-License-Identifier: GPL-2.0-only */
/* Compare and exchange in the launcher's memory of what the kernel's own unsafe_try_cmpxchg_user() has no size for. */
#ifndef KEEL_USER_EXCHANGE_H
#define KEEL_USER_EXCHANGE_H

#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/types.h>
#include <asm/asm.h>
#include <asm/cpufeature.h>

/**
 * keel_user_cmpxchg16() - compare and exchange 16 bytes atomically
 * @user: in the launcher, a multiple of 16
 * @old: expected value in, found value out
 * @new: value to be stored
 *
 * Context: between user_access_begin() and user_access_end(). Return: 0 exchanged; 1 the comparison failed; -EFAULT, also where the CPU has no
 * such instruction.
 */
static __always_inline int keel_user_cmpxchg16(void __user *user, u64 old[2], const u64 new[2])
{
	u64 (*mem)[2] = (__force u64 (*)[2])user;
	bool is_same;
	int ret = 0;

	if (!boot_cpu_has(X86_FEATURE_CX16))
		return -EFAULT;
	asm volatile("1: lock cmpxchg16b %[mem]\n"
		     "2:\n"
		     _ASM_EXTABLE_TYPE_REG(1b, 2b, EX_TYPE_EFAULT_REG, %[ret])
		     : [mem] "+m" (*mem), [ret] "+r" (ret), "=@ccz" (is_same), "+a" (old[0]), "+d" (old[1])
		     : "b" (new[0]), "c" (new[1]) : "memory");
	return ret ?: !is_same;
}

#endif
