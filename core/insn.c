// SPDX-License-Identifier: GPL-2.0-only
/*
 * The owner's side of the emulator: where its reads, writes and port accesses go, and what becomes of its results.
 *
 * The emulator restarts an instruction until all its accesses are done, so a callback that needs user space fills kvm_run,
 * returns EMU_IO, and is called again with the same arguments after KVM_RUN came back. A final store to user space needs no restart:
 * it is handed over with emu.stop set, and the instruction counts as complete.
 */
#include <linux/ratelimit.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <asm/trapnr.h>
#include <keel/access.h>
#include <keel/bus.h>
#include <keel/debug.h>
#include <keel/exit.h>
#include <keel/guest_access.h>
#include <keel/host.h>
#include <keel/irq.h>
#include <keel/memory.h>
#include <keel/request.h>
#include <keel/shadow.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include <keel/vendor.h>
#include "insn.h"
#include "io.h"

static struct vcpu *to_vcpu(struct emu *e)
{
	return container_of(e, struct vcpu, emu);
}

static u32 walk_access(struct emu *e, unsigned int acc)
{
	u32 access = 0;

	if (acc & EMU_ACC_WRITE)
		access |= WALK_WRITE;
	if (acc & EMU_ACC_FETCH)
		access |= WALK_FETCH;
	if (acc & EMU_ACC_SYSTEM)
		access |= WALK_IMPLICIT;
	else if (e->cpl == 3)
		access |= WALK_USER;
	return access;
}

static int page_fault(struct emu *e, u64 la, u32 error)
{
	e->fault = (struct emu_fault){
		.vector = X86_TRAP_PF, .type = EMU_EVENT_EXCEPTION, .has_error = true, .error = error, .cr2 = la,
	};
	return EMU_FAULT;
}

/*
 * Translate one piece of an access that lies within a page. Outside 64-bit code linear addresses have 32
 * bits, and the byte behind the last is the first (SDM, "Segment Wraparound"); in compatibility mode
 * descriptor tables may still lie above.
 */
static int translate(struct emu *e, u64 la, unsigned int acc, gpa_t *gpa)
{
	bool compatibility = e->mode == EMU_MODE_COMPAT32 || e->mode == EMU_MODE_COMPAT16;
	struct walk walk;
	int ret;

	if (e->mode != EMU_MODE_LONG && !(compatibility && (acc & EMU_ACC_SYSTEM)))
		la = (u32)la;
	ret = keel_walk(to_vcpu(e), la, walk_access(e, acc), &walk);
	if (ret == 1)
		return page_fault(e, la, walk.error);
	if (ret)
		return EMU_FAILED;
	*gpa = walk.gpa;
	return EMU_CONTINUE;
}

/* The guest's access has been made: do data breakpoints lie there? What the CPU reads for itself, as descriptors, meets none. */
static int accessed(struct emu *e, u64 la, unsigned int size, unsigned int acc)
{
	if (unlikely(vcpu_watches(to_vcpu(e))) && !(acc & EMU_ACC_SYSTEM))
		keel_watch_access(to_vcpu(e), la, size, acc & EMU_ACC_WRITE ? WATCH_WRITE | WATCH_DATA : WATCH_DATA);
	return EMU_CONTINUE;
}

static int port_accessed(struct emu *e, u16 port, unsigned int size)
{
	if (unlikely(vcpu_watches(to_vcpu(e))))
		keel_watch_access(to_vcpu(e), port, size, WATCH_IO);
	return EMU_CONTINUE;
}

/* The piece at @pos of an access: up to 8 bytes, not across a page. */
static unsigned int piece(u64 la, unsigned int left)
{
	return min3(left, 8u, (unsigned int)(PAGE_SIZE - offset_in_page(la)));
}

static int ask_user(struct vcpu *vcpu, gpa_t gpa, unsigned int pos, unsigned int len, const void *data)
{
	vcpu->io.pos = pos;
	keel_user_mmio(vcpu, gpa, len, data);
	user_completes(vcpu, COMPLETE_MMIO, 0);
	return EMU_IO;
}

/* The launcher may change slots meanwhile: an access that failed is looked at again this often, it may be a device's now. */
#define SLOT_TRIES	8

/*
 * Write @out, or read to @in. 0, -ENXIO where no slot is or, for a write, a read-only one; -EFAULT
 * if the slot's memory is not there.
 */
