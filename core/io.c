// SPDX-License-Identifier: GPL-2.0-only
/*
 * Port and memory-mapped I/O: in-kernel devices at once, everything else by way of user space.
 *
 * The fast verbs here run in the inner loop. A plain IN, OUT, load or store is carried out or handed to user space without
 * leaving it and without the emulator; anything that needs more answers RUN_SLOW with nothing changed.
 *
 * An access that user space answers is finished at the next KVM_RUN by keel_complete_user_io(), as api.rst says for KVM_EXIT_IO
 * and KVM_EXIT_MMIO. What user space put into kvm_run is hostile: only data are taken from it, never lengths or counts.
 */
#include <linux/mm.h>
#include <linux/string.h>
#include <keel/access.h>
#include <keel/bus.h>
#include <keel/debug.h>
#include <keel/exit_fast.h>
#include <keel/guest_access.h>
#include <keel/irq.h>
#include <keel/memory.h>
#include <keel/request.h>
#include <keel/shadow.h>
#include <keel/vcpu.h>
#include <keel/vendor.h>
#include "emulator.h"
#include "io.h"

/* keel_bus_write() of @out, or keel_bus_read() to @in. @dev, if not NULL, is known to be the first device at the address. */
static __always_inline int access_device(struct vcpu *vcpu, struct bus *bus, struct bus_device *dev, gpa_t addr, unsigned int len,
					 const void *out, void *in)
{
	if (out && dev && bus_device_covers(dev, addr, len) && dev->ops->write && !dev->ops->write(vcpu, dev, addr, len, out))
		return 0;
	if (in && dev && bus_device_covers(dev, addr, len) && dev->ops->read && !dev->ops->read(vcpu, dev, addr, len, in))
		return 0;
	return out ? keel_bus_write(vcpu, bus, addr, len, out) : keel_bus_read(vcpu, bus, addr, len, in);
}

/* The first device at an address of memory, and that there is none, is mostly known from the last time. */
static __always_inline int fast_access(struct vcpu *vcpu, gpa_t addr, unsigned int len, const void *out, void *in)
{
	struct bus_known *known = &vcpu->known.mmio;
	struct bus *bus = &vcpu->vm->mmio;
	struct bus_device *dev;

	if (unlikely(!bus_is_known(bus, known, addr))) {
		keel_bus_look_up(bus, known, addr);
		return access_device(vcpu, bus, NULL, addr, len, out, in);
	}
	dev = known->dev[addr % BUS_KNOWN];
	return dev ? access_device(vcpu, bus, dev, addr, len, out, in) : -EOPNOTSUPP;
}

/* IN writes AL, AX or EAX; a 32-bit result clears the upper half. */
static void set_accumulator(struct vcpu *vcpu, unsigned int size, u32 val)
{
	u64 *rax = &vcpu->regs.gpr[GPR_RAX];

	if (size == 1)
		*rax = (*rax & ~0xffull) | (val & 0xff);
	else if (size == 2)
		*rax = (*rax & ~0xffffull) | (val & 0xffff);
	else
		*rax = val;
}

/* RIP is valid, see keel_fast_io(). */
static __always_inline int user_port(struct vcpu *vcpu, u16 port, unsigned int size, unsigned int len, unsigned int direction)
{
	if (direction == KVM_EXIT_IO_OUT) {
		*(u32 *)vcpu->pio_data = vcpu->regs.gpr[GPR_RAX];
		vcpu->io.complete = COMPLETE_PIO_OUT;
	} else {
		vcpu->io.complete = COMPLETE_PIO_IN;
	}
	vcpu->io.complete_len = len;
	vcpu->io.rip = vcpu->regs.rip;
	keel_user_pio(vcpu, port, size, 1, direction);
	return RUN_USER;
}

/* @dev: the first device there, NULL: it is to be found out. */
static noinline int device_port(struct vcpu *vcpu, u16 port, unsigned int size, unsigned int len, unsigned int direction,
				struct bus_device *dev)
{
	struct bus *bus = &vcpu->vm->pio;
	u32 val = 0;

