/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The x86 decoder and instruction emulator: contract between emulate/ and the
 * rooms that use it.  Builds in the kernel and in user space alike.
 *
 * One struct emu lives in each vCPU.  The owner fills the machine state (mode,
 * cpl, rip, rflags, gpr), gives it instruction bytes or lets it fetch them, and
 * calls emu_execute().  All else of the machine is reached through emu_ops.
 *
 * Restart rule: an instruction is a transaction.  Registers, RFLAGS and RIP
 * change only after every memory and port access has succeeded.  A callback
 * that must ask user space returns EMU_IO; nothing has changed, and the owner
 * calls emu_execute() again once the answer is there.  The accesses answered by
 * user space earlier in the same instruction are then replayed from the log
 * inside struct emu: a callback sees only the access that returned EMU_IO once
 * more, with the same arguments, and gives the answer.  A REP string
 * instruction is one transaction per iteration (or per batch of port units).
 */
#ifndef KEEL_EMULATE_H
#define KEEL_EMULATE_H

#include <keel/emulate_fast.h>
#include <keel/emulate_op.h>
#include <keel/emulate_ops.h>
#include <keel/emulate_types.h>

#define EMU_LOG_SIZE	8

/* struct emu_log - accesses of the current transaction that user space answered (private) */
struct emu_log {
	u16 nr;			/* answered accesses held below */
	u16 next;		/* number of the next access of this run */
	u16 pending;		/* number + 1 of the access that returned EMU_IO, 0 none */
	u16 index[EMU_LOG_SIZE];
	u64 data[EMU_LOG_SIZE][2];
};

/**
 * struct emu - the emulator's context, embedded in a vCPU
 * @ops: set once
 * @gpr: 16 registers, order of enum gpr, then R8..R15
 * @io_buf: NULL, or room for batches of INS and OUTS (REP)
 * @io_buf_size: its bytes, at most 4096
 * @intel: Intel's reading where the vendors differ (66 on near branches)
 * @va_bits: linear-address width, 48 or 57
 * @mode: enum emu_mode, in
 * @cpl: in
 * @rip: in and out
 * @rflags: in and out (always with bit 1)
 * @next_rip: out: address after the instruction
 * @fault: out, valid after EMU_FAULT
 * @shadow: out: SHADOW_* the instruction begins; the former one is over
 * @switched: out: EMU_SWITCHED_*: tasks have been switched, and all state is the new task's, also after EMU_FAULT.
 *	The debug registers' part in it and the trap are the owner's
 * @step: in: an instruction is stepped through; each iteration of REP ends with @stop and @repeat
 * @stop: set by a callback to end a REP loop after this iteration
 * @repeat: out: RIP still points at the instruction (REP goes on, or a locked
 *	update lost its race); resume the guest or execute again, interrupts are
 *	allowed in between
 * @nr_bytes: valid bytes in @bytes
 * @bytes: the instruction: emu_fetch_decode() fills it, the caller of emu_decode()
 *	does if it wants emu_format() to show it
 */
struct emu {
	const struct emu_ops *ops;
	u64 *gpr;
	u8 *io_buf;
	u16 io_buf_size;
	bool intel;
	u8 va_bits;
	u8 mode;
	u8 cpl;
	bool step;
	bool stop;
	bool repeat;
	u8 shadow;
	u8 switched;
	u8 nr_bytes;
	u8 bytes[EMU_MAX_INSN + 1];
	u64 rip;
	u64 rflags;
	u64 next_rip;
	struct emu_insn insn;
	struct emu_fault fault;
	struct emu_log log;
	u16 batch;		/* units in io_buf still to be moved (private but for ops->port_out) */
	u16 batch_size;		/* units that the batch began with (private) */
	u16 rounds;		/* iterations of REP since the guest ran, also in earlier runs (private) */
};

/**
 * emu_decode() - decode one instruction for the mode in @e
 * @e: context; uses mode and intel only, fills insn and next_rip
 * @bytes: instruction bytes, never read past @n
 * @n: how many; more than 15 are ignored
 *
 * Context: any.
 * Return: EMU_CONTINUE, EMU_MORE (needs more than @n), EMU_FAULT (#UD, or #GP(0)
 * for more than 15 bytes).  Known but unexecutable instructions (x87, AVX, ...)
 * decode with their length and row.op EMU_OP_LENGTH_ONLY.
 */
int emu_decode(struct emu *e, const u8 *bytes, unsigned int n);

/**
 * emu_fetch_decode() - check CS, fetch at emu.rip into emu.bytes, decode
 * @e: context
 *
 * Fetches no byte of a page that the instruction does not reach.
 * Context: any; may sleep only as the callbacks of emu.ops do.
 * Return: as emu_decode() but never EMU_MORE; what ops->fetch returned otherwise
 */
int emu_fetch_decode(struct emu *e);

