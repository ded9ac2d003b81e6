// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulator runs for a vCPU: what it is given, and what becomes of its results.
 */
#include <linux/string.h>
#include <asm/trapnr.h>
#include <keel/access.h>
#include <keel/debug.h>
#include <keel/exit.h>
#include <keel/explain.h>
#include <keel/request.h>
#include <keel/shadow.h>
#include <keel/vcpu.h>
#include "emulator.h"
#include "emulator_access.h"

void keel_emulator_init(struct vcpu *vcpu)
{
	vcpu->emu.ops = &emulator_ops;
	vcpu->emu.gpr = vcpu->regs.gpr;
}

enum emu_mode keel_emulator_mode(struct vcpu *vcpu)
{
	u32 cs;

	cs = vcpu_cs(vcpu)->ar;
	/* long mode is active only with protection on */
	if (vcpu_is_long_mode(vcpu)) {
		if (cs & SEG_L)
			return EMU_MODE_LONG;
		return cs & SEG_DB ? EMU_MODE_COMPAT32 : EMU_MODE_COMPAT16;
	}
	if (!vcpu_is_protected(vcpu))
		return EMU_MODE_REAL;
	if (vcpu_rflags(vcpu) & X86_EFLAGS_VM)
		return EMU_MODE_VM86;
	return cs & SEG_DB ? EMU_MODE_PROT32 : EMU_MODE_PROT16;
}

void keel_emulator_begin(struct vcpu *vcpu)
{
	struct emu *e = &vcpu->emu;

	vcpu_need(vcpu, RG_RSP | RG_RIP | RG_RFLAGS | RG_SEG | RG_CR0 | RG_CR4 | RG_EFER);
	e->mode = keel_emulator_mode(vcpu);
	e->cpl = e->mode == EMU_MODE_VM86 ? 3 : vcpu_cpl(vcpu);
	e->rip = vcpu->regs.rip;
	e->rflags = vcpu->regs.rflags;
	e->va_bits = vcpu->regs.cr4 & X86_CR4_LA57 ? 57 : 48;
	e->intel = !(vcpu->cpuid.flags & GUEST_IS_AMD);
	e->io_buf = vcpu->pio_data;
	e->io_buf_size = PAGE_SIZE;
	e->step = (e->rflags & X86_EFLAGS_TF) || (vcpu->debug.control & (KVM_GUESTDBG_SINGLESTEP | VCPU_WATCHES));
	e->stop = false;
	e->repeat = false;
	e->shadow = 0;
	e->switched = 0;
}

/* SDM, "Debug Control Register (DR7)": a task switch clears the local enable flags and LE. */
#define DR7_LOCAL	0x155ull

static void task_switched(struct vcpu *vcpu)
{
	bool trap = vcpu->emu.switched & EMU_SWITCHED_TRAP;

	vcpu->emu.switched = 0;
	vcpu_need(vcpu, RG_DR);
	if (vcpu->regs.dr7 & DR7_LOCAL) {
		vcpu->regs.dr7 &= ~DR7_LOCAL;
		vcpu_dirty(vcpu, RG_DR);
	}
	if (trap)
		keel_queue_debug(vcpu, DR_SWITCH);
}

static void store_context(struct vcpu *vcpu)
{
	struct emu *e = &vcpu->emu;

	vcpu->events.shadow = e->shadow;
	vcpu->regs.rip = e->rip;
	vcpu->regs.rflags = e->rflags;
	vcpu_dirty(vcpu, RG_RSP | RG_RIP | RG_RFLAGS | RG_SHADOW);
	if (unlikely(e->switched))
		task_switched(vcpu);
}

/* Nothing of the instruction in flight is left. */
static void forget(struct vcpu *vcpu)
{
	emu_forget(&vcpu->emu);
	vcpu->io.have = 0;
	vcpu->io.watch_hits = 0;
}

/* SDM, "Masking Exceptions and Interrupts When Switching Stacks": breakpoints that a MOV or POP to SS meets wait for the end of the next instruction. */
static bool is_put_off(struct vcpu *vcpu)
{
	if (likely(!vcpu->io.watch_hits))
		return false;
	vcpu_need(vcpu, RG_SHADOW);
	return vcpu->events.shadow & SHADOW_MOVSS;
}

/* The instruction behind a MOV to SS is the CPU's: what was put off is told before it. */
static int tell_before(struct vcpu *vcpu)
{
	u8 hits = vcpu->io.watch_hits;

	forget(vcpu);
	vcpu->io.complete = COMPLETE_NONE;
	vcpu->events.shadow = 0;
	vcpu_dirty(vcpu, RG_SHADOW);
	vcpu->io.watch_hits = hits;
	keel_instruction_done(vcpu, 0);
	return RUN_RESUME;
}

