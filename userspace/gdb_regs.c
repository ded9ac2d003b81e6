// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers, from KVM's structures to gdb's bytes and back.
 *
 * Source: SDM, "x87 FPU Tag Word", "FXSAVE Area".
 */
#include <string.h>

#include "gdb_layout.h"
#include "gdb_regs.h"

/* The program counter. */

static bool is_flat(const struct gdb_registers *registers)
{
	return registers->special.efer & EFER_LMA && registers->special.cs.l;
}

uint64_t gdb_pc(const struct gdb_registers *registers)
{
	if (is_flat(registers))
		return registers->general.rip;
	return (uint32_t)(registers->special.cs.base + registers->general.rip);
}

void gdb_set_pc(struct gdb_registers *registers, uint64_t pc)
{
	registers->general.rip = is_flat(registers) ? pc : (uint32_t)(pc - registers->special.cs.base);
}

/* The x87 tag word: the CPU saves whether a register is empty, gdb wants what its value is. */

static unsigned int tag_of(const uint8_t *value)
{
	unsigned int exponent = (value[8] | (unsigned int)value[9] << 8) & 0x7fff;
	uint64_t mantissa;

	memcpy(&mantissa, value, sizeof(mantissa));
	if (!exponent && !mantissa)
		return 1;
	return !exponent || exponent == 0x7fff || !(mantissa >> 63) ? 2 : 0;
}

static uint32_t tag_word(const struct kvm_fpu *fpu)
{
	unsigned int top = fpu->fsw >> 11 & 7;
	uint32_t word = 0;

	for (unsigned int i = 0; i < 8; i++) {
		unsigned int tag = fpu->ftwx >> i & 1 ? tag_of(fpu->fpr[(i - top) & 7]) : 3;

		word |= tag << (2 * i);
	}
	return word;
}

static void set_tag_word(struct kvm_fpu *fpu, uint32_t word)
{
	fpu->ftwx = 0;
	for (unsigned int i = 0; i < 8; i++)
		if ((word >> (2 * i) & 3) != 3)
			fpu->ftwx |= (uint8_t)(1u << i);
}

static uint32_t get_control(const struct kvm_fpu *fpu, unsigned int which)
{
	switch (which) {
	case FCTRL: return fpu->fcw;
	case FSTAT: return fpu->fsw;
	case FTAG: return tag_word(fpu);
	case FISEG: return fpu->last_ip >> 32 & 0xffff;
	case FIOFF: return (uint32_t)fpu->last_ip;
	case FOSEG: return fpu->last_dp >> 32 & 0xffff;
	case FOOFF: return (uint32_t)fpu->last_dp;
	default: return fpu->last_opcode;
	}
}

/* Only those two halves that gdb has are replaced: the other bits stay. */
static void set_half(__u64 *to, uint32_t value, bool is_upper)
{
	if (is_upper)
		*to = (*to & ~0xffff00000000ULL) | (uint64_t)(value & 0xffff) << 32;
	else
		*to = (*to & ~0xffffffffULL) | value;
}

static void set_control(struct kvm_fpu *fpu, unsigned int which, uint32_t value)
{
	switch (which) {
	case FCTRL: fpu->fcw = (uint16_t)value; break;
	case FSTAT: fpu->fsw = (uint16_t)value; break;
	case FTAG: set_tag_word(fpu, value); break;
	case FISEG: set_half(&fpu->last_ip, value, true); break;
	case FIOFF: set_half(&fpu->last_ip, value, false); break;
	case FOSEG: set_half(&fpu->last_dp, value, true); break;
	case FOOFF: set_half(&fpu->last_dp, value, false); break;
	default: fpu->last_opcode = (uint16_t)(value & 0x7ff); break;
	}
}

/* Everything else. */