static int access_memory(struct vcpu *vcpu, gpa_t gpa, void *in, const void *out, unsigned int len)
{
	unsigned int i;

	for (i = 0; i < SLOT_TRIES; i++) {
		if (keel_lapic_claims(vcpu, gpa) ||
		    !(out ? keel_memory_is_writable(vcpu, gpa) : keel_memory_has_slot(vcpu, gpa)))
			return -ENXIO;
		if (out ? keel_write_guest(vcpu->vm, gpa, out, len) : keel_read_guest(vcpu->vm, gpa, in, len))
			continue;
		if (unlikely(out && vcpu->shadow))
			keel_shadow_stored(vcpu->vm, gpa, len);
		return 0;
	}
	return -EFAULT;
}

/* The same of a device here: the local APIC, then what is on the bus. 0 or -EOPNOTSUPP. */
static int access_device(struct vcpu *vcpu, gpa_t gpa, void *in, const void *out, unsigned int len)
{
	struct bus *bus = &vcpu->vm->mmio;

	if (keel_lapic_claims(vcpu, gpa))
		return out ? keel_lapic_mmio_write(vcpu, offset_in_page(gpa), len, out) :
			     keel_lapic_mmio_read(vcpu, offset_in_page(gpa), len, in);
	if (keel_lapic_hole(vcpu, gpa)) {
		if (in)
			memset(in, 0xff, len);
		return 0;
	}
	return out ? keel_bus_write(vcpu, bus, gpa, len, out) :
		     keel_bus_read(vcpu, bus, gpa, len, in);
}

static int read_piece(struct vcpu *vcpu, gpa_t gpa, unsigned int pos, void *data, unsigned int len)
{
	int ret = access_memory(vcpu, gpa, data, NULL, len);

	if (ret != -ENXIO)
		return ret ? EMU_FAILED : EMU_CONTINUE;
	if (pos < vcpu->io.have) {
		memcpy(data, vcpu->io.data + pos, len);
		return EMU_CONTINUE;
	}
	if (!access_device(vcpu, gpa, data, NULL, len)) {
		/* a device read may have effects: keep the answer for the restart */
		memcpy(vcpu->io.data + pos, data, len);
		vcpu->io.have = pos + len;
		return EMU_CONTINUE;
	}
	return ask_user(vcpu, gpa, pos, len, NULL);
}

static int insn_read(struct emu *e, u64 la, void *data, unsigned int size, unsigned int acc)
{
	struct vcpu *vcpu = to_vcpu(e);
	unsigned int pos, len;
	gpa_t gpa;
	int ret;

	if (size > sizeof(vcpu->io.data))
		return EMU_FAILED;
	for (pos = 0; pos < size; pos += len) {
		len = piece(la + pos, size - pos);
		ret = translate(e, la + pos, acc, &gpa);
		if (ret != EMU_CONTINUE)
			return ret;
		ret = read_piece(vcpu, gpa, pos, data + pos, len);
		if (ret != EMU_CONTINUE)
			return ret;
	}
	vcpu->io.have = 0;
	return accessed(e, la, size, acc);
}

static int write_piece(struct vcpu *vcpu, gpa_t gpa, unsigned int pos, const void *data, unsigned int len, bool last)
{
	int ret = access_memory(vcpu, gpa, NULL, data, len);

	if (ret != -ENXIO)
		return ret ? EMU_FAILED : EMU_CONTINUE;
	if (pos < vcpu->io.have)
		return EMU_CONTINUE;
	if (!access_device(vcpu, gpa, NULL, data, len)) {
		vcpu->io.have = pos + len;
		return EMU_CONTINUE;
	}
	ask_user(vcpu, gpa, pos, len, data);
	if (!last)
		return EMU_IO;
	/* nothing is left to do after this store: no restart */
	vcpu->io.complete = COMPLETE_NONE;
	vcpu->io.answered = true;
	vcpu->emu.stop = true;
	return EMU_CONTINUE;
}

