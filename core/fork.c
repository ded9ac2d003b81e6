// SPDX-License-Identifier: GPL-2.0-only
/*
 * KEEL_FORK_VM: another VM in the same state, for the memory of another process.
 *
 * First all is made that may fail: the VM with its interrupt controllers, slots and vCPUs, each in its reset state. Then state is copied, from
 * structure to structure, and nothing fails any more. The parent's vCPUs are held throughout, and its timers stand still while state is
 * copied. So whatever expires does so before the copy, and its interrupt is in both, or after it, and it does so in both.
 *
 * What the launcher's threads and devices do to the parent meanwhile is in the child or not, but not in part: I/O APIC and 8259 come before the local
 * APICs, so that no pin waits for the end of an interrupt that nobody has.
 *
 * The memory of the child is as the caller has it; second-level tables and what vCPUs remember of look-ups begin empty.
 */
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/lockdep.h>
#include <linux/sched.h>
#include <asm/msr-index.h>
#include <keel/access.h>
#include <keel/debug.h>
#include <keel/guest_access.h>
#include <keel/host.h>
#include <keel/irq.h>
#include <keel/memory.h>
#include <keel/request.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include <keel/vcpu_life.h>
#include <keel/vendor.h>
#include <keel/vm.h>
#include <keel/vm_life.h>
#include "copy.h"
#include "first_use.h"

/* Requests that stand for something of the guest's. The others are made anew, or belong to caches. */
#define KEPT_REQUESTS	(BIT(REQ_TRIPLE_FAULT) | BIT(REQ_IOAPIC_EOI_EXIT) | BIT(REQ_INIT))
#define NEW_REQUESTS	(BIT(REQ_EVENT) | BIT(REQ_CLOCK) | BIT(REQ_STEAL) | BIT(REQ_INTERCEPTS) | BIT(REQ_APIC_BASE))

/* MSRs that a backend may keep in hardware's structures alone. */
static const u32 backend_msrs[] = {
	MSR_IA32_SPEC_CTRL,
	MSR_IA32_DEBUGCTLMSR,
	MSR_IA32_LASTBRANCHFROMIP,
	MSR_IA32_LASTBRANCHTOIP,
	MSR_IA32_LASTINTFROMIP,
	MSR_IA32_LASTINTTOIP,
};

struct backend_state {
	u64 val[ARRAY_SIZE(backend_msrs)];
	bool has[ARRAY_SIZE(backend_msrs)];
	u64 pdpte[4];
	bool has_pdptes;
};

/* ---- what may fail ---- */

static void copy_settings(struct vm *to, const struct vm *from)
{
	to->max_vcpu_id = from->max_vcpu_id;
	to->bsp_id = from->bsp_id;
	to->disabled_quirks = from->disabled_quirks;
	to->hypercall_exits = from->hypercall_exits;
	to->disabled_exits = from->disabled_exits;
	to->user_space_msr_mask = from->user_space_msr_mask;
	to->x2apic_32bit_ids = from->x2apic_32bit_ids;
	to->x2apic_no_bcast_quirk = from->x2apic_no_bcast_quirk;
	to->exception_payload = from->exception_payload;
	to->triple_fault_event = from->triple_fault_event;
	to->exit_on_emulation_error = from->exit_on_emulation_error;
	to->hide_platform_info = from->hide_platform_info;
	to->nr_mmu_pages = from->nr_mmu_pages;
	to->clock.default_tsc_khz = from->clock.default_tsc_khz;
}

/* A vCPU in its reset state with room for all that @from has. */
static int make_vcpu(struct vm *vm, const struct vcpu *from)
{
	struct vcpu *to = keel_vcpu_create(vm, from->id);
	int ret;

	if (IS_ERR(to))
		return PTR_ERR(to);
	to->life.unclaimed = true;
	ret = keel_cpuid_copy(to, from);
	to->pv.enforce_cpuid = from->pv.enforce_cpuid;
	to->pv.features = from->pv.features;
	if (!ret)
		ret = keel_msr_make_room(to, from);
	/* it is completed by its first use, as any other */
	return ret ?: vcpu_keep(to, from);
}

