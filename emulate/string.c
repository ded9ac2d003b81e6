// SPDX-License-Identifier: GPL-2.0-only
/*
 * String instructions and port I/O.
 *
 * Each iteration of REP is a transaction of its own: once its accesses are
 * done, RSI, RDI, RCX and the flags are committed and the restart log is
 * emptied.  INS and OUTS with REP move batches through emu.io_buf where the
 * owner gave one: INS takes a batch from the port at once and commits it unit
 * by unit, OUTS gathers a batch and commits it as a whole.
 */
#include "internal.h"

/*
 * Iterations before the guest is resumed and takes interrupts. Those that user space answered count as the others do: else a
 * string of loads from its devices would never be interrupted.
 */
#define STRING_ITERATIONS	1024

/* The I/O permission bitmap, asked when IOPL does not suffice (SDM, "Task Management"). */
static int check_bitmap(struct emu *e, u16 port, unsigned int size)
{
	unsigned int mask = ((1u << size) - 1) << (port & 7);
	struct segment tr;
	u16 base = 0, bits = 0;
	u64 last;
	int ret = emu_io_bitmap(e, &tr, &base);

	if (ret)
		return ret;
	last = (u64)base + port / 8 + 1;
	if (last > tr.limit)
		return emu_raise_error(e, VEC_GP, 0);
	ret = emu_read_linear(e, tr.base + last - 1, &bits, 2, EMU_ACC_READ | EMU_ACC_SYSTEM);
	if (ret)
		return ret;
	return bits & mask ? emu_raise_error(e, VEC_GP, 0) : EMU_CONTINUE;
}

/* May the guest use @size ports from @port? */
static int check_port(struct emu *e, u16 port, unsigned int size)
{
	unsigned int iopl = (e->rflags & FL_IOPL) >> FL_IOPL_SHIFT;

	if (e->mode == EMU_MODE_REAL || (e->mode != EMU_MODE_VM86 && e->cpl <= iopl))
		return EMU_CONTINUE;
	return check_bitmap(e, port, size);
}

/* Port instructions have no 64-bit form. */
static unsigned int port_size(const struct emu_insn *in)
{
	return in->op_size > 4 ? 4 : in->op_size;
}

static u16 port_number(const struct emu *e, unsigned int kind)
{
	return kind == OPR_IMM ? (u8)e->insn.imm : (u16)e->gpr[GPR_RDX];
}

int emu_exec_port(struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	bool is_in = in->row.op == EMU_OP_IN;
	u16 port = port_number(e, is_in ? in->row.src : in->row.dst);
	unsigned int size = port_size(in);
	u64 data = 0;
	int ret;

	ret = check_port(e, port, size);
	if (ret)
		return ret;
	if (!is_in) {
		data = e->gpr[GPR_RAX] & emu_mask(size);
		return emu_port_out(e, port, &data, size);
	}
	ret = emu_port_in(e, port, &data, size);
	if (!ret)
		emu_gpr_write(e, GPR_RAX, size, data);
	return ret;
}

static u64 index_address(const struct emu *e, unsigned int reg)
{
	return e->gpr[reg] & emu_mask(e->insn.addr_size);
}

/* Move RSI or RDI by @units elements. */
static void advance(struct emu *e, unsigned int reg, unsigned int size, unsigned int units)
{
	u64 step = (u64)size * units;

	if (e->rflags & FL_DF)
		step = -step;
	emu_gpr_write(e, reg, e->insn.addr_size, e->gpr[reg] + step);
}

/* Units of a batch: as many as RCX, the buffer and the page allow, upwards only. */
static unsigned int batch_units(const struct emu *e, u64 la, unsigned int size)
{
	u64 units = e->gpr[GPR_RCX] & emu_mask(e->insn.addr_size);
	unsigned int room = (4096 - (unsigned int)(la & 4095)) / size;

	if (!e->io_buf || !(e->insn.prefix & (EMU_PFX_REP | EMU_PFX_REPNE)) ||
	    (e->rflags & FL_DF) || e->step)
		return 1;
	if (room > e->io_buf_size / size)
		room = e->io_buf_size / size;
	if (units > room)
		units = room;
	return units ? (unsigned int)units : 1;
}

