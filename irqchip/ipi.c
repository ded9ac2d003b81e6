// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who receives an interrupt message: physical and logical destinations, shorthands, broadcasts,
 * lowest priority.
 *
 * A physical destination is an index into an array of local APICs by vcpu_id, which is the x2APIC
 * ID and, as long as no guest rewrites it, the xAPIC ID. Logical destinations of xAPIC mode are
 * looked up in a table that is computed anew when an APIC changes its logical ID or its mode;
 * those of x2APIC mode follow from the ID. Whatever fits none of these (IDs the guest changed,
 * shared logical bits, mixed modes) sets @odd_ids or LOGICAL_SCAN, and every vCPU is asked.
 *
 * Readers take no lock. While a guest changes logical IDs, a message that is under way may use
 * the old or the new ones.
 *
 * In a large VM a message for many vCPUs, and the table, take too long for a section with
 * interrupts off. A vCPU's thread does both where they are on, before its guest's next instruction
 * (REQ_IPI); the messages of devices go to a work item (route.c, ioapic.c).
 */
#include <linux/nospec.h>
#include <linux/slab.h>
#include <keel/request.h>
#include "irqchip.h"

#define XAPIC_BROADCAST		0xffu
#define X2APIC_BROADCAST	0xffffffffu

/* ---- the map ---- */

/**
 * ipi_ids_reserve() - make room for a vcpu_id
 * @irq: interrupt state of the VM; vm->lock held
 * @vcpu_id: id below KEEL_MAX_VCPU_ID
 *
 * Return: 0 or -ENOMEM.
 */
