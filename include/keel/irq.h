/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupt controllers, routing and eventfds of a VM (irqchip/). keel/lapic.h has the local APICs, keel/lapic_accel.h what the CPU does
 * with them. Functions whose context says "any" may be called with interrupts off; Documentation/locking.rst has the locks.
 */
#ifndef KEEL_IRQ_H
#define KEEL_IRQ_H

#include <uapi/linux/kvm.h>
#include <keel/exit.h>
#include <keel/lapic.h>
#include <keel/lapic_accel.h>
#include <keel/types.h>

/**
 * keel_irq_vm_destroy() - free the VM's interrupt state
 * @vm: the machine, after keel_irqfd_shutdown() and all its vCPUs
 *
 * Context: may sleep.
 */
void keel_irq_vm_destroy(struct vm *vm);
/**
 * keel_irqchip_create() - KVM_CREATE_IRQCHIP, with the default routes
 * @vm: the machine
 *
 * Context: may sleep; vm->lock held. Return: 0; -EEXIST; -EINVAL when there are vCPUs; -ENOMEM.
 */
int keel_irqchip_create(struct vm *vm);
/**
 * keel_irqchip_split() - KVM_CAP_SPLIT_IRQCHIP
 * @vm: the machine
 * @nr_pins: GSIs that stand for pins of the launcher's I/O APICs, at most 4096
 *
 * Context: may sleep; vm->lock held. Return: 0; -EEXIST, -EINVAL, -ENOMEM.
 */
int keel_irqchip_split(struct vm *vm, u32 nr_pins);
/**
 * keel_irqchip_set_bus() - KVM_CAP_X86_APIC_BUS_CYCLES_NS: how long a count of the local APICs' timers is
 * @vm: the machine
 * @ns: nanoseconds, undivided
 *
 * Context: vm->lock held. Return: 0; -EINVAL (0, too long, or a vCPU is there); -ENXIO without local APICs.
 */
int keel_irqchip_set_bus(struct vm *vm, u64 ns);
/**
 * keel_irqchip_get() - KVM_GET_IRQCHIP
 * @vm: the machine
 * @chip: chip_id in, state out
 *
 * Context: may sleep. Return: 0; -ENXIO without the controller; -EINVAL.
 */
int keel_irqchip_get(struct vm *vm, struct kvm_irqchip *chip);
/**
 * keel_irqchip_set() - KVM_SET_IRQCHIP
 * @vm: the machine
 * @chip: chip_id and state
 *
 * Context: may sleep. Return: 0; -ENXIO without the controller; -EINVAL.
 */
int keel_irqchip_set(struct vm *vm, const struct kvm_irqchip *chip);
/**
 * keel_pit_create() - KVM_CREATE_PIT2
 * @vm: the machine
 * @config: kernel copy of the launcher's argument
 *
 * Context: may sleep; vm->lock held. Return: 0; -EEXIST, -ENOENT (no in-kernel controllers), -ENOMEM, -ENOSPC.
 */
int keel_pit_create(struct vm *vm, const struct kvm_pit_config *config);
/**
 * keel_pit_get() - KVM_GET_PIT2
 * @vm: the machine
 * @state: filled in
 *
 * Context: may sleep. Return: 0; -ENXIO without an 8254.
 */
int keel_pit_get(struct vm *vm, struct kvm_pit_state2 *state);
/**
 * keel_pit_set() - KVM_SET_PIT2
 * @vm: the machine
 * @state: kernel copy of the launcher's argument
 *
 * Context: may sleep. Return: 0; -ENXIO without an 8254.
 */
int keel_pit_set(struct vm *vm, const struct kvm_pit_state2 *state);
/**
 * keel_pit_reinject() - KVM_REINJECT_CONTROL
 * @vm: the machine
 * @control: whether ticks that the guest missed come later
 *
 * Context: may sleep. Return: 0; -ENXIO without an 8254.
 */
int keel_pit_reinject(struct vm *vm, const struct kvm_reinject_control *control);
/**
 * keel_irq_fork_make() - the interrupt controllers, 8254 and routes that another VM has
 * @to: the machine, new
 * @from: the other
 *
 * Context: may sleep; vm->lock of both held. Return: 0; -ENOMEM.
 */
int keel_irq_fork_make(struct vm *to, struct vm *from);
/**
 * keel_irq_pause() - the 8254 stands still, and no delivery waits
 * @vm: the machine
 *
 * Context: may sleep; its vCPUs held.
 */
void keel_irq_pause(struct vm *vm);
/**
 * keel_irq_resume() - the 8254 goes on; what was due ticks now
 * @vm: the machine
 *
 * Context: any.
 */
void keel_irq_resume(struct vm *vm);
/**
 * keel_irq_is_like() - could keel_irq_copy() copy the one to the other?
 * @a: a machine
 * @b: another one
 *
 * Context: vm->lock of both held. Return: the answer.
 */
