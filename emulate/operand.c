// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where operands live: registers, effective addresses, and every access to
 * memory or ports.  Segmentation: segment_limit.c.
 *
 * All accesses of executors go through the functions here, because they keep
 * the restart log: an access that user space has answered in an earlier run of
 * the same instruction is replayed, not made again.  Accesses are told apart by
 * their number within the transaction, so an executor makes them in an order
 * that depends on nothing but the registers and what it has read so far.
 */
#include "internal.h"

const u64 emu_size_mask[16] = {
	[1] = 0xff, [2] = 0xffff, [3] = 0xffffff, [4] = 0xffffffff, [5] = 0xffffffffff,
	[6] = 0xffffffffffff, [7] = 0xffffffffffffff, [8] = ~0ULL,
};

int emu_raise_error(struct emu *e, u8 vector, u32 error)
{
	e->fault.vector = vector;
	e->fault.type = EMU_EVENT_EXCEPTION;
	e->fault.has_error = true;
	e->fault.error = error;
	e->fault.cr2 = 0;
	return EMU_FAULT;
}

int emu_raise(struct emu *e, u8 vector)
{
	emu_raise_error(e, vector, 0);
	e->fault.has_error = false;
	return EMU_FAULT;
}

/* A general register by its number, without high bytes.  A dword clears the upper half. */
void emu_gpr_write(struct emu *e, unsigned int nr, unsigned int size, u64 val)
{
	u64 *reg = &e->gpr[nr & 15];

	switch (size) {
	case 1:
		*reg = (*reg & ~0xffULL) | (u8)val;
		break;
	case 2:
		*reg = (*reg & ~0xffffULL) | (u16)val;
		break;
	case 4:
		*reg = (u32)val;
		break;
	default:
		*reg = val;
		break;
	}
}

void emu_reg_write(struct emu *e, unsigned int nr, unsigned int size, u64 val)
{
	if (unlikely(is_high_byte(e, nr, size)))
		e->gpr[nr & 3] = (e->gpr[nr & 3] & ~0xff00ULL) | ((val & 0xff) << 8);
	else
		emu_gpr_write(e, nr, size, val);
}

u64 emu_address(const struct emu *e)
{
	return effective_address(e);
}

/* Is access @nr in the log?  Then its data are copied out. */
static bool log_replay(const struct emu *e, unsigned int nr, void *data, unsigned int size)
{
	unsigned int i;

	for (i = 0; i < e->log.nr; i++) {
		if (e->log.index[i] == nr) {
			if (data)
				memcpy(data, e->log.data[i], size);
			return true;
		}
	}
	return false;
}

/* Access @nr returned @ret: note that it waits for user space, or its answer. */
static int log_note(struct emu *e, unsigned int nr, const void *data, unsigned int size, int ret)
{
	struct emu_log *log = &e->log;

	if (ret == EMU_IO) {
		if (log->nr == EMU_LOG_SIZE)
			return EMU_FAILED;
		log->pending = nr + 1;
	} else if (ret == EMU_CONTINUE && log->pending == nr + 1) {
		if (log->nr == EMU_LOG_SIZE)
			return EMU_FAILED;
		log->pending = 0;
		log->index[log->nr] = nr;
		if (data)
			memcpy(log->data[log->nr], data, size);
		log->nr++;
	}
	return ret;
}

/* Make an access, unless the log has it, and note what becomes of it. @data: what it gives back, NULL for a write. */
#define LOGGED(e, data, size, access)								\
({												\
	unsigned int nr_ = (e)->log.next++;							\
	int ret_ = EMU_CONTINUE;								\
												\
	if (likely(!(e)->log.nr) || !log_replay(e, nr_, data, size)) {				\
		ret_ = (access);								\
		if (unlikely(ret_ || (e)->log.pending))						\
			ret_ = log_note(e, nr_, data, size, ret_);				\
	}											\
	ret_;											\
})

int emu_read_linear(struct emu *e, u64 la, void *data, unsigned int size, unsigned int acc)
{
	return LOGGED(e, data, size, e->ops->read(e, la, data, size, acc));
}

int emu_write_linear(struct emu *e, u64 la, const void *data, unsigned int size, unsigned int acc)
{
	if (likely(!(e->insn.row.flags & F_MULTI) && e->batch <= 1))
		acc |= EMU_ACC_FINAL;
	return LOGGED(e, NULL, 0, e->ops->write(e, la, data, size, acc));
}

int emu_cmpxchg_linear(struct emu *e, u64 la, void *old, const void *new, unsigned int size, unsigned int acc)
{
	/* in brackets, since cmpxchg() may be a macro of the kernel's */
	return LOGGED(e, old, size, (e->ops->cmpxchg)(e, la, old, new, size, acc));
}

