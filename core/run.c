// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_RUN: the way into the guest and back.
 *
 * Three loops, from the outside in. run_loop() is preemptible: it drains requests, sleeps in HLT, and leaves for signals.
 * enter_guest() turns interrupts off and runs the inner loop: inject, enter, exit, fast verb, again. The inner loop ends when a
 * fast verb cannot serve the exit, or when any request but REQ_EVENT, a signal or a reschedule is pending.
 *
 * Ordering: a vCPU sets mode = VCPU_IN_GUEST and then looks at its requests; who makes a request sets the bit and then looks at
 * mode (keel_vcpu_kick(), keel_vm_request()). With full barriers in between, one of the two sees the other. The same holds
 * for vcpu->blocked around the sleep.
 */
#include <linux/kernel.h>
#include <linux/rcuwait.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <asm/debugreg.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <keel/access.h>
#include <keel/compat.h>
#include <keel/dirty_ring.h>
#include <keel/engine.h>
#include <keel/entry_work.h>
#include <keel/host.h>
#include <keel/irq.h>
#include <keel/request.h>
#include <keel/shadow.h>
#include <keel/state.h>
#include <keel/test_build.h>
#include <keel/vcpu.h>
#include <keel/vcpu_life.h>
#include <keel/vendor.h>
#include <keel/vm.h>
#include <keel/vm_life.h>
#include "io.h"

/* All requests but the one that the inner loop serves itself. */
#define OUTER_REQUESTS	(~BIT(REQ_EVENT))

static bool take_request(struct vcpu *vcpu, unsigned int req)
{
	if (likely(!vcpu_test_request(vcpu, req)))
		return false;
	/* clear before acting on it, so that one made meanwhile is not lost */
	clear_bit(req, &vcpu->requests);
	smp_mb__after_atomic();
	return true;
}

static int exit_ioapic_eoi(struct vcpu *vcpu)
{
	vcpu->run->exit_reason = KVM_EXIT_IOAPIC_EOI;
	vcpu->run->eoi.vector = vcpu->apic.eoi_vector;
	return RUN_USER;
}

static void drain_quiet_requests(struct vcpu *vcpu)
{
	take_request(vcpu, REQ_KICK);
	if (take_request(vcpu, REQ_IPI))
		keel_ipi_flush(vcpu);
	if (take_request(vcpu, REQ_PV_EOI))
		keel_lapic_sync_pv_eoi(vcpu);
	if (take_request(vcpu, REQ_ROOT))
		vcpu_dirty(vcpu, RG_ROOT);
	if (take_request(vcpu, REQ_TLB_FLUSH)) {
		vcpu->stats.tlb_flush++;
		keel_vendor->tlb_flush(vcpu, TLB_VM);
	}
	if (take_request(vcpu, REQ_TLB_FLUSH_GUEST)) {
		vcpu->stats.tlb_flush++;
		keel_vendor->tlb_flush(vcpu, TLB_GUEST);
	}
	if (take_request(vcpu, REQ_CLOCK))
		keel_clock_update(vcpu);
	if (take_request(vcpu, REQ_STEAL))
		keel_pv_update_steal(vcpu);
	if (take_request(vcpu, REQ_APIC_BASE))
		keel_memory_apic_claim(vcpu, keel_lapic_mmio_page(vcpu));
	if (take_request(vcpu, REQ_INTERCEPTS))
		keel_vendor->intercepts_changed(vcpu);
}

/* Serve all requests but REQ_EVENT. Return rule of exit.h. */
static int drain_requests(struct vcpu *vcpu)
{
	int ret;

	if (take_request(vcpu, REQ_HOLD))
		return RUN_HELD;
	if (take_request(vcpu, REQ_TRIPLE_FAULT))
		return keel_do_triple_fault(vcpu);
	drain_quiet_requests(vcpu);
	/* behind those that ask for it */
	if (take_request(vcpu, REQ_PAGING)) {
		ret = keel_shadow_prepare(vcpu);
		if (ret)
			return ret;
	}
	if (take_request(vcpu, REQ_INIT))
		keel_lapic_accept_init_sipi(vcpu);
	if (take_request(vcpu, REQ_IOAPIC_EOI_EXIT))
		return exit_ioapic_eoi(vcpu);
	if (take_request(vcpu, REQ_DEBUG_EXIT))
		return keel_debug_step_exit(vcpu);
	if (take_request(vcpu, REQ_DIRTY_RING)) {
		ret = keel_dirty_ring_check(vcpu);
		if (ret != RUN_RESUME)
			return ret;
	}
	if (unlikely(vcpu->emulates) && vcpu->mp_state == KVM_MP_STATE_RUNNABLE)
		return keel_engine_run(vcpu);
	return RUN_RESUME;
}

