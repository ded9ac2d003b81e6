/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Policy and state of a vCPU as the ioctls see it: CPUID, MSRs, registers, time (core/). Handlers of chardev/ call
 * these with kernel copies of the structures, vcpu->mutex held and the vCPU loaded unless said otherwise.
 */
#ifndef KEEL_STATE_H
#define KEEL_STATE_H

#include <uapi/linux/kvm.h>
#include <keel/types.h>

struct timespec64;

/* ---- core/state.c: pairs, each the other's inverse. Setters: -EINVAL for what no CPU could hold. ------------------------ */
int keel_get_regs(struct vcpu *vcpu, struct kvm_regs *regs);
int keel_set_regs(struct vcpu *vcpu, const struct kvm_regs *regs);
int keel_get_sregs(struct vcpu *vcpu, struct kvm_sregs *sregs);
int keel_set_sregs(struct vcpu *vcpu, const struct kvm_sregs *sregs);
int keel_get_sregs2(struct vcpu *vcpu, struct kvm_sregs2 *sregs);
int keel_set_sregs2(struct vcpu *vcpu, const struct kvm_sregs2 *sregs);
int keel_get_fpu(struct vcpu *vcpu, struct kvm_fpu *fpu);
int keel_set_fpu(struct vcpu *vcpu, const struct kvm_fpu *fpu);
int keel_get_xsave(struct vcpu *vcpu, void *buf, unsigned int size);
int keel_set_xsave(struct vcpu *vcpu, const void *buf);
int keel_get_xcrs(struct vcpu *vcpu, struct kvm_xcrs *xcrs);
int keel_set_xcrs(struct vcpu *vcpu, const struct kvm_xcrs *xcrs);
int keel_get_debugregs(struct vcpu *vcpu, struct kvm_debugregs *dbg);
int keel_set_debugregs(struct vcpu *vcpu, const struct kvm_debugregs *dbg);
int keel_get_events(struct vcpu *vcpu, struct kvm_vcpu_events *events);
int keel_set_events(struct vcpu *vcpu, const struct kvm_vcpu_events *events);
int keel_get_mp_state(struct vcpu *vcpu, struct kvm_mp_state *mp);
int keel_set_mp_state(struct vcpu *vcpu, const struct kvm_mp_state *mp);
/* core/debug.c. What KVM_SET_GUEST_DEBUG takes (KVM_CAP_SET_GUEST_DEBUG2). */
#define KEEL_GUESTDBG_VALID	(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP | \
				 KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP | \
				 KVM_GUESTDBG_BLOCKIRQ)
int keel_set_guest_debug(struct vcpu *vcpu, const struct kvm_guest_debug *dbg);
int keel_translate(struct vcpu *vcpu, struct kvm_translation *tr);
int keel_user_interrupt(struct vcpu *vcpu, const struct kvm_interrupt *irq);	/* KVM_INTERRUPT */
void keel_sync_regs_out(struct vcpu *vcpu);	/* KVM_CAP_SYNC_REGS, at exit to user space */
int keel_sync_regs_in(struct vcpu *vcpu);	/* at entry; -EINVAL */

/* ---- core/cpuid*.c ----------------------------------------------------------------------------------------------------------- */
void keel_cpuid_module_init(void);		/* compute what is supported: host CPUID & allow-list, after vendor setup */
/* KVM_GET_SUPPORTED_CPUID / GET_EMULATED_CPUID: fill at most *nent entries; -E2BIG with *nent untouched. No vCPU. */
int keel_cpuid_supported(struct kvm_cpuid_entry2 *entries, u32 *nent);
int keel_cpuid_emulated(struct kvm_cpuid_entry2 *entries, u32 *nent);
/* Take ownership of a kvmalloc'ed array. -EINVAL (contradictory, or changed after KVM_RUN). */
int keel_cpuid_set(struct vcpu *vcpu, struct kvm_cpuid_entry2 *entries, u32 nent);
/* KVM_CAP_ENFORCE_PV_FEATURE_CPUID on or off; vCPU loaded */
void keel_cpuid_enforce_pv(struct vcpu *vcpu, bool on);
void keel_cpuid_destroy(struct vcpu *vcpu);
/* Answer CPUID for the guest as the CPU would. Interrupts may be off. */
struct kvm_cpuid_entry2 keel_cpuid_query(struct vcpu *vcpu, u32 function, u32 index);
struct kvm_cpuid_entry2 *keel_cpuid_find(struct vcpu *vcpu, u32 function, u32 index);
/* Bits that follow CR4, XCR0, APIC base, MISC_ENABLE (OSXSAVE, APIC, XSAVE sizes, MWAIT): refresh after such a change. */
void keel_cpuid_update_runtime(struct vcpu *vcpu);

/* ---- core/msr*.c -------------------------------------------------------------------------------------------------------------- */
enum msr_from { MSR_FROM_GUEST, MSR_FROM_HOST };
/*
 * Return: 0, negative errno, or one of these. For the guest each of the first three ends in #GP or, with
 * KVM_CAP_X86_USER_SPACE_MSR, in an exit that tells them apart; for the host in "not settable".
 */
