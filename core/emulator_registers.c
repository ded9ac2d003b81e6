// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers as the emulator reads and writes them, and the table of all that it asks for.
 */
#include <asm/trapnr.h>
#include <keel/access.h>
#include <keel/host.h>
#include <keel/shadow.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include <keel/vendor.h>
#include "emulator.h"
#include "emulator_access.h"

static void get_segment(struct emu *e, unsigned int nr, struct segment *s)
{
	*s = *vcpu_seg(emulator_vcpu(e), nr);
}

static void set_segment(struct emu *e, unsigned int nr, const struct segment *s)
{
	struct vcpu *vcpu = emulator_vcpu(e);

	*vcpu_seg(vcpu, nr) = *s;
	vcpu_dirty(vcpu, RG_SEG);
}

static struct desc_table *desc_table(struct vcpu *vcpu, enum emu_table_nr which)
{
	vcpu_need(vcpu, RG_DT);
	return which == EMU_GDTR ? &vcpu->regs.gdt : &vcpu->regs.idt;
}

static void get_table(struct emu *e, enum emu_table_nr which, struct desc_table *t)
{
	*t = *desc_table(emulator_vcpu(e), which);
}

static void set_table(struct emu *e, enum emu_table_nr which, const struct desc_table *t)
{
	*desc_table(emulator_vcpu(e), which) = *t;
	vcpu_dirty(emulator_vcpu(e), RG_DT);
}

static u64 get_cr(struct emu *e, unsigned int nr)
{
	struct vcpu *vcpu = emulator_vcpu(e);

	if (nr == EMU_XCR0)
		return vcpu_cr4(vcpu) & X86_CR4_OSXSAVE ? vcpu->xstate.xcr0 : 0;
	if (nr == EMU_EFER)
		return vcpu_efer(vcpu);
	return keel_get_cr(vcpu, nr);
}

static int set_cr(struct emu *e, unsigned int nr, u64 val)
{
	return keel_set_cr(emulator_vcpu(e), nr, val) ? emu_raise_error(e, X86_TRAP_GP, 0) : EMU_CONTINUE;
}

/* SDM, "Debug Registers": DR7.GD traps every access with #DB before it happens. */
static int check_debug_access(struct emu *e)
{
	struct vcpu *vcpu = emulator_vcpu(e);

	vcpu_need(vcpu, RG_DR);
	if (!(vcpu->regs.dr7 & DR7_GD))
		return EMU_CONTINUE;
	/* deliver_fault() queues it with these bits */
	e->fault = (struct emu_fault){ .vector = X86_TRAP_DB, .type = EMU_EVENT_EXCEPTION, .cr2 = DR6_BD };
	return EMU_FAULT;
}

static int get_dr(struct emu *e, unsigned int nr, u64 *val)
{
	int ret = check_debug_access(e);

	if (ret == EMU_CONTINUE)
		*val = keel_get_dr(emulator_vcpu(e), nr);
	return ret;
}

static int set_dr(struct emu *e, unsigned int nr, u64 val)
{
	int ret = check_debug_access(e);

	if (ret != EMU_CONTINUE)
		return ret;
	return keel_set_dr(emulator_vcpu(e), nr, val) ? emu_raise_error(e, X86_TRAP_GP, 0) : EMU_CONTINUE;
}

static void read_vector(struct emu *e, unsigned int nr, void *data, unsigned int size)
{
	if (size == 32)
		keel_host_ymm_read(&emulator_vcpu(e)->fpu, nr, data);
	else
		keel_host_xmm_read(&emulator_vcpu(e)->fpu, nr, data);
}

static void write_vector(struct emu *e, unsigned int nr, const void *data, unsigned int size)
{
	if (size == 32)
		keel_host_ymm_write(&emulator_vcpu(e)->fpu, nr, data);
	else
		keel_host_xmm_write(&emulator_vcpu(e)->fpu, nr, data);
}

static void fx_get(struct emu *e, struct emu_fx *fx)
{
	*fx = (struct emu_fx){ };
	keel_host_fpregs_lock(&emulator_vcpu(e)->fpu);
	emu_fx_save(fx);
	keel_host_fpregs_unlock();
}

static void fx_set(struct emu *e, const struct emu_fx *fx)
{
	keel_host_fpregs_lock(&emulator_vcpu(e)->fpu);
	emu_fx_load(fx);
	keel_host_fpregs_unlock();
}

static void fx_run(struct emu *e, unsigned int insn, struct emu_fx *fx, void *memory)
{
	keel_host_fpregs_lock(&emulator_vcpu(e)->fpu);
	emu_fx_native(insn, fx, memory);
	keel_host_fpregs_unlock();
}

static void invlpg(struct emu *e, u64 la)
{
	struct vcpu *vcpu = emulator_vcpu(e);

	if (unlikely(vcpu->shadow))
		keel_shadow_invlpg(vcpu, la);
	keel_vendor->tlb_flush(vcpu, vcpu->shadow ? TLB_VM : TLB_GUEST);
}

const struct emu_ops emulator_ops = {
	.fetch = emulator_fetch,
	.read = emulator_read,
	.write = emulator_write,
	.cmpxchg = emulator_cmpxchg,
	.probe = emulator_probe,
	.port_in = emulator_port_in,
	.port_out = emulator_port_out,
	.get_segment = get_segment,
	.set_segment = set_segment,
	.get_table = get_table,
	.set_table = set_table,
	.get_cr = get_cr,
	.set_cr = set_cr,
	.get_dr = get_dr,
	.set_dr = set_dr,
	.read_vector = read_vector,
	.write_vector = write_vector,
	.fx_get = fx_get,
	.fx_set = fx_set,
	.fx_run = fx_run,
	.invlpg = invlpg,
};