	if (unlikely(!dev))
		keel_bus_look_up(bus, &vcpu->known.ports, port);
	if (direction == KVM_EXIT_IO_IN) {
		if (access_device(vcpu, bus, dev, port, size, NULL, &val))
			return user_port(vcpu, port, size, len, direction);
		set_accumulator(vcpu, size, val);
	} else {
		val = vcpu->regs.gpr[GPR_RAX];
		if (access_device(vcpu, bus, dev, port, size, &val, NULL))
			return user_port(vcpu, port, size, len, direction);
	}
	vcpu_advance_valid(vcpu, len);
	return RUN_RESUME;
}

int keel_fast_io(struct vcpu *vcpu, u16 port, unsigned int size, unsigned int len, unsigned int direction)
{
	struct bus_known *known = &vcpu->known.ports;
	struct bus_device *dev = NULL;

	if (unlikely(vcpu_watches(vcpu)))
		return RUN_SLOW;
	if (likely(bus_is_known(&vcpu->vm->pio, known, port))) {
		dev = known->dev[port % BUS_KNOWN];
		if (!dev)
			return user_port(vcpu, port, size, len, direction);
	}
	return device_port(vcpu, port, size, len, direction, dev);
}

/*
 * Does the operand of the instruction begin at the faulting address? An operand that crosses into a device page from the
 * page before faults at the page's first byte, so only there can it differ.
 */
static bool operand_begins_at(struct vcpu *vcpu, const u8 *insn, unsigned int n, enum emu_mode mode, gpa_t gpa)
{
	struct emu *e = &vcpu->emu;
	int base;
	u64 la;

	if (likely(offset_in_page(gpa)))
		return true;
	/* doorbells often begin a page: do not decode for them */
	base = mode == EMU_MODE_LONG ? emu_mov_base(insn) : -1;
	if (likely(base >= 0))
		return !offset_in_page(vcpu_gpr(vcpu, base));
	e->mode = mode;
	e->cpl = vcpu_cpl(vcpu);
	e->rip = vcpu_rip(vcpu);
	if (emu_decode(e, insn, n) != EMU_CONTINUE)
		return false;
	if (emu_linear(e, e->insn.seg, emu_address(e), 1, EMU_ACC_READ, &la) != EMU_CONTINUE)
		return false;
	return !offset_in_page(la);
}

/*
 * Fetch and classify. Bytes on the next page cost a second walk of the guest's tables, so they are only asked for when the
 * instruction goes on there. Return: how many bytes are at @insn, 0 if it is no plain move.
 */
static unsigned int fetch_plain_move(struct vcpu *vcpu, u8 *insn, enum emu_mode mode, struct emu_mov *mov)
{
	unsigned int n, here = PAGE_SIZE - offset_in_page(vcpu_rip(vcpu));

	n = keel_fetch_atomic(vcpu, insn, min_t(unsigned int, here, EMU_MAX_INSN));
	if (likely(n && emu_decode_mov(insn, n, mode, mov)))
		return n;
	if (here >= EMU_MAX_INSN)
		return 0;
	n = keel_fetch_atomic(vcpu, insn, EMU_MAX_INSN);
	return n && emu_decode_mov(insn, n, mode, mov) ? n : 0;
}

/* The fault's instruction as a plain move with its operand at @gpa, inside one page. Any mode. */
static noinline bool decode_plain_move(struct vcpu *vcpu, const struct fault_exit *fault, struct emu_mov *mov)
{
	u8 fetched[EMU_MAX_INSN];
	const u8 *insn = fault->insn;
	unsigned int n = fault->insn_len;
	enum emu_mode mode = keel_emulator_mode(vcpu);

	if (!insn || !n) {
		n = fetch_plain_move(vcpu, fetched, mode, mov);
		insn = fetched;
		if (!n)
			return false;
	} else if (!emu_decode_mov(insn, n, mode, mov)) {
		return false;
	}
	if (mov->store != !!(fault->access & FAULT_WRITE))
		return false;
	if (offset_in_page(fault->gpa) + mov->size > PAGE_SIZE)
		return false;
	return operand_begins_at(vcpu, insn, n, mode, fault->gpa);
}

