/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A vCPU's registers as gdb numbers and sizes them, and the target description that tells it so.
 *
 * Two layouts: of x86-64 and of i386, which also serves 16-bit code, there with the architecture
 * i8086. gdb asks for the description once, as it connects.
 */
#ifndef KEEL_GDB_REGS_H
#define KEEL_GDB_REGS_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GDB_REGISTER_MAX	16	/* bytes of the largest */
#define GDB_XML_MAX		16384

/* Which parts of the registers were written, as bits. */
#define GDB_PART_GENERAL	1u
#define GDB_PART_SPECIAL	2u
#define GDB_PART_FPU		4u
#define GDB_PARTS		7u

struct gdb_registers {
	struct kvm_regs general;
	struct kvm_sregs special;
	struct kvm_fpu fpu;
};

enum gdb_mode {
	GDB_MODE_64,		/* long mode, compatibility mode too */
	GDB_MODE_32,
	GDB_MODE_16,		/* real mode, virtual-8086 mode, a 16-bit code segment */
};

struct gdb_layout;

/**
 * gdb_mode() - the mode that the CPU is in
 */
enum gdb_mode gdb_mode(const struct gdb_registers *registers);

/**
 * gdb_layout() - the layout for @mode
 */
const struct gdb_layout *gdb_layout(enum gdb_mode mode);

/**
 * gdb_layout_count() - how many registers it has
 */
unsigned int gdb_layout_count(const struct gdb_layout *layout);

/**
 * gdb_xml() - write the target description, at most GDB_XML_MAX bytes
 * Return: its length.
 */
size_t gdb_xml(const struct gdb_layout *layout, enum gdb_mode mode, char *text);

/**
 * gdb_pc() - the linear address of the next instruction, which is what gdb gets as program counter
 */
uint64_t gdb_pc(const struct gdb_registers *registers);

/**
 * gdb_set_pc() - let the CPU go on at linear address @pc
 */
void gdb_set_pc(struct gdb_registers *registers, uint64_t pc);

/**
 * gdb_register_get() - the bytes of register @n, least significant first
 * Return: how many; 0 if there is no such register.
 */
unsigned int gdb_register_get(const struct gdb_layout *layout, const struct gdb_registers *registers, unsigned int n,
			      uint8_t bytes[GDB_REGISTER_MAX]);

/**
 * gdb_register_size() - bytes of register @n, 0 if there is none
 */
unsigned int gdb_register_size(const struct gdb_layout *layout, unsigned int n);

/**
 * gdb_register_set() - change register @n
 * @parts: gets the bit of the part that was changed.
 *
 * A selector can be changed where it is no more than a number, in real and virtual-8086 mode; the base
 * goes with it. Elsewhere a descriptor belongs to it that only the CPU loads.
 *
 * Return: false if there is no such register, or it cannot be changed so.
 */
bool gdb_register_set(const struct gdb_layout *layout, struct gdb_registers *registers, unsigned int n,
		      const uint8_t bytes[GDB_REGISTER_MAX], unsigned int *parts);

#endif