/* The store to a page table is made by the CPU: what was a table is none any more. */
static int let_go(struct vcpu *vcpu)
{
	forget(vcpu);
	keel_shadow_untrace(vcpu->vm, vcpu->io.table);
	return RUN_RESUME;
}

/* A REP prefix and more stores than this: a page is cleared or copied to, which nobody does with a table in use. */
#define TABLE_STORES	8

/* An instruction that cannot be emulated: say which, and end this run. */
static int emulation_failed(struct vcpu *vcpu)
{
	struct emu *e = &vcpu->emu;
	struct kvm_run *run = vcpu->run;
	char text[128];

	if (unlikely(vcpu->io.table))
		return let_go(vcpu);
	if (unlikely(is_put_off(vcpu)))
		return tell_before(vcpu);
	vcpu->stats.insn_emulation_fail++;
	if (e->nr_bytes) {
		emu_format(e, text, sizeof(text));
		keel_explain(vcpu->vm, vcpu->id, "cannot emulate %s", text);
	} else {
		keel_explain(vcpu->vm, vcpu->id, "cannot emulate the instruction @ %#llx: it lies in no memory slot",
			     e->rip);
	}
	forget(vcpu);
	/* an access that would have needed user space */
	vcpu->io.complete = COMPLETE_NONE;

	if (vcpu_cpl(vcpu) && !vcpu->vm->exit_on_emulation_error && !vcpu->emulates) {
		keel_queue_exception(vcpu, X86_TRAP_UD);
		return RUN_RESUME;
	}
	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
	run->emulation_failure.ndata = 0;
	run->emulation_failure.flags = 0;
	if (e->nr_bytes) {
		run->emulation_failure.ndata = 3;
		run->emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
		run->emulation_failure.insn_size = min_t(u8, e->nr_bytes, EMU_MAX_INSN);
		memset(run->emulation_failure.insn_bytes, 0x90, sizeof(run->emulation_failure.insn_bytes));
		memcpy(run->emulation_failure.insn_bytes, e->bytes, run->emulation_failure.insn_size);
	}
	return RUN_USER;
}

/*
 * INT n, INT3, INTO, INT1. The CPU delivers them when it runs the instruction itself. Where the emulator is the engine they go in as events; a gate's
 * privilege is looked at for all but INT1. In virtual-8086 mode INT3 and INTO are no software interrupts: neither IOPL nor VME's bitmap is asked.
 */
static int software_event(struct vcpu *vcpu)
{
	struct emu *e = &vcpu->emu;
	struct event event = { .valid = true, .type = EVENT_SOFT_INTR, .vector = e->fault.vector, .length = e->insn.length };

	if (!vcpu->emulates)
		return emulation_failed(vcpu);
	forget(vcpu);
	if (e->fault.type == EMU_EVENT_SOFT_EXC && e->mode == EMU_MODE_VM86)
		event.type = EVENT_EXCEPTION;
	if (e->fault.type == EMU_EVENT_PRIV_SOFT_EXC) {
		e->rip = e->next_rip;
		store_context(vcpu);
		keel_queue_exception(vcpu, X86_TRAP_DB);
	} else {
		keel_event_interrupted(vcpu, &event);
	}
	vcpu->stats.insn_emulation++;
	return RUN_RESUME;
}

static int deliver_fault(struct vcpu *vcpu)
{
	const struct emu_fault *f = &vcpu->emu.fault;

	if (f->type != EMU_EVENT_EXCEPTION)
		return software_event(vcpu);
	/* also what a MOV to SS has put off (SDM, "Delivery of Pending Debug Exceptions after VM Entry": none behind a hardware exception) */
	forget(vcpu);
	if (f->vector == X86_TRAP_PF)
		keel_queue_page_fault(vcpu, f->cr2, f->error);
	else if (f->vector == X86_TRAP_DB)
		keel_queue_debug(vcpu, f->cr2);
	else if (f->has_error)
		keel_queue_exception_error(vcpu, f->vector, f->error);
	else
		keel_queue_exception(vcpu, f->vector);
	return RUN_RESUME;
}

/* SDM, "Handling Multiple NMIs": an IRET ends the block, also one that faults. */
static void unblock_nmi(struct vcpu *vcpu)
{
	vcpu_need(vcpu, RG_SHADOW);
	if (vcpu->events.nmi_masked)
		keel_nmi_unblock(vcpu);
}