/**
 * emu_repeats() - iterations that the decoded instruction has before it
 * @e: context, with RCX
 *
 * Context: any.
 * Return: RCX in the address size for a string instruction with a REP prefix, though its condition may end it before; otherwise 1
 */
u64 emu_repeats(const struct emu *e);

/**
 * emu_execute() - execute the decoded instruction
 * @e: context
 *
 * Context: any; may sleep only as the callbacks of emu.ops do.
 * Return: EMU_CONTINUE (rip advanced unless emu.repeat), EMU_FAULT, EMU_IO,
 * EMU_FAILED, EMU_OWNER.  Trap flag and breakpoints are the owner's.
 */
int emu_execute(struct emu *e);

/**
 * emu_single_step() - does the trap of RFLAGS.TF follow the instruction that was executed?
 * @e: context, after EMU_CONTINUE
 * @rflags: before the instruction
 *
 * Not behind a MOV or POP to SS, nor behind INT n, INT1, INT3 and INTO that have cleared TF (SDM, "Masking Exceptions and Interrupts When Switching
 * Stacks", "Single-Step Exception Condition").
 * Context: any. Return: the answer.
 */
bool emu_single_step(const struct emu *e, u64 rflags);

/**
 * emu_real_interrupt() - deliver an event through the real-mode vector table
 * @e: context
 * @vector: entry of the table
 * @return_rip: IP to push
 *
 * For hosts that cannot run real mode.
 * Context: any; may sleep only as the callbacks of emu.ops do.
 * Return: as emu_execute()
 */
int emu_real_interrupt(struct emu *e, u8 vector, u64 return_rip);

/**
 * emu_task_event() - deliver an event through a task gate
 * @e: context
 * @selector: of the TSS, from the gate. The gate itself has been checked
 * @event: the event
 *
 * For CPUs that leave task switches to software.  RIP is where the event found it, RFLAGS as it is to be saved.
 * Needs no decoded instruction.
 * Context: any; may sleep only as the callbacks of emu.ops do.
 * Return: as emu_execute(), but never EMU_IO; see also emu.switched
 */
int emu_task_event(struct emu *e, u16 selector, const struct emu_task_event *event);

/**
 * emu_format() - print the decoded instruction
 * @e: context
 * @buf: where the text goes
 * @n: its size, above 0
 *
 * "mov dword [rax+0x10], ecx ; 89 48 10 @ 0xffff...": always terminated,
 * truncated to @n.  After a failed decode prints the bytes in emu.bytes alone.
 * Context: any. Return: characters written, without the terminator
 */
int emu_format(const struct emu *e, char *buf, size_t n);

/**
 * emu_fx_save() - the CPU's own x87 and SSE registers to an image
 * @fx: the image. What a CPU does not store stays as it was: it must hold nothing that is not the registers' owner's
 *
 * Context: nothing else may use the registers meanwhile, as between fpregs_lock() and fpregs_unlock().
 */
void emu_fx_save(struct emu_fx *fx);
/**
 * emu_fx_load() - and back
 * @fx: the image
 *
 * Context: as emu_fx_save().
 */
void emu_fx_load(const struct emu_fx *fx);

/**
 * emu_fx_native() - execute one instruction on the CPU
 * @nr: as for ops->fx_run(); what is not known does nothing
 * @fx: registers, before and after. No x87 exception is pending, all of SSE's are masked
 * @memory: the instruction's operand, aligned to 16
 *
 * The CPU's own registers are used and brought back. Context: as emu_fx_save().
 */
void emu_fx_native(unsigned int nr, struct emu_fx *fx, void *memory);

/**
 * emu_raise() - fill emu.fault with an exception without error code
 * @e: context
 * @vector: of the exception
 *
 * Context: any. Return: EMU_FAULT
 */
int emu_raise(struct emu *e, u8 vector);

/**
 * emu_raise_error() - the same with an error code
 * @e: context
 * @vector: of the exception
 * @error: its error code
 *
 * Context: any. Return: EMU_FAULT
 */
int emu_raise_error(struct emu *e, u8 vector, u32 error);

/**
 * emu_linear() - segmentation (SDM, "Segment Limit Checking", "Type Checking")
 * @e: context
 * @seg: SEG_*
 * @ea: effective address
 * @size: bytes of the access
 * @acc: EMU_ACC_*
 * @la: the linear address
 *
 * Context: any. Return: EMU_CONTINUE, or EMU_FAULT
 */
int emu_linear(struct emu *e, unsigned int seg, u64 ea, unsigned int size, unsigned int acc,
	       u64 *la);

/**
 * emu_address() - effective address of the decoded memory operand
 * @e: context
 *
 * Context: any. Return: the address, before the segment
 */
u64 emu_address(const struct emu *e);

/* emu_forget() - drop a half-done instruction (registers were set from outside, reset, ...) */
static inline void emu_forget(struct emu *e)
{
	e->log.nr = 0;
	e->log.pending = 0;
	e->batch = 0;
	e->rounds = 0;
}

#endif /* KEEL_EMULATE_H */