/*
 * Does the unit behind @before others lie in the segment as well, and not at its begin again? Where it does not, the units go one by one: the port
 * gives nothing that has no place.
 */
static bool is_in_reach(struct emu *e, u64 la, unsigned int size, unsigned int before)
{
	u64 last;

	return emu_linear(e, SEG_ES, (e->gpr[GPR_RDI] + (u64)size * before) & emu_mask(e->insn.addr_size), size, EMU_ACC_WRITE,
			  &last) == EMU_CONTINUE && last - la == (u64)size * before;
}

/* Fill the batch from the port, once its destination is known to be writable. */
static int fill_batch(struct emu *e, u64 la, unsigned int size)
{
	unsigned int units = batch_units(e, la, size);
	u16 port = (u16)e->gpr[GPR_RDX];
	int ret;

	if (units > 1 && !is_in_reach(e, la, size, units - 1))
		units = 1;
	ret = check_port(e, port, size);
	if (!ret)
		ret = e->ops->probe(e, la, size * units, EMU_ACC_WRITE);
	if (ret || units == 1)
		return ret;
	ret = e->ops->port_in(e, port, e->io_buf, size, units);
	if (!ret) {
		e->batch = units;
		e->batch_size = units;
	}
	return ret;
}

static int string_ins(struct emu *e)
{
	unsigned int size = port_size(&e->insn);
	u64 la, data = 0;
	int ret;

	ret = emu_linear(e, SEG_ES, index_address(e, GPR_RDI), size, EMU_ACC_WRITE, &la);
	if (!ret && !e->batch)
		ret = fill_batch(e, la, size);
	if (ret)
		return ret;
	if (e->batch)
		memcpy(&data, e->io_buf + (e->batch_size - e->batch) * size, size);
	else
		ret = emu_port_in(e, (u16)e->gpr[GPR_RDX], &data, size);
	if (!ret)
		ret = emu_write_linear(e, la, &data, size, EMU_ACC_WRITE);
	if (ret)
		return ret;
	if (e->batch)
		e->batch--;
	advance(e, GPR_RDI, size, 1);
	return EMU_CONTINUE;
}

/* Gather up to @units units into io_buf, leaving room in the log for what follows. */
static int gather_batch(struct emu *e, u64 ea, unsigned int size, unsigned int units)
{
	unsigned int i;
	u64 la;
	int ret;

	for (i = 0; i < units && e->log.nr < EMU_LOG_SIZE - 2; i++) {
		ret = emu_linear(e, e->insn.seg, (ea + i * size) & emu_mask(e->insn.addr_size),
				 size, EMU_ACC_READ, &la);
		if (!ret)
			ret = emu_read_linear(e, la, e->io_buf + i * size, size, EMU_ACC_READ);
		if (ret == EMU_FAULT && i)	/* the fault comes after the units before it */
			break;
		if (ret)
			return ret;
	}
	e->batch = i;
	return EMU_CONTINUE;
}

/* One unit, or a batch; @done is how many units have gone out. */
static int string_outs(struct emu *e, unsigned int *done)
{
	unsigned int size = port_size(&e->insn), units;
	u16 port = (u16)e->gpr[GPR_RDX];
	u64 la, ea = index_address(e, GPR_RSI), data = 0;
	int ret;

	ret = check_port(e, port, size);
	if (!ret)
		ret = emu_linear(e, e->insn.seg, ea, size, EMU_ACC_READ, &la);
	if (ret)
		return ret;
	units = batch_units(e, la, size);
	if (units == 1) {
		ret = emu_read_linear(e, la, &data, size, EMU_ACC_READ);
		if (!ret)
			ret = emu_port_out(e, port, &data, size);
	} else {
		if (!e->batch)
			ret = gather_batch(e, ea, size, units);
		if (!ret)
			ret = e->ops->port_out(e, port, e->io_buf, size, e->batch);
		units = e->batch;
	}
	if (ret)
		return ret;
	e->batch = 0;
	advance(e, GPR_RSI, size, units);
	*done = units;
	return EMU_CONTINUE;
}

