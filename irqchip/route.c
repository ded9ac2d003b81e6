// SPDX-License-Identifier: GPL-2.0-only
/*
 * The routing table: from global system interrupts to controller pins and MSIs, and back from
 * pins to GSIs.
 *
 * A table is immutable and published by RCU; KVM_SET_GSI_ROUTING builds a new one, checks it
 * whole, and swaps. VMs begin with one that all share, and a fork shares its parent's. Entries are
 * sorted by GSI with an index, so that driving a line costs no search. Also here: the way back of acknowledgements.
 */
#include <linux/bitops.h>
#include <linux/nospec.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include "irqchip.h"

#define NR_CHIPS	3

/*
 * struct route - one target of a GSI
 * @type: KVM_IRQ_ROUTING_IRQCHIP or KVM_IRQ_ROUTING_MSI
 * @chip, @pin: of the first
 * @msi: of the second, decoded when the table is set
 */
struct route {
	u32 gsi;
	u8 type;
	u8 chip;
	u8 pin;
	struct irq_msg msi;
};

/*
 * struct route_table - all routes of a VM, or of several
 * @users: the VMs, and the module for the one that they begin with
 * @nr_gsi: one above the highest GSI with a route
 * @chip_gsi: GSI of each controller pin, -1 for none
 * @first: index of a GSI's first route, behind @routes in memory; @first[gsi + 1] is one past its
 *   last
 * @routes: sorted by GSI
 */
struct route_table {
	struct rcu_head rcu;
	refcount_t users;
	u32 nr_gsi;
	u32 count;
	s16 chip_gsi[NR_CHIPS][NR_IOAPIC_PINS];
	u16 *first;
	struct route routes[];
};

/* What a VM with its controllers in the kernel begins with. */
static struct route_table *default_routes;

static struct route_table *table_get(struct route_table *table)
{
	refcount_inc(&table->users);
	return table;
}

/* Its VM, or the module, has it no more; readers may. NULL is accepted. */
static void table_put(struct route_table *table)
{
	if (table && refcount_dec_and_test(&table->users))
		kvfree_rcu(table, rcu);
}

/* ---- MSIs ---- */

/*
 * Bits 63:40 of the address are bits 31:8 of the destination where the launcher enabled 32-bit
 * IDs; bits 39:32 are reserved then.
 */
static int msi_decode(const struct vm *vm, u32 address_lo, u32 address_hi, u32 data,
		      struct irq_msg *msg)
{
	if (vm->x2apic_32bit_ids && (address_hi & 0xff))
		return -EINVAL;
	msg->dest = (address_lo >> 12) & 0xff;
	if (vm->x2apic_32bit_ids)
		msg->dest |= address_hi & 0xffffff00;
	msg->logical = address_lo & BIT(2);
	msg->vector = data;
	msg->mode = (data >> 8) & 7;
	msg->shorthand = TO_DEST;
	msg->level = data & BIT(15);
	msg->assert = true;
	/* the redirection hint asks for one receiver of a logical destination */
	msg->lowest = msg->mode == DELIVER_LOWEST || ((address_lo & BIT(3)) && msg->logical);
	return 0;
}

int keel_signal_msi(struct vm *vm, const struct kvm_msi *msi)
{
	struct irq_msg msg = { };

	if (vm_irq_mode(vm) == IRQCHIP_NONE || msi->flags ||
	    msi_decode(vm, msi->address_lo, msi->address_hi, msi->data, &msg))
		return -EINVAL;
	return max(ipi_deliver(vm->irq, NULL, &msg), 0);
}

/* ---- driving a line ---- */

/* It counts as taken. */
static noinline int msi_later(struct irqchip *irq, u32 gsi)
{
	set_bit(gsi, irq->wide_gsis);
	irq_deliver_later(irq);
	return 1;
}

static int route_drive(struct irqchip *irq, const struct route *r, enum irq_source source,
		       int level)
{
	int ret;

	if (r->type == KVM_IRQ_ROUTING_MSI) {
		ret = level ? ipi_deliver(irq, NULL, &r->msi) : 0;
		if (unlikely(ret == IPI_WAITS))
			return msi_later(irq, r->gsi);
		return level ? max(ret, 0) : IRQ_IGNORED;
	}
	if (r->chip == KVM_IRQCHIP_IOAPIC)
		return ioapic_set_pin(irq, r->pin, source, level);
	return pic_set_pin(irq, r->chip, r->pin, source, level);
}

