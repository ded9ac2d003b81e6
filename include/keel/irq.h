/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupt controllers, routing and eventfds (irqchip/). All locks here are taken with interrupts off; functions
 * without "may sleep" may be called with interrupts off.
 */
#ifndef KEEL_IRQ_H
#define KEEL_IRQ_H

#include <uapi/linux/kvm.h>
#include <keel/exit.h>
#include <keel/types.h>

/* ---- VM-wide: may sleep, vm->lock held where a set-up changes --------------------------------------------------------- */

void keel_irq_vm_destroy(struct vm *vm);		/* after keel_irqfd_shutdown() and all vCPUs */
int keel_irqchip_create(struct vm *vm);			/* KVM_CREATE_IRQCHIP: -EEXIST, -EINVAL when vCPUs exist; default routes */
int keel_irqchip_split(struct vm *vm, u32 nr_pins);	/* KVM_CAP_SPLIT_IRQCHIP */
int keel_irqchip_get(struct vm *vm, struct kvm_irqchip *chip);
int keel_irqchip_set(struct vm *vm, const struct kvm_irqchip *chip);
int keel_pit_create(struct vm *vm, const struct kvm_pit_config *config);
int keel_pit_get(struct vm *vm, struct kvm_pit_state2 *state);
int keel_pit_set(struct vm *vm, const struct kvm_pit_state2 *state);
int keel_pit_reinject(struct vm *vm, const struct kvm_reinject_control *control);
int keel_irq_set_routing(struct vm *vm, const struct kvm_irq_routing_entry *entries, unsigned int n, u32 flags);
int keel_irqfd(struct vm *vm, const struct kvm_irqfd *args);
int keel_ioeventfd(struct vm *vm, const struct kvm_ioeventfd *args);
int keel_signal_msi(struct vm *vm, const struct kvm_msi *msi);
void keel_irqfd_shutdown(struct vm *vm);		/* when the VM's fd closes: detach from eventfds */
int keel_irq_module_init(void);
void keel_irq_module_exit(void);

/**
 * keel_irq_line() - set an interrupt line
 * @gsi: global system interrupt by the routing table
 * @level: 0 or 1
 * Return: number of targets, 0 coalesced/ignored, -EINVAL (no such gsi). Any context.
 */
int keel_irq_line(struct vm *vm, u32 gsi, int level);

/* ---- one vCPU's local APIC ------------------------------------------------------------------------------------------------ */

int keel_lapic_create(struct vcpu *vcpu);		/* may sleep; only when vm->irq_mode != IRQCHIP_NONE */
/* The vCPU is complete and in vm->vcpus: interrupts may find it from now on. vm->lock held. */
void keel_lapic_publish(struct vcpu *vcpu);
void keel_lapic_destroy(struct vcpu *vcpu);
void keel_lapic_reset(struct vcpu *vcpu, bool init);	/* sets vcpu->apic_base unless @init */
int keel_lapic_get_state(struct vcpu *vcpu, struct kvm_lapic_state *state);
int keel_lapic_set_state(struct vcpu *vcpu, const struct kvm_lapic_state *state);
int keel_apic_base_set(struct vcpu *vcpu, u64 val, bool host);	/* 0, 1 for #GP */
int keel_lapic_msr_get(struct vcpu *vcpu, u32 msr, u64 *val);	/* x2APIC 0x800-0x8ff; 0, 1 for #GP */
int keel_lapic_msr_set(struct vcpu *vcpu, u32 msr, u64 val);
u64 keel_lapic_get_deadline(struct vcpu *vcpu);		/* IA32_TSC_DEADLINE */
void keel_lapic_set_deadline(struct vcpu *vcpu, u64 val);
void keel_lapic_set_tpr(struct vcpu *vcpu, u8 cr8);	/* 0..15 */
u8 keel_lapic_get_tpr(struct vcpu *vcpu);
/* Register page, absolute address already matched against vcpu->apic_base. @offset 0..0xfff. 0 or -EOPNOTSUPP. */
int keel_lapic_mmio_read(struct vcpu *vcpu, u32 offset, unsigned int len, void *data);
int keel_lapic_mmio_write(struct vcpu *vcpu, u32 offset, unsigned int len, const void *data);
/* Address of the enabled xAPIC page of this vCPU, KEEL_INVALID_GPA without one; REQ_APIC_BASE tells of changes. */
gpa_t keel_lapic_mmio_page(const struct vcpu *vcpu);
/* Is @gpa in it? */
bool keel_lapic_claims(const struct vcpu *vcpu, gpa_t gpa);
/* Is @gpa in the page of a local APIC that is off or in x2APIC mode, and reads as ones there (KVM_X86_QUIRK_LAPIC_MMIO_HOLE)? */
bool keel_lapic_hole(const struct vcpu *vcpu, gpa_t gpa);