/* Decode 15 bytes of 64-bit code, and keep what they mean. */
static noinline void decode_move(struct code_move *move, u64 low, u64 high)
{
	u8 bytes[EMU_MAX_INSN];

	memcpy(bytes, &low, 8);
	memcpy(bytes + 7, &high, 8);
	move->low = low;
	move->high = high;
	if (emu_decode_mov(bytes, sizeof(bytes), EMU_MODE_LONG, &move->mov))
		move->base = emu_mov_base(bytes);
	else
		move->mov = (struct emu_mov){ };
}

/* The fault's instruction where the same one, in 64-bit code, was decoded before. NULL: use decode_plain_move(). */
static __always_inline const struct code_move *known_move(struct vcpu *vcpu, const struct fault_exit *fault, bool store)
{
	struct vcpu_code *code = &vcpu->known.code;
	struct code_move *move;
	unsigned int offset;

	/* bytes that the CPU gives may be fewer */
	if (unlikely(fault->insn) || unlikely(!keel_fetch_again(vcpu)))
		return NULL;
	move = &code->move[vcpu->regs.rip % CODE_MOVES];
	OPTIMIZER_HIDE_VAR(move);
	if (unlikely(move->low != code->low || move->high != code->high))
		decode_move(move, code->low, code->high);
	/* what is no move is no store */
	if (unlikely(move->mov.store != store) || (!store && unlikely(!move->mov.length)))
		return NULL;
	offset = offset_in_page(fault->gpa);
	if (unlikely(offset > PAGE_SIZE - 8) && offset + move->mov.size > PAGE_SIZE)
		return NULL;
	/* as operand_begins_at() */
	if (!offset && (move->base < 0 || offset_in_page(vcpu_gpr(vcpu, move->base))))
		return NULL;
	return move;
}

/* vcpu_advance() behind keel_fetch_again(), which has brought RIP and RFLAGS. Nobody debugs. */
static __always_inline void advance_known(struct vcpu *vcpu, unsigned int len)
{
	struct vcpu_regs *r = &vcpu->regs;
	u64 rip = r->rip + len;

	if (unlikely(r->rflags & (X86_EFLAGS_TF | X86_EFLAGS_RF)) || unlikely(vcpu->events.shadow) || unlikely((rip ^ r->rip) >> 31)) {
		keel_advance_slow(vcpu, len);
		return;
	}
	r->rip = rip;
	vcpu_dirty(vcpu, RG_RIP);
}

/* A write went to a device at @gpa, which is in no slot and not the local APIC: is that one a doorbell? */
static noinline void note_doorbell(struct vcpu *vcpu, gpa_t gpa)
{
	struct vcpu_doorbell *bell = &vcpu->known.bell;

	bell->dev = keel_bus_doorbell(&vcpu->vm->mmio, gpa, &bell->bus_generation);
	/* keel_memory_is_hole() has just said so for these */
	bell->slots_generation = bell->dev ? vcpu->known.hole.generation : 0;
	bell->gpa = gpa;
	bell->apic_base = vcpu->apic.base;
}

static __always_inline int fast_store(struct vcpu *vcpu, gpa_t gpa, const struct emu_mov *mov, bool is_apic)
{
	u64 val;
	int ret;

	if (mov->reg == GPR_RSP)
		vcpu_need(vcpu, RG_RSP);
	val = emu_mov_value(mov, vcpu->regs.gpr);
	if (is_apic)
		ret = keel_lapic_mmio_write(vcpu, offset_in_page(gpa), mov->size, &val);
	else
		ret = fast_access(vcpu, gpa, mov->size, &val, NULL);
	if (!ret) {
		if (!is_apic)
			note_doorbell(vcpu, gpa);
		vcpu_advance(vcpu, mov->length);
		return RUN_RESUME;
	}
	keel_user_mmio(vcpu, gpa, mov->size, &val);
	vcpu_advance(vcpu, mov->length);
	return RUN_USER;
}