int emu_port_in(struct emu *e, u16 port, void *data, unsigned int size)
{
	return LOGGED(e, data, size, e->ops->port_in(e, port, data, size, 1));
}

int emu_port_out(struct emu *e, u16 port, const void *data, unsigned int size)
{
	return LOGGED(e, NULL, 0, e->ops->port_out(e, port, data, size, 1));
}

/* Read @size (1 to 8) bytes at @seg:@ea. */
int emu_read_seg(struct emu *e, unsigned int seg, u64 ea, u64 *val, unsigned int size)
{
	u64 la;
	int ret;

	*val = 0;
	ret = emu_linear(e, seg, ea, size, EMU_ACC_READ, &la);
	return ret ? ret : emu_read_linear(e, la, val, size, EMU_ACC_READ);
}

int emu_write_seg(struct emu *e, unsigned int seg, u64 ea, u64 val, unsigned int size)
{
	u64 la;
	int ret;

	ret = emu_linear(e, seg, ea, size, EMU_ACC_WRITE, &la);
	return ret ? ret : emu_write_linear(e, la, &val, size, EMU_ACC_WRITE);
}

/* BT and its kin with a register as bit number reach beyond the addressed operand. */
static u64 bit_string_offset(const struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	s64 bit = (s64)emu_sign_extend(emu_reg_read(e, in->reg, in->op_size), in->op_size);
	unsigned int shift = in->op_size == 8 ? 6 : in->op_size == 4 ? 5 : 4;

	return (u64)((bit >> shift) * in->op_size);
}

/* Linear address of the decoded memory operand. */
int emu_operand_linear(struct emu *e, unsigned int size, unsigned int acc, u64 *la)
{
	const struct emu_insn *in = &e->insn;
	u64 ea = effective_address(e);

	if (unlikely(in->row.class == CLASS_BIT && in->row.src == OPR_REG))
		ea = (ea + bit_string_offset(e)) & emu_mask(in->addr_size);
	return emu_linear(e, in->seg, ea, size, acc, la);
}

static unsigned int operand_size(const struct emu *e, unsigned int kind)
{
	const struct emu_insn *in = &e->insn;

	switch (kind) {
	case OPR_RM8:
		return 1;
	case OPR_RM16:
		return 2;
	case OPR_RM32:
		/* MOVSXD of 16 bits: AMD's CPUs read four bytes all the same (seen on family 1Ah) */
		return in->op_size < 4 && e->intel ? in->op_size : 4;
	default:
		return in->op_size;
	}
}

static int read_rm(struct emu *e, unsigned int size, u64 *val)
{
	u64 la;
	int ret;

	if (!emu_is_memory(&e->insn)) {
		*val = emu_reg_read(e, e->insn.rm, size);
		return EMU_CONTINUE;
	}
	*val = 0;
	ret = emu_operand_linear(e, size, EMU_ACC_READ, &la);
	return ret ? ret : emu_read_linear(e, la, val, size, EMU_ACC_READ);
}

/* Read an operand that is not also written. */
int emu_read_operand(struct emu *e, unsigned int kind, u64 *val)
{
	const struct emu_insn *in = &e->insn;

	if (likely(kind == OPR_REG)) {
		*val = emu_reg_read(e, in->reg, in->op_size);
		return EMU_CONTINUE;
	}
	switch (kind) {
	case OPR_RM:
	case OPR_RM8:
	case OPR_RM16:
	case OPR_RM32:
		return read_rm(e, operand_size(e, kind), val);
	case OPR_ACC:
		*val = e->gpr[GPR_RAX] & emu_mask(in->op_size);
		break;
	case OPR_IMM:
		*val = in->imm & emu_mask(in->op_size);
		break;
	case OPR_ONE:
		*val = 1;
		break;
	case OPR_CL:
		*val = e->gpr[GPR_RCX] & 0xff;
		break;
	case OPR_DX:
		*val = e->gpr[GPR_RDX] & 0xffff;
		break;
	default:
		*val = 0;
		break;
	}
	return EMU_CONTINUE;
}

/* Write an operand that has not been read; the last access of the instruction. */
int emu_write_operand(struct emu *e, unsigned int kind, u64 val)
{
	const struct emu_insn *in = &e->insn;
	unsigned int size = operand_size(e, kind);
	u64 la;
	int ret;

	if (kind == OPR_ACC) {
		emu_gpr_write(e, GPR_RAX, size, val);
		return EMU_CONTINUE;
	}
	if (kind == OPR_REG || !emu_is_memory(in)) {
		emu_reg_write(e, kind == OPR_REG ? in->reg : in->rm, size, val);
		return EMU_CONTINUE;
	}
	ret = emu_operand_linear(e, size, EMU_ACC_WRITE, &la);
	return ret ? ret : emu_write_linear(e, la, &val, size, EMU_ACC_WRITE);
}