/**
 * route_set_line() - drive all targets of a GSI
 * @irq: interrupt state of the VM
 * @gsi: GSI
 * @source: who drives it
 * @level: 0 or 1
 *
 * Context: any. Return: number of vCPUs or pins that took it, 0 none or no edge, IRQ_IGNORED when all targets did that, -EINVAL
 * when the GSI has no route.
 */
int route_set_line(struct irqchip *irq, u32 gsi, enum irq_source source, int level)
{
	const struct route_table *table;
	int ret = -EINVAL, one;
	u32 i;

	preempt_disable_notrace();
	table = rcu_dereference_sched(irq->routes);
	if (table && gsi < table->nr_gsi) {
		gsi = array_index_nospec(gsi, table->nr_gsi);
		for (i = table->first[gsi]; i < table->first[gsi + 1]; i++) {
			one = route_drive(irq, &table->routes[i], source, level);
			ret = one < 0 ? max(ret, IRQ_IGNORED) : max(ret, 0) + one;
		}
	}
	preempt_enable_notrace();
	return ret;
}

/* The message of a GSI is the one that its route names now. */
void route_deliver_wide(struct irqchip *irq)
{
	const struct route_table *table;
	unsigned int gsi, i;

	if (!irq->wide_gsis)
		return;
	for_each_set_bit(gsi, irq->wide_gsis, KEEL_MAX_ROUTES) {
		/* before the look at the route; one that comes now sets it again */
		clear_bit(gsi, irq->wide_gsis);
		smp_mb__after_atomic();
		preempt_disable_notrace();
		table = rcu_dereference_sched(irq->routes);
		i = gsi < table->nr_gsi ? table->first[gsi] : table->count;
		for (; i < table->count && table->routes[i].gsi == gsi; i++) {
			if (table->routes[i].type == KVM_IRQ_ROUTING_MSI)
				ipi_deliver(irq, NULL, &table->routes[i].msi);
		}
		preempt_enable_notrace();
	}
}

int route_pulse(struct irqchip *irq, u32 gsi, enum irq_source source)
{
	int ret = route_set_line(irq, gsi, source, 1);

	route_set_line(irq, gsi, source, 0);
	return ret;
}

int keel_irq_line(struct vm *vm, u32 gsi, int level)
{
	return vm->irq ? route_set_line(vm->irq, gsi, IRQ_SOURCE_USER, !!level) : -EINVAL;
}

/* ---- acknowledgements ---- */

int route_chip_to_gsi(struct irqchip *irq, unsigned int chip, unsigned int pin)
{
	const struct route_table *table;
	int gsi = -1;

	if (chip >= NR_CHIPS || pin >= NR_IOAPIC_PINS)
		return -1;
	preempt_disable_notrace();
	table = rcu_dereference_sched(irq->routes);
	if (table)
		gsi = table->chip_gsi[array_index_nospec(chip, NR_CHIPS)][array_index_nospec(pin, NR_IOAPIC_PINS)];
	preempt_enable_notrace();
	return gsi;
}

void irq_acked(struct irqchip *irq, unsigned int chip, unsigned int pin)
{
	int gsi = route_chip_to_gsi(irq, chip, pin);
	struct pit *pit = smp_load_acquire(&irq->pit);

	if (gsi < 0)
		return;
	if (gsi == PIT_GSI && pit_wants_ack(pit))
		pit_acked(pit);
	irqfd_acked(irq, gsi);
}

void irq_unmasked(struct irqchip *irq, unsigned int chip, unsigned int pin)
{
	struct pit *pit = smp_load_acquire(&irq->pit);

	if (pit && route_chip_to_gsi(irq, chip, pin) == PIT_GSI)
		pit_forget(pit);
}

bool irq_wants_ack(struct irqchip *irq, unsigned int chip, unsigned int pin)
{
	int gsi = route_chip_to_gsi(irq, chip, pin);

	if (gsi < 0)
		return false;
	return (gsi == PIT_GSI && pit_wants_ack(irq->pit)) || irqfd_wants_ack(irq, gsi);
}

/* ---- building a table ---- */

static int route_parse(struct vm *vm, enum irqchip_mode mode, const struct kvm_irq_routing_entry *e,
		       struct route *r)
{
	unsigned int pins = NR_PIC_PINS;