static __always_inline int fast_load(struct vcpu *vcpu, gpa_t gpa, const struct emu_mov *mov, bool is_apic)
{
	u64 val = 0;
	int ret;

	if (mov->reg == GPR_RSP)
		return RUN_SLOW;
	if (is_apic)
		ret = keel_lapic_mmio_read(vcpu, offset_in_page(gpa), mov->size, &val);
	else
		ret = fast_access(vcpu, gpa, mov->size, NULL, &val);
	if (!ret) {
		emu_mov_load(mov, vcpu->regs.gpr, val);
		vcpu_advance(vcpu, mov->length);
		return RUN_RESUME;
	}
	vcpu->io.mov = *mov;
	vcpu->io.rip = vcpu_rip(vcpu);
	vcpu->io.complete = COMPLETE_MMIO_LOAD;
	keel_user_mmio(vcpu, gpa, mov->size, NULL);
	return RUN_USER;
}

/* Is the address that of the doorbell in vcpu->known.bell, and nothing else there now? */
static __always_inline bool is_known_doorbell(struct vcpu *vcpu, gpa_t gpa)
{
	const struct vcpu_doorbell *bell = &vcpu->known.bell;
	const struct memslots *slots = rcu_dereference_check(vcpu->vm->mem.slots, irqs_disabled());

	return bell->gpa == gpa && bell->bus_generation == READ_ONCE(vcpu->vm->mmio.generation) &&
	       bell->apic_base == vcpu->apic.base && slots && bell->slots_generation == READ_ONCE(slots->generation);
}

/* Is it the page where the local APIC is or could be? */
static __always_inline bool is_apic_base(const struct vcpu *vcpu, gpa_t gpa)
{
	return (gpa ^ vcpu->apic.base) < PAGE_SIZE;
}

/* Is it in the slot that was found last, and not the local APIC's page? Then it is no device. */
static __always_inline bool is_known_memory(struct vcpu *vcpu, gpa_t gpa)
{
	const struct memslots *slots = rcu_dereference_check(vcpu->vm->mem.slots, irqs_disabled());
	const struct memslot *slot = vcpu->known.slot;

	/* with equal generations that slot is one of these */
	return slots && READ_ONCE(slots->generation) == vcpu->known.slot_generation &&
	       gpa_to_gfn(gpa) - slot->base < slot->npages && !is_apic_base(vcpu, gpa);
}

static noinline int fast_device(struct vcpu *vcpu, const struct fault_exit *fault)
{
	bool is_apic = is_apic_base(vcpu, fault->gpa) && keel_lapic_claims(vcpu, fault->gpa);
	const struct code_move *move;
	const struct emu_mov *mov;
	struct emu_mov decoded;

	if (fault->access & (FAULT_FETCH | FAULT_TABLE))
		return RUN_SLOW;
	if (!is_apic && (!keel_memory_is_hole(vcpu, fault->gpa) || keel_lapic_hole(vcpu, fault->gpa)))
		return RUN_SLOW;
	/* while events wait the emulator's slow path sorts out what came first */
	if (vcpu->events.injected.valid || unlikely(vcpu_watches(vcpu)))
		return RUN_SLOW;
	move = known_move(vcpu, fault, fault->access & FAULT_WRITE);
	if (likely(move))
		mov = &move->mov;
	else if (decode_plain_move(vcpu, fault, &decoded))
		mov = &decoded;
	else
		return RUN_SLOW;
	return mov->store ? fast_store(vcpu, fault->gpa, mov, is_apic) : fast_load(vcpu, fault->gpa, mov, is_apic);
}

/* Of a doorbell only the instruction's length matters, once it is known to be a store that begins there. */
static noinline int fast_doorbell(struct vcpu *vcpu, const struct fault_exit *fault)
{
	struct bus_device *dev = vcpu->known.bell.dev;
	const struct code_move *move = known_move(vcpu, fault, true);

	if (unlikely(!move) || dev->ops->write(vcpu, dev, fault->gpa, move->mov.size, NULL))
		return fast_device(vcpu, fault);
	advance_known(vcpu, move->mov.length);
	return RUN_RESUME;
}