static int string_movs(struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	u64 val;
	int ret;

	ret = emu_read_seg(e, in->seg, index_address(e, GPR_RSI), &val, in->op_size);
	if (!ret)
		ret = emu_write_seg(e, SEG_ES, index_address(e, GPR_RDI), val, in->op_size);
	if (ret)
		return ret;
	advance(e, GPR_RSI, in->op_size, 1);
	advance(e, GPR_RDI, in->op_size, 1);
	return EMU_CONTINUE;
}

/* CMPS and SCAS: RSI's element or the accumulator against RDI's. */
static int string_compare(struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	bool is_cmps = in->row.op == EMU_OP_CMPS;
	u64 left = e->gpr[GPR_RAX] & emu_mask(in->op_size), right;
	int ret = EMU_CONTINUE;

	if (is_cmps)
		ret = emu_read_seg(e, in->seg, index_address(e, GPR_RSI), &left, in->op_size);
	if (!ret)
		ret = emu_read_seg(e, SEG_ES, index_address(e, GPR_RDI), &right, in->op_size);
	if (ret)
		return ret;
	emu_sub(left, right, 0, in->op_size, &e->rflags);
	if (is_cmps)
		advance(e, GPR_RSI, in->op_size, 1);
	advance(e, GPR_RDI, in->op_size, 1);
	return EMU_CONTINUE;
}

static int string_one(struct emu *e, unsigned int *done)
{
	const struct emu_insn *in = &e->insn;
	u64 val;
	int ret;

	*done = 1;
	switch (in->row.op) {
	case EMU_OP_MOVS:
		return string_movs(e);
	case EMU_OP_STOS:
		ret = emu_write_seg(e, SEG_ES, index_address(e, GPR_RDI), e->gpr[GPR_RAX],
				    in->op_size);
		if (!ret)
			advance(e, GPR_RDI, in->op_size, 1);
		return ret;
	case EMU_OP_LODS:
		ret = emu_read_seg(e, in->seg, index_address(e, GPR_RSI), &val, in->op_size);
		if (!ret) {
			emu_gpr_write(e, GPR_RAX, in->op_size, val);
			advance(e, GPR_RSI, in->op_size, 1);
		}
		return ret;
	case EMU_OP_INS:
		return string_ins(e);
	case EMU_OP_OUTS:
		return string_outs(e, done);
	default:
		return string_compare(e);
	}
}

/* Has a REP prefix's condition on ZF ended the loop? */
static bool is_found(const struct emu *e)
{
	if (e->insn.row.op != EMU_OP_CMPS && e->insn.row.op != EMU_OP_SCAS)
		return false;
	return !(e->rflags & FL_ZF) == !!(e->insn.prefix & EMU_PFX_REP);
}

u64 emu_repeats(const struct emu *e)
{
	const struct emu_insn *in = &e->insn;

	if (in->row.class != CLASS_STRING || !(in->prefix & (EMU_PFX_REP | EMU_PFX_REPNE)))
		return 1;
	return e->gpr[GPR_RCX] & emu_mask(in->addr_size);
}

int emu_exec_string(struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	u64 count, flags = e->rflags;
	unsigned int done;
	int ret;

	if (!(in->prefix & (EMU_PFX_REP | EMU_PFX_REPNE)))
		return string_one(e, &done);
	for (count = emu_repeats(e); count; e->rounds++) {
		if (e->rounds && !e->batch && (e->stop || e->step || e->rounds >= STRING_ITERATIONS)) {
			e->stop |= e->step;
			e->repeat = true;
			/* for events between two iterations (SDM, "Instruction-Breakpoint Exception Condition") */
			e->rflags |= FL_RF;
			return EMU_CONTINUE;
		}
		e->log.next = 0;
		ret = string_one(e, &done);
		if (ret)
			return ret;
		e->log.nr = 0;
		e->log.pending = 0;
		count -= done;
		emu_gpr_write(e, GPR_RCX, in->addr_size, count);
		if (is_found(e))
			break;
		/*
		 * The last comparison sets flags; a fault or a trap before it finds them as they were (SDM, "REP/REPE/REPZ/REPNE/REPNZ"). On
		 * AMD's CPUs each comparison does (seen on family 1Ah).
		 */
		if (count && e->intel)
			e->rflags = flags;
	}
	return EMU_CONTINUE;
}