#define MSR_INVALID	1	/* value or state forbids it */
#define MSR_UNKNOWN	2	/* no such MSR */
#define MSR_FILTERED	3	/* denied by KVM_X86_SET_MSR_FILTER */
int keel_msr_get(struct vcpu *vcpu, u32 msr, u64 *val, enum msr_from from);
int keel_msr_set(struct vcpu *vcpu, u32 msr, u64 val, enum msr_from from);
/* The few that the inner loop serves; RUN_SLOW for all others. Interrupts off. */
int keel_msr_get_fast(struct vcpu *vcpu, u32 msr, u64 *val);
int keel_msr_set_fast(struct vcpu *vcpu, u32 msr, u64 val);
void keel_msr_reset(struct vcpu *vcpu, bool init);
void keel_msr_vcpu_destroy(struct vcpu *vcpu);
int keel_msr_list(u32 *indices, u32 *n);		/* KVM_GET_MSR_INDEX_LIST: *n in = room, out = count; -E2BIG */
int keel_msr_feature_list(u32 *indices, u32 *n);
int keel_msr_feature_get(u32 msr, u64 *val);		/* system-wide KVM_GET_MSRS; 0 or 1 */
int keel_report_mce(struct vcpu *vcpu, const struct kvm_x86_mce *mce);	/* KVM_X86_SET_MCE: core/msr_mce.c */
/* KVM_X86_SET_MSR_FILTER */
int keel_msr_filter_set(struct vm *vm, const struct kvm_msr_filter *filter);
void keel_msr_vm_destroy(struct vm *vm);

/* ---- core/clock.c -------------------------------------------------------------------------------------------------------------- */
void keel_clock_vm_init(struct vm *vm);
void keel_clock_vm_destroy(struct vm *vm);
int keel_clock_get(struct vm *vm, struct kvm_clock_data *data);
int keel_clock_set(struct vm *vm, const struct kvm_clock_data *data);
void keel_clock_vcpu_init(struct vcpu *vcpu);
void keel_clock_update(struct vcpu *vcpu);			/* REQ_CLOCK: write the pvclock page; may sleep */
int keel_clock_msr_set(struct vcpu *vcpu, u32 msr, u64 val);	/* kvmclock MSRs, old and new numbers; 0, 1 */
int keel_clock_kvmclock_ctrl(struct vcpu *vcpu);		/* KVM_KVMCLOCK_CTRL; -EINVAL when no pvclock */
int keel_tsc_set_khz(struct vcpu *vcpu, u32 khz);		/* 0 = host's; -EINVAL beyond reach */
u64 keel_tsc_read(struct vcpu *vcpu);				/* guest TSC now */
u64 keel_tsc_scale(struct vcpu *vcpu, u64 host_tsc);		/* without the offset */
u64 keel_tsc_unscale(struct vcpu *vcpu, u64 delta);		/* host cycles in @delta guest cycles, up to 2^40 */
void keel_tsc_write(struct vcpu *vcpu, u64 val);		/* the host writes IA32_TSC: matching heuristics inside */
void keel_tsc_set_offset(struct vcpu *vcpu, u64 offset);		/* the host sets KVM_VCPU_TSC_OFFSET */
void keel_tsc_write_guest(struct vcpu *vcpu, u64 val);		/* the guest does; moves tsc.adjust along */
void keel_tsc_adjust(struct vcpu *vcpu, s64 delta);		/* the guest adds to its TSC; tsc.adjust is the caller's */
void keel_clock_vcpu_load(struct vcpu *vcpu);			/* on a CPU; preemption off. Cheap while the host TSC is stable */
void keel_clock_note_tsc(struct vcpu *vcpu);			/* off a CPU, if tsc.unstable; preemption off */
bool keel_clock_tsc_pair(struct vcpu *vcpu, struct timespec64 *real, u64 *guest_tsc);	/* real time and guest TSC at once */
/*
 * Write a record that guests read without a lock: while its version, a u32 at @version_at, is odd they read again. @record has the
 * version that the guest has now. May sleep.
 */
void keel_write_versioned(struct vm *vm, gpa_t gpa, void *record, unsigned int len, unsigned int version_at);
int keel_clock_module_init(void);
void keel_clock_module_exit(void);

/* ---- core/pv.c: steal time, async features, hypercall numbers ------------------------------------------------------------------ */
int keel_pv_set_steal_time(struct vcpu *vcpu, u64 val);		/* MSR_KVM_STEAL_TIME; 0, 1 */
void keel_pv_update_steal(struct vcpu *vcpu);			/* REQ_STEAL; may sleep */
void keel_pv_thread_changed(struct vcpu *vcpu);			/* another thread runs it now: what that waited before was not stolen */
void keel_pv_preempted(struct vcpu *vcpu);			/* sched_out, if pv.between_insns: set KVM_VCPU_PREEMPTED; preemption off */
/* Serve a hypercall: RUN_RESUME (*ret is the answer), RUN_USER or, unless @may_sleep, RUN_SLOW. */
int keel_pv_hypercall(struct vcpu *vcpu, u64 nr, const u64 args[4], u64 *ret, bool may_sleep);

#endif