int keel_fast_fault(struct vcpu *vcpu, const struct fault_exit *fault)
{
	if (is_known_doorbell(vcpu, fault->gpa) && fault->access == FAULT_WRITE && !vcpu->events.injected.valid &&
	    likely(!vcpu->debug.control))
		return fast_doorbell(vcpu, fault);
	if (is_known_memory(vcpu, fault->gpa))
		return RUN_SLOW;
	return fast_device(vcpu, fault);
}

/*
 * Not an instruction touched that address but the delivery of an event: through an IDT, a task state segment or to a stack that
 * is no memory, or to a stack in a page table that leads to itself. The event stays, for a launcher that puts memory there.
 */
static int delivery_failed(struct vcpu *vcpu, const struct fault_exit *fault)
{
	const struct event *e = &vcpu->events.injected;

	keel_explain(vcpu->vm, vcpu->id, "event %u (type %u) cannot be delivered at rip %#llx: it needs %#llx, which %s",
		     e->vector, e->type, vcpu_rip(vcpu), fault->gpa,
		     keel_memory_is_writable(vcpu, fault->gpa) ? "only an instruction can store to" : "is no memory");
	return keel_internal_error(vcpu, KVM_INTERNAL_ERROR_DELIVERY_EV, 4, (u64)e->vector | (u64)e->type << 8 | BIT_ULL(31),
				   (u64)fault->access, fault->gpa, (u64)vcpu->cpu);
}

static int access_by_software(struct vcpu *vcpu, const struct fault_exit *fault)
{
	if (unlikely(vcpu->events.injected.valid))
		return delivery_failed(vcpu, fault);
	return keel_do_emulate(vcpu, fault->insn, fault->insn_len);
}

int keel_do_fault(struct vcpu *vcpu, const struct fault_exit *fault)
{
	int ret;

	if (is_apic_base(vcpu, fault->gpa) && keel_lapic_claims(vcpu, fault->gpa))
		return access_by_software(vcpu, fault);

	ret = keel_memory_fault(vcpu, fault->gpa, fault->access);
	switch (ret) {
	case FAULT_MAPPED:
		return RUN_RESUME;
	case FAULT_MMIO:
	case FAULT_MMIO_RO:
		return access_by_software(vcpu, fault);
	case -EINTR:
		/* the loop finds the signal */
		return RUN_RESUME;
	case -EFAULT:
		return keel_memory_gone(vcpu, fault->gpa);
	default:
		return ret;
	}
}

/*
 * A store to a page table is emulated. The page is taken to be a table no more where user mode writes it, where an event's delivery does,
 * and where the emulator does not know the instruction (keel_emulator_finish()); not if the store's own address is translated by it.
 */
static int store_to_table(struct vcpu *vcpu, const struct page_fault_exit *fault, gpa_t gpa)
{
	int ret;

	if (fault->is_delivery || fault->access & WALK_USER) {
		keel_shadow_untrace(vcpu->vm, gpa);
		return RUN_RESUME;
	}
	vcpu->io.table = gpa | 1;
	ret = keel_do_emulate(vcpu, fault->insn, fault->insn_len);
	vcpu->io.table = 0;
	return ret;
}

/*
 * Nothing is known of what a CPU would read where the guest's tables lie in no memory. The launcher can put memory there, or set another
 * CR3.
 */
static int table_no_memory(struct vcpu *vcpu, const struct page_fault_exit *fault)
{
	keel_explain(vcpu->vm, vcpu->id, "no translation of %#lx at rip %#llx: with CR3 = %#llx a page table is in no memory, or in read-only memory",
		     fault->gva, vcpu_rip(vcpu), vcpu_cr3(vcpu));
	return keel_internal_error(vcpu, KVM_INTERNAL_ERROR_EMULATION, 0);
}