int ipi_ids_reserve(struct irqchip *irq, u32 vcpu_id)
{
	struct apic_ids *old = rcu_dereference_protected(irq->ids, true);
	u32 size = roundup_pow_of_two(max(vcpu_id + 1, 4u));
	struct apic_ids *new;

	if (old && vcpu_id < old->size)
		return 0;
	if (size > IPI_MAX_AT_ONCE && !irq->wide_gsis) {
		irq->wide_gsis = kcalloc(BITS_TO_LONGS(KEEL_MAX_ROUTES), sizeof(long), GFP_KERNEL_ACCOUNT);
		if (!irq->wide_gsis)
			return -ENOMEM;
	}
	new = kvzalloc(struct_size(new, lapic, size), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	new->size = size;
	if (old)
		memcpy(new->lapic, old->lapic, old->size * sizeof(old->lapic[0]));
	rcu_assign_pointer(irq->ids, new);
	if (old)
		kvfree_rcu(old, rcu);
	return 0;
}

/* The vCPU is complete: let messages find it. vm->lock held. */
void ipi_publish(struct lapic *apic)
{
	struct apic_ids *ids = rcu_dereference_protected(apic->irq->ids, true);

	apic->published = true;
	smp_store_release(&ids->lapic[apic->vcpu->id], apic);
	ipi_map_update(apic);
}

/*
 * A published APIC only goes with its VM: nobody but the PIT can send any more, and it is stopped
 * here. So the first one that goes takes the map along and no grace period is waited for.
 */
void ipi_unpublish(struct lapic *apic)
{
	struct irqchip *irq = apic->irq;
	struct apic_ids *ids = rcu_dereference_protected(irq->ids, true);

	pit_stop(irq);
	cancel_work_sync(&irq->wide_work);
	irq->logical_mode = LOGICAL_FLAT;
	irq->odd_ids = false;
	memset(irq->logical, 0, sizeof(irq->logical));
	RCU_INIT_POINTER(irq->ids, NULL);
	kvfree(ids);
}

/*
 * Index of each bit of @ldr in the logical table, for one vCPU. False when two vCPUs share a bit.
 */
static bool logical_add(struct irqchip *irq, struct lapic *apic, bool cluster)
{
	u32 ldr = lapic_reg(apic, APIC_LDR) >> 24;
	unsigned int base = cluster ? (ldr >> 4) * 4 : 0;
	unsigned long bits = cluster ? ldr & 0xf : ldr;
	unsigned int bit;

	for_each_set_bit(bit, &bits, 8) {
		if (irq->logical[base + bit])
			return false;
		WRITE_ONCE(irq->logical[base + bit], apic);
	}
	return true;
}

static enum logical_mode apic_logical_mode(const struct lapic *apic)
{
	if (apic->x2apic)
		return LOGICAL_X2APIC;
	return lapic_reg(apic, APIC_DFR) >> 28 == 0xf ? LOGICAL_FLAT : LOGICAL_CLUSTER;
}

/**
 * ipi_map_update() - an APIC changed its ID, logical ID or mode
 * @apic: that one; on its own thread if interrupts are off, and then it is done before the guest goes on
 *
 * Visits every vCPU. One that is not published yet is not in the map.
 */
void ipi_map_update(struct lapic *apic)
{
	struct irqchip *irq = apic->irq;
	enum logical_mode mode = LOGICAL_SCAN;
	bool first = true, odd = false, clash = false;
	const struct apic_ids *ids;
	unsigned int i;

	if (!apic->published)
		return;
	if (irqs_disabled()) {
		apic->map_stale = true;
		vcpu_request(apic->vcpu, REQ_IPI);
		return;
	}
	spin_lock(&irq->map_lock);
	rcu_read_lock();
	ids = rcu_dereference(irq->ids);
	/* messages under way ask every vCPU until the table is complete */
	WRITE_ONCE(irq->logical_mode, LOGICAL_SCAN);
	memset(irq->logical, 0, sizeof(irq->logical));
	for (i = 0; ids && i < ids->size; i++) {
		apic = READ_ONCE(ids->lapic[i]);
		if (!apic || !apic->enabled)
			continue;
		if (!apic->x2apic && lapic_xapic_id(apic) != (i & 0xff))
			odd = true;
		if (first)
			mode = apic_logical_mode(apic);
		else if (mode != apic_logical_mode(apic))
			clash = true;
		first = false;
		if (!clash && mode != LOGICAL_X2APIC &&
		    !logical_add(irq, apic, mode == LOGICAL_CLUSTER))
			clash = true;
	}
	WRITE_ONCE(irq->odd_ids, odd);
	smp_store_release(&irq->logical_mode, clash ? LOGICAL_SCAN : mode);
	rcu_read_unlock();
	spin_unlock(&irq->map_lock);
}

/* ---- matching one APIC ---- */

static bool match_physical(const struct lapic *apic, u32 dest)
{
	u32 id = apic->vcpu->id;

	if (apic->x2apic)
		return dest == id;
	/*
	 * an xAPIC with an ID beyond its register is reached by its full number, so that it can
	 * be started
	 */
	return dest == (id > 0xff ? id : lapic_xapic_id(apic));
}

static bool match_logical(const struct lapic *apic, u32 dest)
{
	u32 ldr = lapic_reg(apic, APIC_LDR);

	if (apic->x2apic)
		return dest >> 16 == ldr >> 16 && (dest & ldr & 0xffff);
	ldr >>= 24;
	if (apic_logical_mode(apic) == LOGICAL_FLAT)
		return ldr & dest & 0xff;
	return (ldr >> 4) == ((dest >> 4) & 0xf) && (ldr & dest & 0xf);
}

/*
 * Does @msg go to everyone? In x2APIC mode 0xff is an ordinary ID; but interrupts from devices
 * with an 8-bit destination treat it as a broadcast too, unless the launcher switched that off
 * (KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK).
 */
static bool is_broadcast(const struct irqchip *irq, const struct lapic *source,
			 const struct irq_msg *msg)
{
	if (msg->dest == X2APIC_BROADCAST)
		return true;
	if (msg->dest != XAPIC_BROADCAST)
		return false;
	if (source)
		return !source->x2apic;
	return !irq->vm->x2apic_no_bcast_quirk;
}

static bool matches(const struct lapic *apic, const struct lapic *source, const struct irq_msg *msg)
{
	if (!apic->enabled)
		return false;
	/* without the quirk 0xff from a device is a broadcast to those in xAPIC mode only */
	if (!source && msg->dest == XAPIC_BROADCAST && !apic->x2apic)
		return true;
	return msg->logical ? match_logical(apic, msg->dest) : match_physical(apic, msg->dest);
}

/* ---- delivery ---- */

/*
 * Collects receivers. For "lowest priority" the one is chosen by the vector, so that a device's
 * interrupts stay on one vCPU and its caches, while different vectors spread.
 */
struct receivers {
	const struct irq_msg *msg;
	int accepted;
	unsigned int seen;	/* candidates, for lowest priority */
	unsigned int pick;
	struct lapic *chosen;
};

static void receive(struct receivers *r, struct lapic *apic)
{
	if (!r->msg->lowest) {
		r->accepted = max(r->accepted, 0) + lapic_deliver(apic, r->msg);
		return;
	}
	if (!READ_ONCE(apic->accepting))
		return;
	if (!r->chosen || r->seen == r->pick)
		r->chosen = apic;
	r->seen++;
}

static void receive_one(struct receivers *r, struct lapic *apic)
{
	if (apic && apic->enabled)
		receive(r, apic);
}

/* The APIC with an ID that a guest names, and may have had the bound guessed wrong for. */
static __always_inline struct lapic *apic_by_id(const struct apic_ids *ids, u32 id)
{
	return id < ids->size ? READ_ONCE(ids->lapic[array_index_nospec(id, ids->size)]) : NULL;
}

static void receive_x2apic_cluster(struct receivers *r, const struct apic_ids *ids, u32 dest)
{
	u32 base = (dest >> 16) << 4;
	unsigned long bits = dest & 0xffff;
	unsigned int bit;

	for_each_set_bit(bit, &bits, 16)
		receive_one(r, apic_by_id(ids, base + bit));
}

static u32 ldr_bits(const struct lapic *apic)
{
	return lapic_reg(apic, APIC_LDR) >> 24;
}

static void receive_table(struct receivers *r, struct irqchip *irq, u32 dest, bool cluster)
{
	unsigned int base = cluster ? ((dest >> 4) & 0xf) * 4 : 0;
	unsigned long bits = cluster ? dest & 0xf : dest & 0xff;
	unsigned int bit;

	for_each_set_bit(bit, &bits, 8) {
		struct lapic *apic = READ_ONCE(irq->logical[base + bit]);

		/*
		 * with several bits in its LDR one APIC may stand in the table more than once: it
		 * gets the message once
		 */
		if (apic && apic->enabled && !(bits & ldr_bits(apic) & (BIT(bit) - 1)))
			receive(r, apic);
	}
}

static void receive_scan(struct receivers *r, const struct apic_ids *ids, struct lapic *source,
			 bool all)
{
	u32 i;

	for (i = 0; i < ids->size; i++) {
		struct lapic *apic = READ_ONCE(ids->lapic[i]);

		if (!apic || (apic == source && r->msg->shorthand == TO_OTHERS))
			continue;
		if (all ? apic->enabled : matches(apic, source, r->msg))
			receive(r, apic);
	}
}

static void receive_logical(struct receivers *r, struct irqchip *irq, const struct apic_ids *ids,
			    struct lapic *source)
{
	u32 dest = r->msg->dest;

	switch (smp_load_acquire(&irq->logical_mode)) {
	case LOGICAL_X2APIC:
		return receive_x2apic_cluster(r, ids, dest);
	case LOGICAL_FLAT:
		return receive_table(r, irq, dest, false);
	case LOGICAL_CLUSTER:
		return receive_table(r, irq, dest, true);
	default:
		return receive_scan(r, ids, source, false);
	}
}

static void receive_all(struct receivers *r, struct irqchip *irq, const struct apic_ids *ids,
			struct lapic *source)
{
	const struct irq_msg *msg = r->msg;

	if (msg->shorthand == TO_SELF)
		receive(r, source);
	else if (msg->shorthand != TO_DEST || is_broadcast(irq, source, msg))
		receive_scan(r, ids, source, true);
	else if (!source && msg->dest == XAPIC_BROADCAST)
		receive_scan(r, ids, source, false);	/* a broadcast to some, see matches() */
	else if (msg->logical)
		receive_logical(r, irq, ids, source);
	else if (READ_ONCE(irq->odd_ids))
		receive_scan(r, ids, source, false);
	else
		receive_one(r, apic_by_id(ids, msg->dest));
}

/* Does receive_all() look at every vCPU for it? */
static bool is_wide(struct irqchip *irq, struct lapic *source, const struct irq_msg *msg)
{
	if (msg->shorthand != TO_DEST)
		return msg->shorthand != TO_SELF;
	if (msg->dest == XAPIC_BROADCAST && !source)
		return true;
	if (is_broadcast(irq, source, msg))
		return true;
	if (msg->logical)
		return READ_ONCE(irq->logical_mode) == LOGICAL_SCAN;
	return READ_ONCE(irq->odd_ids);
}

/**
 * ipi_is_wide() - is every vCPU asked for a message of a device's?
 * @irq: interrupt state of the VM
 * @msg: message
 *
 * Context: any. Return: the answer.
 */
bool ipi_is_wide(struct irqchip *irq, const struct irq_msg *msg)
{
	return is_wide(irq, NULL, msg);
}

/**
 * ipi_deliver() - deliver a message to all that match
 * @irq: interrupt state of the VM
 * @source: sending APIC; NULL for devices
 * @msg: message
 *
 * Context: any. Return: number of vCPUs that took it or, but for @msg->count_new, had it pending; 0
 * when none did, -1 when none matched. With interrupts off a message of a device for too many vCPUs
 * is not delivered, but IPI_WAITS: deliver it where they are on.
 */
int ipi_deliver(struct irqchip *irq, struct lapic *source, const struct irq_msg *msg)
{
	struct receivers r = { .msg = msg, .accepted = -1 };
	const struct apic_ids *ids;
	struct lapic *apic;

	preempt_disable_notrace();
	ids = rcu_dereference_sched(irq->ids);
	if (unlikely(!ids))
		goto out;
	/* by far the most frequent: one vCPU by its ID */
	if (likely(!msg->logical && msg->shorthand == TO_DEST && !READ_ONCE(irq->odd_ids) &&
		   msg->dest < ids->size &&
		   msg->dest != XAPIC_BROADCAST)) {
		apic = apic_by_id(ids, msg->dest);
		if (likely(apic && apic->enabled))
			r.accepted = lapic_deliver(apic, msg);
		goto out;
	}
	if (unlikely(ids->size > IPI_MAX_AT_ONCE) && irqs_disabled() && is_wide(irq, source, msg)) {
		r.accepted = IPI_WAITS;
		goto out;
	}
	receive_all(&r, irq, ids, source);
	if (msg->lowest && r.seen) {
		r.pick = msg->vector % r.seen;
		r.seen = 0;
		r.chosen = NULL;
		receive_all(&r, irq, ids, source);
		if (r.chosen)
			r.accepted = lapic_deliver(r.chosen, msg);
	}
out:
	preempt_enable_notrace();
	return r.accepted;
}

/**
 * ipi_send() - the guest wrote the interrupt command register
 * @apic: sender, on its own thread
 * @icr: low half
 * @dest: destination
 */
void ipi_send(struct lapic *apic, u32 icr, u32 dest)
{
	struct irq_msg msg;

	if (unlikely((icr & 0xff) < 16 && ((icr >> 8) & 7) <= DELIVER_LOWEST)) {
		lapic_error(apic, LAPIC_ESR_SEND_VECTOR);
		return;
	}
	/* a fixed interrupt to oneself needs no message */
	if ((icr & (APIC_ICR_RR_MASK | APIC_DEST_ALLBUT | APIC_MODE_MASK)) == APIC_DEST_SELF) {
		lapic_accept(apic, icr, false);
		return;
	}
	msg.dest = dest;
	msg.vector = icr;
	msg.mode = (icr >> 8) & 7;
	msg.shorthand = (icr >> 18) & 3;
	msg.logical = icr & APIC_DEST_LOGICAL;
	/* only INIT messages are ever level triggered */
	msg.level = msg.mode == DELIVER_INIT && (icr & APIC_INT_LEVELTRIG);
	msg.assert = icr & APIC_INT_ASSERT;
	msg.lowest = msg.mode == DELIVER_LOWEST && msg.shorthand == TO_DEST;
	msg.count_new = false;
	if (unlikely(ipi_deliver(apic->irq, apic, &msg) == IPI_WAITS)) {
		apic->msg = msg;
		apic->msg_waits = true;
		vcpu_request(apic->vcpu, REQ_IPI);
	}
}

void keel_ipi_flush(struct vcpu *vcpu)
{
	struct lapic *apic = vcpu->lapic;

	if (apic->map_stale) {
		apic->map_stale = false;
		ipi_map_update(apic);
	}
	if (apic->msg_waits) {
		apic->msg_waits = false;
		ipi_deliver(apic->irq, apic, &apic->msg);
	}
}

/* One word of the hypercall's bitmap. */
static int pv_send_word(const struct apic_ids *ids, unsigned long bits, u32 base,
			const struct irq_msg *msg)
{
	unsigned int bit;
	int count = 0;

	for_each_set_bit(bit, &bits, BITS_PER_LONG) {
		struct lapic *apic = base + bit >= base ? apic_by_id(ids, base + bit) : NULL;

		if (apic && apic->enabled)
			count += lapic_deliver(apic, msg);
	}
	return count;
}

int keel_pv_send_ipi(struct vm *vm, unsigned long lo, unsigned long hi, u32 min, u32 icr,
		     bool mode64)
{
	unsigned int width = mode64 ? 64 : 32;
	struct irq_msg msg = {
		.vector = icr,
		.mode = (icr >> 8) & 7,
		.level = false,
		.assert = icr & APIC_INT_ASSERT,
	};
	const struct apic_ids *ids;
	int count = 0;

	/* the destination comes as a bitmap, so these must be clear */
	if (!vm->irq || (icr & (APIC_DEST_LOGICAL | APIC_DEST_ALLBUT)))
		return -EINVAL;
	if (!mode64) {
		lo = (u32)lo;
		hi = (u32)hi;
	}
	preempt_disable_notrace();
	ids = rcu_dereference_sched(vm->irq->ids);
	if (ids) {
		count += pv_send_word(ids, lo, min, &msg);
		if (min + width > min)
			count += pv_send_word(ids, hi, min + width, &msg);
	}
	preempt_enable_notrace();
	return count;
}