	r->gsi = e->gsi;
	r->type = e->type;
	switch (e->type) {
	case KVM_IRQ_ROUTING_IRQCHIP:
		if (e->flags || mode != IRQCHIP_KERNEL)
			return -EINVAL;
		if (e->u.irqchip.irqchip == KVM_IRQCHIP_IOAPIC)
			pins = NR_IOAPIC_PINS;
		else if (e->u.irqchip.irqchip > KVM_IRQCHIP_PIC_SLAVE)
			return -EINVAL;
		if (e->u.irqchip.pin >= pins)
			return -EINVAL;
		r->chip = e->u.irqchip.irqchip;
		r->pin = e->u.irqchip.pin;
		return 0;
	case KVM_IRQ_ROUTING_MSI:
		if (e->flags)
			return -EINVAL;
		return msi_decode(vm, e->u.msi.address_lo, e->u.msi.address_hi, e->u.msi.data,
				  &r->msi);
	default:
		return -EINVAL;
	}
}

static int route_compare(const void *a, const void *b)
{
	const struct route *x = a, *y = b;

	if (x->gsi != y->gsi)
		return x->gsi < y->gsi ? -1 : 1;
	return (int)x->chip - (int)y->chip;
}

/* As the default routes are, and those of most launchers. */
static bool route_is_sorted(const struct route_table *table)
{
	u32 i;

	for (i = 1; i < table->count; i++) {
		if (route_compare(&table->routes[i - 1], &table->routes[i]) > 0)
			return false;
	}
	return true;
}

/* A GSI drives each controller at most once, or one MSI alone. Sorted. */
static int route_check_shared(const struct route_table *table)
{
	u32 i;

	for (i = 1; i < table->count; i++) {
		const struct route *a = &table->routes[i - 1], *b = &table->routes[i];

		if (a->gsi != b->gsi)
			continue;
		if (a->type == KVM_IRQ_ROUTING_MSI || b->type == KVM_IRQ_ROUTING_MSI ||
		    a->chip == b->chip)
			return -EINVAL;
	}
	return 0;
}

static void route_index(struct route_table *table)
{
	u32 i, gsi = 0;

	for (i = 0; i < table->count; i++) {
		while (gsi <= table->routes[i].gsi)
			table->first[gsi++] = i;
	}
	table->first[table->nr_gsi] = table->count;
	memset(table->chip_gsi, -1, sizeof(table->chip_gsi));
	for (i = 0; i < table->count; i++) {
		const struct route *r = &table->routes[i];

		if (r->type == KVM_IRQ_ROUTING_IRQCHIP)
			table->chip_gsi[r->chip][r->pin] = r->gsi;
	}
}

/* With the index behind the routes. */
static size_t table_size(u32 count, u32 nr_gsi)
{
	return sizeof(struct route_table) + count * sizeof(struct route) + (nr_gsi + 1) * sizeof(u16);
}

/* Without routes, with one user. NULL without memory. */
static struct route_table *table_alloc(u32 count, u32 nr_gsi, gfp_t gfp)
{
	struct route_table *table = kvzalloc(table_size(count, nr_gsi), gfp);

	if (!table)
		return NULL;
	refcount_set(&table->users, 1);
	table->count = count;
	table->nr_gsi = nr_gsi;
	table->first = (u16 *)(table->routes + count);
	return table;
}

static struct route_table *route_build(struct vm *vm, enum irqchip_mode mode,
				       const struct kvm_irq_routing_entry *entries, unsigned int n)
{
	struct route_table *table;
	u32 nr_gsi = 0;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < n; i++) {
		if (entries[i].gsi >= KEEL_MAX_ROUTES)
			return ERR_PTR(-EINVAL);
		nr_gsi = max(nr_gsi, entries[i].gsi + 1);
	}
	table = table_alloc(n, nr_gsi, GFP_KERNEL_ACCOUNT);
	if (!table)
		return ERR_PTR(-ENOMEM);
	for (i = 0; i < n && !ret; i++)
		ret = route_parse(vm, mode, &entries[i], &table->routes[i]);
	if (!ret) {
		if (!route_is_sorted(table))
			sort(table->routes, n, sizeof(table->routes[0]), route_compare, NULL);
		ret = route_check_shared(table);
	}
	if (ret) {
		kvfree(table);
		return ERR_PTR(ret);
	}
	route_index(table);
	return table;
}

static void route_add_eoi(const struct irqchip *irq, const struct route_table *table, unsigned long vectors[4])
{
	u32 i;

	for (i = 0; i < table->count; i++) {
		const struct route *r = &table->routes[i];

		if (r->type == KVM_IRQ_ROUTING_MSI && r->gsi < irq->nr_split_pins && r->msi.level)
			__set_bit(r->msi.vector, vectors);
	}
}

