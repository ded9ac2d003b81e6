/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VMX instructions that C code issues. Each goes on after a fault (#UD, #GP): somebody else, a crash or a reboot, has turned
 * VMX off under us then, and the machine is going down. Only those report VMfail whose operand can be at fault; a VMREAD or
 * VMWRITE of a field that the CPU has cannot fail while a VMCS is current.
 */
#ifndef KEEL_VMX_INSN_H
#define KEEL_VMX_INSN_H

#include <linux/build_bug.h>
#include <linux/errno.h>
#include <linux/types.h>
#include <asm/asm.h>
#include <asm/vmx.h>

/* Width of a field, bits 14:13 of its encoding ("VMCS Component Encoding"). */
#define VMCS_WIDTH(field)	(((field) >> 13) & 3)
#define VMCS_WIDTH_16		0
#define VMCS_WIDTH_64		1
#define VMCS_WIDTH_32		2
#define VMCS_WIDTH_NATURAL	3

static __always_inline unsigned long __vmcs_read(unsigned long field)
{
	unsigned long value;

	asm volatile("1: vmread %1, %0\n\t"
		     "2:\n\t"
		     _ASM_EXTABLE_TYPE_REG(1b, 2b, EX_TYPE_ZERO_REG, %0)
		     : "=r" (value) : "r" (field) : "cc");
	return value;
}

/* Has this CPU the field? (If not, the VM-instruction error becomes 12.) */
static inline bool vmcs_has(unsigned long field)
{
	unsigned long value;
	bool missing = true;

	asm volatile("1: vmread %2, %0\n\t"
		     "setna %1\n\t"
		     "2:\n\t"
		     _ASM_EXTABLE_TYPE_REG(1b, 2b, EX_TYPE_ZERO_REG, %0)
		     : "=r" (value), "+q" (missing) : "r" (field) : "cc");
	return !missing;
}

static __always_inline void __vmcs_write(unsigned long field, unsigned long value)
{
	asm volatile("1: vmwrite %0, %1\n\t"
		     "2:\n\t"
		     _ASM_EXTABLE(1b, 2b)
		     : : "r" (value), "r" (field) : "cc");
}

/* The field's name is a constant, and its width that of the accessor. */
#define VMCS_ASSERT_WIDTH(field, width) \
	BUILD_BUG_ON(!__builtin_constant_p(field) || VMCS_WIDTH(field) != (width))

#define VMCS_ACCESSORS(suffix, type, width)							\
static __always_inline type vmcs_read##suffix(unsigned long field)				\
{												\
	VMCS_ASSERT_WIDTH(field, width);							\
	return __vmcs_read(field);								\
}												\
												\
static __always_inline void vmcs_write##suffix(unsigned long field, type value)			\
{												\
	VMCS_ASSERT_WIDTH(field, width);							\
	__vmcs_write(field, value);								\
}

VMCS_ACCESSORS(16, u16, VMCS_WIDTH_16)
VMCS_ACCESSORS(32, u32, VMCS_WIDTH_32)
VMCS_ACCESSORS(64, u64, VMCS_WIDTH_64)
VMCS_ACCESSORS(l, unsigned long, VMCS_WIDTH_NATURAL)

/* Instructions with a 64-bit physical address in memory. Return: 0, or -EIO for VMfail or a fault. */
#define VMX_ADDRESS_INSN(name, mnemonic)					\
static __always_inline int name(u64 pa)						\
{										\
	asm goto("1: " mnemonic " %0\n\t"					\
			  "jbe %l[failed]\n\t"					\
			  _ASM_EXTABLE(1b, %l[failed])				\
			  : : "m" (pa) : "cc", "memory" : failed);		\
	return 0;								\
failed:										\
	return -EIO;								\
}

VMX_ADDRESS_INSN(vmx_vmxon, "vmxon")
VMX_ADDRESS_INSN(vmx_vmptrld, "vmptrld")
VMX_ADDRESS_INSN(vmx_vmclear, "vmclear")

static __always_inline void vmx_vmxoff(void)
{
	asm volatile("1: vmxoff\n\t"
		     "2:\n\t"
		     _ASM_EXTABLE(1b, 2b)
		     : : : "cc", "memory");
}

/* Invalidations of one @what of their descriptor, or of all. */
#define VMX_INVALIDATION(name, mnemonic, what)					\
static __always_inline void name(unsigned long type, u64 what)			\
{										\
	struct { u64 what, zero; } desc = { what };				\
										\
	asm volatile("1: " mnemonic " %0, %1\n\t"				\
		     "2:\n\t"							\
		     _ASM_EXTABLE(1b, 2b)					\
		     : : "m" (desc), "r" (type) : "cc", "memory");		\
}

VMX_INVALIDATION(vmx_invept, "invept", eptp)
VMX_INVALIDATION(vmx_invvpid, "invvpid", vpid)

#endif