static __always_inline bool has_own_pkru(const struct vcpu *vcpu)
{
	return (vcpu->regs.cr4 & X86_CR4_PKE) || (vcpu->xstate.xcr0 & XFEATURE_MASK_PKRU);
}

/*
 * What the kernel's FPU code does not switch: PKRU, XCR0, XSS. The guest's values stay for the whole inner loop, since nothing in it
 * needs the host's (an access to guest memory that the guest's PKRU forbids is tried again outside), but for an NMI that
 * ended the guest: perf's handler reads the task's stack, and saves branch records by XSAVES.
 */
static __always_inline void xstate_guest(struct vcpu *vcpu)
{
	if (vcpu->regs.cr4 & X86_CR4_OSXSAVE)
		keel_host_xcr0_load(vcpu->xstate.xcr0);
	if (cpu_feature_enabled(X86_FEATURE_OSPKE)) {
		vcpu->xstate.host_pkru = rdpkru();
		if (vcpu->xstate.host_pkru != vcpu->xstate.pkru && has_own_pkru(vcpu))
			wrpkru(vcpu->xstate.pkru);
	}
}

static __always_inline void xstate_host(struct vcpu *vcpu)
{
	if (cpu_feature_enabled(X86_FEATURE_OSPKE) && has_own_pkru(vcpu)) {
		vcpu->xstate.pkru = rdpkru();
		if (vcpu->xstate.pkru != vcpu->xstate.host_pkru)
			wrpkru(vcpu->xstate.host_pkru);
	}
	if (vcpu->regs.cr4 & X86_CR4_OSXSAVE)
		keel_host_xcr0_restore(vcpu->xstate.xcr0);
}

noinstr void keel_xstate_guest(struct vcpu *vcpu)
{
	xstate_guest(vcpu);
}

noinstr void keel_xstate_host(struct vcpu *vcpu)
{
	xstate_host(vcpu);
}

/*
 * The inner loop. Interrupts off throughout.
 *
 * Return: RUN_RESUME when something else than the guest wants the CPU, else the verdict on the last exit.
 */
static int inner_loop(struct vcpu *vcpu)
{
	int verdict;

	for (;;) {
		unsigned long requests = READ_ONCE(vcpu->requests);

		if (requests) {
			if (requests & OUTER_REQUESTS)
				return RUN_RESUME;
			clear_bit(REQ_EVENT, &vcpu->requests);
			keel_events_prepare(vcpu);
			/*
			 * An event is in hardware now: nothing may come between it and the entry. A request made
			 * meanwhile, which may be the vCPU's own, ends the guest at once.
			 */
			if (unlikely(READ_ONCE(vcpu->requests) & OUTER_REQUESTS))
				keel_exit_at_once(vcpu);
		}
		static_call(keel_vendor_enter)(vcpu);
		vcpu->stats.exits++;

		verdict = static_call(keel_vendor_exit_fast)(vcpu);
		if (verdict != RUN_RESUME)
			return verdict;
		vcpu->stats.fast_exits++;
		if (keel_host_work_pending())
			return RUN_RESUME;
	}
}

/* Interrupts off. A launcher that asks again and again does not fill the log. */
static noinline int leave_unfit_cpu(struct vcpu *vcpu)
{
	bool bare = !keel_host_cpu_enabled();
	int cpu = smp_processor_id();

	WRITE_ONCE(vcpu->mode, VCPU_OUTSIDE);
	local_irq_enable();
	preempt_enable();
	if (bare && !xchg(&vcpu->vm->bare_cpu_told, true))
		keel_explain(vcpu->vm, vcpu->id,
			     "no virtualization on CPU %d (it came online without, or the machine goes down)", cpu);
	return -EIO;
}

static int enter_guest(struct vcpu *vcpu)
{
	int verdict;

	preempt_disable();
	local_irq_disable();
	/* full barrier: orders the new mode before the look at requests; pairs with push_out() */
	smp_store_mb(vcpu->mode, VCPU_IN_GUEST);
	if ((READ_ONCE(vcpu->requests) & OUTER_REQUESTS) || keel_host_work_pending()) {
		WRITE_ONCE(vcpu->mode, VCPU_OUTSIDE);
		local_irq_enable();
		preempt_enable();
		return RUN_RESUME;
	}
	if (unlikely(!keel_host_cpu_enabled() || keel_memory_root_check(vcpu)))
		return leave_unfit_cpu(vcpu);

	keel_host_fpu_entry(&vcpu->fpu);
	/* no backend lets a guest change CR4 without an exit: it stays known until xstate is the host's again */
	vcpu_need(vcpu, RG_CR4);
	xstate_guest(vcpu);
	vcpu->host_debugctl = __rdmsr(MSR_IA32_DEBUGCTLMSR);
	/* the next tick ends the inner loop, and this is told again */
	keel_host_note_quiescent();
	keel_host_guest_time_begin();
	vcpu->stats.guest_mode++;
	verdict = inner_loop(vcpu);
	/* before the mode changes, and before an interrupt is taken: who waits for either finds the bitmaps complete */
	if (unlikely(READ_ONCE(vcpu->vm->mem.logging)) && keel_caps.dirty_log)
		keel_vendor->dirty_flush(vcpu);
	smp_store_release(&vcpu->mode, VCPU_OUTSIDE);
	xstate_host(vcpu);
	keel_host_fpu_exit(&vcpu->fpu);
	/* every exit disables all breakpoints in DR7 */
	if (unlikely(hw_breakpoint_active()))
		hw_breakpoint_restore();
	keel_host_note_guest_ran();
	local_irq_enable();
	keel_host_guest_time_end();
	preempt_enable();

	return verdict == RUN_SLOW ? static_call(keel_vendor_exit_slow)(vcpu) : verdict;
}