int vm_make_like(struct vm *to, struct vm *from)
{
	struct vcpu *vcpu;
	unsigned int i;
	int ret;

	copy_settings(to, from);
	ret = keel_irq_fork_make(to, from);
	if (!ret)
		ret = keel_msr_filter_copy(to, from);
	if (ret)
		return ret;
	vm_for_each_vcpu(from, i, vcpu) {
		ret = make_vcpu(to, vcpu);
		if (ret)
			return ret;
	}
	return 0;
}

/* ---- what does not ---- */

/* All of @vcpu's registers into struct vcpu, and what there is no place for into @state. */
static void fetch(struct vcpu *vcpu, struct backend_state *state)
{
	unsigned int i;

	keel_vcpu_load(vcpu);
	vcpu_need(vcpu, RG_ALL);
	for (i = 0; i < ARRAY_SIZE(backend_msrs); i++)
		state->has[i] = !keel_vendor->msr(vcpu, backend_msrs[i], &state->val[i], VENDOR_MSR_READ);
	state->has_pdptes = keel_get_pdptes(vcpu, state->pdpte);
	keel_vcpu_put(vcpu);
}

static void copy_registers(struct vcpu *to, const struct vcpu *from)
{
	to->regs = from->regs;
	to->regs.valid = RG_ALL;
	to->regs.dirty = RG_ALL;
	to->xstate.xcr0 = from->xstate.xcr0;
	to->xstate.pkru = from->xstate.pkru;
}

static void copy_events(struct vcpu *to, const struct vcpu *from)
{
	struct vcpu_events *ev = &to->events;

	ev->injected = from->events.injected;
	ev->held = from->events.held;
	ev->exception = from->events.exception;
	ev->has_payload = from->events.has_payload;
	ev->payload = from->events.payload;
	ev->shadow = from->events.shadow;
	ev->user_irq = from->events.user_irq;
	atomic_set(&ev->nmi_pending, atomic_read(&from->events.nmi_pending));
	if (from->events.nmi_masked)
		keel_nmi_mask(to);
}

/* An instruction that waits for user space goes on in the child as well: with the same answer, or with what the child's launcher gives. */
static void copy_user_io(struct vcpu *to, const struct vcpu *from)
{
	struct emu emu = from->emu;

	emu.ops = to->emu.ops;
	emu.gpr = to->emu.gpr;
	/* set anew whenever the emulator begins */
	emu.io_buf = NULL;
	to->emu = emu;
	to->io = from->io;
	/* the debugger's hits are not the guest's */
	if (vcpu_launcher_breakpoints(from))
		to->io.watch_hits = 0;
}

/* The host's TSC is the same, and so is what the guest's is made of. */
static void copy_time(struct vcpu *to, const struct vcpu *from)
{
	struct vcpu_pv own = to->pv;

	to->tsc = from->tsc;
	to->tsc.host_deadline = 0;
	to->pv = from->pv;
	/* of its own thread */
	to->pv.steal_last = own.steal_last;
	/* by its CPUID and a capability, as make_vcpu() or the launcher has set them */
	to->pv.features = own.features;
	to->pv.enforce_cpuid = own.enforce_cpuid;
}

/* Others may make some already: the caller's memory may change. */
static void make_requests(struct vcpu *vcpu, unsigned long requests)
{
	unsigned int req;

	for_each_set_bit(req, &requests, BITS_PER_LONG)
		vcpu_request(vcpu, req);
}

/* One that is in use may have anything under way, in the backend as well; a new one has not. */
static void clear(struct vcpu *vcpu)
{
	unsigned long over = KEPT_REQUESTS | BIT(REQ_DEBUG_EXIT);
	unsigned int req;

	for_each_set_bit(req, &over, BITS_PER_LONG)
		clear_bit(req, &vcpu->requests);
	keel_vcpu_reset(vcpu, VCPU_RESET);
}

