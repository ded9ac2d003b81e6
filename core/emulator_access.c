// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the emulator's reads, writes and port accesses go.
 *
 * The emulator restarts an instruction until all its accesses are done, so an access that needs user space fills kvm_run,
 * returns EMU_IO, and is made again with the same arguments after KVM_RUN came back. A final store to user space needs no restart:
 * it is handed over with emu.stop set, and the instruction counts as complete.
 */
#include <linux/mm.h>
#include <linux/string.h>
#include <asm/trapnr.h>
#include <keel/bus.h>
#include <keel/debug.h>
#include <keel/guest_access.h>
#include <keel/irq.h>
#include <keel/memory.h>
#include <keel/shadow.h>
#include <keel/vcpu.h>
#include <keel/vm.h>
#include "emulator.h"
#include "emulator_access.h"
#include "io.h"

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
	ret = keel_walk(emulator_vcpu(e), la, walk_access(e, acc), &walk);
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
	if (unlikely(vcpu_watches(emulator_vcpu(e))) && !(acc & EMU_ACC_SYSTEM))
		keel_watch_access(emulator_vcpu(e), la, size, acc & EMU_ACC_WRITE ? WATCH_WRITE | WATCH_DATA : WATCH_DATA);
	return EMU_CONTINUE;
}

static int port_accessed(struct emu *e, u16 port, unsigned int size)
{
	if (unlikely(vcpu_watches(emulator_vcpu(e))))
		keel_watch_access(emulator_vcpu(e), port, size, WATCH_IO);
	return EMU_CONTINUE;
}

/* The piece at @pos of an access: up to 8 bytes, not across a page. */
static unsigned int piece(u64 la, unsigned int left)
{
	return min3(left, 8u, (unsigned int)(PAGE_SIZE - offset_in_page(la)));
}

/*
 * Is it this access that user space has answered a part of, or the first one to ask? Others come before it anew in every run of the instruction, and
 * leave its answer alone.
 */
static bool is_in_flight(const struct emu *e)
{
	return !e->log.pending || e->log.pending == e->log.next;
}

/* Bytes of the access that are answered already. */
static unsigned int answered_bytes(struct emu *e)
{
	return is_in_flight(e) ? emulator_vcpu(e)->io.have : 0;
}

