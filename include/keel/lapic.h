/* SPDX-License-Identifier: GPL-2.0-only */
/* A vCPU's local APIC (irqchip/lapic*.c; SDM, "Advanced Programmable Interrupt Controller (APIC)"). */
#ifndef KEEL_LAPIC_H
#define KEEL_LAPIC_H

#include <linux/types.h>
#include <uapi/linux/kvm.h>
#include <keel/types.h>

/* ---- life ---- */

/**
 * keel_lapic_create() - give a new vCPU its local APIC
 * @vcpu: of a VM whose irq_mode is not IRQCHIP_NONE
 *
 * Context: may sleep; vm->lock held. Return: 0 or -ENOMEM.
 */
int keel_lapic_create(struct vcpu *vcpu);
/**
 * keel_lapic_publish() - interrupts may find it from now on
 * @vcpu: complete and in vm->vcpus
 *
 * Context: may sleep; vm->lock held.
 */
void keel_lapic_publish(struct vcpu *vcpu);
/**
 * keel_lapic_destroy() - free it
 * @vcpu: one that runs no more
 *
 * Context: may sleep.
 */
void keel_lapic_destroy(struct vcpu *vcpu);
/**
 * keel_lapic_pause() - its timer stands still
 * @vcpu: the vCPU, held
 *
 * Context: may sleep.
 */
void keel_lapic_pause(struct vcpu *vcpu);
/**
 * keel_lapic_resume() - and goes on; what was due expires now
 * @vcpu: the vCPU, held
 *
 * Context: interrupts on.
 */
void keel_lapic_resume(struct vcpu *vcpu);
/**
 * keel_lapic_copy() - the state of another VM's local APIC; its timer expires when the other one does
 * @to: the vCPU; apic.base and tsc are copied
 * @from: the other; both held and paused
 *
 * Context: @to is loaded; interrupts on.
 */
void keel_lapic_copy(struct vcpu *to, struct vcpu *from);
/**
 * keel_lapic_reset() - reset it; sets vcpu->apic.base unless @init
 * @vcpu: the vCPU
 * @init: an INIT and no reset
 *
 * Context: the vCPU's own thread, loaded; interrupts on.
 */
void keel_lapic_reset(struct vcpu *vcpu, bool init);

/* ---- registers ---- */

/**
 * keel_lapic_get_state() - KVM_GET_LAPIC
 * @vcpu: the vCPU
 * @state: filled in
 *
 * Context: the vCPU's own thread, loaded; interrupts on. Return: 0; -EINVAL without a local APIC here.
 */
int keel_lapic_get_state(struct vcpu *vcpu, struct kvm_lapic_state *state);
/**
 * keel_lapic_set_state() - KVM_SET_LAPIC
 * @vcpu: the vCPU
 * @state: kernel copy of the launcher's argument
 *
 * Context: the vCPU's own thread, loaded; interrupts on. Return: 0; -EINVAL.
 */
int keel_lapic_set_state(struct vcpu *vcpu, const struct kvm_lapic_state *state);
/**
 * keel_apic_base_set() - write IA32_APIC_BASE
 * @vcpu: the vCPU
 * @val: value
 * @host: by an ioctl: any mode may follow any other
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off. Return: 0, or 1 for #GP.
 */
int keel_apic_base_set(struct vcpu *vcpu, u64 val, bool host);
/**
 * keel_lapic_msr_get() - RDMSR of an x2APIC register
 * @vcpu: the vCPU
 * @msr: 0x800 to 0x8ff
 * @val: its value
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off. Return: 0, or 1 for #GP.
 */
int keel_lapic_msr_get(struct vcpu *vcpu, u32 msr, u64 *val);
/**
 * keel_lapic_msr_set() - WRMSR of an x2APIC register
 * @vcpu: the vCPU
 * @msr: 0x800 to 0x8ff
 * @val: value
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off. Return: 0, or 1 for #GP.
 */
int keel_lapic_msr_set(struct vcpu *vcpu, u32 msr, u64 val);
/**
 * keel_lapic_set_tpr() - set the task priority
 * @vcpu: the vCPU
 * @cr8: 0 to 15
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off.
 */
void keel_lapic_set_tpr(struct vcpu *vcpu, u8 cr8);
/**
 * keel_lapic_get_tpr() - the task priority
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off. Return: 0 to 15.
 */