/*
 * Split mode: user space wants the EOIs of level-triggered MSIs on the GSIs that stand for its I/O APIC's pins. @leaving: the
 * table that may still send, or NULL.
 */
static void route_update_split_eoi(struct irqchip *irq, const struct route_table *table, const struct route_table *leaving)
{
	unsigned long vectors[4] = { 0 };

	if (irq->vm->irq_mode != IRQCHIP_SPLIT)
		return;
	route_add_eoi(irq, table, vectors);
	if (leaving)
		route_add_eoi(irq, leaving, vectors);
	irq_set_eoi_vectors(irq, vectors);
}

static bool drives_same_pins(const struct route_table *a, const struct route_table *b, int gsi)
{
	unsigned int chip, pin;

	for (chip = 0; chip < NR_CHIPS; chip++) {
		for (pin = 0; pin < NR_IOAPIC_PINS; pin++) {
			if ((a->chip_gsi[chip][pin] == gsi) != (b->chip_gsi[chip][pin] == gsi))
				return false;
		}
	}
	return true;
}

int keel_irq_set_routing(struct vm *vm, const struct kvm_irq_routing_entry *entries, unsigned int n,
			 u32 flags)
{
	enum irqchip_mode mode = vm_irq_mode(vm);
	struct irqchip *irq = vm->irq;
	struct route_table *old, *new;

	if (mode == IRQCHIP_NONE || flags || n > KEEL_MAX_ROUTES)
		return -EINVAL;
	new = route_build(vm, mode, entries, n);
	if (IS_ERR(new))
		return PTR_ERR(new);
	mutex_lock(&irq->lock);
	old = rcu_dereference_protected(irq->routes, lockdep_is_held(&irq->lock));
	/* before an interrupt can be sent by the new table, or its end would be told to nobody */
	route_update_split_eoi(irq, new, old);
	rcu_assign_pointer(irq->routes, new);
	route_update_split_eoi(irq, new, NULL);
	ioapic_update_notify(irq);
	/* of a tick that went to another pin, or came before this one was watched, no end is heard */
	if (irq->pit && !drives_same_pins(old, new, PIT_GSI))
		pit_forget(irq->pit);
	mutex_unlock(&irq->lock);
	table_put(old);
	return 0;
}

/* ---- the table a VM begins with ---- */

/*
 * As KVM: GSI n drives pin n of the I/O APIC and, below 16, of the 8259 pair. Return: 0 or -ENOMEM.
 */
int route_module_init(void)
{
	struct route_table *table = table_alloc(NR_IOAPIC_PINS + 2 * NR_PIC_PINS, NR_IOAPIC_PINS, GFP_KERNEL);
	struct route *r;
	unsigned int gsi;

	if (!table)
		return -ENOMEM;
	r = table->routes;
	for (gsi = 0; gsi < NR_IOAPIC_PINS; gsi++) {
		if (gsi < 2 * NR_PIC_PINS)
			*r++ = (struct route) { .gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP,
						.chip = gsi / NR_PIC_PINS, .pin = gsi % NR_PIC_PINS };
		*r++ = (struct route) { .gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP,
					.chip = KVM_IRQCHIP_IOAPIC, .pin = gsi };
	}
	route_index(table);
	default_routes = table;
	return 0;
}

/* No VM is left. */
void route_module_exit(void)
{
	table_put(default_routes);
	default_routes = NULL;
}

/*
 * The controllers are not published yet, and there is no table before this one: no 8254 and no resampler can want
 * acknowledgements.
 */
void route_set_default(struct irqchip *irq)
{
	rcu_assign_pointer(irq->routes, table_get(default_routes));
}

/* ---- a fork, and the end ---- */

/* The routes of another VM, for @to that nobody else knows. */
void route_share(struct irqchip *to, struct irqchip *from)
{
	struct route_table *table;

	mutex_lock(&from->lock);
	table = rcu_dereference_protected(from->routes, lockdep_is_held(&from->lock));
	if (table)
		table_get(table);
	mutex_unlock(&from->lock);
	if (!table)
		return;
	route_destroy(to);
	rcu_assign_pointer(to->routes, table);
	route_update_split_eoi(to, table, NULL);
}

void route_destroy(struct irqchip *irq)
{
	struct route_table *table = rcu_dereference_protected(irq->routes, true);

	RCU_INIT_POINTER(irq->routes, NULL);
	table_put(table);
}