static void access_is_over(struct emu *e)
{
	if (is_in_flight(e))
		emulator_vcpu(e)->io.have = 0;
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
			keel_shadow_stored(vcpu, gpa, len);
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

/* @data: the whole access, of which @have bytes are answered */
static int read_piece(struct vcpu *vcpu, gpa_t gpa, unsigned int pos, void *data, unsigned int len, unsigned int have)
{
	int ret = access_memory(vcpu, gpa, data + pos, NULL, len);

	if (ret != -ENXIO)
		return ret ? EMU_FAILED : EMU_CONTINUE;
	if (pos < have) {
		memcpy(data + pos, vcpu->io.data + pos, len);
		return EMU_CONTINUE;
	}
	if (!access_device(vcpu, gpa, data + pos, NULL, len))
		return EMU_CONTINUE;
	/* a device's read may have effects: what is there is kept for the restart */
	memcpy(vcpu->io.data, data, pos);
	return ask_user(vcpu, gpa, pos, len, NULL);
}

/*
 * The whole access, which may reach into a second page: nothing of it is made, not even a device's read, before all of it is known to go through. The
 * first page's fault comes first.
 */
static int translate_all(struct emu *e, u64 la, unsigned int size, unsigned int acc, gpa_t page[2])
{
	unsigned int here = PAGE_SIZE - offset_in_page(la);
	int ret = translate(e, la, acc, &page[0]);

	if (ret == EMU_CONTINUE && here < size)
		ret = translate(e, la + here, acc, &page[1]);
	return ret;
}

/* Where the piece at @pos is. */
static gpa_t piece_gpa(u64 la, unsigned int pos, const gpa_t page[2])
{
	unsigned int here = PAGE_SIZE - offset_in_page(la);

	return pos < here ? page[0] + pos : page[1] + (pos - here);
}

int emulator_read(struct emu *e, u64 la, void *data, unsigned int size, unsigned int acc)
{
	struct vcpu *vcpu = emulator_vcpu(e);
	unsigned int pos, len, have = answered_bytes(e);
	gpa_t page[2];
	int ret;

	if (size > sizeof(vcpu->io.data))
		return EMU_FAILED;
	ret = translate_all(e, la, size, acc, page);
	if (ret != EMU_CONTINUE)
		return ret;
	for (pos = 0; pos < size; pos += len) {
		len = piece(la + pos, size - pos);
		ret = read_piece(vcpu, piece_gpa(la, pos, page), pos, data, len, have);
		if (ret != EMU_CONTINUE)
			return ret;
	}
	access_is_over(e);
	return accessed(e, la, size, acc);
}

/* Of the whole access @have bytes are done; @last: nothing is left to do after this piece. */
static int write_piece(struct vcpu *vcpu, gpa_t gpa, unsigned int pos, const void *data, unsigned int len, unsigned int have, bool last)
{
	int ret = access_memory(vcpu, gpa, NULL, data, len);

	if (ret != -ENXIO)
		return ret ? EMU_FAILED : EMU_CONTINUE;
	if (pos < have || !access_device(vcpu, gpa, NULL, data, len))
		return EMU_CONTINUE;
	ask_user(vcpu, gpa, pos, len, data);
	if (!last)
		return EMU_IO;
	/* no restart */
	vcpu->io.complete = COMPLETE_NONE;
	vcpu->io.answered = true;
	vcpu->emu.stop = true;
	return EMU_CONTINUE;
}

int emulator_write(struct emu *e, u64 la, const void *data, unsigned int size, unsigned int acc)
{
	struct vcpu *vcpu = emulator_vcpu(e);
	unsigned int pos, len, have = answered_bytes(e);
	gpa_t page[2];
	int ret;

	if (size > sizeof(vcpu->io.data))
		return EMU_FAILED;
	acc |= EMU_ACC_WRITE;
	ret = translate_all(e, la, size, acc, page);
	if (ret != EMU_CONTINUE)
		return ret;
	for (pos = 0; pos < size; pos += len) {
		len = piece(la + pos, size - pos);
		ret = write_piece(vcpu, piece_gpa(la, pos, page), pos, data + pos, len, have, pos + len == size && (acc & EMU_ACC_FINAL));
		if (ret != EMU_CONTINUE)
			return ret;
	}
	access_is_over(e);
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
		if (data && keel_read_guest(emulator_vcpu(e)->vm, gpa, data + pos, len))
			return EMU_FAILED;
	}
	return EMU_CONTINUE;
}

int emulator_fetch(struct emu *e, u64 la, void *data, unsigned int size)
{
	return over_pages(e, la, data, size, EMU_ACC_FETCH);
}

int emulator_probe(struct emu *e, u64 la, unsigned int size, unsigned int acc)
{
	return over_pages(e, la, NULL, size, acc);
}

/*
 * On RAM by the CPU's own locked instruction, but for operands that are not aligned: those of an instruction that spans cache lines the host's kernel
 * must not execute. Elsewhere there is nobody to be atomic against.
 */
int emulator_cmpxchg(struct emu *e, u64 la, void *old, const void *new, unsigned int size, unsigned int acc)
{
	struct vcpu *vcpu = emulator_vcpu(e);
	u64 expected[2] = { }, wanted[2] = { };
	unsigned int i;
	gpa_t gpa;
	int ret = translate(e, la, acc, &gpa);

	if (ret != EMU_CONTINUE)
		return ret;
	for (i = 0; i < SLOT_TRIES; i++) {
		/* as access_memory(): the local APIC is above a slot */
		if (size > sizeof(wanted) || (la & (size - 1)) || keel_lapic_claims(vcpu, gpa) || !keel_memory_is_writable(vcpu, gpa))
			return emulator_write(e, la, new, size, acc);
		memcpy(expected, old, size);
		memcpy(wanted, new, size);
		if (size > 8)
			ret = keel_cmpxchg16_guest(vcpu->vm, gpa, expected, wanted);
		else
			ret = keel_cmpxchg_guest(vcpu->vm, gpa, size, expected, wanted[0]);
		if (ret < 0)
			continue;
		memcpy(old, expected, size);
		if (unlikely(vcpu->shadow))
			keel_shadow_stored(vcpu, gpa, size);
		return accessed(e, la, size, acc);
	}
	return EMU_FAILED;
}

int emulator_port_in(struct emu *e, u16 port, void *data, unsigned int size, unsigned int count)
{
	struct vcpu *vcpu = emulator_vcpu(e);
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

int emulator_port_out(struct emu *e, u16 port, const void *data, unsigned int size, unsigned int count)
{
	struct vcpu *vcpu = emulator_vcpu(e);
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