/* A debugger that steps is told of each instruction. Not every CPU takes over what is put off, so the next instruction is software's as well. */
static int completed(struct vcpu *vcpu, u64 rflags_before)
{
	store_context(vcpu);
	/* an iteration of REP is stepped over as an instruction is, a locked update that lost its race is not */
	if ((!vcpu->emu.repeat || vcpu->emu.stop) && unlikely((rflags_before & X86_EFLAGS_TF) || vcpu->debug.control)) {
		if (unlikely(is_put_off(vcpu)) && !(vcpu->debug.control & KVM_GUESTDBG_SINGLESTEP))
			return keel_do_emulate(vcpu, NULL, 0);
		keel_instruction_done(vcpu, rflags_before);
	}
	if (vcpu->io.answered) {
		/* the last store or OUT went to user space */
		vcpu->io.answered = false;
		vcpu->io.have = 0;
		return RUN_USER;
	}
	return RUN_RESUME;
}

/* The instruction is that of an exit. */
static int owned(struct vcpu *vcpu)
{
	int ret;

	vcpu_need(vcpu, RG_SHADOW);
	ret = keel_do_insn(vcpu, vcpu->emu.insn.row.op, vcpu->emu.insn.length);
	if (ret == RUN_SLOW)
		return emulation_failed(vcpu);
	vcpu->stats.insn_emulation++;
	return ret;
}

int keel_emulator_finish(struct vcpu *vcpu, int result, u64 rflags)
{
	/* a fault behind a task switch is the new task's */
	if (unlikely(vcpu->emu.switched) && result != EMU_CONTINUE)
		store_context(vcpu);
	switch (result) {
	case EMU_CONTINUE:
		vcpu->stats.insn_emulation++;
		return completed(vcpu, rflags);
	case EMU_OWNER:
		return owned(vcpu);
	case EMU_FAULT:
		return deliver_fault(vcpu);
	case EMU_IO:
		return RUN_USER;
	default:
		return emulation_failed(vcpu);
	}
}

/* Execute vcpu->emu.insn with the context loaded. */
static int execute(struct vcpu *vcpu)
{
	struct emu *e = &vcpu->emu;
	u64 rflags = e->rflags;
	int ret;

	/* where no CPU executes it, as in real mode, the debugger's is found here */
	if (unlikely(vcpu->debug.control & KVM_GUESTDBG_USE_SW_BP) && e->insn.row.op == EMU_OP_INT3)
		return keel_do_breakpoint(vcpu);
	ret = emu_execute(e);
	if (unlikely(e->shadow)) {
		/* SDM, the same: of several in a row only the first holds anything back for sure */
		vcpu_need(vcpu, RG_SHADOW);
		e->shadow &= ~vcpu->events.shadow;
	}
	if (unlikely(e->insn.row.op == EMU_OP_IRET) && (ret == EMU_CONTINUE || ret == EMU_FAULT))
		unblock_nmi(vcpu);
	if (unlikely(rflags & X86_EFLAGS_TF) && !emu_single_step(e, rflags))
		rflags &= ~(u64)X86_EFLAGS_TF;
	return keel_emulator_finish(vcpu, ret, rflags);
}

int keel_emulator_run(struct vcpu *vcpu)
{
	keel_emulator_begin(vcpu);
	return execute(vcpu);
}

/* Nothing is left of the instruction before, but for the breakpoints that a MOV to SS has put off. */
static void forget_last(struct vcpu *vcpu)
{
	u8 put_off;

	/* the CPU may have some */
	if (unlikely(vcpu->debug.control & VCPU_WATCHES))
		vcpu_need(vcpu, RG_SHADOW);
	put_off = is_put_off(vcpu) ? vcpu->io.watch_hits : 0;
	forget(vcpu);
	vcpu->io.watch_hits = put_off;
}

int keel_do_emulate(struct vcpu *vcpu, const u8 *insn, unsigned int insn_len)
{
	struct emu *e = &vcpu->emu;
	int ret = EMU_MORE;

	keel_emulator_begin(vcpu);
	forget_last(vcpu);
	e->nr_bytes = 0;
	e->insn.length = 0;
	vcpu->io.answered = false;
	if (insn && insn_len) {
		e->nr_bytes = min_t(unsigned int, insn_len, EMU_MAX_INSN);
		memcpy(e->bytes, insn, e->nr_bytes);
		ret = emu_decode(e, e->bytes, e->nr_bytes);
	}
	if (ret == EMU_MORE)
		ret = emu_fetch_decode(e);
	if (ret == EMU_FAULT)
		return deliver_fault(vcpu);
	if (ret != EMU_CONTINUE)
		return emulation_failed(vcpu);
	if (unlikely(vcpu->io.table) && emu_repeats(e) > TABLE_STORES)
		return let_go(vcpu);
	return execute(vcpu);
}