static bool is_runnable(struct vcpu *vcpu)
{
	return vcpu->mp_state == KVM_MP_STATE_RUNNABLE;
}

/* HLT is over when an event waits; a vCPU before INIT or SIPI wakes only through drain_requests(). */
static bool try_wake(struct vcpu *vcpu)
{
	if (vcpu->mp_state != KVM_MP_STATE_HALTED && vcpu->mp_state != KVM_MP_STATE_AP_RESET_HOLD)
		return false;
	if (!keel_vcpu_has_events(vcpu))
		return false;
	vcpu->pv.unhalt = false;
	vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
	vcpu->stats.halt_wakeups++;
	vcpu_request(vcpu, REQ_EVENT);
	return true;
}

/* Sleep until there is something to look at. */
static int block(struct vcpu *vcpu)
{
	if (vcpu->tsc.host_deadline)
		keel_lapic_timer_block(vcpu);
	if (try_wake(vcpu))
		return RUN_RESUME;

	prepare_to_rcuwait(&vcpu->thread.wait);
	WRITE_ONCE(vcpu->blocked, true);
	for (;;) {
		/* full barrier inside: state and blocked before the look at requests; pairs with push_out() */
		set_current_state(TASK_INTERRUPTIBLE);
		if ((READ_ONCE(vcpu->requests) & ~BIT(REQ_ENGINE)) || signal_pending(current))
			break;
		schedule();
	}
	WRITE_ONCE(vcpu->blocked, false);
	finish_rcuwait(&vcpu->thread.wait);

	/* REQ_EVENT is looked at by try_wake(); take it so that an event held back does not spin here */
	if (take_request(vcpu, REQ_EVENT) && try_wake(vcpu))
		vcpu_request(vcpu, REQ_EVENT);
	return RUN_RESUME;
}

/* May the launcher inject by KVM_INTERRUPT now? */
static bool irq_ready(struct vcpu *vcpu)
{
	struct vcpu_events *ev = &vcpu->events;

	return ev->user_irq < 0 && !ev->injected.valid && !ev->held.valid && !ev->exception.valid && keel_irq_allowed(vcpu) &&
	       (!vcpu->lapic || keel_lapic_takes_extint(vcpu));
}

/* Without an in-kernel 8259 the launcher asks to be told when it may inject. */
static bool window_open(struct vcpu *vcpu)
{
	return READ_ONCE(vcpu->run->request_interrupt_window) && vcpu->vm->irq_mode != IRQCHIP_KERNEL &&
	       irq_ready(vcpu);
}

/*
 * The place where a guest's thread gives way. Elsewhere it may be in the midst of an instruction, with an address translated and not
 * yet used. Were it reported preempted there, another vCPU would take a flush that is only asked for to be as good as done.
 */
static int handle_work(struct vcpu *vcpu)
{
	int ret;

	vcpu->pv.between_insns = true;
	ret = keel_host_do_work();
	vcpu->pv.between_insns = false;
	if (!ret)
		return RUN_RESUME;
	/* as with a window: the launcher may save the machine now, and that an interrupt has ended is in no state that is saved */
	if (take_request(vcpu, REQ_IOAPIC_EOI_EXIT))
		return exit_ioapic_eoi(vcpu);
	vcpu->stats.signal_exits++;
	vcpu->run->exit_reason = KVM_EXIT_INTR;
	return -EINTR;
}