static uint64_t get_number(const struct row *row, const struct gdb_registers *registers)
{
	const char *special = (const char *)&registers->special + row->at;

	switch (row->kind) {
	case GENERAL: return *(const __u64 *)((const char *)&registers->general + row->at);
	case PC: return gdb_pc(registers);
	case SELECTOR: return ((const struct kvm_segment *)special)->selector;
	case BASE: return ((const struct kvm_segment *)special)->base;
	case TABLE_BASE: return ((const struct kvm_dtable *)special)->base;
	case TABLE_LIMIT: return ((const struct kvm_dtable *)special)->limit;
	case CONTROL: return get_control(&registers->fpu, row->at);
	case VECTOR_CONTROL: return registers->fpu.mxcsr;
	default: return *(const __u64 *)special;
	}
}

static bool set_selector(struct gdb_registers *registers, struct kvm_segment *segment, uint64_t value)
{
	bool is_number = !(registers->special.cr0 & CR0_PE) || registers->general.rflags & FLAGS_VM;

	/* TR and LDTR have descriptors in every mode. */
	if (!is_number || value > 0xffff || segment == &registers->special.tr || segment == &registers->special.ldt)
		return false;
	segment->selector = (uint16_t)value;
	segment->base = value << 4;
	return true;
}

static bool set_number(const struct row *row, struct gdb_registers *registers, uint64_t value)
{
	char *special = (char *)&registers->special + row->at;

	switch (row->kind) {
	case GENERAL: *(__u64 *)((char *)&registers->general + row->at) = value; break;
	case PC: gdb_set_pc(registers, value); break;
	case SELECTOR: return set_selector(registers, (struct kvm_segment *)special, value);
	case BASE: ((struct kvm_segment *)special)->base = value; break;
	case TABLE_BASE: ((struct kvm_dtable *)special)->base = value; break;
	case TABLE_LIMIT:
		if (value > 0xffff)
			return false;
		((struct kvm_dtable *)special)->limit = (uint16_t)value;
		break;
	case CONTROL: set_control(&registers->fpu, row->at, (uint32_t)value); break;
	case VECTOR_CONTROL: registers->fpu.mxcsr = (uint32_t)value; break;
	default: *(__u64 *)special = value; break;
	}
	return true;
}

static unsigned int part_of(const struct row *row)
{
	switch (row->kind) {
	case GENERAL:
	case PC:
		return GDB_PART_GENERAL;
	case STACK:
	case CONTROL:
	case VECTOR:
	case VECTOR_CONTROL:
		return GDB_PART_FPU;
	default:
		return GDB_PART_SPECIAL;
	}
}

unsigned int gdb_register_size(const struct gdb_layout *layout, unsigned int n)
{
	return n < layout->count ? layout->rows[n].bits / 8 : 0;
}

unsigned int gdb_register_get(const struct gdb_layout *layout, const struct gdb_registers *registers, unsigned int n,
			      uint8_t bytes[GDB_REGISTER_MAX])
{
	unsigned int size = gdb_register_size(layout, n);
	const struct row *row = &layout->rows[n];

	if (!size)
		return 0;
	if (row->kind == STACK) {
		memcpy(bytes, registers->fpu.fpr[row->at], size);
	} else if (row->kind == VECTOR) {
		memcpy(bytes, registers->fpu.xmm[row->at], size);
	} else {
		uint64_t value = get_number(row, registers);

		memcpy(bytes, &value, size);
	}
	return size;
}

bool gdb_register_set(const struct gdb_layout *layout, struct gdb_registers *registers, unsigned int n,
		      const uint8_t bytes[GDB_REGISTER_MAX], unsigned int *parts)
{
	uint8_t before[GDB_REGISTER_MAX];
	unsigned int size = gdb_register_get(layout, registers, n, before);
	const struct row *row = &layout->rows[n];
	uint64_t value;

	if (!size)
		return false;
	/* A client that writes all registers changes few. */
	if (!memcmp(before, bytes, size))
		return true;
	if (row->kind == STACK) {
		memcpy(registers->fpu.fpr[row->at], bytes, size);
	} else if (row->kind == VECTOR) {
		memcpy(registers->fpu.xmm[row->at], bytes, size);
	} else {
		/* What a narrow layout does not show stays. */
		value = get_number(row, registers);
		memcpy(&value, bytes, size);
		if (!set_number(row, registers, value))
			return false;
	}
	*parts |= part_of(row);
	return true;
}