/* Highest interrupt that can be delivered now by priority (local APIC, then 8259 ExtINT), -1 for none. */
int keel_irq_pending(struct vcpu *vcpu);
/* Take it: IRR to ISR, 8259 acknowledge. Returns the vector, -1 if it went away. */
int keel_irq_ack(struct vcpu *vcpu);
/* Would an external interrupt of an 8259, in-kernel or the launcher's, be taken at LINT0? With vcpu->lapic only. */
bool keel_lapic_takes_extint(const struct vcpu *vcpu);
/* Highest pending vector that the task priority holds back, -1 for none: the backend opens a TPR window for it. */
int keel_irq_blocked_by_tpr(struct vcpu *vcpu);
/* INIT and SIPI waiting: apply them (may change mp_state and reset the vCPU). On the vCPU's own thread, loaded. */
void keel_lapic_accept_init_sipi(struct vcpu *vcpu);
void keel_lapic_vcpu_load(struct vcpu *vcpu);		/* timer follows the CPU if needed; preemption off */
/* The TSC offset or ratio changed: recompute a deadline timer. */
void keel_lapic_tsc_changed(struct vcpu *vcpu);
/* The backend's timer has run down: deliver if tsc.host_deadline has come. Own thread; interrupts may be off. */
void keel_lapic_deadline_reached(struct vcpu *vcpu);
/* The vCPU stops running guest code while time goes on for it: the deadline goes to a timer of the host. Own thread. */
void keel_lapic_timer_block(struct vcpu *vcpu);
/* Paravirtual hypercalls: send an IPI to the bitmap of APIC ids from @min; count delivered. */
int keel_pv_send_ipi(struct vm *vm, unsigned long lo, unsigned long hi, u32 min, u32 icr, bool mode64);
/* MSR_KVM_PV_EOI_EN written; sync on exit when the guest cleared its flag. */
int keel_lapic_set_pv_eoi(struct vcpu *vcpu, u64 val);	/* 0, 1 for #GP */
/* REQ_PV_EOI: read the flag where sleeping is allowed. On the vCPU's own thread, loaded. */
void keel_lapic_sync_pv_eoi(struct vcpu *vcpu);

/*
 * REQ_IPI: what the guest's last instruction sent, or changed, and would have taken too long. Own
 * thread, interrupts on.
 */
void keel_ipi_flush(struct vcpu *vcpu);

/* ---- a local APIC that the CPU works on by itself (irqchip/lapic_accel.c); for backends and core/inject.c ---------------- */

enum lapic_mode {
	LAPIC_OFF,		/* disabled, or none here */
	LAPIC_MMIO,		/* xAPIC at its usual address */
	LAPIC_MOVED,		/* xAPIC elsewhere */
	LAPIC_MSRS,		/* x2APIC */
};

/* The registers, one page laid out as the architecture has it, for the vCPU's life; NULL without a local APIC here. */
void *keel_lapic_page(struct vcpu *vcpu);
enum lapic_mode keel_lapic_mode(const struct vcpu *vcpu);
/* From the next entry on the CPU delivers interrupts from the page by itself; and no more. Own thread, loaded. */
void keel_lapic_accel_begin(struct vcpu *vcpu);
void keel_lapic_accel_end(struct vcpu *vcpu);
/* Move what was requested since to the page. While accelerated, before an entry. */
void keel_lapic_accel_sync(struct vcpu *vcpu, struct lapic_levels *levels);
/* While accelerated: is there an interrupt that the priorities let through? */
bool keel_lapic_accel_deliverable(struct vcpu *vcpu);
/* The CPU has written the register at @offset of the page for the guest: do what that sets off. Interrupts may be off. */
void keel_lapic_written(struct vcpu *vcpu, u32 offset);
/* The CPU has ended @vector, one of keel_lapic_eoi_vectors(). Interrupts may be off. */
void keel_lapic_ended(struct vcpu *vcpu, u8 vector);
/* Vectors whose end must exit; REQ_INTERCEPTS tells of changes. */
void keel_lapic_eoi_vectors(const struct vcpu *vcpu, u64 vectors[4]);

#endif