static int insn_write(struct emu *e, u64 la, const void *data, unsigned int size, unsigned int acc)
{
	struct vcpu *vcpu = to_vcpu(e);
	unsigned int pos, len, here = min_t(unsigned int, size, PAGE_SIZE - offset_in_page(la));
	gpa_t gpa, page[2];
	int ret;

	if (size > sizeof(vcpu->io.data))
		return EMU_FAILED;
	acc |= EMU_ACC_WRITE;
	/* the whole range must be writable before any of it changes */
	ret = translate(e, la, acc, &page[0]);
	if (ret == EMU_CONTINUE && here < size)
		ret = translate(e, la + here, acc, &page[1]);
	if (ret != EMU_CONTINUE)
		return ret;
	for (pos = 0; pos < size; pos += len) {
		len = piece(la + pos, size - pos);
		gpa = pos < here ? page[0] + pos : page[1] + (pos - here);
		ret = write_piece(vcpu, gpa, pos, data + pos, len, pos + len == size && (acc & EMU_ACC_FINAL));
		if (ret != EMU_CONTINUE)
			return ret;
	}
	vcpu->io.have = 0;
	return accessed(e, la, size, acc);
}

/* Would each page allow the access? Read the bytes there if @data is given. */
static int over_pages(struct emu *e, u64 la, void *data, unsigned int size, unsigned int acc)
{
	unsigned int pos, len;
	gpa_t gpa;
	int ret;

	for (pos = 0; pos < size; pos += len) {
		len = min_t(unsigned int, size - pos, PAGE_SIZE - offset_in_page(la + pos));
		ret = translate(e, la + pos, acc, &gpa);
		if (ret != EMU_CONTINUE)
			return ret;
		if (data && keel_read_guest(to_vcpu(e)->vm, gpa, data + pos, len))
			return EMU_FAILED;
	}
	return EMU_CONTINUE;
}

static int insn_fetch(struct emu *e, u64 la, void *data, unsigned int size)
{
	return over_pages(e, la, data, size, EMU_ACC_FETCH);
}

static int insn_probe(struct emu *e, u64 la, unsigned int size, unsigned int acc)
{
	return over_pages(e, la, NULL, size, acc);
}

/* On RAM by the CPU's own locked instruction; elsewhere there is nobody to be atomic against. */
static int insn_cmpxchg(struct emu *e, u64 la, void *old, const void *new, unsigned int size)
{
	struct vcpu *vcpu = to_vcpu(e);
	u64 expected = 0, wanted = 0;
	unsigned int i;
	gpa_t gpa;
	int ret = translate(e, la, EMU_ACC_WRITE, &gpa);

	if (ret != EMU_CONTINUE)
		return ret;
	for (i = 0; i < SLOT_TRIES; i++) {
		if (size > 8 || (la & (size - 1)) || !keel_memory_is_writable(vcpu, gpa))
			return insn_write(e, la, new, size, EMU_ACC_WRITE);
		memcpy(&expected, old, size);
		memcpy(&wanted, new, size);
		if (keel_cmpxchg_guest(vcpu->vm, gpa, size, &expected, wanted) < 0)
			continue;
		memcpy(old, &expected, size);
		if (unlikely(vcpu->shadow))
			keel_shadow_stored(vcpu->vm, gpa, size);
		return accessed(e, la, size, EMU_ACC_WRITE);
	}
	return EMU_FAILED;
}

static int insn_port_in(struct emu *e, u16 port, void *data, unsigned int size, unsigned int count)
{
	struct vcpu *vcpu = to_vcpu(e);
	unsigned int i;

	if (vcpu->io.answered) {
		vcpu->io.answered = false;
		if (data != vcpu->pio_data)
			memcpy(data, vcpu->pio_data, size * count);
		return port_accessed(e, port, size);
	}
	for (i = 0; i < count; i++)
		if (keel_bus_read(vcpu, &vcpu->vm->pio, port, size, data + i * size))
			break;
	if (i == count)
		return port_accessed(e, port, size);
	/* a device answers all of its port or none */
	keel_user_pio(vcpu, port, size, count, KVM_EXIT_IO_IN);
	user_completes(vcpu, COMPLETE_STRING_IO, 0);
	return EMU_IO;
}

static int insn_port_out(struct emu *e, u16 port, const void *data, unsigned int size, unsigned int count)
{
	struct vcpu *vcpu = to_vcpu(e);
	unsigned int i;

	for (i = 0; i < count; i++)
		if (keel_bus_write(vcpu, &vcpu->vm->pio, port, size, data + i * size))
			break;
	/* an eventfd or a coalesced zone decides on each unit: what it has taken is done, and what it leaves goes out alone */
	if (i && i < count)
		e->batch = i;
	if (i)
		return port_accessed(e, port, size);
	if (count > 1 && keel_bus_has(&vcpu->vm->pio, port)) {
		e->batch = 1;
		count = 1;
	}
	if (data != vcpu->pio_data)
		memcpy(vcpu->pio_data, data, size * count);
	keel_user_pio(vcpu, port, size, count, KVM_EXIT_IO_OUT);
	vcpu->io.answered = true;
	e->stop = true;
	return port_accessed(e, port, size);
}