static int run_loop(struct vcpu *vcpu)
{
	int ret;

	for (;;) {
		if (unlikely(READ_ONCE(vcpu->requests) & OUTER_REQUESTS)) {
			ret = drain_requests(vcpu);
			if (ret <= 0)
				return ret;
		}
		if (likely(is_runnable(vcpu)))
			ret = enter_guest(vcpu);
		else
			ret = block(vcpu);
		if (ret <= 0)
			return ret;
		/* more inner loops may come */
		if (vcpu->fpu.place == FPU_VISITED)
			keel_host_fpu_swap(&vcpu->fpu);
		if (unlikely(window_open(vcpu))) {
			if (take_request(vcpu, REQ_IOAPIC_EOI_EXIT))
				return exit_ioapic_eoi(vcpu);
			vcpu->stats.request_irq_exits++;
			vcpu->run->exit_reason = KVM_EXIT_IRQ_WINDOW_OPEN;
			return RUN_USER;
		}
		if (unlikely(keel_host_work_pending())) {
			ret = handle_work(vcpu);
			if (ret <= 0)
				return ret;
		}
	}
}

/* What user space finds in kvm_run after every exit. */
static void fill_run(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	run->if_flag = !!(vcpu_rflags(vcpu) & X86_EFLAGS_IF);
	run->cr8 = vcpu->lapic ? keel_lapic_get_tpr(vcpu) : vcpu->cr8;
	run->apic_base = vcpu->apic.base;
	run->ready_for_interrupt_injection = vcpu->vm->irq_mode == IRQCHIP_KERNEL || irq_ready(vcpu);
	run->flags = 0;
	if (unlikely(READ_ONCE(run->kvm_valid_regs)))
		keel_sync_regs_out(vcpu);
}

static void remember_thread(struct vcpu *vcpu)
{
	struct pid *old = rcu_dereference_protected(vcpu->thread.pid, lockdep_is_held(&vcpu->mutex));
	struct pid *now = task_pid(current);

	vcpu->thread.task = current;
	if (likely(old == now))
		return;
	rcu_assign_pointer(vcpu->thread.pid, get_pid(now));
	keel_pv_thread_changed(vcpu);
	if (old) {
		synchronize_rcu();
		put_pid(old);
	}
}

/* Before anything runs: what user space asks for by kvm_run. */
static int check_run(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	int ret;

	if (unlikely(READ_ONCE(run->kvm_valid_regs) & ~KVM_SYNC_X86_VALID_FIELDS))
		return -EINVAL;
	if (unlikely(READ_ONCE(run->kvm_dirty_regs))) {
		ret = keel_sync_regs_in(vcpu);
		if (ret)
			return ret;
	}
	if (!vcpu->lapic) {
		u64 cr8 = READ_ONCE(run->cr8);

		if (cr8 != vcpu->cr8 && keel_set_cr8(vcpu, cr8))
			return -EINVAL;
	}
	if (READ_ONCE(run->request_interrupt_window) && vcpu->vm->irq_mode != IRQCHIP_KERNEL)
		vcpu_request(vcpu, REQ_EVENT);
	return 0;
}

static int run_loaded(struct vcpu *vcpu)
{
	int ret = check_run(vcpu);

	if (ret)
		return ret;
	ret = keel_complete_user_io(vcpu);
	/* an immediate exit leaves exit_reason alone: user space still reads the exit that it has just completed */
	if (ret > 0)
		ret = READ_ONCE(vcpu->run->keel_immediate_exit) ? -EINTR : run_loop(vcpu);
	/* a signal may have come before the guest's next instruction, which would have done this */
	if (take_request(vcpu, REQ_IPI))
		keel_ipi_flush(vcpu);
	fill_run(vcpu);
	keel_host_fpu_end(&vcpu->fpu);
	return ret;
}

/*
 * KVM_SET_SIGNAL_MASK. What the thread itself has blocked shall end KVM_RUN and no more: real_blocked keeps such a signal from ending the process
 * at once, and from being dropped where it is ignored. It is there as long as the other mask is in force, or longer.
 */
static noinline void sigset_enter(struct vcpu_thread *thread)
{
	current->real_blocked = current->blocked;
	sigprocmask(SIG_SETMASK, &thread->sigset, &thread->sigset_saved);
}

static noinline void sigset_leave(struct vcpu_thread *thread)
{
	sigprocmask(SIG_SETMASK, &thread->sigset_saved, NULL);
	sigemptyset(&current->real_blocked);
}

int keel_vcpu_run(struct vcpu *vcpu)
{
	int ret = vcpu_make_complete(vcpu);

	if (unlikely(ret))
		return ret;
	remember_thread(vcpu);
	vcpu->life.launched_once = true;
	keel_vcpu_load(vcpu);
	if (unlikely(vcpu->thread.sigset_active))
		sigset_enter(&vcpu->thread);
	ret = run_loaded(vcpu);
	if (unlikely(vcpu->thread.sigset_active))
		sigset_leave(&vcpu->thread);
	keel_vcpu_put(vcpu);
	vcpu->thread.task = NULL;
	return ret;
}