u8 keel_lapic_get_tpr(struct vcpu *vcpu);
/**
 * keel_lapic_mmio_read() - read from the register page
 * @vcpu: the vCPU
 * @offset: 0 to 0xfff; the address is one that keel_lapic_claims()
 * @len: bytes
 * @data: where they go
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off. Return: 0 or -EOPNOTSUPP.
 */
int keel_lapic_mmio_read(struct vcpu *vcpu, u32 offset, unsigned int len, void *data);
/**
 * keel_lapic_mmio_write() - write to it
 * @vcpu: the vCPU
 * @offset: as there
 * @len: bytes
 * @data: the bytes
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off. Return: 0 or -EOPNOTSUPP.
 */
int keel_lapic_mmio_write(struct vcpu *vcpu, u32 offset, unsigned int len, const void *data);
/**
 * keel_lapic_mmio_page() - where the enabled xAPIC page is; REQ_APIC_BASE tells of changes
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off. Return: its address, KEEL_INVALID_GPA without one.
 */
gpa_t keel_lapic_mmio_page(const struct vcpu *vcpu);
/**
 * keel_lapic_claims() - is an address in it?
 * @vcpu: the vCPU
 * @gpa: guest physical address
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off. Return: the answer.
 */
bool keel_lapic_claims(const struct vcpu *vcpu, gpa_t gpa);
/**
 * keel_lapic_hole() - is it in the page of a local APIC that is off or in x2APIC mode?
 * @vcpu: the vCPU
 * @gpa: guest physical address
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off. Return: true where it reads as ones (KVM_X86_QUIRK_LAPIC_MMIO_HOLE).
 */
bool keel_lapic_hole(const struct vcpu *vcpu, gpa_t gpa);

/* ---- interrupts on their way to the CPU ---- */

/**
 * keel_irq_pending() - the highest interrupt that the priorities let through: local APIC, then ExtINT of the 8259
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off. Return: its vector, -1 for none.
 */
int keel_irq_pending(struct vcpu *vcpu);
/**
 * keel_irq_ack() - take it: from IRR to ISR, or acknowledge at the 8259
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off. Return: its vector, -1 if it went away.
 */
int keel_irq_ack(struct vcpu *vcpu);
/**
 * keel_lapic_takes_extint() - would LINT0 take the interrupt of an 8259, here or the launcher's?
 * @vcpu: one with a local APIC here
 *
 * Context: any. Return: the answer.
 */
bool keel_lapic_takes_extint(const struct vcpu *vcpu);
/**
 * keel_irq_blocked_by_tpr() - the highest vector that the task priority holds back: the backend opens a window for it
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off. Return: the vector, -1 for none.
 */
int keel_irq_blocked_by_tpr(struct vcpu *vcpu);
/**
 * keel_lapic_accept_init_sipi() - apply INIT and SIPI that wait: mp_state may change, and the vCPU be reset
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded; interrupts on.
 */
void keel_lapic_accept_init_sipi(struct vcpu *vcpu);

/* ---- timer ---- */

/**
 * keel_lapic_vcpu_load() - have the timer follow the vCPU to this CPU, if it must
 * @vcpu: the vCPU
 *
 * Context: preemption off.
 */
void keel_lapic_vcpu_load(struct vcpu *vcpu);
/**
 * keel_lapic_get_deadline() - read IA32_TSC_DEADLINE
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off. Return: its value.
 */
u64 keel_lapic_get_deadline(struct vcpu *vcpu);
/**
 * keel_lapic_set_deadline() - write it
 * @vcpu: the vCPU
 * @val: guest TSC, 0 for none
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off.
 */
void keel_lapic_set_deadline(struct vcpu *vcpu, u64 val);
/**
 * keel_lapic_tsc_changed() - the TSC's offset or ratio changed: compute a deadline again
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off.
 */
void keel_lapic_tsc_changed(struct vcpu *vcpu);
/**
 * keel_lapic_deadline_reached() - the backend's timer has run down: deliver if tsc.host_deadline has come
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off.
 */
void keel_lapic_deadline_reached(struct vcpu *vcpu);
/**
 * keel_lapic_timer_block() - the vCPU stops running guest code while time goes on: a deadline goes to a timer of the host
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded; interrupts on.
 */
void keel_lapic_timer_block(struct vcpu *vcpu);

#endif