static void insn_get_segment(struct emu *e, unsigned int nr, struct segment *s)
{
	*s = *vcpu_seg(to_vcpu(e), nr);
}

static void insn_set_segment(struct emu *e, unsigned int nr, const struct segment *s)
{
	struct vcpu *vcpu = to_vcpu(e);

	*vcpu_seg(vcpu, nr) = *s;
	vcpu_dirty(vcpu, RG_SEG);
}

static struct desc_table *desc_table(struct vcpu *vcpu, enum emu_table_nr which)
{
	vcpu_need(vcpu, RG_DT);
	return which == EMU_GDTR ? &vcpu->regs.gdt : &vcpu->regs.idt;
}

static void insn_get_table(struct emu *e, enum emu_table_nr which, struct desc_table *t)
{
	*t = *desc_table(to_vcpu(e), which);
}

static void insn_set_table(struct emu *e, enum emu_table_nr which, const struct desc_table *t)
{
	*desc_table(to_vcpu(e), which) = *t;
	vcpu_dirty(to_vcpu(e), RG_DT);
}

static u64 insn_get_cr(struct emu *e, unsigned int nr)
{
	struct vcpu *vcpu = to_vcpu(e);

	if (nr == EMU_XCR0)
		return vcpu_cr4(vcpu) & X86_CR4_OSXSAVE ? vcpu->xstate.xcr0 : 0;
	if (nr == EMU_EFER)
		return vcpu_efer(vcpu);
	return keel_get_cr(vcpu, nr);
}

static int insn_set_cr(struct emu *e, unsigned int nr, u64 val)
{
	return keel_set_cr(to_vcpu(e), nr, val) ? emu_raise_error(e, X86_TRAP_GP, 0) : EMU_CONTINUE;
}

/* SDM, "Debug Registers": DR7.GD traps every access with #DB before it happens. */
static int check_debug_access(struct emu *e)
{
	struct vcpu *vcpu = to_vcpu(e);

	vcpu_need(vcpu, RG_DR);
	if (!(vcpu->regs.dr7 & DR7_GD))
		return EMU_CONTINUE;
	/* deliver_fault() queues it with these bits */
	e->fault = (struct emu_fault){ .vector = X86_TRAP_DB, .type = EMU_EVENT_EXCEPTION, .cr2 = DR6_BD };
	return EMU_FAULT;
}

static int insn_get_dr(struct emu *e, unsigned int nr, u64 *val)
{
	int ret = check_debug_access(e);

	if (ret == EMU_CONTINUE)
		*val = keel_get_dr(to_vcpu(e), nr);
	return ret;
}

static int insn_set_dr(struct emu *e, unsigned int nr, u64 val)
{
	int ret = check_debug_access(e);

	if (ret != EMU_CONTINUE)
		return ret;
	return keel_set_dr(to_vcpu(e), nr, val) ? emu_raise_error(e, X86_TRAP_GP, 0) : EMU_CONTINUE;
}

static void insn_read_vector(struct emu *e, unsigned int nr, void *data, unsigned int size)
{
	if (size == 32)
		keel_host_ymm_read(&to_vcpu(e)->fpu, nr, data);
	else
		keel_host_xmm_read(&to_vcpu(e)->fpu, nr, data);
}

static void insn_write_vector(struct emu *e, unsigned int nr, const void *data, unsigned int size)
{
	if (size == 32)
		keel_host_ymm_write(&to_vcpu(e)->fpu, nr, data);
	else
		keel_host_xmm_write(&to_vcpu(e)->fpu, nr, data);
}

static void insn_fx_get(struct emu *e, struct emu_fx *fx)
{
	keel_host_fpregs_lock(&to_vcpu(e)->fpu);
	emu_fx_save(fx);
	keel_host_fpregs_unlock();
}

static void insn_fx_set(struct emu *e, const struct emu_fx *fx)
{
	keel_host_fpregs_lock(&to_vcpu(e)->fpu);
	emu_fx_load(fx);
	keel_host_fpregs_unlock();
}

