// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interrupt controllers of one VM in the state of another one's: for forks, and to go back to a mark.
 *
 * Interrupts travel from the controllers to the local APICs, and so does the copy. Sources that the kernel itself has are stopped for it:
 * the 8254s by keel_irq_pause(), the timer of a local APIC by keel_lapic_pause(). Lines and messages of the launcher's may come at any time.
 *
 * One of the two VMs nobody else knows, so the locks of the two never wait for each other.
 */
#include <linux/hrtimer.h>
#include <linux/string.h>
#include <keel/request.h>
#include "lapic.h"

static int make_chips(struct vm *to, struct vm *from)
{
	switch (from->irq_mode) {
	case IRQCHIP_KERNEL:
		return keel_irqchip_create(to);
	case IRQCHIP_SPLIT:
		return keel_irqchip_split(to, from->irq->nr_split_pins);
	default:
		return 0;
	}
}

int keel_irq_fork_make(struct vm *to, struct vm *from)
{
	int ret = make_chips(to, from);

	if (ret || from->irq_mode == IRQCHIP_NONE)
		return ret;
	to->irq->apic_bus_ns = from->irq->apic_bus_ns;
	ret = pit_make_like(to, from);
	if (!ret)
		route_share(to->irq, from->irq);
	return ret;
}

void keel_irq_pause(struct vm *vm)
{
	if (vm->irq_mode == IRQCHIP_NONE)
		return;
	pit_pause(vm->irq);
	irq_deliver_now(vm->irq);
}

void keel_irq_resume(struct vm *vm)
{
	if (vm->irq_mode != IRQCHIP_NONE)
		pit_resume(vm->irq);
}

bool keel_irq_is_like(const struct vm *a, const struct vm *b)
{
	return a->irq_mode == b->irq_mode && (a->irq_mode == IRQCHIP_NONE || !a->irq->pit == !b->irq->pit);
}

void keel_irq_copy(struct vm *to, struct vm *from)
{
	if (from->irq_mode == IRQCHIP_NONE)
		return;
	pit_copy(to->irq, from->irq);
	if (from->irq_mode != IRQCHIP_KERNEL)
		return;
	pic_copy(to->irq, from->irq);
	ioapic_copy(to->irq, from->irq);
	/* who waits for acknowledgements is another matter in each VM */
	mutex_lock(&to->irq->lock);
	ioapic_update_notify(to->irq);
	mutex_unlock(&to->irq->lock);
}

void keel_irq_skip_missed(struct vm *vm)
{
	if (vm->irq_mode != IRQCHIP_NONE)
		pit_skip_missed(vm->irq);
}

void keel_irq_copied(struct vm *to)
{
	/* what has reached a local APIC of the other VM meanwhile is pending there in both, and is so once */
	if (to->irq_mode != IRQCHIP_NONE)
		ioapic_deliver_wide(to->irq);
}

/* A sender that is under way has set the trigger mode before the request; the other way round here, a request has its trigger mode. */
static void copy_requests(struct lapic *to, const struct lapic *from)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(to->irr); i++)
		WRITE_ONCE(to->irr[i], READ_ONCE(from->irr[i]));
	smp_rmb();
	memcpy(to->page, from->page, LAPIC_NR_REGS * 16);
	/* those that the CPU was given already */
	for (i = 0; i < ARRAY_SIZE(to->irr); i++) {
		u32 offset = APIC_IRR + i * 32;

		WRITE_ONCE(to->irr[i], to->irr[i] | lapic_reg(to, offset) | (unsigned long)lapic_reg(to, offset + 16) << 32);
		lapic_set_reg(to, offset, 0);
		lapic_set_reg(to, offset + 16, 0);
	}
	WRITE_ONCE(to->isr_top, to->accelerated ? -1 : page_highest(to, APIC_ISR, 255));
}

void keel_lapic_copy(struct vcpu *to_vcpu, struct vcpu *from_vcpu)
{
	struct lapic *to = to_vcpu->lapic, *from = from_vcpu->lapic;

	copy_requests(to, from);
	to->esr_pending = READ_ONCE(from->esr_pending);
	/* pairs with lapic_deliver(): who finds a SIPI finds its vector */
	to->events = smp_load_acquire(&from->events);
	to->sipi_vector = READ_ONCE(from->sipi_vector);
	if (to->events)
		vcpu_request(to_vcpu, REQ_INIT);
	/* the guest may have ended an interrupt by its flag, which is in the child's memory as well: find out before it goes on */
	to->pv_eoi_set = from->pv_eoi_set;
	to->pv_eoi_at = from->pv_eoi_at;
	if (to->pv_eoi_set)
		vcpu_request(to_vcpu, REQ_PV_EOI);
	lapic_update_enabled(to);
	lapic_timer_copy(to, from);
	ipi_map_update(to);
}