bool keel_irq_is_like(const struct vm *a, const struct vm *b);
/**
 * keel_irq_copy() - the state of another VM's controllers and 8254, not its routes
 * @to: the machine
 * @from: the other; one of them nobody else knows
 *
 * Context: may sleep; vm->lock of both held, their vCPUs, and both paused. keel_lapic_copy() for each vCPU comes next, or has come where
 * @to is in use; then keel_irq_copied().
 */
void keel_irq_copy(struct vm *to, struct vm *from);
/**
 * keel_irq_skip_missed() - have what the 8254 did not tick since the state was copied that it now has come as one tick
 * @vm: the machine
 *
 * Context: as keel_irq_copy(), paused.
 */
void keel_irq_skip_missed(struct vm *vm);
/**
 * keel_irq_copied() - send what the I/O APIC had under way, as the local APICs are there
 * @to: the machine
 *
 * Context: as keel_irq_copy().
 */
void keel_irq_copied(struct vm *to);
/**
 * keel_irq_set_routing() - KVM_SET_GSI_ROUTING
 * @vm: the machine
 * @entries: kernel copy of all routes
 * @n: how many, at most KEEL_MAX_ROUTES
 * @flags: 0
 *
 * Context: may sleep. Return: 0; -EINVAL, -ENOMEM, and the table is the old one.
 */
int keel_irq_set_routing(struct vm *vm, const struct kvm_irq_routing_entry *entries, unsigned int n, u32 flags);
/**
 * keel_irqfd() - KVM_IRQFD
 * @vm: the machine
 * @args: kernel copy of the launcher's argument
 *
 * Context: may sleep. Return: 0; -EBUSY (the eventfd is another irqfd's of the VM), -ENOSPC (too many), -EINVAL, -EBADF, -ENOMEM.
 */
int keel_irqfd(struct vm *vm, const struct kvm_irqfd *args);
/**
 * keel_ioeventfd() - KVM_IOEVENTFD
 * @vm: the machine
 * @args: kernel copy of the launcher's argument
 *
 * Context: may sleep. Return: 0 or negative errno.
 */
int keel_ioeventfd(struct vm *vm, const struct kvm_ioeventfd *args);
/**
 * keel_signal_msi() - KVM_SIGNAL_MSI
 * @vm: the machine
 * @msi: the message
 *
 * Context: interrupts on. Return: number of vCPUs that took it; -EINVAL.
 */
int keel_signal_msi(struct vm *vm, const struct kvm_msi *msi);
/**
 * keel_irqfd_shutdown() - the VM's descriptor closes: detach from eventfds
 * @vm: the machine
 *
 * Context: may sleep.
 */
void keel_irqfd_shutdown(struct vm *vm);
/**
 * keel_irq_module_init() - module-wide state of irqchip/
 *
 * Context: module init. Return: 0 or -ENOMEM.
 */
int keel_irq_module_init(void);
/**
 * keel_irq_module_exit() - undo it
 *
 * Context: module exit, may sleep.
 */
void keel_irq_module_exit(void);
/**
 * keel_irq_line() - set an interrupt line
 * @vm: the machine
 * @gsi: global system interrupt by the routing table
 * @level: 0 or 1
 *
 * Context: any. Return: number of targets, 0 when it was coalesced, negative when it was ignored (masked, no such GSI).
 */
int keel_irq_line(struct vm *vm, u32 gsi, int level);

/* ---- paravirtual ---- */

/**
 * keel_pv_send_ipi() - KVM_HC_SEND_IPI
 * @vm: the machine
 * @lo: bitmap of APIC IDs from @min on
 * @hi: and of those behind it
 * @min: lowest APIC ID
 * @icr: delivery mode and vector
 * @mode64: 64 IDs in each word, else 32
 *
 * Context: any. Return: number of vCPUs that took it, or negative errno for the guest.
 */
int keel_pv_send_ipi(struct vm *vm, unsigned long lo, unsigned long hi, u32 min, u32 icr, bool mode64);
/**
 * keel_lapic_set_pv_eoi() - write MSR_KVM_PV_EOI_EN
 * @vcpu: the vCPU
 * @val: value
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off. Return: 0, or 1 for #GP.
 */
int keel_lapic_set_pv_eoi(struct vcpu *vcpu, u64 val);
/**
 * keel_lapic_sync_pv_eoi() - REQ_PV_EOI: take the guest's flag away where sleeping is allowed, and end what it has ended by it
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded; interrupts on.
 */
void keel_lapic_sync_pv_eoi(struct vcpu *vcpu);
/**
 * keel_ipi_flush() - REQ_IPI: what the guest's last instruction sent, or changed, and would have taken too long
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded; interrupts on.
 */
void keel_ipi_flush(struct vcpu *vcpu);

#endif