int keel_do_page_fault(struct vcpu *vcpu, const struct page_fault_exit *fault)
{
	struct fault_exit device = { .insn = fault->insn, .insn_len = fault->insn_len };
	struct walk walk;
	int ret;

	ret = keel_shadow_fault(vcpu, fault->gva, fault->access, &walk);
	switch (ret) {
	case SHADOW_MAPPED:
	case -EINTR:		/* the loop finds the signal */
		return RUN_RESUME;
	case SHADOW_RELOAD:
		vcpu_request(vcpu, REQ_PAGING);
		return RUN_RESUME;
	case SHADOW_TRUE_FAULT:
		keel_queue_page_fault(vcpu, fault->gva, walk.error);
		return RUN_RESUME;
	case SHADOW_EMULATE:
		return store_to_table(vcpu, fault, walk.gpa);
	case SHADOW_EMULATE_ONLY:
		device.gpa = walk.gpa;
		device.access = FAULT_WRITE;
		return access_by_software(vcpu, &device);
	case SHADOW_MMIO:
	case SHADOW_MMIO_RO:
		device.gpa = walk.gpa;
		device.access = fault->access & WALK_WRITE ? FAULT_WRITE : fault->access & WALK_FETCH ? FAULT_FETCH : FAULT_READ;
		return access_by_software(vcpu, &device);
	case SHADOW_NO_TABLE:
		return table_no_memory(vcpu, fault);
	case -EFAULT:
		return keel_memory_gone(vcpu, walk.gpa);
	default:
		return ret;
	}
}

static void complete_mmio_load(struct vcpu *vcpu)
{
	const struct emu_mov *mov = &vcpu->io.mov;
	u64 val = 0;

	memcpy(&val, vcpu->run->mmio.data, mov->size);
	emu_mov_load(mov, vcpu->regs.gpr, val);
	vcpu_advance(vcpu, mov->length);
}

/* Data for the emulator's access; then the instruction runs again. */
static int complete_emulated_mmio(struct vcpu *vcpu)
{
	struct vcpu_user_io *io = &vcpu->io;

	if (!io->is_write)
		memcpy(io->data + io->pos, vcpu->run->mmio.data, io->len);
	io->have = io->pos + io->len;
	return keel_emulator_run(vcpu);
}

static noinline int complete_rest(struct vcpu *vcpu, u8 what)
{
	switch (what) {
	case COMPLETE_MMIO_LOAD:
		complete_mmio_load(vcpu);
		return RUN_RESUME;
	case COMPLETE_MMIO:
		return complete_emulated_mmio(vcpu);
	case COMPLETE_STRING_IO:
		vcpu->io.answered = true;
		return keel_emulator_run(vcpu);
	case COMPLETE_HYPERCALL:
		return keel_complete_hypercall(vcpu, READ_ONCE(vcpu->run->hypercall.ret),
					       vcpu->io.complete_len);
	case COMPLETE_RDMSR:
		return keel_complete_msr(vcpu, true);
	case COMPLETE_WRMSR:
		return keel_complete_msr(vcpu, false);
	default:
		return RUN_RESUME;
	}
}

int keel_complete_user_io(struct vcpu *vcpu)
{
	u8 what = vcpu->io.complete;

	if (what == COMPLETE_NONE)
		return RUN_RESUME;
	vcpu->io.complete = COMPLETE_NONE;
	vcpu_need(vcpu, RG_RIP | RG_RFLAGS);
	/* the launcher has gone elsewhere: a reset, or state that it has restored */
	if (unlikely(vcpu->regs.rip != vcpu->io.rip))
		return RUN_RESUME;
	if (what != COMPLETE_PIO_IN && what != COMPLETE_PIO_OUT)
		return complete_rest(vcpu, what);
	if (what == COMPLETE_PIO_IN)
		set_accumulator(vcpu, vcpu->io.len, READ_ONCE(*(u32 *)vcpu->pio_data));
	vcpu_advance_valid(vcpu, vcpu->io.complete_len);
	return RUN_RESUME;
}
