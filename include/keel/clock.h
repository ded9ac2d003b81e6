/* SPDX-License-Identifier: GPL-2.0-only */
/* kvmclock and the guest's TSC (core/clock.c, core/kvmclock.c, core/tsc.c). */
#ifndef KEEL_CLOCK_H
#define KEEL_CLOCK_H

#include <uapi/linux/kvm.h>
#include <keel/types.h>

struct timespec64;

/* ---- of a VM ---- */

/**
 * keel_clock_module_init() - module-wide state of the clocks
 *
 * Context: module init. Return: 0 or negative errno.
 */
int keel_clock_module_init(void);
/**
 * keel_clock_module_exit() - undo it
 *
 * Context: module exit, may sleep.
 */
void keel_clock_module_exit(void);
/**
 * keel_clock_vm_init() - a clock that begins at 0
 * @vm: the machine
 *
 * Context: any.
 */
void keel_clock_vm_init(struct vm *vm);
/**
 * keel_clock_vm_destroy() - forget it
 * @vm: the machine
 *
 * Context: any.
 */
void keel_clock_vm_destroy(struct vm *vm);
/**
 * keel_clock_get() - KVM_GET_CLOCK
 * @vm: the machine
 * @data: filled in
 *
 * Context: may sleep. Return: 0.
 */
int keel_clock_get(struct vm *vm, struct kvm_clock_data *data);
/**
 * keel_clock_set() - KVM_SET_CLOCK
 * @vm: the machine
 * @data: kernel copy of the launcher's argument
 *
 * Context: may sleep. Return: 0; -EINVAL.
 */
int keel_clock_set(struct vm *vm, const struct kvm_clock_data *data);

/**
 * keel_clock_copy() - a clock that is another VM's
 * @to: the machine; as many vCPUs, with the other ones' TSCs
 * @from: the other
 *
 * Context: any; no vCPU of either runs.
 */
void keel_clock_copy(struct vm *to, struct vm *from);

/* ---- of a vCPU ---- */

/**
 * keel_clock_vcpu_init() - clock and TSC of a new vCPU
 * @vcpu: the vCPU
 *
 * Context: vm->lock held.
 */
void keel_clock_vcpu_init(struct vcpu *vcpu);
/**
 * keel_clock_vcpu_load() - it is on a CPU now; cheap while the host's TSC is stable
 * @vcpu: the vCPU
 *
 * Context: preemption off.
 */
void keel_clock_vcpu_load(struct vcpu *vcpu);
/**
 * keel_clock_note_tsc() - it leaves a CPU, and tsc.unstable is set
 * @vcpu: the vCPU
 *
 * Context: preemption off.
 */
void keel_clock_note_tsc(struct vcpu *vcpu);
/**
 * keel_clock_update() - REQ_CLOCK: write the pvclock page
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded; may sleep.
 */
void keel_clock_update(struct vcpu *vcpu);
/**
 * keel_clock_msr_set() - WRMSR of kvmclock, by old and new numbers
 * @vcpu: the vCPU
 * @msr: its number
 * @val: value
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off. Return: 0, or 1 for #GP.
 */
int keel_clock_msr_set(struct vcpu *vcpu, u32 msr, u64 val);
/**
 * keel_clock_kvmclock_ctrl() - KVM_KVMCLOCK_CTRL
 * @vcpu: the vCPU
 *
 * Context: vcpu->mutex held, loaded; may sleep. Return: 0; -EINVAL without a pvclock page.
 */
int keel_clock_kvmclock_ctrl(struct vcpu *vcpu);
/**
 * keel_clock_tsc_pair() - real time and guest TSC of one moment
 * @vcpu: the vCPU
 * @real: set
 * @guest_tsc: set
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off. Return: false when the host's clock source is not the TSC.
 */
bool keel_clock_tsc_pair(struct vcpu *vcpu, struct timespec64 *real, u64 *guest_tsc);
/**
 * keel_write_versioned() - write a record that guests read without a lock: while its version is odd they read again
 * @vm: the machine
 * @gpa: where it is
 * @record: with the version that the guest has now
 * @len: its bytes
 * @version_at: offset of the version, a u32
 *
 * Context: may sleep.
 */
void keel_write_versioned(struct vm *vm, gpa_t gpa, void *record, unsigned int len, unsigned int version_at);

/* ---- TSC ---- */

/**
 * keel_tsc_set_khz() - KVM_SET_TSC_KHZ
 * @vcpu: the vCPU
 * @khz: frequency, 0 for the host's
 *
 * Context: vcpu->mutex held, loaded; may sleep. Return: 0; -EINVAL beyond what the CPU can scale to.
 */
int keel_tsc_set_khz(struct vcpu *vcpu, u32 khz);
/**
 * keel_tsc_read() - guest TSC now
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off. Return: its value.
 */
u64 keel_tsc_read(struct vcpu *vcpu);
/**
 * keel_tsc_scale() - host cycles in guest cycles, without the offset
 * @vcpu: the vCPU
 * @host_tsc: host cycles
 *
 * Context: any. Return: guest cycles.
 */
u64 keel_tsc_scale(struct vcpu *vcpu, u64 host_tsc);
/**
 * keel_tsc_unscale() - guest cycles in host cycles
 * @vcpu: the vCPU
 * @delta: guest cycles
 *
 * Context: any. Return: host cycles, up to 2^40.
 */
u64 keel_tsc_unscale(struct vcpu *vcpu, u64 delta);
/**
 * keel_tsc_write() - the launcher writes IA32_TSC; vCPUs that are to be in step are recognised
 * @vcpu: the vCPU
 * @val: value
 *
 * Context: vcpu->mutex held, loaded; may sleep.
 */
void keel_tsc_write(struct vcpu *vcpu, u64 val);
/**
 * keel_tsc_set_offset() - the launcher sets KVM_VCPU_TSC_OFFSET
 * @vcpu: the vCPU
 * @offset: guest TSC minus scaled host TSC
 *
 * Context: vcpu->mutex held, loaded; may sleep.
 */
void keel_tsc_set_offset(struct vcpu *vcpu, u64 offset);
/**
 * keel_tsc_write_guest() - the guest writes IA32_TSC; tsc.adjust moves along
 * @vcpu: the vCPU
 * @val: value
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off.
 */
void keel_tsc_write_guest(struct vcpu *vcpu, u64 val);
/**
 * keel_tsc_adjust() - the guest adds to its TSC; tsc.adjust is the caller's
 * @vcpu: the vCPU
 * @delta: cycles
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off.
 */
void keel_tsc_adjust(struct vcpu *vcpu, s64 delta);

#endif