static void insn_fx_run(struct emu *e, unsigned int insn, struct emu_fx *fx, void *memory)
{
	keel_host_fpregs_lock(&to_vcpu(e)->fpu);
	emu_fx_native(insn, fx, memory);
	keel_host_fpregs_unlock();
}

static void insn_invlpg(struct emu *e, u64 la)
{
	struct vcpu *vcpu = to_vcpu(e);

	if (unlikely(vcpu->shadow))
		keel_shadow_invlpg(vcpu, la);
	keel_vendor->tlb_flush(vcpu, vcpu->shadow ? TLB_VM : TLB_GUEST);
}

static const struct emu_ops insn_ops = {
	.fetch = insn_fetch,
	.read = insn_read,
	.write = insn_write,
	.cmpxchg = insn_cmpxchg,
	.probe = insn_probe,
	.port_in = insn_port_in,
	.port_out = insn_port_out,
	.get_segment = insn_get_segment,
	.set_segment = insn_set_segment,
	.get_table = insn_get_table,
	.set_table = insn_set_table,
	.get_cr = insn_get_cr,
	.set_cr = insn_set_cr,
	.get_dr = insn_get_dr,
	.set_dr = insn_set_dr,
	.read_vector = insn_read_vector,
	.write_vector = insn_write_vector,
	.fx_get = insn_fx_get,
	.fx_set = insn_fx_set,
	.fx_run = insn_fx_run,
	.invlpg = insn_invlpg,
};

void keel_insn_init(struct vcpu *vcpu)
{
	vcpu->emu.ops = &insn_ops;
	vcpu->emu.gpr = vcpu->regs.gpr;
}

enum emu_mode keel_insn_mode(struct vcpu *vcpu)
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

void keel_insn_begin(struct vcpu *vcpu)
{
	struct emu *e = &vcpu->emu;

	vcpu_need(vcpu, RG_RSP | RG_RIP | RG_RFLAGS | RG_SEG | RG_CR0 | RG_CR4 | RG_EFER);
	e->mode = keel_insn_mode(vcpu);
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

/* An instruction that cannot be emulated: say which, and end this run. */
static int emulation_failed(struct vcpu *vcpu)
{
	struct emu *e = &vcpu->emu;
	struct kvm_run *run = vcpu->run;
	char text[128];

	if (unlikely(vcpu->io.table)) {
		forget(vcpu);
		keel_shadow_untrace(vcpu->vm, vcpu->io.table);
		return RUN_RESUME;
	}
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

	if (vcpu_cpl(vcpu) && !vcpu->vm->exit_on_emulation_error) {
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

static int deliver_fault(struct vcpu *vcpu)
{
	const struct emu_fault *f = &vcpu->emu.fault;

	forget(vcpu);
	if (f->type != EMU_EVENT_EXCEPTION) {
		/* INT n, INT3, INTO: the CPU delivers them when it runs the instruction itself */
		return emulation_failed(vcpu);
	}
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
	if (!vcpu->events.nmi_masked)
		return;
	vcpu->events.nmi_masked = false;
	keel_vendor->nmi_masked_changed(vcpu);
	vcpu_request(vcpu, REQ_EVENT);
}

static int completed(struct vcpu *vcpu, u64 rflags_before)
{
	store_context(vcpu);
	/* an iteration of REP is stepped over as an instruction is, a locked update that lost its race is not */
	if ((!vcpu->emu.repeat || vcpu->emu.stop) && unlikely((rflags_before & X86_EFLAGS_TF) || vcpu->debug.control))
		keel_instruction_done(vcpu, rflags_before);
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

int keel_insn_finish(struct vcpu *vcpu, int result, u64 rflags)
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
	if (unlikely(e->insn.row.op == EMU_OP_IRET) && (ret == EMU_CONTINUE || ret == EMU_FAULT))
		unblock_nmi(vcpu);
	if (unlikely(rflags & X86_EFLAGS_TF) && !emu_single_step(e, rflags))
		rflags &= ~(u64)X86_EFLAGS_TF;
	return keel_insn_finish(vcpu, ret, rflags);
}

int keel_insn_run(struct vcpu *vcpu)
{
	keel_insn_begin(vcpu);
	return execute(vcpu);
}

int keel_do_emulate(struct vcpu *vcpu, const u8 *insn, unsigned int insn_len)
{
	struct emu *e = &vcpu->emu;
	int ret = EMU_MORE;

	keel_insn_begin(vcpu);
	forget(vcpu);
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
	return execute(vcpu);
}