/* @to is loaded. */
static void set_state(struct vcpu *to, struct vcpu *from, struct backend_state *state)
{
	unsigned int i;

	copy_registers(to, from);
	copy_events(to, from);
	copy_user_io(to, from);
	vcpu_put_kept(to, from);
	copy_time(to, from);
	keel_msr_copy(to, from);
	to->apic.base = from->apic.base;
	to->cr8 = from->cr8;
	to->apic.eoi_vector = from->apic.eoi_vector;
	to->mp_state = from->mp_state;
	to->life.launched_once |= from->life.launched_once;
	for (i = 0; i < ARRAY_SIZE(backend_msrs); i++)
		if (state->has[i])
			keel_vendor->msr(to, backend_msrs[i], &state->val[i], VENDOR_MSR_RESTORE);
	make_requests(to, (READ_ONCE(from->requests) & KEPT_REQUESTS) | NEW_REQUESTS);
	if (to->lapic)
		keel_lapic_copy(to, from);
	keel_cpuid_update_runtime(to);
	keel_vendor->tlb_flush(to, TLB_GUEST);
	/* what the guest has made of them in memory since does not count */
	if (state->has_pdptes)
		keel_put_pdptes(to, state->pdpte);
}

void vm_pause(struct vm *vm)
{
	struct vcpu *vcpu;
	unsigned int i;

	keel_irq_pause(vm);
	vm_for_each_vcpu(vm, i, vcpu)
		if (vcpu->lapic)
			keel_lapic_pause(vcpu);
}

void vm_resume(struct vm *vm)
{
	struct vcpu *vcpu;
	unsigned int i;

	keel_irq_resume(vm);
	vm_for_each_vcpu(vm, i, vcpu)
		if (vcpu->lapic)
			keel_lapic_resume(vcpu);
}

void vm_copy(struct vm *to, struct vm *from)
{
	struct backend_state state;
	struct vcpu *vcpu, *new;
	unsigned int i;

	keel_irq_copy(to, from);
	vm_for_each_vcpu(from, i, vcpu) {
		new = keel_vm_vcpu(to, i);
		fetch(vcpu, &state);
		keel_vcpu_load(new);
		set_state(new, vcpu, &state);
		keel_vcpu_put(new);
	}
	keel_clock_copy(to, from);
	keel_irq_copied(to);
}

void vm_copy_back(struct vm *to, struct vm *from)
{
	struct backend_state state;
	struct vcpu *vcpu, *old;
	unsigned int i;

	vm_for_each_vcpu(from, i, vcpu) {
		old = keel_vm_vcpu(to, i);
		fetch(vcpu, &state);
		keel_vcpu_load(old);
		clear(old);
		set_state(old, vcpu, &state);
		keel_vcpu_put(old);
	}
	/* last, or a pin might wait for the end of an interrupt that it sent while its vCPU's state was on its way */
	keel_irq_copy(to, from);
	keel_irq_skip_missed(to);
	keel_clock_copy(to, from);
	keel_irq_copied(to);
}

/* @parent is held, and nobody else knows @vm. */
static int fork_into(struct vm *vm, struct vm *parent)
{
	int ret;

	if (READ_ONCE(parent->vfio))
		return -EBUSY;
	mutex_lock_nested(&vm->lock, SINGLE_DEPTH_NESTING);
	ret = keel_memory_copy_slots(vm, parent);
	if (!ret)
		ret = vm_make_like(vm, parent);
	if (!ret) {
		vm_pause(parent);
		vm_copy(vm, parent);
		vm_resume(parent);
		vm_resume(vm);
	}
	mutex_unlock(&vm->lock);
	return ret;
}

/* A VM comes and goes without locks: of the parent's, none is held longer than its state is looked at. */
struct vm *keel_vm_fork(struct vm *parent)
{
	struct vm *vm;
	int ret;

	/* the pages would be the parent's alone, or both's */
	if (parent->mm == current->mm)
		return ERR_PTR(-EINVAL);
	vm = keel_vm_create();
	if (IS_ERR(vm))
		return vm;
	ret = keel_vm_hold(parent);
	if (!ret) {
		ret = fork_into(vm, parent);
		keel_vm_release(parent);
	}
	if (ret) {
		keel_vm_put(vm);
		return ERR_PTR(ret);
	}
	return vm;
}

struct vcpu *keel_vcpu_claim(struct vm *vm, u32 id)
{
	struct vcpu *vcpu = keel_vm_vcpu_by_id(vm, id);

	lockdep_assert_held(&vm->lock);
	if (!vcpu || !vcpu->life.unclaimed)
		return NULL;
	vcpu->life.unclaimed = false;
	return vcpu;
}
